// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deaths that leave much: a process with several clients, whose descriptors a child
 * of its keeps open, so that the end of its memory must settle each of them; and a
 * consumer with more messages queued to it than the module takes out in one go.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "test.h"

#define CLIENTS	3
#define HELD	2	/* by each */
#define QUEUED	256	/* several batches of the module */

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

int main(void)
{
	host_start();
	keeper = test_shared(sizeof(*keeper));
	several_clients();
	full_queue();
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
