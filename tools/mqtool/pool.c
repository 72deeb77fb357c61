// SPDX-License-Identifier: GPL-2.0-only
/* mqtool pool add, and pools as init takes them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

#define KEY_HUGE	0x100
#define KEY_NODE	0x101

static const char *size_check(const char *s, uint32_t *out)
{
	uint64_t bytes;

	if (!parse_bytes(s, &bytes))
		return "a size is a number of bytes, or one with K or M: 4K";
	if (bytes < MQSHM_BUFFER_BYTES_MIN || bytes > MQSHM_BUFFER_BYTES_MAX)
		return "a buffer has 64 bytes to 16M";
	*out = bytes;
	return NULL;
}

static const char *count_check(const char *s, uint32_t *out)
{
	uint64_t count;

	if (!parse_number(s, UINT32_MAX, &count) || !count)
		return "the number of buffers is a number from 1 on";
	*out = count;
	return NULL;
}

static const char *name_check(const char *name, struct pool_request *out)
{
	if (!*name || strlen(name) >= sizeof(out->name))
		return "the name of a pool has 1 to 31 bytes";
	strcpy(out->name, name);
	return NULL;
}

const char *pool_node_parse(const char *s, struct mqshm_pool_options *out)
{
	uint64_t node;

	if (!parse_number(s, UINT32_MAX, &node))
		return "a NUMA node is a number from 0 on";
	out->on_node = true;
	out->node = node;
	return NULL;
}

/* "huge,node=1" */
static const char *options_parse(char *s, struct mqshm_pool_options *out)
{
	const char *wrong = NULL;
	char *rest = NULL;

	for (char *word = strtok_r(s, ",", &rest); word && !wrong; word = strtok_r(NULL, ",", &rest)) {
		if (!strcmp(word, "huge"))
			out->huge = true;
		else if (!strncmp(word, "node=", 5))
			wrong = pool_node_parse(word + 5, out);
		else
			wrong = "behind the count there may be ,huge and ,node=N, as in 1M:32,huge";
	}
	return wrong;
}

const char *pool_parse(const char *s, struct pool_request *out)
{
	char *copy = text("%s", s), *size = copy, *count, *options, *equals;
	const char *wrong = NULL;

	memset(out, 0, sizeof(*out));
	options = strchr(copy, ',');
	if (options)
		*options++ = '\0';
	equals = strchr(copy, '=');
	if (equals) {
		*equals = '\0';
		size = equals + 1;
	}
	count = strchr(size, ':');
	if (!count) {
		wrong = "it is SIZE:COUNT or NAME=SIZE:COUNT, as in 64K:256";
	} else {
		*count++ = '\0';
		wrong = name_check(equals ? copy : size, out);
		if (!wrong)
			wrong = size_check(size, &out->buffer_bytes);
		if (!wrong)
			wrong = count_check(count, &out->buffers);
		if (!wrong && options)
			wrong = options_parse(options, &out->options);
	}
	free(copy);
	return wrong;
}

/* Says which limit of the runtime it is that the pool would pass. */
static int no_place(struct mqshm_runtime *rt, const struct pool_request *pool)
{
	struct mqshm_snapshot *snap;
	const struct mqshm_runtime_record *r;
	int error = mqshm_runtime_snapshot(rt, &snap);

	if (error)
		return fail_errno("pool", pool->name, error);
	r = &snap->runtimes[0];
	if (r->pools >= r->limits.pools)
		error = limit_reached("pool", pool->name, r->name, "pools");
	else
		error = fail("pool", pool->name, "runtime %s takes %u buffers and has %u, so that there "
			     "is no place for %u; a limit is set when a runtime is made: mqtool init "
			     "--limit buffers=%u", r->name, r->limits.buffers, r->buffers,
			     pool->buffers, r->buffers + pool->buffers);
	mqshm_snapshot_free(snap);
	return error;
}

/* One that asked for huge pages and has fewer is none the worse for that, but slower. */
static void tell_huge(struct mqshm_runtime *rt, const struct pool_request *pool)
{
	const struct mqshm_pool_record *there;
	struct mqshm_snapshot *snap;
	const char *why = place_no_huge();

	if (mqshm_runtime_snapshot(rt, &snap))
		return;
	there = mqshm_snapshot_find_pool(snap, pool->name);
	if (there && there->huge_bytes < there->payload_bytes)
		fail("pool", pool->name, "%llu%% of it are on huge pages, the rest on small ones: %s",
		     (unsigned long long)(there->huge_bytes * 100 / there->payload_bytes), why ? why :
		     "memory is in pieces; echo 1 > /proc/sys/vm/compact_memory puts it together");
	mqshm_snapshot_free(snap);
}

