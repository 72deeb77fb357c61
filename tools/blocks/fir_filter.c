// SPDX-License-Identifier: GPL-2.0-only
/* FirFilter: audio samples through a filter of finite response, by liquid-dsp. */
#include <errno.h>
#include <liquid/liquid.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audio.h"

#define TAPS_MAX 65536

/**
 * struct fir - state of a FirFilter
 * @taps: coefficients, array[@n_taps]
 * @n_taps: how many
 * @in: samples
 * @out: what the filter makes of them
 * @filters: one a channel, array[@channels]
 * @channels: how many
 * @x: samples of one channel, as the library takes them
 * @y: what it makes of them
 * @lag: frames that the filter is late; they come in front and are left out
 * @begun: the filters are there
 * @end_ns: time of the frame behind the last
 */
struct fir {
	float *taps;
	size_t n_taps;
	struct audio_in in;
	struct audio_out out;
	firfilt_rrrf *filters;
	size_t channels;
	float x[AUDIO_FRAMES];
	float y[AUDIO_FRAMES];
	size_t lag;
	bool begun;
	uint64_t end_ns;
};

/* Numbers with blanks, commas or ends of lines between; # begins a comment, as for sox. */
static int taps_parse(struct mqshm_instance *in, struct fir *f, const char *text)
{
	double value;
	char *end;

	while (*(text += strspn(text, " ,\t\r\n"))) {
		if (*text == '#') {
			text += strcspn(text, "\n");
			continue;
		}
		value = strtod(text, &end);
		if (end == text || !isfinite(value))
			return mqshm_instance_fail(in, -EINVAL, "coefficient %zu is no number: %.20s",
						   f->n_taps + 1, text);
		if (f->n_taps == TAPS_MAX)
			return mqshm_instance_fail(in, -EINVAL, "more than %d coefficients", TAPS_MAX);
		f->taps[f->n_taps++] = (float)value;
		text = end;
	}
	return f->n_taps ? 0 : mqshm_instance_fail(in, -EINVAL, "there are no coefficients");
}

static int taps_read(struct mqshm_instance *in, struct fir *f, const char *name)
{
	FILE *file = fopen(name, "re");
	char *text = NULL;
	size_t size = 0;
	ssize_t n;
	int error;

	if (!file)
		return mqshm_instance_fail(in, -errno, "cannot read %s: %s", name, strerror(errno));
	n = getdelim(&text, &size, '\0', file);
	if (n < 0 && ferror(file))
		error = mqshm_instance_fail(in, -errno, "cannot read %s: %s", name, strerror(errno));
	else
		error = taps_parse(in, f, n > 0 ? text : "");
	free(text);
	fclose(file);
	return error;
}

static int fir_initialize(struct mqshm_instance *in)
{
	struct fir *f = mqshm_instance_state(in);
	const char *taps = mqshm_instance_param(in, "taps");
	const char *name = mqshm_instance_param(in, "filename");
	int error;

	if (!*taps == !*name)
		return mqshm_instance_fail(in, -EINVAL, "which coefficients? taps=\"0.25 0.5 0.25\", or filename=FILE");
	f->taps = malloc(TAPS_MAX * sizeof(*f->taps));
	if (!f->taps)
		return -ENOMEM;
	error = *taps ? taps_parse(in, f, taps) : taps_read(in, f, name);
	if (!error)
		error = audio_in_init(in, &f->in, 0, &f->out);
	return error ? error : audio_out_init(in, &f->out, 0);
}

static int fir_start(struct mqshm_instance *in)
{
	struct fir *f = mqshm_instance_state(in);

	return audio_out_start(in, &f->out);
}

static int fir_begin(struct fir *f)
{
	f->out.format = f->in.format;
	f->out.header = f->in.wav;
	f->filters = calloc(f->in.format.channels, sizeof(*f->filters));
	if (!f->filters)
		return -ENOMEM;
	for (; f->channels < f->in.format.channels; f->channels++) {
		f->filters[f->channels] = firfilt_rrrf_create(f->taps, f->n_taps);
		if (!f->filters[f->channels])
			return -ENOMEM;
	}
	f->lag = (f->n_taps - 1) / 2;
	f->begun = true;
	return 0;
}

