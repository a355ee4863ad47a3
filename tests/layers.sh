#!/bin/sh
# SPDX-License-Identifier: MIT
# Dependencies point one way: fs and ctl -> journal -> store -> base, and FUSE is known to fs alone.
#
# Run by 'make check' and 'make check-layers', which set TOP_SRCDIR, TOP_BUILDDIR, STORE_COMPILE
# (the command that compiles the store) and NM. Without TOP_BUILDDIR only the sources are looked at.

top=${TOP_SRCDIR:-$(cd "$(dirname "$0")/.." && pwd)}
found=$(mktemp -d) || exit 99
trap 'rm -rf "$found"' EXIT
: >"$found/errors"

complain() {
	echo "layers: $*" >>"$found/errors"
}

# The layer that an include of NAME by a file in folder DIR reaches: a folder of src, 'system' or
# 'generated'. Looked up as the compiler does it, but over all layers: a path that some flag
# happens not to offer today is wrong all the same.
layer_of() { # DIR NAME
	case $2 in config.h) echo generated; return ;; esac
	for dir in "$1" "$top/src" "$top/src/base" "$top/src/store" "$top/src/journal" \
		"$top/src/fs" "$top/src/ctl"; do
		[ -e "$dir/$2" ] || continue
		path=$(realpath "$dir/$2")
		path=${path#"$(realpath "$top")"/src/}
		echo "${path%%/*}"
		return
	done
	echo system
}

check_include() { # LAYER FILE NAME
	reached=$(layer_of "$(dirname "$2")" "$3")
	case $1:$reached in
	base:base | base:generated | store:store | store:base | store:generated) ;;
	journal:journal | journal:base | journal:generated) ;;
	fs:fs | fs:base | fs:generated | ctl:ctl | ctl:base | ctl:generated) ;;
	journal:store | fs:store | ctl:store)
		[ "${3##*/}" = mmapstore.h ] ||
			complain "${2#"$top"/} includes $3: of the store, $1 knows mmapstore.h only" ;;
	fs:journal)
		[ "${3##*/}" = journal.h ] ||
			complain "${2#"$top"/} includes $3: of the journal, fs knows journal.h only" ;;
	ctl:journal) ;;
	base:system | store:system | journal:system | ctl:system)
		case $3 in *fuse*) complain "${2#"$top"/} includes $3: FUSE is for src/fs only" ;; esac ;;
	fs:system) ;;
	*) complain "${2#"$top"/} includes $3: $1 must not know $reached" ;;
	esac
}

check_sources() { # LAYER
	files=0
	for file in "$top/src/$1"/*.[ch]; do
		[ -e "$file" ] || continue
		files=$((files + 1))
		sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]\([^">]*\)[">].*/\1/p' \
			"$file" >"$found/includes"
		while read -r name; do
			check_include "$1" "$file" "$name"
		done <"$found/includes"
	done
	echo "layers: src/$1: $files files"
	[ "$files" -gt 0 ] || complain "src/$1: no sources found in $top"
}

# With the flags of the store, a file that wants FUSE must not compile, and one that does not, must.
check_flags() {
	case $STORE_COMPILE in
	*fuse*) complain "the store is compiled with FUSE flags: $STORE_COMPILE" ;;
	esac
	printf 'int probe(void);\nint probe(void)\n{\n\treturn 0;\n}\n' >"$found/plain.c"
	{ printf '#define FUSE_USE_VERSION 35\n#include <fuse_lowlevel.h>\n'; cat "$found/plain.c"; } \
		>"$found/fuse.c"
	cd "$TOP_BUILDDIR" || exit 99
	sh -c "$STORE_COMPILE -c -o '$found/plain.o' '$found/plain.c'" >"$found/log" 2>&1 ||
		complain "the store's flags compile nothing at all: $(tail -n 1 "$found/log")"
	! sh -c "$STORE_COMPILE -c -o '$found/fuse.o' '$found/fuse.c'" >"$found/log" 2>&1 ||
		complain "fuse_lowlevel.h compiles with the store's flags: $STORE_COMPILE"
	echo "layers: flags of the store: tried"
}

check_library() {
	library=$TOP_BUILDDIR/.libs/libmmapstore.so
	if [ ! -e "$library" ]; then
		echo "layers: no libmmapstore.so in this build: its symbols were not looked at"
		return
	fi
	# libtool's NM carries options of its own
	# shellcheck disable=SC2086
	{ $NM -D --undefined-only "$library" >"$found/wanted" &&
		$NM -D --defined-only "$library" >"$found/given"; } || exit 99
	awk '$NF ~ /^fuse_/ { print $NF }' "$found/wanted" | while read -r symbol; do
		complain "libmmapstore.so wants $symbol"
	done
	# Version nodes are type A; the underscored names are the linker's own.
	awk '$(NF-1) != "A" { sub(/@.*/, "", $NF); print $NF }' "$found/given" | while read -r symbol; do
		case $symbol in
		mms_* | _init | _fini | __bss_start | _edata | _end) ;;
		*) complain "libmmapstore.so exports $symbol, which is not mms_*" ;;
		esac
	done
	grep -q ' mms_' "$found/given" || complain "libmmapstore.so exports no mms_* at all"
	echo "layers: libmmapstore.so: $(grep -c ' mms_' "$found/given") symbols exported"
}

check_sources base
check_sources store
check_sources journal
check_sources fs
check_sources ctl
if [ -n "$TOP_BUILDDIR" ]; then
	check_flags
	check_library
fi

cat "$found/errors"
[ ! -s "$found/errors" ]
