// SPDX-License-Identifier: GPL-2.0-only
/*
 * A graph in which every operation of the protocol goes on all the time, and whose
 * processes are killed at random moments, one or several at once, and started
 * again. After each kill everything is stopped where it is, and the invariant is
 * checked exactly over all buffers; now and then, that those who are left learn of
 * the death by themselves, and that messages flow again. Connections are taken away
 * and made again meanwhile.
 *
 *	source ---+--> forward --> sink:in1
 *	          +--------------> sink:in2
 *
 * usage: host_kill [KILLS [SEED [BUFFERS [CROWD]]]]
 * CROWD clients that do nothing join first: behind 48, the three have no toggle.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define NODES		3
#define SOURCE		0
#define FORWARD		1
#define SINK		2
#define DEPTH		16
#define CROWD_MAX	60
#define CUT_EVERY	4	/* rounds between two connections taken away */
#define LOOK_EVERY	16	/* rounds between two looks at those who are left */
#define LOOK_MS		10000	/* after that long something is wrong */

static const char *const names[NODES] = { "source", "forward", "sink" };
/* Names of both ends, and the nodes: consumer and producer, as MQSHM_DIR_* has it. */
static const struct {
	const char *from;
	const char *to;
	unsigned int nodes[2];
} edges[] = {
	{ "source:out1", "forward:in1", { FORWARD, SOURCE } },
	{ "source:out1", "sink:in2", { SINK, SOURCE } },
	{ "forward:out1", "sink:in1", { SINK, FORWARD } },
};

#define EDGES	(sizeof(edges) / sizeof(edges[0]))

/**
 * struct shared - what the processes tell the monitor
 * @arrived: messages at each input of the sink
 * @bad_stamps: payload that was not what its source wrote
 * @starts: how often each node began
 * @connections: how many inputs and outputs of each node have
 */
struct shared {
	uint64_t arrived[2];
	uint64_t bad_stamps;
	uint64_t starts[NODES];
	uint64_t connections[NODES][2];
};

static struct shared *shared;
static struct mqshm_runtime *runtime;
static pid_t pids[NODES];
static uint64_t seed;

/* Whichever of two blocks comes last connects them. */
static void connect_mine(void)
{
	unsigned int i;

	for (i = 0; i < EDGES; i++) {
		int r = mqshm_connect(runtime, edges[i].from, edges[i].to, NULL);

		if (r && r != -ENOENT && r != -EEXIST)
			test_die("connect", r);
	}
}

static void stamp_check(struct node *n, const struct mqshm_buffer *buf)
{
	const struct stamp *s = mqshm_buffer_data(n->client, buf);

	if (s->sum != stamp_sum(s))
		__atomic_fetch_add(&shared->bad_stamps, 1, __ATOMIC_RELAXED);
}

static void source(struct node *n, uint64_t start)
{
	struct mqshm_buffer buf;
	uint64_t i;

	for (i = 0;; i++) {
		struct stamp *s;

		node_alloc(n, sizeof(*s), &buf);
		s = mqshm_buffer_data(n->client, &buf);
		s->source = start;
		s->sequence = i;
		s->sum = stamp_sum(s);
		node_push(n, n->out[0], &buf, i & 3 ? MQSHM_MORE : 0);
	}
}

/* Shares now and then, so that it has operations of its own on the counts. */
static void forward(struct node *n)
{
	struct mqshm_buffer buf, copy;
	uint64_t i;

	for (i = 0;; i++) {
		test_check(node_pop(n, n->in[0], &buf), "pop");
		stamp_check(n, &buf);
		if (i & 1) {
			test_check(mqshm_buffer_share(n->client, &buf, &copy), "share");
			test_check(mqshm_buffer_release(n->client, &copy), "release");
		}
		node_push(n, n->out[0], &buf, i & 7 ? MQSHM_MORE : 0);
	}
}

