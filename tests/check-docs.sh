#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual, README, --help and the code name the same options and statistics.
#
# Run by 'make check', which sets TOP_SRCDIR and MMAPFS; by itself it needs neither, and then leaves
# --help out.

top=${TOP_SRCDIR:-$(cd "$(dirname "$0")/.." && pwd)}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
: >"$work/errors"
man=$top/man/mmapfs.8

complain() {
	echo "docs: $*" >>"$work/errors"
}

# What is in LIST and not in OTHER is an error.
require_subset() { # LIST OTHER WHAT
	sort -u "$work/$1" >"$work/a"
	sort -u "$work/$2" >"$work/b"
	comm -23 "$work/a" "$work/b" >"$work/missing"
	while read -r name; do
		complain "$3: $name"
	done <"$work/missing"
}

# A list that came out short means that the code is written in another way now, and that nothing
# would be compared.
require_length() { # LIST LEAST
	n=$(wc -l <"$work/$1")
	echo "docs: $1: $n"
	[ "$n" -ge "$2" ] || complain "only $n found for $1: has what it is taken from changed its form?"
}

# Names in the lines '.It Cm NAME [Ns = ...] [, NAME]...' of one section of the manual.
man_items() { # SECTION
	awk -v want="$1" '
		$1 == ".Sh" { section = substr($0, 5) }
		section == want && $1 == ".It" && $2 == "Cm" {
			for (i = 3; i <= NF; i++) {
				if ($i == "Ns") { i += 4; continue }
				if ($i != ",") print $i
			}
		}' "$man"
}

# Rows of the table of options in the source: all, and those that are mmapfs's own business.
table_rows() {
	sed -n 's/^[[:space:]]*{"\([a-z_]*\)", \(KIND_[A-Z_]*\).*/\1 \2/p' "$top/src/fs/options.c"
}

table_rows | cut -d ' ' -f 1 >"$work/options"
table_rows | awk '$2 != "KIND_IGNORE" && $2 != "KIND_PASS" { print $1 }' >"$work/own"
{
	sed -n 's/.*PUT("\([a-z_.]*\)".*/\1/p' "$top/src/fs/report.c"
	grep -o '\[OP_[A-Z_]*\] = "[a-z_]*"' "$top/src/fs/report.c" | sed 's/.*"\(.*\)"/op.\1/'
} >"$work/statistics"
man_items OPTIONS >"$work/man-options"
man_items 'THE CONTROL DIRECTORY' >"$work/man-statistics"
awk -F '|' '/^\| *`/ { gsub(/[`=]/, " ", $2); n = split($2, names, " ")
	for (i = 1; i <= n; i++) print names[i] }' "$top/README" >"$work/readme-options"

require_length options 50
require_length own 25
require_length statistics 60
require_length readme-options 20
require_subset options man-options "an option that man/mmapfs.8 lacks"
require_subset man-options options "man/mmapfs.8 has an option that the code does not know"
require_subset own readme-options "an option that the table in README lacks"
require_subset statistics man-statistics "a statistic that man/mmapfs.8 lacks"
require_subset man-statistics statistics "man/mmapfs.8 has a statistic that the code does not print"

if [ -n "$MMAPFS" ]; then
	"$MMAPFS" --help >"$work/help" || complain "$MMAPFS --help failed"
	# name=WORD, and the bare names in the paragraph of the mount's own options
	grep -o '[a-z_]*=' "$work/help" | tr -d = >"$work/help-options"
	tr -c 'a-z_\n' '\n' <"$work/help" | sort -u >"$work/help-words"
	require_length help-options 20
	require_subset help-options man-options "--help has an option that man/mmapfs.8 lacks"
	require_subset own help-words "an option that --help lacks"
	grep -o -- '--[a-z]*' "$work/help" | sed 's/--//' >"$work/help-flags"
	sed -n 's/^\.It Fl . , Fl -\([a-z]*\)$/\1/p' "$man" >"$work/man-flags"
	echo help >>"$work/help-flags" # the last line names it too
	require_subset help-flags man-flags "a flag that man/mmapfs.8 lacks"
	require_subset man-flags help-flags "man/mmapfs.8 has a flag that --help lacks"
fi

for command in ./contrib/run ./contrib/check; do
	head -n 5 "$top/README" | grep -qF "$command" || complain "README does not begin with $command"
done
if command -v mandoc >/dev/null; then
	mandoc -Tlint -Wwarning "$man" >>"$work/errors" || complain "mandoc is not content with $man"
fi
if command -v groff >/dev/null; then
	groff -t -mandoc -ww -Tutf8 "$man" 2>>"$work/errors" >/dev/null
fi

cat "$work/errors"
[ ! -s "$work/errors" ]
