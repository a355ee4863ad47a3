#!/bin/bash
# Each file operation answers on the mount what it answers on the native directory: results, errno,
# attributes and data, in every cache mode; as root with other users, and as an ordinary user.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

NATIVE=$ASIDE/native

# compare WHAT USER ARGUMENTS...: of posixcmp
compare()
{
	local what=$1 user=$2
	shift 2
	rm -rf "$NATIVE"
	$user mkdir "$NATIVE" "$MNT/cases"
	$user timeout 60 "$HELPERS/posixcmp" "$NATIVE" "$@" > "$WORK/native.out" 2>&1 ||
		bad "$what: on the native directory: $(tail -n 1 "$WORK/native.out")"
	$user timeout 120 "$HELPERS/posixcmp" "$MNT/cases" "$@" > "$WORK/mount.out" 2>&1 ||
		bad "$what: on the mount: $(tail -n 1 "$WORK/mount.out")"
	if diff -a -U 100000 "$WORK/native.out" "$WORK/mount.out" > "$WORK/diff"; then
		pass "$what: $(grep -ac '^  ' "$WORK/mount.out") answers are the native ones"
		return
	fi
	bad "$what: - native, + mount"
	# Each difference under the name of its case.
	awk '/^ [a-z]/ { name = $0 }
		/^[-+]  / { if (name) print name; name = ""; print }' "$WORK/diff" |
		head -n 60
}

for mode in sync=periodic sync=periodic,cache=through sync=periodic,cache=shared \
	sync=periodic,cache=none sync=immediate sync=lazy sync=never,write=mmap \
	sync=lazy,cache=through,write=pwrite,io=pread; do
	is_root || break
	args=(root)
	case $mode in *cache=none*) args+=(nommap) ;; esac
	rm -rf "$BACKING/cases"
	mount_it "$mode,allow_other,window=1M" || continue
	compare "$mode" "" "${args[@]}"
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
		compare "$mode as an ordinary user" as_user "${args[@]}"
		check "$mode as an ordinary user: daemon lives" daemon_lives
		unmount_it
	done
fi
finish
