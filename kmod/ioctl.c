// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands: one table, one dispatcher that copies in, checks what is common to
 * all, and copies out. Handlers see copies that nobody else writes; those that are
 * marked ENTERS run in between mqshm_client_enter() and mqshm_client_exit(), the
 * others of clients see to that themselves.
 */
#include <linux/compat.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "abi.h"
#include "args.h"
#include "block.h"
#include "bus.h"
#include "client.h"
#include "conn.h"
#include "file.h"
#include "holders.h"
#include "lease.h"
#include "mm.h"
#include "notice.h"
#include "pool.h"
#include "query.h"
#include "ring.h"
#include "runtime.h"
#include "settle.h"
#include "wait.h"
#include "wake.h"

union mqshm_args {
	u32 words[2];	/* size, and flags of most */
	struct mqshm_info_args info;
	struct mqshm_runtime_create_args create;
	struct mqshm_runtime_open_args open;
	struct mqshm_runtime_remove_args remove;
	struct mqshm_runtime_wait_args runtime_wait;
	struct mqshm_query_args query;
	struct mqshm_holders_args holders;
	struct mqshm_monitor_args monitor;
	struct mqshm_pool_create_args pool;
	struct mqshm_connect_args connect;
	struct mqshm_id_args id;
	struct mqshm_client_join_args join;
	struct mqshm_client_sync_args sync;
	struct mqshm_block_create_args block;
	struct mqshm_port_eventfd_args eventfd;
	struct mqshm_lease_args lease;
	struct mqshm_return_args give;
	struct mqshm_ref_args ref;
	struct mqshm_kick_args kick;
	struct mqshm_wait_args wait;
	struct mqshm_bus_open_args bus_open;
	struct mqshm_bus_subscribe_args bus_subscribe;
	struct mqshm_bus_publish_args bus_publish;
};

static int ioc_info(struct mqshm_file *mf, union mqshm_args *args)
{
	args->info.out_version = MQSHM_ABI_VERSION;
	args->info.out_magic = MQSHM_MAGIC;
	args->info.out_features = MQSHM_FEATURE_NATIVE | MQSHM_FEATURE_DIRECT_IO |
				  MQSHM_FEATURE_MONITOR | MQSHM_FEATURE_BUS |
				  MQSHM_FEATURE_HOLDERS | MQSHM_FEATURE_PERSISTENT |
				  MQSHM_FEATURE_NODE |
				  (has_transparent_hugepage() ? MQSHM_FEATURE_HUGE : 0);
	return 0;
}

static int file_bind(struct mqshm_file *mf, struct mqshm_runtime *rt, bool holder)
{
	if (IS_ERR(rt))
		return PTR_ERR(rt);
	mf->holder = holder;
	mf->seen_changes = atomic64_read(&rt->changes);
	/* pairs with the loads of those who do not take the lock */
	smp_store_release(&mf->rt, rt);
	return 0;
}

static int ioc_runtime_create(struct mqshm_file *mf, union mqshm_args *args)
{
	int ret = -EBADFD;

	mutex_lock(&mf->lock);
	if (!mf->rt && !mf->notices)
		ret = file_bind(mf, mqshm_runtime_create(&args->create), true);
	mutex_unlock(&mf->lock);
	return ret;
}

static int ioc_runtime_open(struct mqshm_file *mf, union mqshm_args *args)
{
	int ret = -EBADFD;

	mutex_lock(&mf->lock);
	if (!mf->rt && !mf->notices)
		ret = file_bind(mf, mqshm_runtime_open(&args->open), false);
	if (!ret)
		args->open.out_id = mf->rt->id;
	mutex_unlock(&mf->lock);
	return ret;
}

static int ioc_runtime_remove(struct mqshm_file *mf, union mqshm_args *args)
{
	return mqshm_runtime_remove(mf->rt, &args->remove);
}

