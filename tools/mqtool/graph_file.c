// SPDX-License-Identifier: GPL-2.0-only
/* Graphs in files: YAML, where each word knows its line, for messages. */
#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "spec.h"

/**
 * struct reader - a file that is being read
 * @spec: gets what is in it
 * @file: its name
 * @line: of the last key, for what has no line of its own
 * @status: EXIT_FAILED once something was wrong
 */
struct reader {
	struct spec *spec;
	const char *file;
	unsigned int line;
	int status;
};

/**
 * struct key - a key that a mapping may have
 * @name: the key
 * @read: takes its value in; @what: what the mapping is about
 */
struct key {
	const char *name;
	void (*read)(struct reader *r, struct fy_node *value, void *what);
};

/* Line of a scalar, or of the first one in it; 0 if it is empty. */
static unsigned int line_of(struct fy_node *node)
{
	void *at = NULL;
	struct fy_node_pair *pair;
	struct fy_node *first;

	switch (node ? fy_node_get_type(node) : FYNT_SCALAR) {
	case FYNT_MAPPING:
		pair = fy_node_mapping_iterate(node, &at);
		return pair ? line_of(fy_node_pair_key(pair)) : 0;
	case FYNT_SEQUENCE:
		first = fy_node_sequence_iterate(node, &at);
		return first ? line_of(first) : 0;
	default:
		if (!node || !fy_node_get_scalar_token(node))
			return 0;
		return fy_token_start_mark(fy_node_get_scalar_token(node))->line + 1;
	}
}

/* What is wrong, at a node; only the first is told. */
static void wrong(struct reader *r, struct fy_node *node, const char *kind, const char *name,
		  const char *what)
{
	unsigned int line = line_of(node);

	if (r->status)
		return;
	fail_place(r->file, line ? line : r->line);
	r->status = fail(kind, name, "%s", what);
	fail_place(NULL, 0);
}

/* Text of a scalar, "" after a message. */
static const char *word(struct reader *r, struct fy_node *node, const char *kind,
			const char *name)
{
	const char *s = node && fy_node_is_scalar(node) ? fy_node_get_scalar0(node) : NULL;

	if (s && *s)
		return s;
	wrong(r, node, kind, name, "a word is missing here");
	return "";
}

static const char *key_of(struct reader *r, struct fy_node_pair *pair)
{
	struct fy_node *key = fy_node_pair_key(pair);
	const char *s = key && fy_node_is_scalar(key) ? fy_node_get_scalar0(key) : NULL;

	r->line = line_of(key);
	return s ? s : "";
}

static bool is_mapping(struct reader *r, struct fy_node *node, const char *name,
		       const char *form)
{
	if (node && fy_node_get_type(node) == FYNT_MAPPING)
		return true;
	wrong(r, node, name, NULL, form);
	return false;
}

static void key_unknown(struct reader *r, struct fy_node *node, const char *name,
			const struct key *keys)
{
	struct names names = { 0 };
	char *hint, *what;

	for (; keys->name; keys++)
		names_add(&names, keys->name);
	hint = names_hint(&names, name, "keys");
	what = text("there is no such key here%s", hint);
	wrong(r, node, "key", name, what);
	free(what);
	free(hint);
	names_free(&names);
}

/* Reads a mapping that has only these keys. */
static void read_keys(struct reader *r, struct fy_node *node, const struct key *keys,
		      void *what)
{
	struct fy_node_pair *pair;
	void *at = NULL;

	while ((pair = fy_node_mapping_iterate(node, &at))) {
		const char *name = key_of(r, pair);
		const struct key *key = keys;

		while (key->name && strcmp(key->name, name))
			key++;
		if (key->name)
			key->read(r, fy_node_pair_value(pair), what);
		else
			key_unknown(r, fy_node_pair_key(pair), name, keys);
	}
}

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
	((struct pool_words *)what)->size = word(r, value, "size", NULL);
}

