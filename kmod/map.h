/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_MAP_H
#define MQSHM_MAP_H

struct mqshm_client;
struct vm_area_struct;

int mqshm_map(struct mqshm_client *c, struct vm_area_struct *vma);
void mqshm_map_revoke(struct mqshm_client *c);
void mqshm_map_gone(struct mqshm_client *c);

#endif /* MQSHM_MAP_H */
