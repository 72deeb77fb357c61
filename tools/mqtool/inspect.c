// SPDX-License-Identifier: GPL-2.0-only
/* mqtool inspect: the types of blocks, or ports and parameters of some. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

/**
 * struct inspect_options - the command line
 * @types: names of types, array[@n_types]; none: all of them, a line each
 * @json: --json
 */
struct inspect_options {
	const char **types;
	size_t n_types;
	bool json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct inspect_options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		o->types = grow(o->types, o->n_types + 1, sizeof(*o->types));
		o->types[o->n_types++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static const struct mqshm_param_spec *find_param(const struct mqshm_block_ops *ops,
						 const char *key)
{
	for (const struct mqshm_param_spec *p = ops->params; p && p->key; p++)
		if (!strcmp(p->key, key))
			return p;
	return NULL;
}

static bool is_live(const struct mqshm_block_ops *ops, const struct mqshm_param_spec *p)
{
	for (const char *const *key = ops->live; key && *key; key++)
		if (!strcmp(*key, p->key))
			return true;
	return false;
}

/* -- for people -------------------------------------------------------------------- */

/* "in", "in1, in2, ... (inputs)", "out (if output)". */
static char *show_port(const struct mqshm_block_ops *ops, const struct mqshm_block_port *port)
{
	const struct mqshm_param_spec *p = port->count ? find_param(ops, port->count) : NULL;

	if (!p)
		return text("%s", port->name);
	if (!strcmp(p->kind, "bool"))
		return text("%s (if %s)", port->name, p->key);
	return text("%s1, %s2, ... (%s)", port->name, port->name, p->key);
}

static void print_ports(const struct mqshm_block_ops *ops)
{
	static const char *const titles[] = { "Name", "Direction", "What" };
	static const size_t widths[] = { 0, 0, 0 };
	struct table t = { .columns = 3, .title = titles, .width = widths };

	for (const struct mqshm_block_port *p = ops->ports; p && p->name; p++) {
		const char *optional = p->flags & MQSHM_PORT_OPTIONAL ? "; may be left open" : "";

		table_add(&t, (char *[]){ show_port(ops, p),
			  text("%s", p->direction == MQSHM_DIR_OUT ? "out" : "in"),
			  text("%s%s", or_empty(p->help), optional) });
	}
	if (t.rows)
		table_print(&t, "Ports");
}

/* What it can be: words, a range, with its unit. */
static char *show_values(const struct mqshm_param_spec *p)
{
	bool size = !strcmp(p->kind, "size");
	char *least, *most, *range;

	if (p->choices && !strcmp(p->kind, "string"))
		return text("%s", p->choices);
	if (!strcmp(p->kind, "bool"))
		return text("0 1");
	if (p->max <= p->min)
		return text("%s", or_empty(p->unit));
	least = size ? show_buffer_bytes(p->min) : text("%.15g", p->min);
	most = size ? show_buffer_bytes(p->max) : text("%.15g", p->max);
	range = text("%s to %s%s%s%s%s", least, most, p->unit ? " " : "", or_empty(p->unit),
		     p->choices ? ", or " : "", or_empty(p->choices));
	free(least);
	free(most);
	return range;
}

static void print_params(const struct mqshm_block_ops *ops)
{
	static const char *const titles[] = { "Name", "Kind", "Default", "Values", "What" };
	static const size_t widths[] = { 0, 0, 0, 0, 0 };
	struct table t = { .columns = 5, .title = titles, .width = widths };

	for (const struct mqshm_param_spec *p = ops->params; p && p->key; p++)
		table_add(&t, (char *[]){ text("%s", p->key), text("%s", p->kind),
			  p->fallback ? text("%s", p->fallback) : text("(needed)"),
			  show_values(p), text("%s%s", or_empty(p->help),
					       is_live(ops, p) ? "; may be set while it runs" : "") });
	if (t.rows)
		table_print(&t, "Parameters");
}

static void print_type(const struct mqshm_block_ops *ops)
{
	printf("%s: %s (%s)\n", ops->type, or_empty(ops->summary), class_name(ops->class_));
	print_ports(ops);
	print_params(ops);
}

static void add_row(const struct block_type *type, void *arg)
{
	table_add(arg, (char *[]){ text("%s", type->ops->type),
		  text("%s", class_name(type->ops->class_)),
		  text("%s", or_empty(type->ops->summary)),
		  text("%s", type->path ? type->path : "mqtool") });
}

static int print_all(void)
{
	static const char *const titles[] = { "Type", "Class", "What", "From" };
	static const size_t widths[] = { 0, 0, 0, 0 };
	struct table t = { .columns = 4, .title = titles, .width = widths };

	types_each(add_row, &t);
	table_print(&t, "Blocks");
	return EXIT_DONE;
}

/* -- as JSON ---------------------------------------------------------------------------- */

static void add_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

static struct json_object *port_json(const struct mqshm_block_port *p)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "name", p->name);
	add_text(o, "direction", p->direction == MQSHM_DIR_OUT ? "out" : "in");
	add_text(o, "count", p->count);
	json_object_object_add(o, "optional",
			       json_object_new_boolean(p->flags & MQSHM_PORT_OPTIONAL));
	add_text(o, "help", p->help);
	return o;
}

