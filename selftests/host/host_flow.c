// SPDX-License-Identifier: GPL-2.0-only
/*
 * A graph of connections that keep, whose processes are killed at random and started
 * again, each of them, and sometimes two: in the end each message is accounted for. What
 * went into a block came out of it, once and in order, but for what was in the hands of
 * its dead, as many as the records of the departed say.
 *
 *	source -> fan -> forward -> one
 *	          fan ------------> two		(a second connection of the same output)
 *
 * The source goes on with the number that its connection says.
 *
 * usage: host_flow [KILLS [SEED]]
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define BUFFERS		128
#define DEPTH		16
#define MESSAGES_MAX	(1U << 24)

enum { SOURCE, FAN, FORWARD, ONE, TWO, PROCESSES };

/**
 * struct sink - what a sink has seen
 * @counting: number, plus 1, of the message that it notes just now and has in its hand
 * @before: whether that had come before
 * @next: the last that came, plus 1
 * @wrong: messages that were not what they should be
 * @came: by message: how often it came
 */
struct sink {
	uint64_t counting;
	uint64_t before;
	uint64_t next;
	uint64_t wrong;
	uint8_t came[MESSAGES_MAX];
};

static struct stage {
	int go;
	int end;
	uint64_t client[PROCESSES];
	struct sink sinks[2];
} *stage;

static struct mqshm_runtime *runtime;
static uint64_t seed;

/* -- the processes -------------------------------------------------------------------- */

/* Messages that went over the connection from @from. */
static uint64_t sent(const char *from, const char *to)
{
	struct mqshm_snapshot *snap;
	uint64_t n = 0;
	size_t i;

	test_check(mqshm_runtime_snapshot(runtime, &snap), "snapshot");
	for (i = 0; i < snap->n_connections; i++)
		if (!strcmp(snap->connections[i].from, from) &&
		    !strcmp(snap->connections[i].to, to))
			n = snap->connections[i].messages;
	mqshm_snapshot_free(snap);
	return n;
}

static void source(struct node *n)
{
	uint64_t next = sent("source:out1", "fan:in1");
	struct mqshm_buffer buf;
	struct stamp *s;

	while (!__atomic_load_n(&stage->end, __ATOMIC_RELAXED)) {
		/* an end before the last kill would leave those that come after it to wait for ever */
		if (next == MESSAGES_MAX) {
			usleep(1000);
			continue;
		}
		node_alloc(n, sizeof(*s), &buf);
		s = mqshm_buffer_data(n->client, &buf);
		s->source = 1;
		s->sequence = next++;
		s->sum = stamp_sum(s);
		node_push(n, n->out[0], &buf, 0);
	}
	test_check(mqshm_port_end(n->out[0]), "end");
}

static void forward(struct node *n)
{
	struct mqshm_buffer buf;

	while (!node_pop(n, n->in[0], &buf))
		node_push(n, n->out[0], &buf, 0);
	test_check(mqshm_port_end(n->out[0]), "end");
}

static void note(struct sink *sink, const struct stamp *s)
{
	if (s->sum != stamp_sum(s) || s->sequence >= MESSAGES_MAX || s->sequence < sink->next) {
		sink->wrong++;
		return;
	}
	sink->before = sink->came[s->sequence];
	__atomic_store_n(&sink->counting, s->sequence + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&sink->came[s->sequence], sink->before + 1, __ATOMIC_RELEASE);
	sink->next = s->sequence + 1;
}

static void take(struct node *n, struct sink *sink)
{
	struct mqshm_buffer buf;

	while (!node_pop(n, n->in[0], &buf)) {
		note(sink, mqshm_buffer_data(n->client, &buf));
		test_check(mqshm_buffer_release(n->client, &buf), "release");
		__atomic_store_n(&sink->counting, 0, __ATOMIC_RELEASE);
	}
}

static pid_t start(int which)
{
	static const char *const names[] = { "source", "fan", "forward", "one", "two" };
	struct node n;
	pid_t pid;

	__atomic_store_n(&stage->client[which], 0, __ATOMIC_SEQ_CST);
	pid = host_fork();
	if (pid) {
		/* who has not joined has no record */
		while (!__atomic_load_n(&stage->client[which], __ATOMIC_SEQ_CST))
			usleep(20);
		return pid;
	}
	node_make(&n, names[which], which != SOURCE, which < ONE, which != SOURCE ? DEPTH : 0,
		  UINT64_MAX);
	__atomic_store_n(&stage->client[which], mqshm_client_id(n.client), __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&stage->go, __ATOMIC_ACQUIRE))
		usleep(50);
	if (which == SOURCE)
		source(&n);
	else if (which < ONE)
		forward(&n);
	else
		take(&n, &stage->sinks[which - ONE]);
	mqshm_client_close(n.client);
	_exit(0);
}

/* -- the storm ------------------------------------------------------------------------ */

