// SPDX-License-Identifier: GPL-2.0-only
/* Generator: a tone, noise, or messages that can be checked. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "audio.h"
#include "counter.h"

enum { WAVE_SINE, WAVE_NOISE, WAVE_COUNTER };

/**
 * struct generator - state of a Generator
 * @wave: one of WAVE_*
 * @frequency: of a sine
 * @amplitude: of a sine or of noise
 * @out: samples
 * @frames: how many in all; 0 is no end
 * @done: frames that went out
 * @random: state of the noise
 * @samples: array[AUDIO_FRAMES * channels]
 * @bytes: of a message, for a counter
 * @messages: how many in all; 0 is no end
 * @message: what the next one begins with
 */
struct generator {
	size_t wave;
	double frequency;
	double amplitude;
	struct audio_out out;
	uint64_t frames;
	uint64_t done;
	uint64_t random;
	double *samples;
	size_t bytes;
	uint64_t messages;
	struct counter_message message;
};

/* -1 to 1, all equally often: xorshift64* by Vigna. */
static double noise(struct generator *g)
{
	uint64_t x = g->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	g->random = x;
	return (double)(int64_t)(x * 0x2545f4914f6cdd1dULL) / 9223372036854775808.0;
}

static double tone(const struct generator *g, uint64_t frame)
{
	double turns = fmod(g->frequency * frame / g->out.format.rate, 1);

	return sin(2 * M_PI * turns);
}

static enum mqshm_result samples_work(struct mqshm_instance *in, struct generator *g)
{
	size_t n = AUDIO_FRAMES, channels = g->out.format.channels;
	int error;

	if (g->frames && g->frames - g->done < n)
		n = g->frames - g->done;
	if (!n) {
		error = audio_out_end(in, &g->out);
		return error ? block_result(in, error) : MQSHM_DONE;
	}
	for (size_t i = 0; i < n; i++) {
		double value = g->wave == WAVE_SINE ? tone(g, g->done + i) : 0;

		for (size_t c = 0; c < channels; c++)
			g->samples[i * channels + c] =
				g->amplitude * (g->wave == WAVE_NOISE ? noise(g) : value);
	}
	error = audio_out_write(in, &g->out, g->samples, n, audio_ns(&g->out.format, g->done));
	g->done += n;
	return block_result(in, error);
}

static void message_fill(struct generator *g, uint8_t *data)
{
	const size_t head = sizeof(g->message), behind = sizeof(g->message.crc);

	for (size_t i = head; i < g->bytes; i++)
		data[i] = g->message.number + i;
	memcpy(data, &g->message, head);
	g->message.crc = crc32(0, data + behind, g->bytes - behind);
	memcpy(data, &g->message, behind);
}

static enum mqshm_result counter_work(struct mqshm_instance *in, struct generator *g)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	struct mqshm_buffer buf;
	int error;

	if (g->messages && g->message.number == g->messages)
		return MQSHM_DONE;
	error = mqshm_allocate_buffer(in, g->bytes, &buf);
	if (error)
		return block_result(in, error);
	message_fill(g, mqshm_buffer_data(c, &buf));
	error = mqshm_produce_output(in, 0, &buf);
	if (error)
		mqshm_buffer_release(c, &buf);
	else
		g->message.number++;
	return block_result(in, error);
}

static enum mqshm_result generator_work(struct mqshm_instance *in)
{
	struct generator *g = mqshm_instance_state(in);

	return g->wave == WAVE_COUNTER ? counter_work(in, g) : samples_work(in, g);
}

static int counter_initialize(struct mqshm_instance *in, struct generator *g)
{
	int64_t messages = 0;
	int error = mqshm_instance_integer(in, "messages", 0, INT64_MAX, &messages);

	g->messages = messages;
	g->bytes = g->out.bytes;
	g->message.source = mqshm_now_ns() ^ mqshm_client_id(mqshm_instance_client(in)) << 48;
	if (!error && g->bytes < sizeof(g->message))
		error = mqshm_instance_fail(in, -EINVAL, "bytes: a message of a counter has at least %zu",
					    sizeof(g->message));
	return error;
}

