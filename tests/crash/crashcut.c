/* SPDX-License-Identifier: MIT */
/*
 * Cuts the power in a recording again and again, and checks what is left.
 *
 *	crashcut RECORDING WORK [KEY=VALUE]...
 *
 * RECORDING is a directory with the disk as it was at first (base), its log,
 * the notes of the workload, and about, a file of KEY=VALUE lines that may
 * hold any of the following but images, jobs and only. WORK is a directory for
 * images, best in memory.
 *
 *	images=N     to try (100)
 *	jobs=N       at a time (2)
 *	seed=N       of all choices (1)
 *	only=SEED    only the image of this seed, as a broken promise is reported with
 *	keep=FILE    with only: the image goes there as well, before it is mounted
 *	recut=N      of N images one is not checked after its recovery: the power fails once more
 *	             while it recovers, and what that leaves is recovered and checked (0: none)
 *	type=WORD    file system (ext4)
 *	options=...  its mount options
 *	sector=N     what the disk writes whole (512)
 *	dir=NAME     the workload's directory in it
 *	recover=...  a shell command that recovers $1, the directory; nothing where the file
 *	             system's own recovery is all
 *	second=DIR   where the file system of the second disk is mounted, if the log has two; one
 *	             image is tried at a time then
 *	logdisk=FILE the program, for recut
 *
 * The last line is "IMAGES images, PROMISES promises, BROKEN broken".
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disklog.h"
#include "image.h"
#include "machine.h"
#include "model.h"
#include "util.h"

static struct {
	const char *recording, *work;
	uint64_t images, jobs, seed, only, recut;
	uint32_t sector;
	const char *keep, *type, *options, *dir, *recover, *logdisk, *second;
} cfg = {.images = 100,
	 .jobs = 2,
	 .seed = 1,
	 .sector = 512,
	 .type = "ext4",
	 .options = "",
	 .dir = "",
	 .recover = ""};

struct instant {
	uint64_t position, seed;
};

/* Of all jobs, in memory that they share. */
struct totals {
	_Atomic(uint64_t) images, promises, broken, recuts;
};

static struct totals *totals;
static struct disklog disk_log;
static struct model *model;
static pid_t disk_process; /* this job's logdisk */

/* ------------------------------------------------------------- arguments */

static bool take_number(const char *arg, const char *value)
{
	const struct {
		const char *key;
		uint64_t *number;
	} numbers[] = {{"images=", &cfg.images},
		       {"jobs=", &cfg.jobs},
		       {"seed=", &cfg.seed},
		       {"only=", &cfg.only},
		       {"recut=", &cfg.recut}};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strncmp(arg, numbers[i].key, strlen(numbers[i].key)))
			continue;
		*numbers[i].number = parse_number(value);
		return true;
	}
	if (strncmp(arg, "sector=", 7))
		return false;
	cfg.sector = (uint32_t)parse_number(value);
	return true;
}

static void take(const char *arg)
{
	const struct {
		const char *key;
		const char **word;
	} words[] = {{"keep=", &cfg.keep}, {"type=", &cfg.type},       {"options=", &cfg.options},
		     {"dir=", &cfg.dir},   {"recover=", &cfg.recover}, {"logdisk=", &cfg.logdisk},
		     {"second=", &cfg.second}};
	const char *value = strchr(arg, '=');

	errno = EINVAL;
	if (!value)
		die("'%s' is no KEY=VALUE", arg);
	if (take_number(arg, value + 1))
		return;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strncmp(arg, words[i].key, strlen(words[i].key)))
			continue;
		*words[i].word = value + 1;
		return;
	}
	errno = EINVAL;
	die("'%s' is not known", arg);
}

static void take_about(void)
{
	char path[PATH_MAX], line[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/about", cfg.recording);
	f = fopen(path, "re");
	if (!f)
		die("%s", path);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] && line[0] != '#')
			take(strdup(line));
	}
	fclose(f);
}

/* -------------------------------------------------------------- commands */

/* Waits for a child. 0, or its status. */
static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static pid_t start(const char *const argv[])
{
	pid_t pid = -1;
	int rc = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)argv, environ);

	errno = rc;
	if (rc)
		die("%s", argv[0]);
	return pid;
}

static int recover(const struct machine *m)
{
	char dir[PATH_MAX];
	const char *argv[] = {"sh", "-c", cfg.recover, "recover", dir, NULL};

	if (!cfg.recover[0])
		return 0;
	snprintf(dir, sizeof(dir), "%s/%s", m->disk.dir, cfg.dir);
	return wait_for(start(argv));
}

/* ------------------------------------------------------------- one image */

struct place {
	unsigned index;   /* of the job */
	int file, left; /* of the image, and of what its recovery leaves */
	struct machine machine, left_machine;
	char file_path[PATH_MAX], disk_dir[PATH_MAX], disk_log[PATH_MAX];
};

