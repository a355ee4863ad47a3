/* SPDX-License-Identifier: MIT */
/* mmapfsctl status: the daemon's JSON as it is, or a line for each of its members */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "mount.h"

/* The daemon's text has a member on each line, or the end of an object. What follows is no reader
 * for JSON of others. */

/* A string from its opening quote on; what is no printable ASCII goes out as \xNN. Returns what
 * follows its closing quote. */
static const char *print_string(const char *s)
{
	for (s++; *s && *s != '"'; s++) {
		unsigned value = (unsigned char)*s;

		if (*s == '\\' && s[1] == 'u' && strlen(s) > 5) {
			char digits[5] = {s[2], s[3], s[4], s[5], 0};

			value = (unsigned)strtoul(digits, NULL, 16) & 0xff;
			s += 5;
		} else if (*s == '\\' && s[1]) {
			value = (unsigned char)*++s;
		}
		if (value < 0x20 || value >= 0x7f || value == '\\')
			printf("\\x%02x", value);
		else
			putchar((int)value);
	}
	return *s ? s + 1 : s;
}

/* A number or a word: up to the comma. */
static void print_bare(const char *s)
{
	for (; *s && *s != ','; s++)
		if (*s >= 0x20 && *s < 0x7f)
			putchar(*s);
}

static void print_member(const char *line, bool inside)
{
	const char *value = strstr(line, "\": ");

	if (!value)
		return;
	value += 3;
	if (inside)
		printf("  ");
	line = print_string(line);
	if (*value == '{') {
		putchar('\n');
		return;
	}
	putchar(' ');
	if (*value == '"')
		(void)print_string(value);
	else
		print_bare(value);
	putchar('\n');
}

/* Without "now", which are the statistics. */
static void print_text(char *text)
{
	char *line;

	while ((line = strsep(&text, "\n"))) {
		size_t indent = strspn(line, " ");

		if (!strncmp(line + indent, "\"now\"", 5))
			break;
		if (line[indent] == '"')
			print_member(line + indent, indent > 2);
	}
}

int command_mount_status(const char *mnt, bool json)
{
	char *text = NULL;
	int r = mount_text(mnt, "status", &text);

	if (r)
		return r;
	if (text[0] != '{' || !strstr(text, "\"mountpoint\": ")) {
		complain("%s/.mmapfs/status is no status of mmapfs", mnt);
		r = EXIT_FAILED;
	} else if (json) {
		fputs(text, stdout);
	} else {
		print_text(text);
	}
	free(text);
	return r;
}
