/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A client: one joined descriptor with its mappings, blocks, rings and pools.
 *
 * The client owns its blocks, a block its ports. A ring's end hangs on its port
 * and on the client's list of rings; both let go of it when it is detached.
 * Everything here is used by one thread at a time.
 */
#ifndef LIB_CLIENT_H
#define LIB_CLIENT_H

#include <errno.h>
#include <mqshm.h>
#include <poll.h>
#include <signal.h>

#include "clock.h"
#include "pool.h"
#include "protocol.h"

struct ring;

/**
 * struct client_wait - what a call waits for
 * @ports: array[@n]: until one of them is ready
 * @known: array[@n], or NULL: an input is ready only with more messages than these, or
 *	when there will be no more
 * @n: their number
 * @fds: array[@n_fds]: or until one of these descriptors is, as poll(2) tells
 * @n_fds: their number
 * @pools: bits of pools: or until there is a spare buffer of one of these
 * @deadline_ns: when it gives up
 */
struct client_wait {
	struct mqshm_port *const *ports;
	const uint32_t *known;
	size_t n;
	struct pollfd *fds;
	size_t n_fds;
	uint32_t pools;
	uint64_t deadline_ns;
};

/**
 * struct client_turns - who runs something else in the place of a sleep
 * @wait: until what is waited for is there, or the graph changed, or the deadline;
 *	0: look again
 * @yield: lets others have a turn
 * @budget: what may still be done before that, see client_turn()
 *
 * Set for a client whose thread runs many blocks, each on a stack of its own: a call
 * of one block that waits must not hold up the others.
 */
struct client_turns {
	int (*wait)(struct client_turns *turns, const struct client_wait *w);
	void (*yield)(struct client_turns *turns);
	uint32_t budget;
};

/**
 * struct mqshm_client - a client
 * @cells: its own cells
 * @control: its control cells
 * @gen: its word in the status region
 * @known_gen: what that was at the last SYNC
 * @status: the status region
 * @last_pool: pool of the buffer that was looked up last; never NULL
 * @pending: a push or a cursor is held back from the peers
 * @dead: the kernel let go of it; its mappings must not be touched
 * @forks: number of forks that had happened when it joined
 * @clock: time for timestamps
 * @spares: buffers in all magazines
 * @lease: LEASE in progress: what came is told from what is in a magazine already
 * @wait: WAIT in progress, likewise
 * @refs: REF of the references dropped that the kernel has not been told of, for a
 *	client without a toggle; what it has done of it is known also after a longjmp
 * @changed: something changed that the program was not told yet
 * @mail: counts when messages came for it or its blocks
 * @changes: how often something changed
 * @syncs: how often the gen word was followed
 * @copies: that mqshm_buffer_make_writable() made, for the block that runs
 * @turns: its thread runs many blocks; else NULL
 * @list: array with room for @list_room: ports of a WAIT
 * @list_room: room in @list
 * @fd: descriptor
 * @id: number, never used again
 * @index: of its gen word
 * @rings_max: bound of ring numbers
 * @buffers_max: bound of buffer numbers
 * @stats_max: bound of slots in @control
 * @read_only: payload is mapped read-only
 * @direct_io: devices may write into its buffers
 * @persistent: connections of its blocks are persistent
 * @spin_ns: how long a wait looks before it sleeps
 * @spin_penalty: waits that do not look after one that looked in vain
 * @spin_skip: how many of these are to come
 * @name: the runtime's, as it was given
 * @blocks: its blocks
 * @rings: array[@n_rings] of its ends of rings, room for @rings_room
 * @n_rings: their number
 * @rings_room: room in @rings
 * @n_pools: pools known, by index
 * @pools: pools
 * @by_size: their indices, smallest buffers first
 * @no_pool: an empty one, for @last_pool
 * @owner: thread inside a call, in a debug build
 */
struct mqshm_client {
	struct proto_client cells;
	struct mqshm_control *control;
	const uint64_t *gen;
	uint64_t known_gen;
	const struct mqshm_status *status;
	struct pool *last_pool;
	bool pending;
	bool dead;
	unsigned int forks;
	struct clock_cache clock;
	uint32_t spares;
	struct mqshm_lease_args lease;
	struct mqshm_wait_args wait;
	struct mqshm_ref_args refs;
	bool changed;
	uint32_t mail;
	uint64_t changes;
	uint64_t syncs;
	uint64_t copies;
	struct client_turns *turns;
	struct mqshm_wait_port *list;
	size_t list_room;
	int fd;
	uint64_t id;
	uint32_t index;
	uint32_t rings_max;
	uint32_t buffers_max;
	uint32_t stats_max;
	bool read_only;
	bool direct_io;
	bool persistent;
	uint64_t spin_ns;
	uint32_t spin_penalty;
	uint32_t spin_skip;
	char *name;
	struct mqshm_block *blocks;
	struct ring **rings;
	size_t n_rings;
	size_t rings_room;
	uint32_t n_pools;
	struct pool pools[MQSHM_POOLS_MAX];
	uint8_t by_size[MQSHM_POOLS_MAX];
	struct pool no_pool;
#ifdef MQSHM_DEBUG
	int owner;
#endif
};

/* Forks of this process since the library was loaded; the child counts one more. */
extern unsigned int mqshm_client_forks;

