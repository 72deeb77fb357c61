// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients with direct I/O: what was in the hand of a dead one stays out of use until
 * its descriptor is released, and everything else of it goes at once.
 */

#include "kselftest_harness.h"

#include <signal.h>
#include <sys/wait.h>

#include "mqshm_test.h"

#define BUFFERS	64
#define HELD	5

static volatile int *ready;

/**
 * struct park - fixture
 * @fd: only bound
 * @client: the victim's descriptor, which this process has too
 * @id: number of its client
 */
FIXTURE(park)
{
	int fd;
	int client;
	__u64 id;
};

FIXTURE_SETUP(park)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, pool_create(self->fd, "pool", 64, BUFFERS, NULL));
	self->client = runtime_open_fd(runtime_name());
	ASSERT_LE(0, self->client);
	ready = shared_memory(4096);
}

FIXTURE_TEARDOWN(park)
{
	struct tally t;

	if (self->client >= 0)
		close(self->client);
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, 2000));
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

/* Joins through the inherited descriptor, holds HELD buffers, and waits. */
static void victim(void *arg)
{
	int fd = *(int *)arg;
	struct mqshm_lease_args l;

	must(client_join(fd, MQSHM_JOIN_F_DIRECT_IO, NULL) == 0);
	must(block_create(fd, "victim", 0, NULL, NULL) == 0);
	must(lease(fd, 0, HELD, &l) == 0 && l.out_count == HELD);
	*ready = 1;
	for (;;)
		pause();
}

static void kill_victim(FIXTURE_DATA(park) *self)
{
	pid_t pid = spawn(victim, &self->client);
	uint64_t deadline = after_ms(10000);

	while (!*ready && now_ns() < deadline)
		sleep_us(200);
	slay(pid);
}

static void release(FIXTURE_DATA(park) *self)
{
	close(self->client);
	self->client = -1;
}

/* It is listed with its hand full, and has nothing else. */
#define EXPECT_PARKED() \
do { \
	const struct mqshm_client_record *c; \
	struct snapshot s; \
	struct tally t; \
	ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &s)); \
	c = snapshot_next(&s, MQSHM_RECORD_CLIENT, NULL); \
	ASSERT_NE(NULL, c); \
	EXPECT_EQ(MQSHM_CLIENT_EXITING, c->state); \
	EXPECT_EQ(HELD, c->held_buffers); \
	EXPECT_EQ(NULL, snapshot_block(&s, "victim")); \
	EXPECT_EQ(0U, snapshot_count(&s, MQSHM_RECORD_DEPARTED)); \
	snapshot_free(&s); \
	EXPECT_EQ(0, tally_take(self->fd, &t)); \
	EXPECT_EQ(BUFFERS - HELD, t.free); \
	EXPECT_EQ(1U, t.clients); \
} while (0)

/* All is free, and it is remembered how it ended, not how its descriptor did. */
#define EXPECT_SETTLED(in_how) \
do { \
	const struct mqshm_departed_record *d; \
	struct snapshot s; \
	struct tally t; \
	EXPECT_EQ(0, tally_take(self->fd, &t)); \
	EXPECT_TRUE(tally_all_free(&t)); \
	ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &s)); \
	d = snapshot_next(&s, MQSHM_RECORD_DEPARTED, NULL); \
	ASSERT_NE(NULL, d); \
	EXPECT_EQ(in_how, d->how); \
	EXPECT_EQ(HELD, d->refs); \
	EXPECT_EQ(NULL, snapshot_next(&s, MQSHM_RECORD_DEPARTED, d)); \
	snapshot_free(&s); \
} while (0)

TEST_F(park, after_a_kill)
{
	kill_victim(self);
	EXPECT_PARKED();
	release(self);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

TEST_F(park, name_is_free_at_once)
{
	int fd = runtime_open_fd(runtime_name());

	kill_victim(self);
	ASSERT_EQ(0, client_join(fd, 0, NULL));
	EXPECT_EQ(0, block_create(fd, "victim", 0, NULL, NULL));
	close(fd);
}

/* The rest of the pool goes round; nobody gets what is parked. */
TEST_F(park, nobody_gets_what_is_parked)
{
	int fd = runtime_open_fd(runtime_name());
	struct mqshm_lease_args l;
	unsigned int got = 0;

	kill_victim(self);
	ASSERT_EQ(0, client_join(fd, 0, NULL));
	while (!lease(fd, 0, BUFFERS, &l))
		got += l.out_count;
	EXPECT_EQ(BUFFERS - HELD, got);
	release(self);
	while (!lease(fd, 0, BUFFERS, &l))
		got += l.out_count;
	EXPECT_EQ(BUFFERS, got);
	close(fd);
}

TEST_F(park, after_detach)
{
	struct mqshm_lease_args l;

	ASSERT_EQ(0, client_join(self->client, MQSHM_JOIN_F_DIRECT_IO, NULL));
	ASSERT_EQ(0, block_create(self->client, "victim", 0, NULL, NULL));
	ASSERT_EQ(0, lease(self->client, 0, HELD, &l));
	ASSERT_EQ(0, id_command(self->client, MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_PARKED();
	EXPECT_EQ(-ESHUTDOWN, id_command(self->client, MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_EQ(-ESHUTDOWN, lease(self->client, 0, 1, &l));
	release(self);
	EXPECT_SETTLED(MQSHM_DEPARTED_DETACH);
}

TEST_F(park, closing_settles_at_once)
{
	struct mqshm_lease_args l;

	ASSERT_EQ(0, client_join(self->client, MQSHM_JOIN_F_DIRECT_IO, NULL));
	ASSERT_EQ(0, lease(self->client, 0, HELD, &l));
	release(self);
	EXPECT_SETTLED(MQSHM_DEPARTED_RELEASE);
}

/* The runtime is shut; its memory goes with the descriptor. */
TEST_F(park, forced_removal)
{
	__u32 clients = POISON32;

	kill_victim(self);
	EXPECT_EQ(-EBUSY, runtime_remove(self->fd, 0, &clients));
	EXPECT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, &clients));
	EXPECT_EQ(1U, clients);
	EXPECT_PARKED();
	release(self);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

TEST_HARNESS_MAIN