static int ioc_runtime_wait(struct mqshm_file *mf, union mqshm_args *args)
{
	int ret = mqshm_runtime_wait(mf->rt, &args->runtime_wait);

	if (!ret)
		WRITE_ONCE(mf->seen_changes, args->runtime_wait.out_changes);
	return ret;
}

static int ioc_query(struct mqshm_file *mf, union mqshm_args *args)
{
	struct mqshm_query_args *query = &args->query;
	struct mqshm_runtime *rt = smp_load_acquire(&mf->rt);
	void *data;
	int ret = 0;

	/* also of one that is removed: somebody may ask what became of it */
	if (query->what == MQSHM_QUERY_RUNTIME && !rt)
		return -EBADFD;
	data = mqshm_query(rt, query);
	if (IS_ERR(data))
		return PTR_ERR(data);
	if (copy_to_user(u64_to_user_ptr(query->buffer), data, query->out_bytes))
		ret = -EFAULT;
	else if (query->what == MQSHM_QUERY_RUNTIME)
		WRITE_ONCE(mf->seen_changes, query->out_changes);
	kvfree(data);
	return ret;
}

static int ioc_holders(struct mqshm_file *mf, union mqshm_args *args)
{
	struct mqshm_runtime *rt = smp_load_acquire(&mf->rt);
	void *data;
	int ret = 0;

	/* also of one that is removed: clients may still hold what was its */
	if (!rt)
		return -EBADFD;
	data = mqshm_holders(rt, &args->holders);
	if (IS_ERR(data))
		return PTR_ERR(data);
	if (copy_to_user(u64_to_user_ptr(args->holders.buffer), data, args->holders.out_bytes))
		ret = -EFAULT;
	kvfree(data);
	return ret;
}

static int ioc_monitor(struct mqshm_file *mf, union mqshm_args *args)
{
	int ret = -EBADFD;

	if (args->monitor.reserved)
		return -EINVAL;
	args->monitor.out_depth = MQSHM_NOTICES;
	mutex_lock(&mf->lock);
	if (!mf->client && !mf->notices && !mf->subscriber)
		ret = mqshm_notice_watch(mf);
	mutex_unlock(&mf->lock);
	return ret;
}

static int ioc_bus_open(struct mqshm_file *mf, union mqshm_args *args)
{
	int ret = -EBADFD;

	args->bus_open.out_reserved = 0;
	mutex_lock(&mf->lock);
	if (!mf->client && !mf->notices && !mf->subscriber)
		ret = mqshm_bus_open(mf, &args->bus_open);
	mutex_unlock(&mf->lock);
	return ret;
}

static int ioc_bus_subscribe(struct mqshm_file *mf, union mqshm_args *args)
{
	/* pairs with mqshm_bus_open() */
	struct mqshm_subscriber *sub = smp_load_acquire(&mf->subscriber);

	return sub ? mqshm_bus_subscribe(sub, &args->bus_subscribe) : -EBADFD;
}

static int ioc_bus_publish(struct mqshm_file *mf, union mqshm_args *args)
{
	args->bus_publish.out_reserved = 0;
	return mqshm_bus_publish(mf, &args->bus_publish);
}

static int ioc_pool_create(struct mqshm_file *mf, union mqshm_args *args)
{
	return mqshm_pool_create(mf->rt, &args->pool);
}

static int ioc_connect(struct mqshm_file *mf, union mqshm_args *args)
{
	return mqshm_conn_connect(mf->rt, &args->connect);
}

static int ioc_disconnect(struct mqshm_file *mf, union mqshm_args *args)
{
	return mqshm_conn_disconnect(mf->rt, args->id.id);
}

static int ioc_block_stop(struct mqshm_file *mf, union mqshm_args *args)
{
	return mqshm_block_stop(mf->rt, smp_load_acquire(&mf->client), args->id.id);
}

