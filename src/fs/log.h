/* SPDX-License-Identifier: MIT */
/* Messages: to stderr in the foreground and until the mount is up, then to syslog. */
#ifndef MMAPFS_LOG_H
#define MMAPFS_LOG_H

#include "options.h"

void log_start(enum log_level level);
/* From now on to syslog: the terminal belongs to others. */
void log_to_syslog(void);

/* One line, without newline. At most 20 lines of a level below error a
 * second are written; how many were dropped is said afterwards. */
__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *fmt, ...);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Takes over libfuse's own messages. Those of fuse_session_mount() are kept
 * instead of written while capture is set: the last is returned by
 * log_captured(), for the one line that a failed mount prints. */
void log_take_fuse(void);
void log_capture(bool on);
const char *log_captured(void);

#endif
