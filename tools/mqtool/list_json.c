// SPDX-License-Identifier: GPL-2.0-only
/* A snapshot as JSON. Field names are those of the records and stay what they are. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include <mqshm_rates.h>

#include "mqtool.h"

const char *client_state_name(uint32_t state)
{
	static const char *const names[] = { "running", "idle", "stalled", "exiting" };

	return state < sizeof(names) / sizeof(*names) ? names[state] : "unknown";
}

const char *departed_how_name(uint32_t how)
{
	static const char *const names[] = { "died", "closed", "left", "removed" };

	return how < sizeof(names) / sizeof(*names) ? names[how] : "unknown";
}

static const char *role_name(uint32_t role)
{
	static const char *const names[] = { "standalone", "worker", "server" };

	return role < sizeof(names) / sizeof(*names) ? names[role] : "unknown";
}

const char *class_name(uint32_t class)
{
	static const char *const names[] = { "source", "processing", "sink" };

	return class < sizeof(names) / sizeof(*names) ? names[class] : "unknown";
}

static const char *op_name(uint32_t op)
{
	static const char *const names[] = { "none", "push", "pop", "dup", "release", "drop" };

	return op < sizeof(names) / sizeof(*names) ? names[op] : "unknown";
}

static void add(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static void add_text(struct json_object *o, const char *key, const char *value)
{
	char *shown = show_utf8(value);

	json_object_object_add(o, key, json_object_new_string(shown));
	free(shown);
}

static void add_flag(struct json_object *o, const char *key, bool value)
{
	json_object_object_add(o, key, json_object_new_boolean(value));
}

static struct json_object *runtime_json(const struct mqshm_runtime_record *r)
{
	struct json_object *o = json_object_new_object(), *limits = json_object_new_object();
	char *s;

	add(o, "id", r->id);
	add_text(o, "name", r->name);
	s = text("%#llx", (unsigned long long)r->magic);
	add_text(o, "magic", s);
	free(s);
	add(o, "version", r->version);
	add_flag(o, "persistent", r->state & MQSHM_STATE_PERSISTENT);
	add_flag(o, "tainted", r->state & MQSHM_STATE_TAINTED);
	add_flag(o, "removed", r->state & MQSHM_STATE_REMOVED);
	add(o, "uid", r->uid);
	s = show_user(r->uid);
	add_text(o, "owner", s);
	free(s);
	add(o, "gid", r->gid);
	s = show_group(r->gid);
	add_text(o, "group", s);
	free(s);
	s = text("%04o", r->mode);
	add_text(o, "mode", s);
	free(s);
	add(o, "clients", r->clients);
	add(o, "blocks", r->blocks);
	add(o, "connections", r->connections);
	add(o, "pools", r->pools);
	add(o, "buffers", r->buffers);
	add(limits, "clients", r->limits.clients);
	add(limits, "blocks", r->limits.blocks);
	add(limits, "ports", r->limits.ports);
	add(limits, "connections", r->limits.connections);
	add(limits, "pools", r->limits.pools);
	add(limits, "buffers", r->limits.buffers);
	json_object_object_add(o, "limits", limits);
	add(o, "created_ns", r->created_ns);
	add(o, "memory_bytes", r->memory_bytes);
	add(o, "allocated", r->allocated);
	add(o, "freed", r->freed);
	add(o, "messages", r->messages);
	add(o, "bytes", r->bytes);
	add(o, "settled", r->settled);
	add(o, "ioctls", r->ioctls);
	add(o, "dropped", r->dropped);
	return o;
}

static struct json_object *pool_json(const struct mqshm_pool_record *p)
{
	struct json_object *o = json_object_new_object();

	add(o, "pool", p->pool);
	add_text(o, "name", p->name);
	add(o, "uid", p->uid);
	add(o, "buffer_bytes", p->buffer_bytes);
	add(o, "stride_bytes", p->stride_bytes);
	add(o, "first", p->first);
	add(o, "buffers", p->buffers);
	add(o, "free", p->free);
	add(o, "quarantined", p->quarantined);
	add(o, "waiting", p->waiting);
	add(o, "payload_bytes", p->payload_bytes);
	return o;
}

static struct json_object *client_json(const struct mqshm_client_record *c)
{
	struct json_object *o = json_object_new_object();

	add(o, "id", c->id);
	add_text(o, "name", c->name);
	add(o, "pid", c->pid);
	add(o, "tid", c->tid);
	add(o, "uid", c->uid);
	add_text(o, "role", role_name(c->role));
	add_text(o, "state", client_state_name(c->state));
	add(o, "index", c->index);
	add(o, "joined_ns", c->joined_ns);
	add(o, "started_ns", c->started_ns);
	add(o, "held_refs", c->held_refs);
	add(o, "held_buffers", c->held_buffers);
	add(o, "ioctls", c->ioctls);
	add(o, "sleeps", c->sleeps);
	add(o, "seen_ns", c->seen_ns);
	return o;
}

static const char *waits_name(uint32_t waits)
{
	static const char *const names[] = {
		[MQSHM_WAITS_NOT] = "no", [MQSHM_WAITS_INPUT] = "input",
		[MQSHM_WAITS_SPACE] = "space", [MQSHM_WAITS_BUFFER] = "buffer",
		[MQSHM_WAITS_TIME] = "time",
	};

	return waits < sizeof(names) / sizeof(*names) ? names[waits] : "?";
}

/* What its process tells of a block; null if that tells nothing. */
static struct json_object *stats_json(const struct mqshm_block_stats *s)
{
	struct json_object *o = s->block ? json_object_new_object() : NULL;