static void sink(struct node *n)
{
	struct mqshm_buffer bufs[4];
	uint64_t ready;
	int i, k, r;

	for (;;) {
		node_report(n);
		test_check(mqshm_wait(n->client, n->in, 2, MQSHM_FOREVER, &ready), "wait");
		for (k = 0; k < 2; k++) {
			r = mqshm_port_pop_many(n->in[k], bufs, 4);
			if (r == -EAGAIN)
				continue;
			test_check(r, "pop");
			for (i = 0; i < r; i++) {
				stamp_check(n, &bufs[i]);
				__atomic_fetch_add(&shared->arrived[k], 1, __ATOMIC_RELAXED);
			}
			while (i-- > 0) {
				stamp_check(n, &bufs[i]);
				test_check(mqshm_buffer_release(n->client, &bufs[i]), "release");
			}
		}
	}
}

static void start(unsigned int which)
{
	static const unsigned int ins[NODES] = { 0, 1, 2 }, outs[NODES] = { 1, 1, 0 };
	uint64_t begun = ++shared->starts[which];
	struct node n;

	pids[which] = host_fork();
	if (pids[which])
		return;
	node_make(&n, names[which], ins[which], outs[which], DEPTH,
		  begun & 1 ? UINT64_MAX : 2000);
	n.connections = shared->connections[which];
	connect_mine();
	if (which == SOURCE)
		source(&n, begun);
	else if (which == FORWARD)
		forward(&n);
	else
		sink(&n);
	_exit(2);
}

/* 1 us to 1 ms, each order of magnitude as likely. */
static void delay(void)
{
	static const uint64_t scale[] = { 10, 100, 1000 };
	struct timespec ts = {
		.tv_nsec = (long)(1000 * (1 + random_below(&seed, scale[random_below(&seed, 3)]))),
	};

	nanosleep(&ts, NULL);
}

/* Mostly one, sometimes all. */
static unsigned int victims_choose(void)
{
	switch (random_below(&seed, 8)) {
	case 0:
		return 7;
	case 1:
		return 1 + (unsigned int)random_below(&seed, 7);
	default:
		return 1U << random_below(&seed, NODES);
	}
}

/* Returns how many did not die by SIGKILL. */
static unsigned int kill_some(unsigned int victims)
{
	unsigned int i, odd = 0;
	int status;

	for (i = 0; i < NODES; i++)
		if (victims & 1U << i && pids[i])
			host_kill(pids[i]);
	for (i = 0; i < NODES; i++) {
		if (!(victims & 1U << i) || !pids[i])
			continue;
		if (host_wait(pids[i], -1, &status) != pids[i] ||
		    !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
			test_note("%s ended with status 0x%x", names[i], status);
			odd++;
		}
		pids[i] = 0;
	}
	return odd;
}

/* What the kernel knows, for who looks for the cause. */
static void graph_note(void)
{
	struct mqshm_snapshot *snap;
	size_t i;

	test_check(mqshm_runtime_snapshot(runtime, &snap), "snapshot");
	for (i = 0; i < snap->n_clients; i++)
		test_note("%s: state %u, holds %llu, %llu ioctls", snap->clients[i].name,
			  snap->clients[i].state,
			  (unsigned long long)snap->clients[i].held_refs,
			  (unsigned long long)snap->clients[i].ioctls);
	for (i = 0; i < snap->n_connections; i++)
		test_note("connection %llu from block %llu to %llu: flags 0x%x, %u queued",
			  (unsigned long long)snap->connections[i].id,
			  (unsigned long long)snap->connections[i].from_block,
			  (unsigned long long)snap->connections[i].to_block,
			  snap->connections[i].flags, snap->connections[i].queued);
	test_note("%u buffers free, %u clients wait for one", snap->pools[0].free,
		  snap->pools[0].waiting);
	mqshm_snapshot_free(snap);
}

static bool messages_flow(uint64_t deadline_ns)
{
	uint64_t before[2] = { shared->arrived[0], shared->arrived[1] };

	while (mqshm_now_ns() < deadline_ns) {
		if (__atomic_load_n(&shared->arrived[0], __ATOMIC_RELAXED) != before[0] &&
		    __atomic_load_n(&shared->arrived[1], __ATOMIC_RELAXED) != before[1])
			return true;
		usleep(50);
	}
	test_note("no message for %d ms", LOOK_MS);
	graph_note();
	return false;
}

