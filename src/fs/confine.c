/* SPDX-License-Identifier: MIT */
#include "confine.h"

#include <errno.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#ifdef HAVE_LIBSECCOMP
#include <seccomp.h>
#endif

/* What the daemon uses, and for what. CAP_SYS_RESOURCE is not here on
 * purpose: with it writes would ignore quota and reserved blocks. */
static const cap_value_t kept[] = {
	CAP_CHOWN, CAP_FOWNER, CAP_FSETID,      /* setattr on anybody's file */
	CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH,  /* the kernel has checked; file handles */
	CAP_SETUID, CAP_SETGID,                 /* to act as the caller */
	CAP_MKNOD, CAP_SETFCAP,                 /* device nodes; security.capability */
	CAP_LINUX_IMMUTABLE,
	CAP_SYS_ADMIN,                          /* trusted.* xattrs; umount at the end */
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

/* The leak checker of AddressSanitizer stops threads by ptrace(2). */
#if defined(HAVE_LIBSECCOMP) && !defined(__SANITIZE_ADDRESS__)

/*
 * What would turn a hole in the daemon into a way off the file system. A
 * list of what is forbidden, not of what is allowed: which calls libc makes
 * changes from release to release, and a daemon that is killed for it would
 * take people's data along. All answer EPERM.
 */
static const int forbidden[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev), SCMP_SYS(init_module), SCMP_SYS(finit_module),
	SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(mount), SCMP_SYS(move_mount),
	SCMP_SYS(fsopen), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(open_tree),
	SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(swapon),
	SCMP_SYS(swapoff), SCMP_SYS(reboot), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(add_key),
	SCMP_SYS(request_key), SCMP_SYS(keyctl), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex), SCMP_SYS(clock_adjtime), SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname), SCMP_SYS(personality), SCMP_SYS(iopl), SCMP_SYS(ioperm),
	SCMP_SYS(modify_ldt),
};

static int filter_calls(void)
{
	const struct scmp_arg_cmp networked = {
		.arg = 0, .op = SCMP_CMP_NE, .datum_a = AF_UNIX, .datum_b = 0};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = ctx ? 0 : -ENOMEM;

	for (size_t i = 0; !rc && i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), forbidden[i], 0);
		if (rc == -EDOM)
			rc = 0; /* not a call of this architecture */
	}
	/* syslog is AF_UNIX; the network is nothing to a file system. */
	if (!rc)
		rc = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
					    &networked);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}
#else
static int filter_calls(void)
{
	return 0;
}
#endif

int confine(void)
{
	int rc;

	if (!fs.privileged)
		return 0;
	rc = drop_capabilities();
	if (!rc && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		rc = -errno;
	return rc ? rc : filter_calls();
}
