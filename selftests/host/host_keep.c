// SPDX-License-Identifier: GPL-2.0-only
/*
 * A connection that keeps what is queued: a source, and a sink that takes messages into
 * its hands and holds them, killed at random moments and started again. Of what was sent,
 * each message comes once, in order, to one of the sinks, but for those that a dead one
 * had in its hands: exactly as many as the records of the departed say. In every other
 * round the source is killed as well, with at most one message in its hands.
 *
 * usage: host_keep [KILLS [SEED]]
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define BUFFERS		64
#define DEPTH		16
#define TAKES		24	/* messages that a sink takes in its life */
#define MESSAGES_MAX	(1U << 20)

/**
 * struct stage - what processes and monitor share
 * @made: messages that a source was about to send
 * @sink: client of the sink, 0 until it has joined
 * @taken: messages that this sink has said to have taken
 * @end: the source announces the end, the sink takes all there is and lets go of it
 * @wrong: messages that were not what they should be
 * @last: the last one that came, plus 1
 * @came: by message: whether it came
 */
struct stage {
	uint64_t made;
	uint64_t sink;
	uint64_t taken;
	int end;
	uint64_t wrong;
	uint64_t last;
	uint8_t came[MESSAGES_MAX];
};

static struct stage *stage;
static struct mqshm_runtime *runtime;
static uint64_t seed;

static void source(void)
{
	struct mqshm_buffer buf;
	struct stamp *s;
	struct node n;

	node_make(&n, "source", 0, 1, 0, UINT64_MAX);
	while (!__atomic_load_n(&stage->end, __ATOMIC_RELAXED) && stage->made < MESSAGES_MAX) {
		node_alloc(&n, sizeof(*s), &buf);
		s = mqshm_buffer_data(n.client, &buf);
		s->source = 1;
		s->sequence = stage->made;
		s->sum = stamp_sum(s);
		__atomic_store_n(&stage->made, stage->made + 1, __ATOMIC_RELAXED);
		node_push(&n, n.out[0], &buf, 0);
	}
	test_check(mqshm_port_end(n.out[0]), "end");
	mqshm_client_close(n.client);
	_exit(0);
}

static void message_came(struct node *n, const struct mqshm_buffer *buf)
{
	const struct stamp *s = mqshm_buffer_data(n->client, buf);

	if (s->sum != stamp_sum(s) || s->sequence >= MESSAGES_MAX ||
	    s->sequence < stage->last || stage->came[s->sequence]) {
		stage->wrong++;
		return;
	}
	stage->came[s->sequence] = 1;
	stage->last = s->sequence + 1;
}

static void sink(void)
{
	struct mqshm_buffer buf;
	struct node n;

	node_make(&n, "sink", 1, 0, DEPTH, UINT64_MAX);
	__atomic_store_n(&stage->sink, mqshm_client_id(n.client), __ATOMIC_SEQ_CST);
	while (stage->taken < TAKES || stage->end) {
		int r = node_pop(&n, n.in[0], &buf);

		if (r == -ENODATA)
			break;
		test_check(r, "pop");
		message_came(&n, &buf);
		__atomic_store_n(&stage->taken, stage->taken + 1, __ATOMIC_RELAXED);
		if (stage->end)
			test_check(mqshm_buffer_release(n.client, &buf), "release");
	}
	while (!stage->end)
		pause();
	mqshm_client_close(n.client);
	_exit(0);
}

static pid_t start(void (*run)(void))
{
	pid_t pid = host_fork();

	if (!pid) {
		run();
		_exit(1);
	}
	return pid;
}

static pid_t sink_start(void)
{
	pid_t pid;

	stage->taken = 0;
	stage->sink = 0;
	pid = start(sink);
	/* who has not joined has no record */
	while (!__atomic_load_n(&stage->sink, __ATOMIC_SEQ_CST))
		usleep(20);
	return pid;
}

static void bury(pid_t pid)
{
	host_kill(pid);
	host_wait(pid, -1, NULL);
}

/* What it had in its hands when it was killed. */
static uint64_t sink_lost(void)
{
	struct mqshm_snapshot *snap;
	uint64_t lost = UINT64_MAX;
	size_t i;

	test_check(mqshm_runtime_snapshot(runtime, &snap), "snapshot");
	for (i = 0; i < snap->n_departed; i++)
		if (snap->departed[i].id == stage->sink)
			lost = snap->departed[i].lost_buffers;
	mqshm_snapshot_free(snap);
	return lost;
}

static void connect_them(void)
{
	struct mqshm_connect_options how = {
		.persistent = true, .keep = true, .keep_ns = MQSHM_KEEP_FOREVER,
	};
	int r;

	while ((r = mqshm_connect_with(runtime, "source:out1", "sink:in1", &how, NULL)) == -ENOENT)
		usleep(20);
	test_check(r, "connect");
}

static void delay(void)
{
	uint64_t us = random_below(&seed, 3) ? random_below(&seed, 300) :
					       random_below(&seed, 3000);

	nanosleep(&(struct timespec) { .tv_nsec = (long)(us * 1000) }, NULL);
}

int main(int argc, char **argv)
{
	uint64_t kills = argc > 1 ? strtoull(argv[1], NULL, 0) : 2000, i;
	uint64_t held = 0, unsaid = 0, missing = 0, sources = 0, odd = 0;
	struct host_sums sums;
	pid_t from, to;

	host_start();
	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : mqshm_now_ns() | 1;
	test_note("host_keep %llu 0x%llx", (unsigned long long)kills, (unsigned long long)seed);
	stage = test_shared(sizeof(*stage));
	runtime = runtime_make(64, BUFFERS);
	from = start(source);
	to = sink_start();
	connect_them();
	for (i = 0; i < kills && stage->made < MESSAGES_MAX; i++) {
		uint64_t lost;

		delay();
		bury(to);
		lost = sink_lost();
		/* it may have died between taking a message and saying so */
		odd += lost < stage->taken || lost > stage->taken + 1;
		held += stage->taken;
		unsaid += lost - stage->taken;
		if (i & 1) {
			bury(from);
			sources++;
			from = start(source);
		}
		to = sink_start();
		host_freeze();
		odd += host_check();
		host_thaw();
	}
	/* the last of both take it to the end */
	bury(to);
	held += stage->taken;
	unsaid += sink_lost() - stage->taken;
	stage->end = 1;
	to = sink_start();
	host_wait(from, -1, NULL);
	host_wait(to, -1, NULL);
	for (i = 0; i < stage->made; i++)
		missing += !stage->came[i];

	test_ok(!stage->wrong, "of %llu messages none came twice, late or changed",
		(unsigned long long)stage->made);
	test_ok(!odd, "%llu deaths, %llu messages in the hands of the dead, all counted",
		(unsigned long long)kills, (unsigned long long)(held + unsaid));
	test_ok(missing >= unsaid && missing <= unsaid + sources,
		"%llu are missing: %llu that a sink had just taken, others that %llu sources were sending",
		(unsigned long long)missing, (unsigned long long)unsaid,
		(unsigned long long)sources);
	host_sum(&sums);
	test_ok(!host_check() && sums.in_depot == BUFFERS, "all %u buffers are free at the end",
		BUFFERS);
	mqshm_runtime_close(runtime);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
