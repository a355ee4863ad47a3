#!/bin/bash
# With passthrough no data go through the daemon, and all that it promises holds: fsync, the closes
# of sync=lazy, set-id bits that a write takes, what others change in BACKING, files without a name.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$HERE/trace.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "there is nothing to pass through"
grep -q 'FUSE_CUSTOM_IO 1' "$TOP_BUILDDIR/config.h" || skip "needs libfuse 3.13"

others() { as_user sh -c "$1"; }
mode_of() { stat -c %a "$1"; }
run_step "$@"

refused() # OPTIONS WORDS
{
	refute "$1 is refused" limit 20 "$MMAPFS" -o "$1" "$BACKING" "$MNT" 2> "$WORK/err"
	check "$1: and says why" grep -q "$2" "$WORK/err"
}

refused passthrough,journal "does not see the data that a record needs"
refused passthrough,sync=immediate "does not see a write"
refused passthrough,cache=back "page cache"
refused passthrough,cache=none "page cache"
if user_can_mount; then
	give_to_user
	refute "an ordinary user's is refused" \
		as_user timeout 20 "$MMAPFS" -o passthrough "$BACKING" "$MNT" 2> "$WORK/err"
	check "and says why" grep -q 'passthrough needs root' "$WORK/err"
	is_root && chown root:root "$BACKING" "$MNT" "$ASIDE" "$HOME"
fi
is_root || finish
awk -F '[.-]' '{ exit !($1 > 6 || ($1 == 6 && $2 >= 9)) }' /proc/sys/kernel/osrelease ||
	skip "needs Linux 6.9"

data_pass_by()
{
	mount_it "passthrough,allow_other"
	head -c 3000000 /dev/urandom > "$ASIDE/bytes"
	cp "$ASIDE/bytes" "$BACKING/old"
	check "reads what is there" cmp "$ASIDE/bytes" "$MNT/old"
	check "writes a new file" cp "$ASIDE/bytes" "$MNT/new"
	check "whose bytes are in BACKING" cmp "$ASIDE/bytes" "$BACKING/new"
	check "by mapped stores and loads, by O_DIRECT, by several threads" \
		limit 60 fio --name=pass --directory="$MNT" --size=8m --bs=4k --rw=randrw \
		--ioengine=mmap --verify=crc32c --numjobs=2 --output="$WORK/fio.log"
	check "stores, writes and reads of one file at once agree" \
		limit 60 "$HELPERS/hammer" "$MNT/hammered" 3000000 2 4 7 map
	equal "no WRITE came to the daemon" "$(stat_of op.write)" 0
	equal "nothing was read by the daemon" \
		$(($(stat_of read.mapped) + $(stat_of read.copied) + $(stat_of read.pread))) 0
	check "files were passed through" stat_at_least passthrough.opens 5
	check "nothing is pushed, and the status says why" \
		grep -q "off: with passthrough" "$MNT/.mmapfs/status"
	equal "all that could be" "$(stat_of passthrough.refused)" 0
}

set_id_goes()
{
	chmod 755 "$WORK"
	cp "$ASIDE/bytes" "$MNT/tool"
	chmod 6777 "$MNT/tool"
	others "echo more >> '$MNT/tool'"
	equal "a write by somebody else takes set-id bits" "$(mode_of "$MNT/tool")" 777
	equal "in BACKING as well" "$(mode_of "$BACKING/tool")" 777
	chmod 4777 "$MNT/tool"
	echo more >> "$MNT/tool"
	equal "one by root does not" "$(mode_of "$MNT/tool")" 4777
	others "exec 3<> '$MNT/tool'; sleep 2; echo more >&3" &
	sleep 1
	chmod 6777 "$MNT/tool"
	wait $!
	equal "nor does a descriptor that was open before keep them" "$(mode_of "$BACKING/tool")" 777
}

others_change()
{
	fd_start p
	echo first > "$BACKING/shared"
	fd p open 0 "$MNT/shared" rw
	equal "a file's size" "$(stat -c %s "$MNT/shared")" 6
	printf 'longer than before' > "$BACKING/shared"
	equal "data that others write show at once" "$(cat "$MNT/shared")" "longer than before"
	check "the size soon" within 5 test "$(stat -c %s "$MNT/shared")" = 18
	truncate -s 3 "$BACKING/shared"
	equal "a cut at once" "$(cat "$MNT/shared")" lon
	check "through the open file too" within 5 fd p size 0
	rm "$MNT/shared"
	fd p write 0 0 100 5
	check "an unlinked file is written and read on" fd p check 0 0 100 5
	fd_stop p
}

syncs_hold()
{
	fd_start q
	trace_start
	fd q open 0 "$MNT/asked" rw,creat
	mark asked
	fd q write 0 0 5000 1
	check "fsync" fd q fsync 0
	check "is one in BACKING" durable asked 0 5000 1
	trace_stop
	fd_stop q
	unmount_it
	check "after the unmount the data are there" holds "$BACKING/asked" 0 5000 1

	mount_it "passthrough,sync=lazy"
	fd_start q
	trace_start
	fd q open 0 "$MNT/lazy" rw,creat
	mark lazy
	fd q write 0 0 5000 2
	refute "sync=lazy: a write is not synced" synced lazy
	check "sync=lazy: close" fd q close 0
	check "sync=lazy: close syncs" durable lazy 0 5000 2
	trace_stop
	fd_stop q
	unmount_it
}

data_pass_by
set_id_goes
others_change
syncs_hold
finish
