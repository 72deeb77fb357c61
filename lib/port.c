// SPDX-License-Identifier: LGPL-2.1-or-later
/* Ports: pushing, popping and looking. */
#include <errno.h>
#include <sys/types.h>

#include "client.h"
#include "port.h"
#include "ring.h"

/* Messages taken from one connection before the next one has its turn. */
#define BURST	32

size_t mqshm_port_connections(const struct mqshm_port *p)
{
	return p->n_rings;
}

uint64_t mqshm_port_deaths(const struct mqshm_port *p)
{
	return p->deaths;
}

uint64_t mqshm_port_disconnects(const struct mqshm_port *p)
{
	return p->disconnects;
}

/* -- output ----------------------------------------------------------------- */

uint64_t mqshm_port_missed(const struct mqshm_port *p)
{
	uint64_t missed = p->missed;
	size_t i;

	for (i = 0; i < p->n_rings && !p->out && client_alive(p->client); i++)
		missed += mqshm_ring_missed(p->rings[i]);
	return missed;
}

/* Whether an output has anybody to work for: taps only look on. */
static inline bool port_is_taken(const struct mqshm_port *p)
{
	return p->n_rings > p->n_taps;
}

/* Messages that every ring takes or drops, at most @need. */
static size_t port_room(struct mqshm_port *p, size_t need)
{
	size_t i, room = need < MQSHM_DEPTH_MAX ? need : MQSHM_DEPTH_MAX;

	for (i = 0; i < p->n_rings && room; i++) {
		uint32_t n;

		if (p->rings[i]->drops)
			continue;
		n = proto_room(&p->rings[i]->tx, (uint32_t)room);
		if (n < room)
			room = n;
	}
	return room;
}

/*
 * Makes room in a full ring that drops the oldest. Not if what that says cannot be: then
 * it drops the newest.
 */
static void ring_drop_oldest(struct mqshm_port *p, struct ring *k)
{
	struct mqshm_client *c = p->client;
	uint64_t word, slot;
	struct pool *pool;
	uint32_t b;

	if (!proto_is_full(&k->tx, &word, &slot))			/* [Q1] */
		return;
	b = MQSHM_SLOT_BUFFER(slot);
	pool = client_pool(c, b);
	if (!pool || !proto_drop(&c->cells, &k->tx, word, b))
		return;
	mqshm_buffer_drop(c, pool, b);
	proto_bump(*k->tx.dropped, 1);
	p->overrun = true;
}

/* How many rings get the next message; those that drop and are full are passed over. */
__attribute__((noinline)) static size_t port_choose(struct mqshm_port *p)
{
	size_t i, takers = 0;

	for (i = 0; i < p->n_rings; i++) {
		struct ring *k = p->rings[i];

		if (k->swaps && !proto_room(&k->tx, 1))
			ring_drop_oldest(p, k);
		k->passed_over = k->drops && !proto_room(&k->tx, 1);
		takers += !k->passed_over;
	}
	return takers;
}

/* Some ring's flags ask for something: tells the kernel once for all of them. */
__attribute__((cold, noinline)) static void port_flush_asked(struct mqshm_port *p)
{
	struct mqshm_client *c = p->client;
	struct mqshm_kick_args kick;
	size_t i;

	mqshm_ring_kick_begin(&kick);
	for (i = 0; i < p->n_rings; i++) {
		if (proto_tx_flags(&p->rings[i]->tx) & RING_TX_ASKS)
			mqshm_ring_kick(c, &kick, p->rings[i]->number);
	}
	mqshm_ring_kick_end(c, &kick);
	for (i = p->n_rings; i-- > 0 && !c->dead;)
		mqshm_ring_reap(c, p->rings[i]);
}

static inline void port_flush(struct mqshm_port *p)
{
	uint32_t flags = 0;
	size_t i;

	proto_fence();						/* [F1] */
	for (i = 0; i < p->n_rings; i++) {
		p->rings[i]->held_back = false;
		flags |= proto_tx_flags(&p->rings[i]->tx);	/* [F2] */
	}
	if (unlikely(flags & RING_TX_ASKS))
		port_flush_asked(p);
}

static void port_hold_back(struct mqshm_port *p)
{
	size_t i;

	for (i = 0; i < p->n_rings; i++)
		p->rings[i]->held_back = true;
	p->client->pending = true;
}

