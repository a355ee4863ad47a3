# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced after lib.sh by tests that run a program's cases on a native directory and on the mount,
# and want the same answers. See helpers/posixcmp.h.

# run_cases SECONDS USER PROGRAM DIR OUT ARGUMENT...
run_cases()
{
	local seconds=$1 user=$2 program=$3 dir=$4 out=$5
	shift 5
	$user timeout "$seconds" "$HELPERS/$program" "$dir" "$@" > "$out" 2>&1
}

# compare WHAT USER PROGRAM ARGUMENT...: in new directories $ASIDE/native and $MNT/cases
compare()
{
	local what=$1 user=$2 program=$3
	shift 3
	rm -rf "$ASIDE/native"
	$user mkdir "$ASIDE/native" "$MNT/cases"
	run_cases 300 "$user" "$program" "$ASIDE/native" "$WORK/native.out" "$@" ||
		bad "$what: on the native directory: $(tail -n 1 "$WORK/native.out")"
	run_cases 600 "$user" "$program" "$MNT/cases" "$WORK/mount.out" "$@" \
		"beneath=$BACKING/cases" ||
		bad "$what: on the mount: $(tail -n 1 "$WORK/mount.out")"
	if diff -a -U 100000 "$WORK/native.out" "$WORK/mount.out" > "$WORK/diff"; then
		pass "$what: $(grep -ac '^  ' "$WORK/mount.out") answers are the native ones"
		return
	fi
	bad "$what: - native, + mount"
	# Each difference under the name of its case.
	awk '/^ [a-z]/ { name = $0 }
		/^[-+]  / { if (name) print name; name = ""; print }' "$WORK/diff" |
		head -n 60
}
