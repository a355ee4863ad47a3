# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# The file systems that bench/run compares: which there are, and how each is mounted and unmounted.
# Sourced by bench/run, which sets $top, $work, $backing, $mmapfs, $mmapfs_options and $examples, and
# by bench/sync, which has other systems.

: "${top:?}" "${work:?}" "${mmapfs_options=}" "${examples=}" "${backing=}"

systems=()            # those that take part, native first and mmapfs last
versions=()           # of all, for the table
declare -gA options    # what each is mounted with, for the table
declare -gA daemon_pid # of those that are mounted now
declare -gA answered    # of those: it is mounted and has answered
declare -gA own_backing # of those that have one

# Beneath all systems there is one directory; bench/sync gives each its own.
backing_of() { # SYSTEM
	echo "${own_backing[$1]-$backing}"
}

is_bare() { # SYSTEM
	[ "$1" = native ] || [ "$1" = eatmydata ]
}

mnt_of() { # SYSTEM
	if is_bare "$1"; then backing_of "$1"; else echo "$work/mnt.$1"; fi
}

add_system() { # SYSTEM OPTIONS
	systems+=("$1")
	options[$1]=$2
	is_bare "$1" || mkdir "$work/mnt.$1"
}

# Compiles a peer, or the floor, from source. Prints why it cannot be done.
build_peer() { # PROGRAM COMPILER FLAG... SOURCE...
	local program=$1 flags source
	shift
	for source; do :; done
	[ -f "$source" ] || {
		echo "$source is missing (see --examples in bench/README)"
		return 1
	}
	flags=$(pkg-config --cflags --libs fuse3 2>/dev/null) || {
		echo "pkg-config does not find fuse3 (Debian: libfuse3-dev)"
		return 1
	}
	# shellcheck disable=SC2086 # flags are words
	"$@" $flags -o "$work/$program" >"$work/cc.log" 2>&1 || {
		echo "$source does not compile: $(grep -m 1 -i error "$work/cc.log")"
		return 1
	}
}

find_passthrough() {
	local why
	if why=$(build_peer passthrough_ll "${CC:-cc}" -O2 -w "$examples/passthrough_ll.c"); then
		add_system passthrough_ll "source=BACKING,writeback,cache=always"
		add_system passthrough_ll-through "source=BACKING,cache=always"
		versions+=("passthrough_ll of libfuse $(pkg-config --modversion fuse3)")
	else
		notes+=("passthrough_ll is left out: $why")
	fi
	# Newer compilers want <iostream> said.
	if why=$(build_peer passthrough_hp "${CXX:-c++}" -std=gnu++17 -O2 -w -pthread \
		-include iostream "$examples/passthrough_hp.cc"); then
		add_system passthrough_hp "" # it caches for a day, and writes back, by default
		versions+=("passthrough_hp from $(basename "$examples"), libfuse $(pkg-config --modversion fuse3)")
	else
		notes+=("passthrough_hp is left out: $why")
	fi
}

find_packaged() {
	local common
	if command -v bindfs >/dev/null; then
		# Its default for others' access is what only root may always ask for.
		common=kernel_cache
		[ "$(id -u)" -eq 0 ] || common=$common,no-allow-other
		add_system bindfs "$common"
		versions+=("$(bindfs --version 2>&1 | head -n 1)")
	else
		notes+=("bindfs is left out: it is not installed (Debian: bindfs)")
	fi
	if command -v mergerfs >/dev/null; then
		common=use_ino,minfreespace=0,cache.files=auto-full,cache.attr=86400,cache.entry=86400
		common=$common,cache.negative_entry=86400,cache.symlinks=true,cache.readdir=true
		common=$common,inodecalc=passthrough,security_capability=false
		add_system mergerfs "$common,cache.writeback=true"
		add_system mergerfs-through "$common,cache.writeback=false"
		versions+=("mergerfs $(mergerfs -V 2>&1 | sed -n 's/^mergerfs version: *//p')")
	else
		notes+=("mergerfs is left out: it is not installed (Debian: mergerfs)")
	fi
}

find_floor() {
	local why
	floorfs=${FLOORFS-$work/floorfs}
	if [ -n "${FLOORFS-}" ] || why=$(build_peer floorfs "${CC:-cc}" -std=gnu11 -D_GNU_SOURCE -O2 -pthread \
		"$top/bench/floortree.c" "$top/bench/floorfs.c"); then
		add_system floor back
		add_system floor-through through
	else
		notes+=("the floor is left out: $why")
	fi
}

# Sets $systems, $options, $notes, $versions.
find_systems() {
	add_system native none
	versions+=("$(mmapfs_version)")
	find_passthrough
	find_packaged
	find_floor
	add_system mmapfs "$mmapfs_options"
	add_system mmapfs-through "${mmapfs_options:+$mmapfs_options,}cache=through"
}

has_system() { # SYSTEM
	[ -n "${options[$1]+set}" ]
}

