/* SPDX-License-Identifier: MIT */
/* The lines of MNT/.mmapfs/stats: a name, a space, a number */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "mount.h"

/* No more than a name of the daemon's has: it goes to a terminal. */
static bool is_name(const char *text)
{
	return *text && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.") == strlen(text);
}

static bool parse_line(char *line, struct reading *ret)
{
	char *space = strchr(line, ' '), *end;

	if (!space)
		return false;
	*space = '\0';
	if (!is_name(line) || space[1] < '0' || space[1] > '9')
		return false;
	errno = 0;
	ret->name = line;
	ret->value = strtoull(space + 1, &end, 10);
	return !errno && !*end;
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static bool parse(struct readings *r)
{
	char *rest = r->text, *line;

	r->list = calloc(count_lines(r->text), sizeof(*r->list));
	if (!r->list)
		return false;
	while ((line = strsep(&rest, "\n")))
		if (*line && !parse_line(line, &r->list[r->count++]))
			return false;
	return r->count > 0;
}

int readings_take(const char *mnt, struct readings *ret)
{
	struct readings r = {0};
	uint64_t uptime;
	int result = mount_text(mnt, "stats", &r.text);

	if (result)
		return result;
	if (!parse(&r) || !readings_find(&r, "uptime_ms", &uptime)) {
		complain("%s/.mmapfs/stats are no statistics of mmapfs", mnt);
		readings_release(&r);
		return EXIT_FAILED;
	}
	*ret = r;
	return EXIT_DONE;
}

void readings_release(struct readings *r)
{
	free(r->list);
	free(r->text);
	*r = (struct readings){0};
}

bool readings_find(const struct readings *r, const char *name, uint64_t *ret_value)
{
	for (size_t i = 0; i < r->count; i++) {
		if (!strcmp(r->list[i].name, name)) {
			*ret_value = r->list[i].value;
			return true;
		}
	}
	return false;
}

uint64_t readings_get(const struct readings *r, const char *name)
{
	uint64_t value = 0;

	(void)readings_find(r, name, &value);
	return value;
}