static inline void ring_push(struct mqshm_port *p, struct ring *k,
			     const struct mqshm_buffer *buf)
{
	if (unlikely(k->passed_over)) {
		proto_bump(*k->tx.dropped, 1);
		p->overrun = true;
		return;
	}
	proto_push(&p->client->cells, &k->tx, buf->number, buf->length);
}

/* Needs room in every ring that does not drop. */
static inline int push_one(struct mqshm_port *p, struct mqshm_buffer *buf)
{
	struct mqshm_client *c = p->client;
	struct pool *pool = buffer_pool(c, buf);
	size_t i, takers;

	/* before any room is made for it */
	if (unlikely(!pool))
		return -EINVAL;
	takers = unlikely(p->n_dropping) ? port_choose(p) : p->n_rings;
	if (takers > 1) {
		int r = mqshm_buffer_dup(c, pool, buf->number, (uint32_t)takers - 1);

		if (r)
			return r;
	}
	for (i = 0; i < p->n_rings; i++)
		ring_push(p, p->rings[i], buf);
	if (unlikely(!takers))
		mqshm_buffer_drop(c, pool, buf->number);
	proto_bump(p->messages, 1);
	proto_bump(p->bytes, buf->length);
	buf->number = MQSHM_NO_BUFFER;
	buf->length = 0;
	return 0;
}

/* Without connection. */
__attribute__((cold)) static ssize_t push_nowhere(struct mqshm_port *p,
						  struct mqshm_buffer *bufs, size_t n)
{
	struct mqshm_client *c = p->client;
	size_t i;

	if (!p->optional) {
		client_nothing_now(c);
		return -ENOTCONN;
	}
	for (i = 0; i < n; i++) {
		struct pool *pool = buffer_pool(c, &bufs[i]);

		if (!pool)
			return i ? (ssize_t)i : -EINVAL;
		mqshm_buffer_drop(c, pool, bufs[i].number);
		bufs[i].number = MQSHM_NO_BUFFER;
		bufs[i].length = 0;
		proto_bump(p->discarded, 1);
	}
	return (ssize_t)n;
}

static ssize_t push_many(struct mqshm_port *p, struct mqshm_buffer *bufs, size_t n,
			 uint32_t flags)
{
	struct mqshm_client *c = p->client;
	size_t i, room;
	int r = client_check(c);

	if (unlikely(r))
		return r;
	if (unlikely(!p->out || flags & ~MQSHM_MORE))
		return -EINVAL;
	if (unlikely(p->ended))
		return -EPIPE;
	/* what nobody takes is discarded before the eyes of taps */
	if (unlikely(!port_is_taken(p)) && !(p->optional && p->n_taps))
		return push_nowhere(p, bufs, n);
	room = port_room(p, n);
	if (unlikely(!room && n)) {
		client_nothing_now(c);
		return -EAGAIN;
	}
	p->overrun = false;
	for (i = 0; i < room && !r; i++)
		r = push_one(p, &bufs[i]);
	if (c->dead)
		return -ESHUTDOWN;
	if (r)
		i--;
	/* who drops is told to go on and never waits: the consumer may be asleep */
	if (i && flags & MQSHM_MORE && likely(!p->overrun)) {
		port_hold_back(p);
	} else if (i) {
		port_flush(p);
		c->clock.stale = true;
	}
	return i ? (ssize_t)i : r;
}

int mqshm_port_push(struct mqshm_port *p, struct mqshm_buffer *buf, uint32_t flags)
{
	ssize_t r = client_enter(p->client);

	if (unlikely(r))
		return (int)r;
	r = push_many(p, buf, 1, flags);
	client_leave(p->client);
	return r < 0 ? (int)r : 0;
}

int mqshm_port_push_many(struct mqshm_port *p, struct mqshm_buffer *bufs, size_t n,
			 uint32_t flags)
{
	ssize_t r = client_enter(p->client);

	if (unlikely(r))
		return (int)r;
	r = push_many(p, bufs, n < INT32_MAX ? n : INT32_MAX, flags);
	client_leave(p->client);
	return (int)r;
}

int mqshm_port_flush(struct mqshm_port *p)
{
	int r = client_enter(p->client);

	if (r)
		return r;
	if (p->out) {
		port_flush(p);
		p->client->clock.stale = true;
	} else {
		r = -EINVAL;
	}
	if (p->client->dead)
		r = -ESHUTDOWN;
	client_leave(p->client);
	return r;
}

