#!/bin/bash
# A journal that cannot be read: the mount is refused, with or without the option, and its one line names
# the command that helps; that leaves a daemon alone, keeps what it moves aside, and the next mount works.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
require_root
[ -z "$MMAPFS_NATIVE" ] || skip "there is no daemon"
: "${MMAPFSCTL:=$TOP_BUILDDIR/mmapfsctl}"
JOURNAL=$BACKING/.mmapfs/journal

append() { printf '%s\n' "$2" | dd of="$1" oflag=append conv=notrunc,fsync status=none; }

killed_with_records()
{
	mount_it journal,journal_size=4M || return
	append "$MNT/a" one
	append "$MNT/a" two
	refute "a daemon's journal is left alone" \
		limit 20 "$MMAPFSCTL" journal discard --force "$BACKING" 2> "$WORK/err"
	check "        $(cat "$WORK/err")" grep -q 'in use by a daemon' "$WORK/err"
	append "$MNT/a" three
	kill -KILL "$DAEMON"
	wait "$DAEMON" 2> /dev/null
	umount -l "$MNT"
}

# damage: the first block of each log, as whoever writes over the begin of a disk would
damage()
{
	local log
	for log in 0 1; do
		head -c 64 /dev/urandom | dd of="$JOURNAL/log.$log" conv=notrunc status=none
	done
}

refused()
{
	refute "damaged: mount -o $1" limit 20 "$MMAPFS" -o "$1" "$BACKING" "$MNT" 2> "$WORK/err"
	equal "in one line" "$(wc -l < "$WORK/err")" 1
	check "        $(cat "$WORK/err")" grep -q "; mmapfsctl journal discard $BACKING moves" "$WORK/err"
}

killed_with_records
damage
refused sync=periodic
refused journal
refused ro
# The command as it is named.
read -r -a words < <(sed -n 's/.*; mmapfsctl \(journal discard [^ ]*\) moves.*/\1/p' "$WORK/err")
limit 20 "$MMAPFSCTL" "${words[@]}" > "$WORK/out" 2> "$WORK/err"
equal "the command, ${words[*]}: status" $? 0
check "        says how many records there were" grep -qE 'it has [0-9]+ records' "$WORK/err"
check "both are kept" test "$(find "$JOURNAL" -name 'damaged-*' | wc -l)" = 2
mount_it journal,journal_size=4M || finish
check "the mount works" append "$MNT/a" four
check "and syncs" append "$MNT/a" five
check "with records" stat_at_least journal.syncs 1
# The daemon was killed, and no power lost: BACKING had all of it.
equal "and has the file" "$(cat "$MNT/a")" $'one\ntwo\nthree\nfour\nfive'
unmount_it
equal "and ends clean" "$("$MMAPFSCTL" journal status "$BACKING" | grep state)" 'state empty'
finish
