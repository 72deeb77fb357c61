// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long settling takes, by the number of buffers that the dead held: one client, or
 * sixteen that die at once and held them together. It prints times and asserts none: a
 * busy machine is no fault of the code's. All pages of the hold row are there, touched
 * or not, and are looked at.
 *
 * usage: host_settle [ROUNDS]
 */
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

#define BUFFERS		65536
#define FEW		8	/* of a pool in which leases are single */
#define CROWD		16
/* besides, what each has in reserve */
#define SPARE		(CROWD * MQSHM_LEASE_MAX)
#define ROUNDS_MAX	101

static struct mqshm_runtime *runtime;

/* A client takes that many buffers, says so, and waits to be killed. */
static void hold(unsigned int n, int ready)
{
	struct mqshm_client_options options = { .process_name = "holder" };
	/* so that it holds no spare ones */
	unsigned int bytes = n == 1 ? 128 : 64;
	struct mqshm_client *c;
	struct mqshm_buffer buf;

	test_check(mqshm_client_join(RUNTIME, &options, &c), "join");
	while (n--)
		test_check(mqshm_buffer_alloc(c, bytes, MQSHM_NO_WAIT, &buf), "alloc");
	if (write(ready, "", 1) == 1)
		for (;;)
			pause();
	_exit(1);
}

static bool holders_start(pid_t *pids, unsigned int clients, unsigned int n)
{
	unsigned int i;
	int ready[2];
	char byte;

	if (pipe(ready))
		return false;
	for (i = 0; i < clients; i++) {
		pids[i] = host_fork();
		if (!pids[i])
			hold(n / clients + (i < n % clients), ready[1]);
	}
	close(ready[1]);
	for (i = 0; i < clients; i++)
		if (read(ready[0], &byte, 1) != 1)
			test_note("a holder of %u buffers failed", n / clients);
	close(ready[0]);
	return true;
}

/* The records of some deaths: references held, and nanoseconds, in all. */
static bool round_one(unsigned int clients, unsigned int n, uint64_t *refs, uint64_t *ns)
{
	struct mqshm_snapshot *snap;
	struct host_sums sums;
	pid_t pids[CROWD];
	unsigned int i;

	if (!holders_start(pids, clients, n))
		return false;
	/* has every page of theirs mapped here before the clock runs, as the kernel has */
	host_check();
	for (i = 0; i < clients; i++)
		host_kill(pids[i]);
	for (i = 0; i < clients; i++)
		host_wait(pids[i], -1, NULL);
	test_check(mqshm_runtime_snapshot(runtime, &snap), "snapshot");
	*refs = *ns = 0;
	for (i = snap->n_departed - clients; i < snap->n_departed; i++) {
		*refs += snap->departed[i].refs;
		*ns += snap->departed[i].settle_ns;
	}
	mqshm_snapshot_free(snap);
	host_sum(&sums);
	return !host_check() && sums.in_depot == sums.buffers && *refs >= n;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void measure(unsigned int clients, unsigned int n, unsigned int rounds)
{
	uint64_t ns[ROUNDS_MAX], refs = 0;
	bool good = true;
	double us;
	unsigned int i;

	for (i = 0; i < rounds; i++)
		good &= round_one(clients, n, &refs, &ns[i]);
	qsort(ns, rounds, sizeof(ns[0]), by_size);
	us = (double)ns[rounds / 2] / 1e3;
	test_ok(good, "%u buffers in the hands of %u dead: all are free again", n, clients);
	test_note("%llu references of %u clients: median %.1f us (%.1f to %.1f), %.2f of 5 us a client and 20 ns a reference",
		  (unsigned long long)refs, clients, us, (double)ns[0] / 1e3,
		  (double)ns[rounds - 1] / 1e3, us / (5.0 * clients + 0.02 * (double)refs));
}

int main(int argc, char **argv)
{
	static const unsigned int held[] = { 0, 1, 1000, BUFFERS };
	struct mqshm_runtime_options options = { .limits.buffers = BUFFERS + SPARE + FEW };
	unsigned int i, rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 9;

	if (rounds < 1 || rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	host_start();
	test_check(mqshm_runtime_create(RUNTIME, &options, &runtime), "runtime");
	test_check(mqshm_pool_create(runtime, "many", 64, BUFFERS + SPARE), "pool");
	test_check(mqshm_pool_create(runtime, "few", 128, FEW), "pool");
	for (i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		measure(1, held[i], rounds);
		measure(CROWD, held[i], rounds);
	}
	mqshm_runtime_close(runtime);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
