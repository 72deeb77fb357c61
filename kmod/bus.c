// SPDX-License-Identifier: GPL-2.0-only
/*
 * The message bus: small messages to all who subscribed to their topic, or to one of
 * them. Each subscriber is a descriptor with a bounded queue; what is published lies
 * in memory once, and in each queue as a reference.
 *
 * What a subscriber can make the kernel keep (as many of the largest messages as its
 * queue takes) is charged to its user when it opens, so that publishing is never
 * refused for the quota of somebody else. The publisher pays for a message's memory
 * as long as it is there, as with sockets.
 */
#include <linux/bitmap.h>
#include <linux/cred.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>
#include <linux/wait.h>

#include "block.h"
#include "bus.h"
#include "client.h"
#include "file.h"
#include "mm.h"
#include "runtime.h"
#include "user.h"

static unsigned int max_subscribers = 1024;
module_param(max_subscribers, uint, 0644);
MODULE_PARM_DESC(max_subscribers, "Subscribers that a runtime's message bus may have (1024)");

static unsigned int max_bus_depth = 16384;
module_param(max_bus_depth, uint, 0644);
MODULE_PARM_DESC(max_bus_depth, "Messages that a subscriber's queue may take (16384)");

/**
 * struct message - a message as it is kept; constant once it is in a queue
 * @ref: the publisher's, and one for each queue that it is in
 * @pid: process that sent it, a reference
 * @uid: user that sent it
 * @target_pid: process that it is for, a reference, or NULL
 * @head: as it is told, but for pids and user
 * @payload: with zeros up to a multiple of 8
 */
struct message {
	struct kref ref;
	struct pid *pid;
	kuid_t uid;
	struct pid *target_pid;
	struct mqshm_bus_message head;
	u8 payload[];
};

/**
 * struct mqshm_subscriber - a descriptor that receives
 * @node: in the bus's subscribers, protected by the bus's lock
 * @rt: constant, as are the next eight; held by the descriptor
 * @id: never used again
 * @client: number of the client that it stands for, or 0
 * @index: of that client
 * @block: number of the block of that client that it stands for, or 0
 * @tgid: process that made it, a reference
 * @user: who is charged
 * @charged: bytes
 * @depth: of its queue
 * @wq: who sleeps for a message
 * @n_prefixes: protected by the bus's lock, as is all that follows
 * @prefixes: of the topics that it receives
 * @first: place of the oldest message
 * @count: messages in the queue; read without the lock by who may sleep
 * @lost: messages dropped since the last was read; as @count
 * @last_lost: number of the last of them
 * @queue: a ring of @depth places
 */
struct mqshm_subscriber {
	struct list_head node;
	struct mqshm_runtime *rt;
	u64 id;
	u64 client;
	u32 index;
	u64 block;
	struct pid *tgid;
	struct mqshm_user *user;
	u64 charged;
	u32 depth;
	wait_queue_head_t wq;
	unsigned int n_prefixes;
	char prefixes[MQSHM_BUS_PREFIXES_MAX][MQSHM_BUS_TOPIC_LEN];
	u32 first;
	u32 count;
	u64 lost;
	u64 last_lost;
	struct message *queue[];
};

/**
 * struct target - whom a message is for
 * @id: number of a client, block or subscriber; 0 for all
 * @client: the client, or that of the block
 * @block: the block
 * @pid: a process; borrowed from the message
 */
struct target {
	u64 id;
	u64 client;
	u64 block;
	struct pid *pid;
};

void mqshm_bus_init(struct mqshm_bus *bus)
{
	mutex_init(&bus->lock);
	INIT_LIST_HEAD(&bus->subscribers);
}

/* Who sleeps in mqshm_bus_read() looks again, and finds @removed of the runtime. */
void mqshm_bus_end(struct mqshm_bus *bus)
{
	struct mqshm_subscriber *sub;

	mutex_lock(&bus->lock);
	list_for_each_entry(sub, &bus->subscribers, node)
		wake_up(&sub->wq);
	mutex_unlock(&bus->lock);
}

/* -- messages ---------------------------------------------------------------------- */

static void message_release(struct kref *ref)
{
	struct message *msg = container_of(ref, struct message, ref);

	put_pid(msg->target_pid);
	put_pid(msg->pid);
	kfree(msg);
}

static void message_put(struct message *msg)
{
	kref_put(&msg->ref, message_release);
}

