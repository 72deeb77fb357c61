// SPDX-License-Identifier: GPL-2.0-only
/* A graph as it was written: putting it together, and checking it. */
#include <stdlib.h>
#include <string.h>

#include "spec.h"

struct spec_block *spec_add_block(struct spec *s, const char *name, unsigned int line)
{
	s->blocks = grow(s->blocks, s->n_blocks + 1, sizeof(*s->blocks));
	s->blocks[s->n_blocks] = (struct spec_block){ .name = text("%s", name), .line = line };
	return &s->blocks[s->n_blocks++];
}

struct spec_process *spec_add_process(struct spec *s, const char *name, unsigned int line)
{
	s->processes = grow(s->processes, s->n_processes + 1, sizeof(*s->processes));
	s->processes[s->n_processes] = (struct spec_process){
		.name = text("%s", name), .threads = 1, .line = line,
	};
	return &s->processes[s->n_processes++];
}

void spec_add_pool(struct spec *s, const struct pool_request *pool)
{
	s->pools = grow(s->pools, s->n_pools + 1, sizeof(*s->pools));
	s->pools[s->n_pools++] = *pool;
}

void spec_add_param(struct spec_block *block, const char *key, const char *value,
		    unsigned int line)
{
	block->params = grow(block->params, block->n_params + 1, sizeof(*block->params));
	block->param_lines = grow(block->param_lines, block->n_params + 1,
				  sizeof(*block->param_lines));
	block->param_lines[block->n_params] = line;
	block->params[block->n_params++] = (struct mqshm_param){
		.key = text("%s", key), .value = text("%s", value),
	};
}

struct spec_connection *spec_connect(struct spec *s, const char *from, const char *to,
				     unsigned int line)
{
	s->connections = grow(s->connections, s->n_connections + 1, sizeof(*s->connections));
	s->connections[s->n_connections++] = (struct spec_connection){
		.from = text("%s", from), .to = text("%s", to), .line = line,
	};
	return &s->connections[s->n_connections - 1];
}

void spec_free(struct spec *s)
{
	for (size_t i = 0; i < s->n_processes; i++) {
		free(s->processes[i].name);
		free((char *)s->processes[i].place.cpus);
	}
	for (size_t i = 0; i < s->n_blocks; i++) {
		struct spec_block *b = &s->blocks[i];

		for (size_t p = 0; p < b->n_params; p++) {
			free((char *)b->params[p].key);
			free((char *)b->params[p].value);
		}
		free(b->params);
		free(b->param_lines);
		free(b->name);
		free(b->type);
		free(b->process);
	}
	for (size_t i = 0; i < s->n_connections; i++) {
		free(s->connections[i].from);
		free(s->connections[i].to);
	}
	free(s->runtime);
	free(s->pools);
	free(s->processes);
	free(s->blocks);
	free(s->connections);
	*s = (struct spec){ 0 };
}

/* -- checking ------------------------------------------------------------------------ */

struct spec_block *spec_find_block(const struct spec *s, const char *name)
{
	for (size_t i = 0; i < s->n_blocks; i++)
		if (!strcmp(s->blocks[i].name, name))
			return &s->blocks[i];
	return NULL;
}

static int unknown(const struct names *names, const char *kind, const char *name,
		   const char *what)
{
	char *hint = names_hint(names, name, what);

	fail(kind, name, "there is none of that name%s", hint);
	free(hint);
	return EXIT_FAILED;
}

const struct spec_process *spec_find_process(const struct spec *s, const char *name)
{
	for (size_t i = 0; i < s->n_processes; i++)
		if (!strcmp(s->processes[i].name, name))
			return &s->processes[i];
	return NULL;
}

static int check_process(const struct spec *s, const struct spec_block *b)
{
	struct names names = { 0 };
	int status;

	if (spec_find_process(s, b->process))
		return 0;
	for (size_t i = 0; i < s->n_processes; i++)
		names_add(&names, s->processes[i].name);
	status = unknown(&names, "process", b->process, "processes");
	names_free(&names);
	return status;
}

