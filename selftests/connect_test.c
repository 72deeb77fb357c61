// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections come and go: by command alone, step by step, and while data flows.
 */

#include "kselftest_harness.h"

#include <sys/mman.h>

#include "graph.h"
#include "mqshm_test.h"

/* -- step by step --------------------------------------------------------- */

FIXTURE(step)
{
	int fd;
	int out;	/* client of block "out" */
	int in;		/* client of block "in" */
};

FIXTURE_SETUP(step)
{
	struct mqshm_runtime_create_args a =
		ARGS(runtime_create, .mode = 0700, .gid = MQSHM_GID_SELF,
		     .limits = { .connections = 2 });

	strcpy(a.name, runtime_name());
	self->fd = device_open();
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, command(self->fd, MQSHM_IOC_RUNTIME_CREATE, &a));
	self->out = runtime_open_fd(runtime_name());
	self->in = runtime_open_fd(runtime_name());
	ASSERT_EQ(0, client_join(self->out, 0, NULL));
	ASSERT_EQ(0, client_join(self->in, 0, NULL));
	ASSERT_EQ(0, block_create(self->out, "out", 5, NULL, NULL));
	ASSERT_EQ(0, block_create(self->in, "in", 5, NULL, NULL));
}

FIXTURE_TEARDOWN(step)
{
}

TEST_F(step, both_ends_are_told)
{
	struct mqshm_event e;
	struct snapshot s;
	__u64 id;

	ASSERT_EQ(0, connect_blocks(self->fd, "out", "in", &id));
	ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &s));
	ASSERT_EQ(0, attach_ring(self->out, MQSHM_DIR_OUT, &e));
	EXPECT_EQ(id, e.id);
	EXPECT_EQ(5U, e.depth);
	EXPECT_EQ(3U, e.shift);
	EXPECT_EQ(snapshot_block(&s, "in")->id, e.peer);
	EXPECT_EQ(-ENOENT, attach_ring(self->out, MQSHM_DIR_OUT, &e)) TH_LOG("told once");
	ASSERT_EQ(0, attach_ring(self->in, MQSHM_DIR_IN, &e));
	EXPECT_EQ(id, e.id);
	EXPECT_EQ(snapshot_block(&s, "out")->id, e.peer);
	snapshot_free(&s);
}

TEST_F(step, generation_moves_and_sync_catches_up)
{
	struct mqshm_status *status = region_map(self->in, MQSHM_MMAP_STATUS, 0, 4096, PROT_READ);
	struct mqshm_client_sync_args sync;
	volatile __u64 *gen;

	ASSERT_NE(NULL, status);
	gen = &status->gen[1];	/* it joined second */
	ASSERT_EQ(0, client_sync(self->in, &sync));
	EXPECT_EQ(*gen, sync.out_gen);
	ASSERT_EQ(0, connect_blocks(self->fd, "out", "in", NULL));
	EXPECT_NE(*gen, sync.out_gen);
	ASSERT_EQ(0, client_sync(self->in, &sync));
	EXPECT_EQ(*gen, sync.out_gen);
	EXPECT_EQ(1U, sync.out_count);
	EXPECT_EQ(0U, sync.out_more);
}

TEST_F(step, stop_is_told)
{
	struct mqshm_client_sync_args sync;
	struct snapshot s;
	__u64 id;

	ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &s));
	id = snapshot_block(&s, "in")->id;
	EXPECT_EQ(0U, snapshot_block(&s, "in")->stopping);
	snapshot_free(&s);
	ASSERT_EQ(0, id_command(self->fd, MQSHM_IOC_BLOCK_STOP, id));
	ASSERT_EQ(0, client_sync(self->in, &sync));
	ASSERT_EQ(1U, sync.out_count);
	EXPECT_EQ(MQSHM_EVENT_STOP, sync.events[0].kind);
	EXPECT_EQ(id, sync.events[0].id);
	ASSERT_EQ(0, client_sync(self->out, &sync));
	EXPECT_EQ(0U, sync.out_count);
	ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &s));
	EXPECT_NE(0U, snapshot_block(&s, "in")->stopping);
	snapshot_free(&s);
}

