/* SPDX-License-Identifier: MIT */
/* The texts of MNT/.mmapfs/stats and MNT/.mmapfs/status. */
#ifndef MMAPFS_REPORT_H
#define MMAPFS_REPORT_H

#include <stddef.h>

/* Allocated, as things are now; NULL: no memory. */
char *stats_text(size_t *ret_len);
char *status_text(size_t *ret_len);

#endif
