// SPDX-License-Identifier: GPL-2.0-only
/* mqtool remove: removes a runtime and gives its memory back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

/**
 * struct remove_options - the command line
 * @runtime: --runtime
 * @force: --force
 */
struct remove_options {
	const char *runtime;
	bool force;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct remove_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
	case 'n':
		o->runtime = arg;
		return 0;
	case 'f':
		o->force = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? it is --runtime %s", arg, arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int busy(struct mqshm_runtime *rt, const char *name)
{
	struct mqshm_snapshot *snap;
	char *clients;

	if (runtime_snapshot(rt, name, &snap))
		return EXIT_FAILED;
	clients = graph_clients(snap);
	fail("runtime", name, "it is in use by %s; end them: mqtool stop --runtime %s --all, "
	     "or shut it down: mqtool remove --runtime %s --force", clients, name, name);
	free(clients);
	mqshm_snapshot_free(snap);
	return EXIT_FAILED;
}

int command_remove(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "name", 'n', "NAME", OPTION_ALIAS, NULL, 0 },
		{ "force", 'f', NULL, 0, "Also when it is used: every connection ends, every wait "
		  "returns", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, NULL, "Removes a runtime."
		"\vIts memory goes when the last process that uses it has left.", NULL, NULL, NULL
	};
	struct remove_options o = { 0 };
	struct mqshm_runtime *rt;
	uint32_t clients = 0;
	char *name;
	int status, error;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = runtime_open(o.runtime, &rt, &name);
	if (status)
		return status;
	error = mqshm_runtime_remove(rt, o.force, &clients);
	if (!error && clients)
		printf("runtime %s is removed; it had %u client%s\n", name, clients,
		       clients == 1 ? "" : "s");
	else if (!error)
		printf("runtime %s is removed\n", name);
	else if (error == -EBUSY)
		status = busy(rt, name);
	else if (error == -EPERM)
		status = fail("runtime", name, "only its owner may remove it");
	else
		status = fail_errno("runtime", name, error);
	mqshm_runtime_close(rt);
	free(name);
	return status;
}
