// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers between the depot and a client's hands, and counts that a client without
 * a toggle bit has the kernel change. All of it inside that client's own call, so
 * that it is done once begun and the intent need not tell of it.
 */
#include <linux/nospec.h>
#include <linux/wait.h>

#include "client.h"
#include "deadline.h"
#include "lease.h"
#include "pool.h"
#include "wake.h"

/* The promise was taken up, or will not be. */
static void promise_end_locked(struct mqshm_client *c, struct mqshm_pool *pool)
{
	lockdep_assert_held(&pool->lock);
	if (!c->waiters[pool->index].promised)
		return;
	c->waiters[pool->index].promised = false;
	pool->n_promised--;
}

/*
 * Takes one of the free buffers into @c's hands; returns its number, or -ENOMEM
 * with *@page if that page of the hold row must be populated first.
 */
static int lease_one_locked(struct mqshm_client *c, struct mqshm_pool *pool,
			    unsigned int *page)
{
	u64 count;
	u32 i, buffer;
	u16 *hold;

	i = mqshm_pool_lowest_locked(pool);
	buffer = pool->first + i;
	hold = mqshm_client_hold(c, buffer);
	if (!hold) {
		*page = buffer * sizeof(u16) >> PAGE_SHIFT;
		return -ENOMEM;
	}
	__clear_bit(i, pool->in_depot);					/* [L1] */

	/* rests at 1, unless a client wrote to a word that it had no reference to */
	count = atomic64_read(mqshm_pool_w(pool, buffer)) & MQSHM_W_COUNT_MASK;
	if (count != 1) {
		atomic64_add(1 - (s64)count, mqshm_pool_w(pool, buffer));
		mqshm_runtime_taint(c->rt);
	}
	WRITE_ONCE(*hold, 1);						/* [L2] */
	return buffer;
}

/*
 * Takes what there is, up to args->count; -EAGAIN if there is none that is not promised to
 * somebody else, or see lease_one_locked().
 */
static int lease_some_locked(struct mqshm_client *c, struct mqshm_pool *pool,
			     struct mqshm_lease_args *args, unsigned int *page)
{
	/* nobody has more than an eighth in reserve */
	u32 most = min3(args->count, max(1U, pool->count / 8), (u32)MQSHM_LEASE_MAX);
	u32 promised = pool->n_promised - c->waiters[pool->index].promised;
	int ret = -EAGAIN;

	lockdep_assert_held(&pool->lock);
	most = min(most, pool->n_free - min(pool->n_free, promised));
	while (args->out_count < most) {
		ret = lease_one_locked(c, pool, page);
		if (ret < 0)
			break;
		args->buffers[args->out_count++] = ret;
	}
	if (!args->out_count)
		return ret;
	/* once, not for each: who waits for the lock takes its cache line away every time */
	WRITE_ONCE(pool->n_free, pool->n_free - args->out_count);
	promise_end_locked(c, pool);					/* [B4] */
	c->reserve += args->out_count;
	return 0;
}

static void waiter_add_locked(struct mqshm_client *c, struct mqshm_pool *pool)
{
	struct list_head *node = &c->waiters[pool->index].node;

	lockdep_assert_held(&pool->lock);
	if (!list_empty(node))
		return;
	list_add_tail(node, &pool->waiters);
	pool->n_waiters++;
	WRITE_ONCE(*pool->wanted, pool->n_waiters);			/* [B3] */
}

/* Gives back a promise that was not taken up: to the next in line. */
static void waiter_remove(struct mqshm_client *c, struct mqshm_pool *pool)
{
	struct list_head *node = &c->waiters[pool->index].node;
	struct mqshm_wakes wakes;

	mqshm_wakes_init(&wakes);
	spin_lock(&pool->lock);
	if (!list_empty(node)) {
		list_del_init(node);
		pool->n_waiters--;
		WRITE_ONCE(*pool->wanted, pool->n_waiters);		/* [T6] */
	}
	promise_end_locked(c, pool);					/* [B5] */
	mqshm_pool_promise_locked(pool, &wakes);
	spin_unlock(&pool->lock);
	mqshm_wakes_fire(c->rt, &wakes);
}

