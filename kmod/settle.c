// SPDX-License-Identifier: GPL-2.0-only
/*
 * Settling a client: after this nobody has a reference that was its, whatever
 * instruction it stopped at.
 *
 * It can execute no more: its memory has ended, or its pages were taken away. What
 * it was about to do stands in its intent; whether it did can be read off the one
 * cell that commits the operation, since nobody else writes that (a cursor), or
 * nobody else flips that bit of it (a toggle). All else follows:
 *
 *	count(W[b]) = in depot + sum over clients of hold[c][b] + occurrences of b
 *		      in rings, from phead to the end that the laps show
 *
 * holds for every buffer before the operation and after it, and step 1 makes it
 * hold between its commit and its hold store.
 */
#include <linux/bits.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "block.h"
#include "client.h"
#include "conn.h"
#include "mm.h"
#include "notice.h"
#include "persist.h"
#include "pool.h"
#include "ring.h"
#include "settle.h"

/* A push is committed by the lap in its slot; tail follows. */
static bool push_committed(struct mqshm_conn *conn, unsigned int par)
{
	struct mqshm_ring_producer *producer = mqshm_ring_producer(conn);
	u64 tail = READ_ONCE(producer->tail), slot;			/* [S2] */

	if ((tail & 1) != par)
		return true;
	if (!mqshm_ring_peek(conn, tail, &slot))			/* [S3] */
		return false;
	WRITE_ONCE(producer->tail, tail + 1);
	return true;
}

/* A pop, or the drop of its producer, moved phead; both may have, in a ring that drops. */
static bool cursor_moved(struct mqshm_conn *conn, unsigned int op, unsigned int par)
{
	u64 phead = READ_ONCE(mqshm_ring_consumer(conn)->phead);

	if (!(conn->policy & MQSHM_RING_DROP_OLDEST))
		return (phead & 1) != par;				/* [S4] */
	/* [S18] */
	return !!(phead & (op == MQSHM_OP_POP ? MQSHM_CURSOR_POP : MQSHM_CURSOR_DROP)) != par;
}

static bool toggle_flipped(struct mqshm_client *c, struct mqshm_pool *pool, u32 buffer,
			   unsigned int par)
{
	u64 w = atomic64_read(mqshm_pool_w(pool, buffer));		/* [S5] */

	return !!(w & MQSHM_W_TOGGLE(c->index)) != par;
}

/*
 * Step 1. The intent is the client's word, hostile: every field is bounded, and
 * the ring must be one that the client has that end of.
 */
static bool intent_resolve(struct mqshm_client *c, u64 intent)
{
	u32 buffer = MQSHM_INTENT_BUFFER(intent);
	unsigned int par = MQSHM_INTENT_PAR(intent), op = MQSHM_INTENT_OP(intent);
	u16 before = MQSHM_INTENT_HOLD(intent), n = MQSHM_INTENT_N(intent), *hold;
	struct mqshm_pool *pool = mqshm_pool_of(c->rt, buffer);
	struct mqshm_conn *conn;
	bool committed;

	if (op < MQSHM_OP_PUSH || op > MQSHM_OP_DROP || !pool)
		return false;
	hold = mqshm_client_hold(c, buffer);
	if (!hold)
		return false;

	if (op == MQSHM_OP_PUSH || op == MQSHM_OP_POP || op == MQSHM_OP_DROP) {
		conn = mqshm_conn_of(c, MQSHM_INTENT_RING(intent),
				     op == MQSHM_OP_POP ? MQSHM_DIR_IN : MQSHM_DIR_OUT);
		if (!conn || (op == MQSHM_OP_DROP && !(conn->policy & MQSHM_RING_DROP_OLDEST)))
			return false;
		committed = op == MQSHM_OP_PUSH ? push_committed(conn, par) :
						  cursor_moved(conn, op, par);
	} else {
		if (c->index >= MQSHM_TOGGLES)
			return false;
		committed = toggle_flipped(c, pool, buffer, par);
	}

	/* absolute, and in both cases: nobody knows whether the hold store was made */
	if (op == MQSHM_OP_PUSH || op == MQSHM_OP_RELEASE)
		n = -n;
	WRITE_ONCE(*hold, committed ? before + n : before);		/* [S6] */
	return committed;
}

