#!/bin/bash
# Set-id bits, ACLs, sticky directories, whiteouts, limits, appenders, mappings beside reads and
# writes, numbers and times, files without a name, file handles, leases: each answers on the mount
# what it answers on ext4, with cache=back and cache=through, and on a user's mount in each mode.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/compare.sh"

for mode in sync=periodic,sync_interval=0.3 sync=never,cache=through; do
	is_root || break
	rm -rf --one-file-system "$BACKING/cases"
	mount_it "$mode,allow_other" || continue
	compare "$mode" "" surface root
	check "$mode: daemon lives" daemon_lives
	unmount_it
done

if user_can_mount; then
	for mode in sync=periodic,sync_interval=0.3 sync=never,cache=through sync=never,cache=shared \
		sync=never,cache=none; do
		args=()
		case $mode in *none*) args+=(nommap) ;; esac
		rm -rf --one-file-system "$BACKING" "$ASIDE"
		mkdir "$BACKING" "$ASIDE"
		give_to_user
		mount_it "$mode" as_user || continue
		compare "$mode as an ordinary user" as_user surface "${args[@]}"
		check "$mode as an ordinary user: daemon lives" daemon_lives
		unmount_it
	done
fi
finish
