#!/bin/bash
# Mounts, writes, reads back, unmounts: the daemon daemonizes, says what it is, serves from mapped
# regions, hides its own names, and leaves BACKING as it was written.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

tree_sums() { (cd "$1" && find . -type f -exec sha256sum {} + | sort -k 2); }

# As many opening brackets as closing ones, and no comma before a closing one.
balanced()
{
	awk '{ text = text $0 " " }
	END {
		gsub(/"([^"\\]|\\.)*"/, "", text)
		bad = text ~ /,[ \t]*[]}]/
		open = gsub(/[[{]/, "", text); closed = gsub(/[]}]/, "", text)
		exit bad || open == 0 || open != closed
	}'
}

mkdir "$BACKING/sub"
head -c 300000 /dev/urandom > "$BACKING/sub/before"

if [ -z "$MMAPFS_NATIVE" ]; then
	check "-h" quiet limit 10 "$MMAPFS" -h
	check "-V" quiet limit 10 "$MMAPFS" -V
	check "daemonizes" quiet limit 20 "$MMAPFS" "$BACKING" "$MNT"
	check "the mount answers when the parent has ended" is_mounted "$MNT"
	check "a file made before is there" cmp "$BACKING/sub/before" "$MNT/sub/before"
	refute "a second mount at the same place" limit 20 "$MMAPFS" "$BACKING" \
		"$MNT" 2> "$WORK/second"
	equal "says so in one line" "$(wc -l < "$WORK/second")" 1
	check "unmounts" limit 20 fusermount3 -u "$MNT"
	check "no process is left" within 10 no_processes
fi

mount_it "io=mmap"
before=$(stat_of read.mapped)
check "a file made before is there" cmp "$BACKING/sub/before" "$MNT/sub/before"
[ -n "$MMAPFS_NATIVE" ] ||
	check "served from a mapped region" test "$(stat_of read.mapped)" -gt "$before"
check "a file is written" cp "$BACKING/sub/before" "$MNT/copy"
check "and read" cmp "$BACKING/sub/before" "$MNT/copy"
mkdir "$MNT/many"
check "a directory of many files" quiet "$HELPERS/tree" make "$MNT/many" 500
check "is right" quiet "$HELPERS/tree" check "$MNT/many" 500
if [ -z "$MMAPFS_NATIVE" ]; then
	equal "the file system's type" \
		"$(awk -v p="$MNT" '$2 == p { print $3 }' /proc/mounts)" fuse.mmapfs
	equal "its own directory is hidden" "$(find "$MNT" -maxdepth 1 -name '.mmapfs*')" ""
	check "but there" test -r "$MNT/.mmapfs/status"
	check "status names BACKING" grep -qF "$BACKING" "$MNT/.mmapfs/status"
	check "status is JSON of balanced brackets" balanced < "$MNT/.mmapfs/status"
	check "stats are lines of a name and a number" \
		awk 'NF != 2 || $2 !~ /^[0-9]+$/ { exit 1 } END { exit NR < 20 }' \
		"$MNT/.mmapfs/stats"
	refute "its directory takes no new file" touch "$MNT/.mmapfs/new"
	refute "control refuses what it does not know" \
		bash -c 'echo bogus > "$1"' - "$MNT/.mmapfs/control"
	check "control takes sync" bash -c 'echo sync > "$1"' - "$MNT/.mmapfs/control"
	mkdir -p "$BACKING/.mmapfs" && echo private > "$BACKING/.mmapfs/own"
	refute "BACKING/.mmapfs is not seen" test -e "$MNT/.mmapfs/own"
	if is_root; then
		refute "another user does not see it" as_user cat "$MNT/.mmapfs/stats" 2> /dev/null
	fi
fi
tree_sums "$MNT" > "$ASIDE/through"
unmount_it
rm -rf "$BACKING/.mmapfs"
tree_sums "$BACKING" > "$ASIDE/directly"
check "BACKING is what was seen through the mount" diff "$ASIDE/through" "$ASIDE/directly"
check "and holds all of it" test "$(wc -l < "$ASIDE/directly")" = 502
if [ -z "$MMAPFS_NATIVE" ]; then
	refute "the daemon wrote nothing else" grep -iE 'error|fail|warn' "$WORK/daemon.log"
fi
# A worker looks for the next request before it sleeps, unless it is told not to.
if [ -z "$MMAPFS_NATIVE" ] && [ "$(nproc)" -gt 1 ] && grep -q 'FUSE_CUSTOM_IO 1' "$TOP_BUILDDIR/config.h"; then
	for spin in 1000 0; do
		mount_it "spin=$spin"
		quiet ls -lR "$MNT"
		equal "spin=$spin: whether a worker looked" \
			$(($(stat_of intake.looks) > 0)) $((spin > 0))
		unmount_it
	done
fi
# The same by an ordinary user, who may read the numbers and give the command, unlike others.
if [ -z "$MMAPFS_NATIVE" ] && user_can_mount; then
	give_to_user
	mount_it "io=mmap" as_user
	check "ordinary user: reads a file" as_user cmp "$BACKING/sub/before" "$MNT/sub/before"
	check "ordinary user: from a mapped region" served_mapped
	check "ordinary user: writes a file" as_user cp "$BACKING/sub/before" "$MNT/own"
	check "ordinary user: control takes sync" \
		as_user bash -c 'echo sync > "$1"' - "$MNT/.mmapfs/control"
	check "ordinary user: the file is in BACKING then" cmp "$BACKING/sub/before" "$BACKING/own"
	unmount_it
	equal "ordinary user: the file is the user's" "$(stat -c %U "$BACKING/own")" \
		"$(as_user id -un)"
fi
finish
