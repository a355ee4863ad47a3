# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: MIT
#
# How a row of the benchmark is run, and the rows of one large file. Sourced by bench/run, with
# rows-files.sh and rows-programs.sh. Only the work between two looks at the statistics is measured;
# what comes before warms up, and what comes after compares every byte. The systems are in systems.sh.

: "${work:?}" "${backing=}" "${repetitions:?}" "${iowork=}" "${limit_seconds:?}"
: "${warm_bytes:?}" "${cold_bytes:?}" "${write_bytes:?}" "${map_bytes:?}"
: "${seqread_passes:?}" "${randread_count:?}" "${mapread_count:?}" "${coldrand_count:?}"

BLOCK=$((128 * 1024))
READ_SEED=1
LIMIT_SECONDS=300 # of one measurement: a system that hangs must not hang the benchmark

# io COMMAND FILE...: one run of iowork.
io() {
	timeout --foreground "$LIMIT_SECONDS" "$iowork" "$@" 2>"$work/io.log"
}

# The system is out of the row.
io_failed() { # ROW SYSTEM
	local why
	why=$(head -n 1 "$work/io.log")
	blame "$2" "$2 is out of $1: ${why//$work\//}"
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

# Made when the first row wants it.
need_file() { # NAME BYTES [SEED]
	[ ! -e "$backing/$1" ] || return 0
	io fill "$backing/$1" "${3:-$READ_SEED}" "$2" || die "cannot make $1: $(cat "$work/io.log")"
}

# ------------------------------------------------------------- statistics

# Prints 'NAME COUNT' of mmapfs's data paths, and of its requests.
served_now() { # SYSTEM
	timeout --foreground 10 cat "$(mnt_of "$1")/.mmapfs/stats" 2>/dev/null |
		awk '/^(read\.(mapped|copied|pread)|write\.(mapped|pwrite)|requests|push\.[a-z_]*) / { print; n++ }
			END { exit !n }' ||
		complain "mmapfs shows no statistics: what served the figures is not proven"
}

# note_served ROW SCOPE BEFORE AFTER: adds the difference to the notes.
note_served() {
	awk -v row="$1" -v scope="$2" 'FILENAME == ARGV[1] { before[$1] = $2; next }
		{ printf "%s\t%s\t%s\t%d\n", row, scope, $1, $2 - before[$1] }' \
		"$3" "$4" >>"$work/served"
}

is_own() { # SYSTEM
	[[ $1 == mmapfs* ]]
}

note_figure() { # ROW SYSTEM REPETITION VALUE
	printf '%s\t%s\t%d\t%s\n' "$@" >>"$work/figures"
}

# begin_timed, end_timed: the looks at the statistics around what is measured.
begin_timed() { # SYSTEM
	! is_own "$1" || served_now "$1" >"$work/before"
}

end_timed() { # ROW SYSTEM
	! is_own "$2" || {
		served_now "$2" >"$work/after"
		note_served "$1" timed "$work/before" "$work/after"
	}
}

# timed ROW SYSTEM REPETITION PROGRAM ARGUMENT...: prints one figure, which is noted.
timed() {
	local row=$1 system=$2 repetition=$3 figure
	shift 3
	begin_timed "$system"
	figure=$(timeout --foreground "$LIMIT_SECONDS" "$@" 2>"$work/io.log") ||
		io_failed "$row" "$system" || return 1
	end_timed "$row" "$system"
	note_figure "$row" "$system" "$repetition" "$figure"
}

# timed_amount ROW SYSTEM REPETITION AMOUNT FUNCTION...: so many of it a second.
timed_amount() {
	local row=$1 system=$2 repetition=$3 amount=$4 began
	shift 4
	begin_timed "$system"
	began=$EPOCHREALTIME
	"$@" 2>"$work/io.log" || io_failed "$row" "$system" || return 1
	awk -v from="$began" -v to="$EPOCHREALTIME" -v n="$amount" \
		'BEGIN { printf "%.2f", n / (to - from) }' >"$work/rate"
	end_timed "$row" "$system"
	note_figure "$row" "$system" "$repetition" "$(cat "$work/rate")"
}

# Prints nanoseconds of processor time and context switches of all threads of a daemon.
daemon_effort() { # SYSTEM
	local tasks=/proc/${daemon_pid[$1]}/task
	cat "$tasks"/*/schedstat "$tasks"/*/status 2>/dev/null |
		awk 'NF == 3 && $1 ~ /^[0-9]+$/ { ns += $1 } /ctxt_switches/ { n += $2 }
			END { printf "%.0f %.0f\n", ns, n }'
}

# note_effort CPU-ROW CTX-ROW SYSTEM REPETITION OPERATIONS BEFORE: by operation. CTX-ROW may be ''.
note_effort() {
	local ns switches ns_before switches_before
	read -r ns_before switches_before <<<"$6"
	read -r ns switches < <(daemon_effort "$3")
	note_figure "$1" "$3" "$4" \
		"$(awk -v ns=$((ns - ns_before)) -v n="$5" 'BEGIN { printf "%.3f", ns / 1000 / n }')"
	[ -z "$2" ] || note_figure "$2" "$3" "$4" \
		"$(awk -v d=$((switches - switches_before)) -v n="$5" 'BEGIN { printf "%.3f", d / n }')"
}

has_daemon() { # SYSTEM
	[ -n "${daemon_pid[$1]-}" ]
}

# Unmounts; what mmapfs has served since it was mounted is the row's.
finish_system() { # ROW SYSTEM
	if is_own "$2" && has_daemon "$2"; then
		served_now "$2" >"$work/after"
		note_served "$1" all /dev/null "$work/after"
	fi
	stop_system "$2"
}

# ------------------------------------------------------ rows of large files

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
	timed "$1" "$2" "$3" "$iowork" "${command[@]}" && check_warm "$1" "$2"
}

