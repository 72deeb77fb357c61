// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for messages, for space and for buffers: what ends a wait, by a blocking
 * call, poll or an eventfd.
 */

#include "kselftest_harness.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "graph.h"
#include "mqshm_test.h"

/* -- waiting for space and for buffers -------------------------------------- */

FIXTURE(wait)
{
	int fd;
	struct node source;
	struct node sink;
	volatile int *told;
};

FIXTURE_SETUP(wait)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, pool_create(self->fd, "pool", sizeof(struct message), 16, NULL));
	self->told = shared_memory(4096);
}

FIXTURE_TEARDOWN(wait)
{
	node_close(&self->source);
	node_close(&self->sink);
}

static const struct node_options shallow_in = { .ins = 1, .depth = 1, .spin_ns = UINT64_MAX };

static uint64_t messages;

static void push_all(void *arg)
{
	struct mqshm_buffer buf;
	struct node n;

	must(node_open(&n, runtime_name(), "source", &one_out) == 0);
	for (uint64_t i = 0; i < messages; i++) {
		must(node_alloc(&n, sizeof(struct message), after_ms(PATIENCE_MS), &buf) == 0);
		message_fill(mqshm_buffer_data(n.client, &buf), 0, i);
		must(node_push(&n, n.out[0], &buf, after_ms(PATIENCE_MS)) == 0);
	}
	must(mqshm_port_end(n.out[0]) == 0);
	node_close(&n);
}

/* A queue of one: the producer sleeps for space, the consumer for a message. */
TEST_F_TIMEOUT(wait, for_space, 1800)
{
	struct mqshm_buffer buf;
	uint64_t i;
	pid_t pid;
	int err;

	messages = rounds(20000, 500000);
	pid = spawn(push_all, NULL);
	ASSERT_EQ(0, node_open(&self->sink, runtime_name(), "sink", &shallow_in));
	ASSERT_EQ(0, graph_wait_block(self->fd, "source", 5000));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "sink", NULL));
	for (i = 0; !(err = node_pop(&self->sink, self->sink.in[0], &buf, after_ms(PATIENCE_MS))); i++) {
		ASSERT_TRUE(message_good(mqshm_buffer_data(self->sink.client, &buf), 0, i));
		ASSERT_EQ(0, mqshm_buffer_release(self->sink.client, &buf));
	}
	EXPECT_EQ(-ENODATA, err);
	EXPECT_EQ(messages, i);
	EXPECT_EQ(0, reap_within(pid, 5000));
}

/* @id: where the number of the connection goes */
#define OPEN_PAIR(id) \
do { \
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out)); \
	ASSERT_EQ(0, node_open(&self->sink, runtime_name(), "sink", &shallow_in)); \
	ASSERT_EQ(0, graph_connect(self->fd, "source", "sink", id)); \
	ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 1, 5000)); \
	ASSERT_EQ(0, node_wait_connections(&self->sink, self->sink.in[0], 1, 5000)); \
} while (0)

static int push_message(struct node *n)
{
	struct mqshm_buffer buf;
	int err = node_alloc(n, 64, after_ms(1000), &buf);

	if (!err)
		err = mqshm_port_push(n->out[0], &buf, 0);
	return err;
}

TEST_F(wait, tells_which_ports_are_ready)
{
	struct mqshm_port *ports[2];
	uint64_t ready = POISON64;

	OPEN_PAIR(NULL);
	ports[0] = self->source.out[0];
	EXPECT_EQ(1, mqshm_wait(self->source.client, ports, 1, after_ms(1000), &ready));
	EXPECT_EQ(1, ready);
	ASSERT_EQ(0, push_message(&self->source));
	EXPECT_EQ(-ETIMEDOUT, mqshm_wait(self->source.client, ports, 1, after_ms(20), &ready));
	ports[0] = self->sink.in[0];
	EXPECT_EQ(1, mqshm_wait(self->sink.client, ports, 1, after_ms(1000), &ready));
	EXPECT_EQ(1, ready);
}

