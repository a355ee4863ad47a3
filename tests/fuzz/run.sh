#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs each fuzz target for a while on a scratch copy of its corpus: run.sh SECONDS NAME...
#
# Called by 'make fuzz', which sets TOP_SRCDIR and TOP_BUILDDIR. An input that breaks a target is
# kept in TOP_BUILDDIR/tests/fuzz, and its path is printed; the exit status is then 1.
set -u
seconds=$1
shift
: "${TOP_SRCDIR:?}" "${TOP_BUILDDIR:?}"
here=$TOP_BUILDDIR/tests/fuzz
status=0

for name in "$@"; do
	corpus=$here/$name.corpus
	rm -rf "$corpus" "$here/$name.found"
	mkdir -p "$corpus" "$here/$name.found" || exit 1
	cp "$TOP_SRCDIR/tests/data/$name"/* "$corpus" || exit 1
	chmod -R u+w "$corpus"
	echo "fuzz: $name: $seconds s from $(find "$corpus" -type f | wc -l) inputs"
	if "$here/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 \
		-print_final_stats=1 -artifact_prefix="$here/$name.found/" "$corpus" \
		>"$here/$name.out" 2>&1; then
		sed -n 's/^stat::number_of_executed_units: */fuzz: '"$name"': runs: /p' "$here/$name.out"
		rm -rf "$corpus"
		rmdir "$here/$name.found" 2>/dev/null
		continue
	fi
	status=1
	tail -n 40 "$here/$name.out"
	find "$here/$name.found" -type f | sed "s|^|fuzz: $name: broken by |"
done
exit "$status"
