// SPDX-License-Identifier: GPL-2.0-only
/*
 * From SIGKILL to the last reference settled, beside the time that the end of a pipe
 * takes when its writers are killed: other processes, with as much mapped, and no clients.
 * A client's own pipe ends after it is settled, so that it would tell nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <mqshm.h>

#include "place.h"
#include "settle.h"
#include "stat.h"

#define POOL_BYTES	1024
#define CROWD		16
#define HELD_MAX	65536
#define ROUNDS_MAX	100

/* Of a buffer, what is mapped of it: payload, metadata, count, and hold. */
#define MAPPED_BYTES	(POOL_BYTES + TOUCHED_BYTES)
/* What a holder of it, or the kernel for him, has touched: all but the payload. */
#define TOUCHED_BYTES	(MQSHM_META_BYTES(1) + sizeof(uint64_t) + sizeof(uint16_t))

static void await_kill(int ready)
{
	if (write(ready, "", 1) == 1)
		for (;;)
			pause();
	_exit(1);
}

/* No client, with as much mapped as one that has @held of @buffers. */
static void plain_main(unsigned int buffers, unsigned int held, int ready)
{
	size_t bytes = buffers * MAPPED_BYTES, at;
	volatile char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		fprintf(stderr, "mqshm-bench: mmap: %s\n", strerror(errno));
		_exit(1);
	}
	for (at = 0; at < held * TOUCHED_BYTES; at += 4096)
		p[at] = 1;
	await_kill(ready);
}

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
	if (!ret)
		await_kill(ready);
	fprintf(stderr, "mqshm-bench: holder: %s\n", strerror(-ret));
	_exit(1);
}

/* Kills @clients processes and waits until the writing end that they share is closed. */
static double kill_to_eof(const pid_t *pids, unsigned int clients, int pipe_fd,
			  uint64_t *killed_ns)
{
	unsigned int i;
	char c;

	*killed_ns = mqshm_now_ns();
	for (i = 0; i < clients; i++)
		place_kill(pids[i]);
	while (read(pipe_fd, &c, 1) > 0)
		;
	return mqshm_now_ns() - *killed_ns;
}

/**
 * struct settle_times - what was measured, by round
 * @settle_ns: settling itself, summed over the clients
 * @settled_ns: from the first SIGKILL to the last reference settled
 * @eof_ns: from the first SIGKILL of those that are no clients to the end of their pipe
 */
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

/* Buffers of the pool: what each has in reserve comes on top. */
static unsigned int pool_buffers(unsigned int held)
{
	return held + CROWD * MQSHM_LEASE_MAX;
}

/*
 * Processes that share a pipe, all ready: holders of @held buffers together, or (@name
 * NULL) no clients with as much mapped. 0 or -errno.
 */
static int writers_start(const char *name, unsigned int clients, unsigned int held,
			 pid_t *pids, int *pipe_fd)
{
	unsigned int i;
	int fds[2];
	char c;

	if (pipe(fds))
		return -errno;
	/* or it would be written by each */
	fflush(NULL);
	for (i = 0; i < clients; i++) {
		pids[i] = place_fork();
		if (pids[i] < 0)
			return -errno;
		if (!pids[i]) {
			unsigned int share = held / clients + (i < held % clients);

			close(fds[0]);
			if (name)
				holder_main(name, share, fds[1]);
			plain_main(pool_buffers(held), share, fds[1]);
		}
	}
	close(fds[1]);
	*pipe_fd = fds[0];
	for (i = 0; i < clients; i++)
		if (read(fds[0], &c, 1) != 1)
			return -EIO;
	return 0;
}

static void reap(const pid_t *pids, unsigned int clients)
{
	int status;

	for (unsigned int i = 0; i < clients; i++)
		place_wait(pids[i], &status);
}

static int settle_round(struct mqshm_runtime *rt, const char *name, unsigned int clients,
			unsigned int held, struct settle_times *times, unsigned int round)
{
	struct mqshm_departed_record record;
	uint64_t killed_ns, refs = 0;
	pid_t pids[CROWD];
	unsigned int i;
	int ret, fd = -1;

	ret = writers_start(NULL, clients, held, pids, &fd);
	if (ret)
		return ret;
	times->eof_ns[round] = kill_to_eof(pids, clients, fd, &killed_ns);
	reap(pids, clients);
	close(fd);
	ret = writers_start(name, clients, held, pids, &fd);
	if (ret)
		return ret;
	kill_to_eof(pids, clients, fd, &killed_ns);
	/* in a kernel only after they were found, or a pid would be another's */
	if (place_settles_when_reaped)
		reap(pids, clients);
	times->settle_ns[round] = times->settled_ns[round] = 0;
	for (i = 0; i < clients; i++) {
		ret = departed_find(rt, pids[i], &record);
		if (ret)
			break;
		refs += record.refs;
		times->settle_ns[round] += record.settle_ns;
		if (record.at_ns - killed_ns > times->settled_ns[round])
			times->settled_ns[round] = record.at_ns - killed_ns;
	}
	if (!place_settles_when_reaped)
		reap(pids, clients);
	close(fd);
	return ret ? ret : refs < held ? -EBADMSG : 0;
}

static int settle_case(struct settle_result *r, unsigned int rounds)
{
	/* in all cases: what could be held, and is not, is to cost nothing */
	struct mqshm_runtime_options options = { .limits.buffers = pool_buffers(HELD_MAX) };
	struct mqshm_runtime *rt;
	struct settle_times times;
	char name[32];
	unsigned int i;
	int ret;

	snprintf(name, sizeof(name), "settle-%d", getpid());
	ret = mqshm_runtime_create(name, &options, &rt);
	if (ret)
		return ret;
	ret = mqshm_pool_create(rt, "settle", POOL_BYTES, pool_buffers(r->held));
	for (i = 0; !ret && i < rounds; i++)
		ret = settle_round(rt, name, r->clients, r->held, &times, i);
	mqshm_runtime_close(rt);
	if (ret)
		return ret;
	r->settle_ns = stat_median(times.settle_ns, rounds);
	r->settled_ns = stat_median(times.settled_ns, rounds);
	r->eof_ns = stat_median(times.eof_ns, rounds);
	return 0;
}

int settle_run(unsigned int rounds, struct settle_result *out)
{
	static const unsigned int clients[] = { 1, CROWD }, held[] = { 0, 1, 1000, HELD_MAX };
	int ret = 0;

	if (rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	for (unsigned int i = 0; i < SETTLE_CASES && !ret; i++) {
		out[i] = (struct settle_result) { .clients = clients[i / 4], .held = held[i % 4] };
		ret = settle_case(&out[i], rounds);
	}
	return ret;
}
