/* SPDX-License-Identifier: MIT */
/* The command line: one table of options, and sentences for what is wrong. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct word {
	const char *text;
	int value;
};

static const struct word sync_words[] = {{"immediate", MMS_SYNC_IMMEDIATE},
					 {"periodic", MMS_SYNC_PERIODIC},
					 {"lazy", MMS_SYNC_LAZY},
					 {"never", MMS_SYNC_NEVER},
					 {NULL, 0}};
static const struct word fsync_words[] = {{"honor", 0}, {"defer", 1}, {NULL, 0}};
static const struct word cache_words[] = {{"back", CACHE_BACK},
					  {"through", CACHE_THROUGH},
					  {"shared", CACHE_SHARED},
					  {"none", CACHE_NONE},
					  {NULL, 0}};
static const struct word watch_words[] = {{"auto", 1}, {"off", 0}, {NULL, 0}};
static const struct word push_words[] = {
	{"auto", PUSH_DEFAULT}, {"readahead", PUSH_READAHEAD}, {"store", PUSH_STORE}, {"off", PUSH_OFF}, {NULL, 0}};
static const struct word io_words[] = {
	{"auto", MMS_IO_AUTO}, {"mmap", MMS_IO_MMAP}, {"pread", MMS_IO_PREAD}, {NULL, 0}};
static const struct word put_words[] = {
	{"auto", MMS_PUT_AUTO}, {"mmap", MMS_PUT_MMAP}, {"pwrite", MMS_PUT_PWRITE}, {NULL, 0}};
static const struct word preload_words[] = {{"none", MMS_PRELOAD_NONE},
					    {"async", MMS_PRELOAD_ASYNC},
					    {"populate", MMS_PRELOAD_POPULATE},
					    {NULL, 0}};
static const struct word advice_words[] = {{"normal", MMS_ADVICE_NORMAL},
					   {"sequential", MMS_ADVICE_SEQUENTIAL},
					   {"random", MMS_ADVICE_RANDOM},
					   {NULL, 0}};
static const struct word filter_words[] = {
	{"kill", FILTER_KILL}, {"errno", FILTER_ERRNO}, {"off", FILTER_OFF}, {NULL, 0}};
static const struct word log_words[] = {{"error", LOG_LEVEL_ERROR},
					{"warning", LOG_LEVEL_WARNING},
					{"info", LOG_LEVEL_INFO},
					{"debug", LOG_LEVEL_DEBUG},
					{NULL, 0}};

static const char *word_of(const struct word *words, int value)
{
	for (; words->text; words++)
		if (words->value == value)
			return words->text;
	return "?";
}

const char *sync_word(enum mms_sync_mode m) { return word_of(sync_words, (int)m); }
const char *cache_word(enum cache_mode m) { return word_of(cache_words, (int)m); }
const char *push_option_word(enum push_mode m) { return word_of(push_words, (int)m); }
const char *io_word(enum mms_io m) { return word_of(io_words, (int)m); }
const char *put_word(enum mms_put m) { return word_of(put_words, (int)m); }
const char *preload_word(enum mms_preload m) { return word_of(preload_words, (int)m); }
const char *advice_word(enum mms_advice m) { return word_of(advice_words, (int)m); }
const char *log_word(enum log_level m) { return word_of(log_words, (int)m); }

#define SPIN_UNSET UINT_MAX
#define SPIN_DEFAULT 30u /* microseconds; measured, see HACKING */
#define SPIN_MOST 1000u

enum kind {
	KIND_WORD,    /* one of words, into an enum */
	KIND_FLAGWORD, /* one of words, into a bool */
	KIND_SIZE,    /* bytes with a suffix, into a uint64_t */
	KIND_COUNT,   /* a whole number from 1, into a uint64_t */
	KIND_SECONDS, /* a decimal from min_seconds, into a double */
	KIND_FLAG,    /* no value, sets a bool */
	KIND_JOURNAL, /* a directory, or no value */
	KIND_WINDOW,
	KIND_THREADS,
	KIND_MICROSECONDS, /* a whole number from 0, into an unsigned */
	KIND_PASS,    /* for the mount itself: no value */
	KIND_PASS_VALUE,
	KIND_IGNORE,  /* mount(8)'s own business: with or without a value */
};

