# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by every test of this folder. A test is a bash script whose second line says what it
# proves. It gets a private directory $WORK with
#
#	$BACKING  the directory that is mounted     $MNT    where
#	$ASIDE    for what must not be on the mount $HOME   empty, for git and the like
#
# and ends through 'finish'. Whatever happens, the trap unmounts, ends the daemons, detaches the
# loop devices and deletes $WORK.
#
# Environment: MMAPFS (the program), TOP_SRCDIR, TOP_BUILDDIR or HELPERS (where the helper programs
# are), MMAPFS_NO_SKIP=1 (a skip is a failure), MMAPFS_NATIVE=1 (no mount at all: MNT is BACKING;
# tries the tests themselves), MMAPFS_TEST_OPTIONS (more mount options for every mount),
# MMAPFS_TEST_KEEP=1 (leave $WORK), MMAPFS_TEST_SECONDS (the wall-clock limit of one test).

set -u
shopt -s nullglob
export LC_ALL=C
umask 022

SELF=$(cd "$(dirname "$0")" && pwd)/$(basename "$0")
NAME=$(basename "$0" .sh)
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${TOP_SRCDIR:=$(cd "$HERE/../.." && pwd)}"
: "${TOP_BUILDDIR:=$TOP_SRCDIR}"
: "${MMAPFS:=$TOP_BUILDDIR/mmapfs}"
: "${HELPERS:=$TOP_BUILDDIR/tests/mount/helpers}"
: "${MMAPFS_NATIVE:=}" "${MMAPFS_NO_SKIP:=}" "${MMAPFS_TEST_OPTIONS:=}" "${MMAPFS_TEST_KEEP:=}"
: "${MMAPFS_TEST_SECONDS:=900}"
PATH=$PATH:/usr/sbin:/sbin
TEST_USER=65534
UNPRIVILEGED=("--reuid=$TEST_USER" "--regid=$TEST_USER" --clear-groups --inh-caps=-all)

[ "${1:-}" = run ] || WORK=
FAILURES=0
DAEMON=            # the newest daemon, a child of this shell
DAEMON_USER=       # who runs it, when not the user of the test
DAEMON_PREFIX=()   # a command that runs it: sets limits, for one
DAEMONS=()
LOOPS=()

# --------------------------------------------------------------------------------------- verdicts

say() { printf '%s\n' "$*"; }
pass() { say "ok      $*"; }

bad()
{
	FAILURES=$((FAILURES + 1))
	say "NOT OK  $*"
}

die()
{
	bad "$*"
	exit 1
}

skip()
{
	if [ -n "$MMAPFS_NO_SKIP" ]; then
		say "NOT OK  skipped, but MMAPFS_NO_SKIP is set: $*"
		exit 1
	fi
	say "SKIP    $*"
	exit 77
}

# check WHAT COMMAND...: the command must succeed
check()
{
	local what=$1
	shift
	if "$@"; then pass "$what"; else bad "$what [$*]"; fi
}

# refute WHAT COMMAND...: the command must fail
refute()
{
	local what=$1
	shift
	if "$@"; then bad "$what [$*]"; else pass "$what"; fi
}

# equal WHAT GOT WANTED
equal()
{
	if [ "$2" = "$3" ]; then pass "$1"; else bad "$1: got '$2', not '$3'"; fi
}

