/* SPDX-License-Identifier: GPL-2.0-only */
/* The block types that mqtool brings along. */
#ifndef MQSHM_BLOCKS_H
#define MQSHM_BLOCKS_H

#include <mqshm_block.h>

extern const struct mqshm_block_ops file_source_ops;
extern const struct mqshm_block_ops file_sink_ops;
extern const struct mqshm_block_ops amplifier_ops;
extern const struct mqshm_block_ops merger_ops;
extern const struct mqshm_block_ops splitter_ops;
extern const struct mqshm_block_ops router_ops;

/* What work answers when a call of the library gave @error. */
enum mqshm_result block_result(struct mqshm_instance *in, int error);

/* All of them, then NULL. */
extern const struct mqshm_block_ops *const builtin_blocks[];
/* By name of the type; NULL if there is none. */
const struct mqshm_block_ops *builtin_block(const char *type);

#endif /* MQSHM_BLOCKS_H */
