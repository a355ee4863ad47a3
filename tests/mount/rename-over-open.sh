#!/bin/bash
# Another file is renamed over an open one, in each cache mode, as editors and databases do: those
# who have the old one open go on with it, everybody else gets the new one, nothing is mixed up.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

reads() { fd "$1" check "$2" 0 "$3" "$4" && [ "$ANSWER" = "ok $3" ]; }

try()
{
	local options=$1 i
	mount_it "$options" || return
	fd_start p
	fd_start q
	fd p open 0 "$MNT/f" rw,creat && fd p write 0 0 100000 1 || bad "$options: write: $ANSWER"
	for i in 2 3 4 5; do
		fd q open 0 "$MNT/new" rw,creat,trunc && fd q write 0 0 $((i * 20000)) $i ||
			bad "$options: write: $ANSWER"
		[ $i = 4 ] || fd q fsync 0 || bad "$options: fsync: $ANSWER"
		check "$options: rename over the open file" fd q rename "$MNT/new" "$MNT/f"
		check "$options: the old one is still the old one" reads p 0 100000 1
		check "$options: the name shows the new one" holds "$MNT/f" 0 $((i * 20000)) $i
		check "$options: of its size" test "$(stat -c %s "$MNT/f")" = $((i * 20000))
		check "$options: the old one is written" fd p write 0 0 100000 1
		check "$options: and synced" fd p fsync 0
		check "$options: the new one is untouched" holds "$MNT/f" 0 $((i * 20000)) $i
		fd q close 0
		check "$options: BACKING has the new one" \
			within 40 holds "$BACKING/f" 0 $((i * 20000)) $i
	done
	fd p close 0
	fd_stop p
	fd_stop q
	unmount_it
	rm -f "$BACKING"/*
}

for options in sync=periodic sync=periodic,cache=through sync=lazy,cache=shared \
	sync=periodic,cache=none sync=immediate; do
	try "$options,io=mmap"
done
finish
