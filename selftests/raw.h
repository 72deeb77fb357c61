/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two clients with a ring between them and all their cells mapped: for tests that
 * store by hand what the library would store, or what it never would.
 */
#ifndef RAW_H
#define RAW_H

#include "mqshm_test.h"

#define RAW_SHIFT	3
#define RAW_DEPTH	8
#define RAW_BUFFERS	64

/**
 * struct raw - one client
 * @fd: its descriptor
 * @id: number of the client
 * @index: its toggle
 * @control: its page
 * @hold: its hold row, as far as the pool goes
 * @w: W words of the pool
 * @producer: producer's part of the ring
 * @consumer: consumer's part
 */
struct raw {
	int fd;
	__u64 id;
	__u32 index;
	struct mqshm_control *control;
	__u16 *hold;
	__u64 *w;
	struct mqshm_ring_producer *producer;
	struct mqshm_ring_consumer *consumer;
};

/**
 * struct raw_pair - a producer and a consumer in a runtime of their own
 * @fd: descriptor that is only bound
 * @out: the producer
 * @in: the consumer
 * @ring: number of the ring
 */
struct raw_pair {
	int fd;
	struct raw out;
	struct raw in;
	__u32 ring;
};

int raw_pair_open(struct raw_pair *pair, const char *name);
/* Number of a leased buffer, or -errno. */
int raw_lease(struct raw *r);

/*
 * One operation, as far as @steps says: 1 the intent, 2 the committing store, then
 * what follows from it one by one; 9 is all.
 */
void raw_push(struct raw_pair *pair, __u32 buffer, unsigned int steps);
void raw_pop(struct raw_pair *pair, unsigned int steps);
void raw_dup(struct raw *r, __u32 buffer, __u8 n, unsigned int steps);
void raw_release(struct raw *r, __u32 buffer, unsigned int steps);

#endif /* RAW_H */
