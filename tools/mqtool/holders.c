// SPDX-License-Identifier: GPL-2.0-only
/* mqtool holders: who holds which buffers, and for how long, oldest first. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

/* Rows for people, without --limit. */
#define LIMIT	32

/**
 * struct holders_options - the command line
 * @runtime: --runtime
 * @pool: --pool
 * @block: --block
 * @pid: --pid, or 0
 * @older_ns: --older
 * @limit: --limit; 0 is no limit
 * @limited: --limit was given
 * @json: --json
 */
struct holders_options {
	const char *runtime;
	const char *pool;
	const char *block;
	uint64_t pid;
	uint64_t older_ns;
	uint64_t limit;
	bool limited;
	bool json;
};

#define KEY_PID		0x300
#define KEY_OLDER	0x301

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct holders_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 'p':
		o->pool = arg;
		return 0;
	case 'b':
		o->block = arg;
		return 0;
	case KEY_PID:
		if (!parse_number(arg, UINT32_MAX, &o->pid) || !o->pid)
			argp_error(state, "--pid %s: it is the number of a process", arg);
		return 0;
	case KEY_OLDER:
		if (!keep_parse(arg, &o->older_ns) || o->older_ns == MQSHM_KEEP_FOREVER)
			argp_error(state, "--older %s: it is a number of seconds, 0.001 or more", arg);
		return 0;
	case 'n':
		if (!parse_number(arg, UINT64_MAX, &o->limit))
			argp_error(state, "--limit %s: it is a number of rows; 0 is all", arg);
		o->limited = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? it is --block %s, or --pool %s", arg, arg, arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/**
 * struct holding - a buffer that is held, with what is known of who holds it
 * @h: the record
 * @age_ns: since the buffer was allocated; 0 if it is in reserve
 * @pool: its pool; NULL if that came later
 * @client: who has it in hand; NULL: it is queued, or who had it is gone
 * @connection: where it is queued; NULL: it is in a hand, or that is gone
 */
struct holding {
	const struct mqshm_holder_record *h;
	uint64_t age_ns;
	const struct mqshm_pool_record *pool;
	const struct mqshm_client_record *client;
	const struct mqshm_connection_record *connection;
};

static struct holding identify(const struct mqshm_snapshot *snap,
			       const struct mqshm_holders *list,
			       const struct mqshm_holder_record *h)
{
	struct holding found = { .h = h };

	/* clients write the time: it may be one to come */
	if (h->alloc_ns && h->alloc_ns < list->now_ns)
		found.age_ns = list->now_ns - h->alloc_ns;
	for (size_t i = 0; i < snap->n_pools; i++)
		if (snap->pools[i].pool == h->pool)
			found.pool = &snap->pools[i];
	if (h->what == MQSHM_HOLDERS_CLIENTS)
		found.client = mqshm_snapshot_client(snap, h->holder);
	for (size_t i = 0; h->what == MQSHM_HOLDERS_QUEUES && i < snap->n_connections; i++)
		if (snap->connections[i].id == h->holder)
			found.connection = &snap->connections[i];
	return found;
}

/* Blocks of the client, "a, b"; "" if it has none. To be freed. */
static char *blocks_of(const struct mqshm_snapshot *snap, const struct mqshm_client_record *c)
{
	struct names names = { 0 };
	char *joined;

	for (size_t i = 0; c && i < snap->n_blocks; i++)
		if (snap->blocks[i].client == c->id)
			names_add(&names, snap->blocks[i].name);
	joined = names.n ? names_join(&names) : text("%s", "");
	names_free(&names);
	return joined;
}

/* What is queued is on its way to the block of the input. */
static bool is_of_block(const struct mqshm_snapshot *snap, const struct holding *x,
			const char *name)
{
	const struct mqshm_block_record *b = mqshm_snapshot_find_block(snap, name);

	if (x->connection)
		return x->connection->to_block == b->id;
	return x->client && x->client->id == b->client;
}

static bool is_wanted(const struct mqshm_snapshot *snap, const struct holding *x,
		      const struct holders_options *o)
{
	if (o->older_ns && x->age_ns < o->older_ns)
		return false;
	if (o->pool && (!x->pool || strcmp(x->pool->name, o->pool)))
		return false;
	if (o->pid && (!x->client || x->client->pid != o->pid))
		return false;
	return !o->block || is_of_block(snap, x, o->block);
}

static char *holder_text(const struct mqshm_snapshot *snap, const struct holding *x)
{
	char *from, *to, *name, *blocks, *all;

	if (x->connection) {
		from = graph_connection_from(snap, x->connection);
		to = graph_connection_to(snap, x->connection);
		all = text("queue %s to %s", from, to);
		free(from);
		free(to);
		return all;
	}
	if (!x->client)
		return text("(gone)");
	name = show_name(x->client->name);
	blocks = blocks_of(snap, x->client);
	all = text("%s%s%s%s", name, *blocks ? " (" : "", blocks, *blocks ? ")" : "");
	free(name);
	free(blocks);
	return all;
}

static void add_row(struct table *t, const struct mqshm_snapshot *snap, const struct holding *x)
{
	const struct mqshm_holder_record *h = x->h;

	table_add(t, (char *[]){
		!h->alloc_ns ? text("reserve") : show_duration(x->age_ns),
		text("%u", h->buffer),
		x->pool ? show_name(x->pool->name) : text("-"),
		x->connection ? show_bytes(h->length) : text("-"),
		text("%u", h->refs),
		x->client && x->client->pid ? text("%u", x->client->pid) : text("-"),
		holder_text(snap, x) });
}

