#!/bin/bash
# mmapfsctl journal discard: moves what cannot be read aside and changes nothing in it, says what is known
# of it, replays what came before it, and refuses where records can be read that came after it, or where
# nothing is damaged.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"

files() { cat "$BACKING/a" - "$BACKING/b b" <<< ''; }
kept() { find "$JOURNAL" -name 'damaged-*' | wc -l; }

# damage N: the preamble's magic
damage()
{
	poke "$JOURNAL/log.$1" 0 'XXXX'
	cp "$JOURNAL/log.$1" "$WORK/log.$1"
}

# is_kept N: bit by bit, where the last answer says
is_kept()
{
	local path
	path=$(awk -v n="$1" '$1 == "log" { at = $2 } $1 == "kept" && at == n { print $2 }' "$WORK/out")
	check "log.$1 is kept as it was" cmp "$WORK/log.$1" "$(tr -d '"' <<< "$path")"
	refute "and has its name no more" cmp -s "$WORK/log.$1" "$JOURNAL/log.$1"
}

# Nothing is damaged.
readable()
{
	fresh
	journal lost data a 0 AA data 'b b' 0 BB
	cp "$JOURNAL/log.0" "$WORK/log.0"
	ctl 1 'log.0 has 3 records that can be read, 1 to 3.*journal replay.*--force' journal discard "$BACKING"
	equal "nothing is moved" "$(kept)" 0
	ctl 0 '^state live$' journal status "$BACKING"
	ctl 0 'log.0 is kept as ' journal discard --force "$BACKING"
	is_kept 0
	equal "its records are counted" "$(value records)" 3
	equal "nothing is replayed" "$(value replayed)" 0
	equal "nor applied" "$(files)" $'aaaaaaaa\nbbbbbbbb'
	check "the files are named" grep -q "not replayed: record 2, of file $(stat -c %i "$BACKING/a") (a)" "$WORK/err"
	ctl 0 '^state empty$' journal status "$BACKING"
	ctl 0 'nothing to discard' journal discard "$BACKING"
	ctl 0 'nothing to discard' journal discard --force "$BACKING"
	equal "one is kept" "$(kept)" 1
}

# Its preamble is, and what it had is known from the rest.
lost_alone()
{
	fresh
	journal lost data a 0 AA data 'b b' 0 BB
	damage 0
	ctl 3 'journal discard' journal status "$BACKING"
	ctl 3 '^unreadable 1$' journal status "$BACKING"
	ctl 3 'journal discard' journal replay "$BACKING"
	ctl 3 'journal discard' journal dump "$BACKING"
	ctl 0 'it has 3 records, 1 to 3: what of them was not in its files' journal discard "$BACKING"
	is_kept 0
	equal "records" "$(value records)" 3
	equal "first" "$(value first)" 1
	equal "last" "$(value last)" 3
	check "from when" test "$(($(value last_ns) / 1000000000))" -ge $(($(date +%s) - 600))
	check "the files are named" grep -q "not replayed: record 3, of file $(stat -c %i "$BACKING/b b") (b b)" "$WORK/err"
	equal "nothing is applied" "$(files)" $'aaaaaaaa\nbbbbbbbb'
	ctl 0 '^state empty$' journal status "$BACKING"
	ctl 0 'nothing to replay' journal replay "$BACKING"
	journal data a 0 new
	ctl 0 '^state live$' journal status "$BACKING"

	# Without the log's id no record is proved: they are counted, and no file is named.
	fresh
	journal lost data a 0 AA
	damage 0
	poke "$JOURNAL/log.0" 32 'XXXXXXXX'
	cp "$JOURNAL/log.0" "$WORK/log.0"
	ctl 0 'it has 2 records' journal discard "$BACKING"
	is_kept 0
	refute "no file is named" grep -q 'not replayed' "$WORK/err"
}

# One that never had anything, beside one that is well.
empty_beside()
{
	fresh
	journal lost data a 0 AA
	damage 1
	ctl 3 '^records 2$' journal status "$BACKING"
	ctl 3 '^2 .* DATA ' journal dump "$BACKING"
	ctl 0 'it had no records: nothing but its preamble' journal discard "$BACKING"
	is_kept 1
	equal "what can be read is replayed" "$(value replayed)" 2
	equal "into its file" "$(files)" $'AAaaaaaa\nbbbbbbbb'
	ctl 0 '^state empty$' journal status "$BACKING"
}

