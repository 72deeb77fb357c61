// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients that are threads of one program, each a process of its own to the module,
 * for a sanitizer that looks for races: a graph in which every operation of the
 * protocol goes on all the time, while clients are killed, leave and come again, are
 * settled by another thread, connections are taken away and made, and who looks
 * takes snapshots and asks who holds what.
 * Nothing ever stops for that.
 *
 *	source ---+--> forward --> sink:in1
 *	          +--------------> sink:in2
 *
 * usage: host_race [ROUNDS [SEED [BUFFERS]]]
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define NODES		3
#define SOURCE		0
#define FORWARD		1
#define SINK		2
#define DEPTH		16
#define LOOK_EVERY	8	/* rounds between two looks whether messages flow */
#define LOOK_MS		20000	/* after that long something is wrong */

static const struct {
	const char *name;
	unsigned int ins;
	unsigned int outs;
} nodes[NODES] = { { "source", 0, 1 }, { "forward", 1, 1 }, { "sink", 2, 0 } };

static const char *const edges[][2] = {
	{ "source:out1", "forward:in1" },
	{ "source:out1", "sink:in2" },
	{ "forward:out1", "sink:in1" },
};

#define EDGES	(sizeof(edges) / sizeof(edges[0]))

/**
 * struct life - of one client
 * @node: which of the graph
 * @begun: how often that one began
 * @pid: 0 until it can be killed
 * @thread: lives it
 */
struct life {
	unsigned int node;
	uint64_t begun;
	pid_t pid;
	pthread_t thread;
};

static struct life lives[NODES];
static struct mqshm_runtime *runtime;
static uint64_t seed;
static uint64_t arrived[2];
static uint64_t bad_stamps;

/* -- the clients ------------------------------------------------------------------- */

static void stamp_check(struct node *n, const struct mqshm_buffer *buf)
{
	const struct stamp *s = mqshm_buffer_data(n->client, buf);

	if (s->sum != stamp_sum(s))
		__atomic_fetch_add(&bad_stamps, 1, __ATOMIC_RELAXED);
}

/* Sleeps; false if it is to leave. */
static bool wait_for(struct node *n, struct mqshm_port *const *ports, unsigned int count)
{
	test_check(mqshm_wait(n->client, ports, count, MQSHM_FOREVER, NULL), "wait");
	return !mqshm_block_stop_requested(n->block);
}

static bool push(struct node *n, struct mqshm_buffer *buf, uint32_t flags)
{
	int r;

	while ((r = mqshm_port_push(n->out[0], buf, flags))) {
		if (r != -EAGAIN && r != -ENOTCONN)
			test_die("push", r);
		if (!wait_for(n, n->out, 1))
			return false;
	}
	return true;
}

static void source(struct node *n, uint64_t begun)
{
	struct mqshm_buffer buf;
	struct stamp *s;
	uint64_t i = 0;
	int r;

	while (!mqshm_block_stop_requested(n->block)) {
		r = mqshm_buffer_alloc(n->client, sizeof(*s), MQSHM_FOREVER, &buf);
		if (r == -EAGAIN)
			continue;
		test_check(r, "alloc");
		s = mqshm_buffer_data(n->client, &buf);
		s->source = begun;
		s->sequence = i++;
		s->sum = stamp_sum(s);
		if (!push(n, &buf, i & 3 ? MQSHM_MORE : 0))
			break;
	}
}

/* What nobody else has. */
static void stamp_change(struct node *n, const struct mqshm_buffer *buf)
{
	struct stamp *s = mqshm_buffer_data(n->client, buf);

	s->sequence++;
	s->sum = stamp_sum(s);
}

/* Shares now and then, and writes what it may, or a copy. */
static void forward_one(struct node *n, struct mqshm_buffer *buf, uint64_t i)
{
	struct mqshm_buffer copy;
	int r;

	stamp_check(n, buf);
	if (i & 1) {
		test_check(mqshm_buffer_share(n->client, buf, &copy), "share");
		test_check(mqshm_buffer_release(n->client, &copy), "release");
	} else if (i & 2) {
		if (mqshm_buffer_is_sole(n->client, buf))
			stamp_change(n, buf);
	} else {
		r = mqshm_buffer_make_writable(n->client, buf, MQSHM_NO_WAIT);
		if (!r)
			stamp_change(n, buf);
		else if (r != -EAGAIN)
			test_die("make writable", r);
	}
}

