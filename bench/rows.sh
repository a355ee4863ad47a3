# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: MIT
#
# The rows of the benchmark: how each is prepared, measured and checked. Sourced by bench/run.
# Only the call of iowork between two looks at the statistics is measured; what comes before warms
# up, and what comes after compares every byte. The systems are in systems.sh.

: "${work:?}" "${backing=}" "${repetitions:?}" "${iowork=}"
: "${warm_bytes:?}" "${cold_bytes:?}" "${write_bytes:?}"
: "${seqread_passes:?}" "${randread_count:?}" "${mapread_count:?}"

BLOCK=$((128 * 1024))
READ_SEED=1
LIMIT_SECONDS=900 # of one measurement: a system that hangs must not hang the benchmark

# io COMMAND FILE...: one run of iowork.
io() {
	timeout --foreground "$LIMIT_SECONDS" "$iowork" "$@" 2>"$work/io.log"
}

io_failed() { # ROW SYSTEM
	complain "$1, $2: $(tail -n 1 "$work/io.log")"
	return 1
}

# Compares every byte, the way the row reads.
io_checked() { # ROW SYSTEM FILE SEED BYTES
	local how='read'
	[ "$1" != mapread ] || how='map'
	io check "$3" "$4" "$5" "$how" || io_failed "$1" "$2"
}

# The native cache is what many figures stand on: says so if the kernel has let go of it.
expect_cached() { # ROW FILE
	local resident size
	resident=$(fincore --bytes --noheadings --output RES "$2" 2>/dev/null) || return 0
	size=$(stat -c %s "$2")
	[ $((resident * 100)) -ge $((size * 99)) ] ||
		notes+=("$1: only $((resident * 100 / size)) % of the file were in the native cache")
}

make_files() {
	: >"$work/figures"
	: >"$work/served"
	say "writing the files to read"
	if ! io fill "$backing/warm" "$READ_SEED" "$warm_bytes" ||
		! io fill "$backing/cold" "$READ_SEED" "$cold_bytes"; then
		die "cannot make the files: $(cat "$work/io.log")"
	fi
}

# ------------------------------------------------------------- statistics

# Prints 'NAME COUNT' of mmapfs's data paths.
served_now() {
	timeout --foreground 10 cat "$work/mnt.mmapfs/.mmapfs/stats" 2>/dev/null |
		awk '/^(read\.(mapped|copied|pread)|write\.(mapped|pwrite)) / { print; n++ }
			END { exit !n }' ||
		complain "mmapfs shows no statistics: what served the figures is not proven"
}

# note_served ROW SCOPE BEFORE AFTER: adds the difference to the notes.
note_served() {
	awk -v row="$1" -v scope="$2" 'FILENAME == ARGV[1] { before[$1] = $2; next }
		{ printf "%s\t%s\t%s\t%d\n", row, scope, $1, $2 - before[$1] }' \
		"$3" "$4" >>"$work/served"
}

# timed ROW SYSTEM REPETITION COMMAND FILE...: the measured call, and the note of its figure.
timed() {
	local row=$1 system=$2 repetition=$3 figure
	shift 3
	[ "$system" != mmapfs ] || served_now >"$work/before"
	figure=$(io "$@") || io_failed "$row" "$system" || return 1
	if [ "$system" = mmapfs ]; then
		served_now >"$work/after"
		note_served "$row" timed "$work/before" "$work/after"
	fi
	printf '%s\t%s\t%d\t%s\n' "$row" "$system" "$repetition" "$figure" >>"$work/figures"
}

# Unmounts; what mmapfs has served since it was mounted is the row's.
finish_system() { # ROW SYSTEM
	if [ "$2" = mmapfs ] && [ -n "${daemon_pid[mmapfs]-}" ]; then
		served_now >"$work/after"
		note_served "$1" all /dev/null "$work/after"
	fi
	stop_system "$2"
}

# ------------------------------------------------------------------- rows

# The warm rows are mounted once. Each measurement follows at once on a read of the whole file,
# since some kernels reclaim what has been idle for seconds, and is followed by another.
check_warm() { # ROW SYSTEM
	io_checked "$1" "$2" "$(mnt_of "$2")/warm" "$READ_SEED" "$warm_bytes"
}

