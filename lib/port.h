/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks of a client and their ports. */
#ifndef LIB_PORT_H
#define LIB_PORT_H

#include <mqshm.h>

#include "client.h"
#include "ring.h"

/**
 * struct mqshm_port - a port
 * @client: that it belongs to
 * @rings: array[@n_rings] of attached rings, room for @rings_room
 * @n_rings: their number
 * @rings_room: room in @rings
 * @n_dropping: output: rings that drop
 * @n_taps: output: of these, those that only look on
 * @overrun: output: the push that is under way dropped something
 * @turn: input: ring to be served next
 * @burst: input: messages taken from it in a row
 * @number: of the port
 * @out: direction
 * @optional: output: discards without connection
 * @ended: output: announced the end
 * @end_seen: input: the program was told of the end
 * @had: a connection that was no tap of this output was there once
 * @lost: input: connections lost without an announced end and not replaced
 * @deaths: connections lost by death
 * @disconnects: connections lost by being taken away
 * @missed: input: messages dropped on the way, of connections that are gone
 * @messages: that went through
 * @bytes: payload bytes that went through
 * @discarded: output: messages that went nowhere
 * @block: that it belongs to
 * @name: its name
 */
struct mqshm_port {
	struct mqshm_client *client;
	struct ring **rings;
	size_t n_rings;
	size_t rings_room;
	size_t n_dropping;
	size_t n_taps;
	bool overrun;
	size_t turn;
	uint32_t burst;
	uint32_t number;
	bool out;
	bool optional;
	bool ended;
	bool end_seen;
	bool had;
	uint32_t lost;
	uint64_t deaths;
	uint64_t disconnects;
	uint64_t missed;
	uint64_t messages;
	uint64_t bytes;
	uint64_t discarded;
	struct mqshm_block *block;
	char name[MQSHM_PORT_NAME_LEN];
};

/**
 * struct mqshm_block - a block
 * @client: that it belongs to
 * @next: next of the client
 * @id: its number
 * @slot: which of its client's statistics is for it
 * @stop: it was asked to end
 * @failed: it goes because it failed
 * @n_ports: number of ports
 * @ports: its ports
 */
struct mqshm_block {
	struct mqshm_client *client;
	struct mqshm_block *next;
	uint64_t id;
	uint32_t slot;
	bool stop;
	bool failed;
	size_t n_ports;
	struct mqshm_port ports[];
};

/* NULL: no port or block of this client. */
struct mqshm_port *mqshm_block_find_port(struct mqshm_client *c, uint32_t number);
struct mqshm_block *mqshm_block_find(struct mqshm_client *c, uint64_t id);
/* Frees it without a word to the kernel. */
void mqshm_block_free(struct mqshm_block *b);

/* As the public ones, inside a call. */
bool mqshm_port_look(struct mqshm_port *p);	/* input: has a message */
bool mqshm_port_is_ended(const struct mqshm_port *p);
bool mqshm_port_is_final(const struct mqshm_port *p);	/* input: its end was announced */
bool mqshm_port_is_ready(struct mqshm_port *p);
/* The same for one who knows of that many messages: with more, or when no more come. */
bool mqshm_port_has_more(struct mqshm_port *p, uint32_t known);

/* Drops a reference of a buffer in @p's client. */
void mqshm_buffer_drop(struct mqshm_client *c, struct pool *p, uint32_t b);
/* References to @b, for a fan-out to @n more. */
int mqshm_buffer_dup(struct mqshm_client *c, struct pool *p, uint32_t b, uint32_t n);

/* The pool of a buffer that the client holds and may push; NULL if it is none. */
static inline struct pool *buffer_pool(struct mqshm_client *c, const struct mqshm_buffer *buf)
{
	struct pool *p;

	if (unlikely(buf->number >= c->buffers_max || !c->cells.hold[buf->number]))
		return NULL;
	p = client_pool(c, buf->number);
	return p && buf->length <= p->buffer_bytes ? p : NULL;
}

#endif /* LIB_PORT_H */
