// SPDX-License-Identifier: GPL-2.0-only
/*
 * FileSource: what a file or a pipe holds, in buffers. Files and disks are read by direct
 * I/O, ahead of what is passed on, where that is possible; whatever is not a whole buffer
 * then, the end or an error, is left to an ordinary read from that place on.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blocks.h"
#include "direct.h"

#define AHEAD_MAX	64

/**
 * struct reading - a read in flight
 * @buf: into this
 * @request: its state
 */
struct reading {
	struct mqshm_buffer buf;
	struct direct_request request;
};

/**
 * struct file_source - state of a FileSource
 * @fd: file, or a duplicate of stdin
 * @is_file: a regular file: reading it does not wait for anybody
 * @is_disk: a block device
 * @is_stdin: its flags are shared with others
 * @bytes: bytes of a buffer
 * @size: of the file when it was opened; 0 of what has none
 * @at: bytes that were read, without those of @readings
 * @direct: its direct I/O
 * @readings: array[@ahead] used as a ring: of these @n_readings from @first on, one after
 *	the other in the file
 * @first: index of the next to be passed on
 * @n_readings: their number
 * @ahead: how many there may be
 */
struct file_source {
	int fd;
	bool is_file;
	bool is_disk;
	bool is_stdin;
	size_t bytes;
	uint64_t size;
	uint64_t at;
	struct direct direct;
	struct reading readings[AHEAD_MAX];
	unsigned int first;
	unsigned int n_readings;
	unsigned int ahead;
};

static int source_fail(struct mqshm_instance *in, const struct file_source *s, int error)
{
	return mqshm_instance_fail(in, error, "cannot read %s at byte %llu: %s",
				   mqshm_instance_param(in, "filename"),
				   (unsigned long long)s->at, strerror(-error));
}

/* -- its life --------------------------------------------------------------------------- */

static int source_open(struct mqshm_instance *in, struct file_source *s)
{
	const char *name = mqshm_instance_param(in, "filename");
	struct stat status;
	off_t size;

	s->is_stdin = !strcmp(name, "-");
	/* a pipe is opened without waiting for somebody who writes to it: poll waits */
	s->fd = s->is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) :
		open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (s->fd < 0 || fstat(s->fd, &status))
		return mqshm_instance_fail(in, -errno, "cannot read %s: %s", name, strerror(errno));
	if (S_ISDIR(status.st_mode))
		return mqshm_instance_fail(in, -EISDIR, "cannot read %s: it is a folder", name);
	s->is_file = S_ISREG(status.st_mode);
	s->is_disk = S_ISBLK(status.st_mode);
	size = s->is_file ? status.st_size : s->is_disk ? lseek(s->fd, 0, SEEK_END) : 0;
	s->size = size > 0 ? size : 0;
	if (s->is_disk)
		lseek(s->fd, 0, SEEK_SET);
	return 0;
}

static int source_initialize(struct mqshm_instance *in)
{
	struct file_source *s = mqshm_instance_state(in);
	int64_t ahead;
	int error;

	s->fd = -1;
	error = mqshm_instance_integer(in, "ahead", 1, AHEAD_MAX, &ahead);
	if (!error)
		error = source_open(in, s);
	s->ahead = error ? 0 : ahead;
	return error ? error : block_bytes(in, &s->bytes);
}

static int source_start(struct mqshm_instance *in)
{
	struct file_source *s = mqshm_instance_state(in);
	bool wanted;
	int error = mqshm_instance_bool(in, "direct", &wanted);

	if (error || !wanted || s->is_stdin || !(s->is_file || s->is_disk))
		return error;
	if (direct_begin(&s->direct, in, s->fd, s->ahead) &&
	    !direct_fits(&s->direct, NULL, s->bytes, 0))
		direct_end(&s->direct);
	return 0;
}

/* Nothing is passed on any more that was not yet. */
static void readings_drop(struct mqshm_instance *in, struct file_source *s)
{
	direct_drain(&s->direct, in);
	for (; s->n_readings; s->n_readings--) {
		mqshm_buffer_release(mqshm_instance_client(in), &s->readings[s->first].buf);
		s->first = (s->first + 1) % s->ahead;
	}
	direct_end(&s->direct);
}

static void source_cleanup(struct mqshm_instance *in)
{
	struct file_source *s = mqshm_instance_state(in);

	readings_drop(in, s);
	if (s->fd >= 0)
		close(s->fd);
}

/* -- by direct I/O ------------------------------------------------------------------------ */

/* -ENOTSUP: buffers do not lie as it takes. */
static int reading_add(struct mqshm_instance *in, struct file_source *s, uint64_t at)
{
	struct reading *r = &s->readings[(s->first + s->n_readings) % s->ahead];
	struct mqshm_client *c = mqshm_instance_client(in);
	int error;

	/* more than one is only as good as there are buffers to spare */
	error = s->n_readings ? mqshm_buffer_alloc(c, s->bytes, MQSHM_NO_WAIT, &r->buf) :
		mqshm_allocate_buffer(in, s->bytes, &r->buf);
	if (error)
		return error;
	if (!direct_fits(&s->direct, mqshm_buffer_data(c, &r->buf), s->bytes, at)) {
		mqshm_buffer_release(c, &r->buf);
		return -ENOTSUP;
	}
	direct_read(&s->direct, in, &r->buf, s->bytes, at, &r->request);
	s->n_readings++;
	return 0;
}

