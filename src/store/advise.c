/* SPDX-License-Identifier: MIT */
/* Advice: how a file is read, settings of its mappings, and what is done once */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "arith.h"
#include "cleanup.h"
#include "errors.h"
#include "file.h"
#include "modes.h"
#include "sys.h"

/* What a word leaves behind for mappings that are made later. */
static const struct setting {
	unsigned set, clear;
	bool cow_only;
} settings[] = {
	[MMS_ADVICE_HUGEPAGE] = {.set = SETTING_HUGEPAGE, .clear = SETTING_NOHUGEPAGE},
	[MMS_ADVICE_NOHUGEPAGE] = {.set = SETTING_NOHUGEPAGE, .clear = SETTING_HUGEPAGE},
	[MMS_ADVICE_DONTFORK] = {.set = SETTING_DONTFORK},
	[MMS_ADVICE_DOFORK] = {.clear = SETTING_DONTFORK},
	[MMS_ADVICE_DONTDUMP] = {.set = SETTING_DONTDUMP},
	[MMS_ADVICE_DODUMP] = {.clear = SETTING_DONTDUMP},
	[MMS_ADVICE_MERGEABLE] = {.set = SETTING_MERGEABLE, .cow_only = true},
	[MMS_ADVICE_UNMERGEABLE] = {.clear = SETTING_MERGEABLE, .cow_only = true},
};

enum mms_advice mms_intent_advice(enum mms_intent intent)
{
	switch (intent) {
	case MMS_INTENT_QUERY:
		return MMS_ADVICE_RANDOM;
	case MMS_INTENT_MERGE:
	case MMS_INTENT_CHECKSUM:
	case MMS_INTENT_READ_ONCE:
		return MMS_ADVICE_SEQUENTIAL;
	default:
		return MMS_ADVICE_NORMAL;
	}
}

/* --------------------------------------------------------- for later ones */

static void note_huge(struct mms_file *file, int code)
{
	struct mms_error why;

	if (!code) {
		if (mms_file_is_full(file))
			mms_mode_note(file, MMS_WANT_HUGE, NULL);
		return;
	}
	(void)mms_error_set(&why, code, "asking for huge pages in %s", file->name);
	mms_error_hint(&why, "the kernel must be built with transparent huge pages: see "
			     "/sys/kernel/mm/transparent_hugepage");
	mms_mode_note(file, MMS_WANT_HUGE, &why);
}

void mms_settings_apply(struct mms_file *file, void *addr, size_t len)
{
	const struct mms_sys *sys = file->pool->sys;
	int advice = atomic_load(&file->advice);
	unsigned kept = atomic_load(&file->settings);

	if (advice != MMS_ADVICE_NORMAL)
		(void)sys->madvise(addr, len, (enum mms_advice)advice);
	for (unsigned i = MMS_ADVICE_HUGEPAGE; kept && i <= MMS_ADVICE_UNMERGEABLE; i++) {
		int r;

		if (!(kept & settings[i].set))
			continue;
		r = sys->madvise(addr, len, (enum mms_advice)i);
		if (i == MMS_ADVICE_HUGEPAGE)
			note_huge(file, r);
	}
}

static void keep_setting(struct mms_file *file, const struct setting *s)
{
	unsigned old = atomic_load(&file->settings);

	while (!atomic_compare_exchange_weak(&file->settings, &old, (old & ~s->clear) | s->set))
		;
}

/* -------------------------------------------------------------- for these */

/* Advises the part of one chunk that lies in [from, to), if it is mapped. */
static int advise_chunk(struct mms_file *file, uint64_t index, uint64_t from, uint64_t to,
			enum mms_advice advice)
{
	unsigned shift = mms_file_shift(file);
	uint64_t start = u64_max(from, index << shift);
	uint64_t end = u64_min(to, (index + 1) << shift);
	/* What was mapped for reading, before mms_upgrade(), is mapped anew. */
	bool anew = advice == MMS_ADVICE_POPULATE_WRITE && !file->cow;
	struct mms_pin pin;
	int r;

	if (start >= end)
		return 0;
	/* Not a call of the system: the kernel has told it at exec(2). */
	start = u64_align_down(start, (uint64_t)sysconf(_SC_PAGESIZE));
	if (mms_file_pin(file, start, (size_t)(end - start), anew ? PIN_WRITE : PIN_MAPPED, &pin))
		return 0;
	r = file->pool->sys->madvise(pin.addr, pin.len, advice);
	mms_unpin(&pin);
	return r;
}

static int advise_mapped(struct mms_file *file, uint64_t from, uint64_t to, enum mms_advice advice)
{
	CLEANUP_FREE uint64_t *index = NULL;
	size_t n;
	int r = mms_chunks_of_file(&file->pool->chunks, file, &index, &n);

	for (size_t i = 0; !r && i < n; i++)
		r = advise_chunk(file, index[i], from, to, advice);
	return r;
}

/* Whether the word is refused to this file. */
static int check(const struct mms_file *file, enum mms_advice advice)
{
	if ((unsigned)advice > MMS_ADVICE_COLLAPSE)
		return -EINVAL;
	if (advice <= MMS_ADVICE_UNMERGEABLE && settings[advice].cow_only && !file->cow)
		return -EINVAL;
	if (advice == MMS_ADVICE_DONTNEED && file->cow)
		return -EINVAL;
	if (advice == MMS_ADVICE_POPULATE_WRITE && atomic_load(&file->mode) == MMS_RDONLY)
		return -EBADF;
	return 0;
}

/* NORMAL, SEQUENTIAL and RANDOM. */
static int advise_access(struct mms_file *file, uint64_t offset, uint64_t to, bool whole,
			 enum mms_advice advice)
{
	int r;

	if (advice == MMS_ADVICE_NORMAL && !atomic_load(&file->advised))
		return 0;
	atomic_store(&file->advised, true);
	if (whole) {
		atomic_store(&file->advice, (int)advice);
		/* For pread(2). Linux has one such word a descriptor, so that
		 * of a range is for mappings only. */
		r = file->pool->sys->fadvise(atomic_load(&file->fd), 0, 0, advice);
		if (r)
			return r;
	}
	return advise_mapped(file, offset, to, advice);
}

/* What is done once: to data, so not past the end of the file. */
static int advise_once(struct mms_file *file, uint64_t offset, uint64_t to, enum mms_advice advice)
{
	uint64_t size;
	int r = mms_size(file, &size);

	if (r)
		return r;
	to = u64_min(to, size);
	if (offset >= to)
		return 0;
	r = advise_mapped(file, offset, to, advice);
	/* These have a word for what is in memory and not mapped. */
	if (!r && (advice == MMS_ADVICE_WILLNEED || advice == MMS_ADVICE_DONTNEED))
		r = file->pool->sys->fadvise(atomic_load(&file->fd), offset, to - offset, advice);
	return r;
}

int mms_advise(struct mms_file *file, uint64_t offset, uint64_t len, enum mms_advice advice)
{
	uint64_t to = len ? u64_add_sat(offset, len) : UINT64_MAX;
	bool whole = offset == 0 && len == 0;
	int r = check(file, advice);

	if (r)
		return r;
	if (advice <= MMS_ADVICE_RANDOM)
		return advise_access(file, offset, to, whole, advice);
	if (advice > MMS_ADVICE_UNMERGEABLE)
		return advise_once(file, offset, to, advice);
	if (whole)
		keep_setting(file, &settings[advice]);
	return advise_mapped(file, offset, to, advice);
}
