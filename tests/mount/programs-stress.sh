#!/bin/bash
# stress-ng's file-system stressors with --verify on each sync and cache mode.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$HERE/matrix.sh"
require stress-ng

# Left out: stressors of what FUSE does not have (fiemap, O_TMPFILE, inotify of other file systems'
# ioctls), and those that never use the directory.
STRESSORS="access chdir chmod chown copy-file dentry dir dirdeep dirmany fallocate fault
	filename flock fpunch fstat getdent hdd io-uring link lockf lockofd mknod mmap open
	readahead rename seek sendfile splice symlink touch utime xattr"

ops_of()
{
	case $1 in
	chown) is_root && echo 100 ;;
	dirdeep) echo 30 ;;
	link | symlink | fpunch) echo 2 ;;
	dirmany | dentry | filename) echo 100 ;;
	fallocate | copy-file) echo 5 ;;
	hdd) echo 20 ;;
	*) echo 100 ;;
	esac
}

# Some count no operations, or slow ones.
seconds_of() { case $1 in fpunch | link | mmap | symlink | xattr) echo 1 ;; *) echo 2 ;; esac }

stress()
{
	local name=$1 ops
	shift
	ops=$(ops_of "$name")
	[ -n "$ops" ] || return 0
	quiet timeout -k 5 60 stress-ng "--$name" 1 "--$name-ops" "$ops" --verify --seed 11 \
		--timeout "$(seconds_of "$name")" --temp-path . --oom-avoid "$@" && return
	say "stress-ng --$name failed"
	return 1
}

# half REMAINDER: every second stressor, in a directory of its own
half()
{
	local name n=0 rc=0
	mkdir "half$1" && cd "half$1" || return 1
	for name in $STRESSORS; do
		n=$((n + 1))
		[ $((n % 2)) = "$1" ] || continue
		case $name in
		chdir) stress chdir --chdir-dirs 100 ;;
		copy-file) stress copy-file --copy-file-bytes 128M ;;
		fallocate) stress fallocate --fallocate-bytes 8M ;;
		hdd) stress hdd --hdd-bytes 2M --hdd-opts wr-rnd,rd-rnd,fsync ;;
		mmap) [ -z "$CAN_MAP" ] || stress mmap --mmap-file --mmap-bytes 2M ;;
		readahead) stress readahead --readahead-bytes 4M ;;
		seek) stress seek --seek-size 4M ;;
		*) stress "$name" ;;
		esac || rc=1
	done
	cd .. && rmdir "half$1" || rc=1
	return $rc
}

work()
{
	local rc=0
	cd "$1" || return 1
	half 0 &
	half 1 || rc=1
	wait $! || rc=1
	head -c 100000 /dev/zero > kept
	return $rc
}

verify() { [ "$(wc -c < "$1/kept")" = 100000 ] && cmp -n 100000 "$1/kept" /dev/zero; }

run_matrix "$@"
