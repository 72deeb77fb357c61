// SPDX-License-Identifier: GPL-2.0-only
/*
 * The library's calls that manage and look: runtimes, pools, connections by name,
 * snapshots and what is found in them, blocks.
 */

#include "kselftest_harness.h"

#include <signal.h>

#include "graph.h"
#include "mqshm_test.h"

FIXTURE(manage)
{
	struct mqshm_runtime *rt;
	struct node source;
	struct node sink;
	struct mqshm_snapshot *snap;
};

FIXTURE_SETUP(manage)
{
	int err = mqshm_runtime_create(runtime_name(), NULL, &self->rt);

	ASSERT_EQ(0, err) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, mqshm_pool_create(self->rt, "small", 100, 16));
	ASSERT_EQ(0, mqshm_pool_create(self->rt, "large", 5000, 8));
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source",
			       &(struct node_options){ .outs = 2 }));
	ASSERT_EQ(0, node_open(&self->sink, runtime_name(), "sink", &one_in));
}

FIXTURE_TEARDOWN(manage)
{
	mqshm_snapshot_free(self->snap);
	node_close(&self->source);
	node_close(&self->sink);
	mqshm_runtime_close(self->rt);
	EXPECT_EQ(-ENOENT, runtime_open_fd(runtime_name()));
}

TEST_F(manage, create_and_open)
{
	struct mqshm_runtime *other = NULL;
	bool created = true;

	EXPECT_EQ(-EEXIST, mqshm_runtime_create(runtime_name(), NULL, &other));
	EXPECT_EQ(NULL, other);
	EXPECT_EQ(-ENOENT, mqshm_runtime_open("no-such-runtime", &other));
	EXPECT_EQ(-EINVAL, mqshm_runtime_create("", NULL, &other));
	ASSERT_EQ(0, mqshm_runtime_open_or_create(runtime_name(), NULL, &created, &other));
	EXPECT_FALSE(created);
	mqshm_runtime_close(other);
	ASSERT_EQ(0, mqshm_runtime_open(runtime_name(), &other));
	mqshm_runtime_close(other);
	mqshm_runtime_close(NULL);
}

TEST_F(manage, name_that_is_too_long)
{
	struct mqshm_runtime *other;

	EXPECT_EQ(-EINVAL, mqshm_runtime_create("a-name-of-thirty-two-characters-", NULL, &other));
}

TEST_F(manage, options_of_a_runtime)
{
	struct mqshm_runtime_options options = {
		.mode = 0750, .persistent = true, .limits = { .clients = 3 },
	};
	char name[MQSHM_RUNTIME_NAME_LEN];
	struct mqshm_runtime *other;
	uint32_t clients = POISON32;

	snprintf(name, sizeof(name), "%s-2", runtime_name());
	ASSERT_EQ(0, mqshm_runtime_create(name, &options, &other));
	ASSERT_EQ(0, mqshm_runtime_snapshot(other, &self->snap));
	EXPECT_EQ(0750U, self->snap->runtimes[0].mode);
	EXPECT_EQ(MQSHM_STATE_PERSISTENT, self->snap->runtimes[0].state);
	EXPECT_EQ(3U, self->snap->runtimes[0].limits.clients);
	EXPECT_EQ(0, mqshm_runtime_remove(other, false, &clients));
	EXPECT_EQ(0U, clients);
	mqshm_runtime_close(other);
}

TEST_F(manage, remove_while_used)
{
	uint32_t clients = POISON32;

	EXPECT_EQ(-EBUSY, mqshm_runtime_remove(self->rt, false, NULL));
	EXPECT_EQ(0, mqshm_runtime_remove(self->rt, true, &clients));
	EXPECT_EQ(2U, clients);
}

TEST_F(manage, pools)
{
	EXPECT_EQ(-EEXIST, mqshm_pool_create(self->rt, "small", 100, 1));
	EXPECT_EQ(-EINVAL, mqshm_pool_create(self->rt, "tiny", 63, 1));
	EXPECT_EQ(-EINVAL, mqshm_pool_create(self->rt, "", 64, 1));
	EXPECT_EQ(-ENOSPC, mqshm_pool_create(self->rt, "many", 64, 65536));
}