/* From the caller: who sends and what, but not yet when. */
static struct message *message_new(const struct mqshm_bus_publish_args *args, u64 sender)
{
	u32 room = ALIGN(args->payload_bytes, 8);
	struct message *msg = kzalloc(struct_size(msg, payload, room), GFP_KERNEL_ACCOUNT);

	if (!msg)
		return ERR_PTR(-ENOMEM);
	kref_init(&msg->ref);
	if (copy_from_user(msg->payload, u64_to_user_ptr(args->payload),
			   args->payload_bytes)) {
		kfree(msg);
		return ERR_PTR(-EFAULT);
	}
	msg->pid = get_pid(task_tgid(current));
	msg->uid = current_fsuid();
	msg->head.bytes = sizeof(msg->head) + room;
	msg->head.type = args->type;
	msg->head.payload_bytes = args->payload_bytes;
	msg->head.sender = sender;
	msg->head.sender_block = args->sender_block;
	msg->head.target = args->target;
	strscpy(msg->head.topic, args->topic, sizeof(msg->head.topic));
	return msg;
}

static struct mqshm_block *block_by_id(struct mqshm_runtime *rt, u64 id)
{
	struct mqshm_block *block;

	lockdep_assert_held(&rt->lock);
	list_for_each_entry(block, &rt->blocks, node)
		if (block->id == id)
			return block;
	return NULL;
}

static struct mqshm_client *client_by_id(struct mqshm_runtime *rt, u64 id)
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

/* A sender can only say that it is a block of a client of its own memory. */
static int sender_check_locked(struct mqshm_runtime *rt, u64 id)
{
	struct mqshm_block *block;

	lockdep_assert_held(&rt->lock);
	if (!id)
		return 0;
	block = block_by_id(rt, id);
	if (!block)
		return -ENOENT;
	return mqshm_mm_is_mine(block->client) ? 0 : -EPERM;
}

static int message_address(struct mqshm_runtime *rt, const struct mqshm_bus_publish_args *args,
			   struct message *msg, struct target *to)
{
	struct mqshm_block *block = NULL;
	struct mqshm_client *c = NULL;
	int ret;

	*to = (struct target) { .id = args->target };
	if (args->target_pid) {
		to->pid = msg->target_pid = find_get_pid(args->target_pid);
		if (!to->pid)
			return -ENOENT;
	}
	mutex_lock(&rt->lock);
	ret = sender_check_locked(rt, args->sender_block);
	if (!ret && to->id)
		block = block_by_id(rt, to->id);
	if (!ret && to->id)
		c = block ? block->client : client_by_id(rt, to->id);
	to->block = block ? block->id : 0;
	to->client = c ? c->id : 0;
	mutex_unlock(&rt->lock);
	return ret;
}

/* -- publishing -------------------------------------------------------------------- */

/* What is for a client is for all of its blocks, and the other way about. */
static bool subscriber_is_meant(const struct mqshm_subscriber *sub, const struct target *to)
{
	if (to->pid)
		return sub->tgid == to->pid;
	if (!to->id || sub->id == to->id)
		return true;
	return to->client && sub->client == to->client &&
	       (!to->block || !sub->block || sub->block == to->block);
}

static bool subscriber_wants(const struct mqshm_subscriber *sub, const char *topic)
{
	unsigned int i;

	for (i = 0; i < sub->n_prefixes; i++)
		if (!strncmp(topic, sub->prefixes[i], strlen(sub->prefixes[i])))
			return true;
	return false;
}

