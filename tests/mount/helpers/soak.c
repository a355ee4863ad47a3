/* SPDX-License-Identifier: MIT */
/*
 *	soak run NATIVE MOUNT SEED SECONDS OPERATIONS TRACE [nommap] [alone] [together]
 *	soak compare NATIVE OTHER
 *
 * run: four users (root and three others), one after the other in an order
 * that the seed gives, do random operations in the directories NATIVE and
 * MOUNT, where each must have the same answer; then all of them at a time,
 * each in a directory of its own. The trees are compared at intervals. Ends
 * after SECONDS (0: no limit), or OPERATIONS of each of both parts. TRACE gets
 * the operations since the trees last agreed. alone: whoever runs this is the
 * one user, whose mount has no devices. together: only the second part.
 */
#include "soak.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

#define INTERVAL 1500 /* operations between two comparisons of the trees */

static const struct {
	uid_t uid;
	gid_t gid;
	size_t groups;
} users[] = {{0, 0, 0}, {1001, 1001, 1}, {1002, 1002, 1}, {1003, 1001, 0}};
#define USERS (sizeof(users) / sizeof(users[0]))

struct actor {
	pid_t pid;
	int order, report; /* pipes: the seed of an operation; whether it went right */
};

static struct {
	const char *native, *mount;
	uint64_t seed, operations;
	double end; /* 0: none */
	bool map, alone, together;
	unsigned users;
	int trace;
} job;

uint64_t soak_pick(struct soak_turn *t, uint64_t limit)
{
	return next_random(&t->random) % limit;
}

/* Few names, so that operations meet. leaves: of sixteen, so many end in a file's name. */
static void make_path(struct soak_turn *t, char *path, unsigned leaves)
{
	uint64_t dice = soak_pick(t, 1u << 20), depth = dice % 8;
	int n = snprintf(path, PATH_MAX, "%s", t->side->root);

	if (depth > 2)
		n += snprintf(path + n, (size_t)(PATH_MAX - n), "/d%u", (unsigned)(dice >> 3 & 1));
	if (depth > 6)
		n += snprintf(path + n, (size_t)(PATH_MAX - n), "/e%u", (unsigned)(dice >> 4 & 1));
	if ((dice >> 5 & 15) < leaves)
		snprintf(path + n, (size_t)(PATH_MAX - n), "/f%u", (unsigned)(dice >> 9) % 5);
	else
		snprintf(path + n, (size_t)(PATH_MAX - n), "/%s%u", depth > 2 ? "e" : "d",
			 (unsigned)(dice >> 9 & 1));
}

void soak_path(struct soak_turn *t, char *path)
{
	make_path(t, path, 15);
}

void soak_dir_path(struct soak_turn *t, char *path)
{
	make_path(t, path, 1);
}

const char *soak_below(const struct soak_turn *t, const char *path)
{
	return path + strlen(t->side->root) + 1;
}

void soak_answer(struct soak_turn *t, long rc, const char *format, ...)
{
	int err = errno;
	char text[sizeof(t->text)];
	va_list args;

	t->rc = rc;
	t->err = rc == -1 ? err : 0;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	memcpy(t->text, text, sizeof(text));
}

void soak_sum(struct soak_turn *t, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		t->sum = (t->sum ^ p[i]) * 0x100000001b3u;
}

void soak_sum_number(struct soak_turn *t, uint64_t number)
{
	soak_sum(t, &number, sizeof(number));
}

/* The order is the file system's own: the sum must not depend on it. */
void soak_sum_dir(struct soak_turn *t, int fd)
{
	DIR *dir = fdopendir(fd);
	uint64_t all = 0, before = t->sum;
	struct dirent *entry;

	if (!dir)
		die("fdopendir");
	errno = 0;
	while ((entry = readdir(dir)) != NULL) {
		t->sum = entry->d_type;
		soak_sum(t, entry->d_name, strlen(entry->d_name));
		all += t->sum;
	}
	t->sum = before;
	soak_sum_number(t, all + (uint64_t)errno);
	closedir(dir);
}

struct soak_slot *soak_open_slot(struct soak_turn *t)
{
	struct soak_slot *slot = &t->side->slots[soak_pick(t, SOAK_SLOTS)];

	return slot->fd < 0 ? NULL : slot;
}

/* ------------------------------------------------------------- one operation */

