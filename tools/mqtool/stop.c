// SPDX-License-Identifier: GPL-2.0-only
/* mqtool stop: asks blocks to end through the module, and waits until they have. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

#define KEY_KILL	0x100

/**
 * struct stop_options - the command line
 * @runtime: --runtime
 * @block: --block
 * @pid: --pid, 0 if not given
 * @all: --all
 * @kill: --kill
 * @timeout_s: --timeout
 */
struct stop_options {
	const char *runtime;
	const char *block;
	uint64_t pid;
	bool all;
	bool kill;
	uint64_t timeout_s;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct stop_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 'b':
		o->block = arg;
		return 0;
	case 'p':
		if (!parse_number(arg, INT32_MAX, &o->pid) || !o->pid)
			argp_error(state, "--pid %s: it is the number of a process", arg);
		return 0;
	case 'a':
		o->all = true;
		return 0;
	case 't':
		o->timeout_s = line_timeout_s(arg, state);
		return 0;
	case KEY_KILL:
		o->kill = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? it is --block %s", arg, arg);
		return 0;
	case ARGP_KEY_END:
		if (!!o->block + !!o->pid + o->all != 1)
			argp_error(state, "which? one of --block, --pid, --all");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int no_process(const struct mqshm_snapshot *snap, uint64_t pid)
{
	char *number = text("%llu", (unsigned long long)pid), *clients = graph_clients(snap);
	bool found = false;

	for (size_t i = 0; i < snap->n_clients; i++)
		found = found || snap->clients[i].pid == pid;
	if (found)
		fail("process", number, "it has no block that could be asked to end");
	else
		fail("process", number, "it does not use this runtime; processes: %s", clients);
	free(clients);
	free(number);
	return EXIT_FAILED;
}

/* Names that are wrong, before anything is asked. */
static int check(const struct mqshm_snapshot *snap, const struct stop_options *o)
{
	const struct mqshm_client_record *client;

	if (o->block)
		return graph_find_block(snap, o->block) ? 0 : EXIT_FAILED;
	for (size_t i = 0; i < snap->n_blocks && !o->all; i++) {
		client = mqshm_snapshot_client(snap, snap->blocks[i].client);
		if (client && client->pid == o->pid)
			return 0;
	}
	return o->all ? 0 : no_process(snap, o->pid);
}

static int stop(struct mqshm_manager *m, const struct stop_options *o, uint64_t timeout_ms)
{
	uint64_t deadline_ns = mqshm_after_ms(timeout_ms);
	int error;

	if (o->block)
		error = mqshm_manager_stop_block(m, o->block, deadline_ns);
	else if (o->pid)
		error = mqshm_manager_stop_process(m, o->pid, deadline_ns);
	else
		error = mqshm_manager_stop_all(m, deadline_ns);
	/* it has gone since the names were looked at */
	return error == -ENOENT ? 0 : error;
}

/* Whether a block is one of those that were asked to end. */
static bool is_meant(const struct stop_options *o, const struct mqshm_block_record *block,
		     const struct mqshm_client_record *client)
{
	if (!block->stopping || !client)
		return false;
	return o->all || (o->block ? !strcmp(block->name, o->block) : client->pid == o->pid);
}

static void kill_owner(struct mqshm_manager *m, const struct mqshm_client_record *client)
{
	int error = mqshm_manager_kill_client(m, client->id);

	if (!error)
		printf("process %u %s is killed\n", client->pid, client->name);
	else if (error == -ESRCH)
		fail("process", client->name, "it is not visible here, so it cannot be killed "
		     "from here");
	else
		fail_errno("process", client->name, error);
}

static void report_left(const struct mqshm_block_record *block,
			const struct mqshm_client_record *client, const struct stop_options *o)
{
	fail("block", block->name, "it was asked to end but has not within %llu s (process %u, %s)%s",
	     (unsigned long long)o->timeout_s, client->pid, client_state_name(client->state),
	     o->kill ? "" : "; wait longer: --timeout S, or kill it: --kill");
}

/* Kills or shows the processes of the blocks that are left. */
static void treat_left(struct mqshm_manager *m, const char *name, const struct stop_options *o,
		       bool kill)
{
	const struct mqshm_client_record *client;
	struct mqshm_snapshot *snap;

	if (runtime_snapshot(mqshm_manager_runtime(m), name, &snap))
		return;
	for (size_t i = 0; i < snap->n_blocks; i++) {
		client = mqshm_snapshot_client(snap, snap->blocks[i].client);
		if (!is_meant(o, &snap->blocks[i], client))
			continue;
		if (kill)
			kill_owner(m, client);
		else
			report_left(&snap->blocks[i], client, o);
	}
	mqshm_snapshot_free(snap);
}

static int do_stop(struct mqshm_manager *m, const char *name, const struct stop_options *o)
{
	int error = stop(m, o, o->timeout_s * 1000);

	if (error == -ETIMEDOUT && o->kill) {
		treat_left(m, name, o, true);
		error = stop(m, o, 5000);
	}
	if (!error)
		return EXIT_DONE;
	if (error != -ETIMEDOUT)
		return fail_errno(o->block ? "block" : "runtime", o->block ? o->block : name, error);
	treat_left(m, name, o, false);
	return EXIT_FAILED;
}

int command_stop(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "block", 'b', "NAME", 0, "The block of that name", 0 },
		{ "pid", 'p', "PID", 0, "All blocks of a process", 0 },
		{ "all", 'a', NULL, 0, "All blocks of the runtime", 0 },
		{ "timeout", 't', "SECONDS", 0, "How long to wait (default 10)", 0 },
		{ "kill", KEY_KILL, NULL, 0, "Kill the processes of blocks that have not ended "
		  "by then", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "--block NAME\n--pid PID\n--all",
		"Asks blocks to end, and waits until they have."
		"\vA block ends after the piece of work that it is doing. The question goes through "
		"the module, so that it cannot reach another process.", NULL, NULL, NULL
	};
	struct stop_options o = { .timeout_s = 10 };
	struct mqshm_manager *manager;
	struct mqshm_snapshot *snap;
	char *name;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = manager_open(o.runtime, &manager, &name);
	if (status)
		return status;
	status = runtime_snapshot(mqshm_manager_runtime(manager), name, &snap);
	if (!status) {
		status = check(snap, &o);
		mqshm_snapshot_free(snap);
	}
	if (!status)
		status = do_stop(manager, name, &o);
	mqshm_manager_close(manager);
	free(name);
	return status;
}
