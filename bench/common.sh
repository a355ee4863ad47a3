# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: MIT
#
# What bench/run and bench/sync have in common: messages, arguments, programs, the machine. Sourced
# by them with $me and $top set; they have row_names().

: "${me:?}" "${top:?}"

MIB=$((1024 * 1024))
failures=0
notes=()

die() {
	printf '%s: %s\n' "$me" "$*" >&2
	exit 1
}

complain() {
	printf '%s: %s\n' "$me" "$*" >&2
	failures=$((failures + 1))
}

say() {
	printf '%s\n' "$*" >&2
}

note_once() {
	local note
	for note in "${notes[@]}"; do
		[ "$note" != "$1" ] || return 0
	done
	notes+=("$1")
}

# What a neighbour cannot do the table says; it is no failure of ours.
blame() { # SYSTEM TEXT
	case $1 in
	native | eatmydata | mmapfs* | floor*) complain "$2" ;;
	*)
		note_once "$2"
		say "$2"
		;;
	esac
}

# Sets $repetitions and $dir.
check_common_arguments() { # QUICK ONLY CSV
	local row
	if [ -z "$repetitions" ]; then
		if [ "$1" = yes ]; then repetitions=3; else repetitions=5; fi
	fi
	[[ $repetitions =~ ^[1-9][0-9]*$ ]] || die "--reps takes a number from 1 up, not '$repetitions'"
	for row in ${2//,/ }; do
		row_names | grep -qx -e "$row" ||
			die "there is no row '$row'; --help lists them"
	done
	if [ ! -d "$dir" ] || [ ! -w "$dir" ]; then
		die "'$dir' is not a directory to write to; choose one with --dir"
	fi
	dir=$(cd "$dir" && pwd -P)
	case $dir in *[,\ ]*) die "'$dir' has a comma or a space, which mounting takes badly" ;; esac
	[ -z "$3" ] || : >"$3" || die "cannot write '$3'"
	[ -c /dev/fuse ] || die "/dev/fuse is missing, so nothing can be mounted (as root: modprobe fuse)"
}

# Sets $mmapfs.
find_mmapfs() {
	local candidate
	mmapfs=${mmapfs:-${MMAPFS-}}
	for candidate in "$top/build/mmapfs" "$top/mmapfs" "$(command -v mmapfs)"; do
		[ -z "$mmapfs" ] || break
		[ ! -x "$candidate" ] || mmapfs=$candidate
	done
	[ -n "$mmapfs" ] || die "mmapfs is not built: run contrib/run first, or name it with --mmapfs"
	if [ ! -f "$mmapfs" ] || [ ! -x "$mmapfs" ]; then die "'$mmapfs' is not a program"; fi
	mmapfs=$(realpath "$mmapfs")
}

# make hands over the programs it built; a run by hand compiles them.
compile() { # NAME
	"${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O2 -pthread -o "$work/$1" "$top/bench/$1.c" \
		"$top/bench/pattern.c" || die "bench/$1.c does not compile"
}

find_treework() {
	treework=${TREEWORK-}
	[ -n "$treework" ] || { compile treework && treework=$work/treework; }
}

find_iowork() {
	iowork=${IOWORK-}
	[ -n "$iowork" ] || { compile iowork && iowork=$work/iowork; }
}

# What may spoil the figures before anything is measured.
note_machine() {
	local load
	load=$(cut -d ' ' -f 1 /proc/loadavg)
	awk -v load="$load" -v cpus="$(nproc)" 'BEGIN { exit !(load < cpus / 2) }' ||
		notes+=("the load was $load at the start: the machine does other things, too")
	! grep -qs '^kdamond' /proc/[0-9]*/comm ||
		notes+=("the kernel's DAMON runs here, and may reclaim caches that are idle for seconds")
}

mmapfs_version() {
	"$mmapfs" -V 2>&1 | tr '\n' ';' | sed 's/;$//; s/;/, /g'
}

# The kind of disk beneath a directory.
disk_kind() { # DIR
	local device name sys
	device=$(df --output=source "$1" | tail -n 1)
	name=$(basename "$(readlink -f "$device")")
	sys=$(readlink -f "/sys/class/block/$name" 2>/dev/null)
	[ ! -f "$sys/partition" ] || sys=$(dirname "$sys")
	name=$(basename "$sys")
	case $name in
	loop*)
		[ "$(cat "$sys/loop/dio")" = 1 ] && echo "loop device with direct I/O" || echo "loop device" ;;
	nvme*) echo "NVMe disk" ;;
	vd* | xvd*) echo "virtual disk" ;;
	dm-*) echo "device mapper" ;;
	sd*) [ "$(cat "$sys/queue/rotational")" = 1 ] && echo "rotating disk" || echo "solid-state disk" ;;
	*) echo "disk of unknown kind" ;;
	esac
}

print_machine() {
	local release
	release=$(uname -r)
	echo "machine: Linux ${release%%-*} $(uname -m), $(nproc) processors," \
		"$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo) MiB"
}

print_systems() {
	local system
	echo
	echo "systems:"
	for system in "${systems[@]}"; do
		printf '  %-24s %s\n' "$system" "${options[$system]:-defaults}"
	done
}
