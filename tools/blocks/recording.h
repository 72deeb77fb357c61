/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Recordings: the messages of an input in a file, with their times. All numbers are
 * little-endian.
 *
 *	struct recording_head		once
 *	struct recording_entry		of a message, and its payload, padded with zeros to
 *					a multiple of 8; any number of them
 *	struct recording_entry		the end, and struct recording_totals
 *
 * A file without an end was cut off while it was written, and holds all messages up to
 * there. Messages that were dropped before they could be recorded are counted by the
 * numbers of those behind them.
 *
 * libpcap's files would be known to more programs, but its readers take no more than
 * 262,144 bytes a packet, and a buffer may have 16 MiB.
 */
#ifndef MQSHM_RECORDING_H
#define MQSHM_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <linux/mqshm.h>

#define RECORDING_MAGIC		0x6365726d6873716dULL	/* "mqshmrec" as bytes */
#define RECORDING_VERSION	1

/**
 * struct recording_head - what a file begins with
 * @magic: RECORDING_MAGIC
 * @version: RECORDING_VERSION; others have other entries
 * @bytes: of this struct: where the entries begin
 * @began_ns: when the recording began, as the times of messages (CLOCK_MONOTONIC)
 * @date_ns: the same since 1970
 * @source: "block:port", or empty
 */
struct recording_head {
	uint64_t magic;
	uint32_t version;
	uint32_t bytes;
	uint64_t began_ns;
	uint64_t date_ns;
	char source[MQSHM_BLOCK_NAME_LEN + MQSHM_PORT_NAME_LEN];
};

#define RECORDING_MESSAGE	1
#define RECORDING_END		2	/* with struct recording_totals */

/**
 * struct recording_entry - a message, or the end
 * @kind: RECORDING_*
 * @length: bytes of payload
 * @number: 0, 1, 2, ... of all messages, also those that were dropped
 * @at_ns: when it was recorded; never before the one before it
 * @data_ns: when its data came into being, as its source said
 */
struct recording_entry {
	uint32_t kind;
	uint32_t length;
	uint64_t number;
	uint64_t at_ns;
	uint64_t data_ns;
};

/**
 * struct recording_totals - what was recorded
 * @messages: in the file
 * @bytes: their payload
 * @dropped: messages that are missing
 */
struct recording_totals {
	uint64_t messages;
	uint64_t bytes;
	uint64_t dropped;
};

#define RECORDING_LENGTH_MAX	MQSHM_BUFFER_BYTES_MAX

/* What is worth a write. */
#define RECORDING_PIECE	(1U << 20)

/**
 * struct recording_writer - a file that is being written
 * @fd: the file
 * @pending: array[@room] of bytes, of which @used are to be written
 * @room: room in @pending
 * @used: bytes in @pending
 * @totals: so far
 */
struct recording_writer {
	int fd;
	uint8_t *pending;
	size_t room;
	size_t used;
	struct recording_totals totals;
};

/* 0 or -errno each. What is added is in memory until it is flushed. */
int recording_begin(struct recording_writer *w, uint64_t began_ns, const char *source);
int recording_add(struct recording_writer *w, const struct recording_entry *message,
		  const void *payload);
int recording_end(struct recording_writer *w, uint64_t at_ns, uint64_t dropped);
int recording_flush(struct recording_writer *w);

/**
 * struct recording_reader - a file that is being read
 * @file: the file; the caller's
 * @at: place of the entry that was read last
 * @head: its beginning
 * @entry: the entry that was read last
 * @next: number that the next message has at least
 * @totals: of the messages so far
 * @complete: the end was read
 * @wrong: what is wrong with the file, NULL for nothing; a sentence without its name
 */
struct recording_reader {
	FILE *file;
	uint64_t at;
	struct recording_head head;
	struct recording_entry entry;
	uint64_t next;
	struct recording_totals totals;
	bool complete;
	const char *wrong;
};

/* Reads the head: 0, or -EINVAL with @wrong. */
int recording_open(struct recording_reader *r, FILE *file);
/*
 * Reads the next message's entry: 1; 0 behind the last whole one (@complete tells whether
 * there was an end); -EINVAL with @wrong. Its payload comes next: recording_payload().
 */
int recording_next(struct recording_reader *r);
/* Payload of the message, @entry.length bytes, to @to, or (NULL) passed over: 1 or 0. */
int recording_payload(struct recording_reader *r, void *to);
/* The first message comes next again; -errno if the file cannot be gone back in. */
int recording_rewind(struct recording_reader *r);

#endif /* MQSHM_RECORDING_H */
