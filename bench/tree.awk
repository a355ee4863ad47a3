# SPDX-License-Identifier: MIT
#
# Prints a stream for git fast-import: FILES text files, a hundred in a directory, ten directories in
# another. The first of each hundred has the word NEEDLE.

BEGIN {
	words = split("the quick brown fox jumps over a lazy dog and runs away from home to see " \
		"what mapped memory is good for when nobody looks at it twice", word, " ")
	srand(1)
	for (i = 0; i < 64; i++)
		line[i] = text(70)
	print "commit refs/heads/main\ncommitter bench <bench@localhost> 1700000000 +0000\ndata 5\nfiles"
	for (n = 0; n < files; n++)
		put(n)
}

function text(least,   s) {
	while (length(s) < least)
		s = s word[int(rand() * words) + 1] " "
	return s
}

# From a few hundred bytes to a few thousand.
function put(n,   s, i, lines) {
	s = sprintf("file %d\n", n)
	if (n % 100 == 0)
		s = s "a " needle " here\n"
	lines = 3 + n * 7919 % 40
	for (i = 0; i < lines; i++)
		s = s line[(n + i * 31) % 64] "\n"
	printf "M 100644 inline d%03d/e%d/f%06d.txt\ndata %d\n%s\n", int(n / 1000), int(n / 100) % 10, n,
		length(s), s
}