	if (!o)
		return NULL;
	add(o, "work_count", s->work_count);
	add(o, "work_ns", s->work_ns);
	add(o, "last_work_ns", s->last_work_ns);
	add(o, "p99_work_ns", s->p99_work_ns);
	add(o, "input_wait_ns", s->input_ns);
	add(o, "space_wait_ns", s->space_ns);
	add(o, "buffer_wait_ns", s->buffer_ns);
	add_text(o, "waits", waits_name(s->waits));
	add(o, "waits_since_ns", s->waits ? s->since_ns : 0);
	add(o, "copies", s->copies);
	return o;
}

void list_json_block(struct json_object *o, const struct mqshm_snapshot *snap,
		     const struct mqshm_block_record *b)
{
	const struct mqshm_client_record *client = mqshm_snapshot_client(snap, b->client);
	uint64_t since_ns;
	uint32_t state = mqshm_block_state(snap, b, &since_ns);

	add(o, "id", b->id);
	add_text(o, "name", b->name);
	add_text(o, "type", b->type);
	add(o, "client", b->client);
	add_text(o, "process", client ? client->name : "");
	add(o, "pid", client ? client->pid : 0);
	add_text(o, "class", class_name(b->class_));
	add_text(o, "state", client_state_name(state));
	add(o, "state_since_ns", since_ns);
	add_flag(o, "stopping", b->stopping);
	add(o, "created_ns", b->created_ns);
	json_object_object_add(o, "stats", stats_json(&b->stats));
}

static struct json_object *block_json(const struct mqshm_snapshot *snap,
				      const struct mqshm_block_record *b)
{
	struct json_object *o = json_object_new_object();

	list_json_block(o, snap, b);
	return o;
}

static struct json_object *port_json(const struct mqshm_port_record *p)
{
	struct json_object *o = json_object_new_object();

	add(o, "port", p->port);
	add_text(o, "name", p->name);
	add(o, "block", p->block);
	add_text(o, "direction", p->direction == MQSHM_DIR_OUT ? "out" : "in");
	add(o, "depth", p->depth);
	add_flag(o, "ended", p->ended);
	return o;
}

void list_json_ends(struct json_object *o, const struct mqshm_snapshot *snap,
		    const struct mqshm_connection_record *c)
{
	char *from = graph_connection_from(snap, c), *to = graph_connection_to(snap, c);

	add(o, "id", c->id);
	add_text(o, "from", from);
	add_text(o, "to", to);
	free(from);
	free(to);
}

