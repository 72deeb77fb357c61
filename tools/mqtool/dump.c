// SPDX-License-Identifier: GPL-2.0-only
/* mqtool dump: records the messages of an output through a tap. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../blocks/blocks.h"
#include "../blocks/recorder.h"
#include "mqtool.h"

/**
 * struct dump_options - the command line
 * @runtime: --runtime
 * @from: the output; NULL if a connection is given
 * @connection: --connection, or 0
 * @file: where to record to, or the recording that is shown
 * @count: --count, as a parameter of a Recorder
 * @seconds: --seconds, likewise
 * @depth: --depth, likewise; NULL: by the pools
 * @info: --info
 * @json: --json
 * @wide: --long
 */
struct dump_options {
	const char *runtime;
	const char *from;
	uint64_t connection;
	const char *file;
	const char *count;
	const char *seconds;
	const char *depth;
	bool info;
	bool json;
	bool wide;
};

#define KEY_INFO	0x300

static void check_arguments(const struct dump_options *o, struct argp_state *state)
{
	if (!o->file)
		argp_error(state, o->info ? "which recording? it is mqtool dump --info FILE" :
			   "it is mqtool dump BLOCK[:PORT] FILE");
	else if (o->info && (o->from || o->connection || o->count || o->seconds ||
			     o->depth))
		argp_error(state, "--info shows a recording, and records nothing");
	else if (!o->info && !o->from && !o->connection)
		argp_error(state, "%s: of which output, or to which file? it is mqtool dump "
			   "BLOCK[:PORT] FILE", o->file);
	else if (o->from && o->connection)
		argp_error(state, "%s or --connection, not both", o->from);
	else if (!o->info && (o->json || o->wide))
		argp_error(state, "--json and --long go with --info");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct dump_options *o = state->input;
	uint64_t number;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 'c':
		if (!parse_number(arg, UINT64_MAX, &o->connection) || !o->connection)
			argp_error(state, "--connection %s: it is a number that mqtool list "
				   "--long shows", arg);
		return 0;
	case 'n':
		if (!parse_number(arg, INT64_MAX, &number) || !number)
			argp_error(state, "--count %s: it is a number of messages", arg);
		o->count = arg;
		return 0;
	case 's':
		o->seconds = arg;
		return 0;
	case 'd':
		if (!parse_number(arg, MQSHM_DEPTH_MAX, &number) || !number)
			argp_error(state, "--depth %s: it is a number of messages, %u at most", arg,
				   MQSHM_DEPTH_MAX);
		o->depth = arg;
		return 0;
	case KEY_INFO:
		o->info = true;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case 'l':
		o->wide = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->from)
			argp_error(state, "%s: what is this? it is mqtool dump BLOCK[:PORT] FILE", arg);
		o->from = o->file;
		o->file = arg;
		return 0;
	case ARGP_KEY_END:
		check_arguments(o, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/**
 * struct dump - a recording that is made
 * @rt: the runtime
 * @from: the output, "block:port"
 * @depth: of the tap, for the Recorder
 * @file: its name
 */
struct dump {
	struct mqshm_runtime *rt;
	char *from;
	char *depth;
	const char *file;
};

/*
 * A tap that is stopped keeps its queue full: an eighth of the smallest pool, so that the
 * others always have buffers to go on with.
 */
static char *choose_depth(const struct mqshm_snapshot *snap)
{
	uint32_t depth = 8 * MQSHM_DEPTH_DEFAULT;

	for (size_t i = 0; i < snap->n_pools; i++)
		if (snap->pools[i].buffers < depth)
			depth = snap->pools[i].buffers;
	return text("%u", depth >= 16 ? depth / 8 : 1);
}

static char *port_name(const struct mqshm_snapshot *snap, const struct mqshm_port_record *port)
{
	return text("%s:%s", mqshm_snapshot_block(snap, port->block)->name, port->name);
}

/* The output that feeds a connection; NULL after a message. */
static char *connection_output(const struct mqshm_snapshot *snap, uint64_t id)
{
	const struct mqshm_port_record *port;

	for (size_t i = 0; i < snap->n_connections; i++) {
		const struct mqshm_connection_record *c = &snap->connections[i];

		if (c->id != id)
			continue;
		port = mqshm_snapshot_port(snap, c->from_port);
		if (port && c->from_block)
			return port_name(snap, port);
		fail("connection", c->from, "its output is not there any more");
		return NULL;
	}
	fail("connection", NULL, "%llu: there is none of that number; mqtool list --long shows them",
	     (unsigned long long)id);
	return NULL;
}

/* Of a block that has inputs alone: where what it gets comes from. NULL: it has outputs. */
static char *feeders(const struct mqshm_snapshot *snap, const char *block)
{
	const struct mqshm_block_record *b = mqshm_snapshot_find_block(snap, block);
	struct names outputs = { 0 };
	char *joined = NULL;

	for (size_t i = 0; b && i < snap->n_ports; i++)
		if (snap->ports[i].block == b->id && snap->ports[i].direction == MQSHM_DIR_OUT)
			return NULL;
	for (size_t i = 0; b && i < snap->n_connections; i++)
		if (snap->connections[i].to_block == b->id)
			names_add(&outputs, snap->connections[i].from);
	if (outputs.n)
		joined = names_join(&outputs);
	names_free(&outputs);
	return joined;
}

static char *output_named(const struct mqshm_snapshot *snap, const char *end)
{
	const struct mqshm_port_record *port;
	char *from = feeders(snap, end);

	if (from) {
		fail("block", end, "it has no outputs, and outputs are recorded; what it gets "
		     "comes from %s", from);
		free(from);
		return NULL;
	}
	port = graph_find_port(snap, end, MQSHM_DIR_OUT);
	return port ? port_name(snap, port) : NULL;
}

static int dump_prepare(const struct dump_options *o, const char *runtime, struct dump *d)
{
	struct mqshm_snapshot *snap;
	int status = runtime_snapshot(d->rt, runtime, &snap);

	if (status)
		return status;
	d->file = o->file;
	d->depth = o->depth ? text("%s", o->depth) : choose_depth(snap);
	d->from = o->connection ? connection_output(snap, o->connection) :
				  output_named(snap, o->from);
	mqshm_snapshot_free(snap);
	return d->from ? EXIT_DONE : EXIT_FAILED;
}

static int tap(const char *block, void *arg)
{
	/* nor does it stay for a block that comes back: nobody is of its name again */
	static const struct mqshm_connect_options options = {
		.policy = MQSHM_POLICY_DROP_OLDEST, .tap = true, .transient = true,
	};
	const struct dump *d = arg;
	int error = mqshm_connect_with(d->rt, d->from, block, &options, NULL);

	return error ? fail_errno("port", d->from, error) : EXIT_DONE;
}

static int report(struct mqshm_instance *in, enum mqshm_result result, const char *sentence,
		  void *arg)
{
	const struct dump *d = arg;
	struct recording_totals t;
	int error;
	char *bytes;

	t = recorder_totals(in, &error);
	if (result == MQSHM_ERROR)
		return fail("recording", d->file, "%s", sentence ? sentence : "it failed");
	if (error)
		return fail("recording", d->file, "cannot be written: %s", strerror(-error));
	bytes = show_bytes(t.bytes);
	/* the recording itself may be on stdout */
	fprintf(strcmp(d->file, "-") ? stdout : stderr,
		"%s: %llu message%s of %s, %s; %llu dropped\n", d->file,
		(unsigned long long)t.messages, t.messages == 1 ? "" : "s", d->from, bytes,
		(unsigned long long)t.dropped);
	free(bytes);
	return EXIT_DONE;
}

static int dump(const struct dump_options *o, struct dump *d, const char *runtime)
{
	struct mqshm_param params[] = {
		{ .key = "filename", .value = o->file },
		{ .key = "count", .value = o->count ? o->count : "0" },
		{ .key = "seconds", .value = o->seconds ? o->seconds : "0" },
		{ .key = "depth", .value = d->depth },
		{ .key = "source", .value = d->from },
		{ .key = "once", .value = "1" },
	};
	char *name = text("dump%d", getpid());
	const struct worker_options worker = {
		.runtime = runtime, .ops = builtin_block("Recorder"), .name = name,
		.process_name = "mqtool dump", .params = params,
		.n_params = sizeof(params) / sizeof(*params), .ready_fd = -1,
		.made = tap, .ended = report, .arg = d,
	};
	int status = worker_run(&worker);

	free(name);
	return status;
}

static int run(const struct dump_options *o)
{
	struct dump d = { 0 };
	char *runtime;
	int status = runtime_open(o->runtime, &d.rt, &runtime);

	if (status)
		return status;
	status = dump_prepare(o, runtime, &d);
	if (!status)
		status = dump(o, &d, runtime);
	free(d.depth);
	free(d.from);
	mqshm_runtime_close(d.rt);
	free(runtime);
	return status;
}

int command_dump(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "connection", 'c', "ID", 0, "The output of this connection, by its number", 0 },
		{ "count", 'n', "N", 0, "Ends after so many messages", 0 },
		{ "seconds", 's', "S", 0, "Ends after so long", 0 },
		{ "depth", 'd', "N", 0, "Messages that the tap may be behind; as many buffers may be "
		  "kept from the others (default: an eighth of the smallest pool, 256 at most)", 0 },
		{ "info", KEY_INFO, NULL, 0, "Shows what is in a recording", 1 },
		{ "long", 'l', NULL, 0, "Each message of it", 1 },
		{ "json", 'j', NULL, 0, "As JSON", 1 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "BLOCK[:PORT] FILE\n--connection ID FILE\n--info FILE",
		"Records the messages of an output to a file, with their times, until the output "
		"ends, or Ctrl-C."
		"\vThe graph goes on as it would without: what the tap is too slow for is dropped "
		"and counted, here and in the recording. A block that changes messages in place "
		"copies those that the tap still holds. FILE may be -, for stdout.\n\n"
		"  mqtool dump amp1 loud.rec --seconds 10\n"
		"  mqtool dump --info loud.rec\n"
		"  mqtool replay loud.rec --to sink2", NULL, NULL, NULL
	};
	struct dump_options o = { 0 };

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	return o.info ? recording_show(o.file, o.wide, o.json) : run(&o);
}
