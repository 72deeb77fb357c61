// SPDX-License-Identifier: GPL-2.0-only
/* Audio samples of an input, whatever pieces they come in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audio.h"

/* In the order of the choices of parameter format. */
enum { FORMAT_AUTO, FORMAT_WAV, FORMAT_FIRST };

int audio_in_init(struct mqshm_instance *in, struct audio_in *a, size_t port,
		  struct audio_out *spare)
{
	int64_t channels = 0, rate = 0;
	size_t format = 0;
	int error = mqshm_instance_choice(in, "format", &format);

	if (!error)
		error = mqshm_instance_integer(in, "channels", 1, PCM_CHANNELS_MAX, &channels);
	if (!error)
		error = mqshm_instance_integer(in, "rate", 1, PCM_RATE_MAX, &rate);
	if (error)
		return error;
	a->port = port;
	a->spare = spare;
	a->buf.number = MQSHM_NO_BUFFER;
	a->undecided = format == FORMAT_AUTO;
	a->wav = format == FORMAT_WAV;
	a->known = format >= FORMAT_FIRST;
	a->format.sample = a->known ? (enum pcm_sample)(format - FORMAT_FIRST) : PCM_S16LE;
	a->format.channels = channels;
	a->format.rate = rate;
	wav_init(&a->parser);
	a->bytes = malloc((size_t)AUDIO_FRAMES * PCM_CHANNELS_MAX * sizeof(float));
	a->samples = malloc((size_t)AUDIO_FRAMES * PCM_CHANNELS_MAX * sizeof(double));
	return a->bytes && a->samples ? 0 : -ENOMEM;
}

void audio_in_free(struct mqshm_instance *in, struct audio_in *a)
{
	if (a->bytes)
		mqshm_buffer_release(mqshm_instance_client(in), &a->buf);
	free(a->bytes);
	free(a->samples);
	a->bytes = NULL;
	a->samples = NULL;
}

static int format_set(struct mqshm_instance *in, struct audio_in *a)
{
	unsigned int bytes = a->parser.sample_bytes;
	bool good = a->parser.is_float ? bytes == 4 : bytes >= 2 && bytes <= 4;

	if (!good)
		return mqshm_instance_fail(in, -EOPNOTSUPP, "the samples of this WAV stream are %ss "
					   "of %u bits; blocks take integers of 16, 24 and 32 and "
					   "floats of 32 bits (AudioFileSource makes such of any file)",
					   a->parser.is_float ? "float" : "integer", 8 * bytes);
	if (a->parser.channels > PCM_CHANNELS_MAX || !a->parser.rate ||
	    a->parser.rate > PCM_RATE_MAX)
		return mqshm_instance_fail(in, -EOPNOTSUPP, "this WAV stream has %u channels and %u Hz; "
					   "blocks take %d and %d at most", a->parser.channels,
					   a->parser.rate, PCM_CHANNELS_MAX, PCM_RATE_MAX);
	a->format = (struct pcm_format) {
		.sample = a->parser.is_float ? PCM_F32LE : (enum pcm_sample)(bytes - 2),
		.channels = a->parser.channels,
		.rate = a->parser.rate,
	};
	a->known = true;
	return 0;
}

/* Bytes of samples that fit into @bytes. */
static size_t space(const struct audio_in *a)
{
	return (size_t)AUDIO_FRAMES * pcm_frame_bytes(&a->format) - a->have;
}

static size_t keep(struct audio_in *a, const uint8_t *p, size_t length)
{
	size_t n = length < space(a) ? length : space(a);

	memcpy(a->bytes + a->have, p, n);
	a->have += n;
	return n;
}

/* Takes the next bytes of the stream, at least one; sets *@taken. */
static int feed_wav(struct mqshm_instance *in, struct audio_in *a, const uint8_t *p,
		    size_t length, size_t *taken)
{
	enum wav_span span;
	int error;

	*taken = 0;
	if (!a->known && a->parser.format_known) {
		error = format_set(in, a);
		if (error)
			return error;
	}
	if (a->known && length > space(a))
		length = space(a);
	*taken = wav_next(&a->parser, p, length, &span);
	if (span == WAV_BAD)
		return mqshm_instance_fail(in, -EINVAL, "%s", a->parser.error);
	if (span == WAV_SAMPLES)
		keep(a, p, *taken);
	else if (a->known)
		/* what is left of a frame at the end of its chunk is none */
		a->have -= a->have % pcm_frame_bytes(&a->format);
	return 0;
}

