// SPDX-License-Identifier: GPL-2.0-only
/* Notices: whatever comes, goes, dies or stalls is told once, and in which order. */

#include "kselftest_harness.h"

#include <signal.h>

#include "graph.h"
#include "notice.h"

#define HELD	5

/* Of a runtime beside the fixture's. */
static const char *other_name(void)
{
	static char name[MQSHM_RUNTIME_NAME_LEN];

	snprintf(name, sizeof(name), "%s-o", runtime_name());
	return name;
}

/**
 * struct monitor - fixture
 * @fd: holds the runtime
 * @id: number of the runtime
 * @peer: descriptor of a client of this process, with the block "peer"
 * @peer_id: number of that client
 * @peer_block: of its block
 * @victim: descriptor for a client that ends, which this process has too
 * @r: the monitor; watches since the peer is there
 */
FIXTURE(monitor)
{
	int fd;
	__u64 id;
	int peer;
	__u64 peer_id;
	__u64 peer_block;
	int victim;
	struct reader r;
};

static __u64 runtime_id(int fd)
{
	struct snapshot s;
	__u64 id;

	if (snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s))
		return 0;
	id = ((const struct mqshm_runtime_record *)s.data)->id;
	snapshot_free(&s);
	return id;
}

FIXTURE_SETUP(monitor)
{
	struct mqshm_client_join_args join;

	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	self->id = runtime_id(self->fd);
	ASSERT_EQ(0, pool_create(self->fd, "pool", 64, 64, NULL));
	self->peer = runtime_open_fd(runtime_name());
	ASSERT_EQ(0, client_join(self->peer, 0, &join));
	self->peer_id = join.out_id;
	ASSERT_EQ(0, block_create(self->peer, "peer", 8, NULL, &self->peer_block));
	self->victim = runtime_open_fd(runtime_name());
	ASSERT_LE(0, self->victim);
	self->r.fd = watch_fd(runtime_name());
	ASSERT_LE(0, self->r.fd);
}

/* Nothing is told that the test does not know of. */
FIXTURE_TEARDOWN(monitor)
{
	if (!self->r.ended)
		EXPECT_NOTHING(&self->r);
}

#define NEXT(subject, change, id)	EXPECT_NEXT(&self->r, subject, change, id)
#define NEXT_AS(subject, change, id)	EXPECT_NEXT_AS(&self->r, subject, change, id)

#define EXPECT_PEER_LEAVES() \
do { \
	ASSERT_EQ(0, close(self->peer)); \
	NEXT(CLIENT, WENT, self->peer_id); \
	NEXT(BLOCK, WENT, self->peer_block); \
	NEXT(CLIENT, SETTLED, self->peer_id); \
} while (0)

/* -- what comes and goes in order ------------------------------------------- */

TEST_F(monitor, names_and_numbers)
{
	struct mqshm_client_join_args join;
	__u64 block, connection;

	ASSERT_EQ(1, pool_create(self->fd, "second pool", 64, 1, NULL));
	NEXT(POOL, CAME, 1);
	EXPECT_STREQ("second pool", self->r.n.name);
	EXPECT_EQ(self->id, self->r.n.runtime);
	EXPECT_EQ(0U, self->r.n.pid);

	ASSERT_EQ(0, client_join(self->victim, 0, &join));
	NEXT(CLIENT, CAME, join.out_id);
	EXPECT_STREQ("test", self->r.n.name);
	EXPECT_EQ(getpid(), self->r.n.pid);
	EXPECT_EQ(self->id, self->r.n.runtime);

	ASSERT_EQ(0, block_create(self->victim, "block", 0, NULL, &block));
	NEXT(BLOCK, CAME, block);
	EXPECT_STREQ("block", self->r.n.name);
	EXPECT_EQ(join.out_id, self->r.n.owner);
	EXPECT_EQ(getpid(), self->r.n.pid);

	ASSERT_EQ(0, connect_blocks(self->fd, "block", "peer", &connection));
	NEXT(CONNECTION, CAME, connection);
	EXPECT_STREQ("block:out", self->r.n.name);
	EXPECT_STREQ("peer:in", self->r.n.to);
	EXPECT_EQ(0ULL, self->r.n.owner | self->r.n.refs | self->r.n.settle_ns);
	EXPECT_EQ(0U, self->r.n.reserved);

	ASSERT_EQ(0, id_command(self->victim, MQSHM_IOC_BLOCK_REMOVE, block));
	NEXT(CONNECTION, WENT, connection);
	EXPECT_STREQ("block:out", self->r.n.name);
	EXPECT_STREQ("peer:in", self->r.n.to);
	NEXT(BLOCK, WENT, block);
	EXPECT_STREQ("block", self->r.n.name);
	ASSERT_EQ(0, id_command(self->victim, MQSHM_IOC_CLIENT_DETACH, 0));
	NEXT(CLIENT, WENT, join.out_id);
	NEXT(CLIENT, SETTLED, join.out_id);
	EXPECT_STREQ("test", self->r.n.name);
	EXPECT_EQ(0ULL, self->r.n.refs);
	EXPECT_LT(0ULL, self->r.n.settle_ns);
}