/* Also for the client itself, after a longjmp out of an operation. */
void mqshm_settle_recover(struct mqshm_client *c)
{
	lockdep_assert_held(&c->lock);
	intent_resolve(c, READ_ONCE(mqshm_client_control(c)->intent));
	mqshm_client_clear_intent(c);
}

/* Steps 2 and 3: all ends of direction @dir let go of their rings. */
static void ends_let_go(struct mqshm_client *c, unsigned int dir, u32 why,
			struct mqshm_wakes *wakes)
{
	struct mqshm_end *end, *next;
	struct mqshm_port *port;

	mutex_lock(&c->rt->lock);
	list_for_each_entry(port, &c->ports, client_node) {
		if (port->direction != dir)
			continue;
		list_for_each_entry_safe(end, next, &port->ends, node)
			mqshm_conn_let_go(mqshm_end_conn(end, dir), dir, why, false,
					  &c->departed, wakes);
	}
	list_for_each_entry_safe(end, next, &c->pending, node)
		if (end->port->direction == dir)
			mqshm_conn_let_go(mqshm_end_conn(end, dir), dir, why, false,
					  &c->departed, wakes);
	mutex_unlock(&c->rt->lock);
}

#define HOLDS_A_WORD	(sizeof(u64) / sizeof(u16))
#define HOLDS_A_PAGE	(PAGE_SIZE / sizeof(u16))

#define ONE_OF_EACH	0x0001000100010001ULL	/* a word of holds */

static u64 holds_drop(struct mqshm_client *c, u32 first, u16 *hold,
		      struct mqshm_batch *batch)
{
	struct mqshm_pool *pool;
	u64 refs = 0;
	unsigned int i;
	u16 n;

	for (i = 0; i < HOLDS_A_WORD; i++) {
		n = READ_ONCE(hold[i]);
		if (!n)
			continue;
		WRITE_ONCE(hold[i], 0);					/* [S11] */
		pool = mqshm_pool_of(c->rt, first + i);
		if (!pool) {
			mqshm_runtime_taint(c->rt);
			continue;
		}
		WRITE_ONCE(c->freed, c->freed + mqshm_pool_sub(pool, first + i, n, batch));
		refs += n;
		c->departed.lost_buffers++;
	}
	return refs;
}

/*
 * Most of what the dead held was theirs alone, and lies side by side: there a word of holds
 * is given up at once, and the words of the depot are written as words.
 */
static u64 hold_word_drop(struct mqshm_client *c, u32 first, u64 *word,
			  struct mqshm_batch *batch)
{
	struct mqshm_pool *pool;

	if (READ_ONCE(*word) != ONE_OF_EACH)
		return holds_drop(c, first, (u16 *)word, batch);
	pool = mqshm_pool_of(c->rt, first);
	if (!pool || !mqshm_pool_all_sole(pool, first, HOLDS_A_WORD))
		return holds_drop(c, first, (u16 *)word, batch);
	WRITE_ONCE(*word, 0);						/* [S11] */
	mqshm_batch_add(batch, pool, first, HOLDS_A_WORD);
	WRITE_ONCE(c->freed, c->freed + HOLDS_A_WORD);
	c->departed.lost_buffers += HOLDS_A_WORD;
	return HOLDS_A_WORD;
}

#define WORDS_A_LINE	8
#define WORDS_A_PAGE	(PAGE_SIZE / sizeof(u64))

/*
 * A cache line of a hold row: most are empty, and the scan is as fast as this. Written out,
 * since a kernel is compiled without unrolling, which takes more than twice as long.
 */
static bool line_is_empty(const u64 *words)
{
	return !(READ_ONCE(words[0]) | READ_ONCE(words[1]) | READ_ONCE(words[2]) |
		 READ_ONCE(words[3]) | READ_ONCE(words[4]) | READ_ONCE(words[5]) |
		 READ_ONCE(words[6]) | READ_ONCE(words[7]));
}

