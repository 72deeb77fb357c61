// SPDX-License-Identifier: GPL-2.0-only
/* Types of blocks for host_worker: each does one thing that a worker must get right. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test.h"
#include "worker_blocks.h"

struct worker_seen worker_seen[WORKER_BLOCKS];

static const struct mqshm_param_spec params[] = {
	{ .key = "n", .kind = "integer", .fallback = "0", .help = "messages, calls, or which sink" },
	{ .key = "ports", .kind = "integer", .fallback = "1", .help = "inputs or outputs" },
	{ .key = NULL }
};

/**
 * struct state - of any of the blocks below
 * @n: parameter
 * @done: of that
 * @begin_ns: when it began
 * @hold: of a gatherer: what it has not passed on
 * @held: how many
 */
struct state {
	int64_t n;
	int64_t done;
	uint64_t begin_ns;
	struct mqshm_buffer hold[8];
	size_t held;
};

static int ports_add(struct mqshm_instance *in, bool inputs, bool outputs)
{
	struct state *s = mqshm_instance_state(in);
	char name[16];
	int64_t i, ports;
	int r = mqshm_instance_integer(in, "n", 0, INT64_MAX, &s->n);

	if (!r)
		r = mqshm_instance_integer(in, "ports", 1, 32, &ports);
	for (i = 0; i < ports && !r && inputs; i++) {
		snprintf(name, sizeof(name), ports > 1 ? "in%d" : "in", (int)i + 1);
		r = mqshm_instance_add_input(in, name, 0);
	}
	for (i = 0; i < ports && !r && outputs; i++) {
		snprintf(name, sizeof(name), ports > 1 ? "out%d" : "out", (int)i + 1);
		r = mqshm_instance_add_output(in, name, 0);
	}
	s->begin_ns = mqshm_now_ns();
	return r;
}

static int source_init(struct mqshm_instance *in)
{
	return ports_add(in, false, true);
}

static enum mqshm_result failed(struct mqshm_instance *in, int error)
{
	mqshm_instance_fail(in, error, "%s", strerror(-error));
	return MQSHM_ERROR;
}

static enum mqshm_result source_work(struct mqshm_instance *in)
{
	struct state *s = mqshm_instance_state(in);
	struct mqshm_buffer buf;
	struct stamp *stamp;
	size_t i;
	int r = 0;

	if (s->done == s->n)
		return MQSHM_DONE;
	for (i = 0; i < mqshm_instance_outputs(in) && !r; i++) {
		r = mqshm_allocate_buffer(in, sizeof(*stamp), &buf);
		if (r)
			break;
		stamp = mqshm_buffer_data(mqshm_instance_client(in), &buf);
		stamp->source = i;
		stamp->sequence = s->done;
		stamp->sum = stamp_sum(stamp);
		r = mqshm_produce_output(in, i, &buf);
	}
	s->done++;
	return r ? failed(in, r) : MQSHM_OK;
}

/* Does not end: when it has sent all it waits for nothing. */
static enum mqshm_result feeder_work(struct mqshm_instance *in)
{
	struct state *s = mqshm_instance_state(in);

	if (s->done < s->n)
		return source_work(in);
	mqshm_wait(mqshm_instance_client(in), NULL, 0, MQSHM_FOREVER, NULL);
	return MQSHM_OK;
}

/* Keeps n buffers until it is asked to stop. */
static enum mqshm_result hoarder_work(struct mqshm_instance *in)
{
	struct state *s = mqshm_instance_state(in);
	int r = 0;

	while ((int64_t)s->held < s->n && !r)
		r = mqshm_allocate_buffer(in, 1, &s->hold[s->held++]);
	mqshm_wait(mqshm_instance_client(in), NULL, 0, MQSHM_FOREVER, NULL);
	return r ? failed(in, r) : MQSHM_OK;
}

static void hoarder_stop(struct mqshm_instance *in)
{
	struct state *s = mqshm_instance_state(in);

	while (s->held)
		mqshm_buffer_release(mqshm_instance_client(in), &s->hold[--s->held]);
}

