// SPDX-License-Identifier: GPL-2.0-only
/* The message bus: who may, as whom, and how much; what else a subscriber is. */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>

#include "bus.h"

BUS_FIXTURE(bus_perm)

/* -- as whom ----------------------------------------------------------------------------- */

static int publish_as(int fd, __u64 block)
{
	struct mqshm_bus_publish_args a = ARGS(bus_publish, .topic = "t", .sender_block = block);

	return command(fd, MQSHM_IOC_BUS_PUBLISH, &a);
}

static void forge(void *arg)
{
	struct bus_child *child = arg;
	int fd = runtime_open_fd(runtime_name());

	/* also through the descriptor of the client itself */
	must(publish_as(fd, child->block) == -EPERM);
	must(publish_as(child->fd, child->block) == -EPERM);
	must(bus_open(fd, child->block, 8, NULL) == -EPERM);
	must(bus_open(fd, child->id, 8, NULL) == -EPERM);
	must(bus_open(fd, 0, 8, NULL) == 0);
	must(publish_as(fd, 0) == 0);
	child->go = getpid();
}

TEST_F(bus_perm, sender_is_not_forged)
{
	struct bus_child *child = shared_memory(sizeof(*child));

	runtime_name();
	child->fd = self->client;
	child->block = self->block;
	child->id = self->client_id;
	EXPECT_EQ(0, reap(spawn(forge, child)));
	ASSERT_EQ(1, inbox_next(&self->in));
	EXPECT_EQ(child->go, (int)self->in.m.head.sender_pid);
	EXPECT_EQ(0ULL, self->in.m.head.sender_block);
	EXPECT_EMPTY(&self->in);
	EXPECT_EQ(-ENOENT, publish_as(self->fd, ~0ULL));
	EXPECT_EQ(-ENOENT, publish_as(self->fd, self->client_id));
	EXPECT_EQ(0, publish_as(self->fd, self->block));
	ASSERT_EQ(0, id_command(self->client, MQSHM_IOC_BLOCK_REMOVE, self->block));
	EXPECT_EQ(-ENOENT, publish_as(self->fd, self->block));
}

TEST_F(bus_perm, a_subscriber_is_nothing_else)
{
	struct mqshm_monitor_args m = ARGS(monitor);
	struct mqshm_bus_subscribe_args s = ARGS(bus_subscribe);
	int fd = runtime_open_fd(runtime_name());

	EXPECT_EQ(-EBADFD, bus_open(self->in.fd, 0, 8, NULL));
	EXPECT_EQ(-EBADFD, client_join(self->in.fd, 0, NULL));
	EXPECT_EQ(-EBADFD, command(self->in.fd, MQSHM_IOC_MONITOR, &m));
	EXPECT_EQ(-EBADFD, bus_open(self->client, 0, 8, NULL));
	EXPECT_EQ(-EBADFD, command(fd, MQSHM_IOC_BUS_SUBSCRIBE, &s));
	ASSERT_EQ(0, command(fd, MQSHM_IOC_MONITOR, &m));
	EXPECT_EQ(-EBADFD, bus_open(fd, 0, 8, NULL));
	/* a monitor publishes */
	EXPECT_EQ(1, bus_publish(fd, "t", ""));
}

TEST_F(bus_perm, owners)
{
	int fd = runtime_open_fd(runtime_name());

	EXPECT_EQ(-ENOENT, bus_open(fd, ~0ULL, 8, NULL));
	EXPECT_EQ(-ENOENT, bus_open(fd, self->in.id, 8, NULL));
	/* refused, it is as it was */
	EXPECT_EQ(0, bus_open(fd, self->client_id, 8, NULL));
}

/* -- who may, how much ----------------------------------------------------------------- */

/* A user without capabilities, in those groups. */
static void become_nobody(size_t n, const gid_t *groups)
{
	must(setgroups(n, groups) == 0);
	must(setresgid(65534, 65534, 65534) == 0);
	must(setresuid(65534, 65534, 65534) == 0);
}

static const char *public_name(__u32 mode)
{
	static char name[MQSHM_RUNTIME_NAME_LEN];

	snprintf(name, sizeof(name), "%.20s-%o", runtime_name(), mode);
	return name;
}

/**
 * struct right - what others may with a mode
 * @mode: of the runtime
 * @subscribe: result
 * @publish: result
 */
struct right {
	__u32 mode;
	int subscribe;
	int publish;
};

static void use_right(void *arg)
{
	struct right *right = arg;
	int root = runtime_open_fd(public_name(right->mode)), fd = device_open(), err;

	must(root >= 0 && fd >= 0);
	become_nobody(0, NULL);
	must(bus_publish(root, "t", "") == right->publish);
	must(bus_open(root, 0, 8, NULL) == right->subscribe);
	err = runtime_open_of(fd, public_name(right->mode), 0);
	must(err == right->subscribe);
	if (err)
		return;
	must(bus_publish(fd, "t", "") == right->publish);
	must(bus_open(fd, 0, 8, NULL) == right->subscribe);
	must(bus_subscribe(fd, "t") == 0);
	must(bus_publish(fd, "t", "") == (right->publish < 0 ? right->publish : 1));
}

