// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel does to a ring: look at it, ask to be woken for it, wake, and
 * empty one that nobody will read. The words in it are the clients', hostile: each
 * is read once, and no loop is longer than the ring.
 *
 * Letters in brackets name shared accesses, as in lib/protocol.h; selftests/model has
 * the table. Sleeping and waking, for a consumer (for a producer with head in the
 * place of the slot and PSLEEPING in that of SLEEPING):
 *
 *	consumer, in the kernel			producer
 *	-----------------------			--------
 *	(W1) flags |= SLEEPING			(P4) slot = message
 *	(W2) smp_mb()				(F1) full fence
 *	(W3) slot filled? do not sleep		(F2) flags != 0? KICK
 *
 * One of the two sees the other's store. W1 is mqshm_ring_arm(), W2 stands in its
 * callers, W3 is mqshm_ring_count(): for one who knows of n messages the slot is the one
 * behind them; E and A are the same for poll and ARM.
 */
#include <linux/nospec.h>
#include <linux/sched.h>

#include "block.h"
#include "client.h"
#include "pool.h"
#include "ring.h"
#include "wake.h"

/* The slot at @cursor, if it is filled. */
bool mqshm_ring_peek(const struct mqshm_conn *conn, u64 cursor, u64 *slot)
{
	u64 mask = (1ULL << conn->shift) - 1;
	u64 i = array_index_nospec(cursor & mask, mask + 1);
	u64 *p = mqshm_region_at(conn->producer,
				 offsetof(struct mqshm_ring_producer, slots) +
				 i * sizeof(u64));

	*slot = smp_load_acquire(p);
	return MQSHM_SLOT_LAP(*slot) == MQSHM_LAP(cursor, conn->shift);
}

/*
 * Messages that are there, but no more than @most. The filled slots are the first ones
 * from phead on, so that their end is found by halving: whoever waits says how many he
 * knows of, and may have many rings.
 */
