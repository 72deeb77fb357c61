// SPDX-License-Identifier: GPL-2.0-only
/* mqtool connect: joins an output to an input. */
#include <errno.h>
#include <stdlib.h>

#include "mqtool.h"

/**
 * struct connect_options - the command line
 * @runtime: --runtime
 * @from: --from
 * @to: --to
 * @with: all that is optional
 */
struct connect_options {
	const char *runtime;
	const char *from;
	const char *to;
	struct mqshm_connect_options with;
};

#define KEY_POLICY	'p'
#define KEY_PERSISTENT	'P'
#define KEY_KEEP	'k'
#define KEY_TRANSIENT	0x100
#define KEY_TAP		'T'

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct connect_options *o = state->input;

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
	case KEY_POLICY:
		if (!policy_parse(arg, &o->with.policy))
			argp_error(state, "--policy %s: " POLICY_FORM, arg);
		return 0;
	case KEY_PERSISTENT:
		o->with.persistent = true;
		return 0;
	case KEY_TRANSIENT:
		o->with.transient = true;
		return 0;
	case KEY_KEEP:
		o->with.persistent = true;
		o->with.keep = true;
		if (!keep_parse(arg, &o->with.keep_ns))
			argp_error(state, "--keep=%s: " KEEP_FORM, arg);
		return 0;
	case KEY_TAP:
		o->with.tap = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? it is --from BLOCK:PORT --to BLOCK:PORT", arg);
		return 0;
	case ARGP_KEY_END:
		if (!o->from || !o->to)
			argp_error(state, "--%s is missing", o->from ? "to" : "from");
		if (o->with.transient && o->with.persistent)
			argp_error(state, "--transient: it is that, or it is persistent and keeps");
		/* nobody waits for one that only looks on */
		if (o->with.tap && o->with.policy == MQSHM_POLICY_BLOCK)
			argp_error(state, "--tap: it drops: --policy drop-newest or drop-oldest");
		if (o->with.policy == POLICY_UNSAID)
			o->with.policy = o->with.tap ? MQSHM_POLICY_DROP_OLDEST : MQSHM_POLICY_BLOCK;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Which of the two ends is wrong; if neither is, it is something else. */
static int explain(struct mqshm_manager *m, const char *name, const struct connect_options *o,
		   int error)
{
	if (!graph_has_ends(mqshm_manager_runtime(m), name, o->from, o->to))
		return EXIT_FAILED;
	/* it came or went meanwhile */
	return fail_errno("connection", o->from, error);
}

static int do_connect(struct mqshm_manager *m, const char *name, const struct connect_options *o)
{
	uint64_t id;
	int error = mqshm_manager_connect(m, o->from, o->to, &o->with, &id);

	switch (error) {
	case 0:
		printf("connection %llu: %s to %s\n", (unsigned long long)id, o->from, o->to);
		return EXIT_DONE;
	case -ENOENT:
	case -EINVAL:
		return explain(m, name, o, error);
	case -EEXIST:
		return fail("connection", o->from, "it is connected to %s already", o->to);
	case -ENOSPC:
		return limit_reached("connection", o->from, name, "connections");
	default:
		return fail_errno("connection", o->from, error);
	}
}

int command_connect(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "from", 'f', "BLOCK:PORT", 0, "An output; BLOCK alone if it has only one", 0 },
		{ "to", 't', "BLOCK:PORT", 0, "An input; BLOCK alone if it has only one", 0 },
		{ "policy", KEY_POLICY, "POLICY", 0, "When the queue is full: block (the default): "
		  "the output waits; drop-newest: it leaves this input out, and the others get "
		  "the message; drop-oldest: it takes out what has been queued longest", 0 },
		{ "persistent", KEY_PERSISTENT, NULL, 0, "Stays until it is taken away: a block that "
		  "goes, however it goes, is connected again when one of its name comes", 0 },
		{ "transient", KEY_TRANSIENT, NULL, 0, "Not persistent, although a block at an end was "
		  "started with --restart or --persistent, of which all connections are", 0 },
		{ "keep", KEY_KEEP, "SECONDS", OPTION_ARG_OPTIONAL, "Persistent, and what is queued "
		  "when the input's block goes waits for the next one, for so long (30; "
		  "forever)", 0 },
		{ "tap", KEY_TAP, NULL, 0, "Only looks on, and drops the oldest if nothing else is "
		  "said: to the output it is as if this connection were not there", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "--from BLOCK:PORT --to BLOCK:PORT",
		"Joins an output to an input, also while data flows."
		"\vAn output may feed many inputs, each gets everything; an input takes many outputs.\n\n"
		"  mqtool connect --from src1:out --to amp1:in\n"
		"  mqtool connect --from src1:out --to view:in --policy drop-newest\n"
		"  mqtool connect --from amp1:out --to sink1:in --keep=60", NULL, NULL, NULL
	};
	struct connect_options o = { .with.policy = POLICY_UNSAID };
	struct mqshm_manager *manager;
	char *name;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = manager_open(o.runtime, &manager, &name);
	if (status)
		return status;
	status = do_connect(manager, name, &o);
	mqshm_manager_close(manager);
	free(name);
	return status;
}
