/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For each command an act: the command, with what belongs to it, in such a way that it
 * can be done over and over. Tests kill who does it.
 */
#ifndef ACT_H
#define ACT_H

#include "raw.h"

/**
 * struct actor - a client that does one thing or another
 * @pair: its client, both ends of a ring from its block to itself; cells mapped
 * @block: number of its block
 * @ports: input and output of it
 * @pool: that it uses
 * @buffer: that it holds
 * @event: an eventfd
 * @struck: something was done to it: calls may fail from now on
 */
struct actor {
	struct raw_pair pair;
	__u64 block;
	__u32 ports[2];
	__u32 pool;
	__u32 buffer;
	int event;
	volatile bool struck;
};

/*
 * Becomes a client of the test's runtime with a block, and a buffer of the pool: of 0,
 * which has RAW_BUFFERS, or of 1, which comes next.
 */
void actor_begin(struct actor *a, __u32 pool);

static inline int actor_fd(const struct actor *a)
{
	return a->pair.out.fd;
}

/* Each gives 0 or -errno. */
int act_info(struct actor *a);
int act_runtime_create(struct actor *a);
int act_runtime_open(struct actor *a);
int act_runtime_remove(struct actor *a);
int act_runtime_wait(struct actor *a);
int act_query(struct actor *a);
int act_holders(struct actor *a);
int act_monitor(struct actor *a);
int act_bus(struct actor *a);
int act_pool_create(struct actor *a);
int act_client_join(struct actor *a);
int act_client_detach(struct actor *a);
int act_client_sync(struct actor *a);
int act_client_recover(struct actor *a);
int act_block_create(struct actor *a);
int act_block_stop(struct actor *a);
int act_port_end(struct actor *a);
int act_port_eventfd(struct actor *a);
int act_port_arm(struct actor *a);
int act_connect(struct actor *a);
int act_lease(struct actor *a);
int act_lease_wait(struct actor *a);
int act_ref(struct actor *a);
int act_kick(struct actor *a);
int act_wait(struct actor *a);
int act_poll(struct actor *a);
int act_map(struct actor *a);

#endif /* ACT_H */
