/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_LEASE_H
#define MQSHM_LEASE_H

#include <linux/types.h>

#include <linux/mqshm.h>

struct mqshm_client;
struct mqshm_wakes;

int mqshm_lease(struct mqshm_client *c, struct mqshm_lease_args *args);
int mqshm_lease_begin(struct mqshm_client *c, unsigned long pools);
int mqshm_lease_any(struct mqshm_client *c, unsigned long pools,
		    struct mqshm_lease_args *args);
void mqshm_lease_end(struct mqshm_client *c, unsigned long pools);
int mqshm_lease_return(struct mqshm_client *c, const u32 *buffers, u32 count,
		       u32 *done, struct mqshm_wakes *wakes);
int mqshm_lease_ref(struct mqshm_client *c, struct mqshm_ref_args *args,
		    struct mqshm_wakes *wakes);

#endif /* MQSHM_LEASE_H */
