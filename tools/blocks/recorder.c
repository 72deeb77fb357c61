// SPDX-License-Identifier: GPL-2.0-only
/* Recorder: writes the messages that it gets, with their times, to a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blocks.h"
#include "recorder.h"

/**
 * struct recorder - state of a Recorder
 * @w: the file
 * @count: messages after which it ends; 0: any number
 * @until_ns: when it ends
 * @once: it ends too when who sends is gone without having announced the end
 * @ended: the end is written
 * @made: the file was not there before
 * @started: from here on the file is the block's
 * @error: of writing
 */
struct recorder {
	struct recording_writer w;
	int64_t count;
	uint64_t until_ns;
	bool once;
	bool ended;
	bool made;
	bool started;
	int error;
};

struct recording_totals recorder_totals(struct mqshm_instance *in, int *error)
{
	struct recorder *r = mqshm_instance_state(in);

	if (error)
		*error = r->error;
	return r->w.totals;
}

static int recorder_fail(struct mqshm_instance *in, int error)
{
	struct recorder *r = mqshm_instance_state(in);

	r->error = error;
	return mqshm_instance_fail(in, error, "cannot write %s: %s",
				   mqshm_instance_param(in, "filename"), strerror(-error));
}

/* Nothing is cut off yet: the block may still fail to start. */
static int recorder_open(struct mqshm_instance *in, struct recorder *r)
{
	const int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY;
	const char *name = mqshm_instance_param(in, "filename");

	if (!strcmp(name, "-")) {
		r->w.fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	} else {
		r->w.fd = open(name, flags | O_CREAT | O_EXCL, 0666);
		r->made = r->w.fd >= 0;
		if (r->w.fd < 0 && errno == EEXIST)
			r->w.fd = open(name, flags);
	}
	return r->w.fd < 0 ? recorder_fail(in, -errno) : 0;
}

static int recorder_initialize(struct mqshm_instance *in)
{
	struct recorder *r = mqshm_instance_state(in);
	double seconds;
	int64_t depth;
	int error;

	r->w.fd = -1;
	error = mqshm_instance_integer(in, "count", 0, INT64_MAX, &r->count);
	if (!error)
		error = mqshm_instance_number(in, "seconds", &seconds);
	if (!error)
		error = mqshm_instance_bool(in, "once", &r->once);
	if (!error)
		error = mqshm_instance_integer(in, "depth", 0, MQSHM_DEPTH_MAX, &depth);
	if (!error)
		error = mqshm_instance_add_input(in, "in", (uint32_t)depth);
	if (error)
		return error;
	/* until it starts: for how long */
	r->until_ns = seconds > 0 ? (uint64_t)(seconds * 1e9) : MQSHM_FOREVER;
	return recorder_open(in, r);
}

static int recorder_start(struct mqshm_instance *in)
{
	struct recorder *r = mqshm_instance_state(in);
	uint64_t now = mqshm_now_ns();
	int error;

	r->started = true;
	if (r->until_ns != MQSHM_FOREVER)
		r->until_ns += now;
	/* a pipe has nothing that could be cut off */
	if (strcmp(mqshm_instance_param(in, "filename"), "-") && ftruncate(r->w.fd, 0) &&
	    errno != EINVAL)
		return recorder_fail(in, -errno);
	error = recording_begin(&r->w, now, mqshm_instance_param(in, "source"));
	if (!error)
		error = recording_flush(&r->w);
	return error ? recorder_fail(in, error) : 0;
}

static bool is_abandoned(struct mqshm_port *p)
{
	return !mqshm_port_connections(p) && mqshm_port_deaths(p) + mqshm_port_disconnects(p);
}

