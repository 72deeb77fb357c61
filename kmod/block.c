// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks and their ports: made and removed by their own client, found by name.
 */
#include <linux/bitmap.h>
#include <linux/eventfd.h>
#include <linux/ktime.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "block.h"
#include "client.h"
#include "compat.h"
#include "conn.h"
#include "notice.h"
#include "persist.h"
#include "ring.h"
#include "wake.h"

static void port_free_rcu(struct rcu_head *rcu)
{
	struct mqshm_port *port = container_of(rcu, struct mqshm_port, rcu);
	struct eventfd_ctx *ctx = rcu_access_pointer(port->eventfd);

	if (ctx)
		eventfd_ctx_put(ctx);
	kfree(port);
}

static void block_free(struct mqshm_block *block)
{
	struct mqshm_port *port, *next;

	list_for_each_entry_safe(port, next, &block->ports, node)
		call_rcu(&port->rcu, port_free_rcu);
	kfree(block);
}

void mqshm_block_free_list(struct list_head *dead)
{
	struct mqshm_block *block, *next;

	list_for_each_entry_safe(block, next, dead, node)
		block_free(block);
}

static int port_add(struct mqshm_block *block, const struct mqshm_port_desc *desc)
{
	struct mqshm_port *port;

	if (!mqshm_name_valid(desc->name, sizeof(desc->name), 0) ||
	    desc->direction > MQSHM_DIR_OUT || desc->depth > MQSHM_DEPTH_MAX ||
	    (desc->direction == MQSHM_DIR_OUT && desc->depth) || desc->reserved)
		return -EINVAL;
	if (mqshm_block_find_port(block, desc->name))
		return -EEXIST;
	port = kzalloc(sizeof(*port), GFP_KERNEL_ACCOUNT);
	if (!port)
		return -ENOMEM;
	port->block = block;
	port->direction = desc->direction;
	if (desc->direction == MQSHM_DIR_IN)
		port->depth = desc->depth ?: MQSHM_DEPTH_DEFAULT;
	strscpy(port->name, desc->name, sizeof(port->name));
	INIT_LIST_HEAD(&port->ends);
	list_add_tail(&port->node, &block->ports);
	return 0;
}

static struct mqshm_block *block_new(struct mqshm_client *c,
				     const struct mqshm_block_create_args *args,
				     const struct mqshm_port_desc *descs)
{
	struct mqshm_block *block;
	u32 i;
	int ret;

	block = kzalloc(sizeof(*block), GFP_KERNEL_ACCOUNT);
	if (!block)
		return ERR_PTR(-ENOMEM);
	block->client = c;
	block->id = mqshm_next_id();
	block->class = args->class_;
	block->created_ns = ktime_get_ns();
	block->persistent = args->flags & MQSHM_BLOCK_F_PERSISTENT;
	strscpy(block->name, args->name, sizeof(block->name));
	strscpy(block->type, args->type, sizeof(block->type));
	INIT_LIST_HEAD(&block->ports);
	for (i = 0; i < args->ports; i++) {
		ret = port_add(block, &descs[i]);
		if (ret) {
			block_free(block);
			return ERR_PTR(ret);
		}
	}
	return block;
}

struct mqshm_block *mqshm_block_find(struct mqshm_runtime *rt, const char *name)
{
	struct mqshm_block *block;

	lockdep_assert_held(&rt->lock);
	list_for_each_entry(block, &rt->blocks, node)
		if (!strcmp(block->name, name))
			return block;
	return NULL;
}

struct mqshm_port *mqshm_block_find_port(struct mqshm_block *block, const char *name)
{
	struct mqshm_port *port;

	list_for_each_entry(port, &block->ports, node)
		if (!strcmp(port->name, name))
			return port;
	return NULL;
}

/* One of @c's own. */
struct mqshm_port *mqshm_port_find(struct mqshm_client *c, u32 number)
{
	struct mqshm_port *port;

	lockdep_assert_held(&c->lock);
	list_for_each_entry(port, &c->ports, client_node)
		if (port->number == number)
			return port;
	return NULL;
}

/* The same; quick if it is @last (or NULL), or was made not long after. */
struct mqshm_port *mqshm_port_find_next(struct mqshm_client *c, struct mqshm_port *last,
					u32 number)
{
	struct mqshm_port *port = last;

	lockdep_assert_held(&c->lock);
	if (!last || last->number > number)
		port = list_first_entry(&c->ports, struct mqshm_port, client_node);
	/* they are in the order of their numbers */
	list_for_each_entry_from(port, &c->ports, client_node)
		if (port->number >= number)
			return port->number == number ? port : NULL;
	return NULL;
}

static int block_publish(struct mqshm_runtime *rt, struct mqshm_block *block,
			 struct mqshm_port_desc *descs)
{
	struct mqshm_port *port;
	u32 i = 0;