static int ioc_client_join(struct mqshm_file *mf, union mqshm_args *args)
{
	struct mqshm_client *c;
	int ret = -EBADFD;

	if (in_compat_syscall())
		return -EOPNOTSUPP; /* it would tear the intent */
	mutex_lock(&mf->lock);
	if (mf->client || mf->notices || mf->subscriber)
		goto out;
	c = mqshm_client_join(mf->rt, &mf->mapping, &args->join);
	ret = PTR_ERR_OR_ZERO(c);
	if (!ret)
		/* pairs with the loads of those who do not take the lock */
		smp_store_release(&mf->client, c);
out:
	mutex_unlock(&mf->lock);
	return ret;
}

static int ioc_client_detach(struct mqshm_file *mf, union mqshm_args *args)
{
	if (args->id.id)
		return -EINVAL;
	if (!mqshm_mm_is_mine(mf->client))
		return -EPERM;
	if (READ_ONCE(mf->client->dead))
		return -ESHUTDOWN;
	mqshm_client_shut(mf->client, MQSHM_DEPARTED_DETACH);
	return 0;
}

static int ioc_block_create(struct mqshm_file *mf, union mqshm_args *args)
{
	struct mqshm_port_desc __user *user = u64_to_user_ptr(args->block.port_array);
	struct mqshm_port_desc *descs;
	size_t bytes;
	int ret;

	if (args->block.ports > mf->rt->limits.ports)
		return -ENOSPC;
	bytes = args->block.ports * sizeof(*descs);
	descs = memdup_user(user, bytes);
	if (IS_ERR(descs))
		return PTR_ERR(descs);
	ret = mqshm_block_create(mf->client, &args->block, descs);
	if (!ret && copy_to_user(user, descs, bytes)) {
		mqshm_block_remove(mf->client, args->block.out_id, false);
		ret = -EFAULT;
	}
	kfree(descs);
	return ret;
}

static int ioc_block_remove(struct mqshm_file *mf, union mqshm_args *args)
{
	return mqshm_block_remove(mf->client, args->id.id,
				  args->id.flags & MQSHM_BLOCK_REMOVE_F_FAILED);
}

static int ioc_port_eventfd(struct mqshm_file *mf, union mqshm_args *args)
{
	return mqshm_port_set_eventfd(mf->client, args->eventfd.port,
				      args->eventfd.eventfd);
}

static int ioc_lease(struct mqshm_file *mf, union mqshm_args *args)
{
	return mqshm_lease(mf->client, &args->lease);
}

/* An array of the caller's, or NULL if it is empty. */
static void *array_copy(u64 address, u32 count, u32 max, size_t element)
{
	if (count > max)
		return ERR_PTR(-EINVAL);
	return count ? memdup_user(u64_to_user_ptr(address), count * element) : NULL;
}

static int ioc_wait(struct mqshm_file *mf, union mqshm_args *args)
{
	struct mqshm_wait_args *wait = &args->wait;
	struct mqshm_wait_port *list;
	struct pollfd *fds;
	int ret;

	if (wait->reserved)
		return -EINVAL;
	list = array_copy(wait->list, wait->list_count, MQSHM_WAIT_PORTS_MAX, sizeof(*list));
	if (IS_ERR(list))
		return PTR_ERR(list);
	fds = array_copy(wait->fds, wait->fds_count, MQSHM_WAIT_FDS_MAX, sizeof(*fds));
	ret = IS_ERR(fds) ? PTR_ERR(fds) : mqshm_wait(mf->client, wait, list, fds);
	if (!IS_ERR(fds))
		kfree(fds);
	kfree(list);
	return ret;
}

/* The following are done in one go under the client's lock; wakes come after. */

static int ioc_client_sync(struct mqshm_file *mf, union mqshm_args *args,
			   struct mqshm_wakes *wakes)
{
	mqshm_conn_sync(mf->client, &args->sync);
	return 0;
}

static int ioc_client_wake(struct mqshm_file *mf, union mqshm_args *args,
			   struct mqshm_wakes *wakes)
{
	if (args->id.id)
		return -EINVAL;
	mutex_lock(&mf->client->rt->lock);
	mqshm_client_notify(mf->client, wakes);
	mutex_unlock(&mf->client->rt->lock);
	return 0;
}

