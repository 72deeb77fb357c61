// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long settling takes, by the number of buffers that the dead client held. It
 * prints times and asserts none: a busy machine is no fault of the code's. All
 * pages of the hold row are there, touched or not, and are looked at.
 *
 * usage: host_settle [ROUNDS]
 */
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

#define BUFFERS		65536
#define ROUNDS_MAX	101

static struct mqshm_runtime *runtime;

/* A client takes that many buffers, says so, and waits to be killed. */
static void hold(unsigned int n, int ready)
{
	struct mqshm_client_options options = { .process_name = "holder" };
	struct mqshm_client *c;
	struct mqshm_buffer buf;

	test_check(mqshm_client_join(RUNTIME, &options, &c), "join");
	while (n--)
		test_check(mqshm_buffer_alloc(c, 64, MQSHM_NO_WAIT, &buf), "alloc");
	if (write(ready, "", 1) == 1)
		for (;;)
			pause();
	_exit(1);
}

/* The record of one death: references held, and nanoseconds. */
static bool round_one(unsigned int n, uint64_t *refs, uint64_t *ns)
{
	struct mqshm_snapshot *snap;
	struct host_sums sums;
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		return false;
	pid = host_fork();
	if (!pid)
		hold(n, ready[1]);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		test_note("the holder of %u buffers failed", n);
	close(ready[0]);
	/* has every page of it mapped here before the clock runs, as the kernel has */
	host_check();
	host_kill(pid);
	host_wait(pid, -1, NULL);
	test_check(mqshm_runtime_snapshot(runtime, &snap), "snapshot");
	*refs = snap->departed[snap->n_departed - 1].refs;
	*ns = snap->departed[snap->n_departed - 1].settle_ns;
	mqshm_snapshot_free(snap);
	host_sum(&sums);
	return !host_check() && sums.in_depot == BUFFERS && *refs >= n;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void measure(unsigned int n, unsigned int rounds)
{
	uint64_t ns[ROUNDS_MAX], refs = 0;
	bool good = true;
	unsigned int i;

	for (i = 0; i < rounds; i++)
		good &= round_one(n, &refs, &ns[i]);
	qsort(ns, rounds, sizeof(ns[0]), by_size);
	test_ok(good, "%u buffers in the hand of a dead client: all are free again", n);
	test_note("settling %llu references: median %.1f us, least %.1f us, most %.1f us",
		  (unsigned long long)refs, (double)ns[rounds / 2] / 1e3,
		  (double)ns[0] / 1e3, (double)ns[rounds - 1] / 1e3);
}

int main(int argc, char **argv)
{
	static const unsigned int held[] = { 0, 1, 1000, BUFFERS };
	unsigned int i, rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 9;

	host_start();
	runtime = runtime_make(64, BUFFERS);
	for (i = 0; i < sizeof(held) / sizeof(held[0]); i++)
		measure(held[i], rounds < 1 || rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds);
	mqshm_runtime_close(runtime);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
