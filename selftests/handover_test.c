// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hand-overs between two processes by each way to sleep, none lost.
 *
 * Two processes throw one message to and fro; each sleeps until it comes. A lost
 * wake-up shows as a wait that outlasts its deadline. The first tenth is played on
 * two processors, the rest on one.
 */

#include "kselftest_harness.h"

#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "graph.h"
#include "mqshm_test.h"

/* -- ways to sleep --------------------------------------------------------- */

/**
 * struct sleeper - a way to sleep until a node's input has something
 * @prepare: once, 4 if this kernel has no such thing
 * @sleep: until there may be something; 0, or -ETIMEDOUT
 */
struct sleeper {
	int (*prepare)(struct node *n);
	int (*sleep)(struct node *n);
};

static int wait_prepare(struct node *n)
{
	return 0;
}

static int wait_sleep(struct node *n)
{
	int ready = mqshm_wait(n->client, &n->in[0], 1, after_ms(PATIENCE_MS), NULL);

	return ready < 0 ? ready : 0;
}

static int event_fd;

static int eventfd_prepare(struct node *n)
{
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return mqshm_port_set_eventfd(n->in[0], event_fd);
}

static int eventfd_sleep(struct node *n)
{
	struct pollfd p = { .fd = event_fd, .events = POLLIN };
	uint64_t count;
	int err = mqshm_port_arm(n->in[0]);

	if (err)
		return err == -EAGAIN ? 0 : err;
	if (poll(&p, 1, PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	return read(event_fd, &count, sizeof(count)) == sizeof(count) && count == 1 ? 0 : -EIO;
}

static int poll_sleep(struct node *n)
{
	struct pollfd p = { .fd = mqshm_client_fd(n->client), .events = POLLIN };

	mqshm_client_flush(n->client);
	return poll(&p, 1, PATIENCE_MS) == 1 ? 0 : -ETIMEDOUT;
}

static int epoll_fd;

static int epoll_prepare_with(struct node *n, uint32_t events)
{
	struct epoll_event e = { .events = events };

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, mqshm_client_fd(n->client), &e) ? -errno : 0;
}

static int epoll_level_prepare(struct node *n)
{
	return epoll_prepare_with(n, EPOLLIN);
}

static int epoll_edge_prepare(struct node *n)
{
	return epoll_prepare_with(n, EPOLLIN | EPOLLET);
}

static int epoll_sleep(struct node *n)
{
	struct epoll_event e;

	mqshm_client_flush(n->client);
	return epoll_wait(epoll_fd, &e, 1, PATIENCE_MS) == 1 ? 0 : -ETIMEDOUT;
}

static struct io_uring uring;
static bool uring_armed;

static int uring_prepare(struct node *n)
{
	return io_uring_queue_init(8, &uring, 0) ? 4 : 0;
}

/* One completion; whether more will come from the same request. */
static int uring_wait(bool *more)
{
	struct __kernel_timespec patience = { .tv_sec = PATIENCE_MS / 1000 };
	struct io_uring_cqe *cqe;
	int err;

	do {
		err = io_uring_wait_cqe_timeout(&uring, &cqe, &patience);
	} while (err == -EINTR);
	if (err)
		return err == -ETIME ? -ETIMEDOUT : err;
	err = cqe->res < 0 ? cqe->res : 0;
	*more = cqe->flags & IORING_CQE_F_MORE;
	io_uring_cqe_seen(&uring, cqe);
	return err;
}

static int uring_oneshot_sleep(struct node *n)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring);
	bool more;

	mqshm_client_flush(n->client);
	io_uring_prep_poll_add(sqe, mqshm_client_fd(n->client), POLLIN);
	if (io_uring_submit(&uring) != 1)
		return -EIO;
	return uring_wait(&more);
}

static int uring_multishot_sleep(struct node *n)
{
	struct io_uring_sqe *sqe;

	mqshm_client_flush(n->client);
	if (!uring_armed) {
		sqe = io_uring_get_sqe(&uring);
		io_uring_prep_poll_multishot(sqe, mqshm_client_fd(n->client), POLLIN);
		if (io_uring_submit(&uring) != 1)
			return -EIO;
	}
	return uring_wait(&uring_armed);
}

/* -- hand-overs ------------------------------------------------------------ */

FIXTURE(handover)
{
	int fd;
};

FIXTURE_VARIANT(handover)
{
	struct sleeper sleeper;
};