/* In place: @samples become what the filters make of them. */
static void fir_run(struct fir *f, double *samples, size_t frames)
{
	for (size_t c = 0; c < f->channels; c++) {
		for (size_t i = 0; i < frames; i++)
			f->x[i] = (float)samples[i * f->channels + c];
		firfilt_rrrf_execute_block(f->filters[c], f->x, frames, f->y);
		for (size_t i = 0; i < frames; i++)
			samples[i * f->channels + c] = f->y[i];
	}
}

/*
 * What the filters make of the next frames, read at @ns: they are late, and go out under
 * the time that they had.
 */
static int fir_write(struct mqshm_instance *in, struct fir *f, size_t frames, uint64_t ns)
{
	uint64_t late_ns = audio_ns(&f->out.format, (f->n_taps - 1) / 2 - f->lag);
	size_t skip = f->lag < frames ? f->lag : frames;

	fir_run(f, f->in.samples, frames);
	f->lag -= skip;
	return audio_out_write(in, &f->out, f->in.samples + skip * f->channels, frames - skip,
			       ns > late_ns ? ns - late_ns : 0);
}

static int fir_some(struct mqshm_instance *in, struct fir *f)
{
	int error = f->begun ? 0 : fir_begin(f);

	if (!error)
		error = fir_write(in, f, f->in.frames, f->in.ns);
	f->end_ns = f->in.ns + audio_ns(&f->in.format, f->in.frames);
	return !error && f->in.drained ? audio_out_flush(in, &f->out) : error;
}

/* What is still in the filters comes out by silence behind the end. */
static int fir_end(struct mqshm_instance *in, struct fir *f)
{
	size_t left = f->begun ? (f->n_taps - 1) / 2 : 0, n;
	int error = 0;

	for (; !error && left; left -= n) {
		n = left < AUDIO_FRAMES ? left : AUDIO_FRAMES;
		memset(f->in.samples, 0, sizeof(double) * n * f->channels);
		error = fir_write(in, f, n, f->end_ns);
		f->end_ns += audio_ns(&f->out.format, n);
	}
	return error ? error : audio_out_end(in, &f->out);
}

static enum mqshm_result fir_work(struct mqshm_instance *in)
{
	struct fir *f = mqshm_instance_state(in);
	int error;

	do {
		error = audio_in_read(in, &f->in, MQSHM_NO_WAIT);
		if (!error)
			error = fir_some(in, f);
	} while (!error);
	if (error == -EAGAIN)
		return MQSHM_NEED_MORE_INPUT;
	if (error != -ENODATA)
		return block_result(in, error);
	error = fir_end(in, f);
	return error ? block_result(in, error) : MQSHM_DONE;
}

static void fir_cleanup(struct mqshm_instance *in)
{
	struct fir *f = mqshm_instance_state(in);

	for (size_t c = 0; c < f->channels; c++)
		firfilt_rrrf_destroy(f->filters[c]);
	free(f->filters);
	free(f->taps);
	audio_in_free(in, &f->in);
	audio_out_free(in, &f->out);
}

static const struct mqshm_param_spec fir_params[] = {
	{ .key = "taps", .kind = "string", .fallback = "",
	  .help = "the coefficients, such as 0.25,0.5,0.25" },
	{ .key = "filename", .kind = "string", .fallback = "",
	  .help = "or a file with them; # begins a comment" },
	AUDIO_PARAMS,
	AUDIO_BYTES_PARAM,
	{ .key = NULL }
};

static const struct mqshm_block_port fir_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .help = "samples" },
	{ .name = "out", .direction = MQSHM_DIR_OUT, .help = "the same, filtered, as many, none later" },
	{ .name = NULL }
};

const struct mqshm_block_ops fir_filter_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_PROCESSING,
	.type = "FirFilter",
	.summary = "in -> out, audio samples through a filter of finite response",
	.params = fir_params,
	.ports = fir_ports,
	.state_bytes = sizeof(struct fir),
	.initialize = fir_initialize,
	.start = fir_start,
	.work = fir_work,
	.cleanup = fir_cleanup,
};
