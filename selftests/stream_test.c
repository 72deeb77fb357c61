// SPDX-License-Identifier: GPL-2.0-only
/*
 * A million messages through separate processes: source, forwarder, sink; fan-out
 * to three, fan-in from three; and through a pool of three buffers, where every
 * message waits for a buffer to come back.
 */

#include "kselftest_harness.h"

#include <sched.h>

#include "graph.h"
#include "mqshm_test.h"

#define BATCH	32
/* A wait that takes longer has lost its wake-up. */
#define PATIENCE	after_ms(PATIENCE_MS)

/**
 * struct plan - what the processes do, in shared memory
 * @messages: of each source
 * @sources: that there are
 * @batch: messages that a source fills before it pushes them
 * @two: messages after which all stay on one processor
 * @poll: sinks and forwarders look without sleeping
 * @go: all is connected, sources may begin
 */
struct plan {
	uint64_t messages;
	unsigned int sources;
	unsigned int batch;
	uint64_t two;
	bool poll;
	volatile int go;
};

static struct plan *plan;

static void run_source(void *arg)
{
	uint32_t me = (long)arg;
	struct mqshm_buffer bufs[BATCH];
	char name[16];
	struct node n;

	snprintf(name, sizeof(name), "source%u", me);
	must(node_open(&n, runtime_name(), name, &(struct node_options){ .outs = 1 }) == 0);
	while (!plan->go)
		sleep_us(500);
	for (uint64_t i = 0; i < plan->messages;) {
		size_t batch = plan->messages - i < plan->batch ? plan->messages - i : plan->batch;
		size_t done = 0;

		for (size_t k = 0; k < batch; k++) {
			must(node_alloc(&n, sizeof(struct message), PATIENCE, &bufs[k]) == 0);
			message_fill(mqshm_buffer_data(n.client, &bufs[k]), me, i + k);
		}
		while (done < batch) {
			int got = mqshm_port_push_many(n.out[0], bufs + done, batch - done, 0);

			if (got == -EAGAIN || got == -ENOTCONN) {
				must(mqshm_wait(n.client, &n.out[0], 1, PATIENCE, NULL) >= 0);
				continue;
			}
			must(got > 0);
			done += got;
		}
		i += batch;
		if (i == plan->two)
			stay_on_one_processor();
	}
	must(mqshm_port_end(n.out[0]) == 0);
	node_close(&n);
}

/* Up to a batch; 0 at the end. */
static int pop_some(struct node *n, struct mqshm_buffer *bufs)
{
	uint64_t deadline = PATIENCE;

	for (;;) {
		int got = mqshm_port_pop_many(n->in[0], bufs, BATCH);

		if (got == -ENODATA)
			return 0;
		if (got != -EAGAIN)
			return got;
		if (!plan->poll) {
			must(mqshm_wait(n->client, &n->in[0], 1, deadline, NULL) >= 0);
		} else {
			must(now_ns() < deadline);
			sched_yield();
		}
	}
}

static void run_forwarder(void *arg)
{
	struct mqshm_buffer bufs[BATCH];
	uint64_t moved = 0;
	struct node n;
	int got;

	must(node_open(&n, runtime_name(), "forwarder",
		       &(struct node_options){ .ins = 1, .outs = 1 }) == 0);
	while ((got = pop_some(&n, bufs))) {
		must(got > 0);
		for (int i = 0; i < got; i++) {
			struct message *m = mqshm_buffer_data(n.client, &bufs[i]);

			m->hops++;
			must(node_push(&n, n.out[0], &bufs[i], PATIENCE) == 0);
			if (++moved == plan->two)
				stay_on_one_processor();
		}
	}
	must(mqshm_port_end(n.out[0]) == 0);
	node_close(&n);
}

struct sink {
	const char *name;
	uint32_t hops;
};

/* Every message of every source, once, in order, whole. */
static void run_sink(void *arg)
{
	struct sink *me = arg;
	struct mqshm_buffer bufs[BATCH];
	uint64_t next[NODE_PORTS] = {};
	struct node n;
	int got;

	must(node_open(&n, runtime_name(), me->name, &(struct node_options){ .ins = 1 }) == 0);
	while ((got = pop_some(&n, bufs))) {
		must(got > 0);
		for (int i = 0; i < got; i++) {
			struct message *m = mqshm_buffer_data(n.client, &bufs[i]);

			must(m->source < plan->sources);
			must(message_good(m, m->source, next[m->source]));
			must(m->hops == me->hops);
			if (++next[m->source] == plan->two)
				stay_on_one_processor();
			must(mqshm_buffer_release(n.client, &bufs[i]) == 0);
		}
	}
	for (uint32_t i = 0; i < plan->sources; i++)
		must(next[i] == plan->messages);
	node_close(&n);
}

/* -- graphs ---------------------------------------------------------------- */

#define STREAM_FIELDS \
	int fd; \
	uint64_t begin; \
	uint64_t messages

