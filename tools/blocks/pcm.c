// SPDX-License-Identifier: GPL-2.0-only
/* Samples as bytes and as numbers. Little endian, whatever the machine is. */
#include <math.h>
#include <string.h>

#include "pcm.h"

#define SCALE	2147483648.0

const char *pcm_name(enum pcm_sample sample)
{
	static const char *const names[] = { "s16le", "s24le", "s32le", "f32le" };

	return names[sample];
}

unsigned int pcm_sample_bytes(enum pcm_sample sample)
{
	static const unsigned int bytes[] = { 2, 3, 4, 4 };

	return bytes[sample];
}

unsigned int pcm_frame_bytes(const struct pcm_format *f)
{
	return f->channels * pcm_sample_bytes(f->sample);
}

static void put(uint8_t *p, uint32_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		p[i] = value >> (8 * i);
}

void pcm_unpack(enum pcm_sample sample, const uint8_t *from, double *to, size_t samples)
{
	unsigned int bytes = pcm_sample_bytes(sample);
	uint32_t value;
	float f;

	for (; samples; samples--, from += bytes, to++) {
		value = 0;
		for (unsigned int i = 0; i < bytes; i++)
			value |= (uint32_t)from[i] << (8 * (4 - bytes + i));
		memcpy(&f, &value, sizeof(f));
		*to = sample == PCM_F32LE ? f : (int32_t)value / SCALE;
	}
}

/* Bounded and rounded in 32 bits, then rounded to fewer, half up: as sox does. */
int32_t pcm_integer(double value, unsigned int bits)
{
	unsigned int shift = 32 - bits;
	int64_t integer;

	value *= SCALE;
	if (!(value > INT32_MIN))
		integer = isnan(value) ? 0 : INT32_MIN;
	else
		integer = value >= INT32_MAX ? INT32_MAX : llrint(value);
	if (shift)
		integer = (integer + (1LL << (shift - 1))) >> shift;
	if (integer > INT32_MAX >> shift)
		integer = INT32_MAX >> shift;
	return (int32_t)((uint32_t)integer << shift);
}

void pcm_pack(enum pcm_sample sample, const double *from, uint8_t *to, size_t samples)
{
	unsigned int bytes = pcm_sample_bytes(sample);
	uint32_t value;
	float f;

	for (; samples; samples--, from++, to += bytes) {
		f = (float)*from;
		if (sample == PCM_F32LE)
			memcpy(&value, &f, sizeof(value));
		else
			value = (uint32_t)pcm_integer(*from, 8 * bytes) >> (8 * (4 - bytes));
		put(to, value, bytes);
	}
}

void pcm_header(const struct pcm_format *f, uint8_t header[PCM_HEADER_BYTES])
{
	memcpy(header, "RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0", 20);
	put(header + 20, f->sample == PCM_F32LE ? 3 : 1, 2);
	put(header + 22, f->channels, 2);
	put(header + 24, f->rate, 4);
	put(header + 28, f->rate * pcm_frame_bytes(f), 4);
	put(header + 32, pcm_frame_bytes(f), 2);
	put(header + 34, 8 * pcm_sample_bytes(f->sample), 2);
	memcpy(header + 36, "data\xff\xff\xff\xff", 8);
}