static void read_pool_count(struct reader *r, struct fy_node *value, void *what)
{
	((struct pool_words *)what)->count = word(r, value, "count", NULL);
}

static bool read_bool(struct reader *r, struct fy_node *value, const char *name)
{
	const char *yes = word(r, value, name, NULL);

	if (*yes && strcmp(yes, "true") && strcmp(yes, "false"))
		wrong(r, value, name, yes, "it is true or false");
	return !strcmp(yes, "true");
}

static void read_pool_huge(struct reader *r, struct fy_node *value, void *what)
{
	((struct pool_words *)what)->options.huge = read_bool(r, value, "huge");
}

static void read_pool_node(struct reader *r, struct fy_node *value, void *what)
{
	const char *s = word(r, value, "node", NULL);
	const char *error = pool_node_parse(s, &((struct pool_words *)what)->options);

	if (error)
		wrong(r, value, "node", s, error);
}

/* "4K: 256" or "frames: {size: 64K, count: 256}" */
static void read_pool(struct reader *r, struct fy_node_pair *pair)
{
	static const struct key keys[] = {
		{ "size", read_pool_size }, { "count", read_pool_count },
		{ "huge", read_pool_huge }, { "node", read_pool_node }, { NULL, NULL }
	};
	struct fy_node *value = fy_node_pair_value(pair), *key = fy_node_pair_key(pair);
	struct pool_words words = { .size = key_of(r, pair) };
	struct pool_request pool;
	const char *error;
	char *form;

	if (value && fy_node_get_type(value) == FYNT_MAPPING)
		read_keys(r, value, keys, &words);
	else
		words.count = word(r, value, "pool", key_of(r, pair));
	form = text("%s=%s:%s", key_of(r, pair), words.size, words.count ? words.count : "");
	error = words.count ? pool_parse(form, &pool) : "its count is missing";
	pool.options = words.options;
	if (error)
		wrong(r, key, "pool", key_of(r, pair), error);
	else
		spec_add_pool(r->spec, &pool);
	free(form);
}

static void read_pools(struct reader *r, struct fy_node *value, void *what)
{
	struct fy_node_pair *pair;
	void *at = NULL;

	(void)what;
	if (!is_mapping(r, value, "pools", "it is NAME: COUNT, or NAME: {size: BYTES, count: N}"))
		return;
	while ((pair = fy_node_mapping_iterate(value, &at)))
		read_pool(r, pair);
}

/* -- processes ----------------------------------------------------------------------------- */

static void read_restart(struct reader *r, struct fy_node *value, struct mqshm_restart *out)
{
	const char *s = word(r, value, "restart", NULL);

	if (!restart_parse(s, out))
		wrong(r, value, "restart", s, RESTART_FORM);
}

static void read_threads(struct reader *r, struct fy_node *value, void *what)
{
	const char *s = word(r, value, "threads", NULL);
	uint64_t threads;

	if (!parse_number(s, MQSHM_WORKER_THREADS_MAX, &threads) || !threads)
		wrong(r, value, "threads", s, "it is a number from 1 to 64");
	else
		((struct spec_process *)what)->threads = threads;
}

static void read_cpus(struct reader *r, struct fy_node *value, void *what)
{
	struct spec_process *p = what;

	p->place.cpus = text("%s", word(r, value, "cpus", NULL));
}

static void read_node(struct reader *r, struct fy_node *value, void *what)
{
	struct spec_process *p = what;
	const char *s = word(r, value, "node", NULL);
	uint64_t node;

	if (!parse_number(s, UINT32_MAX, &node))
		wrong(r, value, "node", s, "it is the number of a NUMA node");
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
	wrong(r, key, p->place.cpus ? "cpus of process" : "node of process", p->name, what);
	free(what);
}

static void read_process_restart(struct reader *r, struct fy_node *value, void *what)
{
	read_restart(r, value, &((struct spec_process *)what)->restart);
}

