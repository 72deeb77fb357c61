// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every way in which a process or a descriptor goes: the client is settled at once,
 * whoever else still holds its descriptor or its memory.
 */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "graph.h"
#include "mqshm_test.h"

#define BUFFERS	64
#define HELD	5

/**
 * struct stage - what a victim and its parent tell each other, in shared memory
 * @id: number of the victim's client
 * @ready: it holds its buffers
 * @helper: process that outlives the victim
 * @go: the helper may look
 * @seen: what the helper saw
 */
struct stage {
	volatile uint64_t id;
	volatile int ready;
	volatile pid_t helper;
	volatile int go;
	volatile int seen;
};

static struct stage *stage;

FIXTURE(death)
{
	int fd;
	struct mqshm_departed_record departed;
};

FIXTURE_SETUP(death)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, pool_create(self->fd, "pool", 64, BUFFERS, NULL));
	stage = shared_memory(sizeof(*stage));
}

FIXTURE_TEARDOWN(death)
{
	struct tally t;

	if (stage->helper)
		kill(stage->helper, SIGKILL);
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, 2000));
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

/* A client that holds HELD buffers and has a block. */
static int hold(int flags)
{
	struct mqshm_client_join_args join;
	struct mqshm_lease_args l;
	int fd = open(DEVICE, O_RDWR | flags);

	must(fd >= 0);
	must(runtime_open(fd, runtime_name()) == 0);
	must(client_join(fd, 0, &join) == 0);
	must(block_create(fd, "victim", 0, NULL, NULL) == 0);
	must(lease(fd, 0, HELD, &l) == 0 && l.out_count == HELD);
	stage->id = join.out_id;
	return fd;
}

static __attribute__((noreturn)) void ready_and_sleep(void)
{
	stage->ready = 1;
	for (;;)
		pause();
}

static void await_ready(void)
{
	uint64_t deadline = after_ms(10000);

	while (!stage->ready && now_ns() < deadline)
		sleep_us(200);
}

static bool listed(int fd)
{
	struct snapshot s;
	bool there;

	if (snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s))
		return false;
	there = snapshot_client(&s, stage->id);
	snapshot_free(&s);
	return there;
}

/* Whether it goes within @ms; what is then remembered of it. */
static bool gone_within(int fd, unsigned int ms, struct mqshm_departed_record *out)
{
	uint64_t deadline = after_ms(ms);
	const struct mqshm_departed_record *d;
	struct snapshot s;

	while (listed(fd)) {
		if (now_ns() > deadline)
			return false;
		sleep_us(200);
	}
	if (snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s))
		return false;
	d = snapshot_departed(&s, stage->id);
	if (d)
		*out = *d;
	snapshot_free(&s);
	return d;
}

/* It is gone by now, with all that it held, in the way that is said. */
#define EXPECT_SETTLED(way) \
do { \
	struct tally t; \
	EXPECT_TRUE(gone_within(self->fd, 0, &self->departed)); \
	EXPECT_EQ(way, self->departed.how); \
	EXPECT_EQ(HELD, self->departed.refs); \
	EXPECT_EQ(0, tally_take(self->fd, &t)); \
	EXPECT_TRUE(tally_all_free(&t)); \
} while (0)

/* -- exit and kill ---------------------------------------------------------- */

static void hold_and_exit(void *arg)
{
	hold(O_CLOEXEC);
}

static void hold_and_sleep(void *arg)
{
	hold(O_CLOEXEC);
	ready_and_sleep();
}

