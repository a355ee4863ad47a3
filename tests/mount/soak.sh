#!/bin/bash
# 'make soak': random operations by several users answer on the mount what they answer on ext4, for
# SOAK_SECONDS (600) over all modes; after each, nothing of it is left in the daemon.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
: "${SOAK_SECONDS:=600}"
export MMAPFS_TEST_SECONDS=$((SOAK_SECONDS * 2 + 900))
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/soaking.sh"
require_root

MODES=(
	"sync=periodic,cache=back"
	"sync=periodic,sync_interval=1,cache=back,window=1M,io=mmap,write=mmap"
	"sync=lazy,cache=back,watch=off"
	"sync=never,cache=through"
	"sync=lazy,cache=through,window=1M,map_limit=4M,io=mmap"
	"sync=never,cache=shared"
	"sync=periodic,cache=none"
	"sync=immediate"
)
seconds=$((SOAK_SECONDS / ${#MODES[@]} / 3))
[ $seconds -gt 0 ] || seconds=1
say "        SOAK_SEED=$SOAK_SEED SOAK_SECONDS=$SOAK_SECONDS"
soak_disk

# Three times on one mount: the third leaves no more than the second.
soak_thrice()
{
	local options=$1 seed=$2 n
	soak_directories ""
	rm -f "$WORK"/possessions.*
	mount_it "$options,allow_other" || return
	for n in 1 2 3; do
		mkdir -m 777 "$ASIDE/$n" "$MNT/$n"
		soak_here "$ASIDE/$n" "$MNT/$n" $((seed + n)) $seconds 100000000 "$options" || break
		[ -n "$MMAPFS_NATIVE" ] && continue
		check "$options: all is forgotten" within 20 forgotten 8
		possessions | sort > "$WORK/possessions.$n"
	done
	[ ! -e "$WORK/possessions.3" ] || not_grown "$options" "$WORK/possessions.2" "$WORK/possessions.3" 131072
	check "$options: daemon lives" daemon_lives
	unmount_it
	check "$options: so it is in BACKING" quiet "$HELPERS/soak" compare "$ASIDE" "$BACKING"
}

seed=$SOAK_SEED
for options in "${MODES[@]}"; do
	soak_thrice "$options" "$seed"
	seed=$((seed + 10))
done
finish