struct option_spec {
	const char *name;
	enum kind kind;
	size_t offset;
	const struct word *words;
	double min_seconds;
	const char *takes; /* for help and errors */
};

#define AT(field) offsetof(struct options, field)

static const struct option_spec specs[] = {
	{"sync", KIND_WORD, AT(sync), sync_words, 0, "immediate, periodic, lazy or never"},
	{"sync_interval", KIND_SECONDS, AT(sync_interval), NULL, 0.01, "seconds, 0.01 and more"},
	{"fsync", KIND_FLAGWORD, AT(fsync_defer), fsync_words, 0, "honor or defer"},
	{"journal", KIND_JOURNAL, 0, NULL, 0, "a directory, or no value for BACKING/.mmapfs/journal"},
	{"journal_size", KIND_SIZE, AT(journal_size), NULL, 0, "a size from 1M to 16G"},
	{"journal_max_record", KIND_SIZE, AT(journal_max_record), NULL, 0, "a size from 4K to 4M"},
	{"cache", KIND_WORD, AT(cache), cache_words, 0, "back, through, shared or none"},
	{"passthrough", KIND_FLAG, AT(passthrough), NULL, 0, "no value"},
	{"io", KIND_WORD, AT(io), io_words, 0, "auto, mmap or pread"},
	{"write", KIND_WORD, AT(put), put_words, 0, "auto, mmap or pwrite"},
	{"window", KIND_WINDOW, AT(window_shift), NULL, 0, "a power of two from 1M to 1T"},
	{"map_limit", KIND_SIZE, AT(map_limit), NULL, 0, "a size such as 512M or 64G"},
	{"map_count", KIND_COUNT, AT(map_count), NULL, 0, "a whole number from 1"},
	{"preload", KIND_WORD, AT(preload), preload_words, 0, "none, async or populate"},
	{"advice", KIND_WORD, AT(advice), advice_words, 0, "normal, sequential or random"},
	{"mlock", KIND_FLAG, AT(lock), NULL, 0, "no value"},
	{"readahead", KIND_SIZE, AT(readahead), NULL, 0, "a size from 4K to 1G"},
	{"threads", KIND_THREADS, AT(threads), NULL, 0, "a whole number from 1 to 1024"},
	{"spin", KIND_MICROSECONDS, AT(spin_us), NULL, 0, "microseconds from 0 to 1000"},
	{"clone_fd", KIND_FLAG, AT(clone_fd), NULL, 0, "no value"},
	{"dump_data", KIND_FLAG, AT(dump_data), NULL, 0, "no value"},
	{"seccomp", KIND_WORD, AT(filter), filter_words, 0, "kill, errno or off"},
	{"watch", KIND_FLAGWORD, AT(watch), watch_words, 0, "auto or off"},
	{"push", KIND_WORD, AT(push), push_words, 0, "auto, readahead, store or off"},
	{"attr_timeout", KIND_SECONDS, AT(attr_timeout), NULL, 0, "seconds, 0 and more"},
	{"entry_timeout", KIND_SECONDS, AT(entry_timeout), NULL, 0, "seconds, 0 and more"},
	{"negative_timeout", KIND_SECONDS, AT(negative_timeout), NULL, 0, "seconds, 0 and more"},
	{"log_level", KIND_WORD, AT(log_level), log_words, 0, "error, warning, info or debug"},
	{"allow_other", KIND_FLAG, AT(allow_other), NULL, 0, "no value"},
	{"allow_root", KIND_FLAG, AT(allow_root), NULL, 0, "no value"},
	{"auto_unmount", KIND_FLAG, AT(auto_unmount), NULL, 0, "no value"},
	{"ro", KIND_FLAG, AT(read_only), NULL, 0, "no value"},
	{"debug", KIND_FLAG, AT(debug_fuse), NULL, 0, "no value"},
	{"fsname", KIND_PASS_VALUE, 0, NULL, 0, "a name"},
	{"subtype", KIND_PASS_VALUE, 0, NULL, 0, "a name"},
	{"max_read", KIND_SIZE, AT(max_read), NULL, 0, "a size from 4K to 1M"},
	{"suid", KIND_PASS, 0, NULL, 0, "no value"},
	{"nosuid", KIND_PASS, 0, NULL, 0, "no value"},
	{"dev", KIND_PASS, 0, NULL, 0, "no value"},
	{"nodev", KIND_PASS, 0, NULL, 0, "no value"},
	{"exec", KIND_PASS, 0, NULL, 0, "no value"},
	{"noexec", KIND_PASS, 0, NULL, 0, "no value"},
	{"atime", KIND_PASS, 0, NULL, 0, "no value"},
	{"noatime", KIND_PASS, 0, NULL, 0, "no value"},
	{"rw", KIND_IGNORE, 0, NULL, 0, NULL},
	{"default_permissions", KIND_IGNORE, 0, NULL, 0, NULL},
	{"defaults", KIND_IGNORE, 0, NULL, 0, NULL},
	{"async", KIND_IGNORE, 0, NULL, 0, NULL},
	{"auto", KIND_IGNORE, 0, NULL, 0, NULL},
	{"noauto", KIND_IGNORE, 0, NULL, 0, NULL},
	{"nofail", KIND_IGNORE, 0, NULL, 0, NULL},
	{"_netdev", KIND_IGNORE, 0, NULL, 0, NULL},
	{"user", KIND_IGNORE, 0, NULL, 0, NULL},
	{"users", KIND_IGNORE, 0, NULL, 0, NULL},
	{"nouser", KIND_IGNORE, 0, NULL, 0, NULL},
	{"owner", KIND_IGNORE, 0, NULL, 0, NULL},
	{"group", KIND_IGNORE, 0, NULL, 0, NULL},
	{"nodiratime", KIND_IGNORE, 0, NULL, 0, NULL}, /* not known to libfuse 3.14 */
	{"relatime", KIND_IGNORE, 0, NULL, 0, NULL},
	{"strictatime", KIND_IGNORE, 0, NULL, 0, NULL},
	{"lazytime", KIND_IGNORE, 0, NULL, 0, NULL},
	{"comment", KIND_IGNORE, 0, NULL, 0, NULL},
	{NULL, 0, 0, NULL, 0, NULL},
};