static void report(const char *prefix, const char *what, int rc)
{
	atomic_fetch_add(&totals->broken, 1);
	printf("%s %s: %s\n", prefix, what, rc < 0 ? errno_name(-rc) : "failed");
}

/* Mounts, recovers, checks. */
static void check(const struct machine *m, uint64_t position, const char *prefix)
{
	char dir[PATH_MAX];
	uint64_t promises = 0;
	unsigned broken;
	int rc = machine_mount(m, cfg.type, cfg.options);

	if (rc) {
		report(prefix, "the file system cannot be mounted", rc);
		return;
	}
	rc = recover(m);
	if (rc)
		report(prefix, "the recovery", rc);
	snprintf(dir, sizeof(dir), "%s/%s", m->disk.dir, cfg.dir);
	broken = model_check(model, position, dir, prefix, &promises);
	atomic_fetch_add(&totals->promises, promises);
	atomic_fetch_add(&totals->broken, broken);
	rc = machine_umount(m);
	if (rc)
		report(prefix, "umount", rc);
}

/* Recovers what is in p->file on a disk that logs. */
static int recover_logged(struct place *p)
{
	char second[24];
	const char *argv[] = {cfg.logdisk, p->file_path, p->disk_log, p->disk_dir,
			      disk_log.second ? second : NULL, NULL};
	struct machine m = p->machine;
	int rc;

	snprintf(second, sizeof(second), "%" PRIu64, disk_log.second);
	unlink(p->disk_log);
	disk_process = start(argv);
	if (!disklog_watch(p->disk_log))
		return -ETIMEDOUT;
	rc = machine_attach_logged(&m, p->disk_dir, disk_log.second, cfg.sector);
	if (rc)
		return rc;
	rc = machine_mount(&m, cfg.type, cfg.options);
	if (!rc) {
		rc = recover(&m);
		/* The disk's power is off by now; what umount writes may be cut as well. */
		if (machine_umount(&m))
			rc = -EBUSY;
	}
	machine_detach(&m);
	return rc;
}

static void disk_stop(const struct place *p)
{
	/* The loop device lets go of the file a moment after its last descriptor is closed. */
	for (int i = 0; i < 200 && umount2(p->disk_dir, 0) && errno == EBUSY; i++)
		usleep(2000);
	umount2(p->disk_dir, MNT_DETACH);
	wait_for(disk_process);
}

static void check_recut(struct place *p, const struct instant *at, const char *prefix)
{
	uint64_t random = at->seed ^ 0x5eed;
	struct disklog log;
	struct image image;
	int rc = recover_logged(p);

	disk_stop(p);
	if (rc) {
		report(prefix, "recovery on a disk that logs", rc);
		return;
	}
	disklog_load(&log, p->disk_log);
	image_open(&image, p->file_path, &log);
	image_cut(&image, next_random(&random) % (log.n + 1), next_random(&random), cfg.sector,
		  p->left);
	image_close(&image);
	disklog_free(&log);
	atomic_fetch_add(&totals->recuts, 1);
	check(&p->left_machine, at->position, prefix);
}

static void keep_image(const struct place *p)
{
	const char *argv[] = {"cp", "--sparse=always", p->file_path, cfg.keep, NULL};

	if (cfg.keep && wait_for(start(argv)))
		die("%s", cfg.keep);
}

/*
 * Another file on another loop device for each image: a file system that is
 * unmounted here lives on in any mount namespace that was copied meanwhile, and
 * mounting the device once more would bring it back with what it knew.
 */
static int open_image(const struct place *p, const char *name, struct machine *m, char *path)
{
	int fd, rc;

	snprintf(path, PATH_MAX, "%.3000s/%s.%u", cfg.work, name, p->index);
	unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)disk_log.disk_size))
		die("%s", path);
	rc = machine_attach(m, fd, disk_log.second, cfg.sector);
	errno = -rc;
	if (rc)
		die("loop device");
	return fd;
}

static void close_image(int file, struct machine *m)
{
	machine_detach(m);
	close(file);
}

static void try_image(struct place *p, struct image *image, const struct instant *at)
{
	char path[PATH_MAX];
	uint64_t random = at->seed;
	char prefix[200];
	bool recut = cfg.recut && next_random(&random) % cfg.recut == 0;

	snprintf(prefix, sizeof(prefix), "BROKEN image %" PRIu64 " at %" PRIu64 "%s:", at->seed,
		 at->position, recut ? ", recovery cut" : "");
	p->file = open_image(p, "image", &p->machine, p->file_path);
	image_cut(image, at->position, next_random(&random), cfg.sector, p->file);
	keep_image(p);
	if (recut) {
		p->left = open_image(p, "left", &p->left_machine, path);
		check_recut(p, at, prefix);
		close_image(p->left, &p->left_machine);
	} else {
		check(&p->machine, at->position, prefix);
	}
	close_image(p->file, &p->machine);
	atomic_fetch_add(&totals->images, 1);
	fflush(stdout);
}

