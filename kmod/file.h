/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_FILE_H
#define MQSHM_FILE_H

#include <linux/fs.h>
#include <linux/mutex.h>

struct mqshm_client;
struct mqshm_notices;
struct mqshm_runtime;
struct mqshm_subscriber;

/**
 * struct mqshm_file - an open descriptor of /dev/mqshm
 * @mapping: what is mapped through this descriptor and no other, so that revoking
 *	one client takes nothing from another
 * @lock: binding and joining
 * @rt: runtime it is bound to; set once
 * @client: what it joined as; set once, after @rt
 * @holder: it made the runtime, or found it by open-or-create, and keeps it alive
 * @seen_changes: changes of the runtime that its user knows of, for poll
 * @notices: what it watches, then it joins or binds no more; set once
 * @seen_notices: how many its user has read; protected by that log's lock
 * @subscriber: of the runtime's message bus, then it joins and watches no more; set once
 */
struct mqshm_file {
	struct address_space mapping;
	struct mutex lock;
	struct mqshm_runtime *rt;
	struct mqshm_client *client;
	bool holder;
	u64 seen_changes;
	struct mqshm_notices *notices;
	u64 seen_notices;
	struct mqshm_subscriber *subscriber;
};

extern const struct file_operations mqshm_fops;
long mqshm_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif /* MQSHM_FILE_H */