struct parser {
	struct options *o;
	char *msg;
	size_t msg_size;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct parser *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->msg, p->msg_size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* Levenshtein distance, bounded names only: for "did you mean". */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t lb = strlen(b);

	if (lb >= 63 || strlen(a) >= 63)
		return 99;
	for (unsigned j = 0; j <= lb; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			unsigned cost = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < cost)
				cost = row[j] + 1;
			if (row[j - 1] + 1 < cost)
				cost = row[j - 1] + 1;
			row[j] = cost;
		}
	}
	return row[lb];
}

static const char *nearest(const char *name)
{
	const char *best = NULL;
	unsigned best_distance = 4;

	for (const struct option_spec *s = specs; s->name; s++) {
		unsigned d = distance(name, s->name);

		if (d < best_distance) {
			best_distance = d;
			best = s->name;
		}
	}
	return best;
}

static bool takes_value(const struct option_spec *s)
{
	return s->kind != KIND_FLAG && s->kind != KIND_JOURNAL && s->kind != KIND_PASS && s->kind != KIND_IGNORE;
}

static int parse_size(const char *text, uint64_t *ret)
{
	static const char suffixes[] = "KMGT";
	char *end;
	unsigned long long n;
	unsigned shift = 0;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	if (*end) {
		const char *s = strchr(suffixes, toupper((unsigned char)*end));

		if (!s || end[1])
			return -EINVAL;
		shift = 10 * (unsigned)(s - suffixes + 1);
	}
	if (shift && n > (UINT64_MAX >> shift))
		return -ERANGE;
	*ret = (uint64_t)n << shift;
	return 0;
}

