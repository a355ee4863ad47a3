#!/bin/bash
# Programs on both sides work on the same files at once, for some seconds: nothing hangs, and at the
# end both sides show the same tree. A writer on the mount loses nothing to others' changes of
# other pages. The daemon ends while it is busy.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "there is nothing to watch without a mount"

BUSY=4 DIRS=3 EACH=4

snapshot()
{
	cd "$1" && find . -path ./.mmapfs -prune -o -printf '%p %y %s %m %n\n' | LC_ALL=C sort
	find . -path ./.mmapfs -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 -r cksum
}

numbers() { seq -f '%0127.0f' "$1" "$2"; }
walk() { while [ ! -e "$ASIDE/stop" ]; do ls -lR "$MNT" && cat "$MNT"/d*/*; done > /dev/null 2>&1; true; }
run_step "$@"

same()
{
	step 30 "$as" snapshot "$BACKING" > "$WORK/b.txt" 2>&1
	step 30 "$as" snapshot "$MNT" > "$WORK/m.txt" 2>&1
	cmp -s "$WORK/b.txt" "$WORK/m.txt"
}
synced() { $as dd of="$MNT/.mmapfs/control" status=none <<< sync; }

busy() { background $as timeout 60 "$HELPERS/burst" busy "$1" $DIRS $EACH "$2" "$3" > "$WORK/busy.$3"; }

both_sides()
{
	local pids=() pid
	rm -f "$ASIDE/stop"
	for pid in 1 2; do busy "$MNT" $BUSY "$pid"; pids+=("$CHILD"); done
	for pid in 3 4; do busy "$BACKING" $BUSY "$pid"; pids+=("$CHILD"); done
	background step 60 "$as" walk
	for pid in "${pids[@]}"; do check "$who: a program ends" wait "$pid"; done
	touch "$ASIDE/stop"
	check "$who: so does one that reads all the time" wait "$CHILD"
	check "$who: all is handed over" synced
	check "$who: both sides show the same" within 10 same || diff "$WORK/b.txt" "$WORK/m.txt"
	check "$who: others' events" stat_at_least watch.foreign_events 100
	check "$who: and own ones" stat_at_least watch.own_events 100
}

own_data()
{
	local lines=60000 pid
	numbers 0 99 | $as dd of="$MNT/own" status=none
	check "$who: written" synced
	background $as timeout 60 "$HELPERS/burst" scribble "$BACKING" own 4 > "$WORK/scribbled"
	pid=$CHILD
	check "$who: lines are appended and rewritten beside one who changes the first" \
		quiet $as timeout 60 "$HELPERS/burst" append "$MNT" own $lines
	check "$who: the other one ends" wait "$pid"
	check "$who: written" synced
	numbers 1 99 > "$WORK/wanted"
	numbers 0 $((lines - 1)) >> "$WORK/wanted"
	check "$who: no line is lost nor made up" cmp "$WORK/wanted" <($as tail -n +2 "$BACKING/own")
	check "$who: and the mount shows it" within 5 $as cmp -s "$BACKING/own" "$MNT/own"
}

try()
{
	local options=$3
	who="$1, $3" as=$2
	rm -rf --one-file-system "$BACKING"
	mkdir "$BACKING"
	chmod 777 "$ASIDE"
	[ -z "$as" ] || give_to_user
	$as "$HELPERS/burst" make "$BACKING" $DIRS $EACH > /dev/null
	mount_it "$options" "$as" || return
	both_sides
	own_data
	check "$who: daemon lives" daemon_lives
	# The end comes while both sides are at work.
	busy "$BACKING" 3 5
	busy "$MNT" 3 6 2> /dev/null
	sleep 1
	kill -TERM "$DAEMON"
	check "$who: it ends when told, in the midst of it" daemon_ended_well
	wait 2> /dev/null
}

is_root && try root "" cache=back
is_root && try root "" cache=through
user_can_mount && try "ordinary user" as_user cache=back
finish
