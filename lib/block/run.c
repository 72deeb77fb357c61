// SPDX-License-Identifier: LGPL-2.1-or-later
/* Running a block: when work is called, when it sleeps, how it ends. */
#include <errno.h>
#include <string.h>

#include "../clock.h"
#include "../port.h"
#include "control.h"

/*
 * A sleep beside an input that has messages but not enough for the block: the
 * kernel has no word for "more than now", so it looks again, ever more seldom.
 */
#define LOOK_FIRST_NS	1000000
#define LOOK_LAST_NS	128000000

/**
 * struct run - a run of an instance
 * @in: that runs
 * @known: messages that had arrived, and inputs that had ended, before work said
 *	that this is not enough
 * @known_set: @known is meaningful
 * @look_ns: how long the next sleep beside a message is
 * @final: the end of all inputs had been announced when work was called last
 * @taken: messages that had been taken then
 * @ended: inputs that have ended, as far as work was told
 * @exhausted: work was told that no input will ever have more
 */
struct run {
	struct mqshm_instance *in;
	uint64_t known;
	bool known_set;
	uint64_t look_ns;
	bool final;
	uint64_t taken;
	size_t ended;
	bool exhausted;
};

/* -- for blocks ------------------------------------------------------------------- */

bool mqshm_has_input(struct mqshm_instance *in, size_t i)
{
	return i < in->n_inputs && mqshm_port_has_input(in->inputs[i]);
}

size_t mqshm_input_size(struct mqshm_instance *in, size_t i)
{
	return i < in->n_inputs ? mqshm_port_input_size(in->inputs[i]) : 0;
}

/* Sleeps for @n ports; 0 if there may be something now, or -errno. */
static int instance_wait(struct mqshm_instance *in, struct mqshm_port *const *ports,
			 size_t n, uint64_t deadline_ns)
{
	int r;

	if (mqshm_instance_cancelled(in))
		return -ECANCELED;
	r = mqshm_wait(in->client, ports, n, deadline_ns, NULL);
	control_check(in);
	if (r >= 0 || r == -EINTR)
		return mqshm_instance_cancelled(in) ? -ECANCELED : 0;
	return r;
}

int mqshm_get_input(struct mqshm_instance *in, size_t i, uint64_t deadline_ns,
		    struct mqshm_buffer *out)
{
	int r;

	if (i >= in->n_inputs)
		return -EINVAL;
	for (;;) {
		r = mqshm_port_pop(in->inputs[i], out);
		if (r != -EAGAIN || deadline_ns == MQSHM_NO_WAIT)
			return r;
		r = instance_wait(in, &in->inputs[i], 1, deadline_ns);
		if (r)
			return r;
	}
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
		r = mqshm_buffer_alloc(in->client, bytes, MQSHM_FOREVER, out);
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
		r = instance_wait(in, &p, 1, MQSHM_FOREVER);
		if (r)
			return r;
	}
}

/* -- the loop ---------------------------------------------------------------------- */

static bool any_input(struct mqshm_instance *in)
{
	size_t i;

	for (i = 0; i < in->n_inputs; i++) {
		if (mqshm_port_has_input(in->inputs[i]))
			return true;
	}
	return false;
}

static size_t inputs_ended(struct mqshm_instance *in)
{
	size_t i, n = 0;

	for (i = 0; i < in->n_inputs; i++)
		n += mqshm_port_ended(in->inputs[i]);
	return n;
}

static bool all_ended(struct mqshm_instance *in)
{
	return in->n_inputs && inputs_ended(in) == in->n_inputs;
}

/* Grows with each message that comes and each input that ends. */
static uint64_t arrived(struct mqshm_instance *in)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < in->n_inputs; i++) {
		struct mqshm_port *p = in->inputs[i];

		n += p->messages + mqshm_port_input_size(p) + mqshm_port_ended(p);
	}
	return n;
}

/* Nothing will come any more but what is queued. */
static bool all_final(struct mqshm_instance *in)
{
	size_t i;

	for (i = 0; i < in->n_inputs; i++) {
		if (!client_alive(in->client) || !mqshm_port_is_final(in->inputs[i]))
			return false;
	}
	return in->n_inputs;
}

static uint64_t taken(const struct mqshm_instance *in)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < in->n_inputs; i++)
		n += in->inputs[i]->messages;
	return n;
}

/**
 * struct inputs - inputs to sleep on
 * @ports: array[@n]
 * @n: their number
 * @cut: there are more than one wait takes
 */
struct inputs {
	struct mqshm_port *ports[MQSHM_BATCH_MAX];
	size_t n;
	bool cut;
};

/* Those that have not ended; @empty: and have nothing now. */
static void inputs_pick(struct mqshm_instance *in, bool empty, struct inputs *out)
{
	size_t i;

	out->n = 0;
	out->cut = false;
	for (i = 0; i < in->n_inputs; i++) {
		struct mqshm_port *p = in->inputs[i];

		if (mqshm_port_ended(p) || (empty && mqshm_port_has_input(p)))
			continue;
		if (out->n < MQSHM_BATCH_MAX)
			out->ports[out->n++] = p;
		else
			out->cut = true;
	}
}

