// SPDX-License-Identifier: GPL-2.0-only
/*
 * The message bus: small messages to all who subscribed to their topic, or to one of
 * them, in one order for all.
 */
#include <linux/bitmap.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/string.h>

#include "block.h"
#include "bus.h"
#include "client.h"
#include "file.h"
#include "message.h"
#include "mm.h"
#include "runtime.h"
#include "subscriber.h"

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

/* A sender can only say that it is a block of a client of its own memory. */
static int sender_check_locked(struct mqshm_runtime *rt, u64 id)
{
	struct mqshm_block *block;

	lockdep_assert_held(&rt->lock);
	if (!id)
		return 0;
	block = mqshm_block_by_id(rt, id);
	if (!block)
		return -ENOENT;
	return mqshm_mm_is_mine(block->client) ? 0 : -EPERM;
}

static int message_address(struct mqshm_runtime *rt, const struct mqshm_bus_publish_args *args,
			   struct mqshm_message *msg, struct target *to)
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
		block = mqshm_block_by_id(rt, to->id);
	if (!ret && to->id)
		c = block ? block->client : mqshm_client_by_id(rt, to->id);
	to->block = block ? block->id : 0;
	to->client = c ? c->id : 0;
	mutex_unlock(&rt->lock);
	return ret;
}

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
static int bus_send(struct mqshm_runtime *rt, struct mqshm_message *msg, const struct target *to,
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
		mqshm_subscriber_add_locked(sub, msg);
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
	struct mqshm_message *msg;
	struct target to;
	int ret;

	if (!mqshm_name_valid(args->topic, sizeof(args->topic), 0) || args->reserved ||
	    args->payload_bytes > MQSHM_BUS_PAYLOAD_MAX || (args->target && args->target_pid))
		return -EINVAL;
	ret = mqshm_runtime_permission(rt, MQSHM_MAY_CHANGE);
	if (ret)
		return ret;
	msg = mqshm_message_new(args, own ? own->id : 0);
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
	mqshm_message_put(msg);
	return ret;
}
