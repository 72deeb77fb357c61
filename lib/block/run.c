// SPDX-License-Identifier: LGPL-2.1-or-later
/* Running a block: the calls that it makes while it runs, its loop, how it ends. */
#include <errno.h>
#include <string.h>

#include "../clock.h"
#include "../port.h"
#include "control.h"
#include "run.h"
#include "stats.h"

/* -- for blocks ------------------------------------------------------------------- */

bool mqshm_has_input(struct mqshm_instance *in, size_t i)
{
	return i < in->n_inputs && mqshm_port_has_input(in->inputs[i]);
}

size_t mqshm_input_size(struct mqshm_instance *in, size_t i)
{
	return i < in->n_inputs ? mqshm_port_input_size(in->inputs[i]) : 0;
}

/* 1 something is ready, 0 something changed, -ECANCELED, or -errno. */
static int instance_sleep(struct mqshm_instance *in, const struct client_wait *w)
{
	uint64_t ready;
	int r;

	if (mqshm_instance_cancelled(in))
		return -ECANCELED;
	mqshm_stats_wait_begin(in, !w->n ? MQSHM_WAITS_TIME : w->ports[0]->out ?
			       MQSHM_WAITS_SPACE : MQSHM_WAITS_INPUT);
	r = mqshm_client_wait(in->client, w, &ready);
	mqshm_stats_wait_end(in);
	control_check(in);
	if (r < 0 && r != -EINTR)
		return r;
	if (mqshm_instance_cancelled(in))
		return -ECANCELED;
	return r > 0;
}

int mqshm_instance_wait_for(struct mqshm_instance *in, const struct client_wait *w)
{
	int r = instance_sleep(in, w);

	return r < 0 ? r : 0;
}

int mqshm_instance_wait(struct mqshm_instance *in, struct mqshm_port *const *ports,
			size_t n, uint64_t deadline_ns)
{
	struct client_wait w = { .ports = ports, .n = n, .deadline_ns = deadline_ns };

	return mqshm_instance_wait_for(in, &w);
}

int mqshm_get_input(struct mqshm_instance *in, size_t i, uint64_t deadline_ns,
		    struct mqshm_buffer *out)
{
	int r;

	if (i >= in->n_inputs)
		return -EINVAL;
	for (;;) {
		r = mqshm_port_pop(in->inputs[i], out);
		if (!r)
			client_turn(in->client);
		if (r != -EAGAIN || deadline_ns == MQSHM_NO_WAIT)
			return r;
		r = mqshm_instance_wait(in, &in->inputs[i], 1, deadline_ns);
		if (r)
			return r;
	}
}

int mqshm_instance_poll(struct mqshm_instance *in, struct pollfd *fds, size_t n_fds,
			struct mqshm_port *const *ports, size_t n, uint64_t deadline_ns)
{
	struct client_wait w = {
		.ports = ports, .n = n, .fds = fds, .n_fds = n_fds,
		.deadline_ns = deadline_ns,
	};
	size_t i;

	for (i = 0; i < n_fds; i++)
		fds[i].revents = 0;
	return instance_sleep(in, &w);
}

int mqshm_allocate_buffer(struct mqshm_instance *in, size_t bytes, struct mqshm_buffer *out)
{
	int r;

	for (;;) {
		r = mqshm_buffer_alloc(in->client, bytes, MQSHM_NO_WAIT, out);
		if (r != -EAGAIN)
			return r;
		if (mqshm_instance_cancelled(in))
			return -ECANCELED;
		mqshm_stats_wait_begin(in, MQSHM_WAITS_BUFFER);
		r = mqshm_buffer_alloc(in->client, bytes, MQSHM_FOREVER, out);
		mqshm_stats_wait_end(in);
		control_check(in);
		if (r != -EAGAIN && r != -EINTR)
			return r;
	}
}

int mqshm_make_writable(struct mqshm_instance *in, struct mqshm_buffer *buf)
{
	int r;

	for (;;) {
		r = mqshm_buffer_make_writable(in->client, buf, MQSHM_NO_WAIT);
		if (r != -EAGAIN)
			return r;
		if (mqshm_instance_cancelled(in))
			return -ECANCELED;
		mqshm_stats_wait_begin(in, MQSHM_WAITS_BUFFER);
		r = mqshm_buffer_make_writable(in->client, buf, MQSHM_FOREVER);
		mqshm_stats_wait_end(in);
		control_check(in);
		if (r != -EAGAIN && r != -EINTR)
			return r;
	}
}

