// SPDX-License-Identifier: GPL-2.0-only
/* The message bus between processes: that die, that fork, and that publish, come and go at the same time. */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <signal.h>

#include "bus.h"

BUS_FIXTURE(bus_crowd)

/* What was sent before a death is there after it; a dead subscriber takes nothing. */
static void publish_and_die(void *arg)
{
	struct bus_child *child = arg;
	struct inbox in;

	must(!inbox_open(&in, 0, 8, "t"));
	must(bus_publish(child->fd, "t", "last words") == 2);
	raise(SIGKILL);
}

TEST_F(bus_crowd, deaths)
{
	struct bus_child *child = shared_memory(sizeof(*child));
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

TEST_F(bus_crowd, fork_and_exec)
{
	EXPECT_NE(0, fcntl(self->in.fd, F_GETFD) & FD_CLOEXEC);
	for (unsigned int i = 0; i < 6; i++)
		ASSERT_EQ(1, bus_publish(self->fd, "t", number_text(i)));
	EXPECT_EQ(0, reap(spawn(read_one, &self->in)));
	/* the child took what one read takes */
	ASSERT_EQ(-EAGAIN, inbox_next(&self->in));
	ASSERT_EQ(1, bus_publish(self->fd, "t", "more"));
	EXPECT_MESSAGE(&self->in, "more");
}

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

	flag_wait(&crowd->go);
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
TEST_F(bus_crowd, publishers_at_once)
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

TEST_F(bus_crowd, coming_and_going)
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
