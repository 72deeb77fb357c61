// SPDX-License-Identifier: GPL-2.0-only
/* mqtool stop: asks blocks to end through the module, and waits until they have. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

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

/**
 * struct targets - blocks to be stopped
 * @n: how many
 * @block: their numbers, which are never used again
 */
struct targets {
	size_t n;
	uint64_t *block;
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
		if (!parse_number(arg, 1000000, &o->timeout_s))
			argp_error(state, "--timeout %s: it is a number of seconds", arg);
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

static void targets_add(struct targets *t, uint64_t block)
{
	t->block = grow(t->block, t->n + 1, sizeof(*t->block));
	t->block[t->n++] = block;
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

static int choose(const struct mqshm_snapshot *snap, const struct stop_options *o,
		  struct targets *t)
{
	const struct mqshm_block_record *block;
	const struct mqshm_client_record *client;

	if (o->block) {
		block = graph_find_block(snap, o->block);
		if (!block)
			return EXIT_FAILED;
		targets_add(t, block->id);
		return 0;
	}
	for (size_t i = 0; i < snap->n_blocks; i++) {
		client = mqshm_snapshot_client(snap, snap->blocks[i].client);
		if (o->all || (client && client->pid == o->pid))
			targets_add(t, snap->blocks[i].id);
	}
	return t->n || o->all ? 0 : no_process(snap, o->pid);
}

static int ask(struct mqshm_runtime *rt, const struct mqshm_snapshot *snap,
	       const struct targets *t)
{
	int error, status = 0;

	for (size_t i = 0; i < t->n; i++) {
		error = mqshm_block_request_stop(rt, t->block[i]);
		/* -ENOENT: it ended by itself */
		if (error && error != -ENOENT)
			status = fail_errno("block", mqshm_snapshot_block(snap, t->block[i])->name,
					    error);
	}
	return status;
}

/* Leaves the blocks in @t that are still there. */
static void keep_present(const struct mqshm_snapshot *snap, struct targets *t)
{
	size_t kept = 0;

	for (size_t i = 0; i < t->n; i++)
		if (mqshm_snapshot_block(snap, t->block[i]))
			t->block[kept++] = t->block[i];
	t->n = kept;
}

/* 0 once all are gone, -ETIMEDOUT, or another error. */
static int wait_gone(struct mqshm_runtime *rt, struct targets *t, uint64_t deadline_ns)
{
	struct mqshm_snapshot *snap;
	uint64_t changes;
	int error;

	for (;;) {
		error = mqshm_runtime_snapshot(rt, &snap);
		if (!error) {
			keep_present(snap, t);
			changes = snap->changes;
			mqshm_snapshot_free(snap);
		}
		/* with the runtime every block goes */
		if (error == -ESHUTDOWN || (!error && !t->n))
			return 0;
		if (!error)
			error = mqshm_runtime_wait(rt, &changes, deadline_ns);
		if (error && error != -ESHUTDOWN)
			return error;
	}
}

/*
 * The pid in a snapshot may belong to another process by the time it is used. A pidfd
 * cannot: if the client is there, with that pid, after the pidfd was opened, then the
 * pidfd is that client's process.
 */
static void kill_client(struct mqshm_runtime *rt, const struct mqshm_client_record *old)
{
	struct mqshm_snapshot *snap;
	const struct mqshm_client_record *client;
	int fd = pidfd_open(old->pid, 0);

	if (fd < 0) {
		if (errno != ESRCH)
			fail("process", old->name, "%s", strerror(errno));
		return;
	}
	if (!mqshm_runtime_snapshot(rt, &snap)) {
		client = mqshm_snapshot_client(snap, old->id);
		if (client && client->pid == old->pid) {
			if (pidfd_send_signal(fd, SIGKILL, NULL, 0))
				fail("process", old->name, "%s", strerror(errno));
			else
				printf("process %u %s is killed\n", old->pid, old->name);
		}
		mqshm_snapshot_free(snap);
	}
	close(fd);
}

static void kill_owners(struct mqshm_runtime *rt, const struct mqshm_snapshot *snap,
			const struct targets *t)
{
	const struct mqshm_block_record *block;
	const struct mqshm_client_record *client;

	for (size_t i = 0; i < t->n; i++) {
		block = mqshm_snapshot_block(snap, t->block[i]);
		client = block ? mqshm_snapshot_client(snap, block->client) : NULL;
		if (client && client->pid)
			kill_client(rt, client);
		else if (client)
			fail("process", client->name, "it is not visible here, so it cannot be "
			     "killed from here");
	}
}

static void report_left(const struct mqshm_snapshot *snap, const struct targets *t,
			const struct stop_options *o)
{
	const struct mqshm_block_record *block;
	const struct mqshm_client_record *client;

	for (size_t i = 0; i < t->n; i++) {
		block = mqshm_snapshot_block(snap, t->block[i]);
		client = block ? mqshm_snapshot_client(snap, block->client) : NULL;
		if (client)
			fail("block", block->name, "it was asked to end but has not within %llu s "
			     "(process %u, %s)%s", (unsigned long long)o->timeout_s, client->pid,
			     client_state_name(client->state),
			     o->kill ? "" : "; wait longer: --timeout S, or kill it: --kill");
	}
}

static int wait_stopped(struct mqshm_runtime *rt, const char *name,
			const struct stop_options *o, struct targets *t)
{
	struct mqshm_snapshot *snap;
	int error = wait_gone(rt, t, mqshm_after_ms(o->timeout_s * 1000));

	if (error == -ETIMEDOUT && o->kill) {
		if (runtime_snapshot(rt, name, &snap))
			return EXIT_FAILED;
		kill_owners(rt, snap, t);
		mqshm_snapshot_free(snap);
		error = wait_gone(rt, t, mqshm_after_ms(5000));
	}
	if (!error)
		return EXIT_DONE;
	if (error != -ETIMEDOUT)
		return fail_errno("runtime", name, error);
	if (!runtime_snapshot(rt, name, &snap)) {
		report_left(snap, t, o);
		mqshm_snapshot_free(snap);
	}
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
	struct targets targets = { 0 };
	struct mqshm_snapshot *snap;
	struct mqshm_runtime *rt;
	char *name;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = runtime_open(o.runtime, &rt, &name);
	if (status)
		return status;
	status = runtime_snapshot(rt, name, &snap);
	if (!status) {
		status = choose(snap, &o, &targets);
		if (!status)
			status = ask(rt, snap, &targets);
		mqshm_snapshot_free(snap);
	}
	if (!status)
		status = wait_stopped(rt, name, &o, &targets);
	free(targets.block);
	mqshm_runtime_close(rt);
	free(name);
	return status;
}
