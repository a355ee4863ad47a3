#!/bin/bash
# A sparse file of 8 TiB in windows of 1 MiB and 64 MiB of mappings: random reads and writes all
# over it are right by one thread and by eight that evict each other's chunks, and the daemon's
# mapped bytes and private memory stay within what stats report as limits.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

SIZE=8T SLOTS=150 OPS=1500
SEED=${MMAPFS_TEST_SEED:-$RANDOM}
say "        seed $SEED (MMAPFS_TEST_SEED)"

if ! truncate -s $SIZE "$BACKING/probe" 2> /dev/null; then
	skip "the file system of $WORK takes no file of $SIZE"
fi
rm "$BACKING/probe"

# Memory of the daemon that is no page of BACKING.
anonymous_bytes() { awk '/^Pss_Anon:/ { print $2 * 1024 }' "/proc/$DAEMON/smaps_rollup"; }

# Bytes of address space that map files of BACKING, by the kernel's list and not by the daemon's.
mapped_bytes()
{
	awk -v dir="$BACKING/" '
		function hex(s, i, v) {
			for (i = 1; i <= length(s); i++)
				v = v * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
			return v
		}
		index($0, dir) { split($1, a, "-"); n += hex(a[2]) - hex(a[1]) }
		END { printf "%.0f\n", n }' "/proc/$DAEMON/maps"
}

# Straight from the mapping, or copied from it.
mapped_at_least() { [ $(($(stat_of read.mapped) + $(stat_of read.copied))) -ge "$1" ]; }

# Looks while the load runs, since what counts is the highest.
watch_limits()
{
	local n most=0 anon=0
	while kill -0 "$1" 2> /dev/null; do
		n=$(mapped_bytes) && [ "$n" -gt "$most" ] && most=$n
		n=$(anonymous_bytes) && [ "$n" -gt "$anon" ] && anon=$n
		sleep 0.2
	done
	echo "$most $anon" > "$WORK/watched"
}

try()
{
	local options=$1 threads=$2 direct=$3 limit=$((64 << 20)) before load rc most anon
	options+=",window=1M,map_limit=64M,io=mmap"
	mount_it "$options" || return
	if [ -z "$MMAPFS_NATIVE" ]; then
		equal "$options: the limit in force" "$(stat_of chunk.map_limit_bytes)" $limit
		before=$(anonymous_bytes)
	fi
	background limit 250 "$HELPERS/oracle" run "$MNT/huge" $SIZE "$threads" \
		$SLOTS $OPS "$SEED" $direct
	load=$CHILD
	[ -n "$MMAPFS_NATIVE" ] || watch_limits "$load"
	wait "$load"
	rc=$?
	equal "$options: $threads threads find what they wrote" $rc 0
	check "$options: daemon lives" daemon_lives
	if [ -z "$MMAPFS_NATIVE" ]; then
		read -r most anon < "$WORK/watched"
		check "$options: mapped $most bytes in the kernel's list, at most $limit" \
			test "$most" -le $limit
		check "$options: mappings were seen at all" test "$most" -gt 0
		check "$options: mapped bytes peak as reported" \
			test "$(stat_of chunk.mapped_bytes_peak)" -le $limit
		check "$options: chunks were evicted" stat_at_least chunk.evictions 100
		check "$options: the reads came to the daemon" \
			stat_at_least op.read $((OPS * threads / 3))
		check "$options: and were served from mapped regions" \
			mapped_at_least $((OPS * threads / 10))
		# Buffers and stacks of ten threads, and the tables that stats report.
		# A sanitizer's shadow memory is no table of the daemon's.
		grep -q 'lib[at]san' "/proc/$DAEMON/maps" ||
			check "$options: private memory $before, then $anon: tables and 24 MiB of buffers" \
				test "$anon" -le $(($(stat_of memory.tables_bytes) + (24 << 20)))
		equal "$options: no fault" "$(stat_of fault.sigbus)" 0
	fi
	unmount_it
	check "$options: BACKING agrees" limit 100 "$HELPERS/oracle" verify "$BACKING/huge" \
		$SIZE "$threads" $SLOTS $OPS "$SEED"
	check "$options: the file is sparse" test "$(du -k "$BACKING/huge" | cut -f 1)" -lt 500000
	rm "$BACKING/huge"
}

direct=direct
[ -z "$MMAPFS_NATIVE" ] || direct=
try sync=periodic 1 "$direct"
try sync=periodic,cache=none 8 ""
try sync=periodic,cache=through,write=mmap 8 "$direct"
try sync=lazy,threads=16 8 "$direct"
finish
