/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Streams of audio samples. The rule for all blocks: a stream is a WAV stream, whose
 * header says what its samples are; or it has samples alone, and parameters say it.
 */
#ifndef MQSHM_AUDIO_H
#define MQSHM_AUDIO_H

#include "blocks.h"
#include "pcm.h"
#include "wav.h"

/* Frames that are read at once. */
#define AUDIO_FRAMES	4096

/* What every block with an audio input takes. */
#define AUDIO_PARAMS									\
	{ .key = "format", .kind = "string", .fallback = "auto",			\
	  .choices = "auto wav s16le s24le s32le f32le",				\
	  .help = "of the samples; auto is wav, or else s16le" },			\
	{ .key = "channels", .kind = "integer", .fallback = "1", .min = 1,		\
	  .max = PCM_CHANNELS_MAX, .help = "of a stream that is not wav" },		\
	{ .key = "rate", .kind = "integer", .fallback = "48000", .min = 1,		\
	  .max = PCM_RATE_MAX, .unit = "Hz", .help = "of a stream that is not wav" }

#define AUDIO_BYTES_PARAM								\
	{ .key = "bytes", .kind = "size", .fallback = "auto", .choices = "auto",	\
	  .min = 1, .max = MQSHM_BUFFER_BYTES_MAX,					\
	  .help = "most that go into a buffer; auto is 64K, or what pools take" }

/**
 * struct audio_out - an output for samples
 *
 * A block that makes new buffers of those it gets must not need more of them than it
 * gets: else a pool whose buffers all wait in its inputs would be the end. So it has two
 * when it starts, and what it has read becomes the next one (@spare).
 *
 * @port: its index
 * @format: of its samples
 * @header: the stream's header has yet to go out
 * @bytes: of the buffers that it allocates
 * @buf: being filled, or none
 * @spare: what will be filled next, or none
 * @filled: bytes in it
 * @ns: time of its first frame
 */
struct audio_out {
	size_t port;
	struct pcm_format format;
	bool header;
	size_t bytes;
	struct mqshm_buffer buf;
	struct mqshm_buffer spare;
	size_t filled;
	uint64_t ns;
};

/* Parameter bytes. */
int audio_out_init(struct mqshm_instance *in, struct audio_out *o, size_t port);
/* Takes the first buffers, for the header and for samples: before there can be input. */
int audio_out_start(struct mqshm_instance *in, struct audio_out *o);
/* @ns is the time of the first frame. */
int audio_out_write(struct mqshm_instance *in, struct audio_out *o, const double *samples,
		    size_t frames, uint64_t ns);
int audio_out_silence(struct mqshm_instance *in, struct audio_out *o, uint64_t frames,
		      uint64_t ns);
/* What was written goes out now. */
int audio_out_flush(struct mqshm_instance *in, struct audio_out *o);
/* At the end: a stream without samples has its header too. */
int audio_out_end(struct mqshm_instance *in, struct audio_out *o);
void audio_out_free(struct mqshm_instance *in, struct audio_out *o);

/**
 * struct audio_in - an input for samples
 * @port: its index
 * @spare: output that may have the buffers when they have been read; may be NULL
 * @format: of the samples, once @known
 * @known: they are
 * @wav: the stream has a header, or had
 * @undecided: the first four bytes are not all there yet
 * @magic: these
 * @n_magic: how many
 * @parser: of the header
 * @buf: being read; none between two
 * @at: bytes of it that were read
 * @ended: there will be no more
 * @bytes: of samples, up to AUDIO_FRAMES of the largest frames
 * @have: how many
 * @ns: time of the first frame in @samples
 * @next_ns: of the next one
 * @samples: what audio_in_read() found
 * @frames: how many frames that is
 * @drained: @buf was read to its end by that
 */
struct audio_in {
	size_t port;
	struct audio_out *spare;
	struct pcm_format format;
	bool known;
	bool wav;
	bool undecided;
	uint8_t magic[4];
	unsigned int n_magic;
	struct wav parser;
	struct mqshm_buffer buf;
	size_t at;
	bool ended;
	uint8_t *bytes;
	size_t have;
	uint64_t ns;
	uint64_t next_ns;
	double *samples;
	size_t frames;
	bool drained;
};

/* Parameters format, channels, rate. */
int audio_in_init(struct mqshm_instance *in, struct audio_in *a, size_t port,
		  struct audio_out *spare);
/*
 * The next frames: 0, then @frames is not 0 and @known is set; -EAGAIN none before
 * @deadline_ns; -ENODATA the end; -ECANCELED; or an error, with a sentence if it is the
 * stream's. Work goes on until it gives an error: frames at hand are no input that the
 * run loop would see.
 */
int audio_in_read(struct mqshm_instance *in, struct audio_in *a, uint64_t deadline_ns);
void audio_in_free(struct mqshm_instance *in, struct audio_in *a);

/* How long @frames take. */
uint64_t audio_ns(const struct pcm_format *f, uint64_t frames);

#endif /* MQSHM_AUDIO_H */
