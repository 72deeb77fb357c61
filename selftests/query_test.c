// SPDX-License-Identifier: GPL-2.0-only
/* Snapshots: every record, sizes, consistency while the graph changes. */

#include "kselftest_harness.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "graph.h"
#include "mqshm_test.h"

FIXTURE(query)
{
	int fd;
	struct node source;
	struct node sink;
	uint64_t connection;
	struct snapshot s;
};

FIXTURE_SETUP(query)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, pool_create(self->fd, "pool", 5000, 32, NULL));
	ASSERT_EQ(1, pool_create(self->fd, "more", 100, 64, NULL));
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	ASSERT_EQ(0, node_open(&self->sink, runtime_name(), "sink",
			       &(struct node_options){ .ins = 2, .depth = 9 }));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "sink:in2", &self->connection));
	ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 1, 5000));
	ASSERT_EQ(0, node_wait_connections(&self->sink, self->sink.in[1], 1, 5000));
}

FIXTURE_TEARDOWN(query)
{
	snapshot_free(&self->s);
	node_close(&self->source);
	node_close(&self->sink);
}

#define TAKE()	ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &self->s))

TEST_F(query, records_fill_the_snapshot)
{
	size_t bytes = 0;
	const char *p;

	TAKE();
	EXPECT_EQ(0, self->s.bytes % 8);
	for (p = self->s.data; p < self->s.data + self->s.bytes;) {
		const struct mqshm_record *r = (const void *)p;

		ASSERT_LE(sizeof(*r), r->bytes);
		ASSERT_EQ(0, r->bytes % 8);
		bytes += r->bytes;
		p += r->bytes;
	}
	EXPECT_EQ(self->s.bytes, bytes);
	EXPECT_EQ(1, snapshot_count(&self->s, MQSHM_RECORD_RUNTIME));
	EXPECT_EQ(2, snapshot_count(&self->s, MQSHM_RECORD_POOL));
	EXPECT_EQ(2, snapshot_count(&self->s, MQSHM_RECORD_CLIENT));
	EXPECT_EQ(2, snapshot_count(&self->s, MQSHM_RECORD_BLOCK));
	EXPECT_EQ(3, snapshot_count(&self->s, MQSHM_RECORD_PORT));
	EXPECT_EQ(1, snapshot_count(&self->s, MQSHM_RECORD_CONNECTION));
	EXPECT_EQ(0, snapshot_count(&self->s, MQSHM_RECORD_DEPARTED));
}

TEST_F(query, runtime)
{
	const struct mqshm_runtime_record *r;
	uint64_t now;

	TAKE();
	now = now_ns();
	r = snapshot_next(&self->s, MQSHM_RECORD_RUNTIME, NULL);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(sizeof(*r), r->head.bytes);
	EXPECT_EQ(MQSHM_MAGIC, r->magic);
	EXPECT_EQ(MQSHM_ABI_VERSION, r->version);
	EXPECT_EQ(0U, r->state);
	EXPECT_EQ(getuid(), r->uid);
	EXPECT_EQ(getgid(), r->gid);
	EXPECT_EQ(0700U, r->mode);
	EXPECT_EQ(2U, r->clients);
	EXPECT_EQ(2U, r->blocks);
	EXPECT_EQ(1U, r->connections);
	EXPECT_EQ(2U, r->pools);
	EXPECT_EQ(96U, r->buffers);
	EXPECT_EQ(128U, r->limits.clients);
	EXPECT_EQ(256U, r->limits.blocks);
	EXPECT_EQ(32U, r->limits.ports);
	EXPECT_EQ(512U, r->limits.connections);
	EXPECT_EQ(16U, r->limits.pools);
	EXPECT_EQ(65536U, r->limits.buffers);
	EXPECT_LT(r->created_ns, self->s.now_ns);
	EXPECT_LE(self->s.now_ns, now);
	EXPECT_LE(32 * 8192 + 64 * 128, r->memory_bytes);
	EXPECT_STREQ(runtime_name(), r->name);
}

