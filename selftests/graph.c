// SPDX-License-Identifier: GPL-2.0-only
/* Small graphs by the library. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "graph.h"
#include "mqshm_test.h"

const struct node_options one_in = { .ins = 1, .spin_ns = UINT64_MAX };
const struct node_options one_out = { .outs = 1, .spin_ns = UINT64_MAX };
const struct node_options one_each = { .ins = 1, .outs = 1, .spin_ns = UINT64_MAX };

static void name_port(char *name, const char *base, unsigned int i, unsigned int n)
{
	if (n == 1)
		snprintf(name, MQSHM_PORT_NAME_LEN, "%s", base);
	else
		snprintf(name, MQSHM_PORT_NAME_LEN, "%s%u", base, i + 1);
}

static int node_add_block(struct node *n, const char *name, const struct node_options *o)
{
	char names[2 * NODE_PORTS][MQSHM_PORT_NAME_LEN];
	struct mqshm_port_spec specs[2 * NODE_PORTS] = {};
	unsigned int i;
	int err;

	for (i = 0; i < o->ins; i++) {
		name_port(names[i], "in", i, o->ins);
		specs[i].name = names[i];
		specs[i].direction = MQSHM_DIR_IN;
		specs[i].depth = o->depth;
	}
	for (i = 0; i < o->outs; i++) {
		name_port(names[o->ins + i], "out", i, o->outs);
		specs[o->ins + i].name = names[o->ins + i];
		specs[o->ins + i].direction = MQSHM_DIR_OUT;
		specs[o->ins + i].flags = o->port_flags;
	}
	err = mqshm_block_create(n->client, name, "Test", MQSHM_CLASS_PROCESSING, specs,
				 o->ins + o->outs, &n->block);
	if (err)
		return err;
	for (i = 0; i < o->ins; i++)
		n->in[i] = mqshm_block_port(n->block, names[i]);
	for (i = 0; i < o->outs; i++)
		n->out[i] = mqshm_block_port(n->block, names[o->ins + i]);
	return 0;
}

int node_open(struct node *n, const char *runtime, const char *name,
	      const struct node_options *options)
{
	struct mqshm_client_options client = {
		.process_name = name,
		.spin_ns = options->spin_ns,
	};
	int err;

	memset(n, 0, sizeof(*n));
	err = mqshm_client_join(runtime, &client, &n->client);
	if (err)
		return err;
	err = node_add_block(n, name, options);
	if (err)
		node_close(n);
	return err;
}

void node_close(struct node *n)
{
	mqshm_client_close(n->client);
	memset(n, 0, sizeof(*n));
}

static void split_name(const char *whole, char *block, char *port, const char *fallback)
{
	const char *colon = strchr(whole, ':');

	snprintf(block, MQSHM_BLOCK_NAME_LEN, "%.*s",
		 (int)(colon ? colon - whole : (long)strlen(whole)), whole);
	snprintf(port, MQSHM_PORT_NAME_LEN, "%s", colon ? colon + 1 : fallback);
}

int graph_connect(int fd, const char *from, const char *to, uint64_t *id)
{
	return graph_connect_as(fd, from, to, ARGS(connect), id);
}

int graph_connect_as(int fd, const char *from, const char *to, struct mqshm_connect_args args,
		     uint64_t *id)
{
	int err;

	split_name(from, args.from_block, args.from_port, "out");
	split_name(to, args.to_block, args.to_port, "in");
	err = command(fd, MQSHM_IOC_CONNECT, &args);
	if (id)
		*id = args.out_id;
	return err;
}

int graph_wait_block(int fd, const char *name, unsigned int ms)
{
	__u64 deadline = after_ms(ms);
	struct snapshot s;
	bool found;
	int err;

	for (;;) {
		err = snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s);
		if (err)
			return err;
		found = snapshot_block(&s, name);
		snapshot_free(&s);
		if (found)
			return 0;
		if (now_ns() > deadline)
			return -ETIMEDOUT;
		sleep_us(500);
	}
}

int node_wait_connections(struct node *n, struct mqshm_port *p, size_t count, unsigned int ms)
{
	__u64 deadline = after_ms(ms);
	int err;

	for (;;) {
		err = mqshm_client_update(n->client);
		if (err < 0)
			return err;
		if (mqshm_port_connections(p) == count)
			return 0;
		err = mqshm_wait(n->client, NULL, 0, deadline, NULL);
		if (err < 0)
			return err;
	}
}

int node_push(struct node *n, struct mqshm_port *p, struct mqshm_buffer *buf, uint64_t deadline_ns)
{
	for (;;) {
		int err = mqshm_port_push(p, buf, 0);

		if (err != -EAGAIN && err != -ENOTCONN)
			return err;
		err = mqshm_wait(n->client, &p, 1, deadline_ns, NULL);
		if (err < 0)
			return err;
	}
}

int node_pop(struct node *n, struct mqshm_port *p, struct mqshm_buffer *buf, uint64_t deadline_ns)
{
	for (;;) {
		int err = mqshm_port_pop(p, buf);

		if (err != -EAGAIN)
			return err;
		err = mqshm_wait(n->client, &p, 1, deadline_ns, NULL);
		if (err < 0)
			return err;
	}
}

int node_alloc(struct node *n, size_t bytes, uint64_t deadline_ns, struct mqshm_buffer *buf)
{
	int err;

	do {
		err = mqshm_buffer_alloc(n->client, bytes, deadline_ns, buf);
	} while (err == -EAGAIN && deadline_ns != MQSHM_NO_WAIT);
	return err;
}

static uint64_t message_sum(const struct message *m)
{
	uint64_t sum = m->sequence * 0x9e3779b97f4a7c15ULL ^ m->source;

	for (size_t i = 0; i < sizeof(m->words) / sizeof(m->words[0]); i++)
		sum = (sum << 7 | sum >> 57) ^ m->words[i];
	return sum;
}

void message_fill(struct message *m, uint32_t source, uint64_t sequence)
{
	m->sequence = sequence;
	m->source = source;
	m->hops = 0;
	for (size_t i = 0; i < sizeof(m->words) / sizeof(m->words[0]); i++)
		m->words[i] = (sequence + i) * 0xd1342543de82ef95ULL;
	m->sum = message_sum(m);
}

bool message_good(const struct message *m, uint32_t source, uint64_t sequence)
{
	return m->sequence == sequence && m->source == source && m->sum == message_sum(m);
}