static int ioc_client_recover(struct mqshm_file *mf, union mqshm_args *args,
			      struct mqshm_wakes *wakes)
{
	if (args->id.id)
		return -EINVAL;
	mqshm_settle_recover(mf->client);
	return 0;
}

static int ioc_port_arm(struct mqshm_file *mf, union mqshm_args *args,
			struct mqshm_wakes *wakes)
{
	return args->id.id > U32_MAX ? -ENOENT :
	       mqshm_wait_arm_port(mf->client, args->id.id);
}

static int ioc_port_end(struct mqshm_file *mf, union mqshm_args *args,
			struct mqshm_wakes *wakes)
{
	return args->id.id > U32_MAX ? -ENOENT :
	       mqshm_port_end(mf->client, args->id.id, wakes);
}

static int ioc_ring_detach(struct mqshm_file *mf, union mqshm_args *args,
			   struct mqshm_wakes *wakes)
{
	return mqshm_conn_detach(mf->client, args->id.id, wakes);
}

static int ioc_return(struct mqshm_file *mf, union mqshm_args *args,
		      struct mqshm_wakes *wakes)
{
	return mqshm_lease_return(mf->client, args->give.buffers, args->give.count,
				  &args->give.out_done, wakes);
}

static int ioc_ref(struct mqshm_file *mf, union mqshm_args *args,
		   struct mqshm_wakes *wakes)
{
	return mqshm_lease_ref(mf->client, &args->ref, wakes);
}

static int ioc_kick(struct mqshm_file *mf, union mqshm_args *args,
		    struct mqshm_wakes *wakes)
{
	u32 i;

	if (args->kick.reserved)
		return -EINVAL;
	for (i = 0; i < args->kick.count; i++)
		mqshm_ring_kick(mf->client, args->kick.rings[i], wakes);
	return 0;
}

#define NEEDS_RUNTIME	(1U << 0)	/* a bound descriptor of one that is not removed */
#define NEEDS_CLIENT	(1U << 1)	/* a joined descriptor */
#define ENTERS		(1U << 2)	/* called under the client's lock */
#define NO_FLAGS	(1U << 3)	/* the second word is not flags */

/**
 * struct mqshm_command - one command
 * @needs: what the descriptor must be, and how it is called
 * @flags: flags that it knows
 * @min_size: smallest struct
 * @size: struct that this kernel knows
 * @arrays: those in it
 * @fn: its function
 * @locked_fn: the same for ENTERS
 */
struct mqshm_command {
	u32 needs;
	u32 flags;
	u32 min_size;
	u32 size;
	struct mqshm_array arrays[MQSHM_ARRAYS_MAX];
	int (*fn)(struct mqshm_file *mf, union mqshm_args *args);
	int (*locked_fn)(struct mqshm_file *mf, union mqshm_args *args,
			 struct mqshm_wakes *wakes);
};

