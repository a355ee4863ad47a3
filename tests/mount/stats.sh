#!/bin/bash
# mmapfsctl stats and status: counts match a known series of operations, also within an interval and
# where another thread replies; percentiles are in order and plausible; what is no mount, or a hostile
# one, is said clearly and at once.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ -z "$MMAPFS_NATIVE" ] || skip "there is no daemon"
require sqlite3
: "${MMAPFSCTL:=$(dirname "$MMAPFS")/mmapfsctl}"

ctl() { limit 30 "$MMAPFSCTL" "$@"; }

# fails STATUS PATTERN WHAT ARGUMENT...: mmapfsctl ends so, says that in one line, and prints nothing
fails()
{
	local status=$1 pattern=$2 what=$3 rc
	shift 3
	ctl "$@" > "$WORK/out" 2> "$WORK/err"
	rc=$?
	equal "$what: exit status" "$rc" "$status"
	equal "$what: nothing on standard output" "$(wc -c < "$WORK/out")" 0
	equal "$what: one line" "$(wc -l < "$WORK/err")" 1
	check "$what: says so ($(head -n 1 "$WORK/err"))" grep -q -- "$pattern" "$WORK/err"
}

# json FILE PATH: a value; sqlite3 refuses what is no JSON
json() { sqlite3 :memory: "select json_extract(readfile('$1'), '$2')"; }

# The column of a kind in the text: 2 is its count.
kind() { awk -v kind="$2" -v column="$3" '$1 == kind { print $column }' "$1"; }

series()
{
	local i
	for i in $(seq 25); do mkdir "$MNT/d$i"; done
	for i in $(seq 12); do mv "$MNT/d$i" "$MNT/e$i"; done
	for i in $(seq 12); do rmdir "$MNT/e$i"; done
	for i in $(seq 7); do ln -s nowhere "$MNT/s$i"; done
	for i in $(seq 40); do stat -f "$MNT"; done > /dev/null
}

# No kind may have more or fewer in its histogram than were counted. Those that the look itself sends
# are under way while it counts.
histograms_complete()
{
	awk '$1 ~ /^op\./ { count[substr($1, 4)] = $2 }
		$1 ~ /^bucket\./ { split($1, part, "."); sum[part[2]] += $2 }
		END {
			for (kind in count)
				if (count[kind] != sum[kind] + 0 && kind !~ /^(open|lookup|getattr|read|forget)$/) {
					print kind, count[kind], sum[kind] + 0
					bad = 1
				}
			exit bad
		}' "$MNT/.mmapfs/stats"
}

in_order()
{
	awk '$1 ~ /^latency\./ { split($1, part, "."); value[part[2], part[3]] = $2; kinds[part[2]] }
		END {
			for (kind in kinds) {
				n++
				a = value[kind, "p50_ns"]; b = value[kind, "p90_ns"]
				c = value[kind, "p99_ns"]; d = value[kind, "max_ns"]
				if (!(a > 0 && a <= b && b <= c && c <= d && d < 300e9)) {
					print kind, a, b, c, d
					bad = 1
				}
			}
			exit bad || n < 5
		}' "$MNT/.mmapfs/stats"
}

# --------------------------------------------------------------------------------------- counts

mount_it ""
series
ctl stats "$MNT" > "$WORK/text"
equal "stats: exit status" $? 0
equal "mkdir is counted" "$(kind "$WORK/text" mkdir 2)" 25
equal "rename is counted" "$(kind "$WORK/text" rename 2)" 12
equal "rmdir is counted" "$(kind "$WORK/text" rmdir 2)" 12
equal "symlink is counted" "$(kind "$WORK/text" symlink 2)" 7
equal "statfs is counted" "$(kind "$WORK/text" statfs 2)" 40
equal "what was not asked for is not shown" "$(kind "$WORK/text" fallocate 2)" ""
check "the path of the mount is there" grep -qF "$MNT" "$WORK/text"
check "each request is in its histogram" histograms_complete
check "percentiles are in order" in_order
check "lines of stats are still a name and a number" \
	awk 'NF != 2 || $2 !~ /^[0-9]+$/ { exit 1 }' "$MNT/.mmapfs/stats"

