/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_SETTLE_H
#define MQSHM_SETTLE_H

#include <linux/types.h>

struct mqshm_client;

void mqshm_settle(struct mqshm_client *c, u32 how);
void mqshm_settle_recover(struct mqshm_client *c);

#endif /* MQSHM_SETTLE_H */
