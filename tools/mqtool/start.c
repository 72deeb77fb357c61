// SPDX-License-Identifier: GPL-2.0-only
/* mqtool start: a process that runs a block, detached from the terminal or not. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

#define KEY_LOG		0x100
#define KEY_RESTART	0x101
#define KEY_READY_FD	0x102
#define KEY_PERSISTENT	0x103

/**
 * struct start_options - the command line
 * @runtime: --runtime
 * @type: --block
 * @log: --log
 * @foreground: --foreground, or somebody waits on --ready-fd
 * @restart: --restart
 * @restart_text: as it was given
 * @worker: what the worker gets
 */
struct start_options {
	const char *runtime;
	const char *type;
	const char *log;
	bool foreground;
	struct mqshm_restart restart;
	const char *restart_text;
	struct worker_options worker;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct start_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 'b':
		o->type = arg;
		return 0;
	case 'n':
		o->worker.name = line_block_name(arg, state);
		return 0;
	case 'P':
		o->worker.process_name = line_process_name(arg, state);
		return 0;
	case 'p':
		line_add_param(&o->worker.params, &o->worker.n_params, arg, "--param ", state);
		return 0;
	case KEY_LOG:
		o->log = arg;
		return 0;
	case 'f':
		o->foreground = true;
		return 0;
	case KEY_RESTART:
		o->restart_text = arg;
		if (!restart_parse(arg, &o->restart))
			argp_error(state, "--restart %s: " RESTART_FORM, arg);
		return 0;
	case KEY_PERSISTENT:
		o->worker.persistent = true;
		return 0;
	case KEY_READY_FD:
		o->worker.ready_fd = atoi(arg);
		o->foreground = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? parameters are --param KEY=VALUE", arg);
		return 0;
	case ARGP_KEY_END:
		if (!o->type || !o->worker.name)
			argp_error(state, "--%s is missing", o->type ? "name" : "block");
		if (o->foreground && o->log)
			argp_error(state, "--log: with --foreground there is no log: 2>FILE");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int block_param_check(const struct mqshm_block_ops *ops, const char *key)
{
	struct names names = { 0 };
	char *hint;

	for (const struct mqshm_param_spec *p = ops->params; p && p->key; p++) {
		if (!strcmp(p->key, key)) {
			names_free(&names);
			return EXIT_DONE;
		}
		names_add(&names, p->key);
	}
	hint = names_hint(&names, key, "parameters");
	fail("parameter", key, "%s has no such parameter%s", ops->type, hint);
	free(hint);
	names_free(&names);
	return EXIT_FAILED;
}

int check_params(const struct worker_options *w, bool stdio)
{
	int status;

	for (size_t i = 0; i < w->n_params; i++) {
		status = block_param_check(w->ops, w->params[i].key);
		if (status)
			return status;
		if (!stdio && !strcmp(w->params[i].key, "filename") &&
		    !strcmp(w->params[i].value, "-"))
			return fail("parameter", "filename", "- is stdin or stdout, which a process "
				    "in the background has not; add --foreground");
	}
	return 0;
}

/**
 * struct background - a start that does not stay
 * @manager: starts it
 * @spec: the block
 * @log: path of its log
 */
struct background {
	struct mqshm_manager *manager;
	struct mqshm_block_spec spec;
	char *log;
};

static int start_failed(const struct start_options *o, const struct background *b, int error,
			const struct mqshm_process_info *process, const char *said)
{
	fputs(said ? said : "", stderr);
	switch (error) {
	case -ECHILD:
		if (process->signal)
			fail("block", o->worker.name, "its process was ended by signal %d (%s)",
			     process->signal, strsignal(process->signal));
		return EXIT_FAILED;
	case -ENOENT:
	case -ENOTDIR:
	case -EISDIR:
	case -EACCES:
	case -EROFS:
		return fail("log", b->log, "%s; name another place: --log FILE", strerror(-error));
	default:
		return fail_errno("block", o->worker.name, error);
	}
}

static int start_background(const struct start_options *o, struct background *b)
{
	struct mqshm_process_info process;
	char *said;
	int error = mqshm_manager_start_block(b->manager, &b->spec, &process, &said);
	int status = EXIT_DONE;

	if (error)
		status = start_failed(o, b, error, &process, said);
	else if (o->restart.when)
		printf("%s: watched by pid %u, log %s\n", o->worker.name, process.pid, b->log);
	else
		printf("%s: pid %u, log %s\n", o->worker.name, process.pid, b->log);
	free(said);
	return status;
}

/* The worker is this program again; one that is to be started again is watched by another. */
static int start_detached(struct start_options *o)
{
	const char *const plain[] = { SELF, "mqtool", "start",
				      o->worker.persistent ? "--persistent" : NULL, NULL };
	const char *const watched[] = { SELF, "mqtool", "start", "--restart", o->restart_text, NULL };
	struct background b = {
		.spec = {
			.type = o->type,
			.name = o->worker.name,
			.params = o->worker.params,
			.n_params = o->worker.n_params,
			.process_name = o->worker.process_name,
			.log = o->log,
		},
	};
	int error = mqshm_manager_open(o->worker.runtime, o->restart.when ? watched : plain,
				       &b.manager);
	int status;

	if (error)
		return runtime_fail(o->worker.runtime, error);
	b.log = o->log ? text("%s", o->log) : mqshm_manager_log_path(b.manager, o->worker.name);
	status = start_background(o, &b);
	free(b.log);
	mqshm_manager_close(b.manager);
	return status;
}

static int start_foreground(struct start_options *o)
{
	const char *const worker[] = { SELF, "mqtool", "start", NULL };
	struct mqshm_block_spec spec = {
		.type = o->type,
		.name = o->worker.name,
		.params = o->worker.params,
		.n_params = o->worker.n_params,
		.process_name = o->worker.process_name,
		.inherit = true,
		.restart = o->restart,
	};

	if (!o->restart.when)
		return worker_run(&o->worker);
	return supervise_block(o->worker.runtime, worker, &spec, o->worker.ready_fd);
}

int command_start(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "block", 'b', "TYPE", 0, "Type of the block: one of mqtool inspect, or PATH or PATH:TYPE of a plug-in", 0 },
		{ "name", 'n', "NAME", 0, "Name of the block, unique in the runtime", 0 },
		{ "param", 'p', "KEY=VALUE", 0, "A parameter of the block; repeatable", 0 },
		{ "process", 'P', "NAME", 0, "Name of the process (default: NAME_proc)", 0 },
		{ "log", KEY_LOG, "FILE", 0, "Where its messages go (default: "
		  "RUNTIME-NAME.log in $XDG_RUNTIME_DIR/mqshm, else in $XDG_STATE_HOME/mqshm, "
		  "else in ~/.local/state/mqshm)", 0 },
		{ "restart", KEY_RESTART, "WHEN", 0, "Start it again, connected as before, when its "
		  "process ends: no, on-failure, always, or as on-failure:20 at most so often in a "
		  "row (default of that: 10)", 0 },
		{ "persistent", KEY_PERSISTENT, NULL, 0, "Connections of the block stay when it goes, "
		  "for the next one of its name; with --restart they do", 0 },
		{ "ready-fd", KEY_READY_FD, "N", OPTION_HIDDEN, NULL, 0 },
		{ "foreground", 'f', NULL, 0, "Stay until the block ends; the only way in which "
		  "filename=- can be stdin or stdout", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "--block TYPE --name NAME",
		"Starts a process that runs one block, and returns once the block is registered."
		"\vThe process keeps the working directory, and ends with its block: when the block "
		"is done, on mqtool stop, or on SIGTERM. The types of blocks: mqtool inspect.", NULL, NULL,
		NULL
	};
	struct start_options o = { .worker.ready_fd = -1 };
	char *runtime = NULL, *process = NULL;
	int status = EXIT_FAILED;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	o.worker.ops = type_find(o.type);
	if (!o.worker.ops)
		return EXIT_FAILED;
	status = check_params(&o.worker, o.foreground);
	if (status)
		goto free_params;
	runtime = runtime_name(o.runtime, &status);
	if (!runtime)
		goto free_params;
	process = o.worker.process_name ? text("%s", o.worker.process_name) :
		  text("%.*s_proc", MQSHM_PROCESS_NAME_LEN - 6, o.worker.name);
	o.worker.runtime = runtime;
	o.worker.process_name = process;
	status = o.foreground ? start_foreground(&o) : start_detached(&o);
	free(process);
	free(runtime);
free_params:
	free(o.worker.params);
	return status;
}
