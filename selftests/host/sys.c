// SPDX-License-Identifier: GPL-2.0-only
/* In the place of lib/sys.c: the library's way to the module is a call. */
#include <errno.h>
#include <poll.h>

#include <mqshm.h>

#include "host.h"
#include "sys.h"

int mqshm_sys_open(void)
{
	return host_sys_open();
}

uint32_t sys_version = MQSHM_ABI_VERSION;

int mqshm_sys_ioctl(int fd, unsigned int cmd, void *args)
{
	int r = host_sys_ioctl(fd, cmd, args);

	if (!r && cmd == MQSHM_IOC_INFO)
		((struct mqshm_info_args *)args)->out_version = sys_version;
	return r;
}

int mqshm_sys_read(int fd, void *buffer, size_t bytes, uint64_t deadline_ns)
{
	int r;

	while ((r = host_sys_read(fd, buffer, bytes)) == -EAGAIN) {
		if (deadline_ns == MQSHM_NO_WAIT)
			return -EAGAIN;
		if (!(host_poll(fd, POLLIN, deadline_ns) & POLLIN))
			return -ETIMEDOUT;
	}
	return r;
}

void mqshm_sys_close(int fd)
{
	host_sys_close(fd);
}

int mqshm_sys_map(int fd, uint64_t offset, size_t bytes, bool writable, void **out)
{
	return host_sys_map(fd, offset, bytes, writable, out);
}

void mqshm_sys_unmap(void *address, size_t bytes)
{
	(void)bytes;
	if (address)
		host_sys_unmap(address);
}
