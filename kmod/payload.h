/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_PAYLOAD_H
#define MQSHM_PAYLOAD_H

#include <linux/types.h>

struct mqshm_payload;
struct mqshm_user;
struct vm_area_struct;

struct mqshm_payload *mqshm_payload_new(struct mqshm_user *user, u64 bytes, u32 flags,
					int node);
void mqshm_payload_put(struct mqshm_payload *payload);
u64 mqshm_payload_bytes(const struct mqshm_payload *payload);
u64 mqshm_payload_huge_bytes(const struct mqshm_payload *payload);
int mqshm_payload_mmap(struct mqshm_payload *payload, struct vm_area_struct *vma,
		       unsigned long first_page, bool writable);

#endif /* MQSHM_PAYLOAD_H */
