// SPDX-License-Identifier: GPL-2.0-only
/* Descriptors that a WAIT sleeps for besides ports, as poll(2) does. */
#include <linux/file.h>
#include <linux/sched.h>

#include "fds.h"

void mqshm_fds_begin(struct mqshm_fds *f, const struct pollfd *fds, u32 count)
{
	poll_initwait(&f->table);
	f->fds = fds;
	f->count = count;
}

/* One that is not open is ready, for poll(2) to say so. */
static bool fd_ready(struct mqshm_fds *f, const struct pollfd *pfd)
{
	__poll_t events = demangle_poll((u16)pfd->events) | EPOLLERR | EPOLLHUP;
	struct file *file;
	__poll_t mask;

	if (pfd->fd < 0)
		return false;
	file = fget(pfd->fd);
	if (!file)
		return true;
	f->table.pt._key = events;
	mask = vfs_poll(file, &f->table.pt);
	fput(file);
	return mask & events;
}

int mqshm_fds_look(struct mqshm_fds *f)
{
	u32 i;

	/* before the look: who wakes after it sets this again */
	smp_store_mb(f->table.triggered, 0);
	for (i = 0; i < f->count; i++) {
		if (fd_ready(f, &f->fds[i]))
			return 1;
		cond_resched();
	}
	/* it is in all queues, and stays there until the end */
	f->table.pt._qproc = NULL;
	return f->count ? f->table.error : 0;
}

bool mqshm_fds_woken(const struct mqshm_fds *f)
{
	return READ_ONCE(f->table.triggered);
}

void mqshm_fds_end(struct mqshm_fds *f)
{
	poll_freewait(&f->table);
}
