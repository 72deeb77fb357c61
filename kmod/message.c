// SPDX-License-Identifier: GPL-2.0-only
/*
 * A message of the bus. The publisher pays for its memory as long as it is there, as
 * with sockets.
 */
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "message.h"

static void message_release(struct kref *ref)
{
	struct mqshm_message *msg = container_of(ref, struct mqshm_message, ref);

	put_pid(msg->target_pid);
	put_pid(msg->pid);
	kfree(msg);
}

void mqshm_message_put(struct mqshm_message *msg)
{
	kref_put(&msg->ref, message_release);
}

struct mqshm_message *mqshm_message_new(const struct mqshm_bus_publish_args *args, u64 sender)
{
	u32 room = ALIGN(args->payload_bytes, 8);
	struct mqshm_message *msg = kzalloc(struct_size(msg, payload, room), GFP_KERNEL_ACCOUNT);

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

/* Pids and users are told as the reader's namespaces know them. */
bool mqshm_message_copy(const struct mqshm_message *msg, char __user *buf)
{
	struct mqshm_bus_message head = msg->head;

	head.sender_pid = pid_vnr(msg->pid);
	head.sender_uid = from_kuid_munged(current_user_ns(), msg->uid);
	head.target_pid = pid_vnr(msg->target_pid);
	return !copy_to_user(buf, &head, sizeof(head)) &&
	       !copy_to_user(buf + sizeof(head), msg->payload, head.bytes - sizeof(head));
}