static soak_op choose(struct soak_turn *t)
{
	static const struct soak_kind *const tables[] = {soak_name_ops, soak_attr_ops,
							 soak_data_ops, soak_data_ops};
	const struct soak_kind *kind = tables[soak_pick(t, 4)];
	unsigned sum = 0, dice;

	for (const struct soak_kind *k = kind; k->weight; k++)
		sum += k->weight;
	dice = (unsigned)soak_pick(t, sum);
	while (dice >= kind->weight)
		dice -= kind++->weight;
	return kind->run;
}

static void run_one(struct soak_turn *t, struct soak_side *side, uint64_t seed)
{
	t->side = side;
	t->random = seed;
	t->rc = t->err = 0;
	t->sum = 0;
	t->text[0] = '\0';
	choose(t)(t);
}

static void print_turn(char *line, size_t size, const struct soak_turn *t)
{
	snprintf(line, size, "%.900s: %s %ld sum %016" PRIx64, t->text,
		 t->rc == -1 ? errno_name(t->err) : "", t->rc, t->sum);
}

/* On both sides. False if the answers differ. */
static bool run_both(struct soak_turn turns[2], struct soak_side sides[2], unsigned user,
		     uint64_t seed)
{
	char a[1200], b[1200];

	for (int i = 0; i < 2; i++)
		run_one(&turns[i], &sides[i], seed);
	print_turn(a, sizeof(a), &turns[0]);
	print_turn(b, sizeof(b), &turns[1]);
	if (*turns[0].text)
		dprintf(job.trace, "user %u: %s\n", users[user].uid, a);
	if (strcmp(a, b) == 0)
		return true;
	printf("user %u:\n  native: %s\n  mount:  %s\n", users[user].uid, a, b);
	fflush(stdout);
	return false;
}

static void sides_init(struct soak_turn turns[2], struct soak_side sides[2], const char *below)
{
	const char *roots[2] = {job.native, job.mount};

	for (int i = 0; i < 2; i++) {
		void *buffer;

		snprintf(sides[i].root, sizeof(sides[i].root), "%s/%s", roots[i], below);
		for (int k = 0; k < SOAK_SLOTS; k++)
			sides[i].slots[k] = (struct soak_slot){.fd = -1};
		if (posix_memalign(&buffer, 4096, SOAK_BUFFER))
			die("memory");
		turns[i] =
			(struct soak_turn){.devices = !job.alone, .map = job.map, .buffer = buffer};
	}
}

/* ------------------------------------------------------------------- users */

static void become(unsigned user)
{
	const gid_t group = 2000;

	if (job.alone)
		return;
	if (setgroups(users[user].groups, &group) < 0 ||
	    setresgid(users[user].gid, users[user].gid, users[user].gid) < 0 ||
	    setresuid(users[user].uid, users[user].uid, users[user].uid) < 0)
		die("becoming user %u", users[user].uid);
	umask(user % 2 ? 002 : 022);
}

/* Obeys until the pipe ends. */
static void act(unsigned user, int order, int report)
{
	static struct soak_side sides[2];
	static struct soak_turn turns[2];
	uint64_t seed;

	become(user);
	sides_init(turns, sides, "all");
	while (read(order, &seed, sizeof(seed)) == sizeof(seed)) {
		char right = run_both(turns, sides, user, seed);

		if (write(report, &right, 1) != 1)
			_exit(2);
	}
	_exit(0);
}

static void actor_start(struct actor *actor, unsigned user)
{
	int order[2], report[2];

	if (pipe2(order, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0)
		die("pipe");
	fflush(stdout);
	actor->pid = fork();
	if (actor->pid < 0)
		die("fork");
	if (actor->pid == 0) {
		close(order[1]);
		close(report[0]);
		act(user, order[0], report[1]);
	}
	close(order[0]);
	close(report[1]);
	actor->order = order[1];
	actor->report = report[0];
}

static bool actor_run(const struct actor *actor, uint64_t seed)
{
	char right = 0;

	if (write(actor->order, &seed, sizeof(seed)) != sizeof(seed) ||
	    read(actor->report, &right, 1) != 1) {
		printf("a user's process has died\n");
		return false;
	}
	return right;
}

static bool ended_well(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) < 0)
		die("waitpid");
	if (status)
		printf("a process ended with %x\n", (unsigned)status);
	return status == 0;
}

static bool time_left(void)
{
	return job.end == 0 || now_seconds() < job.end;
}

