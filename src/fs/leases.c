/* SPDX-License-Identifier: MIT */
#include "leases.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

static void add(struct leases *leases, uint64_t number)
{
	uint64_t *more = realloc(leases->numbers, (leases->count + 1) * sizeof(*more));

	if (!more)
		return;
	leases->numbers = more;
	more[leases->count++] = number;
}

void leases_read(struct leases *leases)
{
	FILE *locks = fopen("/proc/locks", "re");
	char *line = NULL;
	size_t room = 0;

	*leases = (struct leases){.numbers = NULL};
	while (locks && getline(&line, &room, locks) > 0) {
		unsigned major, minor;
		uint64_t number;

		/* "1: LEASE  ACTIVE    WRITE 4711 00:2a:12 0 EOF" */
		if (sscanf(line, "%*[^:]: LEASE %*s %*s %*d %x:%x:%" SCNu64, &major, &minor, &number) ==
			    3 &&
		    makedev(major, minor) == atomic_load(&fs.mount_dev))
			add(leases, number);
	}
	free(line);
	if (locks)
		fclose(locks);
}

bool leases_has(const struct leases *leases, const struct inode *inode)
{
	uint64_t number = identity_number(inode->id.dev, inode->id.ino);

	for (size_t i = 0; i < leases->count; i++)
		if (leases->numbers[i] == number)
			return true;
	return false;
}

void leases_free(struct leases *leases)
{
	free(leases->numbers);
	*leases = (struct leases){.numbers = NULL};
}
