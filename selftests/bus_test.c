// SPDX-License-Identifier: GPL-2.0-only
/* The message bus: who receives what, in which order, what is lost, who may, what ends. */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "bus.h"

/* The payload as text of a number. */
static const char *number(unsigned int i)
{
	static char text[16];

	snprintf(text, sizeof(text), "%u", i);
	return text;
}

/**
 * struct bus - fixture
 * @fd: holds the runtime; bound only
 * @client: descriptor of a client of this process, with the block "a"
 * @client_id: its number
 * @block: number of the block
 * @in: a subscriber to "t", with a queue of eight
 */
FIXTURE(bus)
{
	int fd;
	int client;
	__u64 client_id;
	__u64 block;
	struct inbox in;
};

FIXTURE_SETUP(bus)
{
	struct mqshm_client_join_args join;

	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	self->client = runtime_open_fd(runtime_name());
	ASSERT_EQ(0, client_join(self->client, 0, &join));
	self->client_id = join.out_id;
	ASSERT_EQ(0, block_create(self->client, "a", 0, NULL, &self->block));
	ASSERT_EQ(0, inbox_open(&self->in, 0, 8, "t"));
}

FIXTURE_TEARDOWN(bus)
{
}

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
		ASSERT_EQ(1, bus_publish(self->fd, "t", number(2 * i)));
		ASSERT_EQ(1, bus_publish(self->client, "t", number(2 * i + 1)));
		EXPECT_MESSAGE(&self->in, number(2 * i));
		EXPECT_EQ(2 * i + 1, self->in.m.head.number);
		EXPECT_EQ(0ULL, self->in.m.head.sender);
		EXPECT_MESSAGE(&self->in, number(2 * i + 1));
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
		ASSERT_EQ(0, bus_subscribe(self->in.fd, number(i)));
	EXPECT_EQ(-ENOSPC, bus_subscribe(self->in.fd, "z"));
	EXPECT_EQ(0, bus_publish(self->fd, "z", ""));
	EXPECT_EQ(1, bus_publish(self->fd, number(MQSHM_BUS_PREFIXES_MAX - 1), ""));
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

/* -- processes ---------------------------------------------------------------------- */

/**
 * struct child - what a child that subscribes or publishes shares with the test
 * @fd: a descriptor
 * @block: number of a block of the parent's
 * @ready: the child is
 * @go: it may go on
 * @id: what it got
 */
struct child {
	int fd;
	__u64 block;
	volatile int ready;
	volatile int go;
	volatile __u64 id;
};

static void wait_for(volatile int *flag)
{
	while (!*flag)
		sleep_us(200);
}

static int publish_to_pid(int fd, __u32 pid)
{
	struct mqshm_bus_publish_args a = ARGS(bus_publish, .topic = "t", .target_pid = pid);
	int err = command(fd, MQSHM_IOC_BUS_PUBLISH, &a);

	return err ? err : (int)a.out_receivers;
}

static void receive_by_pid(void *arg)
{
	struct child *child = arg;
	struct inbox in;

	must(!inbox_open(&in, 0, 8, "t"));
	child->ready = 1;
	wait_for(&child->go);
	must(inbox_next(&in) == 1);
	must((pid_t)in.m.head.target_pid == getpid() && (pid_t)in.m.head.sender_pid == getppid());
	must(inbox_next(&in) == -EAGAIN);
}

