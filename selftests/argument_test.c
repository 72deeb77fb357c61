// SPDX-License-Identifier: GPL-2.0-only
/*
 * Single arguments of single commands: outputs are written in full, and each value
 * that means nothing is refused with the errno that says why.
 */

#include "kselftest_harness.h"

#include <sys/ioctl.h>
#include <sys/mman.h>

#include "call.h"

FIXTURE(argument)
{
	struct setup s;
};

FIXTURE_SETUP(argument)
{
	int err = setup_open(&self->s);

	ASSERT_EQ(0, err) TH_LOG("%s: is the module loaded?", DEVICE);
}

FIXTURE_TEARDOWN(argument)
{
}

TEST_F(argument, info)
{
	struct mqshm_info_args a = ARGS(info, .out_version = POISON32, .out_magic = POISON64,
					.out_features = POISON64);

	ASSERT_EQ(0, command(self->s.fds[UNBOUND], MQSHM_IOC_INFO, &a));
	EXPECT_EQ(MQSHM_ABI_VERSION, a.out_version);
	EXPECT_EQ(MQSHM_MAGIC, a.out_magic);
	EXPECT_EQ(MQSHM_FEATURE_NATIVE, a.out_features & MQSHM_FEATURE_NATIVE);
	EXPECT_EQ(MQSHM_FEATURE_PERSISTENT, a.out_features & MQSHM_FEATURE_PERSISTENT);
	EXPECT_EQ(0ULL, a.out_features & 0xcccccccc00000000ULL);
}

TEST_F(argument, runtime_create)
{
	struct mqshm_runtime_create_args a =
		ARGS(runtime_create, .mode = 0700, .gid = MQSHM_GID_SELF, .out_id = POISON64,
		     .out_created = POISON32);

	snprintf(a.name, sizeof(a.name), "%s-2", runtime_name());
	ASSERT_EQ(0, command(self->s.fds[UNBOUND], MQSHM_IOC_RUNTIME_CREATE, &a));
	EXPECT_NE(POISON64, a.out_id);
	EXPECT_EQ(1U, a.out_created);
}

TEST_F(argument, join)
{
	struct mqshm_client_join_args a;

	ASSERT_EQ(0, client_join(self->s.fds[BOUND], 0, &a));
	EXPECT_NE(POISON64, a.out_id);
	EXPECT_EQ(2U, a.out_index);
	EXPECT_EQ(512U, a.out_rings);
	EXPECT_EQ(65536U, a.out_buffers);
	EXPECT_EQ(256U, a.out_stats);
}

TEST_F(argument, lease_and_return)
{
	struct mqshm_lease_args a;
	struct mqshm_return_args r = ARGS(return, .count = 1, .out_done = POISON32);

	ASSERT_EQ(0, lease(self->s.fds[CLIENT], 0, 64, &a));
	EXPECT_EQ(2U, a.out_count) TH_LOG("an eighth of 16");
	r.buffers[0] = a.buffers[0];
	ASSERT_EQ(0, command(self->s.fds[CLIENT], MQSHM_IOC_RETURN, &r));
	EXPECT_EQ(1U, r.out_done);
}

/* Of an array only what the call gave is written: what lies behind it in the kernel stays there. */
TEST_F(argument, rest_of_an_array)
{
	struct mqshm_lease_args lease = ARGS(lease, .count = 1);
	struct mqshm_wait_args wait = ARGS(wait, .gen = POISON64, .reserved = 1,
					   .out_leased = POISON32);
	unsigned int i;

	memset(lease.buffers, 0xcc, sizeof(lease.buffers));
	ASSERT_EQ(0, command(self->s.fds[CLIENT], MQSHM_IOC_LEASE, &lease));
	ASSERT_EQ(1U, lease.out_count);
	EXPECT_NE(POISON32, lease.buffers[0]);
	for (i = 1; i < MQSHM_LEASE_MAX; i++)
		EXPECT_EQ(POISON32, lease.buffers[i]);

	/* refused before anything was leased */
	memset(wait.buffers, 0xcc, sizeof(wait.buffers));
	ASSERT_EQ(-EINVAL, command(self->s.fds[CLIENT], MQSHM_IOC_WAIT, &wait));
	EXPECT_EQ(0U, wait.out_leased);
	for (i = 0; i < MQSHM_BATCH_MAX; i++)
		EXPECT_EQ(POISON32, wait.buffers[i]);
}

