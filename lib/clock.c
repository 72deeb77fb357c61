// SPDX-License-Identifier: LGPL-2.1-or-later
/* The library's clock: CLOCK_MONOTONIC in nanoseconds. */
#include <time.h>

#include "clock.h"

uint64_t mqshm_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t mqshm_after_ms(uint64_t ms)
{
	uint64_t now = mqshm_now_ns();

	if (ms > (MQSHM_FOREVER - 1 - now) / 1000000)
		return MQSHM_FOREVER;
	return now + ms * 1000000;
}
