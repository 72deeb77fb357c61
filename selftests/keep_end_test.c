// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends of streams over persistent connections: who is told of an end that was announced,
 * once, however consumers and producers come and go meanwhile; what begins anew behind it.
 */

#include "kselftest_harness.h"

#include "keep.h"

KEEP_FIXTURE(keep_end)

TEST_F(keep_end, an_announced_end_is_the_end)
{
	OPEN_PAIR(.flags = KEEPS);
	for (int life = 0; life < 5; life++) {
		PUSH(3);
		ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
		POP(1);
		/* also for one that comes after it, and after the producer has gone */
		node_close(&self->sink);
		node_close(&self->source);
		ASSERT_EQ(0, open_sink(&self->sink));
		ASSERT_EQ(0, wait_connected(&self->sink, 1));
		POP(2);
		EXPECT_EQ(-ENODATA, pop_one(&self->sink, 0));
		EXPECT_EQ(0, mqshm_port_connections(self->sink.in[0]));
		/* and begins anew */
		ASSERT_EQ(0, open_source(&self->source));
		ASSERT_EQ(0, wait_connected(&self->source, 1));
		ASSERT_EQ(0, wait_connected(&self->sink, 1));
		EXPECT_EQ(0, look(self->fd, self->id).flags & ~(MQSHM_RING_PERSISTENT |
								MQSHM_RING_KEEP));
	}
}

/* Who is done with a stream is not joined to it again, though both are there. */
TEST_F(keep_end, an_end_that_was_read_stays_read)
{
	struct mqshm_buffer buf;

	OPEN_PAIR(.flags = STAYS);
	PUSH(1);
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	POP(1);
	EXPECT_EQ(-ENODATA, pop_one(&self->sink, 0));
	ASSERT_EQ(0, wait_connected(&self->source, 0));
	ASSERT_LE(0, mqshm_client_update(self->sink.client));
	EXPECT_EQ(0, mqshm_port_connections(self->sink.in[0]));
	EXPECT_TRUE(look(self->fd, self->id).flags & MQSHM_RING_CLOSED);
	/* but one that comes after that is told of the end */
	node_close(&self->sink);
	ASSERT_EQ(0, open_sink(&self->sink));
	EXPECT_EQ(-ENODATA, node_pop(&self->sink, self->sink.in[0], &buf, SOON));
}

/* Nobody else would tell it: the producer's block is gone. */
TEST_F(keep_end, the_next_consumer_is_told_of_the_end)
{
	struct mqshm_buffer buf;

	OPEN_PAIR(.flags = STAYS);
	PUSH(3);
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	POP(1);
	node_close(&self->source);
	for (int life = 0; life < 5; life++) {
		/* the first has not read it, the others have not even learnt of the ring */
		node_close(&self->sink);
		ASSERT_EQ(0, open_sink(&self->sink));
	}
	EXPECT_EQ(-ENODATA, node_pop(&self->sink, self->sink.in[0], &buf, SOON));
	/* and it begins anew */
	ASSERT_EQ(0, open_source(&self->source));
	ASSERT_EQ(0, wait_connected(&self->source, 1));
	ASSERT_EQ(0, wait_connected(&self->sink, 1));
	self->seen = self->sent;
	PUSH(DEPTH);
	POP(DEPTH);
}

/* Shared with a child: it has read the end. */
static volatile int *told;

static void read_the_end(void *arg)
{
	struct mqshm_buffer buf;
	struct node n;

	(void)arg;
	must(!open_sink(&n));
	must(node_pop(&n, n.in[0], &buf, SOON) == -ENODATA);
	must(!mqshm_port_connections(n.in[0]));
	*told = 1;
	for (;;)
		sleep_us(100000);
}

TEST_F(keep_end, an_end_that_a_killed_consumer_had_read_is_told_again)
{
	pid_t pid;

	told = shared_memory(sizeof(*told));
	OPEN_PAIR(.flags = STAYS);
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	node_close(&self->source);
	node_close(&self->sink);
	for (int life = 0; life < 3; life++) {
		*told = 0;
		pid = spawn(read_the_end, NULL);
		while (!*told)
			sleep_us(500);
		slay(pid);
	}
}

