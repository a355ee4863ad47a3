#!/bin/bash
# Every call of the POSIX families, on every kind of file, by root, owner, group and others, answers
# with passthrough what it answers on ext4; mtime and ctime move where they move there.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/compare.sh"

require_root
mount_it sync=periodic,passthrough,allow_other || die "no mount"
compare "sync=periodic,passthrough" "" family root
check "daemon lives" daemon_lives
unmount_it
finish