static int parse_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	char *end;
	unsigned long long n;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || n < min || n > max)
		return -EINVAL;
	*ret = n;
	return 0;
}

static int parse_seconds(const char *text, double min, double *ret)
{
	char *end;
	double v;

	if (!isdigit((unsigned char)text[0]) && text[0] != '.')
		return -EINVAL;
	errno = 0;
	v = strtod(text, &end);
	if (errno || *end || !isfinite(v) || v < min || v > 1e6)
		return -EINVAL;
	*ret = v;
	return 0;
}

static int pass_on(struct parser *p, const char *item)
{
	char *joined;

	if (asprintf(&joined, "%s%s%s", p->o->fuse_options ? p->o->fuse_options : "",
		     p->o->fuse_options ? "," : "", item) < 0)
		return refuse(p, "out of memory");
	free(p->o->fuse_options);
	p->o->fuse_options = joined;
	return 0;
}

static const struct word *find_word(const struct word *words, const char *text)
{
	for (; words->text; words++)
		if (!strcmp(words->text, text))
			return words;
	return NULL;
}

/* Stores value by kind; -EINVAL where it is not of the kind. */
static int store_value(struct options *o, const struct option_spec *s, const char *value)
{
	void *field = (char *)o + s->offset;
	const struct word *w;
	uint64_t n;
	int rc;

	switch (s->kind) {
	case KIND_WORD:
	case KIND_FLAGWORD:
		w = find_word(s->words, value);
		if (!w)
			return -EINVAL;
		if (s->kind == KIND_WORD)
			memcpy(field, &w->value, sizeof(int));
		else
			*(bool *)field = w->value != 0;
		return 0;
	case KIND_SIZE:
		rc = parse_size(value, &n);
		if (rc || n == 0)
			return -EINVAL;
		*(uint64_t *)field = n;
		return 0;
	case KIND_COUNT:
		return parse_count(value, 1, INT64_MAX, field);
	case KIND_SECONDS:
		return parse_seconds(value, s->min_seconds, field);
	case KIND_WINDOW:
		rc = parse_size(value, &n);
		if (rc || n < (1ull << MMS_CHUNK_SHIFT_MIN) || n > (1ull << MMS_CHUNK_SHIFT_MAX) ||
		    (n & (n - 1)))
			return -EINVAL;
		*(unsigned *)field = (unsigned)__builtin_ctzll(n);
		return 0;
	case KIND_THREADS:
	case KIND_MICROSECONDS:
		rc = s->kind == KIND_THREADS ? parse_count(value, 1, 1024, &n) :
					       parse_count(value, 0, SPIN_MOST, &n);
		if (!rc)
			*(unsigned *)field = (unsigned)n;
		return rc;
	case KIND_FLAG:
	case KIND_JOURNAL:
	case KIND_PASS:
	case KIND_PASS_VALUE:
	case KIND_IGNORE:
		break;
	}
	return 0;
}

static int apply_journal(struct parser *p, const char *value)
{
	if (value && !*value)
		return refuse(p, "option 'journal=' names no directory; give one, or 'journal' "
				 "alone for BACKING/.mmapfs/journal");
	p->o->journal = true;
	free(p->o->journal_path);
	p->o->journal_path = value ? strdup(value) : NULL;
	return value && !p->o->journal_path ? refuse(p, "out of memory") : 0;
}

static int in_range(struct parser *p, const char *name, uint64_t value, uint64_t least,
		    uint64_t most, const char *takes)
{
	if (value >= least && value <= most)
		return 0;
	return refuse(p, "option '%s' does not take %llu bytes; it takes %s", name,
		      (unsigned long long)value, takes);
}

