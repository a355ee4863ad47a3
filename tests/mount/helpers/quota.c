/* SPDX-License-Identifier: MIT */
/*
 *	quota DEVICE u|g ID                     prints KiB and files charged to ID
 *	quota DEVICE u|g ID limit KIB FILES     hard limits; 0: none
 *	quota DEVICE u|g on                     enforces limits, where that is a call of its own
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/quota.h>
#include <unistd.h>

#include "util.h"

int main(int argc, char **argv)
{
	int kind, id;
	struct dqblk q;

	if (argc < 4)
		die("usage: quota DEVICE u|g ID|on [limit KIB FILES]");
	kind = *argv[2] == 'g' ? GRPQUOTA : USRQUOTA;
	sync();
	if (!strcmp(argv[3], "on")) {
		if (quotactl(QCMD(Q_QUOTAON, kind), argv[1], 0, NULL) < 0 && errno != EBUSY &&
		    errno != EEXIST)
			die("Q_QUOTAON");
		return 0;
	}
	id = atoi(argv[3]);
	memset(&q, 0, sizeof(q));
	if (argc > 6) {
		q.dqb_bhardlimit = strtoull(argv[5], NULL, 10);
		q.dqb_ihardlimit = strtoull(argv[6], NULL, 10);
		q.dqb_valid = QIF_LIMITS;
		if (quotactl(QCMD(Q_SETQUOTA, kind), argv[1], id, (caddr_t)&q) < 0)
			die("Q_SETQUOTA");
		return 0;
	}
	/* ENOENT: nothing was ever charged */
	if (quotactl(QCMD(Q_GETQUOTA, kind), argv[1], id, (caddr_t)&q) < 0 && errno != ENOENT &&
	    errno != ESRCH)
		die("Q_GETQUOTA");
	printf("%llu %llu\n", (unsigned long long)q.dqb_curspace / 1024,
	       (unsigned long long)q.dqb_curinodes);
	return 0;
}
