# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# The file systems that bench/run compares: which there are, and how each is mounted and unmounted.
# Sourced by bench/run, which sets $work, $backing, $mmapfs, $mmapfs_options and $examples, and by
# bench/sync, which has other systems.

: "${work:?}" "${mmapfs_options=}" "${examples=}" "${backing=}"

systems=()            # those that take part, native first and mmapfs last
versions=()           # of all, for the table
declare -A options    # what each is mounted with, for the table
declare -A daemon_pid # of those that are mounted now
declare -A answered    # of those: it is mounted and has answered
declare -A own_backing # of those that have one

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

# passthrough_ll comes with libfuse as a source file. Prints why it cannot be built.
build_passthrough_ll() {
	local source=$examples/passthrough_ll.c flags
	[ -f "$source" ] || {
		echo "$source is missing (Debian: libfuse3-dev; see --examples)"
		return 1
	}
	flags=$(pkg-config --cflags --libs fuse3 2>/dev/null) || {
		echo "pkg-config does not find fuse3"
		return 1
	}
	# shellcheck disable=SC2086 # flags are words
	"${CC:-cc}" -O2 -w -o "$work/passthrough_ll" "$source" $flags >"$work/cc.log" 2>&1 || {
		echo "$source does not compile: $(head -n 1 "$work/cc.log")"
		return 1
	}
}

# Sets $systems, $options, $notes, $versions.
find_systems() {
	local why
	add_system native none
	versions+=("$(mmapfs_version)")
	if why=$(build_passthrough_ll); then
		add_system passthrough_ll "source=BACKING"
		add_system passthrough_ll-best "source=BACKING,writeback,cache=always"
		versions+=("passthrough_ll of libfuse $(pkg-config --modversion fuse3)")
	else
		notes+=("passthrough_ll is left out: $why")
	fi
	if command -v bindfs >/dev/null; then
		# Its default for others' access is what only root may always ask for.
		if [ "$(id -u)" -eq 0 ]; then
			add_system bindfs ""
		else
			add_system bindfs "--no-allow-other"
		fi
		versions+=("$(bindfs --version 2>&1 | head -n 1)")
	else
		notes+=("bindfs is left out: it is not installed")
	fi
	add_system mmapfs "$mmapfs_options"
}

is_mounted() { # DIR
	awk -v dir="$1" '$2 == dir { found = 1 } END { exit !found }' /proc/self/mounts
}

daemon_command() { # SYSTEM, sets $command
	local mnt
	mnt=$(mnt_of "$1")
	case $1 in
	passthrough_ll*)
		command=("$work/passthrough_ll" -f -o "${options[$1]/BACKING/$backing}" "$mnt") ;;
	bindfs)
		command=(bindfs -f ${options[bindfs]:+"${options[bindfs]}"} "$backing" "$mnt") ;;
	mmapfs*)
		command=("$mmapfs" -f ${options[$1]:+-o "${options[$1]}"} "$(backing_of "$1")" "$mnt") ;;
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
			complain "$1 does not mount: $(tail -n 1 "$work/log.$1")"
			unset "daemon_pid[$1]"
			return 1
		fi
		[ "$n" -le 1000 ] || {
			complain "$1 does not mount in ten seconds"
			kill -TERM "${daemon_pid[$1]}"
			stop_system "$1"
			return 1
		}
		sleep 0.01
	done
	timeout --foreground 10 stat "$mnt" >/dev/null || {
		complain "$1 is mounted and does not answer"
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
		complain "the daemon of $1 ended with status $status"
	unset "daemon_pid[$1]" "answered[$1]"
}

stop_all_systems() {
	local system
	for system in "${!daemon_pid[@]}"; do
		stop_system "$system"
	done
}
