// SPDX-License-Identifier: GPL-2.0-only
/* Blocks and ports by name, and what there is when a name is wrong. */
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

void graph_blocks(const struct mqshm_snapshot *snap, struct names *out)
{
	for (size_t i = 0; i < snap->n_blocks; i++)
		names_add(out, snap->blocks[i].name);
}

void graph_ports(const struct mqshm_snapshot *snap, uint64_t block, uint32_t direction,
		 struct names *out)
{
	for (size_t i = 0; i < snap->n_ports; i++)
		if (snap->ports[i].block == block && snap->ports[i].direction == direction)
			names_add(out, snap->ports[i].name);
}

const struct mqshm_block_record *graph_find_block(const struct mqshm_snapshot *snap,
						  const char *name)
{
	const struct mqshm_block_record *block = mqshm_snapshot_find_block(snap, name);
	struct names names = { 0 };
	char *hint;

	if (block)
		return block;
	graph_blocks(snap, &names);
	hint = names_hint(&names, name, "blocks");
	fail("block", name, "there is none of that name%s", hint);
	free(hint);
	names_free(&names);
	return NULL;
}

static const char *direction_name(uint32_t direction)
{
	return direction == MQSHM_DIR_OUT ? "output" : "input";
}

static void port_unknown(const struct mqshm_snapshot *snap, const char *end,
			 const struct mqshm_block_record *block, const char *port,
			 uint32_t direction)
{
	uint32_t other = direction == MQSHM_DIR_OUT ? MQSHM_DIR_IN : MQSHM_DIR_OUT;
	struct names names = { 0 };
	char *what = text("%ss of %s", direction_name(direction), block->name);
	char *shown = show_name(what), *hint, *joined;

	graph_ports(snap, block->id, direction, &names);
	hint = names_hint(&names, port ? port : "", shown);
	joined = names_join(&names);
	if (!port && !names.n)
		fail("port", end, "the block has no %s", direction_name(direction));
	else if (!port)
		fail("port", end, "the block has %zu %ss, say which as BLOCK:PORT: %s",
		     names.n, direction_name(direction), joined);
	else if (mqshm_snapshot_find_port(snap, block->id, port, other))
		fail("port", end, "this is an %s, and --%s takes an %s; %s: %s",
		     direction_name(other), direction == MQSHM_DIR_OUT ? "from" : "to",
		     direction_name(direction), shown, joined);
	else
		fail("port", end, "the block has no such %s%s", direction_name(direction), hint);
	free(joined);
	free(hint);
	free(shown);
	free(what);
	names_free(&names);
}

const struct mqshm_port_record *graph_find_port(const struct mqshm_snapshot *snap,
						const char *end, uint32_t direction)
{
	size_t length = strcspn(end, ":");
	const char *port = end[length] ? end + length + 1 : NULL;
	char *name = text("%.*s", (int)length, end);
	const struct mqshm_block_record *block = graph_find_block(snap, name);
	const struct mqshm_port_record *found = NULL;

	free(name);
	if (!block)
		return NULL;
	found = mqshm_snapshot_find_port(snap, block->id, port, direction);
	if (!found)
		port_unknown(snap, end, block, port, direction);
	return found;
}

bool graph_has_ends(struct mqshm_runtime *rt, const char *runtime, const char *from, const char *to)
{
	struct mqshm_snapshot *snap;
	bool found;

	if (runtime_snapshot(rt, runtime, &snap))
		return false;
	found = graph_find_port(snap, from, MQSHM_DIR_OUT) &&
		graph_find_port(snap, to, MQSHM_DIR_IN);
	mqshm_snapshot_free(snap);
	return found;
}

char *graph_find_end(struct mqshm_runtime *rt, const char *runtime, const char *end,
		     uint32_t direction)
{
	const struct mqshm_port_record *port;
	struct mqshm_snapshot *snap;
	char *found = NULL;

	if (runtime_snapshot(rt, runtime, &snap))
		return NULL;
	port = graph_find_port(snap, end, direction);
	if (port)
		found = text("%s:%s", mqshm_snapshot_block(snap, port->block)->name, port->name);
	mqshm_snapshot_free(snap);
	return found;
}

static char *port_label(const struct mqshm_snapshot *snap, uint32_t number)
{
	const struct mqshm_port_record *port = mqshm_snapshot_port(snap, number);
	const struct mqshm_block_record *block;
	char *label, *shown;

	/* the block may have left while its messages are still being read */
	block = port ? mqshm_snapshot_block(snap, port->block) : NULL;
	if (!block)
		return text("(gone)");
	label = text("%s:%s", block->name, port->name);
	shown = show_name(label);
	free(label);
	return shown;
}

char *graph_connection_from(const struct mqshm_snapshot *snap,
			    const struct mqshm_connection_record *c)
{
	return c->flags & MQSHM_RING_PERSISTENT ? show_name(c->from) :
						  port_label(snap, c->from_port);
}

char *graph_connection_to(const struct mqshm_snapshot *snap,
			  const struct mqshm_connection_record *c)
{
	return c->flags & MQSHM_RING_PERSISTENT ? show_name(c->to) :
						  port_label(snap, c->to_port);
}

char *graph_clients(const struct mqshm_snapshot *snap)
{
	struct names names = { 0 };
	char *name, *joined, *all;

	for (size_t i = 0; i < snap->n_clients && names.n < 8; i++) {
		name = text("%u %s", snap->clients[i].pid, snap->clients[i].name);
		names_add(&names, name);
		free(name);
	}
	joined = names_join(&names);
	all = text("%s%s", joined, snap->n_clients > 8 ? ", ..." : "");
	free(joined);
	names_free(&names);
	return all;
}
