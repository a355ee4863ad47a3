#!/bin/bash
# tar and rsync round trips on each sync and cache mode: data, owner, mode, mtime in ns, xattrs,
# ACLs, hard links, symlinks, fifos and holes come out as they went in.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$HERE/matrix.sh"
require tar rsync setfacl getfacl setfattr getfattr

make_source()
{
	local i
	mkdir -p "$1/dir/sub" "$1/many" "$1/empty" "$1/acl"
	head -c 200001 /dev/urandom > "$1/dir/data"
	: > "$1/dir/zero"
	printf x > "$1/dir/one"
	for ((i = 0; i < 200; i++)); do echo $i > "$1/many/file $i"; done
	ln "$1/dir/data" "$1/dir/sub/hard"
	ln -s ../data "$1/dir/sub/sym"
	ln -s nowhere "$1/dangling"
	mkfifo -m 640 "$1/fifo"
	truncate -s 20M "$1/sparse"
	dd if=/dev/urandom of="$1/sparse" bs=64k count=1 seek=100 conv=notrunc status=none
	dd if=/dev/urandom of="$1/sparse" bs=64k count=1 seek=300 conv=notrunc status=none
	chmod 600 "$1/dir/one"
	chmod 755 "$1/dir/data"
	chmod 1770 "$1/empty"
	[ "$(id -u)" != 0 ] || {
		chmod 4711 "$1/many/file 7"
		chown 12345:23456 "$1/many/file 8"
		chown -h 12345:23456 "$1/dangling"
		setfattr -n trusted.t -v "only root" "$1/dir/data"
	}
	setfattr -n user.one -v "a value" "$1/dir/data"
	setfattr -n user.two -v 0x000102ff "$1/dir"
	setfacl -m u:23456:rw,g:12345:r "$1/dir/one"
	setfacl -d -m u:23456:rwx,o:--- "$1/acl"
	: > "$1/acl/inherits"
	find "$1" -mindepth 1 -exec touch -h -d '2001-02-03 04:05:06.123456789' {} +
	touch -d '1969-12-31 23:00:00.5' "$1/dir/zero"
	touch -d '2120-01-01 00:00:00.000000001' "$1/dir/sub"
}

# All that must be the same, one line a name.
describe()
{
	(
		cd "$1" || exit
		find . -mindepth 1 -printf '%y %m %U:%G %n %T@ %l %p' \
			\( ! -type d -printf ' %s\n' -o -printf '\n' \) | sort -k 7
		find . -type f -exec sha256sum {} + | sort -k 2
		find . \( -type f -o -type d \) -print0 | sort -z | xargs -0 getfacl -np --
		find . \( -type f -o -type d \) -print0 | sort -z |
			xargs -0 getfattr -d -m '^(user|trusted)' -e hex --
		stat -c '%i %n' dir/data dir/sub/hard |
			awk '{ print $1 == last; last = $1 }' | tail -n 1
	)
}

kilobytes() { du -k "$1" | cut -f 1; }

work()
{
	set -e
	make_source "$ASIDE/source"
	describe "$ASIDE/source" > "$ASIDE/source.txt"
	mkdir "$1/tarred" "$1/synced" "$ASIDE/back" "$ASIDE/resynced"
	tar --warning=no-timestamp -C "$ASIDE/source" -cSf "$1/all.tar" --format=posix \
		--acls --xattrs --xattrs-include='*' .
	tar --warning=no-timestamp -C "$1/tarred" -xpSf "$1/all.tar" \
		--acls --xattrs --xattrs-include='*'
	rsync -aHAXS "$ASIDE/source/" "$1/synced/"
	describe "$1/tarred" | diff "$ASIDE/source.txt" -
	describe "$1/synced" | diff "$ASIDE/source.txt" -
	[ -z "$(rsync -aHAXSnic "$ASIDE/source/" "$1/synced/")" ]
}

# Out again, from a mount whose caches are cold.
verify()
{
	set -e
	rm -rf "$ASIDE/back" "$ASIDE/resynced"
	mkdir "$ASIDE/back" "$ASIDE/resynced"
	for copy in tarred synced; do
		describe "$1/$copy" | diff "$ASIDE/source.txt" -
		[ "$(kilobytes "$1/$copy/sparse")" -lt 1000 ]
	done
	tar --warning=no-timestamp -C "$1/tarred" -cSf - --format=posix \
		--acls --xattrs --xattrs-include='*' . |
		tar --warning=no-timestamp -C "$ASIDE/back" -xpSf - \
			--acls --xattrs --xattrs-include='*'
	rsync -aHAXS "$1/synced/" "$ASIDE/resynced/"
	for copy in back resynced; do
		describe "$ASIDE/$copy" | diff "$ASIDE/source.txt" -
		[ "$(kilobytes "$ASIDE/$copy/sparse")" -lt 1000 ]
	done
}

run_matrix "$@"
