// SPDX-License-Identifier: GPL-2.0-only
/* mqshm: each process a client with a block; a runtime and a pool for each repetition. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <mqshm.h>
#ifdef BENCH_LIBURING
#include <liburing.h>
#endif

#include "../bench.h"
#include "../crowd.h"

static char runtime_name[32];
static struct mqshm_runtime *runtime;

/* This process's, or thread's. */
static _Thread_local struct mqshm_client *client;
static _Thread_local struct mqshm_port *ins[BENCH_LINKS], *out;
static _Thread_local struct mqshm_buffer bufs[BENCH_BATCH];
static _Thread_local int event = -1;
#ifdef BENCH_LIBURING
static _Thread_local struct io_uring ring;

static int uring_enter(void)
{
	return io_uring_queue_init(8, &ring, 0);
}

static void uring_leave(void)
{
	io_uring_queue_exit(&ring);
}

/* Sleeps until the eventfd counts; 0 or -errno. */
static int uring_wait(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	struct io_uring_cqe *cqe;
	uint64_t count;
	int n;

	io_uring_prep_read(sqe, event, &count, sizeof(count), 0);
	n = io_uring_submit_and_wait(&ring, 1);
	if (n >= 0)
		n = io_uring_wait_cqe(&ring, &cqe);
	if (n)
		return n;
	n = cqe->res < 0 ? cqe->res : 0;
	io_uring_cqe_seen(&ring, cqe);
	return n;
}

static const char *mqshm_missing(const struct bench_case *c)
{
	(void)c;
	return NULL;
}
#else
static int uring_enter(void)
{
	return -EOPNOTSUPP;
}

static void uring_leave(void)
{
}

static int uring_wait(void)
{
	return -EOPNOTSUPP;
}

static const char *mqshm_missing(const struct bench_case *c)
{
	return c->wait == BENCH_URING ? "built without liburing" : NULL;
}
#endif

static int open_with(const struct bench_case *c, const struct mqshm_pool_options *pool)
{
	struct mqshm_runtime_options options = { .limits.buffers = c->buffers };
	int error;

	snprintf(runtime_name, sizeof(runtime_name), "bench-%d", getpid());
	error = mqshm_runtime_create(runtime_name, &options, &runtime);
	return error ? error : mqshm_pool_create_with(runtime, "bench", c->bytes, c->buffers, pool);
}

static int mqshm_open(const struct bench_case *c)
{
	return open_with(c, NULL);
}

/* All of it, or it would be called what it is not. */
static int huge_open(const struct bench_case *c)
{
	const struct mqshm_pool_options options = { .huge = true };
	struct mqshm_snapshot *snap;
	int error = open_with(c, &options);

	if (!error)
		error = mqshm_runtime_snapshot(runtime, &snap);
	if (error)
		return error;
	if (snap->pools->huge_bytes < snap->pools->payload_bytes)
		error = -ENOMEM;
	mqshm_snapshot_free(snap);
	return error;
}

/* What they are for is large payload that somebody looks at. */
static const char *huge_missing(const struct bench_case *c)
{
	struct bench_case small = { .bytes = 64, .buffers = 1 };
	static int error = 1;

	if (c->payload != BENCH_TOUCHED || c->bytes < 1 << 20)
		return "it is for large payload that is written and read";
	if (error > 0) {
		runtime = NULL;
		error = huge_open(&small);
		mqshm_runtime_close(runtime);
	}
	return error ? "there are no huge pages" : NULL;
}

static int port_specs(const struct bench_case *c, unsigned int who, struct mqshm_port_spec *specs,
		      char (*names)[16])
{
	unsigned int n, in = bench_ins(c, who);

	for (n = 0; n < in; n++) {
		snprintf(names[n], sizeof(*names), "in%u", n);
		specs[n] = (struct mqshm_port_spec) { .name = names[n], .depth = c->depth };
	}
	if (bench_outs(c, who))
		specs[n++] = (struct mqshm_port_spec) {
			.name = "out", .direction = MQSHM_DIR_OUT,
		};
	return n;
}

static int event_enter(const struct bench_case *c)
{
	int error;

	if (c->wait != BENCH_EVENTFD && c->wait != BENCH_URING)
		return 0;
	event = eventfd(0, EFD_CLOEXEC);
	if (event < 0)
		return -errno;
	error = c->wait == BENCH_URING ? uring_enter() : 0;
	return error ? error : mqshm_port_set_eventfd(ins[0], event);
}

static int mqshm_enter(const struct bench_case *c, unsigned int who)
{
	/* or it would look first, and hardly ever sleep */
	const struct mqshm_client_options options = {
		.spin_ns = bench_sleeps(c->wait) ? UINT64_MAX : 0,
	};
	struct mqshm_port_spec specs[BENCH_LINKS + 1];
	char names[BENCH_LINKS][16], name[16];
	struct mqshm_block *block;
	unsigned int i;
	int n, error;

	n = port_specs(c, who, specs, names);
	snprintf(name, sizeof(name), "b%u", who);
	error = mqshm_client_join(runtime_name, &options, &client);
	if (!error)
		error = mqshm_block_create(client, name, "bench", MQSHM_CLASS_PROCESSING, specs, n,
					   &block);
	if (error)
		return error;
	for (i = 0; i < bench_ins(c, who); i++)
		ins[i] = mqshm_block_port(block, names[i]);
	out = mqshm_block_port(block, "out");
	return bench_ins(c, who) ? event_enter(c) : 0;
}

