# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced after lib.sh by the tests that do random operations on the mount and on a native directory
# (see helpers/soak.c), and by those that ask whether anything is left of it.
#
#	SOAK_SEED   the seed; random, and printed, if not given

: "${SOAK_SEED:=$((RANDOM * 32768 + RANDOM))}"

# On an ext4 of its own where that can be had: that is what the mount is to be like.
soak_disk()
{
	is_root || return 0
	mkdir "$WORK/disk" && make_loop_ext4 4G "$WORK/disk" || die "no ext4 to work on"
	BACKING=$WORK/disk/backing ASIDE=$WORK/disk/aside
	mkdir "$BACKING" "$ASIDE"
}

soak_directories()
{
	rm -rf --one-file-system "$BACKING" "$ASIDE"
	mkdir "$BACKING" "$ASIDE"
	chmod 777 "$BACKING" "$ASIDE"
	[ -z "$1" ] || give_to_user
}

# soak_here NATIVE MOUNT SEED SECONDS OPERATIONS OPTIONS [as_user]: in directories that are there
soak_here()
{
	local native=$1 mount=$2 seed=$3 seconds=$4 operations=$5 options=$6 as=${7:-} more=()
	case $options in *cache=none*) more+=(nommap) ;; esac
	[ -z "$as" ] && is_root || more+=(alone)
	rm -f "$WORK/home/trace"
	if $as timeout -k 5 $((seconds + 120)) "$HELPERS/soak" run "$native" "$mount" "$seed" \
		"$seconds" "$operations" "$HOME/trace" "${more[@]}" > "$WORK/soak.out" 2>&1; then
		pass "$options: $(tail -n 1 "$WORK/soak.out")"
		return
	fi
	bad "$options: seed $seed: $(head -n 40 "$WORK/soak.out")"
	say "        before it:"
	tail -n 60 "$HOME/trace"
	return 1
}

# soak_mount OPTIONS SEED SECONDS OPERATIONS [as_user]: on a new mount, and BACKING is looked at
# afterwards.
soak_mount()
{
	local options=$1 seed=$2 seconds=$3 operations=$4 as=${5:-} right=1
	soak_directories "$as"
	mount_it "$options$([ -n "$as" ] || echo ,allow_other)" "$as" || return
	soak_here "$ASIDE" "$MNT" "$seed" "$seconds" "$operations" "$options" "$as" || right=
	check "$options: daemon lives" daemon_lives
	unmount_it
	[ -z "$right" ] || check "$options: so it is in BACKING" \
		quiet "$HELPERS/soak" compare "$ASIDE" "$BACKING"
}

# -------------------------------------------------------------------------- what is left afterwards

# Everything that programs closed is flushed, and the kernel forgets what it can.
forgotten()
{
	echo sync > "$MNT/.mmapfs/control" || return
	echo 2 > /proc/sys/vm/drop_caches
	[ "$(stat_of file.regions)" = 0 ] && [ "$(stat_of file.open)" = 0 ] &&
		[ "$(stat_of inode.count)" -le "$1" ]
}

# What the daemon has now: a word and a number a line
possessions()
{
	awk '$1 ~ /^(inode\.count|inode\.fds|file\.open|file\.regions|chunk\.mapped|chunk\.mapped_bytes|memory\.tables_bytes|watch\.marks|watch\.unmarked_directories|sync\.dirty_files|sync\.dirty_bytes)$/' \
		"$MNT/.mmapfs/stats"
	echo "descriptors $(find "/proc/$DAEMON/fd" -mindepth 1 | wc -l)"
	awk '$1 == "RssAnon:" { print "RssAnon_kB", $2 }' "/proc/$DAEMON/status"
	echo "mappings $(wc -l < "/proc/$DAEMON/maps")"
}

# not_grown WHAT BEFORE AFTER [BYTES]: files of possessions. Threads that come and go, and the
# allocator's arenas, make mappings and memory differ a little; the megabyte that each of ten workers
# has for requests is memory only once a large one has come to it. Hash tables grow with the most that was
# ever in them, and do not shrink: BYTES for those, where that may differ.
not_grown()
{
	local what=$1
	[ -n "$MMAPFS_NATIVE" ] && return
	if join "$2" "$3" | awk -v tables="${4:-0}" '
		{ room = 0 }
		$1 == "memory.tables_bytes" { room = tables }
		$1 == "RssAnon_kB" { room = 4096 }
		$1 == "mappings" { room = 24 }
		$3 > $2 + room { print "        " $1 " was " $2 ", is " $3; grown = 1 }
		END { exit grown || NR < 12 }'; then
		pass "$what: $(awk '{ printf "%s%s %s", (NR > 1 ? ", " : ""), $1, $2 }' "$3")"
	else
		bad "$what"
	fi
}
