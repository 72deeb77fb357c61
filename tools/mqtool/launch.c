// SPDX-License-Identifier: GPL-2.0-only
/* mqtool launch: a graph in one line, as GStreamer's users write them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spec.h"

/**
 * struct launch_line - the command line
 * @run: how to run
 * @words: of the graph
 */
struct launch_line {
	struct run_options run;
	struct {
		char **word;
		size_t n;
	} words;
};

static void word_add(struct launch_line *line, char *word)
{
	line->words.word = grow(line->words.word, line->words.n + 1, sizeof(*line->words.word));
	line->words.word[line->words.n++] = word;
}

/* A word of a line, with its quotes taken off, or NULL at the end; *s moves on. */
static char *next_word(const char **s, struct argp_state *state)
{
	char *word, *out, quote = '\0';

	*s += strspn(*s, " \t\n");
	if (!**s)
		return NULL;
	word = text("%s", *s);
	for (out = word; **s && (quote || !isspace((unsigned char)**s)); (*s)++) {
		if (quote ? **s == quote : **s == '"' || **s == '\'') {
			quote = quote ? '\0' : **s;
			continue;
		}
		if (**s == '\\' && quote != '\'' && (*s)[1])
			(*s)++;
		*out++ = **s;
	}
	*out = '\0';
	if (quote)
		argp_error(state, "a quote (%c) is not closed", quote);
	return word;
}

/* One argument is a whole line; of several the shell has made words. */
static void split(struct launch_line *line, struct argp_state *state)
{
	const char *rest;
	char *word, *whole;

	if (line->words.n != 1)
		return;
	whole = line->words.word[0];
	line->words.n = 0;
	for (rest = whole; (word = next_word(&rest, state)); )
		word_add(line, word);
	free(whole);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct launch_line *line = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &line->run;
		return 0;
	case ARGP_KEY_ARG:
		word_add(line, text("%s", arg));
		return 0;
	case ARGP_KEY_END:
		split(line, state);
		if (!line->words.n)
			argp_error(state, "which graph? mqtool launch 'TYPE KEY=VALUE ! TYPE KEY=VALUE'");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* -- words into a graph -------------------------------------------------------------- */

/**
 * struct chain - blocks that are being joined by !
 * @spec: gets them
 * @from: "block:port" or "block" before the !, NULL if there is none
 * @linked: a ! stands before the next word
 * @block: that takes parameters now, its index plus 1; 0 for none
 */
struct chain {
	struct spec *spec;
	char *from;
	bool linked;
	size_t block;
};

/* "name." or "name.port": a block that is there already; its type would have no dot. */
static char *reference(const char *word)
{
	const char *dot = strchr(word, '.');
	char *end;

	if (!dot || dot == word || strpbrk(word, "/="))
		return NULL;
	end = text("%s", word);
	end[dot - word] = dot[1] ? ':' : '\0';
	return end;
}

/* "amplifier0", "amplifier1": the first that is free. */
static char *default_name(const struct spec *s, const char *type)
{
	const char *slash = strrchr(type, '/'), *base = slash ? slash + 1 : type;
	unsigned int number = 0;
	char *name = NULL;

	do {
		free(name);
		name = text("%.*s%u", (int)strcspn(base, ".:"), base, number++);
		for (char *c = name; *c; c++)
			*c = tolower((unsigned char)*c);
	} while (spec_find_block(s, name));
	return name;
}

/* An end came: joined to the one before, if a ! stands between them. */
static int chain_take(struct chain *c, const char *end)
{
	if (c->linked)
		spec_connect(c->spec, c->from, end, 0);
	free(c->from);
	c->from = text("%s", end);
	c->linked = false;
	return 0;
}

static void rename_ends(struct spec *s, const char *old, const char *new)
{
	for (size_t i = 0; i < s->n_connections; i++) {
		char **to = &s->connections[i].to;

		if (strcmp(*to, old))
			continue;
		free(*to);
		*to = text("%s", new);
	}
}

/* "name=NEW" of a block that was just begun. */
static int block_rename(struct chain *c, const char *name)
{
	struct spec_block *b = &c->spec->blocks[c->block - 1];

	if (spec_find_block(c->spec, name))
		return fail("block", name, "there are two of that name");
	rename_ends(c->spec, b->name, name);
	free(b->name);
	b->name = text("%s", name);
	free(c->from);
	c->from = text("%s", name);
	return 0;
}

static int take_param(struct chain *c, char *word, char *equals)
{
	*equals = '\0';
	if (!c->block)
		return fail("parameter", word, "no block stands before it");
	if (!strcmp(word, "name"))
		return block_rename(c, equals + 1);
	spec_add_param(&c->spec->blocks[c->block - 1], word, equals + 1, 0);
	return 0;
}

static int take_type(struct chain *c, const char *type)
{
	char *name = default_name(c->spec, type);
	int status = chain_take(c, name);

	spec_add_block(c->spec, name, 0)->type = text("%s", type);
	c->block = c->spec->n_blocks;
	free(name);
	return status;
}

static int take_link(struct chain *c)
{
	if (!c->from || c->linked)
		return fail("!", NULL, "a block is missing before it");
	c->linked = true;
	c->block = 0;
	return 0;
}

static int take_word(struct chain *c, char *word)
{
	char *equals = strchr(word, '='), *end;
	int status;

	if (!strcmp(word, "!"))
		return take_link(c);
	if (equals && equals != word)
		return take_param(c, word, equals);
	end = reference(word);
	if (!end)
		return take_type(c, word);
	status = chain_take(c, end);
	c->block = 0;
	free(end);
	return status;
}

static int read_words(const struct launch_line *line, struct spec *s)
{
	struct chain chain = { .spec = s };
	int status = 0;

	s->file = "launch";
	fail_place(s->file, 0);
	for (size_t i = 0; i < line->words.n && !status; i++)
		status = take_word(&chain, line->words.word[i]);
	if (!status && chain.linked)
		status = fail("!", NULL, "a block is missing after it");
	fail_place(NULL, 0);
	free(chain.from);
	return status;
}

int command_launch(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse, "'TYPE KEY=VALUE... ! TYPE KEY=VALUE...'",
		"Runs a graph that is written in one line, until it is done."
		"\vname=NAME names a block; NAME. stands for it elsewhere in the line, NAME.PORT for "
		"one of its ports. An output may be joined to several inputs: each gets everything.\n\n"
		"  mqtool launch 'FileSource filename=a.wav ! Amplifier gain=2 ! FileSink filename=b.wav'\n"
		"  mqtool launch 'FileSource name=s filename=a.wav ! FileSink filename=b.wav "
		"s. ! Amplifier ! FileSink filename=c.wav'", run_children, NULL, NULL
	};
	struct launch_line line = { 0 };
	struct spec spec = { 0 };
	char *fallback = text("launch-%d", (int)getpid());
	int status;

	line.run.fallback = fallback;
	argp_parse(&argp, argc, argv, 0, NULL, &line);
	status = read_words(&line, &spec);
	if (!status)
		status = spec_run(&spec, &line.run);
	for (size_t i = 0; i < line.words.n; i++)
		free(line.words.word[i]);
	free(line.words.word);
	spec_free(&spec);
	free(fallback);
	return status;
}
