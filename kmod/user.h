/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_USER_H
#define MQSHM_USER_H

#include <linux/list.h>
#include <linux/types.h>
#include <linux/uidgid.h>

/**
 * struct mqshm_user - what one user has of this module
 * @node: in the list of users, protected by the users' lock
 * @uid: constant
 * @refs: number of references, protected by the users' lock
 * @runtimes: runtimes that are not freed, protected by the users' lock
 * @bytes: pools, and rings of the user's runtimes, as long as anybody maps them;
 *	protected by the users' lock
 */
struct mqshm_user {
	struct list_head node;
	kuid_t uid;
	unsigned int refs;
	unsigned int runtimes;
	u64 bytes;
};

struct mqshm_user *mqshm_user_get_current(void);
struct mqshm_user *mqshm_user_get(struct mqshm_user *user);
void mqshm_user_put(struct mqshm_user *user);
int mqshm_user_charge_runtime(struct mqshm_user *user);
void mqshm_user_uncharge_runtime(struct mqshm_user *user);
int mqshm_user_charge_bytes(struct mqshm_user *user, u64 bytes);
void mqshm_user_uncharge_bytes(struct mqshm_user *user, u64 bytes);

#endif /* MQSHM_USER_H */
