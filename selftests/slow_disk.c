// SPDX-License-Identifier: GPL-2.0-only
/* A disk that keeps reads waiting. */

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "slow_disk.h"

/* For ever, as tests go; after that it goes on by itself. */
#define DELAY_MS	600000

/* Arguments of a command of the device mapper: one target, and a text that belongs to it. */
struct mapping {
	struct dm_ioctl io;
	struct dm_target_spec target;
	char text[128];
};

static int mapper(struct slow_disk *d, unsigned long number, struct mapping *m)
{
	m->io.version[0] = DM_VERSION_MAJOR;
	m->io.data_size = sizeof(*m);
	m->io.data_start = offsetof(struct mapping, target);
	snprintf(m->io.name, sizeof(m->io.name), "%s", d->name);
	return ioctl(d->control, number, m) ? -errno : 0;
}

static int mapper_flags(struct slow_disk *d, unsigned long number, unsigned int flags)
{
	struct mapping m = { .io.flags = flags };

	return mapper(d, number, &m);
}

static int filled_file(size_t bytes, int fill)
{
	int fd = memfd_create("slow-disk", MFD_CLOEXEC);
	char page[4096];

	memset(page, fill, sizeof(page));
	for (size_t at = 0; fd >= 0 && at < bytes; at += sizeof(page))
		if (write(fd, page, sizeof(page)) != sizeof(page))
			return -1;
	return fd;
}

/* Number of a loop device with that content, or -errno. It goes with its last user. */
static int loop_open(struct slow_disk *d, size_t bytes, int fill)
{
	struct loop_config config = { .info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_READ_ONLY };
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int number, err = 0;
	char path[32];

	if (control < 0)
		return -ENODEV;
	number = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	d->loop = open(path, O_RDWR | O_CLOEXEC);
	if (d->loop < 0)
		return -errno;
	config.fd = filled_file(bytes, fill);
	if (ioctl(d->loop, LOOP_CONFIGURE, &config))
		err = -errno;
	close(config.fd);
	return err ? err : number;
}

static int map(struct slow_disk *d, int loop, size_t bytes)
{
	struct mapping device = {}, table = {
		.io = { .flags = DM_READONLY_FLAG, .target_count = 1 },
		.target = { .length = bytes / 512, .target_type = "delay" },
	};
	char path[32];
	int err;

	err = mapper(d, DM_DEV_CREATE, &device);
	if (err)
		return err;
	snprintf(table.text, sizeof(table.text), "/dev/loop%d 0 %d", loop, DELAY_MS);
	err = mapper(d, DM_TABLE_LOAD, &table);
	/* this is how it is told to begin */
	if (!err)
		err = mapper_flags(d, DM_DEV_SUSPEND, 0);
	if (err)
		return err;
	snprintf(path, sizeof(path), "/dev/dm-%u", minor(device.io.dev));
	d->fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	return d->fd < 0 ? -errno : 0;
}

int slow_disk_open(struct slow_disk *d, size_t bytes, int fill)
{
	int loop, err;

	*d = (struct slow_disk){ .fd = -1, .loop = -1, .control = -1 };
	snprintf(d->name, sizeof(d->name), "mqshm-test-%d", getpid());
	if (system("modprobe -q loop 2> /dev/null; modprobe -q dm_delay 2> /dev/null"))
		return -ENODEV;
	d->control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	if (d->control < 0)
		return -ENODEV;
	loop = loop_open(d, bytes, fill);
	err = loop < 0 ? loop : map(d, loop, bytes);
	if (err)
		slow_disk_close(d);
	return err;
}

unsigned int slow_disk_waiting(struct slow_disk *d)
{
	struct mapping m = {};

	/* the target tells the numbers of reads and of writes that it delays */
	return mapper(d, DM_TABLE_STATUS, &m) ? 0 : strtoul(m.text, NULL, 10);
}

/* To be suspended it gives up its delay and waits for what it has begun. */
int slow_disk_finish(struct slow_disk *d)
{
	return mapper_flags(d, DM_DEV_SUSPEND, DM_SUSPEND_FLAG);
}

void slow_disk_close(struct slow_disk *d)
{
	close(d->fd);
	/* what is left of a broken test goes later, with the last request */
	mapper_flags(d, DM_DEV_REMOVE, DM_DEFERRED_REMOVE);
	close(d->control);
	close(d->loop);
	d->fd = -1;
}
