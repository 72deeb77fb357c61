/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a block did, counted for its own process and shown to others. */
#ifndef LIB_BLOCK_STATS_H
#define LIB_BLOCK_STATS_H

#include "instance.h"

/* Once the block is registered. */
void mqshm_stats_show(struct mqshm_instance *in);
void mqshm_stats_hide(struct mqshm_instance *in);

/* A call of work took so long. */
void mqshm_stats_work(struct mqshm_instance *in, uint64_t ns);
/* Around what sleeps; @waits: MQSHM_WAITS_*. */
void mqshm_stats_wait_begin(struct mqshm_instance *in, uint32_t waits);
void mqshm_stats_wait_end(struct mqshm_instance *in);

#endif /* LIB_BLOCK_STATS_H */
