// SPDX-License-Identifier: GPL-2.0-only
/* Who holds which buffers: each of them, with counts and ages, in pages of any size. */

#include "kselftest_harness.h"

#include <sys/mman.h>

#include "graph.h"
#include "mqshm_test.h"
#include "raw.h"

#define SOON	after_ms(PATIENCE_MS)
#define FEW	32
#define MANY	3000	/* more than a page of a hold row has, and than a page of records */

FIXTURE(holders)
{
	struct mqshm_runtime *rt;
	int fd;
	struct node source;
	struct node sink;
	struct mqshm_holders *list;
	uint64_t connection;
};

FIXTURE_SETUP(holders)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, mqshm_runtime_open(runtime_name(), &self->rt));
	ASSERT_EQ(0, pool_create(self->fd, "many", 64, MANY, NULL));
	ASSERT_EQ(1, pool_create(self->fd, "few", 5000, FEW, NULL));
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	ASSERT_EQ(0, node_open(&self->sink, runtime_name(), "sink", &one_in));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "sink", &self->connection));
	ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 1, PATIENCE_MS));
	ASSERT_EQ(0, node_wait_connections(&self->sink, self->sink.in[0], 1, PATIENCE_MS));
}

FIXTURE_TEARDOWN(holders)
{
	mqshm_holders_free(self->list);
	node_close(&self->source);
	node_close(&self->sink);
	mqshm_runtime_close(self->rt);
}

#define TAKE() \
	do { \
		mqshm_holders_free(self->list); \
		self->list = NULL; \
		ASSERT_EQ(0, mqshm_runtime_holders(self->rt, &self->list)); \
	} while (0)

/* What @holder has of @buffer, as a sum: it may be queued more than once. NULL: nothing. */
static const struct mqshm_holder_record *find(const struct mqshm_holders *list, uint64_t holder,
					      uint32_t buffer)
{
	for (size_t i = 0; i < list->n_holders; i++)
		if (list->holders[i].holder == holder && list->holders[i].buffer == buffer)
			return &list->holders[i];
	return NULL;
}

/* Records with (or without) a time of allocation. */
static size_t count_reserve(const struct mqshm_holders *list, bool reserve)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n_holders; i++)
		n += !list->holders[i].alloc_ns == reserve;
	return n;
}

/* Buffers that are not in their depot, by the snapshot of the pools. */
static uint64_t out_of_depot(int fd)
{
	struct tally t;

	return tally_take(fd, &t) ? UINT64_MAX : t.buffers - t.free - t.quarantined;
}

TEST_F(holders, nobody_holds_anything)
{
	TAKE();
	EXPECT_EQ(0U, self->list->n_holders);
	EXPECT_NE(0U, self->list->now_ns);
}

/* Every buffer of the pool has been somebody's before. */
static int use_all(struct node *n)
{
	struct mqshm_buffer buf[FEW];
	int err = 0;

	for (int i = 0; i < FEW && !err; i++)
		err = mqshm_buffer_alloc_from(n->client, "few", SOON, &buf[i]);
	for (int i = 0; i < FEW && !err; i++)
		err = mqshm_buffer_release(n->client, &buf[i]);
	return err ? err : mqshm_client_flush(n->client);
}

TEST_F(holders, hands_and_queues)
{
	uint64_t source = mqshm_client_id(self->source.client), before, serial;
	const struct mqshm_holder_record *r;
	struct mqshm_buffer held, shared[3], sent;
	uint32_t number;

	ASSERT_EQ(0, use_all(&self->sink));
	before = now_ns();
	ASSERT_EQ(0, mqshm_buffer_alloc(self->source.client, 4000, SOON, &held));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, mqshm_buffer_share(self->source.client, &held, &shared[i]));
	ASSERT_EQ(0, mqshm_buffer_alloc(self->source.client, 4000, SOON, &sent));
	sent.length = 77;
	number = sent.number;
	serial = mqshm_buffer_id(self->source.client, &sent) >> 20;
	ASSERT_EQ(0, mqshm_buffer_set_data_ns(self->source.client, &sent, 12345));
	ASSERT_EQ(0, mqshm_port_push(self->source.out[0], &sent, 0));
	TAKE();
	EXPECT_EQ(2U, count_reserve(self->list, false));
	EXPECT_EQ(FEW / 8 - 2, count_reserve(self->list, true));

	r = find(self->list, source, held.number);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(MQSHM_RECORD_HOLDER, r->head.kind);
	EXPECT_EQ(sizeof(*r), r->head.bytes);
	EXPECT_EQ(MQSHM_HOLDERS_CLIENTS, r->what);
	EXPECT_EQ(1U, r->pool);
	EXPECT_EQ(4U, r->refs);
	EXPECT_EQ(0U, r->length);
	EXPECT_EQ(0U, r->reserved);
	EXPECT_LE(r->alloc_ns, self->list->now_ns);
	EXPECT_LE(before, r->alloc_ns + 1000000000) TH_LOG("a clock of the library's is coarse");

	EXPECT_EQ(NULL, find(self->list, source, number));
	r = find(self->list, self->connection, number);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(MQSHM_HOLDERS_QUEUES, r->what);
	EXPECT_EQ(1U, r->pool);
	EXPECT_EQ(1U, r->refs);
	EXPECT_EQ(77U, r->length);
	EXPECT_EQ(12345U, r->data_ns);
	EXPECT_EQ(serial, r->serial);
	EXPECT_NE(0U, r->alloc_ns);
}

