// SPDX-License-Identifier: GPL-2.0-only
/*
 * source -> forward -> sink on the real library, as three processes and as three
 * threads of one: every message arrives, once, in order and unchanged, and nothing
 * is left at the end.
 *
 * usage: host_graph [MESSAGES [threads]]
 * threads: all loads by threads
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/**
 * struct result - what the sink saw
 * @messages: that came
 * @bad: out of order, or not what was sent
 * @begin_ns: first one
 * @end_ns: last one
 */
struct result {
	uint64_t messages;
	uint64_t bad;
	uint64_t begin_ns;
	uint64_t end_ns;
};

/**
 * struct load - what is to be done
 * @buffers: of the pool
 * @messages: to be sent
 * @flush_every: pushes that are flushed at a time
 * @threads: by threads of this process
 * @polls: the sink looks again and again and never sleeps
 */
struct load {
	uint32_t buffers;
	uint64_t messages;
	uint32_t flush_every;
	bool threads;
	bool polls;
};

static struct load load;
static struct result *result;

static void source(void)
{
	struct mqshm_buffer buf;
	struct stamp *s;
	struct node n;
	uint64_t i;

	node_make(&n, "source", 0, 1, 0, 0);
	for (i = 0; i < load.messages; i++) {
		node_alloc(&n, sizeof(*s), &buf);
		s = mqshm_buffer_data(n.client, &buf);
		s->source = 1;
		s->sequence = i;
		s->sum = stamp_sum(s);
		node_push(&n, n.out[0], &buf, (i + 1) % load.flush_every ? MQSHM_MORE : 0);
	}
	test_check(mqshm_port_end(n.out[0]), "end");
	mqshm_client_close(n.client);
}

static void forward(void)
{
	struct mqshm_buffer buf;
	struct node n;
	int r;

	node_make(&n, "forward", 1, 1, 256, 0);
	while (!(r = node_pop(&n, n.in[0], &buf)))
		node_push(&n, n.out[0], &buf, 0);
	if (r != -ENODATA)
		test_die("pop", r);
	test_check(mqshm_port_end(n.out[0]), "end");
	mqshm_client_close(n.client);
}

static int sink_pop(struct node *n, struct mqshm_buffer *buf)
{
	int r;

	if (!load.polls)
		return node_pop(n, n->in[0], buf);
	while ((r = mqshm_port_pop(n->in[0], buf)) == -EAGAIN)
		sched_yield();
	return r;
}

static void sink(void)
{
	struct mqshm_buffer buf;
	struct stamp *s;
	struct node n;
	int r;

	node_make(&n, "sink", 1, 0, 256, 0);
	while (!(r = sink_pop(&n, &buf))) {
		if (!result->messages)
			result->begin_ns = mqshm_now_ns();
		s = mqshm_buffer_data(n.client, &buf);
		result->bad += s->sequence != result->messages || s->source != 1 ||
			       s->sum != stamp_sum(s) || buf.length != sizeof(*s);
		result->messages++;
		test_check(mqshm_buffer_release(n.client, &buf), "release");
	}
	result->end_ns = mqshm_now_ns();
	if (r != -ENODATA)
		test_die("pop", r);
	/* a process leaves without a word, and is settled */
	if (load.threads)
		mqshm_client_close(n.client);
}

static void (*const nodes[])(void) = { source, forward, sink };

#define NODES	3

static void connect_all(struct mqshm_runtime *rt)
{
	static const char *const edges[][2] = {
		{ "source:out1", "forward:in1" }, { "forward:out1", "sink:in1" },
	};
	unsigned int i;
	int r;

	for (i = 0; i < 2; i++) {
		while ((r = mqshm_connect(rt, edges[i][0], edges[i][1], NULL)) == -ENOENT)
			usleep(100);
		test_check(r, "connect");
	}
}

static void *node_thread(void *arg)
{
	host_thread_begin();
	nodes[(uintptr_t)arg]();
	host_thread_end();
	return NULL;
}

static unsigned int threads_run(struct mqshm_runtime *rt)
{
	pthread_t threads[NODES];
	unsigned int i, failed = 0;

	for (i = 0; i < NODES; i++)
		failed += pthread_create(&threads[i], NULL, node_thread, (void *)(uintptr_t)i);
	connect_all(rt);
	for (i = 0; i < NODES; i++)
		pthread_join(threads[i], NULL);
	return failed;
}

static unsigned int processes_run(struct mqshm_runtime *rt)
{
	unsigned int i, failed = 0;
	int status;

	for (i = 0; i < NODES; i++) {
		if (host_fork())
			continue;
		nodes[i]();
		_exit(0);
	}
	connect_all(rt);
	for (i = 0; i < NODES; i++)
		failed += host_wait(-1, -1, &status) <= 0 || status;
	return failed;
}

static void run(struct load what)
{
	struct mqshm_runtime *rt = runtime_make(64, what.buffers);
	struct mqshm_snapshot *snap;
	struct host_sums sums;
	unsigned int failed;

	load = what;
	*result = (struct result) {};
	failed = load.threads ? threads_run(rt) : processes_run(rt);
	test_ok(!failed && result->messages == load.messages && !result->bad,
		"%llu messages through three %s, pool of %u, flushed %u at a time, sink %s",
		(unsigned long long)load.messages, load.threads ? "threads" : "processes",
		load.buffers, load.flush_every, load.polls ? "polls" : "sleeps");
	test_check(mqshm_runtime_snapshot(rt, &snap), "snapshot");
	host_sum(&sums);
	test_ok(!host_check() && sums.in_depot == load.buffers && !snap->n_clients,
		"all %u buffers are free again", load.buffers);
	test_note("%.0f ns a message, %.3f ioctls a message",
		  (double)(result->end_ns - result->begin_ns) / (double)load.messages,
		  (double)snap->runtimes[0].ioctls / (double)load.messages);
	mqshm_snapshot_free(snap);
	mqshm_runtime_close(rt);
}

int main(int argc, char **argv)
{
	uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000000;
	uint64_t few = messages < 1000000 ? messages / 10 : 1000000;

	bool threads = argc > 2 && !strcmp(argv[2], "threads");

	host_start();
	result = test_shared(sizeof(*result));
	run((struct load) { 1024, messages, 1, threads, false });
	run((struct load) { 1024, messages, 32, threads, false });
	/* nobody starves: each of the three would keep them all */
	run((struct load) { 3, few, 1, threads, false });
	run((struct load) { 3, few, 1, threads, true });
	if (!threads)
		run((struct load) { 1024, messages / 4, 1, true, false });
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
