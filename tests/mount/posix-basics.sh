#!/bin/bash
# Each file operation answers on the mount what it answers on the native directory: results, errno,
# attributes and data, in every cache mode; as root with other users, and as an ordinary user.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

. "$(dirname "$0")/compare.sh"

for mode in sync=periodic sync=periodic,cache=through sync=periodic,cache=shared \
	sync=periodic,cache=none sync=immediate sync=lazy sync=never,write=mmap \
	sync=lazy,cache=through,write=pwrite,io=pread; do
	is_root || break
	args=(root)
	case $mode in *cache=none*) args+=(nommap) ;; esac
	rm -rf "$BACKING/cases"
	mount_it "$mode,allow_other,window=1M" || continue
	compare "$mode" "" posixcmp "${args[@]}"
	check "$mode: daemon lives" daemon_lives
	unmount_it
done

# Without other users: nothing but the caller's own rights on both sides.
if user_can_mount; then
	for mode in sync=periodic sync=lazy,cache=through sync=never,cache=none; do
		args=()
		case $mode in *cache=none*) args+=(nommap) ;; esac
		rm -rf --one-file-system "$BACKING" "$ASIDE"
		mkdir "$BACKING" "$ASIDE"
		give_to_user
		mount_it "$mode" as_user || continue
		compare "$mode as an ordinary user" as_user posixcmp "${args[@]}"
		check "$mode as an ordinary user: daemon lives" daemon_lives
		unmount_it
	done
fi
finish
