/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_HOLDERS_H
#define MQSHM_HOLDERS_H

#include <linux/mqshm.h>

struct mqshm_runtime;

void *mqshm_holders(struct mqshm_runtime *rt, struct mqshm_holders_args *args);

#endif /* MQSHM_HOLDERS_H */
