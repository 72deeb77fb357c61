// SPDX-License-Identifier: GPL-2.0-only
/* Options of how a graph is run, wherever that comes from. */
#include "spec.h"

#define KEY_DRY_RUN	0x100
#define KEY_RESTART	0x101
#define KEY_JSON	0x102

static error_t run_parse(int key, char *arg, struct argp_state *state)
{
	struct run_options *run = state->input;

	switch (key) {
	case KEY_RUNTIME:
		run->runtime = arg;
		return 0;
	case KEY_RESTART:
		if (!restart_parse(arg, &run->restart))
			argp_error(state, "--restart %s: " RESTART_FORM, arg);
		return 0;
	case KEY_DRY_RUN:
		run->dry = true;
		return 0;
	case KEY_JSON:
		run->json = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option run_options[] = {
	{ "runtime", KEY_RUNTIME, "NAME", 0, "Runtime (default: the one that the graph names, else "
	  "$MQSHM_RUNTIME, else one of its own). One that is not there is made, and goes with the graph", 0 },
	{ "restart", KEY_RESTART, "WHEN", 0, "For blocks that do not say themselves when they "
	  "are started again: no, on-failure, always, or as on-failure:20", 0 },
	{ "dry-run", KEY_DRY_RUN, NULL, 0, "Only check the graph, and show it", 0 },
	{ "json", KEY_JSON, NULL, 0, "What becomes of processes, as JSON, an object a line on stdout; "
	  "with --dry-run: the graph as JSON", 0 },
	{ 0 }
};

static const struct argp run_argp = { run_options, run_parse, NULL, NULL, NULL, NULL, NULL };

const struct argp_child run_children[] = { { &run_argp, 0, NULL, 0 }, { 0 } };
