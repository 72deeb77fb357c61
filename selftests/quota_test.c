// SPDX-License-Identifier: GPL-2.0-only
/* What one user may have: runtimes, and memory of pools and rings. */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "mqshm_test.h"

/* A user without capabilities who may open the device. */
static void become_nobody(void)
{
	struct stat st;

	must(stat(DEVICE, &st) == 0);
	must(setgroups(1, &st.st_gid) == 0);
	must(setresgid(65534, 65534, 65534) == 0);
	must(setresuid(65534, 65534, 65534) == 0);
}

static void exceed_runtimes(void *arg)
{
	char name[MQSHM_RUNTIME_NAME_LEN];
	int fds[3];

	become_nobody();
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "nobody-%d-%d", getpid(), i);
		fds[i] = runtime_create_fd(name, 0);
		must(i < 2 ? fds[i] >= 0 : fds[i] == -EDQUOT);
	}
	close(fds[0]);
	must(runtime_create_fd(name, 0) >= 0);
}

TEST(quota_of_runtimes)
{
	int rc;

	ASSERT_EQ(0, parameter_set("user_runtimes", "2"));
	rc = reap(spawn(exceed_runtimes, NULL));
	ASSERT_EQ(0, parameter_set("user_runtimes", "64"));
	EXPECT_EQ(0, rc);
}

static void exceed_as_root(void *arg)
{
	char name[MQSHM_RUNTIME_NAME_LEN];

	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "root-%d-%d", getpid(), i);
		must(runtime_create_fd(name, 0) >= 0);
	}
}

TEST(quotas_do_not_bind_root)
{
	int rc;

	ASSERT_EQ(0, parameter_set("user_runtimes", "1"));
	rc = reap(spawn(exceed_as_root, NULL));
	ASSERT_EQ(0, parameter_set("user_runtimes", "64"));
	EXPECT_EQ(0, rc);
}

static void exceed_memory(void *arg)
{
	int fd;

	become_nobody();
	fd = runtime_create_fd(runtime_name(), 0);
	must(fd >= 0);
	must(pool_create(fd, "1", 4096, 512, NULL) == 0);
	must(pool_create(fd, "2", 4096, 1024, NULL) == -EDQUOT);
	must(pool_create(fd, "3", 4096, 200, NULL) == 1);
	close(fd);
	fd = runtime_create_fd(runtime_name(), 0);
	must(pool_create(fd, "1", 4096, 700, NULL) == 0);
}

TEST(quota_of_memory)
{
	int rc;

	runtime_name();
	ASSERT_EQ(0, parameter_set("user_mbytes", "4"));
	rc = reap(spawn(exceed_memory, NULL));
	ASSERT_EQ(0, parameter_set("user_mbytes", "0"));
	EXPECT_EQ(0, rc);
}

/* A huge page counts whole. */
static void exceed_memory_by_huge_pages(void *arg)
{
	struct mqshm_pool_create_args a =
		ARGS(pool_create, .flags = MQSHM_POOL_F_HUGE, .buffer_bytes = 4096, .buffers = 1,
		     .name = "1");
	int fd;

	become_nobody();
	fd = runtime_create_fd(runtime_name(), 0);
	must(fd >= 0);
	must(command(fd, MQSHM_IOC_POOL_CREATE, &a) == 0);
	strcpy(a.name, "2");
	must(command(fd, MQSHM_IOC_POOL_CREATE, &a) == -EDQUOT);
	a.flags = 0;
	must(command(fd, MQSHM_IOC_POOL_CREATE, &a) == 0);
	close(fd);
	fd = runtime_create_fd(runtime_name(), 0);
	a.flags = MQSHM_POOL_F_HUGE;
	must(command(fd, MQSHM_IOC_POOL_CREATE, &a) == 0);
}

TEST(quota_of_huge_pages)
{
	struct mqshm_info_args info = ARGS(info);
	int fd = open(DEVICE, O_RDWR), rc;

	ASSERT_EQ(0, command(fd, MQSHM_IOC_INFO, &info));
	close(fd);
	if (!(info.out_features & MQSHM_FEATURE_HUGE))
		SKIP(return, "no huge pages");
	runtime_name();
	ASSERT_EQ(0, parameter_set("user_mbytes", "4"));
	rc = reap(spawn(exceed_memory_by_huge_pages, NULL));
	ASSERT_EQ(0, parameter_set("user_mbytes", "0"));
	EXPECT_EQ(0, rc);
}

#define RING_BYTES	(sizeof(struct mqshm_ring_producer) + 8 * MQSHM_DEPTH_MAX)

/* Makes the largest ring, maps it and lets go of it; what is mapped, or an error. */
static int ring_leave(int fd, void **slots)
{
	struct mqshm_event event;
	int err = connect_blocks(fd, "b", "b", NULL);

	if (err)
		return err;
	must(attach_ring(fd, MQSHM_DIR_OUT, &event) == 0);
	*slots = region_map(fd, MQSHM_MMAP_PRODUCER, event.ring, RING_BYTES, PROT_READ);
	must(*slots);
	must(id_command(fd, MQSHM_IOC_RING_DETACH, event.ring | MQSHM_RING_PRODUCER) == 0);
	return id_command(fd, MQSHM_IOC_RING_DETACH, event.ring);
}

/* 4 MiB are 7 of those rings; the eighth is one too many though all are let go of. */
static void exceed_memory_by_mappings(void *arg)
{
	void *slots[8];
	__u32 ports[2];
	int fd;

	become_nobody();
	fd = runtime_create_fd(runtime_name(), 0);
	must(fd >= 0);
	must(client_join(fd, 0, NULL) == 0);
	must(block_create(fd, "b", MQSHM_DEPTH_MAX, ports, NULL) == 0);
	for (int i = 0; i < 7; i++)
		must(ring_leave(fd, &slots[i]) == 0);
	must(ring_leave(fd, &slots[7]) == -EDQUOT);
	must(munmap(slots[0], RING_BYTES) == 0);
	must(ring_leave(fd, &slots[7]) == 0);
}

TEST(quota_of_rings_that_are_still_mapped)
{
	int rc;

	runtime_name();
	ASSERT_EQ(0, parameter_set("user_mbytes", "4"));
	rc = reap(spawn(exceed_memory_by_mappings, NULL));
	ASSERT_EQ(0, parameter_set("user_mbytes", "0"));
	EXPECT_EQ(0, rc);
}

TEST_HARNESS_MAIN
