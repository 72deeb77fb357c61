// SPDX-License-Identifier: LGPL-2.1-or-later
/* Pools and magazines: mapping, leasing and returning in batches. */
#include <errno.h>
#include <string.h>

#include "client.h"
#include "pool.h"
#include "runtime.h"
#include "sys.h"

static void pool_init(const struct mqshm_client *c, struct pool *p,
		      const struct mqshm_pool_record *rec)
{
	/* What does not fit the bounds told at the join stays unknown. */
	if (!rec->buffers || rec->first >= c->buffers_max ||
	    rec->buffers > c->buffers_max - rec->first ||
	    rec->stride_bytes < rec->buffer_bytes)
		return;
	p->first = rec->first;
	p->buffers = rec->buffers;
	p->buffer_bytes = rec->buffer_bytes;
	p->stride = rec->stride_bytes;
	p->index = rec->pool;
	p->spare_max = rec->buffers / 8 ? rec->buffers / 8 : 1;
	if (p->spare_max > MQSHM_LEASE_MAX)
		p->spare_max = MQSHM_LEASE_MAX;
	/* 64 words lie in whole lines of each table: parts of one are two clients' */
	if (p->spare_max > MQSHM_BATCH_MAX)
		p->spare_max &= ~(MQSHM_BATCH_MAX - 1U);
	memcpy(p->name, rec->name, sizeof(p->name));
}

static void pools_sort(struct mqshm_client *c)
{
	uint32_t i, j;

	for (i = 0; i < c->n_pools; i++) {
		for (j = i; j > 0 && c->pools[c->by_size[j - 1]].buffer_bytes >
				     c->pools[i].buffer_bytes; j--)
			c->by_size[j] = c->by_size[j - 1];
		c->by_size[j] = (uint8_t)i;
	}
}

static int pools_query(struct mqshm_client *c)
{
	struct mqshm_snapshot *snap;
	size_t i;
	int r = mqshm_snapshot_query(c->fd, MQSHM_QUERY_RUNTIME, &snap);

	if (r)
		return r;
	for (i = 0; i < snap->n_pools; i++) {
		const struct mqshm_pool_record *rec = &snap->pools[i];

		if (rec->pool >= MQSHM_POOLS_MAX || c->pools[rec->pool].buffers)
			continue;
		pool_init(c, &c->pools[rec->pool], rec);
		if (rec->pool >= c->n_pools)
			c->n_pools = rec->pool + 1;
	}
	mqshm_snapshot_free(snap);
	pools_sort(c);
	return 0;
}

int mqshm_pool_query(struct mqshm_client *c)
{
	sigset_t signals;
	int r;

	mqshm_client_hold_signals(&signals);
	r = pools_query(c);
	mqshm_client_let_signals(&signals);
	return r;
}

static int pool_map_region(struct mqshm_client *c, const struct pool *p, uint32_t what,
			   size_t bytes, bool writable, void **out)
{
	return mqshm_sys_map(c->fd, MQSHM_MMAP_OFFSET(what, p->index), bytes, writable, out);
}

static int pool_map(struct mqshm_client *c, struct pool *p)
{
	void *w = NULL, *meta = NULL, *payload = NULL;
	int r;

	r = pool_map_region(c, p, MQSHM_MMAP_W, sizeof(*p->w) * p->buffers, true, &w);
	if (!r)
		r = pool_map_region(c, p, MQSHM_MMAP_META, MQSHM_META_BYTES(p->buffers),
				    true, &meta);
	if (!r)
		r = pool_map_region(c, p, MQSHM_MMAP_PAYLOAD,
				    (size_t)p->stride * p->buffers, !c->read_only, &payload);
	if (r) {
		mqshm_sys_unmap(meta, MQSHM_META_BYTES(p->buffers));
		mqshm_sys_unmap(w, sizeof(*p->w) * p->buffers);
		return r;
	}
	p->w = w;
	p->meta = meta;
	p->serial = (uint32_t *)((char *)meta + MQSHM_META_SERIAL(p->buffers));
	p->payload = payload;
	return 0;
}

