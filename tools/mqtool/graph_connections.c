// SPDX-License-Identifier: GPL-2.0-only
/* Connections of a graph in a file: each a line with arrows, or a mapping that says more. */
#include <stdlib.h>
#include <string.h>

#include "reader.h"

static void read_end(struct reader *r, struct fy_node *value, void *what)
{
	*(const char **)what = reader_word(r, value, "connection", NULL);
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
	const char *name = reader_word(r, value, "policy", NULL);

	if (*name && !policy_parse(name, &c->options.policy))
		reader_wrong(r, value, "policy", name, POLICY_FORM);
}

static void read_persistent(struct reader *r, struct fy_node *value, void *what)
{
	struct mqshm_connect_options *options = &((struct mqshm_connection_spec *)what)->options;

	if (reader_bool(r, value, "persistent"))
		options->persistent = true;
	else
		options->transient = true;
}

static void read_keep(struct reader *r, struct fy_node *value, void *what)
{
	struct mqshm_connection_spec *c = what;
	const char *seconds = reader_word(r, value, "keep", NULL);

	c->options.persistent = c->options.keep = true;
	if (*seconds && !keep_parse(seconds, &c->options.keep_ns))
		reader_wrong(r, value, "keep", seconds, KEEP_FORM);
}

static void read_tap(struct reader *r, struct fy_node *value, void *what)
{
	((struct mqshm_connection_spec *)what)->options.tap = reader_bool(r, value, "tap");
}

/* What its keys say together, in whatever order they came. */
static void settle_connection(struct reader *r, struct fy_node *node,
			      struct mqshm_connection_spec *c)
{
	struct mqshm_connect_options *o = &c->options;

	if (o->keep && o->transient)
		reader_wrong(r, node, "connection", c->from, "keep keeps messages for a block that "
			     "comes back, which persistent: false excludes; leave one of them out");
	/* nobody waits for one that only looks on */
	if (o->tap && o->policy == MQSHM_POLICY_BLOCK)
		reader_wrong(r, node, "connection", c->from, "a tap drops: policy drop-newest or drop-oldest");
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
	char *copy = text("%s", reader_word(r, node, "connection", NULL)), *rest = copy, *arrow;
	const char *from = NULL;

	for (char *end = copy; end; end = rest) {
		arrow = strstr(end, "->");
		rest = arrow ? arrow + 2 : NULL;
		if (arrow)
			*arrow = '\0';
		end = trim(end);
		if (!*end || (!arrow && !from))
			reader_wrong(r, node, "connection", NULL, "it is BLOCK:PORT -> BLOCK:PORT, "
				     "with PORT left out where a block has one");
		else if (from)
			spec_connect(r->spec, from, end, reader_line(node));
		from = end;
	}
	free(copy);
}

void read_connections(struct reader *r, struct fy_node *value, void *what)
{
	static const struct reader_key keys[] = {
		{ "from", read_from }, { "to", read_to }, { "policy", read_policy },
		{ "persistent", read_persistent }, { "keep", read_keep },
		{ "tap", read_tap }, { NULL, NULL }
	};
	struct fy_node *node;
	void *at = NULL;

	(void)what;
	if (!value || fy_node_get_type(value) != FYNT_SEQUENCE) {
		reader_wrong(r, value, "connections", NULL, "it is a list: - BLOCK:PORT -> BLOCK:PORT");
		return;
	}
	while ((node = fy_node_sequence_iterate(value, &at))) {
		struct mqshm_connection_spec c = { .options.policy = POLICY_UNSAID };

		if (fy_node_get_type(node) != FYNT_MAPPING) {
			read_chain(r, node);
			continue;
		}
		reader_keys(r, node, keys, &c);
		settle_connection(r, node, &c);
		if (c.from && c.to)
			spec_connect(r->spec, c.from, c.to, reader_line(node))->options = c.options;
		else
			reader_wrong(r, node, "connection", NULL, "it needs from and to");
	}
}
