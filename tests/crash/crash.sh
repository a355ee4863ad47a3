#!/bin/bash
# Power failures: no promise of any mode is broken, whenever the power goes
#
#	crash.sh                    CRASH_IMAGES (2400) images over all rows below, of CRASH_SEED
#	crash.sh rows               the same, but for the daemons that lie
#	crash.sh soak               the same with one seed after the other, until CRASH_IMAGES
#	crash.sh repeat DIR SEED [IMAGE]
#	                            one image of a recording that was kept; it is left in IMAGE
#
# CRASH_ONLY is a pattern (egrep) for the rows to take, CRASH_NOT for those to leave out; CRASH_PART=N/M
# takes every M-th of what remains from the N-th on, so that M of us share the work. CRASH_SECONDS is a
# limit for all of it. Rows with ack=time fail on a machine that is too busy to flush within a second.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
: "${CRASH_SECONDS:=$([ "${1:-}" = soak ] && echo 86400 || echo 1800)}"
MMAPFS_TEST_SECONDS=$CRASH_SECONDS
. "$(dirname "$0")/lib.sh"
: "${CRASH_IMAGES:=2400}" "${CRASH_ONLY:=.}" "${CRASH_NOT:=^\$}" "${CRASH_PART:=1/1}"

# NAME TYPE OPTIONS WORKLOAD [KEY=VALUE]... The names are unique. OPTIONS are mmapfs's, or native.
rows()
{
	grep -v '^$' <<- 'END'
	native-mix ext4 native mix threads=4 ack=fsync
	native-sync ext4 native:sync,dirsync mix threads=4 ack=write
	native-osync ext4 native churn threads=4 ack=osync
	native-sqlite ext4 native sqlite journal=delete sync=full
	native-xfs xfs native mix threads=4 ack=fsync
	native-btrfs btrfs native mix threads=4 ack=fsync

	append-1 ext4 sync=periodic append threads=1 ack=fsync
	append-16 ext4 sync=periodic append threads=16 ack=fsync
	append-data ext4 sync=periodic append threads=4 ack=fdatasync
	append-osync ext4 sync=periodic append threads=2 ack=osync
	append-odsync ext4 sync=periodic append threads=2 ack=odsync
	overwrite-data ext4 sync=periodic overwrite threads=4 ack=fdatasync
	overwrite-odsync ext4 sync=periodic overwrite threads=2 ack=odsync
	overwrite-msync ext4 sync=periodic overwrite threads=2 ack=msync
	replace ext4 sync=periodic replace threads=4 ack=fsync
	replace-16 ext4 sync=periodic replace threads=16 ack=fdatasync
	spool ext4 sync=periodic spool threads=4 ack=fsync
	shape ext4 sync=periodic shape threads=2 ack=fsync
	shape-data ext4 sync=periodic shape threads=2 ack=fdatasync
	churn ext4 sync=periodic churn threads=4 ack=fsync
	churn-osync ext4 sync=periodic churn threads=4 ack=osync
	mix-back ext4 sync=periodic mix threads=4 ack=fsync
	mix-mmap ext4 sync=periodic,write=mmap,io=mmap mix threads=4 ack=fsync
	mix-pwrite ext4 sync=periodic,write=pwrite,io=pread mix threads=4 ack=fdatasync

	append-through ext4 sync=periodic,cache=through append threads=4 ack=fsync
	msync-through ext4 sync=periodic,cache=through overwrite threads=2 ack=msync
	mix-through ext4 sync=periodic,cache=through mix threads=4 ack=fsync
	mix-shared ext4 sync=periodic,cache=shared mix threads=4 ack=fsync
	msync-shared ext4 sync=periodic,cache=shared overwrite threads=2 ack=msync
	append-none ext4 sync=periodic,cache=none append threads=2 ack=osync
	mix-none ext4 sync=periodic,cache=none mix threads=4 ack=fsync

	immediate-append ext4 sync=immediate append threads=16 ack=write
	immediate-overwrite ext4 sync=immediate overwrite threads=4 ack=write
	immediate-replace ext4 sync=immediate replace threads=4 ack=write
	immediate-spool ext4 sync=immediate spool threads=4 ack=write
	immediate-churn ext4 sync=immediate churn threads=4 ack=write
	immediate-mix ext4 sync=immediate mix threads=4 ack=write
	immediate-shared ext4 sync=immediate,cache=shared mix threads=4 ack=write
	immediate-none ext4 sync=immediate,cache=none mix threads=4 ack=write
	immediate-msync ext4 sync=immediate overwrite threads=2 ack=msync

	lazy-append ext4 sync=lazy append threads=4 ack=close
	lazy-overwrite ext4 sync=lazy overwrite threads=2 ack=close
	lazy-mix ext4 sync=lazy mix threads=4 ack=close
	lazy-through ext4 sync=lazy,cache=through mix threads=4 ack=close
	lazy-none ext4 sync=lazy,cache=none mix threads=4 ack=close
	lazy-fsync ext4 sync=lazy mix threads=4 ack=fsync
	never-fsync ext4 sync=never mix threads=4 ack=fsync
	never-none ext4 sync=never,cache=none mix threads=4 ack=fdatasync

	time-append ext4 sync=periodic,sync_interval=0.2 append threads=4 ack=time window=1200
	time-overwrite ext4 sync=periodic,sync_interval=0.2 overwrite threads=4 ack=time window=1200
	time-mix ext4 sync=periodic,sync_interval=0.2 mix threads=4 ack=time window=1200
	time-none ext4 sync=periodic,sync_interval=0.2,cache=none mix threads=4 ack=time window=1200
	time-defer ext4 sync=periodic,sync_interval=0.2,fsync=defer mix threads=4 ack=time window=1200
	control-back ext4 sync=periodic mix threads=4 ack=control steps=200
	control-never ext4 sync=never,cache=through mix threads=4 ack=control steps=200
	control-none ext4 sync=never,cache=none mix threads=4 ack=control steps=200

	sqlite-wal ext4 sync=periodic sqlite journal=wal sync=full
	sqlite-wal-extra ext4 sync=periodic sqlite journal=wal sync=extra
	sqlite-delete ext4 sync=periodic sqlite journal=delete sync=full
	sqlite-delete-extra ext4 sync=periodic sqlite journal=delete sync=extra
	sqlite-truncate ext4 sync=periodic sqlite journal=truncate sync=full
	sqlite-truncate-extra ext4 sync=periodic sqlite journal=truncate sync=extra
	sqlite-through ext4 sync=periodic,cache=through sqlite journal=wal sync=full
	sqlite-none ext4 sync=periodic,cache=none sqlite journal=delete sync=extra
	sqlite-immediate ext4 sync=immediate sqlite journal=delete sync=full ack=write

	pass-fsync ext4 sync=periodic,passthrough mix threads=4 ack=fsync
	pass-replace ext4 sync=periodic,passthrough replace threads=4 ack=fsync
	pass-osync ext4 sync=periodic,passthrough churn threads=4 ack=osync
	pass-msync ext4 sync=periodic,passthrough overwrite threads=2 ack=msync
	pass-lazy ext4 sync=lazy,passthrough mix threads=4 ack=close
	pass-time ext4 sync=periodic,sync_interval=0.2,passthrough mix threads=4 ack=time window=1200
	pass-control ext4 sync=never,passthrough mix threads=4 ack=control steps=200
	pass-sqlite ext4 sync=periodic,passthrough sqlite journal=wal sync=full

	xfs-mix xfs sync=periodic mix threads=4 ack=fsync
	xfs-immediate xfs sync=immediate mix threads=4 ack=write
	xfs-sqlite xfs sync=periodic sqlite journal=wal sync=full
	btrfs-mix btrfs sync=periodic mix threads=4 ack=fsync
	btrfs-immediate btrfs sync=immediate churn threads=4 ack=write
	END
}

