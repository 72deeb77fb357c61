// SPDX-License-Identifier: GPL-2.0-only
/*
 * The peers that every system has: a pipe, and a Unix stream socket. A batch is one
 * write; a reader takes as much as is there, up to a batch.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

/* Of link i (between process i and i + 1), [0] is read and [1] written. */
static int links[BENCH_HOPS_MAX][2];
static unsigned int n_links;
static char *buffer;

static int buffer_alloc(const struct bench_flow *flow)
{
	buffer = calloc(flow->batch, flow->bytes);
	n_links = flow->processes - 1;
	return buffer ? 0 : -ENOMEM;
}

static int pipe_setup(const struct bench_flow *flow)
{
	unsigned int i;

	for (i = 0; i + 1 < flow->processes; i++)
		if (pipe(links[i]))
			return -errno;
	return buffer_alloc(flow);
}

static int socket_setup(const struct bench_flow *flow)
{
	unsigned int i;

	for (i = 0; i + 1 < flow->processes; i++)
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, links[i]))
			return -errno;
	return buffer_alloc(flow);
}

static void stream_teardown(void)
{
	unsigned int i;

	for (i = 0; i < n_links; i++) {
		close(links[i][0]);
		close(links[i][1]);
	}
	free(buffer);
	buffer = NULL;
}

static int stream_ready(const struct bench_flow *flow, unsigned int i)
{
	(void)flow;
	(void)i;
	return 0;
}

static int write_all(int fd, const char *data, size_t bytes)
{
	ssize_t n;

	for (; bytes; data += n, bytes -= n) {
		n = write(fd, data, bytes);
		if (n < 0)
			return -errno;
	}
	return 0;
}

/* At least one message, at most a batch; returns how many, or -errno. */
static int read_messages(int fd, const struct bench_flow *flow)
{
	size_t have = 0;
	ssize_t n;

	do {
		n = read(fd, buffer + have, flow->batch * flow->bytes - have);
		if (n <= 0)
			return n ? -errno : -EPIPE;
		have += n;
	} while (have % flow->bytes);
	return have / flow->bytes;
}

static int stream_source(const struct bench_flow *flow, int out)
{
	uint64_t sent = 0;
	unsigned int k;
	int ret = 0;

	while (!ret && sent < flow->messages) {
		for (k = 0; k < flow->batch; k++)
			bench_stamp(buffer + k * flow->bytes, sent++);
		ret = write_all(out, buffer, flow->batch * flow->bytes);
	}
	return ret;
}

static int stream_rest(const struct bench_flow *flow, int in, int out)
{
	uint64_t seen = 0;
	int n, k, ret;

	while (seen < flow->messages) {
		n = read_messages(in, flow);
		if (n < 0)
			return n;
		for (k = 0; k < n; k++)
			if (!bench_check(buffer + k * flow->bytes, seen++))
				return -EBADMSG;
		ret = out < 0 ? 0 : write_all(out, buffer, n * flow->bytes);
		if (ret)
			return ret;
	}
	return 0;
}

static int stream_run(const struct bench_flow *flow, unsigned int i)
{
	bool last = i + 1 == flow->processes;

	if (!i)
		return stream_source(flow, links[0][1]);
	return stream_rest(flow, links[i - 1][0], last ? -1 : links[i][1]);
}

const struct bench_transport bench_pipe = {
	.name = "pipe",
	.setup = pipe_setup,
	.ready = stream_ready,
	.run = stream_run,
	.teardown = stream_teardown,
};

const struct bench_transport bench_socket = {
	.name = "Unix socket",
	.setup = socket_setup,
	.ready = stream_ready,
	.run = stream_run,
	.teardown = stream_teardown,
};
