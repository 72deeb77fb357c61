/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_NOTICE_H
#define MQSHM_NOTICE_H

#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/types.h>

struct mqshm_block;
struct mqshm_client;
struct mqshm_conn;
struct mqshm_file;
struct mqshm_pool;
struct mqshm_runtime;

/* For a descriptor: watch, read, poll, stop watching. */
int mqshm_notice_watch(struct mqshm_file *mf);
ssize_t mqshm_notice_read(struct mqshm_file *mf, char __user *buf, size_t bytes,
			  bool may_sleep);
__poll_t mqshm_notice_poll(struct mqshm_file *mf, struct file *file, poll_table *wait);
void mqshm_notice_unwatch(struct mqshm_file *mf);

/*
 * What happened, for whoever watches. Under the runtime's lock, so that the order of
 * notices is that of events; who sleeps is woken by mqshm_runtime_changed().
 */
void mqshm_notice_client(struct mqshm_client *c, u32 change);
void mqshm_notice_block(const struct mqshm_block *block, u32 change);
void mqshm_notice_conn(const struct mqshm_conn *conn, u32 change);
void mqshm_notice_pool(const struct mqshm_pool *pool, u32 change);
/* Under the table's lock as well; mqshm_notice_wake_table() once it is dropped. */
void mqshm_notice_runtime(struct mqshm_runtime *rt, u32 change);
void mqshm_notice_wake_table(void);

#endif /* MQSHM_NOTICE_H */
