/* SPDX-License-Identifier: MIT */
/* One file by several means at once: read, write, mappings, O_DIRECT, appenders. */
#include "surface.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

#define APPENDERS 4
#define LINES 400
#define FILE_BYTES 65536
#define STEPS 600

static void append_lines(const char *path, int who)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	char line[64];

	for (int i = 0; i < LINES; i++) {
		int n = snprintf(line, sizeof(line), "%d %d %.*s\n", who, i, (who * 7 + i) % 40,
				 "........................................");

		if (write(fd, line, (size_t)n) != n)
			die("append");
	}
	if (close(fd) < 0)
		die("close");
}

/* Every line once, whole, and each appender's in order. */
static void check_lines(const char *path, int appenders)
{
	int next[APPENDERS + 1] = {0}, who, i, lost = 0, total = 0;
	FILE *f = fopen(path, "re");
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		total++;
		if (sscanf(line, "%d %d", &who, &i) != 2 || who < 0 || who >= appenders ||
		    i != next[who]++)
			lost++;
	}
	if (f)
		fclose(f);
	say(total, "lines");
	say(lost, "of them torn, lost or out of order");
}

static void run_appenders(const char *path, int count)
{
	for (int who = 0; who < count; who++)
		if (fork() == 0) {
			append_lines(path, who);
			_exit(0);
		}
}

static void wait_all(int count)
{
	int status, failed = 0;

	for (int i = 0; i < count; i++)
		failed += wait(&status) < 0 || status != 0;
	say(failed, "appenders failed");
}

static void appenders(void)
{
	must(touch("log", 0644));
	run_appenders("log", APPENDERS);
	wait_all(APPENDERS);
	check_lines("log", APPENDERS);
}

/* One more appends to the file beneath the mount. */
static void appenders_beneath(void)
{
	must(touch("log", 0644));
	run_appenders("log", APPENDERS);
	if (fork() == 0) {
		append_lines(beneath("log"), APPENDERS);
		_exit(0);
	}
	wait_all(APPENDERS + 1);
	check_lines(beneath("log"), APPENDERS + 1);
	usleep(1100000); /* attributes may be a second old */
	check_lines("log", APPENDERS + 1);
}

enum means { WRITE, STORE, DIRECT, CUT, MEANS };

/* A model in memory, changed and read by every means in turn. */
static void by_all_means(bool map_too)
{
	static char model[FILE_BYTES];
	uint64_t seed = 42;
	int fd, direct, wrong = 0;
	char *map = NULL, *buf;

	put_file("f", FILE_BYTES, 3);
	pattern_fill(model, 0, FILE_BYTES, 3);
	fd = open("f", O_RDWR | O_CLOEXEC);
	direct = open("f", O_RDWR | O_DIRECT | O_CLOEXEC);
	if (posix_memalign((void **)&buf, 4096, FILE_BYTES))
		die("memory");
	if (map_too)
		map = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap");
	for (int step = 0; step < STEPS; step++) {
		enum means means = (enum means)(next_random(&seed) % MEANS);
		size_t at = next_random(&seed) % (FILE_BYTES - 5000),
		       len = 1 + next_random(&seed) % 5000;
		uint64_t pattern = next_random(&seed);

		if (means == STORE && !map)
			means = WRITE;
		if (means == DIRECT) {
			at &= ~(size_t)4095;
			len = 4096;
		}
		pattern_fill(buf, at, len, pattern);
		if (means == WRITE)
			wrong += pwrite(fd, buf, len, (off_t)at) != (ssize_t)len;
		else if (means == DIRECT)
			wrong += pwrite(direct, buf, len, (off_t)at) != (ssize_t)len;
		else if (means == STORE)
			memcpy(map + at, buf, len);
		else
			wrong += ftruncate(fd, (off_t)at) < 0 || ftruncate(fd, FILE_BYTES) < 0;
		if (means == CUT)
			memset(model + at, 0, FILE_BYTES - at);
		else
			memcpy(model + at, buf, len);
		switch (next_random(&seed) % 3) {
		case 0:
			wrong += pread(fd, buf, FILE_BYTES, 0) != FILE_BYTES;
			break;
		case 1:
			wrong += pread(direct, buf, FILE_BYTES, 0) != FILE_BYTES;
			break;
		default:
			if (map)
				memcpy(buf, map, FILE_BYTES);
			else
				wrong += pread(fd, buf, FILE_BYTES, 0) != FILE_BYTES;
		}
		if (memcmp(buf, model, FILE_BYTES) != 0)
			wrong++;
	}
	say(wrong, "steps that went wrong");
	if (map)
		munmap(map, FILE_BYTES);
	close(direct);
	close(fd);
	free(buf);
	show_data("f");
	show_data(beneath("f"));
}

static void means_unmapped(void)
{
	by_all_means(false);
}

static void means_mapped(void)
{
	by_all_means(true);
}

/* Two processes with a mapping each, and a reader. */
static void mapped_processes(void)
{
	int fd, wrong = 0;
	volatile char *map;

	put_file("f", 8192, 1);
	fd = open("f", O_RDWR | O_CLOEXEC);
	map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		die("mmap");
	map[0] = map[4096] = 0;
	if (fork() == 0) {
		for (int i = 1; i < 100; i++) {
			char byte;

			while (map[0] != i)
				usleep(10);
			if (pread(fd, &byte, 1, 0) != 1 || byte != i)
				_exit(1);
			byte = (char)i;
			if (pwrite(fd, &byte, 1, 4096) != 1)
				_exit(1);
		}
		_exit(0);
	}
	for (int i = 1; i < 100; i++) {
		map[0] = (char)i;
		for (int tries = 0; map[4096] != i; tries++) {
			if (tries > 100000) {
				wrong++;
				break;
			}
			usleep(10);
		}
	}
	wait(&fd);
	say(fd, "child");
	say(wrong, "stores or writes not seen");
}

const struct posix_case coherence_cases[] = {
	{.name = "appenders", .run = appenders},
	{.name = "appenders-beneath", .run = appenders_beneath, .beneath = true},
	{.name = "means", .run = means_unmapped},
	{.name = "means-mapped", .run = means_mapped, .mmap = true},
	{.name = "mapped-processes", .run = mapped_processes, .mmap = true},
	{0},
};
