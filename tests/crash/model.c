/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "notes.h"
#include "sqlite.h"
#include "util.h"

#define FILE_MAX (4u << 20) /* no workload makes a larger one */
#define SHOWN 3u            /* broken promises of an image that are printed */

/* Of a file: an operation, of a name: a state, of the database: a transaction. */
struct step {
	uint64_t position; /* before it began */
	uint64_t offset, len, seed;
	uint32_t kind;
};

struct promise {
	uint64_t position; /* when it had been made */
	uint32_t n;        /* steps that it covers */
};

struct history {
	struct step *steps; /* from 1 */
	struct promise *promises;
	uint32_t n_steps, n_promises;
	uint32_t dir, num; /* of a name */
};

struct model {
	struct history *files, *names; /* from 1 */
	uint32_t n_files, n_names;
	struct history base; /* the database */
	uint64_t begin, end;
	uint64_t *promises; /* positions, sorted */
	uint64_t n_promises;
	uint64_t *keys; /* of all names: directory and number, sorted */
	uint32_t n_dirs;
};

/* --------------------------------------------------------------- reading */

/* Room for one more, doubled at powers of two. */
static void *grow(void *list, uint32_t n, size_t size)
{
	if (n & (n - 1))
		return list;
	list = realloc(list, (n ? 2 * (size_t)n : 1) * size);
	if (!list)
		die("memory");
	return list;
}

static void add_step(struct history *h, const struct note *note)
{
	if (h->n_steps == 0) { /* number 0: before the first */
		h->steps = grow(h->steps, 0, sizeof(*h->steps));
		memset(h->steps, 0, sizeof(*h->steps));
	}
	h->n_steps++;
	h->steps = grow(h->steps, h->n_steps, sizeof(*h->steps));
	h->steps[h->n_steps] = (struct step){.position = note->position,
					     .offset = note->offset,
					     .len = note->len,
					     .seed = note->seed,
					     .kind = note->kind};
}

static void add_promise(struct model *m, struct history *h, uint32_t n, uint64_t position)
{
	h->promises = grow(h->promises, h->n_promises, sizeof(*h->promises));
	h->promises[h->n_promises++] = (struct promise){.position = position, .n = n};
	m->promises[m->n_promises++] = position;
}

static struct history *history_of(struct model *m, const struct note *note)
{
	if (note->kind == NOTE_TXN || note->kind == NOTE_TXN_ACK)
		return &m->base;
	if (note->kind >= NOTE_NAME && note->kind <= NOTE_NAME_ACK)
		return &m->names[note->id];
	return &m->files[note->id];
}

static void take(struct model *m, const struct note *note, uint64_t window,
		 const struct disklog *log)
{
	struct history *h;

	if (note->kind == NOTE_BEGIN)
		m->begin = note->position;
	if (note->kind == NOTE_END)
		m->end = note->position;
	if (note->kind == NOTE_BEGIN || note->kind == NOTE_END)
		return;
	h = history_of(m, note);
	switch (note->kind) {
	case NOTE_NAME:
		h->dir = (uint32_t)note->offset;
		h->num = (uint32_t)note->len;
		add_step(h, note);
		break;
	case NOTE_TXN:
		while (h->n_steps < note->n)
			add_step(h, note);
		break;
	case NOTE_FILE_ACK:
	case NOTE_NAME_ACK:
	case NOTE_TXN_ACK:
		add_promise(m, h, note->n, note->position);
		break;
	case NOTE_FILE_DONE:
	case NOTE_NAME_DONE:
		if (window)
			add_promise(m, h, note->n, disklog_at(log, note->time_ns + window));
		break;
	default:
		add_step(h, note);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Those before the power may fail, and after the log's end, are no instants to choose. */
static void trim_promises(struct model *m)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < m->n_promises; i++)
		if (m->promises[i] >= m->begin && m->promises[i] <= m->end)
			m->promises[n++] = m->promises[i];
	m->n_promises = n;
	qsort(m->promises, n, sizeof(*m->promises), compare);
}