static int prepare(uint32_t buffers, bool poll)
{
	int fd = runtime_create_fd(runtime_name(), 0);

	if (fd >= 0 && pool_create(fd, "pool", sizeof(struct message), buffers, NULL))
		return -1;
	plan = shared_memory(sizeof(*plan));
	plan->sources = 1;
	plan->batch = buffers < BATCH ? 1 : BATCH;
	plan->poll = poll;
	return fd;
}

/* Everything is back, and nothing was damaged. */
static int conclude(int fd, uint64_t ns, uint64_t messages)
{
	struct tally t;
	int err = tally_wait_free(fd, &t, 5000);

	printf("# %llu messages in %llu ms, %llu ns each\n", (unsigned long long)messages,
	       (unsigned long long)ns / 1000000, (unsigned long long)(ns / (messages ? messages : 1)));
	fflush(stdout);
	return err ? err : t.state & MQSHM_STATE_TAINTED ? -EUCLEAN : 0;
}

static int connect_when_there(int fd, const char *from, const char *to)
{
	int err = graph_wait_block(fd, from, 10000);

	if (!err)
		err = graph_wait_block(fd, to, 10000);
	return err ? err : graph_connect(fd, from, to, NULL);
}

/* How many of them did not end with 0. */
static int reap_all(const pid_t *pids, int n)
{
	int bad = 0;

	for (int i = 0; i < n; i++)
		bad += reap(pids[i]) != 0;
	return bad;
}

static int chain(int fd)
{
	struct sink sink = { "sink", 1 };
	pid_t pids[3];
	int err;

	pids[0] = spawn(run_source, (void *)0);
	pids[1] = spawn(run_forwarder, NULL);
	pids[2] = spawn(run_sink, &sink);
	err = connect_when_there(fd, "forwarder", "sink");
	if (!err)
		err = connect_when_there(fd, "source0", "forwarder");
	plan->go = 1;
	return err ? err : reap_all(pids, 3);
}

static int fan_out(int fd)
{
	struct sink sinks[3] = { { "sink0", 0 }, { "sink1", 0 }, { "sink2", 0 } };
	pid_t pids[4];
	int err = 0;

	pids[3] = spawn(run_source, (void *)0);
	for (int i = 0; i < 3; i++) {
		pids[i] = spawn(run_sink, &sinks[i]);
		if (!err)
			err = connect_when_there(fd, "source0", sinks[i].name);
	}
	plan->go = 1;
	return err ? err : reap_all(pids, 4);
}

FIXTURE(stream)
{
	STREAM_FIELDS;
};

FIXTURE_SETUP(stream)
{
	self->fd = prepare(1024, false);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	self->begin = now_ns();
}

FIXTURE_TEARDOWN(stream)
{
	EXPECT_EQ(0, conclude(self->fd, now_ns() - self->begin, self->messages));
}

TEST_F_TIMEOUT(stream, source_forwarder_sink, 1800)
{
	self->messages = plan->messages = rounds(1000000, 3000000);
	EXPECT_EQ(0, chain(self->fd));
}

TEST_F_TIMEOUT(stream, fan_out_to_three, 1800)
{
	self->messages = plan->messages = rounds(100000, 500000);
	EXPECT_EQ(0, fan_out(self->fd));
}

TEST_F_TIMEOUT(stream, fan_in_from_three, 1800)
{
	struct sink sink = { "sink", 0 };
	pid_t pids[4];
	char name[16];

	plan->sources = 3;
	plan->messages = rounds(100000, 500000);
	self->messages = 3 * plan->messages;
	pids[3] = spawn(run_sink, &sink);
	for (long i = 0; i < 3; i++) {
		pids[i] = spawn(run_source, (void *)i);
		snprintf(name, sizeof(name), "source%ld", i);
		ASSERT_EQ(0, connect_when_there(self->fd, name, "sink"));
	}
	plan->go = 1;
	EXPECT_EQ(0, reap_all(pids, 4));
}

/* Fewer buffers than blocks could keep to themselves: nobody may starve. */
FIXTURE(three_buffers)
{
	STREAM_FIELDS;
};

FIXTURE_VARIANT(three_buffers)
{
	bool poll;
};

FIXTURE_VARIANT_ADD(three_buffers, sleeping) { .poll = false };
FIXTURE_VARIANT_ADD(three_buffers, polling) { .poll = true };

FIXTURE_SETUP(three_buffers)
{
	self->fd = prepare(3, variant->poll);
	ASSERT_LE(0, self->fd);
	self->begin = now_ns();
}

FIXTURE_TEARDOWN(three_buffers)
{
	EXPECT_EQ(0, conclude(self->fd, now_ns() - self->begin, self->messages));
}

TEST_F_TIMEOUT(three_buffers, source_forwarder_sink, 1800)
{
	self->messages = plan->messages = rounds(100000, 1000000);
	plan->two = plan->messages / 20;
	EXPECT_EQ(0, chain(self->fd));
}

/* Whichever sink is the last to release a message has the buffer: all three may. */
TEST_F_TIMEOUT(three_buffers, fan_out_to_three, 1800)
{
	self->messages = plan->messages = rounds(20000, 200000);
	plan->two = plan->messages / 20;
	EXPECT_EQ(0, fan_out(self->fd));
}

TEST_HARNESS_MAIN
