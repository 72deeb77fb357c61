// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls of a process, counted by the kernel's own tracepoint. As long as that is on,
 * calls take longer, so nothing is timed then; and to turn it on and off changes the kernel's
 * code, which an emulated machine does not always survive: once is enough.
 */
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "syscalls.h"

/* Number of the tracepoint, as the kernel has it. */
static bool tracepoint(unsigned long long *id)
{
	static const char *const paths[] = {
		"/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
		"/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
	};
	bool found = false;

	for (unsigned int i = 0; i < 2 && !found; i++) {
		FILE *f = fopen(paths[i], "r");

		found = f && fscanf(f, "%llu", id) == 1;
		if (f)
			fclose(f);
	}
	return found;
}

/* Holds the tracepoint; -1: nobody counts. */
static int keeper = -1;

static int counter_open(pid_t pid)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .disabled = 1, .inherit = 1,
	};
	unsigned long long id;

	if (!tracepoint(&id))
		return -1;
	attr.config = id;
	return syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

void syscalls_begin(void)
{
	keeper = counter_open(0);
}

void syscalls_end(void)
{
	if (keeper >= 0)
		close(keeper);
	keeper = -1;
}

/* Of this thread. */
static __thread int counter = -1;

void syscalls_open(void)
{
	if (keeper >= 0)
		counter = counter_open(0);
}

void syscalls_start(void)
{
	if (counter < 0)
		return;
	/* it may have been started before, and counts these calls until it is stopped */
	ioctl(counter, PERF_EVENT_IOC_DISABLE, 0);
	ioctl(counter, PERF_EVENT_IOC_RESET, 0);
	ioctl(counter, PERF_EVENT_IOC_ENABLE, 0);
}

uint64_t syscalls_stop(uint64_t own)
{
	uint64_t n;

	/* this call counts as well */
	if (counter < 0 || ioctl(counter, PERF_EVENT_IOC_DISABLE, 0) ||
	    read(counter, &n, sizeof(n)) != sizeof(n))
		return UINT64_MAX;
	return n - 1 - own;
}
