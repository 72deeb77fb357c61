// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections through the library: order over many laps, depth kept exactly,
 * fan-out and fan-in, and the ways in which a connection ends.
 */

#include "kselftest_harness.h"

#include <signal.h>

#include "graph.h"
#include "mqshm_test.h"

#define BUFFERS	512
#define SOON	after_ms(5000)

FIXTURE(ring)
{
	int fd;
	struct node source;
	struct node sink;
	uint64_t connection;
};

FIXTURE_SETUP(ring)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, pool_create(self->fd, "pool", sizeof(struct message), BUFFERS, NULL));
}

/* Whatever a test did: all buffers come back, and nothing was damaged. */
FIXTURE_TEARDOWN(ring)
{
	struct tally t;

	node_close(&self->source);
	node_close(&self->sink);
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, 2000))
		TH_LOG("%llu clients, %llu of %llu free, %llu held, %llu queued",
		       (unsigned long long)t.clients, (unsigned long long)t.free,
		       (unsigned long long)t.buffers, (unsigned long long)t.held,
		       (unsigned long long)t.queued);
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

static int open_sink(struct node *n, const char *name, uint32_t depth)
{
	struct node_options options = one_in;

	options.depth = depth;
	return node_open(n, runtime_name(), name, &options);
}

#define OPEN_PAIR(ring_depth) \
do { \
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out)); \
	ASSERT_EQ(0, open_sink(&self->sink, "sink", ring_depth)); \
	ASSERT_EQ(0, graph_connect(self->fd, "source", "sink", &self->connection)); \
	ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 1, 5000)); \
	ASSERT_EQ(0, node_wait_connections(&self->sink, self->sink.in[0], 1, 5000)); \
} while (0)

/* One message; what mqshm_port_push() says. */
static int push_one(struct node *n, uint64_t sequence, uint32_t source)
{
	struct mqshm_buffer buf;
	int err = node_alloc(n, sizeof(struct message), SOON, &buf);

	if (err)
		return err;
	message_fill(mqshm_buffer_data(n->client, &buf), source, sequence);
	err = mqshm_port_push(n->out[0], &buf, 0);
	if (err)
		mqshm_buffer_release(n->client, &buf);
	return err;
}

/* Takes the next message, which must be that one. -EBADMSG if it is another. */
static int pop_one(struct node *n, uint64_t sequence, uint32_t source)
{
	struct mqshm_buffer buf;
	int err = mqshm_port_pop(n->in[0], &buf);
	bool good;

	if (err)
		return err;
	good = message_good(mqshm_buffer_data(n->client, &buf), source, sequence) &&
	       buf.length == sizeof(struct message);
	err = mqshm_buffer_release(n->client, &buf);
	return good ? err : -EBADMSG;
}

TEST_F(ring, one_by_one_over_many_laps)
{
	OPEN_PAIR(4);
	for (unsigned int i = 0; i < 1000; i++) {
		ASSERT_EQ(0, push_one(&self->source, i, 0));
		ASSERT_EQ(0, pop_one(&self->sink, i, 0));
	}
	EXPECT_EQ(-EAGAIN, pop_one(&self->sink, 0, 0));
}

TEST_F(ring, full_and_empty_over_many_laps)
{
	uint64_t pushed = 0, popped = 0;

	OPEN_PAIR(5);
	for (unsigned int lap = 0; lap < 200; lap++) {
		while (!push_one(&self->source, pushed, 0))
			pushed++;
		while (!pop_one(&self->sink, popped, 0))
			popped++;
		ASSERT_EQ(pushed, popped);
		ASSERT_LE(lap + 1, popped);
	}
	EXPECT_LE(200 * 4, popped);
}

/* More laps than a lap number has values. */
TEST_F(ring, lap_number_wraps)
{
	struct mqshm_buffer buf;

	OPEN_PAIR(1);
	ASSERT_EQ(0, node_alloc(&self->source, 64, SOON, &buf));
	for (unsigned int i = 0; i < 70000; i++) {
		buf.length = i & 63;
		ASSERT_EQ(0, node_push(&self->source, self->source.out[0], &buf, SOON));
		ASSERT_EQ(0, mqshm_port_pop(self->sink.in[0], &buf));
		ASSERT_EQ(i & 63, buf.length);
		ASSERT_EQ(0, mqshm_buffer_release(self->sink.client, &buf));
		ASSERT_EQ(0, node_alloc(&self->source, 64, SOON, &buf));
	}
	ASSERT_EQ(0, mqshm_buffer_release(self->source.client, &buf));
}

