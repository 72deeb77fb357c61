// SPDX-License-Identifier: GPL-2.0-only
/* mqtool stats: what blocks did since they began, all in a table, or some in full. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include <mqshm_rates.h>

#include "mqtool.h"

/**
 * struct stats_options - the command line
 * @runtime: --runtime
 * @json: --json
 * @blocks: their names, array[@n_blocks]; none: all
 * @n_blocks: their number
 */
struct stats_options {
	const char *runtime;
	bool json;
	const char **blocks;
	size_t n_blocks;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct stats_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		o->blocks = grow(o->blocks, o->n_blocks + 1, sizeof(*o->blocks));
		o->blocks[o->n_blocks++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static uint64_t mean_ns(const struct mqshm_block_stats *s)
{
	return s->work_count ? s->work_ns / s->work_count : 0;
}

/* -- for people --------------------------------------------------------------------- */

static char *number(uint64_t n)
{
	return text("%llu", (unsigned long long)n);
}

/* A block may tell nothing; then nobody knows. */
static char *told(const struct mqshm_block_record *block, char *shown)
{
	if (block->stats.block)
		return shown;
	free(shown);
	return text("-");
}

static void print_all(const struct mqshm_snapshot *snap)
{
	static const char *const titles[] = { "Block", "Work", "Mean", "p99", "Last", "Input wait",
		"Space wait", "Buffer wait", "Time wait", "In", "Bytes", "Out", "Bytes", "Dropped", "Copies" };
	static const size_t widths[15] = { 0 };
	struct table t = { .columns = 15, .title = titles, .width = widths };

	for (size_t i = 0; i < snap->n_blocks; i++) {
		const struct mqshm_block_record *b = &snap->blocks[i];
		struct mqshm_waits waits;
		struct mqshm_flow in, out;

		mqshm_block_waits(snap, b, &waits);
		mqshm_flow_block(snap, b->id, MQSHM_DIR_IN, &in);
		mqshm_flow_block(snap, b->id, MQSHM_DIR_OUT, &out);
		table_add(&t, (char *[]){ show_name(b->name), told(b, number(b->stats.work_count)),
			  told(b, show_duration(mean_ns(&b->stats))),
			  told(b, show_duration(b->stats.p99_work_ns)),
			  told(b, show_duration(b->stats.last_work_ns)),
			  told(b, show_duration(waits.input_ns)), told(b, show_duration(waits.space_ns)),
			  told(b, show_duration(waits.buffer_ns)), told(b, show_duration(waits.time_ns)),
			  number(in.taken), show_bytes(in.bytes),
			  number(out.messages), show_bytes(out.bytes), number(in.dropped),
			  told(b, number(b->stats.copies)) });
	}
	table_print(&t, "Blocks");
}

static void print_ports(const struct mqshm_snapshot *snap, const struct mqshm_block_record *b)
{
	static const char *const titles[] = { "Port", "Direction", "Connections", "Messages", "Bytes",
		"Taken", "Queued", "Dropped" };
	static const size_t widths[] = { 0, 0, 0, 0, 0, 0, 0, 0 };
	struct table t = { .columns = 8, .title = titles, .width = widths };

	for (size_t i = 0; i < snap->n_ports; i++) {
		const struct mqshm_port_record *p = &snap->ports[i];
		struct mqshm_flow flow;

		if (p->block != b->id)
			continue;
		mqshm_flow_port(snap, p->port, &flow);
		table_add(&t, (char *[]){ show_name(p->name),
			  text("%s%s", p->direction == MQSHM_DIR_OUT ? "out" : "in", p->ended ? ", ended" : ""),
			  number(flow.connections), number(flow.messages), show_bytes(flow.bytes),
			  number(flow.taken), text("%llu of %llu", (unsigned long long)flow.queued,
						   (unsigned long long)flow.depth),
			  number(flow.dropped) });
	}
	if (t.rows)
		table_print(&t, "Ports");
}

/* "amp1 (Amplifier) in amp1_proc, pid 146: idle for 1.2 s". */
static void print_name(const struct mqshm_snapshot *snap, const struct mqshm_block_record *b)
{
	const struct mqshm_client_record *client = mqshm_snapshot_client(snap, b->client);
	char *name = show_name(b->name), *type = show_name(b->type);
	char *process = show_name(client ? client->name : "?"), *since = NULL;
	uint64_t since_ns;
	uint32_t state = mqshm_block_state(snap, b, &since_ns);

	if (since_ns && since_ns < snap->now_ns)
		since = show_duration(snap->now_ns - since_ns);
	printf("%s (%s) in %s, pid %u: %s%s%s%s\n", name, type, process, client ? client->pid : 0,
	       client_state_name(state), since ? " for " : "", since ? since : "",
	       b->stopping ? ", stopping" : "");
	free(name);
	free(type);
	free(process);
	free(since);
}

static void print_block(const struct mqshm_snapshot *snap, const struct mqshm_block_record *b)
{
	struct mqshm_waits waits;
	char *mean, *p99, *last, *input, *space, *buffer, *time;

	print_name(snap, b);
	if (b->stats.block) {
		mqshm_block_waits(snap, b, &waits);
		mean = show_duration(mean_ns(&b->stats));
		p99 = show_duration(b->stats.p99_work_ns);
		last = show_duration(b->stats.last_work_ns);
		input = show_duration(waits.input_ns);
		space = show_duration(waits.space_ns);
		buffer = show_duration(waits.buffer_ns);
		time = show_duration(waits.time_ns);
		printf("Work: %llu calls, mean %s, p99 %s, last %s\n",
		       (unsigned long long)b->stats.work_count, mean, p99, last);
		printf("Waited: %s for input, %s for space, %s for buffers, %s for a time or a file\n",
		       input, space, buffer, time);
		if (b->stats.copies)
			printf("Copied: %u messages, to change what others hold too\n", b->stats.copies);
		free(mean);
		free(p99);
		free(last);
		free(input);
		free(space);
		free(buffer);
		free(time);
	} else {
		puts("Work: its process does not tell");
	}
	print_ports(snap, b);
}

/* -- as JSON: names are those of mqtool list --json -------------------------------------- */

static struct json_object *port_json(const struct mqshm_port_record *p,
				     const struct mqshm_flow *flow)
{
	struct json_object *o = json_object_new_object();

	json_add(o, "port", p->port);
	json_add_text(o, "name", p->name);
	json_add_flag(o, "ended", p->ended);
	json_add(o, "connections", flow->connections);
	json_add(o, "messages", flow->messages);
	json_add(o, "bytes", flow->bytes);
	json_add(o, "taken", flow->taken);
	json_add(o, "dropped", flow->dropped);
	json_add(o, "queued", flow->queued);
	json_add(o, "depth", flow->depth);
	return o;
}

static void add_ports(struct json_object *block, const char *key, const struct mqshm_snapshot *snap,
		      uint64_t id, uint32_t direction)
{
	struct json_object *array = json_add_array(block, key);
	struct mqshm_flow flow;

	for (size_t i = 0; i < snap->n_ports; i++) {
		if (snap->ports[i].block != id || snap->ports[i].direction != direction)
			continue;
		mqshm_flow_port(snap, snap->ports[i].port, &flow);
		json_object_array_add(array, port_json(&snap->ports[i], &flow));
	}
}

static struct json_object *block_json(const struct mqshm_snapshot *snap,
				      const struct mqshm_block_record *b)
{
	struct json_object *o = json_object_new_object();

	list_json_block(o, snap, b);
	json_add(o, "mean_work_ns", mean_ns(&b->stats));
	add_ports(o, "inputs", snap, b->id, MQSHM_DIR_IN);
	add_ports(o, "outputs", snap, b->id, MQSHM_DIR_OUT);
	return o;
}

/* -- the command ---------------------------------------------------------------------------- */

static int show_some(const struct stats_options *o, const struct mqshm_snapshot *snap,
		     struct json_object *array)
{
	const struct mqshm_block_record *block;

	for (size_t i = 0; i < o->n_blocks; i++) {
		block = graph_find_block(snap, o->blocks[i]);
		if (!block)
			return EXIT_FAILED;
		if (o->json) {
			json_object_array_add(array, block_json(snap, block));
			continue;
		}
		if (i)
			putchar('\n');
		print_block(snap, block);
	}
	return EXIT_DONE;
}

static int show(const struct stats_options *o, const struct mqshm_snapshot *snap)
{
	struct json_object *all, *array;
	int status;

	if (!o->json && o->n_blocks)
		return show_some(o, snap, NULL);
	if (!o->json) {
		print_all(snap);
		return EXIT_DONE;
	}
	all = json_object_new_object();
	json_add(all, "now_ns", snap->now_ns);
	array = json_add_array(all, "blocks");
	status = show_some(o, snap, array);
	for (size_t i = 0; !o->n_blocks && i < snap->n_blocks; i++)
		json_object_array_add(array, block_json(snap, &snap->blocks[i]));
	if (!status)
		return json_print(all);
	json_object_put(all);
	return status;
}

int command_stats(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "json", 'j', NULL, 0, "Everything, as JSON", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "[BLOCK...]", "Shows what blocks did since they began: all of them in a table, or "
		"some in full, with their ports."
		"\vWork is what calls of work took, waits in them included; p99: 99 of 100 took no longer, to a "
		"quarter. Messages and bytes are those of the connections that are there; a message that went to "
		"several counts for each.", NULL, NULL, NULL
	};
	struct stats_options o = { 0 };
	struct mqshm_snapshot *snap;
	struct mqshm_runtime *rt;
	char *name;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = runtime_open(o.runtime, &rt, &name);
	if (status)
		return status;
	status = runtime_snapshot(rt, name, &snap);
	if (!status) {
		status = show(&o, snap);
		mqshm_snapshot_free(snap);
	}
	mqshm_runtime_close(rt);
	free(name);
	free(o.blocks);
	return status;
}
