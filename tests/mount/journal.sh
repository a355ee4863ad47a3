#!/bin/bash
# The journal: what fsync acknowledged comes back from an image of the disk that was taken a moment
# later, names included; a killed daemon loses nothing; a clean unmount leaves nothing to replay; two
# daemons do not share BACKING; options that do not go together are refused.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
require_root
require losetup mkfs.ext4
[ -z "$MMAPFS_NATIVE" ] || skip "there is no daemon"
: "${MMAPFSCTL:=$(dirname "$MMAPFS")/mmapfsctl}"

DISK=$WORK/disk # a file system of its own, with an ordered journal
COPY=$WORK/copy # and what a power failure would have left of it
mkdir "$DISK" "$COPY"

fresh_disk()
{
	truncate -s 160M "$WORK/disk.image"
	quiet mkfs.ext4 -q -F -m 0 "$WORK/disk.image" || die "no ext4"
	DISK_LOOP=$(losetup -f --show "$WORK/disk.image") || skip "needs a loop device"
	LOOPS+=("$DISK_LOOP")
	# Nothing is written by the kernel's own accord meanwhile.
	mount -o commit=300 "$DISK_LOOP" "$DISK" || die "no mount"
	mkdir "$DISK/backing"
	sync -f "$DISK"
	BACKING=$DISK/backing
}

# What is on the disk now, and nothing of what memory alone has.
crash()
{
	cp --sparse=always "$WORK/disk.image" "$WORK/copy.image"
	COPY_LOOP=$(losetup -f --show "$WORK/copy.image") || die "no loop device"
	LOOPS+=("$COPY_LOOP")
	mount "$COPY_LOOP" "$COPY" || die "the image does not mount"
}

uncrash()
{
	umount "$COPY"
	losetup -d "$COPY_LOOP"
}

# on_copy OPTIONS COMMAND...: the command with the copy mounted by mmapfs
on_copy()
{
	local options=$1 all=$BACKING mine=$DAEMON mnt=$MNT rc
	shift
	BACKING=$COPY/backing MNT=$WORK/mnt2
	mkdir -p "$MNT"
	mount_it "$options" || die "the copy does not mount"
	"$@"
	rc=$?
	unmount_it
	BACKING=$all MNT=$mnt DAEMON=$mine
	return $rc
}

# ------------------------------------------------------------------------------ after a power cut

files_are_back()
{
	equal "$1: appended and fsynced" "$(cat "$MNT/log")" $'one\ntwo\nthree'
	equal "$1: a new file" "$(cat "$MNT/new" 2>&1)" new
	equal "$1: replaced by rename" "$(cat "$MNT/conf")" second
	refute "$1: its temporary name" test -e "$MNT/conf.tmp"
	refute "$1: what was removed before a sync" test -e "$MNT/gone"
	equal "$1: a file in a new directory" "$(cat "$MNT/dir/sub/f" 2>&1)" deep
	equal "$1: its mode" "$(stat -c %a "$MNT/dir/sub/f" 2>&1)" 640
	equal "$1: its owner" "$(stat -c %u:%g "$MNT/dir/sub/f" 2>&1)" $TEST_USER:$TEST_USER
	equal "$1: a symlink" "$(readlink "$MNT/dir/link")" sub/f
	equal "$1: a hard link" "$(stat -c %i "$MNT/dir/hard" 2>&1)" "$(stat -c %i "$MNT/dir/sub/f")"
	equal "$1: cut after a sync" "$(cat "$MNT/cut")" 12345
}

# append FILE TEXT: with fsync
append() { printf '%s\n' "$2" | dd of="$1" oflag=append conv=notrunc,fsync status=none; }

try_power_cut()
{
	local options=$1 records
	fresh_disk
	echo gone > "$BACKING/gone"
	echo first > "$BACKING/conf"
	sync -f "$BACKING"
	mount_it "$options,allow_other" || return
	append "$MNT/log" one
	append "$MNT/log" two
	append "$MNT/log" three
	check "$options: the journal answers syncs" stat_at_least journal.syncs 2
	check "$options: with records" stat_at_least journal.data_records 2
	printf 'new' | dd of="$MNT/new" conv=fsync status=none
	printf 'second' | dd of="$MNT/conf.tmp" conv=fsync status=none
	mv "$MNT/conf.tmp" "$MNT/conf"
	rm "$MNT/gone"
	mkdir -m 777 "$MNT/dir" "$MNT/dir/sub"
	as_user bash -c 'umask 027; printf deep > "$1/sub/f"; ln -s sub/f "$1/link"
		ln "$1/sub/f" "$1/hard"' - "$MNT/dir"
	sync "$MNT/dir/sub/f" "$MNT/dir/sub" "$MNT/dir" "$MNT" # fsync of each
	printf '1234567890' | dd of="$MNT/cut" conv=fsync status=none
	truncate -s 5 "$MNT/cut"
	sync "$MNT/cut"
	records=$(stat_of journal.name_records)
	check "$options: names are records: $records" test "$records" -ge 8
	crash
	check "$options: the disk itself does not have it all" \
		bash -c '! [ -e "$1/dir/sub/f" ] || ! grep -q three "$1/log"' - "$COPY/backing"
	on_copy sync=periodic files_are_back "$options"
	check "$options: it was told" grep -q 'was replayed after a crash' "$WORK/daemon.log"
	on_copy sync=periodic files_are_back "$options, mounted once more"
	uncrash
	unmount_it
	umount "$DISK"
}

# --------------------------------------------------------------------------------- other ends

