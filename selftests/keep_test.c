// SPDX-License-Identifier: GPL-2.0-only
/*
 * Persistent connections: a block that goes and comes back under its name is connected
 * again, and finds what was queued if the connection keeps it. What nobody comes for ends
 * by a deadline, by a disconnect, or with the runtime.
 */

#include "kselftest_harness.h"

#include <poll.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>

#include "keep.h"

KEEP_FIXTURE(keep)

TEST_F(keep, the_next_consumer_reads_on)
{
	struct mqshm_connection_record r;

	OPEN_PAIR(.flags = KEEPS);
	for (int life = 0; life < 50; life++) {
		PUSH(5);
		POP(2);
		node_close(&self->sink);
		r = look(self->fd, self->id);
		EXPECT_EQ(3, r.queued);
		EXPECT_TRUE(r.flags & MQSHM_RING_KEPT);
		EXPECT_EQ(0, r.to_block);
		EXPECT_LT(now_ns(), r.keep_until_ns);
		EXPECT_EQ(0, strcmp(r.from, "source:out"));
		EXPECT_EQ(0, strcmp(r.to, "sink:in"));
		PUSH(DEPTH - 3);
		EXPECT_EQ(-EAGAIN, push_one(&self->source, 0));
		EXPECT_EQ(1, mqshm_port_connections(self->source.out[0]));
		ASSERT_EQ(0, open_sink(&self->sink));
		ASSERT_EQ(0, wait_connected(&self->sink, 1));
		r = look(self->fd, self->id);
		EXPECT_FALSE(r.flags & MQSHM_RING_KEPT);
		EXPECT_EQ(0, r.keep_until_ns);
		POP(DEPTH);
		EXPECT_EQ(-EAGAIN, pop_one(&self->sink, 0));
	}
}

/* The same client may be the successor: it removes the block and makes it again. */
TEST_F(keep, a_block_made_again_reads_on)
{
	struct mqshm_port_spec in = { .name = "in", .direction = MQSHM_DIR_IN };

	OPEN_PAIR(.flags = KEEPS);
	for (int life = 0; life < 20; life++) {
		PUSH(4);
		POP(1);
		mqshm_block_remove(self->sink.block);
		PUSH(1);
		ASSERT_EQ(0, mqshm_block_create(self->sink.client, "sink", "Test",
						MQSHM_CLASS_SINK, &in, 1, &self->sink.block));
		self->sink.in[0] = mqshm_block_port(self->sink.block, "in");
		ASSERT_EQ(0, wait_connected(&self->sink, 1));
		POP(4);
	}
}

/* -- a consumer that is killed with messages in its hands ------------------------ */

static struct {
	volatile uint64_t id;
	volatile int taken;
} *stage;

#define TAKES	5
#define HOLDS	2	/* of them */

static void take_and_hold(void *arg)
{
	struct mqshm_buffer buf, again;
	struct node n;

	(void)arg;
	must(!open_sink(&n));
	must(!wait_connected(&n, 1));
	stage->id = mqshm_client_id(n.client);
	for (int i = 0; i < TAKES; i++) {
		must(!node_pop(&n, n.in[0], &buf, SOON));
		if (i < TAKES - HOLDS)
			must(!mqshm_buffer_release(n.client, &buf));
	}
	/* of one of them it has two references */
	must(!mqshm_buffer_share(n.client, &buf, &again));
	stage->taken = 1;
	for (;;)
		sleep_us(100000);
}

TEST_F(keep, what_a_killed_consumer_held_is_lost_and_counted)
{
	const struct mqshm_departed_record *d;
	struct snapshot s;
	pid_t pid;

	stage = shared_memory(sizeof(*stage));
	OPEN_PAIR(.flags = KEEPS);
	node_close(&self->sink);
	for (int life = 0; life < 10; life++) {
		stage->taken = 0;
		PUSH(DEPTH);
		pid = spawn(take_and_hold, NULL);
		while (!stage->taken)
			sleep_us(500);
		slay(pid);
		self->seen += TAKES;
		ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &s));
		d = snapshot_departed(&s, stage->id);
		ASSERT_NE(NULL, d);
		EXPECT_EQ(HOLDS + 1, d->lost);
		EXPECT_EQ(HOLDS, d->lost_buffers);
		EXPECT_EQ(DEPTH - TAKES, d->kept);
		EXPECT_EQ(0, d->drained);
		snapshot_free(&s);
		/* a quarter of the depth it had told: now the producer sees it all */
		PUSH(TAKES);
		EXPECT_EQ(-EAGAIN, push_one(&self->source, 0));
		ASSERT_EQ(0, open_sink(&self->sink));
		ASSERT_EQ(0, wait_connected(&self->sink, 1));
		POP(DEPTH);
		EXPECT_EQ(-EAGAIN, pop_one(&self->sink, 0));
		node_close(&self->sink);
	}
}

