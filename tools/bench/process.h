/* SPDX-License-Identifier: GPL-2.0-only */
/* What one process of a case does, and what it saw. */
#ifndef PROCESS_H
#define PROCESS_H

#include "bench.h"

/**
 * struct bench_report - what a process, or thread, saw of the part that counts
 * @begin_ns: CLOCK_MONOTONIC when it began: for a receiver with the first message
 * @end_ns: when it ended
 * @cpu_ns: processor time
 * @queued_ns: for how long it waited for a processor
 * @way_ns: of a ping: median, quartiles, p99 of single ways
 */
struct bench_report {
	uint64_t begin_ns;
	uint64_t end_ns;
	uint64_t cpu_ns;
	uint64_t queued_ns;
	double way_ns[4];
};

/* Messages that go before those that count. */
uint64_t bench_warming(const struct bench_case *c);
/* Does the part of @who; 0 or -errno. */
int bench_process(const struct bench_peer *peer, const struct bench_case *c, unsigned int who,
		  struct bench_report *report);

#endif /* PROCESS_H */
