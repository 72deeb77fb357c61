// SPDX-License-Identifier: GPL-2.0-only
/* mqtool set: changes parameters of a block that runs, and tells what the block says to that. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

/**
 * struct set_options - the command line
 * @runtime: --runtime
 * @block: --block
 * @timeout_s: --timeout
 * @params: array[@n_params]
 * @n_params: KEY=VALUE arguments
 */
struct set_options {
	const char *runtime;
	const char *block;
	uint64_t timeout_s;
	struct mqshm_param *params;
	size_t n_params;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct set_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 'b':
		o->block = arg;
		return 0;
	case 't':
		o->timeout_s = line_timeout_s(arg, state);
		return 0;
	case ARGP_KEY_ARG:
		line_add_param(&o->params, &o->n_params, arg, "", state);
		return 0;
	case ARGP_KEY_END:
		if (!o->block)
			argp_error(state, "--block is missing");
		if (!o->n_params)
			argp_error(state, "which parameter? KEY=VALUE");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool is_live(const struct mqshm_block_ops *ops, const char *key)
{
	const char *const *live = ops->live;

	while (live && *live && strcmp(*live, key))
		live++;
	return live && *live;
}

/* What can be changed in the place of the first that cannot, to be freed; "" if all can. */
static char *live_hint(const struct set_options *o, const char *type)
{
	const struct mqshm_block_ops *ops = type_of_block(type);
	struct names names = { 0 };
	char *hint = NULL;

	for (const char *const *live = ops ? ops->live : NULL; live && *live; live++)
		names_add(&names, *live);
	for (size_t i = 0; i < o->n_params && names.n && !hint; i++)
		if (!is_live(ops, o->params[i].key))
			hint = names_hint(&names, o->params[i].key, "parameters that can be changed");
	names_free(&names);
	return hint ? hint : text("%s", "");
}

static int set_fail(const struct set_options *o, const struct mqshm_block_record *block,
		    int error, const char *why)
{
	/* the sentence comes from another's program */
	char *shown = why ? show_name(why) : NULL, *type = show_name(block->type);
	char *hint = live_hint(o, block->type);

	switch (shown ? 0 : error) {
	case 0:
		fail("block", o->block, "%s%s; nothing was changed", shown, hint);
		break;
	case -ENOTCONN:
		fail("block", o->block, "a %s takes no changes while it runs: stop it, and start "
		     "it with other parameters", type);
		break;
	case -ETIMEDOUT:
		fail("block", o->block, "it has not answered within %llu s; it may take the change "
		     "later; mqtool list shows what it does",
		     (unsigned long long)o->timeout_s);
		break;
	case -ENOENT:
		fail("block", o->block, "it has ended");
		break;
	case -EMSGSIZE:
		fail("block", o->block, "this is more than one message takes: %d bytes",
		     MQSHM_BUS_PAYLOAD_MAX);
		break;
	default:
		fail_errno("block", o->block, error);
	}
	free(hint);
	free(shown);
	free(type);
	return EXIT_FAILED;
}

static int set(const struct set_options *o, const char *runtime,
	       const struct mqshm_snapshot *snap)
{
	const struct mqshm_block_record *block = graph_find_block(snap, o->block);
	char *why = NULL;
	int status = EXIT_DONE, error;

	if (!block)
		return EXIT_FAILED;
	error = mqshm_block_change(runtime, block->id, o->params, o->n_params,
				   mqshm_after_ms(o->timeout_s * 1000), &why);
	if (error)
		status = set_fail(o, block, error, why);
	for (size_t i = 0; !status && i < o->n_params; i++)
		printf("%s %s=%s\n", o->block, o->params[i].key, o->params[i].value);
	free(why);
	return status;
}

int command_set(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "block", 'b', "NAME", 0, "The block", 0 },
		{ "timeout", 't', "SECONDS", 0, "How long to wait for its answer (default 5)", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "--block NAME KEY=VALUE...",
		"Changes parameters of a block that runs, from its next buffer on."
		"\vAll of them, or none: the block checks them first, and says what is wrong. Not "
		"every parameter can be changed: what a file is called, for instance, cannot.",
		NULL, NULL, NULL
	};
	struct set_options o = { .timeout_s = 5 };
	struct mqshm_snapshot *snap;
	struct mqshm_runtime *rt;
	char *name;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = runtime_open(o.runtime, &rt, &name);
	if (!status) {
		status = runtime_snapshot(rt, name, &snap);
		if (!status) {
			status = set(&o, name, snap);
			mqshm_snapshot_free(snap);
		}
		mqshm_runtime_close(rt);
		free(name);
	}
	free(o.params);
	return status;
}