TEST_F(wait, several_inputs)
{
	struct node_options options = { .ins = 3, .spin_ns = UINT64_MAX };
	struct mqshm_buffer buf;
	uint64_t ready = POISON64;

	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	ASSERT_EQ(0, node_open(&self->sink, runtime_name(), "sink", &options));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "sink:in2", NULL));
	ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 1, 5000));
	ASSERT_EQ(0, node_wait_connections(&self->sink, self->sink.in[1], 1, 5000));
	EXPECT_EQ(-ETIMEDOUT, mqshm_wait(self->sink.client, self->sink.in, 3, after_ms(20),
					 &ready));
	ASSERT_EQ(0, push_message(&self->source));
	EXPECT_EQ(1, mqshm_wait(self->sink.client, self->sink.in, 3, after_ms(1000), &ready));
	EXPECT_EQ(2, ready);
	EXPECT_EQ(0, mqshm_port_pop(self->sink.in[1], &buf));
	EXPECT_EQ(0, mqshm_buffer_release(self->sink.client, &buf));
}

TEST_F(wait, deadline)
{
	uint64_t begin = now_ns();

	OPEN_PAIR(NULL);
	EXPECT_EQ(-ETIMEDOUT, mqshm_wait(self->sink.client, &self->sink.in[0], 1,
					 begin + 50000000, NULL));
	EXPECT_LE(begin + 50000000, now_ns());
	EXPECT_EQ(-ETIMEDOUT, mqshm_wait(self->sink.client, &self->sink.in[0], 1, 1, NULL));
}

static void ignore_signal(int sig)
{
}

/* Sends SIGUSR1 to its parent until it is killed. */
static void disturb(void *arg)
{
	for (;;) {
		sleep_us(20000);
		kill(getppid(), SIGUSR1);
	}
}

TEST_F(wait, signal_is_eintr)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	struct mqshm_buffer bufs[16];
	pid_t pid;

	OPEN_PAIR(NULL);
	for (int i = 0; i < 16; i++) {
		ASSERT_EQ(0, node_alloc(&self->source, 64, after_ms(1000), &bufs[i]));
	}
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	pid = spawn(disturb, NULL);
	EXPECT_EQ(-EINTR, mqshm_wait(self->sink.client, &self->sink.in[0], 1, after_ms(5000),
				     NULL));
	EXPECT_EQ(-EINTR, node_alloc(&self->sink, 64, after_ms(5000), &bufs[0]));
	slay(pid);
}

static void connect_later(void *arg)
{
	int fd = runtime_open_fd(runtime_name());

	sleep_us(50000);
	must(graph_connect(fd, "source", "sink", NULL) == 0);
}

TEST_F(wait, change_of_the_graph_wakes)
{
	pid_t pid;

	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	ASSERT_EQ(0, node_open(&self->sink, runtime_name(), "sink", &one_in));
	pid = spawn(connect_later, NULL);
	EXPECT_EQ(0, mqshm_wait(self->sink.client, &self->sink.in[0], 1, after_ms(5000), NULL));
	EXPECT_EQ(1, mqshm_port_connections(self->sink.in[0]));
	EXPECT_EQ(0, reap(pid));
}

static void disconnect_later(void *arg)
{
	int fd = runtime_open_fd(runtime_name());

	sleep_us(50000);
	must(id_command(fd, MQSHM_IOC_DISCONNECT, *(uint64_t *)arg) == 0);
}

TEST_F(wait, disconnect_wakes_the_consumer)
{
	uint64_t id;
	pid_t pid;

	OPEN_PAIR(&id);
	pid = spawn(disconnect_later, &id);
	EXPECT_EQ(0, mqshm_wait(self->sink.client, &self->sink.in[0], 1, after_ms(5000), NULL));
	EXPECT_EQ(1, mqshm_port_disconnects(self->sink.in[0]));
	EXPECT_EQ(0, reap(pid));
}

