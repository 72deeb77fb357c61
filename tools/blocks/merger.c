// SPDX-License-Identifier: GPL-2.0-only
/* Merger: what comes in on any input goes out on one output. */
#include <errno.h>
#include <stdio.h>

#include "blocks.h"

#define INPUTS_MAX 31

/**
 * struct merger - state of a Merger
 * @next: input that is looked at first, so that all have their turn
 */
struct merger {
	size_t next;
};

static int merger_initialize(struct mqshm_instance *in)
{
	char name[MQSHM_PORT_NAME_LEN];
	int64_t inputs;
	int error = mqshm_instance_integer(in, "inputs", 1, INPUTS_MAX, &inputs);

	for (int64_t i = 1; !error && i <= inputs; i++) {
		snprintf(name, sizeof(name), "in%d", (int)i);
		error = mqshm_instance_add_input(in, name, 0);
	}
	return error ? error : mqshm_instance_add_output(in, "out", 0);
}

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
	{ "inputs", "integer", "2", "how many, 1 to 31; it ends when all of them have" },
	{ NULL, NULL, NULL, NULL }
};

const struct mqshm_block_ops merger_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_PROCESSING,
	.type = "Merger",
	.summary = "in1, in2, ... -> out, in the order in which it comes",
	.params = merger_params,
	.state_bytes = sizeof(struct merger),
	.initialize = merger_initialize,
	.work = merger_work,
};
