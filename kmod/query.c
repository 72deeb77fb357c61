// SPDX-License-Identifier: GPL-2.0-only
/*
 * Snapshots: everything that the kernel knows of a runtime, as records, all from
 * one moment.
 */
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/user_namespace.h>

#include "block.h"
#include "client.h"
#include "conn.h"
#include "mm.h"
#include "payload.h"
#include "pool.h"
#include "query.h"
#include "ring.h"
#include "runtime.h"

/**
 * struct query - a snapshot being taken
 * @data: where records go
 * @room: its size
 * @bytes: size of the records so far, those that found no room included
 * @now: when it is taken
 */
struct query {
	void *data;
	u64 room;
	u64 bytes;
	u64 now;
};

/* The next record, zeroed, or NULL when there is no room; it counts all the same. */
static void *query_add(struct query *q, u32 kind, u32 bytes)
{
	struct mqshm_record *record = q->data + q->bytes;

	q->bytes += bytes;
	if (q->bytes > q->room)
		return NULL;
	memset(record, 0, bytes);
	record->kind = kind;
	record->bytes = bytes;
	return record;
}

/* References in the hands of @c; it goes on meanwhile. */
void mqshm_query_hand(const struct mqshm_client *c, u64 *refs, u64 *buffers)
{
	unsigned int page, i, k;
	u64 *words, word;

	*refs = 0;
	*buffers = 0;
	for (page = 0; page < c->hold->nr_pages; page++) {
		words = READ_ONCE(c->hold->pages[page]);
		for (i = 0; words && i < PAGE_SIZE / sizeof(u64); i++) {
			word = READ_ONCE(words[i]);
			for (k = 0; word && k < 64; k += 16) {
				*refs += (word >> k) & 0xffff;
				*buffers += !!((word >> k) & 0xffff);
			}
		}
		cond_resched();
	}
}

/* Sums over the living come on top of what the departed left. */
static void totals_add_clients(struct mqshm_runtime *rt, struct mqshm_totals *totals)
{
	struct mqshm_client *c;
	u32 i;

	for (i = 0; i < rt->limits.clients; i++) {
		c = rcu_dereference_protected(rt->clients[i], lockdep_is_held(&rt->lock));
		if (!c)
			continue;
		totals->allocated += READ_ONCE(mqshm_client_control(c)->allocated);
		totals->freed += READ_ONCE(mqshm_client_control(c)->freed) +
				 READ_ONCE(c->freed);
		totals->ioctls += atomic64_read(&c->ioctls);
	}
}

static void totals_add_conns(struct mqshm_runtime *rt, struct mqshm_totals *totals)
{
	struct mqshm_conn *conn;

	list_for_each_entry(conn, &rt->conns, node) {
		totals->messages += READ_ONCE(mqshm_ring_producer(conn)->tail);
		totals->bytes += READ_ONCE(mqshm_ring_producer(conn)->bytes);
		totals->dropped += READ_ONCE(mqshm_ring_producer(conn)->dropped) + conn->expired;
	}
}

static void query_runtime(struct query *q, struct mqshm_runtime *rt)
{
	struct mqshm_runtime_record *r = query_add(q, MQSHM_RECORD_RUNTIME, sizeof(*r));
	struct mqshm_totals totals = rt->totals;

	lockdep_assert_held(&rt->lock);
	if (!r)
		return;
	totals_add_clients(rt, &totals);
	totals_add_conns(rt, &totals);
	r->id = rt->id;
	r->magic = MQSHM_MAGIC;
	r->version = MQSHM_ABI_VERSION;
	r->state = (rt->persistent ? MQSHM_STATE_PERSISTENT : 0) |
		   (atomic_read(&rt->tainted) ? MQSHM_STATE_TAINTED : 0) |
		   (rt->removed ? MQSHM_STATE_REMOVED : 0);
	r->uid = from_kuid_munged(current_user_ns(), rt->access.uid);
	r->gid = from_kgid_munged(current_user_ns(), rt->access.gid);
	r->mode = rt->access.mode;
	r->clients = rt->n_clients;
	r->blocks = rt->n_blocks;
	r->connections = rt->n_conns;
	r->pools = rt->n_pools;
	r->buffers = rt->n_buffers;
	r->limits = rt->limits;
	r->created_ns = rt->created_ns;
	r->memory_bytes = rt->memory_bytes;
	r->allocated = totals.allocated;
	r->freed = totals.freed + atomic64_read(&rt->drained_freed);
	r->messages = totals.messages;
	r->bytes = totals.bytes;
	r->settled = totals.settled;
	r->ioctls = totals.ioctls;
	memcpy(r->name, rt->name, sizeof(r->name));
	r->dropped = totals.dropped;
}

