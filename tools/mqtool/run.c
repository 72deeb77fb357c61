// SPDX-License-Identifier: GPL-2.0-only
/* mqtool run: a graph from a file, from its start to its end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spec.h"

/* -- runtime and pools ------------------------------------------------------------- */

/* Of a runtime that is made for a graph that says none. */
static const struct pool_request default_pools[] = {
	{ "4K", 4 << 10, 1024, { 0 } }, { "64K", 64 << 10, 256, { 0 } }, { "1M", 1 << 20, 32, { 0 } },
};

/* One that is there already, perhaps made by another graph that begins just now. */
static int pool_compare(const struct mqshm_snapshot *snap, const struct pool_request *pool)
{
	const struct mqshm_pool_record *there = mqshm_snapshot_find_pool(snap, pool->name);

	if (pool->options.huge && !(there->flags & MQSHM_POOL_F_HUGE))
		return fail("pool", pool->name, "the runtime has one of that name, which is not to be on "
			    "huge pages");
	if (pool->options.on_node && (!(there->flags & MQSHM_POOL_F_NODE) ||
				      there->node != pool->options.node))
		return fail("pool", pool->name, "the runtime has one of that name, which is not on NUMA "
			    "node %u", pool->options.node);
	if (there->buffer_bytes == pool->buffer_bytes && there->buffers >= pool->buffers)
		return 0;
	return fail("pool", pool->name, "the runtime has one of that name, with %u buffers of %u "
		    "bytes", there->buffers, there->buffer_bytes);
}

static int pool_ensure(struct mqshm_runtime *rt, const char *runtime, const struct pool_request *pool)
{
	int error = pool_try(rt, pool), status;
	struct mqshm_snapshot *snap;

	if (error != -EEXIST)
		return error ? pool_failed(rt, pool, error) : 0;
	status = runtime_snapshot(rt, runtime, &snap);
	if (status)
		return status;
	status = pool_compare(snap, pool);
	mqshm_snapshot_free(snap);
	return status;
}

#define N_DEFAULTS (sizeof(default_pools) / sizeof(*default_pools))

static bool is_default(const struct mqshm_pool_record *pool)
{
	for (size_t i = 0; i < N_DEFAULTS; i++)
		if (!strcmp(pool->name, default_pools[i].name) &&
		    pool->buffer_bytes == default_pools[i].buffer_bytes &&
		    pool->buffers == default_pools[i].buffers)
			return true;
	return false;
}

/*
 * Nobody said which pools it is to have. Another graph that found it so just now may have made
 * some of the default ones and be about to make the others; until they are all there, neither
 * it nor this one lets a client join.
 */
static bool wants_defaults(const struct mqshm_snapshot *snap)
{
	const struct mqshm_runtime_record *r = snap->runtimes;
	size_t i;

	if (!snap->n_pools)
		return true;
	if (r->state & MQSHM_STATE_PERSISTENT || snap->n_clients || r->settled)
		return false;
	for (i = 0; i < snap->n_pools && is_default(&snap->pools[i]); i++)
		;
	return i == snap->n_pools;
}

/* A graph that says none takes what there is, or what another one makes meanwhile. */
static int defaults_ensure(struct mqshm_runtime *rt, const char *name)
{
	struct mqshm_snapshot *snap;
	int status = runtime_snapshot(rt, name, &snap), error;
	bool wanted;

	if (status)
		return status;
	wanted = snap->n_runtimes && wants_defaults(snap);
	mqshm_snapshot_free(snap);
	for (size_t i = 0; i < N_DEFAULTS && wanted && !status; i++) {
		error = pool_try(rt, &default_pools[i]);
		if (error && error != -EEXIST)
			status = pool_failed(rt, &default_pools[i], error);
	}
	return status;
}

static int pools_ensure(struct mqshm_runtime *rt, const char *name, const struct spec *s)
{
	int status = 0;

	if (!s->n_pools)
		return defaults_ensure(rt, name);
	for (size_t i = 0; i < s->n_pools && !status; i++)
		status = pool_ensure(rt, name, &s->pools[i]);
	return status;
}

