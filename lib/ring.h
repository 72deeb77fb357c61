/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* This client's end of a ring: mapping, attaching and detaching it. */
#ifndef LIB_RING_H
#define LIB_RING_H

#include "protocol.h"

struct mqshm_client;
struct mqshm_port;

/* The producer does something about these, and about these the consumer. */
#define RING_TX_ASKS	(MQSHM_RING_SLEEPING | MQSHM_RING_CLOSED)
#define RING_RX_ASKS	MQSHM_RING_PSLEEPING
/* Its producer does not wait for room. */
#define RING_DROPS	(MQSHM_RING_DROP_NEWEST | MQSHM_RING_DROP_OLDEST)
/* Nothing comes any more. */
#define RING_ENDS	(MQSHM_RING_EOF | MQSHM_RING_DEAD | MQSHM_RING_DISCONNECTED | \
			 MQSHM_RING_CLOSED)

/**
 * struct ring - one end of a ring
 * @tx: producer's end, if @out
 * @rx: consumer's end, if not
 * @out: which of them
 * @drops: producer's end: does not wait for room, by its policy
 * @swaps: it drops the oldest: both ends swap phead
 * @tap: producer's end: it only looks on
 * @replaced: consumer's end: it was lost, and another has come in its place
 * @passed_over: producer's end: does not get the message that is being pushed
 * @held_back: pushes that were not flushed, or pops not published
 * @unpublished: pops since the head was published
 * @publish_every: when to publish it
 * @next: consumer's end: of a ring that drops the oldest, the cursor behind the last pop;
 *	of one that drops the newest, messages dropped before that count for nobody here
 * @missed: consumer's end of a ring that drops the oldest: dropped before the last pop
 * @number: number of the ring
 * @port: this client's port; NULL once detached
 * @id: number of the connection
 * @producer: mapped producer's part, @producer_bytes
 * @consumer: mapped consumer's part
 * @producer_bytes: size of that mapping
 */
struct ring {
	union {
		struct proto_tx tx;
		struct proto_rx rx;
	};
	bool out;
	bool drops;
	bool swaps;
	bool tap;
	bool replaced;
	bool passed_over;
	bool held_back;
	uint32_t unpublished;
	uint32_t publish_every;
	uint64_t next;
	uint64_t missed;
	uint32_t number;
	struct mqshm_port *port;
	uint64_t id;
	struct mqshm_ring_producer *producer;
	struct mqshm_ring_consumer *consumer;
	size_t producer_bytes;
};

static inline uint32_t ring_flags(const struct ring *k)
{
	return k->out ? proto_tx_flags(&k->tx) : proto_rx_flags(&k->rx);
}

/* Whether it has a message; @slot is what that says, not to be trusted. */
static inline bool ring_peek(const struct ring *k, uint64_t *slot)
{
	uint64_t word;

	return k->swaps ? proto_peek_word(&k->rx, &word, slot) : proto_peek(&k->rx, slot);
}

/* Messages that the consumer's end did not get, as far as that is known. */
uint64_t mqshm_ring_missed(const struct ring *k);
/* Takes an end that SYNC told of; lets it go again if that fails. */
int mqshm_ring_attach(struct mqshm_client *c, const struct mqshm_event *ev);
/* Lets go of an end: tells the kernel, unmaps, frees, counts how it ended. */
void mqshm_ring_detach(struct mqshm_client *c, struct ring *k, uint32_t flags);
/* Unmaps and frees it, without a word to the kernel. */
void mqshm_ring_forget(struct mqshm_client *c, struct ring *k);
/* Unmaps it. */
void mqshm_ring_unmap(struct ring *k);
/* Detaches it if nothing is or comes in it any more; true if it did. */
bool mqshm_ring_reap(struct mqshm_client *c, struct ring *k);
/* Pops have been committed: shows the producer how far, wakes it. */
void mqshm_ring_publish(struct mqshm_client *c, struct ring *k);

/* KICK for many rings at a time: begin, any number of rings, end. */
static inline void mqshm_ring_kick_begin(struct mqshm_kick_args *kick)
{
	kick->flags = 0;
	kick->count = 0;
	kick->reserved = 0;
}

void mqshm_ring_kick(struct mqshm_client *c, struct mqshm_kick_args *kick, uint32_t ring);
void mqshm_ring_kick_end(struct mqshm_client *c, struct mqshm_kick_args *kick);

#endif /* LIB_RING_H */
