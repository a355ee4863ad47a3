/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include <sys/wait.h>

#include "cleanup.h"

_Atomic int t_syncfs_result, t_sync_result, t_steps = -1;
_Atomic unsigned t_flushes, t_syncfs_calls, t_said[3];
_Atomic uint64_t t_mount = 1;
_Atomic bool t_hold_syncfs;

/* --------------------------------------------------------------- the system */

static int t_syncfs(int fd)
{
	(void)fd;
	t_syncfs_calls++;
	while (t_hold_syncfs)
		(void)usleep(1000);
	return t_syncfs_result;
}

static int t_log_sync(struct mms_log *log, uint64_t sequence)
{
	t_flushes++;
	return t_sync_result ? t_sync_result : mms_log_sync(log, sequence);
}

static int t_mount_read(int backing_fd, struct place_mount *ret)
{
	int r = place_mount_read(backing_fd, ret);

	ret->mount_id = t_mount;
	return r;
}

static int t_step(void)
{
	if (t_steps < 0)
		return 0;
	return t_steps-- > 0 ? 0 : -EINTR;
}

static const struct journal_sys sys = {
	.syncfs = t_syncfs,
	.log_sync = t_log_sync,
	.mount = t_mount_read,
	.step = t_step,
};

static void say(void *arg, enum journal_level level, const char *text)
{
	(void)arg;
	t_said[level]++;
	if (getenv("JOURNAL_TEST_SAY"))
		fprintf(stderr, "said: %s\n", text);
}

/* --------------------------------------------------------------- begin, end */

void scene_set(struct scene *s)
{
	const char *tmp = getenv("TMPDIR");

	memset(s, 0, sizeof(*s));
	t_syncfs_result = t_sync_result = 0;
	t_steps = -1;
	t_hold_syncfs = false;
	t_flushes = t_syncfs_calls = 0;
	for (unsigned i = 0; i < 3; i++)
		t_said[i] = 0;
	(void)snprintf(s->top, sizeof(s->top), "%s/journal-test-XXXXXX",
		       tmp && strlen(tmp) < 40 ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(s->top));
	(void)snprintf(s->backing, sizeof(s->backing), "%s/backing", s->top);
	(void)snprintf(s->dir, sizeof(s->dir), "%s/.mmapfs/journal", s->backing);
	T_OK(mkdir(s->backing, 0755));
	s->place.backing_fd = open(s->backing, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	T_OK(mkdirat(s->place.backing_fd, ".mmapfs", 0700));
	s->place.state_fd =
		openat(s->place.backing_fd, ".mmapfs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->place.dir = s->dir;
	s->place.handles = geteuid() == 0;
	s->place.say = say;
	s->place.sys = &sys;
	T_OK(mms_pool_new(NULL, &s->pool, NULL));
}

void scene_end(struct scene *s)
{
	char command[128];

	if (s->j)
		(void)journal_close(s->j);
	mms_pool_free(s->pool);
	(void)close(s->place.backing_fd);
	(void)close(s->place.state_fd);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", s->top);
	T_OK(system(command));
}

void scene_open(struct scene *s, uint64_t size, bool names)
{
	/* No checkpoint comes by itself. */
	const struct journal_options o = {.size = size, .interval_ms = 3600000, .names = names};
	struct mms_error err;
	char text[640];
	int r = journal_open(s->pool, &s->place, &o, &s->j, &err);

	if (r)
		ck_abort_msg("%s", mms_error_format(&err, text, sizeof(text)));
}

void scene_crash(struct scene *s, void (*run)(struct scene *s, void *arg), void *arg)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		run(s, arg);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && !WEXITSTATUS(status), "the process before the crash");
}

struct journal_report scene_replay(struct scene *s)
{
	struct journal_report report = {0};
	struct mms_error err;
	char text[640];
	int r;

	t_mount++;
	r = journal_replay(s->pool, &s->place, &report, &err);
	if (r)
		ck_abort_msg("%s", mms_error_format(&err, text, sizeof(text)));
	ck_assert_int_eq(journal_is_live(s->pool, &s->place, NULL), 0);
	return report;
}

/* -------------------------------------------------------------------- files */

const char *scene_path(struct scene *s, const char *path)
{
	static char bufs[4][512];
	static unsigned next;
	char *buf = bufs[next++ % 4];

	(void)snprintf(buf, sizeof(bufs[0]), "%s/%s", s->backing, path);
	return buf;
}

struct journal_node scene_node(struct scene *s, const char *path)
{
	struct statx stx;

	T_OK(statx(s->place.backing_fd, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH,
		   STATX_BASIC_STATS | STATX_BTIME, &stx));
	return (struct journal_node){
		.ino = stx.stx_ino,
		.btime_sec = stx.stx_mask & STATX_BTIME ? stx.stx_btime.tv_sec : 0,
		.btime_nsec = stx.stx_mask & STATX_BTIME ? stx.stx_btime.tv_nsec : 0,
		.path = path,
	};
}

struct journal_node scene_file(struct scene *s, const char *path, const char *text)
{
	FILE *f = fopen(scene_path(s, path), "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	T_OK(fclose(f));
	return scene_node(s, path);
}

void scene_expect(struct scene *s, const char *path, const char *text)
{
	char buf[4096];
	FILE *f = fopen(scene_path(s, path), "r");
	size_t n;

	ck_assert_msg(f != NULL, "no %s", path);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	buf[n] = '\0';
	(void)fclose(f);
	ck_assert_str_eq(buf, text);
}

uint64_t scene_data(struct scene *s, const struct journal_node *node, uint64_t offset,
		    const char *text)
{
	const struct journal_extent e = {offset, (uint32_t)strlen(text), text};
	const struct journal_data d = {.size = offset + strlen(text),
				       .mtime = {1000000000, 5},
				       .ctime = {1000000000, 6},
				       .extents = &e,
				       .n_extents = 1};
	uint64_t seq;

	T_OK(journal_data(s->j, node, &d, &seq));
	return seq;
}
