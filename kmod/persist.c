// SPDX-License-Identifier: GPL-2.0-only
/*
 * Persistent connections: ends that wait for another block of the same name.
 *
 * Such a connection is the runtime's until somebody takes it away, and keeps its number,
 * its ring and its limits meanwhile. An end that its client lets go of is either
 *
 *	AWAY	the ring stays open, and the next client that makes a block of that name
 *		goes on where this one stopped: a producer's, as long as the ring is read and
 *		no end was announced; a consumer's, if the connection keeps its messages; or
 *	GONE	as without any of this. When both are gone the ring is empty, and waits for
 *		both to come back.
 *
 * Nobody but the kernel writes the cells of an end that is AWAY. Its client was settled,
 * which is when nobody can write its pages any more, or removed the block itself, in a
 * call of its own that cleared its intent. So the cursors stand where step 1 of settle has
 * left them, and the successor needs no other pages: what it finds in them is the truth.
 * An intent of the successor is of its own life, since attaching clears it.
 *
 * How long messages are kept for a consumer is limited by a deadline. What waits without
 * one holds no buffers: a connection, with its ring, which counts against the limit of
 * connections and the quota of the runtime's owner.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "block.h"
#include "client.h"
#include "conn.h"
#include "notice.h"
#include "persist.h"
#include "ring.h"
#include "runtime.h"
#include "wake.h"

static bool both_gone(const struct mqshm_conn *conn)
{
	return conn->end[MQSHM_DIR_IN].state == MQSHM_END_GONE &&
	       conn->end[MQSHM_DIR_OUT].state == MQSHM_END_GONE;
}

/*
 * Whether end @dir, which its client lets go of, may wait for a successor. A client that
 * is done with the ring, and not with the block (@for_good), leaves nothing for one.
 */
bool mqshm_persist_may_wait(const struct mqshm_conn *conn, unsigned int dir, bool for_good)
{
	u32 flags = READ_ONCE(*conn->flags);

	lockdep_assert_held(&conn->rt->lock);
	if (!mqshm_conn_is_persistent(conn) || for_good || flags & MQSHM_RING_CLOSED)
		return false;
	if (dir == MQSHM_DIR_OUT)
		return !(flags & MQSHM_RING_EOF);
	return conn->policy & MQSHM_RING_KEEP;
}

/* Looks again when the first of those that are kept has waited long enough. */
static void keep_schedule(struct mqshm_runtime *rt)
{
	u64 now = ktime_get_ns(), first = U64_MAX;
	struct mqshm_conn *conn;

	lockdep_assert_held(&rt->lock);
	list_for_each_entry(conn, &rt->conns, node)
		first = min(first, conn->keep_until_ns);
	if (first != U64_MAX)
		mod_delayed_work(system_unbound_wq, &rt->keep_work,
				 first > now ? nsecs_to_jiffies(first - now) + 1 : 0);
}

/*
 * End @dir waits from now on. Its client has no intent any more, so that the cursors are
 * what they will be for the successor. Returns how many messages are kept.
 */
u64 mqshm_persist_wait(struct mqshm_conn *conn, unsigned int dir, struct mqshm_wakes *wakes)
{
	struct mqshm_ring_consumer *consumer = mqshm_ring_consumer(conn);
	struct mqshm_end *end = &conn->end[dir];
	u32 flags;
	u64 now;

	lockdep_assert_held(&conn->rt->lock);
	spin_lock(&conn->lock);
	flags = *conn->flags;
	if (dir == MQSHM_DIR_OUT) {
		flags = (flags | MQSHM_RING_AWAY) & ~MQSHM_RING_PSLEEPING;
	} else {
		flags = (flags | MQSHM_RING_KEPT) & ~MQSHM_RING_SLEEPING;
		/* [S15] what the dead consumer did not tell any more */
		smp_store_release(&consumer->head, mqshm_ring_cursor(conn));
	}
	/* [S7] the kernel wrote the last of what was pushed, or the client did before */
	smp_store_release(conn->flags, flags);
	end->sleepers = 0;
	WRITE_ONCE(end->state, MQSHM_END_AWAY);
	WRITE_ONCE(end->client, NULL);
	end->port = NULL;
	end->block = 0;
	mqshm_ring_wake_locked(conn, !dir, wakes);			/* [S9] [S16] */
	spin_unlock(&conn->lock);
	if (dir == MQSHM_DIR_OUT)
		return 0;
	now = ktime_get_ns();
	conn->keep_until_ns = conn->keep_ns < U64_MAX - now ? now + conn->keep_ns : U64_MAX;
	keep_schedule(conn->rt);
	return mqshm_ring_queued(conn);
}

