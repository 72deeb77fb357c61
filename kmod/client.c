// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients: joining, entering and leaving a call, being told and woken.
 */
#include <linux/bitmap.h>
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/nospec.h>
#include <linux/pid.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "block.h"
#include "client.h"
#include "map.h"
#include "mm.h"
#include "notice.h"
#include "settle.h"

#define STALLED_NS	(5 * NSEC_PER_SEC)

static void client_release(struct kref *ref)
{
	struct mqshm_client *c = container_of(ref, struct mqshm_client, ref);

	if (c->binding)
		mqshm_mm_unbind(c);
	mqshm_region_put(c->hold);
	mqshm_region_put(c->control);
	put_pid(c->tid);
	put_pid(c->tgid);
	bitmap_free(c->slots);
	mqshm_runtime_put(c->rt);
	kfree_rcu(c, rcu);
}

void mqshm_client_put(struct mqshm_client *c)
{
	kref_put(&c->ref, client_release);
}

static int client_alloc_regions(struct mqshm_client *c)
{
	size_t hold_bytes = (size_t)c->rt->limits.buffers * sizeof(u16);
	size_t control_bytes = mqshm_client_stats_at(c->rt->limits.blocks);

	c->slots = bitmap_zalloc(c->rt->limits.blocks, GFP_KERNEL_ACCOUNT);
	if (!c->slots)
		return -ENOMEM;
	c->control = mqshm_region_new(control_bytes, true);
	if (IS_ERR(c->control)) {
		c->control = NULL;
		return -ENOMEM;
	}
	/* what the kernel looks at without asking, and the stats of the first blocks */
	if (mqshm_region_populate(c->control, 0))
		return -ENOMEM;
	c->hold = mqshm_region_new(hold_bytes, true);
	if (IS_ERR(c->hold)) {
		c->hold = NULL;
		return -ENOMEM;
	}
	return 0;
}

static struct mqshm_client *client_new(struct mqshm_runtime *rt,
				       const struct mqshm_client_join_args *args)
{
	struct mqshm_client *c;
	unsigned int i;

	c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);
	if (!c)
		return ERR_PTR(-ENOMEM);
	kref_init(&c->ref);
	c->rt = mqshm_runtime_get(rt);
	c->id = mqshm_next_id();
	c->role = args->role;
	c->read_only = args->flags & MQSHM_JOIN_F_READ_ONLY;
	c->direct_io = args->flags & MQSHM_JOIN_F_DIRECT_IO;
	strscpy(c->name, args->name, sizeof(c->name));
	c->uid = current_fsuid();
	c->tgid = get_pid(task_tgid(current));
	c->tid = get_pid(task_pid(current));
	c->joined_ns = ktime_get_ns();
	c->seen_ns = c->joined_ns;
	c->started_ns = mqshm_mm_process_start_ns();
	mutex_init(&c->lock);
	INIT_LIST_HEAD(&c->ports);
	INIT_LIST_HEAD(&c->pending);
	for (i = 0; i < MQSHM_POOLS_MAX; i++) {
		INIT_LIST_HEAD(&c->waiters[i].node);
		c->waiters[i].client = c;
	}
	INIT_LIST_HEAD(&c->mm_node);
	init_waitqueue_head(&c->wq);
	init_rwsem(&c->map_lock);
	if (client_alloc_regions(c)) {
		mqshm_client_put(c);
		return ERR_PTR(-ENOMEM);
	}
	return c;
}

/* Gives the client the lowest free index: those below MQSHM_TOGGLES are faster. */
static int client_take_slot(struct mqshm_client *c)
{
	struct mqshm_runtime *rt = c->rt;
	u32 i;

	lockdep_assert_held(&rt->lock);
	if (rt->removed)
		return -ESHUTDOWN;
	for (i = 0; i < rt->limits.clients; i++)
		if (!rcu_access_pointer(rt->clients[i]))
			break;
	if (i == rt->limits.clients)
		return -ENOSPC;
	c->index = i;
	WRITE_ONCE(rt->n_clients, rt->n_clients + 1);
	rt->users++;
	rcu_assign_pointer(rt->clients[i], mqshm_client_get(c));
	mqshm_notice_client(c, MQSHM_CHANGE_CAME);
	return 0;
}

/* The end of settle: frees the index; the caller drops the slot's reference. */
void mqshm_client_leave_slot(struct mqshm_client *c)
{
	lockdep_assert_held(&c->rt->lock);
	RCU_INIT_POINTER(c->rt->clients[c->index], NULL);
	WRITE_ONCE(c->rt->n_clients, c->rt->n_clients - 1);
}

struct mqshm_client *mqshm_client_join(struct mqshm_runtime *rt,
				       struct address_space *mapping,
				       struct mqshm_client_join_args *args)
{
	struct mqshm_client *c;
	int ret;

	if (args->role > MQSHM_ROLE_SERVER || args->reserved ||
	    !mqshm_name_valid(args->name, sizeof(args->name), 0))
		return ERR_PTR(-EINVAL);
	ret = mqshm_runtime_permission(rt, MQSHM_MAY_JOIN);
	if (ret)
		return ERR_PTR(ret);

