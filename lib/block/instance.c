// SPDX-License-Identifier: LGPL-2.1-or-later
/* Making a block of a type in a client, and what it can ask about itself. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../client.h"
#include "../port.h"
#include "../runtime.h"
#include "../sys.h"
#include "control.h"
#include "stats.h"

void *mqshm_instance_state(struct mqshm_instance *in)
{
	return in->state;
}

struct mqshm_client *mqshm_instance_client(struct mqshm_instance *in)
{
	return in->client;
}

const char *mqshm_instance_name(const struct mqshm_instance *in)
{
	return in->name;
}

struct mqshm_port *mqshm_instance_input(struct mqshm_instance *in, size_t i)
{
	return i < in->n_inputs ? in->inputs[i] : NULL;
}

struct mqshm_port *mqshm_instance_output(struct mqshm_instance *in, size_t i)
{
	return i < in->n_outputs ? in->outputs[i] : NULL;
}

size_t mqshm_instance_inputs(const struct mqshm_instance *in)
{
	return in->n_inputs;
}

size_t mqshm_instance_outputs(const struct mqshm_instance *in)
{
	return in->n_outputs;
}

int mqshm_instance_fail(struct mqshm_instance *in, int error, const char *format, ...)
{
	char *message;
	va_list args;

	va_start(args, format);
	if (vasprintf(&message, format, args) >= 0) {
		free(in->message);
		in->message = message;
	}
	va_end(args);
	return error;
}

/* Another thread may be looking while it runs. */
static uint64_t look(const __u64 *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static uint64_t port_look(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void mqshm_instance_get_stats(const struct mqshm_instance *in,
			      struct mqshm_instance_stats *out)
{
	size_t i;

	memset(out, 0, sizeof(*out));
	out->work_count = look(&in->stats.work_count);
	out->work_ns = look(&in->stats.work_ns);
	out->last_work_ns = look(&in->stats.last_work_ns);
	out->p99_work_ns = look(&in->stats.p99_work_ns);
	out->input_ns = look(&in->stats.input_ns);
	out->space_ns = look(&in->stats.space_ns);
	out->buffer_ns = look(&in->stats.buffer_ns);
	out->time_ns = look(&in->stats.time_ns);
	out->copies = __atomic_load_n(&in->stats.copies, __ATOMIC_RELAXED);
	for (i = 0; i < in->n_inputs; i++) {
		out->buffers_in += port_look(&in->inputs[i]->messages);
		out->bytes_in += port_look(&in->inputs[i]->bytes);
	}
	for (i = 0; i < in->n_outputs; i++) {
		out->buffers_out += port_look(&in->outputs[i]->messages);
		out->bytes_out += port_look(&in->outputs[i]->bytes);
		out->discarded += port_look(&in->outputs[i]->discarded);
	}
}

int mqshm_instance_set_trigger(struct mqshm_instance *in, enum mqshm_trigger trigger,
			       uint64_t period_ns)
{
	if ((unsigned int)trigger > MQSHM_TRIGGER_FREE)
		return mqshm_instance_fail(in, -EINVAL, "there is no trigger %u", trigger);
	if (!period_ns != (trigger != MQSHM_TRIGGER_TIMER))
		return mqshm_instance_fail(in, -EINVAL, "a timer needs a period, others none");
	in->trigger = trigger;
	in->period_ns = period_ns;
	return 0;
}

/* -- ports -------------------------------------------------------------------- */

static int port_add(struct mqshm_instance *in, const char *name, uint32_t direction,
		    uint32_t depth, uint32_t flags)
{
	struct mqshm_port_spec *grown;
	char *copy;
	size_t i;

	if (in->block)
		return mqshm_instance_fail(in, -EINVAL, "ports are added in initialize only");
	for (i = 0; i < in->n_specs; i++) {
		if (in->specs[i].direction == direction && !strcmp(in->specs[i].name, name)) {
			in->specs[i].depth = depth;
			in->specs[i].flags = flags;
			return 0;
		}
	}
	grown = realloc(in->specs, (in->n_specs + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	in->specs = grown;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	in->specs[in->n_specs++] = (struct mqshm_port_spec) {
		.name = copy,
		.direction = direction,
		.depth = depth,
		.flags = flags,
	};
	return 0;
}

int mqshm_instance_add_input(struct mqshm_instance *in, const char *name, uint32_t depth)
{
	return port_add(in, name, MQSHM_DIR_IN, depth, 0);
}

int mqshm_instance_add_output(struct mqshm_instance *in, const char *name, uint32_t flags)
{
	return port_add(in, name, MQSHM_DIR_OUT, 0, flags);
}

/* Those that the type declares. */
static int ports_declare(struct mqshm_instance *in)
{
	const struct mqshm_block_port *p = in->ops->ports;
	char name[MQSHM_PORT_NAME_LEN];
	int64_t i, n;
	bool numbered;
	int r = 0;

	for (; !r && p && p->name; p++) {
		r = mqshm_params_count(in, p->count, &n, &numbered);
		for (i = 1; !r && i <= n; i++) {
			snprintf(name, sizeof(name), numbered ? "%s%d" : "%s", p->name, (int)i);
			r = port_add(in, name, p->direction, p->depth, p->flags);
		}
	}
	return r;
}

static void specs_free(struct mqshm_instance *in)
{
	size_t i;

	for (i = 0; i < in->n_specs; i++)
		free((char *)in->specs[i].name);
	free(in->specs);
	in->specs = NULL;
	in->n_specs = 0;
}

/* The block's ports by direction, in the order they were added. */
static int ports_sort(struct mqshm_instance *in)
{
	size_t i;

	in->inputs = calloc(in->n_specs + 1, sizeof(*in->inputs));
	in->outputs = calloc(in->n_specs + 1, sizeof(*in->outputs));
	in->picked = calloc(in->n_specs + 1, sizeof(*in->picked));
	in->known = calloc(in->n_specs + 1, sizeof(*in->known));
	if (!in->inputs || !in->outputs || !in->picked || !in->known)
		return -ENOMEM;
	for (i = 0; i < in->block->n_ports; i++) {
		struct mqshm_port *p = &in->block->ports[i];

		if (p->out)
			in->outputs[in->n_outputs++] = p;
		else
			in->inputs[in->n_inputs++] = p;
	}
	return 0;
}

/* -- making and freeing --------------------------------------------------------- */

/* Says which limit it is that the block would pass. */
static int no_place(struct mqshm_instance *in)
{
	struct mqshm_snapshot *snap = NULL;
	struct mqshm_limits limits = { 0 };
	struct mqshm_runtime *rt;

	if (!mqshm_runtime_open(in->client->name, &rt)) {
		if (!mqshm_runtime_snapshot(rt, &snap) && snap->n_runtimes)
			limits = snap->runtimes[0].limits;
		mqshm_snapshot_free(snap);
		mqshm_runtime_close(rt);
	}
	if (!limits.ports)
		return mqshm_instance_fail(in, -ENOSPC, "the runtime has as many blocks as it takes, or the block more ports");
	if (in->n_specs > limits.ports)
		return mqshm_instance_fail(in, -ENOSPC, "it would have %zu ports, and a block of this runtime takes %u",
					   in->n_specs, limits.ports);
	return mqshm_instance_fail(in, -ENOSPC, "the runtime takes %u blocks, and has them",
				   limits.blocks);
}

static int instance_register(struct mqshm_instance *in)
{
	int r = mqshm_block_create(in->client, in->name, in->ops->type, in->ops->class_,
				   in->specs, in->n_specs, &in->block);

	if (r == -EEXIST)
		return mqshm_instance_fail(in, r, "there is a block of that name already");
	if (r == -ENOSPC)
		return no_place(in);
	if (r == -EINVAL)
		return mqshm_instance_fail(in, r, "a name has 1 to %d bytes and no ':', and port names differ",
					   MQSHM_BLOCK_NAME_LEN - 1);
	if (!r)
		r = ports_sort(in);
	if (r)
		return r;
	__atomic_store_n(&in->block_id, mqshm_block_id(in->block), __ATOMIC_RELEASE);
	mqshm_stats_show(in);
	return 0;
}

static int instance_setup(struct mqshm_instance *in, const struct mqshm_param *params,
			  size_t n_params)
{
	int r;

	r = mqshm_params_set(in, params, n_params);
	if (r)
		return r;
	in->trigger = in->ops->trigger;
	in->period_ns = in->ops->period_ns;
	in->state = calloc(1, in->ops->state_bytes ? in->ops->state_bytes : 1);
	if (!in->state)
		return -ENOMEM;
	r = ports_declare(in);
	if (!r && in->ops->initialize)
		r = in->ops->initialize(in);
	if (!r)
		r = mqshm_instance_set_trigger(in, in->trigger, in->period_ns);
	if (!r)
		r = instance_register(in);
	if (!r)
		mqshm_control_open(in);
	specs_free(in);
	return r;
}

int mqshm_instance_new(struct mqshm_client *c, const struct mqshm_block_ops *ops,
		       const char *name, const struct mqshm_param *params, size_t n_params,
		       char **error, struct mqshm_instance **out)
{
	struct mqshm_instance *in;
	int r;

	if (error)
		*error = NULL;
	if (ops->abi != MQSHM_BLOCK_ABI || !ops->type || !ops->work || !name ||
	    ops->flags & ~MQSHM_BLOCK_DIRECT_IO)
		return -EINVAL;
	in = calloc(1, sizeof(*in));
	if (!in)
		return -ENOMEM;
	in->client = c;
	in->ops = ops;
	in->forks = mqshm_client_forks;
	in->name = strdup(name);
	r = in->name ? instance_setup(in, params, n_params) : -ENOMEM;
	if (!r) {
		*out = in;
		return 0;
	}
	if (error && in->message) {
		*error = in->message;
		in->message = NULL;
	} else if (error) {
		*error = strdup(strerror(-r));
	}
	mqshm_instance_free(in);
	return r;
}

void mqshm_instance_free(struct mqshm_instance *in)
{
	if (!in)
		return;
	if (in->state && in->ops->cleanup)
		in->ops->cleanup(in);
	mqshm_stats_hide(in);
	mqshm_control_close(in);
	mqshm_block_remove(in->block);
	specs_free(in);
	mqshm_params_free(in);
	free(in->inputs);
	free(in->outputs);
	free(in->picked);
	free(in->known);
	free(in->state);
	free(in->message);
	free(in->name);
	free(in);
}

/* -- stopping ---------------------------------------------------------------------- */

bool mqshm_instance_cancelled(const struct mqshm_instance *in)
{
	return __atomic_load_n(&in->stop, __ATOMIC_ACQUIRE) ||
	       (in->block && mqshm_block_stop_requested(in->block));
}

bool mqshm_instance_stop_requested(const struct mqshm_instance *in)
{
	return mqshm_instance_cancelled(in) || __atomic_load_n(&in->end, __ATOMIC_ACQUIRE);
}

/* Roused, since it may be about to sleep, or sleep, for a descriptor. */
void mqshm_instance_request_end(struct mqshm_instance *in)
{
	if (in->n_inputs || in->forks != mqshm_client_forks)
		return;
	__atomic_store_n(&in->end, true, __ATOMIC_RELEASE);
	mqshm_client_rouse(in->client);
}

/*
 * The flag alone could be set between the block's look at it and its sleep; the
 * kernel's gen word, which the sleep compares, closes that gap.
 */
void mqshm_instance_request_stop(struct mqshm_instance *in)
{
	struct mqshm_id_args args = {
		.size = sizeof(args),
		.id = __atomic_load_n(&in->block_id, __ATOMIC_ACQUIRE),
	};

	/* A child's copy of the handle is not the block. */
	if (in->forks != mqshm_client_forks)
		return;
	__atomic_store_n(&in->stop, true, __ATOMIC_RELEASE);
	/* no call of the client's: the kernel takes it at any time, from any thread */
	if (args.id)
		mqshm_sys_ioctl(in->client->fd, MQSHM_IOC_BLOCK_STOP, &args);
}
