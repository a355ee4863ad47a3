/* SPDX-License-Identifier: MIT */
#include "fs.h"
#include "report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "confine.h"
#include "inode.h"
#include "latency.h"
#include "lifetime.h"
#include "journal.h"
#include "push.h"
#include "recovery.h"
#include "region.h"
#include "stats.h"
#include "watch.h"
#include "wire.h"

static const char *const op_names[OP_COUNT] = {
	[OP_LOOKUP] = "lookup", [OP_FORGET] = "forget", [OP_GETATTR] = "getattr",
	[OP_SETATTR] = "setattr", [OP_READLINK] = "readlink", [OP_MKNOD] = "mknod",
	[OP_MKDIR] = "mkdir", [OP_UNLINK] = "unlink", [OP_RMDIR] = "rmdir",
	[OP_SYMLINK] = "symlink", [OP_RENAME] = "rename", [OP_LINK] = "link",
	[OP_OPEN] = "open", [OP_CREATE] = "create", [OP_READ] = "read", [OP_WRITE] = "write",
	[OP_FLUSH] = "flush", [OP_RELEASE] = "release", [OP_FSYNC] = "fsync",
	[OP_OPENDIR] = "opendir", [OP_READDIR] = "readdir", [OP_READDIRPLUS] = "readdirplus",
	[OP_RELEASEDIR] = "releasedir", [OP_FSYNCDIR] = "fsyncdir", [OP_STATFS] = "statfs",
	[OP_SETXATTR] = "setxattr", [OP_GETXATTR] = "getxattr", [OP_LISTXATTR] = "listxattr",
	[OP_REMOVEXATTR] = "removexattr", [OP_ACCESS] = "access",
	[OP_FALLOCATE] = "fallocate", [OP_LSEEK] = "lseek",
	[OP_COPY_FILE_RANGE] = "copy_file_range",
};

static uint64_t uptime_ms(void)
{
	return clock_now_ms() - fs.started_ms;
}

static uint64_t requests(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < OP_COUNT; i++)
		sum += stats_get((enum counter)i);
	return sum;
}

struct number {
	const char *name;
	uint64_t value;
};

#define NUMBERS_MAX 80

/* The numbers that both texts show, in their order. */
static size_t collect(struct number *out)
{
	struct mms_stats s;
	struct inode_stats i;
	struct journal_stats j = {0};
	struct watch_stats w;
	size_t n = 0;

	mms_pool_stats(fs.pool, &s);
	inode_stats(&i);
	watch_stats(&w);
	if (fs.journal)
		journal_stats(fs.journal, &j);
#define PUT(key, v) out[n++] = (struct number){key, v}
	PUT("uptime_ms", uptime_ms());
	PUT("requests", requests());
	PUT("read.mapped", stats_get(READ_DIRECT));
	PUT("read.mapped_bytes", stats_get(READ_DIRECT_BYTES));
	PUT("read.copied", s.reads_mapped);
	PUT("read.copied_bytes", s.read_bytes_mapped);
	PUT("read.pread", s.reads_pread);
	PUT("read.pread_bytes", s.read_bytes_pread);
	PUT("write.mapped", s.writes_mapped);
	PUT("write.mapped_bytes", s.write_bytes_mapped);
	PUT("write.pwrite", s.writes_pwrite + stats_get(WRITE_BARE));
	PUT("write.pwrite_bytes", s.write_bytes_pwrite + stats_get(WRITE_BARE_BYTES));
	PUT("write.appended", stats_get(WRITE_APPENDED));
	PUT("fault.sigbus", s.faults);
	PUT("fault.reply", stats_get(REPLY_FAULTS));
	PUT("chunk.mapped", s.chunks);
	PUT("chunk.mapped_bytes", s.mapped_bytes);
	PUT("chunk.mapped_bytes_peak", s.mapped_bytes_peak);
	PUT("chunk.maps", s.chunk_maps);
	PUT("chunk.evictions", s.chunk_evictions);
	PUT("chunk.busy", s.chunk_busy);
	PUT("chunk.map_failures", s.map_failures);
	PUT("chunk.bytes", 1ull << s.chunk_shift);
	PUT("chunk.map_limit_bytes", s.map_limit_bytes);
	PUT("chunk.count_limit", s.map_count_limit);
	PUT("sync.passes", stats_get(SYNC_PASSES));
	PUT("sync.files", s.syncs);
	PUT("sync.directories", stats_get(SYNC_DIRECTORIES));
	PUT("sync.failures", s.sync_failures + stats_get(SYNC_FAILURES));
	PUT("sync.requested", stats_get(SYNC_REQUESTED));
	PUT("sync.deferred", stats_get(SYNC_DEFERRED));
	PUT("sync.kernel_flushes", stats_get(SYNC_KERNEL_FLUSHES));
	PUT("sync.full", stats_get(SYNC_FULL));
	PUT("sync.dirty_files", s.dirty_files);
	PUT("sync.dirty_bytes", s.dirty_bytes);
	PUT("journal.syncs", stats_get(JOURNAL_COMMITTED));
	PUT("journal.bypassed", stats_get(JOURNAL_BYPASSED));
	PUT("journal.data_records", stats_get(JOURNAL_DATA));
	PUT("journal.data_bytes", stats_get(JOURNAL_DATA_BYTES));
	PUT("journal.name_records", stats_get(JOURNAL_NAMES));
	PUT("journal.flushes", j.flushes);
	PUT("journal.checkpoints", j.checkpoints);
	PUT("journal.waits", j.waits_full);
	PUT("journal.live_records", j.live_records);
	PUT("journal.live_bytes", j.live_bytes);
	PUT("journal.size_bytes", j.size_bytes);
	PUT("passthrough.opens", stats_get(PASSTHROUGH_OPENS));
	PUT("passthrough.refused", stats_get(PASSTHROUGH_REFUSED));
	PUT("intake.looks", stats_get(INTAKE_LOOKS));
	PUT("intake.found", stats_get(INTAKE_FOUND));
	PUT("cache.dropped", stats_get(CACHE_DROPPED));
	PUT("push.windows", stats_get(PUSH_WINDOWS));
	PUT("push.bytes", stats_get(PUSH_BYTES));
	PUT("push.not_resident", stats_get(PUSH_NOT_RESIDENT));
	PUT("push.dropped", stats_get(PUSH_DROPPED));
	PUT("watch.own_events", stats_get(WATCH_OWN));
	PUT("watch.foreign_events", stats_get(WATCH_FOREIGN));
	PUT("watch.invalidated_entries", stats_get(WATCH_ENTRIES));
	PUT("watch.invalidated_inodes", stats_get(WATCH_INODES));
	PUT("watch.resyncs", stats_get(WATCH_RESYNCS));
	PUT("watch.overflows", stats_get(WATCH_OVERFLOWS));
	PUT("watch.marks", w.marks);
	PUT("watch.unmarked_directories", w.unmarked_directories);
	PUT("inode.count", i.count);
	PUT("inode.fds", i.fds);
	PUT("inode.fd_limit", i.fd_limit);
	PUT("file.open", region_open_handles());
	PUT("file.regions", s.files);
	PUT("memory.tables_bytes", s.memory_bytes + i.memory_bytes);
#undef PUT
	return n;
}