TEST_F(bus, target_by_pid)
{
	struct mqshm_bus_publish_args a = ARGS(bus_publish, .topic = "t", .target_pid = getpid(),
					       .target = self->block);
	struct child *child = shared_memory(sizeof(*child));
	pid_t pid = spawn(receive_by_pid, child);

	wait_for(&child->ready);
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

static int publish_as(int fd, __u64 block)
{
	struct mqshm_bus_publish_args a = ARGS(bus_publish, .topic = "t", .sender_block = block);

	return command(fd, MQSHM_IOC_BUS_PUBLISH, &a);
}

static void forge(void *arg)
{
	struct child *child = arg;
	int fd = runtime_open_fd(runtime_name());

	/* also through the descriptor of the client itself */
	must(publish_as(fd, child->block) == -EPERM);
	must(publish_as(child->fd, child->block) == -EPERM);
	must(bus_open(fd, child->block, 8, NULL) == -EPERM);
	must(bus_open(fd, child->id, 8, NULL) == -EPERM);
	must(bus_open(fd, 0, 8, NULL) == 0);
	must(publish_as(fd, 0) == 0);
	child->go = getpid();
}

TEST_F(bus, sender_is_not_forged)
{
	struct child *child = shared_memory(sizeof(*child));

	runtime_name();
	child->fd = self->client;
	child->block = self->block;
	child->id = self->client_id;
	EXPECT_EQ(0, reap(spawn(forge, child)));
	ASSERT_EQ(1, inbox_next(&self->in));
	EXPECT_EQ(child->go, (int)self->in.m.head.sender_pid);
	EXPECT_EQ(0ULL, self->in.m.head.sender_block);
	EXPECT_EMPTY(&self->in);
	EXPECT_EQ(-ENOENT, publish_as(self->fd, ~0ULL));
	EXPECT_EQ(-ENOENT, publish_as(self->fd, self->client_id));
	EXPECT_EQ(0, publish_as(self->fd, self->block));
	ASSERT_EQ(0, id_command(self->client, MQSHM_IOC_BLOCK_REMOVE, self->block));
	EXPECT_EQ(-ENOENT, publish_as(self->fd, self->block));
}

/* What was sent before a death is there after it; a dead subscriber takes nothing. */
static void publish_and_die(void *arg)
{
	struct child *child = arg;
	struct inbox in;

	must(!inbox_open(&in, 0, 8, "t"));
	must(bus_publish(child->fd, "t", "last words") == 2);
	raise(SIGKILL);
}

TEST_F(bus, deaths)
{
	struct child *child = shared_memory(sizeof(*child));
	pid_t pid;

	runtime_name();
	child->fd = self->fd;
	pid = spawn(publish_and_die, child);
	EXPECT_EQ(256 + SIGKILL, reap(pid));
	EXPECT_MESSAGE(&self->in, "last words");
	EXPECT_EQ(pid, (int)self->in.m.head.sender_pid);
	/* its descriptor may be released a little later */
	for (int i = 0; i < PATIENCE_MS && bus_publish(self->fd, "t", "") != 1; i++)
		sleep_us(1000);
	EXPECT_EQ(1, bus_publish(self->fd, "t", ""));
}

/* A child that inherits the descriptor reads from the same queue; exec closes it. */
static void read_one(void *arg)
{
	struct inbox *in = arg;

	must(inbox_next(in) == 1 && !strcmp(in->m.payload, "0"));
}

TEST_F(bus, fork_and_exec)
{
	EXPECT_NE(0, fcntl(self->in.fd, F_GETFD) & FD_CLOEXEC);
	for (unsigned int i = 0; i < 6; i++)
		ASSERT_EQ(1, bus_publish(self->fd, "t", number(i)));
	EXPECT_EQ(0, reap(spawn(read_one, &self->in)));
	/* the child took what one read takes */
	ASSERT_EQ(-EAGAIN, inbox_next(&self->in));
	ASSERT_EQ(1, bus_publish(self->fd, "t", "more"));
	EXPECT_MESSAGE(&self->in, "more");
}

/* -- the queue ---------------------------------------------------------------------- */

TEST_F(bus, overflow)
{
	for (unsigned int i = 1; i <= 8; i++)
		ASSERT_EQ(1, bus_publish(self->fd, "t", number(i)));
	for (unsigned int i = 9; i <= 11; i++)
		ASSERT_EQ(1, bus_publish(self->fd, "t", number(i)));
	EXPECT_LOST(&self->in, 3);
	EXPECT_EQ(3ULL, self->in.m.head.number);
	EXPECT_EQ(sizeof(self->in.m.head), self->in.m.head.bytes);
	EXPECT_EQ(0U, self->in.m.head.payload_bytes);
	for (unsigned int i = 4; i <= 11; i++)
		EXPECT_MESSAGE(&self->in, number(i));
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
			ASSERT_EQ(1, bus_publish(self->fd, "t", number(++sent)));
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
		ASSERT_STREQ(number(expect), self->in.m.payload);
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
		ASSERT_EQ(2, bus_publish(self->fd, "t", number(i)));
		EXPECT_MESSAGE(&self->in, number(i));
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
		ASSERT_EQ(1, bus_publish(self->fd, "t", number(i)));
	/* two and a half */
	EXPECT_EQ((ssize_t)(2 * one), read(self->in.fd, p + 4096 - 5 * one / 2, 10000));
	EXPECT_LOST(&self->in, 3);
	EXPECT_EQ(5ULL, self->in.m.head.number);
	EXPECT_EMPTY(&self->in);
	for (unsigned int i = 6; i <= 15; i++)
		ASSERT_EQ(1, bus_publish(self->fd, "t", number(i)));
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

/* -- states -------------------------------------------------------------------------- */

TEST_F(bus, a_subscriber_is_nothing_else)
{
	struct mqshm_monitor_args m = ARGS(monitor);
	struct mqshm_bus_subscribe_args s = ARGS(bus_subscribe);
	int fd = runtime_open_fd(runtime_name());

	EXPECT_EQ(-EBADFD, bus_open(self->in.fd, 0, 8, NULL));
	EXPECT_EQ(-EBADFD, client_join(self->in.fd, 0, NULL));
	EXPECT_EQ(-EBADFD, command(self->in.fd, MQSHM_IOC_MONITOR, &m));
	EXPECT_EQ(-EBADFD, bus_open(self->client, 0, 8, NULL));
	EXPECT_EQ(-EBADFD, command(fd, MQSHM_IOC_BUS_SUBSCRIBE, &s));
	ASSERT_EQ(0, command(fd, MQSHM_IOC_MONITOR, &m));
	EXPECT_EQ(-EBADFD, bus_open(fd, 0, 8, NULL));
	/* a monitor publishes */
	EXPECT_EQ(1, bus_publish(fd, "t", ""));
}

TEST_F(bus, owners)
{
	int fd = runtime_open_fd(runtime_name());

	EXPECT_EQ(-ENOENT, bus_open(fd, ~0ULL, 8, NULL));
	EXPECT_EQ(-ENOENT, bus_open(fd, self->in.id, 8, NULL));
	/* refused, it is as it was */
	EXPECT_EQ(0, bus_open(fd, self->client_id, 8, NULL));
}

static bool fdinfo_has(int fd, const char *line)
{
	char path[64], text[1024] = "";
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY);
	if (info < 0 || read(info, text, sizeof(text) - 1) < 0)
		return false;
	close(info);
	return strstr(text, line);
}

TEST_F(bus, fdinfo)
{
	char line[64];

	ASSERT_EQ(1, bus_publish(self->fd, "t", ""));
	snprintf(line, sizeof(line), "mqshm-subscriber:\t%llu\n", self->in.id);
	EXPECT_TRUE(fdinfo_has(self->in.fd, line));
	EXPECT_TRUE(fdinfo_has(self->in.fd, "mqshm-queued:\t1 of 8\n"));
	EXPECT_FALSE(fdinfo_has(self->fd, "mqshm-subscriber"));
}

/* -- waking -------------------------------------------------------------------------- */

static short poll_now(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

TEST_F(bus, poll_tells)
{
	EXPECT_EQ(0, poll_now(self->in.fd));
	ASSERT_EQ(1, bus_publish(self->fd, "t", "1"));
	EXPECT_EQ(POLLIN, poll_now(self->in.fd));
	ASSERT_EQ(1, inbox_next(&self->in));
	EXPECT_EQ(0, poll_now(self->in.fd));
}

TEST_F(bus, epoll_level_and_edge)
{
	struct epoll_event e = { .events = EPOLLIN };
	int level = epoll_create1(EPOLL_CLOEXEC), edge = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, epoll_ctl(level, EPOLL_CTL_ADD, self->in.fd, &e));
	e.events |= EPOLLET;
	ASSERT_EQ(0, epoll_ctl(edge, EPOLL_CTL_ADD, self->in.fd, &e));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(1, bus_publish(self->fd, "t", number(i)));
		/* each message is an edge, read or not */
		EXPECT_EQ(1, epoll_wait(edge, &e, 1, 0));
		EXPECT_EQ(0, epoll_wait(edge, &e, 1, 0));
		EXPECT_EQ(1, epoll_wait(level, &e, 1, 0));
		EXPECT_EQ(1, epoll_wait(level, &e, 1, 0));
	}
	while (inbox_next(&self->in) == 1)
		;
	EXPECT_EQ(0, epoll_wait(level, &e, 1, 0));
	EXPECT_EQ(0, epoll_wait(edge, &e, 1, 0));
}