/* One that failed behind it, too; not one that has left in order, as far as we know. */
TEST_F(keep_end, an_end_is_told_again_to_who_failed)
{
	struct mqshm_port_spec in = { .name = "in", .direction = MQSHM_DIR_IN };
	struct mqshm_id_args args = ARGS(id);
	struct mqshm_buffer buf;

	OPEN_PAIR(.flags = STAYS);
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	node_close(&self->source);
	EXPECT_EQ(-ENODATA, node_pop(&self->sink, self->sink.in[0], &buf, SOON));
	args.id = mqshm_block_id(self->sink.block);
	args.flags = MQSHM_BLOCK_REMOVE_F_FAILED;
	ASSERT_EQ(0, command(mqshm_client_fd(self->sink.client), MQSHM_IOC_BLOCK_REMOVE, &args));
	mqshm_block_remove(self->sink.block);
	for (int life = 0; life < 2; life++) {
		ASSERT_EQ(0, mqshm_block_create(self->sink.client, "sink", "Test",
						MQSHM_CLASS_SINK, &in, 1, &self->sink.block));
		self->sink.in[0] = mqshm_block_port(self->sink.block, "in");
		if (!life) {
			EXPECT_EQ(-ENODATA, node_pop(&self->sink, self->sink.in[0], &buf, SOON));
		} else {
			EXPECT_EQ(-EAGAIN, mqshm_port_pop(self->sink.in[0], &buf));
		}
		mqshm_block_remove(self->sink.block);
	}
	/* it waits for the next producer, and is joined to that */
	ASSERT_EQ(0, open_source(&self->source));
	ASSERT_EQ(0, mqshm_block_create(self->sink.client, "sink", "Test",
					MQSHM_CLASS_SINK, &in, 1, &self->sink.block));
	self->sink.in[0] = mqshm_block_port(self->sink.block, "in");
	ASSERT_EQ(0, wait_connected(&self->sink, 1));
	ASSERT_EQ(0, wait_connected(&self->source, 1));
	PUSH(1);
	POP(1);
}

/* Nobody has been told yet when the next producer comes: there is nothing to be told. */
TEST_F(keep_end, a_producer_comes_before_the_end_is_told)
{
	OPEN_PAIR(.flags = STAYS);
	for (int life = 0; life < 5; life++) {
		ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
		node_close(&self->source);
		node_close(&self->sink);
		ASSERT_EQ(0, open_sink(&self->sink));
		ASSERT_EQ(0, open_source(&self->source));
		ASSERT_EQ(0, wait_connected(&self->source, 1));
		ASSERT_EQ(0, wait_connected(&self->sink, 1));
		PUSH(3);
		POP(3);
		EXPECT_EQ(-EAGAIN, pop_one(&self->sink, 0));
	}
}

/* Also if it goes before a consumer comes: that waits for the next one. */
TEST_F(keep_end, a_producer_takes_an_end_away)
{
	struct mqshm_buffer buf;

	OPEN_PAIR(.flags = STAYS);
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	node_close(&self->source);
	node_close(&self->sink);
	ASSERT_EQ(0, open_source(&self->source));
	node_close(&self->source);
	ASSERT_EQ(0, open_sink(&self->sink));
	while (mqshm_client_update(self->sink.client) > 0)
		;
	EXPECT_EQ(-EAGAIN, mqshm_port_pop(self->sink.in[0], &buf));
	ASSERT_EQ(0, open_source(&self->source));
	ASSERT_EQ(0, wait_connected(&self->source, 1));
	ASSERT_EQ(0, wait_connected(&self->sink, 1));
	PUSH(1);
	POP(1);
}

/* Nor that the last one was done with the ring before anybody knew of it. */
TEST_F(keep_end, a_producer_comes_for_a_ring_that_the_last_one_refused)
{
	struct mqshm_client_sync_args sync;
	int fd;

	ASSERT_EQ(0, open_source(&self->source));
	ASSERT_EQ(0, open_sink(&self->sink));
	ASSERT_EQ(0, graph_connect_as(self->fd, "source", "sink",
				      ARGS(connect, .flags = STAYS), &self->id));
	fd = mqshm_client_fd(self->source.client);
	ASSERT_EQ(0, client_sync(fd, &sync));
	ASSERT_EQ(1, sync.out_count);
	ASSERT_EQ(0, id_command(fd, MQSHM_IOC_RING_DETACH,
				sync.events[0].ring | MQSHM_RING_PRODUCER));
	node_close(&self->source);
	ASSERT_EQ(0, open_source(&self->source));
	ASSERT_EQ(0, wait_connected(&self->source, 1));
	ASSERT_EQ(0, wait_connected(&self->sink, 1));
	PUSH(1);
	POP(1);
}

