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

	return WORD_OF(names, state);
}

const char *departed_how_name(uint32_t how)
{
	static const char *const names[] = { "died", "closed", "left", "removed" };

	return WORD_OF(names, how);
}

static const char *role_name(uint32_t role)
{
	static const char *const names[] = { "standalone", "worker", "server" };

	return WORD_OF(names, role);
}

const char *class_name(uint32_t class)
{
	static const char *const names[] = { "source", "processing", "sink" };

	return WORD_OF(names, class);
}

static const char *op_name(uint32_t op)
{
	static const char *const names[] = { "none", "push", "pop", "dup", "release", "drop" };

	return WORD_OF(names, op);
}

/* A text that was made for this, and is freed. */
static void add_made(struct json_object *o, const char *key, char *made)
{
	json_add_text(o, key, made);
	free(made);
}

static struct json_object *runtime_json(const struct mqshm_runtime_record *r)
{
	struct json_object *o = json_object_new_object(), *limits = json_object_new_object();

	json_add(o, "id", r->id);
	json_add_text(o, "name", r->name);
	add_made(o, "magic", text("%#llx", (unsigned long long)r->magic));
	json_add(o, "version", r->version);
	json_add_flag(o, "persistent", r->state & MQSHM_STATE_PERSISTENT);
	json_add_flag(o, "tainted", r->state & MQSHM_STATE_TAINTED);
	json_add_flag(o, "removed", r->state & MQSHM_STATE_REMOVED);
	json_add(o, "uid", r->uid);
	add_made(o, "owner", show_user(r->uid));
	json_add(o, "gid", r->gid);
	add_made(o, "group", show_group(r->gid));
	add_made(o, "mode", text("%04o", r->mode));
	json_add(o, "clients", r->clients);
	json_add(o, "blocks", r->blocks);
	json_add(o, "connections", r->connections);
	json_add(o, "pools", r->pools);
	json_add(o, "buffers", r->buffers);
	json_add(limits, "clients", r->limits.clients);
	json_add(limits, "blocks", r->limits.blocks);
	json_add(limits, "ports", r->limits.ports);
	json_add(limits, "connections", r->limits.connections);
	json_add(limits, "pools", r->limits.pools);
	json_add(limits, "buffers", r->limits.buffers);
	json_object_object_add(o, "limits", limits);
	json_add(o, "created_ns", r->created_ns);
	json_add(o, "memory_bytes", r->memory_bytes);
	json_add(o, "allocated", r->allocated);
	json_add(o, "freed", r->freed);
	json_add(o, "messages", r->messages);
	json_add(o, "bytes", r->bytes);
	json_add(o, "settled", r->settled);
	json_add(o, "ioctls", r->ioctls);
	json_add(o, "dropped", r->dropped);
	return o;
}

static struct json_object *pool_json(const struct mqshm_pool_record *p)
{
	struct json_object *o = json_object_new_object();

	json_add(o, "pool", p->pool);
	json_add_text(o, "name", p->name);
	json_add(o, "uid", p->uid);
	json_add(o, "buffer_bytes", p->buffer_bytes);
	json_add(o, "stride_bytes", p->stride_bytes);
	json_add(o, "first", p->first);
	json_add(o, "buffers", p->buffers);
	json_add(o, "free", p->free);
	json_add(o, "quarantined", p->quarantined);
	json_add(o, "waiting", p->waiting);
	json_add(o, "payload_bytes", p->payload_bytes);
	json_object_object_add(o, "huge", json_object_new_boolean(p->flags & MQSHM_POOL_F_HUGE));
	json_add(o, "huge_bytes", p->huge_bytes);
	json_object_object_add(o, "node", p->flags & MQSHM_POOL_F_NODE ?
			       json_object_new_int64(p->node) : NULL);
	return o;
}

static struct json_object *client_json(const struct mqshm_client_record *c)
{
	struct json_object *o = json_object_new_object();

