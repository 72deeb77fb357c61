// SPDX-License-Identifier: GPL-2.0-only
/*
 * A ring is emptied by two at once: its consumer lets go of it, which drains what is
 * queued, at the moment at which the producer flushes, sees CLOSED, and has the kernel
 * drain behind it. Each message must be taken out once. Both are on processors of
 * their own and begin at one tick of the clock; the producer a little later or not.
 *
 * usage: host_drain [ROUNDS]
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "race.h"
#include "test.h"

#define BUFFERS		512
#define DEPTH		64
#define JITTER		20000	/* ticks of the clock */

/**
 * struct table - what both share
 * @race: where they meet
 * @rounds: how often
 * @wrong: faults so far; the first one ends it
 */
static struct table {
	struct race race;
	unsigned int rounds;
	unsigned int wrong;
} *table;

static void connections_wait(struct node *n, struct racer *racer, uint64_t want)
{
	uint64_t has[2];

	n->connections = has;
	for (;;) {
		test_check(mqshm_client_update(n->client), "update");
		node_report(n);
		if (has[MQSHM_DIR_OUT] == want)
			break;
		racer_look_again(racer);
	}
	n->connections = NULL;
}

/* Fills the ring but for the last slots, and shows nobody. */
static void producer(void)
{
	struct racer racer = racer_make(&table->race, 2, 0);
	struct mqshm_buffer buf;
	struct node n;
	unsigned int i, k;

	node_make(&n, "producer", 0, 1, 0, UINT64_MAX);
	racer_meet(&racer);
	for (i = 0; i < table->rounds && !table->wrong; i++) {
		connections_wait(&n, &racer, 1);
		for (k = 0; k < DEPTH - 4; k++) {
			node_alloc(&n, 64, &buf);
			node_push(&n, n.out[0], &buf, MQSHM_MORE);
		}
		racer_line_up(&racer, JITTER);
		test_check(mqshm_port_flush(n.out[0]), "flush");
		connections_wait(&n, &racer, 0);
		/* the magazine as well */
		test_check(mqshm_client_flush(n.client), "flush");
		racer_meet(&racer);
		racer_meet(&racer);
	}
	_exit(0);
}

static void consumer(struct mqshm_runtime *rt)
{
	static const struct mqshm_port_spec spec = {
		.name = "in", .direction = MQSHM_DIR_IN, .depth = DEPTH,
	};
	struct racer racer = racer_make(&table->race, 2, 1);
	struct mqshm_client *client;
	struct mqshm_block *block;
	struct host_sums sums;
	unsigned int i;

	test_check(mqshm_client_join(RUNTIME, NULL, &client), "join");
	racer_meet(&racer);
	for (i = 0; i < table->rounds && !table->wrong; i++) {
		test_check(mqshm_block_create(client, "consumer", "Test", MQSHM_CLASS_SINK, &spec,
					      1, &block), "block");
		test_check(mqshm_connect(rt, "producer:out1", "consumer:in", NULL), "connect");
		test_check(mqshm_client_update(client), "update");
		racer_line_up(&racer, 1);
		mqshm_block_remove(block);
		racer_meet(&racer);
		host_sum(&sums);
		table->wrong = host_check() + (sums.in_depot != BUFFERS);
		racer_meet(&racer);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 5000, i, failed = 0;
	struct mqshm_runtime *rt;
	int status;

	host_start();
	table = test_shared(sizeof(*table));
	table->rounds = rounds;
	rt = runtime_make(64, BUFFERS);
	if (!host_fork())
		producer();
	if (!host_fork())
		consumer(rt);
	for (i = 0; i < 2; i++)
		failed += host_wait(-1, -1, &status) <= 0 || status;
	test_ok(!failed && !table->wrong && !host_check(),
		"%u times a ring was emptied by both ends at once", rounds);
	mqshm_runtime_close(rt);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
