// SPDX-License-Identifier: GPL-2.0-only
/*
 * The floor: what any way to move messages through shared memory has to do at least.
 * "line": sender and receiver pass a number in one cache line; "two lines": the number
 * says in which other line the message is, and the answer is made from what was read
 * there; "ring": words of eight bytes, each the number of a slot of memory, a head and a
 * tail, published once in a batch. Nobody counts references, nobody can die, nobody sleeps.
 *
 * The second line must be one that a message needs. Were its place always the same, a
 * processor would read it ahead while it waits for the first; were its content not used,
 * the answer would not depend on it: then two lines take hardly longer than one. Whoever
 * passes messages by reference learns from one line where the other is, as here.
 */
#include <errno.h>
#include <string.h>

#include "../bench.h"

#define WORDS	256
#define LINE	16	/* words, with the one that a processor may fetch beside it */

/**
 * struct raw_link - a ring between two processes
 * @head: words written; published at the end of a batch
 * @tail: words read
 * @words: the ring
 */
struct raw_link {
	_Alignas(128) uint64_t head;
	_Alignas(128) uint64_t tail;
	_Alignas(128) uint64_t words[WORDS];
};

/**
 * struct raw - what all share
 * @links: those of the case
 * @payload: array[slots] of @slot_bytes, of each link
 */
struct raw {
	struct raw_link links[BENCH_LINKS];
	_Alignas(4096) unsigned char payload[];
};

static struct raw *raw;
static size_t slot_bytes, slots, raw_bytes;

/* This process's: links, and where it stands in them. */
static _Thread_local unsigned int ins[BENCH_LINKS], outs[BENCH_LINKS], n_ins, n_outs;
static _Thread_local uint64_t said;
static _Thread_local uint64_t heads[BENCH_LINKS], tails[BENCH_LINKS], seen[BENCH_LINKS];

static const char *ring_missing(const struct bench_case *c)
{
	return c->wait != BENCH_POLL ? "it cannot sleep" : NULL;
}

static const char *ping_only(const struct bench_case *c)
{
	return !c->ping ? "it is for one message at a time" : ring_missing(c);
}

static int raw_open(const struct bench_case *c)
{
	slot_bytes = (c->bytes + 127) / 128 * 128;
	slots = c->depth + c->batch;
	raw_bytes = sizeof(*raw) + slots * slot_bytes * c->n_links;
	raw = bench_shared(raw_bytes);
	return raw ? 0 : -ENOMEM;
}

static void raw_close(const struct bench_case *c)
{
	(void)c;
	bench_unshare(raw, raw_bytes);
}

static int raw_enter(const struct bench_case *c, unsigned int who)
{
	n_ins = bench_ins(c, who);
	n_outs = bench_outs(c, who);
	for (unsigned int i = 0; i < n_ins; i++)
		ins[i] = bench_in(c, who, i);
	for (unsigned int i = 0; i < n_outs; i++)
		outs[i] = bench_out(c, who, i);
	memset(heads, 0, sizeof(heads));
	memset(tails, 0, sizeof(tails));
	memset(seen, 0, sizeof(seen));
	return 0;
}

static unsigned char *slot_at(unsigned int link, uint64_t n)
{
	return raw->payload + (link * slots + n % slots) * slot_bytes;
}

static int ring_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	for (unsigned int o = 0; o < n_outs; o++) {
		struct raw_link *l = &raw->links[outs[o]];

		for (unsigned int i = 0; i < n; i++) {
			while (heads[o] - tails[o] >= c->depth) {
				tails[o] = __atomic_load_n(&l->tail, __ATOMIC_ACQUIRE);
				if (heads[o] - tails[o] >= c->depth) {
					__atomic_store_n(&l->head, heads[o], __ATOMIC_RELEASE);
					bench_relax(c);
				}
			}
			if (c->payload == BENCH_TOUCHED)
				bench_fill(slot_at(outs[o], heads[o]), c->bytes, number + i);
			l->words[heads[o] % WORDS] = heads[o] % slots;
			heads[o]++;
		}
		__atomic_store_n(&l->head, heads[o], __ATOMIC_RELEASE);
	}
	return 0;
}

static int ring_receive(const struct bench_case *c, unsigned int in, unsigned int max)
{
	struct raw_link *l = &raw->links[ins[in]];
	uint64_t tail = l->tail;
	unsigned int n;

	if (seen[in] == tail)
		seen[in] = __atomic_load_n(&l->head, __ATOMIC_ACQUIRE);
	for (n = 0; n < max && tail < seen[in]; n++, tail++) {
		uint64_t slot = l->words[tail % WORDS];

		if (c->payload == BENCH_TOUCHED)
			bench_sum += bench_read(slot_at(ins[in], slot), c->bytes);
		else
			bench_sum = slot;
	}
	if (n)
		__atomic_store_n(&l->tail, tail, __ATOMIC_RELEASE);
	return n;
}

static int line_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	(void)c;
	(void)n;
	__atomic_store_n(&raw->links[outs[0]].head, number + 1, __ATOMIC_RELEASE);
	return 0;
}

static int line_receive(const struct bench_case *c, unsigned int in, unsigned int max)
{
	uint64_t n = __atomic_load_n(&raw->links[ins[in]].head, __ATOMIC_ACQUIRE);

	(void)c;
	(void)max;
	if (n == seen[in])
		return 0;
	seen[in] = n;
	return 1;
}

/* Where the message is that this number tells of: in one of two lines. */
static uint64_t *line_of(struct raw_link *l, uint64_t number)
{
	return &l->words[number % 2 * LINE];
}

static int two_lines_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	struct raw_link *l = &raw->links[outs[0]];

	(void)c;
	(void)n;
	__atomic_store_n(line_of(l, number + 1), said + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&l->head, number + 1, __ATOMIC_RELEASE);
	return 0;
}

static int two_lines_receive(const struct bench_case *c, unsigned int in, unsigned int max)
{
	int n = line_receive(c, in, max);

	if (n)
		said = __atomic_load_n(line_of(&raw->links[ins[in]], seen[in]), __ATOMIC_RELAXED);
	return n;
}

const struct bench_peer bench_ring = {
	.name = "raw ring",
	.missing = ring_missing,
	.open = raw_open,
	.enter = raw_enter,
	.send = ring_send,
	.receive = ring_receive,
	.close = raw_close,
};

const struct bench_peer bench_line = {
	.name = "raw line",
	.missing = ping_only,
	.open = raw_open,
	.enter = raw_enter,
	.send = line_send,
	.receive = line_receive,
	.close = raw_close,
};

const struct bench_peer bench_two_lines = {
	.name = "raw two lines",
	.missing = ping_only,
	.open = raw_open,
	.enter = raw_enter,
	.send = two_lines_send,
	.receive = two_lines_receive,
	.close = raw_close,
};
