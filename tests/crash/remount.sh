#!/bin/bash
# Recovers a directory by mounting and unmounting it: remount.sh MMAPFS BACKING
set -u
mnt=$(mktemp -d) || exit 1
trap 'rmdir "$mnt"' EXIT
"$1" -f -o sync=never "$2" "$mnt" &
for _ in $(seq 400); do
	head -c 1 "$mnt/.mmapfs/stats" > /dev/null 2>&1 && break
	kill -0 $! 2> /dev/null || exit 1
	sleep 0.02
done
umount "$mnt" || exit 1
wait $! # the daemon makes all durable after umount(8) has returned
