#!/bin/bash
# What the daemon keeps: the capabilities of the list, no_new_privs, the filter of system calls;
# core dumps without data of files; mlock; the mode of its own directory; BACKING's mount flags.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
require_root
require setpriv
[ -z "$MMAPFS_NATIVE" ] || skip "there is no daemon"

proc_field() { awk -v f="$1:" '$1 == f { print $2 }' "/proc/$DAEMON/status"; }

# engine NAME: a line of the status
engine() { sed -n "s/^ *\"$1\": \"\\(.*\\)\",\\{0,1\\}\$/\\1/p" "$MNT/.mmapfs/status"; }

# has_flag FLAG: whether the mapping of $BACKING/file has it, as /proc says: dd, lo
has_flag()
{
	awk -v file="$BACKING/file" -v flag="$1" '
		/^[0-9a-f]+-[0-9a-f]+ / { mine = $6 == file }
		mine && $1 == "VmFlags:" { seen = 1; if (index($0 " ", " " flag " ")) has = 1 }
		END { exit !seen ? 2 : !has }' "/proc/$DAEMON/smaps"
}

# As read through a mapping, and held open, so that it stays.
map_file()
{
	head -c 1000000 /dev/zero | tr '\0' X > "$BACKING/file"
	exec {held}< "$MNT/file"
	cat <&$held | cmp -s - "$BACKING/file" && served_mapped
}

unmap_file() { exec {held}<&-; }

# chown, dac_override, dac_read_search, fowner, fsetid, setgid, setuid, linux_immutable, sys_admin,
# mknod, setfcap: what the test itself has of them
wanted_caps()
{
	local have=$((16#$(awk '$1 == "CapPrm:" { print $2 }' /proc/self/status)))
	local list=0 bit
	for bit in 0 1 2 3 4 6 7 9 21 27 31; do list=$((list | 1 << bit)); done
	printf '%016x' $((list & have))
}

mount_it io=mmap,log_level=info || finish
equal "CapEff" "$(proc_field CapEff)" "$(wanted_caps)"
equal "CapPrm" "$(proc_field CapPrm)" "$(wanted_caps)"
equal "CapInh" "$(proc_field CapInh)" 0000000000000000
equal "nothing beyond can be had" $((16#$(proc_field CapBnd) & ~16#$(wanted_caps))) 0
equal "no_new_privs" "$(proc_field NoNewPrivs)" 1
case $(engine system_calls) in
killed*) equal "the filter is in force" "$(proc_field Seccomp)" 2 ;;
*) say "--      $(engine system_calls)" ;;
esac
FILTER=$(engine system_calls)
check "mapped" map_file
check "a mapped file is not dumped" has_flag dd
refute "nor locked" has_flag lo
equal "no other memory is dumped" "$(cat "/proc/$DAEMON/coredump_filter")" 00000010
equal "status says it" "$(engine core_dumps)" "hold no data of files"
equal "and of mlock" "$(engine mlock)" off
unmap_file
unmount_it

usual=$(cat /proc/self/coredump_filter)
mount_it io=mmap,dump_data,mlock,seccomp=off || finish
check "mapped" map_file
refute "dump_data: a mapped file is dumped" has_flag dd
equal "dump_data: other memory as usual" "$(cat "/proc/$DAEMON/coredump_filter")" "$usual"
check "mlock: locked" has_flag lo
check "mlock: VmLck $(proc_field VmLck)" test "$(proc_field VmLck)" -ge 976
equal "mlock: status" "$(engine mlock)" "what is mapped is locked into memory"
case $FILTER in killed*)
	equal "seccomp=off: none" "$(proc_field Seccomp)" 0
	equal "seccomp=off: status" "$(engine system_calls)" "off, as seccomp=off says"
esac
unmap_file
unmount_it

# A real core, where the kernel writes it to a file: the mark is in a request's buffer.
core_holds()
{
	rm -f "$WORK"/core*
	(
		cd "$WORK" && ulimit -c unlimited &&
			exec "$MMAPFS" -f -o "io=mmap,cache=none$1" "$BACKING" "$MNT"
	) 2>> "$WORK/daemon.log" &
	DAEMON=$!
	within 20 mount_up_or_gone
	printf 'SEE%s' KRET-MARK | dd of="$MNT/mark" bs=64k 2> /dev/null
	kill -ABRT "$DAEMON"
	wait "$DAEMON" 2> /dev/null
	umount -l "$MNT"
	compgen -G "$WORK/core*" > /dev/null || return 2
	grep -qa SEEKRET-MARK "$WORK"/core*
}
case $(cat /proc/sys/kernel/core_pattern) in
core*)
	core_holds ,dump_data
	case $? in
	0)
		pass "dump_data: a core holds what was written"
		core_holds ""
		equal "without: a core, which does not" $? 1
		;;
	*) say "--      no core was written, or without the mark: not compared" ;;
	esac
	rm -f "$WORK"/core*
	;;
*) say "--      cores go to a program: not tried" ;;
esac

# The daemon's own directory.
mkdir -m 755 "$BACKING/.mmapfs"
mount_it sync=periodic || finish
equal "a looser mode is tightened" "$(stat -c %a "$BACKING/.mmapfs")" 700
check "and told" grep -q 'had the mode 0755' "$WORK/daemon.log"
unmount_it
refused()
{
	refute "$1" timeout 20 "$MMAPFS" "$BACKING" "$MNT" 2> "$WORK/err"
	check "        $(cat "$WORK/err")" grep -q reserved "$WORK/err"
}
chown $TEST_USER "$BACKING/.mmapfs"
refused "another's is refused"
rmdir "$BACKING/.mmapfs"
ln -s "$ASIDE" "$BACKING/.mmapfs"
refused "so is a symlink"
rm "$BACKING/.mmapfs"

# BACKING's own mount is nosuid and nodev.
mount -t tmpfs -o nosuid,nodev,noexec none "$BACKING" || finish
mount_it allow_other || finish
check "nosuid, nodev and noexec hold" awk -v p="$MNT" '
	$5 == p && $6 ~ /nosuid/ && $6 ~ /nodev/ && $6 ~ /noexec/ { ok = 1 } END { exit !ok }' \
	/proc/self/mountinfo
unmount_it
umount "$BACKING"

# A user's daemon: nothing to give up, locks as far as its limit goes, and says where that is not.
if user_can_mount; then
	give_to_user
	# shellcheck disable=SC2034 # lib.sh uses it
	DAEMON_PREFIX=(prlimit --memlock=65536)
	engine() { as_user sed -n "s/^ *\"$1\": \"\\(.*\\)\",\\{0,1\\}\$/\\1/p" "$MNT/.mmapfs/status"; }
	if mount_it io=mmap,mlock as_user; then
		equal "user: no capability" "$(proc_field CapEff)" 0000000000000000
		equal "user: no filter" "$(proc_field Seccomp)" 0
		equal "user: no memory is dumped" "$(cat "/proc/$DAEMON/coredump_filter")" 00000010
		head -c 1000000 /dev/zero > "$BACKING/file"
		as_user bash -c 'exec 3< "$1"; cat <&3 > /dev/null; grep "\"mlock\"" "$2"' - \
			"$MNT/file" "$MNT/.mmapfs/status" > "$WORK/mlock"
		check "user: $(cat "$WORK/mlock")" grep -q 'not all.*MEMLOCK' "$WORK/mlock"
		unmount_it
	fi
fi
finish