/* One try; with @wait, the client is in line when it fails. */
static int lease_try(struct mqshm_client *c, struct mqshm_pool *pool,
		     struct mqshm_lease_args *args, bool wait)
{
	unsigned int page;
	int ret;

	do {
		ret = mqshm_client_enter(c);
		if (ret)
			return ret;
		spin_lock(&pool->lock);
		ret = lease_some_locked(c, pool, args, &page);
		if (ret == -EAGAIN && wait)
			waiter_add_locked(c, pool);
		spin_unlock(&pool->lock);
		mqshm_client_clear_intent(c);				/* [L3] */
		mqshm_client_exit(c);
		if (ret == -ENOMEM && mqshm_region_populate(c->hold, page))
			return -ENOMEM;
	} while (ret == -ENOMEM);
	return ret;
}

/* Sleeps until @c is woken after @seen; 0 means try again. */
static int lease_sleep(struct mqshm_client *c, const struct mqshm_lease_args *args,
		       int seen)
{
	ktime_t left;
	int ret;

	if (READ_ONCE(*mqshm_client_gen(c)) != args->gen)		/* [G6] */
		return -EAGAIN;
	ret = mqshm_deadline_left(args->deadline_ns, &left);
	if (ret)
		return ret;
	atomic_inc(&c->sleeping);
	ret = wait_event_interruptible_hrtimeout(c->wq,
						 atomic_read(&c->wakeups) != seen, left);
	atomic_dec(&c->sleeping);
	atomic64_inc(&c->sleeps);
	if (ret == -ETIME)
		return -ETIMEDOUT;
	return ret ? -EINTR : 0;
}

/*
 * Makes present what @pool's buffers have of the hold row, before @c stands in line:
 * with a buffer promised to it, it would keep that from those behind it while it waits
 * for memory, or be refused it though its turn has come.
 */
static int lease_populate(struct mqshm_client *c, const struct mqshm_pool *pool)
{
	unsigned int page = pool->first * sizeof(u16) >> PAGE_SHIFT;
	unsigned int last = (pool->first + pool->count - 1) * sizeof(u16) >> PAGE_SHIFT;
	int ret = 0;

	for (; !ret && page <= last; page++)
		ret = mqshm_region_populate(c->hold, page);
	return ret;
}

static int lease_wait(struct mqshm_client *c, struct mqshm_pool *pool,
		      struct mqshm_lease_args *args)
{
	int ret, seen;

	ret = lease_try(c, pool, args, false);
	if (ret == -EAGAIN)
		ret = lease_populate(c, pool) ?: -EAGAIN;
	if (ret != -EAGAIN)
		return ret;
	if (atomic_cmpxchg(&c->leasing, 0, 1))
		return -EBUSY;
	do {
		/* before the try: what comes after it moves the count */
		seen = atomic_read(&c->wakeups);
		smp_rmb(); /* pairs with the lock that a waker passes before it counts */
		ret = lease_try(c, pool, args, true);
		if (ret != -EAGAIN)
			break;
		ret = lease_sleep(c, args, seen);
	} while (!ret);
	waiter_remove(c, pool);
	atomic_set(&c->leasing, 0);
	return ret;
}

/* NULL if there is none. */
static struct mqshm_pool *pool_at(const struct mqshm_client *c, u32 index)
{
	if (index >= MQSHM_POOLS_MAX)
		return NULL;
	index = array_index_nospec(index, MQSHM_POOLS_MAX);
	return smp_load_acquire(&c->rt->pools[index]);
}

/* From here on one of @pools (bits) is waited for; 0, -ENOENT, -ENOMEM or -EBUSY. */
int mqshm_lease_begin(struct mqshm_client *c, unsigned long pools)
{
	const struct mqshm_pool *pool;
	unsigned int i;
	int ret;

	for_each_set_bit(i, &pools, MQSHM_POOLS_MAX) {
		pool = pool_at(c, i);
		ret = pool ? lease_populate(c, pool) : -ENOENT;
		if (ret)
			return ret;
	}
	return atomic_cmpxchg(&c->leasing, 0, 1) ? -EBUSY : 0;
}

/* Takes from the first that has any; -EAGAIN: none has, and the client is in line. */
int mqshm_lease_any(struct mqshm_client *c, unsigned long pools,
		    struct mqshm_lease_args *args)
{
	unsigned int i;
	int ret = -EAGAIN;