static void query_pool(struct query *q, struct mqshm_pool *pool)
{
	struct mqshm_pool_record *r = query_add(q, MQSHM_RECORD_POOL, sizeof(*r));

	if (!r)
		return;
	r->pool = pool->index;
	r->uid = from_kuid_munged(current_user_ns(), pool->uid);
	r->buffer_bytes = pool->buffer_bytes;
	r->stride_bytes = pool->stride_bytes;
	r->first = pool->first;
	r->buffers = pool->count;
	r->flags = pool->flags;
	r->node = pool->flags & MQSHM_POOL_F_NODE ? pool->node : 0;
	r->payload_bytes = mqshm_payload_bytes(pool->payload);
	r->huge_bytes = mqshm_payload_huge_bytes(pool->payload);
	memcpy(r->name, pool->name, sizeof(r->name));
	spin_lock(&pool->lock);
	r->free = pool->n_free;
	r->quarantined = pool->n_quarantined;
	r->waiting = pool->n_waiters;
	spin_unlock(&pool->lock);
}

static void query_client(struct query *q, struct mqshm_client *c)
{
	struct mqshm_client_record *r = query_add(q, MQSHM_RECORD_CLIENT, sizeof(*r));

	if (!r)
		return;
	r->id = c->id;
	r->pid = pid_vnr(c->tgid);
	r->tid = pid_vnr(c->tid);
	r->uid = from_kuid_munged(current_user_ns(), c->uid);
	r->role = c->role;
	r->state = mqshm_client_state(c, q->now);
	r->index = c->index;
	r->joined_ns = c->joined_ns;
	r->started_ns = c->started_ns;
	mqshm_query_hand(c, &r->held_refs, &r->held_buffers);
	r->ioctls = atomic64_read(&c->ioctls);
	r->sleeps = atomic64_read(&c->sleeps);
	memcpy(r->name, c->name, sizeof(r->name));
	r->seen_ns = c->seen_ns;
}

static void query_port(struct query *q, const struct mqshm_port *port)
{
	struct mqshm_port_record *r = query_add(q, MQSHM_RECORD_PORT, sizeof(*r));

	if (!r)
		return;
	r->block = port->block->id;
	r->port = port->number;
	r->direction = port->direction;
	r->depth = port->depth;
	r->ended = port->ended;
	memcpy(r->name, port->name, sizeof(r->name));
}

/*
 * What the client tells of the block among its own cells: words that are only shown. They
 * may lie on two pages; a block that had the slot before has left another number in it.
 */
static void block_stats(const struct mqshm_block *block, struct mqshm_block_stats *out)
{
	size_t at = mqshm_client_stats_at(block->slot);
	u64 *words = (u64 *)out;
	const u64 *told;
	unsigned int i;

	for (i = 0; i < sizeof(*out) / sizeof(u64); i++) {
		told = mqshm_region_at(block->client->control, at + i * sizeof(u64));
		if (told)
			words[i] = READ_ONCE(*told);
	}
	if (out->block != block->id)
		memset(out, 0, sizeof(*out));
}

static void query_block(struct query *q, const struct mqshm_block *block)
{
	struct mqshm_block_record *r = query_add(q, MQSHM_RECORD_BLOCK, sizeof(*r));
	struct mqshm_port *port;

	if (r) {
		r->id = block->id;
		r->client = block->client->id;
		r->class_ = block->class;
		r->stopping = block->stopping;
		r->created_ns = block->created_ns;
		memcpy(r->name, block->name, sizeof(r->name));
		memcpy(r->type, block->type, sizeof(r->type));
		block_stats(block, &r->stats);
	}
	list_for_each_entry(port, &block->ports, node)
		query_port(q, port);
}

static void query_conn(struct query *q, const struct mqshm_conn *conn)
{
	struct mqshm_connection_record *r;

	r = query_add(q, MQSHM_RECORD_CONNECTION, sizeof(*r));
	if (!r)
		return;
	r->id = conn->id;
	r->from_block = conn->end[MQSHM_DIR_OUT].block;
	r->to_block = conn->end[MQSHM_DIR_IN].block;
	r->from_port = conn->end[MQSHM_DIR_OUT].number;
	r->to_port = conn->end[MQSHM_DIR_IN].number;
	r->ring = conn->ring;
	r->flags = READ_ONCE(*conn->flags);
	r->depth = conn->depth;
	r->queued = mqshm_ring_queued(conn);
	r->messages = READ_ONCE(mqshm_ring_producer(conn)->tail);
	r->bytes = READ_ONCE(mqshm_ring_producer(conn)->bytes);
	r->created_ns = conn->created_ns;
	r->dropped = READ_ONCE(mqshm_ring_producer(conn)->dropped) + conn->expired;
	r->expired = conn->expired;
	if (conn->keep_until_ns != U64_MAX)
		r->keep_until_ns = conn->keep_until_ns;
	mqshm_conn_describe(&conn->end[MQSHM_DIR_OUT], r->from, sizeof(r->from));
	mqshm_conn_describe(&conn->end[MQSHM_DIR_IN], r->to, sizeof(r->to));
}

