/* SPDX-License-Identifier: MIT */
/* Finding the journal of a backing directory */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

#define STATE_DIR ".mmapfs"

void complain(const char *text, ...)
{
	char line[4 * JOURNAL_PATH_MAX];
	va_list ap;

	va_start(ap, text);
	(void)vsnprintf(line, sizeof(line), text, ap);
	va_end(ap);
	fputs("mmapfsctl: ", stderr);
	/* Paths are in it that others have chosen, and a terminal obeys. */
	for (const char *at = line; *at; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			fprintf(stderr, "\\x%02x", (unsigned char)*at);
		else
			fputc(*at, stderr);
	}
	fputc('\n', stderr);
}

int complain_error(const struct mms_error *err)
{
	char text[640];

	complain("%s", mms_error_format(err, text, sizeof(text)));
	return EXIT_FAILED;
}

int complain_journal(const struct where *w, const struct mms_error *err)
{
	int status = complain_error(err);

	if (!journal_is_unreadable(err->code))
		return status;
	complain("mmapfsctl journal discard %s moves aside what cannot be read, and says what is known "
		 "of it",
		 w->backing);
	return EXIT_DAMAGED;
}

void print_quoted(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			printf("\\x%02x", c);
		else
			putchar(c);
	}
	putchar('"');
}

void print_json_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void say(void *arg, enum journal_level level, const char *text)
{
	(void)arg;
	complain("%s%s", level == JOURNAL_ERROR ? "error: " : "", text);
}

/* Opening by handle needs a privilege, which the handle of BACKING itself tells. */
static bool handles_work(int backing_fd)
{
	union {
		struct file_handle head;
		unsigned char space[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} h = {.head.handle_bytes = MAX_HANDLE_SZ};
	int mount, fd;

	if (name_to_handle_at(backing_fd, "", &h.head, &mount, AT_EMPTY_PATH))
		return false;
	fd = open_by_handle_at(backing_fd, &h.head, O_PATH | O_CLOEXEC);
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static int find_dir(struct where *w)
{
	char *real;
	int r = journal_path_read(w->place.state_fd, w->dir);

	if (r < 0) {
		complain("%s/" STATE_DIR "/journal.path cannot be used: %s; it must be a file of one "
			 "line, an absolute path",
			 w->backing, strerror(-r));
		return EXIT_FAILED;
	}
	/* On a device that is not there now, perhaps. */
	if (r && access(w->dir, R_OK | X_OK)) {
		complain("cannot open the journal %s: %s; %s/" STATE_DIR "/journal.path names it",
			 w->dir, strerror(errno), w->backing);
		return EXIT_FAILED;
	}
	if (r)
		return EXIT_DONE;
	real = realpath(w->backing, NULL);
	r = real ? snprintf(w->dir, sizeof(w->dir), "%s/" STATE_DIR "/journal", real) : -1;
	free(real);
	if (r < 0 || r >= (int)sizeof(w->dir)) {
		complain("the path of %s is too long", w->backing);
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

int where_open(struct where *w, const char *backing)
{
	struct mms_error err;

	*w = (struct where){.backing = backing, .place = {.backing_fd = -1, .state_fd = -1}};
	w->place.say = say;
	w->place.dir = w->dir;
	w->place.backing_fd = open(backing, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->place.backing_fd < 0) {
		complain("cannot open %s: %s; DIR is the backing directory of a mount, not the "
			 "mount point",
			 backing, strerror(errno));
		return EXIT_FAILED;
	}
	w->place.handles = handles_work(w->place.backing_fd);
	if (mms_pool_new(NULL, &w->pool, &err))
		return complain_error(&err);
	w->place.state_fd = openat(w->place.backing_fd, STATE_DIR,
				   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (w->place.state_fd < 0 && errno == ENOENT)
		return EXIT_DONE;
	if (w->place.state_fd < 0) {
		complain("cannot open %s/" STATE_DIR ": %s; it must be a directory that you may read",
			 backing, strerror(errno));
		return EXIT_FAILED;
	}
	w->has_state = true;
	return find_dir(w);
}

void where_close(struct where *w)
{
	mms_pool_free(w->pool);
	if (w->place.state_fd >= 0)
		(void)close(w->place.state_fd);
	if (w->place.backing_fd >= 0)
		(void)close(w->place.backing_fd);
}