/*
 * Has one buffer, and once it is changed it wants another one; with n 1 it has two
 * references to the first, and wants to write to it.
 */
static enum mqshm_result tuner_work(struct mqshm_instance *in)
{
	struct state *s = mqshm_instance_state(in);
	struct mqshm_client *c = mqshm_instance_client(in);
	int r = s->held ? 0 : mqshm_allocate_buffer(in, 1, &s->hold[0]);

	s->held = !r;
	if (!r && !s->done) {
		mqshm_wait(c, NULL, 0, MQSHM_FOREVER, NULL);
		return MQSHM_OK;
	}
	if (!r && s->n == 1)
		r = mqshm_buffer_share(c, &s->hold[0], &s->hold[1]);
	if (!r && s->n == 1)
		r = mqshm_make_writable(in, &s->hold[0]);
	else if (!r)
		r = mqshm_allocate_buffer(in, 1, &s->hold[1]);
	s->held += !r;
	hoarder_stop(in);
	return r ? failed(in, r) : MQSHM_DONE;
}

static int tuner_change(struct mqshm_instance *in)
{
	struct state *s = mqshm_instance_state(in);

	return mqshm_instance_integer(in, "n", 0, INT64_MAX, &s->done);
}

static int forward_init(struct mqshm_instance *in)
{
	int r = mqshm_instance_add_input(in, "in", 0);

	return r ? r : mqshm_instance_add_output(in, "out", 0);
}

static enum mqshm_result forward_work(struct mqshm_instance *in)
{
	struct mqshm_buffer buf;
	int r = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf);

	if (!r)
		r = mqshm_produce_output(in, 0, &buf);
	return r && r != -EAGAIN && r != -ENODATA ? failed(in, r) : MQSHM_OK;
}

static int fan_init(struct mqshm_instance *in)
{
	return ports_add(in, false, true) ?: mqshm_instance_add_input(in, "in", 0);
}

/* Each output gets what comes. */
static enum mqshm_result fan_work(struct mqshm_instance *in)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	struct mqshm_buffer buf, one;
	size_t i;
	int r = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf);

	if (r)
		return r == -EAGAIN || r == -ENODATA ? MQSHM_OK : failed(in, r);
	for (i = 0; i < mqshm_instance_outputs(in) && !r; i++) {
		r = mqshm_buffer_share(c, &buf, &one);
		if (!r)
			r = mqshm_produce_output(in, i, &one);
	}
	mqshm_buffer_release(c, &buf);
	return r ? failed(in, r) : MQSHM_OK;
}

/* Changes what it passes on: what others have too it must copy. */
static enum mqshm_result changer_work(struct mqshm_instance *in)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	struct mqshm_buffer buf;
	int r = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf);

	if (r)
		return r != -EAGAIN && r != -ENODATA ? failed(in, r) : MQSHM_OK;
	do {
		r = mqshm_buffer_make_writable(c, &buf, MQSHM_FOREVER);
	} while (r == -EAGAIN);
	if (!r && !mqshm_buffer_is_sole(c, &buf))
		r = -EBUSY;
	if (!r)
		r = mqshm_produce_output(in, 0, &buf);
	return r ? failed(in, r) : MQSHM_OK;
}

/* Passes them on by eight, and leaves them where they are until it has as many. */
static enum mqshm_result gather_work(struct mqshm_instance *in)
{
	struct state *s = mqshm_instance_state(in);
	size_t i;
	int r = 0;

	if (mqshm_input_size(in, 0) < 8)
		return MQSHM_NEED_MORE_INPUT;
	while (s->held < 8 && !mqshm_get_input(in, 0, MQSHM_NO_WAIT, &s->hold[s->held]))
		s->held++;
	for (i = 0; i < s->held && !r; i++)
		r = mqshm_produce_output(in, 0, &s->hold[i]);
	s->held = 0;
	return r ? failed(in, r) : MQSHM_OK;
}

static int sink_init(struct mqshm_instance *in)
{
	return ports_add(in, true, false);
}

