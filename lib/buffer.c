// SPDX-License-Identifier: LGPL-2.1-or-later
/* Buffers: allocating, sharing, releasing, what is known about one. */
#include <errno.h>
#include <string.h>

#include "client.h"
#include "port.h"

/* Allocations that pass a pool by which was empty, if a larger one serves. */
#define DRY	16

/* A wait is for one pool; if others fit too, they are looked at this often. */
#define SLICE_NS	20000000

void mqshm_buffer_drop(struct mqshm_client *c, struct pool *p, uint32_t b)
{
	bool last;

	if (likely(c->cells.toggle))
		last = proto_release(&c->cells, pool_w(p, b), b);
	else
		last = proto_is_sole(&c->cells, pool_w(p, b), b);
	if (last) {
		proto_bump(c->control->freed, 1);
		mqshm_pool_take(c, p, b);
	} else if (!c->cells.toggle) {
		mqshm_pool_unref(c, p, b);
	}
}

int mqshm_buffer_dup(struct mqshm_client *c, struct pool *p, uint32_t b, uint32_t n)
{
	uint32_t done = 0;
	int r = 0;

	while (done < n && !r) {
		uint32_t m = n - done < 255 ? n - done : 255;

		if (likely(c->cells.toggle))
			r = proto_dup(&c->cells, pool_w(p, b), b, m);
		else
			r = mqshm_pool_ref(c, b, m);
		if (!r)
			done += m;
	}
	/* All or nothing: the caller knows of none of them. */
	for (; r && done && !c->dead; done--)
		mqshm_buffer_drop(c, p, b);
	return r;
}

/* -- allocating ------------------------------------------------------------- */

/* Needs a spare buffer. */
static inline void spare_take(struct mqshm_client *c, struct pool *p, uint32_t length,
			      struct mqshm_buffer *out)
{
	uint32_t b = p->magazine[p->spare - 1];
	struct mqshm_meta *meta = pool_meta(p, b);
	uint64_t now = clock_cached(&c->clock);

	/* words that the kernel may be showing to somebody meanwhile */
	__atomic_store_n(&meta->alloc_ns, now, __ATOMIC_RELAXED);
	__atomic_store_n(&meta->data_ns, now, __ATOMIC_RELAXED);
	proto_bump(*pool_serial(p, b), 1);
	proto_bump(c->control->allocated, 1);
	out->number = b;
	out->length = length;
	/* the program has it, and then the magazine has it no more: else a longjmp loses it */
	proto_barrier();
	p->spare--;
	c->spares--;
	/* a source does nothing but this: it neither releases nor finds a port empty */
	mqshm_pool_offer(c, p);
}

/* A pool with a spare buffer of @bytes; @ask: also those that were empty just now. */
static int pool_pick(struct mqshm_client *c, size_t bytes, bool ask, struct pool **out)
{
	bool fits = false, passed = false;
	uint32_t i;

	for (i = 0; i < c->n_pools; i++) {
		struct pool *p = &c->pools[c->by_size[i]];
		int r;

		if (!p->buffers || p->buffer_bytes < bytes)
			continue;
		*out = p;
		if (p->spare)
			return 0;
		fits = true;
		if (p->dry && !ask) {
			p->dry--;
			passed = true;
			continue;
		}
		r = mqshm_pool_lease(c, p, false, 0);
		if (r != -EAGAIN)
			return r;
		p->dry = DRY;
	}
	if (passed)
		return pool_pick(c, bytes, true, out);
	return fits ? -EAGAIN : -EMSGSIZE;
}

/* The smallest pool that fits; *@more: there is another one. */
static struct pool *pool_smallest(struct mqshm_client *c, size_t bytes, bool *more)
{
	struct pool *found = NULL;
	uint32_t i;

	*more = false;
	for (i = 0; i < c->n_pools; i++) {
		struct pool *p = &c->pools[c->by_size[i]];

		if (!p->buffers || p->buffer_bytes < bytes)
			continue;
		if (found) {
			*more = true;
			break;
		}
		found = p;
	}
	return found;
}

/*
 * One sleep for a buffer of @p: everything that others may wait for goes first.
 * -EAGAIN: the graph changed.
 */
static int pool_wait(struct mqshm_client *c, struct pool *p, uint64_t deadline_ns)
{
	int r = client_check(c);

	if (!r)
		r = mqshm_client_quiesce(c);
	while (!r && !c->changed) {
		r = mqshm_pool_lease(c, p, true, deadline_ns);
		if (r != -EAGAIN)
			return r;
		r = client_check(c);
	}
	c->changed = false;
	return r ? r : -EAGAIN;
}

