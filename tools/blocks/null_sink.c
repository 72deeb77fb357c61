// SPDX-License-Identifier: GPL-2.0-only
/* NullSink: takes everything and keeps nothing. */
#include <errno.h>

#include "blocks.h"

static enum mqshm_result null_work(struct mqshm_instance *in)
{
	struct mqshm_buffer buf;
	int error = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf);

	if (error == -EAGAIN)
		return MQSHM_NEED_MORE_INPUT;
	if (error == -ENODATA)
		return MQSHM_DONE;
	if (!error)
		error = mqshm_buffer_release(mqshm_instance_client(in), &buf);
	return block_result(in, error);
}

static const struct mqshm_block_port null_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .help = "messages" },
	{ .name = NULL }
};

const struct mqshm_block_ops null_sink_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_SINK,
	.type = "NullSink",
	.summary = "in -> nothing",
	.ports = null_ports,
	.work = null_work,
};