static struct json_object *connection_json(const struct mqshm_snapshot *snap,
					   const struct mqshm_connection_record *c)
{
	struct json_object *o = json_object_new_object();

	list_json_ends(o, snap, c);
	add(o, "from_block", c->from_block);
	add(o, "to_block", c->to_block);
	add(o, "from_port", c->from_port);
	add(o, "to_port", c->to_port);
	add(o, "ring", c->ring);
	add_flag(o, "consumer_sleeping", c->flags & MQSHM_RING_SLEEPING);
	add_flag(o, "producer_sleeping", c->flags & MQSHM_RING_PSLEEPING);
	add_flag(o, "closed", c->flags & MQSHM_RING_CLOSED);
	add_flag(o, "ended", c->flags & MQSHM_RING_EOF);
	add_flag(o, "producer_died", c->flags & MQSHM_RING_DEAD);
	add_flag(o, "disconnected", c->flags & MQSHM_RING_DISCONNECTED);
	add(o, "depth", c->depth);
	add(o, "queued", c->queued);
	add(o, "messages", c->messages);
	add(o, "bytes", c->bytes);
	add(o, "created_ns", c->created_ns);
	add_text(o, "policy", policy_name(ring_policy(c->flags)));
	add(o, "dropped", c->dropped);
	add_flag(o, "persistent", c->flags & MQSHM_RING_PERSISTENT);
	add_flag(o, "keep", c->flags & MQSHM_RING_KEEP);
	add_flag(o, "tap", c->flags & MQSHM_RING_TAP);
	add_flag(o, "producer_away", c->flags & MQSHM_RING_AWAY);
	add_flag(o, "kept", c->flags & MQSHM_RING_KEPT);
	add(o, "keep_until_ns", c->keep_until_ns);
	return o;
}

static struct json_object *departed_json(const struct mqshm_departed_record *d)
{
	struct json_object *o = json_object_new_object();

	add(o, "id", d->id);
	add_text(o, "name", d->name);
	add(o, "pid", d->pid);
	add_text(o, "how", departed_how_name(d->how));
	add(o, "refs", d->refs);
	add(o, "drained", d->drained);
	add(o, "settle_ns", d->settle_ns);
	add(o, "at_ns", d->at_ns);
	add_text(o, "op", op_name(d->op));
	add_flag(o, "committed", d->committed);
	add(o, "kept", d->kept);
	add(o, "lost", d->lost);
	add(o, "lost_buffers", d->lost_buffers);
	return o;
}

int list_json_runtimes(const struct mqshm_snapshot *snap)
{
	struct json_object *o = json_object_new_object(), *array = json_object_new_array();

	add(o, "now_ns", snap->now_ns);
	for (size_t i = 0; i < snap->n_runtimes; i++)
		json_object_array_add(array, runtime_json(&snap->runtimes[i]));
	json_object_object_add(o, "runtimes", array);
	return json_print(o);
}

int list_json_runtime(const struct mqshm_snapshot *snap)
{
	struct json_object *o = json_object_new_object(), *array;

	add(o, "now_ns", snap->now_ns);
	add(o, "changes", snap->changes);
	if (snap->n_runtimes)
		json_object_object_add(o, "runtime", runtime_json(snap->runtimes));
	json_object_object_add(o, "pools", array = json_object_new_array());
	for (size_t i = 0; i < snap->n_pools; i++)
		json_object_array_add(array, pool_json(&snap->pools[i]));
	json_object_object_add(o, "clients", array = json_object_new_array());
	for (size_t i = 0; i < snap->n_clients; i++)
		json_object_array_add(array, client_json(&snap->clients[i]));
	json_object_object_add(o, "blocks", array = json_object_new_array());
	for (size_t i = 0; i < snap->n_blocks; i++)
		json_object_array_add(array, block_json(snap, &snap->blocks[i]));
	json_object_object_add(o, "ports", array = json_object_new_array());
	for (size_t i = 0; i < snap->n_ports; i++)
		json_object_array_add(array, port_json(&snap->ports[i]));
	json_object_object_add(o, "connections", array = json_object_new_array());
	for (size_t i = 0; i < snap->n_connections; i++)
		json_object_array_add(array, connection_json(snap, &snap->connections[i]));
	json_object_object_add(o, "departed", array = json_object_new_array());
	for (size_t i = 0; i < snap->n_departed; i++)
		json_object_array_add(array, departed_json(&snap->departed[i]));
	return json_print(o);
}
