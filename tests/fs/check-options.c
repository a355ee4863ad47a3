/* SPDX-License-Identifier: MIT */
/* The command line: every option's values, every refusal's sentence. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../marks.h"
#include "fs.h"

struct fs fs; /* main.c has it in the daemon */

static char msg[1024];

/* Parses "mmapfs -o LIST b m" (LIST NULL: without -o). */
static int parse(struct options *o, const char *list)
{
	char *with[] = {(char *)"mmapfs", (char *)"-o", (char *)list, (char *)"b", (char *)"m", NULL};
	char *without[] = {(char *)"mmapfs", (char *)"b", (char *)"m", NULL};

	msg[0] = '\0';
	return list ? options_parse(o, 5, with, msg, sizeof(msg)) :
		      options_parse(o, 3, without, msg, sizeof(msg));
}

START_TEST(defaults)
{
	struct options o;

	ck_assert_int_eq(parse(&o, NULL), 0);
	ck_assert_str_eq(o.backing_arg, "b");
	ck_assert_str_eq(o.mount_arg, "m");
	ck_assert_int_eq(o.sync, MMS_SYNC_PERIODIC);
	ck_assert_int_eq(o.cache, CACHE_BACK);
	ck_assert(o.sync_interval == 5.0);
	ck_assert(!o.fsync_defer);
	ck_assert_uint_eq(o.threads, 10);
	options_release(&o);
}
END_TEST

START_TEST(values)
{
	struct options o;

	ck_assert_int_eq(parse(&o, "sync=lazy,cache=shared,io=mmap,write=pwrite,window=1M,map_limit=64M,"
				   "map_count=7,preload=populate,advice=random,sync_interval=0.5,fsync=defer,"
				   "readahead=256K,log_level=debug,ro,allow_other,attr_timeout=0,clone_fd"), 0);
	ck_assert_int_eq(o.sync, MMS_SYNC_LAZY);
	ck_assert_int_eq(o.cache, CACHE_SHARED);
	ck_assert_int_eq(o.io, MMS_IO_MMAP);
	ck_assert_int_eq(o.put, MMS_PUT_PWRITE);
	ck_assert_uint_eq(o.window_shift, 20);
	ck_assert_uint_eq(o.map_limit, 64u << 20);
	ck_assert_uint_eq(o.map_count, 7);
	ck_assert_int_eq(o.preload, MMS_PRELOAD_POPULATE);
	ck_assert_int_eq(o.advice, MMS_ADVICE_RANDOM);
	ck_assert(o.sync_interval == 0.5);
	ck_assert(o.fsync_defer && o.read_only && o.allow_other && o.clone_fd);
	ck_assert_uint_eq(o.readahead, 256u << 10);
	ck_assert_int_eq(o.log_level, LOG_LEVEL_DEBUG);
	ck_assert(o.attr_timeout == 0.0);
	options_release(&o);
}
END_TEST

START_TEST(immediate_writes_through)
{
	struct options o;

	ck_assert_int_eq(parse(&o, "sync=immediate"), 0);
	ck_assert_int_eq(o.cache, CACHE_THROUGH);
	ck_assert_int_eq(parse(&o, "sync=immediate,cache=back"), -EINVAL);
	ck_assert_ptr_nonnull(strstr(msg, "cache=through"));
	/* mount(8)'s own word for it */
	ck_assert_int_eq(parse(&o, "sync"), 0);
	ck_assert_int_eq(o.sync, MMS_SYNC_IMMEDIATE);
}
END_TEST

START_TEST(pushes_where_they_can_be)
{
	struct options o;

	ck_assert_int_eq(parse(&o, NULL), 0);
	ck_assert_int_eq(o.push, PUSH_READAHEAD);
	ck_assert_int_eq(parse(&o, "ro"), 0);
	ck_assert_int_eq(o.push, PUSH_STORE);
	ck_assert_int_eq(parse(&o, "push=off"), 0);
	ck_assert_int_eq(o.push, PUSH_OFF);
	ck_assert_int_eq(parse(&o, "cache=none"), 0);
	ck_assert_int_eq(o.push, PUSH_OFF);
	ck_assert_int_eq(parse(&o, "readahead=32K"), 0);
	ck_assert_int_eq(o.push, PUSH_OFF);
}
END_TEST

START_TEST(mount_words_are_accepted)
{
	struct options o;

	ck_assert_int_eq(parse(&o, "defaults,noauto,auto,nofail,_netdev,user,users,nouser,owner,group,"
				   "x-systemd.automount,x-foo=bar,X-mount.mkdir,comment=hello,rw,relatime"), 0);
	ck_assert_ptr_null(o.fuse_options);
	ck_assert_int_eq(parse(&o, "nosuid,fsname=a\\,b,noatime"), 0);
	ck_assert_str_eq(o.fuse_options, "nosuid,fsname=a\\,b,noatime");
	options_release(&o);
}
END_TEST