/* ------------------------------------------------------------------ jobs */

static void make_mount_point(struct machine *m, const char *name, unsigned index)
{
	snprintf(m->disk.dir, sizeof(m->disk.dir), "%.3000s/%s-mnt.%u", cfg.work, name, index);
	if (mkdir(m->disk.dir, 0700) && errno != EEXIST)
		die("%s", m->disk.dir);
	/* Where it was: its path is on the first disk. */
	if (cfg.second)
		snprintf(m->second.dir, sizeof(m->second.dir), "%.4000s", cfg.second);
}

static void place_open(struct place *p, unsigned index)
{
	p->index = index;
	make_mount_point(&p->machine, "image", index);
	if (!cfg.recut)
		return;
	make_mount_point(&p->left_machine, "left", index);
	snprintf(p->disk_dir, sizeof(p->disk_dir), "%.3000s/disk.%u", cfg.work, index);
	snprintf(p->disk_log, sizeof(p->disk_log), "%.3000s/log.%u", cfg.work, index);
	if (mkdir(p->disk_dir, 0700) && errno != EEXIST)
		die("%s", p->disk_dir);
}

/* Every jobs-th of the instants, which are sorted. */
static int run_job(unsigned index, const struct instant *instants)
{
	static struct place p;
	char base[PATH_MAX];
	struct image image;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	place_open(&p, index);
	snprintf(base, sizeof(base), "%s/base", cfg.recording);
	image_open(&image, base, &disk_log);
	for (uint64_t i = index; i < cfg.images; i += cfg.jobs)
		try_image(&p, &image, &instants[i]);
	return 0;
}

/* Half of them at the very moment of a promise, when nothing has followed it yet. */
static struct instant choose(uint64_t seed)
{
	const uint64_t *promises;
	uint64_t n = model_promises(model, &promises), begin, end, random = seed;
	uint64_t dice = next_random(&random), which = next_random(&random);

	model_range(model, &begin, &end);
	if (n && dice % 2)
		return (struct instant){.position = promises[which % n], .seed = seed};
	return (struct instant){.position = begin + which % (end - begin + 1), .seed = seed};
}

static int by_position(const void *a, const void *b)
{
	const struct instant *x = a, *y = b;

	return x->position < y->position ? -1 : x->position > y->position;
}

static struct instant *choose_all(void)
{
	struct instant *instants = calloc(cfg.images, sizeof(*instants));
	uint64_t random = cfg.seed;

	if (!instants)
		die("memory");
	for (uint64_t i = 0; i < cfg.images; i++) {
		uint64_t seed = next_random(&random) >> 20; /* short to read and to type */

		instants[i] = choose(cfg.only ? cfg.only : seed);
	}
	qsort(instants, cfg.images, sizeof(*instants), by_position);
	return instants;
}

static bool run_jobs(const struct instant *instants)
{
	bool ok = true;
	pid_t pids[64];

	fflush(stdout);
	for (unsigned i = 0; i < cfg.jobs; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (pids[i] == 0)
			exit(run_job(i, instants));
	}
	for (unsigned i = 0; i < cfg.jobs; i++)
		if (wait_for(pids[i]))
			ok = false;
	return ok;
}

int main(int argc, char **argv)
{
	char path[PATH_MAX];
	bool ok;

	if (argc < 3) {
		fprintf(stderr, "usage: crashcut RECORDING WORK [KEY=VALUE]...\n");
		return 2;
	}
	cfg.recording = argv[1];
	cfg.work = argv[2];
	take_about();
	for (int i = 3; i < argc; i++)
		take(argv[i]);
	if (cfg.only)
		cfg.images = 1;
	if (cfg.jobs > 64)
		cfg.jobs = 64;
	if (cfg.jobs > cfg.images || cfg.jobs == 0)
		cfg.jobs = cfg.images;
	snprintf(path, sizeof(path), "%s/log", cfg.recording);
	disklog_load(&disk_log, path);
	errno = EINVAL;
	if (!disk_log.second != !cfg.second)
		die("second= does not go with the log, or is missing");
	if (cfg.second)
		cfg.jobs = 1;
	snprintf(path, sizeof(path), "%s/notes", cfg.recording);
	model = model_load(path, &disk_log);
	totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (totals == MAP_FAILED)
		die("memory");
	ok = run_jobs(choose_all()) && totals->images == cfg.images;
	if (totals->recuts)
		printf("%" PRIu64 " recoveries were cut\n", totals->recuts);
	printf("%" PRIu64 " images, %" PRIu64 " promises, %" PRIu64 " broken\n", totals->images,
	       totals->promises, totals->broken);
	return !ok ? 2 : totals->broken ? 1 : 0;
}