static int check_journal(struct parser *p)
{
	struct options *o = p->o;
	int rc = in_range(p, "journal_size", o->journal_size, 1u << 20, 16ull << 30,
			  "a size from 1M to 16G");

	if (!rc)
		rc = in_range(p, "journal_max_record", o->journal_max_record, 4096, 4u << 20,
			      "a size from 4K to 4M");
	if (rc)
		return rc;
	if (o->journal_max_record > o->journal_size / 8)
		return refuse(p, "journal_max_record=%lluK is more than an eighth of journal_size=%lluK; "
				 "lower it, or raise journal_size",
			      (unsigned long long)(o->journal_max_record >> 10),
			      (unsigned long long)(o->journal_size >> 10));
	if (o->journal && o->read_only)
		return refuse(p, "journal and ro exclude each other: there is nothing to write");
	if (o->journal && o->fsync_defer)
		return refuse(p, "journal and fsync=defer exclude each other: the journal makes fsync "
				 "durable, and fsync=defer says that it need not be");
	return 0;
}

static int apply(struct parser *p, const struct option_spec *s, const char *item, const char *value)
{
	struct options *o = p->o;

	if (s->kind == KIND_IGNORE)
		return strcmp(s->name, "rw") ? 0 : (o->read_only = false, 0);
	if (s->kind == KIND_JOURNAL)
		return apply_journal(p, value);
	if (takes_value(s) && !value)
		return refuse(p, "option '%s' needs a value: it takes %s", s->name, s->takes);
	if (!takes_value(s) && value)
		return refuse(p, "option '%s' takes no value, but '%s' was given", s->name, value);
	if (s->kind == KIND_PASS || s->kind == KIND_PASS_VALUE)
		return pass_on(p, item);
	if (s->kind == KIND_FLAG) {
		*(bool *)((char *)o + s->offset) = true;
		return 0;
	}
	if (store_value(o, s, value))
		return refuse(p, "option '%s' does not take '%s'; it takes %s", s->name, value,
			      s->takes);
	if (s->offset == AT(max_read) && s->kind == KIND_SIZE &&
	    (o->max_read < 4096 || o->max_read > (1u << 20)))
		return refuse(p, "option 'max_read' does not take '%s'; it takes %s", value, s->takes);
	if (s->offset == AT(readahead)) {
		if (o->readahead < 4096 || o->readahead > (1ull << 30))
			return refuse(p, "option 'readahead' does not take '%s'; it takes %s", value,
				      s->takes);
		o->readahead_set = true;
	}
	return 0;
}

static int parse_item(struct parser *p, const char *item)
{
	char name[64];
	const char *eq = strchr(item, '=');
	size_t len = eq ? (size_t)(eq - item) : strlen(item);
	const char *near;

	if (!strncmp(item, "x-", 2) || !strncmp(item, "X-", 2))
		return 0;
	if (!strcmp(item, "mode=cow"))
		return refuse(p, "mode=cow (copy-on-write sessions) is not there yet in this version");
	if (len < sizeof(name)) {
		memcpy(name, item, len);
		name[len] = '\0';
		/* mount(8) hands its own bare "sync" and "async" on. */
		if (!eq && !strcmp(name, "sync")) {
			p->o->sync = MMS_SYNC_IMMEDIATE;
			return 0;
		}
		for (const struct option_spec *s = specs; s->name; s++)
			if (!strcmp(s->name, name))
				return apply(p, s, item, eq ? eq + 1 : NULL);
		near = nearest(name);
		if (near)
			return refuse(p, "option '%s' is not known; did you mean '%s'?", item, near);
	}
	return refuse(p, "option '%.80s' is not known; mmapfs --help lists them", item);
}

/* Items are parted by commas; "\,", a comma inside a value, is kept as it is for
 * libfuse, which reads it the same way. */
static int parse_list(struct parser *p, const char *list)
{
	char *copy = strdup(list), *read, *write, *start;
	int rc = copy ? 0 : refuse(p, "out of memory");

	for (read = write = start = copy; !rc && read; read++) {
		if (*read == '\\' && read[1]) {
			*write++ = *read++;
			*write++ = *read;
		} else if (*read == ',' || !*read) {
			bool last = !*read;

			*write = '\0';
			if (*start)
				rc = parse_item(p, start);
			write = start = read + 1;
			if (last)
				break;
		} else {
			*write++ = *read;
		}
	}
	free(copy);
	return rc;
}

