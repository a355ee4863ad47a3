/* SPDX-License-Identifier: MIT */
/*
 * Who acts. A privileged daemon creates names as the caller, so that owner,
 * group, set-gid directories, umask, default ACLs and quota come out as on
 * the bare directory. The kernel has checked the permission already
 * (default_permissions), so the thread keeps CAP_DAC_OVERRIDE meanwhile.
 */
#ifndef MMAPFS_CREDS_H
#define MMAPFS_CREDS_H

#include "fs.h"

struct creds {
	bool switched;
	bool groups_set;
};

/* From here to creds_end() this thread creates as req's caller, under its
 * umask. groups: take its supplementary groups on too; they matter only
 * where a set-gid directory meets a set-gid mode. 0 or negative errno. */
int creds_begin(struct creds *c, fuse_req_t req, bool groups);
/* Back to the daemon's own; errno is kept. */
void creds_end(struct creds *c);

/* Whether req's caller lacks CAP_FSETID, as far as the daemon can see. */
bool creds_clears_setid(fuse_req_t req);

/* Whether req's caller is in the group, supplementary groups included. */
bool creds_in_group(fuse_req_t req, gid_t group);

/* Before threads start, after confine(). 0 or negative errno. */
int creds_prepare(void);

#endif
