#!/bin/bash
# mmapfsctl: usage errors and their status, a directory that is no BACKING, has no journal or is in use,
# what status and dump say of a journal that is known, replay of it, output that cannot be written, and
# input that somebody made up.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

usage()
{
	fresh
	ctl 2 'command is missing'
	ctl 2 'unknown command "log"' log status "$BACKING"
	ctl 2 'command is missing' journal
	ctl 2 'unknown command "empty"' journal empty "$BACKING"
	ctl 2 'unknown command ""' journal '' "$BACKING"
	ctl 2 'DIR is missing' journal status
	ctl 2 'one DIR' journal status "$BACKING" "$BACKING"
	ctl 2 'one DIR' journal status "$BACKING" 2 3 4 5 6 7 8 9
	ctl 2 'unknown option "-x"' journal status -x "$BACKING"
	ctl 2 'unknown option "--jso"' journal status --jso "$BACKING"
	ctl 2 'unknown option "--force=1"' journal discard --force=1 "$BACKING"
	for verb in dump replay discard; do
		ctl 2 "json does not go with \"$verb\"" journal "$verb" --json "$BACKING"
	done
	for verb in status dump replay; do
		ctl 2 "force does not go with \"$verb\"" journal "$verb" --force "$BACKING"
	done
	ctl 0 'Usage: mmapfsctl' --help
	ctl 0 'Exit status: 0 done, 1 failed, 2 wrong usage, 3 ' journal nonsense --help
	ctl 0 '^mmapfsctl [0-9]' --version
	# A directory whose name looks like an option.
	mkdir "$BACKING/--json"
	(cd "$BACKING" && ctl 0 '^state none$' journal status -- --json)
	for verb in $("$CTL" --help | sed -n 's/.*mmapfsctl journal \([a-z]*\).*/\1/p'); do
		check "mmapfsctl(8) has journal $verb" \
			grep -q "^\.It Cm journal $verb\b" "$TOP_SRCDIR/man/mmapfsctl.8"
	done
}

no_journal()
{
	fresh
	ctl 0 '^state none$' journal status "$BACKING"
	equal "it has no records" "$(value records)" 0
	ctl 0 '"state": "none", "in_use": false' journal status --json "$BACKING"
	ctl 0 '' journal dump "$BACKING"
	check "dump prints nothing" test ! -s "$WORK/out"
	ctl 0 'nothing to replay' journal replay "$BACKING"
	ctl 0 'nothing to discard' journal discard "$BACKING"
	mkdir "$BACKING/.mmapfs"
	ctl 0 '^state none$' journal status "$BACKING"
	ctl 0 'nothing to replay' journal replay "$BACKING"
	ctl 0 'nothing to discard' journal discard "$BACKING"
	for verb in status dump replay discard; do
		ctl 1 'cannot open.*No such file.*backing directory' journal $verb "$WORK/none"
		ctl 1 'cannot open.*Not a directory' journal $verb "$BACKING/a"
	done
	rmdir "$BACKING/.mmapfs"
	ln -s "$WORK" "$BACKING/.mmapfs"
	ctl 1 'cannot open.*must be a directory' journal status "$BACKING"
	rm "$BACKING/.mmapfs"
	echo > "$BACKING/.mmapfs"
	ctl 1 'cannot open.*must be a directory' journal replay "$BACKING"
	check "nothing was made" test "$(find "$BACKING" | wc -l)" = 4
}

in_use()
{
	fresh
	journal data a 0 new
	exec {held}< "$BACKING"
	flock -x "$held"
	ctl 0 '^in_use yes$' journal status "$BACKING"
	ctl 0 '"in_use": true' journal status --json "$BACKING"
	ctl 0 ' DATA ' journal dump "$BACKING"
	ctl 1 'in use by a daemon' journal replay "$BACKING"
	ctl 1 'in use by a daemon' journal discard "$BACKING"
	ctl 1 'in use by a daemon' journal discard --force "$BACKING"
	exec {held}<&-
	equal "and nothing was done" "$(cat "$BACKING/a")" aaaaaaaa
	# Somebody else's, through a BACKING of his own.
	exec {held}< "$JOURNAL"
	flock -x "$held"
	ctl 1 'a journal is for one' journal replay "$BACKING"
	ctl 1 'a journal is for one' journal discard --force "$BACKING"
	exec {held}<&-
	ctl 0 '^state live$' journal status "$BACKING"
}

