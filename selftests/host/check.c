// SPDX-License-Identifier: GPL-2.0-only
/*
 * The invariant of the protocol, counted by what clients and kernel have written
 * and by nothing that settle computes:
 *
 *	count(W[b]) = in depot + sum over clients of hold[b] + occurrences in rings
 *
 * where the hold of a client that stopped inside an operation is what its intent
 * and the committing cell say it will be. To be called when nobody moves.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "conn.h"
#include "internal.h"
#include "pool.h"
#include "ring.h"
#include "runtime.h"

#define SHOWN	8	/* faults written out at a time */

/**
 * struct tally - what was counted in one runtime
 * @rt: the runtime
 * @refs: references found, by buffer
 * @sums: sums of it
 * @wrong: faults so far
 */
struct tally {
	struct mqshm_runtime *rt;
	u32 *refs;
	struct host_sums sums;
	unsigned int wrong;
};

__attribute__((format(printf, 2, 3)))
static void fault(struct tally *t, const char *format, ...)
{
	va_list args;

	if (t->wrong++ >= SHOWN)
		return;
	fprintf(stderr, "# host: runtime %s: ", t->rt->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
}

static void refs_add(struct tally *t, u32 buffer, u32 n, const char *who)
{
	if (buffer >= t->rt->n_buffers)
		fault(t, "%s has buffer %u, which is not there", who, buffer);
	else
		t->refs[buffer] += n;
}

/* The ring of @c with that number and direction, or NULL. */
static struct mqshm_conn *own_ring(struct mqshm_client *c, u32 ring, unsigned int dir)
{
	struct mqshm_conn *conn;

	if (ring >= c->rt->limits.connections)
		return NULL;
	conn = READ_ONCE(c->rt->rings[ring]);
	return conn && conn->end[dir].client == c &&
	       conn->end[dir].state == MQSHM_END_ATTACHED ? conn : NULL;
}

/* Whether the operation of @intent has happened; -1: there is none to be judged. */
static int committed(struct mqshm_client *c, u64 intent)
{
	bool par = MQSHM_INTENT_PAR(intent);
	unsigned int op = MQSHM_INTENT_OP(intent);
	struct mqshm_conn *conn;
	struct mqshm_pool *pool;
	u64 cursor, slot;

	if (op == MQSHM_OP_PUSH || op == MQSHM_OP_POP || op == MQSHM_OP_DROP) {
		conn = own_ring(c, MQSHM_INTENT_RING(intent),
				op == MQSHM_OP_POP ? MQSHM_DIR_IN : MQSHM_DIR_OUT);
		if (!conn)
			return -1;
		cursor = mqshm_ring_consumer(conn)->phead;
		if (op == MQSHM_OP_DROP)
			return !!(cursor & MQSHM_CURSOR_DROP) != par;
		if (op == MQSHM_OP_POP)
			return (conn->policy & MQSHM_RING_DROP_OLDEST ? cursor >> 63 : cursor & 1) != par;
		cursor = mqshm_ring_producer(conn)->tail;
		return (cursor & 1) != par || mqshm_ring_peek(conn, cursor, &slot);
	}
	if (op == MQSHM_OP_DUP || op == MQSHM_OP_RELEASE) {
		pool = mqshm_pool_of(c->rt, MQSHM_INTENT_BUFFER(intent));
		if (!pool || c->index >= MQSHM_TOGGLES)
			return -1;
		return !!(atomic64_read(mqshm_pool_w(pool, MQSHM_INTENT_BUFFER(intent))) &
			  MQSHM_W_TOGGLE(c->index)) != par;
	}
	return -1;
}

static void tally_client(struct tally *t, struct mqshm_client *c)
{
	u64 intent = mqshm_client_control(c)->intent;
	unsigned int page, i, op = MQSHM_INTENT_OP(intent);
	u16 n = MQSHM_INTENT_N(intent), before = MQSHM_INTENT_HOLD(intent);
	int done = committed(c, intent);
	u32 buffer, held;
	u16 *row;

	if (c->dead)
		fault(t, "client %llu is dead, but in the table", c->id);
	if (op == MQSHM_OP_PUSH || op == MQSHM_OP_RELEASE)
		n = (u16)-n;
	for (page = 0; page < c->hold->nr_pages; page++) {
		row = c->hold->pages[page];
		for (i = 0; row && i < PAGE_SIZE / sizeof(u16); i++) {
			buffer = page * (u32)(PAGE_SIZE / sizeof(u16)) + i;
			held = row[i];
			if (done >= 0 && buffer == MQSHM_INTENT_BUFFER(intent))
				held = (u16)(done ? before + n : before);
			if (!held)
				continue;
			refs_add(t, buffer, held, c->name);
			t->sums.held += held;
		}
	}
}

static void tally_ring(struct tally *t, struct mqshm_conn *conn)
{
	u64 cursor = mqshm_ring_consumer(conn)->phead & MQSHM_CURSOR_MASK, slot;
	u64 end = cursor + (1ULL << conn->shift);

	for (; cursor < end && mqshm_ring_peek(conn, cursor, &slot); cursor++) {
		refs_add(t, MQSHM_SLOT_BUFFER(slot), 1, "a ring");
		t->sums.queued++;
		t->sums.orphaned += conn->end[MQSHM_DIR_IN].state == MQSHM_END_GONE;
	}
}

/* Each free buffer has its bit, at the hint or behind it. */
static void check_depot(struct tally *t, struct mqshm_pool *pool)
{
	u32 i, n = 0;

	for (i = 0; i < BITS_TO_LONGS(pool->count) * BITS_PER_LONG; i++) {
		if (!test_bit(i, pool->in_depot))
			continue;
		if (i >= pool->count || i / BITS_PER_LONG < pool->lowest)
			fault(t, "pool %s: bit %u of the depot is wrong", pool->name, i);
		n++;
	}
	if (n != pool->n_free)
		fault(t, "pool %s: %u free buffers, but %u bits", pool->name, pool->n_free, n);
	if (pool->n_quarantined)
		fault(t, "pool %s: %u buffers in quarantine", pool->name, pool->n_quarantined);
	t->sums.in_depot += n;
}

/*
 * Free buffers are promised to clients that wait for one, at most one of a pool to each. Who
 * is about to give up, or to take it, still stands in the line.
 */
static void check_promises(struct tally *t, struct mqshm_pool *pool)
{
	struct mqshm_waiter *waiter;
	u32 waiting = 0, promised = 0;

	list_for_each_entry(waiter, &pool->waiters, node) {
		waiting++;
		promised += waiter->promised;
	}
	if (promised != pool->n_promised || promised > pool->n_free)
		fault(t, "pool %s: %u buffers promised to %u clients, %u free", pool->name,
		      pool->n_promised, promised, pool->n_free);
	if (waiting != pool->n_waiters || waiting != *pool->wanted)
		fault(t, "pool %s: %u clients wait, but %u are counted, and %u told",
		      pool->name, waiting, pool->n_waiters, (u32)*pool->wanted);
}

static void check_counts(struct tally *t, struct mqshm_pool *pool)
{
	u32 i, b, count, expected;
	bool free;

	for (i = 0; i < pool->count; i++) {
		b = pool->first + i;
		free = test_bit(i, pool->in_depot);
		expected = t->refs[b] + free;
		count = (u32)(atomic64_read(mqshm_pool_w(pool, b)) & MQSHM_W_COUNT_MASK);
		if (count != expected)
			fault(t, "buffer %u: count is %u, but there are %u references%s", b,
			      count, t->refs[b], free ? " and the depot's" : "");
		if (free && t->refs[b])
			fault(t, "buffer %u is free and has %u references", b, t->refs[b]);
	}
}

static void check_runtime(struct tally *t)
{
	struct mqshm_runtime *rt = t->rt;
	struct mqshm_conn *conn;
	unsigned int i;

	t->refs = calloc(rt->n_buffers + 1, sizeof(*t->refs));
	if (!t->refs)
		host_bug("no memory for a check");
	t->sums.buffers += rt->n_buffers;
	if (atomic_read(&rt->tainted))
		fault(t, "is tainted");
	for (i = 0; i < rt->limits.clients; i++)
		if (rt->clients[i])
			tally_client(t, rt->clients[i]);
	list_for_each_entry(conn, &rt->conns, node)
		tally_ring(t, conn);
	for (i = 0; i < rt->n_pools; i++) {
		check_depot(t, rt->pools[i]);
		check_promises(t, rt->pools[i]);
		check_counts(t, rt->pools[i]);
	}
	free(t->refs);
}

static unsigned int check_all(struct host_sums *sums)
{
	struct tally t = {};

	mqshm_runtime_table_lock();
	while ((t.rt = mqshm_runtime_table_next(t.rt)))
		check_runtime(&t);
	mqshm_runtime_table_unlock();
	if (sums)
		*sums = t.sums;
	return t.wrong;
}

unsigned int host_check(void)
{
	return check_all(NULL);
}

void host_sum(struct host_sums *sums)
{
	check_all(sums);
}