__attribute__((noinline)) static int alloc_slow(struct mqshm_client *c, size_t bytes,
						uint64_t deadline_ns, struct pool **out)
{
	int r = pool_pick(c, bytes, false, out);

	if (r == -EMSGSIZE) {
		/* A pool that fits may have been added. */
		r = mqshm_pool_query(c);
		if (!r)
			r = pool_pick(c, bytes, false, out);
	}
	while (r == -EAGAIN && deadline_ns != MQSHM_NO_WAIT) {
		bool more;
		struct pool *p = pool_smallest(c, bytes, &more);
		uint64_t slice = deadline_ns;

		if (more) {
			uint64_t next = mqshm_now_ns() + SLICE_NS;

			slice = next < deadline_ns ? next : deadline_ns;
		}
		*out = p;
		r = pool_wait(c, p, slice);
		if (r != -ETIMEDOUT || slice == deadline_ns)
			return r;
		r = pool_pick(c, bytes, true, out);
	}
	if (r == -EAGAIN)
		client_nothing_now(c);
	return r;
}

static inline int alloc(struct mqshm_client *c, size_t bytes, uint64_t deadline_ns,
			struct mqshm_buffer *out)
{
	struct pool *p;
	int r;

	if (unlikely(c->read_only))
		return -EACCES;
	if (bytes > MQSHM_BUFFER_BYTES_MAX)
		return -EMSGSIZE;
	p = c->n_pools ? &c->pools[c->by_size[0]] : NULL;
	if (unlikely(!p || !p->spare || p->buffer_bytes < bytes)) {
		r = alloc_slow(c, bytes, deadline_ns, &p);
		if (r)
			return r;
	}
	spare_take(c, p, (uint32_t)bytes, out);
	return 0;
}

/* Bits of the pools that fit. */
static uint32_t pools_fit(const struct mqshm_client *c, size_t bytes)
{
	uint32_t i, bits = 0;

	for (i = 0; i < c->n_pools; i++) {
		if (c->pools[i].buffers && c->pools[i].buffer_bytes >= bytes)
			bits |= 1U << i;
	}
	return bits;
}

/* There was none: the thread's other blocks run until there is, then once more. */
__attribute__((cold)) static int alloc_in_turns(struct mqshm_client *c, size_t bytes,
						uint64_t deadline_ns, struct mqshm_buffer *out,
						size_t n)
{
	struct client_wait w = { .pools = pools_fit(c, bytes), .deadline_ns = deadline_ns };
	int r = c->turns->wait(c->turns, &w);

	return r ? r : mqshm_buffer_alloc_many(c, bytes, MQSHM_NO_WAIT, out, n);
}

/* How many; @n is not 0. */
static inline int alloc_some(struct mqshm_client *c, size_t bytes, uint64_t deadline_ns,
			     struct mqshm_buffer *out, size_t n)
{
	size_t done = 0;
	int r = client_enter(c);

	if (unlikely(r))
		return r;
	r = alloc(c, bytes, c->turns ? MQSHM_NO_WAIT : deadline_ns, out);
	while (!r && ++done < n)
		r = alloc(c, bytes, MQSHM_NO_WAIT, &out[done]);
	client_leave(c);
	if (likely(done))
		return (int)done;
	if (likely(r != -EAGAIN) || !c->turns || deadline_ns == MQSHM_NO_WAIT)
		return r;
	return alloc_in_turns(c, bytes, deadline_ns, out, n);
}

int mqshm_buffer_alloc(struct mqshm_client *c, size_t bytes, uint64_t deadline_ns,
		       struct mqshm_buffer *out)
{
	int r = alloc_some(c, bytes, deadline_ns, out, 1);

	return r < 0 ? r : 0;
}

int mqshm_buffer_alloc_many(struct mqshm_client *c, size_t bytes, uint64_t deadline_ns,
			    struct mqshm_buffer *out, size_t n)
{
	return n ? alloc_some(c, bytes, deadline_ns, out, n < INT32_MAX ? n : INT32_MAX) : 0;
}

static struct pool *pool_by_name(struct mqshm_client *c, const char *name)
{
	uint32_t i;

	for (i = 0; i < c->n_pools; i++) {
		if (c->pools[i].buffers && !strcmp(c->pools[i].name, name))
			return &c->pools[i];
	}
	return NULL;
}

