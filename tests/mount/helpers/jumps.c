/* SPDX-License-Identifier: MIT */
/*
 * Reads pages of a file here and there, one after the other.
 *
 *	jumps FILE COUNT SEED
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#define PAGE 4096u

int main(int argc, char **argv)
{
	uint64_t count, state, pages;
	struct stat st;
	char buf[PAGE];
	double began;
	int fd;

	if (argc != 4) {
		fprintf(stderr, "usage: jumps FILE COUNT SEED\n");
		return 2;
	}
	count = parse_number(argv[2]);
	state = parse_number(argv[3]);
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		die("%s", argv[1]);
	pages = (uint64_t)st.st_size / PAGE;
	if (!pages)
		die("%s has no whole page", argv[1]);
	began = now_seconds();
	for (uint64_t i = 0; i < count; i++) {
		int64_t n = read_full(fd, buf, PAGE, next_random(&state) % pages * PAGE);

		if (n != PAGE) {
			errno = n < 0 ? (int)-n : EIO;
			die("read of %s", argv[1]);
		}
	}
	printf("%.0f reads a second\n", (double)count / (now_seconds() - began));
	return 0;
}
