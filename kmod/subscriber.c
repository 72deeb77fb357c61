// SPDX-License-Identifier: GPL-2.0-only
/*
 * Those who receive from the message bus: each a descriptor with a bounded queue, of
 * which the oldest goes where there is no room, and a mark says so.
 *
 * What a subscriber can make the kernel keep (as many of the largest messages as its
 * queue takes) is charged to its user when it opens, so that publishing is never
 * refused for the quota of somebody else.
 */
#include <linux/module.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "block.h"
#include "bus.h"
#include "client.h"
#include "file.h"
#include "message.h"
#include "mm.h"
#include "runtime.h"
#include "subscriber.h"
#include "user.h"

static unsigned int max_subscribers = 1024;
module_param(max_subscribers, uint, 0644);
MODULE_PARM_DESC(max_subscribers, "Subscribers that a runtime's message bus may have (1024)");

static unsigned int max_bus_depth = 16384;
module_param(max_bus_depth, uint, 0644);
MODULE_PARM_DESC(max_bus_depth, "Messages that a subscriber's queue may take (16384)");

/* -- its queue ----------------------------------------------------------------------- */

static struct mqshm_message *queue_take_locked(struct mqshm_subscriber *sub)
{
	struct mqshm_message *msg = sub->queue[sub->first];

	sub->first = (sub->first + 1) % sub->depth;
	WRITE_ONCE(sub->count, sub->count - 1);
	return msg;
}

static void lost_add_locked(struct mqshm_subscriber *sub, u64 lost, u64 last)
{
	sub->last_lost = max(sub->last_lost, last);
	WRITE_ONCE(sub->lost, sub->lost + lost);
}

/* The oldest goes where there is no room: nobody who publishes waits. */
void mqshm_subscriber_add_locked(struct mqshm_subscriber *sub, struct mqshm_message *msg)
{
	struct mqshm_message *oldest;

	lockdep_assert_held(&sub->rt->bus.lock);
	if (sub->count == sub->depth) {
		oldest = queue_take_locked(sub);
		lost_add_locked(sub, 1, oldest->head.number);
		mqshm_message_put(oldest);
	}
	kref_get(&msg->ref);
	sub->queue[(sub->first + sub->count) % sub->depth] = msg;
	WRITE_ONCE(sub->count, sub->count + 1);
}

/* -- it comes and goes --------------------------------------------------------------- */

/* Whom it stands for: a client or block of the caller's memory. */
static int subscriber_belong(struct mqshm_subscriber *sub, u64 owner)
{
	struct mqshm_runtime *rt = sub->rt;
	struct mqshm_block *block;
	struct mqshm_client *c;
	int ret = -ENOENT;

	if (!owner)
		return 0;
	mutex_lock(&rt->lock);
	block = mqshm_block_by_id(rt, owner);
	c = block ? block->client : mqshm_client_by_id(rt, owner);
	if (c)
		ret = mqshm_mm_is_mine(c) ? 0 : -EPERM;
	if (!ret) {
		sub->client = c->id;
		sub->index = c->index;
		sub->block = block ? block->id : 0;
	}
	mutex_unlock(&rt->lock);
	return ret;
}

static void subscriber_free(struct mqshm_subscriber *sub)
{
	while (sub->count)
		mqshm_message_put(queue_take_locked(sub));
	if (sub->charged)
		mqshm_user_uncharge_bytes(sub->user, sub->charged);
	mqshm_user_put(sub->user);
	put_pid(sub->tgid);
	kvfree(sub);
}

static struct mqshm_subscriber *subscriber_new(struct mqshm_runtime *rt, u32 depth)
{
	struct mqshm_user *user = mqshm_user_get_current();
	struct mqshm_subscriber *sub;
	u64 bytes = struct_size(sub, queue, depth) +
		    (u64)depth * (sizeof(struct mqshm_message) + MQSHM_BUS_PAYLOAD_MAX);
	int ret;