/* More than one answer holds. */
TEST_F(step, many_events)
{
	struct mqshm_client_sync_args sync;
	unsigned int told = 0;
	char name[16];
	__u64 id;

	for (int i = 0; i < 3 * MQSHM_SYNC_EVENTS; i++) {
		snprintf(name, sizeof(name), "block%d", i);
		ASSERT_EQ(0, block_create(self->in, name, 0, NULL, &id));
		ASSERT_EQ(0, id_command(self->fd, MQSHM_IOC_BLOCK_STOP, id));
	}
	do {
		ASSERT_EQ(0, client_sync(self->in, &sync));
		ASSERT_GE(MQSHM_SYNC_EVENTS, sync.out_count);
		told += sync.out_count;
	} while (sync.out_more);
	EXPECT_EQ(3 * MQSHM_SYNC_EVENTS, told);
}

/* Of the connection that was made last, at both ends. */
static __u32 attach_both(FIXTURE_DATA(step) *self)
{
	struct mqshm_event e = { .ring = ~0U };

	attach_ring(self->out, MQSHM_DIR_OUT, &e);
	attach_ring(self->in, MQSHM_DIR_IN, &e);
	return e.ring;
}

TEST_F(step, ring_is_used_again_after_both_let_go)
{
	__u32 first, second, third;
	__u64 id, later;

	ASSERT_EQ(0, connect_blocks(self->fd, "out", "in", &id));
	first = attach_both(self);
	ASSERT_EQ(0, id_command(self->fd, MQSHM_IOC_DISCONNECT, id));
	ASSERT_EQ(0, connect_blocks(self->fd, "out", "in", &later));
	EXPECT_LT(id, later);
	second = attach_both(self);
	EXPECT_NE(first, second) TH_LOG("its ends have not let go");

	ASSERT_EQ(0, id_command(self->fd, MQSHM_IOC_DISCONNECT, later));
	EXPECT_EQ(-ENOSPC, connect_blocks(self->fd, "out", "in", &id))
		TH_LOG("both numbers are taken");
	EXPECT_EQ(-ENOENT, id_command(self->out, MQSHM_IOC_RING_DETACH, first))
		TH_LOG("not its end");
	EXPECT_EQ(-ENOENT, id_command(self->in, MQSHM_IOC_RING_DETACH,
				      first | MQSHM_RING_PRODUCER));
	ASSERT_EQ(0, id_command(self->out, MQSHM_IOC_RING_DETACH, first | MQSHM_RING_PRODUCER));
	EXPECT_EQ(-ENOSPC, connect_blocks(self->fd, "out", "in", &id)) TH_LOG("one end only");
	EXPECT_EQ(-ENOENT, id_command(self->out, MQSHM_IOC_RING_DETACH,
				      first | MQSHM_RING_PRODUCER));
	ASSERT_EQ(0, id_command(self->in, MQSHM_IOC_RING_DETACH, first));
	ASSERT_EQ(0, connect_blocks(self->fd, "out", "in", &id));
	third = attach_both(self);
	EXPECT_EQ(first, third);
}

/* Ends that were never taken need no letting go. */
TEST_F(step, connection_that_nobody_attached)
{
	struct mqshm_client_sync_args sync;
	__u64 id;

	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, connect_blocks(self->fd, "out", "in", &id));
		ASSERT_EQ(0, id_command(self->fd, MQSHM_IOC_DISCONNECT, id));
		while (!client_sync(self->out, &sync) && sync.out_count) {
			for (__u32 k = 0; k < sync.out_count; k++)
				id_command(self->out, MQSHM_IOC_RING_DETACH,
					   sync.events[k].ring | MQSHM_RING_PRODUCER);
		}
		while (!client_sync(self->in, &sync) && sync.out_count) {
			for (__u32 k = 0; k < sync.out_count; k++)
				id_command(self->in, MQSHM_IOC_RING_DETACH, sync.events[k].ring);
		}
	}
}

TEST_F(step, ring_of_a_client_that_left)
{
	__u32 ring;
	__u64 id;

	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, connect_blocks(self->fd, "out", "in", &id));
		ring = attach_both(self);
		ASSERT_NE(~0U, ring);
		close(self->in);
		ASSERT_EQ(0, id_command(self->out, MQSHM_IOC_RING_DETACH,
					ring | MQSHM_RING_PRODUCER));
		self->in = runtime_open_fd(runtime_name());
		ASSERT_EQ(0, client_join(self->in, 0, NULL));
		ASSERT_EQ(0, block_create(self->in, "in", 5, NULL, NULL));
	}
}

TEST_F(step, kick_of_foreign_rings_is_passed_over)
{
	struct mqshm_kick_args k = ARGS(kick, .count = 3);

	k.rings[0] = 0;
	k.rings[1] = 0xffff;
	k.rings[2] = ~0U;
	EXPECT_EQ(0, command(self->out, MQSHM_IOC_KICK, &k));
}

