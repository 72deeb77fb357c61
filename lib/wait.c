// SPDX-License-Identifier: LGPL-2.1-or-later
/* Waiting for ports: look for a while, then sleep in the kernel. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "port.h"

#define READY_MAX	64	/* bits of the answer */
#define LOOKS		16	/* between two readings of the clock */
#define PENALTY_MAX	63	/* waits without a look after looks in vain */

/* Whether a port is ready; with @ready, bits of all that are. */
static bool ports_ready(const struct client_wait *w, uint64_t *ready)
{
	bool any = false;
	size_t i;

	for (i = 0; i < w->n && (!any || ready); i++) {
		if (!mqshm_port_has_more(w->ports[i], w->known ? w->known[i] : 0))
			continue;
		any = true;
		if (ready && i < READY_MAX)
			*ready |= 1ULL << i;
	}
	return any;
}

/* Whether something happened: a port is ready, or the gen word moved. */
static bool spin(struct mqshm_client *c, const struct client_wait *w)
{
	uint64_t end = mqshm_now_ns() + c->spin_ns;
	unsigned int i;

	if (end > w->deadline_ns)
		end = w->deadline_ns;
	do {
		for (i = 0; i < LOOKS; i++) {
			if (ports_ready(w, NULL) || c->dead ||
			    __atomic_load_n(c->gen, __ATOMIC_ACQUIRE) != c->known_gen) /* [G4] */
				return true;
			proto_pause();
		}
		if (c->spares)
			mqshm_pool_return_wanted(c);
	} while (mqshm_now_ns() < end);
	return false;
}

/*
 * Looking pays if a message is about to come. Each time it did not, twice as many
 * waits go by without it.
 */
static bool spin_if_it_pays(struct mqshm_client *c, const struct client_wait *w)
{
	if (!c->spin_ns || !w->n)
		return false;
	if (c->spin_skip) {
		c->spin_skip--;
		return false;
	}
	if (spin(c, w)) {
		c->spin_penalty = 0;
		return true;
	}
	c->spin_penalty = 2 * c->spin_penalty + 1;
	if (c->spin_penalty > PENALTY_MAX)
		c->spin_penalty = PENALTY_MAX;
	c->spin_skip = c->spin_penalty;
	return false;
}

static int list_reserve(struct mqshm_client *c, size_t n)
{
	struct mqshm_wait_port *grown;
	sigset_t signals;

	if (n <= c->list_room)
		return 0;
	if (n > MQSHM_WAIT_PORTS_MAX)
		return -EINVAL;
	n = n < 32 ? 64 : 2 * n;
	mqshm_client_hold_signals(&signals);
	grown = realloc(c->list, n * sizeof(*grown));
	if (grown) {
		c->list = grown;
		c->list_room = n;
	}
	mqshm_client_let_signals(&signals);
	return grown ? 0 : -ENOMEM;
}

/* The ports of a WAIT: few of which nothing is known go with it, others by a list. */
static int wait_fill(struct mqshm_client *c, const struct client_wait *w,
		     struct mqshm_wait_args *args)
{
	bool few = w->n <= MQSHM_BATCH_MAX && !w->known;
	int r = few ? 0 : list_reserve(c, w->n);
	size_t i;

	for (i = 0; i < w->n && !r; i++) {
		/* An output without connection has no ring that is full. */
		if (!w->ports[i]->n_rings)
			continue;
		if (few)
			args->port_array[args->ports++] = w->ports[i]->number;
		else
			c->list[args->list_count++] = (struct mqshm_wait_port) {
				.port = w->ports[i]->number,
				.known = w->known ? w->known[i] : 0,
			};
	}
	args->list = (uintptr_t)c->list;
	return r;
}

/* Sleeps once; the magazines go back in the same call, and what is leased comes. */
static int doze(struct mqshm_client *c, const struct client_wait *w)
{
	struct mqshm_wait_args *args = &c->wait;
	int r;

	if (c->spares > MQSHM_BATCH_MAX)
		mqshm_pool_return_all(c);
	memset(args, 0, sizeof(*args));
	args->size = sizeof(*args);
	args->gen = c->known_gen;
	args->deadline_ns = clock_kernel_deadline(w->deadline_ns);
	args->pools = w->pools;
	args->fds = (uintptr_t)w->fds;
	args->fds_count = (uint32_t)w->n_fds;
	r = wait_fill(c, w, args);
	if (r)
		return r;
	args->count = mqshm_pool_collect(c, args->buffers, MQSHM_BATCH_MAX);
	r = mqshm_client_ioctl(c, MQSHM_IOC_WAIT, args);
	c->clock.stale = true;
	if (c->spares)
		mqshm_pool_forget(c, r == -EINVAL && args->count);
	mqshm_pool_take_leased(c);
	/* A spare that is none any more is forgotten now: once more. */
	return r == -EINVAL && args->count ? 0 : r;
}

