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

#endif /* BUS_H */