static void sink_take(struct mqshm_instance *in, struct mqshm_buffer *buf)
{
	struct state *s = mqshm_instance_state(in);
	struct mqshm_client *c = mqshm_instance_client(in);
	struct stamp *stamp = mqshm_buffer_data(c, buf);
	uint64_t expected = worker_seen[s->n].messages / mqshm_instance_inputs(in);

	if (stamp->sum != stamp_sum(stamp) || stamp->sequence != expected)
		worker_seen[s->n].bad++;
	__atomic_store_n(&worker_seen[s->n].messages, worker_seen[s->n].messages + 1, __ATOMIC_RELEASE);
	mqshm_buffer_release(c, buf);
}

static enum mqshm_result sink_work(struct mqshm_instance *in)
{
	struct mqshm_buffer buf;

	while (!mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf))
		sink_take(in, &buf);
	return MQSHM_OK;
}

/* One of each: none may lack. */
static enum mqshm_result join_work(struct mqshm_instance *in)
{
	struct state *s = mqshm_instance_state(in);
	size_t i, got = 0, ended = 0;
	struct mqshm_buffer buf;

	for (i = 0; i < mqshm_instance_inputs(in); i++) {
		int r = mqshm_get_input(in, i, MQSHM_NO_WAIT, &buf);

		if (!r)
			sink_take(in, &buf);
		got += !r;
		ended += r == -ENODATA;
	}
	if (got && got + ended != i)
		worker_seen[s->n].bad++;
	return MQSHM_OK;
}

static int ticker_init(struct mqshm_instance *in)
{
	int r = ports_add(in, false, false);

	return r ? r : mqshm_instance_set_trigger(in, MQSHM_TRIGGER_TIMER, 2000000);
}

static enum mqshm_result ticker_work(struct mqshm_instance *in)
{
	struct state *s = mqshm_instance_state(in);

	/* not before its time */
	if (mqshm_now_ns() < s->begin_ns + (uint64_t)s->done * 2000000)
		return MQSHM_ERROR;
	return ++s->done == s->n ? MQSHM_DONE : MQSHM_OK;
}

static int patient_init(struct mqshm_instance *in)
{
	return ports_add(in, true, false);
}

/* Waits for what never comes. */
static enum mqshm_result patient_work(struct mqshm_instance *in)
{
	struct state *s = mqshm_instance_state(in);
	struct mqshm_buffer buf;
	uint64_t deadline = mqshm_after_ms(2);

	if (mqshm_get_input(in, 0, deadline, &buf) != -ETIMEDOUT || mqshm_now_ns() < deadline)
		return mqshm_instance_stop_requested(in) ? MQSHM_OK : MQSHM_ERROR;
	return ++s->done == s->n ? MQSHM_DONE : MQSHM_OK;
}

static enum mqshm_result roomy_work(struct mqshm_instance *in)
{
	if (!mqshm_port_has_room(mqshm_instance_output(in, 0)))
		return MQSHM_ERROR;
	return source_work(in);
}

static int busy_init(struct mqshm_instance *in)
{
	return mqshm_instance_add_output(in, "out", MQSHM_PORT_OPTIONAL);
}

static enum mqshm_result busy_work(struct mqshm_instance *in)
{
	(void)in;
	return MQSHM_OK;
}

/* -- blocks that wait for descriptors -------------------------------------------------- */

int worker_pipes[2][2];

static int reader_init(struct mqshm_instance *in)
{
	struct state *s = mqshm_instance_state(in);
	int r = mqshm_instance_integer(in, "n", 0, 1, &s->n);

	return r ? r : mqshm_instance_add_output(in, "out", MQSHM_PORT_OPTIONAL);
}

/* A message for each byte of a pipe. */
static enum mqshm_result reader_work(struct mqshm_instance *in)
{
	struct state *s = mqshm_instance_state(in);
	struct pollfd fd = { .fd = worker_pipes[s->n][0], .events = POLLIN };
	struct mqshm_buffer buf;
	struct stamp *stamp;
	char byte;
	int r = mqshm_instance_poll(in, &fd, 1, NULL, 0, MQSHM_FOREVER);