static void read_processes(struct reader *r, struct fy_node *value, void *what)
{
	static const struct key keys[] = {
		{ "threads", read_threads }, { "cpus", read_cpus }, { "node", read_node },
		{ "restart", read_process_restart }, { NULL, NULL }
	};
	struct fy_node_pair *pair;
	void *at = NULL;

	(void)what;
	if (!is_mapping(r, value, "processes", "it is NAME: {threads: N, restart: WHEN}"))
		return;
	while ((pair = fy_node_mapping_iterate(value, &at))) {
		struct fy_node *settings = fy_node_pair_value(pair);
		struct spec_process *p = spec_add_process(r->spec, key_of(r, pair),
							  line_of(fy_node_pair_key(pair)));

		if (!*p->name || strlen(p->name) >= MQSHM_PROCESS_NAME_LEN)
			wrong(r, fy_node_pair_key(pair), "process", p->name, "a name has 1 to 63 bytes");
		/* "NAME:" alone is one without settings */
		if (settings && fy_node_get_type(settings) == FYNT_MAPPING)
			read_keys(r, settings, keys, p);
		else if (settings && fy_node_get_scalar_token(settings) &&
			 *fy_node_get_scalar0(settings))
			wrong(r, settings, "process", p->name, "it is {threads: N, restart: WHEN}");
		check_place(r, fy_node_pair_key(pair), p);
	}
}

/* -- blocks --------------------------------------------------------------------------------- */

static void read_type(struct reader *r, struct fy_node *value, void *what)
{
	struct spec_block *b = what;

	b->type = text("%s", word(r, value, "type of block", b->name));
}

static void read_block_process(struct reader *r, struct fy_node *value, void *what)
{
	struct spec_block *b = what;

	b->process = text("%s", word(r, value, "process of block", b->name));
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

	if (!is_mapping(r, value, "params", "it is KEY: VALUE for each parameter"))
		return;
	while ((pair = fy_node_mapping_iterate(value, &at)))
		spec_add_param(what, key_of(r, pair),
			       word(r, fy_node_pair_value(pair), "parameter", key_of(r, pair)),
			       line_of(fy_node_pair_key(pair)));
}

static void read_blocks(struct reader *r, struct fy_node *value, void *what)
{
	static const struct key keys[] = {
		{ "type", read_type }, { "params", read_params }, { "process", read_block_process },
		{ "restart", read_block_restart }, { NULL, NULL }
	};
	struct fy_node_pair *pair;
	void *at = NULL;

	(void)what;
	if (!is_mapping(r, value, "blocks", "it is NAME: {type: TYPE, params: {KEY: VALUE}}"))
		return;
	while ((pair = fy_node_mapping_iterate(value, &at))) {
		struct fy_node *key = fy_node_pair_key(pair), *settings = fy_node_pair_value(pair);
		struct spec_block *b = spec_add_block(r->spec, key_of(r, pair), line_of(key));

		if (settings && fy_node_get_type(settings) == FYNT_MAPPING)
			read_keys(r, settings, keys, b);
		else
			wrong(r, key, "block", b->name, "it is {type: TYPE, params: {KEY: VALUE}}");
		if (b->process && b->restarts)
			wrong(r, key, "block", b->name, "restart belongs to its process");
	}
}

/* -- connections ------------------------------------------------------------------------------ */

static void read_end(struct reader *r, struct fy_node *value, void *what)
{
	*(const char **)what = word(r, value, "connection", NULL);
}

static void read_from(struct reader *r, struct fy_node *value, void *what)
{
	read_end(r, value, &((struct mqshm_connection_spec *)what)->from);
}

static void read_to(struct reader *r, struct fy_node *value, void *what)
{
	read_end(r, value, &((struct mqshm_connection_spec *)what)->to);
}

