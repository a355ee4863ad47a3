#!/bin/bash
# Every call of the POSIX families, on every kind of file that a user can make, answers on the user's
# own mount what it answers on the native directory, in each cache mode.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/compare.sh"

user_can_mount || skip "an ordinary user cannot mount here"
for mode in sync=periodic sync=lazy,cache=through sync=never,cache=shared sync=never,cache=none \
	sync=immediate; do
	rm -rf --one-file-system "$BACKING" "$ASIDE"
	mkdir "$BACKING" "$ASIDE"
	give_to_user
	mount_it "$mode" as_user || continue
	compare "$mode" as_user family
	check "$mode: daemon lives" daemon_lives
	unmount_it
done
finish
