#!/bin/bash
# Random operations by several users, one after the other and all at a time, answer on the mount what
# they answer on ext4, and the trees are the same: in each cache mode, for some seconds. The first run
# has a fixed seed, the others a new one (SOAK_SEED); 'make soak' does it for longer.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/soaking.sh"

say "        SOAK_SEED=$SOAK_SEED"
soak_disk
if is_root; then
	soak_mount sync=periodic,cache=back 1 0 4500
	n=0
	for options in \
		sync=periodic,sync_interval=1,cache=back,window=1M,io=mmap,write=mmap \
		sync=lazy,cache=through,window=1M,map_limit=4M,io=mmap \
		sync=never,cache=shared \
		sync=never,cache=none \
		sync=immediate; do
		n=$((n + 1))
		soak_mount $options $((SOAK_SEED + n)) 3 100000
	done
fi
user_can_mount && soak_mount sync=periodic,cache=back $((SOAK_SEED + 10)) 3 100000 as_user
finish
