/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_MM_H
#define MQSHM_MM_H

#include <linux/types.h>

struct mqshm_client;

int mqshm_mm_bind(struct mqshm_client *c);
void mqshm_mm_unbind(struct mqshm_client *c);
bool mqshm_mm_is_mine(const struct mqshm_client *c);
bool mqshm_mm_process_exiting(const struct mqshm_client *c);
bool mqshm_mm_last_thread(const struct mqshm_client *c);
u64 mqshm_mm_process_start_ns(void);
void mqshm_mm_synchronize(void);

#endif /* MQSHM_MM_H */