TEST_F(manage, connect_by_name)
{
	static const struct { const char *from, *to; int err; } tries[] = {
		{ "source:out1", "sink:in", 0 },
		{ "source:out1", "sink:in", -EEXIST },
		{ "source:out2", "sink", 0 },
		{ "source", "sink", -EINVAL },
		{ "source:out3", "sink", -ENOENT },
		{ "nobody:out", "sink", -ENOENT },
		{ "source:out1", "nobody", -ENOENT },
		{ "sink:in", "sink", -EINVAL },
		{ "source:out1:x", "sink", -ENOENT },
	};
	uint64_t id;

	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		EXPECT_EQ(tries[i].err, mqshm_connect(self->rt, tries[i].from, tries[i].to, &id))
			TH_LOG("%s to %s", tries[i].from, tries[i].to);
	}
}

TEST_F(manage, disconnect)
{
	uint64_t id = 0;

	ASSERT_EQ(0, mqshm_connect(self->rt, "source:out1", "sink", &id));
	EXPECT_EQ(0, mqshm_disconnect(self->rt, id));
	EXPECT_EQ(-ENOENT, mqshm_disconnect(self->rt, id));
	EXPECT_EQ(0, mqshm_connect(self->rt, "source:out1", "sink", NULL));
}

TEST_F(manage, find_in_a_snapshot)
{
	const struct mqshm_connection_record *c;
	const struct mqshm_block_record *source;
	const struct mqshm_port_record *p;
	const struct mqshm_snapshot *s;
	uint64_t ids[2];

	ASSERT_EQ(0, mqshm_connect(self->rt, "source:out1", "sink", &ids[0]));
	ASSERT_EQ(0, mqshm_connect(self->rt, "source:out2", "sink", &ids[1]));
	ASSERT_EQ(0, mqshm_runtime_snapshot(self->rt, &self->snap));
	s = self->snap;
	EXPECT_EQ(1, s->n_runtimes);
	EXPECT_EQ(2, s->n_pools);
	EXPECT_EQ(2, s->n_clients);
	EXPECT_EQ(2, s->n_blocks);
	EXPECT_EQ(3, s->n_ports);
	EXPECT_EQ(2, s->n_connections);

	source = mqshm_snapshot_find_block(s, "source");
	ASSERT_NE(NULL, source);
	EXPECT_EQ(source, mqshm_snapshot_block(s, source->id));
	EXPECT_EQ(mqshm_client_id(self->source.client), source->client);
	EXPECT_NE(NULL, mqshm_snapshot_client(s, source->client));
	EXPECT_EQ(NULL, mqshm_snapshot_find_block(s, "nobody"));
	p = mqshm_snapshot_find_port(s, source->id, "out2", MQSHM_DIR_OUT);
	ASSERT_NE(NULL, p);
	EXPECT_EQ(p, mqshm_snapshot_port(s, p->port));
	EXPECT_EQ(NULL, mqshm_snapshot_find_port(s, source->id, NULL, MQSHM_DIR_OUT))
		TH_LOG("has two");
	c = mqshm_snapshot_downstream(s, p->port, NULL);
	ASSERT_NE(NULL, c);
	EXPECT_EQ(ids[1], c->id);
	EXPECT_EQ(NULL, mqshm_snapshot_downstream(s, p->port, c));
	EXPECT_STREQ("small", mqshm_snapshot_fit_pool(s, 100)->name);
	EXPECT_STREQ("large", mqshm_snapshot_fit_pool(s, 101)->name);
	EXPECT_EQ(NULL, mqshm_snapshot_fit_pool(s, 5001));
	EXPECT_STREQ("large", mqshm_snapshot_find_pool(s, "large")->name);
}

