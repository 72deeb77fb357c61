// SPDX-License-Identifier: GPL-2.0-only
/* Throttle: passes messages on no faster than so many, or so many bytes, a second. */
#include <errno.h>

#include "blocks.h"

#define NO_RATE	0

/**
 * struct throttle - state of a Throttle
 * @ns_per_message: least time from one message to the next
 * @ns_per_byte: the same for each of its bytes
 * @next_ns: when the next one may go
 */
struct throttle {
	double ns_per_message;
	double ns_per_byte;
	uint64_t next_ns;
};

static int pass(struct mqshm_instance *in, struct throttle *t, struct mqshm_buffer *buf)
{
	double ns = t->ns_per_message + t->ns_per_byte * buf->length;
	uint64_t now = mqshm_now_ns();
	int error = mqshm_produce_output(in, 0, buf);

	if (error)
		mqshm_buffer_release(mqshm_instance_client(in), buf);
	/* what was late is not made up for by a burst */
	t->next_ns = (t->next_ns > now ? t->next_ns : now) + (uint64_t)ns;
	return error;
}

/* Another rate may come meanwhile. */
static int throttle_sleep(struct mqshm_instance *in, const struct throttle *t)
{
	int r;

	while (mqshm_now_ns() < t->next_ns) {
		if (mqshm_instance_stop_requested(in))
			return -ECANCELED;
		r = mqshm_instance_poll(in, NULL, 0, NULL, 0, t->next_ns);
		if (r < 0 && r != -ETIMEDOUT)
			return r;
	}
	return 0;
}

static enum mqshm_result throttle_work(struct mqshm_instance *in)
{
	struct throttle *t = mqshm_instance_state(in);
	struct mqshm_buffer buf;
	int error = throttle_sleep(in, t);

	if (!error)
		error = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf);
	if (error == -EAGAIN)
		return MQSHM_NEED_MORE_INPUT;
	if (error == -ENODATA)
		return MQSHM_DONE;
	return block_result(in, error ? error : pass(in, t, &buf));
}

static int throttle_initialize(struct mqshm_instance *in)
{
	struct throttle *t = mqshm_instance_state(in);
	double messages = NO_RATE;
	uint64_t bytes = NO_RATE;
	int error = mqshm_instance_number(in, "messages", &messages);

	if (!error)
		error = mqshm_instance_size(in, "rate", &bytes);
	if (error)
		return error;
	if (messages <= 0 && !bytes)
		return mqshm_instance_fail(in, -EINVAL, "how fast? rate=BYTES a second, or messages=N a second");
	t->ns_per_message = messages > 0 ? 1e9 / messages : 0;
	t->ns_per_byte = bytes ? 1e9 / bytes : 0;
	return 0;
}

/* The next message does not wait for a time that the rate before gave it. */
static int throttle_change(struct mqshm_instance *in)
{
	struct throttle *t = mqshm_instance_state(in);
	int error = throttle_initialize(in);

	if (!error)
		t->next_ns = 0;
	return error;
}

static const struct mqshm_param_spec throttle_params[] = {
	{ .key = "rate", .kind = "size", .fallback = "0", .unit = "bytes/s",
	  .help = "most bytes a second; 0 is any number" },
	{ .key = "messages", .kind = "number", .fallback = "0", .unit = "1/s", .min = 0,
	  .max = 1e9, .help = "most messages a second; 0 is any number" },
	{ .key = NULL }
};

static const char *const throttle_live[] = { "rate", "messages", NULL };

static const struct mqshm_block_port throttle_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .help = "messages" },
	{ .name = "out", .direction = MQSHM_DIR_OUT, .help = "the same, at their pace" },
	{ .name = NULL }
};

const struct mqshm_block_ops throttle_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_PROCESSING,
	.type = "Throttle",
	.summary = "in -> out, no faster than a rate",
	.params = throttle_params,
	.ports = throttle_ports,
	.state_bytes = sizeof(struct throttle),
	.initialize = throttle_initialize,
	.work = throttle_work,
	.live = throttle_live,
	.change = throttle_change,
};
