// SPDX-License-Identifier: GPL-2.0-only
/* A file of YAML that is read key by key, see reader.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "reader.h"

unsigned int reader_line(struct fy_node *node)
{
	void *at = NULL;
	struct fy_node_pair *pair;
	struct fy_node *first;

	switch (node ? fy_node_get_type(node) : FYNT_SCALAR) {
	case FYNT_MAPPING:
		pair = fy_node_mapping_iterate(node, &at);
		return pair ? reader_line(fy_node_pair_key(pair)) : 0;
	case FYNT_SEQUENCE:
		first = fy_node_sequence_iterate(node, &at);
		return first ? reader_line(first) : 0;
	default:
		if (!node || !fy_node_get_scalar_token(node))
			return 0;
		return fy_token_start_mark(fy_node_get_scalar_token(node))->line + 1;
	}
}

void reader_wrong(struct reader *r, struct fy_node *node, const char *kind, const char *name,
		  const char *what)
{
	unsigned int line = reader_line(node);

	if (r->status)
		return;
	fail_place(r->file, line ? line : r->line);
	r->status = fail(kind, name, "%s", what);
	fail_place(NULL, 0);
}

const char *reader_word(struct reader *r, struct fy_node *node, const char *kind, const char *name)
{
	const char *s = node && fy_node_is_scalar(node) ? fy_node_get_scalar0(node) : NULL;

	if (s && *s)
		return s;
	reader_wrong(r, node, kind, name, "a word is missing here");
	return "";
}

const char *reader_key(struct reader *r, struct fy_node_pair *pair)
{
	struct fy_node *key = fy_node_pair_key(pair);
	const char *s = key && fy_node_is_scalar(key) ? fy_node_get_scalar0(key) : NULL;

	r->line = reader_line(key);
	return s ? s : "";
}

bool reader_bool(struct reader *r, struct fy_node *value, const char *name)
{
	const char *yes = reader_word(r, value, name, NULL);

	if (*yes && strcmp(yes, "true") && strcmp(yes, "false"))
		reader_wrong(r, value, name, yes, "it is true or false");
	return !strcmp(yes, "true");
}

bool reader_is_mapping(struct reader *r, struct fy_node *node, const char *name, const char *form)
{
	if (node && fy_node_get_type(node) == FYNT_MAPPING)
		return true;
	reader_wrong(r, node, name, NULL, form);
	return false;
}

static void key_unknown(struct reader *r, struct fy_node *node, const char *name,
			const struct reader_key *keys)
{
	struct names names = { 0 };
	char *hint, *what;

	for (; keys->name; keys++)
		names_add(&names, keys->name);
	hint = names_hint(&names, name, "keys");
	what = text("there is no such key here%s", hint);
	reader_wrong(r, node, "key", name, what);
	free(what);
	free(hint);
	names_free(&names);
}

void reader_keys(struct reader *r, struct fy_node *node, const struct reader_key *keys, void *what)
{
	struct fy_node_pair *pair;
	void *at = NULL;

	while ((pair = fy_node_mapping_iterate(node, &at))) {
		const char *name = reader_key(r, pair);
		const struct reader_key *key = keys;

		while (key->name && strcmp(key->name, name))
			key++;
		if (key->name)
			key->read(r, fy_node_pair_value(pair), what);
		else
			key_unknown(r, fy_node_pair_key(pair), name, keys);
	}
}

/* -- the file --------------------------------------------------------------------------------- */

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

int reader_file(struct reader *r, const char *form, const struct reader_key *keys)
{
	struct fy_diag_cfg config;
	struct fy_document *document;
	struct fy_diag *diag;

	fy_diag_cfg_default(&config);
	config.fp = NULL;
	config.output_fn = discard;
	diag = fy_diag_create(&config);
	fy_diag_set_collect_errors(diag, true);
	document = document_read(r->file, diag);
	r->status = document ? 0 : EXIT_FAILED;
	if (document && reader_is_mapping(r, fy_document_root(document), "graph", form))
		reader_keys(r, fy_document_root(document), keys, NULL);
	fy_document_destroy(document);
	fy_diag_destroy(diag);
	return r->status;
}
