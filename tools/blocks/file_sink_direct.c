// SPDX-License-Identifier: GPL-2.0-only
/*
 * FileSink's direct I/O: each write is of all messages that have come while the one before
 * it was under way. There is one at a time, so that whenever the block is killed the file is
 * a beginning of the stream; and who writes behind the end of a file waits for the one
 * before him anyway.
 */
#include <errno.h>
#include <unistd.h>

#include "file_sink.h"

static struct batch *batch_gathered(struct file_sink *s)
{
	return &s->batches[s->gathered];
}

static struct batch *batch_written(struct file_sink *s)
{
	return &s->batches[(s->gathered + 1) % BATCHES];
}

static bool batch_full(const struct batch *b)
{
	return b->n == BATCH_MESSAGES || b->bytes >= BATCH_BYTES;
}

static void batch_release(struct mqshm_instance *in, struct batch *b)
{
	while (b->n)
		mqshm_buffer_release(mqshm_instance_client(in), &b->buffers[--b->n]);
	b->pieces = 0;
	b->bytes = 0;
}

static void batch_add(struct batch *b, const struct mqshm_buffer *buf, void *data)
{
	struct iovec *last = &b->iov[b->pieces];

	b->buffers[b->n++] = *buf;
	b->bytes += buf->length;
	if (b->pieces && (char *)last[-1].iov_base + last[-1].iov_len == (char *)data) {
		last[-1].iov_len += buf->length;
	} else {
		*last = (struct iovec){ .iov_base = data, .iov_len = buf->length };
		b->pieces++;
	}
}

/* Begins to write what was gathered. */
static int batch_launch(struct mqshm_instance *in, struct file_sink *s)
{
	struct batch *b = batch_gathered(s);

	s->gathered = (s->gathered + 1) % BATCHES;
	direct_write(&s->direct, in, b->buffers, b->iov, b->pieces, s->at, &s->request);
	return direct_submit(&s->direct);
}

/*
 * Messages that have come, until the batch is full. -EAGAIN: there are no more now;
 * -ENOTSUP: *@odd does not fit.
 */
static int batch_gather(struct mqshm_instance *in, struct file_sink *s, struct mqshm_buffer *odd)
{
	uint64_t at = s->at + batch_written(s)->bytes;
	struct mqshm_client *c = mqshm_instance_client(in);
	struct batch *b = batch_gathered(s);
	struct mqshm_buffer buf;
	int error;
	void *p;

	while (!batch_full(b)) {
		error = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf);
		if (error)
			return error;
		if (!buf.length) {
			mqshm_buffer_release(c, &buf);
			continue;
		}
		p = mqshm_buffer_data(c, &buf);
		if (!direct_fits(&s->direct, p, buf.length, at + b->bytes)) {
			*odd = buf;
			return -ENOTSUP;
		}
		batch_add(b, &buf, p);
	}
	return 0;
}

/* The write is done: whether all of it came to the file. */
static bool batch_land(struct mqshm_instance *in, struct file_sink *s)
{
	struct batch *b = batch_written(s);
	bool whole = s->request.result >= 0 && (size_t)s->request.result == b->bytes;

	if (!whole)
		return false;
	s->at += b->bytes;
	batch_release(in, b);
	return true;
}

/* Writes what a batch still has, from the place where the file ends. */
static int batch_write(struct mqshm_instance *in, struct file_sink *s, struct batch *b,
		       size_t skip, size_t behind)
{
	size_t left = b->bytes;
	int error = 0;

	for (unsigned int i = 0; i < b->pieces && !error; i++) {
		const struct iovec *v = &b->iov[i];
		size_t done = skip < v->iov_len ? skip : v->iov_len;

		left -= v->iov_len;
		skip -= done;
		error = file_sink_write(in, s, (uint8_t *)v->iov_base + done, v->iov_len - done,
					left + behind);
	}
	batch_release(in, b);
	return error;
}

/*
 * Writes all that was taken, whatever was wrong with it, and is an ordinary file from then
 * on. @behind: bytes that come after that.
 */
static int direct_leave(struct mqshm_instance *in, struct file_sink *s, size_t behind)
{
	struct batch *first = batch_written(s), *second = batch_gathered(s);
	size_t done = 0;
	int error = 0;

	direct_drain(&s->direct, in);
	direct_end(&s->direct);
	if (first->n && s->request.done && s->request.result > 0)
		done = s->request.result;
	s->at += done;
	if (lseek(s->fd, s->at, SEEK_SET) < 0 || (s->is_file && ftruncate(s->fd, s->at)))
		error = file_sink_lose(in, s, -errno, first->bytes - done + second->bytes +
				       behind);
	if (!error)
		error = batch_write(in, s, first, done, second->bytes + behind);
	if (!error)
		error = batch_write(in, s, second, 0, behind);
	batch_release(in, first);
	batch_release(in, second);
	return error;
}

/* One step of taking in and writing: -EAGAIN: nothing came, and nothing is left to be written. */
static int direct_step(struct mqshm_instance *in, struct file_sink *s, struct mqshm_buffer *odd)
{
	struct mqshm_port *port = mqshm_instance_input(in, 0);
	int came = s->ended ? -ENODATA : batch_gather(in, s, odd), r;

	if (came == -ENODATA)
		s->ended = true;
	else if (came && came != -EAGAIN)
		return came;
	if (!batch_written(s)->n) {
		if (!batch_gathered(s)->n)
			return -EAGAIN;
		r = batch_launch(in, s);
		if (r)
			return r;
	}
	direct_look(&s->direct);
	if (!s->request.done) {
		r = direct_wait(&s->direct, in, came == -EAGAIN ? port : NULL);
		if (r < 0)
			return r;
	}
	return s->request.done && !batch_land(in, s) ? -EIO : 0;
}

/*
 * With nothing in its hands at the end: whoever waits for the buffers is not kept waiting,
 * and a block that is to stop has written what it took.
 */
int file_sink_direct(struct mqshm_instance *in, struct file_sink *s)
{
	struct mqshm_buffer odd = { .number = MQSHM_NO_BUFFER, .length = 0 };
	int why, error;

	do {
		why = direct_step(in, s, &odd);
	} while (!why);
	if (why == -EAGAIN)
		return 0;
	error = direct_leave(in, s, odd.length);
	if (odd.number != MQSHM_NO_BUFFER) {
		if (error)
			mqshm_buffer_release(mqshm_instance_client(in), &odd);
		else
			error = file_sink_write_message(in, s, &odd);
	}
	return error ? error : why == -ECANCELED || why == -ESHUTDOWN ? why : 0;
}
