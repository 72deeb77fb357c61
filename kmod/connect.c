// SPDX-License-Identifier: GPL-2.0-only
/* Connections are made, and taken away, by anybody who may change the runtime. */
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "block.h"
#include "client.h"
#include "conn.h"
#include "notice.h"
#include "persist.h"
#include "region.h"
#include "ring.h"
#include "runtime.h"
#include "wake.h"

/* Its memory is charged to the owner of the runtime, whoever connects. */
static struct mqshm_conn *conn_new(struct mqshm_runtime *rt)
{
	struct mqshm_conn *conn = kzalloc(sizeof(*conn), GFP_KERNEL_ACCOUNT);
	struct mqshm_region *consumer;

	if (!conn)
		return ERR_PTR(-ENOMEM);
	conn->rt = rt;
	conn->created_ns = ktime_get_ns();
	conn->keep_until_ns = U64_MAX;
	spin_lock_init(&conn->lock);
	consumer = mqshm_region_new_charged(sizeof(struct mqshm_ring_consumer), rt->user);
	if (IS_ERR(consumer)) {
		kfree(conn);
		return ERR_CAST(consumer);
	}
	conn->consumer = consumer;
	return conn;
}

/* As many as @depth needs, in the place of those that it has. */
static int conn_alloc_slots(struct mqshm_conn *conn, u32 depth)
{
	struct mqshm_ring_producer *producer;
	struct mqshm_region *region;
	u32 shift = order_base_2(depth);

	mqshm_region_put(conn->producer);
	conn->producer = NULL;
	conn->depth = 0;
	region = mqshm_region_new_charged(struct_size(producer, slots, 1UL << shift),
					  conn->rt->user);
	if (IS_ERR(region))
		return PTR_ERR(region);
	conn->producer = region;
	conn->depth = depth;
	conn->shift = shift;
	return 0;
}

/*
 * A block whose client is being settled gets no more ends: its settle drops the
 * runtime's lock between letting go of its ends and removing its blocks. It set
 * dead before it first took that lock, so that whoever holds the lock and does not
 * see it comes before all of that.
 */
static struct mqshm_block *conn_find_block(struct mqshm_runtime *rt, const char *name)
{
	struct mqshm_block *block = mqshm_block_find(rt, name);

	return block && !READ_ONCE(block->client->dead) ? block : NULL;	/* [C1] */
}

static int conn_find_ports(struct mqshm_runtime *rt, struct mqshm_connect_args *args,
			   struct mqshm_port *ports[2])
{
	struct mqshm_block *from = conn_find_block(rt, args->from_block);
	struct mqshm_block *to = conn_find_block(rt, args->to_block);

	args->out_which = 0;
	if (!from)
		return -ENOENT;
	args->out_which++;
	ports[MQSHM_DIR_OUT] = mqshm_block_find_port(from, args->from_port);
	if (!ports[MQSHM_DIR_OUT])
		return -ENOENT;
	args->out_which++;
	if (!to)
		return -ENOENT;
	args->out_which++;
	ports[MQSHM_DIR_IN] = mqshm_block_find_port(to, args->to_port);
	if (!ports[MQSHM_DIR_IN])
		return -ENOENT;
	if (ports[MQSHM_DIR_OUT]->direction != MQSHM_DIR_OUT ||
	    ports[MQSHM_DIR_IN]->direction != MQSHM_DIR_IN)
		return -EINVAL;
	return 0;
}

/* A connection that was taken away counts no more, though an end may be attached. */
static bool conn_is_live(const struct mqshm_conn *conn)
{
	if (mqshm_conn_is_persistent(conn))
		return true;
	return conn->end[MQSHM_DIR_IN].state != MQSHM_END_GONE &&
	       conn->end[MQSHM_DIR_OUT].state != MQSHM_END_GONE &&
	       !(READ_ONCE(*conn->flags) & MQSHM_RING_DISCONNECTED);
}

/* Whether @conn is for @port, or for one of its name that is not there. */
static bool end_is_for(const struct mqshm_conn *conn, unsigned int dir,
		       const struct mqshm_port *port)
{
	const struct mqshm_end *end = &conn->end[dir];

	return !strcmp(end->block_name, port->block->name) &&
	       !strcmp(end->port_name, port->name);
}

