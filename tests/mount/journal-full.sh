#!/bin/bash
# The journal on a full disk: a mount for whose log there is no room says how much is missing and leaves
# nothing behind; with a log that is there syncs go on while BACKING is full, and what they acknowledged
# is in an image of the disk; what the disk beneath cannot take is reported, kept, and replayed later.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
require_root
require losetup mkfs.ext4
[ -z "$MMAPFS_NATIVE" ] || skip "there is no daemon"
: "${MMAPFSCTL:=$(dirname "$MMAPFS")/mmapfsctl}"

SECOND=$WORK/second # the disk of a journal of its own
COPY=$WORK/copy
mkdir "$SECOND" "$COPY"

# refused PATTERN OPTIONS: the one line of the mount says so, and nothing has changed but what it says
refused()
{
	local before after
	before=$(cd "$WORK" && find backing second | sort)
	refute "$2: refused" limit 60 "$MMAPFS" -o "$2" "$BACKING" "$MNT" 2> "$WORK/err"
	equal "$2: one line" "$(grep -c . "$WORK/err")" 1
	check "        $(cat "$WORK/err")" grep -qE "$1" "$WORK/err"
	after=$(cd "$WORK" && find backing second | sort)
	equal "$2: nothing is left behind" "$after" "$before"
	[ -z "$(mounts_below "$MNT")" ] || bad "$2: something is mounted"
}

works()
{
	mount_it "$1" || return
	printf 'x' | dd of="$MNT/works" conv=fsync status=none || bad "$1: $(cat "$WORK/daemon.log")"
	unmount_it
	equal "$1: works" "$(cat "$BACKING/works")" x
	rm "$BACKING/works"
}

# Takes all the space there is, to the last block.
fill_up() { cat /dev/zero > "$1/all" 2> /dev/null; dd if=/dev/zero of="$1/rest" bs=1K status=none 2> /dev/null; sync -f "$1"; }

no_room_for_the_log()
{
	local missing='No space left on device.*takes 65536 KiB, and 1[0-9]{4} KiB are free.*journal_size'
	make_loop_ext4 16M "$BACKING" && make_loop_ext4 16M "$SECOND" || die "no loop file system"
	refused "$missing" journal
	refused "$missing" "journal=$SECOND/j"
	mkdir "$SECOND/there"
	refused "$missing" "journal=$SECOND/there"
	works "journal=$SECOND/there,journal_size=4M"
	# Those that are there cannot grow, and are of use as they were.
	refused "$missing" "journal=$SECOND/there"
	works "journal=$SECOND/there,journal_size=4M"
	rm -r "$BACKING/.mmapfs"
	works journal,journal_size=4M
	rm -r "$BACKING/.mmapfs"

	fill_up "$BACKING"
	refused '\.mmapfs, for the journal, cannot be made: No space' "journal=$SECOND/there,journal_size=4M"
	rm "$BACKING/rest"
	mkdir -m 700 "$BACKING/.mmapfs"
	dd if=/dev/zero of="$BACKING/rest" bs=1K status=none 2> /dev/null
	sync -f "$BACKING"
	refused 'journal\.path.*cannot be written: No space' "journal=$SECOND/j,journal_size=4M"
	umount "$BACKING" "$SECOND"
}

# Writes and syncs until it is told that the disk is full; what was acknowledged is $SYNCED bytes.
fill()
{
	local at=0 chunk=65536
	fd p open 0 "$MNT/fill" rw,creat || return 1
	SYNCED=0
	while [ $at -lt $((64 << 20)) ]; do
		fd p write 0 $at $chunk 3 || { REFUSED="write: $ANSWER"; break; }
		fd p fsync 0 || { REFUSED="fsync: $ANSWER"; break; }
		at=$((at + chunk))
		SYNCED=$at
	done
	fd p close 0
	[ "${REFUSED##* }" = ENOSPC ]
}

