/* SPDX-License-Identifier: MIT */
/* mmapfsctl: what can be done about a backing directory without a mount, and what a mount says */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "mount.h"

static const char help[] =
	"Usage: mmapfsctl status [--json] MNT\n"
	"       mmapfsctl stats [--json] [--interval SECONDS] MNT\n"
	"       mmapfsctl journal status [--json] DIR\n"
	"       mmapfsctl journal dump DIR\n"
	"       mmapfsctl journal replay DIR\n"
	"       mmapfsctl journal discard [--force] DIR\n"
	"\n"
	"MNT is the mount point of an mmapfs mount.\n"
	"\n"
	"  status   the options in force, how reads and writes are served, what is durable when\n"
	"  stats    requests by kind and how long they took; bytes, faults, syncs, the journal\n"
	"\n"
	"DIR is the backing directory of an mmapfs mount, which need not be mounted.\n"
	"\n"
	"  journal status   whether its journal has live records, and how many\n"
	"  journal dump     prints each record of the journal on a line\n"
	"  journal replay   brings the records into their files and empties the journal, as the\n"
	"                   next mount would; not while a daemon serves DIR\n"
	"  journal discard  moves logs that cannot be read aside, says what is known of them, and\n"
	"                   replays what can be read; likewise\n"
	"\n"
	"  --interval SECONDS  stats of what comes within that time, instead of all since the mount\n"
	"  --json              status and stats as one JSON object\n"
	"  --force             discard records as well that can be read: they are kept aside too\n"
	"  --help              prints this\n"
	"  --version           prints the version\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 wrong usage, 3 the journal is damaged.\n";

enum command { STATUS, DUMP, REPLAY, DISCARD, COMMANDS };

static const char *const names[COMMANDS] = {"status", "dump", "replay", "discard"};

struct flags {
	bool json, force;
	const char *interval; /* NULL, or its text */
};

static int usage(const char *what, const char *value)
{
	complain("%s \"%s\"; mmapfsctl --help says what there is", what, value);
	return EXIT_USAGE;
}

static int finish(int r)
{
	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write to standard output");
		return EXIT_FAILED;
	}
	return r;
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
	return finish(r);
}

static int parse_journal(int argc, char **argv, const struct flags *flags)
{
	unsigned command;

	if (argc < 2)
		return usage("a command is missing after", argv[0]);
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

/* status and stats of a mount. */
static int parse_mount(int argc, char **argv, const struct flags *flags)
{
	bool stats = !strcmp(argv[0], "stats");
	double seconds = 0;
	char *end = NULL;

	if (flags->interval && !stats)
		return usage("--interval does not go with", argv[0]);
	if (flags->force)
		return usage("--force does not go with", argv[0]);
	if (flags->interval) {
		seconds = strtod(flags->interval, &end);
		if (end == flags->interval || *end || !(seconds >= 0.01 && seconds <= 86400))
			return usage("--interval takes seconds, from 0.01 to 86400, not",
				     flags->interval);
	}
	if (argc < 2)
		return usage("MNT is missing after", argv[0]);
	if (argc > 2)
		return usage("one MNT, and nothing after it, but there is", argv[2]);
	return finish(stats ? command_stats(argv[1], flags->json, seconds) :
			      command_mount_status(argv[1], flags->json));
}

static int parse(int argc, char **argv, const struct flags *flags)
{
	if (!argc)
		return usage("a command is missing after", "mmapfsctl");
	if (!strcmp(argv[0], "status") || !strcmp(argv[0], "stats"))
		return parse_mount(argc, argv, flags);
	if (strcmp(argv[0], "journal") != 0)
		return usage("unknown command", argv[0]);
	if (flags->interval)
		return usage("--interval does not go with", argv[0]);
	return parse_journal(argc, argv, flags);
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
		else if (options && !strcmp(argv[i], "--interval") && i + 1 < argc)
			flags.interval = argv[++i];
		else if (options && argv[i][0] == '-')
			return usage("unknown option", argv[i]);
		else if (n < 8)
			words[n++] = argv[i];
	}
	return parse(n, words, &flags);
}
