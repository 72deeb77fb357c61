// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deaths that leave much: a process with several clients, whose descriptors a child
 * of its keeps open, so that the end of its memory must settle each of them; a
 * consumer with more messages queued to it than the module takes out in one go; and a
 * holder of all there is, some of it not alone.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "test.h"

#define CLIENTS	3
#define HELD	2	/* by each */
#define QUEUED	256	/* several batches of the module */
#define ODD	6	/* buffers of a pool, so that the next one begins in no round place */
#define MANY	200	/* of the next one */

/* Tells the monitor that all is there, and who keeps the descriptors. */
static pid_t *keeper;

static void parent(void)
{
	struct mqshm_client_options options = {};
	struct mqshm_client *c;
	struct mqshm_buffer buf;
	unsigned int i, k;
	char name[16];
	pid_t pid;

	for (i = 0; i < CLIENTS; i++) {
		snprintf(name, sizeof(name), "client%u", i);
		options.process_name = name;
		test_check(mqshm_client_join(RUNTIME, &options, &c), "join");
		for (k = 0; k < HELD; k++)
			test_check(mqshm_buffer_alloc(c, 64, MQSHM_NO_WAIT, &buf), "alloc");
	}
	pid = host_fork();
	if (pid)
		__atomic_store_n(keeper, pid, __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

static void several_clients(void)
{
	struct mqshm_runtime *rt = runtime_make(64, 64);
	struct mqshm_snapshot *snap;
	struct host_sums sums;
	pid_t pid;

	/* the child of the dead becomes the monitor's */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	pid = host_fork();
	if (!pid)
		parent();
	while (!__atomic_load_n(keeper, __ATOMIC_SEQ_CST))
		usleep(100);
	host_kill(pid);
	host_wait(pid, -1, NULL);
	test_check(mqshm_runtime_snapshot(rt, &snap), "snapshot");
	host_sum(&sums);
	test_ok(!host_check() && !snap->n_clients && snap->n_departed == CLIENTS &&
		sums.in_depot == sums.buffers, "%u clients of a dead process are settled", CLIENTS);
	mqshm_snapshot_free(snap);
	host_kill(*keeper);
	host_wait(*keeper, -1, NULL);
	mqshm_runtime_close(rt);
}

/* Connects itself, tells that it is there, and reads nothing. */
static void consumer(struct mqshm_runtime *rt)
{
	struct node n;

	node_make(&n, "consumer", 1, 0, QUEUED, UINT64_MAX);
	test_check(mqshm_connect(rt, "producer:out1", "consumer:in1", NULL), "connect");
	test_check(mqshm_client_update(n.client), "update");
	__atomic_store_n(keeper, getpid(), __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

static void full_queue(void)
{
	struct mqshm_runtime *rt = runtime_make(64, QUEUED);
	struct mqshm_buffer buf;
	struct host_sums sums;
	unsigned int i;
	struct node n;
	pid_t pid;

	*keeper = 0;
	node_make(&n, "producer", 0, 1, 0, UINT64_MAX);
	pid = host_fork();
	if (!pid)
		consumer(rt);
	while (!__atomic_load_n(keeper, __ATOMIC_SEQ_CST))
		usleep(100);
	test_check(mqshm_client_update(n.client), "update");
	for (i = 0; i < QUEUED; i++) {
		node_alloc(&n, 64, &buf);
		test_check(mqshm_port_push(n.out[0], &buf, 0), "push");
	}
	host_kill(pid);
	host_wait(pid, -1, NULL);
	host_sum(&sums);
	test_ok(!host_check() && !sums.queued && sums.in_depot == sums.buffers,
		"%u messages queued to a dead consumer come back at once", QUEUED);
	mqshm_client_close(n.client);
	mqshm_runtime_close(rt);
}

/* Takes all of both pools, and sends one of @every of the second, of which it keeps one. */
static void holder(struct mqshm_runtime *rt, unsigned int every)
{
	struct mqshm_buffer buf, copy;
	unsigned int i;
	struct node n;

	node_make(&n, "producer", 0, 1, 0, UINT64_MAX);
	test_check(mqshm_connect(rt, "producer:out1", "consumer:in1", NULL), "connect");
	test_check(mqshm_client_update(n.client), "update");
	for (i = 0; i < ODD; i++)
		node_alloc(&n, 64, &buf);
	for (i = 0; i < MANY; i++) {
		node_alloc(&n, 128, &buf);
		if (i % every)
			continue;
		test_check(mqshm_buffer_share(n.client, &buf, &copy), "share");
		test_check(mqshm_port_push(n.out[0], &copy, 0), "push");
	}
	__atomic_store_n(keeper, getpid(), __ATOMIC_SEQ_CST);
	for (;;)
		pause();
}

static void all_held(unsigned int every)
{
	unsigned int i, shared = (MANY + every - 1) / every;
	struct mqshm_buffer bufs[MANY];
	struct mqshm_runtime *rt;
	struct host_sums sums;
	struct node n;
	bool good;
	pid_t pid;

	*keeper = 0;
	test_check(mqshm_runtime_create(RUNTIME, NULL, &rt), "runtime");
	test_check(mqshm_pool_create(rt, "odd", 64, ODD), "pool");
	test_check(mqshm_pool_create(rt, "many", 128, MANY), "pool");
	node_make(&n, "consumer", 1, 0, MANY, UINT64_MAX);
	pid = host_fork();
	if (!pid)
		holder(rt, every);
	while (!__atomic_load_n(keeper, __ATOMIC_SEQ_CST))
		usleep(100);
	for (i = 0; i < shared; i++)
		test_check(node_pop(&n, n.in[0], &bufs[i]), "pop");
	host_kill(pid);
	host_wait(pid, -1, NULL);
	host_sum(&sums);
	good = !host_check() && sums.in_depot == sums.buffers - shared && sums.held == shared;
	for (i = 0; i < shared; i++)
		test_check(mqshm_buffer_release(n.client, &bufs[i]), "release");
	mqshm_client_close(n.client);
	host_sum(&sums);
	test_ok(good && !host_check() && sums.in_depot == sums.buffers,
		"of %u buffers in a dead hand, the %u that another one has too stay his",
		ODD + MANY, shared);
	mqshm_runtime_close(rt);
}

int main(void)
{
	host_start();
	keeper = test_shared(sizeof(*keeper));
	several_clients();
	full_queue();
	all_held(1);
	all_held(5);
	all_held(MANY);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