/* What is refused is not told. */
TEST_F(monitor, refused)
{
	ASSERT_EQ(-EEXIST, block_create(self->peer, "peer", 0, NULL, NULL));
	ASSERT_EQ(-ENOENT, connect_blocks(self->fd, "peer", "nobody", NULL));
	ASSERT_EQ(-EEXIST, pool_create(self->fd, "pool", 64, 1, NULL));
	ASSERT_EQ(-EBUSY, runtime_remove(self->fd, 0, NULL));
	ASSERT_EQ(-ENOENT, id_command(self->fd, MQSHM_IOC_DISCONNECT, self->peer_id));
}

/* A ring from the victim to the peer or back, both ends attached. */
static int join_and_connect(FIXTURE_DATA(monitor) *self, bool produces, __u64 ids[3],
			    struct mqshm_event rings[2])
{
	struct mqshm_client_join_args join;
	int err;

	err = client_join(self->victim, 0, &join);
	ids[0] = join.out_id;
	if (!err)
		err = block_create(self->victim, "victim", 8, NULL, &ids[1]);
	if (!err)
		err = connect_blocks(self->fd, produces ? "victim" : "peer",
				     produces ? "peer" : "victim", &ids[2]);
	if (!err)
		err = attach_ring(self->victim, produces, &rings[0]);
	if (!err)
		err = attach_ring(self->peer, !produces, &rings[1]);
	return err;
}

static int ring_detach(int fd, const struct mqshm_event *ring)
{
	return id_command(fd, MQSHM_IOC_RING_DETACH,
			  ring->ring | (ring->direction == MQSHM_DIR_OUT ? MQSHM_RING_PRODUCER : 0));
}

#define EXPECT_CAME(ids) \
do { \
	NEXT(CLIENT, CAME, (ids)[0]); \
	NEXT(BLOCK, CAME, (ids)[1]); \
	NEXT(CONNECTION, CAME, (ids)[2]); \
} while (0)

/* By a third party, the victim or the peer. */
static int let_go(FIXTURE_DATA(monitor) *self, char who, __u64 connection,
		  const struct mqshm_event rings[2])
{
	switch (who) {
	case 'd':
		return id_command(self->fd, MQSHM_IOC_DISCONNECT, connection);
	case 'v':
		return ring_detach(self->victim, &rings[0]);
	default:
		return ring_detach(self->peer, &rings[1]);
	}
}

/* Once, whether a third party, the producer or the consumer is first to let go. */
TEST_F(monitor, connection_ends_once)
{
	static const char order[][4] = { "dvp", "dpv", "vp", "pv" };
	__u64 ids[3];

	for (int i = 0; i < 8; i++) {
		const char *who = order[i / 2];
		struct mqshm_event rings[2];

		ASSERT_EQ(0, join_and_connect(self, i % 2, ids, rings));
		EXPECT_CAME(ids);
		for (const char *c = who; *c; c++) {
			ASSERT_EQ(0, let_go(self, *c, ids[2], rings));
			if (c == who) {
				NEXT(CONNECTION, WENT, ids[2]);
			}
			EXPECT_NOTHING(&self->r);
		}
		ASSERT_EQ(0, close(self->victim));
		NEXT(CLIENT, WENT, ids[0]);
		NEXT(BLOCK, WENT, ids[1]);
		NEXT(CLIENT, SETTLED, ids[0]);
		self->victim = runtime_open_fd(runtime_name());
	}
}

