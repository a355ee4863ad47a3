#!/bin/bash
# A file that is unlinked while open, in each cache mode: read, written, mapped, synced, truncated
# by those who have it open; its space is given back when the last of them closes it.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

# The daemon's descriptor must not keep it: looks at what the kernel says of BACKING.
not_held()
{
	local link
	for link in /proc/"$DAEMON"/fd/* /proc/"$DAEMON"/map_files/*; do
		[ "$(readlink "$link")" != "$BACKING/f (deleted)" ] || return 1
	done
}

try()
{
	local options=$1
	mount_it "$options" || return
	fd_start p
	fd_start q
	fd p open 0 "$MNT/f" rw,creat && fd p write 0 0 3000000 1 || bad "$options: write: $ANSWER"
	fd q open 0 "$MNT/f" rw || bad "$options: second open: $ANSWER"
	check "$options: unlink" rm "$MNT/f"
	refute "$options: the name is gone from BACKING" test -e "$BACKING/f"
	refute "$options: the name is gone" test -e "$MNT/f"
	check "$options: read" fd p check 0 1000 2000000 1
	equal "$options: data" "$ANSWER" "ok 2000000"
	check "$options: write past the end" fd q write 0 3000000 500000 2
	check "$options: read by the other process" fd p check 0 3000000 500000 2
	equal "$options: data" "$ANSWER" "ok 500000"
	check "$options: fsync" fd q fsync 0
	echo new > "$MNT/f"
	check "$options: a new file of the name changes nothing" fd p check 0 0 1000 1
	equal "$options: data" "$ANSWER" "ok 1000"
	case $options in *cache=none*) ;; *)
		fd p map 0 0 3000000 || bad "$options: map: $ANSWER"
		check "$options: stores" fd p store 0 50000 60000 3
		check "$options: msync" fd p msync 0 sync
		fd q check 0 50000 60000 3
		equal "$options: stores are read by the other process" "$ANSWER" "ok 60000"
		fd p unmap 0
	esac
	check "$options: truncate" fd p truncate 0 100
	fd q size 0
	equal "$options: size seen by the other process" "$ANSWER" "ok 100"
	check "$options: close" fd p close 0
	fd q check 0 0 100 1
	equal "$options: still read by the other process" "$ANSWER" "ok 100"
	check "$options: last close" fd q close 0
	[ -n "$MMAPFS_NATIVE" ] || check "$options: the daemon holds it no more" within 10 not_held
	equal "$options: the new file is untouched" "$(cat "$MNT/f")" new
	rm "$MNT/f"

	# A directory too.
	mkdir "$MNT/d"
	(
		cd "$MNT/d" && rmdir "$MNT/d" && ! touch "x" 2> /dev/null && [ -z "$(ls -a)" ]
	)
	equal "$options: a directory removed while somebody is in it" $? 0
	fd_stop p
	fd_stop q
	unmount_it
	equal "$options: BACKING is empty" "$(ls -A "$BACKING")" ""
}

for options in sync=periodic,sync_interval=1000 sync=periodic,cache=through sync=lazy,cache=shared \
	sync=periodic,cache=none sync=immediate sync=never; do
	try "$options,io=mmap"
done
finish
