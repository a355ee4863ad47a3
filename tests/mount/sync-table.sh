#!/bin/bash
# The table of durability, row by row, from outside the daemon: what has reached BACKING's file,
# and what was fsync'ed there, when write(2), fsync(2), msync(2) and close(2) return.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$HERE/trace.sh"
require_root
require strace
[ -z "$MMAPFS_NATIVE" ] || skip "there is no daemon to trace"

# One second would let the background syncer do what fsync and close must do.
PERIODIC=sync=periodic,sync_interval=1000
W=4096

# asked COMMAND...: to the one process of fdsh
asked() { fd p "$@" || { say "        $*: $ANSWER"; return 1; }; }

begin()
{
	MODE=$1
	rm -rf --one-file-system "$BACKING"
	mkdir "$BACKING" "$BACKING/dir"
	mount_it "$MODE" || return
	trace_start
	fd_start p
}

end()
{
	fd_stop p
	check "$MODE: daemon lives" daemon_lives
	trace_stop
	unmount_it
}

# A write(2) and nothing more. $1: whether it must be durable when it returns.
row_write()
{
	asked open 0 "$MNT/w" rw,creat || bad "$MODE: open"
	mark w
	check "$MODE: write" asked write 0 0 $W 1
	if [ "$1" = yes ]; then
		check "$MODE: durable before write returns" durable w 0 $W 1
		mark w
		check "$MODE: write over it" asked write 0 0 $W 2
		check "$MODE: durable again" durable w 0 $W 2
		mark w
		check "$MODE: large write" asked write 0 100 3000000 3
		check "$MODE: all of it is durable" durable w 100 3000000 3
	else
		refute "$MODE: write does not wait for the disk" synced w
	fi
	asked close 0
}

# $1: whether close(2) waits for the data
row_close()
{
	asked open 0 "$MNT/c" rw,creat
	mark c
	asked write 0 0 70000 4
	[ "$1" = done ] || mark c
	check "$MODE: close" asked close 0
	case $1 in
	waits | done) check "$MODE: durable when close returns" durable c 0 70000 4 ;;
	*) refute "$MODE: close does not wait" synced c ;;
	esac
	[ "$1" = waits ] || return
	asked open 0 "$MNT/c" rw
	mark c
	asked write 0 0 70000 5
	check "$MODE: close after writing over it" asked close 0
	check "$MODE: durable again" durable c 0 70000 5
}

# fsync and fdatasync: at each call, also of blocks that were synced before.
row_fsync()
{
	local call seed=10 requested
	requested=$(stat_of sync.requested)
	asked open 0 "$MNT/f" rw,creat
	for call in fsync fdatasync fsync fdatasync; do
		seed=$((seed + 1))
		asked write 0 0 9000 $seed
		mark f
		check "$MODE: $call" asked $call 0
		check "$MODE: durable when $call returns" durable f 0 9000 $seed
	done
	asked write 0 0 9000 20
	asked open 1 "$MNT/f" r
	mark f
	check "$MODE: fsync by a handle that wrote nothing" asked fsync 1
	check "$MODE: durable then" durable f 0 9000 20
	equal "$MODE: counted as requested" $(($(stat_of sync.requested) - requested)) 5
	asked close 0
	asked close 1
	mark dir
	check "$MODE: fsync of a directory" asked syncdir "$MNT/dir"
	check "$MODE: the directory is durable" synced dir
}

row_flags()
{
	local flag seed=30
	for flag in sync dsync; do
		asked open 0 "$MNT/o$flag" rw,creat,$flag
		for len in 100 $W 300000; do
			seed=$((seed + 1))
			mark "o$flag"
			check "$MODE: O_$flag write of $len" asked write 0 0 $len $seed
			check "$MODE: durable when it returns" durable "o$flag" 0 $len $seed
		done
		asked close 0
		asked open 0 "$MNT/v$flag" rw,creat
		asked write 0 0 $W $seed
		for len in 100 $W; do
			seed=$((seed + 1))
			mark "v$flag"
			check "$MODE: pwritev2(RWF_$flag) of $len" \
				asked writev2 0 0 $len $seed $flag
			check "$MODE: durable when it returns" durable "v$flag" 0 $len $seed
		done
		asked close 0
	done
	asked open 0 "$MNT/oa" w,creat,append,dsync
	mark oa
	check "$MODE: O_DSYNC append" asked write 0 - 0 0
	check "$MODE: O_DSYNC append" asked write 0 - 777 40
	check "$MODE: durable when it returns" durable oa 0 777 40
	asked close 0
}

row_map()
{
	asked open 0 "$MNT/m" rw,creat
	asked write 0 0 100000 50
	asked fsync 0
	check "$MODE: MAP_SHARED" asked map 0 0 100000
	asked store 0 5000 60000 51
	mark m
	check "$MODE: msync(MS_SYNC)" asked msync 0 sync
	check "$MODE: stores are durable when msync returns" durable m 5000 60000 51
	asked store 0 5000 60000 52
	mark m
	check "$MODE: fsync" asked fsync 0
	check "$MODE: stores are durable when fsync returns" durable m 5000 60000 52
	asked store 0 5000 60000 53
	mark m
	check "$MODE: close with the mapping in place" asked close 0
	[ "$1" != waits ] || check "$MODE: stores are durable when close returns" \
		durable m 5000 60000 53
	check "$MODE: munmap" asked unmap 0
}

