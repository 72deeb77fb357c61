// SPDX-License-Identifier: GPL-2.0-only
/*
 * ZeroMQ over ipc: PUSH to PULL, a pair of sockets for each link. Its messages go through a
 * thread of the library's, which needs the processor: who has nothing to do sleeps in its
 * calls, but where a process has several links to look at.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "../bench.h"

static char base[64];
static _Thread_local void *context, *ins[BENCH_LINKS], *outs[BENCH_LINKS];
static _Thread_local unsigned int n_ins, n_outs;
static _Thread_local unsigned char *room;

static const char *zeromq_missing(const struct bench_case *c)
{
	if (c->wait == BENCH_EVENTFD || c->wait == BENCH_URING)
		return "it sleeps in zmq_recv()";
	return c->threads ? "it is for processes" : NULL;
}

static int zeromq_open(const struct bench_case *c)
{
	(void)c;
	snprintf(base, sizeof(base), "ipc:///tmp/mqshm-bench-%d", getpid());
	return 0;
}

static void zeromq_close(const struct bench_case *c)
{
	char path[96];

	for (unsigned int i = 0; i < c->n_links; i++) {
		snprintf(path, sizeof(path), "%s-%u", base + strlen("ipc://"), i);
		unlink(path);
	}
}

/* The receiver's end is bound; the sender connects whenever it comes. */
static void *socket_new(const struct bench_case *c, unsigned int link, int type)
{
	int depth = c->depth, linger = 0;
	void *s = zmq_socket(context, type);
	char name[80];

	if (!s)
		return NULL;
	snprintf(name, sizeof(name), "%s-%u", base, link);
	zmq_setsockopt(s, type == ZMQ_PUSH ? ZMQ_SNDHWM : ZMQ_RCVHWM, &depth, sizeof(depth));
	zmq_setsockopt(s, ZMQ_LINGER, &linger, sizeof(linger));
	return (type == ZMQ_PUSH ? zmq_connect(s, name) : zmq_bind(s, name)) ? NULL : s;
}

static int zeromq_enter(const struct bench_case *c, unsigned int who)
{
	n_ins = bench_ins(c, who);
	n_outs = bench_outs(c, who);
	context = zmq_ctx_new();
	room = calloc(1, c->bytes);
	if (!context || !room)
		return -ENOMEM;
	for (unsigned int i = 0; i < n_ins; i++) {
		ins[i] = socket_new(c, bench_in(c, who, i), ZMQ_PULL);
		if (!ins[i])
			return -errno;
	}
	for (unsigned int i = 0; i < n_outs; i++) {
		outs[i] = socket_new(c, bench_out(c, who, i), ZMQ_PUSH);
		if (!outs[i])
			return -errno;
	}
	return 0;
}

static void zeromq_leave(const struct bench_case *c, unsigned int who)
{
	(void)c;
	(void)who;
	for (unsigned int i = 0; i < n_ins; i++)
		zmq_close(ins[i]);
	for (unsigned int i = 0; i < n_outs; i++)
		zmq_close(outs[i]);
	zmq_ctx_term(context);
	free(room);
}

static int send_one(const struct bench_case *c, void *s)
{
	return zmq_send(s, room, c->bytes, 0) < 0 ? -errno : 0;
}

static int zeromq_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	int error = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (c->payload == BENCH_TOUCHED)
			bench_fill(room, c->bytes, number + i);
		for (unsigned int o = 0; o < n_outs && !error; o++)
			error = send_one(c, outs[o]);
	}
	return error;
}

static int zeromq_receive(const struct bench_case *c, unsigned int in, unsigned int max)
{
	unsigned int n;

	for (n = 0; n < max; n++) {
		if (zmq_recv(ins[in], room, c->bytes, n || n_ins > 1 ? ZMQ_DONTWAIT : 0) < 0)
			return errno == EAGAIN ? (int)n : -errno;
		if (c->payload == BENCH_TOUCHED)
			bench_sum += bench_read(room, c->bytes);
	}
	return n;
}

const struct bench_peer bench_zeromq = {
	.name = "ZeroMQ ipc",
	.own_threads = true,
	.missing = zeromq_missing,
	.open = zeromq_open,
	.enter = zeromq_enter,
	.send = zeromq_send,
	.receive = zeromq_receive,
	.leave = zeromq_leave,
	.close = zeromq_close,
};
