/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_WAKE_H
#define MQSHM_WAKE_H

#include <linux/bitmap.h>
#include <linux/mqshm.h>

struct mqshm_runtime;

/**
 * struct mqshm_wakes - clients to be woken once all locks are dropped
 * @clients: by index
 * @changed: and those who wait for a change of the runtime
 *
 * A wake runs callbacks of epoll, io_uring and eventfd, which may take any lock
 * of theirs: so it is noted under our locks and fired after. It is only a hint to
 * look again: whoever has the index by then may be woken for nothing.
 */
struct mqshm_wakes {
	DECLARE_BITMAP(clients, MQSHM_CLIENTS_MAX);
	bool changed;
};

static inline void mqshm_wakes_init(struct mqshm_wakes *wakes)
{
	bitmap_zero(wakes->clients, MQSHM_CLIENTS_MAX);
	wakes->changed = false;
}

void mqshm_wakes_fire(struct mqshm_runtime *rt, struct mqshm_wakes *wakes);

#endif /* MQSHM_WAKE_H */
