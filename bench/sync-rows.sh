# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: MIT
#
# The rows of bench/sync: how each is prepared, measured and checked. Sourced by bench/sync. Each
# measurement has a mount and a directory of its own, so that nothing of another one is under way:
# the clean unmount has emptied the journal, and what is left in the ext4's cache is flushed.

: "${work:?}" "${repetitions:?}" "${iowork=}"
: "${seconds:?}" "${bulk_pieces:?}" "${transactions:?}" "${most_operations:?}"

LIMIT_SECONDS=600 # of one step: a system that hangs must not hang the benchmark

find_syncwork() {
	syncwork=${SYNCWORK-}
	[ -n "$syncwork" ] || { compile syncwork && syncwork=$work/syncwork; }
}

prepare_rows() {
	: >"$work/figures"
	: >"$work/served"
	{
		echo 'PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL;'
		awk -v n="$transactions" 'BEGIN { for (i = 1; i <= n; i++)
			printf "INSERT INTO t VALUES (%d, '\''%0100d'\'');\n", i, i * 7919 }'
	} >"$work/load.sql"
}

row_field() { # ROW NUMBER
	awk -F '\t' -v row="$1" -v n="$2" '$1 == row { print $n }' <<<"$plan"
}

# A step that must not fail: its output goes to $work/out.
step() { # ROW SYSTEM COMMAND...
	local where="$1, $2"
	shift 2
	in_background timeout "$LIMIT_SECONDS" "$@" >"$work/out" 2>"$work/step.log" || {
		complain "$where: ${1##*/} failed: $(tail -n 1 "$work/step.log")"
		return 1
	}
}

# ------------------------------------------------------------- statistics

has_journal() { # SYSTEM
	case ${options[$1]} in journal* | *,journal*) return 0 ;; esac
	return 1
}

# Prints 'NAME COUNT' of the journal's statistics.
counters() { # SYSTEM
	has_journal "$1" || return 0
	timeout --foreground 10 cat "$(mnt_of "$1")/.mmapfs/stats" 2>/dev/null |
		awk '/^journal\.(syncs|bypassed|data_records|name_records|flushes|checkpoints|waits) / {
				print; n++ } END { exit !n }' ||
		complain "$1 shows no statistics of a journal: what served the figures is not proven"
}

note_counters() { # ROW SYSTEM
	awk -v OFS='\t' -v row="$1" -v who="$2" 'FILENAME == ARGV[1] { before[$1] = $2; next }
		{ print row, who, $1, $2 - before[$1] }' "$work/before" "$work/after" >>"$work/served"
}

# Operations, and the requests to the disk while they were timed.
note_disk() { # ROW SYSTEM OPERATIONS KIB FLUSHES
	printf '%s\t%s\t%s\t%s\n' "$1" "$2" operations "$3" "$1" "$2" disk.kib "$4" \
		"$1" "$2" disk.flushes "$5" >>"$work/served"
}

# --------------------------------------------------------------- measuring

figure() { # NAME SYSTEM REPETITION VALUE
	printf '%s\t%s\t%d\t%s\n' "$@" >>"$work/figures"
}