#define ARRAY(args, array, ...) {						\
	.at = offsetof(struct mqshm_##args##_args, array),			\
	.max = sizeof_field(struct mqshm_##args##_args, array) /		\
	       sizeof_field(struct mqshm_##args##_args, array[0]),		\
	.element = sizeof_field(struct mqshm_##args##_args, array[0]),		\
	__VA_ARGS__								\
}
#define IN(args, count)		.in = offsetof(struct mqshm_##args##_args, count)
#define OUT(args, count)	.out = offsetof(struct mqshm_##args##_args, count)

#define COMMAND(nr, what, args, handler, ...)			\
	[_IOC_NR(MQSHM_IOC_##nr)] = {				\
		.needs = (what), .fn = handler,			\
		.size = sizeof(struct mqshm_##args##_args),	\
		.min_size = sizeof(struct mqshm_##args##_args),	\
		__VA_ARGS__					\
	}

/* One that had no more than up to @last when it was introduced. */
#define GROWN(nr, what, args, handler, last, ...)		\
	[_IOC_NR(MQSHM_IOC_##nr)] = {				\
		.needs = (what), .fn = handler,			\
		.size = sizeof(struct mqshm_##args##_args),	\
		.min_size = offsetofend(struct mqshm_##args##_args, last), \
		__VA_ARGS__					\
	}

#define LOCKED(nr, args, handler)				\
	[_IOC_NR(MQSHM_IOC_##nr)] = {				\
		.needs = NEEDS_CLIENT | ENTERS,			\
		.locked_fn = handler,				\
		.size = sizeof(struct mqshm_##args##_args),	\
		.min_size = sizeof(struct mqshm_##args##_args),	\
	}

/* With an array at the end, which may be shorter. */
#define BATCH(nr, args, handler, array)					\
	[_IOC_NR(MQSHM_IOC_##nr)] = {					\
		.needs = NEEDS_CLIENT | ENTERS,				\
		.locked_fn = handler,					\
		.size = sizeof(struct mqshm_##args##_args),		\
		.min_size = offsetof(struct mqshm_##args##_args, array),	\
		.arrays = { ARRAY(args, array, IN(args, count)) },		\
	}

static const struct mqshm_command commands[] = {
	COMMAND(INFO, NO_FLAGS, info, ioc_info),
	COMMAND(RUNTIME_CREATE, 0, runtime_create, ioc_runtime_create,
		.flags = MQSHM_RUNTIME_F_PERSISTENT | MQSHM_RUNTIME_F_OR_OPEN),
	COMMAND(RUNTIME_OPEN, 0, runtime_open, ioc_runtime_open),
	COMMAND(RUNTIME_REMOVE, NEEDS_RUNTIME, runtime_remove, ioc_runtime_remove,
		.flags = MQSHM_REMOVE_F_FORCE),
	COMMAND(RUNTIME_WAIT, NEEDS_RUNTIME, runtime_wait, ioc_runtime_wait),
	COMMAND(QUERY, NO_FLAGS, query, ioc_query),
	COMMAND(MONITOR, 0, monitor, ioc_monitor),
	COMMAND(HOLDERS, 0, holders, ioc_holders),
	GROWN(POOL_CREATE, NEEDS_RUNTIME, pool_create, ioc_pool_create, out_first,
	      .flags = MQSHM_POOL_F_HUGE | MQSHM_POOL_F_NODE),
	COMMAND(CLIENT_JOIN, NEEDS_RUNTIME, client_join, ioc_client_join,
		.flags = MQSHM_JOIN_F_READ_ONLY | MQSHM_JOIN_F_DIRECT_IO),
	COMMAND(CLIENT_DETACH, NEEDS_CLIENT, id, ioc_client_detach),
	GROWN(BLOCK_CREATE, NEEDS_CLIENT, block_create, ioc_block_create, out_id,
	      .flags = MQSHM_BLOCK_F_PERSISTENT),
	COMMAND(BLOCK_REMOVE, NEEDS_CLIENT, id, ioc_block_remove,
		.flags = MQSHM_BLOCK_REMOVE_F_FAILED),
	COMMAND(BLOCK_STOP, NEEDS_RUNTIME, id, ioc_block_stop),
	COMMAND(PORT_EVENTFD, NEEDS_CLIENT, port_eventfd, ioc_port_eventfd),
	GROWN(CONNECT, NEEDS_RUNTIME, connect, ioc_connect, policy,
	      .flags = MQSHM_CONNECT_F_PERSISTENT | MQSHM_CONNECT_F_KEEP |
		       MQSHM_CONNECT_F_TRANSIENT | MQSHM_CONNECT_F_TAP),
	COMMAND(DISCONNECT, NEEDS_RUNTIME, id, ioc_disconnect),
	COMMAND(LEASE, NEEDS_CLIENT, lease, ioc_lease, .flags = MQSHM_LEASE_F_WAIT,
		.arrays = { ARRAY(lease, buffers, OUT(lease, out_count)) }),
	GROWN(WAIT, NEEDS_CLIENT, wait, ioc_wait, buffers,
	      .arrays = { ARRAY(wait, port_array, IN(wait, ports)),
			  ARRAY(wait, buffers, IN(wait, count), OUT(wait, out_leased)) }),
	COMMAND(BUS_OPEN, NEEDS_RUNTIME, bus_open, ioc_bus_open),
	COMMAND(BUS_SUBSCRIBE, NEEDS_RUNTIME, bus_subscribe, ioc_bus_subscribe),
	COMMAND(BUS_PUBLISH, NEEDS_RUNTIME, bus_publish, ioc_bus_publish),
	LOCKED(CLIENT_SYNC, client_sync, ioc_client_sync),
	LOCKED(CLIENT_RECOVER, id, ioc_client_recover),
	LOCKED(CLIENT_WAKE, id, ioc_client_wake),
	LOCKED(PORT_END, id, ioc_port_end),
	LOCKED(PORT_ARM, id, ioc_port_arm),
	LOCKED(RING_DETACH, id, ioc_ring_detach),
	BATCH(RETURN, return, ioc_return, buffers),
	BATCH(REF, ref, ioc_ref, refs),
	BATCH(KICK, kick, ioc_kick, rings),
};

static int command_run_locked(const struct mqshm_command *command,
			      struct mqshm_file *mf, union mqshm_args *args)
{
	struct mqshm_client *c = mf->client;
	struct mqshm_wakes wakes;
	int ret;

	mqshm_wakes_init(&wakes);
	ret = mqshm_client_enter(c);
	if (ret)
		return ret;
	ret = command->locked_fn(mf, args, &wakes);
	mqshm_client_exit(c);
	mqshm_wakes_fire(c->rt, &wakes);
	return ret;
}

static int command_run(const struct mqshm_command *command, struct mqshm_file *mf,
		       union mqshm_args *args)
{
	struct mqshm_client *c = smp_load_acquire(&mf->client);
	struct mqshm_runtime *rt = smp_load_acquire(&mf->rt);

	if (command->needs & (NEEDS_RUNTIME | NEEDS_CLIENT) && !rt)
		return -EBADFD;
	if (command->needs & NEEDS_RUNTIME && READ_ONCE(rt->removed))
		return -ESHUTDOWN;
	if (command->needs & NEEDS_CLIENT) {
		if (!c)
			return -EBADFD;
		if (!mqshm_mm_is_mine(c))
			return -EPERM;
		if (READ_ONCE(c->dead))
			return -ESHUTDOWN;
		atomic64_inc(&c->ioctls);
	}
	return command->needs & ENTERS ? command_run_locked(command, mf, args) :
					 command->fn(mf, args);
}

long mqshm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	unsigned int nr = array_index_nospec(_IOC_NR(cmd), ARRAY_SIZE(commands));
	const struct mqshm_command *command = &commands[nr];
	void __user *user = (void __user *)arg;
	union mqshm_args args;
	u32 size;
	int ret;

	if (_IOC_TYPE(cmd) != MQSHM_IOC_TYPE || _IOC_NR(cmd) != nr ||
	    cmd != _IO(MQSHM_IOC_TYPE, nr) || !command->size)
		return -ENOTTY;
	if (get_user(size, (u32 __user *)user))
		return -EFAULT;
	if (size < command->min_size || size > PAGE_SIZE)
		return size > PAGE_SIZE ? -E2BIG : -EINVAL;
	ret = mqshm_args_in(&args, command->size, command->arrays, user, size);
	if (ret)
		return ret;
	args.words[0] = size;
	if (!(command->needs & NO_FLAGS) && args.words[1] & ~command->flags)
		return -EINVAL;
	ret = command_run(command, file->private_data, &args);
	/* on errors too: some say more than a number can */
	if (mqshm_args_out(user, size, command->arrays, &args, command->size))
		return -EFAULT;
	return ret;
}
