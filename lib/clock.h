/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time, and how the library's deadlines become the kernel's. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <mqshm.h>

/* For the kernel 0 is for ever; callers have dealt with MQSHM_NO_WAIT. */
static inline uint64_t clock_kernel_deadline(uint64_t deadline_ns)
{
	return deadline_ns == MQSHM_FOREVER ? 0 : deadline_ns;
}

/**
 * struct clock_cache - a recent time, for timestamps
 * @now_ns: the time
 * @ticks: of the processor's counter when it was read, where there is one
 * @stale: to be looked at again before the next use
 */
struct clock_cache {
	uint64_t now_ns;
	uint64_t ticks;
	bool stale;
};

/* About 10 us of any processor's counter: what a timestamp may be late by. */
#define CLOCK_TICKS	16384

/* A counter cheaper than the clock, only to tell whether time went by. */
static inline bool clock_ticks(uint64_t *ticks)
{
#if defined(__x86_64__)
	*ticks = __builtin_ia32_rdtsc();
	return true;
#else
	*ticks = 0;
	return false;
#endif
}

/* Reads the clock only if a batch began (@stale) and time went by since. */
static inline uint64_t clock_cached(struct clock_cache *cache)
{
	uint64_t ticks;

	if (__builtin_expect(!cache->stale, 1))
		return cache->now_ns;
	cache->stale = false;
	/* Counters of two processors may differ: then it just is read again. */
	if (clock_ticks(&ticks) && ticks - cache->ticks < CLOCK_TICKS)
		return cache->now_ns;
	cache->ticks = ticks;
	cache->now_ns = mqshm_now_ns();
	return cache->now_ns;
}

#endif /* LIB_CLOCK_H */
