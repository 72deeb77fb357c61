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
extern const struct mqshm_block_ops audio_file_source_ops;
extern const struct mqshm_block_ops audio_file_sink_ops;
extern const struct mqshm_block_ops mixer_ops;
extern const struct mqshm_block_ops delay_ops;
extern const struct mqshm_block_ops fir_filter_ops;
extern const struct mqshm_block_ops generator_ops;
extern const struct mqshm_block_ops verify_ops;
extern const struct mqshm_block_ops throttle_ops;
extern const struct mqshm_block_ops exec_ops;
extern const struct mqshm_block_ops null_sink_ops;
extern const struct mqshm_block_ops recorder_ops;
extern const struct mqshm_block_ops player_ops;

/* What work answers when a call of the library gave @error. */
enum mqshm_result block_result(struct mqshm_instance *in, int error);

/* Parameter bytes of a block that fills buffers: most that go into one, or auto. */
int block_bytes(struct mqshm_instance *in, size_t *out);

/* Sleeps until then (CLOCK_MONOTONIC); -ECANCELED when the block shall stop, or an error. */
int block_sleep(struct mqshm_instance *in, uint64_t until_ns);

/* All of them, then NULL. */
extern const struct mqshm_block_ops *const builtin_blocks[];
/* By name of the type; NULL if there is none. */
const struct mqshm_block_ops *builtin_block(const char *type);

#endif /* MQSHM_BLOCKS_H */
