/* SPDX-License-Identifier: GPL-2.0-only */
/* What the tests of the harness have in common: TAP, random numbers, nodes of a graph. */
#ifndef HOST_TEST_H
#define HOST_TEST_H

#include <mqshm.h>
#include <stdbool.h>
#include <stdint.h>

#include "host.h"

/* One line of TAP; returns @good. */
__attribute__((format(printf, 2, 3))) bool test_ok(bool good, const char *format, ...);
/* A comment in the log. */
__attribute__((format(printf, 1, 2))) void test_note(const char *format, ...);
/* Ends a process that cannot go on: 'what: why'. */
__attribute__((noreturn)) void test_die(const char *what, int error);
/* The version that the module seems to speak. */
extern uint32_t sys_version;
/* The plan; what main() returns. */
int test_end(void);

/* Memory that all forked processes share, zeroed. */
void *test_shared(size_t bytes);

static inline void test_check(int error, const char *what)
{
	if (error < 0)
		test_die(what, error);
}

/* xorshift64*: the same numbers from the same seed. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dULL;
}

static inline uint64_t random_below(uint64_t *state, uint64_t n)
{
	return (random_next(state) >> 11) % n;
}

/**
 * struct stamp - what the tests put into a buffer
 * @source: who filled it
 * @sequence: counts his messages
 * @sum: made of both
 */
struct stamp {
	uint64_t source;
	uint64_t sequence;
	uint64_t sum;
};

static inline uint64_t stamp_sum(const struct stamp *s)
{
	return (s->sequence ^ s->source << 32) * 0x9e3779b97f4a7c15ULL + 1;
}

#define RUNTIME	"test"

/* A runtime of that name with one pool of that many buffers. */
struct mqshm_runtime *runtime_make(uint32_t buffer_bytes, uint32_t buffers);

/**
 * struct node - a client with one block
 * @client: the client
 * @block: its block
 * @in: its inputs, in order
 * @out: its outputs, in order
 * @connections: if not NULL: where node_report() tells how many its inputs and its
 *	outputs have, by MQSHM_DIR_*
 */
struct node {
	struct mqshm_client *client;
	struct mqshm_block *block;
	struct mqshm_port *in[4];
	struct mqshm_port *out[4];
	uint64_t *connections;
};

/* Ports in1... and out1..., @depth of each input; @spin_ns as the library's. */
void node_make(struct node *n, const char *name, unsigned int ins, unsigned int outs,
	       uint32_t depth, uint64_t spin_ns);
void node_report(struct node *n);
/* Push, pop and allocate; sleep when they must, end the process on other errors, report. */
void node_push(struct node *n, struct mqshm_port *p, struct mqshm_buffer *buf, uint32_t flags);
/* -ENODATA at the end. */
int node_pop(struct node *n, struct mqshm_port *p, struct mqshm_buffer *buf);
void node_alloc(struct node *n, size_t bytes, struct mqshm_buffer *buf);

#endif /* HOST_TEST_H */