static uint64_t key_of(uint64_t dir, uint64_t num)
{
	return dir << 32 | num;
}

static void index_names(struct model *m)
{
	m->keys = calloc(m->n_names + 1, sizeof(*m->keys));
	if (!m->keys)
		die("memory");
	for (uint32_t i = 0; i < m->n_names; i++) {
		const struct history *h = &m->names[i + 1];

		m->keys[i] = key_of(h->dir, h->num);
		if (h->dir >= m->n_dirs)
			m->n_dirs = h->dir + 1;
	}
	qsort(m->keys, m->n_names, sizeof(*m->keys), compare);
}

struct model *model_load(const char *notes_path, const struct disklog *log)
{
	const struct notes_head *notes = notes_load(notes_path);
	struct model *m = calloc(1, sizeof(*m));

	if (!m)
		die("memory");
	for (uint64_t i = 0; i < notes->n; i++) {
		const struct note *note = &notes->notes[i];
		bool name = note->kind >= NOTE_NAME && note->kind <= NOTE_NAME_ACK;
		uint32_t *most = name ? &m->n_names : &m->n_files;

		if (note->id > *most)
			*most = note->id;
	}
	m->files = calloc(m->n_files + 1, sizeof(*m->files));
	m->names = calloc(m->n_names + 1, sizeof(*m->names));
	m->promises = calloc(notes->n + 1, sizeof(*m->promises));
	if (!m->files || !m->names || !m->promises)
		die("memory");
	for (uint64_t i = 0; i < notes->n; i++)
		take(m, &notes->notes[i], notes->window_ns, log);
	if (m->end == 0 || m->end > log->n || m->begin > m->end)
		die("%s: the workload did not end, or its log is not this one", notes_path);
	trim_promises(m);
	index_names(m);
	return m;
}

void model_range(const struct model *m, uint64_t *begin, uint64_t *end)
{
	*begin = m->begin;
	*end = m->end;
}

uint64_t model_promises(const struct model *m, const uint64_t **positions)
{
	*positions = m->promises;
	return m->n_promises;
}

/* -------------------------------------------------------------- instants */

/* Steps that must be there. *made: promises up to there. */
static uint32_t must(const struct history *h, uint64_t position, uint64_t *made)
{
	uint32_t low = 0, high = h->n_promises;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (h->promises[middle].position <= position)
			low = middle + 1;
		else
			high = middle;
	}
	if (made)
		*made += low;
	return low ? h->promises[low - 1].n : 0;
}

/*
 * Steps that may be there, of which 'from' must. A step that began at position
 * p leaves entries from p on. One that needed none (a truncation to the size
 * that the file had) was promised at the position where it began.
 */
