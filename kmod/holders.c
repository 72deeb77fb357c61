// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who holds which buffers: clients in their hands, connections in their queues.
 *
 * There may be millions of cells to look at, and all of them move meanwhile. So a call
 * looks at a bounded number and says where the next one goes on: at a client or
 * connection by its number, which is never used again, and at a place in it. What is told
 * was so at some moment of the call; of one moment it is only where nothing moved. A hand
 * is looked at without a lock, queues under the runtime's, which keeps them there.
 */
#include <linux/ktime.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include "client.h"
#include "conn.h"
#include "holders.h"
#include "pool.h"
#include "ring.h"
#include "runtime.h"

/* Cells of hands, or slots of queues, that a call looks at. */
#define CELLS_MAX	65536

/**
 * struct holders - a call
 * @records: array[@room], to be copied out
 * @room: how many fit
 * @n: how many there are
 * @left: cells that may still be looked at
 */
struct holders {
	struct mqshm_holder_record *records;
	u32 room;
	u32 n;
	u32 left;
};

/* False: the call ends here. */
static bool holders_go_on(struct holders *h)
{
	if (h->n == h->room || !h->left)
		return false;
	h->left--;
	return true;
}

/* What its holders wrote of a buffer. */
static void holders_add_meta(struct mqshm_holder_record *record, const struct mqshm_pool *pool)
{
	u32 i = array_index_nospec(record->buffer - pool->first, pool->count);
	const struct mqshm_meta *meta;
	const u32 *serial;

	meta = mqshm_region_at(pool->meta, i * sizeof(*meta));
	serial = mqshm_region_at(pool->meta, MQSHM_META_SERIAL(pool->count) + i * sizeof(*serial));
	record->alloc_ns = READ_ONCE(meta->alloc_ns);
	record->data_ns = READ_ONCE(meta->data_ns);
	record->serial = READ_ONCE(*serial);
}

/* @buffer may be anything: a client wrote it. */
static void holders_add(struct holders *h, struct mqshm_runtime *rt,
			struct mqshm_holder_record record)
{
	struct mqshm_pool *pool = mqshm_pool_of(rt, record.buffer);

	if (!pool)
		return;
	record.head.kind = MQSHM_RECORD_HOLDER;
	record.head.bytes = sizeof(record);
	record.pool = pool->index;
	holders_add_meta(&record, pool);
	h->records[h->n++] = record;
}

/* False: it is to go on at *@position, a number of a buffer. */
static bool look_at_hand(struct holders *h, const struct mqshm_client *c, u64 *position)
{
	u32 end = READ_ONCE(c->rt->n_buffers);
	const u16 *cell;
	u64 buffer;
	u16 refs;

	for (buffer = *position; buffer < end; buffer++) {
		*position = buffer;
		if (!holders_go_on(h))
			return false;
		cell = mqshm_client_hold(c, buffer);
		if (!cell) {
			/* nor any other of that page */
			buffer |= PAGE_SIZE / sizeof(*cell) - 1;
			continue;
		}
		refs = READ_ONCE(*cell);
		if (refs)
			holders_add(h, c->rt, (struct mqshm_holder_record) {
				.holder = c->id, .what = MQSHM_HOLDERS_CLIENTS,
				.buffer = buffer, .refs = refs,
			});
	}
	return true;
}

/* The client with the least number from @id on, with a reference; or NULL. */
static struct mqshm_client *client_from(struct mqshm_runtime *rt, u64 id)
{
	struct mqshm_client *c, *found = NULL;
	u32 i;

	mutex_lock(&rt->lock);
	for (i = 0; i < rt->limits.clients; i++) {
		c = rcu_dereference_protected(rt->clients[i], lockdep_is_held(&rt->lock));
		if (c && c->id >= id && (!found || c->id < found->id))
			found = c;
	}
	if (found)
		mqshm_client_get(found);
	mutex_unlock(&rt->lock);
	return found;
}

static void look_at_clients(struct holders *h, struct mqshm_runtime *rt,
			    struct mqshm_holders_args *args)
{
	u64 id = args->id, position = args->position;
	struct mqshm_client *c;
	bool whole = true;

	while (whole && (c = client_from(rt, id))) {
		/* the one at which it was to go on is gone */
		if (c->id != id)
			position = 0;
		whole = look_at_hand(h, c, &position);
		id = c->id + whole;
		mqshm_client_put(c);
		cond_resched();
	}
	if (!whole) {
		args->out_id = id;
		args->out_position = position;
	}
}

/* False: it is to go on at *@position, counted from the oldest message. */
static bool look_at_queue(struct holders *h, const struct mqshm_conn *conn, u64 *position)
{
	u64 phead = mqshm_ring_cursor(conn), slot;

	for (; *position < 1ULL << conn->shift; ++*position) {
		if (!holders_go_on(h))
			return false;
		if (!mqshm_ring_peek(conn, phead + *position, &slot))
			break;
		holders_add(h, conn->rt, (struct mqshm_holder_record) {
			.holder = conn->id, .what = MQSHM_HOLDERS_QUEUES,
			.buffer = MQSHM_SLOT_BUFFER(slot), .refs = 1,
			.length = MQSHM_SLOT_USER(slot),
		});
	}
	return true;
}

static void look_at_queues(struct holders *h, struct mqshm_runtime *rt,
			   struct mqshm_holders_args *args)
{
	struct mqshm_conn *conn;
	u64 position;

	mutex_lock(&rt->lock);
	/* by creation, which is by number */
	list_for_each_entry(conn, &rt->conns, node) {
		if (conn->id < args->id)
			continue;
		position = conn->id == args->id ? args->position : 0;
		if (look_at_queue(h, conn, &position))
			continue;
		args->out_id = conn->id;
		args->out_position = position;
		break;
	}
	mutex_unlock(&rt->lock);
}

/* Returns args->out_bytes of records, to be copied out and kvfree()d; or an error. */
void *mqshm_holders(struct mqshm_runtime *rt, struct mqshm_holders_args *args)
{
	struct holders h = { .left = CELLS_MAX };

	h.room = min_t(u64, args->buffer_bytes, MQSHM_HOLDERS_BYTES_MAX) / sizeof(*h.records);
	if (args->what > MQSHM_HOLDERS_QUEUES || args->reserved || !h.room)
		return ERR_PTR(-EINVAL);
	h.records = kvmalloc_array(h.room, sizeof(*h.records), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!h.records)
		return ERR_PTR(-ENOMEM);
	args->out_id = 0;
	args->out_position = 0;
	args->out_now_ns = ktime_get_ns();
	if (args->what == MQSHM_HOLDERS_CLIENTS)
		look_at_clients(&h, rt, args);
	else
		look_at_queues(&h, rt, args);
	args->out_bytes = h.n * sizeof(*h.records);
	return h.records;
}