TEST_F(query, pools)
{
	const struct mqshm_pool_record *p;

	TAKE();
	p = snapshot_next(&self->s, MQSHM_RECORD_POOL, NULL);
	EXPECT_STREQ("pool", p->name);
	EXPECT_EQ(0U, p->pool);
	EXPECT_EQ(getuid(), p->uid);
	EXPECT_EQ(5000U, p->buffer_bytes);
	EXPECT_EQ(8192U, p->stride_bytes);
	EXPECT_EQ(0U, p->first);
	EXPECT_EQ(32U, p->buffers);
	EXPECT_EQ(32U, p->free);
	EXPECT_EQ(0U, p->quarantined);
	EXPECT_EQ(0U, p->waiting);
	EXPECT_EQ(32 * 8192, p->payload_bytes);
	p = snapshot_next(&self->s, MQSHM_RECORD_POOL, p);
	EXPECT_STREQ("more", p->name);
	EXPECT_EQ(1U, p->pool);
	EXPECT_EQ(128U, p->stride_bytes);
	EXPECT_EQ(32U, p->first);
}

TEST_F(query, clients)
{
	const struct mqshm_client_record *c;

	TAKE();
	c = snapshot_client(&self->s, mqshm_client_id(self->source.client));
	ASSERT_NE(NULL, c);
	EXPECT_EQ(getpid(), c->pid);
	EXPECT_EQ(getpid(), c->tid);
	EXPECT_EQ(getuid(), c->uid);
	EXPECT_EQ(MQSHM_ROLE_STANDALONE, c->role);
	EXPECT_EQ(MQSHM_CLIENT_RUNNING, c->state);
	EXPECT_EQ(0U, c->index);
	EXPECT_LE(c->started_ns, c->joined_ns);
	EXPECT_LE(c->joined_ns, self->s.now_ns);
	EXPECT_EQ(0, c->held_refs);
	EXPECT_LT(0, c->ioctls);
	EXPECT_STREQ("source", c->name);
}

TEST_F(query, blocks_and_ports)
{
	const struct mqshm_block_record *b;
	const struct mqshm_port_record *p = NULL;
	unsigned int found = 0;

	TAKE();
	b = snapshot_block(&self->s, "sink");
	ASSERT_NE(NULL, b);
	EXPECT_EQ(mqshm_block_id(self->sink.block), b->id);
	EXPECT_EQ(mqshm_client_id(self->sink.client), b->client);
	EXPECT_EQ(MQSHM_CLASS_PROCESSING, b->class_);
	EXPECT_EQ(0U, b->stopping);
	EXPECT_LE(b->created_ns, self->s.now_ns);
	EXPECT_STREQ("Test", b->type);
	while ((p = snapshot_next(&self->s, MQSHM_RECORD_PORT, p))) {
		if (p->block != b->id)
			continue;
		EXPECT_EQ(MQSHM_DIR_IN, p->direction);
		EXPECT_EQ(9U, p->depth);
		EXPECT_STREQ(found ? "in2" : "in1", p->name);
		found++;
	}
	EXPECT_EQ(2U, found);
}

