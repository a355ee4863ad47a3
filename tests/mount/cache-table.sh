#!/bin/bash
# Each cell of the manual's table of who sees what, and when: for each cache mode, with the watch and
# without, what a change on one side shows on the other.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "there is one side only without a mount"

# Upper limits in seconds. NOW is the issue's 100 ms, with room for a busy machine.
NOW=2 SECOND=5

# old DIR: what all begins with, cached on the mount
old()
{
	rm -f "$BACKING"/f "$BACKING"/n
	printf '%05000d' 1 > "$BACKING/f"
	sleep 1.2
	[ "$(cat "$MNT/f")" = "$(cat "$BACKING/f")" ] && [ ! -e "$MNT/n" ]
}

same() { cmp -s "$BACKING/f" "$MNT/f"; }
size_is() { [ "$(stat -c %s "$MNT/f")" = "$1" ]; }
fd_size_is() { fd a size 0 && [ "$ANSWER" = "ok $1" ]; }
fd_holds() { fd a check 0 "$1" "$2" "$3" && [ "$ANSWER" = "ok $2" ]; }
mode_is() { [ "$(stat -c %a "$MNT/f")" = "$1" ]; }
in_backing() { holds "$BACKING/f" "$@"; }
not_in_backing() { ! holds "$BACKING/f" "$@"; }

# put FILE OFFSET LEN SEED: by another process, without a truncation
put() { [ "$(printf 'open 0 %s rw\nwrite 0 %s %s %s\n' "$@" | "$HELPERS/fdsh" | tail -n 1)" = "ok $3" ]; }

# cell WHAT WHEN COMMAND...: now or second: within that; never: not while the file is open
cell()
{
	local what="$options: $1" when=$2
	shift 2
	case $when in
	now) check "$what: at once" within $NOW "$@" ;;
	second) check "$what: within a second" within $SECOND "$@" ;;
	later) sleep 1.5; refute "$what: not while it is open" "$@" ;;
	esac
}

closed_changes()
{
	check "$options: before" old
	put "$BACKING/f" 100 100 3
	cell "data of a file that is not open" "$1" same
	printf '%06000d' 2 > "$BACKING/f"
	cell "its size" "$1" size_is 6000
	cell "and data" "$1" same
	chmod 604 "$BACKING/f"
	cell "its mode" "$1" mode_is 604
	echo > "$BACKING/n"
	cell "a name made" now test -e "$MNT/n"
	rm "$BACKING/n"
	cell "a name removed" "$1" test ! -e "$MNT/n"
	printf '%04000d' 3 > "$BACKING/n"
	mv "$BACKING/n" "$BACKING/f"
	cell "a file replaced" "$1" same
}

# open_changes DATA SIZE
open_changes()
{
	check "$options: before" old
	fd a open 0 "$MNT/f" r || bad "$options: open"
	fd_size_is 5000
	put "$BACKING/f" 100 100 3
	cell "data of a file that is open" "$1" fd_holds 100 100 3
	put "$BACKING/f" 5000 3000 4
	cell "its size" "$2" fd_size_is 8000
	[ "$2" = later ] || cell "its end" "$2" fd_holds 5000 3000 4
	fd a close 0
	cell "all of it when it is opened again" second same
}

# mount_changes WRITE
mount_changes()
{
	check "$options: before" old
	fd a open 0 "$MNT/f" rw || bad "$options: open"
	fd a write 0 200 100 5
	if [ "$1" = later ]; then
		check "$options: a write stays in the kernel" not_in_backing 200 100 5
		fd a fsync 0
	fi
	check "$options: written on the mount, seen in BACKING" in_backing 200 100 5
	if fd a map 0 0 4096; then
		fd a store 0 400 100 6
		check "$options: a store stays in the kernel" not_in_backing 400 100 6
		fd a msync 0 sync
		check "$options: and is seen after msync" in_backing 400 100 6
		fd a unmap 0
	else
		equal "$options: MAP_SHARED is refused" "$options $ANSWER" "cache=none err ENODEV"
	fi
	fd a write 0 600 100 7
	fd a close 0
	check "$options: a write is seen after close" within $NOW in_backing 600 100 7
	echo > "$MNT/n"
	check "$options: a name made on the mount is seen in BACKING" test -e "$BACKING/n"
	chmod 606 "$MNT/f"
	equal "$options: and a mode" "$(stat -c %a "$BACKING/f")" 606
}

# try OPTIONS CLOSED DATA SIZE WRITE
try()
{
	options=$1
	mount_it "$1,sync=never" || return
	closed_changes "$2"
	open_changes "$3" "$4"
	mount_changes "$5"
	check "$options: daemon lives" daemon_lives
	unmount_it
}

fd_start a
#   options                 closed  open data  open size  write
try cache=back              now     now        now        later
try cache=back,watch=off    second  later      later      later
try cache=through           now     now        now        now
try cache=through,watch=off second  later      second     now
try cache=shared            second  second     second     now
try cache=none              now     now        now        now
fd_stop a
finish