static const struct {
	const char *list, *says;
} refusals[] = {
	{"snyc=lazy", "did you mean 'sync'"},
	{"sync=often", "immediate, periodic, lazy or never"},
	{"sync=", "immediate, periodic, lazy or never"},
	{"sync_interval", "needs a value"},
	{"sync_interval=0", "0.01 and more"},
	{"sync_interval=-1", "0.01 and more"},
	{"sync_interval=nan", "0.01 and more"},
	{"fsync=never", "honor or defer"},
	{"cache=yes", "back, through, shared or none"},
	{"io=write", "auto, mmap or pread"},
	{"write=pread", "auto, mmap or pwrite"},
	{"window=3M", "power of two"},
	{"window=512K", "from 1M"},
	{"window=2T", "to 1T"},
	{"window=1MB", "power of two"},
	{"map_limit=0", "a size"},
	{"map_limit=99999999999T", "a size"},
	{"map_limit=64M", "smaller than one window"},
	{"map_count=0", "a whole number"},
	{"map_count=1x", "a whole number"},
	{"preload=yes", "none, async or populate"},
	{"advice=willneed", "normal, sequential or random"},
	{"readahead=1", "4K to 1G"},
	{"push=yes", "auto, readahead, store or off"},
	{"push=readahead,cache=none", "the kernel keeps nothing"},
	{"push=store,ro,cache=none", "the kernel keeps nothing"},
	{"push=store", "needs ro"},
	{"push=store,ro,rw", "needs ro"},
	{"push=readahead,readahead=32K", "64K or more"},
	{"threads=0", "1 to 1024"},
	{"threads=1025", "1 to 1024"},
	{"spin=", "from 0 to 1000"},
	{"spin=-1", "from 0 to 1000"},
	{"spin=1001", "from 0 to 1000"},
	{"spin=30us", "from 0 to 1000"},
	{"clone_fd=1", "takes no value"},
	{"passthrough=1", "takes no value"},
	{"passthrough,journal", "does not see the data"},
	{"passthrough,sync=immediate", "does not see a write"},
	{"passthrough,cache=shared", "page cache"},
	{"passthrough,push=readahead", "need not be pushed"},
	{"attr_timeout=x", "seconds"},
	{"log_level=loud", "error, warning, info or debug"},
	{"allow_other,allow_root", "exclude each other"},
	{"mode=cow", "not there yet"},
	{"max_read=1", "4K to 1M"},
	{"max_read=2M", "4K to 1M"},
	{"quite_unknown_option", "mmapfs --help"},
};

START_TEST(refused)
{
	struct options o;

	ck_assert_int_eq(parse(&o, refusals[_i].list), -EINVAL);
	ck_assert_msg(strstr(msg, refusals[_i].says) != NULL, "'%s' said: %s", refusals[_i].list, msg);
	ck_assert_ptr_null(strchr(msg, '\n'));
	options_release(&o);
}
END_TEST

START_TEST(arguments)
{
	char *none[] = {(char *)"mmapfs", NULL};
	char *one[] = {(char *)"mmapfs", (char *)"b", NULL};
	char *three[] = {(char *)"mmapfs", (char *)"b", (char *)"m", (char *)"x", NULL};
	char *dashed[] = {(char *)"mmapfs", (char *)"--", (char *)"-b", (char *)"-m", NULL};
	struct options o;

	ck_assert_int_eq(options_parse(&o, 1, none, msg, sizeof(msg)), -EINVAL);
	ck_assert_ptr_nonnull(strstr(msg, "BACKING"));
	ck_assert_int_eq(options_parse(&o, 2, one, msg, sizeof(msg)), -EINVAL);
	ck_assert_ptr_nonnull(strstr(msg, "MNT"));
	ck_assert_int_eq(options_parse(&o, 4, three, msg, sizeof(msg)), -EINVAL);
	ck_assert_ptr_nonnull(strstr(msg, "'x'"));
	ck_assert_int_eq(options_parse(&o, 4, dashed, msg, sizeof(msg)), 0);
	ck_assert_str_eq(o.backing_arg, "-b");
}
END_TEST

START_TEST(mount_helper)
{
	char *argv[] = {(char *)"/sbin/mount.mmapfs", (char *)"b", (char *)"m", (char *)"-sn",
			(char *)"-o", (char *)"rw,sync=never,_netdev", (char *)"-t",
			(char *)"mmapfs", NULL};
	char *fake[] = {(char *)"mount.mmapfs", (char *)"b", (char *)"m", (char *)"-f", NULL};
	struct options o;

	ck_assert_int_eq(options_parse(&o, 8, argv, msg, sizeof(msg)), 0);
	ck_assert_int_eq(o.sync, MMS_SYNC_NEVER);
	ck_assert(!o.fake && !o.foreground);
	ck_assert_int_eq(options_parse(&o, 4, fake, msg, sizeof(msg)), 0);
	ck_assert(o.fake && !o.foreground);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *tc = tcase_create("command line");

	tcase_add_test(tc, defaults);
	tcase_add_test(tc, values);
	tcase_add_test(tc, immediate_writes_through);
	tcase_add_test(tc, pushes_where_they_can_be);
	tcase_add_test(tc, mount_words_are_accepted);
	tcase_add_loop_test(tc, refused, 0, (int)(sizeof(refusals) / sizeof(refusals[0])));
	tcase_add_test(tc, arguments);
	tcase_add_test(tc, mount_helper);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