static int wait_ready(struct mqshm_client *c, const struct client_wait *w, uint64_t *ready)
{
	int r;

	for (;;) {
		r = client_check(c);
		if (r)
			return r;
		r = client_fds_ready(w) | ports_ready(w, ready);
		if (c->dead)
			return -ESHUTDOWN;
		if (r)
			return 1;
		if (c->changed) {
			c->changed = false;
			return 0;
		}
		if (w->deadline_ns == MQSHM_NO_WAIT || c->turns) {
			client_nothing_now(c);
			return -ETIMEDOUT;
		}
		r = mqshm_client_publish(c);
		if (r)
			return r;
		/* publishing and looking let go of rings: that is told before any sleep */
		if (c->changed || spin_if_it_pays(c, w) || c->changed)
			continue;
		r = doze(c, w);
		if (r)
			return r;
	}
}

int mqshm_client_sleep(struct mqshm_client *c, const struct client_wait *w)
{
	uint32_t pools;
	int r = client_enter(c);

	if (r)
		return r;
	r = mqshm_client_publish(c);
	/* a pool that was never used is mapped before its buffers come */
	for (pools = w->pools; pools && !r; pools &= pools - 1) {
		struct pool *p = &c->pools[__builtin_ctz(pools)];

		r = p->w ? 0 : mqshm_pool_map(c, p);
	}
	if (!r && __atomic_load_n(c->gen, __ATOMIC_ACQUIRE) == c->known_gen && /* [G4] */
	    !spin_if_it_pays(c, w))
		r = doze(c, w);
	client_leave(c);
	return r;
}

void mqshm_client_try_pools(struct mqshm_client *c, uint32_t pools)
{
	if (client_enter(c))
		return;
	for (; pools; pools &= pools - 1) {
		struct pool *p = &c->pools[__builtin_ctz(pools)];

		if (!p->spare)
			mqshm_pool_lease(c, p, false, 0);
	}
	client_leave(c);
}

int mqshm_client_wait(struct mqshm_client *c, const struct client_wait *w, uint64_t *ready)
{
	int r = client_enter(c);

	*ready = 0;
	if (r)
		return r;
	r = wait_ready(c, w, ready);
	client_leave(c);
	if (r != -ETIMEDOUT || !c->turns || w->deadline_ns == MQSHM_NO_WAIT)
		return r;
	/* one block of many: the others run meanwhile */
	r = c->turns->wait(c->turns, w);
	if (r)
		return r;
	r = client_enter(c);
	if (r)
		return r;
	r = client_check(c);
	if (!r)
		r = client_fds_told(w) | ports_ready(w, ready);
	client_leave(c);
	return r;
}

int mqshm_wait(struct mqshm_client *c, struct mqshm_port *const *ports, size_t n,
	       uint64_t deadline_ns, uint64_t *ready)
{
	struct client_wait w = { .ports = ports, .n = n, .deadline_ns = deadline_ns };
	uint64_t bits;
	size_t i;
	int r;

	if (n > READY_MAX)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (ports[i]->client != c)
			return -EINVAL;
	}
	r = mqshm_client_wait(c, &w, &bits);
	if (ready)
		*ready = bits;
	return r;
}

int mqshm_port_set_eventfd(struct mqshm_port *p, int fd)
{
	struct mqshm_port_eventfd_args args = {
		.size = sizeof(args),
		.port = p->number,
		.eventfd = fd,
	};
	int r = client_enter(p->client);

	if (r)
		return r;
	r = mqshm_client_ioctl(p->client, MQSHM_IOC_PORT_EVENTFD, &args);
	client_leave(p->client);
	return r;
}

int mqshm_port_arm(struct mqshm_port *p)
{
	struct mqshm_client *c = p->client;
	int r = client_enter(c);

	if (r)
		return r;
	r = client_check(c);
	if (!r)
		r = mqshm_client_quiesce(c);
	if (!r)
		r = mqshm_port_is_ready(p) ?
		    -EAGAIN : mqshm_client_command(c, MQSHM_IOC_PORT_ARM, p->number);
	client_leave(c);
	return r;
}