static int conn_take_ring(struct mqshm_runtime *rt, struct mqshm_port *const ports[2])
{
	struct mqshm_conn *conn;
	u32 ring;

	list_for_each_entry(conn, &rt->conns, node)
		if (conn_is_live(conn) && end_is_for(conn, MQSHM_DIR_IN, ports[MQSHM_DIR_IN]) &&
		    end_is_for(conn, MQSHM_DIR_OUT, ports[MQSHM_DIR_OUT]))
			return -EEXIST;
	for (ring = 0; ring < rt->limits.connections; ring++)
		if (!rcu_access_pointer(rt->rings[ring]))
			return ring;
	return -ENOSPC;
}

static void conn_publish(struct mqshm_conn *conn, struct mqshm_port *const ports[2],
			 bool transient, struct mqshm_wakes *wakes)
{
	struct mqshm_runtime *rt = conn->rt;
	unsigned int dir;

	lockdep_assert_held(&rt->lock);
	conn->id = mqshm_next_id();
	if (!transient && (ports[0]->block->persistent || ports[1]->block->persistent))
		conn->policy |= MQSHM_RING_PERSISTENT;
	WRITE_ONCE(*conn->flags,
		   conn->policy | (ports[MQSHM_DIR_OUT]->ended ? MQSHM_RING_EOF : 0));
	list_add_tail(&conn->node, &rt->conns);
	rt->n_conns++;
	for (dir = MQSHM_DIR_IN; dir <= MQSHM_DIR_OUT; dir++) {
		struct mqshm_end *end = &conn->end[dir];

		strscpy(end->block_name, ports[dir]->block->name, sizeof(end->block_name));
		strscpy(end->port_name, ports[dir]->name, sizeof(end->port_name));
		end->uid = ports[dir]->block->client->uid;
		mqshm_conn_offer(conn, dir, ports[dir]);
		mqshm_client_notify(end->client, wakes);
	}
	rcu_assign_pointer(rt->rings[conn->ring], conn);
	mqshm_notice_conn(conn, MQSHM_CHANGE_CAME);
}

/*
 * What has to be allocated depends on the port's depth and on the ring's number:
 * looked up, allocated without the lock, and looked up again until it fits.
 */
static int conn_connect_locked(struct mqshm_conn *conn, struct mqshm_connect_args *args,
			       u32 *need_depth, u32 *need_page,
			       struct mqshm_wakes *wakes)
{
	struct mqshm_runtime *rt = conn->rt;
	struct mqshm_port *ports[2];
	int ret;

	lockdep_assert_held(&rt->lock);
	if (rt->removed)
		return -ESHUTDOWN;
	ret = conn_find_ports(rt, args, ports);
	if (ret)
		return ret;
	ret = conn_take_ring(rt, ports);
	if (ret < 0)
		return ret;
	conn->ring = ret;
	*need_depth = ports[MQSHM_DIR_IN]->depth;
	*need_page = MQSHM_STATUS_RING((u64)conn->ring) >> PAGE_SHIFT;
	conn->flags = mqshm_region_at(rt->status, MQSHM_STATUS_RING((u64)conn->ring));
	if (!conn->flags || conn->depth != *need_depth)
		return -EAGAIN;
	conn_publish(conn, ports, args->flags & MQSHM_CONNECT_F_TRANSIENT, wakes);
	return 0;
}

/* Those of a ring's flags that say what its connection was made with. */
static int connect_policy(const struct mqshm_connect_args *args, u32 *policy)
{
	static const u32 policies[] = {
		[MQSHM_POLICY_BLOCK] = 0,
		[MQSHM_POLICY_DROP_NEWEST] = MQSHM_RING_DROP_NEWEST,
		[MQSHM_POLICY_DROP_OLDEST] = MQSHM_RING_DROP_OLDEST,
	};
	bool persistent = args->flags & MQSHM_CONNECT_F_PERSISTENT;
	bool keep = args->flags & MQSHM_CONNECT_F_KEEP;
	bool tap = args->flags & MQSHM_CONNECT_F_TAP;

	if (args->policy >= ARRAY_SIZE(policies) || (keep && !persistent) ||
	    (args->keep_ns && !keep) ||
	    (persistent && args->flags & MQSHM_CONNECT_F_TRANSIENT) ||
	    (tap && args->policy == MQSHM_POLICY_BLOCK))
		return -EINVAL;
	*policy = policies[array_index_nospec(args->policy, ARRAY_SIZE(policies))] |
		  (persistent ? MQSHM_RING_PERSISTENT : 0) | (keep ? MQSHM_RING_KEEP : 0) |
		  (tap ? MQSHM_RING_TAP : 0);
	return 0;
}

