/* SPDX-License-Identifier: MIT */
/* mmapfsctl: what can be done about a backing directory without a mount */
#include <stdio.h>
#include <string.h>

#include "ctl.h"

static const char help[] =
	"Usage: mmapfsctl journal status [--json] DIR\n"
	"       mmapfsctl journal dump DIR\n"
	"       mmapfsctl journal replay DIR\n"
	"\n"
	"DIR is the backing directory of an mmapfs mount, which need not be mounted.\n"
	"\n"
	"  status   whether its journal has live records, and how many\n"
	"  dump     prints each record of the journal on a line\n"
	"  replay   brings the records into their files and empties the journal, as the\n"
	"           next mount would; not while a daemon serves DIR\n"
	"\n"
	"  --json     status as one JSON object\n"
	"  --help     prints this\n"
	"  --version  prints the version\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage, 3 the journal is damaged.\n";

enum command { STATUS, DUMP, REPLAY, COMMANDS };

static const char *const names[COMMANDS] = {"status", "dump", "replay"};

static int usage(const char *what, const char *value)
{
	complain("%s \"%s\"; mmapfsctl --help says what there is", what, value);
	return EXIT_USAGE;
}

static int run(enum command command, const char *dir, bool json)
{
	struct where w;
	int r = where_open(&w, dir);

	if (!r) {
		if (command == STATUS)
			r = command_status(&w, json);
		else
			r = command == DUMP ? command_dump(&w) : command_replay(&w);
	}
	where_close(&w);
	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write to standard output");
		return EXIT_FAILED;
	}
	return r;
}

static int parse(int argc, char **argv, bool json)
{
	unsigned command;

	if (argc < 2)
		return usage("a command is missing after", argc ? argv[0] : "mmapfsctl");
	if (strcmp(argv[0], "journal") != 0)
		return usage("unknown object", argv[0]);
	for (command = 0; command < COMMANDS; command++)
		if (!strcmp(argv[1], names[command]))
			break;
	if (command == COMMANDS)
		return usage("unknown command", argv[1]);
	if (json && command != STATUS)
		return usage("--json does not go with", argv[1]);
	if (argc < 3)
		return usage("DIR is missing after", argv[1]);
	if (argc > 3)
		return usage("one DIR, and nothing after it, but there is", argv[3]);
	return run((enum command)command, argv[2], json);
}

int main(int argc, char **argv)
{
	char *words[8];
	int n = 0;
	bool json = false, options = true;

	for (int i = 1; i < argc; i++) {
		if (options && !strcmp(argv[i], "--help")) {
			fputs(help, stdout);
			return EXIT_DONE;
		}
		if (options && !strcmp(argv[i], "--version")) {
			printf("mmapfsctl %s\n", PACKAGE_VERSION);
			return EXIT_DONE;
		}
		if (options && !strcmp(argv[i], "--"))
			options = false;
		else if (options && !strcmp(argv[i], "--json"))
			json = true;
		else if (options && argv[i][0] == '-')
			return usage("unknown option", argv[i]);
		else if (n < 8)
			words[n++] = argv[i];
	}
	return parse(n, words, json);
}