TEST_F(wait, disconnect_wakes_the_producer)
{
	uint64_t id;
	pid_t pid;

	OPEN_PAIR(&id);
	ASSERT_EQ(0, push_message(&self->source));
	pid = spawn(disconnect_later, &id);
	EXPECT_EQ(0, mqshm_wait(self->source.client, &self->source.out[0], 1, after_ms(5000), NULL));
	EXPECT_EQ(1, mqshm_port_disconnects(self->source.out[0]));
	EXPECT_EQ(0, reap(pid));
}

static void stop_later(void *arg)
{
	int fd = runtime_open_fd(runtime_name());

	sleep_us(50000);
	must(id_command(fd, MQSHM_IOC_BLOCK_STOP, *(uint64_t *)arg) == 0);
}

TEST_F(wait, stop_request_wakes)
{
	uint64_t id;
	pid_t pid;

	ASSERT_EQ(0, node_open(&self->sink, runtime_name(), "sink", &one_in));
	id = mqshm_block_id(self->sink.block);
	EXPECT_FALSE(mqshm_block_stop_requested(self->sink.block));
	pid = spawn(stop_later, &id);
	EXPECT_EQ(0, mqshm_wait(self->sink.client, &self->sink.in[0], 1, after_ms(5000), NULL));
	EXPECT_TRUE(mqshm_block_stop_requested(self->sink.block));
	EXPECT_EQ(0, reap(pid));
}

/* Who sleeps for a buffer must hear of a stop as well. */
TEST_F(wait, stop_request_wakes_an_allocation)
{
	struct mqshm_buffer bufs[16], none;
	uint64_t id;
	pid_t pid;

	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	for (int i = 0; i < 16; i++) {
		ASSERT_EQ(0, node_alloc(&self->source, 64, after_ms(1000), &bufs[i]));
	}
	id = mqshm_block_id(self->source.block);
	pid = spawn(stop_later, &id);
	EXPECT_EQ(-EAGAIN, mqshm_buffer_alloc(self->source.client, 64, after_ms(5000), &none));
	EXPECT_TRUE(mqshm_block_stop_requested(self->source.block));
	EXPECT_EQ(0, reap(pid));
}

static void hold_and_release(void *arg)
{
	struct mqshm_buffer bufs[16];
	struct node n;

	must(node_open(&n, runtime_name(), "holder", &one_out) == 0);
	for (int i = 0; i < 16; i++)
		must(node_alloc(&n, 64, after_ms(1000), &bufs[i]) == 0);
	*(volatile int *)arg = 1;
	sleep_us(50000);
	/* no sleep afterwards: the waiting one must be noticed on release */
	must(mqshm_buffer_release(n.client, &bufs[0]) == 0);
	for (;;)
		sleep_us(1000000);
}

TEST_F(wait, released_buffer_reaches_who_waits)
{
	struct mqshm_buffer buf;
	pid_t pid;

	pid = spawn(hold_and_release, (void *)self->told);
	while (!*self->told)
		sleep_us(500);
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	EXPECT_EQ(0, node_alloc(&self->source, 64, after_ms(5000), &buf));
	slay(pid);
}

/* Has spare buffers, and releases nothing any more. */
static void poll_idly(void *arg)
{
	struct mqshm_buffer buf;
	struct node n;

	must(node_open(&n, runtime_name(), "idle", &one_in) == 0);
	must(node_alloc(&n, 64, after_ms(1000), &buf) == 0);
	must(mqshm_buffer_release(n.client, &buf) == 0);
	*(volatile int *)arg = 1;
	while (mqshm_port_pop(n.in[0], &buf) == -EAGAIN)
		sched_yield();
	must(false);
}

TEST_F(wait, spares_of_a_polling_consumer_reach_who_waits)
{
	struct mqshm_buffer bufs[16];
	pid_t pid = spawn(poll_idly, (void *)self->told);

	while (!*self->told)
		sleep_us(500);
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	for (int i = 0; i < 16; i++) {
		ASSERT_EQ(0, node_alloc(&self->source, 64, after_ms(5000), &bufs[i]));
	}
	slay(pid);
}