static uint32_t may(const struct history *h, uint64_t position, uint32_t from)
{
	uint32_t low = from, high = h->n_steps;

	while (low < high) {
		uint32_t middle = low + (high - low + 1) / 2;

		if (h->steps[middle].position < position)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* ----------------------------------------------------------------- files */

struct view {
	const struct history *h;
	uint32_t from, to;           /* steps that must, that may be there */
	uint64_t size_min, size_max; /* in any of the states between */
	uint64_t size;               /* of what is there */
	const uint8_t *data;
	char *why; /* 200 bytes */
};

static uint64_t size_after(uint64_t size, const struct step *s)
{
	if (s->kind == NOTE_TRUNCATE)
		return s->offset;
	if (s->kind == NOTE_WRITE && s->offset + s->len > size)
		return s->offset + s->len;
	return size;
}

static void find_sizes(struct view *v)
{
	uint64_t size = 0;

	v->size_min = UINT64_MAX;
	v->size_max = 0;
	for (uint32_t i = 0; i <= v->to; i++) {
		if (i)
			size = size_after(size, &v->h->steps[i]);
		if (i < v->from)
			continue;
		v->size_min = size < v->size_min ? size : v->size_min;
		v->size_max = size > v->size_max ? size : v->size_max;
	}
}

/* The range that a step gives new bytes to; of a truncation, all that it cuts or adds. */
static void range_of(const struct step *s, uint64_t *begin, uint64_t *end)
{
	*begin = s->offset;
	*end = s->kind == NOTE_TRUNCATE ? FILE_MAX : s->offset + s->len;
	if (*end > FILE_MAX)
		*end = FILE_MAX;
}

/* Marks the bytes that the write left so. */
static void explain_write(const struct view *v, const struct step *s, uint64_t end, uint8_t *marks)
{
	static uint8_t pattern[FILE_MAX];

	pattern_fill(pattern, s->offset, end - s->offset, s->seed);
	for (uint64_t at = s->offset; at < end; at++)
		marks[at] |= v->data[at] == pattern[at - s->offset];
}

/* Marks each byte that a step explains which is not promised yet. */
static const uint8_t *explained(const struct view *v)
{
	static uint8_t marks[FILE_MAX];

	memset(marks, 0, v->size);
	for (uint64_t at = v->size_min; at < v->size; at++)
		marks[at] = v->data[at] == 0;
	for (uint32_t i = v->from + 1; i <= v->to; i++) {
		const struct step *s = &v->h->steps[i];
		uint64_t begin, end;

		range_of(s, &begin, &end);
		if (end > v->size)
			end = v->size;
		if (begin >= end)
			continue;
		if (s->kind == NOTE_WRITE)
			explain_write(v, s, end, marks);
		else
			for (uint64_t at = begin; at < end; at++)
				marks[at] |= v->data[at] == 0;
	}
	return marks;
}

/* The step that wrote each byte as it must be: 0 for a zero. */
static const uint32_t *owners(const struct view *v)
{
	static uint32_t owner[FILE_MAX];
	uint64_t size = 0;

	memset(owner, 0, v->size_max * sizeof(*owner));
	for (uint32_t i = 1; i <= v->from; i++) {
		const struct step *s = &v->h->steps[i];
		uint64_t begin, end;

		range_of(s, &begin, &end);
		size = size_after(size, s);
		if (end > v->size_max)
			end = v->size_max;
		for (uint64_t at = begin; at < end; at++)
			owner[at] = s->kind == NOTE_WRITE ? i : 0;
	}
	return owner;
}

static int64_t first_wrong(const struct view *v, uint32_t owner, uint64_t at, uint64_t len)
{
	if (owner)
		return pattern_check(v->data + at, at, len, v->h->steps[owner].seed);
	for (uint64_t i = 0; i < len; i++)
		if (v->data[at + i])
			return (int64_t)i;
	return -1;
}

static bool bytes_right(const struct view *v)
{
	const uint32_t *owner = owners(v);
	const uint8_t *marks = NULL; /* made when needed: mostly all is as promised */
	uint64_t at = 0;

	while (at < v->size) {
		uint64_t end = at + 1;
		int64_t wrong;

		while (end < v->size && owner[end] == owner[at])
			end++;
		wrong = first_wrong(v, owner[at], at, end - at);
		if (wrong < 0) {
			at = end;
			continue;
		}
		at += (uint64_t)wrong;
		marks = marks ? marks : explained(v);
		while (at < end && marks[at])
			at++;
		if (at < end && first_wrong(v, owner[at], at, 1) == 0) {
			snprintf(v->why, 200,
				 "byte %" PRIu64 " of %" PRIu64 " is %02x, of operation %u it is "
				 "not (%u promised, %u begun)",
				 at, v->size, v->data[at], owner[at], v->from, v->to);
			return false;
		}
	}
	return true;
}

static bool file_right(const struct history *h, uint64_t position, int fd, char why[200])
{
	static uint8_t data[FILE_MAX];
	struct view v = {.h = h, .data = data, .why = why};
	struct stat st;

	v.from = must(h, position, NULL);
	v.to = may(h, position, v.from);
	find_sizes(&v);
	errno = EFBIG;
	if (v.size_max > FILE_MAX)
		die("a file of %" PRIu64 " bytes", v.size_max);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		snprintf(why, 200, "is no file");
		return false;
	}
	v.size = (uint64_t)st.st_size;
	if (v.size < v.size_min || v.size > v.size_max) {
		snprintf(why, 200,
			 "%" PRIu64 " bytes, not %" PRIu64 " to %" PRIu64
			 " (%u operations promised, %u begun)",
			 v.size, v.size_min, v.size_max, v.from, v.to);
		return false;
	}
	if (read_full(fd, data, v.size, 0) != (int64_t)v.size) {
		snprintf(why, 200, "cannot be read");
		return false;
	}
	return bytes_right(&v);
}

/* ----------------------------------------------------------------- names */

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Any of the states from the promised one on may be what is there. */
static bool name_right(const struct model *m, const struct history *h, uint64_t position,
		       uint32_t from, const char *dir, char why[200])
{
	char path[PATH_MAX];
	uint32_t to = may(h, position, from);
	bool right = false;
	int fd;

	snprintf(path, sizeof(path), "%s/d%u/f%u", dir, h->dir, h->num);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno != ENOENT) {
		snprintf(why, 200, "cannot be opened: %s", errno_name(errno));
		return false;
	}
	snprintf(why, 200, "%s", fd < 0 ? "is missing" : "should not be there");
	for (uint32_t i = to + 1; i-- > from && !right;) {
		uint64_t file = i ? h->steps[i].seed : 0;

		if (fd < 0)
			right = file == 0;
		else if (file == NAME_DIRECTORY)
			right = is_directory(fd);
		else
			right = file && file_right(&m->files[file], position, fd, why);
	}
	if (fd >= 0)
		close(fd);
	return right;
}

