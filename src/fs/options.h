/* SPDX-License-Identifier: MIT */
/* What the command line asks for. */
#ifndef MMAPFS_OPTIONS_H
#define MMAPFS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmapstore.h"

enum cache_mode { CACHE_DEFAULT, CACHE_BACK, CACHE_THROUGH, CACHE_SHARED, CACHE_NONE };

/* A push goes as far as the mount's read-ahead at a time: not with less. */
#define PUSH_READAHEAD_MIN (64u << 10)

enum push_mode { PUSH_OFF, PUSH_READAHEAD, PUSH_STORE, PUSH_DEFAULT };

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* At a system call that the daemon never makes. */
enum filter_mode { FILTER_KILL, FILTER_ERRNO, FILTER_OFF };

struct options {
	const char *backing_arg; /* borrowed from argv */
	const char *mount_arg;
	bool foreground;
	bool debug_fuse;
	bool help;
	bool version;
	bool fake;               /* mount(8) -f: check all, mount nothing */

	enum mms_sync_mode sync;
	double sync_interval;    /* seconds */
	bool fsync_defer;
	bool journal;
	char *journal_path;      /* absolute or relative, owned; NULL: in BACKING/.mmapfs */
	uint64_t journal_size;   /* bytes */
	uint64_t journal_max_record; /* bytes */
	bool passthrough;
	enum cache_mode cache;   /* never CACHE_DEFAULT after options_parse() */
	enum mms_io io;
	enum mms_put put;
	unsigned window_shift;   /* 0: default */
	uint64_t map_limit;      /* bytes; 0: default */
	uint64_t map_count;      /* 0: default */
	enum mms_preload preload;
	enum mms_advice advice;
	uint64_t readahead;      /* bytes */
	bool readahead_set;
	uint64_t max_read;       /* bytes; 0: the kernel's */
	unsigned threads;
	bool clone_fd;
	unsigned spin_us;        /* see intake.h */
	double attr_timeout, entry_timeout, negative_timeout; /* below 0: not given */
	bool watch;
	enum push_mode push;     /* never PUSH_DEFAULT after options_parse() */
	bool lock;               /* mapped regions stay in memory */
	bool dump_data;          /* core dumps hold data of files */
	enum filter_mode filter;
	enum log_level log_level;

	bool allow_other, allow_root, read_only, auto_unmount;
	char *fuse_options;      /* "a,b=c" for the mount itself; owned */
};

/*
 * Fills *o from the command line, in both forms: `mmapfs [-o ...] BACKING
 * MNT` and mount(8)'s helper form, chosen by the name in argv[0]. On failure
 * -EINVAL and one sentence, without newline, in msg.
 */
int options_parse(struct options *o, int argc, char **argv, char *msg, size_t msg_size);
void options_release(struct options *o);

/* The text of --help. */
const char *options_help(void);

const char *sync_word(enum mms_sync_mode m);
const char *cache_word(enum cache_mode m);
const char *push_option_word(enum push_mode m);
const char *io_word(enum mms_io m);
const char *put_word(enum mms_put m);
const char *preload_word(enum mms_preload m);
const char *advice_word(enum mms_advice m);
const char *log_word(enum log_level m);

#endif
