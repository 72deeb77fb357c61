// SPDX-License-Identifier: GPL-2.0-only
/*
 * 64 native clients in 64 processes: those beyond the toggle bits share and release
 * by MQSHM_IOC_REF.
 */

#include "kselftest_harness.h"

#include "graph.h"
#include "mqshm_test.h"

#define CLIENTS		64
#define MESSAGES	50

struct crowd {
	volatile int source_may_join;
	volatile int joined;
	volatile int popped[CLIENTS];
	volatile unsigned int index[CLIENTS];
};

static struct crowd *crowd;

static unsigned int client_index(struct mqshm_client *c)
{
	unsigned int index = ~0U;
	struct snapshot s;

	must(snapshot_take(mqshm_client_fd(c), MQSHM_QUERY_RUNTIME, &s) == 0);
	if (snapshot_client(&s, mqshm_client_id(c)))
		index = snapshot_client(&s, mqshm_client_id(c))->index;
	snapshot_free(&s);
	return index;
}

static void crowd_sink(void *arg)
{
	long i = (long)arg;
	struct mqshm_buffer buf, more;
	struct node n;
	char name[16];
	int err;

	snprintf(name, sizeof(name), "sink%ld", i);
	must(node_open(&n, runtime_name(), name, &one_in) == 0);
	crowd->index[i] = client_index(n.client);
	__atomic_add_fetch(&crowd->joined, 1, __ATOMIC_SEQ_CST);
	while (!(err = node_pop(&n, n.in[0], &buf, after_ms(20000)))) {
		must(message_good(mqshm_buffer_data(n.client, &buf), 0, crowd->popped[i]));
		must(mqshm_buffer_share(n.client, &buf, &more) == 0);
		must(mqshm_buffer_release(n.client, &buf) == 0);
		must(mqshm_buffer_release(n.client, &more) == 0);
		crowd->popped[i]++;
	}
	must(err == -ENODATA);
	node_close(&n);
}

static void crowd_source(void *arg)
{
	struct mqshm_buffer buf;
	struct node n;

	while (!crowd->source_may_join)
		sleep_us(1000);
	must(node_open(&n, runtime_name(), "source", &one_out) == 0);
	crowd->index[CLIENTS - 1] = client_index(n.client);
	must(node_wait_connections(&n, n.out[0], CLIENTS - 1, 20000) == 0);
	for (int i = 0; i < MESSAGES; i++) {
		must(node_alloc(&n, sizeof(struct message), after_ms(20000), &buf) == 0);
		message_fill(mqshm_buffer_data(n.client, &buf), 0, i);
		must(node_push(&n, n.out[0], &buf, after_ms(20000)) == 0);
	}
	must(mqshm_port_end(n.out[0]) == 0);
	node_close(&n);
}

FIXTURE(crowd)
{
	int fd;
};

FIXTURE_VARIANT(crowd)
{
	bool source_last;
};

FIXTURE_VARIANT_ADD(crowd, source_has_a_toggle) { .source_last = false };
FIXTURE_VARIANT_ADD(crowd, source_has_none) { .source_last = true };

FIXTURE_SETUP(crowd)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, pool_create(self->fd, "pool", sizeof(struct message), 32, NULL));
	crowd = shared_memory(sizeof(*crowd));
	crowd->source_may_join = !variant->source_last;
}

FIXTURE_TEARDOWN(crowd)
{
}

TEST_F_TIMEOUT(crowd, share_every_buffer, 60)
{
	pid_t pids[CLIENTS];
	unsigned int beyond = 0;
	struct tally t;
	char name[16];

	pids[CLIENTS - 1] = spawn(crowd_source, NULL);
	if (!variant->source_last) {
		ASSERT_EQ(0, graph_wait_block(self->fd, "source", 20000));
	}
	for (long i = 0; i < CLIENTS - 1; i++)
		pids[i] = spawn(crowd_sink, (void *)i);
	while (crowd->joined < CLIENTS - 1)
		sleep_us(1000);
	crowd->source_may_join = 1;
	ASSERT_EQ(0, graph_wait_block(self->fd, "source", 20000));
	ASSERT_EQ(0, tally_take(self->fd, &t));
	EXPECT_EQ(CLIENTS, t.clients);
	for (int i = 0; i < CLIENTS - 1; i++) {
		snprintf(name, sizeof(name), "sink%d", i);
		ASSERT_EQ(0, graph_connect(self->fd, "source", name, NULL));
	}
	for (int i = CLIENTS - 1; i >= 0; i--) {
		ASSERT_EQ(0, reap_within(pids[i], 40000)) TH_LOG("client %d", i);
	}
	for (int i = 0; i < CLIENTS; i++)
		beyond += crowd->index[i] >= MQSHM_TOGGLES;
	EXPECT_EQ(CLIENTS - MQSHM_TOGGLES, beyond);
	EXPECT_EQ(variant->source_last, crowd->index[CLIENTS - 1] >= MQSHM_TOGGLES);
	for (int i = 0; i < CLIENTS - 1; i++) {
		EXPECT_EQ(MESSAGES, crowd->popped[i]) TH_LOG("sink%d", i);
	}
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, 1000));
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

TEST_HARNESS_MAIN
