/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A disk that keeps what is read from it waiting until it is told to go on: the device
 * mapper's delay target upon a loop device.
 */
#ifndef SLOW_DISK_H
#define SLOW_DISK_H

#include <stddef.h>

/**
 * struct slow_disk - one disk
 * @fd: for direct reading
 * @loop: descriptor of the loop device
 * @control: descriptor of the device mapper
 * @name: of the mapped device
 */
struct slow_disk {
	int fd;
	int loop;
	int control;
	char name[32];
};

/* @bytes (a multiple of 4096) of @fill; 0 or -errno, -ENODEV if this kernel has none. */
int slow_disk_open(struct slow_disk *d, size_t bytes, int fill);
/* Reads that wait in it. */
unsigned int slow_disk_waiting(struct slow_disk *d);
/* Lets all of them go on and returns when they are done. */
int slow_disk_finish(struct slow_disk *d);
void slow_disk_close(struct slow_disk *d);

#endif /* SLOW_DISK_H */