FIXTURE_VARIANT_ADD(handover, blocking) { .sleeper = { wait_prepare, wait_sleep } };
FIXTURE_VARIANT_ADD(handover, eventfd) { .sleeper = { eventfd_prepare, eventfd_sleep } };
FIXTURE_VARIANT_ADD(handover, poll) { .sleeper = { wait_prepare, poll_sleep } };
FIXTURE_VARIANT_ADD(handover, epoll_level) { .sleeper = { epoll_level_prepare, epoll_sleep } };
FIXTURE_VARIANT_ADD(handover, epoll_edge) { .sleeper = { epoll_edge_prepare, epoll_sleep } };
FIXTURE_VARIANT_ADD(handover, uring_oneshot) { .sleeper = { uring_prepare, uring_oneshot_sleep } };
FIXTURE_VARIANT_ADD(handover, uring_multishot) { .sleeper = { uring_prepare,
							     uring_multishot_sleep } };

static const struct sleeper *sleeper;
static uint64_t handovers;
/* Time for each side to fall asleep, or to be just about to. */
static __u64 seed;

static void dawdle(void)
{
	for (unsigned int i = random_next(&seed) % 64; i; i--)
		__asm__ __volatile__("" ::: "memory");
}

static void catch(struct node *n, struct mqshm_buffer *buf)
{
	int err;

	while ((err = mqshm_port_pop(n->in[0], buf)) == -EAGAIN)
		must(sleeper->sleep(n) == 0);
	must(err == 0);
}

static void play(const char *name, bool serves)
{
	struct mqshm_buffer buf;
	struct message *m;
	struct node n;
	int rc;

	must(node_open(&n, runtime_name(), name, &one_each) == 0);
	must(node_wait_connections(&n, n.in[0], 1, 10000) == 0);
	must(node_wait_connections(&n, n.out[0], 1, 10000) == 0);
	rc = sleeper->prepare(&n);
	if (rc == 4)
		_exit(4);
	must(rc == 0);
	seed += serves;
	if (serves) {
		must(node_alloc(&n, sizeof(*m), after_ms(1000), &buf) == 0);
		message_fill(mqshm_buffer_data(n.client, &buf), 0, 0);
		must(node_push(&n, n.out[0], &buf, after_ms(1000)) == 0);
	}
	for (uint64_t i = 0; i < handovers / 2; i++) {
		if (i == handovers / 20)
			stay_on_one_processor();
		catch(&n, &buf);
		m = mqshm_buffer_data(n.client, &buf);
		must(m->hops == i * 2 + serves);
		m->hops++;
		dawdle();
		if (!serves || i + 1 < handovers / 2)
			must(node_push(&n, n.out[0], &buf, after_ms(1000)) == 0);
	}
	node_close(&n);
}

static void play_first(void *arg)
{
	play("first", true);
}

static void play_second(void *arg)
{
	play("second", false);
}

FIXTURE_SETUP(handover)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, pool_create(self->fd, "pool", sizeof(struct message), 8, NULL));
	sleeper = &variant->sleeper;
	handovers = rounds(50000, 1000000);
	seed = random_seed();
}

FIXTURE_TEARDOWN(handover)
{
}

TEST_F_TIMEOUT(handover, none_is_lost, 1800)
{
	uint64_t begin;
	pid_t pids[2];
	struct tally t;
	int first, second;

	pids[0] = spawn(play_first, NULL);
	pids[1] = spawn(play_second, NULL);
	ASSERT_EQ(0, graph_wait_block(self->fd, "first", 5000));
	ASSERT_EQ(0, graph_wait_block(self->fd, "second", 5000));
	begin = now_ns();
	ASSERT_EQ(0, graph_connect(self->fd, "first", "second", NULL));
	ASSERT_EQ(0, graph_connect(self->fd, "second", "first", NULL));
	first = reap(pids[0]);
	if (first) {
		kill(pids[1], SIGKILL);
	}
	second = reap(pids[1]);
	if (first == 4)
		SKIP(return, "no io_uring");
	EXPECT_EQ(0, first);
	EXPECT_EQ(0, second);
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, 1000));
	printf("# %llu hand-overs, %llu ns each\n", (unsigned long long)handovers,
	       (unsigned long long)((now_ns() - begin) / handovers));
	fflush(stdout);
}

TEST_HARNESS_MAIN
