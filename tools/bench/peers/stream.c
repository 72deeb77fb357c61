// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every system has: a pipe, and a Unix stream socket. A batch is one write; a
 * reader takes as much as is there, up to a batch. Both copy the payload twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../bench.h"

#define PIPE_BYTES	(1 << 20)

/* Of a link of the case: [0] is read and [1] written. */
static int fds[BENCH_LINKS][2];

/* This process's, or thread's: room for a batch, and what is there of a message. */
static _Thread_local unsigned char *room;
static _Thread_local size_t have;
static _Thread_local unsigned int self;

static const char *stream_missing(const struct bench_case *c)
{
	if (c->wait == BENCH_EVENTFD || c->wait == BENCH_URING)
		return "it sleeps in read()";
	return c->threads ? "it is for processes" : NULL;
}

static int pipe_open(const struct bench_case *c)
{
	for (unsigned int i = 0; i < c->n_links; i++) {
		if (pipe2(fds[i], c->wait == BENCH_POLL ? O_NONBLOCK : 0))
			return -errno;
		/* as much as it may have; where that is less, less */
		fcntl(fds[i][1], F_SETPIPE_SZ, PIPE_BYTES);
	}
	return 0;
}

static int socket_open(const struct bench_case *c)
{
	int type = SOCK_STREAM | (c->wait == BENCH_POLL ? SOCK_NONBLOCK : 0);

	for (unsigned int i = 0; i < c->n_links; i++)
		if (socketpair(AF_UNIX, type, 0, fds[i]))
			return -errno;
	return 0;
}

static void stream_close(const struct bench_case *c)
{
	for (unsigned int i = 0; i < c->n_links; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

static int stream_enter(const struct bench_case *c, unsigned int who)
{
	self = who;
	have = 0;
	room = malloc(c->bytes * c->batch);
	if (!room)
		return -ENOMEM;
	memset(room, 0, c->bytes * c->batch);
	return 0;
}

static void stream_leave(const struct bench_case *c, unsigned int who)
{
	(void)c;
	(void)who;
	free(room);
}

static int write_all(const struct bench_case *c, int fd, const unsigned char *data, size_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, data, bytes);

		if (n < 0 && errno == EAGAIN) {
			bench_relax(c);
			continue;
		}
		if (n < 0)
			return -errno;
		data += n;
		bytes -= n;
	}
	return 0;
}

static int stream_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	int error = 0;

	for (unsigned int i = 0; i < n && c->payload == BENCH_TOUCHED; i++)
		bench_fill(room + i * c->bytes, c->bytes, number + i);
	for (unsigned int o = 0; o < bench_outs(c, self) && !error; o++)
		error = write_all(c, fds[bench_out(c, self, o)][1], room, n * c->bytes);
	return error;
}

static int stream_receive(const struct bench_case *c, unsigned int in, unsigned int max)
{
	int fd = fds[bench_in(c, self, in)][0];
	unsigned int whole;

	do {
		ssize_t n = read(fd, room + have, max * c->bytes - have);

		/* who has begun a message stays with it: the next link has its own */
		if (n < 0 && errno == EAGAIN && !have)
			return 0;
		if (n < 0 && errno == EAGAIN) {
			bench_relax(c);
			continue;
		}
		if (n <= 0)
			return n ? -errno : -EPIPE;
		have += n;
	} while (have % c->bytes);
	whole = have / c->bytes;
	have = 0;
	for (unsigned int i = 0; i < whole && c->payload == BENCH_TOUCHED; i++)
		bench_sum += bench_read(room + i * c->bytes, c->bytes);
	return whole;
}

const struct bench_peer bench_pipe = {
	.name = "pipe",
	.missing = stream_missing,
	.open = pipe_open,
	.enter = stream_enter,
	.send = stream_send,
	.receive = stream_receive,
	.leave = stream_leave,
	.close = stream_close,
};

const struct bench_peer bench_socket = {
	.name = "Unix socket",
	.missing = stream_missing,
	.open = socket_open,
	.enter = stream_enter,
	.send = stream_send,
	.receive = stream_receive,
	.leave = stream_leave,
	.close = stream_close,
};
