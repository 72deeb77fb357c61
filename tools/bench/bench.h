/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_HOPS_MAX	3	/* processes in a line */

/**
 * struct bench_flow - one measurement: messages go down a line of processes
 * @processes: 2 is source -> sink, 3 is source -> forward -> sink
 * @bytes: payload of a message
 * @batch: messages that a process handles in one go
 * @messages: how many, a multiple of @batch
 */
struct bench_flow {
	unsigned int processes;
	size_t bytes;
	unsigned int batch;
	uint64_t messages;
};

/**
 * struct bench_result - what one run gave
 * @ns: of wall time a message, from the first to the last
 * @syscalls: a message, of all processes; negative if it can't be counted here
 * @device: of these, calls of /dev/mqshm
 */
struct bench_result {
	double ns;
	double syscalls;
	double device;
};

/**
 * struct bench_transport - a way to move messages
 * @name: for the table
 * @setup: before fork; 0 or -errno
 * @run: in process @i of the line, moves all messages; 0 or -errno
 * @ready: in process @i, before the clock starts; 0 or -errno
 * @connect: in the parent, when all are ready; 0 or -errno; may be NULL
 * @device_calls: in the parent, after the run: calls of /dev/mqshm
 * @teardown: in the parent, after all processes ended
 */
struct bench_transport {
	const char *name;
	int (*setup)(const struct bench_flow *flow);
	int (*ready)(const struct bench_flow *flow, unsigned int i);
	int (*connect)(const struct bench_flow *flow);
	int (*run)(const struct bench_flow *flow, unsigned int i);
	uint64_t (*device_calls)(void);
	void (*teardown)(void);
};

extern const struct bench_transport bench_mqshm, bench_pipe, bench_socket;

/* Every process writes the number of the message into it, or checks it there. */
static inline void bench_stamp(void *payload, uint64_t number)
{
	*(volatile uint64_t *)payload = number;
}

static inline bool bench_check(const void *payload, uint64_t number)
{
	return *(const volatile uint64_t *)payload == number;
}

int bench_flow_run(const struct bench_transport *transport, const struct bench_flow *flow,
		   struct bench_result *out);
int bench_settle(unsigned int rounds, bool json);
double bench_median(double *values, unsigned int n);

#endif /* BENCH_H */