TEST_F(argument, connect_says_which)
{
	static const struct { const char *names[4]; __u32 which; } missing[] = {
		{ { "x", "out", "b", "in" }, 0 },
		{ { "a", "x", "b", "in" }, 1 },
		{ { "a", "out", "x", "in" }, 2 },
		{ { "a", "out", "b", "x" }, 3 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(missing); i++) {
		struct mqshm_connect_args a = ARGS(connect, .out_id = POISON64,
						   .out_which = POISON32);

		strcpy(a.from_block, missing[i].names[0]);
		strcpy(a.from_port, missing[i].names[1]);
		strcpy(a.to_block, missing[i].names[2]);
		strcpy(a.to_port, missing[i].names[3]);
		EXPECT_EQ(-ENOENT, command(self->s.fds[BOUND], MQSHM_IOC_CONNECT, &a));
		EXPECT_EQ(missing[i].which, a.out_which);
	}
}

/* A batch that meets a wrong entry says how many it did. */
TEST_F(argument, return_stops_at_a_wrong_entry)
{
	struct mqshm_return_args r = ARGS(return, .count = 2, .out_done = POISON32);

	r.buffers[0] = self->s.buffer;
	r.buffers[1] = self->s.buffer;
	EXPECT_EQ(-EINVAL, command(self->s.fds[CLIENT], MQSHM_IOC_RETURN, &r));
	EXPECT_EQ(1U, r.out_done);
}

/* -- single fields ------------------------------------------------------- */

#define client_fd	(self->s.fds[CLIENT])
#define manage_fd	(self->s.fds[BOUND])

TEST_F(argument, unknown_command)
{
	static const unsigned int numbers[] = {
		_IO(MQSHM_IOC_TYPE, 0x08), _IO(MQSHM_IOC_TYPE, 0x11), _IO(MQSHM_IOC_TYPE, 0x55),
		_IO(MQSHM_IOC_TYPE, 0xff), _IO(0xBE, 0x00),
		_IOWR(MQSHM_IOC_TYPE, 0x00, struct mqshm_info_args), 0, ~0U,
	};
	union args a = { .size = 24 };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		for (enum state state = UNBOUND; state <= CLIENT; state++) {
			EXPECT_EQ(-ENOTTY, command(self->s.fds[state], numbers[i], &a))
				TH_LOG("command %x", numbers[i]);
		}
	}
}

TEST_F(argument, read_only_arguments)
{
	struct mqshm_info_args a = ARGS(info);
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	memcpy(p, &a, sizeof(a));
	ASSERT_EQ(0, mprotect(p, 4096, PROT_READ));
	EXPECT_EQ(-EFAULT, command(self->s.fds[UNBOUND], MQSHM_IOC_INFO, p));
}

TEST_F(argument, size_of_4_gigabytes)
{
	struct mqshm_info_args a = ARGS(info);
	int err;

	a.size = ~0U;
	err = command(self->s.fds[UNBOUND], MQSHM_IOC_INFO, &a);
	EXPECT_TRUE(err == -E2BIG || err == -EFAULT) TH_LOG("%d", err);
}