TEST_F(wait, buffers_of_the_dead_reach_who_waits)
{
	struct mqshm_buffer buf;
	pid_t pid, killer;

	pid = spawn(hold_and_release, (void *)self->told);
	while (!*self->told)
		sleep_us(500);
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	killer = fork();
	if (!killer) {
		sleep_us(20000);
		kill(pid, SIGKILL);
		_exit(0);
	}
	for (int i = 0; i < 16; i++) {
		EXPECT_EQ(0, node_alloc(&self->source, 64, after_ms(5000), &buf));
	}
	reap(killer);
	reap(pid);
}

/* -- poll ------------------------------------------------------------------- */

static short poll_now(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) == 1 ? p.revents : 0;
}

TEST_F(wait, poll_tells_input_and_room)
{
	struct mqshm_buffer buf;

	OPEN_PAIR(NULL);
	EXPECT_EQ(POLLOUT, poll_now(mqshm_client_fd(self->source.client), POLLIN | POLLOUT));
	EXPECT_EQ(0, poll_now(mqshm_client_fd(self->sink.client), POLLIN));
	ASSERT_EQ(0, push_message(&self->source));
	EXPECT_EQ(0, poll_now(mqshm_client_fd(self->source.client), POLLIN | POLLOUT));
	EXPECT_EQ(POLLIN, poll_now(mqshm_client_fd(self->sink.client), POLLIN));
	ASSERT_EQ(0, mqshm_port_pop(self->sink.in[0], &buf));
	ASSERT_EQ(0, mqshm_buffer_release(self->sink.client, &buf));
	EXPECT_EQ(0, poll_now(mqshm_client_fd(self->sink.client), POLLIN));
	EXPECT_EQ(POLLOUT, poll_now(mqshm_client_fd(self->source.client), POLLIN | POLLOUT));
}

TEST_F(wait, poll_tells_a_change)
{
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	ASSERT_EQ(0, node_open(&self->sink, runtime_name(), "sink", &one_in));
	ASSERT_LE(0, mqshm_client_update(self->sink.client));
	EXPECT_EQ(0, poll_now(mqshm_client_fd(self->sink.client), POLLIN));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "sink", NULL));
	EXPECT_EQ(POLLIN, poll_now(mqshm_client_fd(self->sink.client), POLLIN));
	EXPECT_EQ(1, mqshm_client_update(self->sink.client));
	EXPECT_EQ(0, poll_now(mqshm_client_fd(self->sink.client), POLLIN));
	EXPECT_EQ(0, mqshm_client_update(self->sink.client));
}

/* An edge-triggered poller does not ask again: the ring must be armed when it is attached. */
TEST_F(wait, edge_tells_messages_of_a_later_connection)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	struct mqshm_buffer buf;
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	ASSERT_EQ(0, node_open(&self->sink, runtime_name(), "sink", &one_in));
	ASSERT_LE(0, mqshm_client_update(self->sink.client));
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, mqshm_client_fd(self->sink.client), &e));
	EXPECT_EQ(0, epoll_wait(epoll, &e, 1, 0));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "sink", NULL));
	ASSERT_EQ(1, epoll_wait(epoll, &e, 1, PATIENCE_MS));
	EXPECT_EQ(1, mqshm_client_update(self->sink.client));
	EXPECT_EQ(-EAGAIN, mqshm_port_pop(self->sink.in[0], &buf));
	ASSERT_EQ(0, push_message(&self->source));
	EXPECT_EQ(1, epoll_wait(epoll, &e, 1, PATIENCE_MS));
	EXPECT_EQ(0, mqshm_port_pop(self->sink.in[0], &buf));
	close(epoll);
}