/* Whether its mappings are there. */
static inline bool client_alive(const struct mqshm_client *c)
{
	return likely(!c->dead && c->forks == mqshm_client_forks);
}

#ifdef MQSHM_DEBUG
/* Two threads at a time on one client: ends the program. */
void mqshm_client_debug_enter(struct mqshm_client *c);
void mqshm_client_debug_leave(struct mqshm_client *c);
#else
static inline void mqshm_client_debug_enter(struct mqshm_client *c) { (void)c; }
static inline void mqshm_client_debug_leave(struct mqshm_client *c) { (void)c; }
#endif

/*
 * Begins a call. A signal handler, or a program that left a call by longjmp,
 * finds busy set: its operation would overwrite the intent of the one below.
 */
static inline int client_enter(struct mqshm_client *c)
{
	if (unlikely(!client_alive(c)))
		return -ESHUTDOWN;
	mqshm_client_debug_enter(c);
	if (unlikely(__atomic_load_n(&c->control->busy, __ATOMIC_RELAXED)))
		return -EBUSY;
	__atomic_store_n(&c->control->busy, 1, __ATOMIC_RELAXED);
	proto_barrier();
	proto_bump(c->control->progress, 1);
	return 0;
}

static inline void client_leave(struct mqshm_client *c)
{
	proto_barrier();
	if (likely(!c->dead))
		__atomic_store_n(&c->control->busy, 0, __ATOMIC_RELAXED);
	mqshm_client_debug_leave(c);
}

/*
 * Around what changes the lists of rings and blocks, allocates or maps: a handler that
 * left it by longjmp would leave it half done. Signals wait until it is over, but for
 * those that an instruction of its own raises. All of that is seldom.
 */
void mqshm_client_hold_signals(sigset_t *old);
void mqshm_client_let_signals(const sigset_t *old);

/* ioctl on its descriptor; takes note of the end of the client. */
int mqshm_client_ioctl(struct mqshm_client *c, unsigned int cmd, void *args);
/* The same for commands that take one number. */
int mqshm_client_command(struct mqshm_client *c, unsigned int cmd, uint64_t id);

/* The gen word moved: learns what changed, takes new rings, lets go of ended ones. */
int mqshm_client_sync(struct mqshm_client *c);

static inline int client_check(struct mqshm_client *c)
{
	if (likely(__atomic_load_n(c->gen, __ATOMIC_ACQUIRE) == c->known_gen)) /* [G4] */
		return 0;
	return mqshm_client_sync(c);
}

/* The pool of buffer @b, mapped; NULL if there is no such buffer. */
static inline struct pool *client_pool(struct mqshm_client *c, uint32_t b)
{
	struct pool *p = c->last_pool;

	return likely(b - p->first < p->buffers) ? p : mqshm_pool_find(c, b);
}

static inline void client_changed(struct mqshm_client *c)
{
	c->changed = true;
	c->changes++;
}

/* One message or call of work more: a block that never has to wait gives way too. */
static inline void client_turn(struct mqshm_client *c)
{
	if (c->turns && !--c->turns->budget)
		c->turns->yield(c->turns);
}

/* mqshm_wait() for any number of ports, and no pools; @ready: bits of the first 64. */
int mqshm_client_wait(struct mqshm_client *c, const struct client_wait *w, uint64_t *ready);
/* Whether a descriptor is ready; then all of them say for what. */
static inline bool client_fds_ready(const struct client_wait *w)
{
	int saved = errno;
	bool ready = w->n_fds && poll(w->fds, w->n_fds, 0) > 0;

	errno = saved;
	return ready;
}

/* The same as the thread's scheduler found when it looked last. */
static inline bool client_fds_told(const struct client_wait *w)
{
	size_t i;

	for (i = 0; i < w->n_fds; i++) {
		if (w->fds[i].revents)
			return true;
	}
	return false;
}

/*
 * Sleeps at most once, without following the gen word: 0 something may be there now,
 * or -ETIMEDOUT, -EINTR, -ESHUTDOWN.
 */
int mqshm_client_sleep(struct mqshm_client *c, const struct client_wait *w);
/* Takes buffers of pools (bits) that have any, without a place in line. */
void mqshm_client_try_pools(struct mqshm_client *c, uint32_t pools);
/* Ends that sleep, or the next one. From any thread, and from a signal handler. */
void mqshm_client_rouse(const struct mqshm_client *c);

/* Shows peers all that is held back: pushes, cursors, dropped references. */
int mqshm_client_publish(struct mqshm_client *c);
/* Before sleeping outside of WAIT: that, and every magazine to the depot. */
int mqshm_client_quiesce(struct mqshm_client *c);

/* "Nothing now" is about to be answered to a program that may be polling. */
static inline void client_nothing_now(struct mqshm_client *c)
{
	if (c->pending || c->refs.count)
		mqshm_client_publish(c);
	if (c->spares)
		mqshm_pool_return_wanted(c);
}

/* If somebody waits for buffers of the pool: the kernel shows that there. */
static inline void mqshm_pool_offer(struct mqshm_client *c, struct pool *p)
{
	if (p->spare && __builtin_expect(
		    __atomic_load_n(&c->status->wanted[p->index], __ATOMIC_RELAXED), 0)) /* [B1] */
		mqshm_pool_offer_now(c, p);
}

#endif /* LIB_CLIENT_H */
