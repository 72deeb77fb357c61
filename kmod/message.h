/* SPDX-License-Identifier: GPL-2.0-only */
/* A message of the bus: in memory once, and in each queue as a reference. */
#ifndef MQSHM_MESSAGE_H
#define MQSHM_MESSAGE_H

#include <linux/kref.h>
#include <linux/types.h>
#include <linux/uidgid.h>

#include <linux/mqshm.h>

struct pid;

/**
 * struct mqshm_message - a message as it is kept; constant once it is in a queue
 * @ref: the publisher's, and one for each queue that it is in
 * @pid: process that sent it, a reference
 * @uid: user that sent it
 * @target_pid: process that it is for, a reference, or NULL
 * @head: as it is told, but for pids and user
 * @payload: with zeros up to a multiple of 8
 */
struct mqshm_message {
	struct kref ref;
	struct pid *pid;
	kuid_t uid;
	struct pid *target_pid;
	struct mqshm_bus_message head;
	u8 payload[];
};

/* From the caller: who sends and what, but not yet when; or an ERR_PTR(). */
struct mqshm_message *mqshm_message_new(const struct mqshm_bus_publish_args *args, u64 sender);
void mqshm_message_put(struct mqshm_message *msg);
/* To the reader, who has room for it. */
bool mqshm_message_copy(const struct mqshm_message *msg, char __user *buf);

#endif /* MQSHM_MESSAGE_H */