	json_add(o, "id", c->id);
	json_add_text(o, "name", c->name);
	json_add(o, "pid", c->pid);
	json_add(o, "tid", c->tid);
	json_add(o, "uid", c->uid);
	json_add_text(o, "role", role_name(c->role));
	json_add_text(o, "state", client_state_name(c->state));
	json_add(o, "index", c->index);
	json_add(o, "joined_ns", c->joined_ns);
	json_add(o, "started_ns", c->started_ns);
	json_add(o, "held_refs", c->held_refs);
	json_add(o, "held_buffers", c->held_buffers);
	json_add(o, "ioctls", c->ioctls);
	json_add(o, "sleeps", c->sleeps);
	json_add(o, "seen_ns", c->seen_ns);
	return o;
}

static const char *waits_name(uint32_t waits)
{
	static const char *const names[] = {
		[MQSHM_WAITS_NOT] = "no", [MQSHM_WAITS_INPUT] = "input",
		[MQSHM_WAITS_SPACE] = "space", [MQSHM_WAITS_BUFFER] = "buffer",
		[MQSHM_WAITS_TIME] = "time",
	};

	return WORD_OF(names, waits);
}

/* What its process tells of a block; null if that tells nothing. */
static struct json_object *stats_json(const struct mqshm_block_stats *s)
{
	struct json_object *o = s->block ? json_object_new_object() : NULL;

	if (!o)
		return NULL;
	json_add(o, "work_count", s->work_count);
	json_add(o, "work_ns", s->work_ns);
	json_add(o, "last_work_ns", s->last_work_ns);
	json_add(o, "p99_work_ns", s->p99_work_ns);
	json_add(o, "input_wait_ns", s->input_ns);
	json_add(o, "space_wait_ns", s->space_ns);
	json_add(o, "buffer_wait_ns", s->buffer_ns);
	json_add(o, "time_wait_ns", s->time_ns);
	json_add_text(o, "waits", waits_name(s->waits));
	json_add(o, "waits_since_ns", s->waits ? s->since_ns : 0);
	json_add(o, "copies", s->copies);
	return o;
}

void list_json_block(struct json_object *o, const struct mqshm_snapshot *snap,
		     const struct mqshm_block_record *b)
{
	const struct mqshm_client_record *client = mqshm_snapshot_client(snap, b->client);
	uint64_t since_ns;
	uint32_t state = mqshm_block_state(snap, b, &since_ns);

	json_add(o, "id", b->id);
	json_add_text(o, "name", b->name);
	json_add_text(o, "type", b->type);
	json_add(o, "client", b->client);
	json_add_text(o, "process", client ? client->name : "");
	json_add(o, "pid", client ? client->pid : 0);
	json_add_text(o, "class", class_name(b->class_));
	json_add_text(o, "state", client_state_name(state));
	json_add(o, "state_since_ns", since_ns);
	json_add_flag(o, "stopping", b->stopping);
	json_add(o, "created_ns", b->created_ns);
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

	json_add(o, "port", p->port);
	json_add_text(o, "name", p->name);
	json_add(o, "block", p->block);
	json_add_text(o, "direction", p->direction == MQSHM_DIR_OUT ? "out" : "in");
	json_add(o, "depth", p->depth);
	json_add_flag(o, "ended", p->ended);
	return o;
}

void list_json_ends(struct json_object *o, const struct mqshm_snapshot *snap,
		    const struct mqshm_connection_record *c)
{
	json_add(o, "id", c->id);
	add_made(o, "from", graph_connection_from(snap, c));
	add_made(o, "to", graph_connection_to(snap, c));
}

