// SPDX-License-Identifier: GPL-2.0-only
/* The message bus: who receives what, in which order, and what is lost. */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "bus.h"

BUS_FIXTURE(bus)

/* -- what comes, and to whom --------------------------------------------------- */

TEST_F(bus, what_is_told)
{
	struct mqshm_bus_publish_args a = ARGS(bus_publish, .type = 0x89abcdef,
		.payload = (uintptr_t)"abc\0\xff", .payload_bytes = 5,
		.sender_block = self->block, .topic = "t/1", .out_number = POISON64,
		.out_receivers = POISON32, .out_reserved = POISON32);
	struct mqshm_bus_message *m = &self->in.m.head;
	__u64 before = now_ns();

	ASSERT_EQ(0, command(self->in.fd, MQSHM_IOC_BUS_PUBLISH, &a));
	EXPECT_EQ(1ULL, a.out_number);
	EXPECT_EQ(1U, a.out_receivers);
	EXPECT_EQ(0U, a.out_reserved);
	ASSERT_EQ(1, inbox_next(&self->in));
	EXPECT_EQ(sizeof(*m) + 8, m->bytes);
	EXPECT_EQ(0U, m->flags);
	EXPECT_EQ(0x89abcdefU, m->type);
	EXPECT_EQ(5U, m->payload_bytes);
	EXPECT_EQ(0, memcmp(self->in.m.payload, "abc\0\xff\0\0", 8));
	EXPECT_EQ(1ULL, m->number);
	EXPECT_LE(before, m->at_ns);
	EXPECT_GE(now_ns(), m->at_ns);
	EXPECT_EQ(self->in.id, m->sender);
	EXPECT_EQ(self->block, m->sender_block);
	EXPECT_EQ(0ULL, m->target | m->lost | m->target_pid | m->reserved);
	EXPECT_EQ(getpid(), (int)m->sender_pid);
	EXPECT_EQ(getuid(), m->sender_uid);
	EXPECT_STREQ("t/1", m->topic);
	EXPECT_EMPTY(&self->in);
}

TEST_F(bus, sizes_of_payload)
{
	static char sent[MQSHM_BUS_PAYLOAD_MAX + 1];
	struct mqshm_bus_publish_args a = ARGS(bus_publish, .topic = "t",
					       .payload = (uintptr_t)sent);

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = i + i / 251;
	for (__u32 bytes = 0; bytes <= MQSHM_BUS_PAYLOAD_MAX; bytes += bytes < 20 ? 1 : 1019) {
		a.payload_bytes = bytes;
		ASSERT_EQ(0, command(self->fd, MQSHM_IOC_BUS_PUBLISH, &a));
		ASSERT_EQ(1, inbox_next(&self->in));
		EXPECT_EQ(bytes, self->in.m.head.payload_bytes);
		EXPECT_EQ(0, memcmp(sent, self->in.m.payload, bytes));
		for (__u32 i = bytes; i % 8; i++)
			EXPECT_EQ(0, self->in.m.payload[i]);
	}
	for (int i = 0; i < 3; i++) {
		a.payload_bytes = (__u32[]){ MQSHM_BUS_PAYLOAD_MAX + 1, 0x80000000, ~0U }[i];
		EXPECT_EQ(-EINVAL, command(self->fd, MQSHM_IOC_BUS_PUBLISH, &a));
	}
	EXPECT_EMPTY(&self->in);
}

TEST_F(bus, order)
{
	for (unsigned int i = 0; i < 100; i++) {
		ASSERT_EQ(1, bus_publish(self->fd, "t", number_text(2 * i)));
		ASSERT_EQ(1, bus_publish(self->client, "t", number_text(2 * i + 1)));
		EXPECT_MESSAGE(&self->in, number_text(2 * i));
		EXPECT_EQ(2 * i + 1, self->in.m.head.number);
		EXPECT_EQ(0ULL, self->in.m.head.sender);
		EXPECT_MESSAGE(&self->in, number_text(2 * i + 1));
	}
	EXPECT_EMPTY(&self->in);
}

