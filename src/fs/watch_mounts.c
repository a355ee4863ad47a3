/* SPDX-License-Identifier: MIT */
/* File systems mounted beneath BACKING, and unmounted: that changes what a name
 * leads to, and fanotify(7) has no event for it. */
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "invalidate.h"
#include "log.h"

static struct {
	FILE *list; /* /proc/self/mountinfo; NULL: not watched */
	char *prefix;
	uint64_t sum;
} mounts;

/* fs.backing as the list has it, with a slash behind: allocated. */
static char *listed_backing(void)
{
	char *text = malloc(4 * strlen(fs.backing) + 2), *to = text;

	if (!text)
		return NULL;
	for (const char *c = fs.backing; *c; c++)
		if (strchr(" \t\n\\", *c))
			to += sprintf(to, "\\%03o", (unsigned char)*c);
		else
			*to++ = *c;
	if (to == text || to[-1] != '/')
		*to++ = '/';
	*to = '\0';
	return text;
}

/* Whether a line of the list is about a mount beneath BACKING. Its fifth field
 * is where. */
static bool is_beneath(const char *line)
{
	for (int field = 1; line && field < 5; field++) {
		line = strchr(line, ' ');
		line = line ? line + 1 : NULL;
	}
	return line && !strncmp(line, mounts.prefix, strlen(mounts.prefix));
}

/* A sum over what is mounted beneath BACKING now. */
static uint64_t sum_up(void)
{
	uint64_t sum = 0xcbf29ce484222325u; /* FNV-1a */
	char *line = NULL;
	size_t room = 0;

	rewind(mounts.list);
	while (getline(&line, &room, mounts.list) > 0)
		for (const char *c = is_beneath(line) ? line : ""; *c; c++)
			sum = (sum ^ (unsigned char)*c) * 0x100000001b3u;
	free(line);
	return sum;
}

int watch_mounts_open(void)
{
	mounts.prefix = listed_backing();
	mounts.list = mounts.prefix ? fopen("/proc/self/mountinfo", "re") : NULL;
	if (!mounts.list) {
		log_warning("what is mounted beneath %s is not watched: %s", fs.backing,
			    strerror(errno));
		return -1;
	}
	mounts.sum = sum_up();
	return fileno(mounts.list);
}

void watch_mounts_look(void)
{
	uint64_t sum = sum_up();

	if (sum != mounts.sum)
		invalidate_all_entries();
	mounts.sum = sum;
}

void watch_mounts_release(void)
{
	if (mounts.list)
		fclose(mounts.list);
	free(mounts.prefix);
	mounts.list = NULL;
	mounts.prefix = NULL;
}
