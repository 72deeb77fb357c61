// SPDX-License-Identifier: GPL-2.0-only
/* The connections of a storm, and the process that cuts them and makes them again. */
#include <errno.h>
#include <unistd.h>

#include "storm.h"

void edge_connect(struct storm *storm, struct mqshm_runtime *rt, unsigned int edge)
{
	const struct edge *e = &storm->plan.edge[edge];
	char from[NAME_BYTES], to[NAME_BYTES];
	int r;

	port_name(from, e->from, MQSHM_DIR_OUT, e->out);
	port_name(to, e->to, MQSHM_DIR_IN, e->in);
	r = mqshm_connect_with(rt, from, to, &storm->plan.how[edge], NULL);
	/* one end is dead; cut ones that nobody lets go of yet have all the numbers */
	if (r && r != -EEXIST && r != -ENOENT && r != -ENOSPC)
		test_die("connect", r);
}

const struct mqshm_connection_record *edge_find(const struct plan *plan,
						const struct mqshm_snapshot *snap,
						unsigned int edge)
{
	const struct edge *e = &plan->edge[edge];
	const struct mqshm_block_record *from, *to;
	const struct mqshm_port_record *out, *in;
	char name[NAME_BYTES];
	size_t i;

	node_name(name, e->from);
	from = mqshm_snapshot_find_block(snap, name);
	node_name(name, e->to);
	to = mqshm_snapshot_find_block(snap, name);
	if (!from || !to)
		return NULL;
	out = mqshm_snapshot_find_port(snap, from->id, e->out ? "out2" : "out1", MQSHM_DIR_OUT);
	in = mqshm_snapshot_find_port(snap, to->id, e->in ? "in2" : "in1", MQSHM_DIR_IN);
	if (!out || !in)
		return NULL;
	for (i = 0; i < snap->n_connections; i++)
		if (snap->connections[i].from_port == out->port &&
		    snap->connections[i].to_port == in->port &&
		    !(snap->connections[i].flags & (MQSHM_RING_DEAD | MQSHM_RING_CLOSED)))
			return &snap->connections[i];
	return NULL;
}

void edges_give_up(struct mqshm_runtime *rt)
{
	struct mqshm_snapshot *snap;
	size_t i;

	test_check(mqshm_runtime_snapshot(rt, &snap), "snapshot");
	for (i = 0; i < snap->n_connections; i++)
		if (snap->connections[i].flags & MQSHM_RING_PERSISTENT)
			test_check(mqshm_disconnect(rt, snap->connections[i].id), "disconnect");
	mqshm_snapshot_free(snap);
}

static void edge_cut(struct storm *storm, struct mqshm_runtime *rt, unsigned int edge)
{
	const struct mqshm_connection_record *conn;
	struct mqshm_snapshot *snap;
	int r = 0;

	test_check(mqshm_runtime_snapshot(rt, &snap), "snapshot");
	conn = edge_find(&storm->plan, snap, edge);
	if (conn)
		r = mqshm_disconnect(rt, conn->id);
	mqshm_snapshot_free(snap);
	if (r != -ENOENT)
		test_check(r, "disconnect");
}

void storm_meddler(struct storm *storm, uint64_t life)
{
	uint64_t seed = seed_derive(storm->plan.seed, NODES_MAX, life);
	struct mqshm_runtime *rt;
	unsigned int edge, i;

	test_check(mqshm_runtime_open(RUNTIME, &rt), "open");
	for (;;) {
		while (__atomic_load_n(&storm->calm, __ATOMIC_SEQ_CST)) {
			__atomic_store_n(&storm->meddler_calm, 1, __ATOMIC_SEQ_CST);
			usleep(50);
		}
		__atomic_store_n(&storm->meddler_calm, 0, __ATOMIC_SEQ_CST);
		edge = (unsigned int)random_below(&seed, storm->plan.edges);
		if (random_below(&seed, 2)) {
			edge_cut(storm, rt, edge);
			usleep((useconds_t)random_below(&seed, 200));
		}
		/* again and again: some of them meet a client that is just dying */
		for (i = 0; i < storm->plan.edges; i++)
			edge_connect(storm, rt, (edge + i) % storm->plan.edges);
	}
}