/* Both ends have blocks again: those who watch are told, both clients are. */
static void conn_complete(struct mqshm_conn *conn, struct mqshm_wakes *wakes)
{
	struct mqshm_end *in = &conn->end[MQSHM_DIR_IN], *out = &conn->end[MQSHM_DIR_OUT];

	if (in->client)
		mqshm_client_notify(in->client, wakes);
	if (out->client)
		mqshm_client_notify(out->client, wakes);
	if (in->client && out->client) {
		conn->told_end = false;
		mqshm_notice_conn(conn, MQSHM_CHANGE_CAME);
	}
	wakes->changed = true;
}

/* A successor takes the end that waits: the ring goes on. */
static void end_take(struct mqshm_conn *conn, unsigned int dir, struct mqshm_port *port,
		     struct mqshm_wakes *wakes)
{
	spin_lock(&conn->lock);
	/* [X4] */
	WRITE_ONCE(*conn->flags, *conn->flags &
		   ~(dir == MQSHM_DIR_OUT ? MQSHM_RING_AWAY : MQSHM_RING_KEPT));
	spin_unlock(&conn->lock);
	if (dir == MQSHM_DIR_IN)
		conn->keep_until_ns = U64_MAX;
	mqshm_conn_offer(conn, dir, port);
	conn_complete(conn, wakes);
}

/* The port of @block that end @dir is for, if that is the block and is who it has to be. */
static struct mqshm_port *end_port_in(struct mqshm_conn *conn, unsigned int dir,
				      struct mqshm_block *block)
{
	struct mqshm_end *end = &conn->end[dir];
	struct mqshm_port *port;

	if (strcmp(end->block_name, block->name) || READ_ONCE(block->client->dead) ||
	    !uid_eq(block->client->uid, end->uid))
		return NULL;
	port = mqshm_block_find_port(block, end->port_name);
	return port && port->direction == dir ? port : NULL;
}

static struct mqshm_port *end_find_port(struct mqshm_conn *conn, unsigned int dir)
{
	struct mqshm_block *block = mqshm_block_find(conn->rt, conn->end[dir].block_name);

	return block ? end_port_in(conn, dir, block) : NULL;
}

/* The producer announced the end before it went. Only @conn's flags know of it any more. */
static bool has_ended(const struct mqshm_conn *conn)
{
	return READ_ONCE(*conn->flags) & MQSHM_RING_EOF;
}

static void end_forget(struct mqshm_conn *conn)
{
	spin_lock(&conn->lock);
	WRITE_ONCE(*conn->flags, *conn->flags & ~MQSHM_RING_EOF);	/* [X3] */
	spin_unlock(&conn->lock);
	conn->reader = 0;
}

/* A consumer lets go: it has read the end if there is one and nothing before it. */
void mqshm_persist_reader(struct mqshm_conn *conn, bool for_good)
{
	bool read = for_good && mqshm_conn_is_persistent(conn) && has_ended(conn) &&
		    !mqshm_ring_has_message(conn);

	lockdep_assert_held(&conn->rt->lock);
	conn->reader = read ? conn->end[MQSHM_DIR_IN].block : 0;
}

/*
 * Whether the end that @out announces is @conn's too, although that has gone: its consumer
 * was, or is not there yet. The next one would wait for what never comes.
 */
bool mqshm_persist_is_for(struct mqshm_conn *conn, struct mqshm_port *out)
{
	lockdep_assert_held(&conn->rt->lock);
	return mqshm_conn_is_persistent(conn) && both_gone(conn) &&
	       end_port_in(conn, MQSHM_DIR_OUT, out->block) == out;
}

/*
 * Both ends are gone: begins anew, if both blocks are there. A consumer alone is told of
 * the end, if there was one that nobody has read: nothing else would ever come.
 */
