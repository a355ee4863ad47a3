/* SPDX-License-Identifier: MIT */
#include "recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commit.h"
#include "inode.h"
#include "journal.h"
#include "log.h"

static int state_fd = -1; /* BACKING/.mmapfs */
static bool state_made;   /* by this daemon, as is the next */
static bool dir_made;
static char *journal_dir;
static struct mms_pool *pool; /* of the logs: what is not files of programs */

static void told(void *arg, enum journal_level level, const char *text)
{
	(void)arg;
	switch (level) {
	case JOURNAL_ERROR:
		log_error("journal: %s", text);
		break;
	case JOURNAL_WARNING:
		log_warning("journal: %s", text);
		break;
	case JOURNAL_INFO:
		log_info("journal: %s", text);
		break;
	}
}

/* Zeroing takes a moment on a slow disk: said where somebody may wait for it. */
static void progress(void *arg, uint64_t done, uint64_t total)
{
	static int64_t last_ms;
	int64_t now = inode_now_ms();

	(void)arg;
	if (!last_ms)
		last_ms = now;
	if (now - last_ms < 1000)
		return;
	last_ms = now;
	fprintf(stderr, "mmapfs: writing the journal: %llu of %llu MiB\n",
		(unsigned long long)(done >> 20), (unsigned long long)(total >> 20));
}

static struct journal_place place_at(const char *dir)
{
	return (struct journal_place){.backing_fd = fs.root_fd, .state_fd = state_fd, .dir = dir,
				      .handles = fs.handles, .say = told, .progress = progress};
}

/* A daemon with a journal has BACKING for itself: another one's writes would be
 * in no record, and its replay would undo them. */
