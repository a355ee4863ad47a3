#!/bin/bash
# The disk beneath BACKING fails, or that of the journal: who asked for durability hears of it, and
# success is never false
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "the bare file system forgets what it could not write"
LEN=65536
disk() { echo "$*" > "$DISK/control"; }

begin() # OPTIONS; journal=APART is one on the second disk
{
	MODE=$1 APART=
	[ "${1/=APART/}" = "$1" ] || APART=yes
	make_bases ext4 || die "no file system"
	rm -rf "$FAST/rec"
	mkdir "$FAST/rec" && ln "$BASE" "$FAST/rec/base" && disk_start "$FAST/rec" || return 1
	mount_disks && mount_it "${MODE/=APART/=$SECOND/j}" || return 1
	fd_start p
}

mount_disks()
{
	mount -o noatime "$DISK_LOOP" "$DISK_MOUNT" || return
	[ -z "$SECOND_AT" ] || mount -o noatime "$SECOND_LOOP" "$SECOND"
}

umount_disks()
{
	within 10 umount "$DISK_MOUNT" 2> "$WORK/umount.err" ||
		bad "$MODE: $(cat "$WORK/umount.err")"
	[ -z "$SECOND_AT" ] || within 10 umount "$SECOND" 2> "$WORK/umount.err" ||
		bad "$MODE: $(cat "$WORK/umount.err")"
}

# The daemon may say that it could not flush.
end_daemon()
{
	fd_stop p
	# Busy for a moment: the process that had the file open is just ending.
	within 10 limit 60 umount "$MNT" 2> "$WORK/umount.err" ||
		bad "$MODE: $(cat "$WORK/umount.err")"
	within 30 daemon_gone || {
		bad "$MODE: the daemon does not end"
		kill -KILL "$DAEMON"
	}
	wait "$DAEMON"
}

end()
{
	disk heal
	end_daemon
	umount_disks
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

# copy_disk DISK DIR: what is on the disk, and not in a cache, at DIR
copy_disk()
{
	local copy=$FAST/copy.$1 loop
	mkdir -p "$2"
	dd if="$DISK/$1" of="$copy" bs=1M conv=sparse status=none || return 1
	loop=$(losetup -f --show "$copy") || return 1
	LOOPS+=("$loop")
	COPY_LOOPS+=("$loop")
	mount -o noatime "$loop" "$2"
}

# on_disk SEED [FILE]: that is there after a loss of power
on_disk()
{
	local there=$WORK/copy rc loop
	COPY_LOOPS=()
	copy_disk disk "$there" || return 1
	if [ -n "$SECOND_AT" ]; then
		copy_disk second "$WORK/copy2" || return 1
		echo "$WORK/copy2/j" > "$there/b/.mmapfs/journal.path"
	fi
	case $MODE in *journal*) quiet "$TOP_BUILDDIR/mmapfsctl" journal replay "$there/b" > "$WORK/replayed" ;; esac
	holds "$there/b/${2:-file}" 0 $LEN "$1"
	rc=$?
	umount "$there"
	[ -z "$SECOND_AT" ] || umount "$WORK/copy2"
	for loop in "${COPY_LOOPS[@]}"; do losetup -d "$loop"; done
	rm "$FAST"/copy.*
	return $rc
}

# A success from here on says that the data are there.
honest() # WHAT COMMAND...
{
	honest_of file "$@"
}

