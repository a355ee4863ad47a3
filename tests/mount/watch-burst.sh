#!/bin/bash
# 100,000 changes that others make in a burst are all seen at the end: by events as root; and as an
# ordinary user, whose queue overflows when the daemon does not get to run, by dropping everything.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "there is nothing to watch without a mount"

DIRS=50 EACH=100 TIMES=4

# Every directory on the mount shows what BACKING has: names, sizes, times, contents.
snapshot() { (cd "$1" && find . -path ./.mmapfs -prune -o -printf '%p %y %s %m %T@ %l\n' | LC_ALL=C sort); }
sums() { (cd "$1" && find . -type f -path './*/1*' -print0 | LC_ALL=C sort -z | xargs -0 cat | cksum); }
fill() { "$HELPERS/burst" make "$BACKING" $DIRS $EACH > /dev/null; }
burst() { "$HELPERS/burst" change "$BACKING" $DIRS $EACH $TIMES "$1"; }
run_step "$@"

same()
{
	step 200 "$as" snapshot "$BACKING" > "$WORK/b.txt"
	step 200 "$as" snapshot "$MNT" > "$WORK/m.txt"
	cmp -s "$WORK/b.txt" "$WORK/m.txt"
}
same_data() { [ "$(step 200 "$as" sums "$BACKING")" = "$(step 200 "$as" sums "$MNT")" ]; }

differing() { diff "$WORK/b.txt" "$WORK/m.txt" | head -n 5; }

try()
{
	local options=$3 n
	who="$1, $3" as=$2
	rm -rf --one-file-system "$BACKING"
	mkdir "$BACKING"
	[ -z "$as" ] || give_to_user
	check "$who: $((DIRS * EACH)) files" step 200 "$as" fill
	mount_it "$options" "$as" || return
	check "$who: the kernel knows them" same
	check "$who: and their data" same_data
	if [ -z "$as" ]; then
		n=$(step 200 "$as" burst 1)
		check "$who: $n changes in a burst" test "$n" -ge 100000
		check "$who: all are seen" within 20 same || differing
		check "$who: in the data as well" within 5 same_data
		# Those that wait are merged, so how many come depends on the machine: at least
		# one for each directory.
		check "$who: by events" within 10 stat_at_least watch.foreign_events "$DIRS"
		equal "$who: root's queue has no end" "$(stat_of watch.overflows)" 0
	else
		# More than an ordinary user's queue holds, while nobody reads it.
		kill -STOP "$DAEMON"
		n=$(step 200 "$as" burst 1)
		kill -CONT "$DAEMON"
		check "$who: $n changes behind the daemon's back" test "$n" -ge 100000
		check "$who: all are seen" within 20 same || differing
		check "$who: in the data as well" within 5 same_data
		check "$who: since the queue overflowed" stat_at_least watch.overflows 1
		check "$who: and that was said" grep -q 'everything cached of it is dropped' "$WORK/daemon.log"
	fi
	check "$who: daemon lives" daemon_lives
	unmount_it
}

is_root && try root "" cache=back
user_can_mount && try "ordinary user" as_user cache=back
finish
