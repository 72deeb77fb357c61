/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_DEADLINE_H
#define MQSHM_DEADLINE_H

#include <linux/ktime.h>

/* Time left until @deadline_ns (0: for ever), or -ETIMEDOUT if there is none. */
static inline int mqshm_deadline_left(u64 deadline_ns, ktime_t *left)
{
	u64 now;

	if (!deadline_ns || deadline_ns > KTIME_MAX) {
		*left = KTIME_MAX;
		return 0;
	}
	now = ktime_get_ns();
	if (deadline_ns <= now)
		return -ETIMEDOUT;
	*left = ns_to_ktime(deadline_ns - now);
	return 0;
}

#endif /* MQSHM_DEADLINE_H */
