// SPDX-License-Identifier: GPL-2.0-only
/* mqtool worker: many blocks in this process, on one thread or several. */
#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mqtool.h"

#define KEY_PIN		0x100
#define KEY_READY_FD	0x101
#define KEY_PERSISTENT	0x102
#define KEY_CPUS	0x103
#define KEY_NODE	0x104

/**
 * struct block_options - what the command line says of a block
 * @type: --block
 * @ops: its type
 * @name: --name, or malloc'ed @made
 * @made: a name of our own, else NULL
 * @params: array[@n_params]
 * @n_params: --param
 * @thread: --pin
 */
struct block_options {
	const char *type;
	const struct mqshm_block_ops *ops;
	const char *name;
	char *made;
	struct mqshm_param *params;
	size_t n_params;
	uint32_t thread;
};

/**
 * struct options - the command line
 * @runtime: --runtime
 * @worker: --process and --threads
 * @blocks: array[@n_blocks]
 * @n_blocks: --block
 * @ready_fd: --ready-fd, -1 if not given
 */
struct options {
	const char *runtime;
	struct mqshm_worker_options worker;
	struct block_options *blocks;
	size_t n_blocks;
	int ready_fd;
};

/* For the signal handlers. */
static struct mqshm_worker *running;

/* A manager asks by SIGINT for the end of streams, a person for that of the program. */
static bool managed;

static void on_signal(int number)
{
	if (number == SIGINT && managed)
		mqshm_worker_request_end(running);
	else
		mqshm_worker_request_stop(running);
}

static void add_block(struct options *o, const char *type)
{
	o->blocks = grow(o->blocks, o->n_blocks + 1, sizeof(*o->blocks));
	o->blocks[o->n_blocks++] = (struct block_options){
		.type = type, .thread = MQSHM_WORKER_ANY_THREAD,
	};
}

/* An option of the block before it. */
static void parse_of_block(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	struct block_options *b;
	uint64_t number;

	if (!o->n_blocks) {
		argp_error(state, "--%s %s: of which block? --block TYPE comes first",
			   key == 'n' ? "name" : key == 'p' ? "param" : "pin", arg);
		return;
	}
	b = &o->blocks[o->n_blocks - 1];
	if (key == 'n') {
		b->name = line_block_name(arg, state);
	} else if (key == 'p') {
		line_add_param(&b->params, &b->n_params, arg, "--param ", state);
	} else if (!parse_number(arg, MQSHM_WORKER_THREADS_MAX, &number)) {
		argp_error(state, "--pin %s: it is the number of a thread, from 0", arg);
	} else {
		b->thread = (uint32_t)number;
	}
}

static void check_threads(const struct options *o, struct argp_state *state)
{
	for (size_t i = 0; i < o->n_blocks; i++)
		if (o->blocks[i].thread != MQSHM_WORKER_ANY_THREAD &&
		    o->blocks[i].thread >= o->worker.threads)
			argp_error(state, "--pin %u: there %s %u (--threads), and the first is 0",
				   o->blocks[i].thread, o->worker.threads == 1 ? "is" : "are",
				   o->worker.threads);
}

