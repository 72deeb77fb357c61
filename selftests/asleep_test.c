// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deaths while asleep, in every kind of wait: the sleep does not outlast the kill, and
 * what was asked for while falling asleep is taken back.
 */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "bus.h"
#include "notice.h"
#include "victim.h"

/* -- the waits --------------------------------------------------------------- */

/* Each is ready, then sleeps; gives what ended the sleep, -errno or not. */

static void ready(void)
{
	stage->ready = 1;
}

static int sleep_in_wait_for(int fd, unsigned int direction)
{
	struct mqshm_wait_args w = ARGS(wait, .ports = 1);
	struct mqshm_client_sync_args sync;

	must(client_sync(fd, &sync) == 0);
	w.gen = sync.out_gen;
	w.port_array[0] = stage->ports[direction];
	ready();
	return command(fd, MQSHM_IOC_WAIT, &w);
}

static int sleep_in_wait(int fd)
{
	return sleep_in_wait_for(fd, MQSHM_DIR_IN);
}

/* For a pipe that nobody writes to. */
static int sleep_in_wait_for_fd(int fd)
{
	struct mqshm_client_sync_args sync;
	struct mqshm_wait_args w = ARGS(wait, .fds_count = 1);
	struct pollfd pfd = { .events = POLLIN };
	int ends[2];

	must(pipe(ends) == 0);
	pfd.fd = ends[0];
	must(client_sync(fd, &sync) == 0);
	w.gen = sync.out_gen;
	w.fds = (uintptr_t)&pfd;
	ready();
	return command(fd, MQSHM_IOC_WAIT, &w);
}

/* The output's ring is full. */
static int sleep_in_wait_for_space(int fd)
{
	return sleep_in_wait_for(fd, MQSHM_DIR_OUT);
}

static int sleep_in_lease(int fd)
{
	struct mqshm_lease_args l = ARGS(lease, .flags = MQSHM_LEASE_F_WAIT, .count = 1);
	struct mqshm_client_sync_args sync;

	must(client_sync(fd, &sync) == 0);
	l.gen = sync.out_gen;
	ready();
	return command(fd, MQSHM_IOC_LEASE, &l);
}

static int sleep_in_runtime_wait(int fd)
{
	struct mqshm_runtime_wait_args w = ARGS(runtime_wait);
	struct snapshot s;

	must(snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s) == 0);
	w.changes = s.changes;
	snapshot_free(&s);
	ready();
	return command(fd, MQSHM_IOC_RUNTIME_WAIT, &w);
}

/* Of what it is told meanwhile it reads all. */
static int sleep_in_read(int fd)
{
	char records[2 * MQSHM_BUS_READ_MIN];
	ssize_t n;

	ready();
	do {
		n = read(fd, records, sizeof(records));
	} while (n > 0);
	return n < 0 ? -errno : 1;
}

static int sleep_in_monitor(int fd)
{
	int watcher = watch_fd(runtime_name());

	must(watcher >= 0);
	return sleep_in_read(watcher);
}

static int sleep_in_bus(int fd)
{
	int inbox = runtime_open_fd(runtime_name());

	must(inbox >= 0);
	must(bus_open(inbox, 0, 4, NULL) == 0);
	must(bus_subscribe(inbox, "asleep") == 0);
	return sleep_in_read(inbox);
}

static int sleep_in_poll(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	ready();
	return poll(&p, 1, -1) < 0 ? -errno : 1;
}

static int sleep_in_epoll(int fd)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int set = epoll_create1(EPOLL_CLOEXEC);

	must(epoll_ctl(set, EPOLL_CTL_ADD, fd, &e) == 0);
	ready();
	return epoll_wait(set, &e, 1, -1) < 0 ? -errno : 1;
}

static int sleep_in_eventfd(int fd)
{
	struct mqshm_port_eventfd_args e =
		ARGS(port_eventfd, .port = stage->ports[MQSHM_DIR_IN], .eventfd = eventfd(0, 0));
	uint64_t count;

	must(command(fd, MQSHM_IOC_PORT_EVENTFD, &e) == 0);
	must(id_command(fd, MQSHM_IOC_PORT_ARM, e.port) == 0);
	ready();
	return read(e.eventfd, &count, sizeof(count)) < 0 ? -errno : 1;
}

static int sleep_in_io_uring(int fd, bool multishot)
{
	static struct io_uring ring;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;

	/* not every kernel has it, or lets everybody have it */
	if (io_uring_queue_init(2, &ring, 0))
		return sleep_in_poll(fd);
	sqe = io_uring_get_sqe(&ring);
	if (multishot)
		io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	else
		io_uring_prep_poll_add(sqe, fd, POLLIN);
	must(io_uring_submit(&ring) == 1);
	ready();
	return io_uring_wait_cqe(&ring, &cqe) ?: 1;
}

static int sleep_in_io_uring_poll(int fd)
{
	return sleep_in_io_uring(fd, false);
}

