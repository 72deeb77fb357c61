// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens when a queue is full: policies of connections, what they drop and count,
 * and that nobody who is served by another connection is slowed by one that drops.
 */

#include "kselftest_harness.h"

#include <poll.h>

#include "graph.h"
#include "mqshm_test.h"

#define BUFFERS	64
#define SOON	after_ms(PATIENCE_MS)

FIXTURE(policy)
{
	int fd;
	struct node source;
	struct node fast;
	struct node slow;
	uint64_t id;
};

FIXTURE_SETUP(policy)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, pool_create(self->fd, "pool", sizeof(struct message), BUFFERS, NULL));
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
}

FIXTURE_TEARDOWN(policy)
{
	struct tally t;

	node_close(&self->source);
	node_close(&self->fast);
	node_close(&self->slow);
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, PATIENCE_MS));
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

/* A sink of that depth, connected to the source. */
static int open_sink(int fd, struct node *source, struct node *sink, const char *name,
		     uint32_t depth, uint32_t policy, uint64_t *id)
{
	struct node_options options = one_in;
	size_t before = mqshm_port_connections(source->out[0]);
	int err;

	options.depth = depth;
	err = node_open(sink, runtime_name(), name, &options);
	if (!err)
		err = graph_connect_as(fd, "source", name, ARGS(connect, .policy = policy), id);
	if (!err)
		err = node_wait_connections(source, source->out[0], before + 1, PATIENCE_MS);
	return err ? err : node_wait_connections(sink, sink->in[0], 1, PATIENCE_MS);
}

static int push_one(struct node *n, uint64_t sequence, uint32_t flags)
{
	struct mqshm_buffer buf;
	int err = node_alloc(n, sizeof(struct message), SOON, &buf);

	if (err)
		return err;
	message_fill(mqshm_buffer_data(n->client, &buf), 0, sequence);
	err = mqshm_port_push(n->out[0], &buf, flags);
	if (err)
		mqshm_buffer_release(n->client, &buf);
	return err;
}

/* Sequence of the next message, or -errno. */
static int64_t pop_one(struct node *n)
{
	struct mqshm_buffer buf;
	int64_t sequence = mqshm_port_pop(n->in[0], &buf);
	struct message *m;

	if (sequence)
		return sequence;
	m = mqshm_buffer_data(n->client, &buf);
	sequence = message_good(m, 0, m->sequence) ? (int64_t)m->sequence : -EBADMSG;
	mqshm_buffer_release(n->client, &buf);
	return sequence;
}

static struct mqshm_connection_record connection(int fd, uint64_t id)
{
	struct mqshm_connection_record none = {}, found;
	const struct mqshm_connection_record *r;
	struct snapshot s;

	if (snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s))
		return none;
	r = snapshot_connection(&s, id);
	found = r ? *r : none;
	snapshot_free(&s);
	return found;
}

TEST_F(policy, drop_newest_keeps_the_oldest)
{
	struct mqshm_connection_record r;

	ASSERT_EQ(0, open_sink(self->fd, &self->source, &self->slow, "slow", 5,
			       MQSHM_POLICY_DROP_NEWEST, &self->id));
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 12; i++) {
			EXPECT_EQ(0, push_one(&self->source, round * 100 + i, 0));
		}
		EXPECT_EQ(5, mqshm_port_input_size(self->slow.in[0]));
		for (int i = 0; i < 5; i++) {
			EXPECT_EQ(round * 100 + i, pop_one(&self->slow));
		}
		EXPECT_EQ(-EAGAIN, pop_one(&self->slow));
	}
	r = connection(self->fd, self->id);
	EXPECT_EQ(100, r.messages);
	EXPECT_EQ(140, r.dropped);
	EXPECT_TRUE(r.flags & MQSHM_RING_DROP_NEWEST);
}

