#!/bin/bash
# BACKING's file is cut and extended by another process while it is read and written through the
# mount, also through mappings: the daemon lives, no byte is stale, and when all is quiet the mount
# shows what BACKING holds.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

SIZE=4M
SEED=${MMAPFS_TEST_SEED:-$RANDOM}
say "        seed $SEED (MMAPFS_TEST_SEED)"

cut_and_extend()
{
	while kill -0 "$1" 2> /dev/null; do
		truncate -s $((RANDOM * 100)) "$BACKING/f"
		truncate -s $SIZE "$BACKING/f"
		truncate -s 0 "$BACKING/f"
		truncate -s $SIZE "$BACKING/f"
	done
}

same() { cmp -s "$BACKING/f" "$MNT/f"; }

try()
{
	local options=$1 map=$2 load rc
	: > "$BACKING/f"
	truncate -s $SIZE "$BACKING/f"
	mount_it "$options" || return
	background limit 60 "$HELPERS/hammer" "$MNT/f" $SIZE 2 4 "$SEED" $map > "$WORK/hammer"
	load=$CHILD
	cut_and_extend "$load"
	wait "$load"
	rc=$?
	equal "$options${map:+ with a mapping}: reads and writes neither fail nor lie" $rc 0
	say "        $(cat "$WORK/hammer")"
	check "$options: daemon lives" daemon_lives
	check "$options: mount answers" test -f "$MNT/f"
	# Caches of attributes live a second.
	sleep 1.2
	check "$options: shows what BACKING holds" within 5 same
	head -c 100000 /dev/urandom > "$BACKING/f"
	sleep 1.2
	check "$options: shows a file written anew beneath" within 5 same
	truncate -s 5000 "$BACKING/f"
	sleep 1.2
	check "$options: shows a file cut beneath" within 5 same
	check "$options: is written through the mount" cp /etc/passwd "$MNT/f"
	unmount_it
	check "$options: BACKING has it" cmp /etc/passwd "$BACKING/f"
	rm "$BACKING/f"
}

# With the write-back cache too: what is changed while the file is open may show late, but shows
# when it has been closed.
for options in sync=periodic,sync_interval=1,cache=shared sync=immediate \
	sync=periodic,cache=through sync=lazy,cache=none sync=periodic,cache=shared,write=mmap \
	sync=periodic,sync_interval=1,cache=back sync=never,cache=back; do
	try "$options,io=mmap,window=1M" ""
done
for options in cache=shared cache=back; do
	try "sync=periodic,$options,io=mmap" map
done
finish
