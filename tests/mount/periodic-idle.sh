#!/bin/bash
# sync=periodic makes a write durable within the interval although the program that wrote it idles
# with the file open, also when it wrote through a mapping; and syncs nothing when nothing is new.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$HERE/trace.sh"
require_root
require strace
[ -z "$MMAPFS_NATIVE" ] || skip "there is no daemon to trace"

asked() { fd p "$@" || { say "        $*: $ANSWER"; return 1; }; }

passes_grow() { stat_at_least sync.passes "$1"; }

# The data of what is open and idle becomes durable: generous, since a pass may be under way, and
# the machine busy.
becomes_durable() { check "$MODE: $1" within 20 durable "${@:2}"; }

for mode in cache=back cache=through cache=shared cache=none passthrough; do
	MODE="sync=periodic,sync_interval=1,$mode"
	rm -rf --one-file-system "$BACKING"
	mkdir "$BACKING"
	mount_it "$MODE" || continue
	trace_start
	fd_start p

	asked open 0 "$MNT/once" rw,creat || bad "$MODE: open"
	mark once
	asked write 0 0 4096 1
	becomes_durable "a write, then nothing" once 0 4096 1
	mark once
	asked write 0 0 5000 2
	becomes_durable "another one over it" once 0 5000 2
	mark once
	asked write 0 1000000 3000000 3
	becomes_durable "a large one" once 1000000 3000000 3

	asked open 1 "$MNT/quick" rw,creat
	mark quick
	asked write 1 0 100 4
	asked close 1
	becomes_durable "a write, then close" quick 0 100 4

	if [ $mode != cache=none ]; then
		asked open 2 "$MNT/map" rw,creat
		asked truncate 2 500000
		asked map 2 0 500000
		mark map
		asked store 2 100 400000 5
		becomes_durable "stores, then nothing" map 100 400000 5
		mark map
		asked store 2 100 400000 6
		becomes_durable "the same pages again" map 100 400000 6
		asked close 2
		mark map
		asked store 2 100 400000 7
		becomes_durable "with the file closed and the mapping in place" map 100 400000 7
		asked unmap 2
	fi

	# Two passes to settle, then three in which there is nothing to do.
	passes=$(stat_of sync.passes)
	within 20 passes_grow $((passes + 2)) || bad "$MODE: no more passes"
	files=$(stat_of sync.files)
	within 20 passes_grow $((passes + 5)) || bad "$MODE: no more passes"
	equal "$MODE: nothing is synced when nothing is new" "$(stat_of sync.files)" "$files"
	equal "$MODE: nothing is dirty" "$(stat_of sync.dirty_files)" 0
	fd_stop p
	check "$MODE: daemon lives" daemon_lives
	trace_stop
	unmount_it
done

# A long interval is kept too: no pass comes before its time.
mount_it "sync=periodic,sync_interval=1000"
fd_start q
fd q open 0 "$MNT/late" rw,creat
fd q write 0 0 4096 9
sleep 3
equal "sync_interval=1000: no pass within 3 s" "$(stat_of sync.passes)" 0
equal "sync_interval=1000: no file synced" "$(stat_of sync.files)" 0
fd_stop q
unmount_it
check "written before the unmount" holds "$BACKING/late" 0 4096 9
finish
