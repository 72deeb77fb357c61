// SPDX-License-Identifier: GPL-2.0-only
/* A sample of mqtool top as JSON. What is of one moment has the names of mqtool list --json. */
#include <json-c/json.h>

#include "top.h"

static void add_runtime(struct json_object *o, const struct sample *s)
{
	const struct mqshm_runtime_record *r = s->now->runtimes;
	struct json_object *runtime = json_add_object(o, "runtime");
	struct mqshm_runtime_rates rates;

	mqshm_runtime_rates(s->before, s->now, &rates);
	json_add(runtime, "id", r->id);
	json_add_text(runtime, "name", r->name);
	json_add(runtime, "clients", r->clients);
	json_add(runtime, "blocks", r->blocks);
	json_add(runtime, "connections", r->connections);
	json_add_real(runtime, "messages_per_s", rates.messages);
	json_add_real(runtime, "bytes_per_s", rates.bytes);
	json_add_real(runtime, "dropped_per_s", rates.dropped);
	json_add_real(runtime, "allocated_per_s", rates.allocated);
	json_add_real(runtime, "freed_per_s", rates.freed);
	json_add_real(runtime, "ioctls_per_s", rates.ioctls);
}

static struct json_object *pool_json(const struct mqshm_pool_record *p)
{
	struct json_object *o = json_object_new_object();

	json_add(o, "pool", p->pool);
	json_add_text(o, "name", p->name);
	json_add(o, "buffers", p->buffers);
	json_add(o, "free", p->free);
	json_add(o, "held", p->buffers - p->free - p->quarantined);
	json_add(o, "quarantined", p->quarantined);
	json_add(o, "waiting", p->waiting);
	return o;
}

static void add_flow(struct json_object *block, const char *key, const struct mqshm_flow_rates *r)
{
	struct json_object *o = json_add_object(block, key);

	json_add_real(o, "messages_per_s", r->messages);
	json_add_real(o, "bytes_per_s", r->bytes);
	json_add_real(o, "taken_per_s", r->taken);
	json_add_real(o, "dropped_per_s", r->dropped);
}

static struct json_object *block_json(const struct sample *s, const struct mqshm_block_record *b)
{
	struct json_object *o = json_object_new_object();
	struct mqshm_block_rates r;
	struct mqshm_flow in;

	mqshm_block_rates(s->before, s->now, b, &r);
	mqshm_flow_block(s->now, b->id, MQSHM_DIR_IN, &in);
	list_json_block(o, s->now, b);
	json_add_text(o, "state", client_state_name(r.state));
	json_add(o, "state_since_ns", r.since_ns);
	add_flow(o, "in", &r.in);
	add_flow(o, "out", &r.out);
	json_add(o, "queued", in.queued);
	json_add(o, "depth", in.depth);
	json_add_real(o, "work_per_s", r.work);
	json_add(o, "mean_work_ns", r.mean_work_ns);
	json_add_real(o, "input_wait", r.input);
	json_add_real(o, "space_wait", r.space);
	json_add_real(o, "buffer_wait", r.buffer);
	json_add_real(o, "time_wait", r.time);
	return o;
}

static struct json_object *connection_json(const struct sample *s,
					   const struct mqshm_connection_record *c)
{
	struct json_object *o = json_object_new_object();
	struct mqshm_flow_rates r;

	mqshm_connection_rates(s->before, s->now, c, &r);
	list_json_ends(o, s->now, c);
	json_add(o, "depth", c->depth);
	json_add(o, "queued", c->queued);
	json_add_real(o, "messages_per_s", r.messages);
	json_add_real(o, "bytes_per_s", r.bytes);
	json_add_real(o, "taken_per_s", r.taken);
	json_add_real(o, "dropped_per_s", r.dropped);
	return o;
}

int top_json(const struct sample *s)
{
	struct json_object *o = json_object_new_object(), *array;

	json_add(o, "now_ns", s->now->now_ns);
	json_add(o, "interval_ns", s->now->now_ns - s->before->now_ns);
	add_runtime(o, s);
	array = json_add_array(o, "pools");
	for (size_t i = 0; i < s->now->n_pools; i++)
		json_object_array_add(array, pool_json(&s->now->pools[i]));
	array = json_add_array(o, "blocks");
	for (size_t i = 0; i < s->now->n_blocks; i++)
		json_object_array_add(array, block_json(s, &s->now->blocks[i]));
	array = json_add_array(o, "connections");
	for (size_t i = 0; i < s->now->n_connections; i++)
		json_object_array_add(array, connection_json(s, &s->now->connections[i]));
	return json_print_line(o);
}
