// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers through the library: allocation by size, references, ids, timestamps,
 * and what is refused.
 */

#include "kselftest_harness.h"

#include <pthread.h>

#include "graph.h"
#include "mqshm_test.h"

#define SOON	after_ms(5000)

FIXTURE(buffer)
{
	int fd;
	struct node n;
	struct mqshm_client *c;
	/* when the last one has left, what is wrong is mended; this one stays */
	struct mqshm_client *stays;
};

FIXTURE_SETUP(buffer)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, pool_create(self->fd, "large", 65536, 8, NULL));
	ASSERT_EQ(1, pool_create(self->fd, "small", 100, 32, NULL));
	ASSERT_EQ(2, pool_create(self->fd, "medium", 4096, 16, NULL));
	ASSERT_EQ(0, node_open(&self->n, runtime_name(), "block", &one_each));
	self->c = self->n.client;
	ASSERT_EQ(0, mqshm_client_join(runtime_name(), NULL, &self->stays));
}

FIXTURE_TEARDOWN(buffer)
{
	struct tally t;

	node_close(&self->n);
	EXPECT_EQ(0, tally_take(self->fd, &t));
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
	mqshm_client_close(self->stays);
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, 2000));
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

TEST_F(buffer, smallest_pool_that_fits)
{
	static const struct { size_t bytes, capacity; } sizes[] = {
		{ 0, 100 }, { 1, 100 }, { 100, 100 }, { 101, 4096 }, { 4096, 4096 },
		{ 4097, 65536 }, { 65536, 65536 },
	};
	struct mqshm_buffer buf;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		ASSERT_EQ(0, mqshm_buffer_alloc(self->c, sizes[i].bytes, MQSHM_NO_WAIT, &buf));
		EXPECT_EQ(sizes[i].capacity, mqshm_buffer_capacity(self->c, &buf));
		EXPECT_EQ(sizes[i].bytes, buf.length);
		EXPECT_EQ(0, mqshm_buffer_release(self->c, &buf));
		EXPECT_EQ(MQSHM_NO_BUFFER, buf.number);
	}
}

TEST_F(buffer, no_pool_that_large)
{
	struct mqshm_buffer buf;

	EXPECT_EQ(-EMSGSIZE, mqshm_buffer_alloc(self->c, 65537, MQSHM_NO_WAIT, &buf));
}

TEST_F(buffer, next_larger_pool_when_empty)
{
	struct mqshm_buffer bufs[16 + 8], none;

	for (int i = 0; i < 16; i++) {
		ASSERT_EQ(0, mqshm_buffer_alloc(self->c, 4096, MQSHM_NO_WAIT, &bufs[i]));
		EXPECT_EQ(4096, mqshm_buffer_capacity(self->c, &bufs[i]));
	}
	for (int i = 16; i < 24; i++) {
		ASSERT_EQ(0, mqshm_buffer_alloc(self->c, 4096, MQSHM_NO_WAIT, &bufs[i]));
		EXPECT_EQ(65536, mqshm_buffer_capacity(self->c, &bufs[i]));
	}
	EXPECT_EQ(-EAGAIN, mqshm_buffer_alloc(self->c, 4096, MQSHM_NO_WAIT, &none));
	EXPECT_EQ(-ETIMEDOUT, mqshm_buffer_alloc(self->c, 4096, after_ms(20), &none));
	for (int i = 0; i < 24; i++) {
		ASSERT_EQ(0, mqshm_buffer_release(self->c, &bufs[i]));
	}
	EXPECT_EQ(0, mqshm_buffer_alloc(self->c, 4096, MQSHM_NO_WAIT, &none));
	EXPECT_EQ(0, mqshm_buffer_release(self->c, &none));
}

TEST_F(buffer, pool_by_name)
{
	struct mqshm_buffer buf;

	ASSERT_EQ(0, mqshm_buffer_alloc_from(self->c, "large", MQSHM_NO_WAIT, &buf));
	EXPECT_EQ(65536, mqshm_buffer_capacity(self->c, &buf));
	EXPECT_EQ(0, mqshm_buffer_release(self->c, &buf));
	EXPECT_EQ(-ENOENT, mqshm_buffer_alloc_from(self->c, "none", MQSHM_NO_WAIT, &buf));
}

TEST_F(buffer, pool_added_later)
{
	struct mqshm_buffer buf;

	ASSERT_EQ(0, mqshm_buffer_alloc(self->c, 1, MQSHM_NO_WAIT, &buf));
	ASSERT_EQ(0, mqshm_buffer_release(self->c, &buf));
	ASSERT_EQ(3, pool_create(self->fd, "huge", 1 << 20, 2, NULL));
	ASSERT_EQ(0, mqshm_buffer_alloc(self->c, 100000, SOON, &buf));
	EXPECT_EQ(1 << 20, mqshm_buffer_capacity(self->c, &buf));
	EXPECT_EQ(0, mqshm_buffer_release(self->c, &buf));
}

