// SPDX-License-Identifier: GPL-2.0-only
/* The module is in this machine's kernel. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "place.h"

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

void place_thread_begin(void)
{
}

void place_thread_end(void)
{
}