static void forward(struct node *n)
{
	struct mqshm_buffer buf;
	uint64_t i = 0;
	int r;

	while (!mqshm_block_stop_requested(n->block)) {
		r = mqshm_port_pop(n->in[0], &buf);
		if (r == -EAGAIN) {
			if (!wait_for(n, n->in, 1))
				break;
			continue;
		}
		test_check(r, "pop");
		forward_one(n, &buf, i++);
		if (!push(n, &buf, i & 7 ? MQSHM_MORE : 0))
			break;
	}
}

static void sink_pop(struct node *n, unsigned int k)
{
	struct mqshm_buffer bufs[4];
	int i, r = mqshm_port_pop_many(n->in[k], bufs, 4);

	if (r == -EAGAIN)
		return;
	test_check(r, "pop");
	__atomic_fetch_add(&arrived[k], (uint64_t)r, __ATOMIC_RELAXED);
	for (i = 0; i < r; i++) {
		stamp_check(n, &bufs[i]);
		test_check(mqshm_buffer_release(n->client, &bufs[i]), "release");
	}
}

/* What a call has learnt of already would not end the poll. */
static bool sink_poll(struct node *n)
{
	if (mqshm_block_stop_requested(n->block))
		return false;
	test_check(mqshm_client_flush(n->client), "flush");
	if (host_poll(mqshm_client_fd(n->client), POLLIN, 0) & (POLLERR | POLLHUP))
		test_die("poll", -EIO);
	test_check(mqshm_client_update(n->client), "update");
	return !mqshm_block_stop_requested(n->block);
}

static void sink(struct node *n, bool polls)
{
	while (polls ? sink_poll(n) : wait_for(n, n->in, 2)) {
		sink_pop(n, 0);
		sink_pop(n, 1);
	}
}

static void live(void *arg)
{
	const struct life *l = arg;
	struct node n;

	node_make(&n, nodes[l->node].name, nodes[l->node].ins, nodes[l->node].outs, DEPTH,
		  l->begun & 1 ? UINT64_MAX : 2000);
	if (l->node == SOURCE)
		source(&n, l->begun);
	else if (l->node == FORWARD)
		forward(&n);
	else
		sink(&n, l->begun & 2);
	mqshm_client_close(n.client);
}

/* -- what happens to them ------------------------------------------------------------ */

static void *life_thread(void *arg)
{
	struct life *l = arg;

	host_thread_run(&l->pid, live, l);
	return NULL;
}

static void start(unsigned int node)
{
	struct life *l = &lives[node];

	l->node = node;
	l->begun++;
	l->pid = 0;
	test_check(-pthread_create(&l->thread, NULL, life_thread, l), "thread");
}

static void life_kill(struct life *l)
{
	pid_t pid;

	while (!(pid = __atomic_load_n(&l->pid, __ATOMIC_ACQUIRE)))
		sched_yield();
	host_kill(pid);
}

static void life_ask_to_leave(struct life *l)
{
	const struct mqshm_block_record *block = NULL;
	struct mqshm_snapshot *snap;
	int r = -ENOENT;

	while (r == -ENOENT) {
		test_check(mqshm_runtime_snapshot(runtime, &snap), "snapshot");
		block = mqshm_snapshot_find_block(snap, nodes[l->node].name);
		if (block)
			r = mqshm_block_request_stop(runtime, block->id);
		mqshm_snapshot_free(snap);
		if (r == -ENOENT)
			usleep(50);
	}
	test_check(r, "stop");
}

static void end(unsigned int victims, unsigned int leave)
{
	unsigned int i;

	for (i = 0; i < NODES; i++) {
		if (!(victims & 1U << i))
			continue;
		if (leave & 1U << i)
			life_ask_to_leave(&lives[i]);
		else
			life_kill(&lives[i]);
	}
	for (i = 0; i < NODES; i++) {
		if (!(victims & 1U << i))
			continue;
		pthread_join(lives[i].thread, NULL);
		host_bury(lives[i].pid);
	}
}