/* No two buffers share a byte, and each is its capacity long. */
TEST_F(buffer, payloads_do_not_overlap)
{
	struct mqshm_buffer bufs[32];

	for (int i = 0; i < 32; i++) {
		ASSERT_EQ(0, mqshm_buffer_alloc_from(self->c, "small", MQSHM_NO_WAIT, &bufs[i]));
		memset(mqshm_buffer_data(self->c, &bufs[i]), i + 1, 100);
	}
	for (int i = 0; i < 32; i++) {
		unsigned char *p = mqshm_buffer_data(self->c, &bufs[i]);

		for (int j = 0; j < 100; j++) {
			ASSERT_EQ(i + 1, p[j]);
		}
		EXPECT_EQ(0, mqshm_buffer_release(self->c, &bufs[i]));
	}
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

TEST_F(buffer, ids_are_never_used_again)
{
	const size_t n = 5000;
	uint64_t *ids = calloc(n, sizeof(*ids));
	struct mqshm_buffer buf;

	for (size_t i = 0; i < n; i++) {
		ASSERT_EQ(0, mqshm_buffer_alloc(self->c, 64, SOON, &buf));
		ids[i] = mqshm_buffer_id(self->c, &buf);
		ASSERT_EQ(0, mqshm_buffer_release(self->c, &buf));
	}
	qsort(ids, n, sizeof(*ids), compare_ids);
	for (size_t i = 1; i < n; i++) {
		ASSERT_NE(ids[i - 1], ids[i]);
	}
}

TEST_F(buffer, timestamps)
{
	struct mqshm_buffer buf, other;
	uint64_t before = now_ns();

	ASSERT_EQ(0, mqshm_buffer_alloc(self->c, 64, SOON, &buf));
	EXPECT_LE(before, mqshm_buffer_alloc_ns(self->c, &buf));
	EXPECT_LE(mqshm_buffer_alloc_ns(self->c, &buf), now_ns());
	ASSERT_EQ(0, mqshm_buffer_set_data_ns(self->c, &buf, 12345));
	EXPECT_EQ(12345, mqshm_buffer_data_ns(self->c, &buf));
	ASSERT_EQ(0, mqshm_buffer_share(self->c, &buf, &other));
	EXPECT_EQ(12345, mqshm_buffer_data_ns(self->c, &other));
	EXPECT_EQ(-EPERM, mqshm_buffer_set_data_ns(self->c, &buf, 1));
	EXPECT_EQ(12345, mqshm_buffer_data_ns(self->c, &buf));
	EXPECT_EQ(0, mqshm_buffer_release(self->c, &buf));
	EXPECT_EQ(0, mqshm_buffer_release(self->c, &other));
}

/* Id and timestamps travel; the buffer outlives the client that made it. */
TEST_F(buffer, forwarded_buffer_keeps_its_data)
{
	struct node source, sink;
	struct mqshm_buffer buf;
	uint64_t id, alloc_ns;

	ASSERT_EQ(0, node_open(&source, runtime_name(), "source", &one_out));
	ASSERT_EQ(0, node_open(&sink, runtime_name(), "sink", &one_in));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "block", NULL));
	ASSERT_EQ(0, graph_connect(self->fd, "block", "sink", NULL));
	ASSERT_EQ(0, node_wait_connections(&source, source.out[0], 1, 5000));

	ASSERT_EQ(0, mqshm_buffer_alloc(source.client, 64, SOON, &buf));
	id = mqshm_buffer_id(source.client, &buf);
	alloc_ns = mqshm_buffer_alloc_ns(source.client, &buf);
	ASSERT_EQ(0, mqshm_buffer_set_data_ns(source.client, &buf, 777));
	strcpy(mqshm_buffer_data(source.client, &buf), "words");
	buf.length = 5;
	ASSERT_EQ(0, node_push(&source, source.out[0], &buf, SOON));
	node_close(&source);

	ASSERT_EQ(0, node_pop(&self->n, self->n.in[0], &buf, SOON));
	EXPECT_TRUE(mqshm_buffer_is_sole(self->c, &buf));
	ASSERT_EQ(0, node_push(&self->n, self->n.out[0], &buf, SOON));
	ASSERT_EQ(0, node_pop(&sink, sink.in[0], &buf, SOON));
	EXPECT_EQ(5U, buf.length);
	EXPECT_EQ(id, mqshm_buffer_id(sink.client, &buf));
	EXPECT_EQ(alloc_ns, mqshm_buffer_alloc_ns(sink.client, &buf));
	EXPECT_EQ(777, mqshm_buffer_data_ns(sink.client, &buf));
	EXPECT_EQ(0, memcmp(mqshm_buffer_data(sink.client, &buf), "words", 5));
	EXPECT_EQ(0, mqshm_buffer_release(sink.client, &buf));
	node_close(&sink);
}