static int feed(struct mqshm_instance *in, struct audio_in *a, const uint8_t *p, size_t length,
		size_t *taken)
{
	if (a->wav)
		return feed_wav(in, a, p, length, taken);
	*taken = keep(a, p, length);
	return 0;
}

/* WAV or raw: told by the first four bytes, which may lie in several buffers. */
static int decide(struct mqshm_instance *in, struct audio_in *a, const uint8_t *p, size_t length,
		  size_t *taken)
{
	size_t n;
	int error = 0;

	*taken = 0;
	while (a->n_magic < sizeof(a->magic) && *taken < length)
		a->magic[a->n_magic++] = p[(*taken)++];
	if (a->n_magic < sizeof(a->magic))
		return 0;
	a->undecided = false;
	a->wav = wav_magic(a->magic);
	a->known = !a->wav;
	for (size_t at = 0; !error && at < sizeof(a->magic); at += n)
		error = feed(in, a, a->magic + at, sizeof(a->magic) - at, &n);
	return error;
}

/* Gives the buffer that was read back, or to the output, which will need one. */
static void buffer_done(struct mqshm_instance *in, struct audio_in *a)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	struct audio_out *o = a->spare;

	if (o && o->spare.number == MQSHM_NO_BUFFER && mqshm_buffer_is_sole(c, &a->buf)) {
		o->spare = a->buf;
		a->buf.number = MQSHM_NO_BUFFER;
	} else {
		mqshm_buffer_release(c, &a->buf);
	}
}

static int buffer_next(struct mqshm_instance *in, struct audio_in *a, uint64_t deadline_ns)
{
	int error = mqshm_get_input(in, a->port, deadline_ns, &a->buf);

	if (error) {
		a->buf.number = MQSHM_NO_BUFFER;
		a->ended = error == -ENODATA;
		return error;
	}
	a->at = 0;
	a->next_ns = mqshm_buffer_data_ns(mqshm_instance_client(in), &a->buf);
	return 0;
}

/* Reads on in the buffer, until samples take all the room that there is for them. */
static int buffer_read(struct mqshm_instance *in, struct audio_in *a)
{
	const uint8_t *data = mqshm_buffer_data(mqshm_instance_client(in), &a->buf);
	size_t n;
	int error = 0;

	while (!error && a->at < a->buf.length && (!a->known || space(a))) {
		error = (a->undecided ? decide : feed)(in, a, data + a->at, a->buf.length - a->at,
						       &n);
		a->at += n;
	}
	return error;
}

/* Numbers out of whole frames; the rest of the bytes goes to the front. */
static void frames_take(struct audio_in *a)
{
	size_t frame_bytes = pcm_frame_bytes(&a->format), used;

	a->frames = a->have / frame_bytes;
	used = a->frames * frame_bytes;
	pcm_unpack(a->format.sample, a->bytes, a->samples, a->frames * a->format.channels);
	memmove(a->bytes, a->bytes + used, a->have - used);
	a->have -= used;
	a->ns = a->next_ns;
	a->next_ns += audio_ns(&a->format, a->frames);
}

int audio_in_read(struct mqshm_instance *in, struct audio_in *a, uint64_t deadline_ns)
{
	int error;

	/* a stream without a pause is none in which to miss that */
	if (mqshm_instance_stop_requested(in))
		return -ECANCELED;

	a->frames = 0;
	a->drained = false;
	while (!a->frames) {
		error = a->buf.number == MQSHM_NO_BUFFER ? buffer_next(in, a, deadline_ns) : 0;
		if (!error)
			error = buffer_read(in, a);
		if (error)
			return error;
		if (a->known)
			frames_take(a);
		a->drained = a->at == a->buf.length;
		if (a->drained)
			buffer_done(in, a);
	}
	return 0;
}