known()
{
	local a b birth
	fresh
	journal data a 2 'new"text' truncate a 6 data 'b b' 0 x retire a switch data 'b b' 1 yz
	a=$(stat -c %i "$BACKING/a") b=$(stat -c %i "$BACKING/b b") birth='@[0-9]+\.[0-9]{9}'
	ctl 0 '^state live$' journal status "$BACKING"
	equal "status: the journal" "$(value journal)" "\"$JOURNAL\""
	equal "status: in use" "$(value in_use)" no
	equal "status: size" "$(value size)" $((1 << 20))
	equal "status: records" "$(value records)" 7
	equal "status: first" "$(value first)" 1
	equal "status: last" "$(value last)" 7
	equal "status: strays" "$(value strays)" 0
	equal "status: unreadable" "$(value unreadable)" 0
	ctl 0 '"records": 7, "bytes": [0-9]+, "first": 1, "last": 7, "strays": 0, "unreadable": 0}$' \
		journal status --json "$BACKING"
	ctl 0 '' journal dump "$BACKING"
	equal "dump: a line for each" "$(wc -l < "$WORK/out")" 7
	dumped 1 "START durable=0 version=1 boot=[0-9a-f]{32} mount=[0-9]+ dev=[0-9]+:[0-9]+ names=0 interval_ms=3600000"
	dumped 2 "DATA durable=[0-9]+ file=$a$birth:\"a\" size=10 mtime=1700000000.000000000 2\+8"
	dumped 3 "TRUNCATE durable=[0-9]+ file=$a$birth:\"a\" size=6"
	dumped 4 "DATA durable=[0-9]+ file=$b$birth:\"b b\" size=1 mtime=1700000000.000000000 0\+1"
	dumped 5 "RETIRE durable=[0-9]+ file=$a$birth until=3"
	dumped 6 "START durable=5 .*"
	dumped 7 "DATA durable=5 file=$b$birth:\"b b\" size=3 mtime=1700000000.000000000 1\+2"
	# On the same mount of the same boot nothing can have been lost.
	ctl 0 'nothing was lost: 7 records dropped' journal replay "$BACKING"
	ctl 0 '^state empty$' journal status "$BACKING"
	ctl 0 'nothing to replay' journal replay "$BACKING"
	equal "the files are as they were" "$(cat "$BACKING/a" "$BACKING/b b")" aaaaaaaabbbbbbbb
}

dumped() # SEQUENCE PATTERN
{
	local line
	line=$(sed -n "$1p" "$WORK/out")
	if [[ $line =~ ^$1\ [0-9]+\.[0-9]{9}\ $2$ ]]; then
		pass "dump: $2"
	else
		bad "dump: '$line', not '$1 TIME $2'"
	fi
}

full_output()
{
	fresh
	journal data a 0 new
	for verb in status dump; do
		"$CTL" journal $verb "$BACKING" > /dev/full 2> "$WORK/err"
		equal "$verb: nowhere to print to: status" $? 1
		check "$verb: said" grep -q 'cannot write to standard output' "$WORK/err"
	done
}

# What somebody has put there who is allowed to write BACKING.
hostile()
{
	local path
	fresh
	journal data a 0 new
	for path in relative '' $'/abs\nolute\nmore' "$(printf '/%5000s' x)"; do
		printf '%s\n' "$path" > "$BACKING/.mmapfs/journal.path"
		ctl 1 'journal.path cannot be used.*one line' journal status "$BACKING"
		ctl 1 'journal.path cannot be used.*one line' journal discard --force "$BACKING"
	done
	printf '/no/such/place\n' > "$BACKING/.mmapfs/journal.path"
	ctl 1 'cannot open the journal /no/such/place.*journal.path names it' journal replay "$BACKING"
	printf '/\033]0;x\007\n' > "$BACKING/.mmapfs/journal.path"
	ctl 1 'cannot open the journal /\\x1b]0;x\\x07' journal status "$BACKING"
	rm "$BACKING/.mmapfs/journal.path"
	mkfifo "$BACKING/.mmapfs/journal.path"
	ctl 1 'journal.path' journal status "$BACKING"
	rm "$BACKING/.mmapfs/journal.path"
	ln -s /etc/hostname "$BACKING/.mmapfs/journal.path"
	ctl 1 'journal.path' journal status "$BACKING"
	rm "$BACKING/.mmapfs/journal.path"
	# Names of files with what a terminal obeys.
	fresh
	printf 'x' > "$BACKING/"$'\033[31m"\\\n'
	journal data $'\033[31m"\\\n' 0 y
	ctl 0 'file=.*:"\\x1b\[31m\\x22\\x5c\\x0a" ' journal dump "$BACKING"
	equal "dump: still a line for each" "$(wc -l < "$WORK/out")" 2
	# No file at all: it must neither wait nor be taken for an empty one.
	for made in mkfifo mkdir 'ln -s /dev/zero' 'ln -s ../../a'; do
		fresh
		journal data a 0 new
		rm "$JOURNAL/log.1"
		$made "$JOURNAL/log.1"
		ctl 3 'it is no file' journal status "$BACKING"
		ctl 3 '^state damaged$' journal status "$BACKING"
		ctl 3 'mmapfsctl journal discard' journal dump "$BACKING"
		ctl 3 'mmapfsctl journal discard' journal replay "$BACKING"
	done
}

random_logs()
{
	local size rc
	fresh
	journal data a 0 new
	for size in 0 1 63 64 65 128 4096 65536; do
		head -c "$size" /dev/urandom > "$JOURNAL/log.0"
		cp "$JOURNAL/log.0" "$JOURNAL/log.1"
		for verb in status dump replay; do
			ctl 3 'mmapfsctl journal discard' journal $verb "$BACKING"
		done
	done
	# Changed in one place each: whatever is said of it, nothing ends by a signal.
	for size in $(seq 0 37 1500); do
		fresh
		journal data a 0 new truncate a 2 switch data 'b b' 1 more
		poke "$JOURNAL/log.0" "$size" '\x5a'
		for verb in status dump discard replay; do
			limit 60 "$CTL" journal $verb "$BACKING" > "$WORK/out" 2>&1
			rc=$?
			[ $rc = 0 ] || [ $rc = 1 ] || [ $rc = 3 ] ||
				bad "$verb after a change at $size: status $rc: $(cat "$WORK/out")"
		done
	done
	pass "a byte changed at each 37th place"
}

usage
no_journal
in_use
known
full_output
hostile
random_logs
finish