static bool connect_names_valid(const struct mqshm_connect_args *args)
{
	return mqshm_name_valid(args->from_block, sizeof(args->from_block), 0) &&
	       mqshm_name_valid(args->from_port, sizeof(args->from_port), 0) &&
	       mqshm_name_valid(args->to_block, sizeof(args->to_block), 0) &&
	       mqshm_name_valid(args->to_port, sizeof(args->to_port), 0);
}

int mqshm_conn_connect(struct mqshm_runtime *rt, struct mqshm_connect_args *args)
{
	u32 depth = 0, page = 0, policy;
	struct mqshm_wakes wakes;
	struct mqshm_conn *conn;
	int ret;

	ret = connect_policy(args, &policy);
	if (ret || !connect_names_valid(args))
		return -EINVAL;
	ret = mqshm_runtime_permission(rt, MQSHM_MAY_CHANGE);
	if (ret)
		return ret;
	conn = conn_new(rt);
	if (IS_ERR(conn))
		return PTR_ERR(conn);
	conn->policy = policy;
	conn->keep_ns = args->keep_ns ?: MQSHM_KEEP_DEFAULT_NS;
	mqshm_wakes_init(&wakes);

	for (;;) {
		mutex_lock(&rt->lock);
		ret = conn_connect_locked(conn, args, &depth, &page, &wakes);
		if (!ret)
			args->out_id = conn->id;
		mutex_unlock(&rt->lock);
		if (ret != -EAGAIN)
			break;
		ret = mqshm_region_populate(rt->status, page);
		if (!ret && conn->depth != depth)
			ret = conn_alloc_slots(conn, depth);
		/* somebody may make the port anew each time, with another depth */
		if (!ret && signal_pending(current))
			ret = -EINTR;
		if (ret)
			break;
	}
	if (ret) {
		mqshm_conn_free(conn);
		return ret;
	}
	mqshm_wakes_fire(rt, &wakes);
	mqshm_runtime_changed(rt);
	return 0;
}

/*
 * By a third party: sets flags and nothing more. Each end lets go in its own time;
 * what is queued is still read.
 */
int mqshm_conn_disconnect(struct mqshm_runtime *rt, u64 id)
{
	struct mqshm_wakes wakes;
	struct mqshm_conn *conn;
	unsigned int dir;
	int ret;

	ret = mqshm_runtime_permission(rt, MQSHM_MAY_CHANGE);
	if (ret)
		return ret;
	mqshm_wakes_init(&wakes);
	ret = -ENOENT;
	mutex_lock(&rt->lock);
	list_for_each_entry(conn, &rt->conns, node) {
		if (conn->id != id || !conn_is_live(conn))
			continue;
		mqshm_conn_tell_end(conn, MQSHM_CHANGE_WENT, &wakes);
		spin_lock(&conn->lock);
		/* [C6] */
		WRITE_ONCE(*conn->flags, *conn->flags | MQSHM_RING_CLOSED |
			   MQSHM_RING_DISCONNECTED);
		for (dir = MQSHM_DIR_IN; dir <= MQSHM_DIR_OUT; dir++)
			mqshm_ring_wake_locked(conn, dir, &wakes);
		spin_unlock(&conn->lock);
		for (dir = MQSHM_DIR_IN; dir <= MQSHM_DIR_OUT; dir++)
			if (conn->end[dir].client)
				mqshm_client_notify(conn->end[dir].client, &wakes);
		mqshm_persist_give_up(conn, &wakes);
		ret = 0;
		break;
	}
	mutex_unlock(&rt->lock);
	mqshm_wakes_fire(rt, &wakes);
	return ret;
}
