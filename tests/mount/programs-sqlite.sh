#!/bin/bash
# sqlite3 unchanged on each sync and cache mode: WAL and DELETE journals, four writing processes,
# integrity_check, and no transaction lost.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$HERE/matrix.sh"
require sqlite3

PROCESSES=4 TRANSACTIONS=20

# As many rows as were committed: the process counts in both places.
writer()
{
	local db=$1 id=$2 i
	for ((i = 0; i < TRANSACTIONS; i++)); do
		echo ".timeout 60000"
		echo "begin immediate;"
		echo "insert into t values ($id, $i, hex(randomblob(1500)));"
		echo "update count set n = n + 1;"
		echo "commit;"
	done | sqlite3 -bail "$db"
}

journal_modes() { echo delete; [ -z "$CAN_MAP" ] || echo wal; }

# WAL keeps its index in a shared mapping: not in cache=none.
work()
{
	local mode id rc=0 pids
	for mode in $(journal_modes); do
		local db=$1/$mode.db
		[ "$(sqlite3 "$db" "pragma journal_mode=$mode;")" = "$mode" ] || return 1
		sqlite3 -bail "$db" "create table t (id, i, x); create index k on t (x);
			create table count (n); insert into count values (0);" || return 1
		pids=()
		for ((id = 0; id < PROCESSES; id++)); do
			writer "$db" $id &
			pids+=($!)
		done
		for id in "${pids[@]}"; do wait "$id" || rc=1; done
		right "$db" || rc=1
		sqlite3 "$db" "select id, i, x from t order by id, i;" > "$ASIDE/$mode.rows" || rc=1
	done
	return $rc
}

right()
{
	local want=$((PROCESSES * TRANSACTIONS))
	[ "$(sqlite3 "$1" "pragma integrity_check;")" = ok ] &&
		[ "$(sqlite3 "$1" "select count(*), (select n from count) from t;")" = \
			"$want|$want" ]
}

verify()
{
	local mode
	for mode in $(journal_modes); do
		right "$1/$mode.db" || return 1
		sqlite3 "$1/$mode.db" "select id, i, x from t order by id, i;" |
			cmp - "$ASIDE/$mode.rows" || return 1
	done
}

run_matrix "$@"
