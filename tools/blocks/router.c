// SPDX-License-Identifier: GPL-2.0-only
/* Router: input i to output i, each route for itself. */
#include <errno.h>

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
	{ .key = "ports", .kind = "integer", .fallback = "2", .min = 1, .max = ROUTES_MAX,
	  .help = "how many routes" },
	{ .key = NULL }
};

static const struct mqshm_block_port router_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .count = "ports", .help = "messages" },
	{ .name = "out", .direction = MQSHM_DIR_OUT, .count = "ports",
	  .help = "those of the input with its number" },
	{ .name = NULL }
};

const struct mqshm_block_ops router_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_PROCESSING,
	.type = "Router",
	.summary = "in1 -> out1, in2 -> out2, ...",
	.params = router_params,
	.ports = router_ports,
	.state_bytes = sizeof(struct router),
	.work = router_work,
};
