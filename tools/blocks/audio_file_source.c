// SPDX-License-Identifier: GPL-2.0-only
/* AudioFileSource: the samples of a WAV, FLAC, AIFF, Ogg or other file, by libsndfile. */
#include <errno.h>
#include <math.h>
#include <sndfile.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audio.h"

/**
 * struct audio_source - state of an AudioFileSource
 * @file: being read
 * @out: its samples
 * @samples: array[AUDIO_FRAMES * channels]
 * @done: frames that were read
 * @start_ns: time of the first one
 */
struct audio_source {
	SNDFILE *file;
	struct audio_out out;
	double *samples;
	uint64_t done;
	uint64_t start_ns;
};

/* What holds the samples of a file of this kind. */
static enum pcm_sample nearest(int format)
{
	switch (format & SF_FORMAT_SUBMASK) {
	case SF_FORMAT_PCM_24:
		return PCM_S24LE;
	case SF_FORMAT_PCM_32:
		return PCM_S32LE;
	case SF_FORMAT_FLOAT:
	case SF_FORMAT_DOUBLE:
	case SF_FORMAT_VORBIS:
	case SF_FORMAT_OPUS:
	case SF_FORMAT_MPEG_LAYER_I:
	case SF_FORMAT_MPEG_LAYER_II:
	case SF_FORMAT_MPEG_LAYER_III:
		return PCM_F32LE;
	default:
		return PCM_S16LE;
	}
}

static int audio_source_open(struct mqshm_instance *in, struct audio_source *s, SF_INFO *info)
{
	const char *name = mqshm_instance_param(in, "filename");
	struct stat status;

	if (stat(name, &status))
		return mqshm_instance_fail(in, -errno, "cannot read %s: %s", name, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return mqshm_instance_fail(in, -EINVAL, "cannot read %s: it is no file; FileSource reads "
					   "pipes, as WAV streams or raw", name);
	s->file = sf_open(name, SFM_READ, info);
	if (!s->file)
		return mqshm_instance_fail(in, -EINVAL, "cannot read %s: %s", name, sf_strerror(NULL));
	if (info->channels > PCM_CHANNELS_MAX || info->samplerate > PCM_RATE_MAX)
		return mqshm_instance_fail(in, -EOPNOTSUPP, "%s has %d channels and %d Hz; blocks take "
					   "%d and %d at most", name, info->channels,
					   info->samplerate, PCM_CHANNELS_MAX, PCM_RATE_MAX);
	return 0;
}

static int audio_source_params(struct mqshm_instance *in, struct audio_source *s,
			       const SF_INFO *info)
{
	const char *start = mqshm_instance_param(in, "start");
	double seconds = 0;
	size_t format = 0;
	int error = mqshm_instance_choice(in, "format", &format);

	if (!error)
		error = mqshm_instance_bool(in, "header", &s->out.header);
	if (!error && strcmp(start, "now"))
		error = mqshm_instance_number(in, "start", &seconds);
	if (error)
		return error;
	s->start_ns = strcmp(start, "now") ? (uint64_t)llround(seconds * 1e9) : mqshm_now_ns();
	s->out.format = (struct pcm_format) {
		.sample = format ? (enum pcm_sample)(format - 1) : nearest(info->format),
		.channels = info->channels,
		.rate = info->samplerate,
	};
	return 0;
}

static int audio_source_initialize(struct mqshm_instance *in)
{
	struct audio_source *s = mqshm_instance_state(in);
	SF_INFO info = { 0 };
	int error = audio_out_init(in, &s->out, 0);

	if (!error)
		error = audio_source_open(in, s, &info);
	if (!error)
		error = audio_source_params(in, s, &info);
	if (error)
		return error;
	s->samples = malloc(sizeof(double) * AUDIO_FRAMES * info.channels);
	return s->samples ? 0 : -ENOMEM;
}

static enum mqshm_result audio_source_work(struct mqshm_instance *in)
{
	struct audio_source *s = mqshm_instance_state(in);
	sf_count_t frames = sf_readf_double(s->file, s->samples, AUDIO_FRAMES);
	int error;

	if (frames > 0) {
		error = audio_out_write(in, &s->out, s->samples, frames,
					s->start_ns + audio_ns(&s->out.format, s->done));
		s->done += frames;
		return block_result(in, error);
	}
	if (sf_error(s->file)) {
		mqshm_instance_fail(in, -EIO, "cannot read %s: %s",
				    mqshm_instance_param(in, "filename"), sf_strerror(s->file));
		return MQSHM_ERROR;
	}
	error = audio_out_end(in, &s->out);
	return error ? block_result(in, error) : MQSHM_DONE;
}

static void audio_source_cleanup(struct mqshm_instance *in)
{
	struct audio_source *s = mqshm_instance_state(in);

	if (s->file)
		sf_close(s->file);
	free(s->samples);
	audio_out_free(in, &s->out);
}

static const struct mqshm_param_spec audio_source_params_spec[] = {
	{ .key = "filename", .kind = "string",
	  .help = "file to read: WAV, FLAC, AIFF, Ogg and what else libsndfile knows" },
	{ .key = "format", .kind = "string", .fallback = "auto",
	  .choices = "auto s16le s24le s32le f32le",
	  .help = "of the samples; auto is what holds those of the file" },
	{ .key = "header", .kind = "bool", .fallback = "1",
	  .help = "whether the stream begins with a WAV header, which says what it is" },
	{ .key = "start", .kind = "number", .fallback = "0", .unit = "s", .min = 0, .max = 1e9,
	  .choices = "now", .help = "time of the first sample" },
	AUDIO_BYTES_PARAM,
	{ .key = NULL }
};

static const struct mqshm_block_port audio_source_ports[] = {
	{ .name = "out", .direction = MQSHM_DIR_OUT, .help = "samples" },
	{ .name = NULL }
};

const struct mqshm_block_ops audio_file_source_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_SOURCE,
	.type = "AudioFileSource",
	.summary = "an audio file of any kind -> out",
	.params = audio_source_params_spec,
	.ports = audio_source_ports,
	.state_bytes = sizeof(struct audio_source),
	.initialize = audio_source_initialize,
	.work = audio_source_work,
	.cleanup = audio_source_cleanup,
};
