// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends of connections: taken by each end's own client, let go of by each end's own
 * client; the connection is gone when both have. How it is made: connect.c.
 */
#include <linux/nospec.h>
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

/* Who looks its parts up to map them, under RCU, finds them gone: map_find_ring(). */
void mqshm_conn_free(struct mqshm_conn *conn)
{
	mqshm_region_put(conn->consumer);
	mqshm_region_put(conn->producer);
	kfree_rcu(conn, rcu);
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

/* It ends, whichever end or third party is first to see to that: told once. */
void mqshm_conn_tell_end(struct mqshm_conn *conn, u32 change, struct mqshm_wakes *wakes)
{
	lockdep_assert_held(&conn->rt->lock);
	if (conn->told_end)
		return;
	mqshm_notice_conn(conn, change);
	conn->told_end = true;
	wakes->changed = true;
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
	mqshm_conn_free(conn);
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
	mqshm_conn_tell_end(conn, why == MQSHM_RING_DEAD && !conn_has_ended(conn, dir) ?
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
	if (last && mqshm_conn_is_persistent(conn))
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
