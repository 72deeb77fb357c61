// SPDX-License-Identifier: GPL-2.0-only
/* <mqshm_rates.h> with snapshots that are made up: a line of TAP for each thing that it says. */
#include <mqshm_rates.h>
#include <stdio.h>
#include <string.h>

#define S	1000000000ULL
#define SOURCE	11
#define SINK	12
#define LATE	13

static unsigned int tests, failed;

static void is(const char *what, double wanted, double got)
{
	bool good = wanted - got < 1e-6 && got - wanted < 1e-6;

	printf("%sok %u %s\n", good ? "" : "not ", ++tests, what);
	if (!good)
		printf("# %g, not %g\n", got, wanted);
	failed += !good;
}

/**
 * struct scene - a snapshot and its records
 * @snap: of them
 */
struct scene {
	struct mqshm_snapshot snap;
	struct mqshm_runtime_record runtime;
	struct mqshm_client_record clients[2];
	struct mqshm_block_record blocks[3];
	struct mqshm_connection_record connections[3];
};

static void scene_make(struct scene *s, uint64_t now_ns)
{
	memset(s, 0, sizeof(*s));
	s->snap = (struct mqshm_snapshot){
		.now_ns = now_ns, .runtimes = &s->runtime, .n_runtimes = 1, .clients = s->clients,
		.n_clients = 2, .blocks = s->blocks, .n_blocks = 2, .connections = s->connections,
		.n_connections = 2,
	};
	s->clients[0] = (struct mqshm_client_record){ .id = 1, .state = MQSHM_CLIENT_RUNNING };
	s->clients[1] = (struct mqshm_client_record){
		.id = 2, .state = MQSHM_CLIENT_STALLED, .seen_ns = 7,
	};
	s->blocks[0] = (struct mqshm_block_record){ .id = SOURCE, .client = 1 };
	s->blocks[1] = (struct mqshm_block_record){ .id = SINK, .client = 2 };
	s->blocks[2] = (struct mqshm_block_record){ .id = LATE, .client = 3 };
	/* two from one output; the second loses its oldest */
	for (size_t i = 0; i < 3; i++)
		s->connections[i] = (struct mqshm_connection_record){
			.id = 21 + i, .from_block = SOURCE, .from_port = 31, .to_block = SINK,
			.to_port = 32 + i, .depth = 16,
		};
	s->connections[1].flags = MQSHM_RING_DROP_OLDEST;
}

static void carry(struct mqshm_connection_record *c, uint64_t messages, uint32_t queued,
		  uint64_t dropped)
{
	c->messages = messages;
	c->bytes = 10 * messages;
	c->queued = queued;
	c->dropped = dropped;
}

static void test_flow(void)
{
	struct mqshm_flow flow;
	struct scene s;

	scene_make(&s, S);
	carry(&s.connections[0], 100, 4, 0);
	carry(&s.connections[1], 50, 6, 30);
	mqshm_flow_block(&s.snap, SOURCE, MQSHM_DIR_OUT, &flow);
	is("an output's messages are those of its connections", 150, flow.messages);
	is("and bytes", 1500, flow.bytes);
	is("taken is neither what is queued nor what was dropped out of the queue", 96 + 14, flow.taken);
	is("dropped", 30, flow.dropped);
	is("queued", 10, flow.queued);
	is("depth", 32, flow.depth);
	is("connections", 2, flow.connections);
	mqshm_flow_block(&s.snap, SOURCE, MQSHM_DIR_IN, &flow);
	is("a source has no input", 0, flow.connections);
	mqshm_flow_port(&s.snap, 32, &flow);
	is("of one port", 100, flow.messages);
	mqshm_flow_port(&s.snap, 31, &flow);
	is("of an output with two connections", 150, flow.messages);
	s.connections[0].to_block = 0;
	mqshm_flow_port(&s.snap, 32, &flow);
	is("what a block that is gone had belongs to nobody", 0, flow.connections);
	mqshm_flow_block(&s.snap, 0, MQSHM_DIR_IN, &flow);
	is("nor to block 0", 0, flow.connections);
	/* dropped instead of being queued */
	s.connections[1].flags = MQSHM_RING_DROP_NEWEST;
	mqshm_flow_port(&s.snap, 33, &flow);
	is("what never got into a queue was not taken out of it", 44, flow.taken);
	s.connections[1].expired = 20;
	mqshm_flow_port(&s.snap, 33, &flow);
	is("nor was what had been kept for too long", 24, flow.taken);
}

