/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_BUS_H
#define MQSHM_BUS_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/types.h>

#include <linux/mqshm.h>

struct mqshm_file;
struct mqshm_runtime;
struct mqshm_subscriber;

/**
 * struct mqshm_bus - the subscribers of a runtime
 * @lock: all that follows, and the queues and prefixes of subscribers. Settling the last
 *	client takes it to end the bus: nothing is allocated or copied under it, and no
 *	other lock of ours taken; but subscribers are woken
 * @subscribers: by age
 * @n_subscribers: their number
 * @number: messages so far
 */
struct mqshm_bus {
	struct mutex lock;
	struct list_head subscribers;
	unsigned int n_subscribers;
	u64 number;
};

void mqshm_bus_init(struct mqshm_bus *bus);
/* The runtime was removed: wakes whoever sleeps for a message. */
void mqshm_bus_end(struct mqshm_bus *bus);

/* For a descriptor that is bound; mqshm_file.lock is held by the first. */
int mqshm_bus_open(struct mqshm_file *mf, struct mqshm_bus_open_args *args);
int mqshm_bus_publish(struct mqshm_file *mf, struct mqshm_bus_publish_args *args);

/* For one that is a subscriber. */
int mqshm_bus_subscribe(struct mqshm_subscriber *sub,
			const struct mqshm_bus_subscribe_args *args);
ssize_t mqshm_bus_read(struct mqshm_subscriber *sub, char __user *buf, size_t bytes,
		       bool may_sleep);
__poll_t mqshm_bus_poll(struct mqshm_subscriber *sub, struct file *file, poll_table *wait);
void mqshm_bus_show(struct mqshm_subscriber *sub, struct seq_file *m);
void mqshm_bus_close(struct mqshm_subscriber *sub);

#endif /* MQSHM_BUS_H */