TEST_F(holders, who_has_them_changes_and_ages_stay)
{
	uint64_t source = mqshm_client_id(self->source.client);
	uint64_t sink = mqshm_client_id(self->sink.client), alloc_ns, now;
	struct mqshm_buffer buf, got;
	uint32_t number;

	ASSERT_EQ(0, mqshm_buffer_alloc(self->source.client, 4000, SOON, &buf));
	number = buf.number;
	TAKE();
	alloc_ns = find(self->list, source, number)->alloc_ns;
	now = self->list->now_ns;
	ASSERT_EQ(0, mqshm_port_push(self->source.out[0], &buf, 0));
	TAKE();
	EXPECT_EQ(alloc_ns, find(self->list, self->connection, number)->alloc_ns);
	EXPECT_LT(now, self->list->now_ns);
	ASSERT_EQ(0, node_pop(&self->sink, self->sink.in[0], &got, SOON));
	TAKE();
	ASSERT_NE(NULL, find(self->list, sink, number));
	EXPECT_EQ(alloc_ns, find(self->list, sink, number)->alloc_ns);
	EXPECT_EQ(NULL, find(self->list, self->connection, number));
	EXPECT_EQ(0, mqshm_buffer_release(self->sink.client, &got));
	EXPECT_EQ(0, mqshm_client_flush(self->sink.client));
	EXPECT_EQ(0, mqshm_client_flush(self->source.client));
	TAKE();
	EXPECT_EQ(0U, self->list->n_holders);
}

TEST_F(holders, oldest_first)
{
	struct mqshm_buffer buf[FEW / 2];

	for (int i = 0; i < FEW / 2; i++) {
		ASSERT_EQ(0, mqshm_buffer_alloc(self->source.client, 4000, SOON, &buf[i]));
		/* what comes next is later */
		ASSERT_EQ(0, mqshm_client_flush(self->source.client));
		sleep_us(100);
	}
	TAKE();
	ASSERT_EQ(FEW / 2, self->list->n_holders);
	for (int i = 0; i < FEW / 2; i++)
		EXPECT_EQ(buf[i].number, self->list->holders[i].buffer);
}

TEST_F(holders, a_queue_that_has_moved_on)
{
	struct mqshm_buffer buf, sent[5];

	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, mqshm_buffer_alloc(self->source.client, 4000, SOON, &buf));
		sent[i] = buf;
		ASSERT_EQ(0, mqshm_port_push(self->source.out[0], &buf, 0));
	}
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, node_pop(&self->sink, self->sink.in[0], &buf, SOON));
	TAKE();
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(NULL, find(self->list, self->connection, sent[i].number));
	for (int i = 2; i < 5; i++)
		EXPECT_NE(NULL, find(self->list, self->connection, sent[i].number));
}

/* As many of the pool of many as there are, to the source; how many. */
static uint32_t alloc_all(struct node *n)
{
	struct mqshm_buffer buf;
	uint32_t got = 0;

	while (!mqshm_buffer_alloc_from(n->client, "many", MQSHM_NO_WAIT, &buf))
		got++;
	return got;
}

TEST_F(holders, more_than_a_page)
{
	bool seen[MANY] = {};

	EXPECT_EQ(MANY, alloc_all(&self->source));
	TAKE();
	EXPECT_EQ(MANY, self->list->n_holders);
	EXPECT_EQ(MANY, out_of_depot(self->fd));
	for (size_t i = 0; i < self->list->n_holders; i++) {
		ASSERT_GT(MANY, self->list->holders[i].buffer);
		ASSERT_FALSE(seen[self->list->holders[i].buffer]);
		seen[self->list->holders[i].buffer] = true;
	}
}