static int sleep_in_io_uring_multishot(int fd)
{
	return sleep_in_io_uring(fd, true);
}

/* -- the victim ----------------------------------------------------------------- */

/* A message by hand: the first of the ring, from the hand of the caller. */
static void push(int fd, const struct mqshm_event *e, __u32 buffer)
{
	struct mqshm_ring_producer *p =
		region_map(fd, MQSHM_MMAP_PRODUCER, e->ring, 4096, PROT_READ | PROT_WRITE);
	__u16 *hold = region_map(fd, MQSHM_MMAP_HOLD, 0, 4096, PROT_READ | PROT_WRITE);

	must(p && hold);
	p->slots[0] = MQSHM_SLOT(buffer, 0, MQSHM_LAP(0ULL, e->shift));
	hold[buffer]--;
	p->tail = 1;
}

/* Holds its buffers, has rings both ways, the one to the peer full; then sleeps. */
static void victim(void *arg)
{
	int (*fall_asleep)(int fd) = arg;
	struct mqshm_lease_args l;
	struct mqshm_event e;
	int fd = victim_join(O_CLOEXEC), result;

	must(lease(fd, 0, 1, &l) == 0);
	must(connect_blocks(fd, "peer", "victim", NULL) == 0);
	must(connect_blocks(fd, "victim", "peer", NULL) == 0);
	must(attach_ring(fd, MQSHM_DIR_OUT, &e) == 0);
	push(fd, &e, l.buffers[0]);
	do {
		result = fall_asleep(fd);
	} while (result == -EINTR);
	stage->seen = result ?: 1;
	victim_sleep();
}

/**
 * struct asleep - fixture
 * @fd: only bound
 * @peer: another client, with the other ends of the victim's rings and all buffers
 *	that the victim has not
 * @departed: for EXPECT_SETTLED()
 */
FIXTURE(asleep)
{
	int fd;
	int peer;
	struct mqshm_departed_record departed;
};

FIXTURE_VARIANT(asleep)
{
	int (*fall_asleep)(int fd);
	unsigned int buffers;
	unsigned int hold;
};

