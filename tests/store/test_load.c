/* SPDX-License-Identifier: MIT */
/* Proves that accesses of the table of load.h survive SIGBUS, and frames too, and nothing else. */
#include "helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "guard.h"
#include "load.h"

#define PAGE 4096u

typedef int copy_fn(void *dst, const void *src, size_t len);

static copy_fn *const copies[] = {mms_copy, mms_guard_copy};
#define COPIES (sizeof(copies) / sizeof(copies[0]))

/* Two pages of a file; the second lies past its end. */
static unsigned char *half_gone(void)
{
	int fd = open(t_fill("half", 2 * PAGE), O_RDWR | O_CLOEXEC);
	void *addr = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ck_assert_ptr_ne(addr, MAP_FAILED);
	ck_assert_int_eq(ftruncate(fd, PAGE), 0);
	close(fd);
	return addr;
}

/* A number of so many bytes at addr, as memcpy would fetch it. */
static uint64_t expected(const unsigned char *addr, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | addr[i];
	return v;
}

/* Loads at addr; *ret_v is all ones before. */
static bool load(unsigned bytes, const void *addr, uint64_t *ret_v)
{
	uint64_t u64 = UINT64_MAX;
	uint32_t u32 = UINT32_MAX;
	uint16_t u16 = UINT16_MAX;
	uint8_t u8 = UINT8_MAX;
	bool ok;

	switch (bytes) {
	case 1:
		ok = mms_load8(addr, &u8);
		*ret_v = u8;
		return ok;
	case 2:
		ok = mms_load16(addr, &u16);
		*ret_v = u16;
		return ok;
	case 4:
		ok = mms_load32(addr, &u32);
		*ret_v = u32;
		return ok;
	default:
		ok = mms_load64(addr, &u64);
		*ret_v = u64;
		return ok;
	}
}

START_TEST(loads_at_every_alignment)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	unsigned char buf[32];
	uint64_t v;

	t_pattern(buf, sizeof(buf), 0);
	for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
		for (unsigned at = 0; at < 16; at++) {
			ck_assert(load(bytes, buf + at, &v));
			ck_assert_uint_eq(v, expected(buf + at, bytes));
		}
	}
	ck_assert_uint_eq(t_stats(pool).faults, 0);
	mms_pool_free(pool);
}
END_TEST

START_TEST(each_width_survives)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	unsigned char *map = half_gone();
	unsigned n = 0;
	uint64_t v;

	for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
		uint64_t ones = bytes == 8 ? UINT64_MAX : (1ULL << 8 * bytes) - 1;

		/* The first and the last byte of it in the page that is gone. */
		for (unsigned in = 1; in <= bytes; in++) {
			ck_assert(!load(bytes, map + PAGE - bytes + in, &v));
			ck_assert_uint_eq(v, ones);
			n++;
		}
		ck_assert(load(bytes, map + PAGE - bytes, &v));
		ck_assert_uint_eq(v, expected(map + PAGE - bytes, bytes));
	}
	ck_assert_uint_eq(t_stats(pool).faults, n);
	mms_pool_free(pool);
}
END_TEST

START_TEST(errno_is_kept)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	unsigned char *map = half_gone();
	uint64_t v;
	char c;

	errno = 4711;
	ck_assert(!load(8, map + PAGE, &v));
	ck_assert_int_eq(errno, 4711);
	ck_assert_int_eq(mms_copy(&c, map + PAGE, 1), -EFAULT);
	ck_assert_int_eq(errno, 4711);
	mms_pool_free(pool);
}
END_TEST

/* ------------------------------------------------------------------ copies */

/* The frame, and the table on processors that can less and less. Each test is
 * a process of its own, so nothing is put back. */
#define WAYS 4

static copy_fn *take_way(int way)
{
	if (way >= 1)
		mms_copy_ways.at_once = false;
	if (way >= 2)
		mms_copy_ways.vectors = false;
	return way == 3 ? mms_guard_copy : mms_copy;
}