TEST_F(ring, depth_is_kept_exactly)
{
	static const uint32_t depths[] = { 1, 2, 3, 5, 7, 8, 9, 100, 127, 128 };

	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
		uint32_t n;

		ASSERT_EQ(0, open_sink(&self->sink, "sink", depths[i]));
		ASSERT_EQ(0, graph_connect(self->fd, "source", "sink", NULL));
		ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 1, 5000));
		ASSERT_EQ(0, node_wait_connections(&self->sink, self->sink.in[0], 1, 5000));
		for (int again = 0; again < 3; again++) {
			EXPECT_TRUE(mqshm_port_has_room(self->source.out[0]));
			for (n = 0; !push_one(&self->source, n, 0); n++)
				;
			EXPECT_EQ(depths[i], n);
			EXPECT_FALSE(mqshm_port_has_room(self->source.out[0]));
			EXPECT_EQ(-EAGAIN, push_one(&self->source, n, 0));
			EXPECT_EQ(depths[i], mqshm_port_input_size(self->sink.in[0]));
			for (n = 0; !pop_one(&self->sink, n, 0); n++)
				;
			EXPECT_EQ(depths[i], n);
			ASSERT_EQ(0, mqshm_client_flush(self->sink.client));
		}
		node_close(&self->sink);
		ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 0, 5000));
	}
}

TEST_F(ring, default_depth)
{
	uint32_t n;

	OPEN_PAIR(0);
	for (n = 0; !push_one(&self->source, n, 0); n++)
		;
	EXPECT_EQ(MQSHM_DEPTH_DEFAULT, n);
}

TEST_F(ring, batches)
{
	struct mqshm_buffer bufs[32], got[32];
	uint64_t sequence = 0;

	OPEN_PAIR(20);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 32; i++) {
			ASSERT_EQ(0, node_alloc(&self->source, sizeof(struct message), SOON,
						&bufs[i]));
			message_fill(mqshm_buffer_data(self->source.client, &bufs[i]), 0,
				     sequence + i);
		}
		EXPECT_EQ(20, mqshm_port_push_many(self->source.out[0], bufs, 32, 0));
		EXPECT_EQ(MQSHM_NO_BUFFER, bufs[19].number);
		EXPECT_NE(MQSHM_NO_BUFFER, bufs[20].number);
		EXPECT_EQ(-EAGAIN, mqshm_port_push_many(self->source.out[0], bufs + 20, 12, 0));
		EXPECT_EQ(20, mqshm_port_pop_many(self->sink.in[0], got, 32));
		EXPECT_EQ(-EAGAIN, mqshm_port_pop_many(self->sink.in[0], got + 20, 12));
		for (int i = 0; i < 20; i++) {
			EXPECT_TRUE(message_good(mqshm_buffer_data(self->sink.client, &got[i]), 0,
						 sequence + i));
			ASSERT_EQ(0, mqshm_buffer_release(self->sink.client, &got[i]));
		}
		for (int i = 20; i < 32; i++) {
			ASSERT_EQ(0, mqshm_buffer_release(self->source.client, &bufs[i]));
		}
		ASSERT_EQ(0, mqshm_client_flush(self->sink.client));
		sequence += 32;
	}
}

TEST_F(ring, pushed_with_more_and_flushed)
{
	struct mqshm_buffer buf;

	OPEN_PAIR(8);
	ASSERT_EQ(0, node_alloc(&self->source, sizeof(struct message), SOON, &buf));
	message_fill(mqshm_buffer_data(self->source.client, &buf), 0, 7);
	ASSERT_EQ(0, mqshm_port_push(self->source.out[0], &buf, MQSHM_MORE));
	ASSERT_EQ(0, mqshm_port_flush(self->source.out[0]));
	EXPECT_TRUE(mqshm_port_has_input(self->sink.in[0]));
	EXPECT_EQ(0, pop_one(&self->sink, 7, 0));
}

