// SPDX-License-Identifier: GPL-2.0-only
/* FileSink: writes what it gets to a file or a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocks.h"

/* How soon it sees that somebody has opened its pipe. */
#define LOOK_NS 100000000

/**
 * struct file_sink - state of a FileSink
 * @fd: file, or a duplicate of stdout; -1 for a pipe that nobody reads yet
 * @is_file: a regular file: writing it does not wait for anybody
 * @is_stdout: its O_NONBLOCK is shared with others, so it is not set
 * @made: the file was not there before
 * @started: from here on the file is the block's
 */
struct file_sink {
	int fd;
	bool is_file;
	bool is_stdout;
	bool made;
	bool started;
};

static int sink_fail(struct mqshm_instance *in, int error)
{
	return mqshm_instance_fail(in, error, "cannot write %s: %s",
				   mqshm_instance_param(in, "filename"), strerror(-error));
}

/* Nothing is cut off yet: the block may still fail to start. */
static int sink_open(struct mqshm_instance *in, struct file_sink *s)
{
	const int flags = O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	const char *name = mqshm_instance_param(in, "filename");
	struct stat status;

	s->is_stdout = !strcmp(name, "-");
	if (s->is_stdout) {
		s->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	} else {
		s->fd = open(name, flags | O_CREAT | O_EXCL, 0666);
		s->made = s->fd >= 0;
		if (s->fd < 0 && errno == EEXIST)
			s->fd = open(name, flags);
		if (s->fd < 0 && errno == ENXIO)
			return 0;
	}
	if (s->fd < 0 || fstat(s->fd, &status))
		return sink_fail(in, -errno);
	s->is_file = S_ISREG(status.st_mode);
	return 0;
}

static int sink_initialize(struct mqshm_instance *in)
{
	struct file_sink *s = mqshm_instance_state(in);

	s->fd = -1;
	return sink_open(in, s);
}

static int sink_start(struct mqshm_instance *in)
{
	struct file_sink *s = mqshm_instance_state(in);

	s->started = true;
	if (s->is_file && !s->is_stdout && ftruncate(s->fd, 0))
		return sink_fail(in, -errno);
	return 0;
}

/* A pipe can be opened for writing only once somebody reads it; nothing tells when. */
static int sink_reopen(struct mqshm_instance *in, struct file_sink *s)
{
	const char *name = mqshm_instance_param(in, "filename");
	int error;

	while (s->fd < 0) {
		s->fd = open(name, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		if (s->fd < 0 && errno != ENXIO && errno != EINTR)
			return sink_fail(in, -errno);
		if (s->fd < 0) {
			error = block_sleep(in, mqshm_now_ns() + LOOK_NS);
			if (error)
				return error;
		}
	}
	return 0;
}

static int wait_writable(struct mqshm_instance *in, const struct file_sink *s)
{
	struct pollfd fd = { .fd = s->fd, .events = POLLOUT };
	int r = 0;

	while (!r)
		r = mqshm_instance_poll(in, &fd, 1, NULL, 0, MQSHM_FOREVER);
	return r < 0 ? r : 0;
}

static int sink_write(struct mqshm_instance *in, const struct file_sink *s, const uint8_t *p,
		      size_t length)
{
	size_t piece;
	ssize_t n;
	int error;

	while (length) {
		/* a pipe that is writable takes this much without waiting */
		piece = s->is_stdout && !s->is_file && length > PIPE_BUF ? PIPE_BUF : length;
		error = s->is_stdout && !s->is_file ? wait_writable(in, s) : 0;
		if (error)
			return error;
		n = write(s->fd, p, piece);
		if (n >= 0) {
			p += n;
			length -= n;
		} else if (errno == EAGAIN) {
			error = wait_writable(in, s);
			if (error)
				return error;
		} else if (errno != EINTR) {
			return sink_fail(in, -errno);
		}
	}
	return 0;
}

static enum mqshm_result sink_work(struct mqshm_instance *in)
{
	struct file_sink *s = mqshm_instance_state(in);
	struct mqshm_client *c = mqshm_instance_client(in);
	struct mqshm_buffer buf;
	int error = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf);

	if (error == -EAGAIN)
		return MQSHM_NEED_MORE_INPUT;
	if (error == -ENODATA)
		return MQSHM_DONE;
	if (!error) {
		error = sink_reopen(in, s);
		if (!error)
			error = sink_write(in, s, mqshm_buffer_data(c, &buf), buf.length);
		mqshm_buffer_release(c, &buf);
	}
	return block_result(in, error);
}

static void sink_cleanup(struct mqshm_instance *in)
{
	struct file_sink *s = mqshm_instance_state(in);

	if (s->fd >= 0)
		close(s->fd);
	if (s->made && !s->started)
		unlink(mqshm_instance_param(in, "filename"));
}

static const struct mqshm_param_spec sink_params[] = {
	{ .key = "filename", .kind = "string",
	  .help = "file or pipe to write, from its start; - is stdout" },
	{ .key = NULL }
};

static const struct mqshm_block_port sink_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .help = "bytes" },
	{ .name = NULL }
};

const struct mqshm_block_ops file_sink_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_SINK,
	.type = "FileSink",
	.summary = "in -> a file or pipe",
	.params = sink_params,
	.ports = sink_ports,
	.state_bytes = sizeof(struct file_sink),
	.initialize = sink_initialize,
	.start = sink_start,
	.work = sink_work,
	.cleanup = sink_cleanup,
};