/* All sizes of each kind of copy, and the bytes beside it stay. */
START_TEST(copies_of_every_size)
{
	copy_fn *copy = take_way(_i);
	struct mms_pool *pool = t_pool(0, 0, 0);
	unsigned char *in = malloc(70000), *out = malloc(70000);

	t_pattern(in, 70000, 0);
	for (size_t len = 0; len < 65600; len += len < 600 ? 1 : len < 5000 ? 37 : 4099) {
		size_t from = len % 7, to = len % 17;

		memset(out, 0xee, len + 64);
		T_ASSERT_OK(copy(out + to, in + from, len));
		t_check(out + to, len, from);
		for (size_t i = 0; i < to; i++)
			ck_assert_uint_eq(out[i], 0xee);
		for (size_t i = to + len; i < len + 64; i++)
			ck_assert_uint_eq(out[i], 0xee);
	}
	free(in);
	free(out);
	mms_pool_free(pool);
}
END_TEST

/* A fault anywhere in a copy of any size, in its source and its destination. */
START_TEST(copies_survive_at_every_size)
{
	copy_fn *copy = take_way(_i);
	struct mms_pool *pool = t_pool(0, 0, 0);
	unsigned char *map = half_gone();
	unsigned char buf[PAGE];
	uint64_t n = 0;

	memset(buf, 1, sizeof(buf));
	for (size_t len = 1; len < PAGE; len += len < 300 ? 1 : 171) {
		size_t steps[] = {1, len / 2, len - 1, len};

		for (unsigned i = 0; i < 4; i++) {
			size_t in = steps[i] ? steps[i] : 1;

			ck_assert_int_eq(copy(buf, map + PAGE - len + in, len), -EFAULT);
			ck_assert_int_eq(copy(map + PAGE - len + in, buf, len), -EFAULT);
			n += 2;
		}
		T_ASSERT_OK(copy(buf, map + PAGE - len, len));
	}
	ck_assert_uint_eq(t_stats(pool).faults, n);
	mms_pool_free(pool);
}
END_TEST

struct sum_job {
	const unsigned char *addr;
	size_t len;
	uint64_t sum;
};

static void sum(void *arg)
{
	struct sum_job *job = arg;

	for (size_t i = 0; i < job->len; i++)
		job->sum += ((const volatile unsigned char *)job->addr)[i];
}

START_TEST(a_call_survives)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	struct sum_job job = {.addr = half_gone(), .len = PAGE};
	uint64_t want = 0;

	for (size_t i = 0; i < PAGE; i++)
		want += t_byte(i);
	T_ASSERT_OK(mms_guard_call(sum, &job, job.addr, job.len));
	ck_assert_uint_eq(job.sum, want);
	job.len = PAGE + 1;
	ck_assert_int_eq(mms_guard_call(sum, &job, job.addr, job.len), -EFAULT);
	ck_assert_uint_eq(t_stats(pool).faults, 1);
	mms_pool_free(pool);
}
END_TEST

/* --------------------------------------------------- handlers in handlers */

static unsigned char *gone;        /* half_gone() */
static unsigned char *closed_page; /* a touch of it raises SIGSEGV */
static volatile sig_atomic_t good, runs;

static unsigned char *with_closed_page(void)
{
	unsigned char *addr =
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

static void access_in_handler(int sig)
{
	unsigned char buf[16];
	uint64_t v;

	(void)sig;
	unblock_sigbus();
	good += !load(8, gone + PAGE, &v);
	good += load(4, gone, &v) && v == expected(gone, 4);
	for (unsigned i = 0; i < COPIES; i++) {
		good += copies[i](buf, gone + PAGE, sizeof(buf)) == -EFAULT;
		good += copies[i](buf, gone, sizeof(buf)) == 0;
	}
	runs++;
	mprotect(closed_page, PAGE, PROT_READ | PROT_WRITE);
}

/* The handler of a SIGSEGV that interrupts an access makes others of all
 * kinds; then the access itself goes on, and a later one faults as it should. */
START_TEST(nests_in_a_signal_handler)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	unsigned char *map = with_closed_page();
	unsigned char copy[3 * PAGE];
	uint64_t v;

	gone = half_gone();
	signal(SIGSEGV, access_in_handler);
	for (int i = 0; i < 12; i++) {
		ck_assert_int_eq(mprotect(closed_page, PAGE, PROT_NONE), 0);
		if (i % 3 < 2) {
			T_ASSERT_OK(copies[i % 3](copy, map, 3 * PAGE));
			t_check(copy, 3 * PAGE, 0);
		} else {
			ck_assert(load(8, closed_page + 8, &v));
			ck_assert_uint_eq(v, expected(map + PAGE + 8, 8));
		}
		ck_assert_int_eq(runs, i + 1);
		ck_assert_int_eq(good, 6 * (i + 1));
		ck_assert(!load(2, gone + PAGE, &v));
		ck_assert_int_eq(copies[1](copy, gone + PAGE, 1), -EFAULT);
	}
	mms_pool_free(pool);
}
END_TEST