int mqshm_pool_map(struct mqshm_client *c, struct pool *p)
{
	sigset_t signals;
	int r;

	mqshm_client_hold_signals(&signals);
	r = pool_map(c, p);
	mqshm_client_let_signals(&signals);
	return r;
}

void mqshm_pool_unmap(struct pool *p)
{
	if (!p->w)
		return;
	mqshm_sys_unmap(p->payload, (size_t)p->stride * p->buffers);
	mqshm_sys_unmap(p->meta, MQSHM_META_BYTES(p->buffers));
	mqshm_sys_unmap(p->w, sizeof(*p->w) * p->buffers);
	p->w = NULL;
}

static const struct pool *pool_scan(const struct mqshm_client *c, uint32_t b)
{
	uint32_t i;

	for (i = 0; i < c->n_pools; i++) {
		if (b - c->pools[i].first < c->pools[i].buffers)
			return &c->pools[i];
	}
	return NULL;
}

__attribute__((noinline)) struct pool *mqshm_pool_find(struct mqshm_client *c, uint32_t b)
{
	struct pool *p = (struct pool *)pool_scan(c, b);

	if (!p && !mqshm_pool_query(c))
		p = (struct pool *)pool_scan(c, b);
	if (!p || (!p->w && mqshm_pool_map(c, p)))
		return NULL;
	c->last_pool = p;
	return p;
}

bool mqshm_pool_known(const struct mqshm_client *c, uint32_t b)
{
	return pool_scan(c, b) != NULL;
}

const struct pool *mqshm_pool_lookup(const struct mqshm_client *c, uint32_t b)
{
	const struct pool *p = c->last_pool;

	if (unlikely(b - p->first >= p->buffers))
		p = pool_scan(c, b);
	return p && p->w ? p : NULL;
}

/* The entry first: what is counted is there, also after a longjmp. */
static void magazine_add(struct mqshm_client *c, struct pool *p, uint32_t b)
{
	p->magazine[p->spare] = b;
	proto_barrier();
	p->spare++;
	c->spares++;
}

/* The same for one from the depot: whoever looks sees that the program has not got it. */
static void magazine_add_leased(struct mqshm_client *c, struct pool *p, uint32_t b)
{
	__atomic_store_n(&pool_meta(p, b)->alloc_ns, 0, __ATOMIC_RELAXED);
	magazine_add(c, p, b);
}

/* What a LEASE brought, to the magazine. */
static void lease_take(struct mqshm_client *c, struct pool *p)
{
	struct mqshm_lease_args *args = &c->lease;
	uint32_t i;

	for (i = args->out_count; i-- > 0;) {
		if (i >= MQSHM_LEASE_MAX || p->spare == p->spare_max ||
		    args->buffers[i] - p->first >= p->buffers)
			continue;
		magazine_add_leased(c, p, args->buffers[i]);
	}
	proto_barrier();
	args->out_count = 0;
}

/* Who gave some back before a sleep may do so again: not more than one WAIT takes. */
static uint32_t lease_count(const struct pool *p)
{
	if (p->returned)
		return (p->spare_max + 1) / 2;
	return p->steady || p->spare_max < MQSHM_BATCH_MAX ? p->spare_max : MQSHM_BATCH_MAX;
}

int mqshm_pool_lease(struct mqshm_client *c, struct pool *p, bool wait,
		     uint64_t deadline_ns)
{
	struct mqshm_lease_args *args = &c->lease;
	int r = p->w ? 0 : mqshm_pool_map(c, p);

	if (r)
		return r;
	args->size = sizeof(*args);
	args->flags = wait ? MQSHM_LEASE_F_WAIT : 0;
	args->pool = p->index;
	args->count = lease_count(p);
	args->gen = wait ? c->known_gen : 0;
	args->deadline_ns = wait ? clock_kernel_deadline(deadline_ns) : 0;
	r = mqshm_client_ioctl(c, MQSHM_IOC_LEASE, args);
	c->clock.stale = true;
	if (r)
		return r;
	p->leased = p->steady = true;
	p->returned = false;
	lease_take(c, p);
	return p->spare ? 0 : -EAGAIN;
}