static struct json_object *connection_json(const struct mqshm_snapshot *snap,
					   const struct mqshm_connection_record *c)
{
	struct json_object *o = json_object_new_object();

	list_json_ends(o, snap, c);
	json_add(o, "from_block", c->from_block);
	json_add(o, "to_block", c->to_block);
	json_add(o, "from_port", c->from_port);
	json_add(o, "to_port", c->to_port);
	json_add(o, "ring", c->ring);
	json_add_flag(o, "consumer_sleeping", c->flags & MQSHM_RING_SLEEPING);
	json_add_flag(o, "producer_sleeping", c->flags & MQSHM_RING_PSLEEPING);
	json_add_flag(o, "closed", c->flags & MQSHM_RING_CLOSED);
	json_add_flag(o, "ended", c->flags & MQSHM_RING_EOF);
	json_add_flag(o, "producer_died", c->flags & MQSHM_RING_DEAD);
	json_add_flag(o, "disconnected", c->flags & MQSHM_RING_DISCONNECTED);
	json_add(o, "depth", c->depth);
	json_add(o, "queued", c->queued);
	json_add(o, "messages", c->messages);
	json_add(o, "bytes", c->bytes);
	json_add(o, "created_ns", c->created_ns);
	json_add_text(o, "policy", policy_name(ring_policy(c->flags)));
	json_add(o, "dropped", c->dropped);
	json_add(o, "expired", c->expired);
	json_add_flag(o, "persistent", c->flags & MQSHM_RING_PERSISTENT);
	json_add_flag(o, "keep", c->flags & MQSHM_RING_KEEP);
	json_add_flag(o, "tap", c->flags & MQSHM_RING_TAP);
	json_add_flag(o, "producer_away", c->flags & MQSHM_RING_AWAY);
	json_add_flag(o, "kept", c->flags & MQSHM_RING_KEPT);
	json_add(o, "keep_until_ns", c->keep_until_ns);
	return o;
}

static struct json_object *departed_json(const struct mqshm_departed_record *d)
{
	struct json_object *o = json_object_new_object();

	json_add(o, "id", d->id);
	json_add_text(o, "name", d->name);
	json_add(o, "pid", d->pid);
	json_add_text(o, "how", departed_how_name(d->how));
	json_add(o, "refs", d->refs);
	json_add(o, "drained", d->drained);
	json_add(o, "settle_ns", d->settle_ns);
	json_add(o, "at_ns", d->at_ns);
	json_add_text(o, "op", op_name(d->op));
	json_add_flag(o, "committed", d->committed);
	json_add(o, "kept", d->kept);
	json_add(o, "lost", d->lost);
	json_add(o, "lost_buffers", d->lost_buffers);
	return o;
}

/* The array @key of @o: of each record of the snapshot's array what @json makes of it. */
#define ADD_RECORDS(o, key, count, json) \
do { \
	struct json_object *array = json_object_new_array(); \
	for (size_t i = 0; i < (count); i++) \
		json_object_array_add(array, json); \
	json_object_object_add(o, key, array); \
} while (0)

int list_json_runtimes(const struct mqshm_snapshot *snap)
{
	struct json_object *o = json_object_new_object();

	json_add(o, "now_ns", snap->now_ns);
	ADD_RECORDS(o, "runtimes", snap->n_runtimes, runtime_json(&snap->runtimes[i]));
	return json_print(o);
}

int list_json_runtime(const struct mqshm_snapshot *snap)
{
	struct json_object *o = json_object_new_object();

	json_add(o, "now_ns", snap->now_ns);
	json_add(o, "changes", snap->changes);
	if (snap->n_runtimes)
		json_object_object_add(o, "runtime", runtime_json(snap->runtimes));
	ADD_RECORDS(o, "pools", snap->n_pools, pool_json(&snap->pools[i]));
	ADD_RECORDS(o, "clients", snap->n_clients, client_json(&snap->clients[i]));
	ADD_RECORDS(o, "blocks", snap->n_blocks, block_json(snap, &snap->blocks[i]));
	ADD_RECORDS(o, "ports", snap->n_ports, port_json(&snap->ports[i]));
	ADD_RECORDS(o, "connections", snap->n_connections,
		    connection_json(snap, &snap->connections[i]));
	ADD_RECORDS(o, "departed", snap->n_departed, departed_json(&snap->departed[i]));
	return json_print(o);
}