# A new mount each time: that empties the FUSE cache. The read of BACKING just before it keeps the
# file in the native page cache, also when memory is short. The timed reads look at each page; all
# bytes are compared once, in the first repetition.
measure_cold() { # ROW SYSTEM REPETITION
	local file status=0 command effort
	io seqread "$backing/cold" "$READ_SEED" "$BLOCK" 1 >/dev/null || io_failed "$1" native || return 1
	start_system "$2" || return 1
	file=$(mnt_of "$2")/cold
	case $1 in
	coldrand) command=(randread "$file" "$READ_SEED" 1 "$coldrand_count") ;;
	*) command=(seqread "$file" "$READ_SEED" "$BLOCK" 1) ;;
	esac
	io touch "$cold_bytes" || io_failed "$1" "$2" || return 1
	expect_cached "$1" "$backing/cold"
	! has_daemon "$2" || effort=$(daemon_effort "$2")
	timed "$1" "$2" "$3" "$iowork" "${command[@]}" || status=1
	if [ "$1" = coldrand ] && [ "$status" -eq 0 ] && has_daemon "$2"; then
		note_effort cpu-coldrand '' "$2" "$3" "$coldrand_count" "$effort"
	fi
	if [ "$3" -eq 1 ] && [ "$status" -eq 0 ]; then
		io_checked "$1" "$2" "$file" "$READ_SEED" "$cold_bytes" || status=1
	fi
	finish_system "$1" "$2"
	return "$status"
}

# Nothing of the file is in the native cache, nor in a FUSE cache.
measure_disk() { # ROW SYSTEM REPETITION
	local file status=0 left
	start_system "$2" || return 1
	file=$(mnt_of "$2")/disk
	io touch "$disk_bytes" || io_failed "$1" "$2" || return 1
	io evict "$backing/disk" || io_failed "$1" native || return 1
	left=$(fincore --bytes --noheadings --output RES "$backing/disk" 2>/dev/null || echo 0)
	[ "$left" -lt $((disk_bytes / 50)) ] ||
		notes+=("$1: $((left / MIB)) MiB of the file stayed in the native cache")
	timed "$1" "$2" "$3" "$iowork" seqread "$file" "$READ_SEED" "$BLOCK" 1 || status=1
	finish_system "$1" "$2"
	return "$status"
}