/* Whatever a client writes there: words of its own blocks, and of no others. */
TEST_F(query, statistics_that_a_client_tells)
{
	struct mqshm_control *control = region_map(mqshm_client_fd(self->source.client),
						   MQSHM_MMAP_CONTROL, 0, 4096,
						   PROT_READ | PROT_WRITE);
	uint64_t source = mqshm_block_id(self->source.block), sink = mqshm_block_id(self->sink.block);
	struct mqshm_block_stats wild = {};
	const struct mqshm_block_stats *told;

	ASSERT_NE(NULL, control);
	TAKE();
	told = &snapshot_block(&self->s, "source")->stats;
	EXPECT_EQ(0, memcmp(told, &wild, sizeof(wild)));
	snapshot_free(&self->s);
	memset(&wild, 0xa5, sizeof(wild));
	for (unsigned int i = 0; i < 4; i++)
		control->stats[i] = wild;
	/* not where it belongs, and somebody else's */
	control->stats[1].block = source;
	control->stats[0].block = sink;
	TAKE();
	EXPECT_EQ(0, snapshot_block(&self->s, "source")->stats.block);
	EXPECT_EQ(0, snapshot_block(&self->s, "source")->stats.work_count);
	EXPECT_EQ(0, snapshot_block(&self->s, "sink")->stats.block);
	EXPECT_EQ(0, snapshot_block(&self->s, "sink")->stats.work_count);
	snapshot_free(&self->s);
	control->stats[0].block = source;
	TAKE();
	told = &snapshot_block(&self->s, "source")->stats;
	wild.block = source;
	EXPECT_EQ(0, memcmp(told, &wild, sizeof(wild)));
	munmap(control, 4096);
}

#define MANY	120	/* their statistics take three pages, some lie on two */

static int create_slot(int fd, unsigned int i, uint64_t *id, uint32_t *slot)
{
	struct mqshm_port_desc port = { .name = "in", .direction = MQSHM_DIR_IN };
	struct mqshm_block_create_args a =
		ARGS(block_create, .type = "Test", .ports = 1, .port_array = (uintptr_t)&port,
		     .out_id = POISON64, .out_slot = POISON32, .out_reserved = POISON32);
	int err;

	snprintf(a.name, sizeof(a.name), "many%u", i);
	err = command(fd, MQSHM_IOC_BLOCK_CREATE, &a);
	*id = a.out_id;
	*slot = a.out_slot;
	return err ?: a.out_reserved ? -EPROTO : 0;
}

TEST_F(query, statistics_of_many_blocks_of_a_client)
{
	size_t bytes = sizeof(struct mqshm_control) + MANY * sizeof(struct mqshm_block_stats);
	int fd = runtime_open_fd(runtime_name());
	struct mqshm_client_join_args join;
	uint32_t slots[MANY], again;
	struct mqshm_control *control;
	uint64_t ids[MANY], id;
	char name[16];

	ASSERT_EQ(0, client_join(fd, 0, &join));
	EXPECT_LE(MANY, join.out_stats);
	control = region_map(fd, MQSHM_MMAP_CONTROL, 0, bytes, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, control);
	for (unsigned int i = 0; i < MANY; i++) {
		ASSERT_EQ(0, create_slot(fd, i, &ids[i], &slots[i]));
		ASSERT_EQ(i, slots[i]);
	}
	/* pages that were never touched tell nothing */
	TAKE();
	EXPECT_EQ(0, snapshot_block(&self->s, "many119")->stats.block);
	snapshot_free(&self->s);
	for (unsigned int i = 0; i < MANY; i++)
		control->stats[i] = (struct mqshm_block_stats){
			.block = ids[i], .work_count = i + 1, .waits = i + 2,
		};
	TAKE();
	for (unsigned int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "many%u", i);
		EXPECT_EQ(ids[i], snapshot_block(&self->s, name)->stats.block);
		EXPECT_EQ(i + 1, snapshot_block(&self->s, name)->stats.work_count);
		EXPECT_EQ(i + 2, snapshot_block(&self->s, name)->stats.waits);
	}
	snapshot_free(&self->s);
	/* a place is used again, and tells nothing of the one that had it */
	ASSERT_EQ(0, id_command(fd, MQSHM_IOC_BLOCK_REMOVE, ids[50]));
	ASSERT_EQ(0, create_slot(fd, 50, &id, &again));
	EXPECT_EQ(50, again);
	TAKE();
	EXPECT_EQ(0, snapshot_block(&self->s, "many50")->stats.block);
	EXPECT_EQ(0, snapshot_block(&self->s, "many50")->stats.work_count);
	munmap(control, bytes);
	close(fd);
}