is_mounted() { # DIR
	awk -v dir="$1" '$2 == dir { found = 1 } END { exit !found }' /proc/self/mounts
}

# FUSE options for every mount of a row, and what of BACKING the floor has copies of.
mount_options=''
floor_names=()

with_mount_options() { # OPTIONS
	local all=${1:+$1,}$mount_options
	echo "${all%,}"
}

daemon_command() { # SYSTEM, sets $command
	local mnt all
	mnt=$(mnt_of "$1")
	all=$(with_mount_options "${options[$1]}")
	case $1 in
	passthrough_ll*)
		command=("$work/passthrough_ll" -f -o "${all/BACKING/$backing}" "$mnt") ;;
	passthrough_hp)
		command=("$work/passthrough_hp" --foreground "$backing" "$mnt") ;;
	bindfs)
		command=(bindfs -f ${all:+-o "$all"} "$backing" "$mnt") ;;
	mergerfs*)
		command=(mergerfs -f -o "$all" "$backing" "$mnt") ;;
	floor*)
		command=("$floorfs" "${options[$1]}" "$mnt" "$backing" "${floor_names[@]}") ;;
	mmapfs*)
		command=("$mmapfs" -f ${all:+-o "$all"} "$(backing_of "$1")" "$mnt") ;;
	esac
}

# Mounts in the foreground of the daemon, so that its process id is known. Returns when it answers.
start_system() { # SYSTEM
	local mnt command n=0
	! is_bare "$1" || return 0
	[ -z "${daemon_pid[$1]-}" ] || return 0
	mnt=$(mnt_of "$1")
	daemon_command "$1"
	"${command[@]}" </dev/null >"$work/log.$1" 2>&1 &
	daemon_pid[$1]=$!
	until is_mounted "$mnt"; do
		n=$((n + 1))
		if ! kill -0 "${daemon_pid[$1]}" 2>/dev/null; then
			blame "$1" "$1 does not mount: $(tail -n 1 "$work/log.$1")"
			unset "daemon_pid[$1]"
			return 1
		fi
		[ "$n" -le 3000 ] || {
			blame "$1" "$1 does not mount in half a minute"
			kill -TERM "${daemon_pid[$1]}"
			stop_system "$1"
			return 1
		}
		sleep 0.01
	done
	timeout --foreground 10 stat "$mnt" >/dev/null || {
		blame "$1" "$1 is mounted and does not answer"
		return 1
	}
	answered[$1]=yes
}

unmount() { # DIR [-l]
	if [ "$(id -u)" -eq 0 ]; then
		umount ${2:+-l} "$1"
	else
		fusermount3 -u ${2:+-z} "$1"
	fi
}

# Waits until a daemon has gone, at most $2 seconds.
daemon_ended() { # PID SECONDS
	local n=0
	while kill -0 "$1" 2>/dev/null; do
		n=$((n + 1))
		[ "$n" -le $(($2 * 50)) ] || return 1
		sleep 0.02
	done
}

# Until it answers, or has gone: an unmount and a signal in the middle of mounting would race.
finish_starting() { # PID DIR
	local n
	for ((n = 0; n < 500; n++)); do
		if is_mounted "$2"; then
			timeout --foreground 10 stat "$2" >/dev/null
			return 0
		fi
		kill -0 "$1" 2>/dev/null || return 0
		sleep 0.02
	done
	kill -TERM "$1" 2>/dev/null
}

# The ways out get rougher: each is tried only if the one before left something.
stop_system() { # SYSTEM
	local mnt pid=${daemon_pid[$1]-} n status
	[ -n "$pid" ] || return 0
	mnt=$(mnt_of "$1")
	# Interrupted before that, it may be about to mount.
	[ -n "${answered[$1]-}" ] || finish_starting "$pid" "$mnt"
	for n in 1 2 3 4 5 6 7 8 9 10; do
		! is_mounted "$mnt" || unmount "$mnt" 2>>"$work/log.$1" || sleep 0.1
		is_mounted "$mnt" || break
	done
	if is_mounted "$mnt"; then
		complain "$1 stays busy after $n tries to unmount it: $(tail -n 1 "$work/log.$1")"
		unmount "$mnt" -l
		kill -TERM "$pid" 2>/dev/null
	fi
	if ! daemon_ended "$pid" 30; then
		complain "the daemon of $1 outlives its mount: it is killed"
		kill -KILL "$pid" 2>/dev/null
		if ! daemon_ended "$pid" 10; then
			complain "the daemon of $1 cannot be killed: process $pid stays"
			unset "daemon_pid[$1]" "answered[$1]"
			return 0
		fi
	fi
	wait "$pid" 2>/dev/null
	status=$?
	[ "$status" -eq 0 ] || [ -z "${answered[$1]-}" ] ||
		blame "$1" "the daemon of $1 ended with status $status"
	unset "daemon_pid[$1]" "answered[$1]"
}

stop_all_systems() {
	local system
	for system in "${!daemon_pid[@]}"; do
		stop_system "$system"
	done
}
