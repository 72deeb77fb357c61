// SPDX-License-Identifier: GPL-2.0-only
/* The plan of a storm: graph, pools and circumstances, all drawn from one seed. */
#include <stdio.h>
#include <string.h>

#include "storm.h"

void node_name(char name[NAME_BYTES], unsigned int node)
{
	snprintf(name, NAME_BYTES, "n%u", node);
}

void port_name(char name[NAME_BYTES], unsigned int node, unsigned int dir, unsigned int port)
{
	snprintf(name, NAME_BYTES, "n%u:%s%u", node, dir == MQSHM_DIR_IN ? "in" : "out", port + 1);
}

/* splitmix64's step; never 0, which random_next() would stay at. */
uint64_t seed_derive(uint64_t seed, uint64_t who, uint64_t life)
{
	uint64_t x = seed + (who << 32 | life) * 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return (x ^ x >> 31) | 1;
}

static bool edge_is_new(const struct plan *plan, const struct edge *edge)
{
	unsigned int i;

	for (i = 0; i < plan->edges; i++)
		if (!memcmp(&plan->edge[i], edge, sizeof(*edge)))
			return false;
	return true;
}

static void edge_add(struct plan *plan, uint64_t *seed, unsigned int from, unsigned int to)
{
	struct edge edge = {
		.from = (uint8_t)from, .out = (uint8_t)random_below(seed, PORTS),
		.to = (uint8_t)to, .in = (uint8_t)random_below(seed, PORTS),
	};

	if (!edge_is_new(plan, &edge))
		return;
	plan->edge[plan->edges++] = edge;
	plan->ports[from][MQSHM_DIR_OUT] |= (uint8_t)(1U << edge.out);
	plan->ports[to][MQSHM_DIR_IN] |= (uint8_t)(1U << edge.in);
}

/*
 * Edges lead from a node to a later one, so that whoever waits for room waits for
 * somebody who needs nothing but room himself: a storm cannot block itself. Node 0 is
 * a source, and now and then another one; the last is a sink, as is each node
 * that no later one chose.
 */
static void graph_make(struct plan *plan, uint64_t *seed)
{
	unsigned int node, i, ins;

	plan->nodes = NODES_MIN + (unsigned int)random_below(seed, NODES_MAX - NODES_MIN + 1);
	for (node = 1; node < plan->nodes; node++) {
		ins = 1 + (unsigned int)random_below(seed, 3);
		if (node + 1 < plan->nodes && !random_below(seed, 6))
			ins = 0;
		for (i = 0; i < ins; i++)
			edge_add(plan, seed, (unsigned int)random_below(seed, node), node);
	}
	if (!plan->ports[0][MQSHM_DIR_OUT])
		edge_add(plan, seed, 0, plan->nodes - 1);
	for (node = plan->nodes; node-- > 0;)
		for (i = 0; i < plan->edges; i++)
			if (plan->edge[i].from == node)
				plan->reaches[node] |= 1U << plan->edge[i].to |
						       plan->reaches[plan->edge[i].to];
}

/*
 * Always one of three buffers; in every fourth storm no other. With three, one goes
 * round while idle magazines keep two: now and then there are fewer.
 */
static void pools_make(struct plan *plan, uint64_t *seed)
{
	bool alone = !random_below(seed, 4);

	plan->pool[0] = (struct pool_plan) { "tiny", 64, 3 };
	if (alone)
		plan->pool[0].buffers -= (uint32_t)random_below(seed, 3);
	plan->pool[1] = (struct pool_plan) { "small", 128, 8 + (uint32_t)random_below(seed, 33) };
	plan->pool[2] = (struct pool_plan) { "large", 256, 16 + (uint32_t)random_below(seed, 385) };
	plan->pools = alone ? 1 : POOLS;
}

/*
 * Every other graph has plain connections only. From numbers of their own, so that the
 * rest of a plan is what it was without them.
 */
static void edges_make(struct plan *plan, uint64_t seed)
{
	unsigned int i;

	if (!random_below(&seed, 2))
		return;
	for (i = 0; i < plan->edges; i++) {
		struct mqshm_connect_options *how = &plan->how[i];

		how->policy = (uint32_t)random_below(&seed, 3);
		how->persistent = random_below(&seed, 4);
		how->keep = how->persistent && random_below(&seed, 4);
		how->keep_ns = how->keep ? MQSHM_KEEP_FOREVER : 0;
	}
}

void plan_make(struct plan *plan, uint64_t seed)
{
	static const unsigned int crowds[] = { 0, 0, 0, 0, 0, 42, 46, 48 };
	unsigned int node;

	memset(plan, 0, sizeof(*plan));
	plan->seed = seed;
	graph_make(plan, &seed);
	edges_make(plan, seed_derive(plan->seed, NODES_MAX + 3, 0));
	pools_make(plan, &seed);
	for (node = 0; node < plan->nodes; node++) {
		plan->depth[node] = 1U << random_below(&seed, 9);
		plan->optional[node] = random_below(&seed, 2);
	}
	plan->crowd = crowds[random_below(&seed, sizeof(crowds) / sizeof(crowds[0]))];
	plan->meddler = random_below(&seed, 4);
	plan->check_every = random_below(&seed, 4) ? 1 : 4;
}

void plan_note(const struct plan *plan)
{
	char from[NAME_BYTES], to[NAME_BYTES];
	unsigned int i;

	test_note("graph 0x%llx: %u processes, %u connections, %u idle clients before them%s",
		  (unsigned long long)plan->seed, plan->nodes, plan->edges, plan->crowd,
		  plan->meddler ? ", connections cut and made meanwhile" : "");
	for (i = 0; i < plan->pools; i++)
		test_note("pool %s: %u buffers of %u bytes", plan->pool[i].name,
			  plan->pool[i].buffers, plan->pool[i].buffer_bytes);
	for (i = 0; i < plan->edges; i++) {
		port_name(from, plan->edge[i].from, MQSHM_DIR_OUT, plan->edge[i].out);
		port_name(to, plan->edge[i].to, MQSHM_DIR_IN, plan->edge[i].in);
		test_note("%s%s to %s, depth %u, policy %u%s%s", from,
			  plan->optional[plan->edge[i].from] ? " (optional)" : "", to,
			  plan->depth[plan->edge[i].to], plan->how[i].policy,
			  plan->how[i].persistent ? ", stays" : "",
			  plan->how[i].keep ? ", keeps" : "");
	}
}