TEST_F(query, ended_port)
{
	const struct mqshm_port_record *p = NULL;
	const struct mqshm_connection_record *c;
	unsigned int ended = 0;

	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	TAKE();
	while ((p = snapshot_next(&self->s, MQSHM_RECORD_PORT, p)))
		ended += p->ended && p->direction == MQSHM_DIR_OUT;
	EXPECT_EQ(1U, ended);
	c = snapshot_connection(&self->s, self->connection);
	EXPECT_EQ(MQSHM_RING_EOF, c->flags & MQSHM_RING_EOF);
}

TEST_F(query, connection_counts)
{
	const struct mqshm_connection_record *c;
	const struct mqshm_runtime_record *r;
	struct mqshm_buffer buf;

	for (int i = 0; i < 7; i++) {
		ASSERT_EQ(0, node_alloc(&self->source, 1000, after_ms(1000), &buf));
		ASSERT_EQ(0, mqshm_port_push(self->source.out[0], &buf, 0));
	}
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, mqshm_port_pop(self->sink.in[1], &buf));
		ASSERT_EQ(0, mqshm_buffer_release(self->sink.client, &buf));
	}
	TAKE();
	c = snapshot_connection(&self->s, self->connection);
	ASSERT_NE(NULL, c);
	EXPECT_EQ(mqshm_block_id(self->source.block), c->from_block);
	EXPECT_EQ(mqshm_block_id(self->sink.block), c->to_block);
	EXPECT_EQ(9U, c->depth);
	EXPECT_EQ(5U, c->queued);
	EXPECT_EQ(7, c->messages);
	EXPECT_EQ(7000, c->bytes);
	EXPECT_EQ(0U, c->flags & (MQSHM_RING_EOF | MQSHM_RING_DEAD | MQSHM_RING_CLOSED |
				  MQSHM_RING_DISCONNECTED));
	r = snapshot_next(&self->s, MQSHM_RECORD_RUNTIME, NULL);
	EXPECT_EQ(7, r->messages);
	EXPECT_EQ(7000, r->bytes);
	EXPECT_EQ(7, r->allocated);
	EXPECT_EQ(2, r->freed);
}

TEST_F(query, held_references)
{
	const struct mqshm_client_record *c;
	struct mqshm_buffer bufs[3], more;
	struct tally t;

	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, node_alloc(&self->sink, 64, after_ms(1000), &bufs[i]));
	}
	ASSERT_EQ(0, mqshm_client_flush(self->sink.client)) TH_LOG("spare ones go back");
	ASSERT_EQ(0, mqshm_buffer_share(self->sink.client, &bufs[0], &more));
	TAKE();
	c = snapshot_client(&self->s, mqshm_client_id(self->sink.client));
	EXPECT_EQ(3, c->held_buffers);
	EXPECT_EQ(4, c->held_refs);
	ASSERT_EQ(0, tally_take(self->fd, &t));
	EXPECT_TRUE(tally_whole(&t));
}

/* What is gone still counts. */
TEST_F(query, totals_include_the_departed)
{
	const struct mqshm_departed_record *d;
	const struct mqshm_runtime_record *r;
	struct mqshm_buffer buf;
	uint64_t id = mqshm_client_id(self->source.client);

	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, node_alloc(&self->source, 100, after_ms(1000), &buf));
		ASSERT_EQ(0, mqshm_port_push(self->source.out[0], &buf, 0));
	}
	node_close(&self->source);
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, mqshm_port_pop(self->sink.in[1], &buf));
		ASSERT_EQ(0, mqshm_buffer_release(self->sink.client, &buf));
	}
	ASSERT_EQ(-EAGAIN, mqshm_port_pop(self->sink.in[1], &buf));
	node_close(&self->sink);
	TAKE();
	r = snapshot_next(&self->s, MQSHM_RECORD_RUNTIME, NULL);
	EXPECT_EQ(0U, r->clients);
	EXPECT_EQ(0U, r->connections);
	EXPECT_EQ(5, r->messages);
	EXPECT_EQ(500, r->bytes);
	EXPECT_EQ(5, r->allocated);
	EXPECT_EQ(5, r->freed);
	EXPECT_EQ(2, r->settled);
	d = snapshot_departed(&self->s, id);
	ASSERT_NE(NULL, d);
	EXPECT_EQ(getpid(), d->pid);
	EXPECT_EQ(MQSHM_DEPARTED_DETACH, d->how);
	EXPECT_STREQ("source", d->name);
	EXPECT_LE(d->at_ns, self->s.now_ns);
}

