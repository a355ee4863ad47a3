# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by the scripts of this folder: recordings of workloads on a disk that logs, and power
# failures cut out of them. On top of tests/mount/lib.sh, which lists the environment; besides:
# CRASH_SEED (1), CRASH_JOBS (images at a time; 2), CRASH_KEEP (where recordings with broken
# promises go; crash-failed in the build directory).

. "$(dirname "${BASH_SOURCE[0]}")/../mount/lib.sh"

CRASH=$TOP_BUILDDIR/tests/crash
CRASH_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${CRASH_SEED:=1}" "${CRASH_JOBS:=2}" "${CRASH_KEEP:=$TOP_BUILDDIR/crash-failed}"
SABOTAGE_LIBRARY=$CRASH/.libs/libsabotage.so
FAST=       # a directory in memory, where there is one
DISK=       # where the disk that logs is mounted
DISK_PID=
DISK_LOOP=
DISK_MOUNT= # where its file system is
SECOND=     # where the second disk's is
SECOND_LOOP=
SECOND_AT=  # where the second disk begins in the recording; nothing: there is none
SABOTAGE=   # what the daemon only pretends: see sabotage.c; "barriers": the first disk's file system
            # writes all that it is told to, and asks the disk for no flush
RECOVER=    # the command that recovers BACKING ($1) after a power failure
JOURNAL=    # more options for every mount of mmapfs
APART=      # the journal is on the second disk
RECUT=0     # of so many recoveries one is cut as well
IMAGES_ALL=0 PROMISES_ALL=0 BROKEN_ALL=0

# Lets go of all that is below a directory of ours, the innermost first, and of what was attached.
# The loop devices of crashcut go with its processes.
crash_teardown()
{
	local pid path
	for pid in $(jobs -rp); do
		case $pid in "$DISK_PID" | "$DAEMON") ;; *) kill "$pid" && wait "$pid" ;; esac
	done 2> /dev/null
	[ -z "$FAST" ] || WORK=$FAST within 5 no_processes
	mounts_below "$WORK" | grep -v "^$DISK\$" | while read -r path; do detach "$path"; done
	[ -z "$FAST" ] || mounts_below "$FAST" | while read -r path; do detach "$path"; done
	[ -z "$DISK_LOOP" ] || losetup -d "$DISK_LOOP" 2> /dev/null
	[ -z "$SECOND_LOOP" ] || losetup -d "$SECOND_LOOP" 2> /dev/null
	if [ -n "$DISK_PID" ]; then
		within 5 umount "$DISK" 2> /dev/null || detach "$DISK"
	fi
}

crash_cleanup()
{
	local rc=$?
	trap '' INT TERM HUP
	crash_teardown
	[ -z "$FAST" ] || rm -rf --one-file-system "$FAST"
	(exit $rc)
	cleanup
}

crash_start()
{
	trap crash_cleanup EXIT
	require_root
	require losetup mkfs.ext4
	[ -c /dev/loop-control ] || skip "needs loop devices"
	[ -x "$CRASH/crashcut" ] || die "$CRASH/crashcut is missing: run make check TESTS= first"
	if [ -w /dev/shm ] && [ "$(df --output=avail -k /dev/shm | tail -n 1)" -gt 400000 ]; then
		FAST=$(mktemp -d "/dev/shm/mmapfs-crash.XXXXXX") || exit 1
	else
		FAST=$(mktemp -d "$WORK/images.XXXXXX") || exit 1
	fi
	DISK=$WORK/disk
	DISK_MOUNT=$WORK/file-system
	SECOND=$WORK/second
	BACKING=$DISK_MOUNT/b
	mkdir "$DISK" "$DISK_MOUNT" "$SECOND"
}

has_sqlite() { grep -q '^#define HAVE_SQLITE3' "$TOP_BUILDDIR/config.h"; }
has_type() { command -v "mkfs.$1" > /dev/null && grep -qw "$1" /proc/filesystems; }
has_journal() { [ -z "$MMAPFS_NATIVE" ] && "$MMAPFS" --help | grep -qw journal; }

# use_journal OPTION: how BACKING is recovered when it was mounted with it. journal=APART is one on
# the second disk.
use_journal()
{
	JOURNAL=${1/=APART/=$SECOND/j}
	APART=
	[ "$JOURNAL" = "$1" ] || APART=yes
	if [ -n "${CRASH_RECOVER:-}" ]; then
		RECOVER=$CRASH_RECOVER
	elif [ -x "$TOP_BUILDDIR/mmapfsctl" ]; then
		RECOVER="'$TOP_BUILDDIR/mmapfsctl' journal replay \"\$1\" > /dev/null"
	else
		RECOVER="bash '$CRASH_SOURCE/remount.sh' '$MMAPFS' \"\$1\""
	fi
}

