// SPDX-License-Identifier: GPL-2.0-only
/* Monitors as descriptors: reading, being too slow, sleeping, states, what holds what. */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <mqshm.h>

#include "notice.h"

/**
 * struct watch - fixture
 * @fd: holds the runtime
 * @id: number of the runtime
 * @client: descriptor of a client
 * @control: its page
 * @r: the monitor; watches since the client is there
 */
FIXTURE(watch)
{
	int fd;
	__u64 id;
	int client;
	struct mqshm_control *control;
	struct reader r;
};

FIXTURE_SETUP(watch)
{
	struct mqshm_runtime_create_args a = ARGS(runtime_create, .mode = 0700,
						  .gid = MQSHM_GID_SELF);

	strcpy(a.name, runtime_name());
	self->fd = device_open();
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, command(self->fd, MQSHM_IOC_RUNTIME_CREATE, &a));
	self->id = a.out_id;
	self->client = runtime_open_fd(runtime_name());
	ASSERT_EQ(0, client_join(self->client, 0, NULL));
	self->control = region_map(self->client, MQSHM_MMAP_CONTROL, 0, 4096,
				   PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->control);
	self->r.fd = watch_fd(runtime_name());
	ASSERT_LE(0, self->r.fd);
}

FIXTURE_TEARDOWN(watch)
{
}

/* Makes and removes a block, again and again: two notices each time, and none of a stall. */
static int happen(FIXTURE_DATA(watch) *self, unsigned int notices)
{
	__u64 block;
	int err = 0;

	for (unsigned int i = 0; !err && i < notices; i += 2) {
		self->control->progress++;
		err = block_create(self->client, "happens", 0, NULL, &block);
		if (!err)
			err = id_command(self->client, MQSHM_IOC_BLOCK_REMOVE, block);
	}
	return err;
}

/* How many there are. */
static unsigned int read_all(struct reader *r)
{
	unsigned int n = 0;

	while (reader_next(r, 0) == 1)
		n++;
	return n;
}

/* -- reading -------------------------------------------------------------------- */

