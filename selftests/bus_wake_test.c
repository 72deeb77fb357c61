// SPDX-License-Identifier: GPL-2.0-only
/* The message bus: who is woken by a message and by the end, and what comes before the end. */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>

#include "bus.h"

BUS_FIXTURE(bus_wake)

static short poll_now(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

TEST_F(bus_wake, poll_tells)
{
	EXPECT_EQ(0, poll_now(self->in.fd));
	ASSERT_EQ(1, bus_publish(self->fd, "t", "1"));
	EXPECT_EQ(POLLIN, poll_now(self->in.fd));
	ASSERT_EQ(1, inbox_next(&self->in));
	EXPECT_EQ(0, poll_now(self->in.fd));
}

TEST_F(bus_wake, epoll_level_and_edge)
{
	struct epoll_event e = { .events = EPOLLIN };
	int level = epoll_create1(EPOLL_CLOEXEC), edge = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_EQ(0, epoll_ctl(level, EPOLL_CTL_ADD, self->in.fd, &e));
	e.events |= EPOLLET;
	ASSERT_EQ(0, epoll_ctl(edge, EPOLL_CTL_ADD, self->in.fd, &e));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(1, bus_publish(self->fd, "t", number_text(i)));
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
	struct bus_child *child = arg;
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

TEST_F(bus_wake, read_sleeps_until_a_message)
{
	struct bus_child *child = shared_memory(sizeof(*child));
	__u64 rounds_ = rounds(300, 20000);
	pid_t pid;

	runtime_name();
	pid = spawn(read_to_the_end, child);
	flag_wait(&child->ready);
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
TEST_F(bus_wake, removal)
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
	struct bus_child *child = arg;
	struct sigaction action = { .sa_handler = on_signal };
	struct inbox in;

	sigaction(SIGUSR1, &action, NULL);
	must(!inbox_open(&in, 0, 64, "t"));
	fcntl(in.fd, F_SETFL, 0);
	child->ready = 1;
	must(inbox_next(&in) == -EINTR);
	child->go = 1;
}

TEST_F(bus_wake, signal_ends_a_read)
{
	struct bus_child *child = shared_memory(sizeof(*child));
	pid_t pid;

	runtime_name();
	pid = spawn(interrupted, child);
	flag_wait(&child->ready);
	for (int i = 0; i < PATIENCE_MS && !child->go; i++) {
		kill(pid, SIGUSR1);
		sleep_us(1000);
	}
	EXPECT_EQ(0, reap_within(pid, PATIENCE_MS));
}

/* A client learns by its gen word and SYNC, once for all that comes until it has read. */
TEST_F(bus_wake, client_is_told)
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
	struct bus_child *child = arg;
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

TEST_F(bus_wake, client_asleep_in_wait_is_woken)
{
	struct bus_child *child = shared_memory(sizeof(*child));
	pid_t pid;

	runtime_name();
	pid = spawn(sleep_in_wait, child);
	flag_wait(&child->ready);
	sleep_us(20000);
	ASSERT_EQ(2, bus_publish(self->fd, "t", ""));
	EXPECT_EQ(0, reap_within(pid, PATIENCE_MS));
}

TEST_HARNESS_MAIN