/* -- a producer that comes back --------------------------------------------------- */

TEST_F(keep, the_next_producer_goes_on)
{
	struct pollfd pfd;

	OPEN_PAIR(.flags = STAYS);
	for (int life = 0; life < 50; life++) {
		PUSH(5);
		POP(1);
		node_close(&self->source);
		EXPECT_TRUE(look(self->fd, self->id).flags & MQSHM_RING_AWAY);
		/* what is there is read; then it has not ended, and nobody is told so */
		POP(4);
		EXPECT_EQ(-EAGAIN, pop_one(&self->sink, 0));
		EXPECT_FALSE(mqshm_port_ended(self->sink.in[0]));
		while (mqshm_client_update(self->sink.client) > 0)
			;
		EXPECT_EQ(-ETIMEDOUT, mqshm_wait(self->sink.client, &self->sink.in[0], 1,
						 after_ms(1), NULL));
		pfd = (struct pollfd){ .fd = mqshm_client_fd(self->sink.client), .events = POLLIN };
		EXPECT_EQ(0, poll(&pfd, 1, 0));
		ASSERT_EQ(0, open_source(&self->source));
		ASSERT_EQ(0, wait_connected(&self->source, 1));
		EXPECT_EQ(1, mqshm_port_connections(self->sink.in[0]));
	}
	EXPECT_EQ(0, mqshm_port_deaths(self->sink.in[0]));
}

TEST_F(keep, both_come_back)
{
	OPEN_PAIR(.flags = KEEPS);
	for (int life = 0; life < 20; life++) {
		struct node *first = life & 1 ? &self->source : &self->sink;
		struct node *second = life & 1 ? &self->sink : &self->source;

		PUSH(6);
		POP(3);
		node_close(first);
		node_close(second);
		/* nobody at all is there */
		EXPECT_EQ(3, look(self->fd, self->id).queued);
		EXPECT_EQ(0, life & 2 ? open_source(&self->source) : open_sink(&self->sink));
		EXPECT_EQ(0, life & 2 ? open_sink(&self->sink) : open_source(&self->source));
		ASSERT_EQ(0, wait_connected(&self->source, 1));
		ASSERT_EQ(0, wait_connected(&self->sink, 1));
		POP(3);
		EXPECT_EQ(-EAGAIN, pop_one(&self->sink, 0));
	}
}

/* -- what is not kept, or no longer ------------------------------------------------- */

TEST_F(keep, without_keep_what_was_queued_goes)
{
	struct tally t;

	OPEN_PAIR(.flags = STAYS);
	for (int life = 0; life < 10; life++) {
		PUSH(5);
		node_close(&self->sink);
		ASSERT_EQ(0, tally_take(self->fd, &t));
		EXPECT_EQ(0, t.queued);
		/* the next one may be there before the producer has let go */
		if (life & 1)
			ASSERT_EQ(0, wait_connected(&self->source, 0));
		ASSERT_EQ(0, open_sink(&self->sink));
		while (push_one(&self->source, self->sent))
			ASSERT_LE(0, mqshm_wait(self->source.client, &self->source.out[0], 1,
						SOON, NULL));
		self->seen = self->sent++;
		ASSERT_EQ(0, wait_connected(&self->sink, 1));
		POP(1);
	}
}