# Every row of mmapfs with a journal as well, where the daemon has one; of their recoveries every
# fourth is cut. But for fsync=defer and passthrough, which it excludes, and btrfs: bare btrfs (Linux 6.18) brings
# back names that were removed durably when a syncfs, as a checkpoint makes it, runs beside the
# fsync of their directory. That was seen in native-btrfs with "sync -f" in a loop beside it.
#
# Rows named apart-* have the journal on a second disk: one that is flushed says nothing of the
# other.
all_rows()
{
	rows | sed 's/^/- /'
	has_journal || return
	rows | awk '$1 ~ /^('"$(apart | paste -sd '|')"')$/ {
		print "journal=APART,journal_size=8M", "apart-" $0 }'
	rows | awk '$2 != "btrfs" && $3 !~ /^native|defer|passthrough/ {
		print "journal,journal_size=8M", "journal-" $0 }'
}

apart()
{
	printf '%s\n' append-1 append-16 append-osync overwrite-data overwrite-msync replace-16 spool \
		shape churn mix-back mix-none immediate-append immediate-mix lazy-mix never-fsync \
		time-mix control-back sqlite-wal sqlite-delete-extra xfs-mix xfs-immediate
}

chosen_rows()
{
	local journal name type rest
	all_rows | grep -E -e "$CRASH_ONLY" | grep -E -v -e "$CRASH_NOT" |
		awk -v n="${CRASH_PART%/*}" -v m="${CRASH_PART#*/}" 'NR % m == n % m' | while read -r journal name type rest; do
		if ! has_type "$type"; then
			say "--      $name: no $type here" >&2
		elif [ "${rest/sqlite/}" != "$rest" ] && ! has_sqlite; then
			say "--      $name: built without SQLite" >&2
		else
			say "$journal $name $type $rest"
		fi
	done
}

