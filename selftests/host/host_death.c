// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process dies whose descriptors a child of its keeps open: each of its clients
 * is settled by the end of its memory, and none is left to a close that never comes.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "test.h"

#define CLIENTS	3
#define HELD	2	/* by each */

/* Tells the monitor that all is held, and who keeps the descriptors. */
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

int main(void)
{
	struct mqshm_snapshot *snap;
	struct mqshm_runtime *rt;
	struct host_sums sums;
	pid_t pid;

	host_start();
	/* the child of the dead becomes the monitor's */
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	keeper = test_shared(sizeof(*keeper));
	rt = runtime_make(64, 64);
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
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