honest_of() # FILE WHAT COMMAND...
{
	local file=$1 what=$2
	shift 2
	if ! fd p "$@"; then
		pass "$MODE: $what says $ANSWER"
	elif on_disk 2 "$file"; then
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

# The journal's own disk fails, as WHAT says, or only where the log is. The file's is well: a success is
# a real sync, or there is none.
log_fails() # WHAT OPTIONS
{
	local syncs
	begin "$2" || return
	MODE="$1 of the journal's disk fail, $MODE"
	check "$MODE: a file" old_file
	check "$MODE: with a record" asked write 0 0 $LEN 1
	check "$MODE: that is synced" asked fsync 0
	check "$MODE: another file" asked open 1 "$MNT/second" rw,creat
	case $1 in
	log) disk fail writes "$(log_range)" ;;
	*) disk fail "$1" "$SECOND_FROM $SECOND_LEN" ;;
	esac
	check "$MODE: write" asked write 0 0 $LEN 2
	syncs=$(stat_of journal.bypassed)
	honest "an fsync while it fails" fsync 0
	check "$MODE: which was a real one" stat_at_least journal.bypassed $((syncs + 1))
	check "$MODE: the status says so" grep -q BROKEN "$MNT/.mmapfs/status"
	honest "one more" fsync 0
	check "$MODE: a file without records: write" asked write 1 0 $LEN 2
	honest_of second "its fsync" fsync 1
	check "$MODE: a new file" asked open 2 "$MNT/third" rw,creat
	check "$MODE: written" asked write 2 0 $LEN 2
	honest_of third "its fsync" fsync 2
	disk heal
	honest "an fsync when the disk is well again" fsync 0
	check "$MODE: written anew" asked write 0 0 $LEN 2
	honest "its fsync" fsync 0
	check "$MODE: daemon lives" daemon_lives
	if fd p fsync 0; then SYNCED=2; else SYNCED=; fi
	end_daemon
	replayed
	[ -z "$SYNCED" ] || check "$MODE: nothing was lost" holds "$BACKING/file" 0 $LEN 2
	umount_disks
	disk_stop
}

log_range()
{
	filefrag -b512 -v "$SECOND/j/log.0" "$SECOND/j/log.1" | awk -v base="$SECOND_FROM" '
		$1 ~ /^[0-9]+:$/ {
			sub(/\.\.$/, "", $4); sub(/:$/, "", $5)
			if (!n++ || $4 < from) from = $4
			if ($5 > to) to = $5
		}
		END { print base + from * 512, (to - from + 1) * 512 }'
}

# The disk beneath BACKING fails, and the journal's does not: what is acknowledged is in the records,
# which stay when they cannot be brought to their files, until the disk is back.
backing_fails() # WHAT OPTIONS
{
	begin "$2" || return
	MODE="$1 of BACKING's disk fail, $MODE"
	check "$MODE: a file" old_file
	# The next checkpoint is five seconds from the next record.
	check "$MODE: the journal is empty" bash -c 'echo sync > "$1"' - "$MNT/.mmapfs/control"
	disk fail "$1" 0 "$SECOND_AT"
	check "$MODE: write" asked write 0 0 $LEN 2
	check "$MODE: fsync" asked fsync 0
	check "$MODE: a new file" asked open 1 "$MNT/new" rw,creat
	check "$MODE: written" asked write 1 0 $LEN 2
	check "$MODE: and synced" asked fsync 1
	check "$MODE: the journal has it" on_disk 2
	check "$MODE: the journal has that too" on_disk 2 new
	refute "$MODE: the command sync says that BACKING has not" \
		bash -c 'echo sync > "$1"' - "$MNT/.mmapfs/control" 2> "$WORK/err"
	check "$MODE: the status says so" grep -q BROKEN "$MNT/.mmapfs/status"
	check "$MODE: written anew" asked write 0 0 $LEN 3
	refute "$MODE: it takes nothing new, and a real sync fails" fd p fsync 0
	honest "another fsync of what is acknowledged" fsync 1
	disk heal
	check "$MODE: daemon lives" daemon_lives
	end_daemon
	replayed
	check "$MODE: nothing was lost" holds "$BACKING/new" 0 $LEN 2
	check "$MODE: nor of the other file" holds_either "$BACKING/file" 2 3
	umount_disks
	disk_stop
}

holds_either() { holds "$1" 0 $LEN "$2" || holds "$1" 0 $LEN "$3"; }

# Both disks are mounted again, as after a boot, and the next mount replays.
replayed()
{
	umount_disks
	mount_disks || bad "$MODE: the disks do not mount any more"
	mount_it sync=lazy && unmount_it
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
APART=yes
make_bases ext4 || die "no file system"
SECOND_FROM=$SECOND_AT SECOND_LEN=$(($(stat -c %s "$BASE") - SECOND_AT))
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
journal_keeps journal=APART,journal_size=4M,sync=periodic,sync_interval=1000
for what in log writes flushes all; do
	log_fails $what journal=APART,journal_size=4M,sync=periodic,sync_interval=1000
done
log_fails all journal=APART,journal_size=4M,sync=periodic,sync_interval=1000,cache=through
for what in writes flushes all; do
	backing_fails $what journal=APART,journal_size=4M,sync=periodic,sync_interval=1000
done
background_fails sync=periodic,sync_interval=0.2,cache=through
close_fails sync=lazy
finish