static unsigned base_check(const struct model *m, uint64_t position, const char *dir,
			   const char *prefix, uint64_t *checked)
{
	const char *wrong;
	uint32_t from;

	if (!m->base.n_steps)
		return 0;
	from = must(&m->base, position, checked);
	wrong = sqlite_check(dir, from, may(&m->base, position, from));
	if (!wrong)
		return 0;
	printf("%s the database: %s\n", prefix, wrong);
	return 1;
}

static bool known(const struct model *m, unsigned dir, const char *name)
{
	unsigned num;
	uint64_t key;

	if (sscanf(name, "f%u", &num) != 1)
		return false;
	key = key_of(dir, num);
	return bsearch(&key, m->keys, m->n_names, sizeof(key), compare) != NULL;
}

/* Names that nobody ever made, in directory number n. */
static unsigned strangers(const struct model *m, unsigned n, const char *dir, const char *prefix)
{
	char path[PATH_MAX];
	struct dirent *entry;
	unsigned count = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/d%u", dir, n);
	d = opendir(path);
	while (d && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.' || known(m, n, entry->d_name))
			continue;
		if (count++ < SHOWN)
			printf("%s d%u/%s: nobody made it\n", prefix, n, entry->d_name);
	}
	if (d)
		closedir(d);
	return count;
}

unsigned model_check(const struct model *m, uint64_t position, const char *dir, const char *prefix,
		     uint64_t *checked)
{
	unsigned broken = base_check(m, position, dir, prefix, checked);
	char why[200];

	for (uint32_t i = 1; i <= m->n_files; i++)
		must(&m->files[i], position, checked);
	for (uint32_t i = 1; i <= m->n_names; i++) {
		const struct history *h = &m->names[i];
		uint32_t from = must(h, position, checked);

		if (!h->n_steps || name_right(m, h, position, from, dir, why))
			continue;
		if (broken++ < SHOWN)
			printf("%s d%u/f%u (state %u of %u): %s\n", prefix, h->dir, h->num, from,
			       may(h, position, from), why);
	}
	for (unsigned n = 0; n < m->n_dirs; n++)
		broken += strangers(m, n, dir, prefix);
	return broken;
}