static void test_state(void)
{
	uint64_t since = 1;
	struct scene s;

	scene_make(&s, S);
	is("a block of a running client runs", MQSHM_CLIENT_RUNNING,
	   mqshm_block_state(&s.snap, &s.blocks[0], &since));
	is("since nobody knows when", 0, since);
	s.blocks[0].stats.waits = MQSHM_WAITS_INPUT;
	s.blocks[0].stats.since_ns = 5;
	is("but one that waits is idle", MQSHM_CLIENT_IDLE,
	   mqshm_block_state(&s.snap, &s.blocks[0], &since));
	is("since it waits", 5, since);
	is("a block of a stalled client is stalled", MQSHM_CLIENT_STALLED,
	   mqshm_block_state(&s.snap, &s.blocks[1], &since));
	is("since that was last seen", 7, since);
	is("one whose client is gone is on its way out", MQSHM_CLIENT_EXITING,
	   mqshm_block_state(&s.snap, &s.blocks[2], NULL));
}

static void test_rates(void)
{
	struct mqshm_runtime_rates all;
	struct mqshm_flow_rates flow;
	struct mqshm_block_rates r;
	struct scene a, b;

	scene_make(&a, 10 * S);
	scene_make(&b, 12 * S);
	carry(&a.connections[0], 100, 10, 0);
	carry(&b.connections[0], 300, 4, 0);
	carry(&a.connections[1], 100, 0, 0);
	carry(&b.connections[1], 100, 0, 40);
	mqshm_connection_rates(&a.snap, &b.snap, &b.connections[0], &flow);
	is("messages a second of a connection", 100, flow.messages);
	is("bytes a second", 1000, flow.bytes);
	is("messages taken a second", 103, flow.taken);
	carry(&b.connections[2], 8, 0, 0);
	mqshm_connection_rates(&a.snap, &b.snap, &b.connections[2], &flow);
	is("a connection that was not there began with nothing", 4, flow.messages);
	carry(&b.connections[1], 50, 0, 0);
	mqshm_connection_rates(&a.snap, &b.snap, &b.connections[1], &flow);
	is("a counter that went back is no rate", 0, flow.messages);
	mqshm_connection_rates(&b.snap, &b.snap, &b.connections[0], &flow);
	is("no time, no rate", 0, flow.messages);
	carry(&b.connections[1], 100, 0, 40);

	a.blocks[1].stats = (struct mqshm_block_stats){ .work_count = 10, .work_ns = 100,
		.input_ns = S, .waits = MQSHM_WAITS_INPUT, .since_ns = 9 * S };
	b.blocks[1].stats = (struct mqshm_block_stats){ .work_count = 30, .work_ns = 500,
		.input_ns = 3 * S, .space_ns = 500000000, .waits = MQSHM_WAITS_BUFFER,
		.since_ns = 11 * S + 500000000 };
	mqshm_block_rates(&a.snap, &b.snap, &b.blocks[1], &r);
	is("messages to a block", 100, r.in.messages);
	is("its drops", 20, r.in.dropped);
	is("it sends none", 0, r.out.messages);
	is("calls of work", 10, r.work);
	is("mean time of those", 20, r.mean_work_ns);
	is("a wait that had begun before counts from the look before", 0.5, r.input);
	is("time it waited for space", 0.25, r.space);
	is("a wait that goes on counts up to now", 0.25, r.buffer);
	is("it waited for no time", 0, r.time);
	b.blocks[1].stats.time_ns = S;
	mqshm_block_rates(&a.snap, &b.snap, &b.blocks[1], &r);
	is("time it waited for a time", 0.5, r.time);
	b.clients[1].state = MQSHM_CLIENT_IDLE;
	mqshm_block_rates(&a.snap, &b.snap, &b.blocks[1], &r);
	is("idle at the moment, but it worked", MQSHM_CLIENT_RUNNING, r.state);
	is("nobody knows since when", 0, r.since_ns);
	b.blocks[1].stats.input_ns = 90 * S;
	mqshm_block_rates(&a.snap, &b.snap, &b.blocks[1], &r);
	is("never more than all the time", 1, r.input);
	b.blocks[1].stats.work_count = 10;
	mqshm_block_rates(&a.snap, &b.snap, &b.blocks[1], &r);
	is("no call, no mean", 0, r.mean_work_ns);
	is("and it is idle", MQSHM_CLIENT_IDLE, r.state);
	is("since it waits", 11.5 * S, r.since_ns);

	a.runtime.messages = 5;
	b.runtime.messages = 25;
	mqshm_runtime_rates(&a.snap, &b.snap, &all);
	is("messages of all", 10, all.messages);
	b.snap.n_runtimes = 0;
	mqshm_runtime_rates(&a.snap, &b.snap, &all);
	is("nothing happens in a runtime that is gone", 0, all.messages);
}

int main(void)
{
	test_flow();
	test_state();
	test_rates();
	printf("1..%u\n", tests);
	return failed != 0;
}
