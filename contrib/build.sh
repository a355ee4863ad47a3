# shellcheck shell=sh
# SPDX-License-Identifier: MIT
# Sourced by contrib/run, contrib/check and .ci/run, with $top set to the top of the sources.

: "${top:?}"

JOBS=${JOBS:-$(nproc 2>/dev/null || echo 2)}

# quietly LOG COMMAND...: the output goes to LOG; its end is shown only if the command fails.
quietly() {
	log=$1
	shift
	if "$@" >"$log" 2>&1; then
		return 0
	fi
	echo "FAILED: $*" >&2
	echo "the last lines of $log:" >&2
	tail -n 40 "$log" | sed 's/^/    /' >&2
	return 1
}

make_configure() {
	[ ! -x "$top/configure" ] || return 0
	[ -w "$top" ] || {
		echo "$top has no configure script, and is not yours to write: run autogen.sh as its owner" >&2
		return 1
	}
	"$top/autogen.sh"
}

run_configure() { # DIR OPTION...
	cd "$1" || return 1
	shift
	"$top/configure" "$@"
}

# configured DIR OPTION...: out of tree; configures again only when the options changed.
configured() {
	dir=$1
	shift
	mkdir -p "$dir" || return 1
	dir=$(cd "$dir" && pwd)
	quietly "$dir/autogen.log" make_configure || return 1
	if [ ! -f "$dir/Makefile" ] || [ "$(cat "$dir/configured-with" 2>/dev/null)" != "$*" ]; then
		quietly "$dir/configure.log" run_configure "$dir" "$@" || return 1
		echo "$*" >"$dir/configured-with"
	fi
}

# build DIR OPTION...: builds into DIR, with $dir its absolute path
build() {
	configured "$@" && quietly "$dir/build.log" make -C "$dir" -j "$JOBS"
}
