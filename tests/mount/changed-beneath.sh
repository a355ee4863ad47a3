#!/bin/bash
# A file that others change in BACKING while nobody has it open on the mount shows so at the next
# open, in every cache mode: also right after it was written through the mount, before and after
# the daemon has flushed it.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

same() { cmp -s "$BACKING/$1" "$MNT/$1"; }

# Attributes and entries live for a second.
shows() { check "$options: shows $1" within 8 same f; }

try()
{
	local options=$1 pause
	mount_it "$options" || return
	shift
	for pause; do
		head -c 5000 /etc/services > "$MNT/f"
		sleep "$pause"
		head -c 12000 /etc/services > "$BACKING/f"
		shows "a file that grew beneath $pause s after it was written"
		head -c 1234 /etc/protocols > "$BACKING/f"
		shows "one that shrank"
		head -c 1234 /etc/services > "$BACKING/f"
		shows "one of the same size"
		head -c 1234 /etc/passwd > "$BACKING/new"
		mv "$BACKING/new" "$BACKING/f"
		shows "one that was replaced"
		chmod 640 "$BACKING/f"
		check "$options: and its new mode" within 8 mode_is 640
	done
	: > "$BACKING/made"
	check "$options: shows a file that was made" within 8 test -e "$MNT/made"
	rm "$BACKING/made"
	check "$options: and not one that was removed" within 8 test ! -e "$MNT/made"
	mkdir "$BACKING/dir" && echo x > "$BACKING/dir/x"
	check "$options: shows a directory that was made" within 8 same dir/x
	mv "$BACKING/dir" "$BACKING/dir2"
	check "$options: and renamed" within 8 same dir2/x
	check "$options: daemon lives" daemon_lives
	unmount_it
	rm -rf "${BACKING:?}"/*
}

mode_is() { [ "$(stat -c %a "$MNT/f")" = "$1" ]; }

try sync=periodic,cache=back 0.1 1.5 6
try sync=never,cache=back,io=mmap 1.5
try sync=periodic,cache=through 0.1
try sync=periodic,cache=shared,io=mmap 0.1
try sync=lazy,cache=none 0.1
finish
