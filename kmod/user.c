// SPDX-License-Identifier: GPL-2.0-only
/*
 * Quotas: how many runtimes and how much memory in pools and rings a user may have.
 * Both can be set while the module is loaded; CAP_SYS_RESOURCE is not bound by them.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "user.h"

static unsigned int user_runtimes = 64;
module_param(user_runtimes, uint, 0644);
MODULE_PARM_DESC(user_runtimes, "Runtimes that a user may have (64)");

static unsigned long user_mbytes;
module_param(user_mbytes, ulong, 0644);
MODULE_PARM_DESC(user_mbytes, "MiB of pools and rings that a user may have (0: half of the memory)");

static DEFINE_SPINLOCK(users_lock);
static LIST_HEAD(users);

static struct mqshm_user *user_find_locked(kuid_t uid)
{
	struct mqshm_user *user;

	lockdep_assert_held(&users_lock);
	list_for_each_entry(user, &users, node)
		if (uid_eq(user->uid, uid)) {
			user->refs++;
			return user;
		}
	return NULL;
}

struct mqshm_user *mqshm_user_get_current(void)
{
	struct mqshm_user *user, *fresh;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	fresh->uid = current_fsuid();
	fresh->refs = 1;

	spin_lock(&users_lock);
	user = user_find_locked(fresh->uid);
	if (!user)
		list_add(&fresh->node, &users);
	spin_unlock(&users_lock);

	if (!user)
		return fresh;
	kfree(fresh);
	return user;
}

struct mqshm_user *mqshm_user_get(struct mqshm_user *user)
{
	spin_lock(&users_lock);
	user->refs++;
	spin_unlock(&users_lock);
	return user;
}

void mqshm_user_put(struct mqshm_user *user)
{
	bool last;

	spin_lock(&users_lock);
	last = !--user->refs;
	if (last)
		list_del(&user->node);
	spin_unlock(&users_lock);
	if (last)
		kfree(user);
}

static bool user_add_runtime(struct mqshm_user *user, bool unbound)
{
	bool fits;

	spin_lock(&users_lock);
	fits = unbound || user->runtimes < READ_ONCE(user_runtimes);
	user->runtimes += fits;
	spin_unlock(&users_lock);
	return fits;
}

/* Rights are asked for only where they are needed: asking leaves traces in the audit. */
int mqshm_user_charge_runtime(struct mqshm_user *user)
{
	if (user_add_runtime(user, false) ||
	    (capable(CAP_SYS_RESOURCE) && user_add_runtime(user, true)))
		return 0;
	return -EDQUOT;
}

void mqshm_user_uncharge_runtime(struct mqshm_user *user)
{
	spin_lock(&users_lock);
	user->runtimes--;
	spin_unlock(&users_lock);
}

static u64 user_bytes_max(void)
{
	u64 mbytes = READ_ONCE(user_mbytes);

	return mbytes ? mbytes << 20 : (u64)totalram_pages() << (PAGE_SHIFT - 1);
}

static bool user_add_bytes(struct mqshm_user *user, u64 bytes, bool unbound)
{
	bool fits;

	spin_lock(&users_lock);
	fits = unbound || user->bytes + bytes <= user_bytes_max();
	user->bytes += fits ? bytes : 0;
	spin_unlock(&users_lock);
	return fits;
}

int mqshm_user_charge_bytes(struct mqshm_user *user, u64 bytes)
{
	if (user_add_bytes(user, bytes, false) ||
	    (capable(CAP_SYS_RESOURCE) && user_add_bytes(user, bytes, true)))
		return 0;
	return -EDQUOT;
}

void mqshm_user_uncharge_bytes(struct mqshm_user *user, u64 bytes)
{
	spin_lock(&users_lock);
	user->bytes -= bytes;
	spin_unlock(&users_lock);
}