	if (r < 1)
		return !r || r == -ECANCELED ? MQSHM_OK : failed(in, r);
	if (!fd.revents)
		return failed(in, -EPROTO);
	if (read(fd.fd, &byte, 1) < 1)
		return MQSHM_DONE;
	r = mqshm_allocate_buffer(in, sizeof(*stamp), &buf);
	if (r)
		return failed(in, r);
	stamp = mqshm_buffer_data(mqshm_instance_client(in), &buf);
	stamp->source = 0;
	stamp->sequence = s->done++;
	stamp->sum = stamp_sum(stamp);
	r = mqshm_produce_output(in, 0, &buf);
	return r ? failed(in, r) : MQSHM_OK;
}

/* A byte for each message; meanwhile another pipe is to be quiet. */
static enum mqshm_result writer_work(struct mqshm_instance *in)
{
	struct mqshm_port *port = mqshm_instance_input(in, 0);
	struct pollfd fds[] = { { .fd = -1 }, { .fd = worker_pipes[0][0], .events = POLLIN } };
	struct mqshm_buffer buf;
	int r = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf);

	if (r == -EAGAIN)
		r = mqshm_instance_poll(in, fds, 2, &port, 1, MQSHM_FOREVER);
	else if (!r && write(worker_pipes[1][1], "", 1) == 1)
		mqshm_buffer_release(mqshm_instance_client(in), &buf);
	if (r == -ENODATA)
		close(worker_pipes[1][1]);
	return r == -ENODATA ? MQSHM_DONE : r >= 0 || r == -ECANCELED ? MQSHM_OK : failed(in, r);
}

static int deep(int n)
{
	volatile char room[1024];

	room[0] = (char)n;
	return n ? deep(n - 1) + room[0] : 0;
}

static enum mqshm_result broken_work(struct mqshm_instance *in)
{
	mqshm_instance_fail(in, -EIO, "broken %d", deep(64) * 0);
	return MQSHM_ERROR;
}

#define TYPE(id, label, init, work_, ...) \
	const struct mqshm_block_ops type_##id = { \
		.abi = MQSHM_BLOCK_ABI, .class_ = MQSHM_CLASS_PROCESSING, .type = label, \
		.summary = "", .params = params, .state_bytes = sizeof(struct state), \
		.initialize = init, .work = work_, __VA_ARGS__ \
	}

TYPE(source, "Source", source_init, source_work);
TYPE(feeder, "Feeder", source_init, feeder_work);
TYPE(roomy, "Roomy", source_init, roomy_work, .trigger = MQSHM_TRIGGER_FREE);
TYPE(forward, "Forward", forward_init, forward_work);
TYPE(fan, "Fan", fan_init, fan_work);
TYPE(changer, "Changer", forward_init, changer_work);
TYPE(gather, "Gather", forward_init, gather_work);
static const char *const tuner_live[] = { "n", NULL };

TYPE(tuner, "Tuner", patient_init, tuner_work, .trigger = MQSHM_TRIGGER_FREE,
     .live = tuner_live, .change = tuner_change);
TYPE(hoarder, "Hoarder", patient_init, hoarder_work, .trigger = MQSHM_TRIGGER_FREE,
     .stop = hoarder_stop);
TYPE(sink, "Sink", sink_init, sink_work);
TYPE(join, "Join", sink_init, join_work, .trigger = MQSHM_TRIGGER_ALL);
TYPE(ticker, "Ticker", ticker_init, ticker_work);
TYPE(patient, "Patient", patient_init, patient_work, .trigger = MQSHM_TRIGGER_FREE);
TYPE(busy, "Busy", busy_init, busy_work, .trigger = MQSHM_TRIGGER_FREE);
TYPE(reader, "Reader", reader_init, reader_work);
TYPE(writer, "Writer", sink_init, writer_work, .trigger = MQSHM_TRIGGER_FREE);
TYPE(broken, "Broken", busy_init, broken_work, .trigger = MQSHM_TRIGGER_FREE);
