// SPDX-License-Identifier: GPL-2.0-only
/* Merger: what comes in on any input goes out on one output. */
#include <errno.h>

#include "blocks.h"

/**
 * struct merger - state of a Merger
 * @next: input that is looked at first, so that all have their turn
 */
struct merger {
	size_t next;
};

static enum mqshm_result merger_work(struct mqshm_instance *in)
{
	struct merger *m = mqshm_instance_state(in);
	size_t inputs = mqshm_instance_inputs(in), ended = 0, i;
	struct mqshm_buffer buf;
	int error = -EAGAIN;

	for (size_t tried = 0; tried < inputs && (error == -EAGAIN || error == -ENODATA); tried++) {
		i = m->next;
		m->next = (i + 1) % inputs;
		error = mqshm_get_input(in, i, MQSHM_NO_WAIT, &buf);
		ended += error == -ENODATA;
	}
	if (ended == inputs)
		return MQSHM_DONE;
	if (error == -EAGAIN || error == -ENODATA)
		return MQSHM_NEED_MORE_INPUT;
	if (!error) {
		error = mqshm_produce_output(in, 0, &buf);
		if (error)
			mqshm_buffer_release(mqshm_instance_client(in), &buf);
	}
	return block_result(in, error);
}

static const struct mqshm_param_spec merger_params[] = {
	{ .key = "inputs", .kind = "integer", .fallback = "2", .min = 1, .max = 31,
	  .help = "how many; it ends when all of them have" },
	{ .key = NULL }
};

static const struct mqshm_block_port merger_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .count = "inputs", .help = "messages" },
	{ .name = "out", .direction = MQSHM_DIR_OUT, .help = "all of them" },
	{ .name = NULL }
};

const struct mqshm_block_ops merger_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_PROCESSING,
	.type = "Merger",
	.summary = "in1, in2, ... -> out, in the order in which it comes",
	.params = merger_params,
	.ports = merger_ports,
	.state_bytes = sizeof(struct merger),
	.work = merger_work,
};
