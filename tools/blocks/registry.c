// SPDX-License-Identifier: GPL-2.0-only
/* The table of built-in block types, and what they have in common. */
#include <errno.h>
#include <string.h>

#include "blocks.h"

const struct mqshm_block_ops *const builtin_blocks[] = {
	&file_source_ops,
	&file_sink_ops,
	&amplifier_ops,
	&merger_ops,
	&splitter_ops,
	&router_ops,
	NULL
};

const struct mqshm_block_ops *builtin_block(const char *type)
{
	for (size_t i = 0; builtin_blocks[i]; i++)
		if (!strcmp(builtin_blocks[i]->type, type))
			return builtin_blocks[i];
	return NULL;
}

enum mqshm_result block_result(struct mqshm_instance *in, int error)
{
	/* none now, the graph changed, or a stop: the run loop looks at all of these */
	if (!error || error == -EAGAIN || error == -EINTR || error == -ECANCELED)
		return MQSHM_OK;
	if (error == -ESHUTDOWN)
		mqshm_instance_fail(in, error, "the runtime was removed");
	return MQSHM_ERROR;
}
