/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_WAIT_H
#define MQSHM_WAIT_H

#include <linux/poll.h>

#include <linux/mqshm.h>

struct mqshm_client;

int mqshm_wait(struct mqshm_client *c, struct mqshm_wait_args *args,
	       struct mqshm_wait_port *list, const struct pollfd *fds);
__poll_t mqshm_wait_poll(struct mqshm_client *c, struct file *file, poll_table *wait);
int mqshm_wait_arm_port(struct mqshm_client *c, u32 number);

#endif /* MQSHM_WAIT_H */
