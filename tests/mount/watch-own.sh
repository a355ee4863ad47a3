#!/bin/bash
# The mount's own changes never drop its own cache: tar, git, SQLite and renames by the thousand end
# with no invalidation, though the daemon heard of each; and what the kernel forgets is not watched
# any more.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "there is nothing to watch without a mount"

workload()
{
	cd "$MNT" || return
	mkdir tree && tar -C "$TOP_SRCDIR" --exclude=.git -cf - src tests/mount | tar -C tree -xf - || return
	cp -a tree copy && diff -r tree copy || return
	if command -v git > /dev/null; then
		git init -q repo && cp -a tree/src repo/ && cd repo || return
		git add -A && git -c user.name=t -c user.email=t@example.org commit -qm one || return
		git mv src moved && git -c user.name=t -c user.email=t@example.org commit -qam two || return
		git status --porcelain | grep . && return 1
		cd ..
	fi
	if command -v sqlite3 > /dev/null; then
		[ "$(sqlite3 db 'pragma journal_mode=wal; create table t(a);
			with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
			insert into t select i from n; delete from t where a % 2; vacuum;
			select count(*) from t;' | tail -n 1)" = 10000 ] || return
	fi
	mkdir links && ln tree/src/fs/watch.c links/one && echo "//" >> links/one || return
	chmod 600 links/one && touch -d '2001-01-01' links/one && truncate -s 10 links/one || return
	for i in {1..300}; do echo "$i" > "f$i" && mv "f$i" "g$i" || return; done
	rm -rf copy links g*
}
run_step "$@"

calm() { [ "$($as cat "$MNT/.mmapfs/stats" | awk '$1 == "watch.own_events" { print $2 }')" = "$last" ]; }

settled()
{
	last=$(stat_of watch.own_events)
	sleep 0.3
	calm
}

few_marks() { [ "$(stat_of watch.marks)" -le "$1" ]; }

forgets()
{
	local fds marks
	$as mkdir -p "$BACKING/many" || return
	$as bash -c "cd '$BACKING/many' && mkdir {1..500}"
	$as find "$MNT/many" > /dev/null
	marks=$(stat_of watch.marks)
	check "$who: 500 directories are marked" test "$marks" -gt 500
	fds=$(find "/proc/$DAEMON/fd" -mindepth 1 | wc -l)
	echo 2 > /proc/sys/vm/drop_caches
	check "$who: and not when they are forgotten" within 10 few_marks 20
	check "$who: no descriptor stays" test "$(find "/proc/$DAEMON/fd" -mindepth 1 | wc -l)" -le "$fds"
	equal "$who: the kernel agrees" \
		"$(cat /proc/"$DAEMON"/fdinfo/* 2> /dev/null | grep -c '^fanotify ino')" \
		"$(stat_of watch.marks)"
	# Known again, they are watched again.
	$as ls "$MNT/many/7" > /dev/null
	$as touch "$BACKING/many/7/new"
	check "$who: and watched again when they are found again" within 2 $as test -e "$MNT/many/7/new"
}

try()
{
	local options=$3
	who="$1, $3" as=$2
	rm -rf --one-file-system "$BACKING"
	mkdir "$BACKING"
	[ -z "$as" ] || give_to_user
	mount_it "$options" "$as" || return
	check "$who: a workload" step 120 "$as" workload
	within 20 settled
	check "$who: the daemon's own events were heard" stat_at_least watch.own_events 100
	equal "$who: and none for another's" "$(stat_of watch.foreign_events)" 0
	equal "$who: no entry was dropped" "$(stat_of watch.invalidated_entries)" 0
	equal "$who: no attribute, no page" "$(stat_of watch.invalidated_inodes)" 0
	equal "$who: no size was set anew" "$(stat_of watch.resyncs)" 0
	if is_root; then forgets; fi
	check "$who: daemon lives" daemon_lives
	unmount_it
}

is_root && try root "" cache=back
is_root && try root "" cache=through
user_can_mount && try "ordinary user" as_user cache=back
finish