static void read_policy(struct reader *r, struct fy_node *value, void *what)
{
	struct mqshm_connection_spec *c = what;
	const char *name = word(r, value, "policy", NULL);

	if (*name && !policy_parse(name, &c->options.policy))
		wrong(r, value, "policy", name, POLICY_FORM);
}

static void read_persistent(struct reader *r, struct fy_node *value, void *what)
{
	struct mqshm_connect_options *options = &((struct mqshm_connection_spec *)what)->options;

	if (read_bool(r, value, "persistent"))
		options->persistent = true;
	else
		options->transient = true;
}

static void read_keep(struct reader *r, struct fy_node *value, void *what)
{
	struct mqshm_connection_spec *c = what;
	const char *seconds = word(r, value, "keep", NULL);

	c->options.persistent = c->options.keep = true;
	if (*seconds && !keep_parse(seconds, &c->options.keep_ns))
		wrong(r, value, "keep", seconds, KEEP_FORM);
}

static void read_tap(struct reader *r, struct fy_node *value, void *what)
{
	((struct mqshm_connection_spec *)what)->options.tap = read_bool(r, value, "tap");
}

/* What its keys say together, in whatever order they came. */
static void settle_connection(struct reader *r, struct fy_node *node,
			      struct mqshm_connection_spec *c)
{
	struct mqshm_connect_options *o = &c->options;

	if (o->keep && o->transient)
		wrong(r, node, "connection", c->from, "keep keeps messages for a block that comes "
		      "back, which persistent: false excludes; leave one of them out");
	/* nobody waits for one that only looks on */
	if (o->tap && o->policy == MQSHM_POLICY_BLOCK)
		wrong(r, node, "connection", c->from, "a tap drops: policy drop-newest or drop-oldest");
	if (o->policy == POLICY_UNSAID)
		o->policy = o->tap ? MQSHM_POLICY_DROP_OLDEST : MQSHM_POLICY_BLOCK;
}

static char *trim(char *s)
{
	size_t n;

	s += strspn(s, " \t");
	for (n = strlen(s); n && strchr(" \t", s[n - 1]); n--)
		s[n - 1] = '\0';
	return s;
}

/* "a:out -> b:in", or a longer chain. */
static void read_chain(struct reader *r, struct fy_node *node)
{
	char *copy = text("%s", word(r, node, "connection", NULL)), *rest = copy, *arrow;
	const char *from = NULL;

	for (char *end = copy; end; end = rest) {
		arrow = strstr(end, "->");
		rest = arrow ? arrow + 2 : NULL;
		if (arrow)
			*arrow = '\0';
		end = trim(end);
		if (!*end || (!arrow && !from))
			wrong(r, node, "connection", NULL, "it is BLOCK:PORT -> BLOCK:PORT, with PORT "
			      "left out where a block has one");
		else if (from)
			spec_connect(r->spec, from, end, line_of(node));
		from = end;
	}
	free(copy);
}

static void read_connections(struct reader *r, struct fy_node *value, void *what)
{
	static const struct key keys[] = {
		{ "from", read_from }, { "to", read_to }, { "policy", read_policy },
		{ "persistent", read_persistent }, { "keep", read_keep },
		{ "tap", read_tap }, { NULL, NULL }
	};
	struct fy_node *node;
	void *at = NULL;

	(void)what;
	if (!value || fy_node_get_type(value) != FYNT_SEQUENCE) {
		wrong(r, value, "connections", NULL, "it is a list: - BLOCK:PORT -> BLOCK:PORT");
		return;
	}
	while ((node = fy_node_sequence_iterate(value, &at))) {
		struct mqshm_connection_spec c = { .options.policy = POLICY_UNSAID };

		if (fy_node_get_type(node) != FYNT_MAPPING) {
			read_chain(r, node);
			continue;
		}
		read_keys(r, node, keys, &c);
		settle_connection(r, node, &c);
		if (c.from && c.to)
			spec_connect(r->spec, c.from, c.to, line_of(node))->options = c.options;
		else
			wrong(r, node, "connection", NULL, "it needs from and to");
	}
}