static u64 hold_page_drop(struct mqshm_client *c, u32 first, u64 *words,
			  struct mqshm_batch *batch)
{
	unsigned int line, i;
	u64 refs = 0;

	for (line = 0; line < WORDS_A_PAGE; line += WORDS_A_LINE) {
		if (line_is_empty(&words[line]))
			continue;
		for (i = line; i < line + WORDS_A_LINE; i++)
			refs += hold_word_drop(c, first + i * HOLDS_A_WORD, &words[i],
					       batch);
	}
	return refs;
}

/* Step 4: what is in the client's hands, on the pages that it touched. */
static u64 hand_drop(struct mqshm_client *c, struct mqshm_wakes *wakes)
{
	struct mqshm_batch batch;
	unsigned int page;
	u64 refs = 0, *words;

	mqshm_batch_init(&batch, wakes);
	for (page = 0; page < c->hold->nr_pages; page++) {
		words = READ_ONCE(c->hold->pages[page]);
		if (!words)
			continue;
		refs += hold_page_drop(c, page * HOLDS_A_PAGE, words, &batch);
		cond_resched();
	}
	mqshm_batch_put(&batch);
	return refs;
}

/*
 * What damaged counts kept back is mended when nobody can have a reference. A count
 * that was too high shows only now, as a buffer that did not come back: this is
 * reported until the next client that leaves last. Messages that are kept for a successor
 * are references that nobody has: as long as there are any, nothing is known and nothing
 * mended, unless it has to be; then they go.
 */
static void runtime_reset_locked(struct mqshm_runtime *rt, struct mqshm_wakes *wakes)
{
	bool tainted, short_of_some = false;
	unsigned int i;

	lockdep_assert_held(&rt->lock);
	if (rt->n_clients)
		return;
	tainted = atomic_read(&rt->tainted);
	if (tainted) {
		mqshm_persist_drop_all(rt, wakes);
		/* after it: what it finds damaged is mended with the rest */
		atomic_set(&rt->tainted, 0);
	} else if (mqshm_persist_holds_messages(rt)) {
		return;
	}
	for (i = 0; i < rt->n_pools; i++) {
		short_of_some |= rt->pools[i]->n_free != rt->pools[i]->count;
		if (tainted || short_of_some)
			mqshm_pool_reset(rt->pools[i]);
	}
	if (short_of_some && !tainted)
		mqshm_runtime_taint(rt);
}

static void departed_add_locked(struct mqshm_client *c)
{
	struct mqshm_runtime *rt = c->rt;
	struct mqshm_departed *slot = &rt->departed[rt->n_departed++ % MQSHM_DEPARTED];

	lockdep_assert_held(&rt->lock);
	put_pid(slot->pid);
	*slot = c->departed;
	slot->id = c->id;
	slot->pid = get_pid(c->tgid);
	strscpy(slot->name, c->name, sizeof(slot->name));
}

/*
 * Buffers in its hands that the program had not got, or had let go of: settling
 * did not free those. From the client's own counts, so only good to be shown.
 */
static u64 client_reserve(struct mqshm_client *c)
{
	struct mqshm_control *control = mqshm_client_control(c);

	return c->reserve - READ_ONCE(control->allocated) + READ_ONCE(control->freed);
}

/*
 * Steps 1 to 3: nobody waits for it or finds it any more. The wakes are due
 * once its lock is dropped.
 */
static void client_end(struct mqshm_client *c, u32 how, struct list_head *blocks,
		       struct mqshm_wakes *wakes)
{
	u32 why = how == MQSHM_DEPARTED_EXIT || mqshm_mm_process_exiting(c) ?
		  MQSHM_RING_DEAD : MQSHM_RING_DISCONNECTED;
	u32 change = why == MQSHM_RING_DEAD ? MQSHM_CHANGE_DIED : MQSHM_CHANGE_WENT;
	u64 intent = READ_ONCE(mqshm_client_control(c)->intent);	/* [S1] */

