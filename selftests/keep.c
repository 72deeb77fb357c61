// SPDX-License-Identifier: GPL-2.0-only
/* A source and a sink that come and go, and what a persistent connection between them has. */

#include <errno.h>

#include "keep.h"

int open_sink(struct node *n)
{
	struct node_options options = one_in;

	options.depth = DEPTH;
	return node_open(n, runtime_name(), "sink", &options);
}

int open_source(struct node *n)
{
	return node_open(n, runtime_name(), "source", &one_out);
}

int wait_connected(struct node *n, size_t count)
{
	return node_wait_connections(n, n->in[0] ? n->in[0] : n->out[0], count, PATIENCE_MS);
}

int push_one(struct node *n, uint64_t sequence)
{
	struct mqshm_buffer buf;
	int err = node_alloc(n, sizeof(struct message), SOON, &buf);

	if (err)
		return err;
	message_fill(mqshm_buffer_data(n->client, &buf), 0, sequence);
	err = mqshm_port_push(n->out[0], &buf, 0);
	if (err)
		mqshm_buffer_release(n->client, &buf);
	return err;
}

int pop_one(struct node *n, uint64_t sequence)
{
	struct mqshm_buffer buf;
	int err = mqshm_port_pop(n->in[0], &buf);
	bool good;

	if (err)
		return err;
	good = message_good(mqshm_buffer_data(n->client, &buf), 0, sequence);
	mqshm_buffer_release(n->client, &buf);
	return good ? 0 : -EBADMSG;
}

struct mqshm_connection_record look(int fd, uint64_t id)
{
	struct mqshm_connection_record found = {};
	const struct mqshm_connection_record *r;
	struct snapshot s;

	if (snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s))
		return found;
	r = snapshot_connection(&s, id);
	if (r)
		found = *r;
	snapshot_free(&s);
	return found;
}
