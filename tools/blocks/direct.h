/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct I/O of a block: requests of an io_uring of its own that move bytes between a file
 * and buffers of pools, while the block goes on. Nothing is copied in user space, nor kept
 * in the page cache.
 */
#ifndef MQSHM_DIRECT_H
#define MQSHM_DIRECT_H

#include <liburing.h>
#include <mqshm_block.h>

/* Mappings, or parts of them, that are registered as fixed buffers at most. */
#define DIRECT_REGIONS	64

/* A request for less than this is not worth one. */
#define DIRECT_LEAST	(16 << 10)

/**
 * struct direct_request - a read or write
 * @done: it is over, and @result holds
 * @result: bytes, fewer than asked for at the end of a file or of a disk, or -errno
 */
struct direct_request {
	bool done;
	int result;
};

/**
 * struct direct - a file with direct I/O
 * @on: it is; else the others do not hold
 * @fd: the file
 * @ring: with the client's descriptor and the file as its fixed ones
 * @memory_align: of what is read into or written from
 * @file_align: of places in the file, and of lengths
 * @in_flight: requests that are not done
 * @fixed: buffers may be registered
 * @regions: array[@n_regions] of those that are; [i] is the ring's i-th
 * @n_regions: their number
 */
struct direct {
	bool on;
	int fd;
	struct io_uring ring;
	uint32_t memory_align;
	uint32_t file_align;
	unsigned int in_flight;
	bool fixed;
	struct iovec regions[DIRECT_REGIONS];
	unsigned int n_regions;
};

/**
 * direct_begin() - direct I/O from now on
 * @fd: a file or a disk, of whose flags nobody else knows
 * @requests: at most at a time
 *
 * False: that is not possible here, and the file is as it was. There are many reasons: the
 * file system, the client, the kernel, what a user may have.
 */
bool direct_begin(struct direct *d, struct mqshm_instance *in, int fd, unsigned int requests);

/* Nothing is in flight any more; the file is an ordinary one again. */
void direct_end(struct direct *d);

/* Whether @length bytes at @data can be moved from or to place @at of the file. */
bool direct_fits(const struct direct *d, const void *data, size_t length, uint64_t at);

/*
 * These begin a request, with direct_submit() behind one or several. There must be fewer
 * than direct_begin() was told in flight; @buf, @iov and what they name stay until it is done.
 * A write of several pieces is not from fixed buffers, which takes Linux 6.15; @buf is the
 * buffer that the first piece begins with.
 */
void direct_read(struct direct *d, struct mqshm_instance *in, const struct mqshm_buffer *buf,
		 size_t length, uint64_t at, struct direct_request *request);
void direct_write(struct direct *d, struct mqshm_instance *in, const struct mqshm_buffer *buf,
		  const struct iovec *iov, unsigned int n, uint64_t at,
		  struct direct_request *request);
/* -errno: some have not begun, and never will. */
int direct_submit(struct direct *d);

/* Takes note of what is done. */
void direct_look(struct direct *d);

/**
 * direct_wait() - wait until a request may be done
 * @port: or until an input has something; NULL for none
 *
 * The thread's other blocks run meanwhile. As mqshm_instance_poll(); then direct_look() was
 * called.
 */
int direct_wait(struct direct *d, struct mqshm_instance *in, struct mqshm_port *port);

/* Waits until all are done, also while the block is to stop: a device cannot be told to. */
void direct_drain(struct direct *d, struct mqshm_instance *in);

#endif /* MQSHM_DIRECT_H */