TEST_F(bus, prefixes)
{
	char longest[MQSHM_BUS_TOPIC_LEN] = "";
	struct inbox all, none;

	memset(longest, 'x', sizeof(longest) - 1);
	ASSERT_EQ(0, inbox_open(&all, 0, 8, ""));
	none.fd = runtime_open_fd(runtime_name());
	ASSERT_EQ(0, bus_open(none.fd, 0, 8, NULL));
	ASSERT_EQ(0, bus_subscribe(self->in.fd, "te"));
	ASSERT_EQ(0, bus_subscribe(self->in.fd, longest));

	EXPECT_EQ(2, bus_publish(self->fd, "t", "a"));
	EXPECT_EQ(2, bus_publish(self->fd, "ten", "b"));
	EXPECT_EQ(1, bus_publish(self->fd, "T", "c"));
	EXPECT_EQ(1, bus_publish(self->fd, "u/t", "d"));
	EXPECT_EQ(2, bus_publish(self->fd, longest, "e"));
	longest[MQSHM_BUS_TOPIC_LEN - 2] = 0;
	EXPECT_EQ(1, bus_publish(self->fd, longest, "f"));
	for (const char *p = "abe"; *p; p++)
		EXPECT_MESSAGE(&self->in, ((char[]){ *p, 0 }));
	EXPECT_EMPTY(&self->in);
	for (const char *p = "abcdef"; *p; p++)
		EXPECT_MESSAGE(&all, ((char[]){ *p, 0 }));
	EXPECT_EMPTY(&all);
}

TEST_F(bus, too_many_prefixes)
{
	for (unsigned int i = 1; i < MQSHM_BUS_PREFIXES_MAX; i++)
		ASSERT_EQ(0, bus_subscribe(self->in.fd, number_text(i)));
	EXPECT_EQ(-ENOSPC, bus_subscribe(self->in.fd, "z"));
	EXPECT_EQ(0, bus_publish(self->fd, "z", ""));
	EXPECT_EQ(1, bus_publish(self->fd, number_text(MQSHM_BUS_PREFIXES_MAX - 1), ""));
}

TEST_F(bus, targets)
{
	struct inbox block, client, peer;
	int other = runtime_open_fd(runtime_name());
	__u64 b;

	ASSERT_EQ(0, client_join(other, 0, NULL));
	ASSERT_EQ(0, block_create(other, "b", 0, NULL, &b));
	ASSERT_EQ(0, inbox_open(&block, self->block, 8, "t"));
	ASSERT_EQ(0, inbox_open(&client, self->client_id, 8, "t"));
	ASSERT_EQ(0, inbox_open(&peer, b, 8, "t"));

	EXPECT_EQ(4, bus_publish_to(self->fd, "t", "all", 0));
	EXPECT_EQ(2, bus_publish_to(self->fd, "t", "block", self->block));
	EXPECT_EQ(2, bus_publish_to(self->fd, "t", "client", self->client_id));
	EXPECT_EQ(1, bus_publish_to(self->fd, "t", "subscriber", block.id));
	EXPECT_EQ(0, bus_publish_to(self->fd, "u", "topic", block.id));
	EXPECT_MESSAGE(&block, "all");
	EXPECT_MESSAGE(&block, "block");
	EXPECT_EQ(self->block, block.m.head.target);
	EXPECT_MESSAGE(&block, "client");
	EXPECT_MESSAGE(&block, "subscriber");
	EXPECT_EMPTY(&block);
	EXPECT_MESSAGE(&client, "all");
	EXPECT_MESSAGE(&client, "block");
	EXPECT_MESSAGE(&client, "client");
	EXPECT_EMPTY(&client);
	EXPECT_MESSAGE(&peer, "all");
	EXPECT_EMPTY(&peer);
	EXPECT_MESSAGE(&self->in, "all");
	EXPECT_EMPTY(&self->in);
}

