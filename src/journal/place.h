/* SPDX-License-Identifier: MIT */
/* place.h - the system calls that a test replaces, and saying things */
#ifndef JOURNAL_PLACE_H
#define JOURNAL_PLACE_H

#include "journal.h"

/* This boot and this mount of BACKING. */
struct place_mount {
	unsigned char boot_id[16];
	uint64_t mount_id; /* unique for the time of a boot; 0: not known */
	uint64_t dev;
};

struct journal_sys {
	int (*syncfs)(int fd);
	int (*log_sync)(struct mms_log *log, uint64_t sequence);
	int (*mount)(int backing_fd, struct place_mount *ret);
	/* Before each record of a replay, and before each step of its end: not 0 ends it there, as a
	 * loss of power would. */
	int (*step)(void);
};

extern const struct journal_sys journal_sys_default;

static inline const struct journal_sys *place_sys(const struct journal_place *place)
{
	return place->sys ? place->sys : &journal_sys_default;
}

#define JOURNAL_HALVES 2u
#define JOURNAL_PATH_MAX 4096u

/* DIR/log.N into buf. */
int place_log_path(const struct journal_place *place, unsigned half, char buf[JOURNAL_PATH_MAX]);
int place_path(const struct journal_place *place, const char *name, char buf[JOURNAL_PATH_MAX]);

/* A new name, for what is kept of a log that cannot be read. */
int place_damaged_path(const struct journal_place *place, unsigned half,
		       char buf[JOURNAL_PATH_MAX]);

/* Makes the names in the journal's directory durable. */
int place_sync_dir(const struct journal_place *place);

/* A descriptor that holds the directory for one user at a time; -ENOENT; or -EBUSY, of which err
 * tells. Where there are no such locks the files' own must do. */
int place_lock(const struct journal_place *place, struct mms_error *err);

__attribute__((format(printf, 3, 4))) void place_say(const struct journal_place *place,
						     enum journal_level level, const char *text,
						     ...);

/* Fills err, where there is one, and returns code. */
__attribute__((format(printf, 3, 4))) int error_set(struct mms_error *err, int code,
						    const char *what, ...);

int place_mount_read(int backing_fd, struct place_mount *ret);

#endif
