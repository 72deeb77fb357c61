// SPDX-License-Identifier: GPL-2.0-only
/* AudioFileSink: samples into a WAV, FLAC, AIFF, Ogg or other file, by libsndfile. */
#include <errno.h>
#include <fcntl.h>
#include <sndfile.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audio.h"

/* In the order of the choices of parameter encoding. */
static const int encodings[] = {
	0, SF_FORMAT_PCM_U8, SF_FORMAT_PCM_S8, SF_FORMAT_PCM_16, SF_FORMAT_PCM_24,
	SF_FORMAT_PCM_32, SF_FORMAT_FLOAT, SF_FORMAT_DOUBLE, SF_FORMAT_ULAW, SF_FORMAT_ALAW,
	SF_FORMAT_VORBIS, SF_FORMAT_OPUS
};

/**
 * struct audio_sink - state of an AudioFileSink
 * @in: samples
 * @fd: the file, until @file has it; -1
 * @made: it was not there before
 * @started: from here on the file is the block's
 * @container: kind of file, one of libsndfile's
 * @encoding: of its samples; 0: the nearest to those that come
 * @file: being written, once the format of what comes is known
 * @bits: of its integers; 0 for others
 * @integers: array[AUDIO_FRAMES * channels]
 */
struct audio_sink {
	struct audio_in in;
	int fd;
	bool made;
	bool started;
	int container;
	int encoding;
	SNDFILE *file;
	unsigned int bits;
	int *integers;
};

static int audio_sink_fail(struct mqshm_instance *in, int error, const char *why)
{
	return mqshm_instance_fail(in, error, "cannot write %s: %s",
				   mqshm_instance_param(in, "filename"), why);
}