int mqshm_port_end(struct mqshm_port *p)
{
	struct mqshm_client *c = p->client;
	int r = client_enter(c);

	if (r)
		return r;
	if (!p->out) {
		r = -EINVAL;
	} else if (!p->ended) {
		mqshm_client_publish(c);
		r = mqshm_client_command(c, MQSHM_IOC_PORT_END, p->number);
		p->ended = !r;
	}
	client_leave(c);
	return r;
}

bool mqshm_port_has_room(struct mqshm_port *p)
{
	struct mqshm_client *c = p->client;
	bool room = false;

	if (client_enter(c))
		return false;
	if (!client_check(c) && p->out)
		room = port_is_taken(p) ? port_room(p, 1) : p->optional;
	if (!room && !c->dead)
		client_nothing_now(c);
	client_leave(c);
	return room;
}

/* -- input ------------------------------------------------------------------- */

static inline void port_next(struct mqshm_port *p)
{
	p->burst = 0;
	if (++p->turn >= p->n_rings)
		p->turn = 0;
}

/* 1; 0 if the ring is empty; -EPROTO if what it says cannot be; -ENOMEM. */
static inline int ring_pop(struct mqshm_client *c, struct ring *k,
			   struct mqshm_buffer *out)
{
	const struct pool *pool;
	uint32_t b, user;
	uint64_t d;

	if (!proto_peek(&k->rx, &d))				/* [O1] */
		return 0;
	b = MQSHM_SLOT_BUFFER(d);
	user = MQSHM_SLOT_USER(d);
	pool = client_pool(c, b);
	if (unlikely(!pool))
		return mqshm_pool_known(c, b) ? -ENOMEM : -EPROTO;
	if (unlikely(user > pool->buffer_bytes))
		return -EPROTO;
	proto_pop(&c->cells, &k->rx, b);
	out->number = b;
	out->length = user;
	if (++k->unpublished >= k->publish_every) {
		mqshm_ring_publish(c, k);
	} else {
		k->held_back = true;
		c->pending = true;
	}
	return 1;
}

/* The same for a ring whose producer may take the message away meanwhile. */
__attribute__((noinline)) static int ring_pop_word(struct mqshm_client *c, struct ring *k,
						   struct mqshm_buffer *out)
{
	const struct pool *pool;
	uint64_t word, d;
	uint32_t b;

	do {
		if (!proto_peek_word(&k->rx, &word, &d))		/* [O1] */
			return 0;
		b = MQSHM_SLOT_BUFFER(d);
		pool = client_pool(c, b);
		if (!pool)
			return mqshm_pool_known(c, b) ? -ENOMEM : -EPROTO;
		if (MQSHM_SLOT_USER(d) > pool->buffer_bytes)
			return -EPROTO;
	} while (!proto_pop_word(&c->cells, &k->rx, word, b));		/* [O9] */
	k->missed += ((word & MQSHM_CURSOR_MASK) - k->next) & MQSHM_CURSOR_MASK;
	k->next = (word + 1) & MQSHM_CURSOR_MASK;
	out->number = b;
	out->length = MQSHM_SLOT_USER(d);
	return 1;
}

/* Up to @n messages of the rings in turn; 0 if there are none. */
static inline ssize_t pop_rings(struct mqshm_port *p, struct mqshm_buffer *out, size_t n)
{
	struct mqshm_client *c = p->client;
	size_t got = 0, idle = 0;

	while (got < n && idle < p->n_rings) {
		struct ring *k = p->rings[p->turn];
		int r = unlikely(k->swaps) ? ring_pop_word(c, k, &out[got]) :
					     ring_pop(c, k, &out[got]);

		if (likely(r > 0)) {
			proto_bump(p->bytes, out[got].length);
			got++;
			idle = 0;
			if (++p->burst >= BURST)
				port_next(p);
		} else if (unlikely(r < 0)) {
			if (r == -EPROTO)
				mqshm_ring_detach(c, k, MQSHM_RING_DISCONNECTED);
			if (got)
				break;
			return r;
		} else if (unlikely(proto_rx_flags(&k->rx) & RING_ENDS)) { /* [O8] */
			/* Lets go of it, or finds what came before the end. */
			mqshm_ring_reap(c, k);
		} else {
			idle++;
			port_next(p);
		}
	}
	proto_bump(p->messages, got);
	return (ssize_t)got;
}