/* Sleeps in read until the end; counts what it gets. */
static void read_to_the_end(void *arg)
{
	struct child *child = arg;
	struct inbox in;
	int got;

	must(!inbox_open(&in, 0, 64, "t"));
	fcntl(in.fd, F_SETFL, 0);
	child->ready = 1;
	while ((got = inbox_next(&in)) == 1)
		child->id++;
	must(got == 0);
	/* and it stays the end */
	must(inbox_next(&in) == 0);
	must(poll_now(in.fd) == (POLLIN | POLLHUP));
}

TEST_F(bus, read_sleeps_until_a_message)
{
	struct child *child = shared_memory(sizeof(*child));
	__u64 rounds_ = rounds(300, 20000);
	pid_t pid;

	runtime_name();
	pid = spawn(read_to_the_end, child);
	wait_for(&child->ready);
	for (__u64 i = 0; i < rounds_; i++) {
		ASSERT_EQ(2, bus_publish(self->fd, "t", ""));
		for (unsigned int ms = 0; child->id == i && ms < PATIENCE_MS; ms++)
			sleep_us(ms ? 1000 : 50);
		ASSERT_EQ(i + 1, child->id);
	}
	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	EXPECT_EQ(0, reap_within(pid, PATIENCE_MS));
}

/* What is queued comes before the end. */
TEST_F(bus, removal)
{
	ASSERT_EQ(1, bus_publish(self->fd, "t", "1"));
	ASSERT_EQ(1, bus_publish(self->fd, "t", "2"));
	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	EXPECT_EQ(POLLIN | POLLHUP, poll_now(self->in.fd));
	EXPECT_EQ(-ESHUTDOWN, bus_publish(self->fd, "t", "3"));
	EXPECT_EQ(-ESHUTDOWN, bus_subscribe(self->in.fd, "u"));
	EXPECT_EQ(-ESHUTDOWN, bus_open(self->fd, 0, 8, NULL));
	EXPECT_MESSAGE(&self->in, "1");
	EXPECT_MESSAGE(&self->in, "2");
	EXPECT_EQ(0, inbox_next(&self->in));
	EXPECT_EQ(POLLIN | POLLHUP, poll_now(self->in.fd));
}