static void set_defaults(struct options *o)
{
	memset(o, 0, sizeof(*o));
	o->sync = MMS_SYNC_PERIODIC;
	o->sync_interval = 5;
	o->journal_size = 64u << 20;
	o->journal_max_record = 128u << 10;
	o->readahead = 1 << 20;
	o->threads = 0;
	o->spin_us = SPIN_UNSET;
	o->attr_timeout = o->entry_timeout = o->negative_timeout = -1;
	o->watch = true;
	o->push = PUSH_DEFAULT;
	o->log_level = LOG_LEVEL_WARNING;
}

/* What the daemon must see, or the kernel keep, cannot be passed by it. */
static int check_passthrough(struct parser *p)
{
	struct options *o = p->o;

	if (!o->passthrough)
		return 0;
#ifndef HAVE_FUSE_CUSTOM_IO
	return refuse(p, "passthrough needs libfuse 3.13 or newer, and this build has an older one");
#endif
	if (o->cache != CACHE_DEFAULT && o->cache != CACHE_THROUGH)
		return refuse(p, "passthrough and cache=%s exclude each other: what is read and written "
				 "is BACKING's own page cache; leave cache= out",
			      cache_word(o->cache));
	if (o->sync == MMS_SYNC_IMMEDIATE)
		return refuse(p, "passthrough and sync=immediate exclude each other: the daemon does not "
				 "see a write that it would have to make durable; use another sync=, or "
				 "leave passthrough out");
	if (o->journal)
		return refuse(p, "passthrough and journal exclude each other: the daemon does not see the "
				 "data that a record needs; leave one of them out");
	o->cache = CACHE_THROUGH;
	if (o->push == PUSH_READAHEAD || o->push == PUSH_STORE)
		return refuse(p, "passthrough and push=%s exclude each other: what is in BACKING's page "
				 "cache need not be pushed; leave push= out",
			      push_option_word(o->push));
	o->push = PUSH_OFF;
	return 0;
}

static int check_push(struct parser *p)
{
	struct options *o = p->o;

	if ((o->push == PUSH_READAHEAD || o->push == PUSH_STORE) && o->cache == CACHE_NONE)
		return refuse(p, "push=%s and cache=none exclude each other: the kernel keeps nothing "
				 "that could be pushed; use another cache= or push=off",
			      push_option_word(o->push));
	if (o->push == PUSH_STORE && !o->read_only)
		return refuse(p, "push=store needs ro: it would overwrite what programs have written and "
				 "the kernel has not handed over; use push=readahead");
	if (o->push == PUSH_READAHEAD && o->readahead < PUSH_READAHEAD_MIN)
		return refuse(p, "push=readahead needs readahead=64K or more, and it is %lluK",
			      (unsigned long long)(o->readahead >> 10));
	if (o->push != PUSH_DEFAULT)
		return 0;
	if (o->cache == CACHE_NONE)
		o->push = PUSH_OFF;
	else if (o->read_only)
		o->push = PUSH_STORE;
	else
		o->push = o->readahead < PUSH_READAHEAD_MIN ? PUSH_OFF : PUSH_READAHEAD;
	return 0;
}

