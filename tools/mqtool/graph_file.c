// SPDX-License-Identifier: GPL-2.0-only
/* Graphs in files: pools, processes and blocks. */
#include <stdlib.h>
#include <string.h>

#include "reader.h"

/* -- pools ------------------------------------------------------------------------------ */

/**
 * struct pool_words - a pool as it is written
 * @size: of a buffer
 * @count: of buffers
 * @options: where
 */
struct pool_words {
	const char *size;
	const char *count;
	struct mqshm_pool_options options;
};

static void read_pool_size(struct reader *r, struct fy_node *value, void *what)
{
	((struct pool_words *)what)->size = reader_word(r, value, "size", NULL);
}

static void read_pool_count(struct reader *r, struct fy_node *value, void *what)
{
	((struct pool_words *)what)->count = reader_word(r, value, "count", NULL);
}

static void read_pool_huge(struct reader *r, struct fy_node *value, void *what)
{
	((struct pool_words *)what)->options.huge = reader_bool(r, value, "huge");
}

static void read_pool_node(struct reader *r, struct fy_node *value, void *what)
{
	const char *s = reader_word(r, value, "node", NULL);
	const char *error = pool_node_parse(s, &((struct pool_words *)what)->options);

	if (error)
		reader_wrong(r, value, "node", s, error);
}

/* "4K: 256" or "frames: {size: 64K, count: 256}" */
static void read_pool(struct reader *r, struct fy_node_pair *pair)
{
	static const struct reader_key keys[] = {
		{ "size", read_pool_size }, { "count", read_pool_count },
		{ "huge", read_pool_huge }, { "node", read_pool_node }, { NULL, NULL }
	};
	struct fy_node *value = fy_node_pair_value(pair), *key = fy_node_pair_key(pair);
	struct pool_words words = { .size = reader_key(r, pair) };
	struct pool_request pool;
	const char *error;
	char *form;

	if (value && fy_node_get_type(value) == FYNT_MAPPING)
		reader_keys(r, value, keys, &words);
	else
		words.count = reader_word(r, value, "pool", reader_key(r, pair));
	form = text("%s=%s:%s", reader_key(r, pair), words.size, words.count ? words.count : "");
	error = words.count ? pool_parse(form, &pool) : "its count is missing";
	pool.options = words.options;
	if (error)
		reader_wrong(r, key, "pool", reader_key(r, pair), error);
	else
		spec_add_pool(r->spec, &pool);
	free(form);
}

static void read_pools(struct reader *r, struct fy_node *value, void *what)
{
	struct fy_node_pair *pair;
	void *at = NULL;

	(void)what;
	if (!reader_is_mapping(r, value, "pools", "it is NAME: COUNT, or NAME: {size: BYTES, count: N}"))
		return;
	while ((pair = fy_node_mapping_iterate(value, &at)))
		read_pool(r, pair);
}

/* -- processes ----------------------------------------------------------------------------- */

static void read_restart(struct reader *r, struct fy_node *value, struct mqshm_restart *out)
{
	const char *s = reader_word(r, value, "restart", NULL);

	if (!restart_parse(s, out))
		reader_wrong(r, value, "restart", s, RESTART_FORM);
}

static void read_threads(struct reader *r, struct fy_node *value, void *what)
{
	const char *s = reader_word(r, value, "threads", NULL);
	uint64_t threads;

	if (!parse_number(s, MQSHM_WORKER_THREADS_MAX, &threads) || !threads)
		reader_wrong(r, value, "threads", s, "it is a number from 1 to 64");
	else
		((struct spec_process *)what)->threads = threads;
}

static void read_cpus(struct reader *r, struct fy_node *value, void *what)
{
	struct spec_process *p = what;

	p->place.cpus = text("%s", reader_word(r, value, "cpus", NULL));
}

static void read_node(struct reader *r, struct fy_node *value, void *what)
{
	struct spec_process *p = what;
	const char *s = reader_word(r, value, "node", NULL);
	uint64_t node;

	if (!parse_number(s, UINT32_MAX, &node))
		reader_wrong(r, value, "node", s, "it is the number of a NUMA node");
	p->place.on_node = true;
	p->place.node = node;
}

/* Before anything is started. */
static void check_place(struct reader *r, struct fy_node *key, const struct spec_process *p)
{
	int error = mqshm_place_check(&p->place);
	char *what;

	if (!error)
		return;
	what = place_wrong(&p->place, error);
	reader_wrong(r, key, p->place.cpus ? "cpus of process" : "node of process", p->name, what);
	free(what);
}

