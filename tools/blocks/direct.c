// SPDX-License-Identifier: GPL-2.0-only
/* Direct I/O of a block by an io_uring, see direct.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "direct.h"

/* What pools have of buffers that are worth a request, see mqshm_buffer_region(). */
#define ALIGN_MAX	4096

/* io_uring takes no more as one fixed buffer; parts overlap, so that each buffer is in one. */
#define REGION_MAX	(1UL << 30)
#define REGION_STEP	(REGION_MAX - MQSHM_BUFFER_BYTES_MAX)

/* The ring's fixed files. */
enum { FILE_CLIENT, FILE_DATA, FILES };

/* Between two looks of one that cannot stop at what it is told to stop for. */
#define LOOK_NS		1000000

/* -- beginning and ending -------------------------------------------------------------- */

/* Only the file system knows what it wants: one that does not tell is not asked for more. */
static bool alignment_find(struct direct *d)
{
	struct statx status;

	if (statx(d->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) ||
	    !(status.stx_mask & STATX_DIOALIGN))
		return false;
	d->memory_align = status.stx_dio_mem_align;
	d->file_align = status.stx_dio_offset_align;
	return d->memory_align && d->memory_align <= ALIGN_MAX &&
	       d->file_align && d->file_align <= ALIGN_MAX;
}

/*
 * What is done does not interrupt the thread while it runs: the ring says that it should be
 * looked at. A sleep ends by it, as by a signal. (With IORING_SETUP_DEFER_TASKRUN only a sleep
 * in io_uring itself would, from Linux 6.3 on.)
 */
static int ring_make(struct direct *d, int client, unsigned int requests)
{
	const int files[FILES] = { [FILE_CLIENT] = client, [FILE_DATA] = d->fd };
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG,
	};
	int error = io_uring_queue_init_params(requests, &d->ring, &params);

	if (error)
		return error;
	error = io_uring_register_files(&d->ring, files, FILES);
	if (error)
		io_uring_queue_exit(&d->ring);
	else
		d->fixed = !io_uring_register_buffers_sparse(&d->ring, DIRECT_REGIONS);
	return error;
}

bool direct_begin(struct direct *d, struct mqshm_instance *in, int fd, unsigned int requests)
{
	struct mqshm_client *c = mqshm_instance_client(in);

	*d = (struct direct){ .fd = fd };
	if (!mqshm_client_direct_io(c) || !alignment_find(d) ||
	    fcntl(fd, F_SETFL, O_DIRECT))
		return false;
	d->on = !ring_make(d, mqshm_client_fd(c), requests);
	if (!d->on)
		fcntl(fd, F_SETFL, 0);
	return d->on;
}

void direct_end(struct direct *d)
{
	if (!d->on)
		return;
	d->on = false;
	/* else the client's descriptor would stay until the kernel has taken the ring apart */
	io_uring_unregister_files(&d->ring);
	io_uring_queue_exit(&d->ring);
	fcntl(d->fd, F_SETFL, 0);
}

/* -- requests --------------------------------------------------------------------------- */

bool direct_fits(const struct direct *d, const void *data, size_t length, uint64_t at)
{
	return length >= DIRECT_LEAST && (uintptr_t)data % d->memory_align == 0 &&
	       length % d->file_align == 0 && at % d->file_align == 0;
}

/* Index of a registered region that has all of it, -1 for none. */
static int region_of(const struct direct *d, const char *data, size_t length)
{
	for (unsigned int i = 0; i < d->n_regions; i++) {
		const char *start = d->regions[i].iov_base;

		if (data >= start && data + length <= start + d->regions[i].iov_len)
			return (int)i;
	}
	return -1;
}

/*
 * The part of its pool that has a buffer is registered when the first buffer of that comes.
 * A user may have less memory locked than pools have: then it is done without.
 */