	if (IS_ERR(user))
		return ERR_CAST(user);
	ret = mqshm_user_charge_bytes(user, bytes);
	if (ret) {
		mqshm_user_put(user);
		return ERR_PTR(ret);
	}
	sub = kvzalloc(struct_size(sub, queue, depth), GFP_KERNEL_ACCOUNT);
	if (!sub) {
		mqshm_user_uncharge_bytes(user, bytes);
		mqshm_user_put(user);
		return ERR_PTR(-ENOMEM);
	}
	sub->rt = rt;
	sub->id = mqshm_next_id();
	sub->tgid = get_pid(task_tgid(current));
	sub->user = user;
	sub->charged = bytes;
	sub->depth = depth;
	init_waitqueue_head(&sub->wq);
	return sub;
}

static int bus_add(struct mqshm_runtime *rt, struct mqshm_subscriber *sub)
{
	struct mqshm_bus *bus = &rt->bus;
	int ret = 0;

	mutex_lock(&bus->lock);
	if (READ_ONCE(rt->removed)) {
		ret = -ESHUTDOWN;
	} else if (bus->n_subscribers >= READ_ONCE(max_subscribers)) {
		ret = -ENOSPC;
	} else {
		list_add_tail(&sub->node, &bus->subscribers);
		bus->n_subscribers++;
	}
	mutex_unlock(&bus->lock);
	return ret;
}

static u32 depth_max(void)
{
	return min(READ_ONCE(max_bus_depth), MQSHM_BUS_DEPTH_MAX);
}

int mqshm_bus_open(struct mqshm_file *mf, struct mqshm_bus_open_args *args)
{
	u32 depth = args->depth ?: min(MQSHM_BUS_DEPTH_DEFAULT, depth_max());
	struct mqshm_subscriber *sub;
	int ret;

	lockdep_assert_held(&mf->lock);
	if (args->reserved || !depth || depth > depth_max())
		return -EINVAL;
	ret = mqshm_runtime_permission(mf->rt, MQSHM_MAY_LIST);
	if (ret)
		return ret;
	sub = subscriber_new(mf->rt, depth);
	if (IS_ERR(sub))
		return PTR_ERR(sub);
	ret = subscriber_belong(sub, args->owner) ?: bus_add(mf->rt, sub);
	if (ret) {
		subscriber_free(sub);
		return ret;
	}
	args->out_id = sub->id;
	args->out_depth = depth;
	/* pairs with the loads of those who do not take the lock */
	smp_store_release(&mf->subscriber, sub);
	return 0;
}

/* The descriptor is released. */
void mqshm_bus_close(struct mqshm_subscriber *sub)
{
	struct mqshm_bus *bus = &sub->rt->bus;

	mutex_lock(&bus->lock);
	list_del(&sub->node);
	bus->n_subscribers--;
	mutex_unlock(&bus->lock);
	subscriber_free(sub);
}

/* -- what it receives ------------------------------------------------------------------ */

int mqshm_bus_subscribe(struct mqshm_subscriber *sub,
			const struct mqshm_bus_subscribe_args *args)
{
	int ret = 0;

	/* an empty one is for all topics */
	if (args->prefix[0] && !mqshm_name_valid(args->prefix, sizeof(args->prefix), 0))
		return -EINVAL;
	mutex_lock(&sub->rt->bus.lock);
	if (sub->n_prefixes < MQSHM_BUS_PREFIXES_MAX)
		strscpy(sub->prefixes[sub->n_prefixes++], args->prefix, sizeof(args->prefix));
	else
		ret = -ENOSPC;
	mutex_unlock(&sub->rt->bus.lock);
	return ret;
}

#define MESSAGES_A_READ	16

/**
 * struct taken - what a read took out of a queue
 * @lost: messages that are missing before the first
 * @last_lost: number of the last of them
 * @n: number of @messages
 * @messages: references
 */
struct taken {
	u64 lost;
	u64 last_lost;
	unsigned int n;
	struct mqshm_message *messages[MESSAGES_A_READ];
};

