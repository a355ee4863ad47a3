#!/bin/bash
# What surface.sh tries, with cache=shared, cache=none and sync=immediate: each answers on the mount
# what it answers on ext4. No appender loses a line there, also if another works beneath the mount.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/compare.sh"

require_root
for mode in sync=never,cache=shared sync=never,cache=none sync=immediate; do
	args=(root)
	case $mode in
	*shared*) args+=(shared) ;;
	*none*) args+=(nommap shared) ;;
	esac
	rm -rf --one-file-system "$BACKING/cases"
	mount_it "$mode,allow_other" || continue
	compare "$mode" "" surface "${args[@]}"
	case $mode in *shared* | *none*) check "$mode: appended" stat_at_least write.appended 1600 ;; esac
	check "$mode: daemon lives" daemon_lives
	unmount_it
done

finish