	lockdep_assert_held(&rt->lock);
	if (rt->removed)
		return -ESHUTDOWN;
	if (mqshm_block_find(rt, block->name))
		return -EEXIST;
	if (rt->n_blocks >= rt->limits.blocks || rt->next_port > U32_MAX - 256)
		return -ENOSPC;
	list_for_each_entry(port, &block->ports, node) {
		port->number = rt->next_port++;
		descs[i++].out_port = port->number;
		list_add_tail_rcu(&port->client_node, &block->client->ports);
	}
	/* there is one: a slot for each block that the runtime takes */
	block->slot = find_first_zero_bit(block->client->slots, rt->limits.blocks);
	__set_bit(block->slot, block->client->slots);
	list_add_tail(&block->node, &rt->blocks);
	rt->n_blocks++;
	block->client->had_blocks = true;
	mqshm_notice_block(block, MQSHM_CHANGE_CAME);
	return 0;
}

/* Inside @c's own call; @descs has been copied in. */
int mqshm_block_create(struct mqshm_client *c, struct mqshm_block_create_args *args,
		       struct mqshm_port_desc *descs)
{
	struct mqshm_wakes wakes;
	struct mqshm_block *block;
	int ret;

	if (!mqshm_name_valid(args->name, sizeof(args->name), ':') ||
	    !mqshm_name_valid(args->type, sizeof(args->type), 0) ||
	    args->class_ > MQSHM_CLASS_SINK)
		return -EINVAL;
	if (args->ports > c->rt->limits.ports)
		return -ENOSPC;
	block = block_new(c, args, descs);
	if (IS_ERR(block))
		return PTR_ERR(block);

	mqshm_wakes_init(&wakes);
	ret = mqshm_client_enter(c);
	if (!ret) {
		mutex_lock(&c->rt->lock);
		ret = block_publish(c->rt, block, descs);
		if (!ret) {
			args->out_id = block->id;
			args->out_slot = block->slot;
			args->out_reserved = 0;
			mqshm_persist_block_came(block, &wakes);
		}
		mutex_unlock(&c->rt->lock);
		mqshm_client_exit(c);
	}
	if (ret) {
		block_free(block);
		return ret;
	}
	mqshm_wakes_fire(c->rt, &wakes);
	mqshm_runtime_changed(c->rt);
	return 0;
}

/* Takes the block out of the graph; its rings have been let go of. */
static void block_unpublish(struct mqshm_block *block, u32 change)
{
	struct mqshm_port *port;

	mqshm_notice_block(block, change);
	list_for_each_entry(port, &block->ports, node)
		list_del_rcu(&port->client_node);
	list_del(&block->node);
	__clear_bit(block->slot, block->client->slots);
	block->client->rt->n_blocks--;
}

/* Every end of the block's, attached or pending, lets go; what that costs is its client's. */
static void block_let_go(struct mqshm_block *block, struct mqshm_wakes *wakes)
{
	struct mqshm_end *end, *next;
	struct mqshm_port *port;

	list_for_each_entry(port, &block->ports, node)
		list_for_each_entry_safe(end, next, &port->ends, node)
			mqshm_conn_let_go(mqshm_end_conn(end, port->direction),
					  port->direction, MQSHM_RING_DISCONNECTED, false,
					  &block->client->departed, wakes);
	list_for_each_entry_safe(end, next, &block->client->pending, node)
		if (end->block == block->id)
			mqshm_conn_let_go(mqshm_end_conn(end, end->port->direction),
					  end->port->direction, MQSHM_RING_DISCONNECTED,
					  false, &block->client->departed, wakes);
}

int mqshm_block_remove(struct mqshm_client *c, u64 id, bool failed)
{
	struct mqshm_block *block, *found = NULL;
	struct mqshm_wakes wakes;
	int ret;

	mqshm_wakes_init(&wakes);
	ret = mqshm_client_enter(c);
	if (ret)
		return ret;
	mutex_lock(&c->rt->lock);
	list_for_each_entry(block, &c->rt->blocks, node)
		if (block->id == id && block->client == c)
			found = block;
	if (found) {
		mqshm_client_clear_intent(c);
		if (!failed)
			mqshm_persist_block_leaves(found);
		/* first: a ring that begins anew when it is let go of must not find it */
		list_del_init(&found->node);
		block_let_go(found, &wakes);
		block_unpublish(found, MQSHM_CHANGE_WENT);
	}
	mutex_unlock(&c->rt->lock);
	mqshm_client_exit(c);
	if (!found)
		return -ENOENT;

	mqshm_wakes_fire(c->rt, &wakes);
	mqshm_runtime_changed(c->rt);
	block_free(found);
	return 0;
}

