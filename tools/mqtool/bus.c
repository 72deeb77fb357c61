// SPDX-License-Identifier: GPL-2.0-only
/* mqtool bus pub: publishes a message; bus sub: shows those that come. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mqshm_bus.h>

#include "mqtool.h"

#define KEY_DEPTH	0x100

/**
 * struct bus_options - the command line
 * @runtime: --runtime
 * @publish: pub, not sub
 * @topics: --topic, array[@n_topics]
 * @n_topics: their number
 * @type: pub: --type
 * @target: pub: --target
 * @payload: pub: the argument, NULL for standard input
 * @json: sub: --json
 * @count: sub: --count, 0 for no end
 * @depth: sub: --depth
 */
struct bus_options {
	const char *runtime;
	bool publish;
	char **topics;
	size_t n_topics;
	uint64_t type;
	const char *target;
	const char *payload;
	bool json;
	uint64_t count;
	uint64_t depth;
};

static void add_topic(struct bus_options *o, char *arg, struct argp_state *state)
{
	size_t most = o->publish ? 1 : MQSHM_BUS_PREFIXES_MAX;

	if (strlen(arg) >= MQSHM_BUS_TOPIC_LEN || (o->publish && !*arg))
		argp_error(state, "--topic %s: it has %s %d bytes", arg, o->publish ? "1 to" : "at most",
			   MQSHM_BUS_TOPIC_LEN - 1);
	if (o->n_topics == most)
		argp_error(state, "--topic %s: there may be %zu", arg, most);
	o->topics = grow(o->topics, o->n_topics + 1, sizeof(*o->topics));
	o->topics[o->n_topics++] = arg;
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct bus_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 't':
		add_topic(o, arg, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_pub(int key, char *arg, struct argp_state *state)
{
	struct bus_options *o = state->input;

	switch (key) {
	case 'y':
		if (!parse_number(arg, UINT32_MAX, &o->type))
			argp_error(state, "--type %s: it is a number up to %u", arg, UINT32_MAX);
		return 0;
	case 'T':
		o->target = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (o->payload)
			argp_error(state, "%s: there is a message already; put it in quotes", arg);
		o->payload = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->n_topics)
			argp_error(state, "--topic is missing");
		return 0;
	default:
		return parse_common(key, arg, state);
	}
}

static error_t parse_sub(int key, char *arg, struct argp_state *state)
{
	struct bus_options *o = state->input;

	switch (key) {
	case 'j':
		o->json = true;
		return 0;
	case 'n':
		if (!parse_number(arg, UINT64_MAX, &o->count) || !o->count)
			argp_error(state, "--count %s: it is a number", arg);
		return 0;
	case KEY_DEPTH:
		if (!parse_number(arg, UINT32_MAX, &o->depth) || !o->depth)
			argp_error(state, "--depth %s: it is a number of messages", arg);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? it is --topic %s", arg, arg);
		return 0;
	default:
		return parse_common(key, arg, state);
	}
}

/* -- pub -------------------------------------------------------------------------- */

/* All of standard input: its size, or -1 after a message. */
static ssize_t read_payload(char payload[MQSHM_BUS_PAYLOAD_MAX + 1])
{
	size_t n = fread(payload, 1, MQSHM_BUS_PAYLOAD_MAX + 1, stdin);

	if (ferror(stdin)) {
		fail("input", NULL, "%s", strerror(errno));
		return -1;
	}
	return (ssize_t)n;
}

/* A block, or else a process. */
static int choose_target(const struct bus_options *o, const struct mqshm_snapshot *snap,
			 struct mqshm_post *post)
{
	const struct mqshm_block_record *block = mqshm_snapshot_find_block(snap, o->target);
	uint64_t pid;

	if (!block && parse_number(o->target, INT32_MAX, &pid) && pid) {
		post->target_pid = (uint32_t)pid;
		return 0;
	}
	/* says what there is */
	block = block ? block : graph_find_block(snap, o->target);
	if (!block)
		return EXIT_FAILED;
	post->target = block->id;
	return 0;
}

static int pub_fail(const struct bus_options *o, const char *runtime, int error)
{
	if (error == -ENOENT && o->target)
		return fail("target", o->target, "there is no such process, or the block has ended");
	if (error == -EINVAL)
		return fail("topic", o->topics[0], "it may have no control characters");
	if (error == -EACCES)
		return fail_errno("runtime", runtime, error);
	return runtime_fail(runtime, error);
}

static int publish(const struct bus_options *o, const char *runtime,
		   const struct mqshm_snapshot *snap)
{
	char payload[MQSHM_BUS_PAYLOAD_MAX + 1];
	struct mqshm_post post = { .topic = o->topics[0], .type = (uint32_t)o->type };
	ssize_t length = o->payload ? (ssize_t)strlen(o->payload) : read_payload(payload);
	struct mqshm_bus *bus;
	uint64_t number;
	int r;

	if (length < 0 || (o->target && choose_target(o, snap, &post)))
		return EXIT_FAILED;
	if (length > MQSHM_BUS_PAYLOAD_MAX)
		return fail("message", NULL, "it has more than %d bytes; larger data goes through "
			    "buffers", MQSHM_BUS_PAYLOAD_MAX);
	post.payload = o->payload ? o->payload : payload;
	post.payload_bytes = (size_t)length;
	r = mqshm_bus_open(runtime, NULL, &bus);
	if (r)
		return runtime_fail(runtime, r);
	r = mqshm_bus_publish(bus, &post, &number);
	mqshm_bus_close(bus);
	if (r < 0)
		return pub_fail(o, runtime, r);
	printf("message %llu to %d subscriber%s\n", (unsigned long long)number, r, r == 1 ? "" : "s");
	return EXIT_DONE;
}

/* -- sub -------------------------------------------------------------------------- */

/* Blocks come and go: who sent a message is looked up when it is shown. */
static void show(const struct mqshm_bus_message *m, struct mqshm_runtime *rt, bool json)
{
	const struct mqshm_block_record *block = NULL;
	struct mqshm_snapshot *snap = NULL;

	if (m->sender_block && !json && !mqshm_runtime_snapshot(rt, &snap))
		block = mqshm_snapshot_block(snap, m->sender_block);
	bus_show(m, block ? block->name : NULL, json);
	mqshm_snapshot_free(snap);
}

static int receive(const struct bus_options *o, const char *runtime, struct mqshm_runtime *rt,
		   struct mqshm_bus *bus)
{
	const struct mqshm_bus_message *m;
	struct pollfd p[2];
	uint64_t n = 0;
	int status = EXIT_DONE, r;

	while (!status && !ends_came() && (!o->count || n < o->count)) {
		r = mqshm_bus_receive(bus, &m, MQSHM_NO_WAIT);
		if (r == -ESHUTDOWN)
			break;
		if (r == -EAGAIN) {
			p[0] = (struct pollfd){ .fd = mqshm_bus_fd(bus), .events = POLLIN };
			ends_wait(p, 2);
			continue;
		}
		if (r)
			return fail_errno("runtime", runtime, r);
		show(m, rt, o->json);
		status = ends_flush();
		n += !(m->flags & MQSHM_BUS_LOST);
	}
	return status;
}

static int sub_fail(const struct bus_options *o, const char *runtime, const char *topic, int error)
{
	switch (error) {
	case -ENOSPC:
		return fail("runtime", runtime, "its bus has as many subscribers as the module allows: "
			    "its parameter max_subscribers");
	case -EDQUOT:
		return fail("runtime", runtime, "a queue of that many messages is more memory than "
			    "you may have: take a smaller --depth");
	case -EINVAL:
		return o->depth > MQSHM_BUS_DEPTH_DEFAULT ?
		       fail("depth", NULL, "%llu messages are more than the module's limit: its "
			    "parameter max_bus_depth", (unsigned long long)o->depth) :
		       fail("topic", topic, "it may have no control characters");
	default:
		return runtime_fail(runtime, error);
	}
}

static int subscribe(const struct bus_options *o, const char *runtime, struct mqshm_runtime *rt)
{
	struct mqshm_bus_options options = { .depth = (uint32_t)o->depth };
	struct mqshm_bus *bus;
	int r = mqshm_bus_open(runtime, &options, &bus), status = EXIT_DONE;

	if (r)
		return runtime_fail(runtime, r);
	ends_catch();
	for (size_t i = 0; i < o->n_topics && !status; i++) {
		r = mqshm_bus_subscribe(bus, o->topics[i]);
		status = r ? sub_fail(o, runtime, o->topics[i], r) : EXIT_DONE;
	}
	if (!o->n_topics) {
		r = mqshm_bus_subscribe(bus, "");
		status = r ? sub_fail(o, runtime, "", r) : EXIT_DONE;
	}
	if (!status)
		status = receive(o, runtime, rt, bus);
	mqshm_bus_close(bus);
	return status;
}

/* -- which of them ------------------------------------------------------------------- */

static const struct argp_option pub_options[] = {
	OPTION_RUNTIME,
	{ "topic", 't', "TOPIC", 0, "What it is about", 0 },
	{ "type", 'y', "NUMBER", 0, "For the receiver (default 0)", 0 },
	{ "target", 'T', "BLOCK|PID", 0, "Only for this block or process (default: all)", 0 },
	{ 0 }
};

static const struct argp pub_argp = {
	pub_options, parse_pub, "--topic TOPIC [MESSAGE]",
	"Publishes a message: the argument, or all of standard input, up to 4096 bytes."
	"\vIt never waits: who is too slow loses the oldest. Needs write permission for the "
	"runtime.", NULL, NULL, NULL
};

static const struct argp_option sub_options[] = {
	OPTION_RUNTIME,
	{ "topic", 't', "PREFIX", 0, "Topics that begin so (may be given several times; default: "
	  "all)", 0 },
	{ "json", 'j', NULL, 0, "A JSON object a line", 0 },
	{ "count", 'n', "NUMBER", 0, "End after so many messages", 0 },
	{ "depth", KEY_DEPTH, "NUMBER", 0, "Messages that wait at most (default 1024)", 0 },
	{ 0 }
};

static const struct argp sub_argp = {
	sub_options, parse_sub, NULL,
	"Shows messages, a line each: when, topic, from whom, and what."
	"\vIt ends with the runtime, when its output is closed, and by Ctrl-C. Process, user, "
	"block and time come from the module. Messages for one block or process alone are not "
	"shown.", NULL, NULL, NULL
};

static int bus_run(int argc, char **argv, struct bus_options *o)
{
	struct mqshm_snapshot *snap;
	struct mqshm_runtime *rt;
	char *name;
	int status;

	argp_parse(o->publish ? &pub_argp : &sub_argp, argc, argv, 0, NULL, o);
	status = runtime_open(o->runtime, &rt, &name);
	if (status)
		return status;
	status = runtime_snapshot(rt, name, &snap);
	if (!status) {
		status = o->publish ? publish(o, name, snap) : subscribe(o, name, rt);
		mqshm_snapshot_free(snap);
	}
	mqshm_runtime_close(rt);
	free(name);
	return status;
}

/* pub or sub; their arguments are their own. */
static error_t parse_which(int key, char *arg, struct argp_state *state)
{
	struct bus_options *o = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		o->publish = !strcmp(arg, "pub");
		if (!o->publish && strcmp(arg, "sub"))
			argp_error(state, "%s: it is pub or sub", arg);
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "pub or sub?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int command_bus(int argc, char **argv)
{
	static const struct argp argp = {
		NULL, parse_which, "pub --topic TOPIC [MESSAGE]\nsub [--topic PREFIX...]",
		"Publishes messages to programs of a runtime, or shows those that come."
		"\vmqtool bus pub --help and mqtool bus sub --help tell about each.",
		NULL, NULL, NULL
	};
	struct bus_options o = { 0 };
	int status;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &o);
	argv[1] = text("%s %s", argv[0], argv[1]);
	status = bus_run(argc - 1, argv + 1, &o);
	free(o.topics);
	return status;
}