TEST_F(buffer, shared_references)
{
	struct mqshm_buffer buf, more[100];

	ASSERT_EQ(0, mqshm_buffer_alloc(self->c, 64, SOON, &buf));
	EXPECT_TRUE(mqshm_buffer_is_sole(self->c, &buf));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, mqshm_buffer_share(self->c, &buf, &more[i]));
		EXPECT_EQ(buf.number, more[i].number);
		EXPECT_FALSE(mqshm_buffer_is_sole(self->c, &buf));
	}
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, mqshm_buffer_release(self->c, &more[i]));
	}
	EXPECT_TRUE(mqshm_buffer_is_sole(self->c, &buf));
	EXPECT_EQ(0, mqshm_buffer_release(self->c, &buf));
}

TEST_F(buffer, too_many_references)
{
	struct mqshm_buffer buf, more;
	int n, err;

	ASSERT_EQ(0, mqshm_buffer_alloc(self->c, 64, SOON, &buf));
	for (n = 1; !(err = mqshm_buffer_share(self->c, &buf, &more)); n++)
		;
	EXPECT_EQ(-EOVERFLOW, err);
	EXPECT_EQ(MQSHM_W_COUNT_MAX, n);
	/* they are all dropped when the client leaves */
}

TEST_F(buffer, make_writable)
{
	struct mqshm_buffer buf, other;

	ASSERT_EQ(0, mqshm_buffer_alloc(self->c, 64, SOON, &buf));
	strcpy(mqshm_buffer_data(self->c, &buf), "words");
	other = buf;
	ASSERT_EQ(0, mqshm_buffer_make_writable(self->c, &buf, SOON));
	EXPECT_EQ(other.number, buf.number) TH_LOG("the only holder changes in place");

	ASSERT_EQ(0, mqshm_buffer_share(self->c, &buf, &other));
	ASSERT_EQ(0, mqshm_buffer_make_writable(self->c, &buf, SOON));
	EXPECT_NE(other.number, buf.number);
	EXPECT_EQ(64U, buf.length);
	EXPECT_STREQ("words", mqshm_buffer_data(self->c, &buf));
	strcpy(mqshm_buffer_data(self->c, &buf), "other");
	EXPECT_STREQ("words", mqshm_buffer_data(self->c, &other));
	EXPECT_TRUE(mqshm_buffer_is_sole(self->c, &other));
	EXPECT_EQ(0, mqshm_buffer_release(self->c, &buf));
	EXPECT_EQ(0, mqshm_buffer_release(self->c, &other));
}

/**
 * struct shared_with - another who has a reference to the same buffer
 * @n: its node
 * @buf: the reference
 */
struct shared_with {
	struct node n;
	struct mqshm_buffer buf;
};

static void *let_go_later(void *arg)
{
	struct shared_with *w = arg;

	sleep_us(50000);
	must(mqshm_buffer_release(w->n.client, &w->buf) == 0);
	return NULL;
}

/* It waits for a buffer to copy to, and none comes: the others let go of its own. */
TEST_F(buffer, make_writable_when_the_others_let_go)
{
	struct mqshm_buffer held[7], buf;
	struct shared_with other;
	struct node sink;
	pthread_t thread;
	uint32_t number;
	int err;

	ASSERT_EQ(0, node_open(&sink, runtime_name(), "sink", &one_in));
	ASSERT_EQ(0, node_open(&other.n, runtime_name(), "other", &one_in));
	ASSERT_EQ(0, graph_connect(self->fd, "block", "sink", NULL));
	ASSERT_EQ(0, graph_connect(self->fd, "block", "other", NULL));
	ASSERT_EQ(0, node_wait_connections(&self->n, self->n.out[0], 2, 5000));
	ASSERT_EQ(0, mqshm_buffer_alloc(self->c, 65536, SOON, &buf));
	for (unsigned int i = 0; i < ARRAY_SIZE(held); i++)
		ASSERT_EQ(0, mqshm_buffer_alloc(self->c, 65536, SOON, &held[i]));
	ASSERT_EQ(0, node_push(&self->n, self->n.out[0], &buf, SOON));
	ASSERT_EQ(0, node_pop(&sink, sink.in[0], &buf, SOON));
	ASSERT_EQ(0, node_pop(&other.n, other.n.in[0], &other.buf, SOON));
	number = buf.number;

	ASSERT_EQ(0, pthread_create(&thread, NULL, let_go_later, &other));
	do {
		/* -EAGAIN: the graph changed meanwhile */
		err = mqshm_buffer_make_writable(sink.client, &buf, after_ms(PATIENCE_MS));
	} while (err == -EAGAIN);
	EXPECT_EQ(0, err);
	EXPECT_EQ(number, buf.number);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, mqshm_buffer_release(sink.client, &buf));
	for (unsigned int i = 0; i < ARRAY_SIZE(held); i++)
		EXPECT_EQ(0, mqshm_buffer_release(self->c, &held[i]));
	node_close(&sink);
	node_close(&other.n);
}

