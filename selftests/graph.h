/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Small graphs by the library: nodes (a client with one block), connections,
 * pushes and pops that wait. Functions return 0 or -errno.
 */
#ifndef GRAPH_H
#define GRAPH_H

#include <mqshm.h>
#include <stdbool.h>

#define NODE_PORTS	4

/**
 * struct node - a client with one block
 * @client: the client
 * @block: its block
 * @in: inputs "in", or "in1" to "in4" if there are several
 * @out: outputs, likewise
 */
struct node {
	struct mqshm_client *client;
	struct mqshm_block *block;
	struct mqshm_port *in[NODE_PORTS];
	struct mqshm_port *out[NODE_PORTS];
};

/**
 * struct node_options - what is not as usual
 * @ins: inputs
 * @outs: outputs
 * @depth: of each input, 0 for the default
 * @spin_ns: as in struct mqshm_client_options
 * @port_flags: of outputs
 */
struct node_options {
	unsigned int ins;
	unsigned int outs;
	uint32_t depth;
	uint64_t spin_ns;
	uint32_t port_flags;
};

/* One port "in", one port "out", one of each; waits never spin. */
extern const struct node_options one_in, one_out, one_each;

int node_open(struct node *n, const char *runtime, const char *name,
	      const struct node_options *options);
void node_close(struct node *n);

/* Connects two blocks ("block" or "block:port"). */
int graph_connect(int fd, const char *from, const char *to, uint64_t *id);
/* With the flags and the policy of @args. */
int graph_connect_as(int fd, const char *from, const char *to, struct mqshm_connect_args args,
		     uint64_t *id);
/* Waits until a block of that name is there; -ETIMEDOUT. */
int graph_wait_block(int fd, const char *name, unsigned int ms);

/* Waits until the port has that many connections. */
int node_wait_connections(struct node *n, struct mqshm_port *p, size_t count, unsigned int ms);

/* Push and pop that sleep when they must; errors as the library's, -ETIMEDOUT. */
int node_push(struct node *n, struct mqshm_port *p, struct mqshm_buffer *buf, uint64_t deadline_ns);
int node_pop(struct node *n, struct mqshm_port *p, struct mqshm_buffer *buf, uint64_t deadline_ns);
/* Allocates, calling again when the graph changed meanwhile. */
int node_alloc(struct node *n, size_t bytes, uint64_t deadline_ns, struct mqshm_buffer *buf);

/**
 * struct message - what the tests put into a buffer
 * @sequence: counts the messages of a source
 * @source: which source
 * @hops: blocks that passed it on
 * @words: made from the sequence
 * @sum: over all that comes before, hops apart
 */
struct message {
	uint64_t sequence;
	uint32_t source;
	uint32_t hops;
	uint64_t words[5];
	uint64_t sum;
};

void message_fill(struct message *m, uint32_t source, uint64_t sequence);
bool message_good(const struct message *m, uint32_t source, uint64_t sequence);

#endif /* GRAPH_H */