measure_work() { # ROW SYSTEM REPETITION DIR
	local kind threads max limit=$seconds stat=/sys/block/${loop##*/}/stat
	local rate ops p50 p99 mean sync_mean writes kib flushes
	kind=$(row_field "$1" 3)
	threads=$(row_field "$1" 4)
	max=$((most_operations / threads))
	if [ "$kind" = bulk ]; then
		max=$bulk_pieces limit=$((LIMIT_SECONDS / 2))
		# In a virtual machine the host may have to find memory that is used for the first time.
		step "$1" "$2" "$iowork" touch $((4 * bulk_pieces * MIB)) || return 1
	fi
	counters "$2" >"$work/before"
	step "$1" "$2" "$syncwork" run "$kind" "$4" "$threads" "$work/counts" "$limit" "$max" \
		"$stat" || return 1
	counters "$2" >"$work/after"
	note_counters "$1" "$2"
	# shellcheck disable=SC2034 # writes
	read -r rate ops p50 p99 mean sync_mean writes kib flushes <"$work/out"
	note_disk "$1" "$2" "$ops" "$kib" "$flushes"
	figure "$1" "$2" "$3" "$rate"
	figure "$1:p50" "$2" "$3" "$p50"
	figure "$1:p99" "$2" "$3" "$p99"
	figure "$1:mean" "$2" "$3" "$mean"
	figure "$1:sync" "$2" "$3" "$sync_mean"
}

check_work() { # ROW SYSTEM DIR
	step "$1" "$2 ($3)" "$syncwork" check "$(row_field "$1" 3)" "$3" "$(row_field "$1" 4)" \
		"$work/counts"
}

measure_sqlite() { # ROW SYSTEM REPETITION DIR
	local command=(sqlite3 -batch -bail) stat=/sys/block/${loop##*/}/stat start end before after
	[ "$2" != eatmydata ] || command=(eatmydata "${command[@]}")
	step "$1" "$2" sqlite3 "$4/db" 'CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT);' || return 1
	sync -f "$ext4"
	counters "$2" >"$work/before"
	read -ra before <"$stat"
	start=${EPOCHREALTIME/./}
	step "$1" "$2" "${command[@]}" "$4/db" ".read $work/load.sql" || return 1
	end=${EPOCHREALTIME/./}
	read -ra after <"$stat"
	counters "$2" >"$work/after"
	note_counters "$1" "$2"
	note_disk "$1" "$2" "$transactions" $(((after[6] - before[6]) / 2)) $((after[15] - before[15]))
	figure "$1" "$2" "$3" \
		"$(awk -v n="$transactions" -v us=$((end - start)) 'BEGIN { print n * 1e6 / us }')"
}

check_sqlite() { # ROW SYSTEM DIR
	local wanted found
	step "$1" "$2 ($3)" sqlite3 "$3/db" 'PRAGMA integrity_check; SELECT count(*), sum(k) FROM t;' ||
		return 1
	wanted="ok $transactions|$((transactions * (transactions + 1) / 2)) "
	found=$(tr '\n' ' ' <"$work/out")
	[ "$found" = "$wanted" ] || {
		complain "$1, $2 ($3): the database is not what was committed: $found"
		return 1
	}
}

# Through the mount, and in BACKING when it is unmounted.
measure_mounted() { # ROW SYSTEM REPETITION WAY
	local data
	data=$(mnt_of "$2")/data
	mkdir "$data" || return 1
	sync -f "$ext4"
	"measure_$4" "$1" "$2" "$3" "$data" && "check_$4" "$1" "$2" "$data"
}

measure() { # ROW SYSTEM REPETITION
	local way=work status=0 data
	[ "$(row_field "$1" 3)" != sqlite ] || way=sqlite
	data=$(backing_of "$2")/data
	start_system "$2" || return 1
	measure_mounted "$1" "$2" "$3" "$way" || status=1
	if ! is_bare "$2"; then
		stop_system "$2"
		[ "$status" -ne 0 ] || "check_$way" "$1" "$2" "$data" || status=1
	fi
	rm -rf --one-file-system "$data"
	sync -f "$ext4"
	return "$status"
}

# All systems take their turn in each repetition, and each repetition begins with another one. A
# system that fails a row is out of it.
run_row() { # ROW
	local row=$1 system repetition i n list=()
	local -A out=()
	for system in $(row_field "$row" 6); do
		[ -z "${options[$system]+set}" ] || list+=("$system")
	done
	n=${#list[@]}
	for ((repetition = 1; repetition <= repetitions; repetition++)); do
		say "$row: repetition $repetition of $repetitions"
		for ((i = 0; i < n; i++)); do
			system=${list[(i + repetition - 1) % n]}
			[ -z "${out[$system]-}" ] || continue
			measure "$row" "$system" "$repetition" || out[$system]=yes
		done
	done
}