/* One that is made goes with the graph. */
static int runtime_ensure(const char *name, const struct spec *s, struct mqshm_runtime **rt)
{
	struct mqshm_runtime_options options = { 0 };
	bool created;
	int error, status;

	/* somebody else's can only be used */
	error = strchr(name, '/') ? mqshm_runtime_open(name, rt) :
		mqshm_runtime_open_or_create(name, &options, &created, rt);
	if (error)
		return runtime_fail(name, error);
	status = pools_ensure(*rt, name, s);
	if (status)
		mqshm_runtime_close(*rt);
	return status;
}

/* -- the graph ------------------------------------------------------------------------ */

/* A policy of its own goes before the one that is for all. */
static const struct mqshm_restart *restart_of(const struct mqshm_restart *own,
					      const struct run_options *o)
{
	return own->when ? own : &o->restart;
}

static struct mqshm_process_spec *processes_make(const struct spec *s,
						 const struct run_options *o)
{
	struct mqshm_process_spec *processes = grow(NULL, s->n_processes + 1, sizeof(*processes));

	for (size_t i = 0; i < s->n_processes; i++)
		processes[i] = (struct mqshm_process_spec) {
			.name = s->processes[i].name, .threads = s->processes[i].threads,
			.place = s->processes[i].place,
			.inherit = true, .restart = *restart_of(&s->processes[i].restart, o),
		};
	return processes;
}

static struct mqshm_graph *graph_make(const struct spec *s, const struct run_options *o)
{
	struct mqshm_block_spec *blocks = grow(NULL, s->n_blocks + 1, sizeof(*blocks));
	struct mqshm_connection_spec *connections = grow(NULL, s->n_connections + 1,
							 sizeof(*connections));
	struct mqshm_graph *graph = grow(NULL, 1, sizeof(*graph));

	for (size_t i = 0; i < s->n_blocks; i++) {
		const struct spec_block *b = &s->blocks[i];
		const struct spec_process *p = b->process ? spec_find_process(s, b->process) : NULL;

		blocks[i] = (struct mqshm_block_spec) {
			.type = b->type, .name = b->name, .params = b->params,
			.n_params = b->n_params, .process_name = b->process, .inherit = true,
			.restart = b->restarts ? b->restart :
				   p ? *restart_of(&p->restart, o) : o->restart,
		};
	}
	for (size_t i = 0; i < s->n_connections; i++)
		connections[i] = (struct mqshm_connection_spec) {
			.from = s->connections[i].from, .to = s->connections[i].to,
			.options = s->connections[i].options,
		};
	*graph = (struct mqshm_graph){
		.processes = processes_make(s, o), .n_processes = s->n_processes,
		.blocks = blocks, .n_blocks = s->n_blocks,
		.connections = connections, .n_connections = s->n_connections,
	};
	return graph;
}

static void graph_free(struct mqshm_graph *graph)
{
	free((void *)graph->processes);
	free((void *)graph->blocks);
	free((void *)graph->connections);
	free(graph);
}

static int block_failed(const struct spec_block *b, const struct mqshm_process_info *process,
			int error)
{
	if (error != -ECHILD)
		return fail_errno("block", b->name, error);
	if (process->signal)
		return fail("block", b->name, "its process was ended by signal %d (%s)",
			    process->signal, strsignal(process->signal));
	return fail("block", b->name, "it does not start, for the reason above");
}

static int connection_failed(const struct spec_connection *c, const char *runtime,
			     const struct mqshm_snapshot *snap, int error)
{
	/* says itself which end is wrong */
	if (snap && (error == -ENOENT || error == -EINVAL) &&
	    (!graph_find_port(snap, c->from, MQSHM_DIR_OUT) ||
	     !graph_find_port(snap, c->to, MQSHM_DIR_IN)))
		return EXIT_FAILED;
	if (error == -EEXIST)
		return fail("connection", c->from, "it is connected to %s already", c->to);
	if (error == -ENOSPC)
		return limit_reached("connection", c->from, runtime, "connections");
	return fail_errno("connection", c->from, error);
}