/* Only the last page of its hold row was ever touched. */
TEST_F(holders, pages_that_were_never_touched)
{
	struct mqshm_buffer buf;

	ASSERT_EQ(0, mqshm_buffer_alloc_from(self->sink.client, "few", SOON, &buf));
	TAKE();
	EXPECT_NE(NULL, find(self->list, mqshm_client_id(self->sink.client), buf.number));
	EXPECT_EQ(out_of_depot(self->fd), self->list->n_holders);
}

TEST_F(holders, who_left_has_nothing)
{
	EXPECT_EQ(MANY, alloc_all(&self->source));
	node_close(&self->source);
	TAKE();
	EXPECT_EQ(0U, self->list->n_holders);
}

/* -- pages -------------------------------------------------------------------- */

/* One record at a time. */
static int next(int fd, struct mqshm_holders_args *a, struct mqshm_holder_record *r)
{
	int err;

	a->buffer = (uintptr_t)r;
	a->buffer_bytes = sizeof(*r);
	a->id = a->out_id;
	a->position = a->out_position;
	err = command(fd, MQSHM_IOC_HOLDERS, a);
	return err ? err : (int)(a->out_bytes / sizeof(*r));
}

TEST_F(holders, one_record_at_a_time)
{
	struct mqshm_holders_args a = ARGS(holders);
	struct mqshm_buffer buf[3];
	struct mqshm_holder_record r;
	size_t n = 0;
	int got;

	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, mqshm_buffer_alloc(self->source.client, 4000, SOON, &buf[i]));
	TAKE();
	do {
		got = next(self->fd, &a, &r);
		ASSERT_LE(0, got);
		ASSERT_GE(1, got);
		if (got)
			EXPECT_NE(NULL, find(self->list, r.holder, r.buffer));
		n += got;
	} while (a.out_id);
	EXPECT_EQ(self->list->n_holders, n);

	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, mqshm_port_push(self->source.out[0], &buf[i], 0));
	a = ARGS(holders, .what = MQSHM_HOLDERS_QUEUES);
	n = 0;
	do {
		got = next(self->fd, &a, &r);
		ASSERT_LE(0, got);
		n += got;
	} while (a.out_id);
	EXPECT_EQ(3U, n);
}

TEST_F(holders, nothing_beyond_what_is_there)
{
	struct mqshm_holder_record r[2];
	struct mqshm_holders_args a = ARGS(holders, .id = UINT64_MAX, .position = UINT64_MAX,
					   .buffer = (uintptr_t)r, .buffer_bytes = sizeof(r),
					   .out_bytes = POISON64, .out_id = POISON64,
					   .out_position = POISON64, .out_now_ns = POISON64);
	struct mqshm_buffer buf;

	ASSERT_EQ(0, mqshm_buffer_alloc(self->source.client, 4000, SOON, &buf));
	for (a.what = 0; a.what < 2; a.what++) {
		a.id = UINT64_MAX;
		EXPECT_EQ(0, command(self->fd, MQSHM_IOC_HOLDERS, &a));
		EXPECT_EQ(0U, a.out_bytes);
		EXPECT_EQ(0U, a.out_id);
		EXPECT_EQ(0U, a.out_position);
		EXPECT_NE(POISON64, a.out_now_ns);
		a.id = a.what ? self->connection : mqshm_client_id(self->sink.client);
		EXPECT_EQ(0, command(self->fd, MQSHM_IOC_HOLDERS, &a));
		EXPECT_EQ(0U, a.out_bytes);
		EXPECT_EQ(0U, a.out_id);
	}
}

/* The client at which the next call was to go on has left: the next one is looked at whole. */
TEST_F(holders, who_was_to_be_next_leaves)
{
	struct mqshm_holders_args a = ARGS(holders);
	struct mqshm_holder_record r;
	struct mqshm_buffer buf;
	size_t n = 0;
	int got;

	ASSERT_EQ(0, mqshm_buffer_alloc_from(self->source.client, "few", SOON, &buf));
	ASSERT_EQ(0, mqshm_buffer_alloc_from(self->sink.client, "many", SOON, &buf));
	ASSERT_EQ(1, next(self->fd, &a, &r));
	ASSERT_EQ(mqshm_client_id(self->source.client), a.out_id);
	EXPECT_LE(MANY, a.out_position);
	node_close(&self->source);
	do {
		got = next(self->fd, &a, &r);
		ASSERT_LE(0, got);
		if (got)
			EXPECT_EQ(mqshm_client_id(self->sink.client), r.holder);
		n += got;
	} while (a.out_id);
	EXPECT_EQ(out_of_depot(self->fd), n);
}

