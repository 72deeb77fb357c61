/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_POOL_H
#define MQSHM_POOL_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/nospec.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>

#include "region.h"
#include "runtime.h"
#include "wake.h"

struct mqshm_client;
struct mqshm_payload;
struct mqshm_runtime;
struct mqshm_user;

/**
 * struct mqshm_pool - buffers of one size
 * @rt: its runtime, which outlives it; constant, as are all up to @payload
 * @index: in the runtime
 * @first: number of its first buffer
 * @count: number of buffers
 * @buffer_bytes: capacity of a buffer
 * @stride_bytes: distance of buffers in the payload
 * @flags: MQSHM_POOL_F_*
 * @node: where it is, NUMA_NO_NODE if that was not said
 * @name: unique in the runtime
 * @uid: who made it
 * @user: who is charged for the tables
 * @bytes: that are charged for the tables
 * @w: W table, written by clients, hostile
 * @meta: metadata and serials, written by clients, only shown
 * @payload: never looked at
 * @lock: the depot: all that follows
 * @in_depot: bitmap of those that are free, relative to @first
 * @n_free: bits set in it; read without the lock as a hint
 * @lowest: word of @in_depot below which no bit is set
 * @quarantined: bitmap of buffers whose count was damaged; they never get there
 * @n_quarantined: bits set in it
 * @waiters: clients that wait for a buffer, first come first
 * @n_waiters: their number
 * @n_promised: free buffers that are promised to waiters: each that comes back goes
 *	to the first who has no promise, so that nobody who comes later takes it
 * @wanted: shown to all clients: not 0 while there are waiters
 */
struct mqshm_pool {
	struct mqshm_runtime *rt;
	u32 index;
	u32 first;
	u32 count;
	u32 buffer_bytes;
	u32 stride_bytes;
	u32 flags;
	int node;
	char name[MQSHM_POOL_NAME_LEN];
	kuid_t uid;
	struct mqshm_user *user;
	u64 bytes;
	struct mqshm_region *w;
	struct mqshm_region *meta;
	struct mqshm_payload *payload;

	spinlock_t lock;
	unsigned long *in_depot;
	u32 n_free;
	u32 lowest;
	unsigned long *quarantined;
	u32 n_quarantined;
	struct list_head waiters;
	u32 n_waiters;
	u32 n_promised;
	u32 *wanted;
};

#define MQSHM_BATCH_WORDS	32

/**
 * struct mqshm_depot_word - free buffers that lie side by side
 * @index: of a word of a pool's depot
 * @bits: those of buffers whose counts rest at 1
 */
struct mqshm_depot_word {
	u32 index;
	unsigned long bits;
};

/**
 * struct mqshm_batch - free buffers of one pool on their way to its depot
 * @pool: whose they are
 * @wakes: who is to be woken
 * @n: number of @words
 * @words: what goes there
 */
struct mqshm_batch {
	struct mqshm_pool *pool;
	struct mqshm_wakes *wakes;
	u32 n;
	struct mqshm_depot_word words[MQSHM_BATCH_WORDS];
};

static inline void mqshm_batch_init(struct mqshm_batch *batch, struct mqshm_wakes *wakes)
{
	batch->pool = NULL;
	batch->wakes = wakes;
	batch->n = 0;
}

void mqshm_batch_add(struct mqshm_batch *batch, struct mqshm_pool *pool, u32 buffer,
		     unsigned int n);
void mqshm_batch_put(struct mqshm_batch *batch);

int mqshm_pool_create(struct mqshm_runtime *rt, struct mqshm_pool_create_args *args);
void mqshm_pool_free(struct mqshm_pool *pool);
bool mqshm_pool_all_sole(struct mqshm_pool *pool, u32 buffer, unsigned int n);
bool mqshm_pool_sub(struct mqshm_pool *pool, u32 buffer, u32 n,
		    struct mqshm_batch *batch);
void mqshm_pool_promise_locked(struct mqshm_pool *pool, struct mqshm_wakes *wakes);
void mqshm_pool_reset(struct mqshm_pool *pool);

/* The pool that @buffer lies in, or NULL: @buffer may be anything. */
static inline struct mqshm_pool *mqshm_pool_of(struct mqshm_runtime *rt, u32 buffer)
{
	struct mqshm_pool *pool;
	unsigned int i;

	for (i = 0; i < MQSHM_POOLS_MAX; i++) {
		/* pairs with the publication in pool_publish() */
		pool = smp_load_acquire(&rt->pools[i]);
		if (!pool)
			break;
		if (buffer - pool->first < pool->count)
			return pool;
	}
	return NULL;
}

/* The W word of @buffer, which is one of @pool's. */
static inline atomic64_t *mqshm_pool_w(const struct mqshm_pool *pool, u32 buffer)
{
	u32 i = array_index_nospec(buffer - pool->first, pool->count);

	return mqshm_region_at(pool->w, i * sizeof(u64));
}

/*
 * The lowest of the free buffers, of which there is one, relative to the first: what was
 * used before is used again, and few pages are touched. However many a call leases, it
 * passes over the bits once at most.
 */
static inline u32 mqshm_pool_lowest_locked(struct mqshm_pool *pool)
{
	lockdep_assert_held(&pool->lock);
	while (!pool->in_depot[pool->lowest])
		pool->lowest++;
	return pool->lowest * BITS_PER_LONG + __ffs(pool->in_depot[pool->lowest]);
}

#endif /* MQSHM_POOL_H */
