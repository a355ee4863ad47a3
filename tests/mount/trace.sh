# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced after lib.sh by the tests of durability: what the daemon asks of the kernel, seen by
# strace, which is no part of the daemon and has no reason to flatter it.

TRACE_CALLS=fsync,fdatasync,syncfs,pwritev2

TRACER=

trace_start()
{
	: > "$WORK/trace"
	strace -f -y -q -o "$WORK/trace" -e trace=$TRACE_CALLS -p "$DAEMON" 2> "$WORK/strace.log" &
	TRACER=$!
	within 10 traced || die "strace does not attach: $(cat "$WORK/strace.log")"
}

# All threads, not only the first.
traced()
{
	local status
	for status in /proc/"$DAEMON"/task/*/status; do
		grep -q '^TracerPid:[[:space:]]*[1-9]' "$status" || return 1
	done
}

trace_stop()
{
	kill -INT "$TRACER"
	wait "$TRACER"
} 2> /dev/null

# syncs_of PATH: successful calls so far that made the file or directory PATH of BACKING durable:
# of itself, or of the whole file system.
syncs_of()
{
	awk -v path="<$1>" -v backing="<$BACKING" '
		/<unfinished \.\.\.>$/ { begun[$1] = $0; next }
		/ resumed>/ { $0 = begun[$1] " " $0 }
		!/ = 0$/ && !/ = [0-9]+$/ { next }
		/ (fsync|fdatasync)\(/ && index($0, path) { n++ }
		/ pwritev2\(/ && /RWF_D?SYNC/ && index($0, path) { n++ }
		/ syncfs\(/ && index($0, backing) { n++ }
		END { print n + 0 }' "$WORK/trace"
}

# mark NAME, then synced NAME: whether it was made durable in between
declare -A MARK
mark() { MARK[$1]=$(syncs_of "$BACKING/$1"); }
synced() { [ "$(syncs_of "$BACKING/$1")" -gt "${MARK[$1]}" ]; }

# durable NAME OFFSET LEN SEED: the data are in BACKING, and were synced since mark
durable()
{
	holds "$BACKING/$1" "$2" "$3" "$4" && synced "$1"
}
