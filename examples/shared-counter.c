/* SPDX-License-Identifier: MIT */
/*
 * Two processes count in one region of shared memory: under its lock, and by atomics
 *
 *	cc shared-counter.c $(pkg-config --cflags --libs mmapstore)
 *	./a.out [FILE]
 *
 * With FILE (say, /dev/shm/counter) the counters outlive the program, and go on from there the
 * next time; without, the memory has no name, and the processes share it by its descriptor.
 */
#include <mmapstore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 2
#define ROUNDS 10000

/* What is in the region. All that use it must agree on this, so it has a version. */
struct counters {
	uint64_t locked;         /* changed by who holds the region's lock */
	_Atomic uint64_t atomic; /* changed by anybody */
};

static const struct mms_region_options options = {
	.magic = "CNTR", .version = 1, .size = sizeof(struct counters), /* a new region is zeros */
};

static int fail(const struct mms_error *err)
{
	char text[600];

	(void)fprintf(stderr, "shared-counter: %s\n", mms_error_format(err, text, sizeof(text)));
	return EXIT_FAILURE;
}

/* A lock belongs to an opening, and a child has its parent's: for one of its own it opens the
 * region anew, by the descriptor that it got. */
static int count(struct mms_pool *pool, struct mms_region *parents)
{
	struct mms_region *region;
	struct counters *counters;
	struct mms_error err;

	if (mms_region_adopt(pool, mms_region_fd(parents), "the parent's region", &options, &region,
			     &err))
		return fail(&err);
	mms_region_close(parents);
	counters = mms_region_data(region);
	for (int i = 0; i < ROUNDS; i++) {
		int r = mms_region_lock(region, -1);

		if (r) {
			err = (struct mms_error){.code = r, .what = "locking the region"};
			return fail(&err);
		}
		counters->locked++;
		(void)mms_region_unlock(region);
		counters->atomic++;
	}
	mms_region_close(region);
	return EXIT_SUCCESS;
}

static int count_in_processes(struct mms_pool *pool, struct mms_region *region)
{
	struct counters *counters = mms_region_data(region);
	uint64_t before = counters->locked;
	int failed = EXIT_SUCCESS;

	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(count(pool, region));
		if (pid < 0) {
			perror("fork");
			failed = EXIT_FAILURE;
		}
	}
	for (int status; wait(&status) > 0;) {
		if (status)
			failed = EXIT_FAILURE;
	}
	printf("%d processes, %d rounds each\n", PROCESSES, ROUNDS);
	printf("under the lock: from %llu to %llu\n", (unsigned long long)before,
	       (unsigned long long)counters->locked);
	printf("by atomics:     to %llu\n", (unsigned long long)counters->atomic);
	if (counters->locked != before + PROCESSES * ROUNDS)
		failed = EXIT_FAILURE;
	return failed;
}

int main(int argc, char **argv)
{
	struct mms_pool *pool;
	struct mms_region *region;
	struct mms_error err;
	int failed;

	if (mms_pool_new(NULL, &pool, &err))
		return fail(&err);
	if (mms_region_open(pool, argc > 1 ? argv[1] : NULL, &options, &region, &err))
		return fail(&err);
	failed = count_in_processes(pool, region);
	mms_region_close(region);
	mms_pool_free(pool);
	return failed;
}
