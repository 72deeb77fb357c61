// SPDX-License-Identifier: GPL-2.0-only
/* Amplifier: multiplies samples by a factor, raw ones or those of a WAV stream. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "blocks.h"
#include "wav.h"

/* A sample has at most this many bytes, so it lies in at most as many buffers. */
#define SAMPLE_BYTES_MAX 4

/* In the order of the choices of parameter format. */
enum amp_format { AMP_AUTO, AMP_WAV, AMP_S16, AMP_S24, AMP_S32, AMP_F32 };

/**
 * struct amplifier - state of an Amplifier
 * @gain: factor
 * @clip: floats are bounded to -1..1
 * @format: AMP_AUTO until the first four bytes are known
 * @wav: parser, for AMP_WAV
 * @is_float: what samples are now
 * @sample_bytes: their size
 * @part: where the bytes of an unfinished sample lie, in buffers of @held
 * @parts: how many there are
 * @held: buffers that cannot be passed on yet, since a sample goes on in the next
 * @n_held: how many
 */
struct amplifier {
	double gain;
	bool clip;
	enum amp_format format;
	struct wav wav;
	bool is_float;
	unsigned int sample_bytes;
	uint8_t *part[SAMPLE_BYTES_MAX];
	unsigned int parts;
	struct mqshm_buffer held[SAMPLE_BYTES_MAX];
	unsigned int n_held;
};

/* Bit for bit what sox makes of it: scaled to 32 bits and cut there, then rounded, half up. */
static int32_t amplify_integer(int32_t sample, double gain, unsigned int bits)
{
	unsigned int shift = 32 - bits;
	double scaled = gain * ((double)sample * (1U << shift));
	int64_t value;

	if (scaled >= INT32_MAX)
		value = INT32_MAX;
	else if (scaled <= INT32_MIN)
		value = INT32_MIN;
	else
		value = (int32_t)scaled;
	if (shift)
		value = (value + (1LL << (shift - 1))) >> shift;
	return value > INT32_MAX >> shift ? INT32_MAX >> shift : value;
}

static float amplify_float(float sample, double gain, bool clip)
{
	float value = (float)(sample * gain);

	return clip ? fminf(fmaxf(value, -1.0f), 1.0f) : value;
}

/* Little endian, whatever the machine is. */
static uint32_t sample_get(const uint8_t *p, unsigned int bytes)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < bytes; i++)
		value |= (uint32_t)p[i] << (8 * i);
	return value;
}

static void sample_put(uint8_t *p, unsigned int bytes, uint32_t value)
{
	for (unsigned int i = 0; i < bytes; i++)
		p[i] = value >> (8 * i);
}

static void amplify_sample(const struct amplifier *a, uint8_t *p)
{
	unsigned int bytes = a->sample_bytes, shift = 32 - 8 * bytes;
	uint32_t value = sample_get(p, bytes);
	float f;

	if (a->is_float) {
		memcpy(&f, &value, sizeof(f));
		f = amplify_float(f, a->gain, a->clip);
		memcpy(&value, &f, sizeof(f));
	} else {
		value = amplify_integer((int32_t)(value << shift) >> shift, a->gain, 8 * bytes);
	}
	sample_put(p, bytes, value);
}

/* The usual case apart, so that the compiler can make one loop of it. */
static void amplify_s16(uint8_t *p, size_t n, double gain)
{
	for (; n; n--, p += 2)
		sample_put(p, 2, amplify_integer((int16_t)sample_get(p, 2), gain, 16));
}

/* Adds bytes to the unfinished sample; returns how many it took. */
static size_t amplify_parts(struct amplifier *a, uint8_t *p, size_t length)
{
	uint8_t sample[SAMPLE_BYTES_MAX];
	size_t taken = 0;

	while (a->parts < a->sample_bytes && taken < length)
		a->part[a->parts++] = p + taken++;
	if (a->parts < a->sample_bytes)
		return taken;
	for (unsigned int i = 0; i < a->parts; i++)
		sample[i] = *a->part[i];
	amplify_sample(a, sample);
	for (unsigned int i = 0; i < a->parts; i++)
		*a->part[i] = sample[i];
	a->parts = 0;
	return taken;
}