TEST_F(keep, nothing_is_kept_behind_the_deadline)
{
	struct mqshm_connection_record r;
	struct tally t;

	OPEN_PAIR(.flags = KEEPS, .keep_ns = 20000000);
	PUSH(5);
	POP(1);
	node_close(&self->sink);
	ASSERT_EQ(0, wait_connected(&self->source, 0));
	ASSERT_EQ(0, tally_take(self->fd, &t));
	EXPECT_EQ(0, t.queued);
	r = look(self->fd, self->id);
	EXPECT_EQ(4, r.dropped);
	EXPECT_EQ(4, r.expired);
	EXPECT_EQ(0, r.keep_until_ns);
	self->seen = self->sent;
	ASSERT_EQ(0, open_sink(&self->sink));
	ASSERT_EQ(0, wait_connected(&self->sink, 1));
	ASSERT_EQ(0, wait_connected(&self->source, 1));
	PUSH(DEPTH);
	EXPECT_EQ(-EAGAIN, push_one(&self->source, 0));
	POP(DEPTH);
}

/* One that is full, and nobody reads: who waits for room is told when it is over. */
TEST_F(keep, who_waits_for_room_is_woken_at_the_deadline)
{
	OPEN_PAIR(.flags = KEEPS, .keep_ns = 300000000);
	PUSH(DEPTH);
	node_close(&self->sink);
	while (mqshm_port_connections(self->source.out[0]))
		ASSERT_LE(0, mqshm_wait(self->source.client, &self->source.out[0], 1, SOON,
					NULL));
}

TEST_F(keep, a_disconnect_ends_it)
{
	OPEN_PAIR(.flags = KEEPS);
	PUSH(5);
	node_close(&self->sink);
	ASSERT_EQ(0, id_command(self->fd, MQSHM_IOC_DISCONNECT, self->id));
	ASSERT_EQ(0, wait_connected(&self->source, 0));
	EXPECT_EQ(0, look(self->fd, self->id).id);
	EXPECT_EQ(-ENOENT, id_command(self->fd, MQSHM_IOC_DISCONNECT, self->id));
	ASSERT_EQ(0, open_sink(&self->sink));
	ASSERT_EQ(0, mqshm_client_update(self->sink.client));
	EXPECT_EQ(0, mqshm_port_connections(self->sink.in[0]));
}

/*
 * Both ends have gone when the source lets go of its end, and another sink waits for that:
 * but the source is going, and the connection begins anew with the next one.
 */
TEST_F(keep, a_block_that_goes_is_not_joined_again)
{
	struct mqshm_port_spec out = { .name = "out", .direction = MQSHM_DIR_OUT };

	ASSERT_EQ(0, open_source(&self->source));
	ASSERT_EQ(0, open_sink(&self->sink));
	ASSERT_EQ(0, graph_connect_as(self->fd, "source", "sink",
				      ARGS(connect, .flags = STAYS), &self->id));
	for (int life = 0; life < 4; life++) {
		/* an end that was taken, and one that was not */
		if (life & 1)
			ASSERT_EQ(0, wait_connected(&self->source, 1));
		node_close(&self->sink);
		ASSERT_EQ(0, open_sink(&self->sink));
		mqshm_block_remove(self->source.block);
		ASSERT_EQ(0, look(self->fd, self->id).from_block);
		ASSERT_EQ(0, mqshm_block_create(self->source.client, "source", "Test",
						MQSHM_CLASS_SOURCE, &out, 1, &self->source.block));
		self->source.out[0] = mqshm_block_port(self->source.block, "out");
		ASSERT_NE(0, look(self->fd, self->id).from_block);
	}
	ASSERT_EQ(0, wait_connected(&self->source, 1));
	ASSERT_EQ(0, wait_connected(&self->sink, 1));
	PUSH(1);
	POP(1);
}

/* Also with nobody there, and with one end there. */
TEST_F(keep, a_disconnect_of_what_waits)
{
	for (int who = 0; who < 3; who++) {
		OPEN_PAIR(.flags = KEEPS);
		PUSH(2);
		if (who != 0)
			node_close(&self->source);
		if (who != 1)
			node_close(&self->sink);
		ASSERT_EQ(0, id_command(self->fd, MQSHM_IOC_DISCONNECT, self->id));
		if (who == 1) {
			self->seen = self->sent - 2;
			POP(2);
			EXPECT_NE(0, pop_one(&self->sink, 0));
			EXPECT_EQ(0, mqshm_port_connections(self->sink.in[0]));
		}
		if (who == 0)
			ASSERT_EQ(0, wait_connected(&self->source, 0));
		EXPECT_EQ(0, look(self->fd, self->id).id);
		node_close(&self->source);
		node_close(&self->sink);
	}
}