static int lock_backing(char *msg, size_t size)
{
	bool alone = fs.options.journal;

	if (flock(fs.root_fd, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return 0; /* or the file system has no such locks */
	snprintf(msg, size,
		 alone ? "BACKING %s is in use by another mmapfs or mmapfsctl, and a journal needs it "
			 "for itself; unmount that first, or leave the option journal out" :
			 "BACKING %s is in use by a mmapfs with a journal, or by mmapfsctl; unmount "
			 "that first",
		 fs.backing);
	return -EBUSY;
}

static int open_state(char *msg, size_t size)
{
	int rc;

	state_made = fs.options.journal && !mkdirat(fs.root_fd, RESERVED_NAME, 0700);
	if (fs.options.journal && !state_made && errno != EEXIST) {
		rc = -errno;
		snprintf(msg, size, "%s/%s, for the journal, cannot be made: %s", fs.backing,
			 RESERVED_NAME, strerror(-rc));
		return rc;
	}
	state_fd = openat(fs.root_fd, RESERVED_NAME,
			  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	fs.state_dir = state_fd >= 0;
	if (fs.state_dir || errno == ENOENT)
		return 0;
	rc = -errno;
	snprintf(msg, size, "%s/%s: %s", fs.backing, RESERVED_NAME, strerror(-rc));
	return rc;
}

/* Where an earlier daemon had its journal; allocated. */
static char *earlier_dir(bool *ret_elsewhere)
{
	char path[4096], *dir = NULL;

	*ret_elsewhere = journal_path_read(state_fd, path) == 1;
	if (*ret_elsewhere)
		return strdup(path);
	return asprintf(&dir, "%s/%s/journal", fs.backing, RESERVED_NAME) < 0 ? NULL : dir;
}

static void say_replayed(const char *dir, const struct journal_report *r)
{
	if (r->same_mount && r->records)
		log_warning("the journal in %s had %llu records of a daemon that was killed; nothing was "
			    "lost, and they are in their files now",
			    dir, (unsigned long long)r->records);
	else if (r->records)
		log_warning("the journal in %s was replayed after a crash: %llu records, %llu writes of "
			    "%llu bytes, %llu names; %llu of files removed since, %llu files set aside",
			    dir, (unsigned long long)r->records,
			    (unsigned long long)r->applied_data,
			    (unsigned long long)r->applied_bytes,
			    (unsigned long long)r->redone_names,
			    (unsigned long long)r->skipped_gone,
			    (unsigned long long)r->quarantined_files);
}

static void say_failed(int rc, const struct mms_error *err, char *msg, size_t size)
{
	char text[800];

	mms_error_format(err, text, sizeof(text));
	if (journal_is_unreadable(rc))
		snprintf(msg, size,
			 "%s; mmapfsctl journal discard %s moves aside what cannot be read of the journal, "
			 "and says what is known of it",
			 text, fs.backing);
	else
		snprintf(msg, size, "%s", text);
}

static int replay_earlier(char *msg, size_t size)
{
	struct journal_report report = {0};
	bool elsewhere;
	char *dir = earlier_dir(&elsewhere);
	struct journal_place place = place_at(dir);
	struct mms_error err = {.what = "out of memory"};
	int rc = dir ? 0 : -ENOMEM;

	/* It would be taken for an empty one, and what it has be lost. */
	if (!rc && elsewhere && access(dir, F_OK)) {
		rc = -errno;
		snprintf(msg, size,
			 "BACKING %s was left with a journal in %s, which is not there now (%s); mount "
			 "what it is on first, or, if it is lost for good, remove %s/%s/journal.path",
			 fs.backing, dir, strerror(-rc), fs.backing, RESERVED_NAME);
		free(dir);
		return rc;
	}
	if (!rc)
		rc = journal_is_live(pool, &place, &err);
	if (rc == 1 && fs.options.read_only) {
		snprintf(msg, size,
			 "BACKING %s has a journal with records that are not in their files yet, and "
			 "ro may not write them; mount it once without ro, or run mmapfsctl journal "
			 "replay %s",
			 fs.backing, fs.backing);
		rc = -EROFS;
	} else if (rc == 1) {
		rc = journal_replay(pool, &place, &report, &err);
		if (rc)
			say_failed(rc, &err, msg, size);
		else
			say_replayed(dir, &report);
	} else if (rc < 0) {
		say_failed(rc, &err, msg, size);
	}
	free(dir);
	return rc;
}

/* An absolute path, so that a later mount finds it from anywhere. */
static int choose_dir(char *msg, size_t size)
{
	const char *asked = fs.options.journal_path;
	int rc;

	if (!asked) {
		if (asprintf(&journal_dir, "%s/%s/journal", fs.backing, RESERVED_NAME) < 0) {
			journal_dir = NULL;
			snprintf(msg, size, "out of memory");
			return -ENOMEM;
		}
		return journal_path_write(state_fd, NULL);
	}
	dir_made = !mkdir(asked, 0700);
	if (!dir_made && errno != EEXIST) {
		rc = -errno;
		snprintf(msg, size, "journal=%s: the directory cannot be made: %s", asked,
			 strerror(-rc));
		return rc;
	}
	journal_dir = realpath(asked, NULL);
	if (!journal_dir) {
		rc = -errno;
		snprintf(msg, size, "journal=%s: %s", asked, strerror(-rc));
		return rc;
	}
	rc = journal_path_write(state_fd, journal_dir);
	if (rc)
		snprintf(msg, size,
			 "%s/%s/journal.path, which tells a later mount of the journal in %s, cannot be "
			 "written: %s",
			 fs.backing, RESERVED_NAME, asked, strerror(-rc));
	return rc;
}

/* Nothing of a journal that was not to be is left, for the next mount to look for. */
static void forget_journal(void)
{
	if (fs.options.journal_path && journal_dir)
		(void)journal_path_write(state_fd, NULL);
	if (dir_made)
		(void)rmdir(fs.options.journal_path);
	if (state_made)
		(void)unlinkat(fs.root_fd, RESERVED_NAME, AT_REMOVEDIR);
	dir_made = state_made = false;
}

static int open_journal(char *msg, size_t size)
{
	const struct journal_options options = {
		.size = fs.options.journal_size,
		.names = fs.handles && journal_names_ordered(fs.root_fd),
	};
	struct journal_place place;
	struct mms_error err;
	int rc = choose_dir(msg, size);

	if (rc)
		return rc;
	place = place_at(journal_dir);
	rc = journal_open(pool, &place, &options, &fs.journal, &err);
	if (rc) {
		mms_error_format(&err, msg, size);
		return rc;
	}
	fs.journal_names = options.names;
	rc = commit_attach(fs.root);
	if (rc)
		snprintf(msg, size, "out of memory");
	return rc;
}

static int open_pool(char *msg, size_t size)
{
	struct mms_error err;
	int rc = mms_pool_new(NULL, &pool, &err);

	if (rc)
		mms_error_format(&err, msg, size);
	return rc;
}

int recovery_start(char *msg, size_t size)
{
	int rc = lock_backing(msg, size);

	if (!rc)
		rc = open_state(msg, size);
	if (!rc && state_fd >= 0)
		rc = open_pool(msg, size);
	if (!rc && state_fd >= 0)
		rc = replay_earlier(msg, size);
	if (!rc && fs.options.journal)
		rc = open_journal(msg, size);
	if (rc && !fs.journal)
		forget_journal();
	return rc;
}

int recovery_end(void)
{
	int rc = fs.journal ? journal_close(fs.journal) : 0;

	if (rc)
		log_error("the journal in %s could not be emptied: %s; the next mount replays it",
			  journal_dir, strerror(-rc));
	else if (fs.journal)
		(void)journal_path_write(state_fd, NULL); /* it is empty: nobody need look there */
	fs.journal = NULL;
	fs.journal_names = false;
	mms_pool_free(pool);
	pool = NULL;
	free(journal_dir);
	journal_dir = NULL;
	if (state_fd >= 0)
		close(state_fd);
	state_fd = -1;
	return rc;
}

const char *recovery_word(void)
{
	struct journal_stats s;

	if (!fs.journal)
		return "off";
	journal_stats(fs.journal, &s);
	if (s.broken)
		return "BROKEN: every sync is a real one; see the log";
	return fs.journal_names ? "data and names" : "data; names are synced";
}
