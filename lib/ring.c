// SPDX-License-Identifier: LGPL-2.1-or-later
/* This client's ends of rings: mapping, attaching, detaching, waking the peer. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "port.h"
#include "ring.h"
#include "sys.h"

void mqshm_ring_kick_end(struct mqshm_client *c, struct mqshm_kick_args *kick)
{
	if (!kick->count)
		return;
	kick->size = (uint32_t)(offsetof(struct mqshm_kick_args, rings) +
				kick->count * sizeof(kick->rings[0]));
	mqshm_client_ioctl(c, MQSHM_IOC_KICK, kick);
	kick->count = 0;
}

void mqshm_ring_kick(struct mqshm_client *c, struct mqshm_kick_args *kick, uint32_t ring)
{
	if (kick->count == MQSHM_BATCH_MAX)
		mqshm_ring_kick_end(c, kick);
	kick->rings[kick->count++] = ring;
}

__attribute__((noinline)) void mqshm_ring_publish(struct mqshm_client *c, struct ring *k)
{
	proto_publish(&k->rx);					/* [O5] */
	k->unpublished = 0;
	k->held_back = false;
	proto_fence();						/* [O6] */
	if (unlikely(proto_rx_flags(&k->rx) & RING_RX_ASKS)) {	/* [O7] */
		struct mqshm_kick_args kick;

		mqshm_ring_kick_begin(&kick);
		mqshm_ring_kick(c, &kick, k->number);
		mqshm_ring_kick_end(c, &kick);
	}
}

static const uint32_t *ring_flags_of(struct mqshm_client *c, const struct ring *k)
{
	return (const void *)((const char *)c->status + MQSHM_STATUS_RING(k->number));
}

void mqshm_ring_unmap(struct ring *k)
{
	mqshm_sys_unmap(k->producer, k->producer_bytes);
	mqshm_sys_unmap(k->consumer, sizeof(*k->consumer));
	k->producer = NULL;
	k->consumer = NULL;
}

static int ring_map(struct mqshm_client *c, struct ring *k, uint32_t shift)
{
	void *address;
	int r;

	k->producer_bytes = sizeof(*k->producer) + (sizeof(uint64_t) << shift);
	r = mqshm_sys_map(c->fd, MQSHM_MMAP_OFFSET(MQSHM_MMAP_PRODUCER, k->number),
			  k->producer_bytes, k->out, &address);
	if (r)
		return r;
	k->producer = address;
	r = mqshm_sys_map(c->fd, MQSHM_MMAP_OFFSET(MQSHM_MMAP_CONSUMER, k->number),
			  sizeof(*k->consumer), !k->out || k->swaps, &address);
	if (r)
		return r;
	k->consumer = address;
	return 0;
}

static void ring_prepare(struct mqshm_client *c, struct ring *k,
			 const struct mqshm_event *ev)
{
	const uint32_t *flags = ring_flags_of(c, k);
	uint64_t mask = (1ULL << ev->shift) - 1;

	if (k->out) {
		uint64_t *phead = (uint64_t *)&k->consumer->phead;
		uint64_t *head = k->swaps ? phead : (uint64_t *)&k->consumer->head;

		k->drops = __atomic_load_n(flags, __ATOMIC_RELAXED) & RING_DROPS;
		k->tap = __atomic_load_n(flags, __ATOMIC_RELAXED) & MQSHM_RING_TAP;
		k->tx = (struct proto_tx) {
			.slots = (uint64_t *)k->producer->slots,
			.tail = (uint64_t *)&k->producer->tail,
			.bytes = (uint64_t *)&k->producer->bytes,
			.dropped = (uint64_t *)&k->producer->dropped,
			.head = head,
			.phead = phead,
			.flags = flags,
			.mask = mask,
			.cached_head = __atomic_load_n(head, __ATOMIC_ACQUIRE) & /* [P2] */
				       MQSHM_CURSOR_MASK,
			.depth = ev->depth,
			.shift = ev->shift,
			.ring = k->number,
		};
		return;
	}
	k->rx = (struct proto_rx) {
		.slots = (uint64_t *)k->producer->slots,
		.phead = (uint64_t *)&k->consumer->phead,
		.head = (uint64_t *)&k->consumer->head,
		.flags = flags,
		.mask = mask,
		.shift = ev->shift,
		.ring = k->number,
	};
	k->publish_every = ev->depth / 4 ? ev->depth / 4 : 1;
	/* of one that stays, another may have read what came before */
	if (!(__atomic_load_n(flags, __ATOMIC_RELAXED) & MQSHM_RING_PERSISTENT))
		return;
	k->next = k->swaps ? __atomic_load_n(k->rx.phead, __ATOMIC_RELAXED) & MQSHM_CURSOR_MASK :
		  __atomic_load_n(&k->producer->dropped, __ATOMIC_RELAXED);
}

uint64_t mqshm_ring_missed(const struct ring *k)
{
	/* the producer only counts: what it drops comes behind all that is queued */
	return k->swaps ? k->missed :
	       __atomic_load_n(&k->producer->dropped, __ATOMIC_RELAXED) - k->next;
}

