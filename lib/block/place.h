/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which processors a thread may run on. */
#ifndef LIB_BLOCK_PLACE_H
#define LIB_BLOCK_PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <mqshm_block.h>

#define PLACE_CPUS	8192	/* what a kernel can be built for */
#define PLACE_WORDS	(PLACE_CPUS / 64)

/* Bits of processors, as the kernel takes them. */
struct cpus {
	uint64_t words[PLACE_WORDS];
};

/*
 * Those of thread @i. False in *@bound: it may run on all. -EINVAL, -ENXIO as
 * mqshm_place_check().
 */
int mqshm_place_cpus(const struct mqshm_place *place, uint32_t i, struct cpus *out, bool *bound);

#endif /* LIB_BLOCK_PLACE_H */
