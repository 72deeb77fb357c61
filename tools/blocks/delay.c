// SPDX-License-Identifier: GPL-2.0-only
/* Delay: audio samples later, silence before them. */
#include <errno.h>
#include <math.h>

#include "audio.h"

#define SECONDS_MAX 3600

/**
 * struct delay - state of a Delay
 * @seconds: how much later
 * @in: samples
 * @out: the same, later
 * @begun: the silence is out
 * @frames: how long it is, in frames
 */
struct delay {
	double seconds;
	struct audio_in in;
	struct audio_out out;
	bool begun;
	uint64_t frames;
};

static int delay_begin(struct mqshm_instance *in, struct delay *d)
{
	d->begun = true;
	d->out.format = d->in.format;
	d->out.header = d->in.wav;
	d->frames = llround(d->seconds * d->out.format.rate);
	return audio_out_silence(in, &d->out, d->frames, d->in.ns);
}

static int delay_some(struct mqshm_instance *in, struct delay *d)
{
	int error = d->begun ? 0 : delay_begin(in, d);

	if (!error)
		error = audio_out_write(in, &d->out, d->in.samples, d->in.frames,
					d->in.ns + audio_ns(&d->out.format, d->frames));
	return !error && d->in.drained ? audio_out_flush(in, &d->out) : error;
}

static enum mqshm_result delay_work(struct mqshm_instance *in)
{
	struct delay *d = mqshm_instance_state(in);
	int error;

	do {
		error = audio_in_read(in, &d->in, MQSHM_NO_WAIT);
		if (!error)
			error = delay_some(in, d);
	} while (!error);
	if (error == -EAGAIN)
		return MQSHM_NEED_MORE_INPUT;
	if (error != -ENODATA)
		return block_result(in, error);
	error = audio_out_end(in, &d->out);
	return error ? block_result(in, error) : MQSHM_DONE;
}

static int delay_initialize(struct mqshm_instance *in)
{
	struct delay *d = mqshm_instance_state(in);
	int error = mqshm_instance_number(in, "time", &d->seconds);

	if (!error)
		error = audio_in_init(in, &d->in, 0, &d->out);
	return error ? error : audio_out_init(in, &d->out, 0);
}

static int delay_start(struct mqshm_instance *in)
{
	struct delay *d = mqshm_instance_state(in);

	return audio_out_start(in, &d->out);
}

static void delay_cleanup(struct mqshm_instance *in)
{
	struct delay *d = mqshm_instance_state(in);

	audio_in_free(in, &d->in);
	audio_out_free(in, &d->out);
}

static const struct mqshm_param_spec delay_params[] = {
	{ .key = "time", .kind = "number", .unit = "s", .min = 0, .max = SECONDS_MAX,
	  .help = "how much later" },
	AUDIO_PARAMS,
	AUDIO_BYTES_PARAM,
	{ .key = NULL }
};

static const struct mqshm_block_port delay_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .help = "samples" },
	{ .name = "out", .direction = MQSHM_DIR_OUT,
	  .help = "silence, then the same with their times shifted" },
	{ .name = NULL }
};

const struct mqshm_block_ops delay_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_PROCESSING,
	.type = "Delay",
	.summary = "in -> out, audio samples later, behind silence",
	.params = delay_params,
	.ports = delay_ports,
	.state_bytes = sizeof(struct delay),
	.initialize = delay_initialize,
	.start = delay_start,
	.work = delay_work,
	.cleanup = delay_cleanup,
};