static struct sigaction stores_own;
static volatile sig_atomic_t chained;

static void chaining(int sig, siginfo_t *info, void *context)
{
	chained++;
	stores_own.sa_sigaction(sig, info, context);
}

/* Called by somebody else's handler, with all signals blocked. */
START_TEST(chained_to_with_signals_blocked)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	struct sigaction act = {.sa_flags = SA_SIGINFO};
	sigset_t mask;
	uint64_t v;
	char c;

	sigfillset(&act.sa_mask);
	act.sa_sigaction = chaining;
	gone = half_gone();
	sigaction(SIGBUS, &act, &stores_own);
	for (unsigned bytes = 1; bytes <= 8; bytes *= 2)
		ck_assert(!load(bytes, gone + PAGE, &v));
	for (unsigned i = 0; i < COPIES; i++)
		ck_assert_int_eq(copies[i](&c, gone + PAGE, 1), -EFAULT);
	ck_assert_int_eq(chained, 6);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	ck_assert(!sigismember(&mask, SIGBUS));
	ck_assert(!sigismember(&mask, SIGINT));
	mms_pool_free(pool);
}
END_TEST

static void *fault_a_lot(void *arg)
{
	unsigned kind = (unsigned)(uintptr_t)arg;
	unsigned char buf[64];
	uint64_t v;

	for (int i = 0; i < 1500; i++) {
		bool fine = i % 2;
		const unsigned char *at = gone + PAGE - (fine ? 64 : 0);

		if (kind < COPIES ? (copies[kind](buf, at, 64) == 0) != fine
				  : load(8, at, &v) != fine)
			return (void *)1;
	}
	return NULL;
}

START_TEST(threads_do_not_notice_each_other)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	pthread_t threads[6];

	gone = half_gone();
	for (uintptr_t i = 0; i < 6; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, fault_a_lot, (void *)(i % 3)));
	for (int i = 0; i < 6; i++) {
		void *failed;

		T_ASSERT_OK(pthread_join(threads[i], &failed));
		ck_assert_ptr_eq(failed, NULL);
	}
	ck_assert_uint_eq(t_stats(pool).faults, 6 * 750);
	mms_pool_free(pool);
}
END_TEST

/* -------------------------------------------------------- what still kills */

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

static void touch_in_handler(int sig)
{
	(void)sig;
	unblock_sigbus();
	*(volatile unsigned char *)(gone + PAGE) = 1;
}

static void send_in_handler(int sig)
{
	(void)sig;
	unblock_sigbus();
	mprotect(closed_page, PAGE, PROT_READ | PROT_WRITE);
	raise(SIGBUS);
}

static void touch_beside_a_load(void)
{
	uint64_t v;

	signal(SIGBUS, SIG_DFL);
	t_pool(0, 0, 0);
	ck_assert(!load(8, gone + PAGE, &v));
	*(volatile unsigned char *)(gone + PAGE) = 1;
}

static void touch_inside_a_load(void)
{
	uint64_t v;

	with_closed_page();
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, touch_in_handler);
	t_pool(0, 0, 0);
	(void)load(8, closed_page, &v);
	_exit(3);
}

static void sent_inside_a_load(void)
{
	uint64_t v;

	with_closed_page();
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, send_in_handler);
	t_pool(0, 0, 0);
	(void)load(8, closed_page, &v);
	_exit(3);
}

/* Not of the ranges of the call that it is in. */
static void touch_gone(void *arg)
{
	*(volatile unsigned char *)arg = 1;
}

static void touch_outside_a_call(void)
{
	signal(SIGBUS, SIG_DFL);
	t_pool(0, 0, 0);
	(void)mms_guard_call(touch_gone, gone + PAGE, gone, PAGE);
	_exit(3);
}

static siginfo_t broken_in_background;
static ucontext_t at_a_load;

static void interrupted_load(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	at_a_load = *(ucontext_t *)context;
	mprotect(closed_page, PAGE, PROT_READ | PROT_WRITE);
}

/* As the kernel would tell that memory somewhere else was found broken just
 * as a load was interrupted: nobody's access, so the default is put back. */