/* Sleeps until one of them has something, or for @most_ns. */
static int inputs_sleep(struct mqshm_instance *in, const struct inputs *inputs,
			uint64_t most_ns)
{
	uint64_t deadline_ns = MQSHM_FOREVER;
	int r;

	if (inputs->cut && most_ns > LOOK_FIRST_NS)
		most_ns = LOOK_FIRST_NS;
	if (most_ns != MQSHM_FOREVER)
		deadline_ns = mqshm_now_ns() + most_ns;
	r = instance_wait(in, inputs->ports, inputs->n, deadline_ns);
	return r == -ETIMEDOUT ? 0 : r;
}

/*
 * Work needs more than there is, and all ends have been announced. 0: call it with
 * what is left; -ENODATA: it was, and took nothing of it.
 */
static int finish(struct run *run)
{
	uint64_t now = arrived(run->in);

	if (run->final && run->known == now && run->taken == taken(run->in))
		return -ENODATA;
	run->final = true;
	run->known = now;
	run->taken = taken(run->in);
	return 0;
}

/*
 * Work said that it needs more than there is. 0: call it again. What had arrived
 * is known only from before a call of work, so that the first time work is called
 * once more: a message that came behind its last look is not missed.
 */
static int wait_for_more(struct run *run)
{
	struct mqshm_instance *in = run->in;
	struct inputs inputs;
	int r = 0;

	if (in->n_inputs && !any_input(in)) {
		run->known_set = false;
		return 0;
	}
	if (all_final(in))
		return finish(run);
	run->final = false;
	if (!run->known_set) {
		run->known = arrived(in);
		run->known_set = in->n_inputs;
		run->look_ns = LOOK_FIRST_NS;
		if (in->n_inputs)
			return 0;
	}
	while (!r) {
		inputs_pick(in, true, &inputs);
		/* What came before they were picked would not end the sleep. */
		if (in->n_inputs && (arrived(in) != run->known || all_final(in)))
			break;
		r = inputs_sleep(in, &inputs, run->look_ns);
		/* A source waits for something of its own. */
		if (!in->n_inputs)
			return r;
		if (run->look_ns < LOOK_LAST_NS)
			run->look_ns *= 2;
	}
	run->known_set = false;
	return r;
}

/* Until an input has something, or one more has ended; 0: call work. */
static int wait_for_input(struct run *run)
{
	struct mqshm_instance *in = run->in;
	struct inputs inputs;
	size_t told;
	int r;

	while (in->n_inputs && !any_input(in)) {
		told = run->ended;
		run->ended = inputs_ended(in);
		run->exhausted = run->ended == in->n_inputs;
		if (run->exhausted || run->ended > told)
			return 0;
		inputs_pick(in, false, &inputs);
		r = inputs_sleep(in, &inputs, MQSHM_FOREVER);
		if (r)
			return r;
	}
	if (mqshm_instance_stop_requested(in))
		return -ECANCELED;
	/* A source may be waiting for something else, and not look at errors. */
	return client_alive(in->client) ? 0 : -ESHUTDOWN;
}

static enum mqshm_result work(struct mqshm_instance *in)
{
	uint64_t before = mqshm_now_ns(), spent;
	enum mqshm_result result = in->ops->work(in);

	spent = mqshm_now_ns() - before;
	__atomic_store_n(&in->work_count, in->work_count + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&in->work_ns, in->work_ns + spent, __ATOMIC_RELAXED);
	__atomic_store_n(&in->last_work_ns, spent, __ATOMIC_RELAXED);
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
		r = wait_for_input(run);
		if (r)
			break;
		control_check(in);
		result = work(in);
		if (result == MQSHM_DONE)
			return result;
		if (result == MQSHM_ERROR)
			return mqshm_instance_stop_requested(in) && !in->message ?
			       stopped(in) : MQSHM_ERROR;
		if (run->exhausted && all_ended(in))
			return MQSHM_DONE;
		run->exhausted = false;
		if (result == MQSHM_OK) {
			run->known_set = false;
			continue;
		}
		r = wait_for_more(run);
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
 * The end is for somebody, as messages are: an output that was never connected
 * holds the block back, or a stream without messages would end unseen.
 */
static int output_end(struct mqshm_instance *in, struct mqshm_port *p)
{
	int r = 0;

	while (!r && !p->had && !p->optional && !p->ended)
		r = instance_wait(in, &p, 1, MQSHM_FOREVER);
	return r ? r : mqshm_port_end(p);
}

/* The last message is out: tells consumers that it was the last. */
static enum mqshm_result outputs_end(struct mqshm_instance *in)
{
	size_t i;
	int r;

	for (i = 0; i < in->n_outputs; i++) {
		r = output_end(in, in->outputs[i]);
		if (r == -ECANCELED)
			return MQSHM_OK;
		if (r)
			return run_failed(in, r, "announcing the end");
	}
	return MQSHM_DONE;
}

enum mqshm_result mqshm_instance_run(struct mqshm_instance *in, char **error)
{
	struct run run = { .in = in };
	enum mqshm_result result = MQSHM_ERROR;

	if (error)
		*error = NULL;
	if (!in->ops->start || !in->ops->start(in)) {
		result = loop(&run);
		if (in->ops->stop)
			in->ops->stop(in);
	}
	if (result == MQSHM_DONE)
		result = outputs_end(in);
	mqshm_client_flush(in->client);
	if (result == MQSHM_ERROR && error)
		*error = strdup(in->message ? in->message : "its work failed");
	return result;
}
