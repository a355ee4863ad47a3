#!/bin/sh
# SPDX-License-Identifier: MIT
# What a packager and a user of the library get from 'make install': all files, headers that compile
# alone in C and C++, a mmapstore.pc by which programs link, shared and static, and no symbol more
# or less than the version script names.
#
# Run by 'make check', which sets TOP_SRCDIR, TOP_BUILDDIR, CC, NM, PKG_CONFIG, MAKE_PROGRAM, MANDIR,
# DOCDIR, EXAMPLES and BUILD_FLAGS (sanitizers and the like, which every program must be built with).
set -u
: "${TOP_SRCDIR:?}" "${TOP_BUILDDIR:?}" "${MANDIR:?}" "${DOCDIR:?}" "${EXAMPLES:?}"
: "${CC:=cc}" "${NM:=nm}" "${PKG_CONFIG:=pkg-config}" "${MAKE_PROGRAM:=make}" "${BUILD_FLAGS=}"
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
root=$work/root
: >"$work/errors"

complain() {
	echo "install: $*" >>"$work/errors"
}

require() { # FILE
	[ -s "$root$1" ] || complain "$1 is missing, or empty"
}

# The variables of the make that runs this test are not for the one that installs.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES TESTS
"$MAKE_PROGRAM" -C "$TOP_BUILDDIR" install DESTDIR="$root" >"$work/log" 2>&1 || {
	cat "$work/log"
	echo "install: make install failed"
	exit 1
}

pc=$(find "$root" -name mmapstore.pc)
[ -s "$pc" ] || { echo "install: mmapstore.pc was not installed"; exit 1; }

# As for a package that is unpacked below a root of its own. System folders are kept in the answers:
# below that root they are not the compiler's.
PKG_CONFIG_PATH=${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PKG_CONFIG_PATH PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
includedir=$($PKG_CONFIG --variable=includedir mmapstore)
libdir=$($PKG_CONFIG --variable=libdir mmapstore)
export PKG_CONFIG_SYSROOT_DIR="$root"

shared=no static=no
[ ! -e "$TOP_BUILDDIR/.libs/libmmapstore.so" ] || shared=yes
[ ! -e "$TOP_BUILDDIR/.libs/libmmapstore.a" ] || static=yes
echo "install: shared library: $shared, static: $static"

# ------------------------------------------------------------------- files

check_files() {
	for header in "$TOP_SRCDIR"/src/store/mmapstore*.h; do
		require "$includedir/${header##*/}"
	done
	for page in "$TOP_SRCDIR"/man/*.[1-9]; do
		require "$MANDIR/man${page##*.}/${page##*/}"
	done
	for example in $EXAMPLES; do
		require "$DOCDIR/examples/${example##*/}.c"
	done
	[ "$static" = no ] || require "$libdir/libmmapstore.a"
	[ "$shared" = no ] || check_chain
}

# libmmapstore.so, by which programs are linked, leads to the file; so does the name that they ask
# for when they run.
check_chain() {
	so=$root$libdir/libmmapstore.so
	require "$libdir/libmmapstore.so"
	[ -L "$so" ] || complain "libmmapstore.so is no symbolic link"
	soname=$(readelf -d "$so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
	case $soname in
	libmmapstore.so.[0-9]*) ;;
	*) complain "the library calls itself '$soname'" ;;
	esac
	[ "$(readlink -f "$so")" = "$(readlink -f "$root$libdir/$soname")" ] ||
		complain "$soname and libmmapstore.so are not the same file"
}

# ----------------------------------------------------------------- headers