# Zeros where the preamble was: there may have been records too.
zeros_beside()
{
	fresh
	journal lost data a 0 AA
	dd if=/dev/zero of="$JOURNAL/log.1" bs=4096 count=1 conv=notrunc status=none
	ctl 1 'log.0 has 2 records.*may come after what is lost' journal discard "$BACKING"
	equal "nothing is moved" "$(kept)" 0
}

younger_is_lost()
{
	fresh
	journal lost data a 0 AA data a 2 AA switch data 'b b' 0 BB data a 4 AA
	damage 1
	ctl 0 'it has 3 records, 4 to 6' journal discard "$BACKING"
	is_kept 1
	equal "what came before is replayed" "$(value replayed)" 3
	equal "and nothing else" "$(files)" $'AAAAaaaa\nbbbbbbbb'
	ctl 0 '^state empty$' journal status "$BACKING"
}

older_is_lost()
{
	fresh
	journal lost data a 0 AA switch data 'b b' 0 BB
	damage 0
	cp "$JOURNAL/log.1" "$WORK/log.1"
	ctl 1 'log.1 has 2 records that can be read, 3 to 4.*may come after what is lost.*--force' \
		journal discard "$BACKING"
	equal "nothing is moved" "$(kept)" 0
	ctl 0 '' journal discard --force "$BACKING"
	equal "both are kept" "$(kept)" 2
	is_kept 0
	is_kept 1
	equal "nothing is applied" "$(files)" $'aaaaaaaa\nbbbbbbbb'
	ctl 0 '^state none$' journal status "$BACKING"
}

# The first block of each: as a disk that was written over, or a sector that it could not read.
both_are_lost()
{
	local bytes
	for bytes in /dev/zero /dev/urandom; do
		fresh
		journal lost data a 0 AA switch data 'b b' 0 BB
		for log in 0 1; do
			dd if=$bytes of="$JOURNAL/log.$log" bs=4096 count=1 conv=notrunc status=none
			cp "$JOURNAL/log.$log" "$WORK/log.$log"
		done
		ctl 3 '^unreadable 2$' journal status "$BACKING"
		ctl 0 'no record that can be recognized: what it had, if anything, is not known' \
			journal discard "$BACKING"
		equal "both are kept" "$(kept)" 2
		is_kept 0
		is_kept 1
		ctl 0 '^state none$' journal status "$BACKING"
		journal data a 0 new
	done
}

other_version()
{
	fresh
	journal lost data a 0 AA
	python=$(command -v python3) || { say "--      no python3: no log of another version"; return; }
	# The version is at 4, and the CRC over the 64 bytes at 24, as zeros meanwhile.
	"$python" - "$JOURNAL/log.0" <<- 'END'
	import sys, zlib, struct
	with open(sys.argv[1], "r+b") as f:
	    head = bytearray(f.read(64))
	    where = [at for at in range(0, 64, 4) if zlib.crc32(bytes(head[:at]) + bytes(4) + bytes(head[at + 4:])) == struct.unpack_from("<I", head, at)[0]]
	    assert len(where) == 1, where
	    struct.pack_into("<H", head, 4, 9)
	    struct.pack_into("<I", head, where[0], 0)
	    struct.pack_into("<I", head, where[0], zlib.crc32(head))
	    f.seek(0)
	    f.write(head)
	END
	cp "$JOURNAL/log.0" "$WORK/log.0"
	ctl 3 'version' journal status "$BACKING"
	ctl 1 'of another version.*the mmapfs that wrote it.*--force' journal discard "$BACKING"
	equal "nothing is moved" "$(kept)" 0
	ctl 0 '' journal discard --force "$BACKING"
	is_kept 0
}

no_file()
{
	fresh
	journal lost data a 0 AA
	rm "$JOURNAL/log.1"
	mkdir "$JOURNAL/log.1"
	touch "$JOURNAL/log.1/inside"
	ctl 1 'may come after what is lost' journal discard "$BACKING"
	rm "$JOURNAL/log.0"
	ctl 0 'log.1 is kept as' journal discard "$BACKING"
	check "what is in it, too" test -e "$(value kept | tr -d '"')/inside"
}

readable
lost_alone
empty_beside
zeros_beside
younger_is_lost
older_is_lost
both_are_lost
other_version
no_file
finish
