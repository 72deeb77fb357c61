// SPDX-License-Identifier: GPL-2.0-only
/* The module's code is in this process: selftests/host. */
#include <errno.h>

#include "host.h"
#include "place.h"

const char place_name[] = "native";
const bool place_settles_when_reaped = true;

void place_start(void)
{
	host_start();
	/* so that a call costs what it costs */
	host_set_real_entry(true);
}

pid_t place_fork(void)
{
	return host_fork();
}

int place_wait(pid_t pid, int *status)
{
	return host_wait(pid, -1, status) == pid ? 0 : -ECHILD;
}

void place_kill(pid_t pid)
{
	host_kill(pid);
}

int place_memory_begin(void)
{
	return 0;
}

int place_memory(uint64_t *bytes)
{
	*bytes = host_allocated_bytes();
	return 0;
}

void place_memory_end(void)
{
}

void place_thread_begin(void)
{
	host_thread_begin();
}

void place_thread_end(void)
{
	host_thread_end();
}