/* Room for one more in an array of rings. */
static int list_reserve(struct ring ***list, size_t n, size_t *room)
{
	size_t more = *room ? *room * 2 : 4;
	struct ring **grown;

	if (n < *room)
		return 0;
	grown = realloc(*list, more * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*list = grown;
	*room = more;
	return 0;
}

static void list_remove(struct ring **list, size_t *n, const struct ring *k)
{
	size_t i;

	for (i = 0; i < *n; i++) {
		if (list[i] != k)
			continue;
		memmove(&list[i], &list[i + 1], (*n - i - 1) * sizeof(*list));
		--*n;
		return;
	}
}

static int ring_new(struct mqshm_client *c, struct mqshm_port *p,
		    const struct mqshm_event *ev)
{
	struct ring *k;
	int r;

	if (!p || p->out != (ev->direction == MQSHM_DIR_OUT) || ev->ring >= c->rings_max ||
	    ev->shift > 16 || ev->depth == 0 || ev->depth > 1U << ev->shift)
		return -EPROTO;
	r = list_reserve(&c->rings, c->n_rings, &c->rings_room);
	if (!r)
		r = list_reserve(&p->rings, p->n_rings, &p->rings_room);
	if (r)
		return r;
	k = calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->out = p->out;
	k->number = ev->ring;
	k->id = ev->id;
	k->port = p;
	k->swaps = __atomic_load_n(ring_flags_of(c, k), __ATOMIC_RELAXED) &
		   MQSHM_RING_DROP_OLDEST;
	r = ring_map(c, k, ev->shift);
	if (r) {
		mqshm_ring_unmap(k);
		free(k);
		return r;
	}
	ring_prepare(c, k, ev);
	c->rings[c->n_rings++] = k;
	p->rings[p->n_rings++] = k;
	p->n_dropping += k->drops;
	p->n_taps += k->tap;
	p->had |= !k->tap;
	return 0;
}

static void end_detach(struct mqshm_client *c, uint64_t ring, bool out)
{
	mqshm_client_command(c, MQSHM_IOC_RING_DETACH, ring | (out ? MQSHM_RING_PRODUCER : 0));
}

/* The last ring of an input comes in the place of a lost one, be that still to be read. */
static void loss_replace(struct mqshm_port *p)
{
	size_t i;

	if (p->lost) {
		p->lost--;
		return;
	}
	for (i = 0; i + 1 < p->n_rings && !p->out; i++) {
		struct ring *k = p->rings[i];
		uint32_t flags = ring_flags(k);				/* [O8] */

		if (k->replaced || flags & MQSHM_RING_EOF ||
		    !(flags & (MQSHM_RING_DEAD | MQSHM_RING_DISCONNECTED)))
			continue;
		k->replaced = true;
		return;
	}
}

int mqshm_ring_attach(struct mqshm_client *c, const struct mqshm_event *ev)
{
	struct mqshm_port *p = mqshm_block_find_port(c, ev->port);
	int r = ring_new(c, p, ev);

	if (r) {
		end_detach(c, ev->ring, ev->direction == MQSHM_DIR_OUT);
		return r;
	}
	p->end_seen = false;
	loss_replace(p);
	return 0;
}

static void loss_count(struct mqshm_port *p, const struct ring *k, uint32_t flags)
{
	if (!p->out && flags & MQSHM_RING_EOF)
		return;
	p->lost += !k->replaced;
	if (flags & MQSHM_RING_DEAD)
		p->deaths++;
	else
		p->disconnects++;
}

void mqshm_ring_forget(struct mqshm_client *c, struct ring *k)
{
	struct mqshm_port *p = k->port;

	list_remove(c->rings, &c->n_rings, k);
	list_remove(p->rings, &p->n_rings, k);
	p->n_dropping -= k->drops;
	p->n_taps -= k->tap;
	p->burst = 0;
	if (p->turn >= p->n_rings)
		p->turn = 0;
	if (!k->out)
		p->missed += mqshm_ring_missed(k);
	client_changed(c);
	mqshm_ring_unmap(k);
	free(k);
}

__attribute__((cold)) void mqshm_ring_detach(struct mqshm_client *c, struct ring *k,
					     uint32_t flags)
{
	struct mqshm_port *p = k->port;
	sigset_t signals;

	mqshm_client_hold_signals(&signals);
	end_detach(c, k->number, k->out);
	if (!k->tap)
		loss_count(p, k, flags);
	mqshm_ring_forget(c, k);
	mqshm_client_let_signals(&signals);
}

__attribute__((cold)) bool mqshm_ring_reap(struct mqshm_client *c, struct ring *k)
{
	uint32_t flags = ring_flags(k);				/* [O8] */
	uint64_t d;

	if (k->out) {
		if (!(flags & MQSHM_RING_CLOSED))
			return false;
		if (k->held_back) {
			struct mqshm_kick_args kick;

			mqshm_ring_kick_begin(&kick);
			mqshm_ring_kick(c, &kick, k->number);
			mqshm_ring_kick_end(c, &kick);
		}
	} else if (!(flags & RING_ENDS) || ring_peek(k, &d)) {
		return false;
	}
	mqshm_ring_detach(c, k, flags);
	return true;
}