# within SECONDS COMMAND...: the command succeeds before that, tried ten times a second
within()
{
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# limit SECONDS COMMAND...: a program (no function) with a wall-clock limit
limit() { timeout -k 5 "$@"; }

# quiet COMMAND...: output only if it fails
quiet()
{
	local out rc
	out=$("$@" 2>&1)
	rc=$?
	[ $rc -eq 0 ] || { say "$* ended with $rc:"; tail -n 25 <<< "$out"; }
	return $rc
}

finish()
{
	if [ "$FAILURES" -gt 0 ]; then
		say "$NAME: $FAILURES failed"
		exit 1
	fi
	say "$NAME: all passed"
	exit 0
}

# ----------------------------------------------------------------------------------- requirements

is_root() { [ "$(id -u)" = 0 ]; }
require_root() { is_root || skip "needs root"; }

require()
{
	local program
	for program; do
		command -v "$program" > /dev/null || skip "needs $program"
	done
}

require_fuse()
{
	[ -n "$MMAPFS_NATIVE" ] && return
	[ -c /dev/fuse ] || skip "/dev/fuse is missing on this machine"
	is_root || command -v fusermount3 > /dev/null || skip "needs fusermount3 (or root)"
	[ -x "$MMAPFS" ] || die "$MMAPFS is missing: run make first"
}

# Whether an unprivileged user can mount here at all.
user_can_mount()
{
	[ -n "$MMAPFS_NATIVE" ] && return
	is_root || return 0
	command -v setpriv > /dev/null && [ -u "$(command -v fusermount3)" ] &&
		getent passwd $TEST_USER > /dev/null &&
		as_user test -x "$MMAPFS"
}

# as_user COMMAND...: as root, the command runs as the unprivileged test user
as_user()
{
	if is_root; then
		setpriv "${UNPRIVILEGED[@]}" -- env HOME="$HOME" "$@"
	else
		"$@"
	fi
}

# ------------------------------------------------------------------------------ set-up, tear-down

mounts_below()
{
	awk -v dir="$1" '
		{ p = $5; gsub(/\\040/, " ", p); if (index(p "/", dir "/") == 1) print p }' \
		/proc/self/mountinfo | sort -r
}

detach()
{
	umount -l "$1" 2> /dev/null || fusermount3 -uz "$1" 2> /dev/null
}

# A daemon that hangs holds whoever touches its mount: cut the connection first.
abort_connections()
{
	local minor
	for minor in $(awk -v dir="$WORK/" 'index($5, dir) == 1 { split($3, d, ":"); print d[2] }' \
		/proc/self/mountinfo); do
		echo 1 2> /dev/null > "/sys/fs/fuse/connections/$minor/abort"
	done
}

# Processes that were started with a path of this test, other than this shell. The pattern comes by
# stdin, lest grep find itself.
processes_of_work()
{
	local path
	for path in $(grep -lsF -f /dev/stdin /proc/[0-9]*/cmdline <<< "$WORK/"); do
		path=${path#/proc/}
		[ "${path%/cmdline}" = $$ ] || echo "${path%/cmdline}"
	done
}

no_processes() { [ -z "$(processes_of_work)" ]; }

# One that was detached may be another test's by now.
loop_is_ours()
{
	case $(losetup -n -O BACK-FILE "$1") in
	"$WORK"/* | "${FAST:-$WORK}"/*) return 0 ;;
	*) return 1 ;;
	esac
}

cleanup()
{
	local rc=$? path pid
	trap - EXIT
	trap '' INT TERM HUP
	[ -n "${WATCHDOG:-}" ] && kill -KILL "$WATCHDOG" 2> /dev/null
	if [ $rc -ne 0 ] && [ $rc -ne 77 ]; then
		for path in "$WORK"/*.log; do
			[ -s "$path" ] && { say "--- $(basename "$path")"; tail -n 40 "$path"; }
		done
	fi
	cd /
	for pid in $(jobs -rp); do
		case " ${DAEMONS[*]} " in *" $pid "*) ;; *) kill -KILL "$pid" ;; esac
	done 2> /dev/null
	mounts_below "$WORK" | while read -r path; do detach "$path"; done
	within 10 no_processes || for pid in $(processes_of_work); do
		say "$NAME: process $pid had to be killed:" "$(tr '\0' ' ' < "/proc/$pid/cmdline")"
		kill -KILL "$pid"
	done 2> /dev/null
	for path in "${LOOPS[@]}"; do
		loop_is_ours "$path" && losetup -d "$path"
	done 2> /dev/null
	if [ -n "$(mounts_below "$WORK")" ]; then
		say "$NAME: still mounted, $WORK is left:" "$(mounts_below "$WORK")"
		rc=1
	elif [ -n "$WORK" ] && [ -z "$MMAPFS_TEST_KEEP" ]; then
		rm -rf --one-file-system "$WORK" || rc=1
	fi
	exit $rc
}

# No sleep(1) here: it would outlive the test, and hold its output open.
start_watchdog()
{
	local shell=$$ never
	mkfifo "$WORK/never"
	exec {never}<> "$WORK/never"
	(
		trap - EXIT
		read -r -t "$MMAPFS_TEST_SECONDS" -u "$never"
		echo "NOT OK  $NAME took more than $MMAPFS_TEST_SECONDS s"
		kill -TERM $shell
		read -r -t 2 -u "$never"
		abort_connections
	) &
	WATCHDOG=$!
	disown $WATCHDOG
}

# The script called by itself as 'run FUNCTION ARGUMENT...' only runs that function, in the
# directories of the caller: so a step can have a time limit, and another user. See step.
if [ "${1:-}" = run ]; then
	INNER=1
else
	INNER=
	trap cleanup EXIT
	trap 'exit 1' INT TERM HUP
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/mmapfs-$NAME.XXXXXX") || exit 1
	WORK=$(cd "$WORK" && pwd -P)
	BACKING=$WORK/backing
	MNT=$WORK/mnt
	ASIDE=$WORK/aside
	HOME=$WORK/home
	export WORK BACKING MNT ASIDE HOME HELPERS MMAPFS MMAPFS_NATIVE TOP_SRCDIR TOP_BUILDDIR
	chmod 755 "$WORK"
	mkdir "$BACKING" "$MNT" "$ASIDE" "$HOME"
	# In a private directory programs and scripts are out of the ordinary user's reach.
	if is_root && ! { as_user test -x "$MMAPFS" && as_user test -r "$SELF"; }; then
		mkdir "$WORK/programs"
		cp "$HERE"/*.sh "$WORK/programs/"
		SELF=$WORK/programs/$(basename "$SELF")
		mkdir "$WORK/programs/source" # what some tests work on
		tar -C "$TOP_SRCDIR" --exclude=./build --exclude=./.git -cf - . |
			tar -C "$WORK/programs/source" -xf -
		TOP_SRCDIR=$WORK/programs/source
		chmod 755 "$TOP_SRCDIR"
		cp "$MMAPFS" "$WORK/programs/mmapfs"
		find "$HELPERS" -maxdepth 1 -type f -perm -100 -exec cp {} "$WORK/programs/" ';'
		MMAPFS=$WORK/programs/mmapfs HELPERS=$WORK/programs
	fi
	start_watchdog
	require_fuse
fi

# step SECONDS USER FUNCTION ARGUMENT...: USER is 'as_user' or ''
step()
{
	local seconds=$1 user=$2
	shift 2
	$user timeout -k 5 "$seconds" "$BASH" "$SELF" run "$@"
}

# To be called when all functions are defined.
run_step()
{
	[ -n "$INNER" ] || return
	shift
	"$@"
	exit
}

# give_to_user: from here on the directories of the test are the test user's
give_to_user()
{
	if is_root; then chown $TEST_USER:$TEST_USER "$BACKING" "$MNT" "$ASIDE" "$HOME"; fi
}

# ---------------------------------------------------------------------------------------- mounting

is_mounted() { awk -v p="$1" '$5 == p { found = 1 } END { exit !found }' /proc/self/mountinfo; }
mount_answers() { is_mounted "$MNT" && stat "$MNT/." > /dev/null 2>&1; }

native_mount()
{
	if is_root; then
		mount --bind "$BACKING" "$MNT"
	else
		rmdir "$MNT" && ln -s "$BACKING" "$MNT"
	fi
}

# mount_it OPTIONS [as_user]: mounts BACKING at MNT. The daemon stays in the foreground, as a child
# of this shell, so that its end and its log are known.
mount_it()
{
	local options=$1 runner=${2:-} start
	[ -n "$MMAPFS_TEST_OPTIONS" ] && options+=,$MMAPFS_TEST_OPTIONS
	[ -n "$MMAPFS_NATIVE" ] && { native_mount; return; }
	say "--      mmapfs -o $options${runner:+ (ordinary user)}"
	DAEMON_USER=$runner
	start=("${DAEMON_PREFIX[@]}" "$MMAPFS" -f -o "$options" "$BACKING" "$MNT")
	: >> "$WORK/daemon.log"
	if [ -n "$runner" ]; then
		# It execs, so that $! is the daemon and not a shell.
		as_user_exec "${start[@]}" 2>> "$WORK/daemon.log" &
	else
		"${start[@]}" 2>> "$WORK/daemon.log" &
	fi
	DAEMON=$!
	DAEMONS+=("$DAEMON")
	if ! within 20 mount_up_or_gone; then
		bad "mmapfs -o $options is not up after 20 s"
		return 1
	fi
	daemon_lives || { bad "mmapfs -o $options ended"; return 1; }
}

as_user_exec()
{
	if is_root; then
		exec setpriv "${UNPRIVILEGED[@]}" -- "$@"
	else
		exec "$@"
	fi
}

daemon_lives() { [ -n "$MMAPFS_NATIVE" ] || kill -0 "$DAEMON" 2> /dev/null; }

# Root may not look into an ordinary user's mount: ask as its owner. It is read, since the kernel
# may answer for a dead daemon from what it has cached.
mount_up_or_gone()
{
	daemon_lives || return 0
	is_mounted "$MNT" || return 1
	if [ -n "$DAEMON_USER" ]; then
		as_user head -c 1 "$MNT/.mmapfs/stats"
	else
		head -c 1 "$MNT/.mmapfs/stats"
	fi
} > /dev/null 2>&1

daemon_gone() { ! kill -0 "$DAEMON" 2> /dev/null; }

# Waits for the daemon's end, which must be status 0 and without a report of a sanitizer.
daemon_ended_well()
{
	local rc
	[ -n "$MMAPFS_NATIVE" ] && return
	if ! within 30 daemon_gone; then
		bad "the daemon still runs 30 s after it should have ended"
		kill -KILL "$DAEMON"
		return 1
	fi
	wait "$DAEMON"
	rc=$?
	if [ $rc -ne 0 ]; then
		bad "the daemon ended with status $rc"
		return 1
	fi
	if grep -qE 'Sanitizer|runtime error:' "$WORK/daemon.log"; then
		bad "a sanitizer reported"
		return 1
	fi
}

unmount_it()
{
	local detacher
	if [ -n "$MMAPFS_NATIVE" ]; then
		if is_root; then umount "$MNT"; else rm "$MNT" && mkdir "$MNT"; fi
		return
	fi
	if is_root && [ -z "$DAEMON_USER" ]; then
		detacher=(limit 60 umount "$MNT")
	else
		detacher=(as_user timeout 60 fusermount3 -u "$MNT")
	fi
	# Busy for a moment, if the daemon flushes a file just now.
	within 10 "${detacher[@]}" 2> "$WORK/umount.err" || {
		bad "${detacher[*]}: $(tail -n 1 "$WORK/umount.err")"
		return 1
	}
	daemon_ended_well
}

# -------------------------------------------------------------------------------------- statistics

# stat_of NAME: the counter's value now
stat_of()
{
	[ -n "$MMAPFS_NATIVE" ] && { echo 0; return; }
	local reader=()
	[ -n "$DAEMON_USER" ] && reader=(as_user)
	"${reader[@]}" cat "$MNT/.mmapfs/stats" | awk -v name="$1" '
		$1 == name { print $2; found = 1 }
		END { if (!found) { print "no statistic " name > "/dev/stderr"; print -1 } }'
}

# stat_at_least NAME VALUE
stat_at_least()
{
	local value
	[ -n "$MMAPFS_NATIVE" ] && return
	value=$(stat_of "$1")
	[ "$value" -ge "$2" ] && return
	say "        $1 is $value, not at least $2"
	return 1
}

# Reads were served from mapped regions since the mount, or the test proves nothing.
served_mapped()
{
	[ -n "$MMAPFS_NATIVE" ] && return
	local mapped=$(($(stat_of read.mapped) + $(stat_of read.copied)))
	[ "$mapped" -gt 0 ] && return
	say "        no READ was served from a mapped region; by pread: $(stat_of read.pread)"
	return 1
}

# ------------------------------------------------------------------------------------------- tools

# make_loop_ext4 SIZE DIR: a small ext4 of its own at DIR
make_loop_ext4()
{
	local image loop
	image=$WORK/image.${#LOOPS[@]}
	truncate -s "$1" "$image"
	quiet mkfs.ext4 -q -F -m 0 "$image" || return 1
	loop=$(losetup -f --show "$image") || skip "needs a loop device"
	LOOPS+=("$loop")
	mount "$loop" "$2"
}

# background COMMAND...: a program in the background, ended with the test. Its id in $CHILD.
background()
{
	"$@" &
	CHILD=$!
}

# fd_start NAME: a process of fdsh (see helpers/fdsh.c); fd NAME COMMAND... asks it.
declare -A FD_IN FD_OUT
fd_start()
{
	local in out
	mkfifo "$WORK/fd.$1.in" "$WORK/fd.$1.out"
	"$HELPERS/fdsh" < "$WORK/fd.$1.in" > "$WORK/fd.$1.out" &
	exec {in}> "$WORK/fd.$1.in" {out}< "$WORK/fd.$1.out"
	FD_IN[$1]=$in FD_OUT[$1]=$out
	rm "$WORK/fd.$1.in" "$WORK/fd.$1.out"
}

# The answer is in $ANSWER; true if it was "ok".
fd()
{
	local in=${FD_IN[$1]} out=${FD_OUT[$1]}
	shift
	ANSWER=none
	echo "$*" >&"$in" && read -r -t 60 -u "$out" ANSWER
	case $ANSWER in
	ok*) return 0 ;;
	*) return 1 ;;
	esac
}

fd_stop()
{
	local in=${FD_IN[$1]} out=${FD_OUT[$1]}
	exec {in}>&- {out}<&-
}

# holds FILE OFFSET LEN SEED: the file has the pattern there
holds()
{
	[ "$(printf 'open 0 %s r\ncheck 0 %s %s %s\n' "$1" "$2" "$3" "$4" | "$HELPERS/fdsh" |
		tail -n 1)" = "ok $(($3))" ]
}
