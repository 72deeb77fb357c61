// SPDX-License-Identifier: GPL-2.0-only
/* WAIT for many ports, given as a list, for more messages than are known of, for descriptors. */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>

#include "graph.h"
#include "mqshm_test.h"

#define BLOCKS	5
#define PORTS	(32 * BLOCKS)	/* more than a WAIT takes without a list */

FIXTURE(wait_list)
{
	int fd;
	int client;
	struct node source;
	struct mqshm_client *sink;
	struct mqshm_wait_port list[PORTS];
	struct mqshm_port *last;
};

static struct mqshm_block *block_open(struct mqshm_client *c, unsigned int number)
{
	struct mqshm_port_spec specs[32] = {};
	struct mqshm_block *block;
	char names[32][8], name[8];

	for (unsigned int i = 0; i < 32; i++) {
		snprintf(names[i], sizeof(names[i]), "in%u", i);
		specs[i] = (struct mqshm_port_spec) { .name = names[i], .direction = MQSHM_DIR_IN };
	}
	snprintf(name, sizeof(name), "sink%u", number);
	return mqshm_block_create(c, name, "Test", MQSHM_CLASS_SINK, specs, 32, &block) ? NULL : block;
}

/* The source pushes to the last of the ports. */
FIXTURE_SETUP(wait_list)
{
	const struct mqshm_port_record *port = NULL;
	struct mqshm_block *block = NULL;
	struct snapshot snap;
	unsigned int n = 0;

	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, pool_create(self->fd, "pool", sizeof(struct message), 16, NULL));
	ASSERT_EQ(0, mqshm_client_join(runtime_name(), NULL, &self->sink));
	self->client = mqshm_client_fd(self->sink);
	for (unsigned int i = 0; i < BLOCKS; i++) {
		block = block_open(self->sink, i);
		ASSERT_NE(NULL, block);
	}
	self->last = mqshm_block_port(block, "in31");
	ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &snap));
	while ((port = snapshot_next(&snap, MQSHM_RECORD_PORT, port)))
		self->list[n++].port = port->port;
	snapshot_free(&snap);
	ASSERT_EQ(PORTS, n);
	ASSERT_EQ(0, node_open(&self->source, runtime_name(), "source", &one_out));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "sink4:in31", NULL));
	ASSERT_EQ(0, node_wait_connections(&self->source, self->source.out[0], 1, 5000));
	ASSERT_LT(0, mqshm_client_update(self->sink));
	ASSERT_EQ(1, mqshm_port_connections(self->last));
}

FIXTURE_TEARDOWN(wait_list)
{
	node_close(&self->source);
	mqshm_client_close(self->sink);
}

static int push_message(struct node *n)
{
	struct mqshm_buffer buf;
	int err = node_alloc(n, 64, after_ms(1000), &buf);

	if (!err)
		err = mqshm_port_push(n->out[0], &buf, 0);
	return err;
}

/* WAIT for the first @n of a list, with the generation that is now. */
static int wait_for(int fd, const struct mqshm_wait_port *list, unsigned int n,
		    struct mqshm_wait_args *w)
{
	struct mqshm_client_sync_args sync;
	int err = client_sync(fd, &sync);

	*w = (struct mqshm_wait_args) ARGS(wait, .gen = sync.out_gen, .deadline_ns = after_ms(50),
					   .list = (uintptr_t)list, .list_count = n);
	w->out_events = POISON32;
	w->out_ready = POISON64;
	return err ? err : command(fd, MQSHM_IOC_WAIT, w);
}

TEST_F(wait_list, any_of_many)
{
	struct mqshm_wait_args w;

	EXPECT_EQ(-ETIMEDOUT, wait_for(self->client, self->list, PORTS, &w));
	EXPECT_EQ(0, w.out_events);
	ASSERT_EQ(0, push_message(&self->source));
	EXPECT_EQ(-ETIMEDOUT, wait_for(self->client, self->list, PORTS - 1, &w));
	EXPECT_EQ(0, wait_for(self->client, self->list, PORTS, &w));
	EXPECT_EQ(MQSHM_WAIT_READY, w.out_events);
	EXPECT_EQ(0, w.out_ready);
}

TEST_F(wait_list, in_any_order)
{
	struct mqshm_wait_port list[PORTS];
	struct mqshm_wait_args w;

	for (unsigned int i = 0; i < PORTS; i++)
		list[i] = self->list[PORTS - 1 - i];
	EXPECT_EQ(-ETIMEDOUT, wait_for(self->client, list, PORTS, &w));
	ASSERT_EQ(0, push_message(&self->source));
	EXPECT_EQ(0, wait_for(self->client, list, PORTS, &w));
}