static struct json_object *choices_json(const char *choices)
{
	struct json_object *array = json_object_new_array();
	char *copy = text("%s", or_empty(choices)), *rest = copy, *word;

	while ((word = strsep(&rest, " ")))
		if (*word)
			json_object_array_add(array, json_object_new_string(word));
	free(copy);
	return array;
}

static struct json_object *param_json(const struct mqshm_block_ops *ops,
				      const struct mqshm_param_spec *p)
{
	struct json_object *o = json_object_new_object();
	bool range = p->max > p->min, whole = strcmp(p->kind, "number") != 0;

	add_text(o, "key", p->key);
	add_text(o, "kind", p->kind);
	json_object_object_add(o, "needed", json_object_new_boolean(!p->fallback));
	add_text(o, "default", p->fallback);
	json_object_object_add(o, "min", !range ? NULL : whole ? json_object_new_int64(p->min) :
			       json_object_new_double(p->min));
	json_object_object_add(o, "max", !range ? NULL : whole ? json_object_new_int64(p->max) :
			       json_object_new_double(p->max));
	add_text(o, "unit", p->unit);
	json_object_object_add(o, "choices", choices_json(p->choices));
	json_object_object_add(o, "live", json_object_new_boolean(is_live(ops, p)));
	add_text(o, "help", p->help);
	return o;
}

static void add_json(const struct block_type *type, void *arg)
{
	struct json_object *o = json_object_new_object(), *array;

	add_text(o, "type", type->ops->type);
	add_text(o, "class", class_name(type->ops->class_));
	add_text(o, "summary", type->ops->summary);
	add_text(o, "path", type->path);
	json_object_object_add(o, "ports", array = json_object_new_array());
	for (const struct mqshm_block_port *p = type->ops->ports; p && p->name; p++)
		json_object_array_add(array, port_json(p));
	json_object_object_add(o, "params", array = json_object_new_array());
	for (const struct mqshm_param_spec *p = type->ops->params; p && p->key; p++)
		json_object_array_add(array, param_json(type->ops, p));
	json_object_array_add(arg, o);
}

static int print_json(struct json_object *types)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "types", types);
	return json_print(o);
}

/* -- the command -------------------------------------------------------------------------- */

static int inspect_some(const struct inspect_options *o)
{
	struct json_object *array = o->json ? json_object_new_array() : NULL;
	const struct mqshm_block_ops *ops;

	for (size_t i = 0; i < o->n_types; i++) {
		ops = type_find(o->types[i]);
		if (!ops) {
			json_object_put(array);
			return EXIT_FAILED;
		}
		if (o->json) {
			const char *path = strchr(o->types[i], '/') ? o->types[i] : NULL;

			add_json(&(struct block_type){ ops, path }, array);
			continue;
		}
		if (i)
			putchar('\n');
		print_type(ops);
	}
	return o->json ? print_json(array) : EXIT_DONE;
}

int command_inspect(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "json", 'j', NULL, 0, "Everything, as JSON", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "[TYPE...]",
		"Shows the types of blocks, or the ports and parameters of some.\v"
		"TYPE is as for mqtool start --block: a name, or PATH or PATH:TYPE of a plug-in. Names "
		"are those of mqtool, then FILE.so in $MQSHM_BLOCK_PATH (folders with : between) and in "
		"the library's own folder for plug-ins.", NULL, NULL, NULL
	};
	struct inspect_options o = { 0 };
	struct json_object *array;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (o.n_types) {
		status = inspect_some(&o);
	} else if (o.json) {
		array = json_object_new_array();
		types_each(add_json, array);
		status = print_json(array);
	} else {
		status = print_all();
	}
	free(o.types);
	return status;
}
