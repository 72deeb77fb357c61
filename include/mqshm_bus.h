/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The message bus of a runtime: small messages by topic, to all who subscribed or to one
 * of them. How errors, deadlines and threads are told is as in <mqshm.h>.
 *
 * Topics are the users' own, but for those that begin with "mqshm/".
 */
#ifndef MQSHM_BUS_H
#define MQSHM_BUS_H

#include <mqshm.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* Threads: publishing from any; everything else from one at a time for each bus. */

struct mqshm_bus;

/**
 * struct mqshm_bus_options - how to open a bus; all zero is a subscriber for itself
 * @owner: number of a client of this process, or of one of its blocks, that it stands
 *	for: it receives what is for that, and the client is told when a message comes
 *	(mqshm_wait() returns 0); 0 for none
 * @depth: messages that wait for it at most; 0 for MQSHM_BUS_DEPTH_DEFAULT
 */
struct mqshm_bus_options {
	uint64_t owner;
	uint32_t depth;
};

/**
 * struct mqshm_post - a message to be published; zero what is not needed
 * @topic: 1 to MQSHM_BUS_TOPIC_LEN - 1 bytes, no control characters
 * @type: for the receiver
 * @payload: @payload_bytes bytes, may be NULL if these are 0
 * @payload_bytes: at most MQSHM_BUS_PAYLOAD_MAX
 * @sender_block: number of a block of this process that sends it; 0 for none
 * @target: number of a block, client or subscriber that alone gets it; 0 for all
 * @target_pid: process that alone gets it; 0 for all
 */
struct mqshm_post {
	const char *topic;
	uint32_t type;
	const void *payload;
	size_t payload_bytes;
	uint64_t sender_block;
	uint64_t target;
	uint32_t target_pid;
};

/**
 * mqshm_bus_open() - come to the message bus of a runtime
 * @name: the runtime, as for mqshm_runtime_open()
 * @options: NULL for none
 * @out: the bus; close it with mqshm_bus_close()
 *
 * It takes nothing of the runtime's limits before mqshm_bus_subscribe(), and does not
 * keep the runtime alive. After fork(2) the child's copy reads from the same queue.
 *
 * -ENOENT; -EACCES; -ENODEV; -ENOMEM.
 */
int mqshm_bus_open(const char *name, const struct mqshm_bus_options *options,
		   struct mqshm_bus **out); /* MT-Safe */

/**
 * mqshm_bus_subscribe() - receive what is published under some topics from now on
 * @prefix: how the topics begin; "" for all
 *
 * A message comes once, however many of the prefixes it has. The first subscription
 * charges what the queue can hold to the user's quota.
 *
 * -EINVAL no such prefix, or too large a depth; -ENOSPC MQSHM_BUS_PREFIXES_MAX reached,
 * or the runtime takes no more subscribers; -EDQUOT; -ENOENT the owner is not there;
 * -EPERM the owner is another process's; -EACCES; -ESHUTDOWN; -ENOMEM.
 */
int mqshm_bus_subscribe(struct mqshm_bus *bus, const char *prefix); /* MT-Unsafe race:bus */

/**
 * mqshm_bus_publish() - send a message
 * @number: 1, 2, 3 ... in the order in which all receive; may be NULL
 *
 * Returns how many subscribers get it. Never waits: a subscriber that is too slow loses
 * its oldest message. Needs write permission.
 *
 * -EINVAL; -EACCES; -ENOENT the target or the sending block is not there; -EPERM the
 * block is another process's; -ESHUTDOWN; -ENOMEM.
 */
int mqshm_bus_publish(struct mqshm_bus *bus, const struct mqshm_post *post,
		      uint64_t *number); /* MT-Safe */

/**
 * mqshm_bus_receive() - the next message, in the order in which they were published
 * @out: the message, its payload behind it (mqshm_bus_payload()); valid until the next
 *	receive
 *
 * Where messages are missing because the queue was full, one with MQSHM_BUS_LOST in its
 * flags and their number in lost stands.
 *
 * -EAGAIN (MQSHM_NO_WAIT); -ETIMEDOUT; -EINTR; -EBADFD nothing was subscribed to;
 * -ESHUTDOWN the runtime was removed, and everything before that has been received.
 */
int mqshm_bus_receive(struct mqshm_bus *bus, const struct mqshm_bus_message **out,
		      uint64_t deadline_ns); /* MT-Unsafe race:bus */

static inline const void *mqshm_bus_payload(const struct mqshm_bus_message *message)
{
	return message + 1;
}

/* Descriptor to poll for POLLIN; then call mqshm_bus_receive() until -EAGAIN. Borrowed. */
int mqshm_bus_fd(const struct mqshm_bus *bus); /* MT-Safe */

/* Number of the subscriber, for answers: what it publishes bears it. 0 before it
 * subscribes to something. */
uint64_t mqshm_bus_id(const struct mqshm_bus *bus); /* MT-Safe */

/* NULL is allowed. */
void mqshm_bus_close(struct mqshm_bus *bus); /* MT-Unsafe race:bus */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* MQSHM_BUS_H */
