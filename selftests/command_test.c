// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every command, and each way to be refused before it does anything. One cause a
 * test: everything else about the call is right.
 */

#include "kselftest_harness.h"

#include <sys/mman.h>

#include "call.h"

FIXTURE(command)
{
	struct setup s;
	union args args;
};

#define NO_FLAGS	(~0U)

FIXTURE_VARIANT(command)
{
	unsigned int number;
	size_t bytes;
	size_t least;		/* size that is taken */
	enum state needs;
	int result;		/* of the right call */
	void (*fill)(struct setup *s, void *args);
	unsigned int flags_at;
	unsigned int reserved_at;	/* 0: none */
};

#define FLAGS_AT	4
#define COMMAND_FROM(name, type, state, gives, filler, reserved, smallest) \
FIXTURE_VARIANT_ADD(command, name) { \
	.number = MQSHM_IOC_##name, \
	.bytes = sizeof(struct mqshm_##type##_args), \
	.least = smallest, \
	.needs = state, .result = gives, .fill = filler, \
	.flags_at = MQSHM_IOC_##name == MQSHM_IOC_INFO || \
		MQSHM_IOC_##name == MQSHM_IOC_QUERY ? NO_FLAGS : FLAGS_AT, \
	.reserved_at = reserved, \
};
#define COMMAND(name, type, state, gives, filler, reserved) \
	COMMAND_FROM(name, type, state, gives, filler, reserved, \
		     sizeof(struct mqshm_##type##_args))
/* The array at the end may be cut where the call has no more elements. */
#define BATCH(name, type, filler, reserved, array) \
	COMMAND_FROM(name, type, CLIENT, 0, filler, reserved, \
		     offsetof(struct mqshm_##type##_args, array[1]))
#define RESERVED(type)	offsetof(struct mqshm_##type##_args, reserved)

COMMAND(INFO, info, UNBOUND, 0, fill_info, 0)
COMMAND(RUNTIME_CREATE, runtime_create, UNBOUND, 0, fill_runtime_create, RESERVED(runtime_create))
COMMAND(RUNTIME_OPEN, runtime_open, UNBOUND, 0, fill_runtime_open, RESERVED(runtime_open))
COMMAND(RUNTIME_REMOVE, runtime_remove, BOUND, -EBUSY, fill_nothing, RESERVED(runtime_remove))
COMMAND(RUNTIME_WAIT, runtime_wait, BOUND, 0, fill_runtime_wait, 0)
COMMAND(QUERY, query, BOUND, 0, fill_query, 0)
COMMAND(HOLDERS, holders, BOUND, 0, fill_holders, RESERVED(holders))
COMMAND(MONITOR, monitor, UNBOUND, 0, fill_nothing, RESERVED(monitor))
COMMAND_FROM(POOL_CREATE, pool_create, BOUND, 0, fill_pool_create, RESERVED(pool_create),
	     offsetof(struct mqshm_pool_create_args, node))
COMMAND(CLIENT_JOIN, client_join, BOUND, 0, fill_client_join, RESERVED(client_join))
COMMAND(CLIENT_SYNC, client_sync, CLIENT, 0, fill_nothing, 0)
COMMAND(CLIENT_DETACH, id, CLIENT, 0, fill_nothing, 0)
COMMAND(CLIENT_RECOVER, id, CLIENT, 0, fill_nothing, 0)
COMMAND(CLIENT_WAKE, id, CLIENT, 0, fill_nothing, 0)
COMMAND_FROM(BLOCK_CREATE, block_create, CLIENT, 0, fill_block_create, 0,
	     offsetof(struct mqshm_block_create_args, out_slot))
COMMAND(BLOCK_REMOVE, id, CLIENT, 0, fill_block, 0)
COMMAND(BLOCK_STOP, id, BOUND, 0, fill_block, 0)
COMMAND(PORT_END, id, CLIENT, 0, fill_out_port, 0)
COMMAND(PORT_EVENTFD, port_eventfd, CLIENT, 0, fill_port_eventfd, 0)
COMMAND(PORT_ARM, id, CLIENT, 0, fill_port_arm, 0)
COMMAND_FROM(CONNECT, connect, BOUND, 0, fill_connect, 0,
	     offsetof(struct mqshm_connect_args, keep_ns))
COMMAND(DISCONNECT, id, BOUND, 0, fill_connection, 0)
COMMAND(RING_DETACH, id, CLIENT, 0, fill_ring, 0)
COMMAND(LEASE, lease, CLIENT, 0, fill_lease, RESERVED(lease))
BATCH(RETURN, return, fill_return, 0, buffers)
BATCH(REF, ref, fill_ref, 0, refs)
BATCH(KICK, kick, fill_kick, RESERVED(kick), rings)
COMMAND_FROM(WAIT, wait, CLIENT, 0, fill_wait, RESERVED(wait),
	     offsetof(struct mqshm_wait_args, list))
COMMAND(BUS_OPEN, bus_open, BOUND, 0, fill_nothing, RESERVED(bus_open))
COMMAND(BUS_SUBSCRIBE, bus_subscribe, SUBSCRIBER, 0, fill_nothing, 0)
COMMAND(BUS_PUBLISH, bus_publish, BOUND, 0, fill_bus_publish, RESERVED(bus_publish))

FIXTURE_SETUP(command)
{
	int err = setup_open(&self->s);

	ASSERT_EQ(0, err) TH_LOG("%s: is the module loaded?", DEVICE);
	variant->fill(&self->s, &self->args);
	self->args.size = variant->bytes;
}

FIXTURE_TEARDOWN(command)
{
}

/* Runs the command on the descriptor that it needs. */
#define RUN() command(self->s.fds[variant->needs], variant->number, &self->args)

TEST_F(command, right_call)
{
	EXPECT_EQ(variant->result, RUN());
}

TEST_F(command, smaller_size)
{
	for (size_t size = 0; size < variant->least; size++) {
		self->args.size = size;
		ASSERT_EQ(-EINVAL, RUN()) TH_LOG("size %zu", size);
	}
}

TEST_F(command, least_size)
{
	union args before = self->args;

	if (variant->least < variant->bytes) {
		/* it leaves its arguments on the kernel's stack, where the next ones will be */
		memset(before.bytes + variant->least, 0xff, variant->bytes - variant->least);
		memset(before.bytes + FLAGS_AT, 0xff, sizeof(__u32));
		ASSERT_EQ(-EINVAL, command(self->s.fds[variant->needs], variant->number, &before));
	}
	self->args.size = variant->least;
	EXPECT_EQ(variant->result, RUN());
}

TEST_F(command, larger_with_zero_tail)
{
	self->args.size = variant->bytes + 64;
	EXPECT_EQ(variant->result, RUN());
}

TEST_F(command, larger_with_data_in_tail)
{
	for (size_t at = variant->bytes; at < variant->bytes + 24; at++) {
		self->args.size = variant->bytes + 24;
		self->args.bytes[at] = 1;
		ASSERT_EQ(-E2BIG, RUN()) TH_LOG("byte %zu", at);
		self->args.bytes[at] = 0;
	}
}

TEST_F(command, unknown_flags)
{
	if (variant->flags_at == NO_FLAGS)
		return;
	for (unsigned int bit = 0; bit < 32; bit++) {
		/* the flags that there are */
		if (bit == 0 && (variant->number == MQSHM_IOC_RUNTIME_CREATE ||
				 variant->number == MQSHM_IOC_RUNTIME_REMOVE ||
				 variant->number == MQSHM_IOC_POOL_CREATE ||
				 variant->number == MQSHM_IOC_CLIENT_JOIN ||
				 variant->number == MQSHM_IOC_BLOCK_CREATE ||
				 variant->number == MQSHM_IOC_BLOCK_REMOVE ||
				 variant->number == MQSHM_IOC_CONNECT ||
				 variant->number == MQSHM_IOC_LEASE))
			continue;
		if (bit == 1 && (variant->number == MQSHM_IOC_RUNTIME_CREATE ||
				 variant->number == MQSHM_IOC_POOL_CREATE ||
				 variant->number == MQSHM_IOC_CLIENT_JOIN))
			continue;
		if (bit == 2 && variant->number == MQSHM_IOC_CONNECT)
			continue;
		*(__u32 *)(self->args.bytes + variant->flags_at) = 1U << bit;
		ASSERT_EQ(-EINVAL, RUN()) TH_LOG("bit %u", bit);
	}
}

TEST_F(command, reserved_bytes)
{
	if (!variant->reserved_at)
		return;
	for (unsigned int i = 0; i < 4; i++) {
		self->args.bytes[variant->reserved_at + i] = 1;
		ASSERT_EQ(-EINVAL, RUN()) TH_LOG("byte %u", i);
		self->args.bytes[variant->reserved_at + i] = 0;
	}
}

TEST_F(command, bad_pointer)
{
	int fd = self->s.fds[variant->needs];

	EXPECT_EQ(-EFAULT, command(fd, variant->number, NULL));
	EXPECT_EQ(-EFAULT, command(fd, variant->number, (void *)-4096L));
}

/* The struct runs into a page that is not there. */
TEST_F(command, pointer_to_half_a_struct)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at = p + 4096 - 8;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_EQ(0, munmap(p + 4096, 4096));
	memcpy(at, &self->args, 8);
	EXPECT_EQ(-EFAULT, command(self->s.fds[variant->needs], variant->number, at));
}

TEST_F(command, wrong_state)
{
	for (enum state state = UNBOUND; state <= SUBSCRIBER; state++) {
		bool fits = state >= variant->needs;

		if (variant->needs == UNBOUND)
			fits = state == UNBOUND || variant->number == MQSHM_IOC_INFO ||
			       (variant->number == MQSHM_IOC_MONITOR && state == BOUND);
		if (variant->needs == CLIENT)
			fits = state == CLIENT;
		if (variant->number == MQSHM_IOC_CLIENT_JOIN ||
		    variant->number == MQSHM_IOC_BUS_OPEN)
			fits = state == BOUND;
		if (fits)
			continue;
		ASSERT_EQ(-EBADFD, command(self->s.fds[state], variant->number, &self->args))
			TH_LOG("state %d", state);
	}
}

/* A client's command from a child that inherited its descriptor. */
struct child_call {
	int fd;
	unsigned int number;
	union args *args;
	int expect;
};

static void run_in_child(void *arg)
{
	struct child_call *a = arg;

	must(command(a->fd, a->number, a->args) == a->expect);
}

TEST_F(command, other_process)
{
	struct child_call a = {
		self->s.fds[CLIENT], variant->number, &self->args, -EPERM };

	if (variant->needs == CLIENT) {
		EXPECT_EQ(0, reap(spawn(run_in_child, &a)));
	}
}

TEST_F(command, after_detach)
{
	if (variant->needs != CLIENT)
		return;
	ASSERT_EQ(0, id_command(self->s.fds[CLIENT], MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_EQ(-ESHUTDOWN, RUN());
}

TEST_HARNESS_MAIN
