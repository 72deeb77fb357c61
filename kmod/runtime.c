// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of runtimes: who may make, find and remove one, and when it ends.
 */
#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/user_namespace.h>

#include "client.h"
#include "deadline.h"
#include "notice.h"
#include "persist.h"
#include "pool.h"
#include "region.h"
#include "runtime.h"
#include "settle.h"
#include "user.h"

/* What a runtime may ask for at most; the ABI's own bounds hold as well. */
#define CEILING(name, value, what)				\
	static unsigned int max_##name = (value);		\
	module_param(max_##name, uint, 0644);			\
	MODULE_PARM_DESC(max_##name, what " (" #value ")")

CEILING(clients, 256, "Clients that a runtime may take");
CEILING(blocks, 4096, "Blocks that a runtime may take");
CEILING(ports, 256, "Ports that a block may have");
CEILING(connections, 4096, "Connections that a runtime may take");
CEILING(pools, 32, "Pools that a runtime may take");
CEILING(buffers, 1048576, "Buffers that a runtime may take");

static DEFINE_MUTEX(table_lock);
static LIST_HEAD(table);
static atomic64_t last_id;

/* Numbers of runtimes, clients, blocks and connections: never used again. */
u64 mqshm_next_id(void)
{
	return atomic64_inc_return(&last_id);
}

void mqshm_runtime_table_lock(void)
{
	mutex_lock(&table_lock);
}

void mqshm_runtime_table_unlock(void)
{
	mutex_unlock(&table_lock);
}

struct mqshm_runtime *mqshm_runtime_table_next(struct mqshm_runtime *rt)
{
	struct list_head *next = rt ? rt->node.next : table.next;

	lockdep_assert_held(&table_lock);
	return next == &table ? NULL : list_entry(next, struct mqshm_runtime, node);
}

bool mqshm_name_valid(const char *name, size_t size, char separator)
{
	size_t i, len = strnlen(name, size);

	/* a newline would forge a line of fdinfo, or of a listing */
	for (i = 0; i < len; i++)
		if (iscntrl(name[i]) || (separator && name[i] == separator))
			return false;
	return len && len < size;
}

/* As @access says, capabilities apart. */
static bool access_grants(const struct mqshm_access *access, unsigned int may)
{
	unsigned int mode = access->mode;

	if (uid_eq(current_fsuid(), access->uid))
		mode >>= 6;
	else if (in_group_p(access->gid))
		mode >>= 3;
	return !(may & ~mode & 7);
}

int mqshm_access_check(const struct mqshm_access *access, unsigned int may)
{
	return access_grants(access, may) || capable(CAP_DAC_OVERRIDE) ? 0 : -EACCES;
}

/*
 * Asked of every runtime there is by whoever lists them: that most are not his is no
 * attempt at anything, and nothing for the audit.
 */
bool mqshm_access_shows(const struct mqshm_access *access)
{
	return access_grants(access, MQSHM_MAY_LIST) ||
	       ns_capable_noaudit(&init_user_ns, CAP_DAC_OVERRIDE);
}

void mqshm_runtime_changed(struct mqshm_runtime *rt)
{
	atomic64_inc(&rt->changes);
	wake_up_all(&rt->wq);
}

static void runtime_free_rcu(struct rcu_head *rcu)
{
	struct mqshm_runtime *rt = container_of(rcu, struct mqshm_runtime, rcu);

	mqshm_region_put(rt->status);
	kvfree(rt->clients);
	kvfree(rt->rings);
	kvfree(rt);
}

static void runtime_release(struct kref *ref)
{
	struct mqshm_runtime *rt = container_of(ref, struct mqshm_runtime, ref);
	unsigned int i;

	for (i = 0; i < rt->n_pools; i++)
		mqshm_pool_free(rt->pools[i]);
	for (i = 0; i < MQSHM_DEPARTED; i++)
		put_pid(rt->departed[i].pid);
	if (rt->charged)
		mqshm_user_uncharge_runtime(rt->user);
	mqshm_user_put(rt->user);
	call_rcu(&rt->rcu, runtime_free_rcu);
	module_put(THIS_MODULE);
}

void mqshm_runtime_put(struct mqshm_runtime *rt)
{
	kref_put(&rt->ref, runtime_release);
}

/* 0 stands for the default, or for the ceiling if that is lower. */
static int limit_check(u32 *limit, u32 fallback, u32 ceiling, u32 bound)
{
	ceiling = min(ceiling, bound);
	if (!*limit)
		*limit = min(fallback, ceiling);
	return *limit > ceiling ? -EINVAL : 0;
}

static int limits_check(struct mqshm_limits *l)
{
	return limit_check(&l->clients, 128, READ_ONCE(max_clients), MQSHM_CLIENTS_MAX) ?:
	       limit_check(&l->blocks, 256, READ_ONCE(max_blocks), 65536) ?:
	       limit_check(&l->ports, 32, READ_ONCE(max_ports), 256) ?:
	       limit_check(&l->connections, 512, READ_ONCE(max_connections),
			   MQSHM_RINGS_MAX) ?:
	       limit_check(&l->pools, 16, READ_ONCE(max_pools), MQSHM_POOLS_MAX) ?:
	       limit_check(&l->buffers, 65536, READ_ONCE(max_buffers), MQSHM_BUFFERS_MAX);
}

static int gid_check(u32 gid, kgid_t *out)
{
	if (gid == MQSHM_GID_SELF) {
		*out = current_fsgid();
		return 0;
	}
	*out = make_kgid(current_user_ns(), gid);
	if (!gid_valid(*out))
		return -EINVAL;
	if (!in_group_p(*out) && !capable(CAP_CHOWN))
		return -EPERM;
	return 0;
}

static struct mqshm_runtime *runtime_new(const struct mqshm_runtime_create_args *args,
					 kgid_t gid)
{
	struct mqshm_status *status;
	struct mqshm_runtime *rt;
	int ret = -ENOMEM;

	rt = kvzalloc(sizeof(*rt), GFP_KERNEL_ACCOUNT);
	if (!rt)
		return ERR_PTR(-ENOMEM);
	kref_init(&rt->ref);
	mutex_init(&rt->lock);
	INIT_LIST_HEAD(&rt->blocks);
	INIT_LIST_HEAD(&rt->conns);
	init_waitqueue_head(&rt->wq);
	mqshm_bus_init(&rt->bus);
	mqshm_persist_init(rt);
	rt->id = mqshm_next_id();
	strscpy(rt->name, args->name, sizeof(rt->name));
	rt->access.uid = current_fsuid();
	rt->access.gid = gid;
	rt->access.mode = args->mode;
	rt->persistent = args->flags & MQSHM_RUNTIME_F_PERSISTENT;
	rt->limits = args->limits;
	rt->created_ns = ktime_get_ns();
	rt->users = 1;
	rt->next_port = 1;

	rt->clients = kvcalloc(rt->limits.clients, sizeof(*rt->clients), GFP_KERNEL_ACCOUNT);
	rt->rings = kvcalloc(rt->limits.connections, sizeof(*rt->rings), GFP_KERNEL_ACCOUNT);
	if (!rt->clients || !rt->rings)
		goto err_free;
	rt->status = mqshm_region_new(MQSHM_STATUS_RING(rt->limits.connections), true);
	if (IS_ERR(rt->status)) {
		ret = PTR_ERR(rt->status);
		goto err_free;
	}
	ret = mqshm_region_populate(rt->status, 0);
	if (ret)
		goto err_put_status;
	status = mqshm_region_at(rt->status, 0);
	status->magic = MQSHM_MAGIC;
	status->version = MQSHM_ABI_VERSION;

	rt->user = mqshm_user_get_current();
	if (IS_ERR(rt->user)) {
		ret = PTR_ERR(rt->user);
		goto err_put_status;
	}
	__module_get(THIS_MODULE);
	return rt;

err_put_status:
	mqshm_region_put(rt->status);
err_free:
	kvfree(rt->rings);
	kvfree(rt->clients);
	kvfree(rt);
	return ERR_PTR(ret);
}

static struct mqshm_runtime *table_find_locked(kuid_t uid, const char *name)
{
	struct mqshm_runtime *rt;

	lockdep_assert_held(&table_lock);
	list_for_each_entry(rt, &table, node)
		if (uid_eq(rt->access.uid, uid) && !strcmp(rt->name, name))
			return rt;
	return NULL;
}

/* Becomes a holder of a runtime that exists already. */
static struct mqshm_runtime *runtime_hold_locked(struct mqshm_runtime *rt, u32 flags)
{
	int ret = -EEXIST;

	if (!(flags & MQSHM_RUNTIME_F_OR_OPEN))
		return ERR_PTR(ret);
	ret = mqshm_runtime_permission(rt, MQSHM_MAY_LIST);
	if (ret)
		return ERR_PTR(ret);
	mutex_lock(&rt->lock);
	rt->users++;
	mutex_unlock(&rt->lock);
	return mqshm_runtime_get(rt);
}

/* The caller holds the runtime (see mqshm_runtime_leave()) and has a reference. */
struct mqshm_runtime *mqshm_runtime_create(struct mqshm_runtime_create_args *args)
{
	struct mqshm_runtime *fresh, *rt;
	kgid_t gid;
	int ret;

	if (!mqshm_name_valid(args->name, sizeof(args->name), '/') ||
	    args->mode & ~0777 || args->reserved)
		return ERR_PTR(-EINVAL);
	ret = limits_check(&args->limits) ?: gid_check(args->gid, &gid);
	if (ret)
		return ERR_PTR(ret);

	fresh = runtime_new(args, gid);
	if (IS_ERR(fresh))
		return fresh;

	mutex_lock(&table_lock);
	rt = table_find_locked(fresh->access.uid, fresh->name);
	if (rt) {
		rt = runtime_hold_locked(rt, args->flags);
	} else {
		ret = mqshm_user_charge_runtime(fresh->user);
		rt = ret ? ERR_PTR(ret) : fresh;
	}
	if (rt == fresh) {
		fresh->charged = true;
		list_add_tail(&mqshm_runtime_get(fresh)->node, &table);
		mutex_lock(&fresh->lock);
		mqshm_notice_runtime(fresh, MQSHM_CHANGE_CAME);
		mutex_unlock(&fresh->lock);
	}
	mutex_unlock(&table_lock);

	if (!IS_ERR(rt)) {
		args->out_id = rt->id;
		args->out_created = rt == fresh;
	}
	if (rt == fresh)
		mqshm_notice_wake_table();
	else
		mqshm_runtime_put(fresh);
	return rt;
}

struct mqshm_runtime *mqshm_runtime_open(const struct mqshm_runtime_open_args *args)
{
	struct mqshm_runtime *rt;
	kuid_t uid = current_fsuid();
	int ret;

	if (!mqshm_name_valid(args->name, sizeof(args->name), '/') || args->reserved)
		return ERR_PTR(-EINVAL);
	if (args->uid != MQSHM_UID_SELF)
		uid = make_kuid(current_user_ns(), args->uid);
	if (!uid_valid(uid))
		return ERR_PTR(-EINVAL);

	mutex_lock(&table_lock);
	rt = table_find_locked(uid, args->name);
	if (rt) {
		ret = mqshm_runtime_permission(rt, MQSHM_MAY_LIST);
		rt = ret ? ERR_PTR(ret) : mqshm_runtime_get(rt);
	} else {
		rt = ERR_PTR(-ENOENT);
	}
	mutex_unlock(&table_lock);
	return rt;
}

/*
 * Takes the runtime out of the table, unless *@busy (if given, a counter under its
 * lock) is not 0. After this nobody finds or joins it.
 */
static int runtime_unlink(struct mqshm_runtime *rt, const unsigned int *busy)
{
	int ret = 0;

	mutex_lock(&table_lock);
	mutex_lock(&rt->lock);
	if (rt->removed) {
		ret = -ESHUTDOWN;
	} else if (busy && *busy) {
		ret = -EBUSY;
	} else {
		/* after the last client has joined: pairs with log_ended() */
		smp_store_release(&rt->removed, true);
		list_del(&rt->node);
		mqshm_notice_runtime(rt, MQSHM_CHANGE_WENT);
	}
	mutex_unlock(&rt->lock);
	mutex_unlock(&table_lock);
	if (ret)
		return ret;

	mqshm_persist_end(rt);
	mqshm_notice_wake_table();
	mqshm_bus_end(&rt->bus);
	mqshm_runtime_changed(rt);
	mqshm_runtime_put(rt);
	return 0;
}

/* A client or a creating descriptor goes. The caller still has a reference. */
void mqshm_runtime_leave(struct mqshm_runtime *rt)
{
	bool last;

	mutex_lock(&rt->lock);
	last = !--rt->users;
	mutex_unlock(&rt->lock);
	if (last && !rt->persistent)
		runtime_unlink(rt, &rt->users);
}

/* The client at @index, with a reference, or NULL. */
static struct mqshm_client *runtime_client_get(struct mqshm_runtime *rt,
					       unsigned int index)
{
	struct mqshm_client *c;

	mutex_lock(&rt->lock);
	c = rcu_dereference_protected(rt->clients[index], lockdep_is_held(&rt->lock));
	if (c)
		mqshm_client_get(c);
	mutex_unlock(&rt->lock);
	return c;
}

int mqshm_runtime_remove(struct mqshm_runtime *rt,
			 struct mqshm_runtime_remove_args *args)
{
	bool force = args->flags & MQSHM_REMOVE_F_FORCE;
	struct mqshm_client *c;
	unsigned int i;
	int ret;

	if (args->reserved)
		return -EINVAL;
	if (!uid_eq(current_fsuid(), rt->access.uid) && !capable(CAP_SYS_ADMIN))
		return -EPERM;

	args->out_clients = READ_ONCE(rt->n_clients);
	ret = runtime_unlink(rt, force ? NULL : &rt->n_clients);
	if (ret)
		return ret;

	/* Whoever joined before the unlink is in the table of clients by now. */
	for (i = 0; i < rt->limits.clients; i++) {
		c = runtime_client_get(rt, i);
		if (!c)
			continue;
		/*
		 * Its pages stay mapped: the counts of this runtime are nobody's
		 * concern any more, and a client that runs shall find ESHUTDOWN
		 * by its gen word and end in order, not die of SIGBUS.
		 */
		mqshm_settle(c, MQSHM_DEPARTED_FORCED);
		mqshm_client_wake(c);
		mqshm_client_put(c);
	}
	return 0;
}

int mqshm_runtime_wait(struct mqshm_runtime *rt,
		       struct mqshm_runtime_wait_args *args)
{
	ktime_t left;
	int ret;

	ret = mqshm_deadline_left(args->deadline_ns, &left);
	if (!ret)
		ret = wait_event_interruptible_hrtimeout(rt->wq,
				(u64)atomic64_read(&rt->changes) != args->changes ||
				READ_ONCE(rt->removed), left);
	else if ((u64)atomic64_read(&rt->changes) != args->changes)
		ret = 0;
	if (READ_ONCE(rt->removed))
		return -ESHUTDOWN;
	if (ret)
		return ret == -ETIME || ret == -ETIMEDOUT ? -ETIMEDOUT : -EINTR;
	args->out_changes = atomic64_read(&rt->changes);
	return 0;
}