ctl stats --json "$MNT" > "$WORK/json"
equal "stats --json: exit status" $? 0
equal "JSON has the count" "$(json "$WORK/json" '$.requests.mkdir.count')" 25
equal "JSON has the mount point" "$(json "$WORK/json" '$.mountpoint')" "$MNT"
check "JSON has percentiles in order" test "$(sqlite3 :memory: "select min(
	json_extract(value, '\$.p50_ns') <= json_extract(value, '\$.p90_ns') and
	json_extract(value, '\$.p90_ns') <= json_extract(value, '\$.p99_ns') and
	json_extract(value, '\$.p99_ns') <= json_extract(value, '\$.max_ns'))
	from json_each(readfile('$WORK/json'), '\$.requests')")" = 1

head -c 1000000 /dev/urandom > "$ASIDE/data"
cp "$ASIDE/data" "$BACKING/data"
check "a file is read" cmp "$ASIDE/data" "$MNT/data"
ctl stats --json "$MNT" > "$WORK/json"
# More where another test makes the kernel drop pages meanwhile.
check "bytes read are those of the file" test "$(sqlite3 :memory: "select
	json_extract(j, '\$.now.\"read.mapped_bytes\"') + json_extract(j, '\$.now.\"read.copied_bytes\"') +
	json_extract(j, '\$.now.\"read.pread_bytes\"') from (select readfile('$WORK/json') as j)")" -ge 1000000

# Not statfs: mmapfsctl asks for that itself.
ctl stats --json --interval 3 "$MNT" > "$WORK/between" &
sleep 1
for i in $(seq 30); do mkdir "$MNT/g$i"; done
wait $!
equal "stats --interval: exit status" $? 0
equal "only what came between is counted" "$(json "$WORK/between" '$.requests.mkdir.count')" 30
equal "and nothing from before" "$(json "$WORK/between" '$.requests.rename')" ""
check "the rate is that of the interval" awk -v rate="$(json "$WORK/between" '$.requests.mkdir.rate')" \
	'BEGIN { exit !(rate > 5 && rate < 10.1) }'

# --------------------------------------------------------------------------------------- status

ctl status "$MNT" > "$WORK/text"
equal "status: exit status" $? 0
check "it has BACKING" grep -qF "$BACKING" "$WORK/text"
check "it has the sync mode" grep -qx '  sync periodic' "$WORK/text"
refute "it leaves the statistics to stats" grep -q uptime_ms "$WORK/text"
ctl status --json "$MNT" > "$WORK/json"
equal "status --json has BACKING" "$(json "$WORK/json" '$.backing')" "$BACKING"

# -------------------------------------------------------------------------------------- hostile

fails 1 'not the mount point' "a directory" stats "$ASIDE"
fails 1 'not the mount point' "no directory" status "$WORK/nothing"
mkdir "$ASIDE/.mmapfs"
mkfifo "$ASIDE/.mmapfs/stats"
fails 1 'not the mount point' "a pipe in place of stats" stats "$ASIDE"
rm "$ASIDE/.mmapfs/stats"
cp "$MNT/.mmapfs/stats" "$ASIDE/.mmapfs/stats"
fails 1 'not the mount point' "a file that is not on a mount" stats "$ASIDE"
ln -s "$MNT/.mmapfs/status" "$ASIDE/.mmapfs/status"
fails 1 'not the mount point' "a link to a mount's" status "$ASIDE"

