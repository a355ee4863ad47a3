/* SPDX-License-Identifier: MIT */
#include "creds.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static __thread bool own_umask;      /* this thread has an fs_struct of its own */
static __thread mode_t thread_mask; /* and this umask in it, left by who acted last */
static cap_t caller_caps;       /* effective while acting as a caller */

/* umask(2) is per process unless the thread left the shared fs_struct. It need not
 * be put back: a worker makes files only as a caller, whose mask it sets first. */
static int take_umask(mode_t mask)
{
	if (own_umask && thread_mask == mask)
		return 0;
	if (!own_umask && unshare(CLONE_FS))
		return -errno;
	own_umask = true;
	thread_mask = mask;
	(void)umask(mask);
	return 0;
}

/* The caller's supplementary groups: their number, and in *ret_list an
 * allocated list. 0 if the caller is gone, or in another pid namespace. */
static int groups_of(fuse_req_t req, gid_t **ret_list)
{
	int room = 32, n;
	gid_t *list = NULL;

	for (;;) {
		gid_t *more = realloc(list, (size_t)room * sizeof(*list));

		if (!more) {
			free(list);
			return -ENOMEM;
		}
		list = more;
		n = fuse_req_getgroups(req, room, list);
		if (n <= room)
			break;
		room = n;
	}
	*ret_list = list;
	return n < 0 ? 0 : n;
}

/* glibc's setgroups() changes every thread; the call itself only this one. */
static int set_groups(fuse_req_t req)
{
	gid_t *list;
	int n = groups_of(req, &list), rc = 0;

	if (n < 0)
		return n;
	if (syscall(SYS_setgroups, (size_t)n, list))
		rc = -errno;
	free(list);
	return rc;
}

bool creds_in_group(fuse_req_t req, gid_t group)
{
	gid_t *list;
	bool in = fuse_req_ctx(req)->gid == group;
	int n = in ? -1 : groups_of(req, &list);

	for (int i = 0; i < n; i++)
		in |= list[i] == group;
	if (n >= 0)
		free(list);
	return in;
}

int creds_begin(struct creds *c, fuse_req_t req, bool groups)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	int rc = take_umask(ctx->umask);

	*c = (struct creds){.switched = false};
	if (rc)
		return rc;
	if (!fs.privileged || (ctx->uid == 0 && ctx->gid == 0))
		return 0;
	if (groups) {
		rc = set_groups(req);
		if (rc)
			return rc;
		c->groups_set = true;
	}
	c->switched = true;
	setfsgid(ctx->gid);
	setfsuid(ctx->uid);
	/* Leaving fsuid 0 took the file-system capabilities out of the effective
	 * set; put back the one that stands for the kernel's own check. */
	if (ctx->uid != 0 && cap_set_proc(caller_caps)) {
		rc = -errno;
		creds_end(c);
		return rc;
	}
	return 0;
}

void creds_end(struct creds *c)
{
	int saved = errno;

	if (c->switched) {
		setfsuid(0); /* the kernel raises the capabilities again */
		setfsgid(0);
	}
	if (c->groups_set)
		syscall(SYS_setgroups, (size_t)0, NULL);
	errno = saved;
}

bool creds_clears_setid(fuse_req_t req)
{
	return fuse_req_ctx(req)->uid != 0;
}

int creds_prepare(void)
{
	static const cap_value_t fs_caps[] = {CAP_CHOWN, CAP_FOWNER, CAP_FSETID, CAP_MKNOD,
					      CAP_DAC_READ_SEARCH, CAP_LINUX_IMMUTABLE};

	caller_caps = cap_get_proc();
	if (!caller_caps ||
	    cap_set_flag(caller_caps, CAP_EFFECTIVE, (int)(sizeof(fs_caps) / sizeof(fs_caps[0])),
			 fs_caps, CAP_CLEAR))
		return -errno;
	return 0;
}