int mqshm_produce_output(struct mqshm_instance *in, size_t i, struct mqshm_buffer *buf)
{
	struct mqshm_port *p;
	int r;

	if (i >= in->n_outputs)
		return -EINVAL;
	p = in->outputs[i];
	for (;;) {
		r = mqshm_port_push(p, buf, 0);
		if (r != -EAGAIN && r != -ENOTCONN)
			return r;
		/* For room, or for a connection, of which the gen word tells. */
		r = mqshm_instance_wait(in, &p, 1, MQSHM_FOREVER);
		if (r)
			return r;
	}
}

/* -- the loop ---------------------------------------------------------------------- */

static enum mqshm_result work(struct mqshm_instance *in)
{
	uint64_t before = mqshm_now_ns(), spent;
	enum mqshm_result result = in->ops->work(in);

	spent = mqshm_now_ns() - before;
	mqshm_stats_work(in, spent);
	client_turn(in->client);
	return result;
}

static enum mqshm_result run_failed(struct mqshm_instance *in, int error, const char *when)
{
	if (error == -ESHUTDOWN)
		mqshm_instance_fail(in, error, "the runtime was removed");
	else
		mqshm_instance_fail(in, error, "%s: %s", when, strerror(-error));
	return MQSHM_ERROR;
}

/* A stop is no end of the stream; that it was asked to end is. */
static enum mqshm_result stopped(const struct mqshm_instance *in)
{
	return mqshm_instance_cancelled(in) ? MQSHM_OK : MQSHM_DONE;
}

/* Ends with what the run ends with; a wait that failed is an error, a stop is not. */
static enum mqshm_result loop(struct run *run)
{
	struct mqshm_instance *in = run->in;
	enum mqshm_result result;
	int r;

	for (;;) {
		r = mqshm_run_wait(run);
		if (r)
			break;
		control_check(in);
		result = work(in);
		if (result == MQSHM_DONE)
			return result;
		if (result == MQSHM_ERROR)
			return mqshm_instance_stop_requested(in) && !in->message ?
			       stopped(in) : MQSHM_ERROR;
		if (run->exhausted && mqshm_run_all_ended(in))
			return MQSHM_DONE;
		run->exhausted = false;
		if (result == MQSHM_OK) {
			run->known_set = false;
			continue;
		}
		r = mqshm_run_wait_for_more(run);
		if (r)
			break;
	}
	if (r == -ECANCELED)
		return stopped(in);
	if (r == -ENODATA)
		return MQSHM_DONE;
	return run_failed(in, r, "waiting for input");
}

/*
 * The end is for somebody, as messages are: an output that was never connected holds the
 * block back, or a stream without messages would end unseen. It does not hold back the ends
 * of other outputs: who reads those may be all that is left of the graph.
 */
static int outputs_announce(struct mqshm_instance *in)
{
	size_t i, n;
	int r = 0;

	while (!r) {
		for (i = 0, n = 0; i < in->n_outputs && !r; i++) {
			struct mqshm_port *p = in->outputs[i];

			if (p->had || p->optional || p->ended)
				r = mqshm_port_end(p);
			else
				in->picked[n++] = p;
		}
		if (r || !n)
			break;
		r = mqshm_instance_wait(in, in->picked, n, MQSHM_FOREVER);
	}
	return r;
}

/* The last message is out: tells consumers that it was the last. */
static enum mqshm_result outputs_end(struct mqshm_instance *in)
{
	int r = outputs_announce(in);

	if (r == -ECANCELED)
		return MQSHM_OK;
	return r ? run_failed(in, r, "announcing the end") : MQSHM_DONE;
}

enum mqshm_result mqshm_instance_run(struct mqshm_instance *in, char **error)
{
	struct run run = { .in = in };
	enum mqshm_result result = MQSHM_ERROR;

	if (error)
		*error = NULL;
	/* before it began: what it would have worked on is left as it is */
	if (mqshm_instance_cancelled(in))
		return MQSHM_OK;
	in->client->copies = 0;
	if (!in->ops->start || !in->ops->start(in)) {
		result = loop(&run);
		if (in->ops->stop)
			in->ops->stop(in);
	}
	if (result == MQSHM_DONE)
		result = outputs_end(in);
	in->block->failed = result == MQSHM_ERROR;
	mqshm_client_flush(in->client);
	if (result == MQSHM_ERROR && error)
		*error = strdup(in->message ? in->message : "its work failed");
	return result;
}
