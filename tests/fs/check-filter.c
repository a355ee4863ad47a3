/* SPDX-License-Identifier: MIT */
/* The filter of system calls, in a child that puts it in force and makes one. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../marks.h"
#include "filter.h"
#include "fs.h"

struct fs fs;

static void make_inet_socket(void)
{
	(void)!socket(AF_INET, SOCK_STREAM, 0);
}
static void trace(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static void run_program(void)
{
	execl("/bin/true", "true", (char *)NULL);
}
static void new_namespace(void)
{
	unshare(CLONE_NEWUSER);
}
static void change_root(void)
{
	(void)!chroot("/");
}
static void become_user(void)
{
	(void)!setresuid(1, 1, 1);
}

static const struct {
	const char *name;
	void (*call)(void);
} forbidden[] = {
	{"socket(AF_INET)", make_inet_socket},
	{"ptrace", trace},
	{"execve", run_program},
	{"unshare(CLONE_NEWUSER)", new_namespace},
	{"chroot", change_root},
	{"setresuid", become_user},
};

static void *thread(void *arg)
{
	free(malloc(1 << 20));
	return arg;
}

/* What libc, the store and the daemon do all the time. */
static void do_usual_things(void)
{
	pthread_t t;
	char buf[16];
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC), s = socket(AF_UNIX, SOCK_DGRAM, 0);
	void *m = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fd < 0 || read(fd, buf, sizeof(buf)) != sizeof(buf) || s < 0 || m == MAP_FAILED)
		_exit(2);
	madvise(m, 1 << 20, MADV_DONTDUMP);
	munmap(m, 1 << 20);
	if (pthread_create(&t, NULL, thread, NULL) || pthread_join(t, NULL) || unshare(CLONE_FS))
		_exit(3);
	umask(022);
	raise(SIGUSR1);
	usleep(1000);
}

static int status_of(enum filter_mode mode, void (*call)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGUSR1, SIG_IGN);
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || filter_load(mode))
			_exit(1);
		call();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(forbidden_calls_kill)
{
	int status = status_of(FILTER_KILL, forbidden[_i].call);

	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: status %#x",
		      forbidden[_i].name, (unsigned)status);
}
END_TEST

static void refused_socket(void)
{
	if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM)
		_exit(4);
}

static void allowed_socket(void)
{
	if (socket(AF_INET, SOCK_STREAM, 0) < 0)
		_exit(4);
}

START_TEST(or_are_refused_or_made)
{
	ck_assert_int_eq(status_of(FILTER_ERRNO, refused_socket), 0);
	ck_assert_int_eq(status_of(FILTER_OFF, allowed_socket), 0);
}
END_TEST

START_TEST(usual_calls_pass)
{
	if (geteuid() == 0)
		ck_assert_int_eq(status_of(FILTER_KILL, do_usual_things), 0);
}
END_TEST

int main(void)
{
	const int count = sizeof(forbidden) / sizeof(forbidden[0]);
	Suite *suite;
	TCase *tc;

	if (strstr(filter_says(FILTER_KILL), "this build"))
		return 77;
	suite = suite_create("filter");
	tc = tcase_create("calls");
	tcase_add_loop_test(tc, forbidden_calls_kill, 0, count);
	tcase_add_test(tc, or_are_refused_or_made);
	tcase_add_test(tc, usual_calls_pass);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