TEST_F(manage, list_of_runtimes)
{
	bool found = false;

	ASSERT_EQ(0, mqshm_runtimes_snapshot(&self->snap));
	for (size_t i = 0; i < self->snap->n_runtimes; i++)
		found |= !strcmp(self->snap->runtimes[i].name, runtime_name());
	EXPECT_TRUE(found);
}

TEST_F(manage, wait_for_a_change)
{
	uint64_t changes;

	ASSERT_EQ(0, mqshm_runtime_snapshot(self->rt, &self->snap));
	changes = self->snap->changes;
	EXPECT_EQ(-ETIMEDOUT, mqshm_runtime_wait(self->rt, &changes, after_ms(20)));
	ASSERT_EQ(0, mqshm_connect(self->rt, "source:out1", "sink", NULL));
	EXPECT_EQ(0, mqshm_runtime_wait(self->rt, &changes, after_ms(1000)));
	EXPECT_EQ(-ETIMEDOUT, mqshm_runtime_wait(self->rt, &changes, after_ms(20)));
}

TEST_F(manage, blocks)
{
	struct mqshm_port_spec spec = { .name = "in", .direction = MQSHM_DIR_IN };
	struct mqshm_client *c = self->source.client;
	struct mqshm_block *b = NULL;

	EXPECT_EQ(-EEXIST, mqshm_block_create(c, "sink", "Test", MQSHM_CLASS_SINK, &spec, 1, &b));
	EXPECT_EQ(-EINVAL, mqshm_block_create(c, "a:b", "Test", MQSHM_CLASS_SINK, &spec, 1, &b));
	EXPECT_EQ(-EINVAL, mqshm_block_create(c, "", "Test", MQSHM_CLASS_SINK, &spec, 1, &b));
	EXPECT_EQ(NULL, b);
	ASSERT_EQ(0, mqshm_block_create(c, "more", "Test", MQSHM_CLASS_SINK, &spec, 1, &b));
	EXPECT_NE(NULL, mqshm_block_port(b, "in"));
	EXPECT_EQ(NULL, mqshm_block_port(b, "out"));
	mqshm_block_remove(b);
	EXPECT_EQ(0, mqshm_block_create(c, "more", "Test", MQSHM_CLASS_SINK, &spec, 1, &b));
	mqshm_block_remove(NULL);
}

TEST_F(manage, stop_by_number)
{
	EXPECT_EQ(0, mqshm_block_request_stop(self->rt, mqshm_block_id(self->sink.block)));
	EXPECT_LE(0, mqshm_client_update(self->sink.client));
	EXPECT_TRUE(mqshm_block_stop_requested(self->sink.block));
	EXPECT_FALSE(mqshm_block_stop_requested(self->source.block));
	EXPECT_EQ(-ENOENT, mqshm_block_request_stop(self->rt, POISON64));
}

/* -- a call inside a call ---------------------------------------------------- */

static struct node *entered;
static volatile int entered_result = 1;

static void enter_again(int sig)
{
	struct mqshm_buffer buf;

	entered_result = mqshm_port_pop(entered->in[0], &buf);
}

/* A signal handler is refused, and nothing is damaged. */
TEST_F(manage, signal_handler_in_a_wait)
{
	struct sigaction action = { .sa_handler = enter_again };

	entered = &self->sink;
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	alarm(1);
	EXPECT_EQ(-EINTR, mqshm_wait(self->sink.client, &self->sink.in[0], 1, after_ms(5000),
				     NULL));
	EXPECT_EQ(-EBUSY, entered_result);
	EXPECT_EQ(-ETIMEDOUT, mqshm_wait(self->sink.client, &self->sink.in[0], 1, after_ms(20),
					 NULL));
}

TEST_F(manage, version)
{
	char version[16];

	snprintf(version, sizeof(version), "%d.%d", MQSHM_VERSION_MAJOR, MQSHM_VERSION_MINOR);
	EXPECT_STREQ(version, mqshm_version());
}

TEST_HARNESS_MAIN
