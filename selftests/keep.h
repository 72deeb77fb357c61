/* SPDX-License-Identifier: GPL-2.0-only */
/* A source and a sink that come and go, and what a persistent connection between them has. */
#ifndef KEEP_H
#define KEEP_H

#include "graph.h"
#include "mqshm_test.h"

#define BUFFERS	64
#define DEPTH	8
#define SOON	after_ms(PATIENCE_MS)
#define STAYS	MQSHM_CONNECT_F_PERSISTENT
#define KEEPS	(MQSHM_CONNECT_F_PERSISTENT | MQSHM_CONNECT_F_KEEP)

/* The block "sink", whose input has room for DEPTH messages, and the block "source". */
int open_sink(struct node *n);
int open_source(struct node *n);
/* Waits until the node's one port has that many connections. */
int wait_connected(struct node *n, size_t count);

/* A message with that number; -EBADMSG if it is another. */
int push_one(struct node *n, uint64_t sequence);
int pop_one(struct node *n, uint64_t sequence);

/* How the connection is listed; all zero if it is not. */
struct mqshm_connection_record look(int fd, uint64_t id);

/*
 * A fixture with a runtime, and a source and a sink that are not there yet. Whatever is
 * kept goes with the connection: then all buffers are free.
 */
#define KEEP_FIXTURE(name) \
FIXTURE(name) \
{ \
	int fd; \
	struct node source; \
	struct node sink; \
	uint64_t id; \
	uint64_t sent; \
	uint64_t seen; \
}; \
FIXTURE_SETUP(name) \
{ \
	self->fd = device_open(); \
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE); \
	ASSERT_EQ(0, runtime_create_mode(self->fd, runtime_name(), MQSHM_RUNTIME_F_PERSISTENT, \
					 0777, MQSHM_GID_SELF)); \
	ASSERT_EQ(0, pool_create(self->fd, "pool", sizeof(struct message), BUFFERS, NULL)); \
} \
FIXTURE_TEARDOWN(name) \
{ \
	struct tally t; \
	node_close(&self->source); \
	node_close(&self->sink); \
	id_command(self->fd, MQSHM_IOC_DISCONNECT, self->id); \
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, PATIENCE_MS)); \
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED); \
	EXPECT_EQ(0, runtime_remove(self->fd, 0, NULL)); \
}

/* Source and sink, connected as the arguments of CONNECT say. */
#define OPEN_PAIR(...) \
do { \
	ASSERT_EQ(0, open_source(&self->source)); \
	ASSERT_EQ(0, open_sink(&self->sink)); \
	ASSERT_EQ(0, graph_connect_as(self->fd, "source", "sink", ARGS(connect, __VA_ARGS__), \
				      &self->id)); \
	ASSERT_EQ(0, wait_connected(&self->source, 1)); \
	ASSERT_EQ(0, wait_connected(&self->sink, 1)); \
} while (0)

/* So many messages: numbers in a row, each pushed and popped once. */
#define PUSH(n) \
do { \
	for (int i_ = 0; i_ < (n); i_++) \
		ASSERT_EQ(0, push_one(&self->source, self->sent++)); \
} while (0)

#define POP(n) \
do { \
	for (int i_ = 0; i_ < (n); i_++) \
		ASSERT_EQ(0, pop_one(&self->sink, self->seen++)); \
} while (0)

#endif /* KEEP_H */