TEST_F(query, the_last_64_departed_are_kept)
{
	for (int i = 0; i < 70; i++) {
		int fd = runtime_open_fd(runtime_name());

		ASSERT_EQ(0, client_join(fd, 0, NULL));
		close(fd);
	}
	TAKE();
	EXPECT_EQ(64, snapshot_count(&self->s, MQSHM_RECORD_DEPARTED));
}

/* -- sizes ---------------------------------------------------------------- */

static int query(int fd, void *p, __u64 bytes, struct mqshm_query_args *out)
{
	*out = ARGS(query, .what = MQSHM_QUERY_RUNTIME, .buffer = (uintptr_t)p,
		    .buffer_bytes = bytes, .out_bytes = POISON64, .out_now_ns = POISON64,
		    .out_changes = POISON64);
	return command(fd, MQSHM_IOC_QUERY, out);
}

TEST_F(query, too_small_a_buffer)
{
	struct mqshm_query_args a;
	unsigned char p[65536];
	__u64 needed;

	memset(p, 0xcc, sizeof(p));
	EXPECT_EQ(-ENOBUFS, query(self->fd, NULL, 0, &a));
	needed = a.out_bytes;
	ASSERT_GT(sizeof(p), needed);
	EXPECT_EQ(-ENOBUFS, query(self->fd, p, needed - 1, &a));
	EXPECT_EQ(needed, a.out_bytes);
	for (size_t i = 0; i < sizeof(p); i++) {
		ASSERT_EQ(0xcc, p[i]) TH_LOG("nothing is written");
	}
	EXPECT_EQ(0, query(self->fd, p, needed, &a));
	EXPECT_EQ(needed, a.out_bytes);
	EXPECT_NE(POISON64, a.out_now_ns);
	EXPECT_EQ(0xcc, p[needed]);
}

TEST_F(query, larger_a_buffer_than_is_used)
{
	struct mqshm_query_args a;
	char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_EQ(0, query(self->fd, p, ~0ULL, &a));
	EXPECT_GT(1 << 20, a.out_bytes);
}

TEST_F(query, runtimes)
{
	const struct mqshm_runtime_record *r = NULL;
	int fd = device_open();
	bool found = false;

	ASSERT_EQ(0, snapshot_take(fd, MQSHM_QUERY_RUNTIMES, &self->s)) TH_LOG("needs no binding");
	EXPECT_EQ(0, self->s.changes);
	while ((r = snapshot_next(&self->s, MQSHM_RECORD_RUNTIME, r))) {
		found |= !strcmp(r->name, runtime_name()) && r->clients == 2;
	}
	EXPECT_TRUE(found);
	EXPECT_EQ(0, snapshot_count(&self->s, MQSHM_RECORD_CLIENT));
}

/* -- states of clients ----------------------------------------------------- */

/* @seen_ns (or NULL): when it was seen to have moved. */
static uint32_t client_seen(int fd, uint64_t id, uint64_t *seen_ns)
{
	uint32_t state = ~0U;
	struct snapshot s;

	if (snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s))
		return ~0U;
	if (snapshot_client(&s, id)) {
		state = snapshot_client(&s, id)->state;
		if (seen_ns)
			*seen_ns = snapshot_client(&s, id)->seen_ns;
	}
	snapshot_free(&s);
	return state;
}

static uint32_t client_state(int fd, uint64_t id)
{
	return client_seen(fd, id, NULL);
}