TEST_F(policy, drop_oldest_keeps_the_newest)
{
	struct mqshm_connection_record r;

	ASSERT_EQ(0, open_sink(self->fd, &self->source, &self->slow, "slow", 5,
			       MQSHM_POLICY_DROP_OLDEST, &self->id));
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 12 + round; i++) {
			EXPECT_EQ(0, push_one(&self->source, round * 100 + i, 0));
		}
		EXPECT_EQ(5, mqshm_port_input_size(self->slow.in[0]));
		EXPECT_EQ(5, connection(self->fd, self->id).queued);
		for (int i = 7 + round; i < 12 + round; i++) {
			EXPECT_EQ(round * 100 + i, pop_one(&self->slow));
		}
		EXPECT_EQ(-EAGAIN, pop_one(&self->slow));
	}
	r = connection(self->fd, self->id);
	EXPECT_EQ(20 * 12 + 190, r.messages);
	EXPECT_EQ(20 * 7 + 190, r.dropped);
	EXPECT_TRUE(r.flags & MQSHM_RING_DROP_OLDEST);
}

/* And nobody is kept waiting: neither its producer, nor another branch of that. */
TEST_F(policy, a_branch_that_drops_the_oldest)
{
	struct mqshm_port *out = self->source.out[0];

	ASSERT_EQ(0, open_sink(self->fd, &self->source, &self->fast, "fast", 4,
			       MQSHM_POLICY_BLOCK, NULL));
	ASSERT_EQ(0, open_sink(self->fd, &self->source, &self->slow, "slow", 3,
			       MQSHM_POLICY_DROP_OLDEST, &self->id));
	for (int i = 0; i < 200; i++) {
		EXPECT_EQ(1, mqshm_wait(self->source.client, &out, 1, SOON, NULL));
		ASSERT_EQ(0, push_one(&self->source, i, 0));
		ASSERT_EQ(i, pop_one(&self->fast));
		ASSERT_EQ(0, mqshm_client_flush(self->fast.client));
	}
	for (int i = 197; i < 200; i++) {
		EXPECT_EQ(i, pop_one(&self->slow));
	}
	EXPECT_EQ(197, connection(self->fd, self->id).dropped);
}

static struct {
	volatile int64_t last;
	volatile uint64_t seen;
} *race;

static void consume_all(void *arg)
{
	struct node_options options = one_in;
	struct mqshm_buffer buf;
	struct message *m;
	struct node sink;
	int err;

	(void)arg;
	options.depth = 4;
	must(!node_open(&sink, runtime_name(), "slow", &options));
	race->last = -1;
	for (;;) {
		err = node_pop(&sink, sink.in[0], &buf, SOON);
		if (err == -ENODATA)
			break;
		must(!err);
		m = mqshm_buffer_data(sink.client, &buf);
		must(message_good(m, 0, m->sequence));
		/* some are missing, none comes twice or late */
		must((int64_t)m->sequence > race->last);
		race->last = (int64_t)m->sequence;
		race->seen++;
		must(!mqshm_buffer_release(sink.client, &buf));
	}
	mqshm_client_close(sink.client);
}

/* Both ends at the same time: what is not dropped arrives, once and in order. */
TEST_F(policy, dropping_the_oldest_beside_the_consumer)
{
	struct mqshm_connection_record r;
	int many = rounds(3000, 200000);
	pid_t pid;

	race = shared_memory(sizeof(*race));
	pid = spawn(consume_all, NULL);
	ASSERT_EQ(0, graph_wait_block(self->fd, "slow", PATIENCE_MS));
	ASSERT_EQ(0, graph_connect_as(self->fd, "source", "slow",
				      ARGS(connect, .policy = MQSHM_POLICY_DROP_OLDEST),
				      &self->id));
	ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 1, PATIENCE_MS));
	for (int i = 0; i < many; i++) {
		ASSERT_EQ(0, push_one(&self->source, i, i & 3 ? MQSHM_MORE : 0));
	}
	ASSERT_EQ(0, mqshm_port_flush(self->source.out[0]));
	while (connection(self->fd, self->id).queued)
		sleep_us(1000);
	r = connection(self->fd, self->id);
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	EXPECT_EQ(0, reap_within(pid, PATIENCE_MS));
	EXPECT_EQ(many, race->seen + r.dropped);
	EXPECT_EQ(many - 1, race->last);
}