TEST_F(keep, a_removed_runtime_keeps_nothing)
{
	int fd = runtime_create_fd("removed", MQSHM_RUNTIME_F_PERSISTENT);
	struct node source, sink;
	struct tally t;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_create(fd, "pool", sizeof(struct message), 8, NULL));
	ASSERT_EQ(0, node_open(&source, "removed", "source", &one_out));
	ASSERT_EQ(0, node_open(&sink, "removed", "sink", &one_in));
	ASSERT_EQ(0, graph_connect_as(fd, "source", "sink", ARGS(connect, .flags = KEEPS), NULL));
	ASSERT_EQ(0, wait_connected(&source, 1));
	ASSERT_EQ(0, push_one(&source, 0));
	node_close(&sink);
	node_close(&source);
	ASSERT_EQ(0, runtime_remove(fd, 0, NULL));
	ASSERT_EQ(0, tally_take(fd, &t));
	EXPECT_TRUE(tally_all_free(&t));
	close(fd);
}

/* What is kept goes when the last has left a runtime that was damaged; then that is whole. */
TEST_F(keep, a_damaged_runtime_keeps_nothing)
{
	int fd = device_open();
	struct tally t;
	__u64 *w;

	OPEN_PAIR(.flags = KEEPS);
	PUSH(3);
	node_close(&self->sink);
	ASSERT_EQ(0, runtime_open(fd, runtime_name()));
	ASSERT_EQ(0, client_join(fd, 0, NULL));
	w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 MQSHM_MMAP_OFFSET(MQSHM_MMAP_W, 0));
	ASSERT_NE(MAP_FAILED, w);
	/* also of those in the source's hands, and of those in the ring */
	for (int i = 0; i < BUFFERS; i++)
		__atomic_fetch_and(&w[i], ~MQSHM_W_COUNT_MASK, __ATOMIC_SEQ_CST);
	munmap(w, 4096);
	close(fd);
	node_close(&self->source);
	ASSERT_EQ(0, tally_take(self->fd, &t));
	EXPECT_EQ(0, t.queued);
	EXPECT_TRUE(tally_all_free(&t));
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

/* -- blocks of which all connections are persistent ------------------------------------- */

TEST_F(keep, connections_of_a_block_that_comes_back)
{
	struct mqshm_client_options options = { .persistent = true };
	struct mqshm_port_spec in = { .name = "in", .direction = MQSHM_DIR_IN };
	struct mqshm_client *c;
	struct mqshm_block *b;

	ASSERT_EQ(0, open_source(&self->source));
	for (int life = 0; life < 5; life++) {
		ASSERT_EQ(0, mqshm_client_join(runtime_name(), &options, &c));
		ASSERT_EQ(0, mqshm_block_create(c, "sink", "Test", MQSHM_CLASS_SINK, &in, 1, &b));
		if (!life)
			ASSERT_EQ(0, graph_connect(self->fd, "source", "sink", &self->id));
		ASSERT_EQ(0, wait_connected(&self->source, 1));
		EXPECT_TRUE(look(self->fd, self->id).flags & MQSHM_RING_PERSISTENT);
		EXPECT_FALSE(look(self->fd, self->id).flags & MQSHM_RING_KEEP);
		PUSH(2);
		mqshm_client_close(c);
		ASSERT_EQ(0, wait_connected(&self->source, 0));
	}
	ASSERT_EQ(0, id_command(self->fd, MQSHM_IOC_DISCONNECT, self->id));
	/* but for one that is made not to be */
	ASSERT_EQ(0, mqshm_client_join(runtime_name(), &options, &c));
	ASSERT_EQ(0, mqshm_block_create(c, "sink", "Test", MQSHM_CLASS_SINK, &in, 1, &b));
	ASSERT_EQ(0, graph_connect_as(self->fd, "source", "sink",
		  ARGS(connect, .flags = MQSHM_CONNECT_F_TRANSIENT), &self->id));
	EXPECT_FALSE(look(self->fd, self->id).flags & MQSHM_RING_PERSISTENT);
	ASSERT_EQ(0, wait_connected(&self->source, 1));
	mqshm_client_close(c);
	ASSERT_EQ(0, wait_connected(&self->source, 0));
	EXPECT_EQ(0, look(self->fd, self->id).id);
}