static void trees_make(const char *below)
{
	const char *roots[2] = {job.native, job.mount};

	for (int i = 0; i < 2; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", roots[i], below);
		if (mkdir(path, 0777) < 0 || chmod(path, 0777) < 0)
			die("%s", path);
	}
}

static bool trees_agree(void)
{
	unsigned n = soak_compare(job.native, job.mount);

	if (n)
		printf("%u differences between the trees\n", n);
	else if (ftruncate(job.trace, 0) < 0)
		die("trace");
	return n == 0;
}

/* One user after the other. The number of operations, or 0 if one went wrong. */
static uint64_t run_in_turn(uint64_t *random)
{
	struct actor actors[USERS];
	uint64_t n = 0;
	bool right = true;

	trees_make("all");
	for (unsigned i = 0; i < job.users; i++)
		actor_start(&actors[i], i);
	while (right && n < job.operations && time_left()) {
		right = actor_run(&actors[next_random(random) % job.users], next_random(random));
		if (++n % INTERVAL == 0)
			right = right && trees_agree();
	}
	for (unsigned i = 0; i < job.users; i++)
		close(actors[i].order);
	for (unsigned i = 0; i < job.users; i++)
		right = ended_well(actors[i].pid) && right;
	return right && trees_agree() ? n : 0;
}

/* A user alone, in an own directory, while the others do the same. */
static void act_alone(unsigned user, uint64_t random, uint64_t operations)
{
	static struct soak_side sides[2];
	static struct soak_turn turns[2];
	char below[32];

	snprintf(below, sizeof(below), "own%u", user);
	become(user);
	sides_init(turns, sides, below);
	for (uint64_t n = 0; n < operations && time_left(); n++)
		if (!run_both(turns, sides, user, next_random(&random)))
			_exit(1);
	_exit(0);
}

static bool run_round(uint64_t *random)
{
	pid_t pids[USERS];
	bool right = true;

	fflush(stdout);
	for (unsigned i = 0; i < job.users; i++) {
		const uint64_t seed = next_random(random);

		pids[i] = fork();
		if (pids[i] < 0)
			die("fork");
		if (pids[i] == 0)
			act_alone(i, seed, INTERVAL);
	}
	for (unsigned i = 0; i < job.users; i++)
		right = ended_well(pids[i]) && right;
	return right && trees_agree();
}

static uint64_t run_together(uint64_t *random)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < job.users; i++) {
		char below[32];

		snprintf(below, sizeof(below), "own%u", i);
		trees_make(below);
	}
	do {
		if (!run_round(random))
			return 0;
		n += (uint64_t)INTERVAL * job.users;
	} while (n < job.operations && time_left());
	return n;
}

static int run(double seconds)
{
	uint64_t random = job.seed, in_turn, together;

	umask(0);
	job.end = seconds > 0 ? now_seconds() + seconds / 2 : 0;
	in_turn = job.together ? 0 : run_in_turn(&random);
	if (!in_turn && !job.together)
		return 1;
	random = job.seed + 1; /* so that this part needs not that one to be found again */
	job.end += seconds / 2;
	together = run_together(&random);
	if (!together)
		return 1;
	printf("seed %" PRIu64 ": %" PRIu64 " operations in turn, %" PRIu64 " together\n", job.seed,
	       in_turn, together);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "compare") == 0)
		return soak_compare(argv[2], argv[3]) != 0;
	if (argc < 8 || strcmp(argv[1], "run") != 0) {
		fprintf(stderr, "usage: soak run NATIVE MOUNT SEED SECONDS OPERATIONS TRACE"
				" [nommap] [alone] [together]\n       soak compare NATIVE OTHER\n");
		return 2;
	}
	job.native = argv[2];
	job.mount = argv[3];
	job.seed = parse_number(argv[4]);
	job.operations = parse_number(argv[6]);
	job.map = true;
	job.users = USERS;
	job.trace = open(argv[7], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (job.trace < 0)
		die("%s", argv[7]);
	for (int i = 8; i < argc; i++) {
		if (strcmp(argv[i], "nommap") == 0)
			job.map = false;
		else if (strcmp(argv[i], "alone") == 0)
			job.alone = true, job.users = 1;
		else if (strcmp(argv[i], "together") == 0)
			job.together = true;
	}
	return run((double)parse_number(argv[5]));
}
