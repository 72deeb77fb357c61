// SPDX-License-Identifier: GPL-2.0-only
/*
 * Three ways to sleep until a port has something, by one mechanism: a flag in each
 * ring asks the peer for a KICK (see ring.c), then the rings are looked at.
 */
#include <linux/nospec.h>
#include <linux/sort.h>
#include <linux/wait.h>

#include "block.h"
#include "client.h"
#include "deadline.h"
#include "fds.h"
#include "lease.h"
#include "mm.h"
#include "ring.h"
#include "wait.h"

/* Whether the owner of the end should look at the ring. */
static bool end_ready(struct mqshm_end *end, unsigned int dir)
{
	struct mqshm_conn *conn = mqshm_end_conn(end, dir);
	u32 flags = READ_ONCE(*conn->flags);	/* [W3] [W6] [E3] [A3] */

	if (dir == MQSHM_DIR_OUT)
		return flags & MQSHM_RING_CLOSED || mqshm_ring_never_waits(conn, dir) ||
		       mqshm_ring_has_room(conn);
	return flags & (MQSHM_RING_CLOSED | MQSHM_RING_EOF | MQSHM_RING_DEAD |
			MQSHM_RING_DISCONNECTED) || mqshm_ring_has_message(conn);
}

/* An output whose rings are all taps is as good as not connected. */
static bool port_is_taken(struct mqshm_port *port)
{
	struct mqshm_end *end;

	list_for_each_entry(end, &port->ends, node)
		if (!(mqshm_end_conn(end, port->direction)->policy & MQSHM_RING_TAP))
			return true;
	return false;
}

/*
 * An input is ready if any ring of its has something; an output if it is taken and none
 * of those rings that are open is full.
 */
static bool port_ready(struct mqshm_port *port)
{
	bool in = port->direction == MQSHM_DIR_IN;
	struct mqshm_end *end;

	list_for_each_entry(end, &port->ends, node)
		if (end_ready(end, port->direction) == in)
			return in;
	return !in && port_is_taken(port);
}

/* The same for an owner who knows of @known messages: of ends gen tells him. */
static bool port_has_more(struct mqshm_port *port, u32 known)
{
	u64 left = (u64)known + 1;
	struct mqshm_end *end;

	if (!known || port->direction == MQSHM_DIR_OUT)
		return port_ready(port);
	list_for_each_entry(end, &port->ends, node) {
		left -= mqshm_ring_count(mqshm_end_conn(end, MQSHM_DIR_IN),
					 min_t(u64, left, U32_MAX));
		if (!left)
			return true;
	}
	return false;
}

static void port_arm(struct mqshm_port *port, unsigned int sleeper)
{
	struct mqshm_end *end;

	list_for_each_entry(end, &port->ends, node)
		mqshm_ring_arm(mqshm_end_conn(end, port->direction), port->direction,
			       sleeper);
}

static void port_disarm(struct mqshm_port *port, unsigned int sleeper)
{
	struct mqshm_end *end;

	list_for_each_entry(end, &port->ends, node)
		mqshm_ring_disarm(mqshm_end_conn(end, port->direction), port->direction,
				  sleeper);
}

/**
 * struct wait - a WAIT
 * @args: its arguments
 * @list: a copy of its list, by numbers of ports
 * @fds: its descriptors
 */
struct wait {
	struct mqshm_wait_args *args;
	const struct mqshm_wait_port *list;
	struct mqshm_fds *fds;
};

static u32 wait_ports(const struct wait *w)
{
	return w->args->ports + w->args->list_count;
}

static struct mqshm_wait_port wait_port(const struct wait *w, u32 i)
{
	if (i >= w->args->ports)
		return w->list[i - w->args->ports];
	return (struct mqshm_wait_port) { .port = w->args->port_array[i] };
}

/* Asks for wake-ups for all ports of the call. Under the client's lock, as what follows. */
static int wait_arm(struct mqshm_client *c, const struct wait *w)
{
	struct mqshm_port *port = NULL;
	u32 i;

	for (i = 0; i < wait_ports(w); i++) {
		port = mqshm_port_find_next(c, port, wait_port(w, i).port);
		if (!port)
			return -ENOENT;
		port_arm(port, MQSHM_SLEEPER_WAIT);
		cond_resched();
	}
	return 0;
}