/* -- ways to end ----------------------------------------------------------- */

static volatile int *stage;

/* Holds HELD buffers until the test goes on. */
static void hold_and_wait(FIXTURE_DATA(monitor) *self, __u32 flags, __u32 ports[2])
{
	struct mqshm_lease_args l;

	close(self->peer);	/* the parent's */
	must(client_join(self->victim, flags, NULL) == 0);
	must(block_create(self->victim, "victim", 8, ports, NULL) == 0);
	must(lease(self->victim, 0, HELD, &l) == 0 && l.out_count == HELD);
	*stage = 1;
	while (*stage == 1)
		sleep_us(200);
}

static void by_kill(FIXTURE_DATA(monitor) *self)
{
	for (;;)
		pause();
}

static void by_exit(FIXTURE_DATA(monitor) *self)
{
	_exit(0);
}

static void by_exec(FIXTURE_DATA(monitor) *self)
{
	execl("/bin/sh", "sh", "-c", ":", NULL);
}

static void by_detach(FIXTURE_DATA(monitor) *self)
{
	must(id_command(self->victim, MQSHM_IOC_CLIENT_DETACH, 0) == 0);
	by_kill(self);
}

static void by_close(FIXTURE_DATA(monitor) *self)
{
	close(self->victim);
	by_kill(self);
}

/**
 * struct way - how a client ends
 * @end: what its process does
 * @change: MQSHM_CHANGE_* of it and all that it has
 * @kept: this process keeps the client's descriptor
 * @announced: its output's end was announced before: that connection went in order
 */
struct way {
	void (*end)(FIXTURE_DATA(monitor) *self);
	__u32 change;
	bool kept;
	bool announced;
};

struct victim {
	FIXTURE_DATA(monitor) *self;
	const struct way *way;
};

static void victim(void *arg)
{
	struct victim *v = arg;
	__u32 ports[2];

	hold_and_wait(v->self, 0, ports);
	if (v->way->announced)
		must(id_command(v->self->victim, MQSHM_IOC_PORT_END, ports[1]) == 0);
	*stage = 3;
	v->way->end(v->self);
}

static void wait_stage(int wanted)
{
	__u64 deadline = after_ms(PATIENCE_MS);

	while (*stage != wanted && now_ns() < deadline)
		sleep_us(200);
}

/* A victim with a connection out and one in ends in a way. */
static void end_in(struct __test_metadata *_metadata, FIXTURE_DATA(monitor) *self,
		   const struct way *way)
{
	struct victim v = { self, way };
	__u64 client, block, out, in;
	pid_t pid;

	stage = shared_memory(4096);
	pid = spawn(victim, &v);
	if (!way->kept)
		close(self->victim);
	NEXT(CLIENT, CAME, ANY_ID);
	client = self->r.n.id;
	NEXT(BLOCK, CAME, ANY_ID);
	block = self->r.n.id;
	ASSERT_EQ(0, connect_blocks(self->fd, "victim", "peer", &out));
	ASSERT_EQ(0, connect_blocks(self->fd, "peer", "victim", &in));
	NEXT(CONNECTION, CAME, out);
	NEXT(CONNECTION, CAME, in);
	wait_stage(1);
	EXPECT_NOTHING(&self->r);
	*stage = 2;
	wait_stage(3);
	if (way->end == by_kill)
		kill(pid, SIGKILL);

	NEXT_AS(MQSHM_RECORD_CLIENT, way->change, client);
	EXPECT_EQ(pid, self->r.n.pid);
	NEXT_AS(MQSHM_RECORD_CONNECTION, way->announced ? MQSHM_CHANGE_WENT : way->change, out);
	NEXT_AS(MQSHM_RECORD_CONNECTION, way->change, in);
	NEXT_AS(MQSHM_RECORD_BLOCK, way->change, block);
	EXPECT_EQ(client, self->r.n.owner);
	EXPECT_EQ(pid, self->r.n.pid);
	NEXT(CLIENT, SETTLED, client);
	EXPECT_EQ(HELD, self->r.n.refs);
	EXPECT_LT(0ULL, self->r.n.settle_ns);
	EXPECT_EQ(pid, self->r.n.pid);
	slay(pid);
	/* nothing more of the connections, whose other ends are the peer's */
	EXPECT_PEER_LEAVES();
}

