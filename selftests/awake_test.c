// SPDX-License-Identifier: GPL-2.0-only
/* Readers of monitors that sleep, in read, poll or epoll: each change wakes them. */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "notice.h"

/**
 * struct sleeper - a child that waits for notices
 * @fd: the monitor
 * @sleep: until there is something
 * @read: notices read, but those of stalls
 * @ended: the end was read
 */
struct sleeper {
	int fd;
	void (*sleep)(int fd);
	volatile int read;
	volatile int ended;
};

static void sleep_in_read(int fd)
{
}

static void sleep_in_poll(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	must(poll(&p, 1, -1) == 1 && p.revents & POLLIN);
}

static int epoll_fd;

static void sleep_in_epoll_as(int fd, uint32_t events)
{
	struct epoll_event e = { .events = events };

	if (!epoll_fd) {
		epoll_fd = epoll_create1(0);
		must(!epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e));
	}
	must(epoll_wait(epoll_fd, &e, 1, -1) == 1 && e.events & EPOLLIN);
}

static void sleep_in_epoll(int fd)
{
	sleep_in_epoll_as(fd, EPOLLIN);
}

static void sleep_in_epoll_edge(int fd)
{
	sleep_in_epoll_as(fd, EPOLLIN | EPOLLET);
}

/* All that there is each time; what does not come leaves it asleep. */
static void sleeper(void *arg)
{
	struct sleeper *s = arg;
	struct mqshm_notice n[4];
	ssize_t got;

	/* what the test closes is to be closed */
	for (int fd = 3; fd < 64; fd++)
		if (fd != s->fd)
			close(fd);
	if (s->sleep != sleep_in_read)
		fcntl(s->fd, F_SETFL, O_NONBLOCK);
	for (;;) {
		s->sleep(s->fd);
		while ((got = read(s->fd, n, sizeof(n))) > 0)
			for (unsigned int i = 0; i < got / sizeof(n[0]); i++)
				s->read += !notice_is_stall(&n[i]);
		if (!got)
			break;
		must(errno == EAGAIN);
	}
	s->ended = 1;
}

/* Asleep, whatever in. */
static bool asleep(pid_t pid)
{
	char path[64], text[256] = "", *state;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return false;
	close(fd);
	state = strrchr(text, ')');
	return state && state[1] && state[2] == 'S';
}

#define CLIENTS	2

/**
 * struct asleep - fixture
 * @fd: holds the runtime
 * @clients: descriptors of two clients, once they have joined
 * @control: their pages
 * @s: what the sleeper does and did
 * @pid: its process
 * @wanted: notices that there were
 */
FIXTURE(asleep)
{
	int fd;
	int clients[CLIENTS];
	struct mqshm_control *control[CLIENTS];
	struct sleeper *s;
	pid_t pid;
	int wanted;
};

FIXTURE_VARIANT(asleep)
{
	void (*sleep)(int fd);
};

FIXTURE_VARIANT_ADD(asleep, in_read) { sleep_in_read };
FIXTURE_VARIANT_ADD(asleep, in_poll) { sleep_in_poll };
FIXTURE_VARIANT_ADD(asleep, in_epoll) { sleep_in_epoll };
FIXTURE_VARIANT_ADD(asleep, in_epoll_edge) { sleep_in_epoll_edge };

FIXTURE_SETUP(asleep)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	for (int i = 0; i < CLIENTS; i++)
		self->clients[i] = runtime_open_fd(runtime_name());
	self->s = shared_memory(sizeof(*self->s));
	self->s->sleep = variant->sleep;
}

FIXTURE_TEARDOWN(asleep)
{
	slay(self->pid);
}

static int join(FIXTURE_DATA(asleep) *self, unsigned int i)
{
	int err = client_join(self->clients[i], 0, NULL);

	self->control[i] = region_map(self->clients[i], MQSHM_MMAP_CONTROL, 0, 4096,
				      PROT_READ | PROT_WRITE);
	return err;
}

/*
 * The sleeper has read what there was, and is asleep again. No client stalls
 * meanwhile: that would wake it up too.
 */