static int wait_look(struct mqshm_client *c, const struct wait *w)
{
	struct mqshm_wait_args *args = w->args;
	struct mqshm_port *port = NULL;
	u32 i;

	args->out_events = 0;
	args->out_ready = 0;
	for (i = 0; i < wait_ports(w); i++) {
		port = mqshm_port_find_next(c, port, wait_port(w, i).port);
		if (!port)
			return -ENOENT;
		cond_resched();
		if (!port_has_more(port, wait_port(w, i).known))
			continue;
		args->out_events |= MQSHM_WAIT_READY;
		if (i >= args->ports)
			break;
		args->out_ready |= 1ULL << i;
	}
	if (READ_ONCE(*mqshm_client_gen(c)) != args->gen)		/* [G6] */
		args->out_events |= MQSHM_WAIT_CHANGED;
	return 0;
}

/* What woke it mostly is there still: then it need not ask again. */
static int wait_find(struct mqshm_client *c, const struct wait *w, bool woken)
{
	int ret;

	if (woken) {
		ret = wait_look(c, w);
		if (ret || w->args->out_events)
			return ret;
	}
	ret = wait_arm(c, w);
	if (ret)
		return ret;
	smp_mb(); /* [W2] flags before slots and heads; pairs with F1 and O6 */
	return wait_look(c, w);
}

static void wait_disarm(struct mqshm_client *c, const struct wait *w)
{
	struct mqshm_port *port, *last = NULL;
	u32 i;

	for (i = 0; i < wait_ports(w); i++) {
		port = mqshm_port_find_next(c, last, wait_port(w, i).port);
		if (!port)
			continue;
		port_disarm(port, MQSHM_SLEEPER_WAIT);
		last = port;
		cond_resched();
	}
}

static int wait_sleep(struct mqshm_client *c, const struct wait *w, int seen)
{
	ktime_t left;
	int ret;

	ret = mqshm_deadline_left(w->args->deadline_ns, &left);
	if (ret)
		return ret;
	/* a file that wakes whoever polls it never lets it come to the sleep that looks */
	if (signal_pending(current))
		return -EINTR;
	atomic_inc(&c->sleeping);
	ret = wait_event_interruptible_hrtimeout(c->wq,
						 atomic_read(&c->wakeups) != seen ||
						 mqshm_fds_woken(w->fds), left);
	atomic_dec(&c->sleeping);
	atomic64_inc(&c->sleeps);
	if (ret == -ETIME)
		return -ETIMEDOUT;
	return ret ? -EINTR : 0;
}

/* Gives the buffers back before the first look: somebody may wait for them. */
static int wait_return(struct mqshm_client *c, struct mqshm_wait_args *args)
{
	struct mqshm_wakes wakes;
	int ret;

	args->out_done = 0;
	if (!args->count)
		return 0;
	mqshm_wakes_init(&wakes);
	ret = mqshm_client_enter(c);
	if (ret)
		return ret;
	/* [B2] */
	ret = mqshm_lease_return(c, args->buffers, args->count, &args->out_done, &wakes);
	mqshm_client_exit(c);
	mqshm_wakes_fire(c->rt, &wakes);
	return ret;
}

/* Takes buffers that are wanted; 0 if there were any, or none are wanted: -EAGAIN. */
static int wait_lease(struct mqshm_client *c, struct mqshm_wait_args *args)
{
	struct mqshm_lease_args lease = { .count = MQSHM_BATCH_MAX };
	int ret = mqshm_lease_any(c, args->pools, &lease);

	if (ret)
		return ret;
	args->out_leased = lease.out_count;
	args->out_pool = lease.pool;
	memcpy(args->buffers, lease.buffers, lease.out_count * sizeof(u32));
	return 0;
}

static int wait_all(struct mqshm_client *c, const struct wait *w)
{
	struct mqshm_wait_args *args = w->args;
	int ret, seen, leased, fds;
	bool woken = false;

	for (;; woken = true) {
		/* before the look: what comes after it moves the count */
		seen = atomic_read(&c->wakeups);
		smp_rmb(); /* pairs with the lock that a waker passes before it counts */
		leased = wait_lease(c, args);
		if (leased && leased != -EAGAIN) {
			ret = leased;
			break;
		}
		/* under no lock: one of them may be a client's, even this one */
		fds = mqshm_fds_look(w->fds);
		if (fds < 0) {
			ret = fds;
			break;
		}
		ret = mqshm_client_enter(c);
		if (ret)
			return ret;
		ret = wait_find(c, w, woken);
		if (!leased)
			args->out_events |= MQSHM_WAIT_LEASED;
		if (fds)
			args->out_events |= MQSHM_WAIT_FD;
		if (ret || args->out_events)
			wait_disarm(c, w);
		mqshm_client_exit(c);					/* [M3] */
		if (ret || args->out_events)
			return ret;
		ret = wait_sleep(c, w, seen);
		if (ret)
			break;
	}
	if (!mqshm_client_enter(c)) {					/* [M4] */
		wait_disarm(c, w);
		mqshm_client_exit(c);
	}
	return ret;
}

