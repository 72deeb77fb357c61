// SPDX-License-Identifier: LGPL-2.1-or-later
/* System calls on /dev/mqshm. The only file that makes them. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <mqshm.h>

#include "sys.h"

#define DEVICE	"/dev/mqshm"

int mqshm_sys_open(void)
{
	/* only reading from a monitor or subscriber looks at O_NONBLOCK */
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	/* ENOENT is to mean that a runtime is not there, not the device. */
	return errno == ENOENT || errno == ENXIO ? -ENODEV : -errno;
}

int mqshm_sys_ioctl(int fd, unsigned int cmd, void *args)
{
	int saved = errno;
	int r = ioctl(fd, cmd, args) < 0 ? -errno : 0;

	errno = saved;
	return r;
}

void mqshm_sys_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Until there is something to be read, or @deadline_ns. */
static int readable_wait(int fd, uint64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now = mqshm_now_ns(), left = deadline_ns > now ? deadline_ns - now : 0;
	struct timespec time = {
		.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000),
	};
	int r;

	if (deadline_ns == MQSHM_NO_WAIT)
		return -EAGAIN;
	r = ppoll(&p, 1, deadline_ns == MQSHM_FOREVER ? NULL : &time, NULL);
	if (r < 0)
		return -errno;
	return r ? 0 : -ETIMEDOUT;
}

int mqshm_sys_read(int fd, void *buffer, size_t bytes, uint64_t deadline_ns)
{
	int saved = errno, r = 0;
	ssize_t n;

	/* what woke poll may be nothing for this reader */
	do {
		n = read(fd, buffer, bytes);
		if (n < 0)
			r = errno == EAGAIN ? readable_wait(fd, deadline_ns) : -errno;
	} while (n < 0 && !r);
	errno = saved;
	return r ? r : (int)n;
}

static size_t round_up_to_page(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) & ~(page - 1);
}

int mqshm_sys_map(int fd, uint64_t offset, size_t bytes, bool writable, void **out)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	void *address = mmap(NULL, round_up_to_page(bytes), prot, MAP_SHARED, fd,
			     (off_t)offset);

	if (address == MAP_FAILED)
		return -errno;
	*out = address;
	return 0;
}

void mqshm_sys_unmap(void *address, size_t bytes)
{
	if (address)
		munmap(address, round_up_to_page(bytes));
}