TEST_F(death, exit)
{
	ASSERT_EQ(0, reap(spawn(hold_and_exit, NULL)));
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

TEST_F(death, kill)
{
	pid_t pid = spawn(hold_and_sleep, NULL);

	await_ready();
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
	EXPECT_EQ(pid, self->departed.pid);
	EXPECT_STREQ("test", self->departed.name);
}

TEST_F(death, kill_of_a_stopped_process)
{
	pid_t pid = spawn(hold_and_sleep, NULL);
	int status;

	await_ready();
	kill(pid, SIGSTOP);
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_TRUE(listed(self->fd)) TH_LOG("a stop is not death");
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

static void hold_and_crash(void *arg)
{
	hold(O_CLOEXEC);
	raise(SIGSEGV);
}

TEST_F(death, crash)
{
	ASSERT_EQ(256 + SIGSEGV, reap(spawn(hold_and_crash, NULL)));
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

static void hold_and_wait(void *arg)
{
	struct mqshm_wait_args w = ARGS(wait, .gen = 0);
	struct mqshm_client_sync_args sync;
	int fd = hold(O_CLOEXEC);

	must(client_sync(fd, &sync) == 0);
	w.gen = sync.out_gen;
	stage->ready = 1;
	command(fd, MQSHM_IOC_WAIT, &w);
	must(false);
}

static void hold_and_lease(void *arg)
{
	struct mqshm_lease_args l = ARGS(lease, .flags = MQSHM_LEASE_F_WAIT, .count = 1);
	struct mqshm_client_sync_args sync;
	int fd = hold(O_CLOEXEC);

	must(client_sync(fd, &sync) == 0);
	l.gen = sync.out_gen;
	stage->ready = 1;
	command(fd, MQSHM_IOC_LEASE, &l);
	must(false);
}

TEST_F(death, kill_of_a_waiting_process)
{
	pid_t pid = spawn(hold_and_wait, NULL);

	await_ready();
	sleep_us(20000);
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

TEST_F(death, kill_of_a_leasing_process)
{
	struct mqshm_lease_args l[8];
	struct tally t;
	pid_t pid;
	int fd = runtime_open_fd(runtime_name());

	/* all but the victim's, so that it finds none */
	ASSERT_EQ(0, client_join(fd, 0, NULL));
	for (int i = 0; i < 7; i++) {
		ASSERT_EQ(0, lease(fd, 0, 8, &l[i]));
	}
	ASSERT_EQ(0, lease(fd, 0, 3, &l[7]));
	pid = spawn(hold_and_lease, NULL);
	await_ready();
	sleep_us(20000);
	ASSERT_EQ(0, tally_take(self->fd, &t));
	EXPECT_EQ(0, t.free);
	slay(pid);
	ASSERT_EQ(0, tally_take(self->fd, &t));
	EXPECT_EQ(HELD, t.free);
	EXPECT_TRUE(tally_whole(&t));
	close(fd);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

/* -- descriptors that live on ------------------------------------------------ */

static void hold_and_fork(void *arg)
{
	int fd = hold(O_CLOEXEC);
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
	ready_and_sleep();
}

TEST_F(death, forked_child_keeps_the_descriptor)
{
	pid_t pid = spawn(hold_and_fork, NULL);

	await_ready();
	stage->seen = 1;
	stage->go = 1;
	while (stage->seen == 1)
		sleep_us(500);
	EXPECT_EQ(-EPERM, stage->seen) TH_LOG("the child is not the client");
	EXPECT_TRUE(listed(self->fd));
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
	EXPECT_EQ(0, kill(stage->helper, 0)) TH_LOG("the child is alive");
}

TEST_F(death, child_that_exits_ends_nothing)
{
	pid_t pid = spawn(hold_and_fork, NULL);

	await_ready();
	kill(stage->helper, SIGKILL);
	sleep_us(20000);
	EXPECT_TRUE(listed(self->fd));
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

/* Without mappings, and with a second descriptor. */
TEST_F(death, last_descriptor_closed)
{
	int fd = hold(O_CLOEXEC);
	int copy = dup(fd);

	ASSERT_LE(0, copy);
	close(fd);
	EXPECT_TRUE(listed(self->fd));
	close(copy);
	EXPECT_SETTLED(MQSHM_DEPARTED_RELEASE);
}

TEST_F(death, detach)
{
	int fd = hold(O_CLOEXEC);

	EXPECT_EQ(0, id_command(fd, MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_SETTLED(MQSHM_DEPARTED_DETACH);
	EXPECT_EQ(-ESHUTDOWN, id_command(fd, MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_EQ(-EBADFD, client_join(fd, 0, NULL)) TH_LOG("once, for good");
}

static void hold_and_exec(void *arg)
{
	hold(*(int *)arg);
	stage->ready = 1;
	execl("/bin/sh", "sh", "-c", "while :; do sleep 1; done", NULL);
	must(false);
}

static void exec_with(struct __test_metadata *_metadata, FIXTURE_DATA(death) *self, int flags)
{
	pid_t pid = spawn(hold_and_exec, &flags);

	await_ready();
	EXPECT_TRUE(gone_within(self->fd, 5000, &self->departed));
	EXPECT_EQ(0, kill(pid, 0));
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
	slay(pid);
}

TEST_F(death, exec)
{
	exec_with(_metadata, self, O_CLOEXEC);
}

TEST_F(death, exec_that_keeps_the_descriptor)
{
	exec_with(_metadata, self, 0);
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
	must(send_fd(sockets[1], hold(O_CLOEXEC)) == 0);
	ready_and_sleep();
}

TEST_F(death, descriptor_parked_in_a_socket)
{
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets));
	pid = spawn(hold_and_send, NULL);
	await_ready();
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

TEST_F(death, descriptor_passed_to_another_process)
{
	struct mqshm_lease_args l;
	pid_t pid;
	int fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets));
	pid = spawn(hold_and_send, NULL);
	await_ready();
	fd = receive_fd(sockets[0]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EPERM, lease(fd, 0, 1, &l));
	EXPECT_EQ(NULL, region_map(fd, MQSHM_MMAP_CONTROL, 0, 4096, PROT_READ));
	EXPECT_EQ(EPERM, errno);
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

TEST_F(death, managing_descriptor_works_anywhere)
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
	int fd = hold(O_CLOEXEC);
	char *stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	control = region_map(fd, MQSHM_MMAP_CONTROL, 0, 4096, PROT_READ | PROT_WRITE);
	must(control);
	stage->helper = clone(write_on, stack + 65536, CLONE_VM | flags, NULL);
	must(stage->helper > 0);
	ready_and_sleep();
}

/* Its memory lives on in another process: pages are taken away, then it is settled. */
TEST_F(death, clone_vm_child_lives_on)
{
	int flags = 0;
	pid_t pid = spawn(hold_and_clone, &flags);

	await_ready();
	EXPECT_TRUE(listed(self->fd));
	slay(pid);
	EXPECT_TRUE(gone_within(self->fd, 2000, &self->departed));
	EXPECT_SETTLED(self->departed.how);
	stage->go = 1;
	for (uint64_t deadline = after_ms(3000); !stage->seen && now_ns() < deadline;)
		sleep_us(500);
	EXPECT_EQ(SIGBUS, stage->seen);
	stage->helper = 0;
}

static uint32_t client_state(int fd, uint64_t id)
{
	uint32_t state = ~0U;
	struct snapshot s;

	if (snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s))
		return state;
	if (snapshot_client(&s, id))
		state = snapshot_client(&s, id)->state;
	snapshot_free(&s);
	return state;
}

/* It shares the descriptors too: nothing ends until it does, but it shows. */
TEST_F(death, clone_vm_and_files_child_lives_on)
{
	int flags = CLONE_FILES;
	pid_t pid = spawn(hold_and_clone, &flags);

	await_ready();
	slay(pid);
	if (listed(self->fd)) {
		EXPECT_EQ(MQSHM_CLIENT_EXITING, client_state(self->fd, stage->id));
	}
	kill(stage->helper, SIGKILL);
	EXPECT_TRUE(gone_within(self->fd, 3000, &self->departed));
	EXPECT_SETTLED(self->departed.how);
	stage->helper = 0;
}

static void hold_and_vfork(void *arg)
{
	hold(O_CLOEXEC);
	stage->helper = 0;
	if (!vfork()) {
		stage->helper = getpid();
		stage->ready = 1;
		for (;;)
			pause();
	}
	must(false);
}

TEST_F(death, vfork_child_lives_on)
{
	pid_t pid = spawn(hold_and_vfork, NULL);

	await_ready();
	EXPECT_TRUE(listed(self->fd));
	slay(pid);
	EXPECT_TRUE(gone_within(self->fd, 2000, &self->departed));
	EXPECT_SETTLED(self->departed.how);
	EXPECT_EQ(0, kill(stage->helper, 0));
}

/* -- threads ------------------------------------------------------------------ */

static void *wait_a_while(void *arg)
{
	struct mqshm_wait_args w = ARGS(wait, .deadline_ns = after_ms(300));
	struct mqshm_client_sync_args sync;
	int fd = *(int *)arg;

	client_sync(fd, &sync);
	w.gen = sync.out_gen;
	stage->ready = 1;
	return (void *)(long)command(fd, MQSHM_IOC_WAIT, &w);
}

TEST_F(death, close_while_another_thread_sleeps)
{
	int fd = hold(O_CLOEXEC);
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_a_while, &fd));
	await_ready();
	sleep_us(20000);
	close(fd);
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(-ETIMEDOUT, (long)result);
	EXPECT_TRUE(gone_within(self->fd, 1000, &self->departed));
	EXPECT_SETTLED(MQSHM_DEPARTED_RELEASE);
}

TEST_F(death, detach_while_another_thread_sleeps)
{
	int fd = hold(O_CLOEXEC);
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_a_while, &fd));
	await_ready();
	sleep_us(20000);
	EXPECT_EQ(0, id_command(fd, MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_SETTLED(MQSHM_DEPARTED_DETACH);
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(-ESHUTDOWN, (long)result);
}

static void *join_in_a_thread(void *arg)
{
	*(int *)arg = hold(O_CLOEXEC);
	return NULL;
}

/* Clients belong to memories, not to threads. */
TEST_F(death, thread_that_joined_ends)
{
	struct mqshm_lease_args l;
	pthread_t thread;
	int fd;

	ASSERT_EQ(0, pthread_create(&thread, NULL, join_in_a_thread, &fd));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_TRUE(listed(self->fd));
	EXPECT_EQ(0, lease(fd, 0, 1, &l));
	close(fd);
	EXPECT_TRUE(gone_within(self->fd, 0, &self->departed));
	EXPECT_EQ(HELD + 1, self->departed.refs);
}

static __attribute__((noreturn)) void *outlive_the_leader(void *arg)
{
	struct mqshm_lease_args l;

	sleep_us(50000);
	stage->seen = lease(*(int *)arg, 0, 1, &l) ?: -1;
	stage->ready = 1;
	for (;;)
		pause();
}

static void leave_leader(void *arg)
{
	static int fd;
	pthread_t thread;

	fd = hold(O_CLOEXEC);
	must(pthread_create(&thread, NULL, outlive_the_leader, &fd) == 0);
	pthread_exit(NULL);
}

TEST_F(death, leader_exits_before_its_threads)
{
	pid_t pid = spawn(leave_leader, NULL);

	await_ready();
	EXPECT_EQ(-1, stage->seen) TH_LOG("its calls work");
	EXPECT_TRUE(listed(self->fd));
	EXPECT_NE(MQSHM_CLIENT_EXITING, client_state(self->fd, stage->id));
	slay(pid);
	EXPECT_TRUE(gone_within(self->fd, 0, &self->departed));
}

/* One memory, several clients: all go. */
static void hold_thrice(void *arg)
{
	struct mqshm_lease_args l;

	for (int i = 0; i < 3; i++) {
		int fd = runtime_open_fd(runtime_name());

		must(client_join(fd, 0, NULL) == 0);
		must(lease(fd, 0, 8, &l) == 0 && l.out_count == 8);
	}
	ready_and_sleep();
}

TEST_F(death, several_clients_of_one_process)
{
	pid_t pid = spawn(hold_thrice, NULL);
	struct tally t;

	await_ready();
	ASSERT_EQ(0, tally_take(self->fd, &t));
	EXPECT_EQ(24, t.held);
	slay(pid);
	ASSERT_EQ(0, tally_take(self->fd, &t));
	EXPECT_EQ(0U, t.clients);
	EXPECT_TRUE(tally_all_free(&t));
}

TEST_HARNESS_MAIN
