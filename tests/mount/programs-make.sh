#!/bin/bash
# A C project is built on the mount with make -j2, in each sync and cache mode: its program runs
# from the mount, and a second make has nothing to do.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$HERE/matrix.sh"
require make cc ar ranlib

UNITS=12

make_project()
{
	local i
	mkdir "$1/src"
	for ((i = 0; i < UNITS; i++)); do
		printf '#include "all.h"\nint unit%d(int n) { return n * 3 + %d; }\n' $i $i \
			> "$1/src/u$i.c"
		echo "int unit$i(int n);"
	done > "$1/src/all.h"
	{
		printf '#include <stdio.h>\n#include "all.h"\nint main(void)\n{\n\tint n = 0;\n'
		for ((i = 0; i < UNITS; i++)); do printf '\tn = unit%d(n) %% 10007;\n' $i; done
		printf '\tprintf("%%d\\n", n);\n\treturn 0;\n}\n'
	} > "$1/src/main.c"
	cat > "$1/Makefile" <<'END'
UNITS = $(patsubst src/u%.c,obj/u%.o,$(wildcard src/u*.c))
all: prog
prog: obj/main.o libunits.a
	$(CC) -o $@ obj/main.o libunits.a
libunits.a: $(UNITS)
	$(AR) rcs $@ $(UNITS)
obj/%.o: src/%.c src/all.h | obj
	$(CC) -O1 -g -Isrc -c -o $@ $<
obj:
	mkdir obj
clean:
	rm -rf obj prog libunits.a
END
}

answer()
{
	local n=0 i
	for ((i = 0; i < UNITS; i++)); do n=$(((n * 3 + i) % 10007)); done
	echo $n
}

work()
{
	set -e
	make_project "$1"
	make -s -j2 -C "$1"
	[ "$("$1/prog")" = "$(answer)" ]
	make -q -C "$1"
	sleep 1
	touch "$1/src/u3.c"
	! make -q -C "$1"
	make -s -j2 -C "$1"
	make -s -C "$1" clean
	make -s -j2 -C "$1"
}

verify()
{
	set -e
	make -q -C "$1"
	[ "$("$1/prog")" = "$(answer)" ]
	[ "$(ar t "$1/libunits.a" | wc -l)" = $UNITS ]
}

run_matrix "$@"