/* What is not on this machine is told when it is tried. */
static void check_place(const struct mqshm_place *place, struct argp_state *state)
{
	if (place->cpus && place->on_node)
		argp_error(state, "--cpus and --node: it is one of them");
	else if (mqshm_place_check(place) == -EINVAL)
		argp_error(state, "--cpus %s: it is a list of processors, as in 0-3,8", place->cpus);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	uint64_t number;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 'b':
		add_block(o, arg);
		return 0;
	case 'n':
	case 'p':
	case KEY_PIN:
		parse_of_block(key, arg, state);
		return 0;
	case KEY_PERSISTENT:
		o->worker.persistent = true;
		return 0;
	case KEY_CPUS:
		o->worker.place.cpus = arg;
		return 0;
	case KEY_NODE:
		if (!parse_number(arg, UINT32_MAX, &number))
			argp_error(state, "--node %s: it is the number of a NUMA node", arg);
		o->worker.place.on_node = true;
		o->worker.place.node = (uint32_t)number;
		return 0;
	case KEY_READY_FD:
		o->ready_fd = atoi(arg);
		return 0;
	case 't':
		if (!parse_number(arg, MQSHM_WORKER_THREADS_MAX, &number) || !number)
			argp_error(state, "--threads %s: 1 to %d", arg, MQSHM_WORKER_THREADS_MAX);
		o->worker.threads = (uint32_t)number;
		return 0;
	case 'P':
		o->worker.process_name = line_process_name(arg, state);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? parameters are --param KEY=VALUE", arg);
		return 0;
	case ARGP_KEY_END:
		if (!o->n_blocks)
			argp_error(state, "--block is missing");
		check_threads(o, state);
		check_place(&o->worker.place, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* "amplifier0": the type and the first number that no other block has. */
static char *make_name(const struct options *o, const char *type)
{
	for (unsigned int n = 0;; n++) {
		char *name = text("%.*s%u", MQSHM_BLOCK_NAME_LEN - 8, type, n);
		bool taken = false;

		for (char *c = name; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		for (size_t i = 0; i < o->n_blocks; i++)
			taken |= o->blocks[i].name && !strcmp(o->blocks[i].name, name);
		if (!taken)
			return name;
		free(name);
	}
}

/* Types, parameters and names: all that can be told before anything starts. */
static int prepare(struct options *o)
{
	for (size_t i = 0; i < o->n_blocks; i++) {
		struct block_options *b = &o->blocks[i];

		b->ops = type_find(b->type);
		if (!b->ops)
			return EXIT_FAILED;
		if (b->ops->flags & MQSHM_BLOCK_DIRECT_IO)
			o->worker.direct_io = true;
		for (size_t p = 0; p < b->n_params; p++)
			if (block_param_check(b->ops, b->params[p].key))
				return EXIT_FAILED;
		if (!b->name)
			b->name = b->made = make_name(o, b->ops->type);
	}
	return EXIT_DONE;
}

static void handle_signals(struct mqshm_worker *w)
{
	static const int stops[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction action = { .sa_handler = w ? on_signal : SIG_IGN };

	if (w)
		running = w;
	for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++)
		sigaction(stops[i], &action, NULL);
	/* a closed pipe is an error of the block that writes to it */
	signal(SIGPIPE, SIG_IGN);
}

static int add_all(struct mqshm_worker *w, const struct options *o, const char *runtime)
{
	char *sentence;

	for (size_t i = 0; i < o->n_blocks; i++) {
		const struct block_options *b = &o->blocks[i];
		int error = mqshm_worker_add(w, b->ops, b->name, b->params, b->n_params, b->thread,
					     &sentence);

		if (error)
			return block_start_failed(runtime, b->name, error, sentence);
	}
	return EXIT_DONE;
}

/* Tells of those that have ended and of which was not told before; and notes a stop. */
static int report_ended(struct mqshm_worker *w, bool *told, bool *stopped)
{
	struct mqshm_worker_block b;
	int status = EXIT_DONE;

	for (size_t i = 0; !mqshm_worker_get_block(w, i, &b); i++) {
		if (b.running || told[i])
			continue;
		told[i] = true;
		*stopped = *stopped || b.result == MQSHM_OK;
		if (block_report(b.name, b.result, b.error, &b.stats))
			status = EXIT_FAILED;
	}
	return status;
}

/*
 * Until all have ended; tells a manager whether they were stopped. A manager starts again, or
 * gives up, whole processes: the others of one that failed must not wait for it for ever.
 */
static int watch(struct mqshm_worker *w, const struct options *o)
{
	bool *told = grow(NULL, o->n_blocks, sizeof(*told));
	int status = EXIT_DONE, more;
	bool stopped = false;
	size_t ended = 0;

	memset(told, 0, o->n_blocks * sizeof(*told));
	do {
		more = mqshm_worker_wait(w, &ended, MQSHM_FOREVER);
		if (!report_ended(w, told, &stopped))
			continue;
		status = EXIT_FAILED;
		if (managed)
			mqshm_worker_request_stop(w);
	} while (more);
	if (o->ready_fd >= 0)
		send(o->ready_fd, status ? "e" : stopped ? "s" : "d", 1, MSG_NOSIGNAL);
	free(told);
	return status;
}

/* What a manager starts with one block needs no turns: it sleeps as it likes. */
static int run_alone(const struct options *o, const char *runtime)
{
	const struct block_options *b = o->blocks;
	const struct worker_options alone = {
		.runtime = runtime, .ops = b->ops, .name = b->name, .params = b->params,
		.n_params = b->n_params, .process_name = o->worker.process_name,
		.ready_fd = o->ready_fd, .persistent = o->worker.persistent,
		.place = o->worker.place,
	};

	return worker_run(&alone);
}

static int run(const struct options *o, const char *runtime)
{
	struct mqshm_worker *w;
	int status, error;

	worker_begin(o->worker.process_name, o->ready_fd);
	error = mqshm_worker_open(runtime, &o->worker, &w);
	if (error == -ENXIO || error == -EPERM)
		return worker_place(&o->worker.place, error);
	if (error)
		return runtime_fail(runtime, error);
	managed = o->ready_fd >= 0;
	handle_signals(w);
	/* if one cannot be made, the others have not begun */
	mqshm_worker_hold(w);
	status = add_all(w, o, runtime);
	if (!status && worker_ready(o->ready_fd)) {
		mqshm_worker_go(w);
		status = watch(w, o);
	}
	handle_signals(NULL);
	mqshm_worker_close(w);
	return status;
}

int command_worker(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "threads", 't', "N", 0, "Threads that the blocks share (default: 1)", 0 },
		{ "cpus", KEY_CPUS, "LIST", 0, "Processors of the threads, as in 0-3,8: the first thread on "
		  "the first of them, and so on (default: any)", 0 },
		{ "node", KEY_NODE, "N", 0, "The threads run on processors of NUMA node N", 0 },
		{ "process", 'P', "NAME", 0, "Name of the process (default: worker)", 0 },
		{ "persistent", KEY_PERSISTENT, NULL, 0, "Connections of its blocks stay when they go, "
		  "for the next ones of their names", 0 },
		{ "block", 'b', "TYPE", 0, "A block, of a type from the list below; repeatable", 1 },
		{ "name", 'n', "NAME", 0, "Name of the block before it, unique in the runtime "
		  "(default: the type in small letters, and a number from 0)", 1 },
		{ "param", 'p', "KEY=VALUE", 0, "A parameter of the block before it; repeatable", 1 },
		{ "pin", KEY_PIN, "THREAD", 0, "Thread of the block before it, from 0 (default: the "
		  "one with the fewest blocks)", 1 },
		{ "ready-fd", KEY_READY_FD, "N", OPTION_HIDDEN, NULL, 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "--block TYPE [--name NAME] [--param KEY=VALUE] "
		"[--block TYPE ...]",
		"Runs many blocks in this process, until all have ended."
		"\vEach thread is a client of the runtime and runs its blocks in turn; one that "
		"waits, for messages or for a pipe, does not hold up the others. A block stays on "
		"its thread. mqtool stop ends a block; SIGTERM and SIGINT end all.",
		NULL, NULL, NULL
	};
	struct options o = { .ready_fd = -1, .worker = { .process_name = "worker", .threads = 1 } };
	char *runtime;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = prepare(&o);
	if (!status) {
		runtime = runtime_name(o.runtime, &status);
		if (runtime)
			status = o.ready_fd >= 0 && o.n_blocks == 1 ? run_alone(&o, runtime) :
				 run(&o, runtime);
		free(runtime);
	}
	for (size_t i = 0; i < o.n_blocks; i++) {
		free(o.blocks[i].made);
		free(o.blocks[i].params);
	}
	free(o.blocks);
	return status;
}