static void amplify_span(struct amplifier *a, uint8_t *p, size_t length)
{
	size_t taken = a->parts ? amplify_parts(a, p, length) : 0, whole;

	p += taken;
	length -= taken;
	whole = length / a->sample_bytes;
	if (!a->is_float && a->sample_bytes == 2)
		amplify_s16(p, whole, a->gain);
	else
		for (size_t i = 0; i < whole; i++)
			amplify_sample(a, p + i * a->sample_bytes);
	whole *= a->sample_bytes;
	if (length > whole)
		amplify_parts(a, p + whole, length - whole);
}

static int wav_format(struct mqshm_instance *in, struct amplifier *a)
{
	unsigned int bytes = a->wav.sample_bytes;

	if (a->wav.is_float ? bytes != 4 : bytes < 2 || bytes > 4)
		return mqshm_instance_fail(in, -EOPNOTSUPP, "the samples of this WAV stream are %ss "
					   "of %u bits; it takes integers of 16, 24 or 32 and floats "
					   "of 32 bits: sox in.wav -b 16 out.wav makes such",
					   a->wav.is_float ? "float" : "integer", 8 * bytes);
	a->is_float = a->wav.is_float;
	a->sample_bytes = bytes;
	return 0;
}

static int amplify_wav(struct mqshm_instance *in, struct amplifier *a, uint8_t *p, size_t length)
{
	enum wav_span span;
	size_t n;
	int error;

	for (; length; p += n, length -= n) {
		n = wav_next(&a->wav, p, length, &span);
		if (span == WAV_BAD)
			return mqshm_instance_fail(in, -EINVAL, "%s", a->wav.error);
		if (span == WAV_OTHER) {
			/* what is left of a sample at the end of its chunk is none */
			a->parts = 0;
			continue;
		}
		error = wav_format(in, a);
		if (error)
			return error;
		amplify_span(a, p, n);
	}
	return 0;
}

static int amplify(struct mqshm_instance *in, struct amplifier *a, const struct mqshm_buffer *buf)
{
	uint8_t *p = mqshm_buffer_data(mqshm_instance_client(in), buf);

	if (a->format == AMP_WAV)
		return amplify_wav(in, a, p, buf->length);
	amplify_span(a, p, buf->length);
	return 0;
}

/* WAV or raw: told by the first four bytes, which may lie in several buffers. */
static bool detect(struct mqshm_instance *in, struct amplifier *a)
{
	uint8_t magic[4];
	size_t have = 0, n;

	for (unsigned int i = 0; i < a->n_held; i++) {
		n = a->held[i].length;
		if (n > sizeof(magic) - have)
			n = sizeof(magic) - have;
		memcpy(magic + have, mqshm_buffer_data(mqshm_instance_client(in), &a->held[i]), n);
		have += n;
	}
	if (have < sizeof(magic))
		return false;
	a->format = wav_magic(magic) ? AMP_WAV : AMP_S16;
	return true;
}

/* Number of held buffers that the unfinished sample has no byte in. */
static unsigned int finished(struct mqshm_instance *in, const struct amplifier *a)
{
	const uint8_t *data;

	if (!a->parts)
		return a->n_held;
	for (unsigned int i = 0; i < a->n_held; i++) {
		data = mqshm_buffer_data(mqshm_instance_client(in), &a->held[i]);
		if (a->part[0] >= data && a->part[0] < data + a->held[i].length)
			return i;
	}
	return 0;
}

/* Passes the first @n held buffers on. */
static int pass(struct mqshm_instance *in, struct amplifier *a, unsigned int n)
{
	unsigned int done = 0;
	int error = 0;

	while (done < n && !error) {
		error = mqshm_produce_output(in, 0, &a->held[done]);
		if (!error)
			done++;
	}
	a->n_held -= done;
	memmove(a->held, a->held + done, a->n_held * sizeof(*a->held));
	return error;
}

