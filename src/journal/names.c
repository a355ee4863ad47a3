/* SPDX-License-Identifier: MIT */
/* Name operations, each between its marker and its record */
#include <errno.h>
#include <stdlib.h>

#include "mark.h"
#include "state.h"

int journal_name_begin(struct journal *j)
{
	int r;

	if (j->mark_fd < 0)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&j->names_lock);
	r = mark_set(j->mark_fd, j->number + 1);
	if (r) {
		pthread_mutex_unlock(&j->names_lock);
		return r;
	}
	j->number++;
	return 0;
}

int journal_name_end(struct journal *j, const struct journal_name *name, uint64_t *ret_seq)
{
	struct format_buf b;
	int r = 0;

	if (name) {
		format_name(&b, name, j->number);
		pthread_mutex_lock(&j->lock);
		r = append_locked(j, APPEND_NEW, RECORD_NAME, &b, NULL, NULL, ret_seq);
		pthread_mutex_unlock(&j->lock);
		free(b.mem);
	}
	pthread_mutex_unlock(&j->names_lock);
	return r;
}
