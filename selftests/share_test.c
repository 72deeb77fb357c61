// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deaths of a process whose descriptor or memory others share: forked children, other
 * processes, the queue of a socket; children that run in the same memory.
 */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "victim.h"

VICTIM_FIXTURE(share)

/* -- descriptors that live on ------------------------------------------------ */

static void hold_and_fork(void *arg)
{
	int fd = victim_join(O_CLOEXEC);
	pid_t pid = fork();
	struct mqshm_lease_args l;

	if (!pid) {
		while (!stage->go)
			sleep_us(500);
		stage->seen = lease(fd, 0, 1, &l);
		for (;;)
			pause();
	}
	stage->helper = pid;
	victim_sleep();
}

TEST_F(share, forked_child_keeps_the_descriptor)
{
	pid_t pid = spawn(hold_and_fork, NULL);

	ASSERT_TRUE(victim_await());
	EXPECT_EQ(-EPERM, victim_go()) TH_LOG("the child is not the client");
	EXPECT_TRUE(victim_listed(self->fd));
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
	EXPECT_EQ(0, kill(stage->helper, 0)) TH_LOG("the child is alive");
}

TEST_F(share, child_that_exits_ends_nothing)
{
	pid_t pid = spawn(hold_and_fork, NULL);

	ASSERT_TRUE(victim_await());
	kill(stage->helper, SIGKILL);
	sleep_us(20000);
	EXPECT_TRUE(victim_listed(self->fd));
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

static int send_fd(int socket, int fd)
{
	char space[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { "x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space,
			      .msg_controllen = sizeof(space) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int socket)
{
	char space[CMSG_SPACE(sizeof(int))] = {}, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space,
			      .msg_controllen = sizeof(space) };
	int fd;

	if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return fd;
}

static int sockets[2];

static void hold_and_send(void *arg)
{
	must(send_fd(sockets[1], victim_join(O_CLOEXEC)) == 0);
	victim_sleep();
}

/* Never received; it goes with the socket, long after its client. */
TEST_F(share, descriptor_parked_in_a_socket)
{
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets));
	pid = spawn(hold_and_send, NULL);
	ASSERT_TRUE(victim_await());
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
	close(sockets[0]);
	close(sockets[1]);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

TEST_F(share, descriptor_passed_to_another_process)
{
	struct mqshm_lease_args l;
	struct pollfd p = { .events = POLLIN };
	pid_t pid;
	int fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets));
	pid = spawn(hold_and_send, NULL);
	ASSERT_TRUE(victim_await());
	p.fd = fd = receive_fd(sockets[0]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EPERM, lease(fd, 0, 1, &l));
	EXPECT_EQ(NULL, region_map(fd, MQSHM_MMAP_CONTROL, 0, 4096, PROT_READ));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_TRUE(p.revents & POLLERR);
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
	EXPECT_GT(0, lease(fd, 0, 1, &l));
}

/* What only manages is not bound to a process. */
static void manage_and_send(void *arg)
{
	int fd = runtime_open_fd(runtime_name());

	must(send_fd(sockets[1], fd) == 0);
}

TEST_F(share, managing_descriptor_works_anywhere)
{
	struct tally t;
	int fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets));
	ASSERT_EQ(0, reap(spawn(manage_and_send, NULL)));
	fd = receive_fd(sockets[0]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, tally_take(fd, &t));
}

/* -- memory that lives on ---------------------------------------------------- */

static char *control;

static void on_sigbus(int sig)
{
	stage->seen = sig;
	_exit(0);
}

/* Shares the victim's memory, and writes its control page when told to. */
static __attribute__((noreturn)) int write_on(void *arg)
{
	signal(SIGBUS, on_sigbus);
	while (!stage->go)
		sleep_us(500);
	((volatile struct mqshm_control *)control)->progress = 1;
	stage->seen = -1;
	for (;;)
		pause();
}

static void hold_and_clone(void *arg)
{
	int flags = *(int *)arg;
	int fd = victim_join(O_CLOEXEC);
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	control = region_map(fd, MQSHM_MMAP_CONTROL, 0, 4096, PROT_READ | PROT_WRITE);
	must(control);
	((volatile struct mqshm_control *)control)->progress = 1;
	stage->helper = clone(write_on, stack + 65536, CLONE_VM | flags, NULL);
	must(stage->helper > 0);
	victim_sleep();
}

/* Its memory lives on in another process: pages are taken away, then it is settled. */
TEST_F(share, clone_vm_child_lives_on)
{
	int flags = 0;
	pid_t pid = spawn(hold_and_clone, &flags);

	ASSERT_TRUE(victim_await());
	EXPECT_TRUE(victim_listed(self->fd));
	slay(pid);
	EXPECT_TRUE(victim_gone_within(self->fd, PATIENCE_MS, &self->departed));
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
	EXPECT_EQ(SIGBUS, victim_go());
	stage->helper = 0;
}

/* It shares the descriptors too: nothing ends until it does, but it shows. */
TEST_F(share, clone_vm_and_files_child_lives_on)
{
	int flags = CLONE_FILES;
	pid_t pid = spawn(hold_and_clone, &flags);

	ASSERT_TRUE(victim_await());
	slay(pid);
	EXPECT_EXITING();
	EXPECT_EQ(-1, victim_go()) TH_LOG("its pages are as they were");
	EXPECT_EXITING();
	kill(stage->helper, SIGKILL);
	EXPECT_TRUE(victim_gone_within(self->fd, PATIENCE_MS, &self->departed));
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
	stage->helper = 0;
}

/* Shares the victim's descriptors and not its memory. */
static __attribute__((noreturn)) int call_on(void *arg)
{
	struct mqshm_lease_args l;

	while (!stage->go)
		sleep_us(500);
	stage->seen = lease(*(int *)arg, 0, 1, &l);
	for (;;)
		pause();
}

static void hold_and_share_files(void *arg)
{
	int fd = victim_join(O_CLOEXEC);
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	stage->helper = clone(call_on, stack + 65536, CLONE_FILES, &fd);
	must(stage->helper > 0);
	victim_sleep();
}

/* No descriptor is closed by this death, not even in passing. */
TEST_F(share, clone_files_child_lives_on)
{
	pid_t pid = spawn(hold_and_share_files, NULL);

	ASSERT_TRUE(victim_await());
	EXPECT_EQ(-EPERM, victim_go()) TH_LOG("the child is not the client");
	EXPECT_TRUE(victim_listed(self->fd));
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
	EXPECT_EQ(0, kill(stage->helper, 0)) TH_LOG("the child is alive");
}

static void hold_and_vfork(void *arg)
{
	victim_join(O_CLOEXEC);
	if (!vfork()) {
		stage->helper = getpid();
		stage->ready = 1;
		for (;;)
			pause();
	}
	must(false);
}

TEST_F(share, vfork_child_lives_on)
{
	pid_t pid = spawn(hold_and_vfork, NULL);

	ASSERT_TRUE(victim_await());
	EXPECT_TRUE(victim_listed(self->fd));
	slay(pid);
	EXPECT_TRUE(victim_gone_within(self->fd, PATIENCE_MS, &self->departed));
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
	EXPECT_EQ(0, kill(stage->helper, 0));
}

TEST_HARNESS_MAIN
