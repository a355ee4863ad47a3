#!/bin/bash
# More files than descriptors: a walk over 20,000 files, a directory of 3,000 names read with seeks
# and deletions meanwhile, 300 levels of directories, and renames of parents, by a daemon that may
# open 256 files; as root (by file handles) and as an ordinary user (by path).
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
require prlimit

FILES=20000 DESCRIPTORS=256

tree() { quiet $as timeout 300 "$HELPERS/tree" "$@"; }
count_of() { find "/proc/$DAEMON/fd" -mindepth 1 | wc -l; }

few_descriptors()
{
	[ -n "$MMAPFS_NATIVE" ] && return
	[ "$(count_of)" -le $DESCRIPTORS ]
}

try()
{
	local who=$1 options=$3
	as=$2
	rm -rf --one-file-system "$BACKING"
	mkdir "$BACKING"
	[ -z "$as" ] || give_to_user
	$as mkdir "$BACKING/many" "$BACKING/list" "$BACKING/deep" "$BACKING/own"
	tree make "$BACKING/many" $FILES || bad "$who: making the files"
	# The hard limit: the daemon raises its soft one, as it should.
	DAEMON_PREFIX=(prlimit "--nofile=$DESCRIPTORS:$DESCRIPTORS" --)
	mount_it "$options" "$as" || return
	check "$who: a walk over $FILES files, and each is read" tree check "$MNT/many" $FILES
	check "$who: within $DESCRIPTORS descriptors" few_descriptors
	check "$who: a walk again" tree check "$MNT/many" $FILES
	check "$who: 3000 names with seeks and deletions" tree list "$MNT/list" 3000
	check "$who: 300 levels" tree deep "$MNT/deep" 300
	check "$who: 3000 files are made" tree make "$MNT/own" 3000
	check "$who: and are right" tree check "$MNT/own" 3000

	# The daemon's own idea of a path must follow.
	$as mkdir "$MNT/to" || bad "$who: mkdir"
	check "$who: a parent is renamed" $as mv -T "$MNT/own" "$MNT/to/moved"
	check "$who: all below it are right" tree check "$MNT/to/moved" 3000
	check "$who: and its parent" $as mv -T "$MNT/to" "$MNT/many/d7/to"
	check "$who: all below it are right" tree check "$MNT/many/d7/to/moved" 3000
	check "$who: another takes its place" $as mv -T "$MNT/many/d8" "$MNT/to"
	check "$who: not mixed up" test "$($as ls "$MNT/to" | wc -l)" = 100
	check "$who: all is removed" $as rm -rf "$MNT/many/d7/to"
	check "$who: within $DESCRIPTORS descriptors" few_descriptors
	check "$who: daemon lives" daemon_lives
	unmount_it
	equal "$who: what is left in BACKING" \
		"$(find "$BACKING/many" "$BACKING/to" -type f | wc -l)" $FILES
}

is_root && try root "" sync=periodic
user_can_mount && try "ordinary user" as_user sync=periodic
finish
