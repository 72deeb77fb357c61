// SPDX-License-Identifier: LGPL-2.1-or-later
/* Snapshots: the kernel's records, sorted into arrays by kind. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runtime.h"
#include "sys.h"

#define FIRST_BYTES	(32u << 10)
#define SLACK_BYTES	(16u << 10)	/* for what comes up between two queries */

/* Where records of one kind go. */
struct kind {
	size_t bytes;		/* of the record as this library knows it */
	size_t array;		/* offset of the array in struct mqshm_snapshot */
	size_t count;		/* offset of its count */
	size_t name;		/* offset of the name in the record, 0 for none */
	size_t name_bytes;
};

#define KIND(tag, plural) {						\
	.bytes = sizeof(struct mqshm_##tag##_record),			\
	.array = offsetof(struct mqshm_snapshot, plural),		\
	.count = offsetof(struct mqshm_snapshot, n_##plural),		\
	.name = offsetof(struct mqshm_##tag##_record, name),		\
	.name_bytes = sizeof(((struct mqshm_##tag##_record *)0)->name),	\
}

static const struct kind kinds[] = {
	[MQSHM_RECORD_RUNTIME] = KIND(runtime, runtimes),
	[MQSHM_RECORD_POOL] = KIND(pool, pools),
	[MQSHM_RECORD_CLIENT] = KIND(client, clients),
	[MQSHM_RECORD_BLOCK] = KIND(block, blocks),
	[MQSHM_RECORD_PORT] = KIND(port, ports),
	[MQSHM_RECORD_CONNECTION] = {
		.bytes = sizeof(struct mqshm_connection_record),
		.array = offsetof(struct mqshm_snapshot, connections),
		.count = offsetof(struct mqshm_snapshot, n_connections),
	},
	[MQSHM_RECORD_DEPARTED] = KIND(departed, departed),
};

#define N_KINDS	(sizeof(kinds) / sizeof(kinds[0]))

static void **array_of(struct mqshm_snapshot *snap, const struct kind *kind)
{
	return (void **)((char *)snap + kind->array);
}

static size_t *count_of(struct mqshm_snapshot *snap, const struct kind *kind)
{
	return (size_t *)((char *)snap + kind->count);
}

/* NULL for a kind that this library does not know. */
static const struct kind *kind_of(const struct mqshm_record *head)
{
	if (head->kind >= N_KINDS || !kinds[head->kind].bytes)
		return NULL;
	return &kinds[head->kind];
}

/* The record at @at, NULL at the end, and at what is none. */
static const struct mqshm_record *record_at(const char *data, size_t bytes, size_t at)
{
	const struct mqshm_record *head = (const void *)(data + at);

	if (bytes - at < sizeof(*head) || head->bytes < sizeof(*head) ||
	    head->bytes % 8 || head->bytes > bytes - at)
		return NULL;
	return head;
}

/* A shorter record of an older kernel gets zeros, a longer one is cut. */
static void record_copy(void *to, const struct mqshm_record *head, const struct kind *kind)
{
	memset(to, 0, kind->bytes);
	memcpy(to, head, head->bytes < kind->bytes ? head->bytes : kind->bytes);
	((struct mqshm_record *)to)->bytes = (uint32_t)kind->bytes;
	if (kind->name)
		((char *)to)[kind->name + kind->name_bytes - 1] = '\0';
}

static int snapshot_parse(struct mqshm_snapshot *snap, const char *data, size_t bytes)
{
	size_t counts[N_KINDS] = { 0 };
	const struct mqshm_record *head;
	size_t at, i;

	for (at = 0; at < bytes; at += head->bytes) {
		head = record_at(data, bytes, at);
		if (!head)
			return -EPROTO;
		if (kind_of(head))
			counts[head->kind]++;
	}
	for (i = 0; i < N_KINDS; i++) {
		if (!counts[i])
			continue;
		*array_of(snap, &kinds[i]) = calloc(counts[i], kinds[i].bytes);
		if (!*array_of(snap, &kinds[i]))
			return -ENOMEM;
	}
	for (at = 0; at < bytes; at += head->bytes) {
		const struct kind *kind;

		head = record_at(data, bytes, at);
		kind = kind_of(head);
		if (!kind)
			continue;
		record_copy((char *)*array_of(snap, kind) +
			    (*count_of(snap, kind))++ * kind->bytes, head, kind);
	}
	return 0;
}

/* Raw records into malloc()ed memory. */
static int records_query(int fd, struct mqshm_query_args *args, char **data)
{
	size_t bytes = FIRST_BYTES;
	int r;

	for (;;) {
		*data = malloc(bytes);
		if (!*data)
			return -ENOMEM;
		args->buffer = (uintptr_t)*data;
		args->buffer_bytes = bytes;
		args->out_bytes = 0;
		r = mqshm_sys_ioctl(fd, MQSHM_IOC_QUERY, args);
		if (!r)
			return 0;
		free(*data);
		if (r != -ENOBUFS || bytes >= MQSHM_QUERY_BYTES_MAX)
			return r;
		if (args->out_bytes + SLACK_BYTES > 2 * bytes)
			bytes = args->out_bytes + SLACK_BYTES;
		else
			bytes *= 2;
		if (bytes > MQSHM_QUERY_BYTES_MAX)
			bytes = MQSHM_QUERY_BYTES_MAX;
	}
}

int mqshm_snapshot_query(int fd, uint32_t what, struct mqshm_snapshot **out)
{
	struct mqshm_query_args args = { .size = sizeof(args), .what = what };
	struct mqshm_snapshot *snap = calloc(1, sizeof(*snap));
	char *data;
	int r;

	if (!snap)
		return -ENOMEM;
	r = records_query(fd, &args, &data);
	if (r) {
		free(snap);
		return r;
	}
	snap->now_ns = args.out_now_ns;
	snap->changes = args.out_changes;
	r = snapshot_parse(snap, data, args.out_bytes);
	free(data);
	if (r) {
		mqshm_snapshot_free(snap);
		return r;
	}
	*out = snap;
	return 0;
}

int mqshm_runtimes_snapshot(struct mqshm_snapshot **out)
{
	int fd = mqshm_device_open();
	int r;

	if (fd < 0)
		return fd;
	r = mqshm_snapshot_query(fd, MQSHM_QUERY_RUNTIMES, out);
	mqshm_sys_close(fd);
	return r;
}

int mqshm_runtime_snapshot(struct mqshm_runtime *rt, struct mqshm_snapshot **out)
{
	return mqshm_snapshot_query(rt->fd, MQSHM_QUERY_RUNTIME, out);
}

void mqshm_snapshot_free(struct mqshm_snapshot *snap)
{
	size_t i;

	if (!snap)
		return;
	for (i = 0; i < N_KINDS; i++) {
		if (kinds[i].bytes)
			free(*array_of(snap, &kinds[i]));
	}
	free(snap);
}

const struct mqshm_block_record *
mqshm_snapshot_find_block(const struct mqshm_snapshot *snap, const char *name)
{
	size_t i;

	for (i = 0; i < snap->n_blocks; i++) {
		if (!strcmp(snap->blocks[i].name, name))
			return &snap->blocks[i];
	}
	return NULL;
}

const struct mqshm_block_record *
mqshm_snapshot_block(const struct mqshm_snapshot *snap, uint64_t id)
{
	size_t i;

	for (i = 0; i < snap->n_blocks; i++) {
		if (snap->blocks[i].id == id)
			return &snap->blocks[i];
	}
	return NULL;
}

const struct mqshm_client_record *
mqshm_snapshot_client(const struct mqshm_snapshot *snap, uint64_t id)
{
	size_t i;

	for (i = 0; i < snap->n_clients; i++) {
		if (snap->clients[i].id == id)
			return &snap->clients[i];
	}
	return NULL;
}

const struct mqshm_port_record *
mqshm_snapshot_port(const struct mqshm_snapshot *snap, uint32_t port)
{
	size_t i;

	for (i = 0; i < snap->n_ports; i++) {
		if (snap->ports[i].port == port)
			return &snap->ports[i];
	}
	return NULL;
}

const struct mqshm_port_record *
mqshm_snapshot_find_port(const struct mqshm_snapshot *snap, uint64_t block,
			 const char *port, uint32_t direction)
{
	const struct mqshm_port_record *found = NULL;
	size_t i;

	for (i = 0; i < snap->n_ports; i++) {
		const struct mqshm_port_record *p = &snap->ports[i];

		if (p->block != block || p->direction != direction)
			continue;
		if (port && !strcmp(p->name, port))
			return p;
		if (!port && found)
			return NULL;	/* not the only one */
		if (!port)
			found = p;
	}
	return found;
}

const struct mqshm_pool_record *
mqshm_snapshot_find_pool(const struct mqshm_snapshot *snap, const char *name)
{
	size_t i;

	for (i = 0; i < snap->n_pools; i++) {
		if (!strcmp(snap->pools[i].name, name))
			return &snap->pools[i];
	}
	return NULL;
}

const struct mqshm_pool_record *
mqshm_snapshot_fit_pool(const struct mqshm_snapshot *snap, size_t bytes)
{
	const struct mqshm_pool_record *best = NULL;
	size_t i;

	for (i = 0; i < snap->n_pools; i++) {
		const struct mqshm_pool_record *p = &snap->pools[i];

		if (p->buffer_bytes >= bytes &&
		    (!best || p->buffer_bytes < best->buffer_bytes))
			best = p;
	}
	return best;
}

const struct mqshm_connection_record *
mqshm_snapshot_downstream(const struct mqshm_snapshot *snap, uint32_t port,
			  const struct mqshm_connection_record *prev)
{
	size_t i = prev ? (size_t)(prev - snap->connections) + 1 : 0;

	for (; i < snap->n_connections; i++) {
		if (snap->connections[i].from_port == port)
			return &snap->connections[i];
	}
	return NULL;
}