static int check_together(struct parser *p)
{
	struct options *o = p->o;

	if (check_passthrough(p))
		return -EINVAL;
	if (o->cache == CACHE_DEFAULT)
		o->cache = o->sync == MMS_SYNC_IMMEDIATE ? CACHE_THROUGH : CACHE_BACK;
	if (o->sync == MMS_SYNC_IMMEDIATE && o->cache == CACHE_BACK)
		return refuse(p, "sync=immediate and cache=back exclude each other: the kernel's "
				 "write-back cache would answer write(2) before anything is durable; "
				 "use cache=through, shared or none");
	if (check_push(p) || check_journal(p))
		return -EINVAL;
	if (o->allow_other && o->allow_root)
		return refuse(p, "allow_other and allow_root exclude each other; use one of them");
	if (o->map_limit) {
		unsigned shift = o->window_shift ? o->window_shift : MMS_CHUNK_SHIFT_DEFAULT;

		if (o->map_limit < (1ull << shift))
			return refuse(p,
				      "map_limit=%lluM is smaller than one window of %lluM; raise "
				      "map_limit or lower window",
				      (unsigned long long)(o->map_limit >> 20),
				      (unsigned long long)(1ull << (shift - 20)));
	}
#ifndef HAVE_FUSE_LOOP_CFG
	if (o->threads)
		return refuse(p, "threads= needs libfuse 3.12 or newer, and this build has an older one");
#endif
#ifdef HAVE_FUSE_CUSTOM_IO
	if (o->spin_us == SPIN_UNSET)
		o->spin_us = SPIN_DEFAULT;
#else
	if (o->spin_us != SPIN_UNSET && o->spin_us)
		return refuse(p, "spin= needs libfuse 3.13 or newer, and this build has an older one");
	o->spin_us = 0;
#endif
	/* With a journal they wait together for one flush. */
	if (!o->threads)
		o->threads = o->journal ? 32 : 10;
	return 0;
}

static int positional(struct parser *p, const char *arg)
{
	struct options *o = p->o;

	if (!o->backing_arg)
		o->backing_arg = arg;
	else if (!o->mount_arg)
		o->mount_arg = arg;
	else
		return refuse(p, "'%s' is one argument too many; usage: mmapfs [-o OPTIONS] BACKING MNT",
			      arg);
	return 0;
}

/* Flags of `mount.mmapfs BACKING MNT [-sfnvrw] [-N NS] [-o OPTS] [-t TYPE]`. */
static int helper_flags(struct parser *p, const char *arg, const char *next, int *ret_used)
{
	for (const char *c = arg + 1; *c; c++) {
		switch (*c) {
		case 's': case 'n': case 'v': case 'w':
			break;
		case 'r':
			p->o->read_only = true;
			break;
		case 'f':
			p->o->fake = true;
			break;
		case 't': case 'N': case 'o':
			if (!next)
				return refuse(p, "-%c needs an argument", *c);
			*ret_used = 1;
			return *c == 'o' ? parse_list(p, next) : 0;
		default:
			return refuse(p, "-%c is not an option that mount(8) gives its helpers", *c);
		}
	}
	return 0;
}

static int program_flag(struct parser *p, const char *arg, const char *next, int *ret_used)
{
	struct options *o = p->o;

	if (!strcmp(arg, "-f") || !strcmp(arg, "--foreground"))
		o->foreground = true;
	else if (!strcmp(arg, "-d") || !strcmp(arg, "--debug"))
		o->debug_fuse = o->foreground = true;
	else if (!strcmp(arg, "-h") || !strcmp(arg, "--help"))
		o->help = true;
	else if (!strcmp(arg, "-V") || !strcmp(arg, "--version"))
		o->version = true;
	else if (!strncmp(arg, "-o", 2)) {
		if (arg[2])
			return parse_list(p, arg + 2);
		if (!next)
			return refuse(p, "-o needs a list of options, such as -o sync=lazy,allow_other");
		*ret_used = 1;
		return parse_list(p, next);
	} else {
		return refuse(p, "'%s' is not known; mmapfs --help lists what is", arg);
	}
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, char *msg, size_t msg_size)
{
	struct parser p = {.o = o, .msg = msg, .msg_size = msg_size};
	const char *slash = strrchr(argv[0] ? argv[0] : "", '/');
	const char *program = slash ? slash + 1 : argv[0];
	bool helper = program && !strncmp(program, "mount.", 6);
	bool only_names = false;
	int rc = 0;

	set_defaults(o);
	for (int i = 1; i < argc && !rc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;
		int used = 0;

		if (!only_names && !strcmp(argv[i], "--"))
			only_names = true;
		else if (only_names || argv[i][0] != '-' || !argv[i][1])
			rc = positional(&p, argv[i]);
		else if (helper)
			rc = helper_flags(&p, argv[i], next, &used);
		else
			rc = program_flag(&p, argv[i], next, &used);
		i += used;
	}
	if (rc || o->help || o->version)
		return rc;
	if (!o->backing_arg || !o->mount_arg)
		return refuse(&p, "%s is missing; usage: mmapfs [-o OPTIONS] BACKING MNT",
			      o->backing_arg ? "MNT, the directory to mount at," :
					       "BACKING, the directory to serve,");
	return check_together(&p);
}