static void connect_all(void)
{
	unsigned int i;
	int r;

	for (i = 0; i < EDGES; i++) {
		while ((r = mqshm_connect(runtime, edges[i][0], edges[i][1], NULL)) == -ENOENT)
			usleep(50);
		if (r != -EEXIST)
			test_check(r, "connect");
	}
}

static void connection_cut(void)
{
	struct mqshm_snapshot *snap;
	int r = 0;

	test_check(mqshm_runtime_snapshot(runtime, &snap), "snapshot");
	if (snap->n_connections)
		r = mqshm_disconnect(runtime, snap->connections[random_below(&seed,
								snap->n_connections)].id);
	mqshm_snapshot_free(snap);
	/* it may have been on its way out */
	if (r != -ENOENT)
		test_check(r, "disconnect");
}

/* Whoever holds what: clients and rings come, move and go while it is found out. */
static void holders_look(void)
{
	struct mqshm_holders *list;
	size_t i;

	test_check(mqshm_runtime_holders(runtime, &list), "holders");
	for (i = 0; i < list->n_holders; i++) {
		const struct mqshm_holder_record *h = &list->holders[i];

		if (!h->refs || h->pool || h->head.kind != MQSHM_RECORD_HOLDER)
			test_check(-EPROTO, "a holder");
	}
	mqshm_holders_free(list);
}

static bool messages_flow(uint64_t deadline_ns)
{
	uint64_t before[2];
	unsigned int i;

	for (i = 0; i < 2; i++)
		before[i] = __atomic_load_n(&arrived[i], __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++) {
		while (__atomic_load_n(&arrived[i], __ATOMIC_RELAXED) == before[i]) {
			if (mqshm_now_ns() > deadline_ns) {
				test_note("no message at sink:in%u for %d ms", i + 1, LOOK_MS);
				return false;
			}
			usleep(50);
		}
	}
	return true;
}

/* 1 us to 10 ms, each order of magnitude as likely. */
static void delay(void)
{
	static const uint64_t scale[] = { 10, 100, 1000, 10000 };

	usleep((useconds_t)(1 + random_below(&seed, scale[random_below(&seed, 4)])));
}

/* Returns lives ended until something was wrong; *@bad: it was. */
static unsigned int race(unsigned int rounds, bool *bad)
{
	unsigned int round, i, victims, done = 0;

	for (round = 0; round < rounds; round++) {
		delay();
		if (random_below(&seed, 4) == 0) {
			connection_cut();
			delay();
		}
		victims = 1 + (unsigned int)random_below(&seed, (1U << NODES) - 1);
		/* two times of three there is one only */
		if (random_below(&seed, 3))
			victims = 1U << random_below(&seed, NODES);
		holders_look();
		end(victims, (unsigned int)random_next(&seed) & (unsigned int)random_next(&seed));
		done += (unsigned int)__builtin_popcount(victims);
		for (i = 0; i < NODES; i++)
			if (victims & 1U << i)
				start(i);
		connect_all();
		*bad = round % LOOK_EVERY == 0 && !messages_flow(mqshm_after_ms(LOOK_MS));
		if (*bad)
			break;
	}
	return done;
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 200, done, i;
	uint32_t buffers = argc > 3 ? (uint32_t)atoi(argv[3]) : 64;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
	struct mqshm_client *c;
	struct host_sums sums;
	bool bad = false;

	host_start();
	if (!first)
		first = mqshm_now_ns();
	seed = first;
	test_note("host_race %u 0x%llx %u", rounds, (unsigned long long)first, buffers);
	runtime = runtime_make(64, buffers);
	/* what the library does once in a program must not be left half done by a kill */
	test_check(mqshm_client_join(RUNTIME, NULL, &c), "join");
	mqshm_client_close(c);
	for (i = 0; i < NODES; i++)
		start(i);
	connect_all();
	done = race(rounds, &bad);
	test_ok(!bad, "%u clients ended and came again while the others went on", done);
	end((1U << NODES) - 1, 0);
	test_ok(!bad_stamps, "payload of %llu messages as its source wrote it",
		(unsigned long long)(arrived[0] + arrived[1]));
	host_sum(&sums);
	test_ok(!host_check() && sums.in_depot == sums.buffers && !sums.held && !sums.queued,
		"all %llu buffers are free at the end", (unsigned long long)sums.buffers);
	mqshm_runtime_close(runtime);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
