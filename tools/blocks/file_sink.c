// SPDX-License-Identifier: GPL-2.0-only
/*
 * FileSink: writes what it gets to a file or a pipe. To a file by direct I/O where that is
 * possible, see file_sink_direct.c; what does not fit a disk's blocks, a tail or an error,
 * is left to ordinary writes from that message on.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocks.h"
#include "file_sink.h"

static int sink_fail(struct mqshm_instance *in, int error)
{
	return mqshm_instance_fail(in, error, "cannot write %s: %s",
				   mqshm_instance_param(in, "filename"), strerror(-error));
}

int file_sink_lose(struct mqshm_instance *in, const struct file_sink *s, int error, size_t lost)
{
	return mqshm_instance_fail(in, error, "cannot write %s: %s; the first %llu bytes are written, "
				   "%zu behind them are lost",
				   mqshm_instance_param(in, "filename"), strerror(-error),
				   (unsigned long long)s->at, lost);
}

/* A pipe that nobody reads lets in only who would read it, too; then both ends are there. */
static int unread_open(const char *name, int flags)
{
	int both = open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC), fd;

	if (both < 0)
		return -1;
	fd = open(name, flags);
	close(both);
	return fd;
}

/* Nothing is cut off yet: the block may still fail to start. */
static int sink_open(struct mqshm_instance *in, struct file_sink *s)
{
	const int flags = O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | (s->append ? O_APPEND : 0);
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
		s->unread = s->fd < 0 && errno == ENXIO;
		if (s->unread)
			s->fd = unread_open(name, flags);
	}
	if (s->fd < 0 || fstat(s->fd, &status))
		return sink_fail(in, -errno);
	s->is_file = S_ISREG(status.st_mode);
	s->is_disk = S_ISBLK(status.st_mode);
	return 0;
}

static int sink_initialize(struct mqshm_instance *in)
{
	struct file_sink *s = mqshm_instance_state(in);

	int error = mqshm_instance_bool(in, "append", &s->append);

	s->fd = -1;
	return error ? error : sink_open(in, s);
}

static int sink_start(struct mqshm_instance *in)
{
	struct file_sink *s = mqshm_instance_state(in);

	bool wanted;
	int error = mqshm_instance_bool(in, "direct", &wanted);

	s->started = true;
	if (error || !(s->is_file || s->is_disk) || s->is_stdout || s->append)
		return error;
	if (s->is_file && ftruncate(s->fd, 0))
		return sink_fail(in, -errno);
	if (wanted)
		direct_begin(&s->direct, in, s->fd, 1);
	return 0;
}

static bool has_reader(const struct file_sink *s)
{
	struct pollfd fd = { .fd = s->fd };

	return poll(&fd, 1, 0) <= 0 || !(fd.revents & POLLERR);
}

/* Nobody has to wait to open the reading end, as this one is there; the system tells of it. */
static int wait_for_reader(struct mqshm_instance *in, const struct file_sink *s, int opens)
{
	struct pollfd fd = { .fd = opens, .events = POLLIN };
	char events[4096] __attribute__((aligned(8))), name[32];
	int r = 0;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", s->fd);
	if (opens < 0 || inotify_add_watch(opens, name, IN_OPEN) < 0)
		return sink_fail(in, -errno);
	while (!has_reader(s) && r >= 0) {
		r = mqshm_instance_poll(in, &fd, 1, NULL, 0, MQSHM_FOREVER);
		while (read(opens, events, sizeof(events)) > 0)
			;
	}
	return r < 0 ? r : 0;
}

static int reader_await(struct mqshm_instance *in, struct file_sink *s)
{
	int opens = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), error;

	error = wait_for_reader(in, s, opens);
	if (opens >= 0)
		close(opens);
	s->unread = error;
	return error;
}

static int wait_writable(struct mqshm_instance *in, const struct file_sink *s)
{
	struct pollfd fd = { .fd = s->fd, .events = POLLOUT };
	int r = 0;

	while (!r)
		r = mqshm_instance_poll(in, &fd, 1, NULL, 0, MQSHM_FOREVER);
	return r < 0 ? r : 0;
}

/* -- by write(2) ---------------------------------------------------------------------------- */

int file_sink_write(struct mqshm_instance *in, struct file_sink *s, const void *data,
		    size_t length, size_t lost)
{
	const uint8_t *p = data;
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
			s->at += n;
		} else if (errno == EAGAIN) {
			error = wait_writable(in, s);
			if (error)
				return error;
		} else if (errno != EINTR) {
			return file_sink_lose(in, s, -errno, length + lost);
		}
	}
	return 0;
}

int file_sink_write_message(struct mqshm_instance *in, struct file_sink *s,
			    struct mqshm_buffer *buf)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	int error = s->unread ? reader_await(in, s) : 0;

	if (!error)
		error = file_sink_write(in, s, mqshm_buffer_data(c, buf), buf->length, 0);
	mqshm_buffer_release(c, buf);
	return error;
}

/* -- its work ------------------------------------------------------------------------------- */

/* Some file systems tell only now that they could not write what they took. */
static int sink_finish(struct mqshm_instance *in, struct file_sink *s)
{
	int fd = s->fd;

	direct_end(&s->direct);
	s->fd = -1;
	if (fd >= 0 && close(fd) && errno != EINTR)
		return sink_fail(in, -errno);
	return 0;
}

static enum mqshm_result sink_work(struct mqshm_instance *in)
{
	struct file_sink *s = mqshm_instance_state(in);
	struct mqshm_buffer buf;
	int error = s->direct.on ? file_sink_direct(in, s) : 0;

	if (s->direct.on && !s->ended && !error)
		return MQSHM_NEED_MORE_INPUT;
	if (!error && !s->ended) {
		error = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf);
		if (error == -EAGAIN)
			return MQSHM_NEED_MORE_INPUT;
		s->ended = error == -ENODATA;
		if (!error)
			error = file_sink_write_message(in, s, &buf);
	}
	if (s->ended && (!error || error == -ENODATA))
		return sink_finish(in, s) ? MQSHM_ERROR : MQSHM_DONE;
	return block_result(in, error);
}

static void sink_cleanup(struct mqshm_instance *in)
{
	struct file_sink *s = mqshm_instance_state(in);

	direct_end(&s->direct);
	if (s->fd >= 0)
		close(s->fd);
	if (s->made && !s->started)
		unlink(mqshm_instance_param(in, "filename"));
}

static const struct mqshm_param_spec sink_params[] = {
	{ .key = "filename", .kind = "string",
	  .help = "file or pipe to write; - is stdout" },
	{ .key = "append", .kind = "bool", .fallback = "0",
	  .help = "keep what the file has, and write behind it, by ordinary writes; for a block "
		  "that comes back" },
	{ .key = "direct", .kind = "bool", .fallback = "1",
	  .help = "direct I/O, past the page cache, where file, pool and messages allow; 0: never" },
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
	.flags = MQSHM_BLOCK_DIRECT_IO,
	.initialize = sink_initialize,
	.start = sink_start,
	.work = sink_work,
	.cleanup = sink_cleanup,
};
