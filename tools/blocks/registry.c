// SPDX-License-Identifier: GPL-2.0-only
/* The table of built-in block types. */
#include <string.h>

#include "blocks.h"

const struct mqshm_block_ops *const builtin_blocks[] = {
	&file_source_ops,
	&file_sink_ops,
	&amplifier_ops,
	&merger_ops,
	&splitter_ops,
	&router_ops,
	&audio_file_source_ops,
	&audio_file_sink_ops,
	&mixer_ops,
	&delay_ops,
	&fir_filter_ops,
	&generator_ops,
	&verify_ops,
	&throttle_ops,
	&exec_ops,
	&null_sink_ops,
	&recorder_ops,
	&player_ops,
	NULL
};

const struct mqshm_block_ops *builtin_block(const char *type)
{
	for (size_t i = 0; builtin_blocks[i]; i++)
		if (!strcmp(builtin_blocks[i]->type, type))
			return builtin_blocks[i];
	return NULL;
}