void options_release(struct options *o)
{
	free(o->fuse_options);
	o->fuse_options = NULL;
	free(o->journal_path);
	o->journal_path = NULL;
}

const char *options_help(void)
{
	return "usage: mmapfs [-f] [-d] [-o OPTION[,OPTION...]] BACKING MNT\n"
	       "\n"
	       "Serves the directory BACKING at MNT from memory-mapped regions of its files.\n"
	       "Unmount with umount MNT (root) or fusermount3 -u MNT.\n"
	       "\n"
	       "  -f, --foreground   stay in the foreground, log to stderr\n"
	       "  -d, --debug        as -f, and print every request\n"
	       "  -h, --help         this text\n"
	       "  -V, --version      versions and features\n"
	       "\n"
	       "durability\n"
	       "  sync=WORD          immediate, periodic (default), lazy or never\n"
	       "  sync_interval=S    seconds between the flushes of sync=periodic (5)\n"
	       "  fsync=WORD         honor (default) or defer: fsync returns at once, and\n"
	       "                     what it promised is kept by sync= alone\n"
	       "  journal, journal=DIR   small syncs go to a journal, in BACKING/.mmapfs or DIR: they\n"
	       "                     survive a power failure, and cost less\n"
	       "  journal_size=SIZE  of it (64M)\n"
	       "  journal_max_record=SIZE   what is more than that at once is synced instead (128K)\n"
	       "caching\n"
	       "  cache=WORD         back (default), through (default if sync=immediate),\n"
	       "                     shared (others change BACKING too) or none\n"
	       "  passthrough        reads and writes pass by the daemon (root, Linux 6.9 and newer)\n"
	       "  watch=WORD         auto (default): what others change in BACKING is dropped\n"
	       "                     from the cache at once; or off\n"
	       "  push=WORD          auto (default), readahead, store or off: what lies around\n"
	       "                     random reads goes into the kernel's cache\n"
	       "  attr_timeout=S, entry_timeout=S, negative_timeout=S   (a day where it is\n"
	       "                     watched, else 1, 1 and 0)\n"
	       "  readahead=SIZE     of the mount, when started as root (1M)\n"
	       "mapping\n"
	       "  io=WORD            auto (default), mmap or pread\n"
	       "  write=WORD         auto (default), mmap or pwrite\n"
	       "  window=SIZE        bytes of a chunk: a power of two from 1M to 1T (1G)\n"
	       "  map_limit=SIZE     most bytes mapped at a time\n"
	       "  map_count=N        most mappings at a time\n"
	       "  preload=WORD       none (default), async or populate: at open\n"
	       "  advice=WORD        normal (default), sequential or random\n"
	       "  mlock              keep in memory what is mapped\n"
	       "daemon\n"
	       "  threads=N          most worker threads (10; with a journal 32)\n"
	       "  spin=MICROSECONDS  a worker looks for the next request before it sleeps (30)\n"
	       "  clone_fd           a device descriptor for each worker\n"
	       "  seccomp=WORD       kill (default), errno or off: when a daemon of root makes\n"
	       "                     a system call that it never makes\n"
	       "  dump_data          core dumps hold data of files\n"
	       "  log_level=WORD     error, warning (default), info or debug\n"
	       "mount\n"
	       "  allow_other, allow_root, auto_unmount, ro, nosuid, nodev, noexec, noatime,\n"
	       "  fsname=NAME, subtype=NAME, max_read=SIZE; those of mount(8)\n"
	       "  (defaults, noauto, nofail, _netdev, user, x-*, ...) are accepted\n"
	       "\n"
	       "SIZE takes the suffixes K, M, G and T. mmapfs(8) tells what each promises.\n";
}