live_records()
{
	"$MMAPFSCTL" journal status --json "$BACKING" | sed -n 's/.*"records": *\([0-9]*\).*/\1/p'
}

try_clean_and_killed()
{
	fresh_disk
	mount_it journal || return
	append "$MNT/a" one
	append "$MNT/a" two
	equal "the journal's directory is no link" "$(stat -c %h "$MNT")" 2
	check "records are live" stat_at_least journal.live_records 1
	refute "a second daemon" timeout 20 "$MMAPFS" "$BACKING" "$WORK/aside" 2> "$WORK/err"
	check "        $(cat "$WORK/err")" grep -q 'in use by a mmapfs with a journal' "$WORK/err"
	unmount_it
	equal "a clean unmount leaves no record" "$(live_records)" 0
	equal "and the file" "$(cat "$BACKING/a")" $'one\ntwo'

	mount_it sync=lazy || return
	refute "a journal beside a daemon without one" \
		timeout 20 "$MMAPFS" -o journal "$BACKING" "$WORK/aside" 2> "$WORK/err"
	check "        $(cat "$WORK/err")" grep -q 'needs it for itself' "$WORK/err"
	unmount_it

	mount_it journal || return
	append "$MNT/a" three
	append "$MNT/a" four
	kill -KILL "$DAEMON"
	wait "$DAEMON" 2> /dev/null
	umount -l "$MNT"
	check "killed: records are live" test "$(live_records)" -gt 0
	mount_it sync=lazy || return
	equal "killed: mounted without the option" "$(cat "$MNT/a")" $'one\ntwo\nthree\nfour'
	check "killed: told that nothing was lost" grep -q 'daemon that was killed' "$WORK/daemon.log"
	unmount_it
	equal "killed: the journal is empty after it" "$(live_records)" 0
	umount "$DISK"
}

elsewhere_is_back() { equal "elsewhere: replayed without the option" "$(cat "$MNT/a")" $'one\ntwo'; }

try_elsewhere()
{
	fresh_disk
	mount_it "journal=$ASIDE/j" || return
	append "$MNT/a" one
	append "$MNT/a" two
	check "elsewhere: records" stat_at_least journal.data_records 1
	check "elsewhere: the logs are there" test -s "$ASIDE/j/log.0"
	crash
	kill -KILL "$DAEMON" # it has the journal
	wait "$DAEMON" 2> /dev/null
	umount -l "$MNT"
	on_copy sync=lazy elsewhere_is_back
	uncrash
	umount "$DISK"
}

# A journal is for one BACKING: another one neither takes it over, nor replays what is in it.
try_anothers()
{
	local mine
	fresh_disk
	mkdir "$WORK/other"
	mount_it "journal=$ASIDE/shared,journal_size=4M" || return
	mine=$(stat -c %i "$ASIDE/shared/log.0")
	for options in "journal=$ASIDE/shared,journal_size=4M" "journal=$ASIDE/shared,journal_size=1M"; do
		refute "another's journal, which is empty and in use" \
			limit 20 "$MMAPFS" -o "$options" "$WORK/other" "$WORK/aside" 2> "$WORK/err"
		check "        $(cat "$WORK/err")" grep -q 'a journal is for one' "$WORK/err"
	done
	equal "its log is still that" "$(stat -c %i "$ASIDE/shared/log.0")" "$mine"
	append "$MNT/a" one
	append "$MNT/a" two
	crash
	kill -KILL "$DAEMON"
	wait "$DAEMON" 2> /dev/null
	umount -l "$MNT"
	for _ in 1 2; do
		refute "another's journal, with records" \
			limit 20 "$MMAPFS" -o "journal=$ASIDE/shared" "$WORK/other" "$WORK/aside" \
			2> "$WORK/err"
		check "        $(cat "$WORK/err")" grep -q 'of another BACKING' "$WORK/err"
	done
	refute "the other one does not look there again" test -e "$WORK/other/.mmapfs/journal.path"
	on_copy sync=lazy elsewhere_is_back
	uncrash
	umount "$DISK"
}

# Where names are not committed in order they are synced.
try_unordered()
{
	BACKING=$WORK/tmpfs
	mkdir "$BACKING"
	mount -t tmpfs none "$BACKING"
	mount_it journal || return
	printf 'x' | dd of="$MNT/f" conv=fsync status=none
	append "$MNT/f" y
	append "$MNT/f" z
	equal "tmpfs: no name is a record" "$(stat_of journal.name_records)" 0
	check "tmpfs: the first sync is a real one" stat_at_least journal.bypassed 1
	check "tmpfs: data are records" stat_at_least journal.data_records 1
	unmount_it
	equal "tmpfs: the file" "$(cat "$BACKING/f")" $'xy\nz'
	umount "$BACKING"
}

refused()
{
	refute "$1" timeout 20 "$MMAPFS" -o "$1" "$WORK/backing" "$MNT" 2> "$WORK/err"
	check "        $(cat "$WORK/err")" grep -q "$2" "$WORK/err"
}

refused journal,ro 'exclude each other'
refused journal,fsync=defer 'exclude each other'
refused journal= 'names no directory'
refused journal_size=4K 'from 1M to 16G'
refused journal_size=1M,journal_max_record=1M 'an eighth'
refused journal=/proc/none 'cannot be made'
for options in journal journal,sync=immediate journal,cache=none,sync=lazy; do
	try_power_cut "$options"
done
try_clean_and_killed
try_elsewhere
try_anothers
try_unordered
finish
