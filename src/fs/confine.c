/* SPDX-License-Identifier: MIT */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "filter.h"
#include "log.h"

/* What the daemon uses, and for what. CAP_SYS_RESOURCE is not here on
 * purpose: with it writes would ignore quota and reserved blocks. */
static const cap_value_t kept[] = {
	CAP_CHOWN,           CAP_FOWNER,          CAP_FSETID, /* setattr on anybody's file */
	CAP_DAC_OVERRIDE,    CAP_DAC_READ_SEARCH, /* the kernel has checked; file handles */
	CAP_SETUID,          CAP_SETGID,          /* to act as the caller */
	CAP_MKNOD,           CAP_SETFCAP,         /* device nodes; security.capability */
	CAP_LINUX_IMMUTABLE, CAP_SYS_ADMIN,       /* trusted.* xattrs; umount at the end */
};

#define KEPT_COUNT ((int)(sizeof(kept) / sizeof(kept[0])))

static int drop_capabilities(void)
{
	cap_t now, caps;
	int rc = 0;

	for (cap_value_t v = 0; v <= CAP_LAST_CAP; v++) {
		bool keep = false;

		for (int i = 0; i < KEPT_COUNT; i++)
			keep |= kept[i] == v;
		/* A kernel older or newer than the header has others: EINVAL. */
		if (!keep && cap_drop_bound(v) && errno != EINVAL && errno != EPERM)
			return -errno;
	}
	now = cap_get_proc();
	caps = cap_init();
	if (!now || !caps)
		return -ENOMEM;
	for (int i = 0; i < KEPT_COUNT; i++) {
		cap_flag_value_t have;

		/* A container may have withheld some of them: keep what is there. */
		if (cap_get_flag(now, kept[i], CAP_PERMITTED, &have) || have != CAP_SET)
			continue;
		if (cap_set_flag(caps, CAP_PERMITTED, 1, &kept[i], CAP_SET) ||
		    cap_set_flag(caps, CAP_EFFECTIVE, 1, &kept[i], CAP_SET))
			rc = -errno;
	}
	if (!rc && cap_set_proc(caps))
		rc = -errno;
	cap_free(caps);
	cap_free(now);
	return rc;
}

/* No memory but what names the program and its libraries: requests carry
 * data of files, and so do the buffers of replies. It holds for what the
 * daemon is, whoever it acts as; PR_SET_DUMPABLE would be set anew with each
 * change of user. Mapped regions are taken out one by one: region.c. */
#define DUMP_ELF_HEADERS "0x10"

static void leave_memory_out_of_dumps(void)
{
	int fd;

	if (fs.options.dump_data)
		return;
	fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
	/* Without the file the kernel makes no dumps; a program that may not be
	 * read makes none either. */
	if (fd < 0 && (errno == ENOENT || errno == EACCES))
		return;
	if (fd < 0 || write(fd, DUMP_ELF_HEADERS, strlen(DUMP_ELF_HEADERS)) < 0)
		log_warning(
			"a core dump of the daemon would hold data of files: coredump_filter: %s",
			strerror(errno));
	if (fd >= 0)
		close(fd);
}

int confine(void)
{
	int rc;

	leave_memory_out_of_dumps();
	if (!fs.privileged)
		return 0;
	rc = drop_capabilities();
	if (!rc && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		rc = -errno;
	return rc ? rc : filter_load(fs.options.filter);
}

const char *confine_word(void)
{
	if (!fs.privileged)
		return "as the user who mounted: no privilege, no filter";
	return filter_says(fs.options.filter);
}
