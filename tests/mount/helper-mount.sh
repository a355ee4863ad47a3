#!/bin/bash
# mount(8) mounts it: -t mmapfs through mount.mmapfs, -t fuse.mmapfs, and from an fstab, as root
# and as an ordinary user, with what mount adds to the options; umount ends the daemon.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"

# The machine's /usr/sbin, /usr/bin and /etc stay as they are: in a mount namespace of its own,
# overlays take their places.
if [ "${MMAPFS_TEST_INSIDE:-}" != 1 ] && unshare -m --propagation private true 2> /dev/null; then
	MMAPFS_TEST_INSIDE=1 exec unshare -m --propagation private "$BASH" "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
require_root
require mount.fuse3
[ "${MMAPFS_TEST_INSIDE:-}" = 1 ] || skip "needs unshare -m"
[ -z "$MMAPFS_NATIVE" ] || skip "there is no daemon"

SBIN=$(readlink -f /sbin)
BIN=$(readlink -f /usr/bin)

mkdir "$WORK/layers"
mount -t tmpfs tmpfs "$WORK/layers"
for dir in "$SBIN" "$BIN" /etc; do
	mkdir -p "$WORK/layers$dir/upper" "$WORK/layers$dir/work"
	options=lowerdir=$dir,upperdir=$WORK/layers$dir/upper,workdir=$WORK/layers$dir/work
	mount -t overlay overlay -o "$options" "$dir" || skip "no overlay file systems here"
done
install -m 755 "$MMAPFS" "$BIN/mmapfs"
ln -s -f -r "$BIN/mmapfs" "$SBIN/mount.mmapfs"

type_of() { awk -v p="$MNT" '$2 == p { print $3 }' /proc/mounts; }
options_of() { awk -v p="$MNT" '$2 == p { print "," $4 "," }' /proc/mounts; }
has_option() { case $(options_of) in *,"$1",*) return 0 ;; *) return 1 ;; esac; }

# used WHAT: mounted and used, by the user of the mount
used()
{
	check "$1: a file is written" $AS cp /etc/passwd "$MNT/file"
	check "$1: and read" $AS cmp /etc/passwd "$MNT/file"
	equal "$1: type" "$(type_of)" fuse.mmapfs
	DAEMON_USER=$AS
	check "$1: is served by the daemon" stat_at_least requests 1
}

gone()
{
	check "$1: umount" $AS timeout 30 umount "$MNT"
	equal "$1: nothing is mounted" "$(mounts_below "$MNT")" ""
	check "$1: the daemon ends" within 20 no_processes
	check "$1: BACKING has the file" cmp /etc/passwd "$BACKING/file"
	$AS rm "$BACKING/file"
}

fstab() { printf '%s %s %s %s 0 0\n' "$BACKING" "$MNT" "$1" "$2" > /etc/fstab; }

AS=

for type in mmapfs fuse.mmapfs; do
	check "mount -t $type" quiet limit 20 mount -t $type "$BACKING" "$MNT"
	used "mount -t $type"
	gone "mount -t $type"

	check "mount -t $type -o" quiet limit 20 \
		mount -t $type -o sync=lazy,cache=through,nosuid,noatime "$BACKING" "$MNT"
	used "mount -t $type -o"
	check "mount -t $type -o: nosuid" has_option nosuid
	check "mount -t $type -o: sync=lazy is in force" \
		grep -q '"sync": *"lazy"' "$MNT/.mmapfs/status"
	check "mount -t $type -o: a write waits for nothing but close" stat_at_least sync.files 1
	gone "mount -t $type -o"

	check "mount -t $type -r" quiet limit 20 mount -r -t $type "$BACKING" "$MNT"
	refute "mount -t $type -r: nothing is written" touch "$MNT/new" 2> /dev/null
	refute "mount -t $type -r: nothing is written" test -e "$BACKING/new"
	check "mount -t $type -r: umount" limit 20 umount "$MNT"
	within 20 no_processes || bad "mount -t $type -r: a process is left"

	refute "mount -t $type -o bogus" limit 20 mount -t $type -o bogus=1 "$BACKING" "$MNT" \
		2> "$WORK/err"
	check "mount -t $type -o bogus: $(head -n 1 "$WORK/err")" grep -q bogus "$WORK/err"
	equal "mount -t $type -o bogus: nothing is mounted" "$(mounts_below "$MNT")" ""

	options=defaults,noauto,nofail,_netdev,x-systemd.requires=/,comment=here
	fstab $type $options,sync=periodic,sync_interval=2
	check "fstab, $type" quiet limit 20 mount "$MNT"
	used "fstab, $type"
	check "fstab, $type: sync_interval is in force" \
		grep -q 'sync_interval.*\<2\>' "$MNT/.mmapfs/status"
	gone "fstab, $type"

	fstab $type allow_other,nodev,sync=never
	check "fstab, $type, mount -a" quiet limit 20 mount -a -t $type
	used "fstab, $type, mount -a"
	check "fstab, $type, allow_other: another user reads" as_user cmp /etc/passwd "$MNT/file"
	gone "fstab, $type, mount -a"
done

check "mount -f mounts nothing" quiet limit 20 mount -f -t mmapfs "$BACKING" "$MNT"
equal "mount -f mounts nothing" "$(type_of)" ""
no_processes || bad "mount -f: a process is left"

if user_can_mount && [ -u "$(command -v mount)" ]; then
	give_to_user
	AS=as_user
	for type in mmapfs fuse.mmapfs; do
		fstab $type user,noauto,sync=lazy
		check "fstab, $type, user" quiet as_user timeout 20 mount "$MNT"
		used "fstab, $type, user"
		check "fstab, $type, user: nosuid" has_option nosuid
		equal "fstab, $type, user: the daemon is the user's" \
			"$(ps -o uid= -p "$(processes_of_work | head -n 1)" | tr -d ' ')" $TEST_USER
		gone "fstab, $type, user"
	done
fi
finish
