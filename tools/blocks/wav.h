/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tells the samples of a WAV stream from everything around them, whatever pieces
 * the stream comes in.
 */
#ifndef MQSHM_WAV_H
#define MQSHM_WAV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wav_span {
	WAV_OTHER,	/* headers, other chunks, padding: to be passed on as they are */
	WAV_SAMPLES,	/* samples, in the format of struct wav */
	WAV_BAD,	/* not understood: see @error */
};

enum wav_part {
	WAV_PART_RIFF,		/* "RIFF", size, "WAVE" */
	WAV_PART_CHUNK,		/* id and size of a chunk */
	WAV_PART_FMT,		/* payload of "fmt " */
	WAV_PART_DS64,		/* payload of "ds64": sizes beyond 32 bits */
	WAV_PART_SKIP,		/* payload of another chunk, or padding */
	WAV_PART_DATA,		/* payload of "data" */
};

/**
 * struct wav - where in a WAV stream we are, and what its samples are
 * @part: what the next byte belongs to
 * @left: bytes left in it; UINT64_MAX if it goes on to the end of the stream
 * @padded: a padding byte comes after this part
 * @field: its first bytes, for the parts that are read
 * @have: bytes in @field
 * @format_known: "fmt " has been read
 * @is_float: samples are IEEE floats, else signed integers (8 bits: unsigned)
 * @sample_bytes: bytes of a sample
 * @channels: samples of a frame
 * @rate: frames a second
 * @data64_bytes: size of "data" as "ds64" has it, 0 if there was none
 * @error: what was not understood, in a sentence
 */
struct wav {
	enum wav_part part;
	uint64_t left;
	bool padded;
	uint8_t field[40];
	size_t have;
	bool format_known;
	bool is_float;
	unsigned int sample_bytes;
	unsigned int channels;
	unsigned int rate;
	uint64_t data64_bytes;
	char error[120];
};

void wav_init(struct wav *w);
/* Whether a stream that starts with these four bytes is a WAV stream. */
bool wav_magic(const uint8_t magic[4]);
/**
 * wav_next() - what the next bytes are
 * @w: state
 * @data: the next bytes of the stream
 * @length: how many, at least 1
 * @span: what the first of them are
 *
 * Returns how many of them are @span, at least 1 (0 for WAV_BAD). Two spans of
 * samples with something else between them are not one: a sample never goes on
 * behind the end of its chunk.
 */
size_t wav_next(struct wav *w, const uint8_t *data, size_t length, enum wav_span *span);

#endif /* MQSHM_WAV_H */
