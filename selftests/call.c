// SPDX-License-Identifier: GPL-2.0-only
/* A right call of every command. */

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "call.h"

void fill_info(struct setup *s, void *args)
{
}

void fill_runtime_create(struct setup *s, void *args)
{
	struct mqshm_runtime_create_args *a = args;

	snprintf(a->name, sizeof(a->name), "%s-2", runtime_name());
	a->mode = 0700;
	a->gid = MQSHM_GID_SELF;
}

void fill_runtime_open(struct setup *s, void *args)
{
	struct mqshm_runtime_open_args *a = args;

	strcpy(a->name, runtime_name());
	a->uid = MQSHM_UID_SELF;
}

void fill_runtime_wait(struct setup *s, void *args)
{
	struct mqshm_runtime_wait_args *a = args;

	a->changes = POISON64;
	a->deadline_ns = 1;
}

void fill_query(struct setup *s, void *args)
{
	struct mqshm_query_args *a = args;

	a->what = MQSHM_QUERY_RUNTIME;
	a->buffer = (uintptr_t)s->memory;
	a->buffer_bytes = sizeof(s->memory);
}

void fill_holders(struct setup *s, void *args)
{
	struct mqshm_holders_args *a = args;

	a->buffer = (uintptr_t)s->memory;
	a->buffer_bytes = sizeof(s->memory);
}

void fill_pool_create(struct setup *s, void *args)
{
	struct mqshm_pool_create_args *a = args;

	strcpy(a->name, "more");
	a->buffer_bytes = 64;
	a->buffers = 8;
}

void fill_client_join(struct setup *s, void *args)
{
	struct mqshm_client_join_args *a = args;

	strcpy(a->name, "test");
}

void fill_nothing(struct setup *s, void *args)
{
}

void fill_block_create(struct setup *s, void *args)
{
	struct mqshm_block_create_args *a = args;
	struct mqshm_port_desc *desc = (void *)s->memory;

	memset(desc, 0, sizeof(*desc));
	strcpy(desc->name, "in");
	strcpy(a->name, "new");
	strcpy(a->type, "Test");
	a->ports = 1;
	a->port_array = (uintptr_t)desc;
}

void fill_block(struct setup *s, void *args)
{
	((struct mqshm_id_args *)args)->id = s->block;
}

void fill_out_port(struct setup *s, void *args)
{
	((struct mqshm_id_args *)args)->id = s->ports[1];
}

void fill_port_eventfd(struct setup *s, void *args)
{
	struct mqshm_port_eventfd_args *a = args;

	a->port = s->ports[0];
	a->eventfd = s->event;
}

void fill_port_arm(struct setup *s, void *args)
{
	struct mqshm_port_eventfd_args e =
		ARGS(port_eventfd, .port = s->ports[0], .eventfd = s->event);

	command(s->fds[CLIENT], MQSHM_IOC_PORT_EVENTFD, &e);
	((struct mqshm_id_args *)args)->id = s->ports[0];
}

void fill_connect(struct setup *s, void *args)
{
	struct mqshm_connect_args *a = args;

	strcpy(a->from_block, "a");
	strcpy(a->from_port, "out");
	strcpy(a->to_block, "b");
	strcpy(a->to_port, "in");
}

void fill_connection(struct setup *s, void *args)
{
	((struct mqshm_id_args *)args)->id = s->connection;
}

void fill_ring(struct setup *s, void *args)
{
	((struct mqshm_id_args *)args)->id = s->ring;
}

void fill_lease(struct setup *s, void *args)
{
	((struct mqshm_lease_args *)args)->count = 1;
}

void fill_return(struct setup *s, void *args)
{
	struct mqshm_return_args *a = args;

	a->count = 1;
	a->buffers[0] = s->buffer;
}

void fill_ref(struct setup *s, void *args)
{
	struct mqshm_ref_args *a = args;

	a->count = 1;
	a->refs[0].buffer = s->buffer;
	a->refs[0].delta = 1;
}

void fill_kick(struct setup *s, void *args)
{
	struct mqshm_kick_args *a = args;

	a->count = 1;
	a->rings[0] = s->ring;
}

void fill_wait(struct setup *s, void *args)
{
	struct mqshm_wait_args *a = args;

	a->gen = POISON64;
	a->deadline_ns = 1;
	a->ports = 1;
	a->port_array[0] = s->ports[0];
}

void fill_bus_publish(struct setup *s, void *args)
{
	struct mqshm_bus_publish_args *a = args;

	strcpy(a->topic, "topic");
	a->payload = (uintptr_t)s->memory;
	a->payload_bytes = 1;
}

static int setup_clients(struct setup *s)
{
	int err = pool_create(s->fds[BOUND], "pool", 64, 16, NULL);

	if (!err)
		err = client_join(s->fds[CLIENT], 0, NULL);
	if (!err)
		err = client_join(s->other, 0, NULL);
	if (!err)
		err = block_create(s->fds[CLIENT], "a", 0, s->ports, &s->block);
	if (!err)
		err = block_create(s->other, "b", 0, s->ports + 2, NULL);
	return err;
}

static int setup_ring(struct setup *s)
{
	struct mqshm_event e;
	int err = connect_blocks(s->fds[BOUND], "b", "a", &s->connection);

	if (!err)
		err = attach_ring(s->fds[CLIENT], MQSHM_DIR_IN, &e);
	s->ring = e.ring;
	if (!err)
		err = attach_ring(s->other, MQSHM_DIR_OUT, &e);
	return err;
}

int setup_open(struct setup *s)
{
	struct mqshm_lease_args leased;
	int err;

	s->fds[UNBOUND] = device_open();
	s->fds[BOUND] = runtime_create_fd(runtime_name(), 0);
	s->fds[CLIENT] = runtime_open_fd(runtime_name());
	s->fds[SUBSCRIBER] = runtime_open_fd(runtime_name());
	s->other = runtime_open_fd(runtime_name());
	if (s->fds[UNBOUND] < 0 || s->fds[BOUND] < 0)
		return s->fds[BOUND];
	err = command(s->fds[SUBSCRIBER], MQSHM_IOC_BUS_OPEN, &ARGS(bus_open));
	if (!err)
		err = setup_clients(s);
	if (!err)
		err = setup_ring(s);
	if (!err)
		err = lease(s->fds[CLIENT], 0, 1, &leased);
	s->buffer = leased.buffers[0];
	s->event = eventfd(0, EFD_CLOEXEC);
	return err;
}
