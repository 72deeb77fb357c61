/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_CONN_H
#define MQSHM_CONN_H

#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>

#include <linux/mqshm.h>

struct mqshm_client;
struct mqshm_departed;
struct mqshm_port;
struct mqshm_region;
struct mqshm_runtime;
struct mqshm_wakes;

/*
 * PENDING: made by a third party, its client has not taken it yet.
 * ATTACHED: its client has learnt the ring's number.
 * AWAY: its client has let go, or was settled, and the ring is left as it is for another
 *	client: of persistent connections only, see persist.c.
 * GONE: its client has let go, or was settled.
 * An end moves on only inside its own client's call, or in that client's settle;
 * the number of a ring is used again only when both ends are gone. Otherwise an
 * old intent could be judged by the cursors of another ring.
 */
enum mqshm_end_state {
	MQSHM_END_PENDING,
	MQSHM_END_ATTACHED,
	MQSHM_END_AWAY,
	MQSHM_END_GONE,
};

/* Who waits at an end; the flag that a peer sees is set while there is any. */
#define MQSHM_SLEEPER_WAIT	(1U << 0)
#define MQSHM_SLEEPER_POLL	(1U << 1)
#define MQSHM_SLEEPER_ARM	(1U << 2)

/**
 * struct mqshm_end - one end of a ring
 * @node: in its client's pending ends, or in its port's attached ends
 * @block_name: name of the block that it is for; constant, as are the next two
 * @port_name: of the port
 * @uid: whose that block is
 * @client: NULL once gone or away; written under the runtime's, the client's and the
 *	ring's lock
 * @port: as @client
 * @block: number of the port's block, 0 once gone or away
 * @number: number of the port, of the last one if there is none; protected by the
 *	runtime's lock
 * @state: as @client
 * @sleepers: MQSHM_SLEEPER_*, protected by the ring's lock
 */
struct mqshm_end {
	struct list_head node;
	char block_name[MQSHM_BLOCK_NAME_LEN];
	char port_name[MQSHM_PORT_NAME_LEN];
	kuid_t uid;
	struct mqshm_client *client;
	struct mqshm_port *port;
	u64 block;
	u32 number;
	enum mqshm_end_state state;
	unsigned int sleepers;
};

/**
 * struct mqshm_conn - a connection: one ring with one producer and one consumer
 * @rcu: looked up under RCU
 * @rt: constant, as are the next ten
 * @id: never used again
 * @policy: those of its flags that say what it was made with; constant once it is published
 * @keep_ns: for how long messages are kept
 * @ring: number of the ring
 * @depth: messages it takes; kept by the producer
 * @shift: it has 1 << shift slots
 * @created_ns: when it was made
 * @producer: slots and tail; written by the producer, hostile
 * @consumer: phead and head; written by the consumer, hostile; by the kernel under
 *	@lock once the consumer's end is gone
 * @flags: MQSHM_RING_*; written under @lock, read by clients
 * @node: in the runtime's connections, protected by the runtime's lock
 * @told_end: those who watch were told that it ended; protected by the runtime's
 *	lock
 * @given_up: persistent, but taken away: no end waits or comes back; protected by the
 *	runtime's lock, as are the next four
 * @wanted: a block came for an end that is gone
 * @reader: the consumer's block that read the end which the flags tell of, or 0
 * @keep_until_ns: deadline of messages that are kept, else U64_MAX
 * @expired: messages dropped behind that
 * @lock: the ring lock: flags, sleepers, draining
 * @end: by MQSHM_DIR_*: [OUT] is the producer's end
 */
struct mqshm_conn {
	struct rcu_head rcu;
	struct mqshm_runtime *rt;
	u64 id;
	u32 policy;
	u64 keep_ns;
	u32 ring;
	u32 depth;
	u32 shift;
	u64 created_ns;
	struct mqshm_region *producer;
	struct mqshm_region *consumer;
	u32 *flags;
	struct list_head node;
	bool told_end;
	bool given_up;
	bool wanted;
	u64 reader;
	u64 keep_until_ns;
	u64 expired;
	spinlock_t lock;
	struct mqshm_end end[2];
};

/* connect.c */
int mqshm_conn_connect(struct mqshm_runtime *rt, struct mqshm_connect_args *args);
int mqshm_conn_disconnect(struct mqshm_runtime *rt, u64 id);

/* conn.c */
void mqshm_conn_sync(struct mqshm_client *c, struct mqshm_client_sync_args *args);
int mqshm_conn_detach(struct mqshm_client *c, u64 id, struct mqshm_wakes *wakes);
void mqshm_conn_let_go(struct mqshm_conn *conn, unsigned int dir, u32 why, bool for_good,
		       struct mqshm_departed *sum, struct mqshm_wakes *wakes);
void mqshm_conn_offer(struct mqshm_conn *conn, unsigned int dir, struct mqshm_port *port);
void mqshm_conn_describe(const struct mqshm_end *end, char *name, size_t size);
void mqshm_conn_tell_end(struct mqshm_conn *conn, u32 change, struct mqshm_wakes *wakes);
void mqshm_conn_remove(struct mqshm_conn *conn, struct mqshm_wakes *wakes);
void mqshm_conn_free(struct mqshm_conn *conn);
struct mqshm_conn *mqshm_conn_lookup(struct mqshm_runtime *rt, u32 ring);
struct mqshm_conn *mqshm_conn_of(struct mqshm_client *c, u32 ring, unsigned int dir);

/* Exact for the client itself inside its own call, a hint for anybody else. */
static inline bool mqshm_conn_has_end(const struct mqshm_conn *conn,
				      const struct mqshm_client *c, unsigned int dir)
{
	return READ_ONCE(conn->end[dir].client) == c &&
	       READ_ONCE(conn->end[dir].state) == MQSHM_END_ATTACHED;
}

/* It is to stay, and was not taken away; under the runtime's lock. */
static inline bool mqshm_conn_is_persistent(const struct mqshm_conn *conn)
{
	return conn->policy & MQSHM_RING_PERSISTENT && !conn->given_up;
}

/* The connection of which @end is the end @dir. */
static inline struct mqshm_conn *mqshm_end_conn(struct mqshm_end *end, unsigned int dir)
{
	return container_of(end - dir, struct mqshm_conn, end[0]);
}

#endif /* MQSHM_CONN_H */
