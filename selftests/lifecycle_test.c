// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runtimes come and go: names, who keeps one alive, limits, two side by side, what
 * fdinfo tells.
 */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "mqshm_test.h"

FIXTURE(runtime)
{
	const char *name;
	int fd;
};

FIXTURE_SETUP(runtime)
{
	self->name = runtime_name();
	self->fd = device_open();
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, runtime_create(self->fd, self->name, 0));
}

FIXTURE_TEARDOWN(runtime)
{
}

TEST_F(runtime, create_again_is_eexist)
{
	EXPECT_EQ(-EEXIST, runtime_create_fd(self->name, 0));
	EXPECT_EQ(-EEXIST, runtime_create_fd(self->name, MQSHM_RUNTIME_F_PERSISTENT));
}

TEST_F(runtime, or_open_binds_to_it)
{
	struct mqshm_runtime_create_args a =
		ARGS(runtime_create, .flags = MQSHM_RUNTIME_F_OR_OPEN, .mode = 0700,
		     .gid = MQSHM_GID_SELF, .out_id = POISON64, .out_created = POISON32);
	struct mqshm_runtime_open_args o =
		ARGS(runtime_open, .uid = MQSHM_UID_SELF, .out_id = POISON64);

	strcpy(a.name, self->name);
	strcpy(o.name, self->name);
	ASSERT_EQ(0, command(device_open(), MQSHM_IOC_RUNTIME_CREATE, &a));
	EXPECT_EQ(0U, a.out_created);
	ASSERT_EQ(0, command(device_open(), MQSHM_IOC_RUNTIME_OPEN, &o));
	EXPECT_EQ(a.out_id, o.out_id);
}

TEST_F(runtime, or_open_creates)
{
	struct mqshm_runtime_create_args a =
		ARGS(runtime_create, .flags = MQSHM_RUNTIME_F_OR_OPEN, .mode = 0700,
		     .gid = MQSHM_GID_SELF, .out_created = POISON32);

	snprintf(a.name, sizeof(a.name), "%s-2", self->name);
	ASSERT_EQ(0, command(device_open(), MQSHM_IOC_RUNTIME_CREATE, &a));
	EXPECT_EQ(1U, a.out_created);
}

TEST_F(runtime, open_of_none_is_enoent)
{
	EXPECT_EQ(-ENOENT, runtime_open_fd("no-such-runtime"));
	EXPECT_EQ(-ENOENT, runtime_open_of(device_open(), self->name, getuid() + 1));
}

TEST_F(runtime, bound_once)
{
	EXPECT_EQ(-EBADFD, runtime_create(self->fd, "another", 0));
	EXPECT_EQ(-EBADFD, runtime_open(self->fd, self->name));
}

TEST_F(runtime, ephemeral_goes_with_its_holder)
{
	close(self->fd);
	EXPECT_EQ(-ENOENT, runtime_open_fd(self->name));
}

TEST_F(runtime, ephemeral_is_kept_by_a_second_holder)
{
	int second = runtime_create_fd(self->name, MQSHM_RUNTIME_F_OR_OPEN);

	ASSERT_LE(0, second);
	close(self->fd);
	EXPECT_LE(0, runtime_open_fd(self->name));
	close(second);
	EXPECT_EQ(-ENOENT, runtime_open_fd(self->name));
}

TEST_F(runtime, ephemeral_is_not_kept_by_a_viewer)
{
	int viewer = runtime_open_fd(self->name);
	struct snapshot s;

	ASSERT_LE(0, viewer);
	close(self->fd);
	EXPECT_EQ(-ENOENT, runtime_open_fd(self->name));
	EXPECT_EQ(-ESHUTDOWN, client_join(viewer, 0, NULL));
	EXPECT_EQ(-ESHUTDOWN, pool_create(viewer, "pool", 64, 8, NULL));
	ASSERT_EQ(0, snapshot_take(viewer, MQSHM_QUERY_RUNTIME, &s)) TH_LOG("answers go on");
	EXPECT_EQ(MQSHM_STATE_REMOVED,
		  ((const struct mqshm_runtime_record *)snapshot_next(&s, MQSHM_RECORD_RUNTIME,
								      NULL))->state);
	snapshot_free(&s);
}

TEST_F(runtime, ephemeral_is_kept_by_a_client)
{
	int client = runtime_open_fd(self->name);

	ASSERT_EQ(0, client_join(client, 0, NULL));
	close(self->fd);
	EXPECT_LE(0, runtime_open_fd(self->name));
	close(client);
	EXPECT_EQ(-ENOENT, runtime_open_fd(self->name));
}