/* -- what is asked for wrongly ------------------------------------------------------- */

TEST_F(keep, wrong_calls)
{
	ASSERT_EQ(0, open_source(&self->source));
	ASSERT_EQ(0, open_sink(&self->sink));
	EXPECT_EQ(-EINVAL, graph_connect_as(self->fd, "source", "sink",
		  ARGS(connect, .flags = MQSHM_CONNECT_F_KEEP), NULL));
	EXPECT_EQ(-EINVAL, graph_connect_as(self->fd, "source", "sink",
		  ARGS(connect, .flags = STAYS, .keep_ns = 1), NULL));
	EXPECT_EQ(-EINVAL, graph_connect_as(self->fd, "source", "sink",
		  ARGS(connect, .flags = STAYS | MQSHM_CONNECT_F_TRANSIENT), NULL));
	ASSERT_EQ(0, graph_connect_as(self->fd, "source", "sink",
		  ARGS(connect, .flags = STAYS), &self->id));
	EXPECT_EQ(-EEXIST, graph_connect(self->fd, "source", "sink", NULL));
}

/* A block of another direction, or without such a port, is no successor. */
TEST_F(keep, only_such_a_port_is_connected)
{
	OPEN_PAIR(.flags = KEEPS);
	PUSH(3);
	node_close(&self->sink);
	ASSERT_EQ(0, node_open(&self->sink, runtime_name(), "sink", &one_out));
	ASSERT_EQ(0, mqshm_client_update(self->sink.client));
	EXPECT_EQ(0, mqshm_port_connections(self->sink.out[0]));
	node_close(&self->sink);
	ASSERT_EQ(0, open_sink(&self->sink));
	ASSERT_EQ(0, wait_connected(&self->sink, 1));
	POP(3);
}

/* Nor is one of somebody else. */
TEST_F(keep, only_the_same_user_is_connected)
{
	struct mqshm_client_sync_args sync;
	int fd = device_open(), err;
	__u32 ports[2];
	__u64 block;

	ASSERT_EQ(0, runtime_open(fd, runtime_name()));
	OPEN_PAIR(.flags = KEEPS);
	PUSH(3);
	node_close(&self->sink);
	setfsuid(12345);
	err = client_join(fd, 0, NULL);
	setfsuid(0);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, block_create(fd, "sink", DEPTH, ports, &block));
	ASSERT_EQ(0, client_sync(fd, &sync));
	EXPECT_EQ(0, sync.out_count);
	EXPECT_TRUE(look(self->fd, self->id).flags & MQSHM_RING_KEPT);
	close(fd);
	ASSERT_EQ(0, open_sink(&self->sink));
	ASSERT_EQ(0, wait_connected(&self->sink, 1));
	POP(3);
}

TEST_F(keep, what_waits_counts_as_a_connection)
{
	struct mqshm_runtime_create_args args = ARGS(runtime_create, .mode = 0700,
						     .gid = MQSHM_GID_SELF);
	struct node source, sink, other;
	int fd = device_open();
	uint64_t id;

	strcpy(args.name, "one");
	args.limits.connections = 1;
	ASSERT_EQ(0, command(fd, MQSHM_IOC_RUNTIME_CREATE, &args));
	ASSERT_EQ(0, node_open(&source, "one", "source", &one_out));
	ASSERT_EQ(0, node_open(&sink, "one", "sink", &one_in));
	ASSERT_EQ(0, node_open(&other, "one", "other", &one_in));
	ASSERT_EQ(0, graph_connect_as(fd, "source", "sink", ARGS(connect, .flags = STAYS), &id));
	ASSERT_EQ(0, wait_connected(&source, 1));
	node_close(&sink);
	ASSERT_EQ(0, wait_connected(&source, 0));
	EXPECT_EQ(-ENOSPC, graph_connect(fd, "source", "other", NULL));
	ASSERT_EQ(0, id_command(fd, MQSHM_IOC_DISCONNECT, id));
	EXPECT_EQ(0, graph_connect(fd, "source", "other", NULL));
	node_close(&source);
	node_close(&other);
	close(fd);
}

TEST_HARNESS_MAIN
