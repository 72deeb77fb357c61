// SPDX-License-Identifier: GPL-2.0-only
/* Removal by force, and of the module: nothing hangs, nothing is torn away. */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>

#include "graph.h"
#include "mqshm_test.h"

FIXTURE(force)
{
	int fd;
	volatile int *ready;
};

FIXTURE_SETUP(force)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, pool_create(self->fd, "pool", 64, 1, NULL));
	self->ready = shared_memory(4096);
}

FIXTURE_TEARDOWN(force)
{
}

static void sleep_in_wait(void *arg)
{
	struct mqshm_buffer buf;
	struct node n;

	must(node_open(&n, runtime_name(), "sink", &one_in) == 0);
	*(volatile int *)arg = 1;
	must(node_pop(&n, n.in[0], &buf, MQSHM_FOREVER) == -ESHUTDOWN);
	node_close(&n);
}

static void sleep_in_alloc(void *arg)
{
	struct mqshm_buffer a, b;
	struct node n;

	must(node_open(&n, runtime_name(), "source", &one_out) == 0);
	must(node_alloc(&n, 64, MQSHM_NO_WAIT, &a) == 0);
	*(volatile int *)arg = 1;
	must(node_alloc(&n, 64, MQSHM_FOREVER, &b) == -ESHUTDOWN);
	node_close(&n);
}

static void sleep_in_poll(void *arg)
{
	struct mqshm_client_join_args join;
	struct pollfd p = { .events = POLLIN };

	p.fd = runtime_open_fd(runtime_name());
	must(client_join(p.fd, 0, &join) == 0);
	*(volatile int *)arg = 1;
	must(poll(&p, 1, 10000) == 1);
	must(p.revents & POLLHUP);
}

static void force_in(struct __test_metadata *_metadata, FIXTURE_DATA(force) *self,
		     void (*fn)(void *))
{
	pid_t pid = spawn(fn, (void *)self->ready);
	__u32 clients = POISON32;

	while (!*self->ready)
		sleep_us(1000);
	sleep_us(20000);
	EXPECT_EQ(-EBUSY, runtime_remove(self->fd, 0, NULL));
	EXPECT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, &clients));
	EXPECT_EQ(1U, clients);
	EXPECT_EQ(0, reap_within(pid, 5000));
}

TEST_F(force, ends_a_wait)
{
	force_in(_metadata, self, sleep_in_wait);
}

TEST_F(force, ends_a_lease)
{
	force_in(_metadata, self, sleep_in_alloc);
}

TEST_F(force, ends_a_poll)
{
	force_in(_metadata, self, sleep_in_poll);
}

TEST_F(force, refuses_new_clients)
{
	int viewer = runtime_open_fd(runtime_name());

	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	EXPECT_EQ(-ESHUTDOWN, client_join(viewer, 0, NULL));
}

TEST_F(force, commands_are_eshutdown)
{
	int fd = runtime_open_fd(runtime_name());
	struct mqshm_client_sync_args sync;
	struct mqshm_lease_args l;

	ASSERT_EQ(0, client_join(fd, 0, NULL));
	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	EXPECT_EQ(-ESHUTDOWN, lease(fd, 0, 1, &l));
	EXPECT_EQ(-ESHUTDOWN, client_sync(fd, &sync));
	EXPECT_EQ(-ESHUTDOWN, block_create(fd, "block", 0, NULL, NULL));
	EXPECT_EQ(-ESHUTDOWN, id_command(fd, MQSHM_IOC_CLIENT_DETACH, 0));
}

/* Who was not in a call at that time learns of it by the next one. */
TEST_F(force, library_calls_are_eshutdown)
{
	struct mqshm_buffer buf;
	struct node n;

	ASSERT_EQ(0, node_open(&n, runtime_name(), "block", &one_each));
	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	EXPECT_EQ(-ESHUTDOWN, mqshm_client_update(n.client));
	EXPECT_EQ(-ESHUTDOWN, mqshm_buffer_alloc(n.client, 64, MQSHM_NO_WAIT, &buf));
	EXPECT_EQ(-ESHUTDOWN, mqshm_port_pop(n.in[0], &buf));
	node_close(&n);
}

TEST_F(force, client_can_be_closed)
{
	struct node n;

	ASSERT_EQ(0, node_open(&n, runtime_name(), "block", &one_each));
	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	node_close(&n);
}

static void stream_until_shutdown(void *arg)
{
	struct mqshm_buffer buf;
	struct node n;
	int err;

	must(node_open(&n, runtime_name(), "source", &one_out) == 0);
	do {
		err = node_alloc(&n, 64, MQSHM_FOREVER, &buf);
		if (!err)
			err = node_push(&n, n.out[0], &buf, MQSHM_FOREVER);
	} while (!err);
	must(err == -ESHUTDOWN);
	node_close(&n);
}

static void drain_until_shutdown(void *arg)
{
	volatile int *popped = arg;
	struct mqshm_buffer buf;
	struct node n;
	int err;

	must(node_open(&n, runtime_name(), "sink", &one_in) == 0);
	while (!(err = node_pop(&n, n.in[0], &buf, MQSHM_FOREVER))) {
		err = mqshm_buffer_release(n.client, &buf);
		if (err)
			break;
		++*popped;
	}
	must(err == -ESHUTDOWN);
	node_close(&n);
}

/* In mid-stream nobody crashes on a mapping that was taken away. */
TEST_F(force, ends_a_stream)
{
	pid_t pids[2];

	pids[0] = spawn(stream_until_shutdown, NULL);
	pids[1] = spawn(drain_until_shutdown, (void *)self->ready);
	ASSERT_EQ(0, graph_wait_block(self->fd, "source", 5000));
	ASSERT_EQ(0, graph_wait_block(self->fd, "sink", 5000));
	ASSERT_EQ(0, graph_connect(self->fd, "source", "sink", NULL));
	while (*self->ready < 100)
		sleep_us(1000);
	ASSERT_EQ(0, runtime_remove(self->fd, MQSHM_REMOVE_F_FORCE, NULL));
	EXPECT_EQ(0, reap_within(pids[0], 5000));
	EXPECT_EQ(0, reap_within(pids[1], 5000));
}

/* -- the module ----------------------------------------------------------- */

static int module_unload(void)
{
	return syscall(SYS_delete_module, "mqshm", O_NONBLOCK) ? -errno : 0;
}

TEST_F(force, rmmod_is_refused_while_open)
{
	EXPECT_EQ(-EAGAIN, module_unload());
}

TEST(rmmod_is_refused_while_a_runtime_exists)
{
	char name[MQSHM_RUNTIME_NAME_LEN];
	int fd, err;

	snprintf(name, sizeof(name), "%s-p", runtime_name());
	fd = runtime_create_fd(name, MQSHM_RUNTIME_F_PERSISTENT);
	ASSERT_LE(0, fd);
	close(fd);
	err = module_unload();
	EXPECT_EQ(-EAGAIN, err);
	fd = runtime_open_fd(name);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, runtime_remove(fd, 0, NULL));
}

TEST_HARNESS_MAIN