#define WAIT_KIND(kind) \
FIXTURE_VARIANT_ADD(asleep, kind##_of_64) \
	{ .fall_asleep = sleep_in_##kind, .buffers = 64, .hold = 5 }; \
FIXTURE_VARIANT_ADD(asleep, kind##_of_3) \
	{ .fall_asleep = sleep_in_##kind, .buffers = 3, .hold = 1 };

WAIT_KIND(wait)
WAIT_KIND(wait_for_space)
WAIT_KIND(wait_for_fd)
WAIT_KIND(lease)
WAIT_KIND(runtime_wait)
WAIT_KIND(monitor)
WAIT_KIND(bus)
WAIT_KIND(poll)
WAIT_KIND(epoll)
WAIT_KIND(eventfd)
WAIT_KIND(io_uring_poll)
WAIT_KIND(io_uring_multishot)

FIXTURE_SETUP(asleep)
{
	unsigned int free = variant->buffers - variant->hold - 1;
	struct mqshm_lease_args l;

	self->fd = victim_runtime(64, variant->buffers, variant->hold);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	self->peer = runtime_open_fd(runtime_name());
	ASSERT_EQ(0, client_join(self->peer, 0, NULL));
	ASSERT_EQ(0, block_create(self->peer, "peer", 1, NULL, NULL));
	for (unsigned int n = 0; n < free; n += l.out_count) {
		ASSERT_EQ(0, lease(self->peer, 0, free - n, &l));
	}
}

FIXTURE_TEARDOWN(asleep)
{
	struct tally t;

	close(self->peer);
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, PATIENCE_MS));
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

/* Its hand is empty at once; its message is there for the peer; the peer is told. */
static void expect_settled(struct __test_metadata *_metadata, FIXTURE_DATA(asleep) *self)
{
	const struct mqshm_connection_record *c = NULL;
	unsigned int rings = 0;
	struct snapshot s;
	struct tally t;

	ASSERT_EQ(0, tally_take(self->fd, &t));
	EXPECT_EQ(stage->hold, t.free);
	EXPECT_EQ(1U, t.queued);
	EXPECT_TRUE(tally_whole(&t));
	ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &s));
	while ((c = snapshot_next(&s, MQSHM_RECORD_CONNECTION, c))) {
		EXPECT_NE(0U, c->flags & (c->from_block ? MQSHM_RING_CLOSED : MQSHM_RING_DEAD));
		EXPECT_EQ(0U, c->flags & (MQSHM_RING_SLEEPING | MQSHM_RING_PSLEEPING));
		rings++;
	}
	EXPECT_EQ(2U, rings);
	snapshot_free(&s);
	close(self->peer);
	self->peer = -1;
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

TEST_F(asleep, kill)
{
	pid_t pid = spawn(victim, variant->fall_asleep);

	ASSERT_TRUE(victim_await_asleep(pid));
	EXPECT_EQ(0, stage->seen) TH_LOG("it did not sleep");
	kill(pid, SIGKILL);
	ASSERT_EQ(256 + SIGKILL, reap_within(pid, PATIENCE_MS)) TH_LOG("the kill did not end its sleep");
	expect_settled(_metadata, self);
}

/* A stop ends no wait, or it is begun anew. */
TEST_F(asleep, kill_after_a_stop)
{
	pid_t pid = spawn(victim, variant->fall_asleep);
	struct mqshm_client_record r;
	int status;

	ASSERT_TRUE(victim_await_asleep(pid));
	ASSERT_EQ(0, kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	EXPECT_TRUE(victim_look(self->fd, &r));
	EXPECT_NE(MQSHM_CLIENT_EXITING, r.state);
	EXPECT_EQ(stage->hold, r.held_buffers);
	ASSERT_EQ(0, kill(pid, SIGCONT));
	ASSERT_TRUE(victim_await_asleep(pid));
	EXPECT_EQ(0, stage->seen) TH_LOG("it did not sleep on");
	kill(pid, SIGKILL);
	ASSERT_EQ(256 + SIGKILL, reap_within(pid, PATIENCE_MS)) TH_LOG("the kill did not end its sleep");
	expect_settled(_metadata, self);
}

/* Nobody sleeps on in a runtime that is gone; its death after that is nobody's. */
TEST_F(asleep, runtime_removed_by_force)
{
	uint64_t deadline = after_ms(PATIENCE_MS);
	pid_t pid = spawn(victim, variant->fall_asleep);

	ASSERT_TRUE(victim_await_asleep(pid));
	EXPECT_EQ(0, stage->seen) TH_LOG("it did not sleep");
	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	while (!stage->seen && now_ns() < deadline)
		sleep_us(200);
	EXPECT_NE(0, stage->seen) TH_LOG("it sleeps on");
	/* the peer may be settled first: what it held comes to one who waits for that */
	if (variant->fall_asleep == sleep_in_lease &&
	    victim_gone_within(self->fd, 0, &self->departed) &&
	    self->departed.refs == stage->hold + 1)
		stage->hold++;
	EXPECT_SETTLED(MQSHM_DEPARTED_FORCED);
	slay(pid);
	EXPECT_SETTLED(MQSHM_DEPARTED_FORCED);
}

/* -- waiting in line for a buffer ------------------------------------------------- */

FIXTURE(line)
{
	int fd;
	int holder;
	__u32 buffer;
};

FIXTURE_SETUP(line)
{
	struct mqshm_lease_args l;

	self->fd = victim_runtime(64, 1, 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	self->holder = runtime_open_fd(runtime_name());
	ASSERT_EQ(0, client_join(self->holder, 0, NULL));
	ASSERT_EQ(0, lease(self->holder, 0, 1, &l));
	self->buffer = l.buffers[0];
}

FIXTURE_TEARDOWN(line)
{
}

static void wait_in_line(void *arg)
{
	struct mqshm_lease_args l = ARGS(lease, .flags = MQSHM_LEASE_F_WAIT, .count = 1);
	struct mqshm_client_sync_args sync;
	int fd = runtime_open_fd(runtime_name());

	must(client_join(fd, 0, NULL) == 0);
	must(client_sync(fd, &sync) == 0);
	l.gen = sync.out_gen;
	ready();
	must(command(fd, MQSHM_IOC_LEASE, &l) == 0);
	if (arg)
		return;
	for (;;)
		pause();
}

static pid_t put_in_line(void *stays)
{
	pid_t pid;

	stage->ready = 0;
	pid = spawn(wait_in_line, stays);
	return victim_await_asleep(pid) ? pid : -1;
}

static int give_back(FIXTURE_DATA(line) *self)
{
	struct mqshm_return_args give = ARGS(return, .count = 1);

	give.buffers[0] = self->buffer;
	return command(self->holder, MQSHM_IOC_RETURN, &give);
}

/*
 * The first in line is killed before the buffer comes back, or just when it is
 * promised to it, or it has it already: the second gets it, and ends, and the holder
 * has it again.
 */
TEST_F(line, next_gets_what_the_dead_waited_for)
{
	unsigned int n = rounds(20, 500) ?: 1;
	__u64 seed = random_seed();
	struct mqshm_lease_args l;

	for (unsigned int i = 0; i < n; i++) {
		pid_t first = put_in_line(NULL), second = put_in_line((void *)1);

		ASSERT_LT(0, first);
		ASSERT_LT(0, second);
		if (i & 1) {
			ASSERT_EQ(0, give_back(self));
			for (unsigned int spin = random_next(&seed) % 20000; spin; spin--)
				__asm__ __volatile__("");
		}
		slay(first);
		if (!(i & 1)) {
			ASSERT_EQ(0, give_back(self));
		}
		ASSERT_EQ(0, reap_within(second, PATIENCE_MS)) TH_LOG("death %u: nobody is next", i);
		ASSERT_EQ(0, lease(self->holder, 0, 1, &l));
	}
}

TEST_HARNESS_MAIN
