// SPDX-License-Identifier: GPL-2.0-only
/* The message bus by ioctl and read. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bus.h"

int bus_open(int fd, __u64 owner, __u32 depth, __u64 *id)
{
	struct mqshm_bus_open_args a = ARGS(bus_open, .owner = owner, .depth = depth);
	int err = command(fd, MQSHM_IOC_BUS_OPEN, &a);

	if (id)
		*id = a.out_id;
	return err;
}

int bus_subscribe(int fd, const char *prefix)
{
	struct mqshm_bus_subscribe_args a = ARGS(bus_subscribe);

	snprintf(a.prefix, sizeof(a.prefix), "%s", prefix);
	return command(fd, MQSHM_IOC_BUS_SUBSCRIBE, &a);
}

int inbox_open(struct inbox *in, __u64 owner, __u32 depth, const char *prefix)
{
	int err;

	memset(in, 0, sizeof(*in));
	in->fd = runtime_open_fd(runtime_name());
	if (in->fd < 0)
		return in->fd;
	fcntl(in->fd, F_SETFL, O_NONBLOCK);
	err = bus_open(in->fd, owner, depth, &in->id);
	return err ? err : bus_subscribe(in->fd, prefix);
}

int bus_publish_to(int fd, const char *topic, const char *text, __u64 target)
{
	struct mqshm_bus_publish_args a = ARGS(bus_publish, .payload = (uintptr_t)text,
					       .payload_bytes = strlen(text) + 1,
					       .target = target);
	int err;

	snprintf(a.topic, sizeof(a.topic), "%s", topic);
	err = command(fd, MQSHM_IOC_BUS_PUBLISH, &a);
	return err ? err : (int)a.out_receivers;
}

int bus_publish(int fd, const char *topic, const char *text)
{
	return bus_publish_to(fd, topic, text, 0);
}

int inbox_next(struct inbox *in)
{
	ssize_t n;

	if (in->next == in->have) {
		in->next = 0;
		in->have = 0;
		n = read(in->fd, in->room, sizeof(in->room));
		if (n <= 0)
			return n ? -errno : 0;
		in->have = n;
	}
	memset(&in->m, 0xcc, sizeof(in->m));
	memcpy(&in->m.head, in->room + in->next, sizeof(in->m.head));
	/* whole records of a sound size, or nothing works any more */
	if (in->m.head.bytes < sizeof(in->m.head) || in->m.head.bytes % 8 ||
	    in->m.head.bytes > in->have - in->next)
		return -EBADMSG;
	memcpy(&in->m, in->room + in->next, in->m.head.bytes);
	in->next += in->m.head.bytes;
	return 1;
}

const char *number_text(unsigned int i)
{
	static char text[16];

	snprintf(text, sizeof(text), "%u", i);
	return text;
}

void flag_wait(volatile int *flag)
{
	while (!*flag)
		sleep_us(200);
}