static int start_failed(const struct spec *s, const char *runtime,
			struct mqshm_graph_fault *fault, int error)
{
	int status;

	switch (fault->kind) {
	case MQSHM_GRAPH_BLOCK:
		fail_place(s->file, s->blocks[fault->index].line);
		status = block_failed(&s->blocks[fault->index], &fault->process, error);
		break;
	case MQSHM_GRAPH_CONNECTION:
		fail_place(s->file, s->connections[fault->index].line);
		status = connection_failed(&s->connections[fault->index], runtime,
					   fault->snapshot, error);
		break;
	default:
		status = fail_errno("graph", NULL, error);
	}
	fail_place(NULL, 0);
	mqshm_snapshot_free(fault->snapshot);
	return status;
}

static int run(const struct spec *s, const char *runtime, const struct mqshm_graph *graph, bool json)
{
	static const char *const worker[] = { SELF, "mqtool", "worker", NULL };
	struct mqshm_graph_fault fault;
	struct mqshm_manager *m;
	int error = mqshm_manager_open(runtime, worker, &m), status;

	if (error)
		return runtime_fail(runtime, error);
	supervise_hold_signals();
	error = mqshm_manager_start_graph(m, graph, &fault);
	status = error ? start_failed(s, runtime, &fault, error) : supervise(m, json);
	mqshm_manager_close(m);
	return status;
}

/* -- what would be done ------------------------------------------------------------------ */

static char *params_text(const struct spec_block *b)
{
	char *all = text("%s", ""), *longer;

	for (size_t i = 0; i < b->n_params; i++) {
		longer = text("%s%s%s=%s", all, i ? " " : "", b->params[i].key, b->params[i].value);
		free(all);
		all = longer;
	}
	return all;
}

static char *restart_text(const struct mqshm_restart *restart)
{
	static const char *const words[] = { "no", "on-failure", "always" };

	if (restart->backoff_ms)
		return text("%s:%u:%u", words[restart->when], restart->limit, restart->backoff_ms);
	return restart->limit ? text("%s:%u", words[restart->when], restart->limit) :
	       text("%s", words[restart->when]);
}

/* When the block at an end is started again, as the graph is run. */
static bool end_restarts(const struct mqshm_graph *graph, const char *end)
{
	size_t n = strcspn(end, ":");

	for (size_t i = 0; i < graph->n_blocks; i++) {
		const struct mqshm_block_spec *b = &graph->blocks[i];

		if (!strncmp(b->name, end, n) && !b->name[n])
			return b->restart.when != MQSHM_RESTART_NO;
	}
	return false;
}

static char *persistent_text(const struct mqshm_graph *graph, const struct spec_connection *c)
{
	bool restarts = end_restarts(graph, c->from) || end_restarts(graph, c->to);

	return text("%s", c->options.persistent ? "yes" : c->options.transient || !restarts ?
		    "no" : "for restarts");
}

static char *keep_text(const struct mqshm_connect_options *o)
{
	uint64_t ns = o->keep_ns ? o->keep_ns : MQSHM_KEEP_DEFAULT_NS;

	if (!o->keep)
		return text("no");
	return o->keep_ns == MQSHM_KEEP_FOREVER ? text("forever") : show_duration(ns);
}

static void show_connections(const struct spec *s, const struct mqshm_graph *graph)
{
	static const char *const titles[] = { "From", "To", "Policy", "Persistent", "Keep" };
	static const size_t widths[] = { 12, 12, 12, 12, 0 };
	struct table connections = { .columns = 5, .title = titles, .width = widths };

	for (size_t i = 0; i < s->n_connections; i++) {
		const struct spec_connection *c = &s->connections[i];

		table_add(&connections, (char *[]){ show_name(c->from), show_name(c->to),
			  text("%s", policy_name(c->options.policy)),
			  persistent_text(graph, c), keep_text(&c->options) });
	}
	table_print(&connections, "Connections");
}