/* As many as there are and fit. */
static void queue_take_some_locked(struct mqshm_subscriber *sub, size_t room,
				   struct taken *taken)
{
	struct mqshm_message *msg;

	lockdep_assert_held(&sub->rt->bus.lock);
	*taken = (struct taken) { .lost = sub->lost, .last_lost = sub->last_lost };
	WRITE_ONCE(sub->lost, 0);
	if (taken->lost)
		room -= sizeof(struct mqshm_bus_message);
	while (sub->count && taken->n < MESSAGES_A_READ) {
		msg = sub->queue[sub->first];
		if (msg->head.bytes > room)
			break;
		room -= msg->head.bytes;
		taken->messages[taken->n++] = queue_take_locked(sub);
	}
}

static bool lost_copy(const struct taken *taken, char __user *buf)
{
	struct mqshm_bus_message head = {
		.bytes = sizeof(head),
		.flags = MQSHM_BUS_LOST,
		.number = taken->last_lost,
		.lost = taken->lost,
	};

	return !copy_to_user(buf, &head, sizeof(head));
}

/* Returns how many bytes were copied; what could not be counts as lost. */
static ssize_t taken_copy(struct mqshm_subscriber *sub, struct taken *taken, char __user *buf)
{
	u64 lost = taken->lost, last = taken->last_lost;
	ssize_t bytes = 0;
	unsigned int i;
	bool fine = true;

	if (taken->lost) {
		fine = lost_copy(taken, buf);
		lost = fine ? 0 : lost;
		bytes = fine ? sizeof(struct mqshm_bus_message) : 0;
	}
	for (i = 0; i < taken->n; i++) {
		fine = fine && mqshm_message_copy(taken->messages[i], buf + bytes);
		bytes += fine ? taken->messages[i]->head.bytes : 0;
		lost += !fine;
		last = taken->messages[i]->head.number;
		mqshm_message_put(taken->messages[i]);
	}
	if (!lost)
		return bytes;
	mutex_lock(&sub->rt->bus.lock);
	lost_add_locked(sub, lost, last);
	mutex_unlock(&sub->rt->bus.lock);
	return bytes ?: -EFAULT;
}

/* Whether there is something to be read, the end included. */
static bool subscriber_ready(const struct mqshm_subscriber *sub)
{
	return READ_ONCE(sub->count) || READ_ONCE(sub->lost) || READ_ONCE(sub->rt->removed);
}

/* Whole messages; 0 at the end of a runtime that was removed. */
ssize_t mqshm_bus_read(struct mqshm_subscriber *sub, char __user *buf, size_t bytes,
		       bool may_sleep)
{
	struct taken taken;
	bool end;
	int ret;

	if (bytes < MQSHM_BUS_READ_MIN)
		return -EINVAL;
	for (;;) {
		mutex_lock(&sub->rt->bus.lock);
		queue_take_some_locked(sub, bytes, &taken);
		/* under the lock: nothing is published after it */
		end = READ_ONCE(sub->rt->removed);
		mutex_unlock(&sub->rt->bus.lock);
		if (taken.n || taken.lost || end)
			return taken_copy(sub, &taken, buf);
		if (!may_sleep)
			return -EAGAIN;
		ret = wait_event_interruptible(sub->wq, subscriber_ready(sub));
		if (ret)
			return ret;
	}
}

__poll_t mqshm_bus_poll(struct mqshm_subscriber *sub, struct file *file, poll_table *wait)
{
	poll_wait(file, &sub->wq, wait);
	if (!subscriber_ready(sub))
		return 0;
	return EPOLLIN | EPOLLRDNORM | (READ_ONCE(sub->rt->removed) ? EPOLLHUP : 0);
}

void mqshm_bus_show(struct mqshm_subscriber *sub, struct seq_file *m)
{
	seq_printf(m, "mqshm-subscriber:\t%llu\n", sub->id);
	seq_printf(m, "mqshm-queued:\t%u of %u\n", READ_ONCE(sub->count), sub->depth);
}