/* A new buffer, at the end of @held. */
static int take(struct mqshm_instance *in, struct amplifier *a)
{
	struct mqshm_buffer *buf = &a->held[a->n_held - 1];
	unsigned int first = a->n_held - 1;
	int error = mqshm_make_writable(in, buf);

	if (!error && a->format == AMP_AUTO) {
		if (!detect(in, a))
			return 0;
		first = 0;
	}
	for (; !error && first < a->n_held; first++)
		error = amplify(in, a, &a->held[first]);
	return error ? error : pass(in, a, finished(in, a));
}

static enum mqshm_result end(struct mqshm_instance *in, struct amplifier *a)
{
	/* fewer bytes than a sample has: passed on as they are */
	int error = pass(in, a, a->n_held);

	return error ? block_result(in, error) : MQSHM_DONE;
}

static enum mqshm_result amplifier_work(struct mqshm_instance *in)
{
	struct amplifier *a = mqshm_instance_state(in);
	struct mqshm_buffer buf;
	int error = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf);

	if (error == -EAGAIN)
		return MQSHM_NEED_MORE_INPUT;
	if (error == -ENODATA)
		return end(in, a);
	/* an empty buffer says nothing, and any number of them may come */
	if (!error && !buf.length) {
		mqshm_buffer_release(mqshm_instance_client(in), &buf);
		return MQSHM_OK;
	}
	if (!error) {
		a->held[a->n_held++] = buf;
		error = take(in, a);
	}
	return block_result(in, error);
}

/* What is held goes on if there is room, so that as little as possible is lost. */
static void amplifier_stop(struct mqshm_instance *in)
{
	struct amplifier *a = mqshm_instance_state(in);

	for (unsigned int i = 0; i < a->n_held; i++)
		if (mqshm_port_push(mqshm_instance_output(in, 0), &a->held[i], 0))
			mqshm_buffer_release(mqshm_instance_client(in), &a->held[i]);
	a->n_held = 0;
}

/* At the beginning, and whenever somebody changes them. */
static int amplifier_change(struct mqshm_instance *in)
{
	struct amplifier *a = mqshm_instance_state(in);
	double gain;
	bool clip;
	int error = mqshm_instance_number(in, "gain", &gain);

	if (!error)
		error = mqshm_instance_bool(in, "clip", &clip);
	if (error)
		return error;
	a->gain = gain;
	a->clip = clip;
	return 0;
}

static int amplifier_initialize(struct mqshm_instance *in)
{
	struct amplifier *a = mqshm_instance_state(in);
	size_t format;
	int error = amplifier_change(in);

	if (!error)
		error = mqshm_instance_choice(in, "format", &format);
	if (error)
		return error;
	a->format = (enum amp_format)format;
	wav_init(&a->wav);
	a->is_float = a->format == AMP_F32;
	a->sample_bytes = a->format >= AMP_S32 ? 4 : a->format == AMP_S24 ? 3 : 2;
	return 0;
}

static const struct mqshm_param_spec amplifier_params[] = {
	{ .key = "gain", .kind = "number", .fallback = "1.0", .help = "factor" },
	{ .key = "format", .kind = "string", .fallback = "auto",
	  .choices = "auto wav s16le s24le s32le f32le", .help = "of the samples; auto is wav or else s16le" },
	{ .key = "clip", .kind = "bool", .fallback = "0",
	  .help = "1 bounds floats to -1..1; integers always are bounded" },
	{ .key = NULL }
};

static const struct mqshm_block_port amplifier_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .help = "samples" },
	{ .name = "out", .direction = MQSHM_DIR_OUT, .help = "the same, louder or softer" },
	{ .name = NULL }
};

static const char *const amplifier_live[] = { "gain", "clip", NULL };

const struct mqshm_block_ops amplifier_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_PROCESSING,
	.type = "Amplifier",
	.summary = "in -> out, audio samples multiplied by a factor",
	.params = amplifier_params,
	.ports = amplifier_ports,
	.state_bytes = sizeof(struct amplifier),
	.initialize = amplifier_initialize,
	.work = amplifier_work,
	.stop = amplifier_stop,
	.live = amplifier_live,
	.change = amplifier_change,
};
