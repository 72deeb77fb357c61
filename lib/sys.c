// SPDX-License-Identifier: LGPL-2.1-or-later
/* System calls on /dev/mqshm. The only file that makes them. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys.h"

#define DEVICE	"/dev/mqshm"

int mqshm_sys_open(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

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