# The disk as it is now, in a copy, and recovered.
image()
{
	cp --sparse=always "$DISK_IMAGE" "$WORK/copy.image"
	COPY_LOOP=$(losetup -f --show "$WORK/copy.image") || die "no loop device"
	LOOPS+=("$COPY_LOOP")
	mount "$COPY_LOOP" "$COPY" || die "the image does not mount"
}

full_while_it_runs() # OPTIONS
{
	local syncs all=$BACKING mnt=$MNT mine records
	make_loop_ext4 32M "$BACKING" && make_loop_ext4 16M "$SECOND" || die "no loop file system"
	DISK_IMAGE=$WORK/image.$((${#LOOPS[@]} - 2))
	rmdir "$BACKING/lost+found"
	# So that one copy has both.
	mkdir "$BACKING/b"
	BACKING=$BACKING/b
	mount_it "$1" || return
	fd_start p
	check "$1: a file" fd p open 1 "$MNT/kept" rw,creat
	check "$1: written" fd p write 1 0 100000 5
	check "$1: and synced" fd p fsync 1
	REFUSED=
	check "$1: the disk is full" fill
	say "        $REFUSED after $SYNCED bytes of acknowledged fsync"
	check "$1: something was acknowledged before" test "$SYNCED" -gt 65536
	syncs=$(stat_of journal.syncs)
	check "$1: another file is overwritten" fd p write 1 0 100000 7
	check "$1: and synced" fd p fsync 1
	check "$1: by the journal" stat_at_least journal.syncs $((syncs + 1))
	records=$("$MMAPFSCTL" journal status --json "$BACKING" | sed -n 's/.*"records": *\([0-9]*\).*/\1/p')
	say "        $records records are live"
	case $1 in *=*second*) ;; *)
		image
		BACKING=$COPY/b MNT=$WORK/mnt2 mine=$DAEMON
		mkdir -p "$MNT"
		if mount_it sync=periodic; then
			check "$1: after a power failure: what fsync acknowledged" \
				holds "$MNT/fill" 0 "$SYNCED" 3
			check "$1: after a power failure: and what was overwritten" \
				holds "$MNT/kept" 0 100000 7
			unmount_it
		fi
		BACKING=$all/b MNT=$mnt DAEMON=$mine
		umount "$COPY"
		losetup -d "$COPY_LOOP"
	esac
	check "$1: the command sync works" sync_command
	check "$1: the journal goes on" journal_goes_on
	check "$1: room is made" rm "$MNT/fill"
	check "$1: works again" within 10 dd if=/dev/zero of="$MNT/new" bs=1M count=4 conv=fsync \
		status=none 2> "$WORK/err"
	fd_stop p
	unmount_it
	equal "$1: nothing is left to replay" \
		"$("$MMAPFSCTL" journal status "$BACKING" | grep records)" "records 0"
	check "$1: BACKING is right after all" holds "$BACKING/kept" 0 100000 7
	BACKING=$all
	umount "$BACKING" "$SECOND"
}

sync_command() { echo sync > "$MNT/.mmapfs/control"; }
journal_goes_on() { ! grep -q 'BROKEN' "$MNT/.mmapfs/status"; }

# The disk beneath BACKING takes no more, though its file system has room: a thin one.
thin_disk() # ROOM: of the disk that holds BACKING's
{
	mkdir -p "$WORK/thin"
	mount -t tmpfs -o size="$1" thin "$WORK/thin"
	truncate -s 64M "$WORK/thin/image"
	quiet mkfs.ext4 -q -F -m 0 -E nodiscard,lazy_itable_init=1 -J size=4 "$WORK/thin/image" ||
		die "no ext4"
	THIN_LOOP=$(losetup -f --show "$WORK/thin/image") || skip "needs a loop device"
	LOOPS+=("$THIN_LOOP")
	# Nothing is written by the kernel's own accord meanwhile.
	mount -o commit=300 "$THIN_LOOP" "$BACKING"
}

# Records go to the journal's own disk, and cannot be brought to their files.
thin_beneath()
{
	local options=journal=$SECOND/j,journal_size=8M,sync=periodic,sync_interval=1000
	thin_disk 16M
	make_loop_ext4 16M "$SECOND" || die "no loop file system"
	mkdir "$BACKING/b"
	BACKING=$BACKING/b
	mount_it "$options" || return
	fd_start p
	check "thin: a file" fd p open 0 "$MNT/f" rw,creat
	check "thin: written" fd p write 0 0 100000 5
	check "thin: and synced" fd p fsync 0
	check "thin: all is durable" sync_command
	dd if=/dev/zero of="$WORK/thin/all" bs=64K status=none 2> /dev/null
	check "thin: a new file" fd p open 1 "$MNT/g" rw,creat
	append_synced
	say "        $ACKED bytes of acknowledged fsync"
	check "thin: something is acknowledged" test "$ACKED" -gt 0
	check "thin: by the journal" stat_at_least journal.data_bytes "$ACKED"
	refute "thin: the command sync says that it is not in BACKING" sync_command 2> "$WORK/err"
	say "        $(tail -n 1 "$WORK/err")"
	check "thin: the status says so" grep -q 'BROKEN' "$MNT/.mmapfs/status"
	check "thin: so does the log" grep -q 'making BACKING durable has failed' "$WORK/daemon.log"
	check "thin: written again" fd p write 1 0 65536 7
	refute "thin: and a sync that the journal does not take is no success" fd p fsync 1
	say "        $ANSWER"
	fd_stop p
	within 10 limit 60 umount "$MNT" || bad "thin: no umount"
	within 30 daemon_gone || bad "thin: the daemon does not end"
	refute "thin: the daemon's end is no success" wait "$DAEMON"
	umount "$WORK/backing"
	# There is room again, and the file system is what the disk has of it.
	rm "$WORK/thin/all"
	mount -o remount,size=80M "$WORK/thin"
	losetup -d "$THIN_LOOP"
	THIN_LOOP=$(losetup -f --show "$WORK/thin/image")
	LOOPS+=("$THIN_LOOP")
	mount "$THIN_LOOP" "$WORK/backing" || bad "thin: BACKING does not mount"
	check "thin: records are kept" "$MMAPFSCTL" journal status "$BACKING"
	mount_it sync=periodic || return
	check "thin: what was acknowledged first" holds "$MNT/f" 0 100000 5
	check "thin: what the journal alone had" kept_or_newer
	unmount_it
	BACKING=$WORK/backing
	umount "$BACKING" "$SECOND"
	losetup -d "$THIN_LOOP"
	within 10 umount "$WORK/thin" 2> "$WORK/err" || bad "thin: $(cat "$WORK/err")"
}

# Where this machine is slow, a checkpoint may come meanwhile, and fail.
append_synced()
{
	local at
	for ((at = 0, ACKED = 0; at < 1 << 20; at += 65536)); do
		fd p write 1 $at 65536 6 && fd p fsync 1 || return
		ACKED=$((at + 65536))
	done
}

# The first blocks were written once more, and that was not acknowledged.
kept_or_newer()
{
	[ "$ACKED" = 65536 ] || holds "$MNT/g" 65536 $((ACKED - 65536)) 6 || return
	holds "$MNT/g" 0 65536 6 || holds "$MNT/g" 0 65536 7
}

no_room_for_the_log
full_while_it_runs journal,journal_size=4M,sync=periodic,sync_interval=1000
full_while_it_runs journal,journal_size=4M,sync=periodic,sync_interval=1000,cache=through
full_while_it_runs journal,journal_size=4M,sync=immediate
full_while_it_runs "journal=$SECOND/j,journal_size=4M,sync=periodic,sync_interval=1"
thin_beneath
finish
