#!/bin/bash
# git unchanged on each sync and cache mode: init, add and commit of a real tree, branches, merge,
# gc, fsck, a clone.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$0")/lib.sh"
. "$HERE/matrix.sh"
require git tar

export GIT_AUTHOR_NAME=test GIT_AUTHOR_EMAIL=test@example.org
export GIT_COMMITTER_NAME=test GIT_COMMITTER_EMAIL=test@example.org
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_COUNT=1
export GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

work()
{
	set -e
	git init -q -b main "$1/repo"
	cd "$1/repo"
	git config gc.auto 0
	(cd "$TOP_SRCDIR" && tar -cf - src tests/mount) | tar -xf -
	git add .
	git commit -qm first
	git checkout -q -b side
	for f in src/store/*.[ch] src/*.md tests/mount/*.sh; do echo "/* side */" >> "$f"; done
	git commit -qam side
	git checkout -q main
	git mv tests moved
	ln -s moved/mount link
	git add link
	git commit -qm renamed
	git merge -q -m merged side
	git status --porcelain | { ! grep .; }
	git gc -q --prune=now
	git fsck --full --strict --no-dangling
	git clone -q --no-hardlinks . "$1/clone"
	git rev-parse HEAD > "$ASIDE/head"
	git ls-tree -r HEAD > "$ASIDE/tree"
}

verify()
{
	set -e
	git -C "$1/repo" fsck --full --strict --no-dangling
	for repo in "$1/repo" "$1/clone"; do
		[ "$(git -C "$repo" rev-parse HEAD)" = "$(cat "$ASIDE/head")" ]
		git -C "$repo" ls-tree -r HEAD | cmp - "$ASIDE/tree"
		git -C "$repo" update-index -q --refresh
		[ -z "$(git -C "$repo" status --porcelain)" ]
	done
	git -C "$1/clone" log --format=%s | grep -qx merged
}

run_matrix "$@"
