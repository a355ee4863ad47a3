#!/bin/sh
# SPDX-License-Identifier: MIT
# For each function in the NAME of a page, a page of that name which leads there: man mms_close.
set -eu

usage() {
	cat <<-END
	usage: man/links.sh list PAGE...
	       man/links.sh write|remove DIR PAGE...
	  list    prints NAME and PAGE of each link
	  write   makes them in DIR, a man3
	  remove  takes them away again
	END
}

# The names in '.Nm NAME [,]' lines of the section NAME, except that of the page itself.
list() {
	awk '
		FNR == 1 { page = FILENAME; sub(/.*\//, "", page); section = "" }
		$1 == ".Sh" { section = $2 }
		section == "NAME" && $1 == ".Nm" && $2 ".3" != page { print $2, page }
	' "$@"
}

[ $# -gt 1 ] || { usage >&2; exit 2; }
command=$1
shift
case $command in
list)
	list "$@"
	exit
	;;
write | remove) ;;
*)
	usage >&2
	exit 2
	;;
esac

dir=$1
shift
list "$@" | while read -r name page; do
	case $command in
	write) echo ".so man3/$page" >"$dir/$name.3" && chmod 644 "$dir/$name.3" ;;
	remove) rm -f "$dir/$name.3" ;;
	esac
done