# ---------------------------------------------------------------------------------- file systems

SECTOR=512 FS_OPTIONS= # of the file system in use

# make_base TYPE: a small file system with the directory b, at $BASE
make_base()
{
	local type=$1 size=64M loop
	SECTOR=512 FS_OPTIONS=
	BASE=$FAST/base.$type
	case $type in
	xfs) size=320M FS_OPTIONS=nouuid ;;
	# It counts on its superblock being written whole.
	btrfs) size=256M SECTOR=4096 ;;
	esac
	[ -e "$BASE" ] && return
	truncate -s $size "$BASE"
	case $type in
	ext4) quiet mkfs.ext4 -q -F -m 0 -b 4096 -N 2048 -J size=4 \
		-E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$BASE" ;;
	# mkfs.xfs refuses what is smaller than 300M.
	xfs) quiet mkfs.xfs -q -f -K "$BASE" ;;
	btrfs) quiet mkfs.btrfs -q -f -K -m single -s 4096 "$BASE" ;;
	esac || return
	loop=$(losetup -b $SECTOR -f --show "$BASE") || skip "needs a loop device"
	LOOPS+=("$loop")
	mount -t "$type" "$loop" "$DISK_MOUNT" && mkdir "$BACKING" && umount "$DISK_MOUNT" &&
		losetup -d "$loop"
}

# make_bases TYPE: with $APART a second one behind the first, an ext4 that is empty, from $SECOND_AT on
make_bases()
{
	local type=$1 pair=$FAST/base.$1.second
	make_base "$type" || return
	SECOND_AT=
	[ -n "$APART" ] || return 0
	SECOND_AT=$(stat -c %s "$BASE")
	if [ ! -e "$pair" ]; then
		truncate -s 24M "$FAST/second" && quiet mkfs.ext4 -q -F -m 0 -b 4096 -N 64 -J size=4 \
			-E nodiscard,lazy_itable_init=0,lazy_journal_init=0 "$FAST/second" &&
			cp --sparse=always "$BASE" "$pair" && quiet dd if="$FAST/second" of="$pair" \
			bs=1M seek=$((SECOND_AT >> 20)) conv=sparse,notrunc &&
			truncate -s $((SECOND_AT + (24 << 20))) "$pair" || return
	fi
	BASE=$pair
}

# ------------------------------------------------------------------------------------- recording

# disk_start DIR: DIR/base becomes a disk that logs to DIR/log, attached as $DISK_LOOP; and a second
# one, as $SECOND_LOOP, from $SECOND_AT on
disk_start()
{
	"$CRASH/logdisk" "$1/base" "$1/log" "$DISK" ${SECOND_AT:+"$SECOND_AT"} \
		2>> "$WORK/logdisk.log" &
	DISK_PID=$!
	within 10 is_mounted "$DISK" || { bad "the disk is not there"; return 1; }
	DISK_LOOP=$(losetup --direct-io=on -b "$SECTOR" -f --show "$DISK/disk") ||
		{ bad "no loop device over the disk"; return 1; }
	[ -n "$SECOND_AT" ] || return 0
	SECOND_LOOP=$(losetup --direct-io=on -f --show "$DISK/second") ||
		{ bad "no loop device over the second disk"; return 1; }
}

disk_stop()
{
	local rc=0
	losetup -d "$DISK_LOOP" && DISK_LOOP=
	[ -z "$SECOND_LOOP" ] || { losetup -d "$SECOND_LOOP" && SECOND_LOOP=; }
	within 10 umount "$DISK" 2> /dev/null || { bad "the disk is busy"; rc=1; }
	wait "$DISK_PID"
	DISK_PID=
	return $rc
}