static int alloc_from(struct mqshm_client *c, const char *pool, uint64_t deadline_ns,
		      struct mqshm_buffer *out)
{
	struct pool *p = pool_by_name(c, pool);
	int r = 0;

	if (c->read_only)
		return -EACCES;
	if (!p) {
		r = mqshm_pool_query(c);
		p = pool_by_name(c, pool);
	}
	if (r || !p)
		return r ? r : -ENOENT;
	if (!p->spare)
		r = mqshm_pool_lease(c, p, false, 0);
	if (r == -EAGAIN) {
		if (deadline_ns != MQSHM_NO_WAIT)
			r = pool_wait(c, p, deadline_ns);
		else
			client_nothing_now(c);
	}
	if (!r)
		spare_take(c, p, p->buffer_bytes, out);
	return r;
}

int mqshm_buffer_alloc_from(struct mqshm_client *c, const char *pool,
			    uint64_t deadline_ns, struct mqshm_buffer *out)
{
	struct client_wait w = { .deadline_ns = deadline_ns };
	int r = client_enter(c);

	if (r)
		return r;
	r = pool ? alloc_from(c, pool, c->turns ? MQSHM_NO_WAIT : deadline_ns, out) : -EINVAL;
	client_leave(c);
	if (likely(r != -EAGAIN) || !c->turns || deadline_ns == MQSHM_NO_WAIT)
		return r;
	w.pools = 1U << pool_by_name(c, pool)->index;
	r = c->turns->wait(c->turns, &w);
	return r ? r : mqshm_buffer_alloc_from(c, pool, MQSHM_NO_WAIT, out);
}

/* -- what is known about one --------------------------------------------------- */

/* NULL if it is none, or the client has ended. */
static const struct pool *pool_of(const struct mqshm_client *c,
				  const struct mqshm_buffer *buf)
{
	if (!client_alive(c) || buf->number == MQSHM_NO_BUFFER)
		return NULL;
	return mqshm_pool_lookup(c, buf->number);
}

void *mqshm_buffer_data(struct mqshm_client *c, const struct mqshm_buffer *buf)
{
	const struct pool *p = pool_of(c, buf);

	return p ? pool_payload(p, buf->number) : NULL;
}

size_t mqshm_buffer_capacity(struct mqshm_client *c, const struct mqshm_buffer *buf)
{
	const struct pool *p = pool_of(c, buf);

	return p ? p->buffer_bytes : 0;
}

int mqshm_buffer_region(struct mqshm_client *c, const struct mqshm_buffer *buf,
			void **start, size_t *bytes)
{
	const struct pool *p = pool_of(c, buf);

	if (!p)
		return client_alive(c) ? -EINVAL : -ESHUTDOWN;
	*start = p->payload;
	*bytes = (size_t)p->stride * p->buffers;
	return 0;
}

uint64_t mqshm_buffer_id(struct mqshm_client *c, const struct mqshm_buffer *buf)
{
	const struct pool *p = pool_of(c, buf);

	return p ? (uint64_t)*pool_serial(p, buf->number) << 20 | buf->number : 0;
}

uint64_t mqshm_buffer_alloc_ns(struct mqshm_client *c, const struct mqshm_buffer *buf)
{
	const struct pool *p = pool_of(c, buf);

	return p ? pool_meta(p, buf->number)->alloc_ns : 0;
}

uint64_t mqshm_buffer_data_ns(struct mqshm_client *c, const struct mqshm_buffer *buf)
{
	const struct pool *p = pool_of(c, buf);

	return p ? pool_meta(p, buf->number)->data_ns : 0;
}

bool mqshm_buffer_is_sole(struct mqshm_client *c, const struct mqshm_buffer *buf)
{
	const struct pool *p = pool_of(c, buf);

	return p && proto_is_sole(&c->cells, pool_w(p, buf->number), buf->number);
}

int mqshm_buffer_set_data_ns(struct mqshm_client *c, const struct mqshm_buffer *buf,
			     uint64_t ns)
{
	if (!client_alive(c))
		return -ESHUTDOWN;
	if (!mqshm_buffer_is_sole(c, buf))
		return -EPERM;
	__atomic_store_n(&pool_meta(mqshm_pool_lookup(c, buf->number), buf->number)->data_ns, ns,
			 __ATOMIC_RELAXED);
	return 0;
}

/* -- references ------------------------------------------------------------------ */

int mqshm_buffer_share(struct mqshm_client *c, const struct mqshm_buffer *buf,
		       struct mqshm_buffer *out)
{
	struct pool *p;
	int r = client_enter(c);