/* The text that put() prints. */
static char *print(void (*put)(FILE *f, const struct number *numbers, size_t n), size_t *ret_len)
{
	struct number numbers[NUMBERS_MAX];
	char *text = NULL;
	FILE *f = open_memstream(&text, ret_len);

	if (!f)
		return NULL;
	put(f, numbers, collect(numbers));
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

/* In nanoseconds. The buckets are there so that who reads twice can take the difference. */
static void put_latency(FILE *f, const char *name, const struct latency *l)
{
	static const struct {
		const char *name;
		unsigned permille;
	} quantiles[] = {{"p50", 500}, {"p90", 900}, {"p99", 990}};

	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
		uint64_t ns = histogram_quantile(l->counts, quantiles[i].permille);

		fprintf(f, "latency.%s.%s_ns %" PRIu64 "\n", name, quantiles[i].name,
			ns < l->max_ns ? ns : l->max_ns);
	}
	fprintf(f, "latency.%s.max_ns %" PRIu64 "\n", name, l->max_ns);
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (l->counts[i])
			fprintf(f, "bucket.%s.%" PRIu64 " %" PRIu64 "\n", name, histogram_low(i),
				l->counts[i]);
}

static void put_stats(FILE *f, const struct number *numbers, size_t n)
{
	struct latency l;

	for (size_t k = 0; k < n; k++)
		fprintf(f, "%s %" PRIu64 "\n", numbers[k].name, numbers[k].value);
	for (unsigned k = 0; k < OP_COUNT; k++)
		fprintf(f, "op.%s %" PRIu64 "\n", op_names[k], stats_get((enum counter)k));
	for (unsigned k = 0; k < OP_COUNT; k++)
		if (latency_get((enum counter)k, &l))
			put_latency(f, op_names[k], &l);
}

char *stats_text(size_t *ret_len)
{
	return print(put_stats, ret_len);
}

static void json_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static void json_pair(FILE *f, const char *key, const char *value, const char *end)
{
	fprintf(f, "    \"%s\": ", key);
	json_string(f, value);
	fprintf(f, "%s\n", end);
}

