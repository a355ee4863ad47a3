/* SPDX-License-Identifier: MIT */
/*
 * The guard: accesses that survive SIGBUS
 *
 * There are two kinds. An instruction of our own that may fault is in a table
 * with the place to go on at: see load.h. The handler moves the program
 * counter there and returns; nothing else is touched, whoever called it.
 *
 * Code that is not ours to list, and processors for which no table is
 * written, use frames. A guarded call pushes a frame on a list of its thread,
 * with the two ranges it may touch and a place to jump back to. The handler
 * runs on the thread that faulted, so the list needs no lock and another
 * thread never notices. A fault outside of both ranges of the innermost frame
 * is not ours, even inside a guarded call: it goes to whoever handled SIGBUS
 * before.
 *
 * The place to jump to is taken without the signal mask, which would cost a
 * system call a copy. The handler runs with SA_NODEFER and an empty sa_mask,
 * so that the kernel blocks nothing for it. Where it is called by somebody
 * else's handler instead (one that was installed later and chains to it, or
 * that of a sanitizer), signals may be blocked that were not: the mask that
 * the fault interrupted is put back before the jump, once a fault.
 */
#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <ucontext.h>

#include "load.h"
#include "mmapstore.h"

struct frame {
	sigjmp_buf back;
	uintptr_t dst, src;
	size_t len;
	struct frame *outer;
};

/* initial-exec: the handler must find it without a call that may allocate. */
static __thread struct frame *volatile innermost __attribute__((tls_model("initial-exec")));

static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned users;             /* install_lock */
static bool installed;             /* install_lock */
static struct sigaction previous;  /* written before the handler can run, then by no one */
static atomic_bool previous_spent; /* a SA_RESETHAND handler that has run */
static _Atomic uint64_t faults;

/* Of the tables of others; once made it stays, and is used again. */
struct table {
	struct table *next;                           /* set before it is found */
	_Atomic(const struct mms_load_entry *) start; /* NULL: not in use */
	const struct mms_load_entry *stop;            /* set before start */
	unsigned users;                               /* install_lock */
};

static _Atomic(struct table *) tables; /* changed under install_lock */
static _Atomic unsigned table_readers; /* handlers that are at it */

static bool range_hit(uintptr_t start, size_t len, uintptr_t lo, uintptr_t hi)
{
	return lo < start + len && hi >= start;
}

/* A signal that was sent is nobody's access, nor is memory that was found
 * broken in the background. */
static bool is_access(const siginfo_t *info)
{
#ifdef BUS_MCEERR_AO
	if (info->si_code == BUS_MCEERR_AO)
		return false;
#endif
	return info->si_code > 0;
}

static bool frame_owns(const struct frame *f, const siginfo_t *info)
{
	uintptr_t lo = (uintptr_t)info->si_addr;
	uintptr_t hi = lo;

#ifdef BUS_MCEERR_AR
	if (info->si_code == BUS_MCEERR_AR) { /* the address is that of a page or more */
		uintptr_t mask = ((uintptr_t)1 << info->si_addr_lsb) - 1;

		lo &= ~mask;
		hi |= mask;
	}
#endif
	return range_hit(f->dst, f->len, lo, hi) || range_hit(f->src, f->len, lo, hi);
}

#if MMS_GUARD_TABLE

/* Made by the linker. */
extern const struct mms_load_entry __start_mms_guard_table[] __attribute__((visibility("hidden")));
extern const struct mms_load_entry __stop_mms_guard_table[] __attribute__((visibility("hidden")));

static uintptr_t entry_address(const int32_t *field)
{
	return (uintptr_t)field + (uintptr_t)(intptr_t)*field;
}

/* Where to go on after a fault at pc, or 0. */
static uintptr_t find_fixup(const struct mms_load_entry *e, const struct mms_load_entry *stop,
			    uintptr_t pc)
{
	for (; e < stop; e++) {
		if (pc >= entry_address(&e->from) && pc < entry_address(&e->to))
			return entry_address(&e->fixup);
	}
	return 0;
}

/* The same in the tables of programs and modules. */
static uintptr_t find_registered(uintptr_t pc)
{
	uintptr_t fixup = 0;

	/* Counted before the first look, so that mms_loads_unregister() knows. */
	atomic_fetch_add(&table_readers, 1);
	for (struct table *t = atomic_load(&tables); t && !fixup; t = t->next) {
		const struct mms_load_entry *start = atomic_load(&t->start);

		if (start)
			fixup = find_fixup(start, t->stop, pc);
	}
	atomic_fetch_sub(&table_readers, 1);
	return fixup;
}

/* Goes on behind the access, if it is one of a table. */
static bool fix_up(ucontext_t *interrupted)
{
#if defined(__x86_64__)
	greg_t *pc = &interrupted->uc_mcontext.gregs[REG_RIP];
#else
	__typeof__(interrupted->uc_mcontext.pc) *pc = &interrupted->uc_mcontext.pc;
#endif
	uintptr_t fixup =
		find_fixup(__start_mms_guard_table, __stop_mms_guard_table, (uintptr_t)*pc);

	if (!fixup)
		fixup = find_registered((uintptr_t)*pc);
	if (fixup)
		*pc = (__typeof__(*pc))fixup;
	return fixup;
}