/* The holder joins: detached, it is a holder still. */
TEST_F(runtime, holder_that_joined_and_detached_keeps_it)
{
	ASSERT_EQ(0, client_join(self->fd, 0, NULL));
	ASSERT_EQ(0, id_command(self->fd, MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_LE(0, runtime_open_fd(self->name));
	close(self->fd);
	EXPECT_EQ(-ENOENT, runtime_open_fd(self->name));
}

TEST_F(runtime, persistent_stays_until_removed)
{
	char name[MQSHM_RUNTIME_NAME_LEN];
	int fd;

	snprintf(name, sizeof(name), "%s-p", self->name);
	fd = runtime_create_fd(name, MQSHM_RUNTIME_F_PERSISTENT);
	ASSERT_LE(0, fd);
	close(fd);
	fd = runtime_open_fd(name);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, runtime_remove(fd, 0, NULL));
	EXPECT_EQ(-ENOENT, runtime_open_fd(name));
	EXPECT_EQ(-ESHUTDOWN, runtime_remove(fd, 0, NULL));
}

TEST_F(runtime, holder_of_a_persistent_one_may_leave)
{
	char name[MQSHM_RUNTIME_NAME_LEN];
	int fd, client;

	snprintf(name, sizeof(name), "%s-p", self->name);
	fd = runtime_create_fd(name, MQSHM_RUNTIME_F_PERSISTENT);
	client = runtime_open_fd(name);
	ASSERT_EQ(0, client_join(client, 0, NULL));
	close(fd);
	close(client);
	fd = runtime_open_fd(name);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, runtime_remove(fd, 0, NULL));
}

TEST_F(runtime, remove_is_refused_while_used)
{
	int client = runtime_open_fd(self->name);
	__u32 clients = POISON32;

	ASSERT_EQ(0, client_join(client, 0, NULL));
	EXPECT_EQ(-EBUSY, runtime_remove(self->fd, 0, NULL));
	EXPECT_LE(0, runtime_open_fd(self->name));
	close(client);
	EXPECT_EQ(0, runtime_remove(self->fd, 0, &clients));
	EXPECT_EQ(0U, clients);
}

TEST_F(runtime, name_is_free_after_removal)
{
	struct mqshm_runtime_create_args a =
		ARGS(runtime_create, .mode = 0700, .gid = MQSHM_GID_SELF);
	struct mqshm_runtime_open_args o = ARGS(runtime_open, .uid = MQSHM_UID_SELF);

	strcpy(a.name, self->name);
	strcpy(o.name, self->name);
	ASSERT_EQ(0, command(device_open(), MQSHM_IOC_RUNTIME_OPEN, &o));
	ASSERT_EQ(0, runtime_remove(self->fd, 0, NULL));
	ASSERT_EQ(0, command(device_open(), MQSHM_IOC_RUNTIME_CREATE, &a));
	EXPECT_LT(o.out_id, a.out_id) TH_LOG("numbers are never used again");
}

TEST_F(runtime, wait_sees_changes)
{
	struct mqshm_runtime_wait_args a = ARGS(runtime_wait, .deadline_ns = 1);
	int client = runtime_open_fd(self->name);
	struct snapshot s;

	ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &s));
	a.changes = s.changes;
	snapshot_free(&s);
	EXPECT_EQ(-ETIMEDOUT, command(self->fd, MQSHM_IOC_RUNTIME_WAIT, &a));
	ASSERT_EQ(0, client_join(client, 0, NULL));
	EXPECT_EQ(0, command(self->fd, MQSHM_IOC_RUNTIME_WAIT, &a));
	EXPECT_NE(a.changes, a.out_changes);
	a.changes = a.out_changes;
	close(client);
	EXPECT_EQ(0, command(self->fd, MQSHM_IOC_RUNTIME_WAIT, &a));
}

static void wait_for_removal(void *arg)
{
	struct mqshm_runtime_wait_args a = ARGS(runtime_wait);
	int fd = runtime_open_fd(runtime_name());
	int err;

	must(fd >= 0);
	do {
		*(volatile int *)arg = 1;
		err = command(fd, MQSHM_IOC_RUNTIME_WAIT, &a);
		a.changes = a.out_changes;
	} while (!err);
	must(err == -ESHUTDOWN);
}

TEST_F(runtime, wait_ends_with_the_runtime)
{
	volatile int *ready = shared_memory(4096);
	pid_t pid = spawn(wait_for_removal, (void *)ready);

	while (!*ready)
		sleep_us(1000);
	sleep_us(20000);
	EXPECT_EQ(0, runtime_remove(self->fd, 0, NULL));
	EXPECT_EQ(0, reap_within(pid, 5000));
}

TEST_F(runtime, viewers_are_not_listed)
{
	struct snapshot s;

	for (int i = 0; i < 5; i++) {
		ASSERT_LE(0, runtime_open_fd(self->name));
	}
	ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &s));
	EXPECT_EQ(0U, snapshot_count(&s, MQSHM_RECORD_CLIENT));
	snapshot_free(&s);
}

