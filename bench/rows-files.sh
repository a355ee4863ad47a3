# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: MIT
#
# The rows of many files: small ones, a large directory tree, git, tar and make. Sourced by bench/run.

: "${work:?}" "${backing=}" "${treework=}" "${small_count:?}" "${many_count:?}" "${tree_count:?}"

SMALL_BYTES=4096
NEEDLE=needle

tree_io() { # COMMAND DIR COUNT BYTES PASSES
	timeout --foreground "$LIMIT_SECONDS" "$treework" "$1" "$2" "$READ_SEED" "${@:3}" 2>"$work/io.log"
}

need_small() {
	[ ! -d "$backing/small" ] || return 0
	mkdir "$backing/small"
	tree_io create "$backing/small" "$small_count" "$SMALL_BYTES" 1 >/dev/null ||
		die "cannot make small files: $(cat "$work/io.log")"
	sync -f "$backing/small"
}

need_many() {
	[ ! -d "$backing/many" ] || return 0
	say "making $many_count files"
	mkdir "$backing/many"
	tree_io create "$backing/many" "$many_count" 0 1 >/dev/null ||
		die "cannot make many files: $(cat "$work/io.log")"
	sync -f "$backing/many"
}

# -------------------------------------------------------------- small files

# A new mount: the first round is cold. Each file is compared in the timed part, for all systems.
measure_small() { # ROW SYSTEM REPETITION
	local dir status=0 effort arguments
	tree_io 'read' "$backing/small" "$small_count" "$SMALL_BYTES" 1 >/dev/null ||
		io_failed "$1" native || return 1
	start_system "$2" || return 1
	dir=$(mnt_of "$2")/small
	arguments=("$dir" "$READ_SEED" "$small_count" "$SMALL_BYTES")
	! has_daemon "$2" || effort=$(daemon_effort "$2")
	timed small-cold "$2" "$3" "$treework" 'read' "${arguments[@]}" 1 || status=1
	! has_daemon "$2" || note_effort cpu-small '' "$2" "$3" "$small_count" "$effort"
	[ "$status" -ne 0 ] ||
		timed small-warm "$2" "$3" "$treework" 'read' "${arguments[@]}" "$small_passes" || status=1
	[ "$status" -ne 0 ] ||
		timed 'stat' "$2" "$3" "$treework" 'stat' "${arguments[@]}" "$stat_passes" || status=1
	finish_system "$1" "$2"
	return "$status"
}

measure_create() { # ROW SYSTEM REPETITION
	local dir=new.$2.$3 mnt
	mnt=$(mnt_of "$2")
	mkdir "$mnt/$dir" 2>"$work/io.log" || io_failed "$1" "$2" || return 1
	timed create "$2" "$3" "$treework" create "$mnt/$dir" "$READ_SEED" "$small_count" "$SMALL_BYTES" 1 &&
		check_created "$1" "$2" "$mnt/$dir" &&
		timed 'unlink' "$2" "$3" "$treework" 'unlink' "$mnt/$dir" "$READ_SEED" "$small_count" \
			"$SMALL_BYTES" 1 &&
		rmdir "$mnt/$dir"
}

# In BACKING, where what the kernel holds back has to come first. It must not be on the disk for the
# next step, or all would wait for it there.
check_created() { # ROW SYSTEM DIR
	[[ $2 != floor* ]] || return 0
	[ "$2" = native ] || sync_mount "$2" "$3" || io_failed "$1" "$2" || return 1
	tree_io 'read' "$backing/$(basename "$3")" "$small_count" "$SMALL_BYTES" 1 >/dev/null ||
		io_failed "$1, BACKING" "$2"
}

# ---------------------------------------------------------------- many files

find_all() { # DIR [TEST...]
	[ "$(find "$@" -type f | wc -l)" -eq "$many_count" ] || {
		echo "find does not find $many_count files" >&2
		return 1
	}
}

measure_find() { # ROW SYSTEM REPETITION
	local dir status=0
	find_all "$backing/many" 2>"$work/io.log" || io_failed "$1" native || return 1
	start_system "$2" || return 1
	dir=$(mnt_of "$2")/many
	timed_amount find "$2" "$3" "$many_count" find_all "$dir" &&
		timed_amount find-again "$2" "$3" "$many_count" find_all "$dir" || status=1
	finish_system "$1" "$2"
	return "$status"
}

# Each file is asked for its attributes, so that the kernel knows its inode.
measure_inodes() { # ROW SYSTEM REPETITION
	local status=0
	start_system "$2" || return 1
	find_all "$(mnt_of "$2")/many" -size -1 2>"$work/io.log" || io_failed "$1" "$2" || status=1
	[ "$status" -ne 0 ] || note_figure rss-inodes "$2" "$3" "$(status_field "$2" RssAnon)"
	stop_system "$2"
	return "$status"
}

# ------------------------------------------------------------- git and tar

a_git() { # DIR ARGUMENT...
	HOME=$work GIT_CONFIG_NOSYSTEM=1 GIT_INDEX_FILE="$1/.git/index.of" \
		timeout --foreground "$LIMIT_SECONDS" git -c safe.directory='*' -c core.fsync=none -C "$@"
}

need_git() {
	command -v git >/dev/null || {
		notes+=("git-status, git-grep, tar-extract, tar-create: git is not installed (Debian: git)")
		return 1
	}
}

