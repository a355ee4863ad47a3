#!/bin/bash
# Power failures in short: the main promises hold on ext4, and daemons that lie are caught
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "crash.sh has rows of its own for the bare file system"

try() # NAME OPTIONS WORKLOAD [KEY=VALUE]...
{
	local name=$1
	shift
	record "$name" ext4 "$@" seconds=1 && holds_promises "$name" 20
	forget_recording "$name"
}

# lie WHAT: caught by an fsync, and by sync=immediate
lie()
{
	SABOTAGE=$1
	record "lies-$1" ext4 sync=periodic replace threads=4 ack=fsync steps=200 &&
		breaks_promises "lies-$1" 20
	record "lies-$1-immediate" ext4 sync=immediate churn ack=write steps=100 &&
		breaks_promises "lies-$1-immediate" 20
	SABOTAGE=
}

# The log and BACKING are on two disks: what is flushed of one is not of the other.
lie_apart()
{
	RECUT=0 SABOTAGE=$1
	record "lies-apart-$1" ext4 sync=periodic,sync_interval=0.2 mix threads=4 ack=fsync &&
		breaks_promises "lies-apart-$1" 30
	SABOTAGE=
}

crash_start
if can_lie; then
	lie all
	lie dirs
fi
# The file system by itself: what is found here is an error of the bench.
RECUT=4
try native native mix threads=4 ack=fsync
RECUT=0
try append sync=periodic append threads=16 ack=fsync
try overwrite sync=periodic overwrite threads=2 ack=fdatasync
try msync sync=periodic overwrite threads=2 ack=msync steps=200
try mix sync=periodic mix threads=4 ack=fsync
try mix-none sync=periodic,cache=none mix threads=4 ack=fsync
try immediate sync=immediate mix threads=4 ack=write steps=200
try lazy sync=lazy mix threads=4 ack=close steps=200
try control sync=never,cache=through mix threads=4 ack=control steps=100
try time sync=periodic,sync_interval=0.1 append threads=4 ack=time window=1000
if has_sqlite; then
	try sqlite-wal sync=periodic sqlite journal=wal sync=full steps=100
	try sqlite-delete sync=periodic sqlite journal=delete sync=extra steps=60
fi
if has_journal; then
	use_journal journal,journal_size=8M
	RECUT=3
	try journal-append sync=periodic append threads=16 ack=fsync
	try journal-mix sync=periodic mix threads=4 ack=fsync
	try journal-immediate sync=immediate mix threads=4 ack=write
	use_journal journal=APART,journal_size=8M
	try apart-mix sync=periodic,sync_interval=0.3 mix threads=4 ack=fsync
	try apart-immediate sync=immediate mix threads=4 ack=write steps=200
	! can_lie > /dev/null || lie_apart syncfs
	lie_apart barriers
fi
say "$IMAGES_ALL images, $PROMISES_ALL promises checked, $BROKEN_ALL broken, in $SECONDS s"
finish
