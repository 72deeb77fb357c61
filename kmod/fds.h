/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_FDS_H
#define MQSHM_FDS_H

#include <linux/poll.h>

/**
 * struct mqshm_fds - descriptors that one call sleeps for
 * @table: the call in the queues of their files, each of which it keeps
 * @fds: array[@count], a copy that nobody else writes
 * @count: their number
 */
struct mqshm_fds {
	struct poll_wqueues table;
	const struct pollfd *fds;
	u32 count;
};

void mqshm_fds_begin(struct mqshm_fds *f, const struct pollfd *fds, u32 count);
/* Whether one is ready: 0 or 1, or -ENOMEM. Under no lock. */
int mqshm_fds_look(struct mqshm_fds *f);
/* Whether one was woken since that, as the condition of a sleep. */
bool mqshm_fds_woken(const struct mqshm_fds *f);
void mqshm_fds_end(struct mqshm_fds *f);

#endif /* MQSHM_FDS_H */