TEST_F(runtime, two_do_not_see_each_other)
{
	char name[MQSHM_RUNTIME_NAME_LEN];
	int second, client, other;
	struct snapshot s;

	snprintf(name, sizeof(name), "%s-2", self->name);
	second = runtime_create_fd(name, 0);
	client = runtime_open_fd(self->name);
	other = runtime_open_fd(name);
	ASSERT_EQ(0, client_join(client, 0, NULL));
	ASSERT_EQ(0, client_join(other, 0, NULL));
	ASSERT_EQ(0, pool_create(self->fd, "pool", 64, 8, NULL));
	ASSERT_EQ(0, pool_create(second, "pool", 128, 8, NULL));
	ASSERT_EQ(0, block_create(client, "here", 0, NULL, NULL));
	ASSERT_EQ(0, block_create(client, "both", 0, NULL, NULL));
	ASSERT_EQ(0, block_create(other, "there", 0, NULL, NULL));
	ASSERT_EQ(0, block_create(other, "both", 0, NULL, NULL));

	EXPECT_EQ(-ENOENT, connect_blocks(self->fd, "here", "there", NULL));
	EXPECT_EQ(-ENOENT, connect_blocks(second, "here", "there", NULL));
	EXPECT_EQ(0, connect_blocks(self->fd, "here", "both", NULL));
	ASSERT_EQ(0, snapshot_take(second, MQSHM_QUERY_RUNTIME, &s));
	EXPECT_EQ(NULL, snapshot_block(&s, "here"));
	EXPECT_EQ(0U, snapshot_count(&s, MQSHM_RECORD_CONNECTION));
	EXPECT_EQ(1U, snapshot_count(&s, MQSHM_RECORD_CLIENT));
	snapshot_free(&s);

	EXPECT_EQ(0, runtime_remove(second, MQSHM_REMOVE_F_FORCE, NULL));
	EXPECT_EQ(0, block_create(client, "there", 0, NULL, NULL));
	EXPECT_EQ(-ESHUTDOWN, block_create(other, "more", 0, NULL, NULL));
}

/* -- limits -------------------------------------------------------------- */

FIXTURE(limits)
{
	int fd;
};

FIXTURE_SETUP(limits)
{
	struct mqshm_runtime_create_args a =
		ARGS(runtime_create, .mode = 0700, .gid = MQSHM_GID_SELF,
		     .limits = { .clients = 2, .blocks = 3, .ports = 2, .connections = 2,
				 .pools = 2, .buffers = 16 });

	strcpy(a.name, runtime_name());
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, command(self->fd, MQSHM_IOC_RUNTIME_CREATE, &a));
}

FIXTURE_TEARDOWN(limits)
{
}

static int join_fd(struct mqshm_client_join_args *out)
{
	int fd = runtime_open_fd(runtime_name());
	int err = client_join(fd, 0, out);

	return err ? err : fd;
}

TEST_F(limits, clients)
{
	struct mqshm_client_join_args first, second, third;
	int fd = join_fd(&first);

	ASSERT_LE(0, fd);
	ASSERT_LE(0, join_fd(&second));
	EXPECT_EQ(-ENOSPC, join_fd(&third));
	EXPECT_EQ(POISON64, third.out_id);
	close(fd);
	ASSERT_LE(0, join_fd(&third));
	EXPECT_EQ(first.out_index, third.out_index);
	EXPECT_LT(second.out_id, third.out_id) TH_LOG("numbers are never used again");
}

TEST_F(limits, blocks)
{
	int fd = join_fd(NULL);
	__u64 id;

	ASSERT_EQ(0, block_create(fd, "1", 0, NULL, &id));
	ASSERT_EQ(0, block_create(fd, "2", 0, NULL, NULL));
	ASSERT_EQ(0, block_create(fd, "3", 0, NULL, NULL));
	EXPECT_EQ(-ENOSPC, block_create(fd, "4", 0, NULL, NULL));
	ASSERT_EQ(0, id_command(fd, MQSHM_IOC_BLOCK_REMOVE, id));
	EXPECT_EQ(0, block_create(fd, "4", 0, NULL, NULL));
}

TEST_F(limits, ports)
{
	struct mqshm_port_desc descs[3] = { { .name = "1" }, { .name = "2" }, { .name = "3" } };
	struct mqshm_block_create_args a =
		ARGS(block_create, .name = "block", .type = "Test", .ports = 3,
		     .port_array = (uintptr_t)descs);
	int fd = join_fd(NULL);

	EXPECT_EQ(-ENOSPC, command(fd, MQSHM_IOC_BLOCK_CREATE, &a));
	a.ports = 2;
	EXPECT_EQ(0, command(fd, MQSHM_IOC_BLOCK_CREATE, &a));
}