static void sleep_in_wait(void *arg)
{
	volatile uint64_t *id = arg;
	struct node n;

	must(node_open(&n, runtime_name(), "sleeper", &one_in) == 0);
	*id = mqshm_client_id(n.client);
	mqshm_wait(n.client, &n.in[0], 1, MQSHM_FOREVER, NULL);
	for (;;)
		pause();
}

TEST_F(query, sleeping_client_is_idle)
{
	volatile uint64_t *id = shared_memory(4096);
	pid_t pid = spawn(sleep_in_wait, (void *)id);
	uint64_t deadline = after_ms(3000);

	while (!*id)
		sleep_us(500);
	while (client_state(self->fd, *id) != MQSHM_CLIENT_IDLE && now_ns() < deadline)
		sleep_us(1000);
	EXPECT_EQ(MQSHM_CLIENT_IDLE, client_state(self->fd, *id));
	slay(pid);
	EXPECT_EQ(~0U, client_state(self->fd, *id));
}

/* A client whose descriptor is in an epoll, and one with an eventfd that is armed. */
struct pollers {
	struct node by_epoll;
	struct node by_eventfd;
	int epoll;
};

static int pollers_open(struct pollers *p, int fd)
{
	const struct node_options options = { .ins = 1, .depth = 4 };
	struct epoll_event event = { .events = EPOLLIN };
	int err = node_open(&p->by_epoll, runtime_name(), "epoll", &options) ?:
		  node_open(&p->by_eventfd, runtime_name(), "eventfd", &options) ?:
		  graph_connect(fd, "source", "epoll", NULL) ?:
		  node_wait_connections(&p->by_epoll, p->by_epoll.in[0], 1, 5000) ?:
		  mqshm_port_set_eventfd(p->by_eventfd.in[0], eventfd(0, EFD_NONBLOCK)) ?:
		  mqshm_port_arm(p->by_eventfd.in[0]);

	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	return err ?: epoll_ctl(p->epoll, EPOLL_CTL_ADD, mqshm_client_fd(p->by_epoll.client), &event);
}

static void pollers_close(struct pollers *p)
{
	close(p->epoll);
	node_close(&p->by_epoll);
	node_close(&p->by_eventfd);
}

/* Shown, not killed: five seconds without a call, and back. Who waits to be told is idle. */
TEST_F_TIMEOUT(query, silent_client_is_stalled, 20)
{
	uint64_t id = mqshm_client_id(self->source.client);
	uint64_t begin, looked, seen, then, epoll, eventfd;
	struct mqshm_buffer buf;
	struct pollers p;
	uint32_t state;

	ASSERT_EQ(0, pollers_open(&p, self->fd));
	epoll = mqshm_client_id(p.by_epoll.client);
	eventfd = mqshm_client_id(p.by_eventfd.client);
	begin = now_ns();
	EXPECT_EQ(MQSHM_CLIENT_RUNNING, client_state(self->fd, epoll));
	EXPECT_EQ(MQSHM_CLIENT_RUNNING, client_state(self->fd, eventfd));
	ASSERT_EQ(0, node_alloc(&self->source, 64, after_ms(1000), &buf));
	EXPECT_EQ(MQSHM_CLIENT_RUNNING, client_seen(self->fd, id, &seen));
	looked = now_ns();
	EXPECT_LE(begin, seen);
	EXPECT_GE(looked, seen);
	while ((state = client_state(self->fd, id)) == MQSHM_CLIENT_RUNNING &&
	       now_ns() < begin + 8000000000ULL)
		sleep_us(100000);
	EXPECT_EQ(MQSHM_CLIENT_STALLED, state);
	EXPECT_LT(begin + 4000000000ULL, now_ns());
	EXPECT_EQ(MQSHM_CLIENT_STALLED, client_seen(self->fd, id, &then));
	EXPECT_EQ(seen, then);
	EXPECT_EQ(MQSHM_CLIENT_IDLE, client_state(self->fd, epoll));
	EXPECT_EQ(MQSHM_CLIENT_IDLE, client_state(self->fd, eventfd));
	/* a message, and a connection: both have been told, and do nothing */
	ASSERT_EQ(0, mqshm_port_push(self->source.out[0], &buf, 0));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "eventfd", NULL));
	EXPECT_EQ(MQSHM_CLIENT_RUNNING, client_state(self->fd, epoll));
	EXPECT_EQ(MQSHM_CLIENT_RUNNING, client_state(self->fd, eventfd));
	pollers_close(&p);
	EXPECT_EQ(MQSHM_CLIENT_RUNNING, client_seen(self->fd, id, &then));
	EXPECT_LT(looked, then);
}

