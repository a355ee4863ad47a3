/* SPDX-License-Identifier: MIT */
#include "fs.h"
#include "log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include <fuse_log.h>

#define LINES_A_SECOND 20

static enum log_level threshold = LOG_LEVEL_WARNING; /* set before threads */
static bool use_syslog;                              /* set before the parent is told */
static pthread_mutex_t rate_lock = PTHREAD_MUTEX_INITIALIZER;
static time_t rate_second;      /* protected by rate_lock */
static unsigned rate_count;     /* protected by rate_lock */
static unsigned rate_dropped;   /* protected by rate_lock */

static bool capturing;          /* start-up only: one thread */
static char captured[256];

void log_start(enum log_level level)
{
	threshold = level;
}

void log_to_syslog(void)
{
	openlog("mmapfs", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	use_syslog = true;
}

static void emit(enum log_level level, const char *text)
{
	static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

	if (use_syslog)
		syslog(priorities[level], "%s", text);
	else
		fprintf(stderr, "mmapfs: %s\n", text);
}

/* True if the line may go out; *ret_dropped: lines lost in the second before. */
static bool within_rate(enum log_level level, unsigned *ret_dropped)
{
	struct timespec now;
	bool ok;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	pthread_mutex_lock(&rate_lock);
	*ret_dropped = 0;
	if (now.tv_sec != rate_second) {
		rate_second = now.tv_sec;
		*ret_dropped = rate_dropped;
		rate_count = rate_dropped = 0;
	}
	ok = level == LOG_LEVEL_ERROR || rate_count++ < LINES_A_SECOND;
	if (!ok)
		rate_dropped++;
	pthread_mutex_unlock(&rate_lock);
	return ok;
}

__attribute__((format(printf, 2, 0))) static void log_vline(enum log_level level, const char *fmt, va_list ap)
{
	char text[1024];
	unsigned dropped;

	if (level > threshold || !within_rate(level, &dropped))
		return;
	if (dropped) {
		snprintf(text, sizeof(text), "%u messages left out", dropped);
		emit(LOG_LEVEL_WARNING, text);
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	emit(level, text);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(level, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 2, 0))) static void from_fuse(enum fuse_log_level level, const char *fmt, va_list ap)
{
	if (capturing) {
		vsnprintf(captured, sizeof(captured), fmt, ap);
		captured[strcspn(captured, "\n")] = '\0';
		return;
	}
	if (fs.options.debug_fuse) {
		vfprintf(stderr, fmt, ap);
		return;
	}
	/* A reply that faulted (truncation beneath) is counted, not told; and
	 * while stopping, replies to an aborted connection are expected to fail. */
	(void)level;
	log_vline(LOG_LEVEL_DEBUG, fmt, ap);
}

void log_take_fuse(void)
{
	fuse_set_log_func(from_fuse);
}

void log_capture(bool on)
{
	capturing = on;
	if (on)
		captured[0] = '\0';
}

const char *log_captured(void)
{
	return captured;
}
