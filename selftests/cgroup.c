// SPDX-License-Identifier: GPL-2.0-only
/* A memory cgroup. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"

#define ROOT	"/sys/fs/cgroup"
#define GROUP	ROOT "/mqshm-test"

static int put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = fd < 0 || write(fd, value, strlen(value)) < 0 ? -errno : 0;

	close(fd);
	return err;
}

int cgroup_make(unsigned long bytes)
{
	char text[32];

	put(ROOT "/cgroup.subtree_control", "+memory");
	if (mkdir(GROUP, 0755) && errno != EEXIST)
		return -ENODEV;
	snprintf(text, sizeof(text), "%lu", bytes);
	if (put(GROUP "/memory.max", text)) {
		rmdir(GROUP);
		return -ENODEV;
	}
	put(GROUP "/memory.oom.group", "0");
	/* not there without swap */
	put(GROUP "/memory.swap.max", "0");
	return 0;
}

int cgroup_enter(void)
{
	return put(GROUP "/cgroup.procs", "0");
}

int cgroup_leave(void)
{
	return put(ROOT "/cgroup.procs", "0");
}

int cgroup_die_together(void)
{
	return put(GROUP "/memory.oom.group", "1");
}

unsigned long cgroup_kills(void)
{
	FILE *f = fopen(GROUP "/memory.events", "re");
	unsigned long kills = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "oom_kill ", 9))
			kills = strtoul(line + 9, NULL, 10);
	if (f)
		fclose(f);
	return kills;
}

void cgroup_remove(void)
{
	rmdir(GROUP);
}