static void region_add(struct direct *d, struct mqshm_client *c, const struct mqshm_buffer *buf)
{
	struct iovec region;
	size_t bytes, part;
	void *start;

	if (!d->fixed || d->n_regions == DIRECT_REGIONS ||
	    mqshm_buffer_region(c, buf, &start, &bytes))
		return;
	part = ((char *)mqshm_buffer_data(c, buf) - (char *)start) / REGION_STEP * REGION_STEP;
	region.iov_base = (char *)start + part;
	region.iov_len = bytes - part < REGION_MAX ? bytes - part : REGION_MAX;
	if (io_uring_register_buffers_update_tag(&d->ring, d->n_regions, &region, NULL, 1) == 1)
		d->regions[d->n_regions++] = region;
	else
		d->fixed = false;
}

/* The same for @length bytes from @buf on, registered now if need be. */
static int region_get(struct direct *d, struct mqshm_client *c, const struct mqshm_buffer *buf,
		      size_t length)
{
	const char *data = mqshm_buffer_data(c, buf);
	int region = region_of(d, data, length);

	/* what goes beyond the region that it begins in is in none */
	if (region < 0 && region_of(d, data, 1) < 0) {
		region_add(d, c, buf);
		region = region_of(d, data, length);
	}
	return region;
}

static void request_begin(struct direct *d, struct io_uring_sqe *sqe,
			  struct direct_request *request)
{
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data(sqe, request);
	*request = (struct direct_request){ 0 };
	d->in_flight++;
}

void direct_read(struct direct *d, struct mqshm_instance *in, const struct mqshm_buffer *buf,
		 size_t length, uint64_t at, struct direct_request *request)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&d->ring);
	int region = region_get(d, c, buf, length);
	void *data = mqshm_buffer_data(c, buf);

	if (region >= 0)
		io_uring_prep_read_fixed(sqe, FILE_DATA, data, length, at, region);
	else
		io_uring_prep_read(sqe, FILE_DATA, data, length, at);
	request_begin(d, sqe, request);
}

void direct_write(struct direct *d, struct mqshm_instance *in, const struct mqshm_buffer *buf,
		  const struct iovec *iov, unsigned int n, uint64_t at,
		  struct direct_request *request)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&d->ring);
	int region = n == 1 ? region_get(d, c, buf, iov->iov_len) : -1;

	if (region >= 0)
		io_uring_prep_write_fixed(sqe, FILE_DATA, iov->iov_base, iov->iov_len, at,
					  region);
	else
		io_uring_prep_writev(sqe, FILE_DATA, iov, n, at);
	request_begin(d, sqe, request);
}

int direct_submit(struct direct *d)
{
	int r;

	do {
		r = io_uring_submit(&d->ring);
	} while (r == -EINTR || (r > 0 && io_uring_sq_ready(&d->ring)));
	/* those will never be done */
	d->in_flight -= io_uring_sq_ready(&d->ring);
	return r < 0 ? r : 0;
}

void direct_look(struct direct *d)
{
	struct direct_request *request;
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&d->ring, &cqe)) {
		request = io_uring_cqe_get_data(cqe);
		request->result = cqe->res;
		request->done = true;
		io_uring_cqe_seen(&d->ring, cqe);
		d->in_flight--;
	}
}

int direct_wait(struct direct *d, struct mqshm_instance *in, struct mqshm_port *port)
{
	struct pollfd ring = { .fd = d->ring.ring_fd, .events = POLLIN };
	int r = mqshm_instance_poll(in, &ring, 1, &port, port ? 1 : 0, MQSHM_FOREVER);

	direct_look(d);
	return r;
}

void direct_drain(struct direct *d, struct mqshm_instance *in)
{
	struct io_uring_cqe *cqe;
	int r;

	if (!d->on)
		return;
	for (direct_look(d); d->in_flight; direct_look(d)) {
		if (direct_wait(d, in, NULL) >= 0)
			continue;
		r = mqshm_wait(mqshm_instance_client(in), NULL, 0, mqshm_now_ns() + LOOK_NS,
			       NULL);
		/* the client has ended */
		if (d->in_flight && r < 0 && r != -ETIMEDOUT && r != -EINTR)
			io_uring_wait_cqe(&d->ring, &cqe);
	}
}