TEST_F(watch, whole_notices_only)
{
	struct mqshm_notice n[3];

	EXPECT_EQ(0, fcntl(self->r.fd, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-1, read(self->r.fd, n, sizeof(n)));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, happen(self, 4));
	EXPECT_EQ(-1, read(self->r.fd, n, sizeof(n[0]) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, read(self->r.fd, n, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(sizeof(n[0]), read(self->r.fd, n, 2 * sizeof(n[0]) - 1));
	EXPECT_EQ(1, n[0].number);
	EXPECT_EQ(sizeof(n), read(self->r.fd, n, sizeof(n)));
	EXPECT_EQ(2, n[0].number);
	EXPECT_EQ(4, n[2].number);
	EXPECT_EQ(-1, read(self->r.fd, n, sizeof(n)));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(watch, bad_pointer)
{
	void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_EQ(0, happen(self, 2));
	EXPECT_EQ(-1, read(self->r.fd, page, sizeof(self->r.n)));
	EXPECT_EQ(EFAULT, errno);
}

/* More than one call gives. */
TEST_F(watch, many_at_once)
{
	static struct mqshm_notice n[100];
	ssize_t got;

	ASSERT_EQ(0, happen(self, 100));
	for (unsigned int at = 0; at < 100; at += got / sizeof(n[0])) {
		got = read(self->r.fd, &n[at], sizeof(n) - at * sizeof(n[0]));
		ASSERT_LT(0, got);
		ASSERT_EQ(0, got % sizeof(n[0]));
	}
	for (unsigned int i = 0; i < 100; i++)
		ASSERT_EQ(i + 1, n[i].number);
}

TEST_F(watch, as_far_behind_as_one_may_be)
{
	ASSERT_EQ(0, happen(self, MQSHM_NOTICES));
	EXPECT_EQ(MQSHM_NOTICES, read_all(&self->r));
}

#define EXPECT_LOST(r, n_lost) \
do { \
	ASSERT_EQ(1, notice_next((r)->fd, 0, &(r)->n)); \
	EXPECT_EQ(0U, (r)->n.subject); \
	EXPECT_EQ(MQSHM_CHANGE_LOST, (r)->n.change); \
	EXPECT_EQ(n_lost, (r)->n.refs); \
	EXPECT_EQ(0ULL, (r)->n.id); \
	(r)->number += (n_lost); \
	EXPECT_EQ((r)->number, (r)->n.number); \
} while (0)

TEST_F(watch, too_far_behind)
{
	ASSERT_EQ(0, happen(self, 10));
	EXPECT_NEXT(&self->r, BLOCK, CAME, ANY_ID);
	ASSERT_EQ(0, happen(self, MQSHM_NOTICES - 8));
	EXPECT_LOST(&self->r, 1);
	EXPECT_EQ(self->id, self->r.n.runtime);
	EXPECT_NEXT(&self->r, BLOCK, CAME, ANY_ID);
	ASSERT_EQ(0, happen(self, 2 * MQSHM_NOTICES));
	EXPECT_LOST(&self->r, 2 * MQSHM_NOTICES - 1);
	EXPECT_EQ(MQSHM_NOTICES, read_all(&self->r));
	EXPECT_EQ(MQSHM_CHANGE_WENT, self->r.n.change);
	ASSERT_EQ(0, happen(self, 2));
	EXPECT_EQ(2, read_all(&self->r));
}

/* -- several ---------------------------------------------------------------------- */

/* Each has its own place; one that comes later is told what is later. */
TEST_F(watch, two_side_by_side)
{
	struct reader second = {};

	ASSERT_EQ(0, happen(self, 2));
	second.fd = watch_fd(runtime_name());
	second.number = 2;
	EXPECT_NOTHING(&second);
	ASSERT_EQ(0, happen(self, 2));
	EXPECT_EQ(4, read_all(&self->r));
	EXPECT_EQ(2, read_all(&second));
	ASSERT_EQ(0, happen(self, 2));
	EXPECT_EQ(2, read_all(&second));
	close(second.fd);
	EXPECT_EQ(2, read_all(&self->r));
	ASSERT_EQ(0, happen(self, 2));
	EXPECT_EQ(2, read_all(&self->r));
}

/* Numbers begin anew when nobody has watched in between. */
TEST_F(watch, one_after_the_other)
{
	ASSERT_EQ(0, happen(self, 2));
	close(self->r.fd);
	ASSERT_EQ(0, happen(self, 2));
	self->r.fd = watch_fd(runtime_name());
	EXPECT_NOTHING(&self->r);
	ASSERT_EQ(0, happen(self, 2));
	EXPECT_EQ(2, read_all(&self->r));
}

static void read_one(void *arg)
{
	struct mqshm_notice n;

	must(read(*(int *)arg, &n, sizeof(n)) == sizeof(n) && n.number == 1);
}

/* Who shares the descriptor shares its place. */
TEST_F(watch, after_fork)
{
	ASSERT_EQ(0, happen(self, 2));
	EXPECT_EQ(0, reap(spawn(read_one, &self->r.fd)));
	self->r.number = 1;
	EXPECT_NEXT(&self->r, BLOCK, WENT, ANY_ID);
	EXPECT_NOTHING(&self->r);
}

static void watch_and_wait(void *arg)
{
	*(volatile int *)arg = watch_fd(runtime_name());
	for (;;)
		pause();
}

/* A descriptor of a process that is dead by now; the same notices, and its place. */
TEST_F(watch, from_another_process)
{
	volatile int *theirs = shared_memory(4096);
	pid_t pid = spawn(watch_and_wait, (void *)theirs);
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	struct reader r = {};

	while (!*theirs)
		sleep_us(200);
	r.fd = syscall(SYS_pidfd_getfd, pidfd, *theirs, 0);
	ASSERT_LE(0, r.fd);
	slay(pid);
	ASSERT_EQ(0, happen(self, 2));
	EXPECT_EQ(2, read_all(&r));
	EXPECT_EQ(2, read_all(&self->r));
}

/* -- sleeping ------------------------------------------------------------------------ */

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

TEST_F(watch, read_is_interrupted)
{
	pid_t pid = spawn(interrupted, &self->r.fd);

	while (!asleep(pid))
		sleep_us(200);
	kill(pid, SIGUSR1);
	EXPECT_EQ(0, reap_within(pid, PATIENCE_MS));
}

TEST_F(watch, poll_tells_of_the_end)
{
	struct pollfd p = { .fd = self->r.fd, .events = POLLIN };

	EXPECT_EQ(0, poll(&p, 1, 0));
	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN | POLLHUP, p.revents);
	EXPECT_EQ(3, read_all(&self->r));
	EXPECT_EQ(1, poll(&p, 1, 0));
	EXPECT_EQ(POLLIN | POLLHUP, p.revents);
	EXPECT_END(&self->r);
	EXPECT_END(&self->r);
}

/* -- what a monitor is, and what it is not --------------------------------------------- */

TEST_F(watch, states)
{
	int unbound = watch_fd(NULL), plain = runtime_open_fd(runtime_name());
	char name[MQSHM_RUNTIME_NAME_LEN];

	snprintf(name, sizeof(name), "%s-o", runtime_name());
	ASSERT_LE(0, unbound);
	EXPECT_EQ(-EBADFD, watch(self->r.fd));
	EXPECT_EQ(-EBADFD, watch(unbound));
	EXPECT_EQ(-EBADFD, watch(self->client));
	EXPECT_EQ(-EBADFD, client_join(self->r.fd, 0, NULL));
	EXPECT_EQ(-EBADFD, client_join(unbound, 0, NULL));
	EXPECT_EQ(-EBADFD, runtime_open(unbound, runtime_name()));
	EXPECT_EQ(-EBADFD, runtime_create(unbound, name, 0));
	EXPECT_EQ(-ENOENT, runtime_open_fd(name));
	EXPECT_EQ(NULL, region_map(self->r.fd, MQSHM_MMAP_STATUS, 0, 4096, PROT_READ));
	EXPECT_EQ(EBADFD, errno);
	EXPECT_EQ(-1, read(plain, &self->r.n, sizeof(self->r.n)));
	EXPECT_EQ(EBADFD, errno);
	EXPECT_EQ(-1, read(self->client, &self->r.n, sizeof(self->r.n)));
	EXPECT_EQ(EBADFD, errno);
	EXPECT_NOTHING(&self->r);
	/* it is a holder's still */
	ASSERT_EQ(0, watch(self->fd));
	EXPECT_EQ(0, pool_create(self->fd, "pool", 64, 1, NULL));
	EXPECT_NEXT(&self->r, POOL, CAME, 0);
	EXPECT_EQ(1, notice_next(self->fd, 0, &self->r.n));
}

/* It needs no slot, and is not in what it watches. */
TEST(takes_no_client_slot)
{
	struct mqshm_runtime_create_args a = ARGS(runtime_create, .mode = 0700,
						  .gid = MQSHM_GID_SELF, .limits.clients = 1);
	struct snapshot s;
	int fds[3], fd = device_open();

	strcpy(a.name, runtime_name());
	ASSERT_EQ(0, command(fd, MQSHM_IOC_RUNTIME_CREATE, &a));
	for (int i = 0; i < 2; i++)
		fds[i] = watch_fd(runtime_name());
	fds[2] = runtime_open_fd(runtime_name());
	EXPECT_EQ(0, client_join(fds[2], 0, NULL));
	ASSERT_EQ(0, snapshot_take(fds[0], MQSHM_QUERY_RUNTIME, &s));
	EXPECT_EQ(1, snapshot_count(&s, MQSHM_RECORD_CLIENT));
	EXPECT_EQ(1U, ((const struct mqshm_runtime_record *)s.data)->clients);
	snapshot_free(&s);
	close(fds[2]);
	EXPECT_EQ(0, runtime_remove(fds[1], 0, NULL));
}

TEST(module_stays_while_it_is_open)
{
	int fd = watch_fd(NULL);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, syscall(SYS_delete_module, "mqshm", O_NONBLOCK));
	EXPECT_EQ(EAGAIN, errno);
}

/* -- the library ------------------------------------------------------------------------------ */

TEST_F(watch, by_the_library)
{
	struct mqshm_monitor *m;
	struct mqshm_notice n;
	struct pollfd p = { .events = POLLIN };

	EXPECT_EQ(-ENOENT, mqshm_monitor_open("no such runtime", &m));
	ASSERT_EQ(0, mqshm_monitor_open(runtime_name(), &m));
	p.fd = mqshm_monitor_fd(m);
	EXPECT_EQ(-EAGAIN, mqshm_monitor_next(m, &n, MQSHM_NO_WAIT));
	EXPECT_EQ(-ETIMEDOUT, mqshm_monitor_next(m, &n, mqshm_after_ms(2)));
	EXPECT_EQ(0, poll(&p, 1, 0));
	ASSERT_EQ(0, happen(self, 20));
	EXPECT_EQ(1, poll(&p, 1, 0));
	for (unsigned int i = 1; i <= 20; i++) {
		ASSERT_EQ(0, mqshm_monitor_next(m, &n, i % 2 ? MQSHM_NO_WAIT : MQSHM_FOREVER));
		EXPECT_EQ(i, n.number);
	}
	EXPECT_EQ(-EAGAIN, mqshm_monitor_next(m, &n, MQSHM_NO_WAIT));
	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	for (unsigned int i = 21; i <= 23; i++) {
		ASSERT_EQ(0, mqshm_monitor_next(m, &n, MQSHM_FOREVER));
		EXPECT_EQ(i, n.number);
	}
	EXPECT_EQ(-ESHUTDOWN, mqshm_monitor_next(m, &n, MQSHM_FOREVER));
	mqshm_monitor_close(m);
	mqshm_monitor_close(NULL);

	ASSERT_EQ(0, mqshm_monitor_open(NULL, &m));
	EXPECT_EQ(-EAGAIN, mqshm_monitor_next(m, &n, MQSHM_NO_WAIT));
	mqshm_monitor_close(m);
}

TEST_HARNESS_MAIN
