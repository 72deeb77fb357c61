/* SPDX-License-Identifier: GPL-2.0-only */
/* The message bus by ioctl and read: subscribers, publishing, the records of a read. */
#ifndef BUS_H
#define BUS_H

#include "mqshm_test.h"

/**
 * struct record - a message as it was read
 * @head: all but the payload
 * @payload: and what follows it up to head.bytes
 */
struct record {
	struct mqshm_bus_message head;
	char payload[MQSHM_BUS_PAYLOAD_MAX];
};

/**
 * struct inbox - a subscriber
 * @fd: its descriptor; it does not sleep in read
 * @id: its number
 * @have: bytes in @room
 * @next: of them, where the next record begins
 * @m: the record that was read last
 */
struct inbox {
	int fd;
	__u64 id;
	size_t have;
	size_t next;
	struct record m;
	char room[4 * sizeof(struct record)];
};

/* A descriptor that is bound becomes a subscriber; @id may be NULL. */
int bus_open(int fd, __u64 owner, __u32 depth, __u64 *id);
int bus_subscribe(int fd, const char *prefix);
/* The same with a descriptor of its own, and one prefix. */
int inbox_open(struct inbox *in, __u64 owner, __u32 depth, const char *prefix);

/* Number of queues that a message with a text went into, or -errno. */
int bus_publish(int fd, const char *topic, const char *text);
int bus_publish_to(int fd, const char *topic, const char *text, __u64 target);

/* The next record: 1, 0 at the end, or -errno (-EAGAIN: none now). */
int inbox_next(struct inbox *in);

/* The next record is a message with that text; or marks that so many are lost. */
#define EXPECT_MESSAGE(in, text) \
do { \
	ASSERT_EQ(1, inbox_next(in)); \
	EXPECT_EQ(0U, (in)->m.head.flags); \
	EXPECT_STREQ(text, (in)->m.payload); \
} while (0)

#define EXPECT_LOST(in, count) \
do { \
	ASSERT_EQ(1, inbox_next(in)); \
	EXPECT_EQ(MQSHM_BUS_LOST, (in)->m.head.flags); \
	EXPECT_EQ((__u64)(count), (in)->m.head.lost); \
} while (0)

#define EXPECT_EMPTY(in) EXPECT_EQ(-EAGAIN, inbox_next(in))

/* A payload: the number as text, borrowed until the next call. */
const char *number_text(unsigned int i);

/**
 * struct bus_child - what a child that subscribes or publishes shares with the test
 * @fd: a descriptor
 * @block: number of a block of the parent's
 * @ready: the child is
 * @go: it may go on
 * @id: what it got
 */
struct bus_child {
	int fd;
	__u64 block;
	volatile int ready;
	volatile int go;
	volatile __u64 id;
};

/* Sleeps until it is set. */
void flag_wait(volatile int *flag);

/*
 * A fixture with a runtime, which fd holds (bound only), a client of this process by
 * its descriptor and number, its block "a", and a subscriber to "t" with a queue of
 * eight.
 */
#define BUS_FIXTURE(name) \
FIXTURE(name) \
{ \
	int fd; \
	int client; \
	__u64 client_id; \
	__u64 block; \
	struct inbox in; \
}; \
FIXTURE_SETUP(name) \
{ \
	struct mqshm_client_join_args join; \
	self->fd = runtime_create_fd(runtime_name(), 0); \
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE); \
	self->client = runtime_open_fd(runtime_name()); \
	ASSERT_EQ(0, client_join(self->client, 0, &join)); \
	self->client_id = join.out_id; \
	ASSERT_EQ(0, block_create(self->client, "a", 0, NULL, &self->block)); \
	ASSERT_EQ(0, inbox_open(&self->in, 0, 8, "t")); \
} \
FIXTURE_TEARDOWN(name) \
{ \
}

#endif /* BUS_H */