# names MUST: each change of a name, and whether the directories are durable when it returns
names()
{
	local must=$1 what where dir
	while IFS=: read -r where what; do
		for dir in $where; do mark "$dir"; done
		check "$MODE: $what" eval "$what"
		if [ "$must" = yes ]; then
			for dir in $where; do
				check "$MODE: $dir is durable when it returns" synced "$dir"
			done
		else
			refute "$MODE: it does not wait for the disk" synced "$dir"
		fi
	done <<- 'END'
		dir:asked open 0 "$MNT/dir/new" rw,creat
		dir:asked mkdir "$MNT/dir/sub"
		dir:ln -s x "$MNT/dir/sym"
		dir:ln "$MNT/dir/new" "$MNT/dir/hard"
		dir:mkfifo "$MNT/dir/fifo"
		dir:asked rename "$MNT/dir/new" "$MNT/dir/new2"
		dir dir/sub:mv -T "$MNT/dir/new2" "$MNT/dir/sub/new3"
		dir:asked unlink "$MNT/dir/hard"
		dir:rm "$MNT/dir/sym"
		dir/sub:rm "$MNT/dir/sub/new3"
		dir:rmdir "$MNT/dir/sub"
	END
}

# A write that only the kernel's cache knows, and the command that makes all durable.
row_control()
{
	asked open 0 "$MNT/k" rw,creat
	asked write 0 0 200000 60
	mark k
	check "$MODE: control sync" bash -c 'echo sync > "$1"' - "$MNT/.mmapfs/control"
	check "$MODE: durable when it returns" durable k 0 200000 60
	asked close 0
}

# What nobody asked to sync is in BACKING after an unmount, and durable except under never.
row_unmount()
{
	asked open 0 "$MNT/u" rw,creat
	asked write 0 0 300000 70
	asked close 0
	mark u
	fd_stop p
	unmount_it
	trace_stop
	check "$MODE: written before the unmount" holds "$BACKING/u" 0 300000 70
	case $MODE in *never* | *immediate* | *lazy*) ;; *)
		check "$MODE: durable by the unmount" synced u
	esac
}

all_rows()
{
	local write=$1 close=$2
	row_write "$write"
	row_close "$close"
	row_fsync
	row_flags
	case $MODE in *cache=none*) ;; *) row_map "$close" ;; esac
	names "$write"
	row_control
}

for cache in through shared none; do
	begin "sync=immediate,cache=$cache" || continue
	all_rows yes done
	row_unmount
done
for cache in back through shared none; do
	begin "$PERIODIC,cache=$cache" || continue
	all_rows no goes
	row_unmount
done
for cache in back through none; do
	begin "sync=lazy,cache=$cache" || continue
	all_rows no waits
	row_unmount
done
for cache in back through none; do
	begin "sync=never,cache=$cache" || continue
	all_rows no goes
	row_unmount
done

# mount -o sync: the kernel makes every write an O_SYNC one.
begin "$PERIODIC,sync"
asked open 0 "$MNT/s" rw,creat
mark s
check "$MODE: write" asked write 0 0 $W 75
check "$MODE: durable when it returns" durable s 0 $W 75
asked close 0
end

# fsync=defer: the promise is the sync mode's, and said to be deferred.
for cache in back none; do
	begin "$PERIODIC,fsync=defer,cache=$cache" || continue
	deferred=$(stat_of sync.deferred)
	asked open 0 "$MNT/d" rw,creat
	asked write 0 0 $W 80
	mark d
	check "$MODE: fsync" asked fsync 0
	check "$MODE: fdatasync" asked fdatasync 0
	refute "$MODE: neither waits for the disk" synced d
	check "$MODE: both counted as deferred" stat_at_least sync.deferred $((deferred + 2))
	equal "$MODE: none as honoured" "$(stat_of sync.requested)" 0
	asked open 1 "$MNT/d" rw,dsync
	check "$MODE: O_DSYNC write" asked write 1 0 $W 81
	refute "$MODE: does not wait either" synced d
	asked close 0
	asked close 1
	row_control
	end
	check "$MODE: written before the unmount" holds "$BACKING/d" 0 $W 81
done
begin "sync=lazy,fsync=defer"
asked open 0 "$MNT/d" rw,creat
asked write 0 0 $W 82
mark d
check "$MODE: fsync" asked fsync 0
refute "$MODE: does not wait for the disk" synced d
check "$MODE: close" asked close 0
check "$MODE: durable when close returns" durable d 0 $W 82
end
begin "sync=periodic,sync_interval=1,fsync=defer"
asked open 0 "$MNT/d" rw,creat
asked write 0 0 $W 83
mark d
check "$MODE: fsync" asked fsync 0
check "$MODE: durable some seconds later" within 15 durable d 0 $W 83
end

finish