static void on_signal(int number)
{
}

static void interrupted(void *arg)
{
	struct child *child = arg;
	struct sigaction action = { .sa_handler = on_signal };
	struct inbox in;

	sigaction(SIGUSR1, &action, NULL);
	must(!inbox_open(&in, 0, 64, "t"));
	fcntl(in.fd, F_SETFL, 0);
	child->ready = 1;
	must(inbox_next(&in) == -EINTR);
	child->go = 1;
}

TEST_F(bus, signal_ends_a_read)
{
	struct child *child = shared_memory(sizeof(*child));
	pid_t pid;

	runtime_name();
	pid = spawn(interrupted, child);
	wait_for(&child->ready);
	for (int i = 0; i < PATIENCE_MS && !child->go; i++) {
		kill(pid, SIGUSR1);
		sleep_us(1000);
	}
	EXPECT_EQ(0, reap_within(pid, PATIENCE_MS));
}

/* A client learns by its gen word and SYNC, once for all that comes until it has read. */
TEST_F(bus, client_is_told)
{
	struct mqshm_client_sync_args sync;
	struct mqshm_wait_args wait = ARGS(wait, .deadline_ns = 1);
	struct inbox in;

	ASSERT_EQ(0, inbox_open(&in, self->block, 8, "t"));
	ASSERT_EQ(0, client_sync(self->client, &sync));
	wait.gen = sync.out_gen;
	EXPECT_EQ(-ETIMEDOUT, command(self->client, MQSHM_IOC_WAIT, &wait));
	EXPECT_EQ(0, poll_now(self->client));
	ASSERT_EQ(2, bus_publish(self->fd, "t", "1"));
	EXPECT_EQ(POLLIN, poll_now(self->client) & POLLIN);
	EXPECT_EQ(0, command(self->client, MQSHM_IOC_WAIT, &wait));
	EXPECT_EQ(MQSHM_WAIT_CHANGED, wait.out_events);
	ASSERT_EQ(0, client_sync(self->client, &sync));
	ASSERT_EQ(1U, sync.out_count);
	EXPECT_EQ(MQSHM_EVENT_MESSAGE, sync.events[0].kind);
	EXPECT_EQ(0U, sync.out_more);
	EXPECT_LT(wait.gen, sync.out_gen);

	/* it knows that there is something */
	wait.gen = sync.out_gen;
	ASSERT_EQ(2, bus_publish(self->fd, "t", "2"));
	EXPECT_EQ(-ETIMEDOUT, command(self->client, MQSHM_IOC_WAIT, &wait));
	while (inbox_next(&in) == 1)
		;
	ASSERT_EQ(2, bus_publish(self->fd, "t", "3"));
	EXPECT_EQ(0, command(self->client, MQSHM_IOC_WAIT, &wait));
	ASSERT_EQ(0, client_sync(self->client, &sync));
	EXPECT_EQ(1U, sync.out_count);
	/* what is not for it moves nothing */
	wait.gen = sync.out_gen;
	while (inbox_next(&in) == 1)
		;
	ASSERT_EQ(1, bus_publish_to(self->fd, "t", "4", self->in.id));
	EXPECT_EQ(-ETIMEDOUT, command(self->client, MQSHM_IOC_WAIT, &wait));
}