static ssize_t pop_many(struct mqshm_port *p, struct mqshm_buffer *out, size_t n)
{
	struct mqshm_client *c = p->client;
	ssize_t r = client_check(c);

	if (unlikely(r))
		return r;
	if (unlikely(p->out))
		return -EINVAL;
	r = pop_rings(p, out, n);
	if (likely(r) || !n)
		return r;
	client_nothing_now(c);
	if (c->dead)
		return -ESHUTDOWN;
	if (!mqshm_port_is_ended(p))
		return -EAGAIN;
	p->end_seen = true;
	return -ENODATA;
}

int mqshm_port_pop(struct mqshm_port *p, struct mqshm_buffer *out)
{
	ssize_t r = client_enter(p->client);

	if (unlikely(r))
		return (int)r;
	r = pop_many(p, out, 1);
	client_leave(p->client);
	return r < 0 ? (int)r : 0;
}

int mqshm_port_pop_many(struct mqshm_port *p, struct mqshm_buffer *out, size_t n)
{
	ssize_t r = client_enter(p->client);

	if (unlikely(r))
		return (int)r;
	r = pop_many(p, out, n < INT32_MAX ? n : INT32_MAX);
	client_leave(p->client);
	return (int)r;
}

bool mqshm_port_look(struct mqshm_port *p)
{
	struct mqshm_client *c = p->client;
	size_t i = 0;

	while (i < p->n_rings && !c->dead) {
		struct ring *k = p->rings[i];
		uint64_t d;

		if (ring_peek(k, &d))				/* [O1] */
			return true;
		if (!(proto_rx_flags(&k->rx) & RING_ENDS))	/* [O8] */
			i++;
		else if (!mqshm_ring_reap(c, k))
			return true;
	}
	return false;
}

bool mqshm_port_is_ended(const struct mqshm_port *p)
{
	return !p->out && p->had && !p->n_rings && !p->lost;
}

/* Ended, or will have as soon as what is queued was read. */
bool mqshm_port_is_final(const struct mqshm_port *p)
{
	size_t i;

	for (i = 0; i < p->n_rings; i++) {
		if (!(proto_rx_flags(&p->rings[i]->rx) & MQSHM_RING_EOF)) /* [O8] */
			return false;
	}
	return !p->out && p->had && !p->lost;
}

bool mqshm_port_is_ready(struct mqshm_port *p)
{
	struct mqshm_client *c = p->client;
	size_t i;

	if (!p->out)
		return mqshm_port_look(p) || (mqshm_port_is_ended(p) && !p->end_seen);
	for (i = p->n_rings; i-- > 0 && !c->dead;)
		mqshm_ring_reap(c, p->rings[i]);
	return port_is_taken(p) && !c->dead && port_room(p, 1);
}

bool mqshm_port_has_input(struct mqshm_port *p)
{
	struct mqshm_client *c = p->client;
	bool has = false;

	if (client_enter(c))
		return false;
	if (!client_check(c) && !p->out)
		has = mqshm_port_look(p);
	if (!has && !c->dead)
		client_nothing_now(c);
	client_leave(c);
	return has;
}

static size_t port_queued(const struct mqshm_port *p)
{
	size_t i, n = 0;

	for (i = 0; i < p->n_rings; i++)
		n += proto_queued(&p->rings[i]->rx);
	return n;
}

bool mqshm_port_has_more(struct mqshm_port *p, uint32_t known)
{
	if (!known || p->out)
		return mqshm_port_is_ready(p);
	return port_queued(p) > known || mqshm_port_is_final(p);
}

size_t mqshm_port_input_size(struct mqshm_port *p)
{
	struct mqshm_client *c = p->client;
	size_t n = 0;

	if (client_enter(c))
		return 0;
	if (!client_check(c) && !p->out) {
		n = port_queued(p);
		/* who asks may be polling until there are more */
		client_nothing_now(c);
	}
	client_leave(c);
	return n;
}

bool mqshm_port_ended(struct mqshm_port *p)
{
	struct mqshm_client *c = p->client;
	bool ended = false;

	if (client_enter(c))
		return false;
	if (!client_check(c) && !p->out)
		ended = !mqshm_port_look(p) && mqshm_port_is_ended(p);
	if (ended)
		p->end_seen = true;
	else if (!c->dead)
		client_nothing_now(c);
	client_leave(c);
	return ended;
}
