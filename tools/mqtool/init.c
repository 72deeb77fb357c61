// SPDX-License-Identifier: GPL-2.0-only
/* mqtool init: makes a runtime with its pools. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

/**
 * struct init_options - the command line
 * @name: --name
 * @pools: array[@n_pools] of --pool
 * @runtime: mode, group, limits and lifetime
 */
struct init_options {
	const char *name;
	struct pool_request *pools;
	size_t n_pools;
	struct mqshm_runtime_options runtime;
};

static const char *const default_pools[] = { "4K:1024", "64K:256", "1M:32" };

#define N_DEFAULTS (sizeof(default_pools) / sizeof(*default_pools))

static void add_pool(struct init_options *o, const char *arg, struct argp_state *state)
{
	struct pool_request pool;
	const char *wrong = pool_parse(arg, &pool);

	if (wrong) {
		argp_error(state, "--pool %s: %s", arg, wrong);
		return;
	}
	for (size_t i = 0; i < o->n_pools; i++)
		if (!strcmp(o->pools[i].name, pool.name))
			argp_error(state, "--pool %s: two pools of the name %s; name one: "
				   "NAME=SIZE:COUNT", arg, pool.name);
	o->pools = grow(o->pools, o->n_pools + 1, sizeof(*o->pools));
	o->pools[o->n_pools++] = pool;
}

static uint32_t parse_mode(const char *arg, struct argp_state *state)
{
	char *end;
	unsigned long mode = strtoul(arg, &end, 8);

	if (*end || end == arg || !mode || mode > 0777 || *arg == '-')
		argp_error(state, "--mode %s: it is octal, 0001 to 0777: read lists, write "
			   "changes the graph, execute joins", arg);
	return mode;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct init_options *o = state->input;
	const char *wrong;

	switch (key) {
	case 'n':
		o->name = arg;
		if (!*arg || strlen(arg) >= MQSHM_RUNTIME_NAME_LEN || strchr(arg, '/'))
			argp_error(state, "--name %s: 1 to %d bytes, without /", arg,
				   MQSHM_RUNTIME_NAME_LEN - 1);
		return 0;
	case 'p':
		add_pool(o, arg, state);
		return 0;
	case 'm':
		o->runtime.mode = parse_mode(arg, state);
		return 0;
	case 'g':
		o->runtime.group = arg;
		return 0;
	case 'l':
		wrong = limit_parse(arg, &o->runtime.limits);
		if (wrong)
			argp_error(state, "--limit %s: %s", arg, wrong);
		return 0;
	case 'e':
		o->runtime.persistent = false;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? names follow options, as in --name %s",
			   arg, arg);
		return 0;
	case ARGP_KEY_END:
		if (!o->name)
			argp_error(state, "--name is missing");
		for (size_t i = o->n_pools ? N_DEFAULTS : 0; i < N_DEFAULTS; i++)
			add_pool(o, default_pools[i], state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int create(struct init_options *o, struct mqshm_runtime **rt)
{
	int error = mqshm_runtime_create(o->name, &o->runtime, rt);

	switch (error) {
	case 0:
		return 0;
	case -EEXIST:
		return fail("runtime", o->name, "you have one of that name; remove it: "
			    "mqtool remove --runtime %s", o->name);
	case -EPERM:
		return fail("group", o->runtime.group, "you are not in it; id -nG shows yours");
	case -ENOENT:
		if (o->runtime.group)
			return fail("group", o->runtime.group, "there is no such group");
		return runtime_fail(o->name, error);
	case -EINVAL:
		/* its name was looked at */
		return limits_refused(o->name, &o->runtime.limits);
	case -EDQUOT:
		return fail("runtime", o->name, "you have as many runtimes as a user may have (the "
			    "module's parameter user_runtimes); mqtool list shows them");
	default:
		return runtime_fail(o->name, error);
	}
}

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/*
 * A runtime that nobody uses would go with this process at once, so it stays: until
 * the last client has left, or until it is interrupted, and then the runtime goes
 * with its last client.
 */
static int hold(struct mqshm_runtime *rt, const char *name)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct mqshm_snapshot *snap;
	bool used = false;
	uint64_t changes;
	int error = 0;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	printf("It goes with its last client; until one has come, this command holds it.\n");
	fflush(stdout);
	while (!interrupted) {
		error = mqshm_runtime_snapshot(rt, &snap);
		if (error)
			break;
		used = used || snap->n_clients || (snap->n_runtimes && snap->runtimes->settled);
		if (used && !snap->n_clients)
			interrupted = 1;
		changes = snap->changes;
		mqshm_snapshot_free(snap);
		/* a signal just before the wait is seen a second later */
		if (!interrupted)
			error = mqshm_runtime_wait(rt, &changes, mqshm_after_ms(1000));
		if (error && error != -ETIMEDOUT && error != -EINTR)
			break;
		error = 0;
	}
	/* removed by somebody: that is an end too */
	return error && error != -ESHUTDOWN ? fail_errno("runtime", name, error) : EXIT_DONE;
}

static void report(const struct init_options *o)
{
	uint64_t bytes = 0;
	char *shown;

	for (size_t i = 0; i < o->n_pools; i++)
		bytes += (uint64_t)o->pools[i].buffer_bytes * o->pools[i].buffers;
	shown = show_bytes(bytes);
	printf("runtime %s: %zu pool%s, %s of buffers\n", o->name, o->n_pools,
	       o->n_pools == 1 ? "" : "s", shown);
	free(shown);
}

int command_init(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "name", 'n', "NAME", 0, "Name of the runtime", 0 },
		{ "pool", 'p', "SIZE:COUNT", 0, "A pool of COUNT buffers of SIZE bytes (4K, 1M); "
		  "NAME=SIZE:COUNT names it; with ,huge behind, it is on huge pages as far as there "
		  "are any, with ,node=N in the memory of NUMA node N. Repeatable. Default: 4K:1024, "
		  "64K:256, 1M:32", 0 },
		{ "mode", 'm', "OCTAL", 0, "Permissions: read lists, write changes the graph, "
		  "execute joins (default 0700)", 0 },
		{ "group", 'g', "GROUP", 0, "Group that the mode means (default: yours)", 0 },
		{ "limit", 'l', "KEY=NUMBER", 0, "Most that it takes: clients (128), blocks (256), "
		  "ports of a block (32), connections (512), pools (16), buffers of all pools "
		  "(65536). Repeatable", 0 },
		{ "ephemeral", 'e', NULL, 0, "The runtime goes with its last client. The command "
		  "stays until then, since it would go at once; Ctrl-C ends the command", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "--name NAME", "Makes a runtime: named memory for a graph of blocks."
		"\vIt stays, also without clients, until mqtool remove.\n\n"
		"  mqtool init --name studio --pool 64K:256 --mode 0770 --group audio",
		NULL, NULL, NULL
	};
	struct init_options o = { .runtime.persistent = true };
	struct mqshm_runtime *rt;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = create(&o, &rt);
	for (size_t i = 0; !status && i < o.n_pools; i++) {
		status = pool_make(rt, &o.pools[i]);
		/* nothing is left of a runtime that is not what was asked for */
		if (status && mqshm_runtime_remove(rt, false, NULL))
			fail("runtime", o.name, "it stays, unfinished: mqtool remove --runtime %s",
			     o.name);
		if (status)
			mqshm_runtime_close(rt);
	}
	if (!status) {
		report(&o);
		if (!o.runtime.persistent)
			status = hold(rt, o.name);
		mqshm_runtime_close(rt);
	}
	free(o.pools);
	return status;
}
