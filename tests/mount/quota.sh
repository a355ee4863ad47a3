#!/bin/bash
# On a root mount what a user makes is charged to that user and group, as natively, and EDQUOT
# reaches the program from write, fsync or close: by users and groups where the kernel has quotas of
# ext4 or xfs, and by subvolume on btrfs, which has them everywhere.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

require_root
require setpriv mkfs.btrfs btrfs mkfs.ext4 mkfs.xfs
[ -z "$MMAPFS_NATIVE" ] || skip "compares with the native directory by itself"

# as ID COMMAND...: as the user and the group of that number
as() { setpriv --reuid="$1" --regid="$1" --clear-groups --inh-caps=-all -- "${@:2}"; }

quota() { "$HELPERS/quota" "$LOOP" "$@"; }

# image TYPE SIZE MKFS-OPTION...: a new file system on a loop device, in $LOOP
image()
{
	local file=$WORK/image.$1
	truncate -s "$2" "$file"
	quiet "mkfs.$1" -q "${@:3}" "$file" || die "no $1"
	LOOP=$(losetup -f --show "$file") || skip "needs a loop device"
	LOOPS+=("$LOOP")
}

# over WHAT COMMAND...: the command fails, and says that the quota is exceeded
over()
{
	refute "$1" "${@:2}" > /dev/null 2> "$WORK/err"
	check "$1: EDQUOT" grep -qi 'quota exceeded' "$WORK/err" ||
		sed 's/^/        /' "$WORK/err"
}

put() { dd if=/dev/zero of="$1" bs=64k count="$2" conv=fsync status=none; }

# ------------------------------------------------------------------------- by user and group

# made_by ID DIR: things of each kind, 9 MiB or so, by a user in a directory of all. $STORE: map, or
# write where the mount cannot be mapped.
made_by()
{
	local dir=$2
	as "$1" bash -c '
		cd "$1" && umask 022
		dd if=/dev/zero of=written bs=100k count=30 status=none
		fallocate -l 2M allocated
		cp --sparse=never written copied
		mkdir dir dir/below && ln written dir/hard && ln -s written sym && mkfifo fifo
		truncate -s 1M cut && : > cut
		printf "%s\n" "open 0 stored rw,creat" "truncate 0 1048576" "$3 0 0 1048576 7" \
			"store 0 0 1048576 7" "msync 0 sync" "fsync 0" | "$2" > /dev/null
		' - "$dir" "$HELPERS/fdsh" "$STORE"
}

# By root, and so from nobody's quota to somebody's.
made_for()
{
	dd if=/dev/zero of="$2/roots" bs=100k count=5 status=none
	chown "$1:$1" "$2/roots"
	dd if=/dev/zero of="$2/written" bs=100k count=5 seek=30 conv=notrunc status=none
	chgrp "$(($1 + 1))" "$2/copied"
}

# near A B: the same files, and blocks but for those of extent trees
near()
{
	local a b
	read -ra a <<< "$1"
	read -ra b <<< "$2"
	[ "${a[1]}" = "${b[1]}" ] && [ $((a[0] - b[0])) -le 200 ] && [ $((b[0] - a[0])) -le 200 ]
}

charged()
{
	local what=$1 native=$2 mount=$3 kind id
	mkdir -m 777 "$BACKING/native"
	mkdir -m 777 "$MNT/made"
	made_by "$native" "$BACKING/native"
	made_for "$native" "$BACKING/native"
	made_by "$mount" "$MNT/made"
	made_for "$mount" "$MNT/made"
	echo sync > "$MNT/.mmapfs/control"
	for kind in u g; do
		for id in 0 1; do
			local wanted got
			wanted=$(quota $kind $((native + id)))
			got=$(quota $kind $((mount + id)))
			check "$what: charged to $kind $id: $got, natively $wanted" near "$got" "$wanted"
		done
	done
	check "$what: it is something" test "$(quota u "$mount" | cut -d ' ' -f 1)" -gt 8000
	rm -rf "$BACKING/native" "$MNT/made"
	echo sync > "$MNT/.mmapfs/control"
	equal "$what: given back" "$(quota u "$mount")" "$(quota u "$native")"
}