/* Of two blocks of one client each gets its own. */
TEST_F(bus, blocks_of_one_client)
{
	struct inbox a, b;
	__u64 second;

	ASSERT_EQ(0, block_create(self->client, "second", 0, NULL, &second));
	ASSERT_EQ(0, inbox_open(&a, self->block, 8, "t"));
	ASSERT_EQ(0, inbox_open(&b, second, 8, "t"));
	EXPECT_EQ(1, bus_publish_to(self->fd, "t", "a", self->block));
	EXPECT_EQ(1, bus_publish_to(self->fd, "t", "b", second));
	EXPECT_EQ(2, bus_publish_to(self->fd, "t", "both", self->client_id));
	EXPECT_MESSAGE(&a, "a");
	EXPECT_MESSAGE(&a, "both");
	EXPECT_EMPTY(&a);
	EXPECT_MESSAGE(&b, "b");
	EXPECT_MESSAGE(&b, "both");
	EXPECT_EMPTY(&b);
}

TEST_F(bus, targets_that_are_not_there)
{
	struct inbox gone;

	EXPECT_EQ(-ENOENT, bus_publish_to(self->fd, "t", "", ~0ULL));
	ASSERT_EQ(0, inbox_open(&gone, self->block, 8, "t"));
	close(gone.fd);
	EXPECT_EQ(-ENOENT, bus_publish_to(self->fd, "t", "", gone.id));
	ASSERT_EQ(0, id_command(self->client, MQSHM_IOC_BLOCK_REMOVE, self->block));
	EXPECT_EQ(-ENOENT, bus_publish_to(self->fd, "t", "", self->block));
	ASSERT_EQ(0, id_command(self->client, MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_EQ(-ENOENT, bus_publish_to(self->fd, "t", "", self->client_id));
	EXPECT_EMPTY(&self->in);
}
static int publish_to_pid(int fd, __u32 pid)
{
	struct mqshm_bus_publish_args a = ARGS(bus_publish, .topic = "t", .target_pid = pid);
	int err = command(fd, MQSHM_IOC_BUS_PUBLISH, &a);

	return err ? err : (int)a.out_receivers;
}

static void receive_by_pid(void *arg)
{
	struct bus_child *child = arg;
	struct inbox in;

	must(!inbox_open(&in, 0, 8, "t"));
	child->ready = 1;
	flag_wait(&child->go);
	must(inbox_next(&in) == 1);
	must((pid_t)in.m.head.target_pid == getpid() && (pid_t)in.m.head.sender_pid == getppid());
	must(inbox_next(&in) == -EAGAIN);
}

TEST_F(bus, target_by_pid)
{
	struct mqshm_bus_publish_args a = ARGS(bus_publish, .topic = "t", .target_pid = getpid(),
					       .target = self->block);
	struct bus_child *child = shared_memory(sizeof(*child));
	pid_t pid = spawn(receive_by_pid, child);

	flag_wait(&child->ready);
	EXPECT_EQ(1, publish_to_pid(self->fd, pid));
	EXPECT_EQ(1, publish_to_pid(self->fd, getpid()));
	child->go = 1;
	EXPECT_EQ(0, reap(pid));
	ASSERT_EQ(1, inbox_next(&self->in));
	EXPECT_EMPTY(&self->in);
	EXPECT_EQ(-ENOENT, publish_to_pid(self->fd, pid));
	EXPECT_EQ(-ENOENT, publish_to_pid(self->fd, 0x7fffffff));
	EXPECT_EQ(-ENOENT, publish_to_pid(self->fd, ~0U));
	EXPECT_EQ(-EINVAL, command(self->fd, MQSHM_IOC_BUS_PUBLISH, &a));
}

/* -- the queue ---------------------------------------------------------------------- */

TEST_F(bus, overflow)
{
	for (unsigned int i = 1; i <= 8; i++)
		ASSERT_EQ(1, bus_publish(self->fd, "t", number_text(i)));
	for (unsigned int i = 9; i <= 11; i++)
		ASSERT_EQ(1, bus_publish(self->fd, "t", number_text(i)));
	EXPECT_LOST(&self->in, 3);
	EXPECT_EQ(3ULL, self->in.m.head.number);
	EXPECT_EQ(sizeof(self->in.m.head), self->in.m.head.bytes);
	EXPECT_EQ(0U, self->in.m.head.payload_bytes);
	for (unsigned int i = 4; i <= 11; i++)
		EXPECT_MESSAGE(&self->in, number_text(i));
	EXPECT_EMPTY(&self->in);
	/* once told, it is told no more */
	ASSERT_EQ(1, bus_publish(self->fd, "t", "12"));
	EXPECT_MESSAGE(&self->in, "12");
	EXPECT_EMPTY(&self->in);
}

/* Whatever is read when: what was read and what is marked as lost is all, in order. */
TEST_F(bus, marks_are_exact)
{
	__u64 seed = random_seed(), expect = 1, sent = 0;

	for (unsigned int i = 0; i < 3000; i++) {
		if (random_next(&seed) % 4) {
			ASSERT_EQ(1, bus_publish(self->fd, "t", number_text(++sent)));
			continue;
		}
		if (inbox_next(&self->in) != 1)
			continue;
		if (self->in.m.head.flags == MQSHM_BUS_LOST) {
			expect += self->in.m.head.lost;
			ASSERT_EQ(expect - 1, self->in.m.head.number);
			continue;
		}
		ASSERT_EQ(expect, self->in.m.head.number);
		ASSERT_STREQ(number_text(expect), self->in.m.payload);
		expect++;
	}
	while (inbox_next(&self->in) == 1)
		expect += self->in.m.head.flags == MQSHM_BUS_LOST ? self->in.m.head.lost : 1;
	EXPECT_EQ(sent + 1, expect);
}

/* One that is slow loses; the others do not. */
TEST_F(bus, slow_subscriber)
{
	struct inbox slow;

	ASSERT_EQ(0, inbox_open(&slow, 0, 1, "t"));
	for (unsigned int i = 0; i < 50; i++) {
		ASSERT_EQ(2, bus_publish(self->fd, "t", number_text(i)));
		EXPECT_MESSAGE(&self->in, number_text(i));
	}
	EXPECT_LOST(&slow, 49);
	EXPECT_MESSAGE(&slow, "49");
	EXPECT_EMPTY(&slow);
}

TEST_F(bus, depth)
{
	struct mqshm_bus_open_args a = ARGS(bus_open);
	int fd = runtime_open_fd(runtime_name());

	a.depth = ~0U;
	EXPECT_EQ(-EINVAL, command(fd, MQSHM_IOC_BUS_OPEN, &a));
	a.depth = 0;
	ASSERT_EQ(0, command(fd, MQSHM_IOC_BUS_OPEN, &a));
	EXPECT_EQ(1024U, MQSHM_BUS_DEPTH_DEFAULT);
	EXPECT_EQ(1024U, a.out_depth);
	EXPECT_EQ(0U, a.out_reserved);
	ASSERT_EQ(0, bus_subscribe(fd, ""));
	for (unsigned int i = 0; i < 1024; i++)
		ASSERT_EQ(2, bus_publish(self->fd, "t", ""));
	self->in.next = self->in.have = 0;
	self->in.fd = fd;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (unsigned int i = 1; i <= 1024; i++) {
		ASSERT_EQ(1, inbox_next(&self->in));
		ASSERT_EQ(i, self->in.m.head.number);
	}
	EXPECT_EMPTY(&self->in);
}

/* What could not be copied out is told to be lost. */
TEST_F(bus, bad_pointers)
{
	struct mqshm_bus_publish_args a = ARGS(bus_publish, .topic = "t", .payload = 4096,
					       .payload_bytes = 1);
	char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const size_t one = sizeof(struct mqshm_bus_message) + 8;

	EXPECT_EQ(-EFAULT, command(self->fd, MQSHM_IOC_BUS_PUBLISH, &a));
	ASSERT_EQ(0, munmap(p + 4096, 12288));
	a.payload = (uintptr_t)p + 4095;
	a.payload_bytes = 2;
	EXPECT_EQ(-EFAULT, command(self->fd, MQSHM_IOC_BUS_PUBLISH, &a));
	for (unsigned int i = 1; i <= 5; i++)
		ASSERT_EQ(1, bus_publish(self->fd, "t", number_text(i)));
	/* two and a half */
	EXPECT_EQ((ssize_t)(2 * one), read(self->in.fd, p + 4096 - 5 * one / 2, 10000));
	EXPECT_LOST(&self->in, 3);
	EXPECT_EQ(5ULL, self->in.m.head.number);
	EXPECT_EMPTY(&self->in);
	for (unsigned int i = 6; i <= 15; i++)
		ASSERT_EQ(1, bus_publish(self->fd, "t", number_text(i)));
	EXPECT_EQ(-1, read(self->in.fd, (void *)4096, 10000));
	EXPECT_EQ(EFAULT, errno);
	ASSERT_EQ(1, bus_publish(self->fd, "t", "16"));
	EXPECT_LOST(&self->in, 10);
	EXPECT_EQ(15ULL, self->in.m.head.number);
	EXPECT_MESSAGE(&self->in, "16");
}

TEST_F(bus, room_of_a_read)
{
	static char buffer[MQSHM_BUS_READ_MIN], payload[MQSHM_BUS_PAYLOAD_MAX];
	struct mqshm_bus_publish_args a = ARGS(bus_publish, .topic = "t",
		.payload = (uintptr_t)payload, .payload_bytes = sizeof(payload));

	for (int i = 0; i < 9; i++)
		ASSERT_EQ(0, command(self->fd, MQSHM_IOC_BUS_PUBLISH, &a));
	for (size_t bytes = 0; bytes < sizeof(buffer); bytes++) {
		ASSERT_EQ(-1, read(self->in.fd, buffer, bytes));
		ASSERT_EQ(EINVAL, errno);
	}
	/* a mark, and no room for more */
	EXPECT_EQ((ssize_t)sizeof(struct mqshm_bus_message),
		  read(self->in.fd, buffer, sizeof(buffer)));
	for (int i = 0; i < 8; i++)
		EXPECT_EQ((ssize_t)sizeof(buffer), read(self->in.fd, buffer, sizeof(buffer)));
	EXPECT_EMPTY(&self->in);
}

TEST_F(bus, bad_names)
{
	struct mqshm_bus_publish_args p = ARGS(bus_publish);
	struct mqshm_bus_subscribe_args s = ARGS(bus_subscribe);

	EXPECT_EQ(-EINVAL, command(self->fd, MQSHM_IOC_BUS_PUBLISH, &p));
	strcpy(p.topic, "t\n");
	EXPECT_EQ(-EINVAL, command(self->fd, MQSHM_IOC_BUS_PUBLISH, &p));
	memset(p.topic, 't', sizeof(p.topic));
	EXPECT_EQ(-EINVAL, command(self->fd, MQSHM_IOC_BUS_PUBLISH, &p));
	memset(s.prefix, 't', sizeof(s.prefix));
	EXPECT_EQ(-EINVAL, command(self->in.fd, MQSHM_IOC_BUS_SUBSCRIBE, &s));
	strcpy(s.prefix, "\033");
	EXPECT_EQ(-EINVAL, command(self->in.fd, MQSHM_IOC_BUS_SUBSCRIBE, &s));
	EXPECT_EMPTY(&self->in);
}

TEST_HARNESS_MAIN