/* What nobody took is free again, and not held by anybody. */
TEST_F(policy, dropped_buffers_come_back)
{
	ASSERT_EQ(0, open_sink(self->fd, &self->source, &self->slow, "slow", 2,
			       MQSHM_POLICY_DROP_NEWEST, &self->id));
	for (int i = 0; i < 10 * BUFFERS; i++) {
		ASSERT_EQ(0, push_one(&self->source, i, 0));
	}
	EXPECT_EQ(10 * BUFFERS - 2, connection(self->fd, self->id).dropped);
	EXPECT_EQ(0, pop_one(&self->slow));
	EXPECT_EQ(1, pop_one(&self->slow));
}

TEST_F(policy, a_branch_that_drops_slows_no_other)
{
	struct mqshm_port *out = self->source.out[0];
	uint64_t ready;

	ASSERT_EQ(0, open_sink(self->fd, &self->source, &self->fast, "fast", 4,
			       MQSHM_POLICY_BLOCK, NULL));
	ASSERT_EQ(0, open_sink(self->fd, &self->source, &self->slow, "slow", 3,
			       MQSHM_POLICY_DROP_NEWEST, &self->id));
	for (int i = 0; i < 200; i++) {
		struct pollfd pfd = { .fd = mqshm_client_fd(self->source.client),
				      .events = POLLOUT };

		EXPECT_TRUE(mqshm_port_has_room(out));
		EXPECT_EQ(1, mqshm_wait(self->source.client, &out, 1, SOON, &ready));
		EXPECT_EQ(1, poll(&pfd, 1, 0));
		ASSERT_EQ(0, push_one(&self->source, i, 0));
		ASSERT_EQ(i, pop_one(&self->fast));
		ASSERT_EQ(0, mqshm_client_flush(self->fast.client));
	}
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(i, pop_one(&self->slow));
	}
	EXPECT_EQ(197, connection(self->fd, self->id).dropped);
	EXPECT_FALSE(connection(self->fd, self->id).flags & MQSHM_RING_PSLEEPING);
}

/* What cannot be pushed takes nobody's place. */
TEST_F(policy, no_room_is_made_for_what_is_refused)
{
	struct mqshm_buffer none = { .number = BUFFERS, .length = 1 };

	ASSERT_EQ(0, open_sink(self->fd, &self->source, &self->slow, "slow", 2,
			       MQSHM_POLICY_DROP_OLDEST, &self->id));
	ASSERT_EQ(0, push_one(&self->source, 0, 0));
	ASSERT_EQ(0, push_one(&self->source, 1, 0));
	EXPECT_EQ(-EINVAL, mqshm_port_push(self->source.out[0], &none, 0));
	EXPECT_EQ(0, connection(self->fd, self->id).dropped);
	EXPECT_EQ(0, pop_one(&self->slow));
	EXPECT_EQ(1, pop_one(&self->slow));
}

/* Whoever polls has the rings armed that come later, but not for room in one that drops. */
TEST_F(policy, a_poller_waits_for_no_room_in_what_drops)
{
	struct pollfd pfd = { .fd = mqshm_client_fd(self->source.client), .events = POLLOUT };

	ASSERT_LE(0, poll(&pfd, 1, 0));
	ASSERT_EQ(0, open_sink(self->fd, &self->source, &self->slow, "slow", 2,
			       MQSHM_POLICY_DROP_NEWEST, &self->id));
	EXPECT_FALSE(connection(self->fd, self->id).flags & MQSHM_RING_PSLEEPING);
}

/* And the other way round: one that blocks does so beside one that drops. */
TEST_F(policy, a_branch_that_blocks_still_blocks)
{
	int n;

	ASSERT_EQ(0, open_sink(self->fd, &self->source, &self->fast, "fast", 4,
			       MQSHM_POLICY_BLOCK, NULL));
	ASSERT_EQ(0, open_sink(self->fd, &self->source, &self->slow, "slow", 2,
			       MQSHM_POLICY_DROP_NEWEST, &self->id));
	for (n = 0; !push_one(&self->source, n, 0); n++)
		;
	EXPECT_EQ(4, n);
	EXPECT_FALSE(mqshm_port_has_room(self->source.out[0]));
	EXPECT_EQ(2, connection(self->fd, self->id).dropped);
}