/* -- fan-out and fan-in --------------------------------------------------- */

TEST_F(ring, fan_out_shares_one_buffer)
{
	struct node sinks[3];
	struct mqshm_buffer buf, got[3];
	char name[16];

	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "sink%d", i);
		ASSERT_EQ(0, open_sink(&sinks[i], name, 8));
		ASSERT_EQ(0, graph_connect(self->fd, "source", name, NULL));
	}
	ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 3, 5000));
	for (int round = 0; round < 100; round++) {
		uint32_t number;

		ASSERT_EQ(0, node_alloc(&self->source, sizeof(struct message), SOON, &buf));
		message_fill(mqshm_buffer_data(self->source.client, &buf), 0, round);
		number = buf.number;
		ASSERT_EQ(0, mqshm_port_push(self->source.out[0], &buf, 0));
		EXPECT_EQ(MQSHM_NO_BUFFER, buf.number);
		for (int i = 0; i < 3; i++) {
			ASSERT_EQ(0, node_pop(&sinks[i], sinks[i].in[0], &got[i], SOON));
			EXPECT_EQ(number, got[i].number);
			EXPECT_TRUE(message_good(mqshm_buffer_data(sinks[i].client, &got[i]), 0,
						 round));
		}
		for (int i = 0; i < 3; i++) {
			EXPECT_EQ(i == 2, mqshm_buffer_is_sole(sinks[i].client, &got[i]));
			ASSERT_EQ(0, mqshm_buffer_release(sinks[i].client, &got[i]));
		}
	}
	for (int i = 0; i < 3; i++)
		node_close(&sinks[i]);
}

TEST_F(ring, fan_out_is_all_or_nothing)
{
	struct node second;
	int n;

	OPEN_PAIR(8);
	ASSERT_EQ(0, open_sink(&second, "second", 2));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "second", NULL));
	ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 2, 5000));
	ASSERT_EQ(0, node_wait_connections(&second, second.in[0], 1, 5000));
	for (n = 0; !push_one(&self->source, n, 0); n++)
		;
	EXPECT_EQ(2, n);
	EXPECT_EQ(2, mqshm_port_input_size(self->sink.in[0]));
	EXPECT_EQ(2, mqshm_port_input_size(second.in[0]));
	node_close(&second);
}

TEST_F(ring, fan_in_keeps_the_order_of_each)
{
	struct node sources[3];
	uint64_t next[3] = {};
	struct mqshm_buffer buf;
	char name[16];

	ASSERT_EQ(0, open_sink(&self->sink, "sink", 4));
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "source%d", i);
		ASSERT_EQ(0, node_open(&sources[i], runtime_name(), name, &one_out));
		ASSERT_EQ(0, graph_connect(self->fd, name, "sink", NULL));
		ASSERT_EQ(0, node_wait_connections(&sources[i], sources[i].out[0], 1, 5000));
	}
	ASSERT_EQ(0, node_wait_connections(&self->sink, self->sink.in[0], 3, 5000));
	for (unsigned int round = 0; round < 100; round++) {
		for (int i = 0; i < 3; i++) {
			for (int j = 0; j < 4; j++) {
				ASSERT_EQ(0, push_one(&sources[i], round * 4 + j, i));
			}
		}
		EXPECT_EQ(12, mqshm_port_input_size(self->sink.in[0]));
		for (int j = 0; j < 12; j++) {
			struct message *m;

			ASSERT_EQ(0, mqshm_port_pop(self->sink.in[0], &buf));
			m = mqshm_buffer_data(self->sink.client, &buf);
			ASSERT_GT(3U, m->source);
			EXPECT_TRUE(message_good(m, m->source, next[m->source]));
			next[m->source]++;
			ASSERT_EQ(0, mqshm_buffer_release(self->sink.client, &buf));
		}
		EXPECT_EQ(-EAGAIN, mqshm_port_pop(self->sink.in[0], &buf));
		ASSERT_EQ(0, mqshm_client_flush(self->sink.client));
	}
	for (int i = 0; i < 3; i++)
		node_close(&sources[i]);
}