TEST_F(wait, poll_after_detach)
{
	int fd = runtime_open_fd(runtime_name());

	ASSERT_EQ(0, client_join(fd, 0, NULL));
	ASSERT_EQ(0, id_command(fd, MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_TRUE(poll_now(fd, POLLIN) & POLLHUP);
}

static void poll_in_child(void *arg)
{
	must(poll_now(*(int *)arg, POLLIN) & POLLERR);
}

TEST_F(wait, poll_from_another_process)
{
	int fd;

	ASSERT_EQ(0, node_open(&self->sink, runtime_name(), "sink", &one_in));
	fd = mqshm_client_fd(self->sink.client);
	EXPECT_EQ(0, reap(spawn(poll_in_child, &fd)));
}

TEST_F(wait, poll_of_a_viewer)
{
	int viewer = runtime_open_fd(runtime_name());
	struct tally t;

	ASSERT_EQ(0, tally_take(viewer, &t));
	EXPECT_EQ(0, poll_now(viewer, POLLIN));
	ASSERT_EQ(0, node_open(&self->sink, runtime_name(), "sink", &one_in));
	EXPECT_EQ(POLLIN, poll_now(viewer, POLLIN));
	ASSERT_EQ(0, tally_take(viewer, &t));
	EXPECT_EQ(0, poll_now(viewer, POLLIN));
}

/* -- eventfd ---------------------------------------------------------------- */

TEST_F(wait, eventfd_is_signalled_once)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct mqshm_buffer buf;
	uint64_t count, id;

	OPEN_PAIR(&id);
	ASSERT_EQ(0, mqshm_port_set_eventfd(self->sink.in[0], event));
	ASSERT_EQ(0, push_message(&self->source));
	EXPECT_EQ(-1, read(event, &count, 8)) TH_LOG("not armed");
	EXPECT_EQ(-EAGAIN, mqshm_port_arm(self->sink.in[0]));
	ASSERT_EQ(0, mqshm_port_pop(self->sink.in[0], &buf));
	ASSERT_EQ(0, mqshm_buffer_release(self->sink.client, &buf));
	ASSERT_EQ(0, mqshm_port_arm(self->sink.in[0]));
	EXPECT_EQ(-1, read(event, &count, 8));
	ASSERT_EQ(0, push_message(&self->source));
	ASSERT_EQ(8, read(event, &count, 8));
	EXPECT_EQ(1, count);
	ASSERT_EQ(0, mqshm_port_pop(self->sink.in[0], &buf));
	ASSERT_EQ(0, mqshm_buffer_release(self->sink.client, &buf));
	ASSERT_EQ(0, push_message(&self->source));
	EXPECT_EQ(-1, read(event, &count, 8)) TH_LOG("armed once, signalled once");
	/* a change of the graph signals who is armed, and nobody else */
	ASSERT_EQ(0, id_command(self->fd, MQSHM_IOC_DISCONNECT, id));
	EXPECT_EQ(-1, read(event, &count, 8)) TH_LOG("not armed");
}

/* Who was woken asks for no more wakes: each would cost the producer a call. */
TEST_F(wait, signalled_ring_asks_for_nothing)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	const struct mqshm_connection_record *r;
	struct snapshot s;
	uint64_t id;

	OPEN_PAIR(&id);
	ASSERT_EQ(0, mqshm_port_set_eventfd(self->sink.in[0], event));
	ASSERT_EQ(0, mqshm_port_arm(self->sink.in[0]));
	ASSERT_EQ(0, push_message(&self->source));
	ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &s));
	r = snapshot_connection(&s, id);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(0, r->flags & MQSHM_RING_SLEEPING);
	snapshot_free(&s);
}

TEST_F(wait, eventfd_taken_away)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t count;

	OPEN_PAIR(NULL);
	ASSERT_EQ(0, mqshm_port_set_eventfd(self->sink.in[0], event));
	ASSERT_EQ(0, mqshm_port_arm(self->sink.in[0]));
	ASSERT_EQ(0, mqshm_port_set_eventfd(self->sink.in[0], -1));
	ASSERT_EQ(0, push_message(&self->source));
	EXPECT_EQ(-1, read(event, &count, 8));
}

TEST_F(wait, eventfd_tells_an_end)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	uint64_t count;

	OPEN_PAIR(NULL);
	ASSERT_EQ(0, mqshm_port_set_eventfd(self->sink.in[0], event));
	ASSERT_EQ(0, mqshm_port_arm(self->sink.in[0]));
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	EXPECT_EQ(8, read(event, &count, 8));
}

TEST_HARNESS_MAIN
