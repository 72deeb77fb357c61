// SPDX-License-Identifier: GPL-2.0-only
/* mqtool replay: sends the messages of a recording into an input. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "../blocks/blocks.h"
#include "mqtool.h"

/**
 * struct replay_options - the command line
 * @runtime: --runtime
 * @file: the recording
 * @to: --to
 * @speed: --speed
 * @loop: --loop
 */
struct replay_options {
	const char *runtime;
	const char *file;
	const char *to;
	const char *speed;
	bool loop;
};

#define KEY_LOOP	0x300

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct replay_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 't':
		o->to = arg;
		return 0;
	case 's':
		o->speed = arg;
		return 0;
	case KEY_LOOP:
		o->loop = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->file)
			argp_error(state, "%s: one recording at a time", arg);
		o->file = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->file)
			argp_error(state, "which recording? it is mqtool replay FILE --to BLOCK:PORT");
		else if (!o->to)
			argp_error(state, "--to is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/**
 * struct replay - where the messages go
 * @rt: the runtime
 * @to: "block:port"
 */
struct replay {
	struct mqshm_runtime *rt;
	char *to;
};

static int connect_it(const char *block, void *arg)
{
	/* a block that comes back shall not wait for this one */
	static const struct mqshm_connect_options options = { .transient = true };
	const struct replay *r = arg;
	int error = mqshm_connect_with(r->rt, block, r->to, &options, NULL);

	return error ? fail_errno("port", r->to, error) : EXIT_DONE;
}

static int replay(const struct replay_options *o, struct replay *r, const char *runtime)
{
	struct mqshm_param params[] = {
		{ .key = "filename", .value = o->file },
		{ .key = "speed", .value = o->speed },
		{ .key = "loop", .value = o->loop ? "1" : "0" },
	};
	char *name = text("replay%d", getpid());
	const struct worker_options worker = {
		.runtime = runtime, .ops = builtin_block("Player"), .name = name,
		.process_name = "mqtool replay", .params = params,
		.n_params = sizeof(params) / sizeof(*params), .ready_fd = -1,
		.made = connect_it, .arg = r,
	};
	int status = worker_run(&worker);

	free(name);
	return status;
}

int command_replay(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "to", 't', "BLOCK:PORT", 0, "An input; BLOCK alone if it has only one", 0 },
		{ "speed", 's', "X", 0, "2 is twice as fast, 0 as fast as it goes (default: 1, as it "
		  "was recorded)", 0 },
		{ "loop", KEY_LOOP, NULL, 0, "Begins again behind the end", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "FILE --to BLOCK:PORT",
		"Sends the messages of a recording into an input, at the times at which they came."
		"\vThe input gets their end too, when the last one has been read.\n\n"
		"  mqtool replay voice.rec --to amp1:in", NULL, NULL, NULL
	};
	struct replay_options o = { .speed = "1" };
	struct replay r;
	char *runtime;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = runtime_open(o.runtime, &r.rt, &runtime);
	if (status)
		return status;
	r.to = graph_find_end(r.rt, runtime, o.to, MQSHM_DIR_IN);
	status = r.to ? replay(&o, &r, runtime) : EXIT_FAILED;
	free(r.to);
	mqshm_runtime_close(r.rt);
	free(runtime);
	return status;
}
