// SPDX-License-Identifier: LGPL-2.1-or-later
/* Starting a graph: all blocks are registered and connected before any of them runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "manager.h"

/**
 * struct start - the start of a graph
 * @m: manager
 * @graph: the graph
 * @processes: array of the process of each block, NULL if there is none yet
 * @plan: blocks that go into the process that is made next, with room for all
 * @earlier: connections that go with earlier graphs of the manager
 * @fault: what could not be started
 */
struct start {
	struct mqshm_manager *m;
	const struct mqshm_graph *graph;
	struct process **processes;
	const struct mqshm_block_spec **plan;
	size_t earlier;
	struct mqshm_graph_fault fault;
};

/* Index of the block that an end names, or the number of blocks. */
static size_t block_index(const struct mqshm_graph *graph, const char *end)
{
	size_t n = strcspn(end, ":"), i;

	for (i = 0; i < graph->n_blocks; i++) {
		if (!strncmp(graph->blocks[i].name, end, n) && !graph->blocks[i].name[n])
			break;
	}
	return i;
}

/* Along each connection once, as often as a way may be long: a circle ends so, too. */
static void heights_find(const struct mqshm_graph *graph, size_t *height)
{
	bool changed = true;
	size_t round, i;

	for (round = 0; changed && round < graph->n_blocks; round++) {
		changed = false;
		for (i = 0; i < graph->n_connections; i++) {
			size_t from = block_index(graph, graph->connections[i].from);
			size_t to = block_index(graph, graph->connections[i].to);

			if (from == graph->n_blocks || to == graph->n_blocks ||
			    height[from] > height[to])
				continue;
			height[from] = height[to] + 1;
			changed = true;
		}
	}
}

int mqshm_graph_order(const struct mqshm_graph *graph, size_t *order)
{
	size_t *height = calloc(graph->n_blocks + 1, sizeof(*height)), level, i, n = 0;

	if (!height)
		return -ENOMEM;
	heights_find(graph, height);
	for (level = 0; n < graph->n_blocks; level++) {
		for (i = 0; i < graph->n_blocks; i++) {
			if (height[i] == level)
				order[n++] = i;
		}
	}
	free(height);
	return 0;
}

static int fault_set(struct start *s, uint32_t kind, size_t index, int error)
{
	s->fault.kind = kind;
	s->fault.index = index;
	if (kind == MQSHM_GRAPH_BLOCK && s->processes[index])
		mqshm_process_describe(s->processes[index], &s->fault.process);
	if (kind == MQSHM_GRAPH_CONNECTION)
		mqshm_runtime_snapshot(s->m->rt, &s->fault.snapshot);
	return error;
}

/* The process of the graph that a block goes into, NULL for one of its own. */
static const struct mqshm_process_spec *shared_process(const struct mqshm_graph *graph,
						       const struct mqshm_block_spec *block)
{
	size_t i;

	for (i = 0; block->process_name && i < graph->n_processes; i++) {
		if (!strcmp(graph->processes[i].name, block->process_name))
			return &graph->processes[i];
	}
	return NULL;
}

/* A process for a block, and for all others that go into the same. */
static int process_begin(struct start *s, size_t first)
{
	const struct mqshm_graph *graph = s->graph;
	const struct mqshm_block_spec *block = &graph->blocks[first];
	const struct mqshm_process_spec *shared = shared_process(graph, block);
	static const struct mqshm_place anywhere;
	struct plan plan = {
		.name = block->process_name,
		.threads = shared ? shared->threads : 1,
		.place = shared ? shared->place : anywhere,
		.log = shared ? NULL : block->log,
		.inherit = shared ? shared->inherit : block->inherit,
		.restart = shared ? shared->restart : block->restart,
		.blocks = s->plan,
	};
	struct process *p;
	size_t i;
	int r;

	for (i = first; i < graph->n_blocks; i++) {
		if (i == first || (shared && shared_process(graph, &graph->blocks[i]) == shared))
			plan.blocks[plan.n_blocks++] = &graph->blocks[i];
	}
	r = mqshm_process_new(s->m, &plan, &p);
	if (r)
		return r;
	for (i = first; i < graph->n_blocks; i++) {
		if (mqshm_process_has(p, graph->blocks[i].name))
			s->processes[i] = p;
	}
	return mqshm_process_spawn(s->m, p);
}

/* All begin, then each is waited for: they come up side by side. */
static int blocks_register(struct start *s)
{
	size_t i, j;
	int r;

	for (i = 0; i < s->graph->n_blocks; i++) {
		r = s->processes[i] ? 0 : process_begin(s, i);
		if (r)
			return fault_set(s, MQSHM_GRAPH_BLOCK, i, r);
	}
	for (i = 0; i < s->graph->n_blocks; i++) {
		for (j = 0; s->processes[j] != s->processes[i]; j++)
			;
		r = j == i ? mqshm_process_ready(s->m, s->processes[i]) : 0;
		if (r)
			return fault_set(s, MQSHM_GRAPH_BLOCK, i, r);
	}
	return 0;
}