static void consume_one(void *arg)
{
	struct node *sink = arg;
	struct node_options options = one_in;
	struct mqshm_buffer buf;

	options.depth = 4;
	must(!node_open(sink, runtime_name(), "slow", &options));
	must(!node_pop(sink, sink->in[0], &buf, after_ms(2 * PATIENCE_MS)));
}

/* A producer that only ever says MORE, and drops, wakes who sleeps beside a full ring. */
TEST_F(policy, dropping_with_more_wakes_the_consumer)
{
	struct mqshm_buffer bufs[8];
	struct node sink;
	struct tally t;
	pid_t pid = spawn(consume_one, &sink);

	ASSERT_EQ(0, graph_wait_block(self->fd, "slow", PATIENCE_MS));
	ASSERT_EQ(0, graph_connect_as(self->fd, "source", "slow",
				      ARGS(connect, .policy = MQSHM_POLICY_DROP_NEWEST), NULL));
	ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 1, PATIENCE_MS));
	for (int i = 0; i < 8; i++) {
		ASSERT_EQ(0, node_alloc(&self->source, 64, SOON, &bufs[i]));
	}
	/* asleep: until then it would find the messages by itself */
	do {
		sleep_us(1000);
		ASSERT_EQ(0, tally_take(self->fd, &t));
	} while (t.busy > 1);
	for (int i = 0; i < 8; i++) {
		/* it may have gone already with what it took */
		if (mqshm_port_push(self->source.out[0], &bufs[i], MQSHM_MORE))
			ASSERT_LT(4, i);
	}
	EXPECT_EQ(0, reap_within(pid, PATIENCE_MS));
}

TEST_F(policy, what_is_no_policy)
{
	struct mqshm_connect_args args = ARGS(connect, .policy = 77);

	ASSERT_EQ(0, node_open(&self->slow, runtime_name(), "slow", &one_in));
	EXPECT_EQ(-EINVAL, graph_connect_as(self->fd, "source", "slow", args, NULL));
	args = ARGS(connect, .flags = MQSHM_CONNECT_F_TAP);
	EXPECT_EQ(-EINVAL, graph_connect_as(self->fd, "source", "slow", args, NULL));
}

TEST_F(policy, who_reads_knows_where_messages_are_missing)
{
	ASSERT_EQ(0, open_sink(self->fd, &self->source, &self->slow, "slow", 5,
			       MQSHM_POLICY_DROP_OLDEST, &self->id));
	EXPECT_EQ(0, mqshm_port_missed(self->slow.in[0]));
	for (int i = 0; i < 12; i++)
		ASSERT_EQ(0, push_one(&self->source, i, 0));
	EXPECT_EQ(0, mqshm_port_missed(self->slow.in[0]));
	EXPECT_EQ(7, pop_one(&self->slow));
	EXPECT_EQ(7, mqshm_port_missed(self->slow.in[0]));
	for (int i = 12; i < 15; i++)
		ASSERT_EQ(0, push_one(&self->source, i, 0));
	EXPECT_EQ(7, mqshm_port_missed(self->slow.in[0]));
	for (int i = 10; i < 15; i++) {
		EXPECT_EQ(i, pop_one(&self->slow));
		EXPECT_EQ(9, mqshm_port_missed(self->slow.in[0]));
	}
	EXPECT_EQ(0, mqshm_port_missed(self->source.out[0]));
	node_close(&self->source);
	EXPECT_EQ(-EAGAIN, pop_one(&self->slow));
	EXPECT_EQ(0, mqshm_port_connections(self->slow.in[0]));
	EXPECT_EQ(9, mqshm_port_missed(self->slow.in[0])) TH_LOG("also of those that are gone");
}

TEST_F(policy, who_reads_knows_how_many_of_the_newest_are_missing)
{
	ASSERT_EQ(0, open_sink(self->fd, &self->source, &self->slow, "slow", 5,
			       MQSHM_POLICY_DROP_NEWEST, &self->id));
	for (int i = 0; i < 12; i++)
		ASSERT_EQ(0, push_one(&self->source, i, 0));
	EXPECT_EQ(7, mqshm_port_missed(self->slow.in[0]));
	EXPECT_EQ(0, pop_one(&self->slow));
	EXPECT_EQ(7, mqshm_port_missed(self->slow.in[0]));
}

