#!/bin/bash
# The disk beneath BACKING fails: who asked for durability hears of it, and success is never false
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "the bare file system forgets what it could not write"
LEN=65536
disk() { echo "$*" > "$DISK/control"; }

begin() # OPTIONS
{
	MODE=$1
	rm -rf "$FAST/rec"
	mkdir "$FAST/rec" && ln "$BASE" "$FAST/rec/base" && disk_start "$FAST/rec" || return 1
	mount -o noatime "$DISK_LOOP" "$DISK_MOUNT" && mount_it "$MODE" || return 1
	fd_start p
}

# The daemon may say that it could not flush.
end()
{
	fd_stop p
	disk heal
	# Busy for a moment: the process that had the file open is just ending.
	within 10 limit 60 umount "$MNT" 2> "$WORK/umount.err" ||
		bad "$MODE: $(cat "$WORK/umount.err")"
	within 30 daemon_gone || {
		bad "$MODE: the daemon does not end"
		kill -KILL "$DAEMON"
	}
	wait "$DAEMON"
	within 10 umount "$DISK_MOUNT" 2> "$WORK/umount.err" ||
		bad "$MODE: $(cat "$WORK/umount.err")"
	disk_stop
}

asked() { fd p "$@" || { say "        $*: $ANSWER"; return 1; }; }

# A file whose blocks are on the disk, so that writing it again touches no metadata.
old_file()
{
	asked open 0 "$MNT/file" rw,creat && asked write 0 0 $LEN 1 && asked fsync 0 || return 1
	sync -f "$BACKING"
	read -r START < <(filefrag -b512 -v "$BACKING/file" |
		awk '$1 == "0:" { sub(/\.\.$/, "", $4); print $4 * 512 }')
	[ -n "$START" ]
}

# What is on the disk, and not in a cache: mounted anew, in a copy.
on_disk() # SEED
{
	local copy=$FAST/copy there=$WORK/copy loop rc
	mkdir -p "$there"
	dd if="$DISK/disk" of="$copy" bs=1M conv=sparse status=none || return 1
	loop=$(losetup -f --show "$copy") || return 1
	LOOPS+=("$loop")
	mount -o noatime "$loop" "$there" || return 1
	case $MODE in *journal*) quiet "$TOP_BUILDDIR/mmapfsctl" journal replay "$there/b" > "$WORK/replayed" ;; esac
	holds "$there/b/file" 0 $LEN "$1"
	rc=$?
	umount "$there"
	losetup -d "$loop"
	rm "$copy"
	return $rc
}

# A success from here on says that the data are there.
honest() # WHAT COMMAND...
{
	local what=$1
	shift
	if ! fd p "$@"; then
		pass "$MODE: $what says $ANSWER"
	elif on_disk 2; then
		pass "$MODE: $what succeeds, and the data are on the disk"
	else
		bad "$MODE: $what succeeds, and the data are not on the disk"
	fi
}

# Data that cannot be written, in a file whose blocks exist.
data_fails()
{
	local heard=
	begin "$1" || return
	check "$MODE: a file" old_file
	disk fail writes "$START" $LEN
	fd p write 0 0 $LEN 2 || heard="write: $ANSWER"
	[ -n "$heard" ] || fd p fsync 0 || heard="fsync: $ANSWER"
	check "$MODE: the error is heard of" test -n "$heard"
	say "        $heard"
	honest "an fsync while the disk fails" fsync 0
	disk heal
	honest "a later fsync" fsync 0
	honest "one more" fsync 0
	check "$MODE: another descriptor" asked open 1 "$MNT/file" rw
	honest "its fsync" fsync 1
	check "$MODE: written anew" asked write 0 0 $LEN 2
	fd p fsync 0 || fd p fsync 0 || say "        $ANSWER"
	check "$MODE: and synced" asked fsync 0
	check "$MODE: it is on the disk" on_disk 2
	check "$MODE: daemon lives" daemon_lives
	end
}