static int mqshm_link(const struct bench_case *c)
{
	char from[32], to[32];

	for (unsigned int i = 0; i < c->n_links; i++) {
		unsigned int in = 0;
		int error;

		while (bench_in(c, c->links[i].to, in) != i)
			in++;
		snprintf(from, sizeof(from), "b%u:out", c->links[i].from);
		snprintf(to, sizeof(to), "b%u:in%u", c->links[i].to, in);
		error = mqshm_connect(runtime, from, to, NULL);
		if (error)
			return error;
	}
	return crowd_join(runtime, runtime_name, c->idle_clients, c->idle_connections);
}

/* Until @port is worth another try. */
static int wait_for(const struct bench_case *c, struct mqshm_port *port)
{
	int n;

	if (c->wait == BENCH_POLL) {
		bench_relax(c);
		return 0;
	}
	n = mqshm_wait(client, &port, 1, MQSHM_FOREVER, NULL);
	return n < 0 ? n : 0;
}

/* Fills @bufs. */
static int alloc_all(const struct bench_case *c, unsigned int n)
{
	unsigned int done = 0;
	int k;

	while (done < n) {
		k = mqshm_buffer_alloc_many(client, c->bytes,
					    c->wait == BENCH_POLL ? MQSHM_NO_WAIT : MQSHM_FOREVER,
					    bufs + done, n - done);
		if (k > 0)
			done += k;
		else if (k != -EAGAIN)
			return k;
		else if (c->wait == BENCH_POLL)
			bench_relax(c);
	}
	return 0;
}

/* All of @bufs, published at the end. */
static int push_all(const struct bench_case *c, unsigned int n)
{
	unsigned int done = 0;
	int k, error = 0;

	while (done < n && !error) {
		k = mqshm_port_push_many(out, bufs + done, n - done, 0);
		if (k > 0)
			done += k;
		else if (k == -EAGAIN || k == -ENOTCONN)
			error = wait_for(c, out);
		else
			error = k;
	}
	return error;
}

static int mqshm_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	int error = alloc_all(c, n);

	for (unsigned int i = 0; i < n && !error && c->payload == BENCH_TOUCHED; i++)
		bench_fill(mqshm_buffer_data(client, &bufs[i]), c->bytes, number + i);
	return error ? error : push_all(c, n);
}

/* Asleep for the eventfd that ARM has signalled as soon as there is something. */
static int event_wait(const struct bench_case *c)
{
	uint64_t count;
	int n = mqshm_port_arm(ins[0]);

	/* it has come meanwhile */
	if (n)
		return n == -EAGAIN ? 0 : n;
	if (c->wait == BENCH_URING)
		return uring_wait();
	return read(event, &count, sizeof(count)) == sizeof(count) ? 0 : -errno;
}

/* Pops up to @max into @bufs. */
static int pop(const struct bench_case *c, unsigned int in, unsigned int max)
{
	int n, error;

	while ((n = mqshm_port_pop_many(ins[in], bufs, max)) == -EAGAIN) {
		if (c->wait == BENCH_POLL)
			return 0;
		error = event < 0 ? wait_for(c, ins[in]) : event_wait(c);
		if (error)
			return error;
	}
	return n;
}

static int mqshm_receive(const struct bench_case *c, unsigned int in, unsigned int max)
{
	int n = pop(c, in, max), error;

	for (int i = 0; i < n && c->payload == BENCH_TOUCHED; i++)
		bench_sum += bench_read(mqshm_buffer_data(client, &bufs[i]), c->bytes);
	error = n > 0 ? mqshm_buffer_release_many(client, bufs, n) : 0;
	return error ? error : n;
}

static int mqshm_forward(const struct bench_case *c, unsigned int max)
{
	int n = pop(c, 0, max), error = n > 0 ? push_all(c, n) : 0;

	return error ? error : n;
}

static void mqshm_leave(const struct bench_case *c, unsigned int who)
{
	(void)who;
	mqshm_client_close(client);
	if (c->wait == BENCH_URING && event >= 0)
		uring_leave();
	if (event >= 0)
		close(event);
	event = -1;
}

static void mqshm_end(const struct bench_case *c)
{
	(void)c;
	crowd_leave();
	mqshm_runtime_close(runtime);
}

/* The pools apart they are the same. */
#define MQSHM_CALLS \
	.enter = mqshm_enter, .link = mqshm_link, .send = mqshm_send, .receive = mqshm_receive, \
	.forward = mqshm_forward, .leave = mqshm_leave, .close = mqshm_end

const struct bench_peer bench_mqshm = {
	.name = "mqshm",
	.missing = mqshm_missing,
	.open = mqshm_open,
	MQSHM_CALLS,
};

const struct bench_peer bench_mqshm_huge = {
	.name = "mqshm, huge pages",
	.missing = huge_missing,
	.open = huge_open,
	MQSHM_CALLS,
};
