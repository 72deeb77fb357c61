/* SPDX-License-Identifier: GPL-2.0-only */
/* What one process of a case does, and what it saw. */
#ifndef PROCESS_H
#define PROCESS_H

#include "bench.h"

/**
 * struct bench_report - what a process, or thread, saw of the part that counts
 * @begin_ns: CLOCK_MONOTONIC when it began: for a receiver with the first message
 * @end_ns: when it ended
 * @enter_ns: what entering took
 * @cpu_ns: processor time
 * @pid: of the process
 * @held_ns: for how long messages were held back, so far; the other one looks at it
 * @held_cpu_ns: processor time of that
 * @counted_held_ns: @held_ns of the part that counts
 * @syscalls: how many, without the benchmark's own; UINT64_MAX if nobody counts
 * @queued_ns: for how long it waited for a processor
 * @sent: by a star's sender: messages for which there was room at once
 * @sent_ns: how long it took to send those
 * @way_ns: of a ping: quartiles and p99 of single ways
 */
struct bench_report {
	uint64_t begin_ns;
	uint64_t end_ns;
	uint64_t enter_ns;
	uint64_t cpu_ns;
	pid_t pid;
	volatile uint64_t held_ns;
	uint64_t held_cpu_ns;
	uint64_t counted_held_ns;
	uint64_t syscalls;
	uint64_t queued_ns;
	uint64_t sent;
	uint64_t sent_ns;
	double way_ns[3];
};

uint64_t bench_now_ns(void);
/* Messages that all senders send together, of those that count; to and fro is two. */
uint64_t bench_counted(const struct bench_case *c);
/* Does the part of @who; 0 or -errno. */
int bench_process(const struct bench_peer *peer, const struct bench_case *c, unsigned int who,
		  struct bench_report *report);

#endif /* PROCESS_H */
