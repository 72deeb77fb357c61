/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_RUNTIME_H
#define MQSHM_RUNTIME_H

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/mqshm.h>

#include "bus.h"

struct mqshm_client;
struct mqshm_conn;
struct mqshm_notices;
struct mqshm_pool;
struct mqshm_region;
struct mqshm_user;

#define MQSHM_DEPARTED	64

/**
 * struct mqshm_departed - what is remembered of a settled client
 * @id: 0 if the entry was never used
 * @pid: its process, a reference
 */
struct mqshm_departed {
	u64 id;
	struct pid *pid;
	u32 how;
	u32 op;
	bool committed;
	u64 refs;
	u64 drained;
	u64 kept;
	u64 lost;
	u64 lost_buffers;
	u64 settle_ns;
	u64 at_ns;
	char name[MQSHM_PROCESS_NAME_LEN];
};

/**
 * struct mqshm_totals - sums over clients and connections that are gone
 */
struct mqshm_totals {
	u64 allocated;
	u64 freed;
	u64 messages;
	u64 bytes;
	u64 dropped;
	u64 settled;
	u64 ioctls;
};

/**
 * struct mqshm_access - who may do what with a runtime
 * @uid: owner
 * @gid: group
 * @mode: nine permission bits
 */
struct mqshm_access {
	kuid_t uid;
	kgid_t gid;
	unsigned int mode;
};

/**
 * struct mqshm_runtime - a graph and its memory
 * @ref: one for each descriptor that is bound to it and for each client, one
 *	while it is not removed
 * @rcu: rings and clients are looked up under RCU
 * @node: in the table, protected by the table's lock
 * @id: constant, as are @name, @access, @persistent, @limits, @user, @created_ns and
 *	the pointers @status, @clients, @rings
 * @user: whose quota it counts against
 * @charged: it counts against @user's runtimes until it is freed
 * @status: what all clients read; written under the lock of what is told
 * @clients: by index, NULL if free; written under @lock, read under RCU
 * @rings: connections by ring number; as @clients
 * @pools: by index; an entry is published once and stays
 * @lock: the graph: all that follows. Taken by settle: nothing is allocated or
 *	copied, and nobody woken, under it
 * @removed: no new clients, pools or connections
 * @users: clients and creating descriptors; one that is not persistent is removed
 *	when there are none left
 * @next_port: number of the next port
 * @n_buffers: number of the next pool's first buffer
 * @blocks: by creation
 * @conns: connections by creation
 * @keep_work: drops messages that were kept for too long
 * @totals: of what is gone
 * @departed: the last clients that were settled
 * @n_departed: clients settled so far
 * @memory_bytes: payload and tables of pools
 * @notices: of what happens to all that, NULL while nobody watches
 * @bus: the message bus; it has a lock of its own
 * @changes: counts what RUNTIME_WAIT waits for; any context
 * @wq: those who wait for that
 * @drained_freed: buffers of which the last reference lay in a ring that was
 *	drained; any context
 * @tainted: a client broke the protocol; any context
 */
struct mqshm_runtime {
	struct kref ref;
	struct rcu_head rcu;
	struct list_head node;

	u64 id;
	char name[MQSHM_RUNTIME_NAME_LEN];
	struct mqshm_access access;
	bool persistent;
	struct mqshm_limits limits;
	struct mqshm_user *user;
	bool charged;
	u64 created_ns;
	struct mqshm_region *status;
	struct mqshm_client __rcu **clients;
	struct mqshm_conn __rcu **rings;
	struct mqshm_pool *pools[MQSHM_POOLS_MAX];

	struct mutex lock;
	bool removed;
	unsigned int users;
	unsigned int n_clients;
	unsigned int n_blocks;
	unsigned int n_conns;
	unsigned int n_pools;
	u32 n_buffers;
	u32 next_port;
	struct list_head blocks;
	struct list_head conns;
	struct delayed_work keep_work;
	struct mqshm_totals totals;
	struct mqshm_departed departed[MQSHM_DEPARTED];
	u64 n_departed;
	u64 memory_bytes;
	struct mqshm_notices *notices;

	struct mqshm_bus bus;

	atomic64_t changes;
	wait_queue_head_t wq;
	atomic64_t drained_freed;
	atomic_t tainted;
};

#define MQSHM_MAY_LIST		4
#define MQSHM_MAY_CHANGE	2
#define MQSHM_MAY_JOIN		1

u64 mqshm_next_id(void);

struct mqshm_runtime *mqshm_runtime_create(struct mqshm_runtime_create_args *args);
struct mqshm_runtime *mqshm_runtime_open(const struct mqshm_runtime_open_args *args);
int mqshm_runtime_remove(struct mqshm_runtime *rt,
			 struct mqshm_runtime_remove_args *args);
int mqshm_runtime_wait(struct mqshm_runtime *rt,
		       struct mqshm_runtime_wait_args *args);
int mqshm_access_check(const struct mqshm_access *access, unsigned int may);
bool mqshm_access_shows(const struct mqshm_access *access);
void mqshm_runtime_leave(struct mqshm_runtime *rt);
void mqshm_runtime_changed(struct mqshm_runtime *rt);
void mqshm_runtime_put(struct mqshm_runtime *rt);

/* Runtimes by age, for as long as the table's lock is held. */
void mqshm_runtime_table_lock(void);
void mqshm_runtime_table_unlock(void);
struct mqshm_runtime *mqshm_runtime_table_next(struct mqshm_runtime *rt);

static inline struct mqshm_runtime *mqshm_runtime_get(struct mqshm_runtime *rt)
{
	kref_get(&rt->ref);
	return rt;
}

static inline int mqshm_runtime_permission(const struct mqshm_runtime *rt, unsigned int may)
{
	return mqshm_access_check(&rt->access, may);
}

/* Somebody broke the protocol: shown, and mended when the last client leaves. */
static inline void mqshm_runtime_taint(struct mqshm_runtime *rt)
{
	atomic_set(&rt->tainted, 1);
}

/* A name as users give it: terminated, not empty, without @separator. */
bool mqshm_name_valid(const char *name, size_t size, char separator);

#endif /* MQSHM_RUNTIME_H */
