/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that the library asks of the operating system about /dev/mqshm.
 * A program that brings its own sys.c replaces the kernel.
 */
#ifndef LIB_SYS_H
#define LIB_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A new descriptor of the device, close-on-exec; -ENODEV without the module. */
int mqshm_sys_open(void);
/* 0 or -errno; leaves errno alone. Async-signal-safe. */
int mqshm_sys_ioctl(int fd, unsigned int cmd, void *args);
void mqshm_sys_close(int fd);
/*
 * Bytes read from a monitor or subscriber, by @deadline_ns (MQSHM_NO_WAIT, MQSHM_FOREVER); 0 at its
 * end; -EAGAIN (MQSHM_NO_WAIT), -ETIMEDOUT, -EINTR.
 */
int mqshm_sys_read(int fd, void *buffer, size_t bytes, uint64_t deadline_ns);
/* Maps a region of MQSHM_MMAP_OFFSET(); @bytes is rounded up to pages. */
int mqshm_sys_map(int fd, uint64_t offset, size_t bytes, bool writable, void **out);
/* NULL is allowed. */
void mqshm_sys_unmap(void *address, size_t bytes);

#endif /* LIB_SYS_H */