/* By the half of them, so that a call of the kernel begins several. */
static int readings_begin(struct mqshm_instance *in, struct file_source *s)
{
	uint64_t at = s->at + s->n_readings * (uint64_t)s->bytes;
	int error = 0;

	if (s->n_readings > s->ahead / 2)
		return 0;
	for (; s->n_readings < s->ahead && at < s->size && !error; at += s->bytes)
		error = reading_add(in, s, at);
	if (error && !s->n_readings)
		return error;
	return direct_submit(&s->direct);
}

/*
 * The next whole buffer. -ENOTSUP: the file is an ordinary one from @at on; what else was
 * read of it is forgotten, since nobody knows what came between. If the last was not whole
 * it is @out, else that is none.
 */
static int take_direct(struct mqshm_instance *in, struct file_source *s,
		       struct mqshm_buffer *out)
{
	struct reading *r = &s->readings[s->first];
	int error = readings_begin(in, s);

	while (!error && s->n_readings && !r->request.done) {
		error = mqshm_instance_stop_requested(in) ? -ECANCELED :
			direct_wait(&s->direct, in, NULL);
		error = error < 0 ? error : 0;
	}
	if (error == -ECANCELED || error == -ESHUTDOWN)
		return error;
	out->number = MQSHM_NO_BUFFER;
	if (!error && s->n_readings && r->request.result > 0) {
		*out = r->buf;
		out->length = r->request.result;
		s->at += out->length;
		s->first = (s->first + 1) % s->ahead;
		s->n_readings--;
		if (out->length == s->bytes)
			return 0;
	}
	readings_drop(in, s);
	return lseek(s->fd, s->at, SEEK_SET) < 0 ? source_fail(in, s, -errno) : -ENOTSUP;
}

/* -- by read(2) --------------------------------------------------------------------------- */

/* Waits until there is something to read, without a buffer in hand; 0, or -errno. */
static int wait_for_data(struct mqshm_instance *in, const struct file_source *s)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	int r = 0;

	while (!r && !s->is_file && !mqshm_instance_stop_requested(in))
		r = mqshm_instance_poll(in, &pfd, 1, NULL, 0, MQSHM_FOREVER);
	return r < 0 ? r : mqshm_instance_stop_requested(in) ? -ECANCELED : 0;
}

/* -ENODATA; or the file has lost what it had when it was opened. */
static int source_end(struct mqshm_instance *in, const struct file_source *s)
{
	struct stat status;

	if (!s->is_file || s->at >= s->size || fstat(s->fd, &status) ||
	    (uint64_t)status.st_size >= s->size)
		return -ENODATA;
	return mqshm_instance_fail(in, -EIO, "%s became shorter while it was read: of %llu bytes "
				   "only the first %llu were there",
				   mqshm_instance_param(in, "filename"),
				   (unsigned long long)s->size, (unsigned long long)s->at);
}

static int take_plain(struct mqshm_instance *in, struct file_source *s, struct mqshm_buffer *out)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	int error = wait_for_data(in, s);
	ssize_t n;

	if (!error)
		error = mqshm_allocate_buffer(in, s->bytes, out);
	if (error)
		return error;
	n = read(s->fd, mqshm_buffer_data(c, out), s->bytes);
	if (n > 0) {
		out->length = n;
		s->at += n;
		return 0;
	}
	error = !n ? source_end(in, s) : errno == EAGAIN || errno == EINTR ? -EAGAIN :
		source_fail(in, s, -errno);
	mqshm_buffer_release(c, out);
	return error;
}

/* -- its work ----------------------------------------------------------------------------- */

static int take(struct mqshm_instance *in, struct file_source *s, struct mqshm_buffer *out)
{
	int error = s->direct.on ? take_direct(in, s, out) : -ENOTSUP;

	if (error == -ENOTSUP)
		error = out->number != MQSHM_NO_BUFFER ? 0 : take_plain(in, s, out);
	return error;
}

static enum mqshm_result source_work(struct mqshm_instance *in)
{
	struct file_source *s = mqshm_instance_state(in);
	struct mqshm_client *c = mqshm_instance_client(in);
	struct mqshm_buffer buf = { .number = MQSHM_NO_BUFFER };
	int error = take(in, s, &buf);

	if (error == -ENODATA)
		return MQSHM_DONE;
	if (!error)
		error = mqshm_buffer_set_data_ns(c, &buf, mqshm_now_ns());
	if (!error)
		error = mqshm_produce_output(in, 0, &buf);
	if (error && buf.number != MQSHM_NO_BUFFER)
		mqshm_buffer_release(c, &buf);
	return block_result(in, error);
}

static const struct mqshm_param_spec source_params[] = {
	{ .key = "filename", .kind = "string", .help = "file, disk or pipe to read; - is stdin" },
	{ .key = "bytes", .kind = "size", .fallback = "auto", .choices = "auto",
	  .min = 1, .max = MQSHM_BUFFER_BYTES_MAX,
	  .help = "most that go into a buffer; auto is 64K, or what pools take" },
	{ .key = "direct", .kind = "bool", .fallback = "1",
	  .help = "direct I/O, past the page cache, where file, pool and bytes allow; 0: never" },
	{ .key = "ahead", .kind = "integer", .fallback = "8", .min = 1, .max = AHEAD_MAX,
	  .help = "buffers that are read into at a time by direct I/O" },
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
	.summary = "a file, disk or pipe -> out",
	.params = source_params,
	.ports = source_ports,
	.state_bytes = sizeof(struct file_source),
	.flags = MQSHM_BLOCK_DIRECT_IO,
	.initialize = source_initialize,
	.start = source_start,
	.work = source_work,
	.cleanup = source_cleanup,
};