# Below a mount, where anybody may have made it.
mkdir -p "$MNT/sub/.mmapfs"
hostile() { cat > "$MNT/sub/.mmapfs/stats"; }
hostile <<< 'no numbers'
fails 1 'no statistics' "words" stats "$MNT/sub"
: | hostile
fails 1 'no statistics' "nothing" stats "$MNT/sub"
printf 'uptime_ms 1\n\033[2Jx 1\n' | hostile
fails 1 'no statistics' "a name with control characters" stats "$MNT/sub"
printf 'uptime_ms 99999999999999999999999\n' | hostile
fails 1 'no statistics' "a number that is too large" stats "$MNT/sub"
head -c 2000000 /dev/zero | hostile
fails 1 'too long' "two million bytes" stats "$MNT/sub"
head -c 100000 /dev/urandom | hostile
fails 1 'no statistics' "random bytes" stats "$MNT/sub"
printf 'uptime_ms 1\nop.%s 18446744073709551615\nbucket.x.99999999999999999999 7\n' \
	"$(printf 'a%.0s' $(seq 300))" | hostile
check "odd names and numbers do no harm" quiet ctl stats "$MNT/sub"
rm "$MNT/sub/.mmapfs/stats"
mkfifo "$MNT/sub/.mmapfs/stats"
fails 1 'not the mount point' "a pipe on the mount" stats "$MNT/sub"
printf '{"mountpoint": "\033[2J\\u00' > "$MNT/sub/.mmapfs/status"
ctl status "$MNT/sub" > "$WORK/text"
refute "control characters do not reach the terminal" grep -q $'\033' "$WORK/text"
if is_root; then
	check "another user is told who may" bash -c \
		'! setpriv "${@:3}" -- "$1" stats "$2" 2> "$0" && grep -q "only the user who mounted" "$0"' \
		"$WORK/err" "$MMAPFSCTL" "$MNT" "${UNPRIVILEGED[@]}"
fi

fails 2 'MNT is missing' "no mount point" stats
fails 2 'nothing after it' "two mount points" stats "$MNT" "$MNT"
fails 2 'takes seconds' "an interval that is no number" stats --interval soon "$MNT"
fails 2 'takes seconds' "an interval below 0" stats --interval -1 "$MNT"
fails 2 'does not go with' "an interval of status" status --interval 1 "$MNT"
fails 2 'unknown option' "an interval without its number" stats "$MNT" --interval
check "a full disk fails the command" bash -c \
	'! "$1" stats "$2" > /dev/full 2> "$0" && grep -q "cannot write" "$0"' "$WORK/err" "$MMAPFSCTL" "$MNT"
unmount_it
fails 1 'not the mount point' "unmounted" stats "$MNT"

# ------------------------------------------------------------------- replies by another thread

# With the journal an fsync is answered by whoever flushes, and control's sync has a thread of its own.
mount_it journal
sync_them()
{
	for i in $(seq 20); do
		dd if=/dev/zero of="$MNT/f$1.$i" bs=4k count=1 conv=fsync status=none || return 1
		dd if=/dev/zero of="$MNT/f$1.$i" bs=4k count=1 conv=fsync,notrunc status=none || return 1
	done
}
for i in 1 2 3 4; do sync_them "$i" & done
wait -n && wait -n && wait -n && wait -n
equal "all could fsync" $? 0
echo sync > "$MNT/.mmapfs/control"
ctl stats --json "$MNT" > "$WORK/json"
equal "each fsync is counted" "$(json "$WORK/json" '$.requests.fsync.count')" 160
check "some were the journal's" test "$(json "$WORK/json" '$.now."journal.syncs"')" -gt 0
check "each request is in its histogram" histograms_complete
check "percentiles are in order" in_order
ctl stats "$MNT" > "$WORK/text"
check "the journal's figures are shown" grep -q '^journal .*flushes' "$WORK/text"

# --------------------------------------------------------------------------- daemons in trouble

kill -STOP "$DAEMON"
fails 1 'does not answer' "a daemon that hangs" stats "$MNT"
kill -CONT "$DAEMON"
check "it goes on" within 10 ctl stats "$MNT" > /dev/null
kill -KILL "$DAEMON"
within 10 daemon_gone
wait "$DAEMON" 2> /dev/null
fails 1 'is gone' "a daemon that was killed" stats "$MNT"
fails 1 'is gone' "the same, status" status "$MNT"
detach "$MNT"
finish
