// SPDX-License-Identifier: GPL-2.0-only
/* mqtool: makes, shows and changes graphs of mqshm. Finds the subcommand and runs it. */
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

/**
 * struct command - a subcommand
 * @name: as it is typed
 * @summary: one line for --help
 * @run: what it does
 */
struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{ "init", "make a runtime and its pools", command_init },
	{ "inspect", "show the types of blocks, their ports and parameters", command_inspect },
	{ "start", "start a process that runs a block", command_start },
	{ "worker", "run many blocks in this process", command_worker },
	{ "connect", "join an output to an input", command_connect },
	{ "disconnect", "take a connection away", command_disconnect },
	{ "run", "run a graph from a file", command_run },
	{ "launch", "run a graph that is written in one line", command_launch },
	{ "list", "show runtimes, or all that is in one", command_list },
	{ "stop", "ask blocks to end, and wait until they have", command_stop },
	{ "remove", "remove a runtime", command_remove },
	{ "pool", "add a pool of buffers to a runtime", command_pool },
	{ "top", "show how fast blocks are and what they wait for, live", command_top },
	{ "stats", "show what blocks did so far", command_stats },
	{ "graph", "draw the graph that runs", command_graph },
	{ "doctor", "look whether all is there that mqshm needs", command_doctor },
	{ "monitor", "show what comes, goes, dies or stalls, as it happens", command_monitor },
	{ "set", "change parameters of a block that runs", command_set },
	{ "dump", "record the messages of an output to a file", command_dump },
	{ "replay", "send the messages of a recording into an input", command_replay },
	{ "holders", "show who holds which buffers, and for how long", command_holders },
	{ "bench", "measure mqshm beside what people use otherwise", command_bench },
	{ "bus", "publish messages, or show those that come", command_bus },
};

#define N_COMMANDS (sizeof(commands) / sizeof(*commands))

static void print_version(FILE *stream, struct argp_state *state)
{
	(void)state;
	fprintf(stream, "mqtool %d.%d\n", MQSHM_VERSION_MAJOR, MQSHM_VERSION_MINOR);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void refuse_command(struct argp_state *state, const char *name)
{
	struct names names = { 0 };
	char *hint;

	for (size_t i = 0; i < N_COMMANDS; i++)
		names_add(&names, commands[i].name);
	hint = names_hint(&names, name, "commands");
	argp_error(state, "%s is no command%s", name, hint);
	free(hint);
	names_free(&names);
}

/* A subcommand's arguments are its own: the outer parser stops at its name. */
static error_t parse(int key, char *arg, struct argp_state *state)
{
	int *command = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		if (!find_command(arg))
			refuse_command(state, arg);
		*command = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which command? mqtool --help lists them");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static char *list_commands(int key, const char *help, void *input)
{
	char *list, *longer;

	(void)input;
	if (key != ARGP_KEY_HELP_PRE_DOC)
		return (char *)help;
	list = text("Moves references to shared buffers between processes: a runtime holds pools of\n"
		    "buffers and a graph of blocks, in processes of their own or many in one.\n\nCommands:\n");
	for (size_t i = 0; i < N_COMMANDS; i++) {
		longer = text("%s  %-12s %s\n", list, commands[i].name, commands[i].summary);
		free(list);
		list = longer;
	}
	return list;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "COMMAND [OPTION...]",
		.doc = " \v"
		       "mqtool COMMAND --help tells about one command. Status: 0 done, 1 failed, "
		       "2 wrong usage. The runtime is --runtime, else $MQSHM_RUNTIME, else the "
		       "only one there is.",
		.help_filter = list_commands,
	};
	const struct command *command;
	int at = 0;

	argp_program_version_hook = print_version;
	argp_err_exit_status = EXIT_USAGE;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &at) || !at)
		return EXIT_USAGE;
	command = find_command(argv[at]);
	argv[at] = text("mqtool %s", command->name);
	return command->run(argc - at, argv + at);
}
