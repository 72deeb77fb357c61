// SPDX-License-Identifier: LGPL-2.1-or-later
/* Waiting for ports: look for a while, then sleep in the kernel. */
#include <errno.h>
#include <string.h>

#include "client.h"
#include "port.h"

#define PORTS_MAX	64	/* bits of the answer */
#define LOOKS		16	/* between two readings of the clock */
#define PENALTY_MAX	63	/* waits without a look after looks in vain */

/* Bits of the ports that are ready. */
static uint64_t ports_ready(struct mqshm_port *const *ports, size_t n)
{
	uint64_t ready = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (mqshm_port_is_ready(ports[i]))
			ready |= 1ULL << i;
	}
	return ready;
}

/* Whether something happened: a port is ready, or the gen word moved. */
static bool spin(struct mqshm_client *c, struct mqshm_port *const *ports, size_t n,
		 uint64_t deadline_ns)
{
	uint64_t end = mqshm_now_ns() + c->spin_ns;
	unsigned int i;

	if (end > deadline_ns)
		end = deadline_ns;
	do {
		for (i = 0; i < LOOKS; i++) {
			if (ports_ready(ports, n) || c->dead ||
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
static bool spin_if_it_pays(struct mqshm_client *c, struct mqshm_port *const *ports,
			    size_t n, uint64_t deadline_ns)
{
	if (!c->spin_ns || !n)
		return false;
	if (c->spin_skip) {
		c->spin_skip--;
		return false;
	}
	if (spin(c, ports, n, deadline_ns)) {
		c->spin_penalty = 0;
		return true;
	}
	c->spin_penalty = 2 * c->spin_penalty + 1;
	if (c->spin_penalty > PENALTY_MAX)
		c->spin_penalty = PENALTY_MAX;
	c->spin_skip = c->spin_penalty;
	return false;
}

/* Sleeps once; the magazines go back in the same call. */
static int doze(struct mqshm_client *c, struct mqshm_port *const *ports, size_t n,
		uint64_t deadline_ns)
{
	struct mqshm_wait_args args;
	size_t i;
	int r;

	if (c->spares > MQSHM_BATCH_MAX)
		mqshm_pool_return_all(c);
	memset(&args, 0, sizeof(args));
	args.size = sizeof(args);
	args.gen = c->known_gen;
	args.deadline_ns = clock_kernel_deadline(deadline_ns);
	for (i = 0; i < n; i++) {
		/* An output without connection has no ring that is full. */
		if (ports[i]->n_rings)
			args.port_array[args.ports++] = ports[i]->number;
	}
	args.count = mqshm_pool_collect(c, args.buffers, MQSHM_BATCH_MAX);
	r = mqshm_client_ioctl(c, MQSHM_IOC_WAIT, &args);
	c->clock.stale = true;
	if (c->spares)
		mqshm_pool_forget(c, r == -EINVAL && args.count);
	/* A spare that is none any more is forgotten now: once more. */
	return r == -EINVAL && args.count ? 0 : r;
}

static int wait_ready(struct mqshm_client *c, struct mqshm_port *const *ports, size_t n,
		      uint64_t deadline_ns, uint64_t *ready)
{
	int r;

	for (;;) {
		r = client_check(c);
		if (r)
			return r;
		*ready = ports_ready(ports, n);
		if (c->dead)
			return -ESHUTDOWN;
		if (*ready)
			return 1;
		if (c->changed) {
			c->changed = false;
			return 0;
		}
		if (deadline_ns == MQSHM_NO_WAIT) {
			client_nothing_now(c);
			return -ETIMEDOUT;
		}
		r = mqshm_client_publish(c);
		if (r)
			return r;
		/* publishing and looking let go of rings: that is told before any sleep */
		if (c->changed || spin_if_it_pays(c, ports, n, deadline_ns) || c->changed)
			continue;
		r = doze(c, ports, n, deadline_ns);
		if (r)
			return r;
	}
}

/* What the kernel has no word for is looked at this often. */
#define LOOK_NS	1000000

static int sleep_for(struct mqshm_client *c, const struct client_sleep *s)
{
	uint64_t deadline_ns = s->deadline_ns, next = mqshm_now_ns() + LOOK_NS;
	size_t n = s->n < PORTS_MAX ? s->n : PORTS_MAX;
	uint32_t pools;
	int r;

	if ((s->pools || n < s->n) && next < deadline_ns)
		deadline_ns = next;
	r = doze(c, s->ports, n, deadline_ns);
	for (pools = s->pools; pools; pools &= pools - 1) {
		struct pool *p = &c->pools[__builtin_ctz(pools)];

		if (!p->spare)
			mqshm_pool_lease(c, p, false, 0);
	}
	return r;
}

int mqshm_client_sleep(struct mqshm_client *c, const struct client_sleep *s)
{
	int r = client_enter(c);

	if (r)
		return r;
	r = mqshm_client_publish(c);
	if (!r && __atomic_load_n(c->gen, __ATOMIC_ACQUIRE) == c->known_gen && /* [G4] */
	    !spin_if_it_pays(c, s->ports, s->n, s->deadline_ns))
		r = sleep_for(c, s);
	client_leave(c);
	return r;
}

/* The wait of one block of many: the others run meanwhile. */
static int wait_turn(struct mqshm_client *c, struct mqshm_port *const *ports, size_t n,
		     uint64_t deadline_ns, uint64_t *ready)
{
	int r = client_enter(c);

	if (r)
		return r;
	r = wait_ready(c, ports, n, MQSHM_NO_WAIT, ready);
	client_leave(c);
	if (r != -ETIMEDOUT || deadline_ns == MQSHM_NO_WAIT)
		return r;
	r = c->turns->wait(c->turns, ports, n, 0, deadline_ns);
	if (r || client_enter(c))
		return r;
	*ready = client_check(c) ? 0 : ports_ready(ports, n);
	client_leave(c);
	return *ready != 0;
}

int mqshm_wait(struct mqshm_client *c, struct mqshm_port *const *ports, size_t n,
	       uint64_t deadline_ns, uint64_t *ready)
{
	uint64_t bits = 0;
	size_t i;
	int r;

	if (n > PORTS_MAX)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (ports[i]->client != c)
			return -EINVAL;
	}
	if (c->turns) {
		r = wait_turn(c, ports, n, deadline_ns, &bits);
		if (ready)
			*ready = bits;
		return r;
	}
	r = client_enter(c);
	if (r)
		return r;
	r = wait_ready(c, ports, n, deadline_ns, &bits);
	client_leave(c);
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