/* Nobody waits until another's ring is empty. */
TEST_F(ring, fan_in_is_served_in_turn)
{
	struct node other;
	struct mqshm_buffer buf;
	unsigned int from_other = 0;

	OPEN_PAIR(128);
	ASSERT_EQ(0, node_open(&other, runtime_name(), "other", &one_out));
	ASSERT_EQ(0, graph_connect(self->fd, "other", "sink", NULL));
	ASSERT_EQ(0, node_wait_connections(&other, other.out[0], 1, 5000));
	ASSERT_EQ(0, node_wait_connections(&self->sink, self->sink.in[0], 2, 5000));
	for (int i = 0; i < 128; i++) {
		ASSERT_EQ(0, push_one(&self->source, i, 0));
		ASSERT_EQ(0, push_one(&other, i, 1));
	}
	for (int i = 0; i < 128; i++) {
		struct message *m;

		ASSERT_EQ(0, mqshm_port_pop(self->sink.in[0], &buf));
		m = mqshm_buffer_data(self->sink.client, &buf);
		from_other += m->source;
		ASSERT_EQ(0, mqshm_buffer_release(self->sink.client, &buf));
	}
	EXPECT_LE(32U, from_other);
	EXPECT_GE(96U, from_other);
	node_close(&other);
}

TEST_F(ring, output_to_own_input)
{
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "loop", &one_each));
	ASSERT_EQ(0, graph_connect(self->fd, "loop", "loop", NULL));
	ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 1, 5000));
	ASSERT_EQ(0, node_wait_connections(&self->source, self->source.in[0], 1, 5000));
	for (int i = 0; i < 1000; i++) {
		ASSERT_EQ(0, push_one(&self->source, i, 0));
		ASSERT_EQ(0, pop_one(&self->source, i, 0));
	}
}

/* -- ends ------------------------------------------------------------------ */

TEST_F(ring, announced_end_comes_after_the_last_message)
{
	OPEN_PAIR(8);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, push_one(&self->source, i, 0));
	}
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	EXPECT_FALSE(mqshm_port_ended(self->sink.in[0]));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(0, pop_one(&self->sink, i, 0));
	}
	EXPECT_EQ(-ENODATA, pop_one(&self->sink, 0, 0));
	EXPECT_TRUE(mqshm_port_ended(self->sink.in[0]));
	EXPECT_EQ(0, mqshm_port_deaths(self->sink.in[0]));
	EXPECT_EQ(0, mqshm_port_disconnects(self->sink.in[0]));
}

TEST_F(ring, no_push_after_the_end)
{
	OPEN_PAIR(8);
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	EXPECT_EQ(-EPIPE, push_one(&self->source, 0, 0));
}

TEST_F(ring, end_stays_when_the_producer_leaves)
{
	OPEN_PAIR(8);
	ASSERT_EQ(0, push_one(&self->source, 0, 0));
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	node_close(&self->source);
	EXPECT_EQ(0, pop_one(&self->sink, 0, 0));
	EXPECT_EQ(-ENODATA, pop_one(&self->sink, 0, 0));
}

TEST_F(ring, end_reaches_later_connections)
{
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	ASSERT_EQ(0, open_sink(&self->sink, "sink", 8));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "sink", NULL));
	ASSERT_LE(0, mqshm_client_update(self->source.client));
	ASSERT_LE(0, mqshm_client_update(self->sink.client));
	EXPECT_EQ(-ENODATA, pop_one(&self->sink, 0, 0));
}

/* Not before there ever was a connection. */
TEST_F(ring, unconnected_input_has_not_ended)
{
	ASSERT_EQ(0, open_sink(&self->sink, "sink", 8));
	EXPECT_EQ(-EAGAIN, pop_one(&self->sink, 0, 0));
	EXPECT_FALSE(mqshm_port_ended(self->sink.in[0]));
}

TEST_F(ring, input_ends_when_all_its_connections_did)
{
	struct node other;

	OPEN_PAIR(8);
	ASSERT_EQ(0, node_open(&other, runtime_name(), "other", &one_out));
	ASSERT_EQ(0, graph_connect(self->fd, "other", "sink", NULL));
	ASSERT_EQ(0, node_wait_connections(&other, other.out[0], 1, 5000));
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	EXPECT_EQ(-EAGAIN, pop_one(&self->sink, 0, 0));
	ASSERT_EQ(0, push_one(&other, 0, 1));
	EXPECT_EQ(0, pop_one(&self->sink, 0, 1));
	ASSERT_EQ(0, mqshm_port_end(other.out[0]));
	EXPECT_EQ(-ENODATA, pop_one(&self->sink, 0, 0));
	node_close(&other);
}