static void put_options(FILE *f)
{
	const struct options *o = &fs.options;

	fprintf(f, "  \"options\": {\n");
	json_pair(f, "sync", sync_word(o->sync), ",");
	fprintf(f, "    \"sync_interval\": %g,\n", o->sync_interval);
	json_pair(f, "fsync", o->fsync_defer ? "defer" : "honor", ",");
	json_pair(f, "cache", cache_word(o->cache), ",");
	json_pair(f, "io", io_word(o->io), ",");
	json_pair(f, "write", put_word(o->put), ",");
	json_pair(f, "preload", preload_word(o->preload), ",");
	json_pair(f, "advice", advice_word(o->advice), ",");
	fprintf(f, "    \"threads\": %u,\n    \"clone_fd\": %s,\n", o->threads,
		o->clone_fd ? "true" : "false");
	json_pair(f, "watch", o->watch ? "auto" : "off", ",");
	json_pair(f, "push", push_option_word(o->push), ",");
	fprintf(f, "    \"attr_timeout\": %g,\n    \"entry_timeout\": %g,\n", lifetime_attr_usual(),
		lifetime_entry(fs.root));
	fprintf(f, "    \"negative_timeout\": %g,\n", lifetime_negative(fs.root));
	fprintf(f, "    \"readahead_kb\": %u,\n", atomic_load(&fs.readahead_kb));
	fprintf(f, "    \"read_only\": %s\n  },\n", o->read_only ? "true" : "false");
}

static void put_engine(FILE *f)
{
	const struct options *o = &fs.options;
	const char *reads = o->io == MMS_IO_PREAD ? "pread, as io=pread says" :
			    o->io == MMS_IO_MMAP ? "mapped regions, as io=mmap says" :
			    "mapped regions; pread for files under 64 KiB, for files that cannot be "
			    "mapped, and where the mapping budget has no calm room";
	const char *writes = o->put == MMS_PUT_PWRITE ? "pwrite, as write=pwrite says" :
			     o->put == MMS_PUT_MMAP ? "mapped regions, as write=mmap says; pwrite past the end" :
			     "mapped regions for blocks written since their last sync; pwrite for "
			     "the first write of a block, for holes and past the end";
	char durable[160], locked[256];

	switch (o->sync) {
	case MMS_SYNC_IMMEDIATE:
		snprintf(durable, sizeof(durable), "before write(2) returns");
		break;
	case MMS_SYNC_PERIODIC:
		snprintf(durable, sizeof(durable), "at most %g seconds after the write",
			 o->sync_interval);
		break;
	case MMS_SYNC_LAZY:
		snprintf(durable, sizeof(durable), "when close(2) returns");
		break;
	case MMS_SYNC_NEVER:
		snprintf(durable, sizeof(durable), "when the kernel writes it back");
		break;
	}
	fprintf(f, "  \"engine\": {\n");
	json_pair(f, "reads", reads, ",");
	json_pair(f, "writes", writes, ",");
	json_pair(f, "durable", durable, ",");
	json_pair(f, "fsync", o->fsync_defer ? "DEFERRED: returns at once, durable only as sync= promises" :
		  "durable when it returns", ",");
	json_pair(f, "journal", recovery_word(), ",");
	json_pair(f, "write_back_cache", fs.writeback ? "on" : "off", ",");
	json_pair(f, "set_id_bits", wire_daemon_kills() ? "cleared by the daemon" : "cleared by the kernel", ",");
	json_pair(f, "watch", watch_word(), ",");
	json_pair(f, "push", push_word(), ",");
	json_pair(f, "identity", fs.handles ? "file handles" : "paths beneath BACKING", ",");
	json_pair(f, "acts_as", fs.privileged ? "the caller" : "the user who mounted", ",");
	json_pair(f, "system_calls", confine_word(), ",");
	json_pair(f, "mlock", regions_locked_word(locked, sizeof(locked)), ",");
	json_pair(f, "core_dumps", o->dump_data ? "hold data of files, as dump_data says" :
		  "hold no data of files", ",");
	json_pair(f, "crc32", mms_crc32_engine(), "");
	fprintf(f, "  },\n");
}

static void put_status(FILE *f, const struct number *numbers, size_t n)
{
	fprintf(f, "{\n  \"version\": \"%s\",\n  \"libfuse\": \"%s\",\n  \"pid\": %d,\n", PACKAGE_VERSION,
		fuse_pkgversion(), (int)getpid());
	fprintf(f, "  \"backing\": ");
	json_string(f, fs.backing);
	fprintf(f, ",\n  \"mountpoint\": ");
	json_string(f, fs.mountpoint);
	fprintf(f, ",\n");
	put_options(f);
	put_engine(f);
	fprintf(f, "  \"now\": {\n");
	for (size_t k = 0; k < n; k++)
		fprintf(f, "    \"%s\": %" PRIu64 "%s\n", numbers[k].name, numbers[k].value,
			k + 1 < n ? "," : "");
	fprintf(f, "  }\n}\n");
}

char *status_text(size_t *ret_len)
{
	return print(put_status, ret_len);
}
