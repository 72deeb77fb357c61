/* SPDX-License-Identifier: GPL-2.0-only */
/* A descriptor that receives what is published, with a bounded queue. */
#ifndef MQSHM_SUBSCRIBER_H
#define MQSHM_SUBSCRIBER_H

#include <linux/list.h>
#include <linux/types.h>
#include <linux/wait.h>

#include <linux/mqshm.h>

struct mqshm_message;
struct mqshm_runtime;
struct mqshm_user;

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
	struct mqshm_message *queue[];
};

/* For the bus, which has its lock; takes a reference of its own. The others are in bus.h. */
void mqshm_subscriber_add_locked(struct mqshm_subscriber *sub, struct mqshm_message *msg);

#endif /* MQSHM_SUBSCRIBER_H */