TEST(rights)
{
	struct right rights[] = {
		{ 0770, -EACCES, -EACCES }, { 0774, 0, -EACCES }, { 0775, 0, -EACCES },
		{ 0776, 0, 0 }, { 0772, -EACCES, 0 },
	};

	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
		int fd = device_open();

		ASSERT_EQ(0, runtime_create_mode(fd, public_name(rights[i].mode), 0,
						 rights[i].mode, MQSHM_GID_SELF));
		EXPECT_EQ(0, reap(spawn(use_right, &rights[i]))) TH_LOG("mode %o", rights[i].mode);
		close(fd);
	}
}

/* A queue of 256 of the largest messages is more than a MiB. */
static void exceed_memory(void *arg)
{
	int holder, fds[3];
	struct stat st;

	/* of that which may open the device */
	must(stat(DEVICE, &st) == 0);
	become_nobody(1, &st.st_gid);
	holder = runtime_create_fd(runtime_name(), 0);
	must(holder >= 0);
	for (int i = 0; i < 3; i++)
		fds[i] = runtime_open_fd(runtime_name());
	must(bus_open(fds[0], 0, 256, NULL) == 0);
	must(bus_open(fds[1], 0, 256, NULL) == 0);
	must(bus_open(fds[2], 0, 256, NULL) == -EDQUOT);
	must(bus_open(fds[2], 0, 100, NULL) == 0);
	close(fds[0]);
	fds[0] = runtime_open_fd(runtime_name());
	must(bus_open(fds[0], 0, 256, NULL) == 0);
	/* what is refused is not charged */
	for (int i = 0; i < 50; i++) {
		int fd = runtime_open_fd(runtime_name());

		must(bus_open(fd, ~0ULL, 8, NULL) == -ENOENT);
		close(fd);
	}
	close(fds[0]);
	fds[0] = runtime_open_fd(runtime_name());
	must(bus_open(fds[0], 0, 256, NULL) == 0);
}

TEST(quota)
{
	int rc;

	runtime_name();
	ASSERT_EQ(0, parameter_set("user_mbytes", "3"));
	rc = reap(spawn(exceed_memory, NULL));
	ASSERT_EQ(0, parameter_set("user_mbytes", "0"));
	EXPECT_EQ(0, rc);
}

TEST_F(bus_perm, too_many_subscribers)
{
	int fds[2] = { runtime_open_fd(runtime_name()), runtime_open_fd(runtime_name()) };
	int first, second, third;

	ASSERT_EQ(0, parameter_set("max_subscribers", "2"));
	first = bus_open(fds[0], 0, 8, NULL);
	second = bus_open(fds[1], 0, 8, NULL);
	close(fds[0]);
	third = bus_open(fds[1], 0, 8, NULL);
	ASSERT_EQ(0, parameter_set("max_subscribers", "1024"));
	EXPECT_EQ(0, first);
	EXPECT_EQ(-ENOSPC, second);
	EXPECT_EQ(0, third);
}
static bool fdinfo_has(int fd, const char *line)
{
	char path[64], text[1024] = "";
	int info;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = open(path, O_RDONLY);
	if (info < 0 || read(info, text, sizeof(text) - 1) < 0)
		return false;
	close(info);
	return strstr(text, line);
}

TEST_F(bus_perm, fdinfo)
{
	char line[64];

	ASSERT_EQ(1, bus_publish(self->fd, "t", ""));
	snprintf(line, sizeof(line), "mqshm-subscriber:\t%llu\n", self->in.id);
	EXPECT_TRUE(fdinfo_has(self->in.fd, line));
	EXPECT_TRUE(fdinfo_has(self->in.fd, "mqshm-queued:\t1 of 8\n"));
	EXPECT_FALSE(fdinfo_has(self->fd, "mqshm-subscriber"));
}

TEST_F(bus_perm, depth_is_bounded)
{
	int fd = runtime_open_fd(runtime_name()), refused, taken;

	ASSERT_EQ(0, parameter_set("max_bus_depth", "16"));
	refused = bus_open(fd, 0, 17, NULL);
	taken = bus_open(fd, 0, 0, NULL);
	ASSERT_EQ(0, parameter_set("max_bus_depth", "16384"));
	/* the hard bound holds as well */
	ASSERT_EQ(0, parameter_set("max_bus_depth", "4294967295"));
	EXPECT_EQ(-EINVAL, bus_open(self->fd, 0, MQSHM_BUS_DEPTH_MAX + 1, NULL));
	ASSERT_EQ(0, parameter_set("max_bus_depth", "16384"));
	EXPECT_EQ(-EINVAL, refused);
	EXPECT_EQ(0, taken);
	EXPECT_TRUE(fdinfo_has(fd, " of 16\n"));
}

TEST_HARNESS_MAIN