check_headers() {
	cxx=
	for candidate in c++ g++ clang++; do
		if command -v "$candidate" >/dev/null; then
			cxx=$candidate
			break
		fi
	done
	echo "install: headers in C by $CC, in C++ by ${cxx:-nothing: there is no compiler}"
	for header in "$root$includedir"/mmapstore*.h; do
		name=${header##*/}
		echo "#include <$name>" >"$work/alone.c"
		# shellcheck disable=SC2086
		$CC -std=c11 -pedantic -Wall -Wextra -Werror -I"$root$includedir" \
			-fsyntax-only "$work/alone.c" >"$work/log" 2>&1 ||
			complain "$name does not compile alone in C11: $(cat "$work/log")"
		[ -n "$cxx" ] || continue
		cp "$work/alone.c" "$work/alone.cc"
		$cxx -std=c++11 -pedantic -Wall -Wextra -Werror -I"$root$includedir" \
			-fsyntax-only "$work/alone.cc" >"$work/log" 2>&1 ||
			complain "$name does not compile alone in C++: $(cat "$work/log")"
	done
}

# ----------------------------------------------------------------- symbols

check_symbols() {
	sed -n 's/^\t\([a-z0-9_]*\);$/\1/p' "$TOP_SRCDIR/src/store/mmapstore.map" | sort \
		>"$work/named"
	# libtool's NM carries options of its own. Version nodes are type A.
	# shellcheck disable=SC2086
	$NM -D --defined-only "$root$libdir/libmmapstore.so" |
		awk '$(NF-1) != "A" { sub(/@.*/, "", $NF); print $NF }' | sort >"$work/exported"
	echo "install: $(wc -l <"$work/exported") symbols exported"
	[ -s "$work/named" ] || complain "mmapstore.map names nothing: has its form changed?"
	comm -23 "$work/named" "$work/exported" | while read -r symbol; do
		complain "mmapstore.map names $symbol, and the library does not export it"
	done
	comm -13 "$work/named" "$work/exported" | while read -r symbol; do
		complain "the library exports $symbol, which mmapstore.map does not name"
	done
	# Declarations alone: comments name functions too.
	for header in "$root$includedir"/mmapstore*.h; do
		$CC -E -P -I"$root$includedir" "$header"
	done | grep -o 'mms_[a-z0-9_]*[[:space:]]*(' | grep -o 'mms_[a-z0-9_]*' |
		sort -u >"$work/declared"
	comm -23 "$work/exported" "$work/declared" | while read -r symbol; do
		complain "no public header declares $symbol"
	done
}

# ---------------------------------------------------------------- programs

program() {
	cat <<-'END'
	#include <mmapstore.h>
	#include <stdio.h>
	#include <string.h>
	int main(void)
	{
		struct mms_pool *pool;
		if (mms_pool_new(NULL, &pool, NULL))
			return 1;
		mms_pool_free(pool);
		printf("%08x\n", (unsigned)mms_crc32(0, "hello", 5));
		return 0;
	}
	END
}

# One inline function with loads of mmapstore-inline.h in two source files: the linker drops one of
# the copies, and what belongs to it.
inline_program() { # 1 or 2
	cat <<-'END'
	#include <mmapstore.h>
	#include <mmapstore-inline.h>
	#include <stdio.h>
	#include <unistd.h>
	struct reader {
		mms_view view;
		uint64_t at(uint64_t pos)
		{
			uint64_t value = 0;
			return mms_view_u64_at(&view, pos, &value) ? 7 : value;
		}
	};
	uint64_t elsewhere(reader &r, uint64_t pos);
	END
	if [ "$1" = 2 ]; then
		echo 'uint64_t elsewhere(reader &r, uint64_t pos) { return r.at(pos); }'
		return
	fi
	cat <<-'END'
	int main(int, char **argv)
	{
		mms_pool *pool;
		mms_file *file;
		reader r;
		FILE *f = fopen(argv[1], "w");
		if (!f)
			return 1;
		for (int i = 0; i < 1 << 20; i++)
			fputc(1, f);
		fclose(f);
		if (mms_pool_new(NULL, &pool, NULL) || mms_open(pool, argv[1], NULL, &file, NULL) ||
		    mms_view_init(&r.view, file))
			return 1;
		uint64_t before = r.at(8) + elsewhere(r, 16);
		if (truncate(argv[1], 4096))
			return 1;
		printf("%llx", (unsigned long long)before);
		printf(" %d", (int)r.at(1 << 19));
		printf(" %d\n", (int)elsewhere(r, 1 << 18));
		return 0;
	}
	END
}

check_inline() {
	[ -n "$cxx" ] || return 0
	inline_program 1 >"$work/i1.cc"
	inline_program 2 >"$work/i2.cc"
	for level in -O0 -O2; do
		# shellcheck disable=SC2086,SC2046
		$cxx $BUILD_FLAGS $level "$work/i1.cc" "$work/i2.cc" -o "$work/i" \
			$($PKG_CONFIG --cflags --libs mmapstore) >"$work/log" 2>&1 ||
			{ complain "mmapstore-inline.h in C++ at $level: $(cat "$work/log")"; continue; }
		out=$(LD_LIBRARY_PATH=$root$libdir "$work/i" "$work/data" 2>&1)
		[ "$out" = "202020202020202 7 7" ] ||
			complain "mmapstore-inline.h in C++ at $level: the program prints '$out'"
	done
}

# links HOW FLAG...: compiles $work/p.c by pkg-config's answer to these flags, and runs it.
links() {
	how=$1
	shift
	flags=$($PKG_CONFIG --cflags --libs "$@" mmapstore) || complain "$how: pkg-config failed"
	# shellcheck disable=SC2086
	$CC $BUILD_FLAGS "$work/p.c" -o "$work/p" $flags >"$work/log" 2>&1 ||
		{ complain "$how: linking by '$flags': $(cat "$work/log")"; return; }
	out=$(LD_LIBRARY_PATH=$root$libdir "$work/p" 2>&1)
	[ "$out" = 3610a686 ] || complain "$how: the program prints '$out'"
	echo "install: $how: linked by $flags"
}

wants_library() { # what the program needs when it runs
	readelf -d "$work/p" | grep -q 'NEEDED.*libmmapstore'
}

# check_examples FLAG...: as links.
check_examples() {
	for example in "$root$DOCDIR"/examples/*.c; do
		name=${example##*/}
		# shellcheck disable=SC2016
		head -n 20 "$example" |
			grep -qF "cc $name \$(pkg-config --cflags --libs mmapstore)" ||
			complain "$name does not begin with the command that compiles it"
		# shellcheck disable=SC2086,SC2046
		$CC $BUILD_FLAGS "$example" -o "$work/example" \
			$($PKG_CONFIG --cflags --libs "$@" mmapstore) >"$work/log" 2>&1 ||
			complain "$name does not compile by that command: $(cat "$work/log")"
	done
}

check_linking() {
	program >"$work/p.c"
	if [ "$shared" = yes ]; then
		links shared
		wants_library || complain "shared: the program does not need libmmapstore.so"
		check_examples
		check_inline
		# The linker takes the archive where it finds no shared library.
		mkdir "$work/aside"
		mv "$root$libdir"/libmmapstore.so* "$work/aside"
	fi
	if [ "$static" = yes ]; then
		links static --static
		! wants_library || complain "static: the program needs libmmapstore.so"
		check_examples --static
	fi
}

check_files
check_headers
[ "$shared" = no ] || check_symbols
check_linking

cat "$work/errors"
[ ! -s "$work/errors" ]