#else

static bool fix_up(ucontext_t *interrupted)
{
	(void)interrupted;
	return false;
}

#endif

static void die_by_default(const siginfo_t *info)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};

	sigemptyset(&dfl.sa_mask);
	(void)sigaction(SIGBUS, &dfl, NULL);
	/* A fault repeats when the handler returns. A sent signal does not. */
	if (info->si_code <= 0)
		(void)raise(SIGBUS);
}

/* As the kernel would have called it. */
static void call_previous(int sig, siginfo_t *info, void *context)
{
	sigset_t mask = previous.sa_mask;
	sigset_t before;

	if (!(previous.sa_flags & SA_NODEFER))
		sigaddset(&mask, sig);
	(void)pthread_sigmask(SIG_BLOCK, &mask, &before);
	if (previous.sa_flags & SA_SIGINFO)
		previous.sa_sigaction(sig, info, context);
	else
		previous.sa_handler(sig);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* True from the second call on for a handler that was to run once. */
static bool previous_is_default(void)
{
	if (!(previous.sa_flags & SA_SIGINFO) && previous.sa_handler == SIG_DFL)
		return true;
	return (previous.sa_flags & (int)SA_RESETHAND) && atomic_exchange(&previous_spent, true);
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int saved = errno;
	struct frame *f = innermost;
	ucontext_t *interrupted = context;

	if (is_access(info) && fix_up(interrupted)) {
		atomic_fetch_add_explicit(&faults, 1, memory_order_relaxed);
		return;
	}
	if (f && is_access(info) && frame_owns(f, info)) {
		atomic_fetch_add_explicit(&faults, 1, memory_order_relaxed);
		(void)pthread_sigmask(SIG_SETMASK, &interrupted->uc_sigmask, NULL);
		siglongjmp(f->back, 1);
	}
	if (!(previous.sa_flags & SA_SIGINFO) && previous.sa_handler == SIG_IGN) {
		/* The kernel does not let a fault be ignored either. */
		if (info->si_code > 0)
			die_by_default(info);
	} else if (previous_is_default()) {
		die_by_default(info);
	} else {
		call_previous(sig, info, context);
	}
	errno = saved;
}

static bool is_ours(const struct sigaction *act)
{
	return (act->sa_flags & SA_SIGINFO) && act->sa_sigaction == on_sigbus;
}

int mms_guard_install(void)
{
	struct sigaction act = {.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK};
	int r = 0;

	act.sa_sigaction = on_sigbus;
	sigemptyset(&act.sa_mask);
	pthread_mutex_lock(&install_lock);
	if (!installed) {
		/* Asked first: once it is installed it may run at any time. */
		if (sigaction(SIGBUS, NULL, &previous) < 0 || sigaction(SIGBUS, &act, NULL) < 0)
			r = -errno;
		else
			atomic_store(&previous_spent, false);
		installed = !r;
	}
	if (!r)
		users++;
	pthread_mutex_unlock(&install_lock);
	return r;
}

void mms_guard_remove(void)
{
	struct sigaction now;

	pthread_mutex_lock(&install_lock);
	/* Somebody who installed a handler over ours may call ours from it:
	 * then it stays where it is, and a later pool does not put it on top
	 * of its own caller. */
	if (--users == 0 && sigaction(SIGBUS, NULL, &now) == 0 && is_ours(&now)) {
		(void)sigaction(SIGBUS, &previous, NULL);
		installed = false;
	}
	pthread_mutex_unlock(&install_lock);
}

static struct table *find_table_locked(const struct mms_load_entry *start)
{
	struct table *t = atomic_load(&tables);

	while (t && atomic_load(&t->start) != start)
		t = t->next;
	return t;
}

static struct table *new_table_locked(void)
{
	struct table *t = find_table_locked(NULL);

	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (t) {
		t->next = atomic_load(&tables);
		atomic_store(&tables, t);
	}
	return t;
}

int mms_loads_register(const struct mms_load_entry *start, const struct mms_load_entry *stop)
{
	struct table *t;

	pthread_mutex_lock(&install_lock);
	t = find_table_locked(start);
	if (!t) {
		t = new_table_locked();
		if (t) {
			t->stop = stop;
			atomic_store(&t->start, start);
		}
	}
	if (t)
		t->users++;
	pthread_mutex_unlock(&install_lock);
	return t ? 0 : -ENOMEM;
}

void mms_loads_unregister(const struct mms_load_entry *start)
{
	struct table *t;

	pthread_mutex_lock(&install_lock);
	t = start ? find_table_locked(start) : NULL;
	if (t && --t->users == 0) {
		atomic_store(&t->start, NULL);
		/* Whoever saw it is done when nobody is left; who comes later
		 * does not see it. The caller may unload it now. */
		while (atomic_load(&table_readers))
			(void)sched_yield();
	}
	pthread_mutex_unlock(&install_lock);
}

uint64_t mms_guard_faults(void)
{
	return atomic_load_explicit(&faults, memory_order_relaxed);
}

/* Numbers by one access each: fast, and in one piece where they are aligned. */
typedef uint16_t __attribute__((may_alias, aligned(1))) any_u16;
typedef uint32_t __attribute__((may_alias, aligned(1))) any_u32;
typedef uint64_t __attribute__((may_alias, aligned(1))) any_u64;

/*
 * Not memcpy(): a sanitizer replaces that by a function of its own, which is
 * not made to be left by a jump, and reports as races what is the business
 * of whoever shares a file.
 */
__attribute__((noinline, no_sanitize("address", "undefined", "thread"))) static void
copy_bytes(void *dst, const void *src, size_t len)
{
	switch (len) {
	case 2:
		*(volatile any_u16 *)dst = *(const volatile any_u16 *)src;
		return;
	case 4:
		*(volatile any_u32 *)dst = *(const volatile any_u32 *)src;
		return;
	case 8:
		*(volatile any_u64 *)dst = *(const volatile any_u64 *)src;
		return;
	default:
		break;
	}
#if defined(__x86_64__)
	__asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(len) : : "memory");
#else
	typedef uintptr_t __attribute__((may_alias)) word;
	volatile unsigned char *d = dst;
	const volatile unsigned char *s = src;

	if ((((uintptr_t)d ^ (uintptr_t)s) & (sizeof(word) - 1)) == 0) {
		for (; len && ((uintptr_t)d & (sizeof(word) - 1)); len--)
			*d++ = *s++;
		for (; len >= sizeof(word); len -= sizeof(word)) {
			*(volatile word *)d = *(const volatile word *)s;
			d += sizeof(word);
			s += sizeof(word);
		}
	}
	while (len--)
		*d++ = *s++;
#endif
}

