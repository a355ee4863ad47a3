/* SPDX-License-Identifier: MIT */
#include "intake.h"

#include <poll.h>
#include <sched.h>

#include "clock.h"
#include "stats.h"

#define NS_PER_US 1000u
#define PAUSES 16          /* between looks: each takes the kernel's lock of the queue */
#define PASSED_OVER_MOST 255u
#define LATE 3             /* times the limit: somebody else had the processor meanwhile */

static struct {
	uint64_t limit_ns; /* constant; 0: nobody looks */
	_Alignas(64) _Atomic(unsigned) serving; /* workers between a request and its end */
	_Alignas(64) atomic_flag looking;       /* guards what follows */
	unsigned passed_over; /* chances to let go before the next look */
	unsigned step;        /* how many to let go after the next one in vain */
} intake = {.looking = ATOMIC_FLAG_INIT};

static __thread bool serves;

static void pause_shortly(void)
{
	for (int i = 0; i < PAUSES; i++)
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#else
		__asm__ volatile("" ::: "memory");
#endif
}

static bool there_is_one(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) != 0; /* an error as well: read(2) tells of it */
}

static bool look(int fd)
{
	uint64_t start = clock_now_ns(), spent = 0;
	bool found;

	while (!(found = there_is_one(fd)) && spent < intake.limit_ns) {
		pause_shortly();
		spent = clock_now_ns() - start;
	}
	if (found)
		intake.step = 0;
	else if (spent > LATE * intake.limit_ns)
		intake.step = PASSED_OVER_MOST;
	else
		intake.step = intake.step < PASSED_OVER_MOST ? 2 * intake.step + 1 : intake.step;
	intake.passed_over = intake.step;
	return found;
}

static void look_if_it_pays(int fd)
{
	if (intake.passed_over) {
		intake.passed_over--;
		return;
	}
	stats_count(INTAKE_LOOKS);
	if (look(fd))
		stats_count(INTAKE_FOUND);
}

void intake_start(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	/* With one processor the program could not ask meanwhile. */
	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 1)
		intake.limit_ns = (uint64_t)fs.options.spin_us * NS_PER_US;
}

void intake_wait(int fd)
{
	unsigned others = atomic_load_explicit(&intake.serving, memory_order_relaxed);

	if (serves)
		others = atomic_fetch_sub_explicit(&intake.serving, 1, memory_order_relaxed) - 1;
	serves = false;
	if (!intake.limit_ns || others || atomic_flag_test_and_set_explicit(&intake.looking, memory_order_acquire))
		return;
	look_if_it_pays(fd);
	atomic_flag_clear_explicit(&intake.looking, memory_order_release);
}

void intake_took(void)
{
	serves = true;
	atomic_fetch_add_explicit(&intake.serving, 1, memory_order_relaxed);
}
