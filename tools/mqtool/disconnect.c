// SPDX-License-Identifier: GPL-2.0-only
/* mqtool disconnect: takes a connection away, by its number or by its ends. */
#include <errno.h>
#include <stdlib.h>

#include "mqtool.h"

/**
 * struct disconnect_options - the command line
 * @runtime: --runtime
 * @from: --from
 * @to: --to
 * @id: --id, 0 if not given
 */
struct disconnect_options {
	const char *runtime;
	const char *from;
	const char *to;
	uint64_t id;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct disconnect_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 'f':
		o->from = arg;
		return 0;
	case 't':
		o->to = arg;
		return 0;
	case 'i':
		if (!parse_number(arg, UINT64_MAX, &o->id) || !o->id)
			argp_error(state, "--id %s: it is a number from 1 on; mqtool list --long "
				   "shows it", arg);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? it is --from BLOCK:PORT --to BLOCK:PORT", arg);
		return 0;
	case ARGP_KEY_END:
		if (o->id ? o->from || o->to : !o->from || !o->to)
			argp_error(state, "which? it is --from and --to, or --id");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Number of the connection between the two ends; 0 after a message. */
static uint64_t find_connection(struct mqshm_manager *m, const char *name,
				const struct disconnect_options *o)
{
	uint64_t id;

	if (!mqshm_manager_find_connection(m, o->from, o->to, &id))
		return id;
	if (graph_has_ends(mqshm_manager_runtime(m), name, o->from, o->to))
		fail("connection", o->from, "it is not connected to %s; mqtool list shows what is",
		     o->to);
	return 0;
}

static int do_disconnect(struct mqshm_manager *m, const char *name,
			 const struct disconnect_options *o)
{
	uint64_t id = o->id;
	char *number;
	int error, status;

	if (!id)
		id = find_connection(m, name, o);
	if (!id)
		return EXIT_FAILED;
	error = mqshm_manager_disconnect(m, id);
	if (!error) {
		printf("connection %llu is taken away\n", (unsigned long long)id);
		return EXIT_DONE;
	}
	number = text("%llu", (unsigned long long)id);
	if (error == -ENOENT)
		status = fail("connection", number, "there is none of that number; mqtool list "
			      "--long shows them");
	else
		status = fail_errno("connection", number, error);
	free(number);
	return status;
}

int command_disconnect(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "from", 'f', "BLOCK:PORT", 0, "The output; BLOCK alone if it has only one", 0 },
		{ "to", 't', "BLOCK:PORT", 0, "The input; BLOCK alone if it has only one", 0 },
		{ "id", 'i', "NUMBER", 0, "Number of the connection, from mqtool list --long", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "--from BLOCK:PORT --to BLOCK:PORT\n--id NUMBER",
		"Takes a connection away, also while data flows."
		"\vWhat is queued is still delivered. An output without a connection holds its block "
		"back until it has one again; an input waits.", NULL, NULL, NULL
	};
	struct disconnect_options o = { 0 };
	struct mqshm_manager *manager;
	char *name;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = manager_open(o.runtime, &manager, &name);
	if (status)
		return status;
	status = do_disconnect(manager, name, &o);
	mqshm_manager_close(manager);
	free(name);
	return status;
}