static void conn_revive(struct mqshm_conn *conn, struct mqshm_wakes *wakes)
{
	struct mqshm_ring_consumer *consumer = mqshm_ring_consumer(conn);
	struct mqshm_port *out = end_find_port(conn, MQSHM_DIR_OUT);
	struct mqshm_port *in = end_find_port(conn, MQSHM_DIR_IN);
	u64 tail = READ_ONCE(mqshm_ring_producer(conn)->tail) & MQSHM_CURSOR_MASK;

	if (!in || (!out && !has_ended(conn)))
		return;
	/*
	 * [X1] It is empty. A client that broke the protocol may have left any tail, and a slot
	 * that looks filled there: that is its own runtime's damage, as in any ring.
	 */
	WRITE_ONCE(consumer->phead, tail);
	WRITE_ONCE(consumer->head, tail);
	spin_lock(&conn->lock);
	/* [X2] */
	WRITE_ONCE(*conn->flags, conn->policy | (!out || out->ended ? MQSHM_RING_EOF : 0));
	spin_unlock(&conn->lock);
	conn->wanted = false;
	if (out)
		mqshm_conn_offer(conn, MQSHM_DIR_OUT, out);
	mqshm_conn_offer(conn, MQSHM_DIR_IN, in);
	conn_complete(conn, wakes);
}

/*
 * A producer came for an end that is gone. A consumer that is to be told of the last one's
 * end, and nothing else, has not learnt of the ring yet: then it need not be told.
 */
static void producer_came(struct mqshm_conn *conn, struct mqshm_port *out,
			  struct mqshm_wakes *wakes)
{
	conn->wanted = true;
	if (both_gone(conn))
		end_forget(conn);
	if (conn->end[MQSHM_DIR_IN].state != MQSHM_END_PENDING || mqshm_ring_has_message(conn))
		return;
	/* nor that the last one was done with the ring, if it was */
	spin_lock(&conn->lock);
	WRITE_ONCE(*conn->flags, conn->policy);				/* [X2] */
	spin_unlock(&conn->lock);
	conn->wanted = false;
	mqshm_conn_offer(conn, MQSHM_DIR_OUT, out);
	conn_complete(conn, wakes);
}

/* A block was made: it takes the ends that wait for one of its name. */
void mqshm_persist_block_came(struct mqshm_block *block, struct mqshm_wakes *wakes)
{
	struct mqshm_runtime *rt = block->client->rt;
	struct mqshm_conn *conn;
	struct mqshm_port *port;
	unsigned int dir;

	lockdep_assert_held(&rt->lock);
	list_for_each_entry(conn, &rt->conns, node) {
		if (!mqshm_conn_is_persistent(conn))
			continue;
		for (dir = MQSHM_DIR_IN; dir <= MQSHM_DIR_OUT; dir++) {
			port = end_port_in(conn, dir, block);
			if (!port)
				continue;
			if (conn->end[dir].state == MQSHM_END_AWAY)
				end_take(conn, dir, port, wakes);
			else if (conn->end[dir].state == MQSHM_END_GONE && dir == MQSHM_DIR_OUT)
				producer_came(conn, port, wakes);
			else if (conn->end[dir].state == MQSHM_END_GONE)
				conn->wanted = true;
		}
		if (conn->wanted && both_gone(conn))
			conn_revive(conn, wakes);
	}
}

/* The block that has let go at the end of the stream; who comes would be told of that. */
static bool was_told(const struct mqshm_conn *conn, const struct mqshm_block *block)
{
	return conn->end[MQSHM_DIR_IN].state == MQSHM_END_GONE && conn->reader == block->id;
}

/*
 * A block leaves in order, and has its ends still. One that is gone it has let go of at
 * the end of the stream: the next block is not told of that.
 */
void mqshm_persist_block_leaves(const struct mqshm_block *block)
{
	struct mqshm_conn *conn;

	lockdep_assert_held(&block->client->rt->lock);
	list_for_each_entry(conn, &block->client->rt->conns, node)
		if (was_told(conn, block))
			end_forget(conn);
}

/* All of its blocks do: there may be thousands, beside thousands of connections. */
void mqshm_persist_client_leaves(const struct mqshm_client *c)
{
	const struct mqshm_block *block;
	struct mqshm_conn *conn;

	lockdep_assert_held(&c->rt->lock);
	list_for_each_entry(conn, &c->rt->conns, node) {
		block = conn->reader ? mqshm_block_by_id(c->rt, conn->reader) : NULL;
		if (block && block->client == c && was_told(conn, block))
			end_forget(conn);
	}
}

/*
 * The second end of @conn, @dir, has gone: it stays, empty, or it has come back already.
 * A consumer that is still there has read the end, and waits for a producer: one that came
 * behind the end may have gone again.
 */