static void connect_them(void)
{
	static const char *const ends[][2] = {
		{ "source:out1", "fan:in1" }, { "fan:out1", "forward:in1" },
		{ "fan:out1", "two:in1" }, { "forward:out1", "one:in1" },
	};
	struct mqshm_connect_options how = {
		.persistent = true, .keep = true, .keep_ns = MQSHM_KEEP_FOREVER,
	};
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		test_check(mqshm_connect_with(runtime, ends[i][0], ends[i][1], &how, NULL),
			   "connect");
}

/* What it had in its hands when it was killed. */
static uint64_t lost(int which)
{
	struct mqshm_snapshot *snap;
	uint64_t n = UINT64_MAX;
	size_t i;

	test_check(mqshm_runtime_snapshot(runtime, &snap), "snapshot");
	for (i = 0; i < snap->n_departed; i++)
		if (snap->departed[i].id == stage->client[which])
			n = snap->departed[i].lost_buffers;
	mqshm_snapshot_free(snap);
	return n;
}

/* It has noted the message that it had in its hand. */
static bool noted_twice(int which)
{
	struct sink *sink = &stage->sinks[which - ONE];
	bool twice = sink->counting && sink->came[sink->counting - 1] != sink->before;

	sink->counting = 0;
	return twice;
}

static void delay(void)
{
	uint64_t us = random_below(&seed, 3) ? random_below(&seed, 300) :
					       random_below(&seed, 3000);

	nanosleep(&(struct timespec) { .tv_nsec = (long)(us * 1000) }, NULL);
}

static uint64_t came(const struct sink *sink)
{
	uint64_t n = 0, i;

	for (i = 0; i < MESSAGES_MAX; i++)
		n += sink->came[i];
	return n;
}

int main(int argc, char **argv)
{
	uint64_t kills = argc > 1 ? strtoull(argv[1], NULL, 0) : 2000, i;
	uint64_t hands[PROCESSES] = {}, twice[PROCESSES] = {}, odd = 0, in, out, side;
	struct host_sums sums;
	pid_t pids[PROCESSES];
	int p;

	host_start();
	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : mqshm_now_ns() | 1;
	test_note("host_flow %llu 0x%llx", (unsigned long long)kills, (unsigned long long)seed);
	stage = test_shared(sizeof(*stage));
	runtime = runtime_make(64, BUFFERS);
	for (p = 0; p < PROCESSES; p++)
		pids[p] = start(p);
	connect_them();
	stage->go = 1;
	for (i = 0; i < kills; i++) {
		unsigned int dead = 1U << random_below(&seed, PROCESSES);

		if (!random_below(&seed, 4))
			dead |= 1U << random_below(&seed, PROCESSES);
		delay();
		for (p = 0; p < PROCESSES; p++)
			if (dead & 1U << p)
				host_kill(pids[p]);
		for (p = 0; p < PROCESSES; p++) {
			if (!(dead & 1U << p))
				continue;
			host_wait(pids[p], -1, NULL);
			hands[p] += lost(p);
			if (p >= ONE && noted_twice(p) && lost(p))
				twice[p]++;
		}
		for (p = 0; p < PROCESSES; p++)
			if (dead & 1U << p)
				pids[p] = start(p);
		host_freeze();
		odd += host_check();
		host_thaw();
	}
	stage->end = 1;
	for (p = 0; p < PROCESSES; p++)
		host_wait(pids[p], -1, NULL);

	test_ok(!odd, "%llu times killed, and every count is right", (unsigned long long)kills);
	in = sent("source:out1", "fan:in1");
	out = sent("fan:out1", "forward:in1");
	side = sent("fan:out1", "two:in1");
	/* the connection that was made last gets a message last */
	test_ok(in - side == hands[FAN] && out >= side && out <= in,
		"%llu messages, %llu and %llu of the fan: %llu lost in its hands",
		(unsigned long long)in, (unsigned long long)out, (unsigned long long)side,
		(unsigned long long)hands[FAN]);
	in = sent("forward:out1", "one:in1");
	test_ok(out - in == hands[FORWARD], "%llu of those who passed it on: %llu lost in their hands",
		(unsigned long long)in, (unsigned long long)hands[FORWARD]);
	for (p = ONE; p <= TWO; p++) {
		const struct sink *sink = &stage->sinks[p - ONE];

		out = came(sink);
		in = p == ONE ? in : side;
		test_ok(in - out + twice[p] == hands[p] && !sink->wrong,
			"%llu came, once and in order: %llu lost in the hands of a sink",
			(unsigned long long)out, (unsigned long long)(hands[p] - twice[p]));
	}
	host_sum(&sums);
	test_ok(!host_check() && sums.in_depot == BUFFERS, "all %u buffers are free at the end",
		BUFFERS);
	mqshm_runtime_close(runtime);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
