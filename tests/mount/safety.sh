#!/bin/bash
# As root with allow_other: a user who owns part of BACKING, and swaps directories, files and
# symlinks there and on the mount, makes the daemon neither touch what is outside nor hand out what
# modes forbid. Names that are odd are served, and mount flags of BACKING hold.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
require_root
require setpriv setfattr getfattr
[ -z "$MMAPFS_NATIVE" ] || skip "there is no daemon"
: "${RACE_SECONDS:=5}"

# ------------------------------------------------------------------------------ nothing outside

# What the symlinks lead to: names that are used inside, of all kinds and modes.
make_outside()
{
	local i
	mkdir -p "$1"/d0 "$1"/d1 "$1"/d2
	for i in 0 1 2; do
		echo "SECRET $i" > "$1/f$i"
		echo "SECRET d$i" > "$1/d$i/f0"
		mkdir "$1/d$i/d1"
		ln -s "$1/f$i" "$1/l$i"
	done
	chmod 4755 "$1/f0"
	chmod 600 "$1/f1"
	chown 1:2 "$1/f2"
	setfattr -n user.kept -v yes "$1/f1"
	chmod 1777 "$1/d2"
	# Older than mtime, so that a read moves it (relatime).
	find "$1" -exec touch -h -a -d 2001-01-01 {} +
	find "$1" -depth -exec touch -h -m -d 2002-02-02 {} +
}

# ctime too: no change passes unseen. Contents last, since reading moves atime.
look_outside()
{
	find "$1" -type f -printf '%p %y %m %U:%G %n %s %A@ %T@ %C@\n' | sort
	find "$1" ! -type f -printf '%p %y %m %U:%G %n %T@ %C@ %l\n' | sort
	getfattr -hdR --absolute-names -m - "$1" 2> /dev/null
}

sums_outside() { find "$1" -type f -exec sha256sum {} + | sort; }

# race NAME DIR: DIR, beneath BACKING, is the hostile user's; the same path on the mount is used
race()
{
	local what=$1 beneath=$BACKING/$2 mnt=$MNT/$2 outside=$ASIDE/$1 pids=() i pid
	mkdir -p "$beneath"
	chown $TEST_USER "$beneath"
	chmod 777 "$beneath"
	make_outside "$outside"
	chmod 777 "$outside" # he may go there, and so may links
	sums_outside "$outside" > "$WORK/$what.sums"
	find "$outside" -type f -exec touch -h -a -d 2001-01-01 {} +
	look_outside "$outside" > "$WORK/$what.before"
	as_user_exec "$HELPERS/racer" attack "$beneath" "$outside" "$RACE_SECONDS" 1 > "$WORK/a1" &
	as_user_exec "$HELPERS/racer" attack "$mnt" "$outside" "$RACE_SECONDS" 2 > "$WORK/a2" &
	pids=($!)
	for i in 3 4; do
		"$HELPERS/racer" work "$mnt" "$RACE_SECONDS" $i SECRET > "$WORK/w$i" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || bad "$what: $(cat "$WORK"/a2 "$WORK"/w[34])"
	done
	within 10 test -s "$WORK/a1"
	for i in a1 a2 w3 w4; do
		check "$what: $i did things: $(tail -n 1 "$WORK/$i")" \
			test "$(tail -n 1 "$WORK/$i")" -gt 200
	done
	look_outside "$outside" > "$WORK/$what.after"
	check "$what: nothing outside was touched" \
		diff "$WORK/$what.before" "$WORK/$what.after"
	sums_outside "$outside" > "$WORK/$what.sums.after"
	check "$what: nor changed" diff "$WORK/$what.sums" "$WORK/$what.sums.after"
	check "$what: the daemon lives" daemon_lives
	find "$beneath" -mindepth 1 -delete
}

# ------------------------------------------------------------------------- what modes forbid

# Another makes the name, beneath, between the kernel's look and the create.
race_create()
{
	local pid
	mkdir "$BACKING/box"
	echo SECRET > "$BACKING/box/secret"
	chmod 600 "$BACKING/box/secret"
	chown $TEST_USER "$BACKING/box"
	as_user_exec "$HELPERS/racer" swap "$BACKING/box" "$RACE_SECONDS" > "$WORK/swap" &
	pid=$!
	as_user "$HELPERS/racer" create "$MNT/box" "$RACE_SECONDS" SECRET > "$WORK/create"
	equal "create opens nobody else's file" $? 0
	wait $pid
	check "both did things: $(cat "$WORK/swap") $(cat "$WORK/create" | tr '\n' ' ')" \
		test "$(cat "$WORK/swap")" -gt 200 -a "$(tail -n 1 "$WORK/create")" -gt 0
	rm -rf "$BACKING/box"
}