START_TEST(broken_memory_beside_a_load)
{
	struct sigaction act = {.sa_flags = SA_SIGINFO}, store;
	struct mms_pool *pool;
	uint64_t v;

	with_closed_page();
	signal(SIGBUS, SIG_DFL);
	act.sa_sigaction = interrupted_load;
	sigaction(SIGSEGV, &act, NULL);
	pool = t_pool(0, 0, 0);
	sigaction(SIGBUS, NULL, &store);
	ck_assert(load(8, closed_page, &v));
	broken_in_background.si_signo = SIGBUS;
	broken_in_background.si_code = BUS_MCEERR_AO;
	store.sa_sigaction(SIGBUS, &broken_in_background, &at_a_load);
	sigaction(SIGBUS, NULL, &store);
	ck_assert(store.sa_handler == SIG_DFL);
	ck_assert_uint_eq(t_stats(pool).faults, 0);
	mms_pool_free(pool);
}
END_TEST

START_TEST(all_else_still_kills)
{
	gone = half_gone();
	ck_assert_int_eq(fate(touch_beside_a_load), SIGBUS);
	ck_assert_int_eq(fate(touch_inside_a_load), SIGBUS);
	ck_assert_int_eq(fate(sent_inside_a_load), SIGBUS);
	ck_assert_int_eq(fate(touch_outside_a_call), SIGBUS);
}
END_TEST

/* ------------------------------------------------------------ others' tables */

#if defined(__x86_64__)

/* The byte at an address, or -1 after a fault; as if of another module. */
int probe(const void *addr);
extern const char probe_end[], probe_fixup[];
__asm__(".text\n"
	"probe:\tmovzbl (%rdi), %eax\n"
	"probe_end:\n\tret\n"
	"probe_fixup:\tmovl $-1, %eax\n\tret\n");

static struct mms_load_entry probe_table[2]; /* the first one of nothing */

static int32_t distance(const int32_t *from, const void *to)
{
	return (int32_t)((intptr_t)to - (intptr_t)from);
}

static void make_probe_table(void)
{
	struct mms_load_entry *e = &probe_table[1];

	e->from = distance(&e->from, (const void *)probe);
	e->to = distance(&e->to, probe_end);
	e->fixup = distance(&e->fixup, probe_fixup);
}

static void touch_by_probe(void)
{
	_exit(probe(gone + PAGE) == -1 ? 6 : 7);
}

START_TEST(tables_of_others)
{
	static const struct mms_load_entry others[2];
	struct mms_pool *pool;

	gone = half_gone();
	signal(SIGBUS, SIG_DFL);
	pool = t_pool(0, 0, 0);
	make_probe_table();
	ck_assert_int_eq(probe(gone + 5), t_byte(5));
	ck_assert_int_eq(fate(touch_by_probe), SIGBUS);
	T_ASSERT_OK(mms_loads_register(others, others + 2));
	T_ASSERT_OK(mms_loads_register(probe_table, probe_table + 2));
	T_ASSERT_OK(mms_loads_register(probe_table, probe_table + 2));
	ck_assert_int_eq(probe(gone + PAGE), -1);
	mms_loads_unregister(others);
	ck_assert_int_eq(probe(gone + PAGE), -1);
	/* In the place of the one that went. */
	T_ASSERT_OK(mms_loads_register(others, others + 2));
	mms_loads_unregister(probe_table);
	ck_assert_int_eq(probe(gone + PAGE), -1);
	ck_assert_int_eq(fate(touch_by_probe), 1006);
	mms_loads_unregister(probe_table);
	ck_assert_int_eq(fate(touch_by_probe), SIGBUS);
	mms_loads_unregister(probe_table); /* not known: nothing */
	mms_loads_unregister(NULL);
	mms_loads_unregister(others);
	ck_assert_uint_eq(t_stats(pool).faults, 3);
	mms_pool_free(pool);
}
END_TEST

static atomic_bool stop;

static void *register_a_lot(void *arg)
{
	static const struct mms_load_entry others[4];

	while (!atomic_load(&stop)) {
		if (mms_loads_register(others + (uintptr_t)arg, others + 4))
			return (void *)1;
		mms_loads_unregister(others + (uintptr_t)arg);
	}
	return NULL;
}

