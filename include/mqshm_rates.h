/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What two snapshots of a runtime say together: how fast, how busy, waiting for what. And
 * what one says of a block or a port once its connections are added up. How threads are
 * told is as in <mqshm.h>; nothing here fails.
 */
#ifndef MQSHM_RATES_H
#define MQSHM_RATES_H

#include <mqshm.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* -- so far ------------------------------------------------------------------- */

/**
 * struct mqshm_flow - what went through connections since they were made
 * @connections: how many
 * @messages: put into them
 * @bytes: payload of those
 * @taken: messages taken out of them by who reads them
 * @dropped: messages lost in them, or instead of getting there
 * @queued: messages that are in them now
 * @depth: messages that they take
 *
 * Of connections that are there: what others carried, the runtime's totals have.
 */
struct mqshm_flow {
	uint32_t connections;
	uint64_t messages;
	uint64_t bytes;
	uint64_t taken;
	uint64_t dropped;
	uint64_t queued;
	uint64_t depth;
};

/* Of a port: a message that went to three connections of an output counts three times. */
void mqshm_flow_port(const struct mqshm_snapshot *snap, uint32_t port, struct mqshm_flow *out); /* MT-Safe */
/* Of a block, all its inputs or all its outputs: MQSHM_DIR_*. */
void mqshm_flow_block(const struct mqshm_snapshot *snap, uint64_t block, uint32_t direction,
		      struct mqshm_flow *out); /* MT-Safe */

/**
 * struct mqshm_waits - how long a block waited, the wait that it is in included
 * @input_ns: for input
 * @space_ns: for space in the queues behind an output, or for a connection there
 * @buffer_ns: for buffers
 * @time_ns: for a time, or something outside, as a file
 */
struct mqshm_waits {
	uint64_t input_ns;
	uint64_t space_ns;
	uint64_t buffer_ns;
	uint64_t time_ns;
};

/* All 0 of a block that tells nothing. */
void mqshm_block_waits(const struct mqshm_snapshot *snap,
		       const struct mqshm_block_record *block, struct mqshm_waits *out); /* MT-Safe */

/**
 * mqshm_block_state() - liveness of a block: MQSHM_CLIENT_*
 * @since_ns: since when, if it is stalled or known to wait; else 0; may be NULL
 *
 * That of its client; but a block that waits while its client runs others is idle.
 */
uint32_t mqshm_block_state(const struct mqshm_snapshot *snap,
			   const struct mqshm_block_record *block, uint64_t *since_ns); /* MT-Safe */

/* -- between two snapshots ------------------------------------------------------ */
/*
 * @before and @now are snapshots of one runtime, the older one first. What was not there
 * before is taken to have begun with nothing. Rates are per second, 0 if no time is between.
 */

/**
 * struct mqshm_flow_rates - how fast it goes through connections
 * @messages, @bytes, @taken, @dropped: as in struct mqshm_flow, a second
 */
struct mqshm_flow_rates {
	double messages;
	double bytes;
	double taken;
	double dropped;
};

void mqshm_connection_rates(const struct mqshm_snapshot *before,
			    const struct mqshm_snapshot *now,
			    const struct mqshm_connection_record *connection,
			    struct mqshm_flow_rates *out); /* MT-Safe */

/**
 * struct mqshm_block_rates - what a block did between two snapshots
 * @in: what came to its inputs
 * @out: what it sent
 * @work: calls of work a second
 * @mean_work_ns: mean of those calls, what they waited included; 0: none ended
 * @input: part of the time, 0 to 1, that it waited for input
 * @space: the same for space, or a connection
 * @buffer: the same for buffers
 * @time: the same for a time, or something outside
 * @state: MQSHM_CLIENT_*, as mqshm_block_state(); but one that is idle now and did some
 *	work since @before is running
 * @since_ns: since when, as there
 */
struct mqshm_block_rates {
	struct mqshm_flow_rates in;
	struct mqshm_flow_rates out;
	double work;
	uint64_t mean_work_ns;
	double input;
	double space;
	double buffer;
	double time;
	uint32_t state;
	uint64_t since_ns;
};

/* @block: a record of @now. */
void mqshm_block_rates(const struct mqshm_snapshot *before, const struct mqshm_snapshot *now,
		       const struct mqshm_block_record *block,
		       struct mqshm_block_rates *out); /* MT-Safe */

/**
 * struct mqshm_runtime_rates - what all of a runtime did between two snapshots
 * @messages: pushed a second
 * @bytes: payload of those
 * @dropped: messages a second that connections dropped
 * @allocated: buffers handed out a second
 * @freed: buffers that came back a second
 * @ioctls: commands of clients a second
 */
struct mqshm_runtime_rates {
	double messages;
	double bytes;
	double dropped;
	double allocated;
	double freed;
	double ioctls;
};

void mqshm_runtime_rates(const struct mqshm_snapshot *before, const struct mqshm_snapshot *now,
			 struct mqshm_runtime_rates *out); /* MT-Safe */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* MQSHM_RATES_H */