/* What is wrong with the node that it asks for. */
static int no_node(const struct pool_request *pool, int error)
{
	char *nodes = place_nodes(), *allowed = place_allowed_nodes();

	if (error == -EPERM)
		fail("pool", pool->name, "you may not use memory of NUMA node %u; this process may "
		     "use nodes %s (its cpuset)", pool->options.node, allowed);
	else
		fail("pool", pool->name, "there is no NUMA node %u with memory; nodes with memory: %s",
		     pool->options.node, nodes);
	free(nodes);
	free(allowed);
	return EXIT_FAILED;
}

static int no_memory(const struct pool_request *pool)
{
	char *bytes = show_bytes((uint64_t)pool->buffer_bytes * pool->buffers);

	if (pool->options.on_node)
		fail("pool", pool->name, "NUMA node %u has no %s of memory left to reserve",
		     pool->options.node, bytes);
	else
		fail("pool", pool->name, "there are no %s of memory left to reserve", bytes);
	free(bytes);
	return EXIT_FAILED;
}

int pool_try(struct mqshm_runtime *rt, const struct pool_request *pool)
{
	int error = mqshm_pool_create_with(rt, pool->name, pool->buffer_bytes, pool->buffers,
					   &pool->options);

	if (!error && pool->options.huge)
		tell_huge(rt, pool);
	return error;
}

int pool_failed(struct mqshm_runtime *rt, const struct pool_request *pool, int error)
{
	switch (error) {
	case -ENOENT:
	case -EPERM:
		return no_node(pool, error);
	case -EOPNOTSUPP:
		return fail("pool", pool->name, "it cannot be on huge pages: this kernel has none "
			    "(CONFIG_TRANSPARENT_HUGEPAGE); leave huge out");
	case -EEXIST:
		return fail("pool", pool->name, "there is one of that name; take another: "
			    "NAME=SIZE:COUNT, or --name");
	case -ENOSPC:
		return no_place(rt, pool);
	case -EDQUOT:
		return fail("pool", pool->name, "that is more memory than a user may have in "
			    "pools (the module's parameter user_mbytes)");
	case -ENOMEM:
		return no_memory(pool);
	default:
		return fail_errno("pool", pool->name, error);
	}
}

int pool_make(struct mqshm_runtime *rt, const struct pool_request *pool)
{
	int error = pool_try(rt, pool);

	return error ? pool_failed(rt, pool, error) : 0;
}

/**
 * struct pool_options - the command line
 * @runtime: --runtime
 * @pool: pool to be made
 * @name: --name, NULL if not given
 * @size: --size
 * @count: --count
 * @words: words of the command so far
 */
struct pool_options {
	const char *runtime;
	struct pool_request pool;
	const char *name;
	const char *size;
	const char *count;
	int words;
};

static void check(struct argp_state *state, const char *option, const char *wrong)
{
	if (wrong)
		argp_error(state, "%s: %s", option, wrong);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct pool_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 'n':
		o->name = arg;
		check(state, "--name", name_check(arg, &o->pool));
		return 0;
	case 's':
		o->size = arg;
		check(state, "--size", size_check(arg, &o->pool.buffer_bytes));
		return 0;
	case 'c':
		o->count = arg;
		check(state, "--count", count_check(arg, &o->pool.buffers));
		return 0;
	case KEY_HUGE:
		o->pool.options.huge = true;
		return 0;
	case KEY_NODE:
		check(state, "--node", pool_node_parse(arg, &o->pool.options));
		return 0;
	case ARGP_KEY_ARG:
		if (o->words++ || strcmp(arg, "add"))
			argp_error(state, "%s: it is mqtool pool add", arg);
		return 0;
	case ARGP_KEY_END:
		if (!o->words)
			argp_error(state, "what? it is mqtool pool add");
		if (!o->size || !o->count)
			argp_error(state, "--%s is missing", o->size ? "count" : "size");
		if (!o->name)
			check(state, "--size", name_check(o->size, &o->pool));
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int command_pool(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "name", 'n', "NAME", 0, "Name of the pool (default: its size as written)", 0 },
		{ "size", 's', "BYTES", 0, "Capacity of a buffer: 64 to 16M", 0 },
		{ "count", 'c', "N", 0, "Number of buffers", 0 },
		{ "huge", KEY_HUGE, NULL, 0, "On huge pages, as far as there are any", 0 },
		{ "node", KEY_NODE, "N", 0, "In the memory of NUMA node N", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "add", "Adds a pool to a runtime, also while data flows."
		"\vAll its memory is reserved at once; it stays as long as the runtime.\n\n"
		"  mqtool pool add --name frames --size 64K --count 256", NULL, NULL, NULL
	};
	struct pool_options o = { 0 };
	struct mqshm_runtime *rt;
	char *name;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = runtime_open(o.runtime, &rt, &name);
	if (status)
		return status;
	status = pool_make(rt, &o.pool);
	if (!status)
		printf("pool %s: %u buffers of %s in runtime %s\n", o.pool.name, o.pool.buffers,
		       o.size, name);
	mqshm_runtime_close(rt);
	free(name);
	return status;
}
