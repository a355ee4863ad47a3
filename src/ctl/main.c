/* SPDX-License-Identifier: MIT */
/* mmapfsctl: what can be done about a backing directory without a mount */
#include <stdio.h>
#include <string.h>

#include "ctl.h"

static const char help[] =
	"Usage: mmapfsctl journal status [--json] DIR\n"
	"       mmapfsctl journal dump DIR\n"
	"       mmapfsctl journal replay DIR\n"
	"       mmapfsctl journal discard [--force] DIR\n"
	"\n"
	"DIR is the backing directory of an mmapfs mount, which need not be mounted.\n"
	"\n"
	"  status   whether its journal has live records, and how many\n"
	"  dump     prints each record of the journal on a line\n"
	"  replay   brings the records into their files and empties the journal, as the\n"
	"           next mount would; not while a daemon serves DIR\n"
	"  discard  moves logs that cannot be read aside, says what is known of them, and\n"
	"           replays what can be read; likewise\n"
	"\n"
	"  --json     status as one JSON object\n"
	"  --force    discard records as well that can be read: they are kept aside too\n"
	"  --help     prints this\n"
	"  --version  prints the version\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage, 3 the journal is damaged.\n";

enum command { STATUS, DUMP, REPLAY, DISCARD, COMMANDS };

static const char *const names[COMMANDS] = {"status", "dump", "replay", "discard"};

struct flags {
	bool json, force;
};

static int usage(const char *what, const char *value)
{
	complain("%s \"%s\"; mmapfsctl --help says what there is", what, value);
	return EXIT_USAGE;
}

static int run_on(struct where *w, enum command command, const struct flags *flags)
{
	switch (command) {
	case STATUS:
		return command_status(w, flags->json);
	case DUMP:
		return command_dump(w);
	case REPLAY:
		return command_replay(w);
	default:
		return command_discard(w, flags->force);
	}
}

static int run(enum command command, const char *dir, const struct flags *flags)
{
	struct where w;
	int r = where_open(&w, dir);

	if (!r)
		r = run_on(&w, command, flags);
	where_close(&w);
	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write to standard output");
		return EXIT_FAILED;
	}
	return r;
}

static int parse(int argc, char **argv, const struct flags *flags)
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
	if (flags->json && command != STATUS)
		return usage("--json does not go with", argv[1]);
	if (flags->force && command != DISCARD)
		return usage("--force does not go with", argv[1]);
	if (argc < 3)
		return usage("DIR is missing after", argv[1]);
	if (argc > 3)
		return usage("one DIR, and nothing after it, but there is", argv[3]);
	return run((enum command)command, argv[2], flags);
}

int main(int argc, char **argv)
{
	char *words[8];
	int n = 0;
	bool options = true;
	struct flags flags = {0};

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
			flags.json = true;
		else if (options && !strcmp(argv[i], "--force"))
			flags.force = true;
		else if (options && argv[i][0] == '-')
			return usage("unknown option", argv[i]);
		else if (n < 8)
			words[n++] = argv[i];
	}
	return parse(n, words, &flags);
}
