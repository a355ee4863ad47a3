/* SPDX-License-Identifier: MIT */
/*
 * Gives each file of the folders in argv to a fuzz target; without arguments, of its corpus, CORPUS
 * in $TOP_SRCDIR. For any compiler, where the targets themselves need libFuzzer.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In memory of exactly the size, so that a sanitizer sees what reads past it. */
static int give(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *data;
	size_t size;

	if (!f || fstat(fileno(f), &st) < 0) {
		(void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	size = (size_t)st.st_size;
	data = malloc(size ? size : 1);
	if (!data || fread(data, 1, size, f) != size) {
		(void)fprintf(stderr, "%s: cannot be read\n", path);
		return 1;
	}
	(void)fclose(f);
	/* Before the call: the last one in the log is the one that crashed. */
	(void)printf("%s: %zu bytes\n", path, size);
	(void)fflush(stdout);
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
	return 0;
}

static int replay(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	unsigned files = 0;
	int failed = 0;

	if (!dir) {
		(void)fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		return 1;
	}
	while ((entry = readdir(dir))) {
		char path[PATH_MAX];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
			continue;
		failed |= give(path);
		files++;
	}
	(void)closedir(dir);
	(void)printf("%s: %u files\n", folder, files);
	return failed || !files;
}

int main(int argc, char **argv)
{
	const char *top = getenv("TOP_SRCDIR");
	char path[PATH_MAX];
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= replay(argv[i]);
	if (argc < 2) {
		(void)snprintf(path, sizeof(path), "%s/" CORPUS, top ? top : ".");
		failed = replay(path);
	}
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
