// SPDX-License-Identifier: GPL-2.0-only
/* mqtool pool add, and pools as init takes them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

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

const char *pool_parse(const char *s, struct pool_request *out)
{
	char *copy = text("%s", s), *size = copy, *count, *equals = strchr(copy, '=');
	const char *wrong = NULL;

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

int pool_make(struct mqshm_runtime *rt, const struct pool_request *pool)
{
	int error = mqshm_pool_create(rt, pool->name, pool->buffer_bytes, pool->buffers);
	char *bytes;

	switch (error) {
	case 0:
		return 0;
	case -EEXIST:
		return fail("pool", pool->name, "there is one of that name; take another: "
			    "NAME=SIZE:COUNT, or --name");
	case -ENOSPC:
		return no_place(rt, pool);
	case -EDQUOT:
		return fail("pool", pool->name, "that is more memory than a user may have in "
			    "pools (the module's parameter user_mbytes)");
	case -ENOMEM:
		bytes = show_bytes((uint64_t)pool->buffer_bytes * pool->buffers);
		fail("pool", pool->name, "there are no %s of memory left to reserve", bytes);
		free(bytes);
		return EXIT_FAILED;
	default:
		return fail_errno("pool", pool->name, error);
	}
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