/* -- while everything changes ---------------------------------------------- */

/* Joins, makes blocks, connects, leaves, until it is killed. */
static void churn(void *arg)
{
	int manage = runtime_open_fd(runtime_name());
	char name[2][16];
	struct node n[2];

	for (unsigned int i = 0;; i++) {
		for (int k = 0; k < 2; k++) {
			snprintf(name[k], sizeof(name[k]), "churn%ld-%d", (long)arg, k);
			errno = -node_open(&n[k], runtime_name(), name[k], &one_each);
			must(!errno);
		}
		must(graph_connect(manage, name[0], name[1], NULL) == 0);
		must(graph_connect(manage, name[1], name[0], NULL) == 0);
		mqshm_client_update(n[0].client);
		node_close(&n[i & 1]);
		node_close(&n[!(i & 1)]);
	}
}

/* Whatever a record names is there, or it is said to have let go. */
static bool consistent(const struct snapshot *s)
{
	const struct mqshm_runtime_record *r = snapshot_next(s, MQSHM_RECORD_RUNTIME, NULL);
	const struct mqshm_connection_record *c = NULL;
	const struct mqshm_block_record *b = NULL, *other;
	const struct mqshm_port_record *p = NULL;

	if (r->clients != snapshot_count(s, MQSHM_RECORD_CLIENT) ||
	    r->blocks != snapshot_count(s, MQSHM_RECORD_BLOCK) ||
	    r->connections != snapshot_count(s, MQSHM_RECORD_CONNECTION))
		return false;
	while ((b = snapshot_next(s, MQSHM_RECORD_BLOCK, b))) {
		if (!snapshot_client(s, b->client))
			return false;
	}
	while ((p = snapshot_next(s, MQSHM_RECORD_PORT, p))) {
		for (other = NULL; (other = snapshot_next(s, MQSHM_RECORD_BLOCK, other));) {
			if (other->id == p->block)
				break;
		}
		if (!other)
			return false;
	}
	while ((c = snapshot_next(s, MQSHM_RECORD_CONNECTION, c))) {
		bool from = !c->from_block, to = !c->to_block;

		for (other = NULL; (other = snapshot_next(s, MQSHM_RECORD_BLOCK, other));) {
			from |= other->id == c->from_block;
			to |= other->id == c->to_block;
		}
		if (!from || !to)
			return false;
	}
	return true;
}

TEST_F_TIMEOUT(query, consistent_while_the_graph_changes, 1800)
{
	unsigned int looks = rounds(300, 10000);
	pid_t pids[2];

	for (long i = 0; i < 2; i++)
		pids[i] = spawn(churn, (void *)i);
	for (unsigned int i = 0; i < looks; i++) {
		TAKE();
		ASSERT_TRUE(consistent(&self->s)) TH_LOG("look %u", i);
		snapshot_free(&self->s);
	}
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, kill(pids[i], SIGKILL));
		EXPECT_EQ(256 + SIGKILL, reap(pids[i]));
	}
	TAKE();
	EXPECT_EQ(2, snapshot_count(&self->s, MQSHM_RECORD_CLIENT));
	EXPECT_EQ(1, snapshot_count(&self->s, MQSHM_RECORD_CONNECTION));
}

TEST_HARNESS_MAIN
