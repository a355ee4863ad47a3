/* SPDX-License-Identifier: MIT */
/* Proves that a guarded copy survives SIGBUS, and that no other SIGBUS is swallowed. */
#include "helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096u

/* Two pages of a file; the second lies past its end, so a touch of it faults. */
static char *half_gone(void)
{
	int fd = open(t_fill("half", 2 * PAGE), O_RDWR | O_CLOEXEC);
	char *addr = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(addr, MAP_FAILED);
	ck_assert_int_eq(ftruncate(fd, PAGE), 0);
	close(fd);
	return addr;
}

START_TEST(copies)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	char in[10000], out[10000];

	t_pattern(in, sizeof(in), 0);
	for (size_t len = 0; len < sizeof(in); len = len * 2 + 1) {
		memset(out, 0, sizeof(out));
		T_ASSERT_OK(mms_copy(out + 3, in + 1, len < 9000 ? len : 9000));
		t_check(out + 3, len < 9000 ? len : 9000, 1);
		ck_assert_int_eq(out[2], 0);
		ck_assert_int_eq(out[3 + (len < 9000 ? len : 9000)], 0);
	}
	mms_pool_free(pool);
}
END_TEST

START_TEST(fault_in_source_and_in_destination)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	char *map = half_gone();
	char buf[PAGE];

	ck_assert_int_eq(mms_copy(buf, map + PAGE, PAGE), -EFAULT);
	ck_assert_int_eq(mms_copy(map + PAGE, buf, PAGE), -EFAULT);
	/* The first byte that faults is the last one of the range. */
	ck_assert_int_eq(mms_copy(buf, map + 1, PAGE), -EFAULT);
	t_check(buf, PAGE - 1, 1);
	T_ASSERT_OK(mms_copy(buf, map, PAGE));
	ck_assert_uint_eq(t_stats(pool).faults, 3);
	mms_pool_free(pool);
}
END_TEST

static char *shared_map;
static char *closed_page; /* in the middle of a copy: a touch raises SIGSEGV */
static volatile sig_atomic_t nested_results, nested_runs;

/* Three pages of the pattern, the middle one closed. */
static char *with_closed_page(void)
{
	char *addr =
		mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(addr, MAP_FAILED);
	t_pattern(addr, 3 * PAGE, 0);
	closed_page = addr + PAGE;
	ck_assert_int_eq(mprotect(closed_page, PAGE, PROT_NONE), 0);
	return addr;
}

/* TSan runs handlers with all signals blocked; a blocked fault kills. */
static void unblock_sigbus(void)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, SIGBUS);
	pthread_sigmask(SIG_UNBLOCK, &mask, NULL);
}

static void copy_in_handler(int sig)
{
	char buf[16];

	(void)sig;
	unblock_sigbus();
	nested_results += mms_copy(buf, shared_map + PAGE, sizeof(buf)) == -EFAULT;
	nested_results += mms_copy(buf, shared_map, sizeof(buf)) == 0;
	nested_runs++;
	mprotect(closed_page, PAGE, PROT_READ | PROT_WRITE);
}

/* A handler that interrupts a guarded copy makes two itself, of which one
 * faults. If that left its frame behind, the outer copy would end in a dead
 * frame, or its own fault would. */
START_TEST(nests_in_a_signal_handler)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	char *map = with_closed_page();
	char copy[3 * PAGE];

	shared_map = half_gone();
	signal(SIGSEGV, copy_in_handler);
	for (int i = 1; i <= 10; i++) {
		ck_assert_int_eq(mprotect(closed_page, PAGE, PROT_NONE), 0);
		memset(copy, 0, sizeof(copy));
		T_ASSERT_OK(mms_copy(copy, map, 3 * PAGE));
		t_check(copy, 3 * PAGE, 0);
		ck_assert_int_eq(nested_runs, i);
		ck_assert_int_eq(nested_results, 2 * i);
		ck_assert_int_eq(mms_copy(copy, shared_map + PAGE, 1), -EFAULT);
	}
	mms_pool_free(pool);
}
END_TEST

/* Who chains to the store with signals blocked, as a handler without
 * SA_NODEFER does, must find them unblocked after the jump. */
static struct sigaction stores_own;

static void chaining(int sig, siginfo_t *info, void *context)
{
	stores_own.sa_sigaction(sig, info, context);
}

START_TEST(chained_to_with_signals_blocked)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	struct sigaction act = {.sa_flags = SA_SIGINFO};
	sigset_t mask;
	char c;

	sigfillset(&act.sa_mask);
	act.sa_sigaction = chaining;
	shared_map = half_gone();
	sigaction(SIGBUS, &act, &stores_own);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(mms_copy(&c, shared_map + PAGE, 1), -EFAULT);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	ck_assert(!sigismember(&mask, SIGBUS));
	ck_assert(!sigismember(&mask, SIGINT));
	mms_pool_free(pool);
	/* It stays in place, and so does the chain under it. */
	pool = t_pool(0, 0, 0);
	ck_assert_int_eq(mms_copy(&c, shared_map + PAGE, 1), -EFAULT);
	mms_pool_free(pool);
}
END_TEST