static void read_process_restart(struct reader *r, struct fy_node *value, void *what)
{
	read_restart(r, value, &((struct spec_process *)what)->restart);
}

static void read_processes(struct reader *r, struct fy_node *value, void *what)
{
	static const struct reader_key keys[] = {
		{ "threads", read_threads }, { "cpus", read_cpus }, { "node", read_node },
		{ "restart", read_process_restart }, { NULL, NULL }
	};
	struct fy_node_pair *pair;
	void *at = NULL;

	(void)what;
	if (!reader_is_mapping(r, value, "processes", "it is NAME: {threads: N, restart: WHEN}"))
		return;
	while ((pair = fy_node_mapping_iterate(value, &at))) {
		struct fy_node *settings = fy_node_pair_value(pair);
		struct spec_process *p = spec_add_process(r->spec, reader_key(r, pair),
							  reader_line(fy_node_pair_key(pair)));

		if (!*p->name || strlen(p->name) >= MQSHM_PROCESS_NAME_LEN)
			reader_wrong(r, fy_node_pair_key(pair), "process", p->name, "a name has 1 to 63 bytes");
		/* "NAME:" alone is one without settings */
		if (settings && fy_node_get_type(settings) == FYNT_MAPPING)
			reader_keys(r, settings, keys, p);
		else if (settings && fy_node_get_scalar_token(settings) &&
			 *fy_node_get_scalar0(settings))
			reader_wrong(r, settings, "process", p->name, "it is {threads: N, restart: WHEN}");
		check_place(r, fy_node_pair_key(pair), p);
	}
}

/* -- blocks --------------------------------------------------------------------------------- */

static void read_type(struct reader *r, struct fy_node *value, void *what)
{
	struct spec_block *b = what;

	b->type = text("%s", reader_word(r, value, "type of block", b->name));
}

static void read_block_process(struct reader *r, struct fy_node *value, void *what)
{
	struct spec_block *b = what;

	b->process = text("%s", reader_word(r, value, "process of block", b->name));
}

static void read_block_restart(struct reader *r, struct fy_node *value, void *what)
{
	struct spec_block *b = what;

	read_restart(r, value, &b->restart);
	b->restarts = true;
}

static void read_params(struct reader *r, struct fy_node *value, void *what)
{
	struct fy_node_pair *pair;
	void *at = NULL;

	if (!reader_is_mapping(r, value, "params", "it is KEY: VALUE for each parameter"))
		return;
	while ((pair = fy_node_mapping_iterate(value, &at)))
		spec_add_param(what, reader_key(r, pair),
			       reader_word(r, fy_node_pair_value(pair), "parameter", reader_key(r, pair)),
			       reader_line(fy_node_pair_key(pair)));
}

static void read_blocks(struct reader *r, struct fy_node *value, void *what)
{
	static const struct reader_key keys[] = {
		{ "type", read_type }, { "params", read_params }, { "process", read_block_process },
		{ "restart", read_block_restart }, { NULL, NULL }
	};
	struct fy_node_pair *pair;
	void *at = NULL;

	(void)what;
	if (!reader_is_mapping(r, value, "blocks", "it is NAME: {type: TYPE, params: {KEY: VALUE}}"))
		return;
	while ((pair = fy_node_mapping_iterate(value, &at))) {
		struct fy_node *key = fy_node_pair_key(pair), *settings = fy_node_pair_value(pair);
		struct spec_block *b = spec_add_block(r->spec, reader_key(r, pair), reader_line(key));

		if (settings && fy_node_get_type(settings) == FYNT_MAPPING)
			reader_keys(r, settings, keys, b);
		else
			reader_wrong(r, key, "block", b->name, "it is {type: TYPE, params: {KEY: VALUE}}");
		if (b->process && b->restarts)
			reader_wrong(r, key, "block", b->name, "restart belongs to its process");
	}
}

/* -- the file --------------------------------------------------------------------------------- */

static void read_runtime(struct reader *r, struct fy_node *value, void *what)
{
	(void)what;
	r->spec->runtime = text("%s", reader_word(r, value, "runtime", NULL));
}

int spec_read(const char *file, struct spec *s)
{
	static const struct reader_key keys[] = {
		{ "runtime", read_runtime }, { "pools", read_pools }, { "processes", read_processes },
		{ "blocks", read_blocks }, { "connections", read_connections }, { NULL, NULL }
	};
	struct reader r = { .spec = s, .file = file };

	s->file = file;
	return reader_file(&r, "it has blocks: and connections:", keys);
}
