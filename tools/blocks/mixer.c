// SPDX-License-Identifier: GPL-2.0-only
/* Mixer: the sum of audio streams, each sample at its time. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "audio.h"

/* Streams whose times are further apart than this do not belong together. */
#define APART_MAX_NS	(600 * 1000000000LL)

enum { ALIGN_TIME, ALIGN_START };

/**
 * struct mixer_input - one of the streams
 * @in: its samples; those from @at on are yet to be mixed
 * @at: frame in @in.samples
 * @next: place of that frame in the output, in frames
 * @placed: @next is known
 * @ended: it has come to its end
 */
struct mixer_input {
	struct audio_in in;
	size_t at;
	int64_t next;
	bool placed;
	bool ended;
};

/**
 * struct mixer - state of a Mixer
 * @inputs: array[@n]
 * @n: how many
 * @align: ALIGN_TIME: by the times of the data; ALIGN_START: first sample to first sample
 * @tolerance_ns: a stream whose times jump by less goes on sample after sample
 * @out: the sum
 * @known: its format
 * @base_ns: time of its first frame
 * @done: frames that went out
 * @sum: array[AUDIO_FRAMES * channels]
 */
struct mixer {
	struct mixer_input *inputs;
	size_t n;
	size_t align;
	int64_t tolerance_ns;
	struct audio_out out;
	bool known;
	uint64_t base_ns;
	int64_t done;
	double *sum;
};

static int64_t frames_of(const struct mixer *m, int64_t ns)
{
	return llround((double)ns * m->out.format.rate / 1e9);
}

static int format_check(struct mqshm_instance *in, struct mixer *m, struct mixer_input *i)
{
	const struct pcm_format *a = &i->in.format, *b = &m->out.format;

	if (!m->known) {
		m->known = true;
		m->out.format = *a;
		m->out.header = i->in.wav;
		m->sum = malloc(sizeof(double) * AUDIO_FRAMES * a->channels);
		return m->sum ? 0 : -ENOMEM;
	}
	if (a->sample == b->sample && a->channels == b->channels && a->rate == b->rate)
		return 0;
	return mqshm_instance_fail(in, -EINVAL, "in%zu is %s, %u channels, %u Hz, and another input "
				   "is %s, %u channels, %u Hz", i->in.port + 1, pcm_name(a->sample),
				   a->channels, a->rate, pcm_name(b->sample), b->channels, b->rate);
}

/* Where the frames that were just read have their place. */
static int place(struct mqshm_instance *in, struct mixer *m, struct mixer_input *i)
{
	int64_t apart_ns = (int64_t)(i->in.ns - m->base_ns), expected_ns;

	if (m->align == ALIGN_START)
		return 0;
	if (apart_ns > APART_MAX_NS + (int64_t)audio_ns(&m->out.format, m->done) ||
	    apart_ns < -APART_MAX_NS)
		return mqshm_instance_fail(in, -EINVAL, "the times of in%zu are %.0f s away from the "
					   "others'; align=start does not look at times",
					   i->in.port + 1, fabs(apart_ns / 1e9));
	expected_ns = (int64_t)audio_ns(&m->out.format, i->next > 0 ? i->next : 0);
	if (!i->placed || llabs(apart_ns - expected_ns) > m->tolerance_ns)
		i->next = frames_of(m, apart_ns);
	i->placed = true;
	return 0;
}

/* Waits until every stream has frames or has ended. */
static int inputs_read(struct mqshm_instance *in, struct mixer *m)
{
	for (size_t n = 0; n < m->n; n++) {
		struct mixer_input *i = &m->inputs[n];
		bool first = !i->in.known || !i->placed;
		int error = 0;

		while (!error && !i->ended && i->at == i->in.frames) {
			i->at = 0;
			error = audio_in_read(in, &i->in, MQSHM_FOREVER);
			if (error == -ENODATA) {
				i->in.frames = 0;
				i->ended = true;
				error = 0;
				break;
			}
			if (!error)
				error = format_check(in, m, i);
			/* the first ones of all streams are placed together */
			if (!error && !first)
				error = place(in, m, i);
		}
		if (error)
			return error;
	}
	return 0;
}

/* The earliest of the streams is at the beginning. */
static int inputs_place(struct mqshm_instance *in, struct mixer *m)
{
	uint64_t base_ns = UINT64_MAX;
	int error = 0;

	for (size_t n = 0; n < m->n; n++) {
		struct mixer_input *i = &m->inputs[n];

		if (!i->ended && !i->placed && i->in.ns < base_ns)
			base_ns = i->in.ns;
	}
	if (!m->done && base_ns != UINT64_MAX)
		m->base_ns = base_ns;
	for (size_t n = 0; n < m->n && !error; n++) {
		struct mixer_input *i = &m->inputs[n];

		if (i->ended || i->placed)
			continue;
		error = place(in, m, i);
		i->placed = true;
	}
	return error;
}

/* What comes before what went out already is too late. */
static bool drop_late(struct mixer *m)
{
	bool dropped = false;

	for (size_t n = 0; n < m->n; n++) {
		struct mixer_input *i = &m->inputs[n];
		int64_t late = m->done - i->next, left = i->in.frames - i->at;

		if (i->ended || late <= 0)
			continue;
		late = late < left ? late : left;
		i->at += late;
		i->next += late;
		dropped = dropped || i->at == i->in.frames;
	}
	return dropped;
}

