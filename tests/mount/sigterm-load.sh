#!/bin/bash
# SIGTERM under load: the daemon unmounts, everything that was written before is in BACKING, and
# it ends with status 0.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "there is no daemon to end"

acknowledged() { tr -d ' ' < "$1"; }
noted() { [ -s "$1" ] && [ "$(acknowledged "$1")" -ge "$2" ]; }

# try OPTIONS SIGNAL [as_user]
try()
{
	local options=$1 signal=$2 user=${3:-} written pid loads=()
	rm -rf --one-file-system "$BACKING" "$ASIDE"
	mkdir "$BACKING" "$ASIDE"
	[ -z "$user" ] || give_to_user
	mount_it "$options,log_level=info" "$user" || return
	background $user timeout 60 "$HELPERS/acklog" write "$MNT/log" "$ASIDE/log" 50
	loads+=("$CHILD")
	if [ -z "$user" ]; then
		background limit 60 "$HELPERS/hammer" "$MNT/noise" 8M 50 2 1 2> /dev/null
		loads+=("$CHILD")
		fd_start p
		fd p open 0 "$MNT/idle" rw,creat && fd p write 0 0 3000000 3 ||
			bad "$options: $ANSWER"
	fi
	within 30 noted "$ASIDE/log" 200 || bad "$options: nothing is written"
	written=$(acknowledged "$ASIDE/log")
	kill "-$signal" "$DAEMON"
	daemon_ended_well && pass "$options: $signal ends the daemon with status 0"
	for pid in "${loads[@]}"; do wait "$pid"; done
	check "$options: all $written records written before are in BACKING" \
		"$HELPERS/acklog" verify "$BACKING/log" "$written"
	equal "$options: nothing is mounted" "$(mounts_below "$MNT")" ""
	if [ -z "$user" ]; then
		check "$options: also of an idle program that has the file open" \
			holds "$BACKING/idle" 0 3000000 3
		fd_stop p
	fi
	grep -qi 'flush' "$WORK/daemon.log" && pass "$options: and says so" ||
		bad "$options: does not say that it flushed"
	: > "$WORK/daemon.log"
}

if is_root; then
	try sync=periodic,sync_interval=1000 TERM
	try sync=never INT
	try sync=lazy TERM
	try sync=immediate TERM
	try sync=periodic,cache=none TERM
	try sync=never,cache=through HUP
fi
if user_can_mount; then try sync=periodic,sync_interval=1000 TERM as_user; fi

# A signal while the daemon asks its own mount for the first time: it must not wait for an answer that
# nobody gives any more, or nothing can end it.
ended_and_gone() { ! kill -0 "$1" 2> /dev/null && ! is_mounted "$MNT"; }
[ -n "$MMAPFS_NATIVE" ] || for delay in 0.00{1..9} 0.01 0.0{12..40..4}; do
	"$MMAPFS" -f "$BACKING" "$MNT" 2>> "$WORK/at-once.log" &
	pid=$!
	sleep $delay
	kill -TERM $pid 2> /dev/null
	within 20 ended_and_gone $pid || {
		bad "SIGTERM $delay s after the start: it does not end"
		abort_connections
		break
	}
	wait $pid 2> /dev/null
done
pass "SIGTERM at once"
finish