static int samples_initialize(struct mqshm_instance *in, struct generator *g)
{
	int64_t channels = 0, rate = 0;
	double seconds = 0;
	size_t format = 0;
	int error = mqshm_instance_choice(in, "format", &format);

	if (!error)
		error = mqshm_instance_number(in, "frequency", &g->frequency);
	if (!error)
		error = mqshm_instance_number(in, "amplitude", &g->amplitude);
	if (!error)
		error = mqshm_instance_number(in, "length", &seconds);
	if (!error)
		error = mqshm_instance_integer(in, "channels", 1, PCM_CHANNELS_MAX, &channels);
	if (!error)
		error = mqshm_instance_integer(in, "rate", 1, PCM_RATE_MAX, &rate);
	if (!error)
		error = mqshm_instance_bool(in, "header", &g->out.header);
	if (error)
		return error;
	g->out.format = (struct pcm_format) { (enum pcm_sample)format, channels, rate };
	g->frames = llround(seconds * rate);
	g->random = 88172645463325252ULL;
	g->samples = malloc(sizeof(double) * AUDIO_FRAMES * channels);
	return g->samples ? 0 : -ENOMEM;
}

static int generator_initialize(struct mqshm_instance *in)
{
	struct generator *g = mqshm_instance_state(in);
	int error = mqshm_instance_choice(in, "wave", &g->wave);

	if (!error)
		error = audio_out_init(in, &g->out, 0);
	if (error)
		return error;
	return g->wave == WAVE_COUNTER ? counter_initialize(in, g) : samples_initialize(in, g);
}

static void generator_cleanup(struct mqshm_instance *in)
{
	struct generator *g = mqshm_instance_state(in);

	free(g->samples);
	audio_out_free(in, &g->out);
}

static const struct mqshm_param_spec generator_params[] = {
	{ .key = "wave", .kind = "string", .fallback = "sine", .choices = "sine noise counter",
	  .help = "counter: messages with a number and a checksum, for Verify" },
	{ .key = "frequency", .kind = "number", .fallback = "440", .unit = "Hz", .min = 0,
	  .max = PCM_RATE_MAX, .help = "of a sine" },
	{ .key = "amplitude", .kind = "number", .fallback = "0.8", .min = 0, .max = 1,
	  .help = "1 is the loudest that there is" },
	{ .key = "length", .kind = "number", .fallback = "0", .unit = "s", .min = 0, .max = 1e6,
	  .help = "of a sine or noise; 0 has no end" },
	{ .key = "messages", .kind = "integer", .fallback = "0",
	  .help = "how many a counter makes; 0 has no end" },
	{ .key = "format", .kind = "string", .fallback = "s16le",
	  .choices = "s16le s24le s32le f32le", .help = "of the samples" },
	{ .key = "channels", .kind = "integer", .fallback = "1", .min = 1,
	  .max = PCM_CHANNELS_MAX, .help = "a sine is the same on all, noise is not" },
	{ .key = "rate", .kind = "integer", .fallback = "48000", .min = 1, .max = PCM_RATE_MAX,
	  .unit = "Hz", .help = "frames a second" },
	{ .key = "header", .kind = "bool", .fallback = "1",
	  .help = "whether samples begin with a WAV header, which says what they are" },
	AUDIO_BYTES_PARAM,
	{ .key = NULL }
};

static const struct mqshm_block_port generator_ports[] = {
	{ .name = "out", .direction = MQSHM_DIR_OUT, .help = "samples, or messages of a counter" },
	{ .name = NULL }
};

const struct mqshm_block_ops generator_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_SOURCE,
	.type = "Generator",
	.summary = "a sine, noise, or messages that Verify can check -> out",
	.params = generator_params,
	.ports = generator_ports,
	.state_bytes = sizeof(struct generator),
	.initialize = generator_initialize,
	.work = generator_work,
	.cleanup = generator_cleanup,
};
