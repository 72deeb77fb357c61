/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of host_storm have in common: the plan of one storm, which follows
 * from its seed alone, and what the processes tell the monitor.
 */
#ifndef HOST_STORM_H
#define HOST_STORM_H

#include "test.h"

#define NODES_MIN	4
#define NODES_MAX	16
#define EDGES_MAX	48
#define PORTS		2	/* inputs, and outputs, of each node */
#define POOLS		3
#define NAME_BYTES	16

/* An output of one node and an input of a later one. */
struct edge {
	uint8_t from;
	uint8_t out;
	uint8_t to;
	uint8_t in;
};

/**
 * struct pool_plan - a pool
 * @name: its name
 * @buffer_bytes: size of a buffer
 * @buffers: how many
 */
struct pool_plan {
	const char *name;
	uint32_t buffer_bytes;
	uint32_t buffers;
};

/**
 * struct plan - all that is decided before a storm begins
 * @seed: that it was made from
 * @nodes: processes with a client each
 * @edges: number of elements in @edge
 * @edge: connections; a graph without circles
 * @how: by edge: what it is connected with: policies, and whether it stays
 * @ports: by node and MQSHM_DIR_*: bit i: port i has edges
 * @reaches: by node: nodes that its messages can come to
 * @depth: queue depth of each node's inputs
 * @optional: by node: its outputs discard while they have no connection
 * @pools: number of elements in @pool
 * @pool: pools
 * @crowd: idle clients that join first: with 48 of them no node has a toggle
 * @meddler: a process that is no client connects and disconnects all the time
 * @check_every: rounds between two counts of everything
 */
struct plan {
	uint64_t seed;
	unsigned int nodes;
	unsigned int edges;
	struct edge edge[EDGES_MAX];
	struct mqshm_connect_options how[EDGES_MAX];
	uint8_t ports[NODES_MAX][2];
	uint32_t reaches[NODES_MAX];
	uint32_t depth[NODES_MAX];
	bool optional[NODES_MAX];
	unsigned int pools;
	struct pool_plan pool[POOLS];
	unsigned int crowd;
	bool meddler;
	unsigned int check_every;
};

/**
 * struct storm_report - what a node tells of itself
 * @starts: how often it was started; written by the monitor
 * @messages: that it popped
 * @connections: how many its inputs and its outputs have, by MQSHM_DIR_*
 * @doing: in what it is, or sleeps; a constant string
 */
struct storm_report {
	uint64_t starts;
	uint64_t messages;
	uint64_t connections[2];
	const char *doing;
};

/**
 * struct storm - what all processes of a storm share
 * @plan: the plan
 * @node: the nodes' reports
 * @faults: wrong payloads and errors that should not be, each told on stderr
 * @calm: the meddler is to stop where all is connected
 * @meddler_calm: and has stopped
 */
struct storm {
	struct plan plan;
	struct storm_report node[NODES_MAX];
	uint64_t faults;
	uint32_t calm;
	uint32_t meddler_calm;
};

/* storm_plan.c */
void plan_make(struct plan *plan, uint64_t seed);
void plan_note(const struct plan *plan);
/* "n3", and "n3:out1" */
void node_name(char name[NAME_BYTES], unsigned int node);
void port_name(char name[NAME_BYTES], unsigned int node, unsigned int dir, unsigned int port);
/* Numbers of its own for one life of a process, or for one purpose. */
uint64_t seed_derive(uint64_t seed, uint64_t who, uint64_t life);

/* storm_node.c: a node, from its start to its death. */
__attribute__((noreturn)) void storm_node(struct storm *storm, struct mqshm_runtime *rt,
					  unsigned int node);

/* storm_edge.c: makes it if it is missing and both ends are there. */
void edge_connect(struct storm *storm, struct mqshm_runtime *rt, unsigned int edge);
/* Takes away what would stay, or come back. */
void edges_give_up(struct mqshm_runtime *rt);
/* The connection of an edge in a snapshot, NULL if there is none that is open. */
const struct mqshm_connection_record *edge_find(const struct plan *plan,
						const struct mqshm_snapshot *snap,
						unsigned int edge);
__attribute__((noreturn)) void storm_meddler(struct storm *storm, uint64_t life);

#endif /* HOST_STORM_H */