void mqshm_persist_idle(struct mqshm_conn *conn, unsigned int dir, struct mqshm_wakes *wakes)
{
	lockdep_assert_held(&conn->rt->lock);
	wakes->changed = true;
	if (dir == MQSHM_DIR_IN && !end_find_port(conn, MQSHM_DIR_OUT))
		conn->wanted = false;
	if (conn->wanted)
		conn_revive(conn, wakes);
}

/* Ends that wait do so no longer. What is in the ring goes, unless it is being read. */
static void ends_close(struct mqshm_conn *conn, struct mqshm_wakes *wakes)
{
	struct mqshm_end *in = &conn->end[MQSHM_DIR_IN], *out = &conn->end[MQSHM_DIR_OUT];
	bool drain = in->state == MQSHM_END_AWAY;

	lockdep_assert_held(&conn->rt->lock);
	conn->keep_until_ns = U64_MAX;
	spin_lock(&conn->lock);
	if (drain) {
		/* [S12] */
		smp_store_release(conn->flags,
				  (*conn->flags | MQSHM_RING_CLOSED) & ~MQSHM_RING_KEPT);
		WRITE_ONCE(in->state, MQSHM_END_GONE);			/* [S13] */
		mqshm_ring_wake_locked(conn, MQSHM_DIR_OUT, wakes);	/* [S16] */
	}
	/* a consumer that is there sees CLOSED, or DISCONNECTED, and lets go */
	if (out->state == MQSHM_END_AWAY && (drain || conn->given_up))
		WRITE_ONCE(out->state, MQSHM_END_GONE);
	spin_unlock(&conn->lock);
	if (!drain)
		return;
	smp_mb(); /* [S13] CLOSED before the slots; pairs with the fence of a flush, F1 */
	conn->expired += mqshm_ring_drain(conn, wakes);
	if (out->client)
		mqshm_client_notify(out->client, wakes);
	wakes->changed = true;
}

/* It is taken away, or its runtime is removed: nobody will come back. */
void mqshm_persist_give_up(struct mqshm_conn *conn, struct mqshm_wakes *wakes)
{
	bool idle = both_gone(conn);

	conn->given_up = true;
	ends_close(conn, wakes);
	if (idle || both_gone(conn))
		mqshm_conn_remove(conn, wakes);
}

/* Whether buffers are in rings that nobody reads now. */
bool mqshm_persist_holds_messages(struct mqshm_runtime *rt)
{
	struct mqshm_conn *conn;

	lockdep_assert_held(&rt->lock);
	list_for_each_entry(conn, &rt->conns, node)
		if (conn->end[MQSHM_DIR_IN].state == MQSHM_END_AWAY &&
		    mqshm_ring_has_message(conn))
			return true;
	return false;
}

void mqshm_persist_drop_all(struct mqshm_runtime *rt, struct mqshm_wakes *wakes)
{
	struct mqshm_conn *conn;

	lockdep_assert_held(&rt->lock);
	list_for_each_entry(conn, &rt->conns, node)
		ends_close(conn, wakes);
}

static void keep_look(struct work_struct *work)
{
	struct mqshm_runtime *rt = container_of(to_delayed_work(work), struct mqshm_runtime,
						keep_work);
	u64 now = ktime_get_ns();
	struct mqshm_wakes wakes;
	struct mqshm_conn *conn;

	mqshm_wakes_init(&wakes);
	mutex_lock(&rt->lock);
	list_for_each_entry(conn, &rt->conns, node)
		if (conn->keep_until_ns <= now)
			ends_close(conn, &wakes);
	keep_schedule(rt);
	mutex_unlock(&rt->lock);
	mqshm_wakes_fire(rt, &wakes);
}

void mqshm_persist_init(struct mqshm_runtime *rt)
{
	INIT_DELAYED_WORK(&rt->keep_work, keep_look);
}

/* The runtime is removed; without its lock. */
void mqshm_persist_end(struct mqshm_runtime *rt)
{
	struct mqshm_conn *conn, *next;
	struct mqshm_wakes wakes;

	mqshm_wakes_init(&wakes);
	mutex_lock(&rt->lock);
	list_for_each_entry_safe(conn, next, &rt->conns, node)
		mqshm_persist_give_up(conn, &wakes);
	mutex_unlock(&rt->lock);
	mqshm_wakes_fire(rt, &wakes);
	/* nobody waits, so that nobody starts it again */
	cancel_delayed_work_sync(&rt->keep_work);
}
