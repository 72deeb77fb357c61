// SPDX-License-Identifier: GPL-2.0-only
/* Router: input i to output i, each route for itself. */
#include <errno.h>
#include <stdio.h>

#include "blocks.h"

#define ROUTES_MAX 15

/**
 * struct router - state of a Router
 * @next: route that is looked at first, so that all have their turn
 * @ended: routes that are at their end, a bit each
 */
struct router {
	size_t next;
	uint32_t ended;
};

static int router_initialize(struct mqshm_instance *in)
{
	char name[MQSHM_PORT_NAME_LEN];
	int64_t ports;
	int error = mqshm_instance_integer(in, "ports", 1, ROUTES_MAX, &ports);

	for (int64_t i = 1; !error && i <= ports; i++) {
		snprintf(name, sizeof(name), "in%d", (int)i);
		error = mqshm_instance_add_input(in, name, 0);
	}
	for (int64_t i = 1; !error && i <= ports; i++) {
		snprintf(name, sizeof(name), "out%d", (int)i);
		error = mqshm_instance_add_output(in, name, 0);
	}
	return error;
}

/* A route whose output is full or not connected must not hold up the others. */
static bool output_open(struct mqshm_instance *in, size_t i)
{
	struct mqshm_port *out = mqshm_instance_output(in, i);

	return mqshm_port_connections(out) && mqshm_port_has_room(out);
}

/* Moves one message along route @i: 0, -EAGAIN if there is nothing to do, or an error. */
static int route(struct mqshm_instance *in, struct router *r, size_t i)
{
	struct mqshm_buffer buf;
	int error;

	if (r->ended & 1U << i)
		return -EAGAIN;
	if (mqshm_port_ended(mqshm_instance_input(in, i))) {
		r->ended |= 1U << i;
		return mqshm_port_end(mqshm_instance_output(in, i));
	}
	if (!output_open(in, i))
		return -EAGAIN;
	error = mqshm_get_input(in, i, MQSHM_NO_WAIT, &buf);
	if (error)
		return error == -ENODATA ? 0 : error;
	error = mqshm_produce_output(in, i, &buf);
	if (error)
		mqshm_buffer_release(mqshm_instance_client(in), &buf);
	return error;
}

/* Sleeps until a route that is not at its end can go on, or the graph changes. */
static int router_sleep(struct mqshm_instance *in, const struct router *r)
{
	struct mqshm_port *ports[ROUTES_MAX];
	size_t n = 0;
	int result;

	for (size_t i = 0; i < mqshm_instance_inputs(in); i++) {
		if (r->ended & 1U << i)
			continue;
		ports[n++] = output_open(in, i) ? mqshm_instance_input(in, i) :
			     mqshm_instance_output(in, i);
	}
	result = mqshm_wait(mqshm_instance_client(in), ports, n, MQSHM_FOREVER, NULL);
	return result < 0 ? result : 0;
}

/* One message, or one end, along the next route that can go on. */
static int turn(struct mqshm_instance *in, struct router *r)
{
	size_t routes = mqshm_instance_inputs(in), i;
	int error = -EAGAIN;

	for (size_t tried = 0; tried < routes && error == -EAGAIN; tried++) {
		i = r->next;
		r->next = (i + 1) % routes;
		error = route(in, r, i);
	}
	return error;
}

static bool any_input(struct mqshm_instance *in)
{
	for (size_t i = 0; i < mqshm_instance_inputs(in); i++)
		if (mqshm_has_input(in, i))
			return true;
	return false;
}

/*
 * Sleeps here and not in the run loop, which waits for messages alone: a route
 * also goes on when its output has room again, and ends when its input does.
 */
static enum mqshm_result router_work(struct mqshm_instance *in)
{
	struct router *r = mqshm_instance_state(in);
	uint32_t all = (1U << mqshm_instance_inputs(in)) - 1;
	int error;

	do {
		error = turn(in, r);
		if (r->ended == all)
			return MQSHM_DONE;
		if (!error && any_input(in))
			break;
		if (error == -EAGAIN)
			error = router_sleep(in, r);
	} while (!error && !mqshm_instance_stop_requested(in));
	return block_result(in, error);
}

static const struct mqshm_param_spec router_params[] = {
	{ "ports", "integer", "2", "how many routes, 1 to 15" },
	{ NULL, NULL, NULL, NULL }
};

const struct mqshm_block_ops router_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_PROCESSING,
	.type = "Router",
	.summary = "in1 -> out1, in2 -> out2, ...",
	.params = router_params,
	.state_bytes = sizeof(struct router),
	.initialize = router_initialize,
	.work = router_work,
};
