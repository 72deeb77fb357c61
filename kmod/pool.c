// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools and their depots: where free buffers lie, and how a reference is dropped
 * when no client does it.
 */
#include <linux/bitmap.h>
#include <linux/cpuset.h>
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/nospec.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "client.h"
#include "notice.h"
#include "payload.h"
#include "pool.h"
#include "runtime.h"
#include "user.h"

void mqshm_pool_free(struct mqshm_pool *pool)
{
	if (pool->payload)
		mqshm_payload_put(pool->payload);
	mqshm_region_put(pool->meta);
	mqshm_region_put(pool->w);
	kvfree(pool->quarantined);
	kvfree(pool->in_depot);
	if (pool->user) {
		mqshm_user_uncharge_bytes(pool->user, pool->bytes);
		mqshm_user_put(pool->user);
	}
	kfree(pool);
}

/* Promises what is free to those who wait, and has them woken. */
void mqshm_pool_promise_locked(struct mqshm_pool *pool, struct mqshm_wakes *wakes)
{
	struct mqshm_waiter *waiter;

	lockdep_assert_held(&pool->lock);
	list_for_each_entry(waiter, &pool->waiters, node) {
		if (pool->n_promised >= pool->n_free)
			break;
		if (waiter->promised)
			continue;
		waiter->promised = true;				/* [T5] */
		pool->n_promised++;
		__set_bit(waiter->client->index, wakes->clients);
	}
}

/* Adds to a word of the depot; returns how many buffers came back by it. */
static u32 depot_add_locked(struct mqshm_pool *pool, const struct mqshm_depot_word *free)
{
	unsigned long *word = &pool->in_depot[free->index], bits = free->bits;

	lockdep_assert_held(&pool->lock);
	bits &= ~pool->quarantined[free->index]; /* those stay out of use */
	if (bits & *word)
		mqshm_runtime_taint(pool->rt);
	bits &= ~*word;
	*word |= bits;							/* [U2] [T3] */
	return hweight_long(bits);
}

/* Buffers whose counts rest at 1 go into the depot; who waits for them is woken. */
void mqshm_batch_put(struct mqshm_batch *batch)
{
	struct mqshm_pool *pool = batch->pool;
	u32 k, lowest, back = 0;

	if (!batch->n)
		return;
	spin_lock(&pool->lock);
	lowest = pool->lowest;
	for (k = 0; k < batch->n; k++) {
		back += depot_add_locked(pool, &batch->words[k]);
		lowest = min(lowest, batch->words[k].index);
	}
	/* once, not for each: who waits for the lock takes its cache line away every time */
	pool->lowest = lowest;
	WRITE_ONCE(pool->n_free, pool->n_free + back);
	mqshm_pool_promise_locked(pool, batch->wakes);
	spin_unlock(&pool->lock);
	batch->n = 0;
}

/* @n buffers from @buffer on, that lie in one word of the depot, are free. */
void mqshm_batch_add(struct mqshm_batch *batch, struct mqshm_pool *pool, u32 buffer,
		     unsigned int n)
{
	u32 i = array_index_nospec(buffer - pool->first, pool->count);
	u32 index = i / BITS_PER_LONG;
	unsigned long bits = GENMASK(n - 1, 0) << i % BITS_PER_LONG;
	struct mqshm_depot_word *word;

	if (batch->pool != pool)
		mqshm_batch_put(batch);
	batch->pool = pool;
	if (!batch->n || batch->words[batch->n - 1].index != index) {
		if (batch->n == MQSHM_BATCH_WORDS)
			mqshm_batch_put(batch);
		batch->words[batch->n++] = (struct mqshm_depot_word){ .index = index };
	}
	word = &batch->words[batch->n - 1];
	if (word->bits & bits)
		mqshm_runtime_taint(pool->rt);
	word->bits |= bits;
}

/*
 * Whether nobody but the caller, who has one reference to each of @n buffers, has any; and
 * they lie in one word of the depot. Then nobody changes their counts, which rest at 1.
 */
bool mqshm_pool_all_sole(struct mqshm_pool *pool, u32 buffer, unsigned int n)
{
	const atomic64_t *w = mqshm_pool_w(pool, buffer);
	u32 i = buffer - pool->first;
	unsigned int k;

	if (pool->count - i < n || i % BITS_PER_LONG + n > BITS_PER_LONG)
		return false;
	for (k = 0; k < n; k++)	/* on one page, since their bits lie in one word */
		/* [U0] acquire: as in mqshm_pool_sub() */
		if ((atomic64_read_acquire(&w[k]) & MQSHM_W_COUNT_MASK) != 1)
			return false;
	return true;
}