TEST_F(holders, needs_a_binding)
{
	struct mqshm_holder_record r;
	struct mqshm_holders_args a = ARGS(holders);
	int fd = device_open();

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBADFD, next(fd, &a, &r));
	close(fd);
}

/* -- what clients wrote --------------------------------------------------------- */

FIXTURE(wild)
{
	struct raw_pair pair;
	int buffer;
	struct mqshm_holder_record r[1024];
};

FIXTURE_SETUP(wild)
{
	int err = raw_pair_open(&self->pair, runtime_name());

	ASSERT_EQ(0, err) TH_LOG("%s: is the module loaded?", DEVICE);
	self->buffer = raw_lease(&self->pair.out);
	ASSERT_LE(0, self->buffer);
}

FIXTURE_TEARDOWN(wild)
{
}

/* Records of a call that says what there is, or -errno. */
static int look(FIXTURE_DATA(wild) *self, uint32_t what)
{
	struct mqshm_holders_args a = ARGS(holders, .what = what, .buffer = (uintptr_t)self->r,
					   .buffer_bytes = sizeof(self->r));
	int err = command(self->pair.fd, MQSHM_IOC_HOLDERS, &a);

	if (err)
		return err;
	return a.out_id ? -E2BIG : (int)(a.out_bytes / sizeof(self->r[0]));
}

TEST_F(wild, hold_rows)
{
	__u16 *hold = region_map(self->pair.out.fd, MQSHM_MMAP_HOLD, 0, 2 * 65536,
				 PROT_READ | PROT_WRITE);
	int n = 0;

	ASSERT_NE(NULL, hold);
	/* also where there are no buffers */
	for (int i = 0; i < 65536; i++)
		hold[i] = 0xffff;
	ASSERT_EQ(RAW_BUFFERS, look(self, MQSHM_HOLDERS_CLIENTS));
	for (int i = 0; i < RAW_BUFFERS; i++)
		n += self->r[i].refs == 0xffff && self->r[i].buffer == (__u32)i;
	EXPECT_EQ(RAW_BUFFERS, n);
	memset(hold, 0, 2 * 65536);
}

TEST_F(wild, times)
{
	struct mqshm_meta *meta = region_map(self->pair.out.fd, MQSHM_MMAP_META, 0,
					     MQSHM_META_BYTES(RAW_BUFFERS), PROT_READ | PROT_WRITE);
	__u32 *serials;

	ASSERT_NE(NULL, meta);
	serials = (__u32 *)((char *)meta + MQSHM_META_SERIAL(RAW_BUFFERS));
	for (int i = 0; i < RAW_BUFFERS; i++) {
		meta[i] = (struct mqshm_meta){ POISON64, POISON64 + 1 };
		serials[i] = POISON32 + 2;
	}
	ASSERT_LE(1, look(self, MQSHM_HOLDERS_CLIENTS));
	EXPECT_EQ(POISON64, self->r[0].alloc_ns) TH_LOG("shown as it was written");
	EXPECT_EQ(POISON64 + 1, self->r[0].data_ns);
	EXPECT_EQ(POISON32 + 2, self->r[0].serial);
}

TEST_F(wild, slots_and_cursors)
{
	struct mqshm_ring_producer *p = self->pair.out.producer;
	__u64 *phead = &self->pair.in.consumer->phead;
	int n;

	/* no such buffer */
	for (int i = 0; i < 1 << RAW_SHIFT; i++)
		p->slots[i] = MQSHM_SLOT(0xfffff, 5, MQSHM_LAP(i, RAW_SHIFT));
	EXPECT_EQ(0, look(self, MQSHM_HOLDERS_QUEUES));
	/* one, in all slots, that says to be longer than it can be */
	for (int i = 0; i < 1 << RAW_SHIFT; i++)
		p->slots[i] = MQSHM_SLOT(self->buffer, 0xfffffff, MQSHM_LAP(i, RAW_SHIFT));
	EXPECT_EQ(1 << RAW_SHIFT, look(self, MQSHM_HOLDERS_QUEUES));
	EXPECT_EQ(0xfffffffU, self->r[0].length);
	p->tail = POISON64;
	for (int i = 0; i < 64; i++) {
		*phead = 1ULL << i;
		n = look(self, MQSHM_HOLDERS_QUEUES);
		EXPECT_LE(0, n);
		EXPECT_GE(1 << RAW_SHIFT, n);
	}
	memset(p->slots, 0, sizeof(p->slots[0]) << RAW_SHIFT);
	*phead = p->tail = 0;
}

TEST_HARNESS_MAIN
