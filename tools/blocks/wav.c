// SPDX-License-Identifier: GPL-2.0-only
/*
 * WAV streams, parsed as they come: RIFF, and RF64 and BW64 for more than 4 GB.
 *
 * Format: Microsoft, "Multiple Channel Audio Data and WAVE Files" (WAVE_FORMAT_EXTENSIBLE);
 * EBU Tech 3306 (RF64).
 */
#include <stdio.h>
#include <string.h>

#include "wav.h"

#define TAG_PCM		0x0001
#define TAG_FLOAT	0x0003
#define TAG_EXTENSIBLE	0xfffe

static uint32_t get16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) | get16(p + 2) << 16;
}

static void part_start(struct wav *w, enum wav_part part, uint64_t bytes)
{
	w->part = part;
	w->left = bytes;
	w->padded = part != WAV_PART_CHUNK && (bytes & 1) && bytes != UINT64_MAX;
	w->have = 0;
}

void wav_init(struct wav *w)
{
	*w = (struct wav){ 0 };
	part_start(w, WAV_PART_RIFF, 12);
}

bool wav_magic(const uint8_t magic[4])
{
	return !memcmp(magic, "RIFF", 4) || !memcmp(magic, "RF64", 4) || !memcmp(magic, "BW64", 4);
}

static bool riff_read(struct wav *w)
{
	if (!wav_magic(w->field) || memcmp(w->field + 8, "WAVE", 4)) {
		snprintf(w->error, sizeof(w->error), "this is no WAV stream: it does not start "
			 "with RIFF, a size, WAVE");
		return false;
	}
	part_start(w, WAV_PART_CHUNK, 8);
	return true;
}

static bool data_start(struct wav *w, uint32_t bytes)
{
	uint64_t length = bytes;

	if (!w->format_known) {
		snprintf(w->error, sizeof(w->error), "this WAV stream has samples before it says "
			 "what they are (no fmt chunk before data)");
		return false;
	}
	/* who writes a stream does not know how long it will be */
	if (bytes == 0 || bytes == UINT32_MAX)
		length = w->data64_bytes ? w->data64_bytes : UINT64_MAX;
	part_start(w, WAV_PART_DATA, length);
	return true;
}

static bool chunk_read(struct wav *w)
{
	uint32_t bytes = get32(w->field + 4);

	if (!memcmp(w->field, "data", 4))
		return data_start(w, bytes);
	if (!memcmp(w->field, "fmt ", 4) && bytes >= 16)
		part_start(w, WAV_PART_FMT, bytes);
	else if (!memcmp(w->field, "ds64", 4) && bytes >= 16)
		part_start(w, WAV_PART_DS64, bytes);
	else
		part_start(w, WAV_PART_SKIP, bytes);
	return true;
}

/* Tag 0, 2 channels, 4 rate, 8 bytes a second, 12 bytes a frame, 14 bits, 24 tag of EXTENSIBLE. */
static bool format_read(struct wav *w)
{
	unsigned int tag = get16(w->field), bits = get16(w->field + 14);
	unsigned int frame_bytes = get16(w->field + 12);

	if (tag == TAG_EXTENSIBLE && w->have >= 26)
		tag = get16(w->field + 24);
	w->channels = get16(w->field + 2);
	w->rate = get32(w->field + 4);
	w->is_float = tag == TAG_FLOAT;
	w->sample_bytes = w->channels ? frame_bytes / w->channels : 0;
	if ((tag != TAG_PCM && tag != TAG_FLOAT) || !w->sample_bytes || bits > 8 * w->sample_bytes ||
	    w->sample_bytes * w->channels != frame_bytes) {
		snprintf(w->error, sizeof(w->error), "the samples of this WAV stream are neither "
			 "plain integers nor floats (format %#x, %u bits, %u channels)", tag, bits,
			 w->channels);
		return false;
	}
	w->format_known = true;
	return true;
}

/* A part has come to its end: what it said, and what comes next. */
static bool part_end(struct wav *w)
{
	bool good = true;

	switch (w->part) {
	case WAV_PART_RIFF:
		return riff_read(w);
	case WAV_PART_CHUNK:
		return chunk_read(w);
	case WAV_PART_FMT:
		good = format_read(w);
		break;
	case WAV_PART_DS64:
		w->data64_bytes = get32(w->field + 8) | (uint64_t)get32(w->field + 12) << 32;
		break;
	case WAV_PART_SKIP:
	case WAV_PART_DATA:
		break;
	}
	if (w->padded) {
		part_start(w, WAV_PART_SKIP, 1);
		w->padded = false;
	} else {
		part_start(w, WAV_PART_CHUNK, 8);
	}
	return good;
}

size_t wav_next(struct wav *w, const uint8_t *data, size_t length, enum wav_span *span)
{
	size_t n = w->left < length ? w->left : length, keep;

	*span = w->part == WAV_PART_DATA ? WAV_SAMPLES : WAV_OTHER;
	if (w->part != WAV_PART_DATA && w->part != WAV_PART_SKIP && w->have < sizeof(w->field)) {
		keep = sizeof(w->field) - w->have;
		if (keep > n)
			keep = n;
		memcpy(w->field + w->have, data, keep);
		w->have += keep;
	}
	if (w->left != UINT64_MAX)
		w->left -= n;
	/* an empty part has no bytes to end it */
	while (!w->left) {
		if (!part_end(w)) {
			*span = WAV_BAD;
			return 0;
		}
	}
	return n;
}