# Contents of its own each time. Removed when checked, so that its write-back to the disk disturbs no
# later measurement.
write_seed=1000
measure_write() { # ROW SYSTEM REPETITION
	local file status=0 bytes=$write_bytes command
	file=$(mnt_of "$2")/out.$2
	write_seed=$((write_seed + 1))
	case $1 in
	*-open) command=(seqwrite "$file" "$write_seed" "$bytes" write) ;;
	*-fsync) command=(seqwrite "$file" "$write_seed" "$bytes" fsync) ;;
	*-rand) command=(randwrite "$file" "$write_seed" "$bytes" close) ;;
	write1m*)
		bytes=$((2 * write_bytes))
		command=(seqwrite "$file" "$write_seed" "$bytes" close "$MIB") ;;
	mapwrite)
		bytes=$map_bytes
		command=(mapwrite "$file" "$write_seed" "$bytes") ;;
	*) command=(seqwrite "$file" "$write_seed" "$bytes" close) ;;
	esac
	case $1 in
	*-rand | mapwrite) io fill "$file" 999 "$bytes" || io_failed "$1" "$2" || return 1 ;;
	esac
	io touch $((2 * bytes)) || io_failed "$1" "$2" || return 1
	timed "$1" "$2" "$3" "$iowork" "${command[@]}" &&
		check_written "$1" "$2" "$file" "$bytes" || status=1
	rm -f "$file" 2>/dev/null
	return "$status"
}

# Of neighbours syncfs(2) may report that times of files that are gone could not be written: what counts
# is what the comparison finds.
sync_mount() { # SYSTEM FILE
	sync -f "$2" 2>"$work/io.log" || ! is_own "$1"
}

# Through the mount, then in BACKING, where sync -f brings what the kernel still holds for FUSE. The
# floor keeps nothing.
check_written() { # ROW SYSTEM FILE BYTES
	[[ $2 != floor* ]] || return 0
	io_checked "$1" "$2" "$3" "$write_seed" "$4" || return 1
	[ "$2" != native ] || return 0
	sync_mount "$2" "$3" || io_failed "$1" "$2" || return 1
	io_checked "$1, BACKING" "$2" "$backing/out.$2" "$write_seed" "$4"
}

# -------------------------------------------------------------- the daemons

status_field() { # SYSTEM FIELD
	awk -v field="$2:" '$1 == field { print $2 }' "/proc/${daemon_pid[$1]}/status"
}

# Resident memory right after the mount answers.
measure_memory() { # ROW SYSTEM REPETITION
	start_system "$2" || return 1
	sleep 0.1
	note_figure rss "$2" "$3" "$(status_field "$2" VmRSS)"
	note_figure rss-private "$2" "$3" "$(status_field "$2" RssAnon)"
	stop_system "$2"
}

# statfs is answered by the daemon each time, and costs BACKING next to nothing.
measure_request() { # ROW SYSTEM REPETITION
	local mnt effort
	mnt=$(mnt_of "$2")
	! has_daemon "$2" || effort=$(daemon_effort "$2")
	timed "$1" "$2" "$3" "$treework" statfs "$mnt" 1 "$request_count" 0 1 || return 1
	! has_daemon "$2" || note_effort cpu-request ctx-request "$2" "$3" "$request_count" "$effort"
}

# --------------------------------------------------------------- one by one

prepare_data() { # ROW
	case $1 in
	seqread | randread* | mapread) need_file warm "$warm_bytes" ;;
	coldread | coldrand) need_file cold "$cold_bytes"; floor_names=(cold) ;;
	disk) need_file disk "$disk_bytes" ;;
	small-cold) need_small; floor_names=(small) ;;
	find) need_many; floor_names=(many) ;;
	rss-inodes) need_many ;;
	git-status) need_git && need_tree ;;
	tar-extract) need_git && need_tree ;;
	make) need_project ;;
	fio) need_fio ;;
	pgbench) need_cluster ;;
	esac
}

