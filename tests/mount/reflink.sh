#!/bin/bash
# copy_file_range on the mount shares blocks where BACKING's file system can (xfs, btrfs), and the
# data are right where it cannot (ext4); a mount beneath BACKING is a file system of its own.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

require_root
[ -z "$MMAPFS_NATIVE" ] || skip "is about file systems of its own"

# shared_extents FILE: how many of its extents others have too
shared_extents() { filefrag -v "$1" | grep -c shared; }

# loop_of TYPE DIR
loop_of()
{
	local image=$WORK/image.$1 loop
	truncate -s 400M "$image"
	quiet "mkfs.$1" -q "$image" || return 1
	loop=$(losetup -f --show "$image") || skip "needs a loop device"
	LOOPS+=("$loop")
	mount -t "$1" "$loop" "$2"
}

for type in xfs btrfs ext4; do
	require "mkfs.$type" filefrag
	mkdir "$BACKING/$type"
	loop_of "$type" "$BACKING/$type" || die "no $type"
	for cache in back through none; do
		all=$BACKING
		BACKING=$BACKING/$type
		mount_it "sync=never,cache=$cache" || die "no mount"
		printf 'open 0 %s rw,creat\nwrite 0 0 4194304 7\nfsync 0\n' "$MNT/in" | "$HELPERS/fdsh" \
			> "$WORK/fdsh.out"
		check "$type, $cache: the writer" grep -q '^ok 4194304' "$WORK/fdsh.out"
		check "$type, $cache: cp" cp "$MNT/in" "$MNT/out"
		check "$type, $cache: the copy is right" cmp "$MNT/in" "$MNT/out"
		check "$type, $cache: the daemon copied" stat_at_least op.copy_file_range 1
		unmount_it
		check "$type, $cache: the copy is right beneath" holds "$BACKING/out" 0 4194304 7
		if [ $type = ext4 ]; then
			equal "$type, $cache: nothing is shared" "$(shared_extents "$BACKING/out")" 0
		else
			check "$type, $cache: blocks are shared" [ "$(shared_extents "$BACKING/out")" -gt 0 ]
		fi
		rm "$BACKING/in" "$BACKING/out"
		BACKING=$all
	done
done

# The three are mounts beneath BACKING now.
echo here > "$BACKING/here"
for type in xfs btrfs ext4; do echo $type > "$BACKING/$type/name"; done
mount_it sync=periodic || die "no mount"
for type in xfs btrfs ext4; do
	equal "$type beneath: read" "$(cat "$MNT/$type/name")" $type
	equal "$type beneath: statfs" "$(stat -f -c '%b %c' "$MNT/$type")" \
		"$(stat -f -c '%b %c' "$BACKING/$type")"
	equal "$type beneath: one device on the mount" "$(stat -c %d "$MNT/$type")" \
		"$(stat -c %d "$MNT")"
	refute "$type beneath: no hard link across" ln "$MNT/here" "$MNT/$type/linked" 2> "$WORK/err"
	check "$type beneath: EXDEV" grep -q 'Invalid cross-device link' "$WORK/err"
	check "$type beneath: mv copies" mv "$MNT/$type/name" "$MNT/name.$type"
	equal "$type beneath: moved" "$(cat "$BACKING/name.$type")" $type
	refute "$type beneath: cannot be removed" rmdir "$MNT/$type" 2> "$WORK/err"
	check "$type beneath: EBUSY" grep -q busy "$WORK/err"
done
unmount_it
for type in xfs btrfs ext4; do umount "$BACKING/$type"; done
finish