/* The source has a tap, and then another connection, @fast. */
static int open_tap(int fd, struct node *source, struct node *tap, uint64_t *id)
{
	struct node_options options = { .ins = 1, .depth = 2 };
	int err = node_open(tap, runtime_name(), "slow", &options);

	if (!err)
		err = graph_connect_as(fd, "source", "slow",
				       ARGS(connect, .flags = MQSHM_CONNECT_F_TAP,
					    .policy = MQSHM_POLICY_DROP_OLDEST), id);
	if (!err)
		err = node_wait_connections(source, source->out[0], 1, PATIENCE_MS);
	return err ? err : node_wait_connections(tap, tap->in[0], 1, PATIENCE_MS);
}

static bool writable(struct node *n)
{
	struct pollfd p = { .fd = mqshm_client_fd(n->client), .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT;
}

TEST_F(policy, an_output_with_nothing_but_a_tap_is_not_connected)
{
	struct mqshm_port *out = self->source.out[0];
	struct mqshm_buffer buf;

	ASSERT_EQ(0, open_tap(self->fd, &self->source, &self->slow, &self->id));
	EXPECT_TRUE(connection(self->fd, self->id).flags & MQSHM_RING_TAP);
	ASSERT_EQ(0, node_alloc(&self->source, sizeof(struct message), SOON, &buf));
	message_fill(mqshm_buffer_data(self->source.client, &buf), 0, 0);
	EXPECT_EQ(-ENOTCONN, mqshm_port_push(out, &buf, 0));
	EXPECT_FALSE(mqshm_port_has_room(out));
	EXPECT_FALSE(writable(&self->source));
	EXPECT_EQ(-ETIMEDOUT, mqshm_wait(self->source.client, &out, 1, after_ms(20), NULL));
	EXPECT_EQ(-EAGAIN, pop_one(&self->slow));

	ASSERT_EQ(0, node_open(&self->fast, runtime_name(), "fast", &one_in));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "fast", NULL));
	ASSERT_EQ(0, node_wait_connections(&self->source, out, 2, PATIENCE_MS));
	EXPECT_TRUE(mqshm_port_has_room(out));
	EXPECT_TRUE(writable(&self->source));
	EXPECT_EQ(1, mqshm_wait(self->source.client, &out, 1, SOON, NULL));
	EXPECT_EQ(0, mqshm_port_push(out, &buf, 0));
	for (int i = 1; i < 5; i++)
		EXPECT_EQ(0, push_one(&self->source, i, 0));
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(i, pop_one(&self->fast));
	for (int i = 3; i < 5; i++)
		EXPECT_EQ(i, pop_one(&self->slow));

	node_close(&self->fast);
	ASSERT_EQ(0, node_wait_connections(&self->source, out, 1, PATIENCE_MS));
	EXPECT_EQ(-ENOTCONN, push_one(&self->source, 5, 0));
	EXPECT_FALSE(writable(&self->source));
	EXPECT_EQ(-EAGAIN, pop_one(&self->slow));
}

TEST_F(policy, a_tap_that_goes_is_let_go_of)
{
	struct mqshm_port *out = self->source.out[0];

	ASSERT_EQ(0, open_tap(self->fd, &self->source, &self->slow, &self->id));
	node_close(&self->slow);
	ASSERT_EQ(0, node_wait_connections(&self->source, out, 0, PATIENCE_MS));
	EXPECT_EQ(0, mqshm_port_disconnects(out));
	EXPECT_EQ(0, mqshm_port_deaths(out));
}

TEST_F(policy, what_is_discarded_is_seen_by_taps)
{
	struct node_options options = { .outs = 1, .port_flags = MQSHM_PORT_OPTIONAL };

	node_close(&self->source);
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &options));
	EXPECT_EQ(0, push_one(&self->source, 1, 0));
	ASSERT_EQ(0, open_tap(self->fd, &self->source, &self->slow, &self->id));
	EXPECT_EQ(0, push_one(&self->source, 2, 0));
	EXPECT_EQ(2, pop_one(&self->slow));
}

TEST_HARNESS_MAIN
