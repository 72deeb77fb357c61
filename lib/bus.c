// SPDX-License-Identifier: LGPL-2.1-or-later
/* The message bus: subscribing, publishing, receiving message by message. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mqshm_bus.h>

#include "runtime.h"
#include "sys.h"

#define LARGEST_A_READ	4	/* messages; more if they are smaller */

/**
 * struct mqshm_bus - a descriptor of the bus
 * @fd: the descriptor
 * @id: number of the subscriber, 0 before it is one
 * @options: as given
 * @have: bytes in @room
 * @next: of them, where the message that was not given out yet begins
 * @room: read in advance, aligned as messages are
 */
struct mqshm_bus {
	int fd;
	uint64_t id;
	struct mqshm_bus_options options;
	size_t have;
	size_t next;
	uint64_t room[LARGEST_A_READ * MQSHM_BUS_READ_MIN / sizeof(uint64_t)];
};

int mqshm_bus_open(const char *name, const struct mqshm_bus_options *options,
		   struct mqshm_bus **out)
{
	struct mqshm_bus *bus = calloc(1, sizeof(*bus));
	uint64_t runtime;

	if (!bus)
		return -ENOMEM;
	if (options)
		bus->options = *options;
	bus->fd = mqshm_runtime_bind(name, &runtime);
	if (bus->fd < 0) {
		int r = bus->fd;

		free(bus);
		return r;
	}
	*out = bus;
	return 0;
}

static int subscriber_become(struct mqshm_bus *bus)
{
	struct mqshm_bus_open_args args = {
		.size = sizeof(args),
		.owner = bus->options.owner,
		.depth = bus->options.depth,
	};
	int r = mqshm_sys_ioctl(bus->fd, MQSHM_IOC_BUS_OPEN, &args);

	if (!r)
		__atomic_store_n(&bus->id, args.out_id, __ATOMIC_RELAXED);
	return r;
}

int mqshm_bus_subscribe(struct mqshm_bus *bus, const char *prefix)
{
	struct mqshm_bus_subscribe_args args = { .size = sizeof(args) };
	int r = prefix && !*prefix ? 0 :
		mqshm_name_copy(args.prefix, sizeof(args.prefix), prefix);

	if (!r && !bus->id)
		r = subscriber_become(bus);
	return r ? r : mqshm_sys_ioctl(bus->fd, MQSHM_IOC_BUS_SUBSCRIBE, &args);
}

int mqshm_bus_publish(struct mqshm_bus *bus, const struct mqshm_post *post, uint64_t *number)
{
	struct mqshm_bus_publish_args args = {
		.size = sizeof(args),
		.type = post->type,
		.payload_bytes = (uint32_t)post->payload_bytes,
		.payload = (uintptr_t)post->payload,
		.sender_block = post->sender_block,
		.target = post->target,
		.target_pid = post->target_pid,
	};
	int r = mqshm_name_copy(args.topic, sizeof(args.topic), post->topic);

	if (post->payload_bytes > MQSHM_BUS_PAYLOAD_MAX)
		r = -EINVAL;
	if (!r)
		r = mqshm_sys_ioctl(bus->fd, MQSHM_IOC_BUS_PUBLISH, &args);
	if (r)
		return r;
	if (number)
		*number = args.out_number;
	return (int)args.out_receivers;
}

int mqshm_bus_receive(struct mqshm_bus *bus, const struct mqshm_bus_message **out,
		      uint64_t deadline_ns)
{
	const struct mqshm_bus_message *m;
	int r;

	if (!bus->id)
		return -EBADFD;
	if (bus->next == bus->have) {
		r = mqshm_sys_read(bus->fd, bus->room, sizeof(bus->room), deadline_ns);
		if (r <= 0)
			return r ? r : -ESHUTDOWN;
		bus->have = (size_t)r;
		bus->next = 0;
	}
	m = (const void *)((const char *)bus->room + bus->next);
	bus->next += m->bytes;
	*out = m;
	return 0;
}

int mqshm_bus_fd(const struct mqshm_bus *bus)
{
	return bus->fd;
}

uint64_t mqshm_bus_id(const struct mqshm_bus *bus)
{
	return __atomic_load_n(&bus->id, __ATOMIC_RELAXED);
}

void mqshm_bus_close(struct mqshm_bus *bus)
{
	if (!bus)
		return;
	mqshm_sys_close(bus->fd);
	free(bus);
}
