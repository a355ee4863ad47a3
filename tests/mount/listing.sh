#!/bin/bash
# Listing a tree while names are moved on the mount and in BACKING: what is there all the time is seen
# exactly once in each pass, and nothing fails but to find what has just been moved; also ESTALE for a
# directory that is moved in BACKING.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

DIRS=6 NAMES=700 EACH=2

# ls -R may meet a directory that has gone, and a name; nothing else.
list_on()
{
	local end=$((SECONDS + EACH))
	while [ "$SECONDS" -lt $end ]; do
		ls -lR "$1" 2>> "$WORK/ls.err" > "$WORK/ls.out"
		if grep -v 'No such file or directory$' "$WORK/ls.err"; then return 1; fi
		[ "$(grep -c 'stay0$' "$WORK/ls.out")" -ge $DIRS ] || return 1
	done
}

try()
{
	local options=$1 as=$2
	local run=(${as:+"$as"} "$HELPERS/listing" run)
	rm -rf --one-file-system "$BACKING"
	mkdir "$BACKING"
	[ -z "$as" ] || give_to_user
	$as "$HELPERS/listing" make "$BACKING" $DIRS $NAMES || bad "$options: making the tree"
	mount_it "$options" "$as" || return
	check "$options: renames on the mount" "${run[@]}" "$MNT" "$MNT" $DIRS $NAMES $EACH
	check "$options: seen from BACKING" "${run[@]}" "$BACKING" "$MNT" $DIRS $NAMES $EACH
	if [ -z "$as" ]; then
		background "${run[@]}" "$BACKING" "$MNT" $DIRS $NAMES $((EACH + 1)) \
			> "$WORK/other.out" 2>&1
		check "$options: ls -lR meanwhile" list_on "$MNT"
		check "$options: and those who renamed" wait "$CHILD"
	fi
	# The last one: the kernel needs a moment to learn where the directories are then.
	check "$options: renames in BACKING" "${run[@]}" "$MNT" "$BACKING" $DIRS $NAMES $EACH stale
	check "$options: daemon lives" daemon_lives
	unmount_it
}

if is_root; then
	try sync=periodic,cache=back ""
	try sync=never,cache=shared ""
	try sync=never,cache=none ""
fi
user_can_mount && try sync=periodic,cache=through as_user
finish