static struct json_object *block_names_json(const struct mqshm_snapshot *snap, uint64_t client)
{
	struct json_object *names = json_object_new_array();
	char *shown;

	for (size_t i = 0; i < snap->n_blocks; i++) {
		if (snap->blocks[i].client != client)
			continue;
		shown = show_utf8(snap->blocks[i].name);
		json_object_array_add(names, json_object_new_string(shown));
		free(shown);
	}
	return names;
}

static struct json_object *holding_json(const struct mqshm_snapshot *snap,
					const struct holding *x)
{
	const struct mqshm_holder_record *h = x->h;
	struct json_object *o = json_object_new_object();
	bool queued = h->what == MQSHM_HOLDERS_QUEUES;
	char *end;

	json_add(o, "buffer", h->buffer);
	json_add(o, "pool", h->pool);
	json_add_text(o, "pool_name", x->pool ? x->pool->name : "");
	json_add(o, "refs", h->refs);
	json_add(o, "serial", h->serial);
	json_add(o, "alloc_ns", h->alloc_ns);
	json_add(o, "data_ns", h->data_ns);
	json_object_object_add(o, "reserve", json_object_new_boolean(!h->alloc_ns));
	json_add(o, "age_ns", x->age_ns);
	json_add_text(o, "held_by", queued ? "connection" : "client");
	json_add(o, queued ? "connection" : "client", h->holder);
	if (queued)
		json_add(o, "length", h->length);
	if (x->connection) {
		end = graph_connection_from(snap, x->connection);
		json_add_text(o, "from", end);
		free(end);
		end = graph_connection_to(snap, x->connection);
		json_add_text(o, "to", end);
		free(end);
	}
	if (x->client) {
		json_add(o, "pid", x->client->pid);
		json_add_text(o, "process", x->client->name);
		json_object_object_add(o, "blocks", block_names_json(snap, x->client->id));
	}
	return o;
}

static int show(const struct mqshm_snapshot *snap, const struct mqshm_holders *list,
		const struct holders_options *o)
{
	static const char *const titles[] = { "Age", "Buffer", "Pool", "Length", "Refs", "PID",
		"Held by" };
	static const size_t widths[] = { 10, 8, 8, 9, 6, 8, 0 };
	struct table t = { .columns = 7, .title = titles, .width = widths };
	struct json_object *array = o->json ? json_object_new_array() : NULL, *whole;
	uint64_t limit = o->limited || o->json ? o->limit : LIMIT, n = 0;

	for (size_t i = 0; i < list->n_holders; i++) {
		struct holding x = identify(snap, list, &list->holders[i]);

		if (!is_wanted(snap, &x, o) || (n++ >= limit && limit))
			continue;
		if (o->json)
			json_object_array_add(array, holding_json(snap, &x));
		else
			add_row(&t, snap, &x);
	}
	if (o->json) {
		whole = json_object_new_object();
		json_add(whole, "now_ns", list->now_ns);
		json_add(whole, "total", n);
		json_object_object_add(whole, "holders", array);
		return json_print(whole);
	}
	if (!n)
		puts("Nobody holds a buffer.");
	else
		table_print(&t, "Holders");
	if (limit && n > limit)
		printf("  and %llu more; --limit 0 shows all\n", (unsigned long long)(n - limit));
	return EXIT_DONE;
}

/* The names on the command line must be there. */
static int check_names(const struct mqshm_snapshot *snap, const struct holders_options *o)
{
	struct names names = { 0 };
	char *hint;

	if (o->block && !graph_find_block(snap, o->block))
		return EXIT_FAILED;
	if (!o->pool || mqshm_snapshot_find_pool(snap, o->pool))
		return EXIT_DONE;
	for (size_t i = 0; i < snap->n_pools; i++)
		names_add(&names, snap->pools[i].name);
	hint = names_hint(&names, o->pool, "pools");
	fail("pool", o->pool, "there is none of that name%s", hint);
	free(hint);
	names_free(&names);
	return EXIT_FAILED;
}

int command_holders(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "pool", 'p', "NAME", 0, "Buffers of this pool", 0 },
		{ "block", 'b', "NAME", 0, "What this block's thread has, and what is queued to it", 0 },
		{ "pid", KEY_PID, "PID", 0, "What this process has", 0 },
		{ "older", KEY_OLDER, "SECONDS", 0, "Buffers that were allocated longer ago", 0 },
		{ "limit", 'n', "N", 0, "At most so many, 0 for all (default: 32; with --json all)", 0 },
		{ "json", 'j', NULL, 0, "As JSON", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, NULL,
		"Shows who holds which buffers, those that were allocated first at the top."
		"\vThe age is that of the buffer: when somebody got his reference nobody knows. Who "
		"moves meanwhile may be told twice or not at all; what stays where it is, as a buffer "
		"that a program forgot to give back, stays at the top. A buffer in reserve was got "
		"from the pool, and not given to the program yet.", NULL, NULL, NULL
	};
	struct holders_options o = { 0 };
	struct mqshm_holders *list;
	struct mqshm_snapshot *snap;
	struct mqshm_runtime *rt;
	char *name;
	int status, error;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = runtime_open(o.runtime, &rt, &name);
	if (status)
		return status;
	error = mqshm_runtime_holders(rt, &list);
	if (error) {
		status = fail_errno("runtime", name, error);
	} else {
		status = runtime_snapshot(rt, name, &snap);
		if (!status) {
			status = check_names(snap, &o);
			if (!status)
				status = show(snap, list, &o);
			mqshm_snapshot_free(snap);
		}
		mqshm_holders_free(list);
	}
	mqshm_runtime_close(rt);
	free(name);
	return status;
}