/* The ranges of f are set. */
static int call_in_frame(struct frame *f, void (*call)(void *arg), void *arg)
{
	f->outer = innermost;
	/* No local is changed between here and the jump. */
	if (sigsetjmp(f->back, 0)) {
		innermost = f->outer;
		return -EFAULT;
	}
	innermost = f;
	/* The handler of this thread must see the frame complete, and only that. */
	atomic_signal_fence(memory_order_seq_cst);
	call(arg);
	atomic_signal_fence(memory_order_seq_cst);
	innermost = f->outer;
	return 0;
}

int mms_guard_call(void (*f)(void *arg), void *arg, const void *addr, size_t len)
{
	struct frame frame = {.dst = (uintptr_t)addr, .src = (uintptr_t)addr, .len = len};

	return call_in_frame(&frame, f, arg);
}

struct copy_job {
	void *dst;
	const void *src;
	size_t len;
};

static void run_copy(void *arg)
{
	const struct copy_job *job = arg;

	copy_bytes(job->dst, job->src, job->len);
}

int mms_guard_copy(void *dst, const void *src, size_t len)
{
	struct copy_job job = {.dst = dst, .src = src, .len = len};
	struct frame f = {.dst = (uintptr_t)dst, .src = (uintptr_t)src, .len = len};

	return len ? call_in_frame(&f, run_copy, &job) : 0;
}

/* As copy_bytes(), not to be left from inside a sanitizer's function. On x86 plain accesses have
 * this order. */
__attribute__((noinline, no_sanitize("address", "undefined", "thread"))) static void
store_byte(unsigned char *dst, unsigned char value)
{
#if defined(__x86_64__)
	__asm__ volatile("movb %1, %0" : "=m"(*dst) : "q"(value) : "memory");
#else
	__atomic_store_n(dst, value, __ATOMIC_RELEASE);
#endif
}

__attribute__((noinline, no_sanitize("address", "undefined", "thread"))) static unsigned char
load_byte(const unsigned char *src)
{
#if defined(__x86_64__)
	unsigned char value;

	__asm__ volatile("movb %1, %0" : "=q"(value) : "m"(*src) : "memory");
	return value;
#else
	return __atomic_load_n(src, __ATOMIC_ACQUIRE);
#endif
}

struct byte_job {
	unsigned char *at;
	unsigned char value;
};

static void run_store(void *arg)
{
	const struct byte_job *job = arg;

	store_byte(job->at, job->value);
}

static void run_load(void *arg)
{
	struct byte_job *job = arg;

	job->value = load_byte(job->at);
}

int mms_guard_store_release(unsigned char *dst, unsigned char value)
{
	struct byte_job job = {.at = dst, .value = value};

	return mms_guard_call(run_store, &job, dst, 1);
}

int mms_guard_load_acquire(const unsigned char *src, unsigned char *ret_value)
{
	struct byte_job job = {.at = (unsigned char *)(uintptr_t)src};
	int r = mms_guard_call(run_load, &job, src, 1);

	if (!r)
		*ret_value = job.value;
	return r;
}
