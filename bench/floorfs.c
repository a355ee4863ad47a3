/* SPDX-License-Identifier: MIT */
/*
 * A FUSE daemon that does nothing: what it is asked for is in memory, and what it is given it drops.
 * It asks for as few requests as a daemon may. So its figures are the kernel's and the round trip's,
 * and the limit of any daemon on libfuse that is asked the same.
 */
#define FUSE_USE_VERSION 31

#include <err.h>
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "floortree.h"

#define FOREVER 86400.0
#define ZEROS (1u << 20)

static bool writeback;
static uint8_t zeros[ZEROS];

static struct node *node_of(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? tree_root() : (struct node *)(uintptr_t)ino;
}

static void fill_entry(struct fuse_entry_param *e, struct node *n)
{
	*e = (struct fuse_entry_param){
		.ino = (uintptr_t)n,
		.attr = n->st,
		.attr_timeout = FOREVER,
		.entry_timeout = FOREVER,
	};
}

static void reply_node(fuse_req_t req, struct node *n)
{
	struct fuse_entry_param e;

	if (!n) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_entry(&e, n);
	fuse_reply_entry(req, &e);
}

static void floor_init(void *arg, struct fuse_conn_info *conn)
{
	(void)arg;
	if (writeback)
		conn->want |= conn->capable & FUSE_CAP_WRITEBACK_CACHE;
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_ATOMIC_O_TRUNC);
	conn->want |= conn->capable & FUSE_CAP_PARALLEL_DIROPS;
}

/* A name that is not there is remembered, too. */
static void floor_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct node *n = tree_find(node_of(parent), name);
	struct fuse_entry_param none = {.entry_timeout = FOREVER};

	if (n)
		reply_node(req, n);
	else
		fuse_reply_entry(req, &none);
}

static void floor_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	fuse_reply_attr(req, &node_of(ino)->st, FOREVER);
}

static void floor_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
			  struct fuse_file_info *fi)
{
	struct node *n = node_of(ino);

	(void)fi;
	if (to_set & FUSE_SET_ATTR_SIZE)
		n->st.st_size = attr->st_size;
	if (to_set & FUSE_SET_ATTR_MODE)
		n->st.st_mode = (n->st.st_mode & S_IFMT) | (attr->st_mode & 07777);
	fuse_reply_attr(req, &n->st, FOREVER);
}

static void floor_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	(void)rdev;
	reply_node(req, tree_add(node_of(parent), name, mode));
}

static void floor_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	reply_node(req, tree_add(node_of(parent), name, S_IFDIR | mode));
}

static void floor_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	fuse_reply_err(req, tree_remove(node_of(parent), name) ? 0 : ENOENT);
}

static void floor_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	const struct node *n = node_of(ino);
	uint64_t end = n->data ? n->data_len : (uint64_t)n->st.st_size;
	uint64_t start = (uint64_t)off;
	struct iovec iov;

	(void)fi;
	if (start >= end) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	if (size > end - start)
		size = (size_t)(end - start);
	if (!n->data && size > ZEROS)
		size = ZEROS;
	iov.iov_base = n->data ? (uint8_t *)(uintptr_t)n->data + start : zeros;
	iov.iov_len = size;
	fuse_reply_iov(req, &iov, 1);
}

static void floor_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
			struct fuse_file_info *fi)
{
	(void)buf;
	(void)fi;
	tree_grow(node_of(ino), (uint64_t)off + size);
	fuse_reply_write(req, size);
}

static void floor_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct statvfs st = {.f_bsize = 4096, .f_frsize = 4096, .f_blocks = 1u << 30,
		.f_bfree = 1u << 29, .f_bavail = 1u << 29, .f_files = 1u << 30,
		.f_ffree = 1u << 29, .f_favail = 1u << 29, .f_namemax = 255};

	(void)ino;
	fuse_reply_statfs(req, &st);
}

/* What the kernel does not send again once it has seen ENOSYS. */
static void floor_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fuse_reply_err(req, ENOSYS);
}

static void floor_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)datasync;
	floor_open(req, ino, fi);
}

/* ------------------------------------------------------------- directories */

struct listing {
	fuse_req_t req;
	char *buf;
	size_t size, used;
	off_t at, from;
	bool plus; /* with attributes */
};

/* Offsets count the children: right as long as nobody changes a directory that is listed. */
static bool add_child(void *arg, struct node *child)
{
	struct listing *l = arg;
	struct fuse_entry_param e;
	size_t need, room = l->size - l->used;

	if (++l->at <= l->from)
		return true;
	if (l->plus) {
		fill_entry(&e, child);
		need = fuse_add_direntry_plus(l->req, l->buf + l->used, room, child->name, &e, l->at);
	} else {
		need = fuse_add_direntry(l->req, l->buf + l->used, room, child->name, &child->st, l->at);
	}
	if (need > room)
		return false;
	l->used += need;
	return true;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, bool plus)
{
	struct listing l = {
		.req = req, .buf = malloc(size), .size = size, .from = off, .plus = plus};

	if (!l.buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	tree_list(node_of(ino), add_child, &l);
	fuse_reply_buf(req, l.buf, l.used);
	free(l.buf);
}

static void floor_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			      struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, true);
}

static void floor_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			  struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, false);
}

/* Closing and so on are not there at all, which is ENOSYS. */
static const struct fuse_lowlevel_ops floor_ops = {
	.init = floor_init,
	.lookup = floor_lookup,
	.getattr = floor_getattr,
	.setattr = floor_setattr,
	.mknod = floor_mknod,
	.mkdir = floor_mkdir,
	.unlink = floor_unlink,
	.rmdir = floor_unlink,
	.open = floor_open,
	.opendir = floor_open,
	.fsync = floor_fsync,
	.read = floor_read,
	.write = floor_write,
	.readdir = floor_readdir,
	.readdirplus = floor_readdirplus,
	.statfs = floor_statfs,
};

static int serve(const char *mnt)
{
	char name[] = "floorfs", option[] = "-ofsname=floorfs,default_permissions";
	char *argv[] = {name, option, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(2, argv);
	struct fuse_session *se = fuse_session_new(&args, &floor_ops, sizeof(floor_ops), NULL);
	int clone_fd = 0;
	int rc;

	if (!se || fuse_set_signal_handlers(se) || fuse_session_mount(se, mnt))
		errx(1, "cannot mount %s", mnt);
	rc = fuse_session_loop_mt(se, clone_fd);
	fuse_session_unmount(se);
	fuse_remove_signal_handlers(se);
	fuse_session_destroy(se);
	fuse_opt_free_args(&args);
	return rc;
}

int main(int argc, char **argv)
{
	if (argc < 4 || (strcmp(argv[1], "back") != 0 && strcmp(argv[1], "through") != 0))
		errx(2, "usage: floorfs back|through MNT BACKING [NAME...]: serves copies of these "
			"names of BACKING, in the foreground");
	writeback = strcmp(argv[1], "back") == 0;
	for (int i = 4; i < argc; i++)
		tree_load(argv[3], argv[i]);
	return serve(argv[2]) != 0;
}
