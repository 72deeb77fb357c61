/* SPDX-License-Identifier: GPL-2.0-only */
/* A graph as somebody wrote it, to be checked and run: from a file, or from a line. */
#ifndef MQTOOL_SPEC_H
#define MQTOOL_SPEC_H

#include "mqtool.h"

/**
 * struct spec_process - a process of a graph
 * @name: its name
 * @threads: that run its blocks
 * @place: where they run; its list is copied
 * @restart: when it is started again
 * @line: where it is written
 */
struct spec_process {
	char *name;
	uint32_t threads;
	struct mqshm_place place;
	struct mqshm_restart restart;
	unsigned int line;
};

/**
 * struct spec_block - a block of a graph
 * @name: its name
 * @type: name of its type
 * @process: name of its process, NULL for one of its own
 * @params: array[@n_params]
 * @n_params: their number
 * @param_lines: where each of @params is written
 * @restart: when it is started again, if it has a process of its own
 * @restarts: @restart is given
 * @line: where it is written
 */
struct spec_block {
	char *name;
	char *type;
	char *process;
	struct mqshm_param *params;
	size_t n_params;
	unsigned int *param_lines;
	struct mqshm_restart restart;
	bool restarts;
	unsigned int line;
};

/**
 * struct spec_connection - a connection of a graph
 * @from: "block:port" or "block"
 * @to: "block:port" or "block"
 * @options: how
 * @line: where it is written
 */
struct spec_connection {
	char *from;
	char *to;
	struct mqshm_connect_options options;
	unsigned int line;
};

/**
 * struct spec - a graph
 * @file: where it comes from, for messages; borrowed
 * @runtime: its name, NULL if it is not said
 * @pools: array[@n_pools]
 * @processes: array[@n_processes]
 * @blocks: array[@n_blocks]
 * @connections: array[@n_connections]
 *
 * Lines are 0 where there are none.
 */
struct spec {
	const char *file;
	char *runtime;
	struct pool_request *pools;
	size_t n_pools;
	struct spec_process *processes;
	size_t n_processes;
	struct spec_block *blocks;
	size_t n_blocks;
	struct spec_connection *connections;
	size_t n_connections;
};

/* -- spec.c ---------------------------------------------------------------------- */

/* Add to the end; valid until the next is added. Strings are copied. */
struct spec_block *spec_add_block(struct spec *s, const char *name, unsigned int line);
struct spec_process *spec_add_process(struct spec *s, const char *name, unsigned int line);
void spec_add_pool(struct spec *s, const struct pool_request *pool);
void spec_add_param(struct spec_block *block, const char *key, const char *value,
		    unsigned int line);
struct spec_connection *spec_connect(struct spec *s, const char *from, const char *to,
				     unsigned int line);
struct spec_block *spec_find_block(const struct spec *s, const char *name);
const struct spec_process *spec_find_process(const struct spec *s, const char *name);
void spec_free(struct spec *s);
/* All that can be told before anything is started; 0, or EXIT_FAILED after messages. */
int spec_check(const struct spec *s);

/* -- graph_file.c ------------------------------------------------------------------- */

/* Reads a graph; 0, or EXIT_FAILED after a message. */
int spec_read(const char *file, struct spec *s);

/* -- run.c ---------------------------------------------------------------------------- */

/**
 * struct run_options - how to run a graph
 * @runtime: name of the runtime; NULL for the one of the graph
 * @fallback: name of the runtime if nothing says one
 * @restart: for blocks that do not say when they are started again
 * @dry: only check, and show what would be done
 * @json: that, or what becomes of processes, as JSON
 */
struct run_options {
	const char *runtime;
	const char *fallback;
	struct mqshm_restart restart;
	bool dry;
	bool json;
};

/* Checks a graph and runs it to its end; EXIT_*. */
int spec_run(const struct spec *s, const struct run_options *o);

/* -- run_line.c ---------------------------------------------------------------------------- */

/* Options of how to run a graph, for a command whose child_inputs[0] is struct run_options. */
extern const struct argp_child run_children[];

/* -- run_json.c ------------------------------------------------------------------------- */

/* The graph, its blocks in this order; EXIT_*. */
int run_json_graph(const struct spec *s, const char *runtime, const struct mqshm_graph *graph,
		   const size_t *order);

#endif /* MQTOOL_SPEC_H */