TEST_F(wait_list, more_than_known)
{
	struct mqshm_wait_args w;

	for (unsigned int i = 0; i < 5; i++)
		ASSERT_EQ(0, push_message(&self->source));
	self->list[PORTS - 1].known = 4;
	EXPECT_EQ(0, wait_for(self->client, self->list, PORTS, &w));
	self->list[PORTS - 1].known = 5;
	EXPECT_EQ(-ETIMEDOUT, wait_for(self->client, self->list, PORTS, &w));
	self->list[PORTS - 1].known = UINT32_MAX;
	EXPECT_EQ(-ETIMEDOUT, wait_for(self->client, self->list, PORTS, &w));
	ASSERT_EQ(0, push_message(&self->source));
	self->list[PORTS - 1].known = 5;
	EXPECT_EQ(0, wait_for(self->client, self->list, PORTS, &w));
	EXPECT_EQ(MQSHM_WAIT_READY, w.out_events);
}

/* However many there are, known are all but one of them, or all. */
TEST_F(wait_list, one_more_than_known)
{
	struct mqshm_wait_port *last = &self->list[PORTS - 1];
	struct mqshm_wait_args w;

	for (unsigned int n = 1; n <= 12; n++) {
		ASSERT_EQ(0, push_message(&self->source));
		last->known = n - 1;
		EXPECT_EQ(0, wait_for(self->client, self->list, PORTS, &w));
		last->known = n;
		EXPECT_EQ(-ETIMEDOUT, wait_for(self->client, self->list, PORTS, &w));
	}
}

/* Messages of all its rings count. */
TEST_F(wait_list, of_several_rings)
{
	struct mqshm_wait_port *last = &self->list[PORTS - 1];
	struct mqshm_wait_args w;
	struct node other;

	ASSERT_EQ(0, node_open(&other, runtime_name(), "other", &one_out));
	ASSERT_EQ(0, graph_connect(self->fd, "other", "sink4:in31", NULL));
	ASSERT_EQ(0, node_wait_connections(&other, other.out[0], 1, 5000));
	ASSERT_LT(0, mqshm_client_update(self->sink));
	ASSERT_EQ(2, mqshm_port_connections(self->last));
	for (unsigned int i = 0; i < 5; i++)
		ASSERT_EQ(0, push_message(i < 3 ? &other : &self->source));
	last->known = 4;
	EXPECT_EQ(0, wait_for(self->client, self->list, PORTS, &w));
	last->known = 5;
	EXPECT_EQ(-ETIMEDOUT, wait_for(self->client, self->list, PORTS, &w));
	node_close(&other);
}

/* One port may stand in the list again and again, among others, and one be gone. */
TEST_F(wait_list, the_same_again)
{
	struct mqshm_wait_port list[PORTS];
	struct mqshm_wait_args w;

	ASSERT_EQ(0, push_message(&self->source));
	for (unsigned int i = 0; i < PORTS; i++) {
		list[i] = self->list[i % 3 ? PORTS - 1 : PORTS - 1 - i];
		list[i].known = 1;
	}
	EXPECT_EQ(-ETIMEDOUT, wait_for(self->client, list, PORTS, &w));
	list[1].known = 0;
	EXPECT_EQ(0, wait_for(self->client, list, PORTS, &w));
	EXPECT_EQ(MQSHM_WAIT_READY, w.out_events);
	list[2].port = self->list[PORTS - 1].port + 1;
	EXPECT_EQ(-ENOENT, wait_for(self->client, list, PORTS, &w));
	list[2].port = 0;
	EXPECT_EQ(-ENOENT, wait_for(self->client, list, PORTS, &w));
}

/* The end is told by the generation: who knows of all that is there is not woken twice. */
TEST_F(wait_list, end_behind_known)
{
	struct mqshm_wait_args w;

	ASSERT_EQ(0, push_message(&self->source));
	ASSERT_EQ(0, mqshm_port_end(self->source.out[0]));
	self->list[PORTS - 1].known = 1;
	EXPECT_EQ(-ETIMEDOUT, wait_for(self->client, self->list, PORTS, &w));
	self->list[PORTS - 1].known = 0;
	EXPECT_EQ(0, wait_for(self->client, self->list, PORTS, &w));
}

static int give_back(int fd, const struct mqshm_wait_args *w)
{
	struct mqshm_return_args r = ARGS(return, .count = w->out_leased);

	memcpy(r.buffers, w->buffers, w->out_leased * sizeof(r.buffers[0]));
	return command(fd, MQSHM_IOC_RETURN, &r);
}

/* WAIT for buffers of pools (bits), beside the ports. */
static int wait_for_pools(int fd, __u32 pools, const struct mqshm_wait_port *list,
			  struct mqshm_wait_args *w)
{
	struct mqshm_client_sync_args sync;
	int err = client_sync(fd, &sync);