static int show(const struct spec *s, const char *runtime, const struct mqshm_graph *graph, bool json)
{
	static const char *const block_titles[] = { "Name", "Type", "Process", "Restart", "Parameters" };
	static const size_t block_widths[] = { 12, 12, 12, 12, 0 };
	struct table blocks = { .columns = 5, .title = block_titles, .width = block_widths };
	size_t *order = grow(NULL, graph->n_blocks + 1, sizeof(*order));

	if (mqshm_graph_order(graph, order)) {
		free(order);
		return fail_errno("graph", NULL, -ENOMEM);
	}
	if (json) {
		int status = run_json_graph(s, runtime, graph, order);

		free(order);
		return status;
	}
	printf("Runtime: %s\n", runtime);
	for (size_t i = 0; i < graph->n_blocks; i++) {
		const struct spec_block *b = &s->blocks[order[i]];

		table_add(&blocks, (char *[]){ show_name(b->name), show_name(b->type),
			  b->process ? show_name(b->process) : text("%s_proc", b->name),
			  restart_text(&graph->blocks[order[i]].restart), params_text(b) });
	}
	table_print(&blocks, "Blocks, in the order in which they begin");
	show_connections(s, graph);
	free(order);
	return EXIT_DONE;
}

int spec_run(const struct spec *s, const struct run_options *o)
{
	const char *environment = getenv("MQSHM_RUNTIME"), *runtime = o->runtime;
	struct mqshm_graph *graph;
	struct mqshm_runtime *rt;
	int status = spec_check(s);

	if (status)
		return status;
	if (!runtime)
		runtime = s->runtime ? s->runtime : environment && *environment ? environment :
			  o->fallback;
	graph = graph_make(s, o);
	if (o->dry) {
		status = show(s, runtime, graph, o->json);
	} else {
		status = runtime_ensure(runtime, s, &rt);
		if (!status) {
			status = run(s, runtime, graph, o->json);
			mqshm_runtime_close(rt);
		}
	}
	graph_free(graph);
	return status;
}

/* -- the command --------------------------------------------------------------------------- */

/**
 * struct run_line - the command line
 * @run: how to run
 * @file: the graph
 */
struct run_line {
	struct run_options run;
	const char *file;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run_line *line = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &line->run;
		return 0;
	case ARGP_KEY_ARG:
		if (line->file)
			argp_error(state, "%s: one graph at a time", arg);
		line->file = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which graph? it is mqtool run FILE.yaml");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* "graphs/voice.yaml" is "voice". */
static char *base_name(const char *file)
{
	const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file;
	size_t n = strcspn(base, ".");

	if (!n || !strcmp(file, "-"))
		return text("graph");
	return text("%.*s", (int)(n < MQSHM_RUNTIME_NAME_LEN ? n : MQSHM_RUNTIME_NAME_LEN - 1), base);
}

int command_run(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse, "FILE.yaml", "Runs a graph from a file, until it is done."
		"\vAll is checked before anything is started, and all is connected before the first "
		"block runs. Ctrl-C ends the streams at their sources and lets through what is on "
		"its way; a second one stops all blocks at once. man mqtool describes the file.\n\n"
		"  blocks:\n"
		"    src: {type: FileSource, params: {filename: in.wav}}\n"
		"    snk: {type: FileSink, params: {filename: out.wav}}\n"
		"  connections:\n"
		"    - src -> snk", run_children, NULL, NULL
	};
	struct run_line line = { 0 };
	struct spec spec = { 0 };
	char *fallback;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &line);
	fallback = base_name(line.file);
	line.run.fallback = fallback;
	status = spec_read(line.file, &spec);
	if (!status)
		status = spec_run(&spec, &line.run);
	spec_free(&spec);
	free(fallback);
	return status;
}