u32 mqshm_ring_count(const struct mqshm_conn *conn, u32 most)
{
	u64 phead = mqshm_ring_cursor(conn), slot;
	u32 low = 0, high = min_t(u64, most, 1ULL << conn->shift), middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (mqshm_ring_peek(conn, phead + middle, &slot))	/* [W3] [E3] [A3] */
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool mqshm_ring_has_message(const struct mqshm_conn *conn)
{
	return mqshm_ring_count(conn, 1);
}

bool mqshm_ring_has_room(const struct mqshm_conn *conn)
{
	u64 tail = READ_ONCE(mqshm_ring_producer(conn)->tail);
	u64 head = READ_ONCE(mqshm_ring_consumer(conn)->head);	/* [W6] */

	return tail - head < conn->depth;
}

/* For people. */
u32 mqshm_ring_queued(const struct mqshm_conn *conn)
{
	u64 phead = mqshm_ring_cursor(conn);
	u64 tail = READ_ONCE(mqshm_ring_producer(conn)->tail);

	return (s64)(tail - phead) < 0 ? 0 : min_t(u64, tail - phead, 1ULL << conn->shift);
}

static u32 sleeping_flag(unsigned int dir)
{
	return dir == MQSHM_DIR_IN ? MQSHM_RING_SLEEPING : MQSHM_RING_PSLEEPING;
}

/* The peer of end @dir, who may wait, is asked for a KICK. A full barrier must follow. */
void mqshm_ring_arm(struct mqshm_conn *conn, unsigned int dir, unsigned int sleeper)
{
	if (mqshm_ring_never_waits(conn, dir))
		return;
	spin_lock(&conn->lock);
	conn->end[dir].sleepers |= sleeper;
	/* [W1] [W5] [E1] [A1] */
	WRITE_ONCE(*conn->flags, *conn->flags | sleeping_flag(dir));
	spin_unlock(&conn->lock);
}

void mqshm_ring_disarm(struct mqshm_conn *conn, unsigned int dir, unsigned int sleeper)
{
	spin_lock(&conn->lock);
	conn->end[dir].sleepers &= ~sleeper;
	if (!conn->end[dir].sleepers)	/* [W4] [W7] */
		WRITE_ONCE(*conn->flags, *conn->flags & ~sleeping_flag(dir));
	spin_unlock(&conn->lock);
}

/* Everybody who sleeps at end @dir is to be woken once locks are dropped. */
void mqshm_ring_wake_locked(struct mqshm_conn *conn, unsigned int dir,
			    struct mqshm_wakes *wakes)
{
	struct mqshm_end *end = &conn->end[dir];

	lockdep_assert_held(&conn->lock);
	if (!end->sleepers)
		return;
	if (end->sleepers & MQSHM_SLEEPER_ARM)
		atomic_set(&end->port->fire, 1);
	end->sleepers = 0;
	WRITE_ONCE(*conn->flags, *conn->flags & ~sleeping_flag(dir));
	__set_bit(end->client->index, wakes->clients);
}

/*
 * The kernel pops: phead is its own, under the ring lock, unless the producer of a ring
 * that drops takes out the oldest at the same time. Then it may come too late, and has
 * to look again.
 */
static bool cursor_advance(struct mqshm_conn *conn, u64 phead)
{
	u64 *cell = &mqshm_ring_consumer(conn)->phead, next;

	if (!(conn->policy & MQSHM_RING_DROP_OLDEST)) {
		WRITE_ONCE(*cell, phead + 1);				/* [N2] */
		return true;
	}
	/* not into the toggles, whatever a client wrote */
	next = (phead & ~MQSHM_CURSOR_MASK) | ((phead + 1) & MQSHM_CURSOR_MASK);
	return cmpxchg(cell, phead, next) == phead;			/* [N2] */
}

/* Where the consumer is, or was. */
u64 mqshm_ring_cursor(const struct mqshm_conn *conn)
{
	return READ_ONCE(mqshm_ring_consumer(conn)->phead) & MQSHM_CURSOR_MASK;
}

/*
 * Empties a ring whose consumer's end is gone, and says how many messages there
 * were.
 */
u64 mqshm_ring_drain(struct mqshm_conn *conn, struct mqshm_wakes *wakes)
{
	struct mqshm_ring_consumer *consumer = mqshm_ring_consumer(conn);
	u64 left = 1ULL << conn->shift, drained = 0, freed = 0, slot, phead;
	struct mqshm_batch batch;
	struct mqshm_pool *pool;
	unsigned int chunk;
	bool more = true;

	mqshm_batch_init(&batch, wakes);
	while (more && left) {
		chunk = min_t(u64, left, MQSHM_BATCH_MAX);
		left -= chunk;
		spin_lock(&conn->lock);
		for (; chunk; chunk--) {
			phead = READ_ONCE(consumer->phead);
			more = mqshm_ring_peek(conn, phead & MQSHM_CURSOR_MASK,
					       &slot);			/* [N1] */
			if (!more)
				break;
			if (!cursor_advance(conn, phead))
				continue;
			drained++;
			pool = mqshm_pool_of(conn->rt, MQSHM_SLOT_BUFFER(slot));
			if (pool)
				freed += mqshm_pool_sub(pool, MQSHM_SLOT_BUFFER(slot), 1,
							&batch);
			else
				mqshm_runtime_taint(conn->rt);
		}
		smp_store_release(&consumer->head, mqshm_ring_cursor(conn)); /* [N3] */
		spin_unlock(&conn->lock);
		mqshm_batch_put(&batch);
		cond_resched();
	}
	atomic64_add(freed, &conn->rt->drained_freed);
	return drained;
}

/* Does what the flags of one ring ask this end's peer to do. */
static void ring_kick_end(struct mqshm_conn *conn, unsigned int dir,
			  struct mqshm_wakes *wakes)
{
	bool drain;

	spin_lock(&conn->lock);
	drain = dir == MQSHM_DIR_OUT && conn->end[MQSHM_DIR_IN].state == MQSHM_END_GONE;
	mqshm_ring_wake_locked(conn, !dir, wakes);			/* [K2] [K3] */
	spin_unlock(&conn->lock);
	if (drain)
		mqshm_ring_drain(conn, wakes);				/* [K1] */
}

/* Inside @c's own call, so that an end of its stays. Other rings are passed over. */
void mqshm_ring_kick(struct mqshm_client *c, u32 ring, struct mqshm_wakes *wakes)
{
	struct mqshm_conn *conn;
	unsigned int dir;

	lockdep_assert_held(&c->lock);
	for (dir = MQSHM_DIR_IN; dir <= MQSHM_DIR_OUT; dir++) {
		conn = mqshm_conn_of(c, ring, dir);
		if (conn)
			ring_kick_end(conn, dir, wakes);
	}
}
