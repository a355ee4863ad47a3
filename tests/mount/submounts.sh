#!/bin/bash
# File systems mounted beneath BACKING: programs that walk and copy take no two files of theirs for
# one, though the mount has one device and their inode numbers are the same; they can be unmounted
# in BACKING, and others mounted, while the mount is up.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

require_root
require mkfs.ext4 prlimit
[ -z "$MMAPFS_NATIVE" ] || skip "natively they have devices of their own"

# fill DIR WORD: a file of two names, the first that the file system makes
fill()
{
	echo "$2" > "$1/f"
	ln "$1/f" "$1/g"
	mkdir "$1/dir"
	echo "$2 below" > "$1/dir/h"
}

number() { stat -c %i "$1"; }
names() { (cd "$1" && find . | sort); }
all_gone() { [ -z "$(ls -A "$1")" ]; }
shows() { [ "$(cat "$1" 2> /dev/null)" = "$2" ]; }

# numbers_agree DIR: what a listing says without looking at the files is what they say themselves
numbers_agree()
{
	cmp <(cd "$1" && ls -iU | awk '{ print $1, $2 }' | sort) \
		<(cd "$1" && stat -c '%i %n' ./* | sed 's, \./, ,' | sort)
}

# Each may take the files of two file systems for one.
walkers()
{
	check "$1: find" diff <(names "$BACKING") <(names "$MNT")
	rm -rf "${ASIDE:?}"/*
	check "$1: cp -a" quiet cp -a "$MNT" "$ASIDE/cp"
	check "$1: the copy" diff -r "$BACKING" "$ASIDE/cp"
	mkdir "$ASIDE/tar"
	check "$1: tar" quiet bash -c 'tar -C "$1" -cf - . | tar -C "$2" -xf -' - "$MNT" "$ASIDE/tar"
	check "$1: what tar packed" diff -r "$BACKING" "$ASIDE/tar"
	equal "$1: du, as of one file system after the other" "$(du -s "$MNT" | cut -f 1)" \
		"$(du -s "$BACKING" | cut -f 1)"
}

try()
{
	local options=$1
	mount_it "$options" || return
	equal "$options: BACKING's own numbers" "$(number "$MNT/f")" "$(number "$BACKING/f")"
	refute "$options: those of another are others" test "$(number "$MNT/f")" = "$(number "$MNT/one/f")"
	refute "$options: and of a third" test "$(number "$MNT/one/f")" = "$(number "$MNT/two/f")"
	equal "$options: two names, one number" "$(number "$MNT/one/f")" "$(number "$MNT/one/g")"
	check "$options: a listing says the same" numbers_agree "$MNT/one"
	check "$options: also at the mount points" numbers_agree "$MNT"
	walkers "$options"

	# Nothing of ours is in the way once what was written is durable.
	echo later > "$MNT/one/later"
	mv "$MNT/one/dir/h" "$MNT/one/dir/i"
	echo sync > "$MNT/.mmapfs/control"
	check "$options: unmounted in BACKING" within 5 umount "$BACKING/one" 2> "$WORK/err"
	check "$options: it is gone from the mount" within 5 all_gone "$MNT/one"
	mount "$LOOP_OF_ONE" "$BACKING/one"
	check "$options: mounted again, it is there" within 5 shows "$MNT/one/later" later
	equal "$options: with what was moved" "$(cat "$MNT/one/dir/i")" "one below"
	rm "$MNT/one/later"
	mv "$MNT/one/dir/i" "$MNT/one/dir/h"
	check "$options: daemon lives" daemon_lives
	unmount_it
}

# No descriptor is kept open there, so the way down is walked each time.
deep()
{
	local path=$BACKING/two/deep i
	for i in {1..300}; do path+=/d$i; done
	mkdir -p "$path"
	echo bottom > "$path/file"
	DAEMON_PREFIX=(prlimit --nofile=128)
	mount_it "$1" || return
	path=$MNT${path#"$BACKING"}
	check "$1: at the bottom of 300 directories" shows "$path/file" bottom
	echo 2 > /proc/sys/vm/drop_caches
	check "$1: again" shows "$path/file" bottom
	check "$1: and make something there" mkdir "$path/made"
	check "$1: few descriptors: $(stat_of inode.fds)" test "$(stat_of inode.fds)" -le 64
	unmount_it
	# shellcheck disable=SC2034 # lib.sh uses it
	DAEMON_PREFIX=()
}

make_loop_ext4 64M "$BACKING" || die "no ext4"
mkdir "$BACKING/one" "$BACKING/two"
make_loop_ext4 64M "$BACKING/one" || die "no ext4"
LOOP_OF_ONE=${LOOPS[-1]}
make_loop_ext4 64M "$BACKING/two" || die "no ext4"
for dir in "$BACKING" "$BACKING/one" "$BACKING/two"; do
	fill "$dir" "$(basename "$dir")"
done
equal "the roots have one number" "$(number "$BACKING")" "$(number "$BACKING/one")"
equal "the files too" "$(number "$BACKING/one/f")" "$(number "$BACKING/two/f")"

for options in sync=periodic sync=never,cache=none; do try "$options"; done
deep sync=never,watch=off
umount "$BACKING/two" "$BACKING/one" "$BACKING"
finish