#define WAY(name, ...) \
TEST_F(monitor, name) \
{ \
	end_in(_metadata, self, &(struct way){ __VA_ARGS__ }); \
}

WAY(killed, by_kill, MQSHM_CHANGE_DIED, true)
WAY(killed_alone, by_kill, MQSHM_CHANGE_DIED, false)
WAY(exited, by_exit, MQSHM_CHANGE_DIED, true)
WAY(executed_another, by_exec, MQSHM_CHANGE_DIED, true)
WAY(detached, by_detach, MQSHM_CHANGE_WENT, true)
WAY(closed, by_close, MQSHM_CHANGE_WENT, false)
WAY(announced_and_killed, by_kill, MQSHM_CHANGE_DIED, true, true)
WAY(announced_and_detached, by_detach, MQSHM_CHANGE_WENT, true, true)

/* A consumer reads a stream to its end, and lets go of it before the producer does. */
TEST_F(monitor, stream_that_ended)
{
	struct mqshm_event rings[2];
	__u64 ids[3];

	ASSERT_EQ(0, join_and_connect(self, true, ids, rings));
	EXPECT_CAME(ids);
	ASSERT_EQ(0, id_command(self->victim, MQSHM_IOC_PORT_END, rings[0].port));
	EXPECT_NOTHING(&self->r);
	ASSERT_EQ(0, ring_detach(self->peer, &rings[1]));
	NEXT(CONNECTION, WENT, ids[2]);
	ASSERT_EQ(0, id_command(self->victim, MQSHM_IOC_CLIENT_DETACH, 0));
	NEXT(CLIENT, WENT, ids[0]);
	NEXT(BLOCK, WENT, ids[1]);
	NEXT(CLIENT, SETTLED, ids[0]);
}

/* -- the end of the runtime ------------------------------------------------- */

TEST_F(monitor, removal)
{
	EXPECT_PEER_LEAVES();
	ASSERT_EQ(0, runtime_remove(self->fd, 0, NULL));
	NEXT(RUNTIME, WENT, self->id);
	EXPECT_STREQ(runtime_name(), self->r.n.name);
	EXPECT_END(&self->r);
	EXPECT_END(&self->r);
}

/* It goes with its last holder and client; a monitor is none. */
TEST_F(monitor, last_holder_leaves)
{
	close(self->fd);
	close(self->victim);
	EXPECT_NOTHING(&self->r);
	EXPECT_PEER_LEAVES();
	NEXT(RUNTIME, WENT, self->id);
	EXPECT_END(&self->r);
}

/* First the runtime, then who was in it, and only then the end. */
TEST_F(monitor, removal_by_force)
{
	struct mqshm_event rings[2];
	__u64 ids[3];

	ASSERT_EQ(0, join_and_connect(self, true, ids, rings));
	EXPECT_CAME(ids);
	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	NEXT(RUNTIME, WENT, self->id);
	NEXT(CLIENT, WENT, self->peer_id);
	NEXT(CONNECTION, WENT, ids[2]);
	NEXT(BLOCK, WENT, self->peer_block);
	NEXT(CLIENT, SETTLED, self->peer_id);
	NEXT(CLIENT, WENT, ids[0]);
	NEXT(BLOCK, WENT, ids[1]);
	NEXT(CLIENT, SETTLED, ids[0]);
	EXPECT_END(&self->r);
}

/* -- clients whose hand is parked ---------------------------------------------- */

static void parked(void *arg)
{
	hold_and_wait(arg, MQSHM_JOIN_F_DIRECT_IO, NULL);
}

static pid_t park_start(struct __test_metadata *_metadata, FIXTURE_DATA(monitor) *self,
			__u64 ids[2])
{
	pid_t pid;

	stage = shared_memory(4096);
	pid = spawn(parked, self);
	NEXT(CLIENT, CAME, ANY_ID);
	ids[0] = self->r.n.id;
	NEXT(BLOCK, CAME, ANY_ID);
	ids[1] = self->r.n.id;
	wait_stage(1);
	return pid;
}

TEST_F(monitor, parked_and_killed)
{
	__u64 ids[2];

	slay(park_start(_metadata, self, ids));
	NEXT(CLIENT, DIED, ids[0]);
	NEXT(BLOCK, DIED, ids[1]);
	EXPECT_NOTHING(&self->r);
	close(self->victim);
	NEXT(CLIENT, SETTLED, ids[0]);
	EXPECT_EQ(HELD, self->r.n.refs);
}

