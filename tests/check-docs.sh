#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual, README, --help and the code name the same options and statistics; the manual of the
# library has every function as its header has it, and examples that compile.
#
# Run by 'make check', which sets TOP_SRCDIR, TOP_BUILDDIR, MMAPFS, PROGRAM_COMPILE and PROGRAM_LINK;
# by itself it needs none of them, and then leaves --help and the examples out.

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

# ---------------------------------------------------------- the library's manual

man3=$(cd "$top/man" && echo mm*.3)

# mmapstore-inline.h is another form of what mmapstore-view.h declares.
public_headers() {
	for header in "$top"/src/store/mmapstore*.h; do
		case $header in *-inline.h) ;; *) cat "$header" ;; esac
	done
}

# Public headers without comments and with one line a declaration, a struct or an enum.
declarations() {
	public_headers | awk '
		{ text = text " " $0 "\n" }
		END {
			while ((from = index(text, "/*"))) {
				rest = substr(text, from)
				text = substr(text, 1, from - 1) substr(rest, index(rest, "*/") + 2)
			}
			n = split(text, lines, "\n")
			for (i = 1; i <= n; i++) {
				if (lines[i] ~ /^ *(#|extern "C"|}$)/) continue
				depth += gsub(/\{/, "{", lines[i]) - gsub(/\}/, "}", lines[i])
				line = line " " lines[i]
				if (depth <= 0 && lines[i] ~ /;[[:space:]]*$/) {
					gsub(/[[:space:]]+/, " ", line)
					sub(/^ /, "", line)
					print line
					line = ""
					depth = 0
				}
			}
		}'
}

# The sections of pages, as 'PAGE SECTION<tab>LINE'.
section_lines() { # SECTION
	(cd "$top/man" && awk -v want="$1" '
		FNR == 1 { section = "" }
		$1 == ".Sh" { section = substr($0, 5); next }
		section == want { print FILENAME "\t" $0 }' $man3)
}

# 'NAME<tab>PROTOTYPE' from the SYNOPSIS of every page; 'PAGE NAME' from every NAME.
page_prototypes() {
	section_lines SYNOPSIS | cut -f 2- | awk '
		{ value = $0; sub(/^\.[A-Z][a-z] /, "", value); gsub(/^"|"$/, "", value) }
		$1 == ".Ft" { type = value }
		$1 == ".Fo" { name = value; args = "" }
		$1 == ".Fa" { args = args (args == "" ? "" : ", ") value }
		$1 == ".Fc" {
			line = type " " name "(" args ")"
			gsub(/\* /, "*", line)
			print name "\t" line
		}'
}

page_names() {
	section_lines NAME | awk -F '\t' '$2 ~ /^\.Nm / { split($2, w, " "); print $1, w[2] }'
}

# Text of a literal block as it is read.
unescape() {
	sed 's/\\(aq/'"'"'/g; s/\\(ha/^/g; s/\\(ti/~/g; s/\\(ga/`/g; s/\\-/-/g; s/\\&//g; s/\\e/\\/g'
}

# 'struct NAME { ... };' on one line each.
page_structs() {
	(cd "$top/man" && cat $man3) | unescape | awk '
		/^struct mms_[a-z_]* \{$/ { line = ""; inside = 1 }
		inside { line = line " " $0 }
		inside && /^\};$/ {
			gsub(/[[:space:]]+/, " ", line)
			sub(/^ /, "", line)
			print line
			inside = 0
		}'
}

# Writes the blocks of EXAMPLES that begin with an include to WORK/PAGE-N.c, and README's program.
extract_programs() {
	section_lines EXAMPLES | unescape | awk -F '\t' -v work="$work" '
		{ page = $1; line = $0; sub(/^[^\t]*\t/, "", line) }
		line ~ /^\.Bd / { first = 1; file = ""; next }
		line ~ /^\.Ed/ { file = ""; first = 0; next }
		first && line ~ /^#include/ { file = work "/" page "-" ++n[page] ".c" }
		{ first = 0 }
		file != "" { print line >file }'
	sed -n '/^    #include <mmapstore.h>/,/^    }$/s/^    //p' "$top/README" >"$work/README.3-1.c"
}

sed -n 's/^\t\(mms_[a-z0-9_]*\);$/\1/p' "$top/src/store/mmapstore.map" >"$work/functions"
declarations >"$work/declarations"
sed -n 's/^MMS_EXPORT \([^(]*[ *]\)\(mms_[a-z0-9_]*\)\((.*)\);$/\2\t\1\2\3/p' \
	"$work/declarations" >"$work/prototypes"
cut -f 1 "$work/prototypes" >"$work/declared"
page_prototypes >"$work/page-prototypes"
page_names >"$work/page-names"
cut -d ' ' -f 2 "$work/page-names" | sort >"$work/names"
grep '^struct mms_[a-z_]* {' "$work/declarations" | grep -v '^struct mms_view {' >"$work/structs"
page_structs >"$work/page-structs"

require_length functions 110
require_length prototypes 110
require_length structs 14
require_subset functions declared "a function in mmapstore.map that no header declares"
require_subset declared functions "a header declares a function that mmapstore.map lacks"
require_subset functions names "a function that no page of man3 has in its NAME"
require_subset prototypes page-prototypes "not so in the SYNOPSIS of any page"
require_subset page-prototypes prototypes "a SYNOPSIS has what no header has"
require_subset structs page-structs "not so in any page"
require_subset page-structs structs "a page has what no header has"
uniq -d "$work/names" | while read -r name; do
	complain "more than one page has in its NAME: $name"
done
# Each prototype stands in the page that has the function in its NAME.
for page in $man3; do
	awk -v page="$page" '$1 == page { print $2 }' "$work/page-names" | grep -v "^${page%.3}$" |
		cat - "$work/functions" | sort | uniq -d >"$work/named"
	sed -n 's/^\.Fo //p' "$top/man/$page" >"$work/shown"
	grep -qx "${page%.3}" "$work/functions" && echo "${page%.3}" >>"$work/named"
	require_subset named shown "man/$page: in NAME, not in SYNOPSIS"
	require_subset shown named "man/$page: in SYNOPSIS, not in NAME"
	grep -q "man/$page" "$top/man/Makemodule.am" || complain "man/Makemodule.am lacks man/$page"
done

# Macros and enum constants, both ways.
{
	public_headers | sed -n 's/^#define \(MMS_[A-Z0-9_]*\).*/\1/p'
	grep '^enum ' "$work/declarations" | grep -o '\<MMS_[A-Z0-9_]*'
} >"$work/constants"
(cd "$top/man" && cat $man3 | grep -v '^\.Dt' | grep -o '\<MMS_[A-Z0-9_]*') >"$work/page-constants"
require_length constants 75
require_subset constants page-constants "a constant that no page of man3 mentions"
require_subset page-constants constants "a page of man3 mentions a constant that no header has"

# Links: as they are installed. What refers to a function or page leads somewhere.
mkdir "$work/man3"
(cd "$top/man" && sh ./links.sh write "$work/man3" $man3) || complain "man/links.sh failed"
for link in "$work"/man3/*; do
	target=$(sed -n 's|^\.so man3/||p' "$link")
	[ -f "$top/man/$target" ] || complain "the link ${link##*/} leads to no page: $target"
done
{ ls "$work/man3"; (cd "$top/man" && ls ./*.[1-8] | sed 's|^\./||'); } >"$work/pages"
sed 's/$/.3/' "$work/functions" >"$work/function-pages"
require_subset function-pages pages "no page and no link of this name"
(cd "$top/man" && sed -n 's/^\.Xr \(mms_[a-z0-9_]*\|mmap[sf][a-z-]*\) \([1-8]\).*/\1.\2/p' ./*.[1-8]) \
	>"$work/references"
(cd "$top/man" && sed -n 's/^\.Fn \(mms_[a-z0-9_]*\).*/\1/p' ./*.[1-8]) >"$work/mentions"
require_length references 150
require_subset references pages "a page refers to one that is not there"
require_subset mentions functions "a page mentions a function that is not there"

if [ -n "$PROGRAM_COMPILE" ] && cd "$TOP_BUILDDIR"; then
	extract_programs
	find "$work" -name '*.3-*.c' -size +0 >"$work/programs"
	require_length programs 19
	while read -r program; do
		name=${program##*/}
		$PROGRAM_COMPILE -Wall -Wextra -Werror -c -o "$work/program.o" "$program" \
			>"$work/log" 2>&1 || complain "example ${name%.c} does not compile:
$(sed "s|$work/||" "$work/log")"
	done <"$work/programs"
	# The whole program in the overview is linked and run, too.
	$PROGRAM_COMPILE -c -o "$work/program.o" "$work/mmapstore.3-1.c" &&
		$PROGRAM_LINK -o "$work/program" "$work/program.o" libmmapstore.la >"$work/log" 2>&1 ||
		complain "the program of mmapstore.3 does not link: $(cat "$work/log")"
	said=$("$work/program" "$work/records")
	[ "$said" = "record 42" ] || complain "the program of mmapstore.3 says: $said"
fi

# ------------------------------------------------------------------------- all

for command in ./contrib/run ./contrib/check; do
	head -n 5 "$top/README" | grep -qF "$command" || complain "README does not begin with $command"
done
for page in "$top"/man/*.[1-8]; do
	if command -v mandoc >/dev/null; then
		mandoc -Tlint -Wwarning "$page" >>"$work/errors" ||
			complain "mandoc is not content with $page"
	fi
	if command -v groff >/dev/null; then
		groff -t -mandoc -ww -Tutf8 "$page" 2>>"$work/errors" >/dev/null
	fi
done

cat "$work/errors"
[ ! -s "$work/errors" ]
