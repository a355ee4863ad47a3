# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced after lib.sh by the tests that run programs on each sync and cache mode. The test defines
#
#	work DIR     does the work in DIR on the mount, fails if it goes wrong
#	verify DIR   checks the result: runs on a new mount, so that the daemon reads all of it,
#	             and then on BACKING itself
#
# and calls run_matrix. CAN_MAP says whether MAP_SHARED works in the mode that is running.
# io=mmap: small files would be read with pread otherwise, and the test must show mapped reads.

MATRIX=(
	"sync=immediate"
	"sync=periodic,sync_interval=1"
	"sync=lazy"
	"sync=never"
	"sync=periodic,cache=through"
	"sync=periodic,cache=shared"
	"sync=periodic,cache=none"
	"sync=periodic,passthrough"
)
USER_MATRIX=("sync=periodic" "sync=lazy,cache=through")
[ -z "$MMAPFS_NATIVE" ] || MATRIX=("native") USER_MATRIX=("native")
COMMON=io=mmap,window=4M,map_limit=256M
export CAN_MAP

run_mode()
{
	local options=$1 as=${2:-} start=$SECONDS before=$FAILURES
	CAN_MAP=1
	case $options in *cache=none*)
		CAN_MAP=
		say "        cache=none: MAP_SHARED needs a newer libfuse, and is left out"
	esac
	rm -rf --one-file-system "$BACKING" "$ASIDE"
	mkdir "$BACKING" "$ASIDE"
	[ -n "$as" ] && give_to_user
	mount_it "$options,$COMMON" "$as" || return
	check "$options: work" step 600 "$as" in_new work "$MNT/work"
	check "$options: daemon lives" daemon_lives
	unmount_it
	mount_it "$options,$COMMON" "$as" || return
	check "$options: verify after a new mount" step 300 "$as" verify "$MNT/work"
	case $options in
	*passthrough*) check "$options: files were passed through" stat_at_least passthrough.opens 1 ;;
	*) check "$options: reads were served from mapped regions" served_mapped ;;
	esac
	unmount_it
	check "$options: verify in BACKING" step 300 "$as" verify "$BACKING/work"
	[ "$FAILURES" -gt "$before" ] || say "        $options took $((SECONDS - start)) s"
}

in_new() { mkdir "$2" && "$1" "$2"; }

run_matrix()
{
	local options
	run_step "$@"
	if is_root; then
		for options in "${MATRIX[@]}"; do
			run_mode "$options"
		done
	fi
	if user_can_mount; then
		for options in "${USER_MATRIX[@]}"; do
			run_mode "$options" as_user
		done
	else
		say "        as an ordinary user: left out, no unprivileged mounts here"
		[ -z "$MMAPFS_NO_SKIP" ] || bad "an ordinary user cannot mount here"
	fi
	finish
}
