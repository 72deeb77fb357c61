/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Victims: processes that hold buffers in the test's runtime and come to an end, one
 * way or another; and what became of what they held. For tests of the kernel's
 * harness, which is included before this.
 */
#ifndef VICTIM_H
#define VICTIM_H

#include "mqshm_test.h"

/**
 * struct stage - what a victim and its parent tell each other, in shared memory
 * @hold: buffers that it shall hold
 * @id: number of its client
 * @ports: input and output of its block
 * @ready: it holds them
 * @helper: process that outlives the victim
 * @go: helper or victim may go on
 * @seen: what it saw then
 */
struct stage {
	volatile unsigned int hold;
	volatile uint64_t id;
	uint32_t ports[2];
	volatile int ready;
	volatile pid_t helper;
	volatile int go;
	volatile int seen;
};

extern struct stage *stage;

/* A runtime with one pool, and the stage; a descriptor or -errno. */
int victim_runtime(unsigned int buffer_bytes, unsigned int buffers, unsigned int hold);
/* Becomes a client that holds its buffers and has a block; its descriptor. */
int victim_join(int flags);
void victim_sleep(void) __attribute__((noreturn));
/* In the parent: until it is ready; until it sleeps in a system call after that. */
bool victim_await(void);
bool victim_await_asleep(pid_t pid);
/* Lets a helper go on and waits until it has seen something. */
int victim_go(void);

/* Its state and what it holds, while it is a client: whether it is one. */
bool victim_look(int fd, struct mqshm_client_record *out);
bool victim_listed(int fd);
/* Whether it goes within @ms; what is then remembered of it. */
bool victim_gone_within(int fd, unsigned int ms, struct mqshm_departed_record *out);

/* Dead by now, but its memory is not: it is shown, with all that it holds. */
#define EXPECT_EXITING() \
do { \
	struct mqshm_client_record r; \
	EXPECT_TRUE(victim_look(self->fd, &r)); \
	EXPECT_EQ(MQSHM_CLIENT_EXITING, r.state); \
	EXPECT_EQ(stage->hold, r.held_buffers); \
} while (0)

/* It is gone by now, with all that it held, in the way that is said. */
#define EXPECT_SETTLED(way) \
do { \
	struct tally t; \
	EXPECT_TRUE(victim_gone_within(self->fd, 0, &self->departed)); \
	EXPECT_EQ(way, self->departed.how); \
	EXPECT_EQ(stage->hold, self->departed.refs); \
	EXPECT_EQ(0, tally_take(self->fd, &t)); \
	EXPECT_TRUE(tally_all_free(&t)); \
} while (0)

/*
 * A fixture in which each test runs twice: with buffers in plenty, and with a pool of
 * three, of which the victim holds all but one.
 */
#define VICTIM_FIXTURE(name) \
FIXTURE(name) \
{ \
	int fd; \
	struct mqshm_departed_record departed; \
}; \
FIXTURE_VARIANT(name) \
{ \
	unsigned int buffers; \
	unsigned int hold; \
}; \
FIXTURE_VARIANT_ADD(name, of_64) { .buffers = 64, .hold = 5 }; \
FIXTURE_VARIANT_ADD(name, of_3) { .buffers = 3, .hold = 2 }; \
FIXTURE_SETUP(name) \
{ \
	self->fd = victim_runtime(64, variant->buffers, variant->hold); \
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE); \
} \
FIXTURE_TEARDOWN(name) \
{ \
	struct tally t; \
	if (stage->helper) \
		kill(stage->helper, SIGKILL); \
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, PATIENCE_MS)); \
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED); \
}

#endif /* VICTIM_H */