static void pool_quarantine(struct mqshm_pool *pool, u32 buffer)
{
	u32 i = array_index_nospec(buffer - pool->first, pool->count);

	mqshm_runtime_taint(pool->rt);
	spin_lock(&pool->lock);
	/* one that lies in the depot is put right when it is leased */
	if (!test_bit(i, pool->in_depot) && !__test_and_set_bit(i, pool->quarantined))
		pool->n_quarantined++;
	spin_unlock(&pool->lock);
}

/*
 * Drops @n references to @buffer and says whether they were the last; then it goes
 * into @batch.
 *
 * If the count is @n, nobody else has one and nobody else changes the count. Else
 * one unconditional subtraction, which may turn out to have taken the last all the
 * same: a loop on a word that clients write might never end. If it was too much it
 * is undone, which restores the toggles that the borrow went through as well.
 */
bool mqshm_pool_sub(struct mqshm_pool *pool, u32 buffer, u32 n,
		    struct mqshm_batch *batch)
{
	atomic64_t *w = mqshm_pool_w(pool, buffer);
	/* [U0] acquire: what others did to the buffer before they let go of it */
	u32 count = atomic64_read_acquire(w) & MQSHM_W_COUNT_MASK;

	if (count == n) {
		if (n > 1)
			atomic64_sub(n - 1, w);	/* [U1] rests at 1 in the depot */
	} else {
		count = atomic64_fetch_sub(n, w) & MQSHM_W_COUNT_MASK;	/* [U1] */
		if (count < n) {
			atomic64_add(n, w);
			pool_quarantine(pool, buffer);
		}
		if (count != n)
			return false;
		atomic64_inc(w);					/* [U2] */
	}
	mqshm_batch_add(batch, pool, buffer, 1);
	return true;
}

/*
 * Nobody is left who could have a reference: all buffers are free, and damaged
 * counts are mended. Toggles stay: the next client of an index goes on with them.
 */
void mqshm_pool_reset(struct mqshm_pool *pool)
{
	atomic64_t *w;
	u32 i;

	spin_lock(&pool->lock);
	for (i = 0; i < pool->count; i++) {
		w = mqshm_pool_w(pool, pool->first + i);
		atomic64_set(w, (atomic64_read(w) & ~MQSHM_W_COUNT_MASK) | 1);
	}
	bitmap_set(pool->in_depot, 0, pool->count);
	bitmap_zero(pool->quarantined, pool->count);
	pool->n_quarantined = 0;
	pool->lowest = 0;
	WRITE_ONCE(pool->n_free, pool->count);
	spin_unlock(&pool->lock);
}

/* Memory beside the payload: pages of both tables, and two bitmaps. */
static u64 pool_table_bytes(u32 count)
{
	return PAGE_ALIGN((u64)count * sizeof(u64)) + PAGE_ALIGN(MQSHM_META_BYTES(count)) +
	       2 * BITS_TO_LONGS(count) * sizeof(long);
}

static int pool_alloc_tables(struct mqshm_pool *pool)
{
	pool->in_depot = kvcalloc(BITS_TO_LONGS(pool->count), sizeof(long), GFP_KERNEL_ACCOUNT);
	pool->quarantined = kvcalloc(BITS_TO_LONGS(pool->count), sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!pool->in_depot || !pool->quarantined)
		return -ENOMEM;

	pool->w = mqshm_region_new_on((size_t)pool->count * sizeof(u64), pool->node);
	if (IS_ERR(pool->w)) {
		int ret = PTR_ERR(pool->w);

		pool->w = NULL;
		return ret;
	}
	pool->meta = mqshm_region_new_on(MQSHM_META_BYTES(pool->count), pool->node);
	if (IS_ERR(pool->meta)) {
		int ret = PTR_ERR(pool->meta);

		pool->meta = NULL;
		return ret;
	}
	mqshm_pool_reset(pool);
	return 0;
}