	if (unlikely(r))
		return r;
	p = buffer_pool(c, buf);
	r = p ? mqshm_buffer_dup(c, p, buf->number, 1) : -EINVAL;
	if (!r)
		*out = *buf;
	client_leave(c);
	return r;
}

static inline int release(struct mqshm_client *c, struct mqshm_buffer *buf)
{
	struct pool *p;

	/* What its length says does not matter here. */
	buf->length = 0;
	p = buffer_pool(c, buf);
	if (unlikely(!p))
		return -EINVAL;
	mqshm_buffer_drop(c, p, buf->number);
	buf->number = MQSHM_NO_BUFFER;
	return 0;
}

int mqshm_buffer_release(struct mqshm_client *c, struct mqshm_buffer *buf)
{
	int r;

	if (buf->number == MQSHM_NO_BUFFER)
		return 0;
	r = client_enter(c);
	if (unlikely(r))
		return r;
	r = release(c, buf);
	client_leave(c);
	return r;
}

int mqshm_buffer_release_many(struct mqshm_client *c, struct mqshm_buffer *bufs, size_t n)
{
	size_t i;
	int r;

	r = client_enter(c);
	if (unlikely(r))
		return r;
	for (i = 0; i < n && !r; i++)
		r = bufs[i].number == MQSHM_NO_BUFFER ? 0 : release(c, &bufs[i]);
	client_leave(c);
	return r;
}

/*
 * Nobody tells when the others let go of a buffer, and they may do so while all free ones
 * are in the hands of those who wait: a wait for one to copy to looks at its own again.
 */
#define SOLE_LOOK_FIRST_NS	1000000
#define SOLE_LOOK_LAST_NS	128000000

/* One look at it, and one wait for a buffer. */
static int make_writable(struct mqshm_client *c, struct mqshm_buffer *buf,
			 uint64_t deadline_ns)
{
	struct pool *from = buffer_pool(c, buf), *to;
	struct mqshm_buffer copy;
	int r;

	if (c->read_only)
		return -EACCES;
	if (!from)
		return -EINVAL;
	if (proto_is_sole(&c->cells, pool_w(from, buf->number), buf->number))
		return 0;
	r = alloc(c, from->buffer_bytes, deadline_ns, &copy);
	if (r)
		return r;
	to = client_pool(c, copy.number);
	copy.length = buf->length;
	memcpy(pool_payload(to, copy.number), pool_payload(from, buf->number), buf->length);
	__atomic_store_n(&pool_meta(to, copy.number)->data_ns,
			 pool_meta(from, buf->number)->data_ns, __ATOMIC_RELAXED);
	mqshm_buffer_drop(c, from, buf->number);
	*buf = copy;
	c->copies++;
	return 0;
}

/* The same inside a call; the thread's other blocks run while this one waits. */
static int make_writable_by(struct mqshm_client *c, struct mqshm_buffer *buf,
			    uint64_t deadline_ns)
{
	bool in_turns = c->turns && deadline_ns != MQSHM_NO_WAIT;
	struct client_wait w = { .deadline_ns = deadline_ns };
	int r = client_enter(c);

	if (r)
		return r;
	r = make_writable(c, buf, in_turns ? MQSHM_NO_WAIT : deadline_ns);
	if (r == -EAGAIN && in_turns)
		w.pools = pools_fit(c, mqshm_buffer_capacity(c, buf));
	client_leave(c);
	if (likely(r != -EAGAIN) || !in_turns)
		return r;
	r = c->turns->wait(c->turns, &w);
	return r ? r : make_writable_by(c, buf, MQSHM_NO_WAIT);
}

int mqshm_buffer_make_writable(struct mqshm_client *c, struct mqshm_buffer *buf,
			       uint64_t deadline_ns)
{
	uint64_t look_ns = SOLE_LOOK_FIRST_NS, until;
	int r = make_writable_by(c, buf, MQSHM_NO_WAIT);

	if (likely(r != -EAGAIN) || deadline_ns == MQSHM_NO_WAIT)
		return r;
	do {
		until = deadline_ns;
		if (mqshm_now_ns() + look_ns < deadline_ns)
			until = mqshm_now_ns() + look_ns;
		r = make_writable_by(c, buf, until);
		if (look_ns < SOLE_LOOK_LAST_NS)
			look_ns *= 2;
	} while (r == -ETIMEDOUT && until != deadline_ns);
	return r;
}