	*w = (struct mqshm_wait_args) ARGS(wait, .gen = sync.out_gen, .deadline_ns = after_ms(50),
					   .list = (uintptr_t)list, .list_count = PORTS,
					   .pools = pools);
	w->out_leased = POISON32;
	w->out_pool = POISON32;
	return err ? err : command(fd, MQSHM_IOC_WAIT, w);
}

TEST_F(wait_list, for_buffers_too)
{
	struct mqshm_wait_args w, all;
	struct mqshm_lease_args l;

	ASSERT_EQ(1, pool_create(self->fd, "larger", 128, 8, NULL));
	/* an eighth of the pool at a time, of the first that has any */
	ASSERT_EQ(0, wait_for_pools(self->client, 2, self->list, &w));
	EXPECT_EQ(MQSHM_WAIT_LEASED, w.out_events);
	EXPECT_EQ(1, w.out_leased);
	EXPECT_EQ(1, w.out_pool);
	EXPECT_EQ(0, give_back(self->client, &w));
	ASSERT_EQ(0, wait_for_pools(self->client, 3, self->list, &w));
	EXPECT_EQ(2, w.out_leased);
	EXPECT_EQ(0, w.out_pool);
	EXPECT_EQ(0, give_back(self->client, &w));
	while (!lease(self->client, 1, 1, &l))
		all.buffers[0] = l.buffers[0];
	EXPECT_EQ(-ETIMEDOUT, wait_for_pools(self->client, 2, self->list, &w));
	EXPECT_EQ(0, w.out_leased);
	ASSERT_EQ(0, push_message(&self->source));
	EXPECT_EQ(0, wait_for_pools(self->client, 2, self->list, &w));
	EXPECT_EQ(MQSHM_WAIT_READY, w.out_events);
	EXPECT_EQ(0, w.out_leased);
	/* it is in no line any more, and has no promise */
	all.out_leased = 1;
	ASSERT_EQ(0, give_back(self->client, &all));
	EXPECT_EQ(0, lease(mqshm_client_fd(self->source.client), 1, 1, &l));
	EXPECT_EQ(-ENOENT, wait_for_pools(self->client, 4, self->list, &w));
	EXPECT_EQ(-ENOENT, wait_for_pools(self->client, 1U << 31, self->list, &w));
}

static void push_later(void *arg)
{
	struct node n;

	must(node_open(&n, runtime_name(), "later", &one_out) == 0);
	must(node_wait_connections(&n, n.out[0], 1, 5000) == 0);
	must(push_message(&n) == 0);
	/* until its parent has seen it and ends it */
	for (;;)
		pause();
}

TEST_F(wait_list, wakes_up)
{
	struct mqshm_wait_args w;
	pid_t pid = spawn(push_later, NULL);
	int err;

	ASSERT_EQ(0, graph_wait_block(self->fd, "later", 5000));
	ASSERT_EQ(0, graph_connect(self->fd, "later", "sink3:in7", NULL));
	for (int i = 0; i < 200; i++) {
		err = wait_for(self->client, self->list, PORTS, &w);
		if (!err && w.out_events & MQSHM_WAIT_READY)
			break;
	}
	EXPECT_EQ(0, err);
	slay(pid);
}

TEST_F(wait_list, bad_lists)
{
	void *hole = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct mqshm_wait_args w;

	ASSERT_NE(MAP_FAILED, hole);
	ASSERT_EQ(0, munmap((char *)hole + 4096, 4096));
	EXPECT_EQ(-EFAULT, wait_for(self->client, (void *)((char *)hole + 4088), 2, &w));
	EXPECT_EQ(-EFAULT, wait_for(self->client, NULL, 1, &w));
	EXPECT_EQ(-EINVAL, wait_for(self->client, self->list, MQSHM_WAIT_PORTS_MAX + 1, &w));
	self->list[7].port = POISON32;
	EXPECT_EQ(-ENOENT, wait_for(self->client, self->list, PORTS, &w));
	EXPECT_EQ(-ETIMEDOUT, wait_for(self->client, self->list, 7, &w));
	munmap(hole, 4096);
}

/* WAIT for the last port and descriptors, for @ms. */
static int wait_for_fds(struct mqshm_wait_port *last, int client, const struct pollfd *fds,
			unsigned int n, unsigned int ms, struct mqshm_wait_args *w)
{
	struct mqshm_client_sync_args sync;
	int err = client_sync(client, &sync);

	*w = (struct mqshm_wait_args) ARGS(wait, .gen = sync.out_gen, .deadline_ns = after_ms(ms),
					   .list = (uintptr_t)last, .list_count = 1,
					   .fds = (uintptr_t)fds, .fds_count = n);
	w->out_events = POISON32;
	return err ? err : command(client, MQSHM_IOC_WAIT, w);
}

