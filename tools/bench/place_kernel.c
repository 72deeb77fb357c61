// SPDX-License-Identifier: GPL-2.0-only
/* The module is in this machine's kernel. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "place.h"

#define CGROUPS	"/sys/fs/cgroup"
#define CGROUP	CGROUPS "/mqshm-bench"

/* The kernel sums up what a group has this often. */
#define SUMMED_US	2500000

const char place_name[] = "kernel";
const bool place_settles_when_reaped = false;

void place_start(void)
{
}

pid_t place_fork(void)
{
	return fork();
}

int place_wait(pid_t pid, int *status)
{
	return waitpid(pid, status, 0) == pid ? 0 : -errno;
}

void place_kill(pid_t pid)
{
	kill(pid, SIGKILL);
}

static int put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error = fd < 0 || write(fd, value, strlen(value)) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return error;
}

/* A group of control of this process's own: what is allocated for it is charged to that. */
int place_memory_begin(void)
{
	put(CGROUPS "/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		return -EOPNOTSUPP;
	if (!access(CGROUP "/memory.stat", R_OK) && !put(CGROUP "/cgroup.procs", "0"))
		return 0;
	rmdir(CGROUP);
	return -EOPNOTSUPP;
}

/* Of the kernel's memory all but what any process and mapping has. */
int place_memory(uint64_t *bytes)
{
	static const struct {
		const char *name;
		int sign;
	} parts[] = { { "kernel", 1 }, { "shmem", 1 }, { "kernel_stack", -1 }, { "pagetables", -1 } };
	unsigned long long value;
	char name[64];
	FILE *f;

	usleep(SUMMED_US);
	f = fopen(CGROUP "/memory.stat", "re");
	if (!f)
		return -errno;
	*bytes = 0;
	while (fscanf(f, "%63s %llu", name, &value) == 2)
		for (unsigned int i = 0; i < sizeof(parts) / sizeof(*parts); i++)
			if (!strcmp(name, parts[i].name))
				*bytes += parts[i].sign * value;
	fclose(f);
	return 0;
}

void place_memory_end(void)
{
	put(CGROUPS "/cgroup.procs", "0");
	rmdir(CGROUP);
}

void place_thread_begin(void)
{
}

void place_thread_end(void)
{
}