try_row() # IMAGES JOURNAL NAME TYPE OPTIONS WORKLOAD...
{
	local images=$1 journal=$2 name=$3
	shift 3
	JOURNAL='' APART='' RECOVER='' RECUT=8
	[ "$journal" = - ] || { use_journal "$journal"; RECUT=4; }
	if record "$name" "$@"; then
		holds_promises "$name" "$images"
	else
		crash_teardown > /dev/null 2>&1
		DISK_LOOP='' SECOND_LOOP='' DISK_PID=''
	fi
	forget_recording "$name"
}

round() # IMAGES: over all chosen rows, as many of each
{
	local rows n row
	mapfile -t rows < <(chosen_rows)
	[ ${#rows[@]} -gt 0 ] || die "no row is like $CRASH_ONLY"
	n=$((($1 + ${#rows[@]} - 1) / ${#rows[@]}))
	for row in "${rows[@]}"; do
		# shellcheck disable=SC2086 # a list of words
		try_row $n $row
	done
}

sabotages()
{
	JOURNAL='' APART='' RECOVER='' RECUT=0
	can_lie || return
	for SABOTAGE in all dirs; do
		record "lies-$SABOTAGE" ext4 sync=periodic replace threads=4 ack=fsync &&
			breaks_promises "lies-$SABOTAGE" 50
		record "lies-$SABOTAGE-immediate" ext4 sync=immediate churn threads=4 ack=write &&
			breaks_promises "lies-$SABOTAGE-immediate" 50
	done
	if has_journal; then
		use_journal journal=APART,journal_size=8M
		for SABOTAGE in all log syncfs barriers; do
			record "lies-apart-$SABOTAGE" ext4 sync=periodic,sync_interval=0.2 mix threads=4 \
				ack=fsync && breaks_promises "lies-apart-$SABOTAGE" 50
		done
	fi
	SABOTAGE=
}

repeat()
{
	local rc second
	# The first disk has the path of what is on the second one.
	second=$(sed -n 's/^second=//p' "$1/about")
	[ -z "$second" ] || mkdir -p "$second" || exit 1
	"$CRASH/crashcut" "$1" "$FAST" only="$2" logdisk="$CRASH/logdisk" ${3:+keep="$3"}
	rc=$?
	[ -z "$second" ] || rmdir -p --ignore-fail-on-non-empty "$second"
	[ $rc = 0 ] || FAILURES=1
	return $rc
}

crash_start
case ${1:-} in
repeat)
	repeat "${2:?the directory of a recording}" "${3:?the seed of an image}" "${4:-}"
	exit
	;;
soak)
	sabotages
	while [ "$IMAGES_ALL" -lt "$CRASH_IMAGES" ] && [ "$FAILURES" -lt 20 ]; do
		say "--      seed $CRASH_SEED"
		round 6000
		CRASH_SEED=$((CRASH_SEED + 1))
	done
	;;
'')
	sabotages
	round "$CRASH_IMAGES"
	;;
rows)
	round "$CRASH_IMAGES"
	;;
*) die "usage: crash.sh [rows | soak | repeat DIR SEED [IMAGE]]" ;;
esac
say "$IMAGES_ALL images, $PROMISES_ALL promises checked, $BROKEN_ALL broken, in $SECONDS s"
finish
