#!/bin/bash
# 65,000 links to a file end in EMLINK as on ext4; in a directory of 100,000 names telldir and seekdir
# lead where they led, though a third of the names goes, by the mount and beneath it, and others come.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/compare.sh"

mount_it sync=never || die "no mount"
compare "links" "" surface slow only=many-links
rm -rf "$MNT/cases"
compare "positions" "" surface slow only=seeking
check "readdir was asked" stat_at_least op.readdirplus 1
check "daemon lives" daemon_lives
unmount_it
finish
