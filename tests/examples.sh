#!/bin/sh
# SPDX-License-Identifier: MIT
# Each example runs, says something, and leaves nothing behind but the file that it was given.
#
# Run by 'make check', which sets TOP_BUILDDIR and EXAMPLES (the programs, relative to it).
set -u
: "${TOP_BUILDDIR:?}" "${EXAMPLES:?}"
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
status=0

complain() {
	echo "examples: $*"
	status=1
}

# run WHAT PROGRAM ARGUMENT...: in an empty directory.
run() {
	what=$1 path=$TOP_BUILDDIR/$2
	shift 2
	mkdir "$work/dir" || exit 99
	(cd "$work/dir" && TMPDIR=$work/dir "$path" "$@") >"$work/out" 2>"$work/err" ||
		complain "$what: exit status $?"
	[ -s "$work/out" ] || complain "$what: printed nothing"
	sed "s|^|$what: |" "$work/out"
	sed "s|^|$what: error: |" "$work/err"
	left=$(find "$work/dir" -mindepth 1 ! -name given ! -path '*/given/*')
	[ -z "$left" ] || complain "$what: left behind $left"
	rm -rf "$work/dir"
}

for program in $EXAMPLES; do
	name=${program##*/}
	run "$name" "$program"
	run "$name FILE" "$program" "$work/dir/given"
done
exit "$status"