	lockdep_assert_held(&c->lock);
	WRITE_ONCE(c->dead, true);					/* [M6] [S0] */
	c->departed.how = how;
	mutex_lock(&c->rt->lock);
	mqshm_notice_client(c, change);
	if (change == MQSHM_CHANGE_WENT)
		mqshm_persist_client_leaves(c);
	mutex_unlock(&c->rt->lock);
	c->departed.op = MQSHM_INTENT_OP(intent);
	c->departed.committed = intent_resolve(c, intent);
	mqshm_client_clear_intent(c);
	ends_let_go(c, MQSHM_DIR_OUT, why, wakes);
	ends_let_go(c, MQSHM_DIR_IN, why, wakes);

	mutex_lock(&c->rt->lock);
	mqshm_block_remove_all(c, change, blocks);
	mqshm_client_notify(c, wakes);	/* [M7] if it runs, it is told by ESHUTDOWN */
	mutex_unlock(&c->rt->lock);
}

/* Steps 4 and 5: its hand is empty, its index free; its toggle bits stay as they are. */
static void client_leave(struct mqshm_client *c, struct mqshm_wakes *wakes)
{
	struct mqshm_control *control = mqshm_client_control(c);
	struct mqshm_totals *totals = &c->rt->totals;
	u64 spare;

	lockdep_assert_held(&c->lock);
	c->settled = true;
	c->departed.refs = hand_drop(c, wakes);				/* [H2] if it was parked */
	spare = client_reserve(c);
	c->departed.lost = spare < c->departed.refs ? c->departed.refs - spare : 0;
	/* each of those is a buffer of its own, with one reference */
	c->departed.lost_buffers -= min(spare, c->departed.lost_buffers);

	mutex_lock(&c->rt->lock);
	totals->allocated += READ_ONCE(control->allocated);
	totals->freed += READ_ONCE(control->freed) + c->freed - client_reserve(c);
	totals->ioctls += atomic64_read(&c->ioctls);
	totals->settled++;
	mqshm_client_leave_slot(c);					/* [S17] */
	runtime_reset_locked(c->rt, wakes);
	c->departed.at_ns = ktime_get_ns();
	c->departed.settle_ns += c->departed.at_ns;
	/* one that came, was refused what it wanted and left is no news */
	if (c->had_blocks || c->departed.how != MQSHM_DEPARTED_DETACH)
		departed_add_locked(c);
	mqshm_notice_client(c, MQSHM_CHANGE_SETTLED);
	mutex_unlock(&c->rt->lock);
}

/*
 * Once for each client, from whichever comes first: the end of its memory, the
 * release of its descriptor, its own detaching, the removal of its runtime. The
 * caller has a reference and holds no lock.
 *
 * The hand of a client with direct I/O is parked until the release: a device may
 * still write into those buffers, and io_uring releases a file that is registered
 * with it after its last request.
 */
void mqshm_settle(struct mqshm_client *c, u32 how)
{
	bool ends, leaves;
	struct mqshm_wakes wakes;
	LIST_HEAD(blocks);

	mqshm_wakes_init(&wakes);
	mutex_lock(&c->lock);						/* [M5] */
	ends = !c->dead;
	/* [H1] */
	leaves = !c->settled && (!c->direct_io || how == MQSHM_DEPARTED_RELEASE);
	c->departed.settle_ns -= ktime_get_ns();
	if (ends)
		client_end(c, how, &blocks, &wakes);
	if (leaves)
		client_leave(c, &wakes);
	else
		c->departed.settle_ns += ktime_get_ns();
	mutex_unlock(&c->lock);

	mqshm_wakes_fire(c->rt, &wakes);
	mqshm_block_free_list(&blocks);
	if (leaves)
		mqshm_runtime_leave(c->rt);
	if (ends || leaves)
		mqshm_runtime_changed(c->rt);
	if (leaves)
		mqshm_client_put(c);	/* the slot's */
}
