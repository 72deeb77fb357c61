// SPDX-License-Identifier: LGPL-2.1-or-later
/* When work is called: waiting for what a block's trigger asks for. */
#include <errno.h>

#include "../clock.h"
#include "../port.h"
#include "instance.h"
#include "run.h"

/* A source that says it needs more waits for something that only it knows of. */
#define LOOK_NS	1000000

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

enum pick {
	PICK_OPEN,	/* inputs that have not ended */
	PICK_EMPTY,	/* of these, those that have nothing now */
	PICK_MORE,	/* of these, those that may get more than they have now */
};

/* Fills the instance's arrays with inputs to sleep on; how many. */
static size_t inputs_pick(struct mqshm_instance *in, enum pick pick)
{
	size_t i, n = 0;

	for (i = 0; i < in->n_inputs; i++) {
		struct mqshm_port *p = in->inputs[i];

		if (mqshm_port_ended(p) || (pick == PICK_EMPTY && mqshm_port_has_input(p)) ||
		    (pick == PICK_MORE && client_alive(in->client) && mqshm_port_is_final(p)))
			continue;
		in->picked[n] = p;
		in->known[n++] = pick == PICK_MORE ? (uint32_t)mqshm_port_input_size(p) : 0;
	}
	return n;
}

/* Sleeps until one of those picked has more than it had. */
static int inputs_sleep(struct mqshm_instance *in, size_t n)
{
	struct client_wait w = {
		.ports = in->picked, .known = in->known, .n = n, .deadline_ns = MQSHM_FOREVER,
	};

	return mqshm_instance_wait_for(in, &w);
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
	size_t told, n;
	int r;

	while (in->n_inputs && !triggered(in)) {
		told = run->ended;
		run->ended = inputs_ended(in);
		run->exhausted = run->ended == in->n_inputs;
		if (run->exhausted || run->ended > told)
			return 0;
		/* one that has something would end the sleep at once, but is not enough */
		n = inputs_pick(in, in->trigger == MQSHM_TRIGGER_ALL ? PICK_EMPTY : PICK_OPEN);
		r = n ? inputs_sleep(in, n) : 0;
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
	size_t n;
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
	if (!in->n_inputs) {
		r = mqshm_instance_wait(in, NULL, 0, mqshm_now_ns() + LOOK_NS);
		return r == -ETIMEDOUT ? 0 : r;
	}
	if (!run->known_set) {
		run->known = arrived(in);
		run->known_set = true;
		return 0;
	}
	while (!r) {
		n = inputs_pick(in, PICK_MORE);
		/* What came before they were picked would not end the sleep. */
		if (arrived(in) != run->known || all_final(in))
			break;
		r = inputs_sleep(in, n);
	}
	run->known_set = false;
	return r;
}