/* How many frames can be mixed without looking at a stream again. */
static int64_t span(const struct mixer *m)
{
	int64_t frames = AUDIO_FRAMES;

	for (size_t n = 0; n < m->n; n++) {
		const struct mixer_input *i = &m->inputs[n];
		int64_t own = i->next > m->done ? i->next - m->done :
			      (int64_t)(i->in.frames - i->at);

		if (!i->ended && own < frames)
			frames = own;
	}
	return frames;
}

static bool add(struct mixer *m, struct mixer_input *i, size_t frames)
{
	size_t channels = m->out.format.channels;
	const double *from = i->in.samples + i->at * channels;

	if (i->ended || i->next > m->done)
		return false;
	for (size_t s = 0; s < frames * channels; s++)
		m->sum[s] += from[s];
	i->at += frames;
	i->next += frames;
	return i->in.drained && i->at == i->in.frames;
}

static int mix(struct mqshm_instance *in, struct mixer *m)
{
	size_t frames = span(m);
	bool drained = false;
	int error;

	memset(m->sum, 0, sizeof(double) * frames * m->out.format.channels);
	for (size_t n = 0; n < m->n; n++)
		drained |= add(m, &m->inputs[n], frames);
	error = audio_out_write(in, &m->out, m->sum, frames,
				m->base_ns + audio_ns(&m->out.format, m->done));
	m->done += frames;
	return !error && drained ? audio_out_flush(in, &m->out) : error;
}

static bool all_ended(const struct mixer *m)
{
	for (size_t n = 0; n < m->n; n++)
		if (!m->inputs[n].ended)
			return false;
	return true;
}

/* Some of the sum: 0, -ENODATA at the end, or an error. */
static int mixer_some(struct mqshm_instance *in, struct mixer *m)
{
	int error = inputs_read(in, m);

	if (!error)
		error = inputs_place(in, m);
	if (error)
		return error;
	if (all_ended(m))
		return -ENODATA;
	return drop_late(m) ? 0 : mix(in, m);
}

/* Waits here, and not in the run loop: it needs all streams, not any. */
static enum mqshm_result mixer_work(struct mqshm_instance *in)
{
	struct mixer *m = mqshm_instance_state(in);
	int error;

	do {
		error = mixer_some(in, m);
	} while (!error);
	if (error != -ENODATA)
		return block_result(in, error);
	error = audio_out_end(in, &m->out);
	return error ? block_result(in, error) : MQSHM_DONE;
}

static int mixer_initialize(struct mqshm_instance *in)
{
	struct mixer *m = mqshm_instance_state(in);
	double tolerance = 0;
	int64_t inputs = 0;
	int error = mqshm_instance_integer(in, "inputs", 1, MQSHM_BATCH_MAX, &inputs);

	if (!error)
		error = mqshm_instance_choice(in, "align", &m->align);
	if (!error)
		error = mqshm_instance_number(in, "tolerance", &tolerance);
	if (!error)
		error = audio_out_init(in, &m->out, 0);
	if (error)
		return error;
	m->tolerance_ns = llround(tolerance * 1e6);
	m->inputs = calloc(inputs, sizeof(*m->inputs));
	if (!m->inputs)
		return -ENOMEM;
	for (; !error && (int64_t)m->n < inputs; m->n++)
		error = audio_in_init(in, &m->inputs[m->n].in, m->n, &m->out);
	return error;
}

static int mixer_start(struct mqshm_instance *in)
{
	struct mixer *m = mqshm_instance_state(in);

	return audio_out_start(in, &m->out);
}

static void mixer_cleanup(struct mqshm_instance *in)
{
	struct mixer *m = mqshm_instance_state(in);

	for (size_t n = 0; n < m->n; n++)
		audio_in_free(in, &m->inputs[n].in);
	free(m->inputs);
	free(m->sum);
	audio_out_free(in, &m->out);
}

static const struct mqshm_param_spec mixer_params[] = {
	{ .key = "inputs", .kind = "integer", .fallback = "2", .min = 1, .max = 31,
	  .help = "how many; it ends when all of them have" },
	{ .key = "align", .kind = "string", .fallback = "time", .choices = "time start",
	  .help = "samples of one time together, or of one place in their streams" },
	{ .key = "tolerance", .kind = "number", .fallback = "20", .unit = "ms", .min = 0,
	  .max = 10000, .help = "jumps of time in a stream up to this are none" },
	AUDIO_PARAMS,
	AUDIO_BYTES_PARAM,
	{ .key = NULL }
};

static const struct mqshm_block_port mixer_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .count = "inputs",
	  .help = "samples, of one format" },
	{ .name = "out", .direction = MQSHM_DIR_OUT, .help = "their sums, bounded" },
	{ .name = NULL }
};

const struct mqshm_block_ops mixer_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_PROCESSING,
	.type = "Mixer",
	.summary = "in1, in2, ... -> out, the sum of audio samples, each at its time",
	.params = mixer_params,
	.ports = mixer_ports,
	.state_bytes = sizeof(struct mixer),
	.initialize = mixer_initialize,
	.start = mixer_start,
	.work = mixer_work,
	.cleanup = mixer_cleanup,
};