TEST_F(buffer, none_is_harmless)
{
	struct mqshm_buffer none = { .number = MQSHM_NO_BUFFER };

	EXPECT_EQ(NULL, mqshm_buffer_data(self->c, &none));
	EXPECT_EQ(0, mqshm_buffer_capacity(self->c, &none));
	EXPECT_EQ(0, mqshm_buffer_release(self->c, &none));
	EXPECT_FALSE(mqshm_buffer_is_sole(self->c, &none));
}

TEST_F(buffer, many_at_a_time)
{
	struct mqshm_buffer bufs[34], wrong = { .number = 0 };
	int n;

	EXPECT_EQ(0, mqshm_buffer_alloc_many(self->c, 1, MQSHM_NO_WAIT, bufs, 0));
	EXPECT_EQ(-EMSGSIZE, mqshm_buffer_alloc_many(self->c, 65537, SOON, bufs, 2));
	n = mqshm_buffer_alloc_many(self->c, 5000, MQSHM_NO_WAIT, bufs, 34);
	ASSERT_EQ(8, n) TH_LOG("all of the only pool that fits, and no waiting for more");
	EXPECT_EQ(-EAGAIN, mqshm_buffer_alloc_many(self->c, 5000, MQSHM_NO_WAIT, bufs + 8, 1));
	EXPECT_EQ(-ETIMEDOUT, mqshm_buffer_alloc_many(self->c, 5000, after_ms(1), bufs + 8, 2));
	for (int i = 0; i < n; i++) {
		EXPECT_EQ(5000U, bufs[i].length);
		EXPECT_EQ(65536, mqshm_buffer_capacity(self->c, &bufs[i]));
		EXPECT_TRUE(mqshm_buffer_is_sole(self->c, &bufs[i]));
		for (int k = 0; k < i; k++)
			EXPECT_NE(bufs[k].number, bufs[i].number);
	}
	ASSERT_EQ(0, mqshm_buffer_release(self->c, &bufs[3]));
	wrong.number = bufs[5].number + 64;
	bufs[8] = bufs[5];
	bufs[5] = wrong;
	EXPECT_EQ(-EINVAL, mqshm_buffer_release_many(self->c, bufs, 8));
	for (int i = 0; i < 5; i++)
		EXPECT_EQ(MQSHM_NO_BUFFER, bufs[i].number);
	EXPECT_EQ(wrong.number, bufs[5].number);
	EXPECT_EQ(0, mqshm_buffer_release_many(self->c, bufs + 6, 3));
	EXPECT_EQ(0, mqshm_buffer_release_many(self->c, bufs + 6, 3)) TH_LOG("none is harmless");
	EXPECT_EQ(8, mqshm_buffer_alloc_many(self->c, 5000, SOON, bufs, 8));
	EXPECT_EQ(0, mqshm_buffer_release_many(self->c, bufs, 8));
}

static void use_in_child(void *arg)
{
	struct node *n = arg;
	struct mqshm_buffer buf;

	must(mqshm_buffer_alloc(n->client, 64, MQSHM_NO_WAIT, &buf) == -ESHUTDOWN);
	must(mqshm_buffer_alloc_many(n->client, 64, MQSHM_NO_WAIT, &buf, 1) == -ESHUTDOWN);
	must(mqshm_buffer_release_many(n->client, &buf, 1) == -ESHUTDOWN);
	must(mqshm_port_pop(n->in[0], &buf) == -ESHUTDOWN);
	must(mqshm_client_update(n->client) == -ESHUTDOWN);
	must(mqshm_wait(n->client, NULL, 0, after_ms(100), NULL) == -ESHUTDOWN);
	must(mqshm_client_id(n->client) == 0);
	node_close(n);
}

TEST_F(buffer, handles_are_dead_after_fork)
{
	struct mqshm_buffer buf;

	ASSERT_EQ(0, mqshm_buffer_alloc(self->c, 64, SOON, &buf));
	EXPECT_EQ(0, reap(spawn(use_in_child, &self->n)));
	EXPECT_EQ(0, mqshm_buffer_release(self->c, &buf)) TH_LOG("the parent's work on");
}

TEST_HARNESS_MAIN