TEST_F(limits, connections)
{
	int fd = join_fd(NULL);

	ASSERT_EQ(0, block_create(fd, "1", 0, NULL, NULL));
	ASSERT_EQ(0, block_create(fd, "2", 0, NULL, NULL));
	ASSERT_EQ(0, connect_blocks(fd, "1", "2", NULL));
	ASSERT_EQ(0, connect_blocks(fd, "2", "1", NULL));
	EXPECT_EQ(-ENOSPC, connect_blocks(fd, "1", "1", NULL));
}

TEST_F(limits, pools)
{
	ASSERT_EQ(0, pool_create(self->fd, "1", 64, 1, NULL));
	ASSERT_EQ(1, pool_create(self->fd, "2", 64, 1, NULL));
	EXPECT_EQ(-ENOSPC, pool_create(self->fd, "3", 64, 1, NULL));
}

TEST_F(limits, buffers)
{
	struct mqshm_pool_create_args a;

	ASSERT_EQ(0, pool_create(self->fd, "1", 64, 10, NULL));
	EXPECT_EQ(-ENOSPC, pool_create(self->fd, "2", 64, 7, &a));
	EXPECT_EQ(POISON32, a.out_pool);
	ASSERT_EQ(1, pool_create(self->fd, "2", 64, 6, &a));
	EXPECT_EQ(10U, a.out_first);
}

/* -- fdinfo -------------------------------------------------------------- */

static int fdinfo_read(int fd, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY);
	n = read(info, text, size - 1);
	close(info);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? 0 : -errno;
}

TEST_F(runtime, fdinfo_names_the_runtime)
{
	char text[4096];

	ASSERT_EQ(0, fdinfo_read(self->fd, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, self->name)) TH_LOG("%s", text);
}

TEST_F(runtime, fdinfo_shows_what_a_client_holds)
{
	struct mqshm_client_join_args join;
	struct mqshm_lease_args l;
	char text[4096], id[32];
	char *refs;

	ASSERT_EQ(0, pool_create(self->fd, "pool", 64, 64, NULL));
	ASSERT_EQ(0, client_join(self->fd, 0, &join));
	ASSERT_EQ(0, lease(self->fd, 0, 5, &l));
	ASSERT_EQ(5, l.out_count);
	ASSERT_EQ(0, fdinfo_read(self->fd, text, sizeof(text)));
	snprintf(id, sizeof(id), "%llu", (unsigned long long)join.out_id);
	EXPECT_NE(NULL, strstr(text, id)) TH_LOG("%s", text);
	refs = strstr(text, "held");
	ASSERT_NE(NULL, refs) TH_LOG("%s", text);
	refs += strcspn(refs, "0123456789\n");
	EXPECT_EQ(5, atoi(refs)) TH_LOG("%s", text);
}

TEST(fdinfo_of_an_unbound_descriptor)
{
	char text[4096];
	int fd = device_open();

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fdinfo_read(fd, text, sizeof(text)));
}

static void tick(int signal)
{
}

#define AREAS	2000

/*
 * Joining locks all of the caller's memory, which the kernel gives up at a signal: many
 * areas, so that signals come while it does that. The caller does not notice.
 */
TEST_F(runtime, join_while_signals_come)
{
	struct sigaction action = { .sa_handler = tick };
	struct itimerval once = { 0 };
	char *areas = mmap(NULL, AREAS * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err = 0;

	ASSERT_NE(MAP_FAILED, areas);
	for (int i = 0; i < AREAS; i += 2)
		ASSERT_EQ(0, mprotect(areas + i * 4096, 4096, PROT_READ));
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	for (int i = 0; i < 300 && !err; i++) {
		int fd = runtime_open_fd(self->name);

		/* sooner and later, for it to come in between on any machine */
		once.it_value.tv_usec = 20 << i % 10;
		ASSERT_EQ(0, setitimer(ITIMER_REAL, &once, NULL));
		err = fd < 0 ? fd : client_join(fd, 0, NULL);
		close(fd);
	}
	munmap(areas, AREAS * 4096);
	EXPECT_EQ(0, err);
}

/* Memory is reserved with an eye on signals: a handler that lets calls go on is not noticed. */
TEST_F(runtime, pool_while_signals_come)
{
	struct sigaction action = { .sa_handler = tick, .sa_flags = SA_RESTART };
	struct itimerval once = { 0 };
	char name[16];

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "pool%d", i);
		once.it_value.tv_usec = 20 << i;
		ASSERT_EQ(0, setitimer(ITIMER_REAL, &once, NULL));
		ASSERT_EQ(i, pool_create(self->fd, name, 1 << 20, 4, NULL));
	}
}

TEST_HARNESS_MAIN