/* Nothing is cut off yet: the block may still fail to start. */
static int audio_sink_open(struct mqshm_instance *in, struct audio_sink *s)
{
	const int flags = O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	const char *name = mqshm_instance_param(in, "filename");
	struct stat status;

	s->fd = open(name, flags | O_CREAT | O_EXCL, 0666);
	s->made = s->fd >= 0;
	if (s->fd < 0 && errno == EEXIST)
		s->fd = open(name, flags);
	if (s->fd < 0 || fstat(s->fd, &status))
		return audio_sink_fail(in, -errno, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return audio_sink_fail(in, -EINVAL, "it is no file; FileSink writes pipes, as WAV streams or raw");
	return 0;
}

/* libsndfile's container of that name or extension; 0 if it has none. */
static int container_find(const char *name)
{
	static const struct { const char *name, *as; } aliases[] = {
		{ "aif", "aiff" }, { "ogg", "oga" }, { "opus", "oga" }, { "wave", "wav" }, { "snd", "au" },
	};
	SF_FORMAT_INFO info;
	int count = 0;

	for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
		if (!strcasecmp(name, aliases[i].name))
			name = aliases[i].as;
	sf_command(NULL, SFC_GET_FORMAT_MAJOR_COUNT, &count, sizeof(count));
	for (int i = 0; i < count; i++) {
		info.format = i;
		if (!sf_command(NULL, SFC_GET_FORMAT_MAJOR, &info, sizeof(info)) &&
		    !strcasecmp(name, info.extension))
			return info.format;
	}
	return 0;
}

static int container_choose(struct mqshm_instance *in, struct audio_sink *s)
{
	const char *type = mqshm_instance_param(in, "type"), *name, *dot;

	if (!strcmp(type, "auto")) {
		name = mqshm_instance_param(in, "filename");
		dot = strrchr(name, '.');
		type = dot && !strchr(dot, '/') ? dot + 1 : "";
	}
	s->container = container_find(type);
	if (s->container)
		return 0;
	return mqshm_instance_fail(in, -EINVAL, "what kind of file is \"%s\"? type=wav, flac, aiff, au, caf, "
				   "ogg or another extension that libsndfile knows", type);
}

static int audio_sink_initialize(struct mqshm_instance *in)
{
	struct audio_sink *s = mqshm_instance_state(in);
	size_t encoding = 0;
	int error;

	s->fd = -1;
	error = audio_in_init(in, &s->in, 0, NULL);
	if (!error)
		error = mqshm_instance_choice(in, "encoding", &encoding);
	if (!error)
		error = container_choose(in, s);
	s->encoding = encodings[encoding];
	return error ? error : audio_sink_open(in, s);
}

static int audio_sink_start(struct mqshm_instance *in)
{
	struct audio_sink *s = mqshm_instance_state(in);

	s->started = true;
	return ftruncate(s->fd, 0) ? audio_sink_fail(in, -errno, strerror(errno)) : 0;
}

static bool encoding_fits(const struct audio_sink *s, SF_INFO *info, int encoding)
{
	info->format = s->container | encoding;
	return sf_format_check(info);
}

/* Sets @info->format: the wish, or what is nearest to the samples that come. */
static bool encoding_choose(const struct audio_sink *s, SF_INFO *info)
{
	static const int own[] = {
		SF_FORMAT_PCM_16, SF_FORMAT_PCM_24, SF_FORMAT_PCM_32, SF_FORMAT_FLOAT
	};
	static const int others[] = {
		SF_FORMAT_PCM_24, SF_FORMAT_PCM_16, SF_FORMAT_VORBIS, SF_FORMAT_MPEG_LAYER_III
	};

	if (s->encoding)
		return encoding_fits(s, info, s->encoding);
	if (encoding_fits(s, info, own[s->in.format.sample]))
		return true;
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (encoding_fits(s, info, others[i]))
			return true;
	return false;
}

static unsigned int integer_bits(int format)
{
	switch (format & SF_FORMAT_SUBMASK) {
	case SF_FORMAT_PCM_U8:
	case SF_FORMAT_PCM_S8:
		return 8;
	case SF_FORMAT_PCM_16:
	case SF_FORMAT_ULAW:
	case SF_FORMAT_ALAW:
		return 16;
	case SF_FORMAT_PCM_24:
		return 24;
	case SF_FORMAT_PCM_32:
		return 32;
	default:
		return 0;
	}
}

static int audio_sink_begin(struct mqshm_instance *in, struct audio_sink *s)
{
	SF_INFO info = { .channels = s->in.format.channels, .samplerate = s->in.format.rate };

	if (!encoding_choose(s, &info))
		return mqshm_instance_fail(in, -EOPNOTSUPP, "a file of that type does not take %u channels "
					   "of %u Hz, encoding=%s", s->in.format.channels,
					   s->in.format.rate, mqshm_instance_param(in, "encoding"));
	s->bits = integer_bits(info.format);
	s->integers = malloc(sizeof(int) * AUDIO_FRAMES * s->in.format.channels);
	if (!s->integers)
		return -ENOMEM;
	s->file = sf_open_fd(s->fd, SFM_WRITE, &info, SF_FALSE);
	if (!s->file)
		return audio_sink_fail(in, -EIO, sf_strerror(NULL));
	sf_command(s->file, SFC_SET_CLIPPING, NULL, SF_TRUE);
	return 0;
}

static int audio_sink_write(struct mqshm_instance *in, struct audio_sink *s)
{
	size_t samples = s->in.frames * s->in.format.channels;
	int error = s->file ? 0 : audio_sink_begin(in, s);
	sf_count_t written;

	if (error)
		return error;
	if (s->bits) {
		for (size_t i = 0; i < samples; i++)
			s->integers[i] = pcm_integer(s->in.samples[i], s->bits);
		written = sf_writef_int(s->file, s->integers, s->in.frames);
	} else {
		written = sf_writef_double(s->file, s->in.samples, s->in.frames);
	}
	return written == (sf_count_t)s->in.frames ? 0 :
	       audio_sink_fail(in, -EIO, sf_strerror(s->file));
}

/* Also of a stream without samples there is a file. */
static int audio_sink_finish(struct mqshm_instance *in, struct audio_sink *s)
{
	SNDFILE *file;
	int error = 0;

	if (!s->file && s->in.known)
		error = audio_sink_begin(in, s);
	file = s->file;
	s->file = NULL;
	if (!error && file && sf_close(file))
		error = audio_sink_fail(in, -EIO, "its end cannot be written");
	return error;
}

static enum mqshm_result audio_sink_work(struct mqshm_instance *in)
{
	struct audio_sink *s = mqshm_instance_state(in);
	int error;

	do {
		error = audio_in_read(in, &s->in, MQSHM_NO_WAIT);
		if (!error)
			error = audio_sink_write(in, s);
	} while (!error);
	if (error == -EAGAIN)
		return MQSHM_NEED_MORE_INPUT;
	if (error != -ENODATA)
		return block_result(in, error);
	return audio_sink_finish(in, s) ? MQSHM_ERROR : MQSHM_DONE;
}

static void audio_sink_cleanup(struct mqshm_instance *in)
{
	struct audio_sink *s = mqshm_instance_state(in);

	if (s->file)
		sf_close(s->file);
	if (s->fd >= 0)
		close(s->fd);
	if (s->made && !s->started)
		unlink(mqshm_instance_param(in, "filename"));
	free(s->integers);
	audio_in_free(in, &s->in);
}

static const struct mqshm_param_spec audio_sink_params[] = {
	{ .key = "filename", .kind = "string", .help = "file to write, from its start" },
	{ .key = "type", .kind = "string", .fallback = "auto",
	  .help = "wav, flac, aiff, ogg and what else libsndfile knows; auto is the extension of filename" },
	{ .key = "encoding", .kind = "string", .fallback = "auto",
	  .choices = "auto u8 s8 s16 s24 s32 float double ulaw alaw vorbis opus",
	  .help = "of the file's samples; auto is as they come, or the nearest that the type takes" },
	AUDIO_PARAMS,
	{ .key = NULL }
};

static const struct mqshm_block_port audio_sink_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .help = "samples" },
	{ .name = NULL }
};

const struct mqshm_block_ops audio_file_sink_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_SINK,
	.type = "AudioFileSink",
	.summary = "in -> an audio file of any kind",
	.params = audio_sink_params,
	.ports = audio_sink_ports,
	.state_bytes = sizeof(struct audio_sink),
	.initialize = audio_sink_initialize,
	.start = audio_sink_start,
	.work = audio_sink_work,
	.cleanup = audio_sink_cleanup,
};