/*
 * After a RETURN or WAIT: what the kernel took has hold 0. @refused: it stopped
 * at one that is not this client's alone any more, which is no spare then.
 * Returns whether the refused one was met.
 */
static bool magazine_forget(struct mqshm_client *c, struct pool *p, bool refused)
{
	uint32_t i, kept = 0;

	for (i = 0; i < p->spare; i++) {
		uint32_t b = p->magazine[i];

		if (c->dead || !c->cells.hold[b])
			continue;
		if (refused) {
			refused = false;
			continue;
		}
		p->magazine[kept++] = b;
	}
	c->spares -= p->spare - kept;
	p->spare = kept;
	return refused;
}

void mqshm_pool_forget(struct mqshm_client *c, bool refused)
{
	uint32_t i;

	for (i = 0; i < c->n_pools; i++) {
		refused = magazine_forget(c, &c->pools[i], refused);
		c->pools[i].steady = false;
	}
}

uint32_t mqshm_pool_collect(const struct mqshm_client *c, uint32_t *buffers, uint32_t n)
{
	uint32_t i, got = 0;

	for (i = 0; i < c->n_pools && got < n; i++) {
		const struct pool *p = &c->pools[i];
		uint32_t m = p->spare < n - got ? p->spare : n - got;

		memcpy(&buffers[got], p->magazine, m * sizeof(*buffers));
		got += m;
	}
	return got;
}

static bool buffer_among(const uint32_t *buffers, uint32_t n, uint32_t b)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (buffers[i] == b)
			return true;
	}
	return false;
}

/* Also after a longjmp out of it: some may be in the magazine already. */
void mqshm_pool_take_leased(struct mqshm_client *c)
{
	struct mqshm_wait_args *args = &c->wait;
	uint32_t i, b;
	struct pool *p;

	if (args->out_leased && args->out_leased <= MQSHM_BATCH_MAX &&
	    args->out_pool < c->n_pools) {
		p = &c->pools[args->out_pool];
		p->leased = true;
		for (i = 0; i < args->out_leased && p->spare < p->spare_max; i++) {
			b = args->buffers[i];
			if (b - p->first < p->buffers && !buffer_among(p->magazine, p->spare, b))
				magazine_add_leased(c, p, b);
		}
	}
	proto_barrier();
	args->out_leased = 0;
}

/* The first @n of the magazine, which were put there first. */
static void magazine_return(struct mqshm_client *c, struct pool *p, uint32_t n)
{
	struct mqshm_return_args args = { .size = sizeof(args), .count = n };
	int r;

	memcpy(args.buffers, p->magazine, n * sizeof(args.buffers[0]));
	r = mqshm_client_ioctl(c, MQSHM_IOC_RETURN, &args);
	magazine_forget(c, p, r == -EINVAL);
}

/*
 * Makes room in a full magazine. Who leases as well keeps half of it, as who gives back
 * leases half: then some more of the one or of the other are no call. Who only does one
 * of them gets it full, or gives all of it.
 */
static void magazine_spill(struct mqshm_client *c, struct pool *p)
{
	magazine_return(c, p, p->leased ? (p->spare_max + 1) / 2 : p->spare_max);
	p->leased = false;
	p->returned = true;
}

void mqshm_pool_take(struct mqshm_client *c, struct pool *p, uint32_t b)
{
	if (unlikely(p->spare == p->spare_max)) {
		magazine_spill(c, p);
		if (p->spare == p->spare_max)
			return;		/* the call failed: it stays in the hand */
	}
	magazine_add(c, p, b);
	mqshm_pool_offer(c, p);
}