limited()
{
	local what=$1 id=$2 used
	mkdir -m 777 "$MNT/made"
	as "$id" mkdir "$MNT/made/own"
	quota u "$id" limit 4096 6
	check "$what: below the limit" as "$id" bash -c "$(declare -f put); put $MNT/made/own/a 16"
	over "$what: over it" as "$id" bash -c "$(declare -f put); put $MNT/made/own/b 128"
	used=$(quota u "$id" | cut -d ' ' -f 1)
	check "$what: no more than the limit: $used" test "$used" -le 4096
	over "$what: fallocate" as "$id" fallocate -l 8M "$MNT/made/own/c"
	over "$what: another's open file stays limited" bash -c "
		exec 3<> $MNT/made/own/a && $(declare -f as) &&
		as $id dd if=/dev/zero bs=64k count=128 conv=fsync status=none >&3"
	rm -f "$MNT"/made/own/*
	quota u "$id" limit 0 3
	check "$what: the last name" as "$id" mkdir "$MNT/made/own/d" "$MNT/made/own/e"
	over "$what: too many files" as "$id" touch "$MNT/made/own/f"
	over "$what: too many directories" as "$id" mkdir "$MNT/made/own/f"
	over "$what: too many symlinks" as "$id" ln -s x "$MNT/made/own/f"
	check "$what: another user has room" as $((id + 100)) \
		bash -c "$(declare -f put); put $MNT/made/other 128"
	rm -rf "$MNT/made"
	check "$what: daemon lives" daemon_lives
}

by_user()
{
	local type=$1 id=20000
	mount -t "$type" -o "$2usrquota,grpquota" "$LOOP" "$BACKING" 2> "$WORK/err" || {
		say "--      this kernel has no quotas of $type: not tried"
		return
	}
	quota u on
	quota g on
	for cache in back through shared none; do
		STORE=map
		[ $cache != none ] || STORE="write"
		mount_it "allow_other,sync=never,cache=$cache" || die "no mount"
		charged "$type, $cache" $id $((id + 10))
		limited "$type, $cache" $((id + 20))
		unmount_it
		id=$((id + 1000))
	done
	umount "$BACKING"
}

image ext4 300M -O quota -E quotatype=usrquota:grpquota
by_user ext4 ""
image xfs 400M
by_user xfs allocsize=4k, # no more than is written

# -------------------------------------------------------------------------- by subvolume

image btrfs 400M
mount "$LOOP" "$ASIDE" || die "no btrfs"
quiet btrfs subvolume create "$ASIDE/sub" && quiet btrfs quota enable "$ASIDE" &&
	quiet btrfs qgroup limit 16M "$ASIDE/sub" || die "no qgroup"
mount --bind "$ASIDE/sub" "$BACKING"
chmod 777 "$BACKING"
for options in cache=back cache=through cache=shared cache=none sync=immediate; do
	for user in "" as_user; do
		what="btrfs, $options${user:+, a user}"
		rm -f "$BACKING"/*
		btrfs filesystem sync "$ASIDE" > /dev/null
		over "$what: natively" $user dd if=/dev/zero of="$BACKING/native" bs=64k count=512 \
			conv=fsync status=none
		rm "$BACKING/native"
		btrfs filesystem sync "$ASIDE" > /dev/null
		mount_it "allow_other,$options" || die "no mount"
		over "$what: on the mount" $user dd if=/dev/zero of="$MNT/f" bs=64k count=512 \
			conv=fsync status=none
		rm "$MNT/f"
		btrfs filesystem sync "$ASIDE" > /dev/null
		check "$what: room again" $user dd if=/dev/zero of="$MNT/f" bs=64k count=32 \
			conv=fsync status=none
		rm "$MNT/f"
		check "$what: daemon lives" daemon_lives
		unmount_it
	done
done
umount "$BACKING" "$ASIDE"
finish