/* The next producer is there before the end was read: it waits for that. */
TEST_F(keep_end, a_producer_behind_an_end_waits)
{
	OPEN_PAIR(.flags = STAYS);
	for (int life = 0; life < 5; life++) {
		PUSH(2);
		ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
		node_close(&self->source);
		ASSERT_EQ(0, open_source(&self->source));
		EXPECT_EQ(0, mqshm_port_connections(self->source.out[0]));
		POP(2);
		EXPECT_EQ(-ENODATA, pop_one(&self->sink, 0));
		ASSERT_EQ(0, wait_connected(&self->source, 1));
		ASSERT_EQ(0, wait_connected(&self->sink, 1));
	}
}

/* Or goes again meanwhile: then the end is told once, and not to the next consumer. */
TEST_F(keep_end, a_producer_behind_an_end_goes_again)
{
	struct mqshm_buffer buf;

	OPEN_PAIR(.flags = STAYS);
	for (int life = 0; life < 4; life++) {
		PUSH(2);
		ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
		for (int other = 0; other < 2; other++) {
			node_close(&self->source);
			ASSERT_EQ(0, open_source(&self->source));
		}
		node_close(&self->source);
		POP(2);
		EXPECT_EQ(-ENODATA, pop_one(&self->sink, 0));
		/* one that looks again, or one that leaves at once */
		if (life & 1) {
			while (mqshm_client_update(self->sink.client) > 0)
				;
			EXPECT_EQ(-ETIMEDOUT, mqshm_wait(self->sink.client, &self->sink.in[0], 1,
							 MQSHM_NO_WAIT, NULL));
		}
		node_close(&self->sink);
		ASSERT_EQ(0, open_sink(&self->sink));
		while (mqshm_client_update(self->sink.client) > 0)
			;
		EXPECT_EQ(-EAGAIN, mqshm_port_pop(self->sink.in[0], &buf));
		ASSERT_EQ(0, open_source(&self->source));
		ASSERT_EQ(0, wait_connected(&self->source, 1));
		ASSERT_EQ(0, wait_connected(&self->sink, 1));
	}
}

/* The consumer died before the end, and the producer has noticed: it still announces it. */
TEST_F(keep_end, an_end_is_announced_to_nobody)
{
	struct mqshm_buffer buf;

	OPEN_PAIR(.flags = STAYS);
	for (int life = 0; life < 3; life++) {
		PUSH(2);
		node_close(&self->sink);
		if (life < 2)
			ASSERT_EQ(0, wait_connected(&self->source, 0));
		ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
		node_close(&self->source);
		ASSERT_EQ(0, open_sink(&self->sink));
		EXPECT_EQ(-ENODATA, node_pop(&self->sink, self->sink.in[0], &buf, SOON));
		ASSERT_EQ(0, open_source(&self->source));
		ASSERT_EQ(0, wait_connected(&self->source, 1));
		ASSERT_EQ(0, wait_connected(&self->sink, 1));
		self->seen = self->sent;
	}
	/* nor is a new one hidden from a consumer by one that it was told of */
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	EXPECT_EQ(-ENODATA, node_pop(&self->sink, self->sink.in[0], &buf, SOON));
}

/* One that let go of the ring before the end has not read it, though it leaves in order. */
TEST_F(keep_end, an_end_behind_a_refusal_is_told)
{
	struct mqshm_client_sync_args sync;
	struct mqshm_buffer buf;
	int fd;

	ASSERT_EQ(0, open_source(&self->source));
	ASSERT_EQ(0, open_sink(&self->sink));
	ASSERT_EQ(0, graph_connect_as(self->fd, "source", "sink",
				      ARGS(connect, .flags = STAYS), &self->id));
	ASSERT_EQ(0, wait_connected(&self->source, 1));
	fd = mqshm_client_fd(self->sink.client);
	ASSERT_EQ(0, client_sync(fd, &sync));
	ASSERT_EQ(1, sync.out_count);
	ASSERT_EQ(0, id_command(fd, MQSHM_IOC_RING_DETACH, sync.events[0].ring));
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	node_close(&self->sink);
	node_close(&self->source);
	ASSERT_EQ(0, open_sink(&self->sink));
	EXPECT_EQ(-ENODATA, node_pop(&self->sink, self->sink.in[0], &buf, SOON));
}

TEST_HARNESS_MAIN
