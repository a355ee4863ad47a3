#!/bin/bash
# A directory's listing that the kernel keeps is not asked for again, and is never an old one: what
# the mount does to the directory shows at once, what others do in BACKING soon, also when they do
# it while listings are being read.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "the native file system has nothing to keep"

ROUNDS=${MMAPFS_LISTING_ROUNDS:-12} MANY=2000

list() { (cd "$1" && find . -maxdepth 1 | LC_ALL=C sort); }
count() { list "$1" | wc -l; }
same() { [ "$(list "$BACKING/$1")" = "$(list "$MNT/$1")" ]; }
sizes() { [ "$(find "$MNT/$1" -printf '%s\n' | wc -l)" -gt 250 ]; }
read_on() { until [ -e "$ASIDE/stop" ]; do ls -f "$MNT/busy" > /dev/null || exit 1; done; }
shake() { # ROUND: by somebody else, beneath
	local i
	for i in $(seq 40); do
		: > "$BACKING/busy/$1-$i"
		rm -f "$BACKING/busy/$(($1 - 1))-$i"
	done
}
make_tree()
{
	mkdir "$BACKING/few" "$BACKING/many" "$BACKING/busy" "$BACKING/few/sub" "$BACKING/dirs" &&
		mkdir "$BACKING/dirs/"{1,2,3,4,5} && touch "$BACKING/dirs/"{1,2,3,4,5}/{1..50} &&
		touch $(seq -f "$BACKING/few/%g" 100) &&
		seq -f "$BACKING/many/%g" $MANY | xargs touch &&
		touch $(seq -f "$BACKING/busy/0-%g" 40)
}
run_step "$@"

asked() { echo $(($(stat_of op.readdir) + $(stat_of op.readdirplus))); }
# Kept or not: whether listing $1 once more asks the daemon. Another test may just have made the kernel
# drop what it has: whoever expects it kept tries again.
is_kept()
{
	local before
	before=$(asked)
	[ "$(step 10 "$as" count "$MNT/$1")" -gt 2 ] && [ "$(asked)" = "$before" ]
}
twice() { step 10 "$as" count "$MNT/$1" > /dev/null; is_kept "$1"; }

try_small()
{
	check "$who: a small directory" step 10 "$as" same few
	check "$who: is kept" within 20 twice few
	step 10 "$as" touch "$MNT/few/own"
	check "$who: a name that the mount makes shows at once" step 10 "$as" same few
	check "$who: and is kept with the rest" within 20 twice few
	step 10 "$as" mv "$MNT/few/own" "$MNT/few/own2"
	check "$who: one that it renames" step 10 "$as" same few
	step 10 "$as" rm "$MNT/few/own2"
	check "$who: one that it removes" step 10 "$as" same few
	touch "$BACKING/few/foreign"
	check "$who: one that others make shows soon" within 5 step 10 "$as" same few
	check "$who: and is kept then" within 20 twice few
	mv "$BACKING/few/foreign" "$BACKING/few/moved"
	check "$who: one that they rename" within 5 step 10 "$as" same few
	rm "$BACKING/few/moved"
	check "$who: one that they remove" within 5 step 10 "$as" same few
}

# A listing costs no knowledge of the files, until somebody asks for their attributes: then those come
# with the listings that follow, and one more of a directory that was listed before.
try_large()
{
	local before
	check "$who: a large directory" step 30 "$as" same many
	check "$who: is kept" within 20 twice many
	check "$who: and its files are not known for that" test "$(stat_of inode.count)" -lt 500
	before=$(stat_of op.lookup)
	step 30 "$as" sizes many
	check "$who: attributes are asked for one by one then" \
		test $(($(stat_of op.lookup) - before)) -ge $MANY
	before=$(stat_of op.lookup)
	step 30 "$as" sizes dirs
	check "$who: and come with the next listings" \
		test $(($(stat_of op.lookup) - before)) -lt 30
}

try_busy()
{
	local round readers=()
	background step 60 "$as" read_on
	readers+=("$CHILD")
	background step 60 "$as" read_on
	readers+=("$CHILD")
	for round in $(seq "$ROUNDS"); do
		shake "$round"
		within 5 step 10 "$as" same busy || break
	done
	check "$who: $ROUNDS times changed while it was read, it shows the last state" \
		within 5 step 10 "$as" same busy || list "$MNT/busy" | head -5
	: > "$ASIDE/stop"
	check "$who: its readers end well" wait "${readers[@]}"
	rm -f "$ASIDE/stop"
	check "$who: and goes on doing so" step 10 "$as" same busy
}

try()
{
	as=$2
	who="$1, $3"
	rm -rf --one-file-system "$BACKING"
	mkdir "$BACKING"
	[ -z "$as" ] || give_to_user
	check "$who: a tree" step 30 "$as" make_tree
	mount_it "$3" "$as" || return
	if [ "$3" = cache=back ]; then
		try_small
		try_large
		try_busy
	else
		check "$who: a directory" step 10 "$as" same few
		refute "$who: is not kept" is_kept few
	fi
	check "$who: daemon lives" daemon_lives
	unmount_it
}

is_root && try root "" cache=back
is_root && try root "" cache=shared
is_root && try root "" cache=back,watch=off,entry_timeout=1
user_can_mount && try "ordinary user" as_user cache=back
finish
