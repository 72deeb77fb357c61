// SPDX-License-Identifier: GPL-2.0-only
/* What built-in block types have in common. */
#include <errno.h>
#include <string.h>

#include "blocks.h"

#define BYTES_DEFAULT (64 << 10)

enum mqshm_result block_result(struct mqshm_instance *in, int error)
{
	/* none now, the graph changed, or a stop: the run loop looks at all of these */
	if (!error || error == -EAGAIN || error == -EINTR || error == -ECANCELED)
		return MQSHM_OK;
	if (error == -ESHUTDOWN)
		mqshm_instance_fail(in, error, "the runtime was removed");
	return MQSHM_ERROR;
}

int block_sleep(struct mqshm_instance *in, uint64_t until_ns)
{
	int r = 0;

	while (mqshm_now_ns() < until_ns) {
		if (mqshm_instance_stop_requested(in))
			return -ECANCELED;
		r = mqshm_instance_poll(in, NULL, 0, NULL, 0, until_ns);
		if (r < 0 && r != -ETIMEDOUT && r != -EINTR)
			return r;
	}
	return 0;
}

/* Whether there are buffers of that size at all. */
static int try_size(struct mqshm_instance *in, size_t bytes)
{
	struct mqshm_buffer buf;
	int error = mqshm_buffer_alloc(mqshm_instance_client(in), bytes, MQSHM_NO_WAIT, &buf);

	if (!error)
		mqshm_buffer_release(mqshm_instance_client(in), &buf);
	/* it may be long until the first buffer is needed */
	mqshm_client_flush(mqshm_instance_client(in));
	return error == -EAGAIN ? 0 : error;
}

int block_bytes(struct mqshm_instance *in, size_t *out)
{
	uint64_t bytes = BYTES_DEFAULT;
	bool given = strcmp(mqshm_instance_param(in, "bytes"), "auto");
	int error = given ? mqshm_instance_size(in, "bytes", &bytes) : 0;

	if (error)
		return error;
	error = try_size(in, bytes);
	while (!given && error == -EMSGSIZE && bytes > MQSHM_BUFFER_BYTES_MIN) {
		bytes /= 2;
		error = try_size(in, bytes);
	}
	if (error == -EMSGSIZE)
		return mqshm_instance_fail(in, error, "no pool has buffers of %llu bytes; say "
					   "bytes=N, or add a pool: mqtool pool add",
					   (unsigned long long)bytes);
	*out = bytes;
	return error;
}
