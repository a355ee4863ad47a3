# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by the tests of mmapfsctl, on top of tests/mount/lib.sh. Nothing is mounted here.

MMAPFS_NATIVE=1
. "$(dirname "${BASH_SOURCE[0]}")/../mount/lib.sh"
CTL=$TOP_BUILDDIR/mmapfsctl
MKJOURNAL=$TOP_BUILDDIR/tests/ctl/mkjournal
require flock cmp dd
[ -x "$CTL" ] || die "$CTL is missing: run make first"
[ -x "$MKJOURNAL" ] || die "$MKJOURNAL is missing: run make check TESTS= first"

# ctl STATUS PATTERN WORD...: mmapfsctl ends with it, and says something like that (extended) on one
# of the two. What it says is in $WORK/out and $WORK/err.
ctl()
{
	local status=$1 pattern=$2 rc what
	shift 2
	what="mmapfsctl ${*//$WORK\//}"
	limit 60 "$CTL" "$@" > "$WORK/out" 2> "$WORK/err"
	rc=$?
	if [ $rc != "$status" ]; then
		bad "$what: status $rc, not $status: $(cat "$WORK/out" "$WORK/err")"
	elif [ -n "$pattern" ] && ! grep -qE -- "$pattern" "$WORK/out" "$WORK/err"; then
		bad "$what: nothing like '$pattern': $(cat "$WORK/out" "$WORK/err")"
	elif grep -qv '^mmapfsctl: ' "$WORK/err" || grep -q '[[:cntrl:]]' "$WORK/err"; then
		bad "$what: a line that does not begin with the program's name: $(cat "$WORK/err")"
	else
		pass "$what: $status, $pattern"
	fi
}

# A BACKING with two files.
fresh()
{
	rm -rf "$BACKING"
	mkdir "$BACKING"
	printf 'aaaaaaaa' > "$BACKING/a"
	printf 'bbbbbbbb' > "$BACKING/b b"
	JOURNAL=$BACKING/.mmapfs/journal
}

# journal WORD...: see mkjournal.c
journal() { "$MKJOURNAL" "$BACKING" "$@" || die "no journal"; }

# value NAME: of the last answer
value() { sed -n "s/^$1 //p" "$WORK/out"; }

# poke FILE OFFSET TEXT
poke() { printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none; }