/* -ENODATA: no more are to be recorded. */
static int next_message(struct mqshm_instance *in, struct recorder *r, struct mqshm_buffer *buf)
{
	struct mqshm_port *p = mqshm_instance_input(in, 0);
	int n, error;

	if ((r->count && r->w.totals.messages == (uint64_t)r->count) ||
	    mqshm_now_ns() >= r->until_ns)
		return -ENODATA;
	while ((error = mqshm_get_input(in, 0, MQSHM_NO_WAIT, buf)) == -EAGAIN) {
		if (mqshm_instance_stop_requested(in))
			return -ECANCELED;
		if (r->once && is_abandoned(p))
			return -ENODATA;
		/* it may be long until the next one */
		error = recording_flush(&r->w);
		if (error)
			return recorder_fail(in, error);
		n = mqshm_wait(mqshm_instance_client(in), &p, 1, r->until_ns, NULL);
		if (n == -ETIMEDOUT)
			return -ENODATA;
		if (n < 0 && n != -EINTR)
			return n;
	}
	return error;
}

/*
 * A copy, and the buffer goes back before anything is written: the disk may be slow, and
 * others wait for the buffer.
 */
static int record(struct mqshm_instance *in, struct recorder *r, struct mqshm_buffer *buf)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	const struct recording_entry message = {
		.kind = RECORDING_MESSAGE, .length = buf->length, .at_ns = mqshm_now_ns(),
		.number = r->w.totals.messages + mqshm_port_missed(mqshm_instance_input(in, 0)),
		.data_ns = mqshm_buffer_data_ns(c, buf),
	};
	int error = recording_add(&r->w, &message, mqshm_buffer_data(c, buf));

	mqshm_buffer_release(c, buf);
	if (!error && r->w.used >= RECORDING_PIECE)
		error = recording_flush(&r->w);
	return error ? recorder_fail(in, error) : 0;
}

static int finish(struct mqshm_instance *in, struct recorder *r)
{
	uint64_t missed = mqshm_port_missed(mqshm_instance_input(in, 0));
	int error;

	if (r->ended || r->error)
		return r->error;
	r->ended = true;
	error = recording_end(&r->w, mqshm_now_ns(), missed);
	return error ? recorder_fail(in, error) : 0;
}

static enum mqshm_result recorder_work(struct mqshm_instance *in)
{
	struct recorder *r = mqshm_instance_state(in);
	struct mqshm_buffer buf;
	int error = next_message(in, r, &buf);

	if (error == -ENODATA)
		return finish(in, r) ? MQSHM_ERROR : MQSHM_DONE;
	return block_result(in, error ? error : record(in, r, &buf));
}

static void recorder_stop(struct mqshm_instance *in)
{
	finish(in, mqshm_instance_state(in));
}

static void recorder_cleanup(struct mqshm_instance *in)
{
	struct recorder *r = mqshm_instance_state(in);

	if (r->w.fd >= 0)
		close(r->w.fd);
	if (r->made && !r->started)
		unlink(mqshm_instance_param(in, "filename"));
	free(r->w.pending);
}

static const struct mqshm_param_spec recorder_params[] = {
	{ .key = "filename", .kind = "string", .help = "file to write, from its start; - is stdout" },
	{ .key = "count", .kind = "integer", .fallback = "0",
	  .help = "ends after so many messages; 0 is any number" },
	{ .key = "seconds", .kind = "number", .fallback = "0", .unit = "s", .min = 0, .max = 1e9,
	  .help = "ends after so long; 0 is never" },
	{ .key = "once", .kind = "bool", .fallback = "0",
	  .help = "ends also when who sends is gone, and not only at the announced end" },
	{ .key = "depth", .kind = "integer", .fallback = "0", .min = 0, .max = MQSHM_DEPTH_MAX,
	  .help = "messages of its queue; 0 is as others" },
	{ .key = "source", .kind = "string", .fallback = "", .help = "what the recording says it is of" },
	{ .key = NULL }
};

static const struct mqshm_block_port recorder_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .help = "messages" },
	{ .name = NULL }
};

const struct mqshm_block_ops recorder_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_SINK,
	.type = "Recorder",
	.summary = "in -> a recording, with times",
	.params = recorder_params,
	.ports = recorder_ports,
	.state_bytes = sizeof(struct recorder),
	/* it waits by itself, until a time */
	.trigger = MQSHM_TRIGGER_FREE,
	.initialize = recorder_initialize,
	.start = recorder_start,
	.work = recorder_work,
	.stop = recorder_stop,
	.cleanup = recorder_cleanup,
};