/*
 * A persistent one of an earlier run has joined the blocks already: 0 if it is such a one;
 * -ENODATA if it has a stream that has ended; else -EEXIST.
 */
static int connection_find(struct mqshm_manager *m, const struct mqshm_connection_spec *c,
			   uint64_t *id)
{
	uint32_t wanted = c->options.policy == MQSHM_POLICY_DROP_NEWEST ? MQSHM_RING_DROP_NEWEST :
			  c->options.policy == MQSHM_POLICY_DROP_OLDEST ? MQSHM_RING_DROP_OLDEST : 0;
	struct mqshm_snapshot *snap;
	int r = -EEXIST;
	size_t i;

	wanted |= (c->options.keep ? MQSHM_RING_KEEP : 0) | (c->options.tap ? MQSHM_RING_TAP : 0);
	if (mqshm_manager_find_connection(m, c->from, c->to, id) ||
	    mqshm_runtime_snapshot(m->rt, &snap))
		return r;
	for (i = 0; i < snap->n_connections; i++) {
		uint32_t flags = snap->connections[i].flags;

		if (snap->connections[i].id == *id && flags & MQSHM_RING_PERSISTENT &&
		    wanted == (flags & (MQSHM_RING_DROP_NEWEST | MQSHM_RING_DROP_OLDEST |
					MQSHM_RING_KEEP | MQSHM_RING_TAP)))
			r = flags & MQSHM_RING_EOF ? -ENODATA : 0;
	}
	mqshm_snapshot_free(snap);
	return r;
}

static int connection_make(struct mqshm_manager *m, const struct mqshm_connection_spec *c)
{
	struct mqshm_connect_options options = c->options;
	bool found = false;
	uint64_t *grown, id;
	int r;

	grown = realloc(m->connections, (m->n_connections + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	m->connections = grown;
	r = mqshm_connect_with(m->rt, c->from, c->to, &options, &id);
	if (r == -EEXIST) {
		r = connection_find(m, c, &id);
		found = !r || r == -ENODATA;
	}
	/* its end would be that of this run */
	if (r == -ENODATA) {
		mqshm_disconnect(m->rt, id);
		options.persistent = true;
		r = mqshm_connect_with(m->rt, c->from, c->to, &options, &id);
	}
	/* what somebody else has made stays as it was */
	if (!r && !c->options.persistent && !found)
		m->connections[m->n_connections++] = id;
	return r;
}

static int blocks_connect(struct start *s)
{
	const struct mqshm_graph *graph = s->graph;
	size_t i;
	int r;

	for (i = 0; i < graph->n_connections; i++) {
		r = connection_make(s->m, &graph->connections[i]);
		if (r)
			return fault_set(s, MQSHM_GRAPH_CONNECTION, i, r);
	}
	return 0;
}

/* Those that are not persistent have gone with their blocks. */
void mqshm_graph_disconnect(struct mqshm_manager *m, size_t but)
{
	while (m->n_connections > but)
		mqshm_disconnect(m->rt, m->connections[--m->n_connections]);
}

/* Takes a process out of the array, wherever it stands; NULL if it is out already. */
static struct process *process_take(struct start *s, size_t index)
{
	struct process *p = s->processes[index];
	size_t i;

	for (i = 0; i < s->graph->n_blocks; i++) {
		if (s->processes[i] == p)
			s->processes[i] = NULL;
	}
	return p;
}

/* Without its channel a process that was not let run ends. */
static void blocks_drop(struct start *s)
{
	struct process *p;
	size_t i;

	for (i = 0; i < s->graph->n_blocks; i++) {
		p = process_take(s, i);
		if (!p)
			continue;
		mqshm_process_cancel(s->m, p);
		mqshm_process_free(s->m, p);
	}
}

static int graph_start(struct start *s, size_t *order)
{
	struct process *p;
	size_t i;
	int r = mqshm_graph_order(s->graph, order);

	r = r ? r : blocks_register(s);
	r = r ? r : blocks_connect(s);
	if (r) {
		blocks_drop(s);
		mqshm_graph_disconnect(s->m, s->earlier);
		return r;
	}
	for (i = 0; i < s->graph->n_blocks; i++) {
		p = process_take(s, order[i]);
		if (p)
			mqshm_process_go(s->m, p);
	}
	return 0;
}

int mqshm_manager_start_graph(struct mqshm_manager *m, const struct mqshm_graph *graph,
			      struct mqshm_graph_fault *fault)
{
	struct start s = { .m = m, .graph = graph, .earlier = m->n_connections };
	size_t *order = calloc(graph->n_blocks + 1, sizeof(*order));
	int r = -ENOMEM;

	s.processes = calloc(graph->n_blocks + 1, sizeof(*s.processes));
	s.plan = calloc(graph->n_blocks + 1, sizeof(*s.plan));
	if (s.processes && s.plan && order)
		r = graph_start(&s, order);
	if (fault)
		*fault = s.fault;
	else
		mqshm_snapshot_free(s.fault.snapshot);
	free(s.processes);
	free(s.plan);
	free(order);
	return r;
}
