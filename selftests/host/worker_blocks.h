/* SPDX-License-Identifier: GPL-2.0-only */
/* Types of blocks for host_worker. Parameters of all: n, what it is for is said there; ports. */
#ifndef WORKER_BLOCKS_H
#define WORKER_BLOCKS_H

#include <mqshm_block.h>

#define WORKER_BLOCKS	256

/**
 * struct worker_seen - what a sink saw: written on its thread
 * @messages: that came
 * @bad: of these, out of order or not what was sent
 */
struct worker_seen {
	uint64_t messages;
	uint64_t bad;
};

/* By the sinks' numbers. */
extern struct worker_seen worker_seen[WORKER_BLOCKS];
/* Pipes of readers and writers, by their numbers. */
extern int worker_pipes[2][2];

extern const struct mqshm_block_ops type_source, type_feeder, type_roomy, type_forward,
	type_fan, type_changer, type_gather, type_tuner, type_hoarder, type_sink, type_join,
	type_ticker, type_patient, type_busy, type_reader, type_writer, type_broken;

#endif /* WORKER_BLOCKS_H */