/* The end is behind the last that is told, however late that is. */
TEST_F(monitor, parked_and_removed_by_force)
{
	__u64 ids[2];
	pid_t pid = park_start(_metadata, self, ids);

	EXPECT_PEER_LEAVES();
	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	NEXT(RUNTIME, WENT, self->id);
	NEXT(CLIENT, WENT, ids[0]);
	NEXT(BLOCK, WENT, ids[1]);
	EXPECT_NOTHING(&self->r);
	slay(pid);
	EXPECT_NOTHING(&self->r);
	close(self->victim);
	NEXT(CLIENT, SETTLED, ids[0]);
	EXPECT_EQ(HELD, self->r.n.refs);
	EXPECT_END(&self->r);
}

/* -- stalls -------------------------------------------------------------------------- */

/* Calls the library all the time, for as long as it is let. */
static void busy(void *arg)
{
	struct node n;

	/* what the test closes is to be closed */
	for (int fd = 3; fd < 64; fd++)
		close(fd);
	must(node_open(&n, arg, "busy", &one_in) == 0);
	for (;;) {
		mqshm_client_update(n.client);
		sleep_us(1000);
	}
}

static int wait_stalled(int fd)
{
	__u64 deadline = after_ms(PATIENCE_MS);
	struct snapshot s;
	__u32 state;

	do {
		int err = snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s);

		if (err)
			return err;
		state = ((const struct mqshm_client_record *)
			 snapshot_next(&s, MQSHM_RECORD_CLIENT, NULL))->state;
		snapshot_free(&s);
		if (state == MQSHM_CLIENT_STALLED)
			return 0;
		sleep_us(100000);
	} while (now_ns() < deadline);
	return -ETIMEDOUT;
}

/*
 * In three at once, since it takes five seconds: one is stopped and continued; one
 * is killed, and its hand is parked; one has stalled before anybody watches.
 */
TEST_F_TIMEOUT(monitor, stall, 90)
{
	int fd = runtime_create_fd(other_name(), 0);
	struct reader late = { .stalls = true };
	__u64 ids[4], first;
	pid_t pids[3];

	EXPECT_PEER_LEAVES();
	pids[2] = spawn(busy, (void *)other_name());
	ASSERT_EQ(0, graph_wait_block(fd, "busy", PATIENCE_MS));
	pids[0] = spawn(busy, (void *)runtime_name());
	NEXT(CLIENT, CAME, ANY_ID);
	ids[0] = self->r.n.id;
	NEXT(BLOCK, CAME, ANY_ID);
	ids[1] = self->r.n.id;
	pids[1] = park_start(_metadata, self, &ids[2]);
	for (int i = 0; i < 3; i++)
		kill(pids[i], SIGSTOP);

	self->r.stalls = true;
	NEXT(CLIENT, STALLED, ANY_ID);
	first = self->r.n.id;
	NEXT(CLIENT, STALLED, first == ids[0] ? ids[2] : ids[0]);
	EXPECT_EQ(pids[first == ids[0]], self->r.n.pid);
	EXPECT_EQ(0, wait_stalled(fd));
	late.fd = watch_fd(other_name());
	kill(pids[2], SIGCONT);
	EXPECT_NEXT(&late, CLIENT, RESUMED, ANY_ID);

	slay(pids[1]);
	NEXT(CLIENT, DIED, ids[2]);
	NEXT(BLOCK, DIED, ids[3]);
	/* looked at once a second */
	EXPECT_EQ(-ETIMEDOUT, reader_next(&self->r, 2500)) TH_LOG("%s", notice_text(&self->r.n));
	kill(pids[0], SIGCONT);
	NEXT(CLIENT, RESUMED, ids[0]);
	self->r.stalls = false;
	close(self->victim);
	NEXT(CLIENT, SETTLED, ids[2]);
	slay(pids[2]);
	slay(pids[0]);
	NEXT(CLIENT, DIED, ids[0]);
	NEXT(BLOCK, DIED, ids[1]);
	NEXT(CLIENT, SETTLED, ids[0]);
}

TEST_HARNESS_MAIN