static struct message *queue_take_locked(struct mqshm_subscriber *sub)
{
	struct message *msg = sub->queue[sub->first];

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
static void queue_add_locked(struct mqshm_subscriber *sub, struct message *msg)
{
	struct message *oldest;

	lockdep_assert_held(&sub->rt->bus.lock);
	if (sub->count == sub->depth) {
		oldest = queue_take_locked(sub);
		lost_add_locked(sub, 1, oldest->head.number);
		message_put(oldest);
	}
	kref_get(&msg->ref);
	sub->queue[(sub->first + sub->count) % sub->depth] = msg;
	WRITE_ONCE(sub->count, sub->count + 1);
}

static bool bus_has_locked(const struct mqshm_bus *bus, u64 id)
{
	struct mqshm_subscriber *sub;

	list_for_each_entry(sub, &bus->subscribers, node)
		if (sub->id == id)
			return true;
	return false;
}

/*
 * To all that it is for, at one point in the order of all messages. Clients that
 * something came for while they had nothing are noted in @mail.
 */
static int bus_send(struct mqshm_runtime *rt, struct message *msg, const struct target *to,
		    unsigned long *mail, u32 *receivers)
{
	struct mqshm_bus *bus = &rt->bus;
	struct mqshm_subscriber *sub;
	int ret = 0;

	*receivers = 0;
	mutex_lock(&bus->lock);
	if (READ_ONCE(rt->removed))
		ret = -ESHUTDOWN;
	else if (to->id && !to->client && !bus_has_locked(bus, to->id))
		ret = -ENOENT;
	if (ret)
		goto out;
	msg->head.number = ++bus->number;
	msg->head.at_ns = ktime_get_ns();
	list_for_each_entry(sub, &bus->subscribers, node) {
		if (!subscriber_is_meant(sub, to) || !subscriber_wants(sub, msg->head.topic))
			continue;
		if (sub->client && !sub->count)
			__set_bit(sub->index, mail);
		queue_add_locked(sub, msg);
		/* what this calls is atomic, and takes no lock that is outside of ours */
		wake_up(&sub->wq);
		++*receivers;
	}
out:
	mutex_unlock(&bus->lock);
	return ret;
}

/* A client may sleep for its ports: it learns by SYNC that there are messages. */
static void clients_tell(struct mqshm_runtime *rt, const unsigned long *mail)
{
	struct mqshm_wakes wakes;
	struct mqshm_client *c;
	unsigned int i;

	if (bitmap_empty(mail, MQSHM_CLIENTS_MAX))
		return;
	mqshm_wakes_init(&wakes);
	mutex_lock(&rt->lock);
	for_each_set_bit(i, mail, rt->limits.clients) {
		c = rcu_dereference_protected(rt->clients[i], lockdep_is_held(&rt->lock));
		if (!c)
			continue;
		c->mail = true;
		mqshm_client_notify(c, &wakes);
	}
	mutex_unlock(&rt->lock);
	mqshm_wakes_fire(rt, &wakes);
}

int mqshm_bus_publish(struct mqshm_file *mf, struct mqshm_bus_publish_args *args)
{
	struct mqshm_subscriber *own = smp_load_acquire(&mf->subscriber);
	DECLARE_BITMAP(mail, MQSHM_CLIENTS_MAX);
	struct mqshm_runtime *rt = mf->rt;
	struct message *msg;
	struct target to;
	int ret;

	if (!mqshm_name_valid(args->topic, sizeof(args->topic), 0) || args->reserved ||
	    args->payload_bytes > MQSHM_BUS_PAYLOAD_MAX || (args->target && args->target_pid))
		return -EINVAL;
	ret = mqshm_runtime_permission(rt, MQSHM_MAY_CHANGE);
	if (ret)
		return ret;
	msg = message_new(args, own ? own->id : 0);
	if (IS_ERR(msg))
		return PTR_ERR(msg);
	bitmap_zero(mail, MQSHM_CLIENTS_MAX);
	ret = message_address(rt, args, msg, &to);
	if (!ret)
		ret = bus_send(rt, msg, &to, mail, &args->out_receivers);
	if (!ret) {
		args->out_number = msg->head.number;
		clients_tell(rt, mail);
	}
	message_put(msg);
	return ret;
}

/* -- subscribers --------------------------------------------------------------------- */

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
	block = block_by_id(rt, owner);
	c = block ? block->client : client_by_id(rt, owner);
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
		message_put(queue_take_locked(sub));
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
		    (u64)depth * (sizeof(struct message) + MQSHM_BUS_PAYLOAD_MAX);
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

/* -- receiving ----------------------------------------------------------------------- */

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
	struct message *messages[MESSAGES_A_READ];
};

/* As many as there are and fit. */
static void queue_take_some_locked(struct mqshm_subscriber *sub, size_t room,
				   struct taken *taken)
{
	struct message *msg;

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

/* Pids and users are told as the reader's namespaces know them. */
static bool message_copy(const struct message *msg, char __user *buf)
{
	struct mqshm_bus_message head = msg->head;

	head.sender_pid = pid_vnr(msg->pid);
	head.sender_uid = from_kuid_munged(current_user_ns(), msg->uid);
	head.target_pid = pid_vnr(msg->target_pid);
	return !copy_to_user(buf, &head, sizeof(head)) &&
	       !copy_to_user(buf + sizeof(head), msg->payload, head.bytes - sizeof(head));
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
		fine = fine && message_copy(taken->messages[i], buf + bytes);
		bytes += fine ? taken->messages[i]->head.bytes : 0;
		lost += !fine;
		last = taken->messages[i]->head.number;
		message_put(taken->messages[i]);
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
