/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pools as a client sees them, and its magazine of spare buffers of each. */
#ifndef LIB_POOL_H
#define LIB_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <mqshm.h>

struct mqshm_client;

/**
 * struct pool - a pool, mapped when a buffer of it is first met
 * @first: number of its first buffer
 * @buffers: their number
 * @buffer_bytes: capacity of each
 * @stride: their distance in @payload
 * @w: W words; NULL until mapped
 * @meta: metadata, and behind it @serial
 * @serial: how often each was allocated
 * @payload: payload
 * @index: of the pool
 * @spare: buffers in the magazine
 * @spare_max: bound of that, an eighth of the pool at most
 * @dry: allocations that pass this pool by, since it was empty just now
 * @leased: buffers came from the depot since the magazine last ran over
 * @returned: it ran over since buffers were last leased
 * @steady: none went back before a sleep since buffers were last leased
 * @magazine: buffers leased or released by their last holder: hold 1, count 1
 * @name: its name
 */
struct pool {
	uint32_t first;
	uint32_t buffers;
	uint32_t buffer_bytes;
	uint32_t stride;
	uint64_t *w;
	struct mqshm_meta *meta;
	uint32_t *serial;
	char *payload;
	uint32_t index;
	uint32_t spare;
	uint32_t spare_max;
	uint32_t dry;
	bool leased;
	bool returned;
	bool steady;
	uint32_t magazine[MQSHM_LEASE_MAX];
	char name[MQSHM_POOL_NAME_LEN];
};

/* Looks a buffer up; maps its pool, asks for new ones. NULL: no such buffer. */
struct pool *mqshm_pool_find(struct mqshm_client *c, uint32_t b);
/* Whether there is such a buffer; then finding it failed for want of memory. */
bool mqshm_pool_known(const struct mqshm_client *c, uint32_t b);
/* The same among the mapped ones, without side effects. */
const struct pool *mqshm_pool_lookup(const struct mqshm_client *c, uint32_t b);
/* Asks the kernel for pools that are new. */
int mqshm_pool_query(struct mqshm_client *c);
int mqshm_pool_map(struct mqshm_client *c, struct pool *p);
void mqshm_pool_unmap(struct pool *p);

/* Leases into the empty magazine; @wait: sleeps until the deadline. */
int mqshm_pool_lease(struct mqshm_client *c, struct pool *p, bool wait,
		     uint64_t deadline_ns);
/* Takes a buffer whose last reference was dropped. */
void mqshm_pool_take(struct mqshm_client *c, struct pool *p, uint32_t b);

/* Gives the magazine back: somebody waits for buffers of the pool. */
void mqshm_pool_offer_now(struct mqshm_client *c, struct pool *p);
/* Gives back the magazines of pools that others wait for; of all pools. */
void mqshm_pool_return_wanted(struct mqshm_client *c);
void mqshm_pool_return_all(struct mqshm_client *c);
/* Fills @buffers with at most @n spares, for WAIT; then forgets those it took. */
uint32_t mqshm_pool_collect(const struct mqshm_client *c, uint32_t *buffers, uint32_t n);
/* To the magazine: what a WAIT leased. */
void mqshm_pool_take_leased(struct mqshm_client *c);
void mqshm_pool_forget(struct mqshm_client *c, bool refused);

/* After a longjmp out of a call: each magazine has what is spare, each once; what was
 * dropped is told to the kernel once. */
void mqshm_pool_recover(struct mqshm_client *c);

/* For a client without a toggle: DUP, and a RELEASE that may wait for others. */
int mqshm_pool_ref(struct mqshm_client *c, uint32_t b, uint32_t n);
void mqshm_pool_unref(struct mqshm_client *c, const struct pool *p, uint32_t b);
void mqshm_pool_flush_refs(struct mqshm_client *c);

static inline uint64_t *pool_w(const struct pool *p, uint32_t b)
{
	return &p->w[b - p->first];
}

static inline struct mqshm_meta *pool_meta(const struct pool *p, uint32_t b)
{
	return &p->meta[b - p->first];
}

static inline uint32_t *pool_serial(const struct pool *p, uint32_t b)
{
	return &p->serial[b - p->first];
}

static inline void *pool_payload(const struct pool *p, uint32_t b)
{
	return p->payload + (size_t)(b - p->first) * p->stride;
}

#endif /* LIB_POOL_H */
