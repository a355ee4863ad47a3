#!/bin/bash
# What cannot be mounted is refused: one line on stderr that names what is wrong and the way out,
# exit status non-zero from the parent, nothing mounted, no process left.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "there is no daemon"

AS=     # as_user: the refused command is run by the ordinary user

# refused PATTERN COMMAND...: PATTERN (extended, any case) is what the line must say
refused()
{
	local pattern=$1 rc lines what
	shift
	what=${*//$WORK\//}
	what=${what##*mmapfs }
	$AS timeout -k 5 20 "$@" > "$WORK/out" 2> "$WORK/err"
	rc=$?
	if [ $rc -eq 0 ]; then
		bad "$what: exit status 0"
		umount -l "$MNT" 2> /dev/null || fusermount3 -uz "$MNT" 2> /dev/null
	elif [ $rc -ge 124 ]; then
		bad "$what: ended with $rc"
	fi
	lines=$(wc -l < "$WORK/err")
	if [ "$lines" -ne 1 ]; then
		bad "$what: $lines lines on stderr: $(cat "$WORK/err")"
	elif ! grep -q '^m[a-z.]*mmapfs: \|^mmapfs: ' "$WORK/err"; then
		bad "$what: the line does not begin with the program's name: $(cat "$WORK/err")"
	elif ! grep -qiE -- "$pattern" "$WORK/err"; then
		bad "$what: the line says nothing of '$pattern': $(cat "$WORK/err")"
	elif [ $rc -ne 0 ] && [ $rc -lt 124 ]; then
		pass "$what: $(cat "$WORK/err")"
	fi
	[ ! -s "$WORK/out" ] || bad "$what: output on stdout: $(cat "$WORK/out")"
	[ -z "$(mounts_below "$MNT")" ] || bad "$what: something is mounted"
	within 5 no_processes || bad "$what: a process is left: $(processes_of_work)"
}

option() { refused "$2" "$MMAPFS" -o "$1" "$BACKING" "$MNT"; }

# ------------------------------------------------------------------------------- options

# Each word that takes one of some: the refusal lists what it takes.
option sync=always 'immediate.*periodic.*lazy.*never'
option sync= 'immediate.*periodic.*lazy.*never'
option fsync=maybe 'honor.*defer'
option fsync 'fsync'
option cache=yes 'back.*through.*shared.*none'
option cache= 'back.*through.*shared.*none'
option io=read 'auto.*mmap.*pread'
option write=write 'auto.*mmap.*pwrite'
option preload=all 'none.*async.*populate'
option advice=willneed 'normal.*sequential.*random'
option log_level=loud 'error.*warning.*info.*debug'
option seccomp=maybe 'kill.*errno.*off'

# Each number: no number, out of range, a wrong unit, what does not fit.
for value in '' x -1 0 1e 5s nan; do option "sync_interval=$value" sync_interval; done
for value in '' x -1 0 1 512K 3M 2T 1025M 1MB 99999999999999999999; do
	option "window=$value" window
done
for value in '' x -5 1X 4K 99999999999999999999T; do option "map_limit=$value" map_limit; done
for value in '' x -1 1K4 99999999999999999999; do option "map_count=$value" map_count; done
for value in '' x -1 1Q; do option "readahead=$value" readahead; done
for value in '' x -1 0 100000000; do option "threads=$value" threads; done
for value in '' x -1 1001 5ms; do option "spin=$value" spin; done
for value in '' x -1; do
	option "attr_timeout=$value" attr_timeout
	option "entry_timeout=$value" entry_timeout
	option "negative_timeout=$value" negative_timeout
done
option map_limit=1M,window=4M 'map_limit|window'
option clone_fd=1 clone_fd

# Combinations that cannot be.
option sync=immediate,cache=back 'cache'
option cache=back,sync=immediate 'cache'

# Unknown ones, with the nearest right one; later issues' ones are not there yet.
option snyc=lazy "did you mean.*sync"
option chache=none "did you mean.*cache"
option widnow=4M "did you mean.*window"
option bogus 'bogus.*not known'
option sync=lazy,bogus=1 bogus
option bogus,bogus2 bogus
option mode=cow 'mode'
refused '.' "$MMAPFS" -o
refused 'x|option' "$MMAPFS" -x "$BACKING" "$MNT"
refused 'bogus|option' "$MMAPFS" --bogus "$BACKING" "$MNT"

# Right ones are not refused, whatever mount(8) adds.
for ok in defaults auto noauto nofail _netdev user users nouser owner group x-systemd.automount \
	x-any=1 comment=hello rw noatime nosuid,nodev,noexec sync_interval=0.5 window=1T threads=1 \
	attr_timeout=0.25 map_limit=64M,window=1M sync=lazy,sync=never clone_fd spin=0 spin=1000 \
	subtype=mine fsname=mine \
	preload=async advice=random log_level=debug map_count=64; do
	if limit 20 "$MMAPFS" -o "$ok" "$BACKING" "$MNT" 2> "$WORK/err"; then
		pass "-o $ok is taken"
		[ ! -s "$WORK/err" ] || bad "-o $ok: $(cat "$WORK/err")"
		fusermount3 -u "$MNT" || umount "$MNT"
		within 10 no_processes || bad "-o $ok: a process is left"
	else
		bad "-o $ok: $(cat "$WORK/err")"
	fi
done

# --------------------------------------------------------------------------- directories

refused 'usage|BACKING|-h' "$MMAPFS"
refused 'usage|MNT|mount|-h' "$MMAPFS" "$BACKING"
refused 'extra|usage|-h|too many|unexpected|argument' "$MMAPFS" "$BACKING" "$MNT" "$WORK/third"
refused 'none.*no such|none.*not exist|none.*missing' "$MMAPFS" "$WORK/none" "$MNT"
refused 'none.*no such|none.*not exist|none.*missing' "$MMAPFS" "$BACKING" "$WORK/none"
: > "$WORK/file"
refused 'file.*not a directory' "$MMAPFS" "$WORK/file" "$MNT"
refused 'file.*not a directory' "$MMAPFS" "$BACKING" "$WORK/file"
refused '.' "$MMAPFS" "" "$MNT"
refused '.' "$MMAPFS" "$BACKING" ""
mkdir "$BACKING/inside" "$MNT/inside"
refused 'inside|within|below|contain' "$MMAPFS" "$BACKING" "$BACKING/inside"
refused 'inside|within|below|contain' "$MMAPFS" "$MNT/inside" "$MNT"
refused 'both|same|inside|itself' "$MMAPFS" "$BACKING" "$BACKING"
ln -s "$BACKING/inside" "$WORK/link"
refused 'inside|within|below|contain' "$MMAPFS" "$BACKING" "$WORK/link"
rmdir "$BACKING/inside" "$MNT/inside"

mount_it sync=periodic && {
	limit 20 "$MMAPFS" "$BACKING" "$MNT" > "$WORK/out" 2> "$WORK/err"
	refute "a place in use: exit status" test $? -eq 0
	equal "a place in use: one line" "$(wc -l < "$WORK/err")" 1
	check "a place in use: $(cat "$WORK/err")" grep -qiE 'mounted|in use|busy' "$WORK/err"
	equal "a place in use: mounted once" "$(mounts_below "$MNT" | wc -l)" 1
	check "a place in use: the first one lives" test -r "$MNT/.mmapfs/stats"
	unmount_it
}

# ---------------------------------------------------------------- permission and device

# hidden COMMAND...: in a mount namespace of its own, where /dev/fuse is not there
hide_device='mount --bind "$1" /dev && shift && exec "$@"'
if is_root && command -v unshare > /dev/null; then
	mkdir "$WORK/dev"
	for node in null zero urandom tty; do cp -a /dev/$node "$WORK/dev/"; done
	refused '/dev/fuse.*modprobe|/dev/fuse.*load' \
		unshare -m bash -c "$hide_device" - "$WORK/dev" "$MMAPFS" "$BACKING" "$MNT"
	if user_can_mount; then
		AS=in_hidden
		in_hidden() { unshare -m bash -c "$hide_device" - "$WORK/dev" \
			"${AS_USER[@]}" "$@"; }
		AS_USER=(setpriv "--reuid=$TEST_USER" "--regid=$TEST_USER" --clear-groups)
		chown $TEST_USER "$BACKING" "$MNT"
		refused '/dev/fuse' "$MMAPFS" "$BACKING" "$MNT"
		chown 0 "$BACKING" "$MNT"
		AS=
	fi
else
	say "        without /dev/fuse: needs root and unshare"
fi

if user_can_mount; then
	AS=as_user
	if is_root; then
		refused 'permission|write access|owner|not permitted|not allowed' \
			"$MMAPFS" "$BACKING" "$MNT"
		mkdir -m 700 "$WORK/closed"
		chown $TEST_USER "$MNT"
		refused 'closed.*permission' "$MMAPFS" "$WORK/closed" "$MNT"
	fi
	give_to_user
	if ! grep -q '^[[:space:]]*user_allow_other' /etc/fuse.conf 2> /dev/null; then
		refused 'user_allow_other.*/etc/fuse.conf|/etc/fuse.conf.*user_allow_other' \
			"$MMAPFS" -o allow_other "$BACKING" "$MNT"
		refused 'user_allow_other.*/etc/fuse.conf|/etc/fuse.conf.*user_allow_other' \
			"$MMAPFS" -o allow_root "$BACKING" "$MNT"
	fi
	AS=
fi
finish
