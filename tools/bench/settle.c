// SPDX-License-Identifier: GPL-2.0-only
/*
 * From SIGKILL to the last reference settled, beside the time that the end of a
 * pipe takes when its writer is killed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <mqshm.h>

#include "bench.h"

#define POOL_BYTES	4096
#define ROUNDS_MAX	100

/* Takes @held buffers, says so, and waits to be killed. */
static void holder_main(const char *name, unsigned int held, int ready)
{
	struct mqshm_client *client;
	struct mqshm_buffer buf;
	unsigned int i;
	int ret;

	ret = mqshm_client_join(name, NULL, &client);
	for (i = 0; !ret && i < held; i++)
		ret = mqshm_buffer_alloc(client, 64, MQSHM_NO_WAIT, &buf);
	if (!ret && write(ready, "", 1) == 1)
		for (;;)
			pause();
	fprintf(stderr, "mqshm-bench: holder: %s\n", strerror(-ret));
	_exit(1);
}

/* Kills @pid and waits until its writing end of @pipe_fd is closed. */
static double kill_to_eof(pid_t pid, int pipe_fd, uint64_t *killed_ns)
{
	char c;

	*killed_ns = mqshm_now_ns();
	kill(pid, SIGKILL);
	while (read(pipe_fd, &c, 1) > 0)
		;
	return mqshm_now_ns() - *killed_ns;
}

struct settle_times {
	double settle_ns[ROUNDS_MAX];
	double settled_ns[ROUNDS_MAX];
	double eof_ns[ROUNDS_MAX];
};

/* The record that the death of @pid left; waits for it. */
static int departed_find(struct mqshm_runtime *rt, pid_t pid,
			 struct mqshm_departed_record *out)
{
	uint64_t changes = 0, deadline = mqshm_after_ms(10000);
	struct mqshm_snapshot *snap;
	size_t i;
	int ret;

	for (;;) {
		ret = mqshm_runtime_snapshot(rt, &snap);
		if (ret)
			return ret;
		for (i = 0; i < snap->n_departed; i++) {
			if (snap->departed[i].pid != (uint32_t)pid)
				continue;
			*out = snap->departed[i];
			mqshm_snapshot_free(snap);
			return 0;
		}
		changes = snap->changes;
		mqshm_snapshot_free(snap);
		ret = mqshm_runtime_wait(rt, &changes, deadline);
		if (ret)
			return ret;
	}
}

static int settle_round(struct mqshm_runtime *rt, const char *name, unsigned int held,
			struct settle_times *times, unsigned int round)
{
	struct mqshm_departed_record record;
	uint64_t killed_ns;
	int fds[2], ret;
	pid_t pid;
	char c;

	if (pipe(fds))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		close(fds[0]);
		holder_main(name, held, fds[1]);
	}
	close(fds[1]);
	if (read(fds[0], &c, 1) != 1)
		return -EIO;
	times->eof_ns[round] = kill_to_eof(pid, fds[0], &killed_ns);
	ret = departed_find(rt, pid, &record);
	/* after that, or its pid would be another's */
	waitpid(pid, NULL, 0);
	close(fds[0]);
	if (ret)
		return ret;
	if (record.refs < held)
		return -EBADMSG;
	times->settle_ns[round] = record.settle_ns;
	times->settled_ns[round] = (double)record.at_ns - killed_ns;
	return 0;
}

static int settle_case(unsigned int held, unsigned int rounds, bool json, bool last)
{
	struct mqshm_runtime *rt;
	struct settle_times times;
	double settle, settled, eof;
	char name[32];
	unsigned int i;
	int ret;

	snprintf(name, sizeof(name), "settle-%d", getpid());
	ret = mqshm_runtime_create(name, NULL, &rt);
	if (ret)
		return ret;
	ret = mqshm_pool_create(rt, "settle", POOL_BYTES, held > 512 ? held + 64 : 512);
	for (i = 0; !ret && i < rounds; i++)
		ret = settle_round(rt, name, held, &times, i);
	mqshm_runtime_close(rt);
	if (ret)
		return ret;

	settle = bench_median(times.settle_ns, rounds) / 1000;
	settled = bench_median(times.settled_ns, rounds) / 1000;
	eof = bench_median(times.eof_ns, rounds) / 1000;
	if (json)
		printf("    {\"held\": %u, \"settle_us\": %.1f, \"kill_to_settled_us\": %.1f, "
		       "\"kill_to_pipe_eof_us\": %.1f}%s\n", held, settle, settled, eof,
		       last ? "" : ",");
	else
		printf("%12u %16.1f %22.1f %22.1f %8.2f\n", held, settle, settled, eof,
		       settled / eof);
	return 0;
}

int bench_settle(unsigned int rounds, bool json)
{
	static const unsigned int held[] = { 0, 1, 1000, 16384 };
	size_t i, n = sizeof(held) / sizeof(held[0]);
	int ret = 0;

	if (rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	if (!json)
		printf("\nA client is killed (medians of %u, microseconds)\n%12s %16s %22s %22s %8s\n",
		       rounds, "held buffers", "settle itself", "SIGKILL to settled",
		       "SIGKILL to pipe EOF", "ratio");
	for (i = 0; !ret && i < n; i++)
		ret = settle_case(held[i], rounds, json, i + 1 == n);
	return ret;
}