static bool has_read(FIXTURE_DATA(asleep) *self)
{
	__u64 deadline = after_ms(PATIENCE_MS);

	while (self->s->read != self->wanted || !asleep(self->pid)) {
		for (int i = 0; i < CLIENTS; i++)
			if (self->control[i])
				self->control[i]->progress++;
		if (now_ns() > deadline)
			return false;
		sleep_us(200);
	}
	return self->s->read == self->wanted;
}

/* What @action does is told by @notices, and the sleeper wakes up for them. */
#define WAKES(notices, action) \
do { \
	self->wanted += (notices); \
	ASSERT_EQ(0, action); \
	ASSERT_TRUE(has_read(self)) \
		TH_LOG("%d of %d after " #action, self->s->read, self->wanted); \
} while (0)

TEST_F(asleep, woken_by_each_change)
{
	struct mqshm_event out, in;
	__u64 a, b, id;
	int *fds = self->clients;

	self->s->fd = watch_fd(runtime_name());
	self->pid = spawn(sleeper, self->s);
	WAKES(0, 0);
	WAKES(1, join(self, 0));
	WAKES(1, join(self, 1));
	WAKES(1, block_create(fds[0], "a", 8, NULL, &a));
	WAKES(1, block_create(fds[1], "b", 8, NULL, &b));
	WAKES(1, pool_create(self->fd, "pool", 64, 1, NULL));
	WAKES(1, connect_blocks(self->fd, "a", "b", &id));
	WAKES(1, id_command(self->fd, MQSHM_IOC_DISCONNECT, id));
	WAKES(1, connect_blocks(self->fd, "b", "a", NULL));
	ASSERT_EQ(0, attach_ring(fds[1], MQSHM_DIR_OUT, &out));
	ASSERT_EQ(0, attach_ring(fds[0], MQSHM_DIR_IN, &in));
	WAKES(1, id_command(fds[0], MQSHM_IOC_RING_DETACH, in.ring));
	WAKES(1, id_command(fds[0], MQSHM_IOC_BLOCK_REMOVE, a));
	self->control[0] = NULL;	/* detaching takes it away */
	WAKES(2, id_command(fds[0], MQSHM_IOC_CLIENT_DETACH, 0));
	munmap(self->control[1], 4096);
	self->control[1] = NULL;
	WAKES(3, close(fds[1]));
	self->wanted++;
	ASSERT_EQ(0, runtime_remove(self->fd, 0, NULL));
	EXPECT_EQ(0, reap_within(self->pid, PATIENCE_MS));
	EXPECT_EQ(self->wanted, self->s->read);
	EXPECT_TRUE(self->s->ended);
}

TEST_F(asleep, woken_by_runtimes)
{
	char name[MQSHM_RUNTIME_NAME_LEN];
	int fd;

	snprintf(name, sizeof(name), "%s-o", runtime_name());
	self->s->fd = watch_fd(NULL);
	self->pid = spawn(sleeper, self->s);
	WAKES(0, 0);
	WAKES(1, (fd = runtime_create_fd(name, 0)) < 0);
	WAKES(1, close(fd));
	WAKES(1, (fd = runtime_create_fd(name, MQSHM_RUNTIME_F_PERSISTENT)) < 0);
	WAKES(1, runtime_remove(fd, 0, NULL));
	close(fd);
}

static void do_nothing(int signal)
{
}

static void interrupted(void *arg)
{
	struct sigaction action = { .sa_handler = do_nothing };
	struct mqshm_notice n;

	sigaction(SIGUSR1, &action, NULL);
	must(read(*(int *)arg, &n, sizeof(n)) < 0 && errno == EINTR);
}

TEST(read_is_interrupted)
{
	int fd = watch_fd(NULL);
	pid_t pid = spawn(interrupted, &fd);

	while (!asleep(pid))
		sleep_us(200);
	kill(pid, SIGUSR1);
	EXPECT_EQ(0, reap_within(pid, PATIENCE_MS));
}

TEST_HARNESS_MAIN