static int check_needed(const struct mqshm_block_ops *ops, const struct spec_block *b)
{
	for (const struct mqshm_param_spec *p = ops->params; p && p->key; p++) {
		bool given = p->fallback;

		for (size_t i = 0; i < b->n_params && !given; i++)
			given = !strcmp(b->params[i].key, p->key);
		if (!given)
			return fail("block", b->name, "parameter %s is missing: %s", p->key, p->help);
	}
	return 0;
}

static int check_given(const struct spec *s, const struct mqshm_block_ops *ops,
		       const struct spec_block *b)
{
	int status = 0;

	for (size_t i = 0; i < b->n_params && !status; i++) {
		const struct worker_options one = {
			.ops = ops, .params = &b->params[i], .n_params = 1,
		};
		char *sentence = NULL;

		fail_place(s->file, b->param_lines[i]);
		status = check_params(&one, true);
		if (!status && mqshm_param_check(ops, &b->params[i], &sentence))
			status = fail("block", b->name, "%s", sentence ? sentence : "no memory");
		free(sentence);
	}
	fail_place(s->file, b->line);
	return status;
}

static int check_block(const struct spec *s, const struct spec_block *b)
{
	const struct mqshm_block_ops *ops;
	int status;

	fail_place(s->file, b->line);
	if (!*b->name || strlen(b->name) >= MQSHM_BLOCK_NAME_LEN || strchr(b->name, ':'))
		return fail("block", b->name, "a name has 1 to %d bytes, without :",
			    MQSHM_BLOCK_NAME_LEN - 1);
	if (!b->type)
		return fail("block", b->name, "its type is missing");
	ops = type_find(b->type);
	if (!ops)
		return EXIT_FAILED;
	status = check_given(s, ops, b);
	if (!status)
		status = check_needed(ops, b);
	if (!status && b->process)
		status = check_process(s, b);
	return status;
}

static int check_end(const struct spec *s, const char *end, uint32_t direction)
{
	char *name = text("%.*s", (int)strcspn(end, ":"), end);
	const struct spec_block *b = spec_find_block(s, name);
	const struct mqshm_block_ops *ops = b && b->type ? type_find(b->type) : NULL;
	struct names names = { 0 };
	int status = 0;

	if (!b) {
		for (size_t i = 0; i < s->n_blocks; i++)
			names_add(&names, s->blocks[i].name);
		status = unknown(&names, "block", name, "blocks");
		names_free(&names);
	} else if (ops && direction == MQSHM_DIR_IN && ops->class_ == MQSHM_CLASS_SOURCE) {
		status = fail("block", name, "a %s is a source, nothing can be connected to it",
			      b->type);
	} else if (ops && direction == MQSHM_DIR_OUT && ops->class_ == MQSHM_CLASS_SINK) {
		status = fail("block", name, "a %s is a sink, nothing comes out of it", b->type);
	}
	free(name);
	return status;
}

static int check_connection(const struct spec *s, const struct spec_connection *c)
{
	fail_place(s->file, c->line);
	for (const struct spec_connection *d = s->connections; d < c; d++)
		if (!strcmp(c->from, d->from) && !strcmp(c->to, d->to))
			return fail("connection", c->from, "it is connected to %s already", c->to);
	return check_end(s, c->from, MQSHM_DIR_OUT) || check_end(s, c->to, MQSHM_DIR_IN) ?
	       EXIT_FAILED : 0;
}

int spec_check(const struct spec *s)
{
	int status = 0;

	for (size_t i = 0; i < s->n_blocks; i++)
		if (check_block(s, &s->blocks[i]))
			status = EXIT_FAILED;
	/* what is wrong with blocks would be said again for their connections */
	for (size_t i = 0; i < s->n_connections && !status; i++)
		status = check_connection(s, &s->connections[i]);
	fail_place(s->file, 0);
	if (!status && !s->n_blocks)
		status = fail("graph", NULL, "there are no blocks in it");
	fail_place(NULL, 0);
	return status;
}