static void sleep_in_wait(void *arg)
{
	struct child *child = arg;
	struct mqshm_client_join_args join;
	struct mqshm_client_sync_args sync;
	struct mqshm_wait_args wait = ARGS(wait);
	int fd = runtime_open_fd(runtime_name());
	struct inbox in;

	must(!client_join(fd, 0, &join));
	must(!inbox_open(&in, join.out_id, 8, "t"));
	must(!client_sync(fd, &sync));
	wait.gen = sync.out_gen;
	child->ready = 1;
	must(!command(fd, MQSHM_IOC_WAIT, &wait));
	must(wait.out_events == MQSHM_WAIT_CHANGED);
	must(inbox_next(&in) == 1);
}

TEST_F(bus, client_asleep_in_wait_is_woken)
{
	struct child *child = shared_memory(sizeof(*child));
	pid_t pid;

	runtime_name();
	pid = spawn(sleep_in_wait, child);
	wait_for(&child->ready);
	sleep_us(20000);
	ASSERT_EQ(2, bus_publish(self->fd, "t", ""));
	EXPECT_EQ(0, reap_within(pid, PATIENCE_MS));
}

/* -- who may, how much ----------------------------------------------------------------- */

/* A user without capabilities, in those groups. */
static void become_nobody(size_t n, const gid_t *groups)
{
	must(setgroups(n, groups) == 0);
	must(setresgid(65534, 65534, 65534) == 0);
	must(setresuid(65534, 65534, 65534) == 0);
}

static const char *public_name(__u32 mode)
{
	static char name[MQSHM_RUNTIME_NAME_LEN];

	snprintf(name, sizeof(name), "%.20s-%o", runtime_name(), mode);
	return name;
}

/**
 * struct right - what others may with a mode
 * @mode: of the runtime
 * @subscribe: result
 * @publish: result
 */
struct right {
	__u32 mode;
	int subscribe;
	int publish;
};

static void use_right(void *arg)
{
	struct right *right = arg;
	int root = runtime_open_fd(public_name(right->mode)), fd = device_open(), err;

	must(root >= 0 && fd >= 0);
	become_nobody(0, NULL);
	must(bus_publish(root, "t", "") == right->publish);
	must(bus_open(root, 0, 8, NULL) == right->subscribe);
	err = runtime_open_of(fd, public_name(right->mode), 0);
	must(err == right->subscribe);
	if (err)
		return;
	must(bus_publish(fd, "t", "") == right->publish);
	must(bus_open(fd, 0, 8, NULL) == right->subscribe);
	must(bus_subscribe(fd, "t") == 0);
	must(bus_publish(fd, "t", "") == (right->publish < 0 ? right->publish : 1));
}