	c = client_new(rt, args);
	if (IS_ERR(c))
		return c;
	c->mapping = mapping;
	/*
	 * Bound first, so that nothing fails once others know of it. The notifier sees
	 * no client without a slot: this memory does not end while current runs in it.
	 */
	ret = mqshm_mm_bind(c);
	if (ret)
		goto err_put;
	mutex_lock(&rt->lock);
	ret = client_take_slot(c);
	mutex_unlock(&rt->lock);
	if (ret)
		goto err_put;

	args->out_id = c->id;
	args->out_index = c->index;
	args->out_rings = rt->limits.connections;
	args->out_buffers = rt->limits.buffers;
	args->out_stats = rt->limits.blocks;
	mqshm_runtime_changed(rt);
	return c;

err_put:
	mqshm_client_put(c);
	return ERR_PTR(ret);
}

/* Begins a call of the client's own. */
int mqshm_client_enter(struct mqshm_client *c)
{
	if (!mqshm_mm_is_mine(c))
		return -EPERM;
	mutex_lock(&c->lock);						/* [M1] */
	if (!c->dead)							/* [M2] */
		return 0;
	mutex_unlock(&c->lock);
	return -ESHUTDOWN;
}

void mqshm_client_exit(struct mqshm_client *c)
{
	mutex_unlock(&c->lock);
}

/* Takes its pages away, so that nobody writes them any more, and settles it. */
void mqshm_client_shut(struct mqshm_client *c, u32 how)
{
	mqshm_map_revoke(c);						/* [M8] */
	mqshm_settle(c, how);
	mqshm_client_wake(c);
}

/* Under RCU or with a reference; without locks: see struct mqshm_wakes. */
void mqshm_client_wake(struct mqshm_client *c)
{
	atomic_inc(&c->wakeups);
	/*
	 * Without a mask of events: with one, io_uring's multishot poll takes that
	 * for the answer and does not poll again, and a poll is what asks for the
	 * next wake.
	 */
	wake_up(&c->wq);
	mqshm_port_signal_all(c);
}

void mqshm_wakes_fire(struct mqshm_runtime *rt, struct mqshm_wakes *wakes)
{
	struct mqshm_client *c;
	unsigned int i;

	for_each_set_bit(i, wakes->clients, MQSHM_CLIENTS_MAX) {
		rcu_read_lock();
		c = rcu_dereference(rt->clients[i]);
		if (c)
			mqshm_client_wake(c);
		rcu_read_unlock();
	}
	if (wakes->changed)
		mqshm_runtime_changed(rt);
	mqshm_wakes_init(wakes);
}

/* The graph changed for @c. */
void mqshm_client_notify(struct mqshm_client *c, struct mqshm_wakes *wakes)
{
	u64 *gen = mqshm_client_gen(c);

	lockdep_assert_held(&c->rt->lock);
	/* after what it tells of; pairs with the client's acquire */
	smp_store_release(gen, *gen + 1);				/* [G1] */
	smp_mb(); /* [G2] who takes the event and finds nothing armed: ARM sees gen */
	atomic_set(&c->graph_event, 1);
	__set_bit(c->index, wakes->clients);				/* [G3] */
}

/*
 * Whatever else than the client's own operations changes its hold row or its
 * rings clears the record of the last one: it would be judged by cells that have
 * moved on.
 */
void mqshm_client_clear_intent(struct mqshm_client *c)
{
	WRITE_ONCE(mqshm_client_control(c)->intent, 0);
}

struct mqshm_client *mqshm_client_by_id(struct mqshm_runtime *rt, u64 id)
{
	struct mqshm_client *c;
	u32 i;

	for (i = 0; i < rt->limits.clients; i++) {
		c = rcu_dereference_protected(rt->clients[i], lockdep_is_held(&rt->lock));
		if (c && c->id == id)
			return c;
	}
	return NULL;
}

/*
 * Whether it asked to be told, and nothing has come: it sleeps in poll or epoll, which last
 * found nothing, or all of its eventfds are armed. Who was told and does nothing has stalled.
 */
static bool client_awaits(struct mqshm_client *c)
{
	struct mqshm_port *port;
	bool armed = false;

	if (waitqueue_active(&c->wq) && READ_ONCE(c->poll_wakeups) == atomic_read(&c->wakeups))
		return true;
	rcu_read_lock();
	list_for_each_entry_rcu(port, &c->ports, client_node) {
		if (!rcu_access_pointer(port->eventfd))
			continue;
		armed = atomic_read(&port->armed);
		if (!armed)
			break;
	}
	rcu_read_unlock();
	return armed;
}

/* What is shown of it, at @now: MQSHM_CLIENT_*. */
u32 mqshm_client_state(struct mqshm_client *c, u64 now)
{
	u64 progress = READ_ONCE(mqshm_client_control(c)->progress);

	lockdep_assert_held(&c->rt->lock);
	if (progress != c->seen_progress) {
		c->seen_progress = progress;
		c->seen_ns = now;
		c->awaits = false;
	}
	if (READ_ONCE(c->dead) || mqshm_mm_process_exiting(c))
		return MQSHM_CLIENT_EXITING;
	/* between two polls it may do much else: only the silent are looked at */
	c->awaits = (c->awaits || now - c->seen_ns >= STALLED_NS) && client_awaits(c);
	if (c->awaits || atomic_read(&c->sleeping)) {
		c->seen_ns = now;
		return MQSHM_CLIENT_IDLE;
	}
	return now - c->seen_ns >= STALLED_NS ? MQSHM_CLIENT_STALLED :
						MQSHM_CLIENT_RUNNING;
}
