#!/bin/bash
# What mmapfs(8) lists as not like ext4 is what it says, in each cache mode: O_TMPFILE is refused
# (EOPNOTSUPP), so are inode flags, FICLONE and two modes of fallocate; leases, locks and inotify
# know nothing of BACKING; file handles end when the kernel forgets the file.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "natively there are none"

# try CACHE USER
try()
{
	local as=$2 args=()
	[ -n "$as" ] || args=(root)
	rm -rf --one-file-system "$BACKING"
	mkdir "$BACKING"
	[ -z "$as" ] || give_to_user
	mount_it "cache=$1" "$as" || return
	$as timeout 60 "$HELPERS/differs" "$MNT" "$BACKING" "$1" "${args[@]}" > "$WORK/differs.out" 2>&1 ||
		bad "cache=$1: differs ended with $?"
	cat "$WORK/differs.out"
	check "cache=$1: daemon lives" daemon_lives
	unmount_it
}

for cache in back through shared none; do
	is_root && try $cache ""
	user_can_mount && try $cache as_user
done
finish
