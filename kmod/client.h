/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_CLIENT_H
#define MQSHM_CLIENT_H

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/nospec.h>
#include <linux/rwsem.h>
#include <linux/uidgid.h>
#include <linux/wait.h>

#include "region.h"
#include "runtime.h"
#include "wake.h"

struct address_space;
struct mm_struct;
struct mqshm_mm;
struct mqshm_pool;

/**
 * struct mqshm_waiter - a client's place in line for buffers of a pool
 * @node: in the waiters of the pool; protected by the pool's lock, as is @promised
 * @client: constant
 * @promised: a free buffer is kept for it
 */
struct mqshm_waiter {
	struct list_head node;
	struct mqshm_client *client;
	bool promised;
};

/**
 * struct mqshm_client - an open file that has joined a runtime
 * @ref: the descriptor's, the runtime's until it is settled, and whoever looks
 * @rcu: looked up under RCU to be woken
 * @rt: constant, as are the next thirteen
 * @id: never used again
 * @index: slot in the runtime: gen word, toggle bit
 * @role: MQSHM_ROLE_*
 * @read_only: payload is mapped read-only
 * @direct_io: its hand is parked until its descriptor is released
 * @name: of its process, for people
 * @uid: who joined
 * @tgid: process that joined, a reference
 * @tid: thread that joined, a reference
 * @joined_ns: when it joined
 * @started_ns: when its process started
 * @control: its own cells, the first page present; written by the client, hostile
 * @hold: references in its hands, u16 by buffer; lazy; as @control
 * @slots: which of the stats in @control are for blocks that there are; protected by the
 *	runtime's lock
 *
 * @lock: taken by each of its calls and by settle; nothing is allocated or copied,
 *	and nobody woken, under it. Outside the runtime's lock
 * @dead: settled, or about to be, its hand perhaps apart; protected by @lock
 * @settled: its hand too; protected by @lock
 * @departed: how it ended, once it is dead; what was drained and kept for its blocks;
 *	protected by @lock
 * @ports: its ports; changed under @lock and the runtime's lock, read under either
 *	or RCU
 * @had_blocks: it made a block; protected by @lock
 * @pending: ends of rings it has not taken yet; protected by the runtime's lock
 * @stops: a stop was asked for that it has not been told of; protected by the
 *	runtime's lock
 * @mail: a subscriber that stands for it has messages that it has not been told of;
 *	protected by the runtime's lock
 * @reserve: buffers leased less those returned: with what @control counts, how many
 *	of those in its hands the program never got; protected by @lock
 * @freed: last references that the kernel dropped for it; protected by @lock
 * @synced_gen: gen word told by the last SYNC; protected by @lock
 * @polled: its descriptor was polled: rings that it gets later are armed for that;
 *	protected by @lock
 * @poll_wakeups: @wakeups when a poll last found nothing, else another number; written
 *	under @lock
 *
 * @waiters: by pool: its place in line there
 * @leasing: a LEASE or WAIT of this client waits for buffers; only one may
 *
 * @wq: sleepers in WAIT, LEASE and poll
 * @wakeups: counts wakes; a sleeper that saw it move looks again
 * @graph_event: the graph changed: all armed eventfds are to be signalled
 * @sleeping: calls asleep now
 * @sleeps: calls that slept so far
 * @ioctls: calls so far
 * @seen_progress: progress word at the last look, protected by the runtime's lock
 * @seen_ns: when it was seen to have moved, protected by the runtime's lock
 * @awaits: it was found to wait by poll or eventfds, and has made no call since; protected by
 *	the runtime's lock
 * @told_stalled: those who watch were told that it stalls; protected by the
 *	runtime's lock
 *
 * @binding: its memory's notifier; constant
 * @mm: only to be compared
 * @mm_node: in the notifier's list, protected by its lock
 * @mapping: mappings of its descriptor, NULL once that is released; protected by
 *	@map_lock
 * @map_lock: held shared by a page fault; nobody who settles a dead memory takes it
 * @revoked: no page is mapped any more; protected by @map_lock
 */
struct mqshm_client {
	struct kref ref;
	struct rcu_head rcu;
	struct mqshm_runtime *rt;
	u64 id;
	u32 index;
	u32 role;
	bool read_only;
	bool direct_io;
	char name[MQSHM_PROCESS_NAME_LEN];
	kuid_t uid;
	struct pid *tgid;
	struct pid *tid;
	u64 joined_ns;
	u64 started_ns;
	struct mqshm_region *control;
	struct mqshm_region *hold;
	unsigned long *slots;

	struct mutex lock;
	bool dead;
	bool settled;
	struct mqshm_departed departed;
	struct list_head ports;
	bool had_blocks;
	struct list_head pending;
	bool stops;
	bool mail;
	u64 reserve;
	u64 freed;
	u64 synced_gen;
	bool polled;
	int poll_wakeups;

	struct mqshm_waiter waiters[MQSHM_POOLS_MAX];
	atomic_t leasing;

	wait_queue_head_t wq;
	atomic_t wakeups;
	atomic_t graph_event;
	atomic_t sleeping;
	atomic64_t sleeps;
	atomic64_t ioctls;
	u64 seen_progress;
	u64 seen_ns;
	bool awaits;
	bool told_stalled;

	struct mqshm_mm *binding;
	struct mm_struct *mm;
	struct list_head mm_node;
	struct address_space *mapping;
	struct rw_semaphore map_lock;
	bool revoked;
};

struct mqshm_client *mqshm_client_join(struct mqshm_runtime *rt,
				       struct address_space *mapping,
				       struct mqshm_client_join_args *args);
int mqshm_client_enter(struct mqshm_client *c);
void mqshm_client_exit(struct mqshm_client *c);
void mqshm_client_shut(struct mqshm_client *c, u32 how);
void mqshm_client_wake(struct mqshm_client *c);
void mqshm_client_notify(struct mqshm_client *c, struct mqshm_wakes *wakes);
void mqshm_client_leave_slot(struct mqshm_client *c);
void mqshm_client_clear_intent(struct mqshm_client *c);
u32 mqshm_client_state(struct mqshm_client *c, u64 now);
struct mqshm_client *mqshm_client_by_id(struct mqshm_runtime *rt, u64 id);
void mqshm_client_put(struct mqshm_client *c);

static inline struct mqshm_client *mqshm_client_get(struct mqshm_client *c)
{
	kref_get(&c->ref);
	return c;
}

/* Where in @control the stats of a slot are. */
static inline size_t mqshm_client_stats_at(u32 slot)
{
	return sizeof(struct mqshm_control) + (size_t)slot * sizeof(struct mqshm_block_stats);
}

static inline struct mqshm_control *mqshm_client_control(const struct mqshm_client *c)
{
	return mqshm_region_at(c->control, 0);
}

/* The gen word of @c; written under the runtime's lock. */
static inline u64 *mqshm_client_gen(const struct mqshm_client *c)
{
	struct mqshm_status *status = mqshm_region_at(c->rt->status, 0);

	return &status->gen[c->index];
}

/* Its hold cell of @buffer, NULL if that was never touched. */
static inline u16 *mqshm_client_hold(const struct mqshm_client *c, u32 buffer)
{
	buffer = array_index_nospec(buffer, c->rt->limits.buffers);
	return mqshm_region_at(c->hold, buffer * sizeof(u16));
}

#endif /* MQSHM_CLIENT_H */
