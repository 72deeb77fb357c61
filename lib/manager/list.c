// SPDX-License-Identifier: LGPL-2.1-or-later
/* What is in a runtime: processes, blocks, connections, totals; and changing connections. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manager.h"

int mqshm_manager_connect(struct mqshm_manager *m, const char *from, const char *to,
			  const struct mqshm_connect_options *options, uint64_t *id)
{
	return mqshm_connect_with(m->rt, from, to, options, id);
}

int mqshm_manager_disconnect(struct mqshm_manager *m, uint64_t id)
{
	return mqshm_disconnect(m->rt, id);
}

/* The port that "block:port" or "block" names. */
static const struct mqshm_port_record *port_find(const struct mqshm_snapshot *snap,
						 const char *end, uint32_t direction)
{
	const char *colon = strchr(end, ':');
	size_t n = colon ? (size_t)(colon - end) : strlen(end);
	size_t i;

	for (i = 0; i < snap->n_blocks; i++) {
		const char *name = snap->blocks[i].name;

		if (!strncmp(name, end, n) && !name[n])
			return mqshm_snapshot_find_port(snap, snap->blocks[i].id,
							colon ? colon + 1 : NULL, direction);
	}
	return NULL;
}

/* Whether @end, "block:port", is what @wanted names: that, or "block". */
static bool end_is(const char *end, const char *wanted)
{
	size_t n = strlen(wanted);

	return !strncmp(end, wanted, n) && (!end[n] || (end[n] == ':' && !strchr(wanted, ':')));
}

/* A persistent one that waits for a block at an end of it; NULL also if there are several. */
static const struct mqshm_connection_record *
waiting_find(const struct mqshm_snapshot *snap, const char *from, const char *to)
{
	const struct mqshm_connection_record *found = NULL;
	size_t i, n = 0;

	for (i = 0; i < snap->n_connections; i++) {
		const struct mqshm_connection_record *c = &snap->connections[i];

		if ((c->from_block && c->to_block) || !(c->flags & MQSHM_RING_PERSISTENT) ||
		    !end_is(c->from, from) || !end_is(c->to, to))
			continue;
		found = c;
		n++;
	}
	return n == 1 ? found : NULL;
}

int mqshm_manager_find_connection(struct mqshm_manager *m, const char *from, const char *to,
				  uint64_t *id)
{
	const struct mqshm_connection_record *c = NULL;
	const struct mqshm_port_record *out, *in;
	struct mqshm_snapshot *snap;
	int r = mqshm_runtime_snapshot(m->rt, &snap);

	if (r)
		return r;
	out = port_find(snap, from, MQSHM_DIR_OUT);
	in = port_find(snap, to, MQSHM_DIR_IN);
	if (out && in) {
		do {
			c = mqshm_snapshot_downstream(snap, out->port, c);
		} while (c && c->to_port != in->port);
	} else {
		c = waiting_find(snap, from, to);
	}
	if (c)
		*id = c->id;
	mqshm_snapshot_free(snap);
	return c ? 0 : -ENOENT;
}

/* -- lists -------------------------------------------------------------------------- */

static struct mqshm_process_info *info_of(struct mqshm_process_info *list, size_t n,
					  uint32_t pid, uint32_t state)
{
	size_t i;

	for (i = 0; pid && i < n; i++) {
		if (list[i].pid == pid && list[i].state == state)
			return &list[i];
	}
	return NULL;
}

static void clients_add(const struct mqshm_snapshot *snap, struct mqshm_process_info *list,
			size_t *n)
{
	size_t i, j;

	for (i = 0; i < snap->n_clients; i++) {
		const struct mqshm_client_record *client = &snap->clients[i];
		struct mqshm_process_info *info = info_of(list, *n, client->pid,
							  MQSHM_PROCESS_RUNNING);

		if (!info) {
			info = &list[(*n)++];
			info->pid = client->pid;
			memcpy(info->name, client->name, sizeof(info->name));
		}
		info->clients++;
		for (j = 0; j < snap->n_blocks; j++)
			info->blocks += snap->blocks[j].client == client->id;
	}
}