# record NAME TYPE OPTIONS WORKLOAD [KEY=VALUE]...: makes the recording $FAST/NAME. OPTIONS are
# mmapfs's, 'native', or 'native:' with mount options for the file system.
record()
{
	local name=$1 type=$2 options=$3 workload=$4 rec=$FAST/$1 target=$MNT mount_options rc
	shift 4
	make_bases "$type" || { bad "$name: no file system"; return 1; }
	rm -rf "$rec"
	mkdir "$rec" && ln "$BASE" "$rec/base" || return 1
	printf '%s\n' "type=$type" "options=$FS_OPTIONS" "sector=$SECTOR" dir=b \
		"recover=$RECOVER" "recut=$RECUT" ${SECOND_AT:+"second=$SECOND"} > "$rec/about"
	disk_start "$rec" || return 1
	[ -z "$SECOND_AT" ] || mount -o noatime "$SECOND_LOOP" "$SECOND" ||
		{ bad "$name: mount of the second disk"; return 1; }
	mount_options=noatime
	case $options in native:*) mount_options+=,${options#native:} ;; esac
	[ "$SABOTAGE" != barriers ] || mount_options+=,nobarrier
	mount -t "$type" -o "$mount_options" "$DISK_LOOP" "$DISK_MOUNT" ||
		{ bad "$name: mount"; return 1; }
	case $options in
	native*) target=$BACKING ;;
	*)
		DAEMON_PREFIX=()
		[ -z "$SABOTAGE" ] ||
			DAEMON_PREFIX=(env LD_PRELOAD="$SABOTAGE_LIBRARY" CRASH_SABOTAGE="$SABOTAGE")
		mount_it "$options${JOURNAL:+,$JOURNAL}" > /dev/null || { bad "$name: no mount"; return 1; }
		;;
	esac
	limit 60 "$CRASH/crashwork" "$workload" "$target" "$rec/log" "$rec/notes" \
		control="$MNT/.mmapfs/control" seed="$CRASH_SEED" "$@"
	rc=$?
	[ $rc = 0 ] || bad "$name: the workload ended with $rc"
	[ "$target" = "$BACKING" ] || unmount_it || rc=1
	within 10 umount "$DISK_MOUNT" 2> /dev/null || rc=1
	[ -z "$SECOND_AT" ] || within 10 umount "$SECOND" 2> /dev/null || rc=1
	disk_stop || rc=1
	return $rc
}

# --------------------------------------------------------------------------------------- cutting

# cut_power NAME IMAGES: into $IMAGES, $PROMISES and $BROKEN; broken promises into $WORK/NAME.cut.
# True if the images were tried, whatever was found.
cut_power()
{
	local out=$WORK/$1.cut rc
	"$CRASH/crashcut" "$FAST/$1" "$FAST" images="$2" jobs="$CRASH_JOBS" seed="$CRASH_SEED" \
		logdisk="$CRASH/logdisk" > "$out" 2>&1 &
	wait $!
	rc=$?
	read -r IMAGES PROMISES BROKEN < <(sed -n \
		's/^\([0-9]*\) images, \([0-9]*\) promises, \([0-9]*\) broken$/\1 \2 \3/p' "$out")
	[ $rc -le 1 ] && [ -n "${BROKEN:-}" ] && return
	bad "$1: the images could not be tried:"
	tail -n 5 "$out"
	return 1
}

# Keeps a recording, so that its images can be cut again.
keep_recording()
{
	local to=$CRASH_KEEP/$1
	mkdir -p "$CRASH_KEEP" && rm -rf "$to" && cp -r --sparse=always "$FAST/$1" "$to" &&
		cp "$WORK/$1.cut" "$to/broken"
}

# holds_promises NAME IMAGES: none may be broken
holds_promises()
{
	cut_power "$1" "$2" || return
	IMAGES_ALL=$((IMAGES_ALL + IMAGES))
	PROMISES_ALL=$((PROMISES_ALL + PROMISES))
	BROKEN_ALL=$((BROKEN_ALL + BROKEN))
	if [ "$BROKEN" = 0 ] && [ "$PROMISES" -gt 0 ]; then
		pass "$1: $IMAGES images, $PROMISES promises"
	elif [ "$BROKEN" = 0 ]; then
		bad "$1: no promise was checked"
	else
		bad "$1: $BROKEN of $PROMISES promises broken in $IMAGES images"
		keep_recording "$1"
		grep '^BROKEN' "$WORK/$1.cut" | head -n 6
		say "        once more: TOP_BUILDDIR=$TOP_BUILDDIR bash $CRASH_SOURCE/crash.sh repeat" \
			"$CRASH_KEEP/$1 SEED"
	fi
}

# Whether a daemon can be made to lie: a build without shared libraries has nothing to preload, and
# sanitizers want to come first.
can_lie()
{
	[ -e "$SABOTAGE_LIBRARY" ] && [ -z "$MMAPFS_NATIVE" ] && return
	say "--      no daemon that lies: built with --disable-shared"
	return 1
}

# breaks_promises NAME IMAGES: of a daemon that lies some must be broken
breaks_promises()
{
	cut_power "$1" "$2" || return
	IMAGES_ALL=$((IMAGES_ALL + IMAGES))
	if [ "$BROKEN" -gt 0 ]; then
		pass "$1: caught, $BROKEN promises broken in $IMAGES images"
	else
		bad "$1: not caught in $IMAGES images with $PROMISES promises"
	fi
}

forget_recording() { rm -rf "${FAST:?}/$1"; }
