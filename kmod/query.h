/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_QUERY_H
#define MQSHM_QUERY_H

#include <linux/types.h>

#include <linux/mqshm.h>

struct mqshm_client;
struct mqshm_runtime;

void *mqshm_query(struct mqshm_runtime *rt, struct mqshm_query_args *args);
void mqshm_query_hand(const struct mqshm_client *c, u64 *refs, u64 *buffers);

#endif /* MQSHM_QUERY_H */