	for_each_set_bit(i, &pools, MQSHM_POOLS_MAX) {
		args->pool = i;
		ret = lease_try(c, pool_at(c, i), args, true);
		if (ret != -EAGAIN)
			break;
	}
	return ret;
}

void mqshm_lease_end(struct mqshm_client *c, unsigned long pools)
{
	unsigned int i;

	for_each_set_bit(i, &pools, MQSHM_POOLS_MAX)
		waiter_remove(c, pool_at(c, i));
	atomic_set(&c->leasing, 0);
}

int mqshm_lease(struct mqshm_client *c, struct mqshm_lease_args *args)
{
	struct mqshm_pool *pool = pool_at(c, args->pool);

	args->out_count = 0;
	if (!args->count || args->reserved)
		return -EINVAL;
	if (!pool)
		return -ENOENT;
	if (args->flags & MQSHM_LEASE_F_WAIT)
		return lease_wait(c, pool, args);
	return lease_try(c, pool, args, false);
}

static int return_one(struct mqshm_client *c, u32 buffer, struct mqshm_batch *batch)
{
	struct mqshm_pool *pool = mqshm_pool_of(c->rt, buffer);
	u16 *hold = pool ? mqshm_client_hold(c, buffer) : NULL;
	u64 w;

	if (!hold || READ_ONCE(*hold) != 1)
		return -EINVAL;
	/* [T1] acquire: what others did to the buffer before they let go of it */
	w = atomic64_read_acquire(mqshm_pool_w(pool, buffer));
	if ((w & MQSHM_W_COUNT_MASK) != 1)
		return -EINVAL;
	WRITE_ONCE(*hold, 0);						/* [T2] */
	c->reserve--;
	mqshm_batch_add(batch, pool, buffer, 1);
	return 0;
}

/* @buffers and @count are copies that nobody else writes. */
int mqshm_lease_return(struct mqshm_client *c, const u32 *buffers, u32 count,
		       u32 *done, struct mqshm_wakes *wakes)
{
	struct mqshm_batch batch;
	int ret = 0;
	u32 i;

	lockdep_assert_held(&c->lock);
	mqshm_client_clear_intent(c);					/* [T4] */
	mqshm_batch_init(&batch, wakes);
	for (i = 0; i < count; i++) {
		ret = return_one(c, buffers[i], &batch);
		if (ret)
			break;
	}
	mqshm_batch_put(&batch);
	*done = i;
	return ret;
}

static int ref_one(struct mqshm_client *c, const struct mqshm_ref *ref,
		   struct mqshm_batch *batch)
{
	struct mqshm_pool *pool = mqshm_pool_of(c->rt, ref->buffer);
	u16 *hold = pool ? mqshm_client_hold(c, ref->buffer) : NULL;
	u16 held = hold ? READ_ONCE(*hold) : 0;
	atomic64_t *w;

	if (!held || !ref->delta || ref->delta < -1 || ref->delta > 255)
		return -EINVAL;
	if (ref->delta < 0) {
		WRITE_ONCE(*hold, held - 1);
		WRITE_ONCE(c->freed, c->freed + mqshm_pool_sub(pool, ref->buffer, 1, batch));
		return 0;
	}
	w = mqshm_pool_w(pool, ref->buffer);
	if ((atomic64_read(w) & MQSHM_W_COUNT_MASK) + ref->delta > MQSHM_W_COUNT_MAX ||
	    held + ref->delta > MQSHM_W_COUNT_MAX)
		return -EOVERFLOW;
	atomic64_add(ref->delta, w);					/* [V1] */
	WRITE_ONCE(*hold, held + ref->delta);
	return 0;
}

int mqshm_lease_ref(struct mqshm_client *c, struct mqshm_ref_args *args,
		    struct mqshm_wakes *wakes)
{
	struct mqshm_batch batch;
	int ret = 0;
	u32 i;

	lockdep_assert_held(&c->lock);
	mqshm_client_clear_intent(c);					/* [V2] */
	mqshm_batch_init(&batch, wakes);
	for (i = 0; i < args->count; i++) {
		ret = ref_one(c, &args->refs[i], &batch);
		if (ret)
			break;
	}
	mqshm_batch_put(&batch);
	args->out_done = i;
	return ret;
}