TEST_F(ring, leaving_without_an_end_is_a_disconnect)
{
	OPEN_PAIR(8);
	ASSERT_EQ(0, push_one(&self->source, 0, 0));
	node_close(&self->source);
	EXPECT_EQ(0, pop_one(&self->sink, 0, 0));
	EXPECT_EQ(-EAGAIN, pop_one(&self->sink, 0, 0));
	EXPECT_EQ(0, mqshm_port_deaths(self->sink.in[0]));
	EXPECT_EQ(1, mqshm_port_disconnects(self->sink.in[0]));
	EXPECT_EQ(0, mqshm_port_connections(self->sink.in[0]));
}

/* The other comes before the loss is seen: at once, or behind what is still to be read. */
TEST_F(ring, a_lost_connection_is_replaced_before_it_is_read_to_its_end)
{
	for (int queued = 0; queued < 2; queued++) {
		OPEN_PAIR(8);
		if (queued)
			ASSERT_EQ(0, push_one(&self->source, 0, 0));
		node_close(&self->source);
		ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
		ASSERT_EQ(0, graph_connect(self->fd, "source", "sink", NULL));
		ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
		if (queued)
			EXPECT_EQ(0, pop_one(&self->sink, 0, 0));
		EXPECT_EQ(-ENODATA, pop_one(&self->sink, 0, 0));
		EXPECT_EQ(1, mqshm_port_disconnects(self->sink.in[0]));
		node_close(&self->source);
		node_close(&self->sink);
	}
}

TEST_F(ring, removed_block_is_a_disconnect)
{
	OPEN_PAIR(8);
	ASSERT_EQ(0, push_one(&self->source, 0, 0));
	mqshm_block_remove(self->source.block);
	EXPECT_EQ(0, pop_one(&self->sink, 0, 0));
	EXPECT_EQ(-EAGAIN, pop_one(&self->sink, 0, 0));
	EXPECT_EQ(1, mqshm_port_disconnects(self->sink.in[0]));
}

TEST_F(ring, disconnect_delivers_what_is_queued)
{
	OPEN_PAIR(8);
	ASSERT_EQ(0, push_one(&self->source, 0, 0));
	ASSERT_EQ(0, push_one(&self->source, 1, 0));
	ASSERT_EQ(0, id_command(self->fd, MQSHM_IOC_DISCONNECT, self->connection));
	EXPECT_EQ(-ENOENT, id_command(self->fd, MQSHM_IOC_DISCONNECT, self->connection));
	EXPECT_EQ(-ENOTCONN, push_one(&self->source, 2, 0));
	EXPECT_EQ(0, pop_one(&self->sink, 0, 0));
	EXPECT_EQ(0, pop_one(&self->sink, 1, 0));
	EXPECT_EQ(-EAGAIN, pop_one(&self->sink, 2, 0));
	EXPECT_EQ(1, mqshm_port_disconnects(self->sink.in[0]));
	EXPECT_EQ(0, mqshm_port_connections(self->sink.in[0]));
}

static void push_and_die(void *arg)
{
	struct node n;

	must(node_open(&n, runtime_name(), "victim", &one_out) == 0);
	must(node_wait_connections(&n, n.out[0], 1, 5000) == 0);
	must(push_one(&n, 0, 0) == 0);
	must(push_one(&n, 1, 0) == 0);
	*(volatile int *)arg = 1;
	for (;;)
		pause();
}

