/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_BLOCK_H
#define MQSHM_BLOCK_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

#include <linux/mqshm.h>

struct eventfd_ctx;
struct mqshm_client;
struct mqshm_runtime;
struct mqshm_wakes;

/**
 * struct mqshm_block - a unit of the graph
 * @node: in the runtime's blocks, protected by the runtime's lock
 * @client: to which it belongs; constant, as are the next six
 * @id: never used again
 * @class: MQSHM_CLASS_*
 * @created_ns: when it was made
 * @name: unique in the runtime
 * @type: for people
 * @persistent: its connections are, unless they are made otherwise
 * @ports: constant list
 * @slot: which of its client's stats is for it; constant once it is published
 * @stopping: it was asked to stop; protected by the runtime's lock
 * @stop_told: and its client has been told; protected by the runtime's lock
 */
struct mqshm_block {
	struct list_head node;
	struct mqshm_client *client;
	u64 id;
	u32 class;
	u64 created_ns;
	char name[MQSHM_BLOCK_NAME_LEN];
	char type[MQSHM_TYPE_NAME_LEN];
	bool persistent;
	struct list_head ports;
	u32 slot;
	bool stopping;
	bool stop_told;
};

/**
 * struct mqshm_port - where connections of a block begin or end
 * @rcu: its eventfd is signalled under RCU
 * @node: in its block's ports
 * @client_node: in its client's ports
 * @block: constant, as are the next four
 * @number: never used again in the runtime
 * @direction: MQSHM_DIR_*
 * @depth: of each connection of an input
 * @name: unique in the block
 * @ends: attached ends of rings; changed under the client's and the runtime's lock
 * @ended: the output announced the end; protected by the runtime's lock
 * @eventfd: of an input; changed under the client's lock, read under RCU
 * @armed: it is to be signalled; any context
 * @fire: there is something to signal it for; any context
 */
struct mqshm_port {
	struct rcu_head rcu;
	struct list_head node;
	struct list_head client_node;
	struct mqshm_block *block;
	u32 number;
	u32 direction;
	u32 depth;
	char name[MQSHM_PORT_NAME_LEN];
	struct list_head ends;
	bool ended;
	struct eventfd_ctx __rcu *eventfd;
	atomic_t armed;
	atomic_t fire;
};

int mqshm_block_create(struct mqshm_client *c, struct mqshm_block_create_args *args,
		       struct mqshm_port_desc *descs);
int mqshm_block_remove(struct mqshm_client *c, u64 id, bool failed);
int mqshm_block_stop(struct mqshm_runtime *rt, const struct mqshm_client *own, u64 id);
void mqshm_block_remove_all(struct mqshm_client *c, u32 change, struct list_head *dead);
void mqshm_block_free_list(struct list_head *dead);
struct mqshm_block *mqshm_block_find(struct mqshm_runtime *rt, const char *name);
struct mqshm_block *mqshm_block_by_id(struct mqshm_runtime *rt, u64 id);
struct mqshm_port *mqshm_block_find_port(struct mqshm_block *block, const char *name);
struct mqshm_port *mqshm_port_find(struct mqshm_client *c, u32 number);
struct mqshm_port *mqshm_port_find_next(struct mqshm_client *c, struct mqshm_port *last,
					u32 number);
int mqshm_port_end(struct mqshm_client *c, u32 number, struct mqshm_wakes *wakes);
int mqshm_port_set_eventfd(struct mqshm_client *c, u32 number, int fd);
void mqshm_port_signal_all(struct mqshm_client *c);

#endif /* MQSHM_BLOCK_H */