static struct mqshm_pool *pool_new(struct mqshm_runtime *rt,
				   const struct mqshm_pool_create_args *args)
{
	u64 payload_bytes;
	struct mqshm_pool *pool;
	int ret;

	pool = kzalloc(sizeof(*pool), GFP_KERNEL_ACCOUNT);
	if (!pool)
		return ERR_PTR(-ENOMEM);
	pool->rt = rt;
	pool->count = args->buffers;
	pool->buffer_bytes = args->buffer_bytes;
	pool->stride_bytes = ALIGN(args->buffer_bytes,
				   args->buffer_bytes >= SZ_4K ? SZ_4K : 64);
	pool->flags = args->flags;
	pool->node = args->flags & MQSHM_POOL_F_NODE ? args->node : NUMA_NO_NODE;
	strscpy(pool->name, args->name, sizeof(pool->name));
	pool->uid = current_fsuid();
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->waiters);

	/* at most 2^20 buffers of 2^24 bytes: no overflow */
	payload_bytes = PAGE_ALIGN((u64)pool->stride_bytes * pool->count);
	pool->user = mqshm_user_get_current();
	if (IS_ERR(pool->user)) {
		ret = PTR_ERR(pool->user);
		pool->user = NULL;
		goto err_free;
	}
	ret = mqshm_user_charge_bytes(pool->user, pool_table_bytes(pool->count));
	if (ret)
		goto err_free;
	pool->bytes = pool_table_bytes(pool->count);
	ret = pool_alloc_tables(pool);
	if (ret)
		goto err_free;
	pool->payload = mqshm_payload_new(pool->user, payload_bytes, pool->flags, pool->node);
	if (IS_ERR(pool->payload)) {
		ret = PTR_ERR(pool->payload);
		pool->payload = NULL;
		goto err_free;
	}
	return pool;

err_free:
	mqshm_pool_free(pool);
	return ERR_PTR(ret);
}

static int pool_publish(struct mqshm_runtime *rt, struct mqshm_pool *pool)
{
	struct mqshm_status *status = mqshm_region_at(rt->status, 0);
	unsigned int i;

	lockdep_assert_held(&rt->lock);
	if (rt->removed)
		return -ESHUTDOWN;
	for (i = 0; i < rt->n_pools; i++)
		if (!strcmp(rt->pools[i]->name, pool->name))
			return -EEXIST;
	if (rt->n_pools >= rt->limits.pools ||
	    pool->count > rt->limits.buffers - rt->n_buffers)
		return -ENOSPC;

	pool->index = rt->n_pools++;
	pool->first = rt->n_buffers;
	pool->wanted = &status->wanted[pool->index];
	rt->n_buffers += pool->count;
	rt->memory_bytes += pool->bytes + mqshm_payload_bytes(pool->payload);
	/* pairs with mqshm_pool_of(), which takes no lock */
	smp_store_release(&rt->pools[pool->index], pool);
	mqshm_notice_pool(pool, MQSHM_CHANGE_CAME);
	return 0;
}

/* Whether the caller's memory may be where, and what, he wants it to be. */
static int pool_check_place(const struct mqshm_pool_create_args *args)
{
	unsigned int node = args->node;

	if (args->reserved || (node && !(args->flags & MQSHM_POOL_F_NODE)))
		return -EINVAL;
	if (args->flags & MQSHM_POOL_F_HUGE && !has_transparent_hugepage())
		return -EOPNOTSUPP;
	if (!(args->flags & MQSHM_POOL_F_NODE))
		return 0;
	if (node >= MAX_NUMNODES)
		return -ENOENT;
	node = array_index_nospec(node, MAX_NUMNODES);
	if (!node_state(node, N_MEMORY))
		return -ENOENT;
	return node_isset(node, cpuset_current_mems_allowed) ? 0 : -EPERM;
}

int mqshm_pool_create(struct mqshm_runtime *rt, struct mqshm_pool_create_args *args)
{
	struct mqshm_pool *pool;
	int ret;

	if (!mqshm_name_valid(args->name, sizeof(args->name), 0) ||
	    args->buffer_bytes < MQSHM_BUFFER_BYTES_MIN ||
	    args->buffer_bytes > MQSHM_BUFFER_BYTES_MAX || !args->buffers)
		return -EINVAL;
	ret = mqshm_runtime_permission(rt, MQSHM_MAY_CHANGE) ?: pool_check_place(args);
	if (ret)
		return ret;
	/* before anything is reserved; checked again when it is published */
	if (args->buffers > rt->limits.buffers)
		return -ENOSPC;

	pool = pool_new(rt, args);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	mutex_lock(&rt->lock);
	ret = pool_publish(rt, pool);
	mutex_unlock(&rt->lock);
	if (ret) {
		mqshm_pool_free(pool);
		return ret;
	}
	args->out_pool = pool->index;
	args->out_first = pool->first;
	mqshm_runtime_changed(rt);
	return 0;
}
