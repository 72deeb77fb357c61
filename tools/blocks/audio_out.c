// SPDX-License-Identifier: GPL-2.0-only
/* Audio samples to an output: the header first, then buffers as full as they get. */
#include <errno.h>
#include <string.h>

#include "audio.h"

uint64_t audio_ns(const struct pcm_format *f, uint64_t frames)
{
	return frames / f->rate * 1000000000 + frames % f->rate * 1000000000 / f->rate;
}

int audio_out_init(struct mqshm_instance *in, struct audio_out *o, size_t port)
{
	o->port = port;
	o->buf.number = MQSHM_NO_BUFFER;
	o->spare.number = MQSHM_NO_BUFFER;
	return block_bytes(in, &o->bytes);
}

int audio_out_start(struct mqshm_instance *in, struct audio_out *o)
{
	int error = mqshm_allocate_buffer(in, o->bytes, &o->buf);

	if (error)
		o->buf.number = MQSHM_NO_BUFFER;
	else
		error = mqshm_allocate_buffer(in, o->bytes, &o->spare);
	if (error)
		o->spare.number = MQSHM_NO_BUFFER;
	return error;
}

/* Has a buffer to fill. */
static int prepare(struct mqshm_instance *in, struct audio_out *o)
{
	if (o->buf.number != MQSHM_NO_BUFFER)
		return 0;
	o->buf = o->spare;
	o->spare.number = MQSHM_NO_BUFFER;
	return o->buf.number == MQSHM_NO_BUFFER ? mqshm_allocate_buffer(in, o->bytes, &o->buf) : 0;
}

static int push(struct mqshm_instance *in, struct audio_out *o, size_t length, uint64_t ns)
{
	int error = mqshm_buffer_set_data_ns(mqshm_instance_client(in), &o->buf, ns);

	o->buf.length = length;
	if (!error)
		error = mqshm_produce_output(in, o->port, &o->buf);
	if (!error)
		o->filled = 0;
	return error;
}

int audio_out_flush(struct mqshm_instance *in, struct audio_out *o)
{
	return o->filled ? push(in, o, o->filled, o->ns) : 0;
}

/* A message of its own, so that it can be told from samples by its length. */
static int send_header(struct mqshm_instance *in, struct audio_out *o, uint64_t ns)
{
	int error = prepare(in, o);

	if (!error && mqshm_buffer_capacity(mqshm_instance_client(in), &o->buf) < PCM_HEADER_BYTES) {
		mqshm_buffer_release(mqshm_instance_client(in), &o->buf);
		error = mqshm_allocate_buffer(in, PCM_HEADER_BYTES, &o->buf);
	}
	if (error)
		return error;
	pcm_header(&o->format, mqshm_buffer_data(mqshm_instance_client(in), &o->buf));
	error = push(in, o, PCM_HEADER_BYTES, ns);
	o->header = error;
	return error;
}

/* Frames that still fit; if none do, the buffer goes out. */
static int room(struct mqshm_instance *in, struct audio_out *o, size_t *frames)
{
	size_t capacity, frame_bytes = pcm_frame_bytes(&o->format);
	int error = prepare(in, o);

	*frames = 0;
	if (error)
		return error;
	capacity = mqshm_buffer_capacity(mqshm_instance_client(in), &o->buf);
	if (capacity > o->bytes)
		capacity = o->bytes;
	if (capacity < frame_bytes)
		return mqshm_instance_fail(in, -EMSGSIZE, "a frame has %zu bytes and a buffer %zu; "
					   "say bytes=N, or add a pool: mqtool pool add",
					   frame_bytes, capacity);
	*frames = (capacity - o->filled) / frame_bytes;
	return *frames ? 0 : audio_out_flush(in, o);
}

int audio_out_write(struct mqshm_instance *in, struct audio_out *o, const double *samples,
		    size_t frames, uint64_t ns)
{
	size_t frame_bytes = pcm_frame_bytes(&o->format), n, done = 0;
	int error = 0;
	uint8_t *data;

	if (o->header)
		error = send_header(in, o, ns);
	while (!error && done < frames) {
		error = room(in, o, &n);
		if (error || !n)
			continue;
		n = n < frames - done ? n : frames - done;
		data = mqshm_buffer_data(mqshm_instance_client(in), &o->buf);
		if (!o->filled)
			o->ns = ns + audio_ns(&o->format, done);
		pcm_pack(o->format.sample, samples + done * o->format.channels, data + o->filled,
			 n * o->format.channels);
		o->filled += n * frame_bytes;
		done += n;
	}
	return error;
}

int audio_out_silence(struct mqshm_instance *in, struct audio_out *o, uint64_t frames,
		      uint64_t ns)
{
	static const double zeros[1024];
	uint64_t done = 0, n;
	int error = 0;

	while (!error && done < frames) {
		n = sizeof(zeros) / sizeof(*zeros) / o->format.channels;
		n = n < frames - done ? n : frames - done;
		error = audio_out_write(in, o, zeros, n, ns + audio_ns(&o->format, done));
		done += n;
	}
	return error;
}

int audio_out_end(struct mqshm_instance *in, struct audio_out *o)
{
	int error = audio_out_flush(in, o);

	if (!error && o->header && o->format.channels)
		error = send_header(in, o, mqshm_now_ns());
	return error;
}

void audio_out_free(struct mqshm_instance *in, struct audio_out *o)
{
	mqshm_buffer_release(mqshm_instance_client(in), &o->buf);
	mqshm_buffer_release(mqshm_instance_client(in), &o->spare);
	o->filled = 0;
}