TEST_F(ring, death_is_not_an_end)
{
	volatile int *pushed = shared_memory(4096);
	pid_t pid = spawn(push_and_die, (void *)pushed);

	ASSERT_EQ(0, open_sink(&self->sink, "sink", 8));
	ASSERT_EQ(0, graph_wait_block(self->fd, "victim", 5000));
	ASSERT_EQ(0, graph_connect(self->fd, "victim", "sink", NULL));
	while (!*pushed)
		sleep_us(500);
	slay(pid);
	EXPECT_EQ(0, pop_one(&self->sink, 0, 0));
	EXPECT_EQ(0, pop_one(&self->sink, 1, 0));
	EXPECT_EQ(-EAGAIN, pop_one(&self->sink, 2, 0));
	EXPECT_EQ(1, mqshm_port_deaths(self->sink.in[0]));
	EXPECT_EQ(0, mqshm_port_disconnects(self->sink.in[0]));
	EXPECT_FALSE(mqshm_port_ended(self->sink.in[0]));

	/* a later connection takes the loss back */
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "sink", NULL));
	ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 1, 5000));
	ASSERT_EQ(0, node_wait_connections(&self->sink, self->sink.in[0], 1, 5000));
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	EXPECT_EQ(-ENODATA, pop_one(&self->sink, 2, 0));
}

static void end_and_die(void *arg)
{
	struct node n;

	must(node_open(&n, runtime_name(), "victim", &one_out) == 0);
	must(node_wait_connections(&n, n.out[0], 1, 5000) == 0);
	must(push_one(&n, 0, 0) == 0);
	must(mqshm_port_end(n.out[0]) == 0);
	*(volatile int *)arg = 1;
	for (;;)
		pause();
}

/* Its consumer has all that it shall have: the death is not told, in no word that it reads. */
TEST_F(ring, death_after_an_end_is_none)
{
	volatile int *ended = shared_memory(4096);
	pid_t pid = spawn(end_and_die, (void *)ended);
	char *status;

	ASSERT_EQ(0, open_sink(&self->sink, "sink", 8));
	ASSERT_EQ(0, graph_wait_block(self->fd, "victim", 5000));
	ASSERT_EQ(0, graph_connect(self->fd, "victim", "sink", NULL));
	while (!*ended)
		sleep_us(500);
	slay(pid);
	status = region_map(mqshm_client_fd(self->sink.client), MQSHM_MMAP_STATUS, 0, 8192, PROT_READ);
	ASSERT_NE(NULL, status);
	EXPECT_EQ(MQSHM_RING_EOF, *(volatile __u32 *)(status + MQSHM_STATUS_RING(0)) &
				  (MQSHM_RING_EOF | MQSHM_RING_DEAD));
	EXPECT_EQ(0, pop_one(&self->sink, 0, 0));
	EXPECT_EQ(-ENODATA, pop_one(&self->sink, 0, 0));
	EXPECT_EQ(0, mqshm_port_deaths(self->sink.in[0]));
}

TEST_F(ring, consumer_that_left_is_told)
{
	struct tally t;

	OPEN_PAIR(8);
	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, push_one(&self->source, i, 0));
	}
	node_close(&self->sink);
	ASSERT_EQ(0, tally_take(self->fd, &t));
	EXPECT_EQ(t.buffers, t.free + t.held) TH_LOG("what was queued is free, whoever looks");
	EXPECT_EQ(-ENOTCONN, push_one(&self->source, 4, 0));
	EXPECT_EQ(0, mqshm_port_connections(self->source.out[0]));
}

TEST_F(ring, push_without_connection)
{
	struct mqshm_buffer buf;

	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	ASSERT_EQ(0, node_alloc(&self->source, 64, SOON, &buf));
	EXPECT_EQ(-ENOTCONN, mqshm_port_push(self->source.out[0], &buf, 0));
	EXPECT_NE(MQSHM_NO_BUFFER, buf.number) TH_LOG("untouched on error");
	EXPECT_EQ(0, mqshm_buffer_release(self->source.client, &buf));
}

TEST_F(ring, optional_output_discards)
{
	struct node_options options = one_out;
	struct mqshm_buffer buf;

	options.port_flags = MQSHM_PORT_OPTIONAL;
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &options));
	for (int i = 0; i < 2 * BUFFERS; i++) {
		ASSERT_EQ(0, node_alloc(&self->source, 64, SOON, &buf));
		ASSERT_EQ(0, mqshm_port_push(self->source.out[0], &buf, 0));
		ASSERT_EQ(MQSHM_NO_BUFFER, buf.number);
	}
}

TEST_HARNESS_MAIN