void mqshm_pool_offer_now(struct mqshm_client *c, struct pool *p)
{
	magazine_return(c, p, p->spare);
}

void mqshm_pool_return_wanted(struct mqshm_client *c)
{
	uint32_t i;

	for (i = 0; i < c->n_pools && !c->dead; i++)
		mqshm_pool_offer(c, &c->pools[i]);
}

void mqshm_pool_return_all(struct mqshm_client *c)
{
	int r = 0;

	while (c->spares && (!r || r == -EINVAL)) {
		struct mqshm_return_args args = { .size = sizeof(args) };

		args.count = mqshm_pool_collect(c, args.buffers, MQSHM_LEASE_MAX);
		r = mqshm_client_ioctl(c, MQSHM_IOC_RETURN, &args);
		mqshm_pool_forget(c, r == -EINVAL);
	}
}

/*
 * What RETURN took has hold 0; forgetting it may have stopped on the way. So may this:
 * until the count is stored, what is kept stands in the magazine at least once.
 */
static void magazine_recover(struct mqshm_client *c, struct pool *p)
{
	uint32_t i, b, kept = 0;

	for (i = 0; i < p->spare; i++) {
		b = p->magazine[i];
		if (c->cells.hold[b] == 1 && !buffer_among(p->magazine, kept, b))
			p->magazine[kept++] = b;
	}
	proto_barrier();
	p->spare = kept;
}

/* Those that a REF has dropped; @refused: and the one at which it stopped. */
static void refs_forget(struct mqshm_client *c, bool refused)
{
	struct mqshm_ref_args *args = &c->refs;
	uint32_t gone = args->out_done + refused;
	sigset_t signals;

	if (gone < args->count) {
		mqshm_client_hold_signals(&signals);
		args->count -= gone;
		memmove(args->refs, &args->refs[gone], args->count * sizeof(args->refs[0]));
		args->out_done = 0;
		mqshm_client_let_signals(&signals);
		return;
	}
	/* in this order: what is done is never dropped again, also after a longjmp */
	args->count = 0;
	proto_barrier();
	args->out_done = 0;
}

void mqshm_pool_recover(struct mqshm_client *c)
{
	struct mqshm_lease_args *args = &c->lease;
	struct pool *p;
	uint32_t i;

	refs_forget(c, false);
	c->spares = 0;
	for (i = 0; i < c->n_pools; i++) {
		magazine_recover(c, &c->pools[i]);
		c->spares += c->pools[i].spare;
	}
	mqshm_pool_take_leased(c);
	if (!args->out_count)
		return;
	/* leased into an empty magazine, and none of it handed out yet */
	p = &c->pools[args->pool];
	c->spares -= p->spare;
	p->spare = 0;
	lease_take(c, p);
}

int mqshm_pool_ref(struct mqshm_client *c, uint32_t b, uint32_t n)
{
	struct mqshm_ref_args args = {
		.size = sizeof(args), .count = 1, .refs[0] = { b, (int32_t)n },
	};

	return mqshm_client_ioctl(c, MQSHM_IOC_REF, &args);
}

void mqshm_pool_flush_refs(struct mqshm_client *c)
{
	int r;

	c->refs.size = sizeof(c->refs);
	r = mqshm_client_ioctl(c, MQSHM_IOC_REF, &c->refs);
	/* A RELEASE that was refused is no reference of ours. */
	refs_forget(c, r != 0);
}

void mqshm_pool_unref(struct mqshm_client *c, const struct pool *p, uint32_t b)
{
	struct mqshm_ref_args *args = &c->refs;

	args->refs[args->count] = (struct mqshm_ref) { b, -1 };
	/* as in magazine_add() */
	proto_barrier();
	args->count++;
	if (args->count == MQSHM_BATCH_MAX || args->count >= p->spare_max ||
	    __atomic_load_n(&c->status->wanted[p->index], __ATOMIC_RELAXED)) /* [B1] */
		mqshm_pool_flush_refs(c);
}
