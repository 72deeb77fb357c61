// SPDX-License-Identifier: GPL-2.0-only
/* Splitter: what comes in goes out on every output; the buffers are shared, not copied. */
#include <errno.h>

#include "blocks.h"

/* Consumes @buf in any case. */
static int split(struct mqshm_instance *in, struct mqshm_buffer *buf)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	size_t outputs = mqshm_instance_outputs(in);
	struct mqshm_buffer copy;
	int error = 0;

	for (size_t i = 0; !error && i + 1 < outputs; i++) {
		error = mqshm_buffer_share(c, buf, &copy);
		if (error)
			break;
		error = mqshm_produce_output(in, i, &copy);
		if (error)
			mqshm_buffer_release(c, &copy);
	}
	if (!error)
		error = mqshm_produce_output(in, outputs - 1, buf);
	if (error)
		mqshm_buffer_release(c, buf);
	return error;
}

static enum mqshm_result splitter_work(struct mqshm_instance *in)
{
	struct mqshm_buffer buf;
	int error = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf);

	if (error == -EAGAIN)
		return MQSHM_NEED_MORE_INPUT;
	if (error == -ENODATA)
		return MQSHM_DONE;
	if (!error)
		error = split(in, &buf);
	return block_result(in, error);
}

static const struct mqshm_param_spec splitter_params[] = {
	{ .key = "outputs", .kind = "integer", .fallback = "2", .min = 1, .max = 31,
	  .help = "how many" },
	{ .key = NULL }
};

static const struct mqshm_block_port splitter_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .help = "messages" },
	{ .name = "out", .direction = MQSHM_DIR_OUT, .count = "outputs",
	  .help = "each of them" },
	{ .name = NULL }
};

const struct mqshm_block_ops splitter_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_PROCESSING,
	.type = "Splitter",
	.summary = "in -> out1, out2, ..., each gets everything, without a copy",
	.params = splitter_params,
	.ports = splitter_ports,
	.work = splitter_work,
};
