/* SPDX-License-Identifier: MIT */
/*
 * The guard: a copy that survives SIGBUS
 *
 * Each guarded copy pushes a frame on a list of its thread, with the two
 * ranges it may touch and a place to jump back to. The handler runs on the
 * thread that faulted, so the list needs no lock and another thread never
 * notices. A fault outside of both ranges of the innermost frame is not ours,
 * even inside a guarded copy: it goes to whoever handled SIGBUS before.
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
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

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

static bool range_hit(uintptr_t start, size_t len, uintptr_t lo, uintptr_t hi)
{
	return lo < start + len && hi >= start;
}

static bool frame_owns(const struct frame *f, const siginfo_t *info)
{
	uintptr_t lo = (uintptr_t)info->si_addr;
	uintptr_t hi = lo;

	/* A signal that was sent carries no address; memory found broken in
	 * the background is nobody's access. */
	if (info->si_code <= 0)
		return false;
#ifdef BUS_MCEERR_AO
	if (info->si_code == BUS_MCEERR_AO)
		return false;
	if (info->si_code == BUS_MCEERR_AR) { /* the address is that of a page or more */
		uintptr_t mask = ((uintptr_t)1 << info->si_addr_lsb) - 1;

		lo &= ~mask;
		hi |= mask;
	}
#endif
	return range_hit(f->dst, f->len, lo, hi) || range_hit(f->src, f->len, lo, hi);
}

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

	if (f && frame_owns(f, info)) {
		const ucontext_t *interrupted = context;

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

uint64_t mms_guard_faults(void)
{
	return atomic_load_explicit(&faults, memory_order_relaxed);
}

/*
 * Not memcpy(): a sanitizer replaces that by a function of its own, which is
 * not made to be left by a jump, and reports as races what is the business
 * of whoever shares a file.
 */
__attribute__((noinline, no_sanitize("address", "undefined", "thread"))) static void
copy_bytes(void *dst, const void *src, size_t len)
{
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

int mms_copy(void *dst, const void *src, size_t len)
{
	struct frame f;

	if (len == 0)
		return 0;
	f.dst = (uintptr_t)dst;
	f.src = (uintptr_t)src;
	f.len = len;
	f.outer = innermost;
	/* No local is changed between here and the jump. */
	if (sigsetjmp(f.back, 0)) {
		innermost = f.outer;
		return -EFAULT;
	}
	innermost = &f;
	/* The handler of this thread must see the frame complete, and only that. */
	atomic_signal_fence(memory_order_seq_cst);
	copy_bytes(dst, src, len);
	atomic_signal_fence(memory_order_seq_cst);
	innermost = f.outer;
	return 0;
}