static uint64_t connections_due(unsigned int node, unsigned int dir, unsigned int victims)
{
	uint64_t n = 0;
	unsigned int i;

	for (i = 0; i < EDGES; i++)
		n += edges[i].nodes[dir] == node && !(victims & 1U << edges[i].nodes[!dir]);
	return n;
}

static bool survivor_knows(unsigned int node, unsigned int victims)
{
	uint64_t *has = shared->connections[node];
	unsigned int dir;

	for (dir = MQSHM_DIR_IN; dir <= MQSHM_DIR_OUT; dir++) {
		/* who has nobody to push to rightly keeps what it has not read */
		if (node == FORWARD && dir == MQSHM_DIR_IN && victims & 1U << SINK)
			continue;
		if (__atomic_load_n(&has[dir], __ATOMIC_RELAXED) !=
		    connections_due(node, dir, victims))
			return false;
	}
	return true;
}

/* Each one who is left has let go of his rings to the dead, and of no other. */
static bool survivors_know(unsigned int victims, uint64_t deadline_ns)
{
	unsigned int i;

	for (i = 0; i < NODES; i++) {
		while (!(victims & 1U << i) && !survivor_knows(i, victims)) {
			if (mqshm_now_ns() > deadline_ns) {
				test_note("%s does not know that nodes 0x%x are dead", names[i],
					  victims);
				graph_note();
				return false;
			}
			usleep(50);
		}
	}
	return true;
}

/* Takes one connection away, and whatever is missing is made. */
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
	connect_mine();
}

/* One round: false if something was wrong. */
static bool storm_round(unsigned int round, unsigned int victims)
{
	unsigned int i;

	if (kill_some(victims))
		return false;
	host_freeze();
	if (host_check())
		return false;
	host_thaw();
	if (round % LOOK_EVERY == 0 && !survivors_know(victims, mqshm_after_ms(LOOK_MS)))
		return false;
	for (i = 0; i < NODES; i++)
		if (victims & 1U << i)
			start(i);
	return round % LOOK_EVERY || messages_flow(mqshm_after_ms(LOOK_MS));
}

/* Returns kills made until something was wrong. */
static unsigned int storm(unsigned int kills)
{
	unsigned int done = 0, round, victims;

	for (round = 0; done < kills; round++) {
		delay();
		victims = victims_choose();
		if (round % CUT_EVERY == 0) {
			connection_cut();
			delay();
		}
		if (!storm_round(round, victims))
			break;
		done += (unsigned int)__builtin_popcount(victims);
	}
	return done;
}

int main(int argc, char **argv)
{
	unsigned int kills = argc > 1 ? (unsigned int)atoi(argv[1]) : 2000, done, i;
	uint32_t buffers = argc > 3 ? (uint32_t)atoi(argv[3]) : 64;
	uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
	unsigned int crowd = argc > 4 ? (unsigned int)atoi(argv[4]) : 0;
	struct mqshm_client *idle[CROWD_MAX];
	struct host_sums sums;

	host_start();
	if (!first)
		first = mqshm_now_ns();
	seed = first;
	if (crowd > CROWD_MAX)
		crowd = CROWD_MAX;
	test_note("host_kill %u 0x%llx %u %u", kills, (unsigned long long)first, buffers, crowd);
	shared = test_shared(sizeof(*shared));
	runtime = runtime_make(64, buffers);
	for (i = 0; i < crowd; i++)
		test_check(mqshm_client_join(RUNTIME, NULL, &idle[i]), "join");
	for (i = 0; i < NODES; i++)
		start(i);
	done = storm(kills);
	test_ok(done >= kills, "%u kills, every count right after each", done);
	kill_some(7);
	test_ok(!shared->bad_stamps, "payload of %llu messages as its source wrote it",
		(unsigned long long)(shared->arrived[0] + shared->arrived[1]));
	host_sum(&sums);
	test_ok(!host_check() && sums.in_depot == sums.buffers && !sums.held && !sums.queued,
		"all %llu buffers are free at the end", (unsigned long long)sums.buffers);
	for (i = 0; i < crowd; i++)
		mqshm_client_close(idle[i]);
	mqshm_runtime_close(runtime);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