measure_warm() { # ROW SYSTEM REPETITION
	local file command
	file=$(mnt_of "$2")/warm
	case $1 in
	seqread) command=(seqread "$file" "$READ_SEED" "$BLOCK" "$seqread_passes") ;;
	randread1) command=(randread "$file" "$READ_SEED" 1 "$randread_count") ;;
	randread4) command=(randread "$file" "$READ_SEED" 4 "$randread_count") ;;
	mapread) command=(mapread "$file" "$READ_SEED" 1 "$mapread_count") ;;
	esac
	check_warm "$1" "$2" || return 1
	[ "$2" != native ] || expect_cached "$1" "$file"
	timed "$1" "$2" "$3" "${command[@]}" && check_warm "$1" "$2"
}

# A new mount each time: that empties the FUSE cache. The read of BACKING just before it keeps the
# file in the native page cache, also when memory is short.
measure_cold() { # ROW SYSTEM REPETITION
	local file status=0
	io check "$backing/cold" "$READ_SEED" "$cold_bytes" read || io_failed "$1" native || return 1
	start_system "$2" || return 1
	file=$(mnt_of "$2")/cold
	io touch $((2 * cold_bytes)) || io_failed "$1" "$2" || return 1
	expect_cached "$1" "$backing/cold"
	timed "$1" "$2" "$3" seqread "$file" "$READ_SEED" "$BLOCK" 1 &&
		io_checked "$1" "$2" "$file" "$READ_SEED" "$cold_bytes" || status=1
	finish_system "$1" "$2"
	return "$status"
}

# A new file each time, with contents of its own. Removed when checked, so that its write-back to
# the disk disturbs no later measurement.
write_seed=1000
measure_write() { # ROW SYSTEM REPETITION
	local mnt file status=0 counted
	mnt=$(mnt_of "$2")
	file=$mnt/out.$2
	write_seed=$((write_seed + 1))
	case $1 in
	*-open) counted='write' ;;
	*-fsync) counted='fsync' ;;
	*) counted='close' ;;
	esac
	io touch $((4 * write_bytes)) || io_failed "$1" "$2" || return 1
	timed "$1" "$2" "$3" seqwrite "$file" "$write_seed" "$write_bytes" "$counted" &&
		check_written "$1" "$2" "$file" || status=1
	rm -f "$file" 2>/dev/null
	return "$status"
}

# Through the mount, then in BACKING, where sync -f brings what the kernel still holds for FUSE.
check_written() { # ROW SYSTEM FILE
	io_checked "$1" "$2" "$3" "$write_seed" "$write_bytes" || return 1
	[ "$2" != native ] || return 0
	sync -f "$3" 2>"$work/io.log" || io_failed "$1" "$2" || return 1
	io_checked "$1, BACKING" "$2" "$backing/out.$2" "$write_seed" "$write_bytes"
}

# Resident memory right after the mount answers. The native directory has no daemon.
measure_memory() { # ROW SYSTEM REPETITION
	local field=VmRSS
	[ "$2" != native ] || return 0
	[ "$1" = rss ] || field=RssAnon
	start_system "$2" || return 1
	sleep 0.2
	awk -v field="$field:" -v OFS='\t' -v row="$1" -v system_name="$2" -v repetition="$3" \
		'$1 == field { print row, system_name, repetition, $2 }' \
		"/proc/${daemon_pid[$2]}/status" >>"$work/figures"
	stop_system "$2"
}

prepare() { # ROW SYSTEM
	case $1 in
	seqread | randread* | mapread | write4k*) start_system "$2" ;;
	esac
}

measure() { # ROW SYSTEM REPETITION
	case $1 in
	seqread | randread* | mapread) measure_warm "$@" ;;
	coldread) measure_cold "$@" ;;
	write4k*) measure_write "$@" ;;
	rss*) measure_memory "$@" ;;
	esac
}

# All systems take their turn in each repetition, and each repetition begins with another one, so
# that a slow minute of the machine, or the place in the turn, is shared by all. A system that
# fails a row is out of it.
run_row() { # ROW
	local row=$1 system repetition i n
	local -A out=()
	for system in "${systems[@]}"; do
		prepare "$row" "$system" || out[$system]=yes
	done
	n=${#systems[@]}
	for ((repetition = 1; repetition <= repetitions; repetition++)); do
		say "$row: repetition $repetition of $repetitions"
		for ((i = 0; i < n; i++)); do
			system=${systems[(i + repetition - 1) % n]}
			[ -z "${out[$system]-}" ] || continue
			measure "$row" "$system" "$repetition" || out[$system]=yes
		done
	done
	for system in "${systems[@]}"; do
		finish_system "$row" "$system"
	done
}