int mqshm_manager_list_processes(struct mqshm_manager *m, struct mqshm_process_info **list,
				 size_t *n)
{
	struct mqshm_snapshot *snap;
	struct process *p;
	size_t most;
	int r = mqshm_runtime_snapshot(m->rt, &snap);

	if (r)
		return r;
	most = snap->n_clients + 1;
	for (p = m->processes; p; p = p->next)
		most++;
	*n = 0;
	*list = calloc(most, sizeof(**list));
	for (p = m->processes; *list && p; p = p->next) {
		mqshm_process_describe(p, &(*list)[*n]);
		/* those that it has now are counted with its clients */
		(*list)[(*n)++].blocks = 0;
	}
	if (*list)
		clients_add(snap, *list, n);
	mqshm_snapshot_free(snap);
	return *list ? 0 : -ENOMEM;
}

static void block_describe(const struct mqshm_snapshot *snap,
			   const struct mqshm_block_record *block, struct mqshm_block_info *out)
{
	const struct mqshm_client_record *client = mqshm_snapshot_client(snap, block->client);
	size_t i;

	out->id = block->id;
	out->pid = client ? client->pid : 0;
	out->stopping = block->stopping;
	memcpy(out->name, block->name, sizeof(out->name));
	memcpy(out->type, block->type, sizeof(out->type));
	for (i = 0; i < snap->n_connections; i++) {
		const struct mqshm_connection_record *c = &snap->connections[i];

		if (c->from_block == block->id)
			out->messages_out += c->messages;
		if (c->to_block != block->id)
			continue;
		out->messages_in += c->messages;
		out->queued += c->queued;
	}
}

int mqshm_manager_list_blocks(struct mqshm_manager *m, struct mqshm_block_info **list, size_t *n)
{
	struct mqshm_snapshot *snap;
	size_t i;
	int r = mqshm_runtime_snapshot(m->rt, &snap);

	if (r)
		return r;
	*n = snap->n_blocks;
	*list = calloc(*n + 1, sizeof(**list));
	for (i = 0; *list && i < *n; i++)
		block_describe(snap, &snap->blocks[i], &(*list)[i]);
	mqshm_snapshot_free(snap);
	return *list ? 0 : -ENOMEM;
}

/* Empty if the block has left. */
static void end_describe(const struct mqshm_snapshot *snap, uint32_t number, char *out,
			 size_t bytes)
{
	const struct mqshm_port_record *port = mqshm_snapshot_port(snap, number);
	const struct mqshm_block_record *block = port ? mqshm_snapshot_block(snap, port->block) : NULL;

	if (block)
		snprintf(out, bytes, "%s:%s", block->name, port->name);
}

int mqshm_manager_list_connections(struct mqshm_manager *m,
				   struct mqshm_connection_info **list, size_t *n)
{
	struct mqshm_snapshot *snap;
	size_t i;
	int r = mqshm_runtime_snapshot(m->rt, &snap);

	if (r)
		return r;
	*n = snap->n_connections;
	*list = calloc(*n + 1, sizeof(**list));
	for (i = 0; *list && i < *n; i++) {
		const struct mqshm_connection_record *c = &snap->connections[i];
		struct mqshm_connection_info *info = &(*list)[i];

		info->id = c->id;
		info->messages = c->messages;
		info->bytes = c->bytes;
		info->queued = c->queued;
		info->depth = c->depth;
		end_describe(snap, c->from_port, info->from, sizeof(info->from));
		end_describe(snap, c->to_port, info->to, sizeof(info->to));
	}
	mqshm_snapshot_free(snap);
	return *list ? 0 : -ENOMEM;
}

int mqshm_manager_get_stats(struct mqshm_manager *m, struct mqshm_stats *out)
{
	struct mqshm_process_info *processes;
	struct mqshm_snapshot *snap;
	size_t n, i;
	int r = mqshm_manager_list_processes(m, &processes, &n);

	if (r)
		return r;
	r = mqshm_runtime_snapshot(m->rt, &snap);
	if (!r) {
		memset(out, 0, sizeof(*out));
		for (i = 0; i < n; i++) {
			out->processes += processes[i].state == MQSHM_PROCESS_RUNNING;
			out->restarts += processes[i].restarts;
		}
		out->blocks = (uint32_t)snap->n_blocks;
		out->connections = (uint32_t)snap->n_connections;
		for (i = 0; i < snap->n_runtimes; i++) {
			out->messages += snap->runtimes[i].messages;
			out->bytes += snap->runtimes[i].bytes;
		}
		for (i = 0; i < snap->n_pools; i++) {
			out->buffers += snap->pools[i].buffers;
			out->buffers_free += snap->pools[i].free;
		}
		for (i = 0; i < snap->n_departed; i++)
			out->deaths += snap->departed[i].how == MQSHM_DEPARTED_EXIT;
		mqshm_snapshot_free(snap);
	}
	free(processes);
	return r;
}
