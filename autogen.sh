#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes configure and its helpers from configure.ac: needed in a git checkout, not in a release.
set -e
cd "$(dirname "$0")"
for tool in autoreconf automake libtoolize pkg-config; do
	command -v "$tool" >/dev/null || {
		echo "autogen.sh: $tool: not found; run contrib/install-deps" >&2
		exit 1
	}
done
exec autoreconf --force --install "$@"