/* In settle, when no ring is left; the blocks are freed when locks are dropped. */
void mqshm_block_remove_all(struct mqshm_client *c, u32 change, struct list_head *dead)
{
	struct mqshm_block *block, *next;

	lockdep_assert_held(&c->rt->lock);
	list_for_each_entry_safe(block, next, &c->rt->blocks, node) {
		if (block->client != c)
			continue;
		block_unpublish(block, change);
		list_add_tail(&block->node, dead);
	}
}

/*
 * By anybody who may change the graph, and through the descriptor that owns the
 * block (@own, or NULL): the owner learns of it by SYNC.
 */
int mqshm_block_stop(struct mqshm_runtime *rt, const struct mqshm_client *own, u64 id)
{
	int ret = -ENOENT, permission = mqshm_runtime_permission(rt, MQSHM_MAY_CHANGE);
	struct mqshm_wakes wakes;
	struct mqshm_block *block;

	mqshm_wakes_init(&wakes);
	mutex_lock(&rt->lock);
	list_for_each_entry(block, &rt->blocks, node) {
		if (block->id != id)
			continue;
		ret = block->client == own ? 0 : permission;
		if (ret)
			break;
		block->stopping = true;
		block->client->stops = true;
		mqshm_client_notify(block->client, &wakes);
		break;
	}
	mutex_unlock(&rt->lock);
	mqshm_wakes_fire(rt, &wakes);
	if (!ret)
		mqshm_runtime_changed(rt);
	return ret;
}

/* Consumers see the end behind the last message: pushes came before this call. */
int mqshm_port_end(struct mqshm_client *c, u32 number, struct mqshm_wakes *wakes)
{
	struct mqshm_port *port = mqshm_port_find(c, number);
	struct mqshm_runtime *rt = c->rt;
	struct mqshm_conn *conn;

	if (!port)
		return -ENOENT;
	if (port->direction != MQSHM_DIR_OUT)
		return -EINVAL;
	mutex_lock(&rt->lock);
	port->ended = true;
	list_for_each_entry(conn, &rt->conns, node) {
		if (conn->end[MQSHM_DIR_OUT].port != port && !mqshm_persist_is_for(conn, port))
			continue;
		spin_lock(&conn->lock);
		/* [S7] after the slots, which the same thread wrote; read with acquire */
		smp_store_release(conn->flags, *conn->flags | MQSHM_RING_EOF);
		mqshm_ring_wake_locked(conn, MQSHM_DIR_IN, wakes);
		spin_unlock(&conn->lock);
		if (conn->end[MQSHM_DIR_IN].client)
			mqshm_client_notify(conn->end[MQSHM_DIR_IN].client, wakes);
	}
	mutex_unlock(&rt->lock);
	return 0;
}

int mqshm_port_set_eventfd(struct mqshm_client *c, u32 number, int fd)
{
	struct eventfd_ctx *ctx = NULL, *old = NULL;
	struct mqshm_port *port;
	int ret;

	if (fd != -1) {
		ctx = eventfd_ctx_fdget(fd);
		if (IS_ERR(ctx))
			return PTR_ERR(ctx);
	}
	ret = mqshm_client_enter(c);
	if (ret)
		goto out;
	port = mqshm_port_find(c, number);
	if (!port) {
		ret = -ENOENT;
	} else if (port->direction != MQSHM_DIR_IN) {
		ret = -EINVAL;
	} else {
		old = rcu_replace_pointer(port->eventfd, ctx, lockdep_is_held(&c->lock));
		ctx = old;
		atomic_set(&port->armed, 0);
	}
	mqshm_client_exit(c);
	if (old)
		synchronize_rcu(); /* a signal to the old one may be under way */
out:
	if (ctx)
		eventfd_ctx_put(ctx);
	return ret;
}

/* Under RCU or with a reference to @c, no locks: signals what is armed and due. */
void mqshm_port_signal_all(struct mqshm_client *c)
{
	bool all = atomic_xchg(&c->graph_event, 0);
	struct eventfd_ctx *ctx;
	struct mqshm_port *port;

	rcu_read_lock();
	list_for_each_entry_rcu(port, &c->ports, client_node) {
		if (!(atomic_xchg(&port->fire, 0) || all) || !atomic_xchg(&port->armed, 0))
			continue;
		ctx = rcu_dereference(port->eventfd);
		if (ctx)
			mqshm_eventfd_signal(ctx);
	}
	rcu_read_unlock();
}

struct mqshm_block *mqshm_block_by_id(struct mqshm_runtime *rt, u64 id)
{
	struct mqshm_block *block;

	lockdep_assert_held(&rt->lock);
	list_for_each_entry(block, &rt->blocks, node)
		if (block->id == id)
			return block;
	return NULL;
}