# With a journal fsync has done its part. What it has stays in the log when it cannot be brought to the
# file, until the file is durable by itself; and is not brought back over that.
journal_keeps()
{
	begin "$1" || return
	check "$MODE: a file" old_file
	disk fail writes "$START" $LEN
	check "$MODE: write" asked write 0 0 $LEN 2
	check "$MODE: fsync" asked fsync 0
	check "$MODE: the journal has it" on_disk 2
	refute "$MODE: the command sync says that the file has not" \
		bash -c 'echo sync > "$1"' - "$MNT/.mmapfs/control" 2> "$WORK/err"
	honest "another fsync" fsync 0
	check "$MODE: the journal has it still" on_disk 2
	check "$MODE: written anew" asked write 0 0 $LEN 3
	refute "$MODE: it takes nothing new, and a real sync fails" fd p fsync 0
	disk heal
	check "$MODE: once more" asked write 0 0 $LEN 3
	fd p fsync 0 || say "        $ANSWER"
	check "$MODE: and synced" asked fsync 0
	check "$MODE: and that is there after a replay" on_disk 3
	check "$MODE: daemon lives" daemon_lives
	end
}

# The data can be written, and the disk's cache cannot be flushed.
flush_fails()
{
	local heard=
	begin "$1" || return
	check "$MODE: a file" old_file
	disk fail flushes
	fd p write 0 0 $LEN 2 || heard="write: $ANSWER"
	[ -n "$heard" ] || fd p fdatasync 0 || heard="fdatasync: $ANSWER"
	check "$MODE: a failed flush is heard of" test -n "$heard"
	say "        $heard"
	refute "$MODE: and again" fd p fsync 0
	end
}

# Nobody asks; the daemon's own flush fails, and the next who asks hears of it.
background_fails()
{
	local failures
	begin "$1" || return
	check "$MODE: a file" old_file
	failures=$(stat_of sync.failures)
	disk fail writes "$START" $LEN
	check "$MODE: write" asked write 0 0 $LEN 2
	check "$MODE: the daemon's flush fails" within 10 \
		stat_at_least sync.failures $((failures + 1)) > "$WORK/waiting"
	disk heal
	refute "$MODE: the next fsync says so" fd p fsync 0
	say "        $ANSWER"
	honest "one more" fsync 0
	end
}

close_fails()
{
	begin "$1" || return
	check "$MODE: a file" old_file
	disk fail writes "$START" $LEN
	check "$MODE: write" asked write 0 0 $LEN 2
	refute "$MODE: close says that the data are not durable" fd p close 0
	say "        $ANSWER"
	disk heal
	check "$MODE: another descriptor" asked open 0 "$MNT/file" rw
	honest "its fsync" fsync 0
	end
}

# All of the disk fails, its file system's journal too.
all_fails()
{
	begin "$1" || return
	check "$MODE: a file" old_file
	disk fail all
	fd p open 2 "$MNT/new" rw,creat
	fd p write 2 0 $LEN 3
	refute "$MODE: fsync of a new file" fd p fsync 2
	refute "$MODE: and again" fd p fsync 2
	# No verdict: ext4 itself, its journal aborted, says that the directory is durable.
	fd p syncdir "$MNT"
	say "        fsync of the directory: $ANSWER"
	check "$MODE: daemon lives" daemon_lives
	end
}

crash_start
require filefrag
make_base ext4 || die "no file system"
for cache in back through none; do
	data_fails "sync=periodic,sync_interval=1000,cache=$cache"
	flush_fails "sync=periodic,sync_interval=1000,cache=$cache"
done
data_fails sync=immediate
flush_fails sync=immediate
all_fails sync=periodic,sync_interval=1000
journal_keeps journal,journal_size=4M,sync=periodic,sync_interval=1000
flush_fails journal,journal_size=4M,sync=periodic,sync_interval=1000
flush_fails journal,journal_size=4M,sync=immediate
all_fails journal,journal_size=4M,sync=periodic,sync_interval=1000
background_fails sync=periodic,sync_interval=0.2,cache=through
close_fails sync=lazy
finish
