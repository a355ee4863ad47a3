# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: MIT
#
# The rows of fio and PostgreSQL. Sourced by bench/run.

: "${work:?}" "${backing=}" "${fio_bytes:?}" "${fio_seconds:?}" "${pgbench_seconds:?}" "${pgbench_scale:?}"

# --------------------------------------------------------------------- fio

need_fio() {
	command -v fio >/dev/null || {
		notes+=("fio: not installed (Debian: fio)")
		return 1
	}
}

prepare_fio() { # SYSTEM
	io fill "$backing/fio.$1" "$READ_SEED" "$fio_bytes" || io_failed fio "$1"
}

# Prints operations a second: reads and writes. Field 5 of the line is the error.
fio_mixed() { # FILE
	fio --name=mixed --filename="$1" --size="$fio_bytes" --rw=randrw --rwmixread=70 --bs=4k \
		--ioengine=psync --thread --numjobs=4 --time_based --runtime="$fio_seconds" \
		--norandommap --randrepeat=1 --fallocate=none --invalidate=0 --group_reporting \
		--output-format=terse --terse-version=3 |
		awk -F ';' '$1 == 3 { found = $5 == 0; rate = $8 + $49 }
			END { if (!found || !rate) exit 1; print rate }'
}

# What fio writes is anything; that the file is as large as before is what can be said.
measure_fio() { # ROW SYSTEM REPETITION
	local file rate
	file=$(mnt_of "$2")/fio.$2
	cat "$file" >/dev/null 2>"$work/io.log" || io_failed "$1" "$2" || return 1
	begin_timed "$2"
	rate=$(fio_mixed "$file" 2>"$work/io.log") || io_failed "$1" "$2" || return 1
	end_timed "$1" "$2"
	note_figure "$1" "$2" "$3" "$rate"
	[ "$(stat -c %s "$file")" -eq "$fio_bytes" ] || {
		complain "$1, $2: the file has another size than before"
		return 1
	}
	sync_mount "$2" "$file" || io_failed "$1" "$2"
}

# -------------------------------------------------------------- PostgreSQL

find_postgres() {
	local dir
	pg_bin=''
	for dir in /usr/lib/postgresql/*/bin "$(dirname "$(command -v postgres 2>/dev/null)")"; do
		[ ! -x "$dir/postgres" ] || [ ! -x "$dir/pgbench" ] || pg_bin=$dir
	done
	pg_as=()
	[ -n "$pg_bin" ] || return 1
	[ "$(id -u)" -ne 0 ] || {
		id postgres >/dev/null 2>&1 || return 1
		pg_as=(setpriv --reuid=postgres --regid=postgres --init-groups --)
	}
}

as_postgres() { # COMMAND...
	(cd / && HOME=$work "${pg_as[@]}" "$@") >"$work/io.log" 2>&1
}

pg_running='' # the directory of a server
pg_start() { # DATA
	pg_running=$1
	as_postgres "$pg_bin/pg_ctl" -D "$1" -w -t 60 -l "$work/pg/log" -o \
		"-c listen_addresses= -c unix_socket_directories=$work/pg -c shared_buffers=64MB" start
}

pg_stop() { # DATA
	as_postgres "$pg_bin/pg_ctl" -D "$1" -w -m fast stop && pg_running=''
}

# After an interrupt: no mount goes away beneath a server.
stop_servers() {
	[ -z "$pg_running" ] || as_postgres "$pg_bin/pg_ctl" -D "$pg_running" -w -m immediate stop
}

# One cluster, made beneath; each system gets a copy.
need_cluster() {
	find_postgres || {
		notes+=("pgbench: not installed (Debian: postgresql; as root its user postgres is needed)")
		return 1
	}
	# The server comes in as its own user.
	mount_options=allow_other
	[ "$(id -u)" -eq 0 ] || mount_options=''
	[ ! -d "$backing/cluster" ] || return 0
	say "making a database cluster"
	mkdir -p "$backing/cluster" "$work/pg"
	chmod 0711 "$work" "$(dirname "$backing")"
	chmod 0755 "$backing"
	[ "$(id -u)" -ne 0 ] || chown postgres: "$backing/cluster" "$work/pg"
	if ! as_postgres "$pg_bin/initdb" -k -N -A trust -U bench -D "$backing/cluster" ||
		! pg_start "$backing/cluster" ||
		! as_postgres "$pg_bin/pgbench" -h "$work/pg" -U bench -q -i -s "$pgbench_scale" postgres ||
		! pg_stop "$backing/cluster"; then
		complain "pgbench: no cluster: $(tail -n 1 "$work/io.log")"
		return 1
	fi
	sync -f "$backing/cluster"
}

prepare_cluster() { # SYSTEM
	cp -a "$backing/cluster" "$backing/cluster.$1"
	chmod 0755 "$(mnt_of "$1")" 2>/dev/null
	return 0
}

# The total of all accounts is what pgbench has added up in its history.
pg_consistent() {
	local sums
	sums=$(cd / && "${pg_as[@]}" "$pg_bin/psql" -h "$work/pg" -U bench -A -t -c \
		'select (select sum(abalance) from pgbench_accounts)
			- (select coalesce(sum(delta), 0) from pgbench_history)' postgres 2>"$work/io.log") &&
		[ "$sums" = 0 ]
}

measure_pgbench() { # ROW SYSTEM REPETITION
	local data rate status=0
	data=$(mnt_of "$2")/cluster.$2
	pg_start "$data" || io_failed "$1" "$2" || return 1
	begin_timed "$2"
	# -n: no vacuum, which would empty the history that the check adds up.
	if as_postgres "$pg_bin/pgbench" -h "$work/pg" -U bench -n -c 4 -j 2 -T "$pgbench_seconds" postgres; then
		rate=$(awk '$1 == "tps" { print $3 }' "$work/io.log")
		end_timed "$1" "$2"
		pg_consistent && note_figure "$1" "$2" "$3" "$rate" || {
			complain "$1, $2: accounts and history do not agree: $(tail -n 1 "$work/io.log")"
			status=1
		}
	else
		io_failed "$1" "$2" || status=1
	fi
	pg_stop "$data" || io_failed "$1" "$2" || status=1
	return "$status"
}