user_reads() { as_user timeout 10 cat "$@" > "$WORK/read.out" 2> /dev/null; }

forbidden()
{
	echo SECRET > "$MNT/private"
	chmod 600 "$MNT/private"
	mkdir -m 700 "$MNT/closed"
	echo SECRET > "$MNT/closed/file"
	mkdir -m 777 "$MNT/open"
	cat "$MNT/private" "$MNT/closed/file" > /dev/null # now the kernel has the pages
	refute "cached pages are not for all" user_reads "$MNT/private"
	refute "nor those of a closed directory" user_reads "$MNT/closed/file"
	echo hers > "$MNT/open/f"
	chmod 666 "$MNT/open/f"
	check "what is open is read" user_reads "$MNT/open/f"
	chmod 600 "$MNT/open/f"
	refute "and not once it is closed" user_reads "$MNT/open/f"
	chmod 644 "$MNT/open/f"
	check "and again" user_reads "$MNT/open/f"
	chmod 600 "$BACKING/open/f"
	check "closed beneath: soon it is not read" within 5 closed_to_user "$MNT/open/f"
	# A descriptor that came by without a right to the contents gives none.
	exec {held}< "$MNT/closed"
	refute "/proc/self/fd of a closed directory" \
		as_user timeout 10 cat "/proc/self/fd/$held/file" 2> /dev/null
	exec {held}<&-
	refute "a file opened for writing is not reopened for reading" \
		as_user timeout 10 bash -c 'exec 3> "$1"; chmod 200 "$1"; echo SECRET >&3
			cat /proc/self/fd/3' - "$MNT/open/own" 2> /dev/null
	# Hard links: root's own, into a directory of the user's.
	ln "$MNT/private" "$MNT/open/link"
	refute "a hard link has the same mode" user_reads "$MNT/open/link"
	refute "directly, the daemon's descriptors are not the user's" \
		as_user timeout 10 ls "/proc/$DAEMON/fd" 2> /dev/null
	refute "no extended attribute is set by who may not write" \
		as_user setfattr -n user.x -v y "$MNT/private" 2> /dev/null
	refute "trusted ones are not seen" bash -c 'setfattr -n trusted.s -v v "$1" &&
		setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
			getfattr -n trusted.s "$1"' - "$MNT/private" 2> /dev/null
}

closed_to_user() { ! user_reads "$1"; }

# ------------------------------------------------------------------------------------ odd names

odd_names()
{
	local long name names=() dir=$BACKING/odd
	long=$(printf '%0255d' 7)
	names=($'new\nline' $'\n' $'tab\t' ' ' '-rf' '*' '...' '. ' '\' $'\xff\xfe' $'\e[2J' "$long"
		'%s%n' ',escaped\,' $'\x01' '.mmapfs' '.mmapfs ' $'caf\xc3\xa9')
	mkdir "$dir"
	for name in "${names[@]}"; do
		printf '%s' "$name" > "$dir/$name"
	done
	check "odd names are listed" \
		cmp <(cd "$dir" && printf '%s\0' * | sort -z) <(cd "$MNT/odd" && printf '%s\0' * | sort -z)
	equal "all of them" "$(find "$MNT/odd" -type f -printf x | wc -c)" ${#names[@]}
	for name in "${names[@]}"; do
		printf '%s' "$name" | cmp -s - "$MNT/odd/$name" || bad "read: $(printf %q "$name")"
		mv "$MNT/odd/$name" "$MNT/odd/moved" && mv "$MNT/odd/moved" "$MNT/odd/$name" ||
			bad "rename: $(printf %q "$name")"
		rm "$MNT/odd/$name" || bad "remove: $(printf %q "$name")"
	done
	equal "and all are gone" "$(find "$dir" -mindepth 1 | wc -l)" 0
	refute "a name of 256 bytes" touch "$MNT/odd/${long}8" 2> /dev/null
}

# -------------------------------------------------------------------------------------------

try()
{
	mount_it "allow_other,$1" || return
	race "${2}-plain" hostile
	# Another file system beneath: found by names, not by handles.
	mkdir -p "$BACKING/sub"
	mount -t tmpfs none "$BACKING/sub" && chmod 755 "$BACKING/sub"
	race "${2}-by-name" sub/hostile
	race_create
	umount -l "$BACKING/sub"
	rmdir "$MNT"/sub 2> /dev/null
	unmount_it
}

# So few descriptors that ways are walked again and again.
DAEMON_PREFIX=(prlimit --nofile=128)
try cache=back back
RACE_SECONDS=3
try cache=none,watch=off none
# shellcheck disable=SC2034 # lib.sh uses it
DAEMON_PREFIX=()
mount_it allow_other || finish
forbidden
odd_names
unmount_it
finish
