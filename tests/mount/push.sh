#!/bin/bash
# Pushes: random reads of a file that BACKING has in memory bring what lies around them; a reader
# that goes through, a small file, a file that is not in memory and one that is rarely read bring
# nothing. No byte is ever stale while they run, and they keep neither umount nor SIGTERM.
# MMAPFS_PUSH_SECONDS=3600 checks each mode for so long.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
: "${MMAPFS_PUSH_SECONDS:=3}" "${MMAPFS_PUSH_SEED:=$RANDOM}"
: "${MMAPFS_TEST_SECONDS:=$((300 + 8 * MMAPFS_PUSH_SECONDS))}"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "there is nothing to push without a mount"

# A disk where pages leave the memory when they are told to, which tmpfs has not.
on_disk() { [ "$(stat -f -c %T "$BACKING")" != tmpfs ]; }

fresh_file() # NAME MIB
{
	$as dd if=/dev/urandom of="$BACKING/$1" bs=1M count="$2" conv=fsync status=none
}

evict() { dd if=/dev/null of="$BACKING/$1" oflag=nocache conv=notrunc,fdatasync count=0 status=none; }
random_reads() { $as "$HELPERS/jumps" "$MNT/$1" "$2" "$((MMAPFS_PUSH_SEED + ${3:-0}))"; }
windows_are() { test "$(stat_of push.windows)" "$@"; }

# A window is due once it has been missed twice, so not each of them is in the end.
pushes()
{
	local read
	fresh_file file 64
	mount_it "$1" "$as" || return
	for i in {1..20}; do # a loaded machine takes longer than it takes to miss each page
		random_reads file 4096 "$i" > /dev/null || bad "$who: random reads"
		windows_are -ge 40 && break
	done
	check "$who: most of 64 windows were pushed" windows_are -ge 40
	check "$who: none twice" windows_are -le 64
	check "$who: as much came as was asked for" stat_at_least push.bytes $((4 << 20))
	read=$(stat_of op.read)
	check "$who: 16384 more reads" random_reads file 16384
	read=$(($(stat_of op.read) - read))
	check "$who: and few requests, $read" test "$read" -lt 6000
	check "$who: and what they brought is right" $as cmp "$MNT/file" "$BACKING/file"
	equal "$who: the file's pages were never dropped" "$(stat_of cache.dropped)" 0
	unmount_it
}

brings_nothing()
{
	fresh_file through 32
	fresh_file absent 32
	fresh_file rare 32
	head -c 700K "$BACKING/rare" | $as tee "$BACKING/small" > /dev/null
	on_disk && evict absent
	# Or reading a page would bring what lies around it on the disk.
	mount_it "$1,advice=random" "$as" || return
	check "$who: a reader that goes through" $as cmp "$MNT/through" "$BACKING/through"
	check "$who: and one in small pieces" $as dd if="$MNT/through" of=/dev/null bs=4k status=none
	check "$who: a small file" random_reads small 4000
	check "$who: ten reads" random_reads rare 10
	sleep 0.2
	equal "$who: none of them was worth a look" "$(stat_of push.not_resident)" 0
	if on_disk; then
		check "$who: a file that is not in memory" random_reads absent 200
		check "$who: which was seen" within 5 stat_at_least push.not_resident 1
	fi
	equal "$who: no push" "$(stat_of push.windows)" 0
	equal "$who: nor anything asked for" "$(stat_of push.bytes)" 0
	unmount_it
}

none_with()
{
	fresh_file file 16
	mount_it "$1" "$as" || return
	check "$who: 8192 reads" random_reads file 8192
	equal "$who: $1: no push" "$(stat_of push.windows)" 0
	unmount_it
}

# Changes beneath make the kernel forget, so that there is always something to push.
never_stale() # OPTIONS PUSHES [ARGUMENT...]
{
	mount_it "$1" "$as" || return
	check "$who: $1: no stale byte in $MMAPFS_PUSH_SECONDS s" \
		$as "$HELPERS/stale" "$MNT/stale" "$BACKING/stale" seconds="$MMAPFS_PUSH_SECONDS" \
		seed="$MMAPFS_PUSH_SEED" "${@:3}"
	check "$who: $1: pushes ran meanwhile" stat_at_least push.windows "$2"
	check "$who: $1: and brought pages" stat_at_least push.bytes $((1 << 20))
	unmount_it
	$as rm "$BACKING/stale"
}

# A process of its own that can be ended: $CHILD.
start_reading()
{
	if [ -n "$as" ]; then
		as_user_exec "$HELPERS/jumps" "$MNT/file" "$1" 1 &
	else
		"$HELPERS/jumps" "$MNT/file" "$1" 1 &
	fi
	CHILD=$!
} > /dev/null 2>&1

pushing() { stat_at_least push.windows 1 > /dev/null; }

umount_meanwhile()
{
	fresh_file file 256
	for _ in 1 2; do
		mount_it "$1" "$as" || return
		start_reading 10000000
		within 10 pushing || bad "$who: no push"
		kill -KILL "$CHILD"
		wait "$CHILD" 2> /dev/null
		check "$who: umount while pushes run" unmount_it
	done
}

sigterm_meanwhile()
{
	for _ in 1 2; do
		mount_it "$1" "$as" || return
		start_reading 10000000
		within 10 pushing || bad "$who: no push"
		kill -TERM "$DAEMON"
		check "$who: SIGTERM while pushes run" daemon_ended_well
		kill -KILL "$CHILD" 2> /dev/null
		wait "$CHILD" 2> /dev/null
		detach "$MNT"
	done
}

# Stored pages would overwrite what programs have written: root may mount it anew, and yet none can.
stays_read_only()
{
	echo old > "$BACKING/file"
	mkdir "$BACKING/dir"
	mount_it ro "" || return
	mount -i -o remount,rw "$MNT" || { bad "remount"; return; }
	for command in 'echo new > file' 'echo new >> file' ': 1<> file' 'touch file' 'touch new' \
		'mkdir new' 'rmdir dir' 'rm -f file' 'mv file new' 'ln file new' 'ln -s file new' \
		'chmod 600 file' 'truncate -s 1 file' 'mkfifo new' 'fallocate -l 100 file'; do
		refute "root: ro, mounted anew for writing: $command" \
			bash -c "exec 2> /dev/null; cd '$MNT' && $command"
	done
	equal "root: and the file is as it was" "$(cat "$BACKING/file")" old
	check "root: nor is there another" test "$(ls "$BACKING")" = $'dir\nfile'
	unmount_it
	rm -r "$BACKING/dir" "$BACKING/file"
}

try()
{
	who=$1 as=$2
	say "--      $who, seed $MMAPFS_PUSH_SEED"
	pushes cache=back
	brings_nothing cache=back
	never_stale cache=back 10
	umount_meanwhile cache=back
	sigterm_meanwhile cache=back
	$as rm "$BACKING"/*
	pushes ro
	never_stale ro 5 ro=1
	sigterm_meanwhile ro
}

if is_root; then
	try root ""
	none_with push=off
	none_with cache=none
	none_with readahead=32K
	none_with io=pread,push=off
	pushes io=pread
	pushes threads=1
	pushes cache=through
	never_stale cache=through 3
	pushes ro,push=readahead
	never_stale cache=shared 1
	rm "$BACKING"/*
	stays_read_only
	never_stale sync=periodic,sync_interval=0.1,write=mmap 3
fi
if user_can_mount; then
	rm -rf "${BACKING:?}"/*
	give_to_user
	try "ordinary user" as_user
fi
finish