TEST(rights)
{
	struct right rights[] = {
		{ 0770, -EACCES, -EACCES }, { 0774, 0, -EACCES }, { 0775, 0, -EACCES },
		{ 0776, 0, 0 }, { 0772, -EACCES, 0 },
	};

	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
		int fd = device_open();

		ASSERT_EQ(0, runtime_create_mode(fd, public_name(rights[i].mode), 0,
						 rights[i].mode, MQSHM_GID_SELF));
		EXPECT_EQ(0, reap(spawn(use_right, &rights[i]))) TH_LOG("mode %o", rights[i].mode);
		close(fd);
	}
}

/* A queue of 256 of the largest messages is more than a MiB. */
static void exceed_memory(void *arg)
{
	int holder, fds[3];
	struct stat st;

	/* of that which may open the device */
	must(stat(DEVICE, &st) == 0);
	become_nobody(1, &st.st_gid);
	holder = runtime_create_fd(runtime_name(), 0);
	must(holder >= 0);
	for (int i = 0; i < 3; i++)
		fds[i] = runtime_open_fd(runtime_name());
	must(bus_open(fds[0], 0, 256, NULL) == 0);
	must(bus_open(fds[1], 0, 256, NULL) == 0);
	must(bus_open(fds[2], 0, 256, NULL) == -EDQUOT);
	must(bus_open(fds[2], 0, 100, NULL) == 0);
	close(fds[0]);
	fds[0] = runtime_open_fd(runtime_name());
	must(bus_open(fds[0], 0, 256, NULL) == 0);
	/* what is refused is not charged */
	for (int i = 0; i < 50; i++) {
		int fd = runtime_open_fd(runtime_name());

		must(bus_open(fd, ~0ULL, 8, NULL) == -ENOENT);
		close(fd);
	}
	close(fds[0]);
	fds[0] = runtime_open_fd(runtime_name());
	must(bus_open(fds[0], 0, 256, NULL) == 0);
}

TEST(quota)
{
	int rc;

	runtime_name();
	ASSERT_EQ(0, parameter_set("user_mbytes", "3"));
	rc = reap(spawn(exceed_memory, NULL));
	ASSERT_EQ(0, parameter_set("user_mbytes", "0"));
	EXPECT_EQ(0, rc);
}

TEST_F(bus, too_many_subscribers)
{
	int fds[2] = { runtime_open_fd(runtime_name()), runtime_open_fd(runtime_name()) };
	int first, second, third;

	ASSERT_EQ(0, parameter_set("max_subscribers", "2"));
	first = bus_open(fds[0], 0, 8, NULL);
	second = bus_open(fds[1], 0, 8, NULL);
	close(fds[0]);
	third = bus_open(fds[1], 0, 8, NULL);
	ASSERT_EQ(0, parameter_set("max_subscribers", "1024"));
	EXPECT_EQ(0, first);
	EXPECT_EQ(-ENOSPC, second);
	EXPECT_EQ(0, third);
}

TEST_F(bus, depth_is_bounded)
{
	int fd = runtime_open_fd(runtime_name()), refused, taken;

	ASSERT_EQ(0, parameter_set("max_bus_depth", "16"));
	refused = bus_open(fd, 0, 17, NULL);
	taken = bus_open(fd, 0, 0, NULL);
	ASSERT_EQ(0, parameter_set("max_bus_depth", "16384"));
	/* the hard bound holds as well */
	ASSERT_EQ(0, parameter_set("max_bus_depth", "4294967295"));
	EXPECT_EQ(-EINVAL, bus_open(self->fd, 0, MQSHM_BUS_DEPTH_MAX + 1, NULL));
	ASSERT_EQ(0, parameter_set("max_bus_depth", "16384"));
	EXPECT_EQ(-EINVAL, refused);
	EXPECT_EQ(0, taken);
	EXPECT_TRUE(fdinfo_has(fd, " of 16\n"));
}

/* -- many at once ---------------------------------------------------------------------- */