TEST_F(wait_list, for_descriptors)
{
	struct mqshm_wait_port *last = &self->list[PORTS - 1];
	struct mqshm_wait_args w;
	struct pollfd fds[3];
	char byte;
	int p[2];

	ASSERT_EQ(0, pipe2(p, O_CLOEXEC));
	fds[0] = (struct pollfd) { .fd = -1, .events = POLLIN };
	fds[1] = (struct pollfd) { .fd = p[0], .events = POLLIN, .revents = 0x5a };
	fds[2] = (struct pollfd) { .fd = p[1], .events = POLLIN };
	EXPECT_EQ(-ETIMEDOUT, wait_for_fds(last, self->client, fds, 3, 50, &w));
	EXPECT_EQ(0, w.out_events);
	ASSERT_EQ(1, write(p[1], "", 1));
	EXPECT_EQ(0, wait_for_fds(last, self->client, fds, 3, 50, &w));
	EXPECT_EQ(MQSHM_WAIT_FD, w.out_events);
	EXPECT_EQ(0x5a, fds[1].revents);
	ASSERT_EQ(0, push_message(&self->source));
	EXPECT_EQ(0, wait_for_fds(last, self->client, fds, 3, 50, &w));
	EXPECT_EQ(MQSHM_WAIT_FD | MQSHM_WAIT_READY, w.out_events);
	ASSERT_EQ(1, read(p[0], &byte, 1));
	EXPECT_EQ(0, wait_for_fds(last, self->client, fds, 3, 50, &w));
	EXPECT_EQ(MQSHM_WAIT_READY, w.out_events);
	last->known = 1;
	EXPECT_EQ(-ETIMEDOUT, wait_for_fds(last, self->client, fds, 3, 50, &w));
	/* what poll(2) tells though nobody asked for it */
	close(p[0]);
	EXPECT_EQ(0, wait_for_fds(last, self->client, fds + 2, 1, 50, &w));
	EXPECT_EQ(MQSHM_WAIT_FD, w.out_events);
	/* and of one that is not open */
	EXPECT_EQ(0, wait_for_fds(last, self->client, fds + 1, 1, 50, &w));
	EXPECT_EQ(MQSHM_WAIT_FD, w.out_events);
	EXPECT_EQ(-EFAULT, wait_for_fds(last, self->client, (void *)8, 1, 50, &w));
	close(p[1]);
}

/* The client's own descriptor is one like others. */
TEST_F(wait_list, for_itself)
{
	struct pollfd self_fd = { .fd = self->client, .events = POLLIN };
	struct mqshm_wait_port *last = &self->list[PORTS - 1];
	struct mqshm_wait_args w;

	EXPECT_EQ(-ETIMEDOUT, wait_for_fds(last, self->client, &self_fd, 1, 50, &w));
	ASSERT_EQ(0, push_message(&self->source));
	EXPECT_EQ(0, wait_for_fds(last, self->client, &self_fd, 1, 50, &w));
	EXPECT_EQ(MQSHM_WAIT_FD | MQSHM_WAIT_READY, w.out_events);
}

/* Three messages, each when who waits is asleep: one that is not yet sees more at once. */
static void *push_three(void *arg)
{
	for (unsigned int i = 0; i < 3; i++) {
		sleep_us(20000);
		must(push_message(arg) == 0);
	}
	return NULL;
}

/* Two that are known of wake it for nothing: it asks again, and sleeps. */
TEST_F(wait_list, woken_for_less)
{
	struct mqshm_wait_port *last = &self->list[PORTS - 1];
	struct mqshm_wait_args w;
	pthread_t thread;

	last->known = 2;
	ASSERT_EQ(0, pthread_create(&thread, NULL, push_three, &self->source));
	EXPECT_EQ(0, wait_for_fds(last, self->client, NULL, 0, 10000, &w));
	EXPECT_EQ(MQSHM_WAIT_READY, w.out_events);
	pthread_join(thread, NULL);
}

static int pipe_ends[2];

static void write_later(void *arg)
{
	usleep(30000);
	must(write(pipe_ends[1], "", 1) == 1);
}

/* Asleep when it comes, to and fro. */
TEST_F(wait_list, woken_by_a_descriptor)
{
	struct mqshm_wait_port *last = &self->list[PORTS - 1];
	struct pollfd fd = { .events = POLLIN };
	struct mqshm_wait_args w;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe2(pipe_ends, O_CLOEXEC));
	fd.fd = pipe_ends[0];
	for (unsigned int i = 0; i < 10; i++) {
		pid = spawn(write_later, NULL);
		ASSERT_EQ(0, wait_for_fds(last, self->client, &fd, 1, PATIENCE_MS, &w));
		ASSERT_EQ(MQSHM_WAIT_FD, w.out_events);
		ASSERT_EQ(1, read(pipe_ends[0], &byte, 1));
		ASSERT_EQ(0, reap_within(pid, 5000));
	}
}

TEST_HARNESS_MAIN
