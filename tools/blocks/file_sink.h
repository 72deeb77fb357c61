/* SPDX-License-Identifier: GPL-2.0-only */
/* What the two ways of a FileSink to write have in common. */
#ifndef MQSHM_FILE_SINK_H
#define MQSHM_FILE_SINK_H

#include "direct.h"

/* A write is of so many messages at most, and ends with the one that makes it so long. */
#define BATCH_MESSAGES	128
#define BATCH_BYTES	(1 << 20)

/* One is written, one is gathered. */
#define BATCHES		2

/**
 * struct batch - messages that are one write
 * @buffers: array[@n] of them
 * @n: how many
 * @iov: array[@pieces]: where they are; those that lie behind each other are one
 * @pieces: how many
 * @bytes: of all
 */
struct batch {
	struct mqshm_buffer buffers[BATCH_MESSAGES];
	unsigned int n;
	struct iovec iov[BATCH_MESSAGES];
	unsigned int pieces;
	size_t bytes;
};

/**
 * struct file_sink - state of a FileSink
 * @fd: file, or a duplicate of stdout
 * @unread: a pipe that nobody had opened for reading when the block was made
 * @is_file: a regular file: writing it does not wait for anybody
 * @is_disk: a block device, which cannot be cut off
 * @is_stdout: its O_NONBLOCK is shared with others, so it is not set
 * @made: the file was not there before
 * @started: from here on the file is the block's
 * @append: what the file has stays
 * @ended: nothing will come in any more
 * @at: bytes that are written
 * @direct: its direct I/O
 * @request: of the batch that is written
 * @batches: one that is written, or has nothing, and one that is gathered
 * @gathered: index of the latter
 */
struct file_sink {
	int fd;
	bool unread;
	bool is_file;
	bool is_disk;
	bool is_stdout;
	bool made;
	bool started;
	bool append;
	bool ended;
	uint64_t at;
	struct direct direct;
	struct direct_request request;
	struct batch batches[BATCHES];
	unsigned int gathered;
};

/*
 * file_sink_direct() - take in and write by direct I/O until there is nothing more now
 *
 * It has nothing in its hands when it returns. If @direct is off then, there was something
 * that it could not write so.
 */
int file_sink_direct(struct mqshm_instance *in, struct file_sink *s);

/* Writes all of it by write(2) at the file's own place; @lost: what else is lost if that fails. */
int file_sink_write(struct mqshm_instance *in, struct file_sink *s, const void *data,
		    size_t length, size_t lost);
/* Takes a message from the hand and writes it so. */
int file_sink_write_message(struct mqshm_instance *in, struct file_sink *s,
			    struct mqshm_buffer *buf);
/* Says that it cannot write; @lost: bytes that had been taken in and are not written. */
int file_sink_lose(struct mqshm_instance *in, const struct file_sink *s, int error, size_t lost);

#endif /* MQSHM_FILE_SINK_H */