static void query_departed(struct query *q, const struct mqshm_departed *entry)
{
	struct mqshm_departed_record *r;

	r = query_add(q, MQSHM_RECORD_DEPARTED, sizeof(*r));
	if (!r)
		return;
	r->id = entry->id;
	r->pid = pid_vnr(entry->pid);
	r->how = entry->how;
	r->refs = entry->refs;
	r->drained = entry->drained;
	r->settle_ns = entry->settle_ns;
	r->at_ns = entry->at_ns;
	r->op = entry->op;
	r->committed = entry->committed;
	r->kept = entry->kept;
	r->lost = entry->lost;
	r->lost_buffers = entry->lost_buffers;
	memcpy(r->name, entry->name, sizeof(r->name));
}

/* Oldest first. */
static void query_all_departed(struct query *q, const struct mqshm_runtime *rt)
{
	u64 i = rt->n_departed > MQSHM_DEPARTED ? rt->n_departed - MQSHM_DEPARTED : 0;

	for (; i < rt->n_departed; i++)
		query_departed(q, &rt->departed[i % MQSHM_DEPARTED]);
}

static void query_whole_runtime(struct query *q, struct mqshm_runtime *rt)
{
	struct mqshm_block *block;
	struct mqshm_client *c;
	struct mqshm_conn *conn;
	u32 i;

	query_runtime(q, rt);
	for (i = 0; i < rt->n_pools; i++)
		query_pool(q, rt->pools[i]);
	for (i = 0; i < rt->limits.clients; i++) {
		c = rcu_dereference_protected(rt->clients[i], lockdep_is_held(&rt->lock));
		if (c)
			query_client(q, c);
	}
	list_for_each_entry(block, &rt->blocks, node)
		query_block(q, block);
	list_for_each_entry(conn, &rt->conns, node)
		query_conn(q, conn);
	query_all_departed(q, rt);
}

static void query_runtimes(struct query *q)
{
	struct mqshm_runtime *rt = NULL;

	while ((rt = mqshm_runtime_table_next(rt))) {
		if (!mqshm_access_shows(&rt->access))
			continue;
		mutex_lock(&rt->lock);
		query_runtime(q, rt);
		mutex_unlock(&rt->lock);
	}
}

static void query_take(struct query *q, struct mqshm_runtime *rt,
		       struct mqshm_query_args *args)
{
	q->bytes = 0;
	args->out_changes = 0;
	if (args->what == MQSHM_QUERY_RUNTIMES) {
		mqshm_runtime_table_lock();
		args->out_now_ns = ktime_get_ns();
		query_runtimes(q);
		mqshm_runtime_table_unlock();
		return;
	}
	mutex_lock(&rt->lock);
	/* under the lock: notices of up to then are in it, and no others */
	q->now = ktime_get_ns();
	args->out_now_ns = q->now;
	args->out_changes = atomic64_read(&rt->changes);
	query_whole_runtime(q, rt);
	mutex_unlock(&rt->lock);
}

/*
 * Returns args->out_bytes of records, to be copied out and kvfree()d; -ENOBUFS with
 * the size that is needed; or another error.
 */
void *mqshm_query(struct mqshm_runtime *rt, struct mqshm_query_args *args)
{
	struct query q = { .room = min_t(u64, args->buffer_bytes, MQSHM_QUERY_BYTES_MAX) };

	if (args->what > MQSHM_QUERY_RUNTIME)
		return ERR_PTR(-EINVAL);
	/* first how much it is, so that the caller's number buys no more memory */
	if (q.room) {
		u64 room = q.room;

		q.room = 0;
		query_take(&q, rt, args);
		q.room = min(room, q.bytes + SZ_4K);
		q.data = kvmalloc(q.room, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
		if (!q.data)
			return ERR_PTR(-ENOMEM);
	}
	query_take(&q, rt, args);
	args->out_bytes = q.bytes;
	if (q.bytes <= q.room)
		return q.data;
	kvfree(q.data);
	return ERR_PTR(-ENOBUFS);
}
