// SPDX-License-Identifier: GPL-2.0-only
/* The WAV parser, fed in pieces of every size: it must find the same samples each time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wav.h"

#define STREAM_MAX 512

/**
 * struct stream - a WAV stream under construction, and where its samples are
 * @bytes: the stream
 * @length: bytes so far
 * @is_sample: for each byte, whether it belongs to a sample
 */
struct stream {
	uint8_t bytes[STREAM_MAX];
	size_t length;
	bool is_sample[STREAM_MAX];
};

static unsigned int test_number, failures;

static void result(bool good, const char *what)
{
	printf("%sok %u %s\n", good ? "" : "not ", ++test_number, what);
	failures += !good;
}

static void put(struct stream *s, const void *bytes, size_t n)
{
	memcpy(s->bytes + s->length, bytes, n);
	s->length += n;
}

static void put_number(struct stream *s, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		s->bytes[s->length++] = i < 8 ? value >> (8 * i) : 0;
}

static void put_head(struct stream *s, const char *magic)
{
	put(s, magic, 4);
	put_number(s, 0xffffffff, 4);
	put(s, "WAVE", 4);
}

static void put_format(struct stream *s, unsigned int tag, unsigned int channels,
		       unsigned int bits)
{
	put(s, "fmt ", 4);
	put_number(s, tag == 0xfffe ? 40 : 16, 4);
	put_number(s, tag, 2);
	put_number(s, channels, 2);
	put_number(s, 48000, 4);
	put_number(s, 48000 * channels * bits / 8, 4);
	put_number(s, channels * bits / 8, 2);
	put_number(s, bits, 2);
}

static void put_extension(struct stream *s, unsigned int tag)
{
	put_number(s, 22, 2);
	put_number(s, 32, 2);
	put_number(s, 3, 4);
	put_number(s, tag, 2);
	put(s, "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71", 14);
}

static void put_chunk(struct stream *s, const char *id, size_t bytes)
{
	put(s, id, 4);
	put_number(s, bytes, 4);
	for (size_t i = 0; i < bytes + (bytes & 1); i++)
		put_number(s, 0xee, 1);
}

static void put_samples(struct stream *s, uint64_t said, size_t bytes)
{
	put(s, "data", 4);
	put_number(s, said, 4);
	for (size_t i = 0; i < bytes; i++) {
		s->is_sample[s->length] = true;
		put_number(s, i, 1);
	}
}

/* True if pieces of @piece bytes give the samples where they are. */
static bool same_in_pieces(const struct stream *s, size_t piece, struct wav *w)
{
	enum wav_span span;
	size_t n;

	wav_init(w);
	for (size_t at = 0; at < s->length; at += n) {
		n = s->length - at < piece ? s->length - at : piece;
		n = wav_next(w, s->bytes + at, n, &span);
		if (!n || span == WAV_BAD)
			return false;
		for (size_t i = at; i < at + n; i++)
			if (s->is_sample[i] != (span == WAV_SAMPLES))
				return false;
	}
	return true;
}

static bool good(const struct stream *s, bool is_float, unsigned int bytes, unsigned int channels)
{
	struct wav w;

	for (size_t piece = 1; piece <= s->length; piece++) {
		if (!same_in_pieces(s, piece, &w))
			return false;
		if (w.is_float != is_float || w.sample_bytes != bytes || w.channels != channels)
			return false;
	}
	return true;
}

/* True if the stream is refused with a sentence, whatever pieces it comes in. */
static bool refused(const struct stream *s)
{
	enum wav_span span;
	struct wav w;
	size_t at, n;

	for (size_t piece = 1; piece <= s->length; piece++) {
		wav_init(&w);
		span = WAV_OTHER;
		for (at = 0; at < s->length && span != WAV_BAD; at += n) {
			n = s->length - at < piece ? s->length - at : piece;
			n = wav_next(&w, s->bytes + at, n, &span);
		}
		if (span != WAV_BAD || !*w.error)
			return false;
	}
	return true;
}

