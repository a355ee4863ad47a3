#!/bin/bash
# BACKING's file system is full: write, fsync or close say ENOSPC in every cache mode, what fsync
# acknowledged is there, the daemon lives, and works when there is room again.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
require_root
require losetup mkfs.ext4

make_loop_ext4 16M "$BACKING" || die "no loop file system"
rmdir "$BACKING/lost+found"

# Writes until it is told that the disk is full. The verdict may come from write, fsync or close.
fill()
{
	local chunk=65536 at=0 refused=
	fd p open 0 "$MNT/fill" rw,creat || return 1
	while [ $at -lt $((40 << 20)) ]; do
		if ! fd p write 0 $at $chunk 3; then refused="write: $ANSWER"; break; fi
		if [ "$ANSWER" != "ok $chunk" ]; then
			# A short write: the next one says why.
			fd p write 0 $((at + ${ANSWER#ok })) 4096 3 || refused="write: $ANSWER"
			break
		fi
		at=$((at + chunk))
		if [ $((at % (4 << 20))) = 0 ]; then
			if ! fd p fsync 0; then refused="fsync: $ANSWER"; break; fi
			SYNCED=$at
		fi
	done
	if [ -z "$refused" ]; then fd p fsync 0 || refused="fsync: $ANSWER"; fi
	if [ -z "$refused" ]; then fd p close 0 || refused="close: $ANSWER"; else fd p close 0; fi
	REFUSED=$refused
	[ "${refused##* }" = ENOSPC ]
}

# Stores into holes of a mapping: the kernel can only say it at msync, or by SIGBUS.
fill_by_map()
{
	local refused=
	fd p open 1 "$MNT/map" rw,creat || return 1
	fd p truncate 1 $((30 << 20)) && fd p map 1 0 $((30 << 20)) || return 1
	if ! fd p store 1 0 $((30 << 20)) 4; then
		refused="store: $ANSWER"
	elif ! fd p msync 1 sync; then
		refused="msync: $ANSWER"
	elif ! fd p fsync 1; then
		refused="fsync: $ANSWER"
	fi
	fd p unmap 1
	fd p close 1 || [ -n "$refused" ] || refused="close: $ANSWER"
	REFUSED=$refused
	case $refused in *ENOSPC | store:*EFAULT) return 0 ;; *) return 1 ;; esac
}

works()
{
	fd p open 2 "$MNT/small" rw,creat && fd p write 2 0 100000 6 && fd p fsync 2 &&
		holds "$BACKING/small" 0 100000 6 && fd p close 2 && fd p unlink "$MNT/small"
}

try()
{
	local options=$1
	SYNCED=0
	find "$BACKING" -mindepth 1 -delete
	mount_it "$options" || return
	fd_start p
	fd p open 3 "$MNT/kept" rw,creat && fd p write 3 0 1000000 5 && fd p fsync 3 ||
		bad "$options: before the disk is full: $ANSWER"
	check "$options: the disk is full" fill
	say "        $REFUSED after $SYNCED bytes of acknowledged fsync"
	check "$options: something was acknowledged before" test $SYNCED -gt 0
	check "$options: what fsync acknowledged is in BACKING" holds "$BACKING/fill" 0 $SYNCED 3
	check "$options: daemon lives" daemon_lives
	check "$options: what was there is still read" holds "$MNT/kept" 0 1000000 5
	check "$options: files are overwritten in place" fd p write 3 0 1000000 7
	check "$options: and synced" fd p fsync 3
	check "$options: they are right" holds "$BACKING/kept" 0 1000000 7
	check "$options: room is made" rm "$MNT/fill"
	check "$options: works again" within 10 works
	case $options in *cache=none*) ;; *)
		check "$options: stores into holes are refused" fill_by_map
		say "        $REFUSED"
		check "$options: daemon lives" daemon_lives
		check "$options: room is made" rm "$MNT/map"
		check "$options: works again" within 10 works
	esac
	fd_stop p
	unmount_it
	check "$options: BACKING is right after all" holds "$BACKING/kept" 0 1000000 7
}

for options in sync=periodic,sync_interval=1 sync=periodic,cache=through \
	sync=periodic,cache=shared sync=lazy,cache=none sync=immediate sync=never \
	sync=periodic,cache=through,write=mmap sync=periodic,cache=none,write=pwrite; do
	try "$options"
done
umount "$BACKING"
check "the file system of BACKING is whole" quiet fsck.ext4 -fn "${LOOPS[0]}"
finish