#define PUBLISHERS	2

/**
 * struct crowd - publishers at one time
 * @rounds: messages of each
 * @go: all are ready
 */
struct crowd {
	__u64 rounds;
	volatile int go;
};

static void publish_many(void *arg)
{
	struct crowd *crowd = arg;
	struct mqshm_bus_publish_args a = ARGS(bus_publish, .topic = "t");
	int fd = runtime_open_fd(runtime_name());

	wait_for(&crowd->go);
	for (__u64 i = 0; i < crowd->rounds; i++) {
		a.payload = (uintptr_t)&i;
		a.payload_bytes = sizeof(i);
		must(!command(fd, MQSHM_IOC_BUS_PUBLISH, &a));
	}
}

/* Reads what there is, and that it is in order; returns messages and those lost. */
static __u64 read_in_order(struct __test_metadata *_metadata, struct inbox *in,
			   const pid_t pids[], __u64 next[], __u64 *last, __u64 *at_ns)
{
	__u64 n = 0, value;

	while (inbox_next(in) == 1) {
		if (in->m.head.flags) {
			n += in->m.head.lost;
			*last += in->m.head.lost;
			EXPECT_EQ(*last, in->m.head.number);
			continue;
		}
		n++;
		EXPECT_EQ(++*last, in->m.head.number);
		EXPECT_LE(*at_ns, in->m.head.at_ns);
		*at_ns = in->m.head.at_ns;
		memcpy(&value, in->m.payload, sizeof(value));
		for (int i = 0; i < PUBLISHERS; i++) {
			if ((pid_t)in->m.head.sender_pid != pids[i])
				continue;
			EXPECT_LE(next[i], value);
			next[i] = value + 1;
		}
	}
	return n;
}

/* Two readers, one of which is too slow: the same order, each its own exact marks. */
TEST_F(bus, publishers_at_once)
{
	struct crowd *crowd = shared_memory(sizeof(*crowd));
	__u64 next[2][PUBLISHERS] = { 0 }, last[2] = { 0 }, at_ns[2] = { 0 }, n[2] = { 0 };
	struct inbox in[2];
	pid_t pids[PUBLISHERS];
	__u64 sent;

	runtime_name();
	crowd->rounds = rounds(3000, 200000);
	sent = PUBLISHERS * crowd->rounds;
	ASSERT_EQ(0, inbox_open(&in[0], 0, 8192, ""));
	ASSERT_EQ(0, inbox_open(&in[1], 0, 3, ""));
	for (int i = 0; i < PUBLISHERS; i++)
		pids[i] = spawn(publish_many, crowd);
	crowd->go = 1;
	while (n[0] < sent || n[1] < sent)
		for (int i = 0; i < 2; i++)
			n[i] += read_in_order(_metadata, &in[i], pids, next[i], &last[i], &at_ns[i]);
	for (int i = 0; i < PUBLISHERS; i++)
		EXPECT_EQ(0, reap(pids[i]));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(sent, n[i]);
		EXPECT_EQ(sent, last[i]);
		EXPECT_EMPTY(&in[i]);
	}
}

/* Subscribers come and go, are killed too, while others publish: nothing breaks. */
static void subscribe_again_and_again(void *arg)
{
	struct inbox in;

	for (;;) {
		must(!inbox_open(&in, 0, 4, "t"));
		inbox_next(&in);
		inbox_next(&in);
		close(in.fd);
	}
}

TEST_F(bus, coming_and_going)
{
	struct crowd *crowd = shared_memory(sizeof(*crowd));
	pid_t publisher, subscriber;

	runtime_name();
	crowd->rounds = rounds(2000, 100000);
	crowd->go = 1;
	publisher = spawn(publish_many, crowd);
	for (int i = 0; i < 10; i++) {
		subscriber = spawn(subscribe_again_and_again, NULL);
		sleep_us(10000);
		slay(subscriber);
	}
	EXPECT_EQ(0, reap(publisher));
	for (int i = 0; i < PATIENCE_MS && bus_publish(self->fd, "t", "") != 1; i++)
		sleep_us(1000);
	EXPECT_EQ(1, bus_publish(self->fd, "t", ""));
}

TEST_HARNESS_MAIN
