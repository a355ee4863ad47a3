/* SPDX-License-Identifier: MIT */
/*
 * cursor.c - reading a file by views: a clone for each thread, a slice for each part
 *
 *   cc cursor.c $(pkg-config --cflags --libs mmapstore) -pthread
 *   ./a.out [DIRECTORY]
 *
 * The file has two parts and a footer:
 *
 *   names     for each word its length and its bytes
 *   numbers   the length of each word, and after it the sum of all before
 *   footer    where the numbers begin, and how many words there are: two
 *             little-endian u64
 */
#include <mmapstore.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOOTER_BYTES 16u

static const char *const words[] = {"a", "chunk", "is", "mapped", "when", "it", "is", "read"};
#define WORDS (sizeof(words) / sizeof(words[0]))

/* Says what failed, and ends the program. */
static void die(const struct mms_error *err)
{
	char text[600];

	(void)fprintf(stderr, "cursor: %s\n", mms_error_format(err, text, sizeof(text)));
	exit(1);
}

/* The same for a call on a view, which knows what it was at. */
static void check(const struct mms_view *view, int r)
{
	struct mms_error err;

	if (mms_view_error(view, r, &err))
		die(&err);
}

/* ------------------------------------------------------------------ writing */

struct out {
	unsigned char bytes[500];
	size_t len;
};

static void put_varint(struct out *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		out->bytes[out->len++] = (unsigned char)(v | 0x80);
	out->bytes[out->len++] = (unsigned char)v;
}

static void put_u64(struct out *out, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		out->bytes[out->len++] = (unsigned char)(v >> 8 * i);
}

static void fill(struct out *out)
{
	uint64_t sum = 0;
	uint64_t numbers;

	for (size_t i = 0; i < WORDS; i++) {
		put_varint(out, strlen(words[i]));
		memcpy(out->bytes + out->len, words[i], strlen(words[i]));
		out->len += strlen(words[i]);
	}
	numbers = out->len;
	for (size_t i = 0; i < WORDS; i++) {
		put_varint(out, strlen(words[i]));
		put_varint(out, sum);
		sum += strlen(words[i]);
	}
	put_u64(out, numbers);
	put_u64(out, WORDS);
}

/* Under its name there is all of it, or nothing. */
static void write_file(struct mms_pool *pool, const char *path)
{
	struct out out = {.len = 0};
	struct mms_create_options create = {.flags = MMS_CREATE_REPLACE};
	struct mms_file_options options = {.mode = MMS_RDWR};
	struct mms_file *file;
	struct mms_error err;

	fill(&out);
	create.size = out.len;
	create.content = out.bytes;
	create.content_bytes = out.len;
	if (mms_create(pool, path, &create, &options, &file, &err))
		die(&err);
	(void)mms_close(file);
	printf("wrote %zu words in %zu bytes\n", WORDS, out.len);
}

/* ------------------------------------------------------------------ reading */

struct job {
	struct mms_view view; /* this thread's own */
	uint64_t count;
	uint64_t sum; /* of the lengths of the words */
};

/* Goes along the names. */
static void *sum_names(void *arg)
{
	struct job *job = arg;

	for (uint64_t i = 0; i < job->count; i++) {
		char *word;
		size_t len;

		check(&job->view, mms_view_string(&job->view, &word, &len));
		job->sum += len;
		free(word);
	}
	return NULL;
}

/* Goes along the numbers, which must agree with each other. */
static void *sum_numbers(void *arg)
{
	struct job *job = arg;

	for (uint64_t i = 0; i < job->count; i++) {
		uint64_t before;
		uint32_t len;

		check(&job->view, mms_view_varint32(&job->view, &len));
		check(&job->view, mms_view_varint64(&job->view, &before));
		if (before != job->sum)
			check(&job->view, -MMS_ECORRUPT);
		job->sum += len;
	}
	return NULL;
}

/* Two threads: each reads a view of its own, with no lock between them. */
static int read_parts(const struct mms_view *names, const struct mms_view *numbers, uint64_t count)
{
	struct job jobs[2] = {{.count = count}, {.count = count}};
	pthread_t threads[2];

	check(names, mms_view_clone(names, &jobs[0].view));
	check(numbers, mms_view_clone(numbers, &jobs[1].view));
	if (pthread_create(&threads[0], NULL, sum_names, &jobs[0]) ||
	    pthread_create(&threads[1], NULL, sum_numbers, &jobs[1])) {
		(void)fprintf(stderr, "cursor: no thread could be started\n");
		exit(1);
	}
	for (int i = 0; i < 2; i++) {
		(void)pthread_join(threads[i], NULL);
		printf("a thread read %s to position %llu of %llu: %llu letters\n",
		       strrchr(mms_view_name(&jobs[i].view), '['),
		       (unsigned long long)mms_view_position(&jobs[i].view),
		       (unsigned long long)mms_view_length(&jobs[i].view),
		       (unsigned long long)jobs[i].sum);
		mms_view_release(&jobs[i].view);
	}
	return jobs[0].sum == jobs[1].sum ? 0 : 1;
}

static int read_file(struct mms_pool *pool, const char *path)
{
	struct mms_view all, names, numbers;
	uint64_t end, numbers_at, count;
	struct mms_file *file;
	struct mms_error err;
	int r;

	if (mms_open(pool, path, NULL, &file, &err))
		die(&err);
	r = mms_view_init(&all, file);
	if (r) {
		(void)fprintf(stderr, "cursor: %s: %s\n", path, strerror(-r));
		exit(1);
	}
	/* The views keep what they need. */
	(void)mms_close(file);
	end = mms_view_length(&all) < FOOTER_BYTES ? 0 : mms_view_length(&all) - FOOTER_BYTES;
	check(&all, mms_view_u64_at(&all, end, &numbers_at));
	check(&all, mms_view_u64_at(&all, end + 8, &count));
	/* What the file says is not believed: a slice does not leave its view. */
	check(&all, mms_view_slice(&all, "names", 0, numbers_at, &names));
	check(&all, mms_view_slice(&all, "numbers", numbers_at, end - numbers_at, &numbers));
	r = read_parts(&names, &numbers, count);
	/* Past its end a slice is at its end, though the file goes on. */
	check(&names, mms_view_seek(&names, mms_view_length(&names)));
	r |= mms_view_error(&names, mms_view_varint64(&names, &count), &err) != -MMS_EBOUNDS;
	printf("%s\n", strstr(err.what, "[names]"));
	mms_view_release(&numbers);
	mms_view_release(&names);
	mms_view_release(&all);
	return r;
}

int main(int argc, char **argv)
{
	char temporary[] = "/tmp/cursor-XXXXXX";
	const char *dir = argc > 1 ? argv[1] : mkdtemp(temporary);
	struct mms_pool *pool;
	struct mms_error err;
	char path[4096];
	int r;

	if (!dir) {
		perror("cursor: a temporary directory");
		return 1;
	}
	(void)snprintf(path, sizeof(path), "%s/words", dir);
	if (mms_pool_new(NULL, &pool, &err))
		die(&err);
	write_file(pool, path);
	r = read_file(pool, path);
	mms_pool_free(pool);
	if (argc < 2) {
		(void)unlink(path);
		(void)rmdir(dir);
	}
	return r;
}