# Mounted once for all repetitions; the others mount by themselves.
prepare() { # ROW SYSTEM
	case $1 in
	seqread | randread* | mapread | write* | mapwrite | create | request | tar-extract) start_system "$2" ;;
	git-status) start_system "$2" && prepare_git "$2" ;;
	make) start_system "$2" && prepare_project "$2" ;;
	fio) prepare_fio "$2" && start_system "$2" ;;
	pgbench) prepare_cluster "$2" && start_system "$2" ;;
	esac
}

measure() { # ROW SYSTEM REPETITION
	case $1 in
	seqread | randread* | mapread) measure_warm "$@" ;;
	coldread | coldrand) measure_cold "$@" ;;
	disk) measure_disk "$@" ;;
	write* | mapwrite) measure_write "$@" ;;
	small-cold) measure_small "$@" ;;
	create) measure_create "$@" ;;
	find) measure_find "$@" ;;
	git-status) measure_git "$@" ;;
	tar-extract) measure_tar "$@" ;;
	make) measure_make "$@" ;;
	fio) measure_fio "$@" ;;
	pgbench) measure_pgbench "$@" ;;
	request) measure_request "$@" ;;
	rss) measure_memory "$@" ;;
	rss-inodes) measure_inodes "$@" ;;
	esac
}

# What no later row wants.
discard() { # ROW
	case $1 in
	mapread) rm -f "$backing/warm" ;;
	coldrand) rm -f "$backing/cold" ;;
	disk) rm -f "$backing/disk" ;;
	fio) rm -f "$backing"/fio.* ;;
	make) rm -rf "$backing"/project* ;;
	tar-extract) rm -rf "$backing/tree" "$work/tree.tar" ;;
	pgbench) rm -rf "$backing"/cluster* ;;
	esac
}

# --------------------------------------------------------------------- time

# Milliseconds since the start.
elapsed() {
	echo $(((${EPOCHREALTIME/./} - ${started/./}) / 1000))
}

# A row may take its share of what is left, by the shares of the rows that are still to come.
time_for() { # ROW
	local row sum=0 mine
	mine=$(row_field "$1" 6)
	for row in "${to_come[@]}"; do
		sum=$((sum + $(row_field "$row" 6)))
	done
	echo $(((limit_seconds * 1000 - $(elapsed)) * mine / (sum > 0 ? sum : 1)))
}

# All systems take their turn in each repetition, and each repetition begins with another one, so
# that a slow minute of the machine, or the place in the turn, is shared by all. A system that
# fails a row is out of it. A row ends when another repetition would take too long.
run_row() { # ROW
	local row=$1 system repetition i n began spent may planned=()
	local -A out=()
	began=$(elapsed)
	may=$(time_for "$row")
	mount_options='' floor_names=()
	prepare_data "$row" || return 0
	for system in $(systems_planned "$row"); do
		! has_system "$system" || planned+=("$system")
	done
	for system in "${planned[@]}"; do
		prepare "$row" "$system" || out[$system]=yes
	done
	n=${#planned[@]}
	for ((repetition = 1; repetition <= repetitions; repetition++)); do
		say "$row: repetition $repetition of $repetitions, second $(($(elapsed) / 1000))"
		for ((i = 0; i < n; i++)); do
			system=${planned[(i + repetition - 1) % n]}
			[ -z "${out[$system]-}" ] || continue
			measure "$row" "$system" "$repetition" || out[$system]=yes
		done
		spent=$(($(elapsed) - began))
		[ "$repetition" -lt "$repetitions" ] || break
		if [ "$limit_seconds" -gt 0 ] && [ $((spent * (repetition + 1) / repetition)) -gt "$may" ]; then
			shortened+=("$row")
			break
		fi
	done
	for system in "${planned[@]}"; do
		finish_system "$row" "$system"
	done
	discard "$row"
}
