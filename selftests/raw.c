// SPDX-License-Identifier: GPL-2.0-only
/* Clients whose cells are stored by hand. */

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "raw.h"

#define PAGE	4096UL
#define RW	(PROT_READ | PROT_WRITE)

static int raw_join(struct raw *r, const char *runtime, const char *block)
{
	struct mqshm_client_join_args join;
	int err;

	r->fd = runtime_open_fd(runtime);
	err = client_join(r->fd, 0, &join);
	if (!err)
		err = block_create(r->fd, block, RAW_DEPTH, NULL, NULL);
	if (err)
		return err;
	r->id = join.out_id;
	r->index = join.out_index;
	r->control = region_map(r->fd, MQSHM_MMAP_CONTROL, 0, PAGE, RW);
	r->hold = region_map(r->fd, MQSHM_MMAP_HOLD, 0, PAGE, RW);
	r->w = region_map(r->fd, MQSHM_MMAP_W, 0, PAGE, RW);
	return r->control && r->hold && r->w ? 0 : -ENOMEM;
}

static int raw_attach(struct raw *r, __u32 direction, __u32 *ring)
{
	bool out = direction == MQSHM_DIR_OUT;
	struct mqshm_event e;
	int err = attach_ring(r->fd, direction, &e);

	if (err)
		return err;
	*ring = e.ring;
	r->producer = region_map(r->fd, MQSHM_MMAP_PRODUCER, e.ring, PAGE, out ? RW : PROT_READ);
	r->consumer = region_map(r->fd, MQSHM_MMAP_CONSUMER, e.ring, PAGE, out ? PROT_READ : RW);
	return r->producer && r->consumer ? 0 : -ENOMEM;
}

int raw_pair_open(struct raw_pair *pair, const char *name)
{
	int err;

	pair->fd = runtime_create_fd(name, 0);
	if (pair->fd < 0)
		return pair->fd;
	err = pool_create(pair->fd, "pool", 64, RAW_BUFFERS, NULL);
	if (!err)
		err = raw_join(&pair->out, name, "out");
	if (!err)
		err = raw_join(&pair->in, name, "in");
	if (!err)
		err = connect_blocks(pair->fd, "out", "in", NULL);
	if (!err)
		err = raw_attach(&pair->out, MQSHM_DIR_OUT, &pair->ring);
	if (!err)
		err = raw_attach(&pair->in, MQSHM_DIR_IN, &pair->ring);
	return err;
}

int raw_lease(struct raw *r)
{
	struct mqshm_lease_args args;
	int err = lease(r->fd, 0, 1, &args);

	return err ? err : (int)args.buffers[0];
}

static void store(void *cell, __u64 value, size_t bytes)
{
	if (bytes == 2)
		*(volatile __u16 *)cell = value;
	else
		*(volatile __u64 *)cell = value;
	__asm__ __volatile__("" ::: "memory");
}

static void intend(struct raw *r, __u64 intent)
{
	store(&r->control->intent, intent, 8);
}

void raw_push(struct raw_pair *pair, __u32 buffer, unsigned int steps)
{
	struct raw *r = &pair->out;
	__u64 t = r->producer->tail;
	__u16 h = r->hold[buffer];

	intend(r, MQSHM_INTENT(MQSHM_OP_PUSH, t & 1, buffer, h, 1, pair->ring));
	if (steps > 1)
		store(&r->producer->slots[t % RAW_DEPTH],
		      MQSHM_SLOT(buffer, 7, MQSHM_LAP(t, RAW_SHIFT)), 8);
	if (steps > 2)
		store(&r->hold[buffer], h - 1, 2);
	if (steps > 3)
		store(&r->producer->tail, t + 1, 8);
}

void raw_pop(struct raw_pair *pair, unsigned int steps)
{
	struct raw *r = &pair->in;
	__u64 p = r->consumer->phead;
	__u32 buffer = MQSHM_SLOT_BUFFER(r->producer->slots[p % RAW_DEPTH]);
	__u16 h = r->hold[buffer];

	intend(r, MQSHM_INTENT(MQSHM_OP_POP, p & 1, buffer, h, 1, pair->ring));
	if (steps > 1)
		store(&r->consumer->phead, p + 1, 8);
	if (steps > 2)
		store(&r->hold[buffer], h + 1, 2);
	if (steps > 3)
		store(&r->consumer->head, p + 1, 8);
}

void raw_dup(struct raw *r, __u32 buffer, __u8 n, unsigned int steps)
{
	__u64 bit = MQSHM_W_TOGGLE(r->index);
	__u64 w = r->w[buffer];
	__u16 h = r->hold[buffer];

	intend(r, MQSHM_INTENT(MQSHM_OP_DUP, !!(w & bit), buffer, h, n, 0));
	if (steps > 1)
		__atomic_fetch_add(&r->w[buffer], n + (w & bit ? -bit : bit), __ATOMIC_SEQ_CST);
	if (steps > 2)
		store(&r->hold[buffer], h + n, 2);
}

void raw_release(struct raw *r, __u32 buffer, unsigned int steps)
{
	__u64 bit = MQSHM_W_TOGGLE(r->index);
	__u64 w = r->w[buffer];
	__u16 h = r->hold[buffer];

	intend(r, MQSHM_INTENT(MQSHM_OP_RELEASE, !!(w & bit), buffer, h, 1, 0));
	if (steps > 1)
		__atomic_fetch_add(&r->w[buffer], -1 + (w & bit ? -bit : bit), __ATOMIC_SEQ_CST);
	if (steps > 2)
		store(&r->hold[buffer], h - 1, 2);
}
