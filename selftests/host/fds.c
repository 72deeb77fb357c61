// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors of the program's own, such as pipes, in a call that sleeps for them: they
 * are looked at each millisecond, since nobody here is told when they are ready.
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

#define LOOK_NS	1000000

static __thread struct poll_wqueues *sleeper;

void poll_initwait(struct poll_wqueues *table)
{
	*table = (struct poll_wqueues) { .pt._qproc = table };
	sleeper = table;
}

void poll_freewait(struct poll_wqueues *table)
{
	(void)table;
	sleeper = NULL;
}

/* The file of a descriptor that is open, which is all that is asked of it. */
struct file *fget(unsigned int fd)
{
	if (fd >= HOST_FD_FIRST)
		host_bug("a descriptor of the harness among others");
	return syscall(SYS_fcntl, fd, F_GETFD) < 0 ? NULL : host_own_file(fd);
}

__poll_t vfs_poll(struct file *file, poll_table *table)
{
	struct pollfd pfd = { .fd = host_own_fd(file), .events = (short)table->_key };

	if (table->_qproc) {
		if (sleeper->n_fds == ARRAY_SIZE(sleeper->fds))
			host_bug("so many descriptors in one call");
		sleeper->fds[sleeper->n_fds++] = pfd;
	}
	syscall(SYS_poll, &pfd, 1, 0);
	return (__poll_t)pfd.revents;
}

/* 0 too if a descriptor is ready: then its sleeper has been woken. */
int host_futex_poll(u32 *word, u32 value, u64 deadline_ns)
{
	int ret;

	if (!sleeper || !sleeper->n_fds)
		return host_futex_wait(word, value, deadline_ns);
	for (;;) {
		u64 next = ktime_get_ns() + LOOK_NS;

		if (syscall(SYS_poll, sleeper->fds, sleeper->n_fds, 0) > 0) {
			sleeper->triggered = 1;
			return 0;
		}
		ret = host_futex_wait(word, value, deadline_ns && deadline_ns < next ?
				      deadline_ns : next);
		if (ret != -ETIMEDOUT || (deadline_ns && ktime_get_ns() >= deadline_ns))
			return ret;
	}
}