static void *fault_a_lot(void *arg)
{
	char buf[64];

	(void)arg;
	for (int i = 0; i < 2000; i++) {
		if (mms_copy(buf, shared_map + PAGE - (i % 2 ? 0 : 64), sizeof(buf)) !=
		    (i % 2 ? -EFAULT : 0))
			return (void *)1;
	}
	return NULL;
}

START_TEST(threads_do_not_notice_each_other)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	pthread_t threads[4];

	shared_map = half_gone();
	for (int i = 0; i < 4; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, fault_a_lot, NULL));
	for (int i = 0; i < 4; i++) {
		void *failed;

		T_ASSERT_OK(pthread_join(threads[i], &failed));
		ck_assert_ptr_eq(failed, NULL);
	}
	ck_assert_uint_eq(t_stats(pool).faults, 4000);
	mms_pool_free(pool);
}
END_TEST

/* How a child ends that runs f(): its signal, or 1000 and its exit status. */
static int fate(void (*f)(void))
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		f();
		_exit(99);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 1000 + WEXITSTATUS(status);
}

static void touch_unguarded(void)
{
	*(volatile char *)(shared_map + PAGE) = 1;
}

static void exit_7(int sig)
{
	(void)sig;
	_exit(7);
}

static void exit_8(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	/* As the kernel told it, and with the signal blocked as by default. */
	sigset_t mask;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	_exit(info->si_addr == shared_map + PAGE && sigismember(&mask, SIGBUS) ? 8 : 9);
}

static void default_then_touch(void)
{
	signal(SIGBUS, SIG_DFL);
	t_pool(0, 0, 0);
	touch_unguarded();
}

static void ignored_then_touch(void)
{
	signal(SIGBUS, SIG_IGN);
	t_pool(0, 0, 0);
	touch_unguarded();
}

static void handler_then_touch(void)
{
	signal(SIGBUS, exit_7);
	t_pool(0, 0, 0);
	touch_unguarded();
}

static void sigaction_then_touch(void)
{
	struct sigaction act = {.sa_flags = SA_SIGINFO};

	act.sa_sigaction = exit_8;
	sigaction(SIGBUS, &act, NULL);
	t_pool(0, 0, 0);
	touch_unguarded();
}

static void default_then_sent(void)
{
	signal(SIGBUS, SIG_DFL);
	t_pool(0, 0, 0);
	raise(SIGBUS);
}

static void ignored_then_sent(void)
{
	signal(SIGBUS, SIG_IGN);
	t_pool(0, 0, 0);
	raise(SIGBUS);
	_exit(5);
}

START_TEST(foreign_faults_go_to_the_earlier_handler)
{
	shared_map = half_gone();
	ck_assert_int_eq(fate(default_then_touch), SIGBUS);
	ck_assert_int_eq(fate(ignored_then_touch), SIGBUS);
	ck_assert_int_eq(fate(handler_then_touch), 1007);
	ck_assert_int_eq(fate(sigaction_then_touch), 1008);
	ck_assert_int_eq(fate(default_then_sent), SIGBUS);
	ck_assert_int_eq(fate(ignored_then_sent), 1005);
}
END_TEST

static void touch_in_handler(int sig)
{
	(void)sig;
	unblock_sigbus();
	touch_unguarded();
}

/* A fault of other addresses, while a guarded copy is interrupted. */
static void touch_inside_guard(void)
{
	char *map = with_closed_page();
	char copy[3 * PAGE];

	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, touch_in_handler);
	t_pool(0, 0, 0);
	mms_copy(copy, map, 3 * PAGE);
	_exit(3); /* it was taken for the copy's own */
}

START_TEST(foreign_fault_inside_a_guard_kills)
{
	shared_map = half_gone();
	ck_assert_int_eq(fate(touch_inside_guard), SIGBUS);
}
END_TEST

static void chained_handler(int sig)
{
	(void)sig;
}

START_TEST(last_pool_restores_the_handler)
{
	struct sigaction act;
	struct mms_pool *one, *two;

	signal(SIGBUS, chained_handler);
	one = t_pool(0, 0, 0);
	two = t_pool(0, 0, 0);
	mms_pool_free(one);
	sigaction(SIGBUS, NULL, &act);
	ck_assert(act.sa_handler != chained_handler);
	mms_pool_free(two);
	sigaction(SIGBUS, NULL, &act);
	ck_assert(act.sa_handler == chained_handler);
}
END_TEST

/* Who installed a handler after the pool keeps it. */
START_TEST(a_newer_handler_stays)
{
	struct sigaction act;
	struct mms_pool *pool = t_pool(0, 0, 0);

	signal(SIGBUS, chained_handler);
	mms_pool_free(pool);
	sigaction(SIGBUS, NULL, &act);
	ck_assert(act.sa_handler == chained_handler);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, copies);
	tcase_add_test(t, fault_in_source_and_in_destination);
	tcase_add_test(t, nests_in_a_signal_handler);
	tcase_add_test(t, chained_to_with_signals_blocked);
	tcase_add_test(t, threads_do_not_notice_each_other);
	tcase_add_test(t, foreign_faults_go_to_the_earlier_handler);
	tcase_add_test(t, foreign_fault_inside_a_guard_kills);
	tcase_add_test(t, last_pool_restores_the_handler);
	tcase_add_test(t, a_newer_handler_stays);
}

int main(void)
{
	return t_run("guard", add_tests);
}
