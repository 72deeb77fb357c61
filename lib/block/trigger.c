// SPDX-License-Identifier: LGPL-2.1-or-later
/* When work is called: waiting for what a block's trigger asks for. */
#include <errno.h>

#include "../clock.h"
#include "../port.h"
#include "instance.h"
#include "run.h"

/*
 * A sleep beside an input that has messages but not enough for the block: the
 * kernel has no word for "more than now", so it looks again, ever more seldom.
 */
#define LOOK_FIRST_NS	1000000
#define LOOK_LAST_NS	128000000

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

bool mqshm_run_all_ended(struct mqshm_instance *in)
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
	r = mqshm_instance_wait(in, inputs->ports, inputs->n, deadline_ns);
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

/* Whether there is what the block waits for. */
static bool triggered(struct mqshm_instance *in)
{
	size_t i, have = 0, lack = 0;

	for (i = 0; i < in->n_inputs; i++) {
		if (mqshm_port_has_input(in->inputs[i]))
			have++;
		else if (!mqshm_port_ended(in->inputs[i]))
			lack++;
	}
	return have && (in->trigger != MQSHM_TRIGGER_ALL || !lack);
}

/* Until inputs have what it takes, or one more has ended; 0: call work. */
static int wait_for_input(struct run *run)
{
	struct mqshm_instance *in = run->in;
	struct inputs inputs;
	size_t told;
	int r;

	while (in->n_inputs && !triggered(in)) {
		told = run->ended;
		run->ended = inputs_ended(in);
		run->exhausted = run->ended == in->n_inputs;
		if (run->exhausted || run->ended > told)
			return 0;
		/* one that has something would end the sleep at once, but is not enough */
		inputs_pick(in, in->trigger == MQSHM_TRIGGER_ALL, &inputs);
		if (!inputs.n)
			continue;
		r = inputs_sleep(in, &inputs, MQSHM_FOREVER);
		if (r)
			return r;
	}
	return 0;
}

/*
 * The times are start + n * period, whenever work comes to an end. Those that went by
 * meanwhile are left out.
 */
static int wait_for_time(struct run *run)
{
	uint64_t period = run->in->period_ns, now = mqshm_now_ns();
	int r;

	if (!run->next_ns)
		run->next_ns = now;
	while (now < run->next_ns) {
		r = mqshm_instance_wait(run->in, NULL, 0, run->next_ns);
		if (r && r != -ETIMEDOUT)
			return r;
		now = mqshm_now_ns();
	}
	run->next_ns += ((now - run->next_ns) / period + 1) * period;
	return 0;
}

/* Until every output takes a message: only this block uses the room up. */
static int wait_for_room(struct mqshm_instance *in)
{
	size_t i;
	int r;

	for (i = 0; i < in->n_outputs; i++) {
		while (!mqshm_port_has_room(in->outputs[i])) {
			r = mqshm_instance_wait(in, &in->outputs[i], 1, MQSHM_FOREVER);
			if (r)
				return r;
		}
	}
	return 0;
}

int mqshm_run_wait(struct run *run)
{
	struct mqshm_instance *in = run->in;
	int r;

	if (in->trigger == MQSHM_TRIGGER_TIMER)
		r = wait_for_time(run);
	else if (in->trigger == MQSHM_TRIGGER_FREE)
		r = wait_for_room(in);
	else
		r = wait_for_input(run);
	if (r)
		return r;
	if (mqshm_run_all_ended(in))
		run->exhausted = true;
	if (mqshm_instance_stop_requested(in))
		return -ECANCELED;
	/* A source may be waiting for something else, and not look at errors. */
	return client_alive(in->client) ? 0 : -ESHUTDOWN;
}

/*
 * Work said that it needs more than there is. 0: call it again. What had arrived
 * is known only from before a call of work, so that the first time work is called
 * once more: a message that came behind its last look is not missed.
 */
int mqshm_run_wait_for_more(struct run *run)
{
	struct mqshm_instance *in = run->in;
	struct inputs inputs;
	int r = 0;

	if (in->trigger == MQSHM_TRIGGER_TIMER)
		return 0;
	if (in->n_inputs && !any_input(in)) {
		run->known_set = false;
		return wait_for_input(run);
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
