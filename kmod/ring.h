/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_RING_H
#define MQSHM_RING_H

#include "conn.h"
#include "region.h"

static inline struct mqshm_ring_producer *mqshm_ring_producer(const struct mqshm_conn *conn)
{
	return mqshm_region_at(conn->producer, 0);
}

static inline struct mqshm_ring_consumer *mqshm_ring_consumer(const struct mqshm_conn *conn)
{
	return mqshm_region_at(conn->consumer, 0);
}

/* Nobody waits for room in a ring that drops, or is woken for it. */
static inline bool mqshm_ring_never_waits(const struct mqshm_conn *conn, unsigned int dir)
{
	return dir == MQSHM_DIR_OUT &&
	       conn->policy & (MQSHM_RING_DROP_NEWEST | MQSHM_RING_DROP_OLDEST);
}

bool mqshm_ring_peek(const struct mqshm_conn *conn, u64 cursor, u64 *slot);
u32 mqshm_ring_count(const struct mqshm_conn *conn, u32 most);
bool mqshm_ring_has_message(const struct mqshm_conn *conn);
bool mqshm_ring_has_room(const struct mqshm_conn *conn);
u64 mqshm_ring_cursor(const struct mqshm_conn *conn);
u32 mqshm_ring_queued(const struct mqshm_conn *conn);
void mqshm_ring_arm(struct mqshm_conn *conn, unsigned int dir, unsigned int sleeper);
void mqshm_ring_disarm(struct mqshm_conn *conn, unsigned int dir, unsigned int sleeper);
void mqshm_ring_wake_locked(struct mqshm_conn *conn, unsigned int dir,
			    struct mqshm_wakes *wakes);
void mqshm_ring_kick(struct mqshm_client *c, u32 ring, struct mqshm_wakes *wakes);
u64 mqshm_ring_drain(struct mqshm_conn *conn, struct mqshm_wakes *wakes);

#endif /* MQSHM_RING_H */
