/* SPDX-License-Identifier: MIT */
#include "filter.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifdef HAVE_LIBSECCOMP
#include <seccomp.h>
#endif

/* Sanitizers make calls of their own: the leak checker stops threads by
 * ptrace(2). */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* Linux 6.5; libseccomp of that time does not know it */
#endif

#if defined(HAVE_LIBSECCOMP) && !defined(SANITIZED)

/*
 * By what makes them, so that one knows when a line can go. A libc reaches the
 * same thing by an old call or by a new one, and by another on another
 * machine: all forms are here, and those that a machine lacks are left out.
 */
static const int allowed[] = {
	/* /dev/fuse; files of BACKING; the mount */
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(preadv),
	SCMP_SYS(preadv2),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(pwritev),
	SCMP_SYS(pwritev2),
	SCMP_SYS(splice),
	SCMP_SYS(vmsplice),
	SCMP_SYS(pipe2),
	SCMP_SYS(ioctl),
	SCMP_SYS(copy_file_range),
	SCMP_SYS(lseek),
	SCMP_SYS(_llseek),
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(close),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	SCMP_SYS(fcntl),
	SCMP_SYS(fcntl64),
	SCMP_SYS(name_to_handle_at),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(getdents64),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(fstatat64),
	SCMP_SYS(statx),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(statfs64),
	SCMP_SYS(fstatfs64),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(mkdirat),
	SCMP_SYS(mknodat),
	SCMP_SYS(symlinkat),
	SCMP_SYS(linkat),
	SCMP_SYS(unlinkat),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(fchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(utimensat),
	SCMP_SYS(truncate),
	SCMP_SYS(ftruncate),
	SCMP_SYS(truncate64),
	SCMP_SYS(ftruncate64),
	SCMP_SYS(fallocate),
	SCMP_SYS(fadvise64),
	SCMP_SYS(fadvise64_64),
	SCMP_SYS(readahead),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(syncfs),
	SCMP_SYS(sync_file_range),
	SCMP_SYS(umask),
	SCMP_SYS(getxattr),
	SCMP_SYS(lgetxattr),
	SCMP_SYS(fgetxattr),
	SCMP_SYS(setxattr),
	SCMP_SYS(lsetxattr),
	SCMP_SYS(fsetxattr),
	SCMP_SYS(listxattr),
	SCMP_SYS(llistxattr),
	SCMP_SYS(flistxattr),
	SCMP_SYS(removexattr),
	SCMP_SYS(lremovexattr),
	SCMP_SYS(fremovexattr),
	SCMP_SYS(umount2),
	/* the watch */
	SCMP_SYS(fanotify_mark),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	/* mapped regions, and malloc(3) */
	SCMP_SYS(mmap),
	SCMP_SYS(mmap2),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(mprotect),
	SCMP_SYS(madvise),
	SCMP_SYS(msync),
	SCMP_SYS(mincore),
	SYS_cachestat,
	SCMP_SYS(mlock),
	SCMP_SYS(mlock2),
	SCMP_SYS(munlock),
	SCMP_SYS(brk),
	SCMP_SYS(getrandom),
	/* acting as the caller */
	SCMP_SYS(setfsuid),
	SCMP_SYS(setfsgid),
	SCMP_SYS(setfsuid32),
	SCMP_SYS(setfsgid32),
	SCMP_SYS(setgroups),
	SCMP_SYS(setgroups32),
	SCMP_SYS(capget),
	SCMP_SYS(capset),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getuid32),
	SCMP_SYS(geteuid32),
	SCMP_SYS(getgid32),
	SCMP_SYS(getegid32),
	/* threads; signals; the end. libfuse may start umount(8), which fails */
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	SCMP_SYS(futex),
	SCMP_SYS(futex_time64),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(membarrier),
	SCMP_SYS(prctl),
	SCMP_SYS(arch_prctl),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(getcpu),
	SCMP_SYS(gettid),
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(rt_sigtimedwait_time64),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(sigreturn),
	SCMP_SYS(kill),
	SCMP_SYS(tgkill),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(wait4),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	/* time, limits, numbers of the machine */
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_gettime64),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(clock_nanosleep_time64),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(getrlimit),
	SCMP_SYS(prlimit64),
	SCMP_SYS(sysinfo),
	SCMP_SYS(uname),
	/* syslog(3), also after its daemon was started anew; socket(2) is below */
	SCMP_SYS(connect),
	SCMP_SYS(sendto),
	SCMP_SYS(send),
};

/* Allowed with this first argument only. */
static const struct {
	int call;
	uint64_t first;
} allowed_with[] = {
	{SCMP_SYS(socket), AF_UNIX},   /* the network is nothing to a file system */
	{SCMP_SYS(unshare), CLONE_FS}, /* an umask for each thread */
};

/* 0 for what this machine does not have. */
static int allow(scmp_filter_ctx ctx, int call, unsigned args, const struct scmp_arg_cmp *arg)
{
	int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, call, args, arg);

	return rc == -EDOM ? 0 : rc;
}

static int fill(scmp_filter_ctx ctx)
{
	int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	/* Many calls, each on the path of a request: search, do not walk. */
	if (!rc)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; !rc && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		rc = allow(ctx, allowed[i], 0, NULL);
	for (size_t i = 0; !rc && i < sizeof(allowed_with) / sizeof(allowed_with[0]); i++) {
		const struct scmp_arg_cmp first = {.op = SCMP_CMP_EQ,
						   .datum_a = allowed_with[i].first};

		rc = allow(ctx, allowed_with[i].call, 1, &first);
	}
	return rc;
}

int filter_load(enum filter_mode mode)
{
	scmp_filter_ctx ctx;
	int rc;

	if (mode == FILTER_OFF)
		return 0;
	ctx = seccomp_init(mode == FILTER_KILL ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));
	if (!ctx)
		return -ENOMEM;
	rc = fill(ctx);
	if (!rc)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

const char *filter_says(enum filter_mode mode)
{
	switch (mode) {
	case FILTER_KILL:
		return "killed by a system call that it never makes";
	case FILTER_ERRNO:
		return "EPERM from a system call that it never makes";
	case FILTER_OFF:
		break;
	}
	return "off, as seccomp=off says";
}
#else
int filter_load(enum filter_mode mode)
{
	(void)mode;
	return 0;
}

const char *filter_says(enum filter_mode mode)
{
	return mode == FILTER_OFF ? "off, as seccomp=off says" : "off: this build has none";
}
#endif
