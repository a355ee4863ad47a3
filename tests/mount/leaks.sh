#!/bin/bash
# When programs have closed everything and the kernel has forgotten it, the daemon has no descriptor,
# inode, region, mapping, mark or memory more than after the same work before.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/soaking.sh"
require_root # to make the kernel forget
[ -z "$MMAPFS_NATIVE" ] || skip "there is nothing to leak without a mount"

FILES=1500

tree() { quiet timeout 300 "$HELPERS/tree" "$@"; }

# Another test may just have told the kernel to forget, and it forgets on all mounts.
known()
{
	stat_at_least inode.count $FILES > /dev/null && return
	tree check "$MNT/many" $FILES
	return 1
}

try()
{
	local options=$1 n
	soak_directories ""
	mount_it "$options,allow_other" || return
	for n in 1 2 3; do
		mkdir "$MNT/many" && mkdir -m 777 "$ASIDE/$n" "$MNT/$n" || bad "$options: mkdir"
		check "$options: $FILES files, round $n" tree make "$MNT/many" $FILES
		check "$options: are read" tree check "$MNT/many" $FILES
		check "$options: the kernel knows them" within 60 known
		soak_here "$ASIDE/$n" "$MNT/$n" $n 0 3000 "$options"
		rm -rf "${MNT:?}/many" "${MNT:?}/$n" "${ASIDE:?}/$n"
		check "$options: all is forgotten" within 20 forgotten 4
		possessions | sort > "$WORK/possessions.$n"
	done
	not_grown "$options" "$WORK/possessions.2" "$WORK/possessions.3"
	check "$options: daemon lives" daemon_lives
	unmount_it
}

try sync=periodic,cache=back
try sync=lazy,cache=through,window=1M,map_limit=4M,io=mmap
try sync=never,cache=none
finish
