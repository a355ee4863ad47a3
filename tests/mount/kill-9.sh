#!/bin/bash
# The daemon is killed with -9 while programs write: BACKING has what fsync and O_SYNC acknowledged,
# the dead mount is detached, mounting over it just works, and nothing is left over.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "there is no daemon to kill"

acknowledged() { tr -d ' ' < "$1"; }
noted() { [ -s "$1" ] && [ "$(acknowledged "$1")" -ge "$2" ]; }

kill_daemon()
{
	kill -KILL "$DAEMON"
	wait "$DAEMON" 2> /dev/null
}

load()
{
	background limit 60 "$HELPERS/acklog" fsync "$MNT/by-fsync" "$ASIDE/fsync" 50
	LOAD=("$CHILD")
	background limit 60 "$HELPERS/acklog" fsync "$MNT/by-flag" "$ASIDE/flag" 50 sync
	LOAD+=("$CHILD")
	if command -v fio > /dev/null; then
		background limit 60 fio --name=noise --directory="$MNT" --rw=randwrite \
			--size=20M --bs=4k --time_based --runtime=50 \
			--output="$WORK/fio.out" --verify_state_save=0 2> /dev/null
		LOAD+=("$CHILD")
	fi
	within 30 noted "$ASIDE/fsync" 20 && within 30 noted "$ASIDE/flag" 20
}

verify()
{
	check "$1: what fsync acknowledged is in BACKING" \
		"$HELPERS/acklog" verify "$BACKING/by-fsync" \
		"$(acknowledged "$ASIDE/fsync")"
	check "$1: what O_SYNC acknowledged is in BACKING" \
		"$HELPERS/acklog" verify "$BACKING/by-flag" \
		"$(acknowledged "$ASIDE/flag")"
}

try()
{
	local options=$1 again=$2 pid
	rm -rf --one-file-system "$BACKING" "$ASIDE"
	mkdir "$BACKING" "$ASIDE"
	mount_it "$options" || return
	load || bad "$options: nothing is acknowledged"
	kill_daemon
	for pid in "${LOAD[@]}"; do wait "$pid"; done
	verify "$options"
	refute "$options: the dead mount does not answer" stat "$MNT/." 2> /dev/null
	if [ "$again" = detach ]; then
		check "$options: the dead mount is detached" umount -l "$MNT"
	else
		say "        mounting over the dead mount"
	fi
	mount_it "$options" || return
	check "$options: mounted again" test -f "$MNT/by-fsync"
	check "$options: the same is read through it" "$HELPERS/acklog" verify "$MNT/by-fsync" \
		"$(acknowledged "$ASIDE/fsync")"
	equal "$options: mounted once" "$(mounts_below "$MNT" | wc -l)" 1
	check "$options: is written again" cp /etc/passwd "$MNT/new"
	unmount_it
	check "$options: BACKING has it" cmp /etc/passwd "$BACKING/new"
	equal "$options: nothing is mounted any more" "$(mounts_below "$MNT")" ""
}

is_root && {
	try sync=periodic detach
	try sync=never,cache=through over
	try sync=immediate over
	try sync=lazy,cache=none detach
}

# An ordinary user's dead mount, mounted over by the same user.
if user_can_mount; then
	rm -rf --one-file-system "$BACKING"
	mkdir "$BACKING"
	give_to_user
	mount_it sync=periodic as_user
	as_user cp /etc/passwd "$MNT/old"
	kill_daemon
	mount_it sync=periodic as_user && {
		check "ordinary user: mounted over the dead mount" as_user test -f "$MNT/old"
		unmount_it
	}
	equal "ordinary user: nothing is mounted any more" "$(mounts_below "$MNT")" ""
fi
finish
