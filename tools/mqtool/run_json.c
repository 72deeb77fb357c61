// SPDX-License-Identifier: GPL-2.0-only
/* mqtool run --json: the graph before it runs, and what becomes of its processes. */
#include <json-c/json.h>

#include "spec.h"

static const char *when_name(uint32_t when)
{
	static const char *const names[] = { "no", "on-failure", "always" };

	return WORD_OF(names, when);
}

static struct json_object *block_json(const struct spec_block *b, const struct mqshm_block_spec *block)
{
	struct json_object *o = json_object_new_object(), *params;

	json_add_text(o, "name", b->name);
	json_add_text(o, "type", b->type);
	json_object_object_add(o, "process", b->process ? json_object_new_string(b->process) : NULL);
	json_add_text(o, "restart", when_name(block->restart.when));
	json_add(o, "restart_limit", block->restart.limit);
	params = json_add_object(o, "params");
	for (size_t i = 0; i < b->n_params; i++)
		json_add_text(params, b->params[i].key, b->params[i].value);
	return o;
}

static struct json_object *connection_json(const struct spec_connection *c)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "from", c->from);
	json_add_text(o, "to", c->to);
	json_add_text(o, "policy", policy_name(c->options.policy));
	json_add_flag(o, "persistent", c->options.persistent);
	json_add_flag(o, "transient", c->options.transient);
	json_add_flag(o, "keep", c->options.keep);
	json_add(o, "keep_ns", c->options.keep_ns);
	json_add_flag(o, "tap", c->options.tap);
	return o;
}

int run_json_graph(const struct spec *s, const char *runtime, const struct mqshm_graph *graph,
		   const size_t *order)
{
	struct json_object *o = json_object_new_object(), *array;

	json_add_text(o, "runtime", runtime);
	array = json_add_array(o, "blocks");
	for (size_t i = 0; i < graph->n_blocks; i++)
		json_object_array_add(array, block_json(&s->blocks[order[i]], &graph->blocks[order[i]]));
	array = json_add_array(o, "connections");
	for (size_t i = 0; i < s->n_connections; i++)
		json_object_array_add(array, connection_json(&s->connections[i]));
	return json_print(o);
}

void run_json_event(uint32_t event, const struct mqshm_process_info *p)
{
	static const char *const names[] = {
		[MQSHM_EVENT_ENDED] = "ended", [MQSHM_EVENT_RESTARTS] = "restarts",
		[MQSHM_EVENT_RESTARTED] = "restarted",
	};
	struct json_object *o = json_object_new_object();

	json_add(o, "at_ns", mqshm_now_ns());
	json_add_text(o, "event", names[event]);
	json_add_text(o, "process", p->name);
	json_add_text(o, "block", p->block);
	json_add(o, "pid", p->pid);
	json_add(o, "code", (uint64_t)p->code);
	json_add(o, "signal", (uint64_t)p->signal);
	json_add_flag(o, "stopped", p->stopped);
	json_add(o, "restarts", p->restarts);
	json_add(o, "lost", p->lost);
	json_add(o, "drained", p->drained);
	/* who does not read it does not end the graph */
	json_print_line(o);
}
