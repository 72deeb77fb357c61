// SPDX-License-Identifier: GPL-2.0-only
/* Monitors as descriptors: reading, being too slow, several, states, what holds what. */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <mqshm.h>

#include "notice.h"

/**
 * struct watch - fixture
 * @fd: holds the runtime
 * @id: number of the runtime
 * @client: descriptor of a client
 * @r: the monitor; watches since the client is there
 */
FIXTURE(watch)
{
	int fd;
	__u64 id;
	int client;
	struct reader r;
};

/*
 * A client that sleeps in the module does not stall, however long a test takes: no
 * notice comes that the test has not caused.
 */
static void *sleep_in_module(void *arg)
{
	int fd = *(int *)arg, err;

	do {
		struct mqshm_client_sync_args sync;

		err = client_sync(fd, &sync);
		if (!err)
			err = command(fd, MQSHM_IOC_WAIT, &ARGS(wait, .gen = sync.out_gen));
	} while (!err);
	return NULL;
}

FIXTURE_SETUP(watch)
{
	struct mqshm_runtime_create_args a = ARGS(runtime_create, .mode = 0700,
						  .gid = MQSHM_GID_SELF);
	pthread_t sleeps;

	strcpy(a.name, runtime_name());
	self->fd = device_open();
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, command(self->fd, MQSHM_IOC_RUNTIME_CREATE, &a));
	self->id = a.out_id;
	self->client = runtime_open_fd(runtime_name());
	ASSERT_EQ(0, client_join(self->client, 0, NULL));
	ASSERT_EQ(0, pthread_create(&sleeps, NULL, sleep_in_module, &self->client));
	self->r.fd = watch_fd(runtime_name());
	ASSERT_LE(0, self->r.fd);
}

FIXTURE_TEARDOWN(watch)
{
}

/* Makes and removes a block, again and again: two notices each time. */
static int happen(FIXTURE_DATA(watch) *self, unsigned int notices)
{
	__u64 block;
	int err = 0;

	for (unsigned int i = 0; !err && i < notices; i += 2) {
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

/* -- the end, states, what holds what ------------------------------------------------ */

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
	struct pollfd p = { .events = POLLIN };
	struct mqshm_monitor *m;
	struct mqshm_notice n;

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
}

TEST_F(watch, snapshots_of_the_library)
{
	struct mqshm_monitor *one, *table;
	struct mqshm_snapshot *snap;

	ASSERT_EQ(0, mqshm_monitor_open(runtime_name(), &one));
	ASSERT_EQ(0, mqshm_monitor_open(NULL, &table));
	ASSERT_EQ(0, mqshm_monitor_snapshot(one, &snap));
	EXPECT_EQ(1, snap->n_clients);
	EXPECT_EQ(self->id, snap->runtimes->id);
	mqshm_snapshot_free(snap);
	ASSERT_EQ(0, mqshm_monitor_snapshot(table, &snap));
	EXPECT_EQ(0, snap->n_clients);
	EXPECT_LE(1, snap->n_runtimes);
	mqshm_snapshot_free(snap);
	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	ASSERT_EQ(0, mqshm_monitor_snapshot(one, &snap));
	EXPECT_EQ(MQSHM_STATE_REMOVED, snap->runtimes->state);
	EXPECT_EQ(0, snap->n_clients);
	mqshm_snapshot_free(snap);
	mqshm_monitor_close(one);
	mqshm_monitor_close(table);
}

TEST_HARNESS_MAIN
