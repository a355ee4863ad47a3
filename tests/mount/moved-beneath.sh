#!/bin/bash
# Directories that others move beneath the mount so that remembered names close a circle: each
# request is answered, and the daemon neither loops nor grows. For inodes found by names, not by
# handles: an ordinary user's mount, with few descriptors, so that ways are walked again.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "there is no daemon"
require prlimit
user_can_mount || skip "an ordinary user cannot mount here"

resident_kb() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$DAEMON/status"; }
looks() { as_user timeout 10 stat "$@" > "$WORK/stat.out" 2> "$WORK/stat.err"; }

# The daemon closes descriptors that were idle for longest: those of these directories come last.
forget_descriptors() { as_user timeout 20 find "$MNT/many" > /dev/null; }

mkdir -p "$BACKING"/b/a/inner "$BACKING"/many/{1..200}
echo here > "$BACKING/b/a/inner/file"
give_to_user
# Without the bound its memory would have no end, nor would the machine's.
# shellcheck disable=SC2034 # lib.sh uses it
DAEMON_PREFIX=(prlimit --nofile=128 --as=8589934592)
# What the kernel knows it does not ask for again, as in the middle of a program's work.
mount_it watch=off,entry_timeout=1000,attr_timeout=0 as_user || finish
check "b/a is known" looks "$MNT/b/a/inner/file"

# Now b is in a, while a is remembered to be in b.
mv "$BACKING/b/a" "$BACKING/a" && mv "$BACKING/b" "$BACKING/a/b"
refute "b in itself" looks "$MNT/b/a/b"
check "        $(cat "$WORK/stat.err")" grep -q 'symbolic links\|Stale\|No such' "$WORK/stat.err"
forget_descriptors
before=$(resident_kb)
looks "$MNT/b/a/other"
check "a request on the way is answered" test $? -ne 124
looks "$MNT/b/other"
check "and one on the other" test $? -ne 124
check "the daemon lives" daemon_lives
check "its memory: $before, then $(resident_kb) KiB" test "$(resident_kb)" -lt $((before + 50000))
check "the new place" looks "$MNT/a/inner/file"
check "and the other's" looks "$MNT/a/b"
unmount_it
finish