# A generated tree of text files; one line in a hundred files has the word that git grep looks for.
need_tree() {
	[ ! -d "$backing/tree" ] || return 0
	say "making a git tree of $tree_count files"
	mkdir "$backing/tree"
	{
		a_git "$backing/tree" init -q &&
			awk -v files="$tree_count" -v needle="$NEEDLE" -f "$top/bench/tree.awk" |
			a_git "$backing/tree" fast-import --quiet &&
			a_git "$backing/tree" reset -q --hard main
	} 2>"$work/io.log" || die "cannot make a git tree: $(tail -n 1 "$work/io.log")"
	find "$backing/tree" -mindepth 1 -maxdepth 1 -name 'd*' -printf '%f\n' | sort |
		head -n "$tar_directories" >"$work/parts"
	tar -cf "$work/tree.tar" -C "$backing/tree" -T "$work/parts" || die "tar failed"
	tar_files=$(tar -tf "$work/tree.tar" | grep -c -v '/$')
	sync -f "$backing/tree"
}

# An index for each: what it says of inodes is another file system's. The first status fills it.
prepare_git() { # SYSTEM
	local tree
	tree=$(mnt_of "$1")/tree
	cp "$backing/tree/.git/index.of" "$backing/tree/.git/index.$1"
	git_status "$tree" "$1" 2>"$work/io.log" && git_grep "$tree" "$1" 2>"$work/io.log" ||
		io_failed "git, first run" "$1"
}

with_index() { # TREE SYSTEM ARGUMENT...
	HOME=$work GIT_CONFIG_NOSYSTEM=1 GIT_INDEX_FILE="$1/.git/index.$2" \
		timeout --foreground "$LIMIT_SECONDS" git -c safe.directory='*' -C "$1" "${@:3}"
}

git_status() { # TREE SYSTEM
	[ -z "$(with_index "$1" "$2" status --porcelain || echo failed)" ] || {
		echo "git status says that the tree has changed" >&2
		return 1
	}
}

git_grep() { # TREE SYSTEM
	[ "$(with_index "$1" "$2" grep -l "$NEEDLE" | wc -l)" -eq $(((tree_count + 99) / 100)) ] || {
		echo "git grep does not find each $NEEDLE" >&2
		return 1
	}
}

measure_git() { # ROW SYSTEM REPETITION
	local tree
	tree=$(mnt_of "$2")/tree
	timed_amount git-status "$2" "$3" "$tree_count" git_status "$tree" "$2" &&
		timed_amount git-grep "$2" "$3" "$tree_count" git_grep "$tree" "$2"
}

tar_bytes() { # DIR: to a pipe, since tar does not read what goes to /dev/null
	[ "$(tar -cf - -C "$1" . | wc -c)" -gt $((tar_files * 512)) ]
}

measure_tar() { # ROW SYSTEM REPETITION
	local dir=untar.$2.$3 mnt status=0
	mnt=$(mnt_of "$2")
	mkdir "$mnt/$dir" 2>"$work/io.log" || io_failed "$1" "$2" || return 1
	timed_amount tar-extract "$2" "$3" "$tar_files" \
		timeout --foreground "$LIMIT_SECONDS" tar -xf "$work/tree.tar" -C "$mnt/$dir" &&
		check_extracted "$1" "$2" "$dir" &&
		timed_amount tar-create "$2" "$3" "$tar_files" tar_bytes "$mnt/$dir" || status=1
	if [[ $2 == floor* ]]; then
		stop_system "$2" # the quickest way to be rid of them
		start_system "$2" || status=1
	else
		rm -rf "${mnt:?}/$dir" 2>"$work/io.log" || io_failed "$1" "$2" || status=1
	fi
	return "$status"
}

check_extracted() { # ROW SYSTEM DIR
	[[ $2 != floor* ]] || return 0
	[ "$2" = native ] || sync_mount "$2" "$(mnt_of "$2")/$3" || io_failed "$1" "$2" || return 1
	tar -df "$work/tree.tar" -C "$backing/$3" >"$work/io.log" 2>&1 || io_failed "$1, BACKING" "$2"
}

# -------------------------------------------------------------------- make

need_project() {
	[ ! -d "$backing/project" ] || return 0
	mkdir "$backing/project"
	awk -v files="$project_count" -v dir="$backing/project" -f "$top/bench/project.awk" ||
		die "cannot make a project"
}

# Copied beneath, before the mount knows of it.
prepare_project() { # SYSTEM
	cp -r "$backing/project" "$backing/project.$1"
}

build_project() { # DIR
	timeout --foreground "$LIMIT_SECONDS" make -s -C "$1" -j "$(nproc)" CC="${CC:-cc}" >&2
}

measure_make() { # ROW SYSTEM REPETITION
	local dir
	dir=$(mnt_of "$2")/project.$2
	timeout --foreground "$LIMIT_SECONDS" make -s -C "$dir" clean 2>"$work/io.log" ||
		io_failed "$1" "$2" || return 1
	timed_amount "$1" "$2" "$3" "$project_count" build_project "$dir" || return 1
	[ "$("$dir/program")" = $((project_count * (project_count - 1) / 2)) ] || {
		complain "$1, $2: the program that was built gives a wrong result"
		return 1
	}
}