/* -- the file --------------------------------------------------------------------------------- */

static void read_runtime(struct reader *r, struct fy_node *value, void *what)
{
	(void)what;
	r->spec->runtime = text("%s", word(r, value, "runtime", NULL));
}

static void discard(struct fy_diag *diag, void *user, const char *line, size_t bytes)
{
	(void)diag;
	(void)user;
	(void)line;
	(void)bytes;
}

static int not_yaml(const char *file, struct fy_diag *diag)
{
	struct fy_diag_error *error;
	void *at = NULL;

	error = fy_diag_errors_iterate(diag, &at);
	fail_place(file, error && error->line > 0 ? error->line : 0);
	fail("YAML", NULL, "%s", error && error->msg ? error->msg : "this is no YAML");
	fail_place(NULL, 0);
	return EXIT_FAILED;
}

/* The first of a stream, which is to be the only one; NULL after a message. */
static struct fy_document *document_load(const char *file, struct fy_parser *parser,
					 struct fy_diag *diag)
{
	struct fy_document *document = fy_parse_load_document(parser), *more;

	if (!document && !fy_parser_get_stream_error(parser)) {
		fail("graph", file, "there is nothing in it");
		return NULL;
	}
	more = document ? fy_parse_load_document(parser) : NULL;
	if (!document || fy_parser_get_stream_error(parser))
		not_yaml(file, diag);
	else if (more)
		fail("graph", file, "there are several documents in it (---); a graph is one");
	else
		return document;
	fy_parse_document_destroy(parser, more);
	fy_parse_document_destroy(parser, document);
	return NULL;
}

static FILE *file_open(const char *file)
{
	FILE *stream = strcmp(file, "-") ? fopen(file, "re") : stdin;
	struct stat status;

	if (stream && !fstat(fileno(stream), &status) && !S_ISDIR(status.st_mode))
		return stream;
	fail("graph", file, "%s", stream ? "it is a folder" : strerror(errno));
	if (stream && stream != stdin)
		fclose(stream);
	return NULL;
}

static struct fy_document *document_read(const char *file, struct fy_diag *diag)
{
	struct fy_parse_cfg config = { .flags = FYPCF_COLLECT_DIAG | FYPCF_RESOLVE_DOCUMENT, .diag = diag };
	struct fy_document *document = NULL;
	FILE *stream = file_open(file);
	struct fy_parser *parser;

	if (!stream)
		return NULL;
	parser = fy_parser_create(&config);
	if (parser && !fy_parser_set_input_fp(parser, file, stream))
		document = document_load(file, parser, diag);
	else
		fail_errno("graph", file, -ENOMEM);
	fy_parser_destroy(parser);
	if (stream != stdin)
		fclose(stream);
	return document;
}

int spec_read(const char *file, struct spec *s)
{
	static const struct key keys[] = {
		{ "runtime", read_runtime }, { "pools", read_pools }, { "processes", read_processes },
		{ "blocks", read_blocks }, { "connections", read_connections }, { NULL, NULL }
	};
	struct fy_diag_cfg config;
	struct reader r = { .spec = s, .file = file };
	struct fy_document *document;
	struct fy_diag *diag;

	fy_diag_cfg_default(&config);
	config.fp = NULL;
	config.output_fn = discard;
	diag = fy_diag_create(&config);
	fy_diag_set_collect_errors(diag, true);
	s->file = file;
	document = document_read(file, diag);
	r.status = document ? 0 : EXIT_FAILED;
	if (document && is_mapping(&r, fy_document_root(document), "graph", "it has blocks: and connections:"))
		read_keys(&r, fy_document_root(document), keys, NULL);
	fy_document_destroy(document);
	fy_diag_destroy(diag);
	return r.status;
}
