// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections: made by anybody, taken by each end's own client, let go of by each
 * end's own client, gone when both have.
 */
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

/* Under RCU; the ring may be anybody's. */
struct mqshm_conn *mqshm_conn_lookup(struct mqshm_runtime *rt, u32 ring)
{
	if (ring >= rt->limits.connections)
		return NULL;
	return rcu_dereference(rt->rings[array_index_nospec(ring, rt->limits.connections)]);
}

/* The ring, if @c has the end @dir of it: then it stays for the whole call. */
struct mqshm_conn *mqshm_conn_of(struct mqshm_client *c, u32 ring, unsigned int dir)
{
	struct mqshm_conn *conn;

	lockdep_assert_held(&c->lock);
	rcu_read_lock();
	conn = mqshm_conn_lookup(c->rt, ring);
	if (conn && !mqshm_conn_has_end(conn, c, dir))
		conn = NULL;
	rcu_read_unlock();
	return conn;
}

/* "block:port" */
void mqshm_conn_describe(const struct mqshm_end *end, char *name, size_t size)
{
	snprintf(name, size, "%s:%s", end->block_name, end->port_name);
}

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

/* Who looks its parts up to map them, under RCU, finds them gone: map_find_ring(). */
static void conn_free(struct mqshm_conn *conn)
{
	mqshm_region_put(conn->consumer);
	mqshm_region_put(conn->producer);
	kfree_rcu(conn, rcu);
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

static bool conn_is_persistent(const struct mqshm_conn *conn)
{
	return conn->policy & MQSHM_RING_PERSISTENT && !conn->given_up;
}

/* A connection that was taken away counts no more, though an end may be attached. */
static bool conn_is_live(const struct mqshm_conn *conn)
{
	if (conn_is_persistent(conn))
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

/* A port gets an end of the connection: its client takes that by SYNC. */
void mqshm_conn_offer(struct mqshm_conn *conn, unsigned int dir, struct mqshm_port *port)
{
	struct mqshm_end *end = &conn->end[dir];

	lockdep_assert_held(&conn->rt->lock);
	spin_lock(&conn->lock);
	end->port = port;
	end->number = port->number;
	end->block = port->block->id;
	WRITE_ONCE(end->state, MQSHM_END_PENDING);			/* [C2] */
	WRITE_ONCE(end->client, port->block->client);
	spin_unlock(&conn->lock);
	list_add_tail(&end->node, &end->client->pending);
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
		conn_free(conn);
		return ret;
	}
	mqshm_wakes_fire(rt, &wakes);
	mqshm_runtime_changed(rt);
	return 0;
}

/* It ends, whichever end or third party is first to see to that: told once. */
static void conn_tell_end(struct mqshm_conn *conn, u32 change, struct mqshm_wakes *wakes)
{
	lockdep_assert_held(&conn->rt->lock);
	if (conn->told_end)
		return;
	mqshm_notice_conn(conn, change);
	conn->told_end = true;
	wakes->changed = true;
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
		conn_tell_end(conn, MQSHM_CHANGE_WENT, &wakes);
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

void mqshm_conn_remove(struct mqshm_conn *conn, struct mqshm_wakes *wakes)
{
	struct mqshm_runtime *rt = conn->rt;

	lockdep_assert_held(&rt->lock);
	rt->totals.messages += READ_ONCE(mqshm_ring_producer(conn)->tail);
	rt->totals.bytes += READ_ONCE(mqshm_ring_producer(conn)->bytes);
	rt->totals.dropped += READ_ONCE(mqshm_ring_producer(conn)->dropped) + conn->expired;
	RCU_INIT_POINTER(rt->rings[conn->ring], NULL);
	list_del(&conn->node);
	rt->n_conns--;
	wakes->changed = true;
	conn_free(conn);
}

/* Marks the end as gone and tells the other. Says whether that is gone as well. */
static bool conn_end_gone(struct mqshm_conn *conn, unsigned int dir, u32 why,
			  struct mqshm_wakes *wakes)
{
	struct mqshm_end *end = &conn->end[dir], *other = &conn->end[!dir];
	u32 flags;
	bool last;

	spin_lock(&conn->lock);
	flags = *conn->flags;
	if (dir == MQSHM_DIR_IN)
		flags |= MQSHM_RING_CLOSED;
	else if (!(flags & (MQSHM_RING_EOF | MQSHM_RING_DISCONNECTED)))
		flags |= why;
	flags &= ~(dir == MQSHM_DIR_IN ? MQSHM_RING_SLEEPING : MQSHM_RING_PSLEEPING);
	/* [S7] [S12] after all that was pushed: pairs with O8 */
	smp_store_release(conn->flags, flags);
	end->sleepers = 0;
	/* looked at without the lock: mqshm_conn_has_end() */
	WRITE_ONCE(end->state, MQSHM_END_GONE);				/* [S10] [S13] [S14] */
	WRITE_ONCE(end->client, NULL);
	end->port = NULL;
	end->block = 0;
	/* nobody reads any more: a producer need not come back */
	if (dir == MQSHM_DIR_IN && other->state == MQSHM_END_AWAY)
		WRITE_ONCE(other->state, MQSHM_END_GONE);
	last = other->state == MQSHM_END_GONE;
	if (!last)
		mqshm_ring_wake_locked(conn, !dir, wakes);		/* [S9] [S16] */
	spin_unlock(&conn->lock);
	return last;
}

/* A producer that had announced the end dies as nobody's producer. */
static bool conn_has_ended(const struct mqshm_conn *conn, unsigned int dir)
{
	return dir == MQSHM_DIR_OUT && conn->end[dir].port->ended;
}

/*
 * An end lets go of its ring, in its own client's call or settle; @for_good if it is done
 * with it. Messages that nobody would read are taken out; how many, and how many are kept
 * for a successor, is added to @sum, if given.
 *
 * A consumer's CLOSED comes before the drain: a producer that pushes behind the
 * drain sees it after its fence, and its KICK drains again.
 */
void mqshm_conn_let_go(struct mqshm_conn *conn, unsigned int dir, u32 why, bool for_good,
		       struct mqshm_departed *sum, struct mqshm_wakes *wakes)
{
	struct mqshm_client *other = conn->end[!dir].client;
	u64 drained = 0, kept = 0;
	bool last = false;

	lockdep_assert_held(&conn->rt->lock);
	conn_tell_end(conn, why == MQSHM_RING_DEAD && !conn_has_ended(conn, dir) ?
			    MQSHM_CHANGE_DIED : MQSHM_CHANGE_WENT, wakes);
	list_del(&conn->end[dir].node);
	if (dir == MQSHM_DIR_IN)
		mqshm_persist_reader(conn, for_good);
	if (mqshm_persist_may_wait(conn, dir, for_good)) {
		kept = mqshm_persist_wait(conn, dir, wakes);
	} else {
		last = conn_end_gone(conn, dir, why, wakes);
		smp_mb(); /* [S13] CLOSED before the slots; pairs with the fence of a flush, F1 */
		if (last || dir == MQSHM_DIR_IN)
			drained = mqshm_ring_drain(conn, wakes);	/* [S8] */
	}
	if (other)
		mqshm_client_notify(other, wakes);
	if (last && conn_is_persistent(conn))
		mqshm_persist_idle(conn, dir, wakes);
	else if (last)
		mqshm_conn_remove(conn, wakes);
	if (sum) {
		sum->drained += drained;
		sum->kept += kept;
	}
}

/* MQSHM_IOC_RING_DETACH */
int mqshm_conn_detach(struct mqshm_client *c, u64 id, struct mqshm_wakes *wakes)
{
	unsigned int dir = id & MQSHM_RING_PRODUCER ? MQSHM_DIR_OUT : MQSHM_DIR_IN;
	struct mqshm_conn *conn;

	lockdep_assert_held(&c->lock);
	id &= ~MQSHM_RING_PRODUCER;
	conn = id < MQSHM_RINGS_MAX ? mqshm_conn_of(c, id, dir) : NULL;
	if (!conn)
		return -ENOENT;
	mqshm_client_clear_intent(c);					/* [C4] */
	mutex_lock(&c->rt->lock);
	/* [C5] */
	mqshm_conn_let_go(conn, dir, MQSHM_RING_DISCONNECTED, true, NULL, wakes);
	mutex_unlock(&c->rt->lock);
	return 0;
}

static void conn_attach(struct mqshm_end *end, struct mqshm_event *event)
{
	unsigned int dir = end->port->direction;
	struct mqshm_conn *conn = mqshm_end_conn(end, dir);

	*event = (struct mqshm_event) {
		.kind = MQSHM_EVENT_ATTACH,
		.ring = conn->ring,
		.port = end->number,
		.direction = dir,
		.depth = conn->depth,
		.shift = conn->shift,
		.id = conn->id,
		.peer = conn->end[!dir].block,
	};
	spin_lock(&conn->lock);
	WRITE_ONCE(end->state, MQSHM_END_ATTACHED);			/* [C3] */
	spin_unlock(&conn->lock);
	/* an edge-triggered or multishot poller comes again only after a wake */
	if (end->client->polled)
		mqshm_ring_arm(conn, dir, MQSHM_SLEEPER_POLL);
	list_move_tail(&end->node, &end->port->ends);
}

/* MQSHM_IOC_CLIENT_SYNC: the only place where a client gets an end. */
void mqshm_conn_sync(struct mqshm_client *c, struct mqshm_client_sync_args *args)
{
	struct mqshm_runtime *rt = c->rt;
	struct mqshm_block *block;
	struct mqshm_end *end;
	u32 n = 0;

	lockdep_assert_held(&c->lock);
	mqshm_client_clear_intent(c);					/* [C4] */
	mutex_lock(&rt->lock);
	while (n < MQSHM_SYNC_EVENTS &&
	       (end = list_first_entry_or_null(&c->pending, struct mqshm_end, node)))
		conn_attach(end, &args->events[n++]);
	if (c->mail && n < MQSHM_SYNC_EVENTS) {
		c->mail = false;
		args->events[n++] = (struct mqshm_event) { .kind = MQSHM_EVENT_MESSAGE };
	}
	if (c->stops && n < MQSHM_SYNC_EVENTS) {
		c->stops = false;
		list_for_each_entry(block, &rt->blocks, node) {
			if (block->client != c || !block->stopping || block->stop_told)
				continue;
			if (n == MQSHM_SYNC_EVENTS) {
				c->stops = true;
				break;
			}
			block->stop_told = true;
			args->events[n++] = (struct mqshm_event) {
				.kind = MQSHM_EVENT_STOP, .id = block->id,
			};
		}
	}
	args->out_count = n;
	args->out_more = c->stops || c->mail || !list_empty(&c->pending);
	args->out_gen = *mqshm_client_gen(c);
	if (!args->out_more)
		c->synced_gen = args->out_gen;				/* [G5] */
	mutex_unlock(&rt->lock);
	smp_mb(); /* [E2] flags of rings armed above, before the client looks at them */
}