/* Tables come and go while others are looked up. */
START_TEST(tables_beside_faults)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	pthread_t threads[2];

	gone = half_gone();
	make_probe_table();
	T_ASSERT_OK(mms_loads_register(probe_table, probe_table + 2));
	for (uintptr_t i = 0; i < 2; i++)
		T_ASSERT_OK(pthread_create(&threads[i], NULL, register_a_lot, (void *)i));
	for (int i = 0; i < 2000; i++)
		ck_assert_int_eq(probe(gone + PAGE), -1);
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++) {
		void *failed;

		T_ASSERT_OK(pthread_join(threads[i], &failed));
		ck_assert_ptr_null(failed);
	}
	mms_loads_unregister(probe_table);
	mms_pool_free(pool);
}
END_TEST

#endif

/* -------------------------------------------------------- earlier handlers */

static volatile sig_atomic_t repairs;

/* As a database does that maps its own files: a page comes where none was. */
static void repair(void)
{
	void *addr = mmap(gone + PAGE, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	repairs += addr == gone + PAGE;
}

static void plain_handler(int sig)
{
	(void)sig;
	repair();
	errno = EIO;
}

static void info_handler(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	if (info->si_addr == gone + PAGE)
		repair();
}

START_TEST(earlier_handlers_are_asked)
{
	static const int flags[] = {0, SA_SIGINFO, SA_NODEFER, SA_SIGINFO | (int)SA_RESETHAND};
	struct sigaction act = {.sa_flags = flags[_i]};
	struct mms_pool *pool;
	sigset_t mask;
	uint64_t v;

	gone = half_gone();
	if (act.sa_flags & SA_SIGINFO)
		act.sa_sigaction = info_handler;
	else
		act.sa_handler = plain_handler;
	sigaction(SIGBUS, &act, NULL);
	pool = t_pool(0, 0, 0);
	/* Not of an access that survives by itself. */
	ck_assert(!load(8, gone + PAGE, &v));
	ck_assert_int_eq(repairs, 0);
	errno = 4711;
	*(volatile unsigned char *)(gone + PAGE) = 1;
	ck_assert_int_eq(errno, 4711);
	ck_assert_int_eq(repairs, 1);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	ck_assert(!sigismember(&mask, SIGBUS));
	ck_assert_uint_eq(t_stats(pool).faults, 1);
	mms_pool_free(pool);
}
END_TEST

START_TEST(sent_and_ignored)
{
	struct mms_pool *pool;

	signal(SIGBUS, SIG_IGN);
	pool = t_pool(0, 0, 0);
	ck_assert_int_eq(raise(SIGBUS), 0);
	mms_pool_free(pool);
}
END_TEST

/* As the kernel tells that an access met memory that is broken: the address
 * is that of a page, of which the call may touch a part. */
static void meet_broken_memory(void *arg)
{
	siginfo_t info = {.si_signo = SIGBUS, .si_code = BUS_MCEERR_AR};
	struct sigaction store;
	ucontext_t context;

	info.si_addr = (char *)arg + 4000;
	info.si_addr_lsb = 12;
	ck_assert_int_eq(getcontext(&context), 0);
	sigaction(SIGBUS, NULL, &store);
	store.sa_sigaction(SIGBUS, &info, &context);
}

START_TEST(broken_memory_inside_a_call)
{
	struct mms_pool *pool = t_pool(0, 0, 0);
	unsigned char *map = half_gone();

	ck_assert_int_eq(mms_guard_call(meet_broken_memory, map, map + 50, 10), -EFAULT);
	ck_assert_uint_eq(t_stats(pool).faults, 1);
	mms_pool_free(pool);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, loads_at_every_alignment);
	tcase_add_test(t, each_width_survives);
	tcase_add_test(t, errno_is_kept);
	tcase_add_loop_test(t, copies_of_every_size, 0, WAYS);
	tcase_add_loop_test(t, copies_survive_at_every_size, 0, WAYS);
	tcase_add_test(t, a_call_survives);
	tcase_add_test(t, nests_in_a_signal_handler);
	tcase_add_test(t, chained_to_with_signals_blocked);
	tcase_add_test(t, threads_do_not_notice_each_other);
	tcase_add_test(t, broken_memory_beside_a_load);
	tcase_add_test(t, all_else_still_kills);
#if defined(__x86_64__)
	tcase_add_test(t, tables_of_others);
	tcase_add_test(t, tables_beside_faults);
#endif
	tcase_add_loop_test(t, earlier_handlers_are_asked, 0, 4);
	tcase_add_test(t, sent_and_ignored);
	tcase_add_test(t, broken_memory_inside_a_call);
}

int main(void)
{
	return t_run("load", add_tests);
}
