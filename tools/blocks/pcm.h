/* SPDX-License-Identifier: GPL-2.0-only */
/* Samples: the formats that streams have, and numbers from -1 to 1 made of them. */
#ifndef MQSHM_PCM_H
#define MQSHM_PCM_H

#include <stddef.h>
#include <stdint.h>

enum pcm_sample { PCM_S16LE, PCM_S24LE, PCM_S32LE, PCM_F32LE };

#define PCM_CHANNELS_MAX	64
#define PCM_RATE_MAX		1000000
#define PCM_HEADER_BYTES	44

/**
 * struct pcm_format - what the bytes of a stream mean
 * @sample: of which kind its samples are
 * @channels: samples of a frame
 * @rate: frames a second
 */
struct pcm_format {
	enum pcm_sample sample;
	unsigned int channels;
	unsigned int rate;
};

/* "s16le" ... */
const char *pcm_name(enum pcm_sample sample);
unsigned int pcm_sample_bytes(enum pcm_sample sample);
unsigned int pcm_frame_bytes(const struct pcm_format *f);
/* Exact both ways for what the format can hold; else rounded as sox does, and bounded. */
void pcm_unpack(enum pcm_sample sample, const uint8_t *from, double *to, size_t samples);
void pcm_pack(enum pcm_sample sample, const double *from, uint8_t *to, size_t samples);
/* An integer of @bits bits, at the upper end of 32. */
int32_t pcm_integer(double value, unsigned int bits);
/* The header of a WAV stream of unknown length. */
void pcm_header(const struct pcm_format *f, uint8_t header[PCM_HEADER_BYTES]);

#endif /* MQSHM_PCM_H */
