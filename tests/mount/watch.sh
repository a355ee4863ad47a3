#!/bin/bash
# What others change in BACKING shows on the mount within 100 ms, in every way that there is to
# change it, where the kernel had cached what was there before, files open, written and mapped
# included; as root and as an ordinary user. Without the watch it does not.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "there is nothing to watch without a mount"

LIMIT_MS=100 ROUNDS=3

status_says() { $as grep -q "$1" "$MNT/.mmapfs/status"; }

changes()
{
	local kind name rest
	while read -r kind name rest; do
		case $kind in
		ok) pass "$who, $options: $name ($rest ms)" ;;
		*) bad "$who, $options: $name: $kind $rest" ;;
		esac
	done < <($as timeout 60 "$HELPERS/beneath" "$BACKING" "$MNT" $LIMIT_MS $ROUNDS 2>&1 || echo "bad some")
}

try()
{
	who=$1 as=$2 options=$3
	rm -rf --one-file-system "$BACKING"
	mkdir "$BACKING"
	[ -z "$as" ] || give_to_user
	mount_it "$options" "$as" || return
	check "$who, $options: the watch is on" status_says '"watch": "on'
	changes
	check "$who, $options: others' events" stat_at_least watch.foreign_events 100
	check "$who, $options: entries were dropped" stat_at_least watch.invalidated_entries 50
	check "$who, $options: attributes and pages too" stat_at_least watch.invalidated_inodes 50
	case $options in
	*back*) check "$who, $options: sizes were set anew" stat_at_least watch.resyncs 10 ;;
	esac
	equal "$who, $options: no event was lost" "$(stat_of watch.overflows)" 0
	equal "$who, $options: all directories are marked" "$(stat_of watch.unmarked_directories)" 0
	check "$who, $options: daemon lives" daemon_lives
	unmount_it
}

for options in cache=back cache=through sync=immediate; do
	is_root && try root "" $options
done
for options in cache=back cache=through; do
	user_can_mount && try "ordinary user" as_user $options
done

# The test itself: without the watch, what is open stays as it was.
rm -rf --one-file-system "$BACKING"
mkdir "$BACKING"
as=
if is_root && mount_it cache=back,watch=off; then
	check "watch=off: the status says so" status_says '"watch": "off, as watch=off says"'
	refute "watch=off: an appended end is not seen by a reader" \
		timeout 60 "$HELPERS/beneath" "$BACKING" "$MNT" $LIMIT_MS 1 append-reader
	refute "watch=off: nor a new mode within 100 ms" \
		timeout 60 "$HELPERS/beneath" "$BACKING" "$MNT" $LIMIT_MS 1 chmod
	equal "watch=off: no event" "$(stat_of watch.foreign_events)" 0
	equal "watch=off: no mark" "$(stat_of watch.marks)" 0
	unmount_it
fi
finish