/* -- while data flows ------------------------------------------------------ */

#define SEEN_MAX	(1U << 24)

/**
 * struct flow - what the processes tell each other
 * @stop: it is enough
 * @pushed: messages so far, the one in hand among them
 * @popped: messages so far
 * @repeated: messages that came twice; order is kept per connection only
 * @seen: a bit each message
 */
struct flow {
	volatile int stop;
	volatile uint64_t pushed;
	volatile uint64_t popped;
	volatile uint64_t repeated;
	unsigned char seen[SEEN_MAX / 8];
};

static struct flow *flow;

static void push_along(void *arg)
{
	struct mqshm_buffer buf;
	struct node n;
	int err;

	must(node_open(&n, runtime_name(), "source", &one_out) == 0);
	for (uint64_t i = 0; !flow->stop; i++) {
		must(node_alloc(&n, sizeof(struct message), after_ms(10000), &buf) == 0);
		message_fill(mqshm_buffer_data(n.client, &buf), 0, i);
		flow->pushed = i + 1;
		do {
			err = node_push(&n, n.out[0], &buf, after_ms(50));
		} while (err == -ETIMEDOUT && !flow->stop);
		if (err)
			break;
	}
	must(err == 0 || err == -ETIMEDOUT);
	node_close(&n);
}

static void pop_along(void *arg)
{
	struct mqshm_buffer buf;
	struct node n;
	int err;

	must(node_open(&n, runtime_name(), "sink", &one_in) == 0);
	while (!flow->stop) {
		struct message *m;

		err = node_pop(&n, n.in[0], &buf, after_ms(50));
		must(err == 0 || err == -ETIMEDOUT);
		if (err)
			continue;
		m = mqshm_buffer_data(n.client, &buf);
		must(message_good(m, 0, m->sequence));
		must(m->sequence < SEEN_MAX);
		flow->repeated += flow->seen[m->sequence / 8] >> m->sequence % 8 & 1;
		flow->seen[m->sequence / 8] |= 1 << m->sequence % 8;
		must(mqshm_buffer_release(n.client, &buf) == 0);
		flow->popped++;
	}
	node_close(&n);
}

static uint64_t count_queued(int fd)
{
	struct tally t;

	return tally_take(fd, &t) ? ~0ULL : t.queued;
}

TEST_F_TIMEOUT(step, connect_and_disconnect_while_data_flows, 1800)
{
	unsigned int cycles = rounds(200, 2000);
	__u64 seed = random_seed();
	struct tally t;
	pid_t pids[2];
	uint64_t before;
	uint64_t id;

	close(self->out);
	close(self->in);
	ASSERT_EQ(0, pool_create(self->fd, "pool", sizeof(struct message), 64, NULL));
	flow = shared_memory(sizeof(*flow));
	pids[0] = spawn(push_along, NULL);
	pids[1] = spawn(pop_along, NULL);
	ASSERT_EQ(0, graph_wait_block(self->fd, "source", 5000));
	ASSERT_EQ(0, graph_wait_block(self->fd, "sink", 5000));
	for (unsigned int i = 0; i < cycles; i++) {
		__u64 deadline = after_ms(5000);
		int err;

		/* the last connection's number may still be in the hands of one end */
		while ((err = graph_connect(self->fd, "source", "sink", &id)) == -ENOSPC &&
		       now_ns() < deadline)
			sleep_us(200);
		ASSERT_EQ(0, err);
		before = flow->popped;
		while (flow->popped == before && now_ns() < deadline)
			sleep_us(100);
		ASSERT_NE(before, flow->popped) TH_LOG("nothing flows in cycle %u", i);
		sleep_us(random_next(&seed) % 500);
		ASSERT_EQ(0, id_command(self->fd, MQSHM_IOC_DISCONNECT, id));
	}
	for (__u64 deadline = after_ms(5000); count_queued(self->fd) && now_ns() < deadline;)
		sleep_us(1000);
	EXPECT_EQ(0, count_queued(self->fd));
	EXPECT_EQ(0, flow->repeated);
	EXPECT_LE(cycles, flow->popped);
	EXPECT_GE(flow->pushed, flow->popped);
	flow->stop = 1;
	EXPECT_EQ(0, reap_within(pids[0], 5000));
	EXPECT_EQ(0, reap_within(pids[1], 5000));
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, 2000));
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

TEST_HARNESS_MAIN