static int by_number(const void *a, const void *b)
{
	u32 x = ((const struct mqshm_wait_port *)a)->port;
	u32 y = ((const struct mqshm_wait_port *)b)->port;

	return x < y ? -1 : x > y;
}

static int wait_in_line(struct mqshm_client *c, const struct wait *w)
{
	u32 pools = w->args->pools;
	int ret = pools ? mqshm_lease_begin(c, pools) : 0;

	if (ret)
		return ret;
	ret = wait_all(c, w);
	if (pools)
		mqshm_lease_end(c, pools);
	return ret;
}

/*
 * @list and @fds are copies that nobody else writes, as @args. Sorted, the list is gone
 * through beside the client's ports in one pass: whoever removes the runtime waits for
 * the client's lock.
 */
int mqshm_wait(struct mqshm_client *c, struct mqshm_wait_args *args,
	       struct mqshm_wait_port *list, const struct pollfd *fds)
{
	struct mqshm_fds table;
	const struct wait w = { .args = args, .list = list, .fds = &table };
	int ret;

	if (args->list_count)
		sort(list, args->list_count, sizeof(*list), by_number, NULL);
	ret = wait_return(c, args);
	if (ret)
		return ret;
	mqshm_fds_begin(&table, fds, args->fds_count);
	ret = wait_in_line(c, &w);
	mqshm_fds_end(&table);
	return ret;
}

/*
 * Asks for wake-ups whatever it finds: an edge-triggered or multishot poller comes
 * again only after a wake. The price is one needless KICK.
 */
__poll_t mqshm_wait_poll(struct mqshm_client *c, struct file *file, poll_table *wait)
{
	__poll_t asked = poll_requested_events(wait), mask = 0;
	int seen = atomic_read(&c->wakeups), ret;
	bool room = true, outputs = false;
	struct mqshm_port *port;

	poll_wait(file, &c->wq, wait);
	ret = mqshm_client_enter(c);
	if (ret)
		return EPOLLERR | (ret == -ESHUTDOWN ? EPOLLHUP : 0);
	c->polled = true;
	list_for_each_entry(port, &c->ports, client_node)
		if (port->direction == MQSHM_DIR_IN || asked & (EPOLLOUT | EPOLLWRNORM))
			port_arm(port, MQSHM_SLEEPER_POLL);
	smp_mb(); /* [E2] flags before slots and heads; pairs with F1 and O6 */
	list_for_each_entry(port, &c->ports, client_node) {
		if (port->direction == MQSHM_DIR_OUT) {
			if (!port_is_taken(port))
				continue;
			outputs = true;
			room &= port_ready(port);
		} else if (port_ready(port)) {
			mask |= EPOLLIN | EPOLLRDNORM;
		}
	}
	if (READ_ONCE(*mqshm_client_gen(c)) != c->synced_gen)		/* [E3] */
		mask |= EPOLLIN | EPOLLRDNORM;
	if (outputs && room)
		mask |= EPOLLOUT | EPOLLWRNORM;
	WRITE_ONCE(c->poll_wakeups, mask & asked ? seen - 1 : seen);
	mqshm_client_exit(c);
	return mask;
}

/* MQSHM_IOC_PORT_ARM, inside the client's own call. */
int mqshm_wait_arm_port(struct mqshm_client *c, u32 number)
{
	struct mqshm_port *port = mqshm_port_find(c, number);

	lockdep_assert_held(&c->lock);
	if (!port)
		return -ENOENT;
	if (port->direction != MQSHM_DIR_IN || !rcu_access_pointer(port->eventfd))
		return -EINVAL;
	atomic_set(&port->armed, 1);
	port_arm(port, MQSHM_SLEEPER_ARM);
	smp_mb(); /* [A2] flags before slots; pairs with F1 */
	/* [G6] */
	if (!port_ready(port) && READ_ONCE(*mqshm_client_gen(c)) == c->synced_gen)
		return 0;
	port_disarm(port, MQSHM_SLEEPER_ARM);
	/* not if a wake has been faster: then there is a signal to be read */
	return atomic_xchg(&port->armed, 0) ? -EAGAIN : 0;
}
