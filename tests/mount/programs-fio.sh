#!/bin/bash
# fio with --verify on each sync and cache mode: psync, mmap and libaio engines, buffered and
# O_DIRECT; verified as it writes, and again from a new mount.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$HERE/matrix.sh"
require fio

jobs_of_mode()
{
	echo "psync randwrite 0"
	echo "psync write 1"
	echo "libaio randwrite 0"
	echo "libaio randwrite 1"
	[ -z "$CAN_MAP" ] || echo "mmap randwrite 0"
}

# run_fio DIR DIRECT OPTIONS...: all jobs at once; DIRECT is 0 to read all of them buffered
run_fio()
{
	local dir=$1 allow=$2 engine rw direct jobs=()
	shift 2
	while read -r engine rw direct; do
		jobs+=(--name="$engine-$rw-$direct" --ioengine="$engine" --rw="$rw"
			--direct=$((direct * allow)) --iodepth=8)
	done < <(jobs_of_mode)
	quiet fio --directory="$dir" --size=3M --bs=4k --numjobs=2 --randseed=17 --io_size=3M \
		--verify=crc32c --verify_fatal=1 --verify_state_save=0 --fallocate=none \
		--output-format=terse "$@" "${jobs[@]}"
}

work() { run_fio "$1" 1 --do_verify=1; }

# BACKING may not take O_DIRECT as the mount does.
verify() { run_fio "$1" 0 --verify_only --do_verify=1; }

run_matrix "$@"
