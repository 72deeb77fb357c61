// SPDX-License-Identifier: GPL-2.0-only
/* FileSource: what a file or a pipe holds, in buffers. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocks.h"

/**
 * struct file_source - state of a FileSource
 * @fd: file, or a duplicate of stdin
 * @is_file: a regular file: reading it does not wait for anybody
 * @bytes: bytes of a buffer
 */
struct file_source {
	int fd;
	bool is_file;
	size_t bytes;
};

static int source_open(struct mqshm_instance *in, struct file_source *s)
{
	const char *name = mqshm_instance_param(in, "filename");
	struct stat status;

	/* a pipe is opened without waiting for somebody who writes to it: poll waits */
	s->fd = strcmp(name, "-") ? open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY) :
		fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (s->fd < 0 || fstat(s->fd, &status))
		return mqshm_instance_fail(in, -errno, "cannot read %s: %s", name, strerror(errno));
	if (S_ISDIR(status.st_mode))
		return mqshm_instance_fail(in, -EISDIR, "cannot read %s: it is a folder", name);
	s->is_file = S_ISREG(status.st_mode);
	return 0;
}

static int source_initialize(struct mqshm_instance *in)
{
	struct file_source *s = mqshm_instance_state(in);
	int error;

	s->fd = -1;
	error = source_open(in, s);
	return error ? error : block_bytes(in, &s->bytes);
}

/* Waits until there is something to read, without a buffer in hand; 0, or -errno. */
static int wait_for_data(struct mqshm_instance *in, const struct file_source *s)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	int r = 0;

	while (!r && !s->is_file && !mqshm_instance_stop_requested(in))
		r = mqshm_instance_poll(in, &pfd, 1, NULL, 0, MQSHM_FOREVER);
	return r < 0 ? r : 0;
}

static int read_some(struct mqshm_instance *in, struct file_source *s, struct mqshm_buffer *buf,
		     bool *ended)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	ssize_t n;
	int error = mqshm_allocate_buffer(in, s->bytes, buf);

	if (error)
		return error;
	n = read(s->fd, mqshm_buffer_data(c, buf), s->bytes);
	*ended = n == 0;
	if (n > 0) {
		buf->length = n;
		return mqshm_buffer_set_data_ns(c, buf, mqshm_now_ns());
	}
	if (n < 0)
		error = errno == EAGAIN || errno == EINTR ? -EAGAIN :
			mqshm_instance_fail(in, -errno, "cannot read %s: %s",
					    mqshm_instance_param(in, "filename"), strerror(errno));
	mqshm_buffer_release(c, buf);
	return error;
}

static enum mqshm_result source_work(struct mqshm_instance *in)
{
	struct file_source *s = mqshm_instance_state(in);
	struct mqshm_buffer buf;
	bool ended = false;
	int error = wait_for_data(in, s);

	if (!error && mqshm_instance_stop_requested(in))
		return MQSHM_OK;
	if (!error)
		error = read_some(in, s, &buf, &ended);
	if (ended)
		return MQSHM_DONE;
	if (!error) {
		error = mqshm_produce_output(in, 0, &buf);
		if (error)
			mqshm_buffer_release(mqshm_instance_client(in), &buf);
	}
	return block_result(in, error);
}

static void source_cleanup(struct mqshm_instance *in)
{
	struct file_source *s = mqshm_instance_state(in);

	if (s->fd >= 0)
		close(s->fd);
}

static const struct mqshm_param_spec source_params[] = {
	{ .key = "filename", .kind = "string", .help = "file or pipe to read; - is stdin" },
	{ .key = "bytes", .kind = "size", .fallback = "auto", .choices = "auto",
	  .min = 1, .max = MQSHM_BUFFER_BYTES_MAX,
	  .help = "most that go into a buffer; auto is 64K, or what pools take" },
	{ .key = NULL }
};

static const struct mqshm_block_port source_ports[] = {
	{ .name = "out", .direction = MQSHM_DIR_OUT, .help = "bytes, as they lie in the file" },
	{ .name = NULL }
};

const struct mqshm_block_ops file_source_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_SOURCE,
	.type = "FileSource",
	.summary = "a file or pipe -> out",
	.params = source_params,
	.ports = source_ports,
	.state_bytes = sizeof(struct file_source),
	.initialize = source_initialize,
	.work = source_work,
	.cleanup = source_cleanup,
};