static void test_shapes(void)
{
	struct stream plain = { .length = 0 }, around = { .length = 0 }, wide = { .length = 0 };
	struct stream odd = { .length = 0 }, empty = { .length = 0 };

	put_head(&plain, "RIFF");
	put_format(&plain, 1, 2, 16);
	put_samples(&plain, 64, 64);
	result(good(&plain, false, 2, 2), "integers of 16 bits");

	put_head(&around, "RIFF");
	put_chunk(&around, "LIST", 13);
	put_format(&around, 3, 1, 32);
	put_chunk(&around, "fact", 4);
	put_samples(&around, 40, 40);
	put_chunk(&around, "LIST", 6);
	put_chunk(&around, "id3 ", 0);
	put_chunk(&around, "cue ", 1);
	result(good(&around, true, 4, 1), "chunks before and after the samples");

	put_head(&wide, "RIFF");
	put_format(&wide, 0xfffe, 6, 24);
	put_extension(&wide, 1);
	put_samples(&wide, 36, 36);
	result(good(&wide, false, 3, 6), "WAVE_FORMAT_EXTENSIBLE");

	put_head(&odd, "RIFF");
	put_format(&odd, 1, 1, 24);
	put_samples(&odd, 9, 9);
	put_number(&odd, 0, 1);
	put_chunk(&odd, "LIST", 8);
	result(good(&odd, false, 3, 1), "padding after an odd number of bytes");

	put_head(&empty, "RIFF");
	put_chunk(&empty, "JUNK", 0);
	put_format(&empty, 1, 1, 16);
	put_chunk(&empty, "JUNK", 0);
	put_samples(&empty, 2, 2);
	result(good(&empty, false, 2, 1), "chunks without a payload");
}

static void test_streams(void)
{
	struct stream zero = { .length = 0 }, ones = { .length = 0 }, long64 = { .length = 0 };
	struct stream cut = { .length = 0 };

	put_head(&zero, "RIFF");
	put_format(&zero, 1, 1, 16);
	put_samples(&zero, 0, 100);
	result(good(&zero, false, 2, 1), "size of data 0: samples until the end");

	put_head(&ones, "RIFF");
	put_format(&ones, 1, 1, 16);
	put_samples(&ones, 0xffffffff, 100);
	result(good(&ones, false, 2, 1), "size of data 0xffffffff: samples until the end");

	put_head(&long64, "RF64");
	put(&long64, "ds64", 4);
	put_number(&long64, 28, 4);
	put_number(&long64, 0, 8);
	put_number(&long64, 50, 8);
	put_number(&long64, 0, 12);
	put_format(&long64, 1, 1, 16);
	put_samples(&long64, 0xffffffff, 50);
	put_chunk(&long64, "LIST", 4);
	result(good(&long64, false, 2, 1), "RF64: size of data in ds64");

	put_head(&cut, "RIFF");
	put_format(&cut, 1, 1, 16);
	put_samples(&cut, 1000, 33);
	result(good(&cut, false, 2, 1), "a file that ends early");
}

static void test_refused(void)
{
	struct stream early = { .length = 0 }, adpcm = { .length = 0 }, other = { .length = 0 };
	struct stream frame = { .length = 0 }, none = { .length = 0 };

	put_head(&early, "RIFF");
	put_samples(&early, 4, 4);
	result(refused(&early), "samples before their format are refused");

	put_head(&adpcm, "RIFF");
	put_format(&adpcm, 2, 1, 4);
	put_samples(&adpcm, 4, 4);
	result(refused(&adpcm), "compressed samples are refused");

	put_head(&none, "RIFF");
	put_format(&none, 1, 0, 16);
	put_samples(&none, 4, 4);
	result(refused(&none), "no channels are refused");

	put_head(&frame, "RIFF");
	put_format(&frame, 1, 2, 16);
	frame.bytes[frame.length - 4] = 3;
	put_samples(&frame, 4, 4);
	result(refused(&frame), "a frame that is not channels times samples is refused");

	put_head(&other, "RIFX");
	result(refused(&other), "another file is refused");
}

/* Bytes of any kind: no read beyond its state, and it always goes on or refuses. */
static void test_noise(void)
{
	uint8_t bytes[256];
	enum wav_span span;
	struct wav w;
	bool fine = true;
	size_t n;

	srandom(1);
	for (int round = 0; round < 20000 && fine; round++) {
		struct stream s = { .length = 0 };

		put_head(&s, "RIFF");
		put_format(&s, random() & 1 ? 1 : 3, random() & 7, 8 * (random() & 7));
		memcpy(bytes, s.bytes, s.length);
		for (size_t i = s.length; i < sizeof(bytes); i++)
			bytes[i] = random() & 1 ? random() : "data"[i & 3];
		bytes[random() % sizeof(bytes)] = random();
		wav_init(&w);
		span = WAV_OTHER;
		for (size_t at = 0; at < sizeof(bytes) && span != WAV_BAD; at += n) {
			n = 1 + random() % (sizeof(bytes) - at);
			n = wav_next(&w, bytes + at, n, &span);
			fine = fine && (n || span == WAV_BAD);
			fine = fine && (span != WAV_SAMPLES || (w.format_known && w.sample_bytes));
		}
	}
	result(fine, "bytes of any kind");
}

int main(void)
{
	puts("TAP version 13\n1..15");
	test_shapes();
	test_streams();
	test_refused();
	test_noise();
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