/* Puts each bad value where a name belongs. */
#define EXPECT_BAD_NAME(fd, nr, args, field, err) \
	EXPECT_EQ(err, command(fd, MQSHM_IOC_##nr, &(args))) TH_LOG("%s '%.*s'", #field, \
		(int)sizeof((args).field), (args).field)

#define TRY_BAD_NAMES(fd, nr, args, field, separator) \
do { \
	memset((args).field, 'n', sizeof((args).field)); \
	EXPECT_BAD_NAME(fd, nr, args, field, -EINVAL); \
	memset((args).field, 0, sizeof((args).field)); \
	EXPECT_BAD_NAME(fd, nr, args, field, -EINVAL); \
	strcpy((args).field, "a\nb"); \
	EXPECT_BAD_NAME(fd, nr, args, field, -EINVAL); \
	if (separator) { \
		sprintf((args).field, "a%cb", separator); \
		EXPECT_BAD_NAME(fd, nr, args, field, -EINVAL); \
	} \
} while (0)

TEST_F(argument, names_of_runtimes)
{
	struct mqshm_runtime_create_args c = ARGS(runtime_create);
	struct mqshm_runtime_open_args o = ARGS(runtime_open);

	fill_runtime_create(&self->s, &c);
	TRY_BAD_NAMES(self->s.fds[UNBOUND], RUNTIME_CREATE, c, name, '/');
	fill_runtime_open(&self->s, &o);
	TRY_BAD_NAMES(self->s.fds[UNBOUND], RUNTIME_OPEN, o, name, '/');
}

TEST_F(argument, names_of_pools)
{
	struct mqshm_pool_create_args a = ARGS(pool_create);

	fill_pool_create(&self->s, &a);
	TRY_BAD_NAMES(manage_fd, POOL_CREATE, a, name, 0);
}

TEST_F(argument, names_of_blocks)
{
	struct mqshm_block_create_args a = ARGS(block_create);

	fill_block_create(&self->s, &a);
	TRY_BAD_NAMES(client_fd, BLOCK_CREATE, a, name, ':');
	strcpy(a.name, "new");
	TRY_BAD_NAMES(client_fd, BLOCK_CREATE, a, type, 0);
}

TEST_F(argument, names_of_ports)
{
	struct mqshm_block_create_args a = ARGS(block_create);
	struct mqshm_port_desc *desc = (void *)self->s.memory;

	fill_block_create(&self->s, &a);
	memset(desc->name, 'n', sizeof(desc->name));
	EXPECT_EQ(-EINVAL, command(client_fd, MQSHM_IOC_BLOCK_CREATE, &a));
	memset(desc->name, 0, sizeof(desc->name));
	EXPECT_EQ(-EINVAL, command(client_fd, MQSHM_IOC_BLOCK_CREATE, &a));
}

TEST_F(argument, names_in_connect)
{
	struct mqshm_connect_args a = ARGS(connect);

	fill_connect(&self->s, &a);
	memset(a.from_block, 'n', sizeof(a.from_block));
	EXPECT_EQ(-EINVAL, command(manage_fd, MQSHM_IOC_CONNECT, &a));
	memset(a.from_block, 0, sizeof(a.from_block));
	fill_connect(&self->s, &a);
	memset(a.from_port, 'n', sizeof(a.from_port));
	EXPECT_EQ(-EINVAL, command(manage_fd, MQSHM_IOC_CONNECT, &a));
	memset(a.from_port, 0, sizeof(a.from_port));
	fill_connect(&self->s, &a);
	memset(a.to_block, 'n', sizeof(a.to_block));
	EXPECT_EQ(-EINVAL, command(manage_fd, MQSHM_IOC_CONNECT, &a));
	memset(a.to_block, 0, sizeof(a.to_block));
	fill_connect(&self->s, &a);
	memset(a.to_port, 'n', sizeof(a.to_port));
	EXPECT_EQ(-EINVAL, command(manage_fd, MQSHM_IOC_CONNECT, &a));
}

TEST_F(argument, name_of_process)
{
	struct mqshm_client_join_args a = ARGS(client_join);

	memset(a.name, 'n', sizeof(a.name));
	EXPECT_EQ(-EINVAL, command(manage_fd, MQSHM_IOC_CLIENT_JOIN, &a));
}

/* The longest names that fit. */
TEST_F(argument, longest_names)
{
	struct mqshm_pool_create_args p = ARGS(pool_create);
	struct mqshm_block_create_args b = ARGS(block_create);
	struct mqshm_port_desc *desc = (void *)self->s.memory;

	fill_pool_create(&self->s, &p);
	memset(p.name, 'n', sizeof(p.name) - 1);
	EXPECT_EQ(0, command(manage_fd, MQSHM_IOC_POOL_CREATE, &p));
	fill_block_create(&self->s, &b);
	memset(b.name, 'n', sizeof(b.name) - 1);
	memset(b.type, 'n', sizeof(b.type) - 1);
	memset(desc->name, 'n', sizeof(desc->name) - 1);
	EXPECT_EQ(0, command(client_fd, MQSHM_IOC_BLOCK_CREATE, &b));
}

#define TRY_FIELD(fd, nr, type, fill, err, ...) \
do { \
	struct mqshm_##type##_args a = ARGS(type); \
	fill(&self->s, &a); \
	__VA_ARGS__; \
	EXPECT_EQ(err, command(fd, MQSHM_IOC_##nr, &a)) TH_LOG("%s", #__VA_ARGS__); \
} while (0)

TEST_F(argument, mode_beyond_nine_bits)
{
	TRY_FIELD(self->s.fds[UNBOUND], RUNTIME_CREATE, runtime_create, fill_runtime_create,
		  -EINVAL, a.mode = 01000);
}

TEST_F(argument, limits_beyond_the_abi)
{
	int fd = self->s.fds[UNBOUND];

	TRY_FIELD(fd, RUNTIME_CREATE, runtime_create, fill_runtime_create, -EINVAL,
		  a.limits.clients = MQSHM_CLIENTS_MAX + 1);
	TRY_FIELD(fd, RUNTIME_CREATE, runtime_create, fill_runtime_create, -EINVAL,
		  a.limits.connections = MQSHM_RINGS_MAX + 1);
	TRY_FIELD(fd, RUNTIME_CREATE, runtime_create, fill_runtime_create, -EINVAL,
		  a.limits.pools = MQSHM_POOLS_MAX + 1);
	TRY_FIELD(fd, RUNTIME_CREATE, runtime_create, fill_runtime_create, -EINVAL,
		  a.limits.buffers = MQSHM_BUFFERS_MAX + 1);
	TRY_FIELD(fd, RUNTIME_CREATE, runtime_create, fill_runtime_create, -EINVAL,
		  a.limits.blocks = ~0U);
	TRY_FIELD(fd, RUNTIME_CREATE, runtime_create, fill_runtime_create, -EINVAL,
		  a.limits.ports = ~0U);
}

TEST_F(argument, pool_sizes)
{
	TRY_FIELD(manage_fd, POOL_CREATE, pool_create, fill_pool_create, -EINVAL,
		  a.buffer_bytes = MQSHM_BUFFER_BYTES_MIN - 1);
	TRY_FIELD(manage_fd, POOL_CREATE, pool_create, fill_pool_create, -EINVAL,
		  a.buffer_bytes = MQSHM_BUFFER_BYTES_MAX + 1);
	TRY_FIELD(manage_fd, POOL_CREATE, pool_create, fill_pool_create, -EINVAL,
		  a.buffers = 0);
	TRY_FIELD(manage_fd, POOL_CREATE, pool_create, fill_pool_create, -ENOSPC,
		  a.buffers = 65537);
}

TEST_F(argument, unknown_values)
{
	struct mqshm_port_desc *desc = (void *)self->s.memory;

	TRY_FIELD(manage_fd, CLIENT_JOIN, client_join, fill_client_join, -EINVAL, a.role = 3);
	TRY_FIELD(manage_fd, QUERY, query, fill_query, -EINVAL, a.what = 2);
	TRY_FIELD(manage_fd, HOLDERS, holders, fill_holders, -EINVAL, a.what = 2);
	TRY_FIELD(manage_fd, HOLDERS, holders, fill_holders, -EINVAL, a.buffer_bytes = 0);
	TRY_FIELD(manage_fd, HOLDERS, holders, fill_holders, -EINVAL,
		  a.buffer_bytes = sizeof(struct mqshm_holder_record) - 1);
	TRY_FIELD(client_fd, BLOCK_CREATE, block_create, fill_block_create, -EINVAL, a.class_ = 3);
	TRY_FIELD(client_fd, BLOCK_CREATE, block_create, fill_block_create, -EINVAL,
		  desc->direction = 2);
	TRY_FIELD(client_fd, BLOCK_CREATE, block_create, fill_block_create, -EINVAL,
		  desc->reserved = 1);
	TRY_FIELD(client_fd, BLOCK_CREATE, block_create, fill_block_create, -EINVAL,
		  desc->depth = MQSHM_DEPTH_MAX + 1);
	TRY_FIELD(client_fd, BLOCK_CREATE, block_create, fill_block_create, -EINVAL,
		  desc->direction = MQSHM_DIR_OUT; desc->depth = 1);
}

TEST_F(argument, batches_beyond_the_array)
{
	TRY_FIELD(client_fd, RETURN, return, fill_return, -EINVAL, a.count = MQSHM_LEASE_MAX + 1);
	TRY_FIELD(client_fd, REF, ref, fill_ref, -EINVAL, a.count = MQSHM_BATCH_MAX + 1);
	TRY_FIELD(client_fd, KICK, kick, fill_kick, -EINVAL, a.count = MQSHM_BATCH_MAX + 1);
	TRY_FIELD(client_fd, WAIT, wait, fill_wait, -EINVAL, a.count = MQSHM_BATCH_MAX + 1);
	TRY_FIELD(client_fd, WAIT, wait, fill_wait, -EINVAL, a.ports = MQSHM_BATCH_MAX + 1);
	TRY_FIELD(client_fd, WAIT, wait, fill_wait, -EINVAL, a.list_count = MQSHM_WAIT_PORTS_MAX + 1);
	TRY_FIELD(client_fd, WAIT, wait, fill_wait, -EINVAL, a.fds_count = MQSHM_WAIT_FDS_MAX + 1);
}

/* Nor if the caller's struct is longer than the kernel's, so that there is something behind it. */
TEST_F(argument, batch_in_a_longer_struct)
{
	struct {
		struct mqshm_kick_args kick;
		__u32 more[4];
	} a = { .kick = { .size = sizeof(a), .count = MQSHM_BATCH_MAX } };

	EXPECT_EQ(0, command(self->s.fds[CLIENT], MQSHM_IOC_KICK, &a));
	a.kick.count++;
	EXPECT_EQ(-EINVAL, command(self->s.fds[CLIENT], MQSHM_IOC_KICK, &a));
}

TEST_F(argument, objects_that_are_not_there)
{
	TRY_FIELD(manage_fd, DISCONNECT, id, fill_connection, -ENOENT, a.id = POISON64);
	TRY_FIELD(manage_fd, BLOCK_STOP, id, fill_block, -ENOENT, a.id = POISON64);
	TRY_FIELD(client_fd, BLOCK_REMOVE, id, fill_block, -ENOENT, a.id = POISON64);
	TRY_FIELD(client_fd, PORT_END, id, fill_out_port, -ENOENT, a.id = POISON32);
	TRY_FIELD(client_fd, PORT_ARM, id, fill_port_arm, -ENOENT, a.id = POISON32);
	TRY_FIELD(client_fd, RING_DETACH, id, fill_ring, -ENOENT, a.id = POISON32);
	TRY_FIELD(client_fd, LEASE, lease, fill_lease, -ENOENT, a.pool = 1);
	TRY_FIELD(client_fd, LEASE, lease, fill_lease, -ENOENT, a.pool = ~0U);
	TRY_FIELD(client_fd, WAIT, wait, fill_wait, -ENOENT, a.port_array[0] = POISON32);
	TRY_FIELD(client_fd, RETURN, return, fill_return, -EINVAL, a.buffers[0] = ~0U);
	TRY_FIELD(client_fd, RETURN, return, fill_return, -EINVAL, a.buffers[0] = 16);
	TRY_FIELD(client_fd, REF, ref, fill_ref, -EINVAL, a.refs[0].buffer = ~0U);
}

/* Ids are 64 bits: what lies above the 32 bits of a port or ring counts. */
TEST_F(argument, high_bits_of_ids)
{
	TRY_FIELD(client_fd, PORT_END, id, fill_out_port, -ENOENT, a.id |= 1ULL << 32);
	TRY_FIELD(client_fd, PORT_ARM, id, fill_port_arm, -ENOENT, a.id |= 1ULL << 32);
	TRY_FIELD(client_fd, RING_DETACH, id, fill_ring, -ENOENT, a.id |= 1ULL << 32);
	TRY_FIELD(client_fd, RING_DETACH, id, fill_ring, -ENOENT, a.id |= 1ULL << 16);
}

TEST_F(argument, objects_of_another_client)
{
	struct snapshot s;
	__u64 b;

	ASSERT_EQ(0, snapshot_take(manage_fd, MQSHM_QUERY_RUNTIME, &s));
	b = snapshot_block(&s, "b")->id;
	TRY_FIELD(client_fd, BLOCK_REMOVE, id, fill_block, -ENOENT, a.id = b);
	TRY_FIELD(client_fd, PORT_END, id, fill_out_port, -ENOENT, a.id = self->s.ports[3]);
	TRY_FIELD(client_fd, PORT_ARM, id, fill_port_arm, -ENOENT, a.id = self->s.ports[2]);
	TRY_FIELD(client_fd, PORT_EVENTFD, port_eventfd, fill_port_eventfd, -ENOENT,
		  a.port = self->s.ports[2]);
	TRY_FIELD(client_fd, WAIT, wait, fill_wait, -ENOENT, a.port_array[0] = self->s.ports[2]);
	TRY_FIELD(self->s.other, RETURN, return, fill_return, -EINVAL, (void)0);
	TRY_FIELD(self->s.other, REF, ref, fill_ref, -EINVAL, (void)0);
	snapshot_free(&s);
}

TEST_F(argument, ports_of_the_wrong_direction)
{
	TRY_FIELD(client_fd, PORT_END, id, fill_out_port, -EINVAL, a.id = self->s.ports[0]);
	TRY_FIELD(client_fd, PORT_ARM, id, fill_port_arm, -EINVAL, a.id = self->s.ports[1]);
	TRY_FIELD(client_fd, PORT_EVENTFD, port_eventfd, fill_port_eventfd, -EINVAL,
		  a.port = self->s.ports[1]);
	TRY_FIELD(manage_fd, CONNECT, connect, fill_connect, -EINVAL, strcpy(a.from_port, "in"));
	TRY_FIELD(manage_fd, CONNECT, connect, fill_connect, -EINVAL, strcpy(a.to_port, "out"));
}

TEST_F(argument, eventfd_that_is_none)
{
	TRY_FIELD(client_fd, PORT_EVENTFD, port_eventfd, fill_port_eventfd, -EBADF,
		  a.eventfd = 999);
	TRY_FIELD(client_fd, PORT_EVENTFD, port_eventfd, fill_port_eventfd, -EINVAL,
		  a.eventfd = manage_fd);
}

TEST_F(argument, arm_without_eventfd)
{
	EXPECT_EQ(-EINVAL, id_command(client_fd, MQSHM_IOC_PORT_ARM, self->s.ports[0]));
}

TEST_F(argument, names_taken)
{
	TRY_FIELD(self->s.fds[UNBOUND], RUNTIME_CREATE, runtime_create, fill_runtime_create,
		  -EEXIST, strcpy(a.name, runtime_name()));
	TRY_FIELD(manage_fd, POOL_CREATE, pool_create, fill_pool_create, -EEXIST,
		  strcpy(a.name, "pool"));
	TRY_FIELD(client_fd, BLOCK_CREATE, block_create, fill_block_create, -EEXIST,
		  strcpy(a.name, "b"));
	TRY_FIELD(manage_fd, CONNECT, connect, fill_connect, -EEXIST,
		  strcpy(a.from_block, "b"); strcpy(a.to_block, "a"));
}

TEST_F(argument, two_ports_of_one_name)
{
	struct mqshm_port_desc *desc = (void *)self->s.memory;

	TRY_FIELD(client_fd, BLOCK_CREATE, block_create, fill_block_create, -EEXIST,
		  desc[1] = desc[0]; a.ports = 2);
}

TEST_F(argument, bad_references)
{
	TRY_FIELD(client_fd, REF, ref, fill_ref, -EINVAL, a.refs[0].delta = 0);
	TRY_FIELD(client_fd, REF, ref, fill_ref, -EINVAL, a.refs[0].delta = -2);
	TRY_FIELD(client_fd, REF, ref, fill_ref, -EINVAL, a.refs[0].delta = 256);
	TRY_FIELD(client_fd, REF, ref, fill_ref, -EINVAL, a.refs[0].delta = -2147483647 - 1);
}

TEST_F(argument, more_references_than_a_count_takes)
{
	struct mqshm_ref_args a = ARGS(ref, .count = 1);

	a.refs[0] = (struct mqshm_ref) { .buffer = self->s.buffer, .delta = 255 };
	for (__u32 n = 1; n + 255 <= MQSHM_W_COUNT_MAX; n += 255) {
		ASSERT_EQ(0, command(client_fd, MQSHM_IOC_REF, &a)) TH_LOG("%u", n);
	}
	EXPECT_EQ(-EOVERFLOW, command(client_fd, MQSHM_IOC_REF, &a));
}

TEST_F(argument, nested_pointers)
{
	TRY_FIELD(client_fd, BLOCK_CREATE, block_create, fill_block_create, -EFAULT,
		  a.port_array = 0);
	TRY_FIELD(client_fd, BLOCK_CREATE, block_create, fill_block_create, -EFAULT,
		  a.port_array = POISON64);
	TRY_FIELD(manage_fd, QUERY, query, fill_query, -EFAULT, a.buffer = 0);
	TRY_FIELD(manage_fd, QUERY, query, fill_query, -EFAULT, a.buffer = POISON64);
	/* something is held, so that there is something to copy */
	TRY_FIELD(manage_fd, HOLDERS, holders, fill_holders, -EFAULT, a.buffer = 0);
	TRY_FIELD(manage_fd, HOLDERS, holders, fill_holders, -EFAULT, a.buffer = POISON64);
}

/* A block that was refused left nothing behind. */
TEST_F(argument, failed_block_is_not_there)
{
	struct snapshot s;

	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, p);
	TRY_FIELD(client_fd, BLOCK_CREATE, block_create, fill_block_create, -EFAULT,
		  a.port_array = 0);
	/* read well, but the numbers of its ports cannot be told */
	TRY_FIELD(client_fd, BLOCK_CREATE, block_create, fill_block_create, -EFAULT,
		  memcpy(p, (void *)(uintptr_t)a.port_array, sizeof(struct mqshm_port_desc));
		  a.port_array = (uintptr_t)p; mprotect(p, 4096, PROT_READ));
	ASSERT_EQ(0, snapshot_take(manage_fd, MQSHM_QUERY_RUNTIME, &s));
	EXPECT_EQ(NULL, snapshot_block(&s, "new"));
	EXPECT_EQ(2U, snapshot_count(&s, MQSHM_RECORD_BLOCK));
	snapshot_free(&s);
	TRY_FIELD(client_fd, BLOCK_CREATE, block_create, fill_block_create, 0, (void)0);
}

TEST_HARNESS_MAIN
