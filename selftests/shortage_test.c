// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shortage of memory: told by an error when something is made; and kills for want of
 * memory, in a cgroup that pays for the runtime and its clients too.
 */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "cgroup.h"
#include "victim.h"

#define MIB	(1UL << 20)

/* -- errors -------------------------------------------------------------------- */

static void fill_cgroup(void *arg)
{
	int fd;

	must(cgroup_enter() == 0);
	fd = runtime_create_fd(runtime_name(), 0);
	must(fd >= 0);
	must(pool_create(fd, "large", 65536, 1024, NULL) == -ENOMEM);
	/* what the attempt took is free again */
	must(pool_create(fd, "small", 65536, 64, NULL) == 0);
	must(pool_create(fd, "again", 65536, 1024, NULL) == -ENOMEM);
}

/* Said when the pool is made, by an error, not by a kill or a SIGBUS later. */
TEST(shortage_is_enomem_at_creation)
{
	int rc;

	if (cgroup_make(16 * MIB))
		SKIP(return, "no memory controller in a cgroup v2");
	rc = reap(spawn(fill_cgroup, NULL));
	cgroup_remove();
	EXPECT_EQ(0, rc);
}

TEST(more_than_there_is_is_enomem)
{
	int fd = runtime_create_fd(runtime_name(), 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOMEM, pool_create(fd, "pool", MQSHM_BUFFER_BYTES_MAX, 65536, NULL));
}

/* -- kills ------------------------------------------------------------------------- */

/**
 * struct oom - fixture
 * @fd: only bound
 * @kills: in the cgroup before
 * @made: the cgroup is there
 * @departed: for EXPECT_SETTLED()
 */
FIXTURE(oom)
{
	int fd;
	unsigned long kills;
	bool made;
	struct mqshm_departed_record departed;
};

FIXTURE_VARIANT(oom)
{
	unsigned int buffers;
};

FIXTURE_VARIANT_ADD(oom, of_64) { .buffers = 64 };
FIXTURE_VARIANT_ADD(oom, of_3) { .buffers = 3 };

#define NEED_CGROUP() \
do { \
	if (!self->made) \
		SKIP(return, "no memory controller in a cgroup v2"); \
} while (0)

/* The runtime and its pool are charged there; the test itself shall not be killed. */
FIXTURE_SETUP(oom)
{
	self->made = !cgroup_make(12 * MIB);
	if (!self->made)
		return;
	ASSERT_EQ(0, cgroup_enter());
	self->fd = victim_runtime(16384, variant->buffers, variant->buffers);
	ASSERT_EQ(0, cgroup_leave());
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	self->kills = cgroup_kills();
}

FIXTURE_TEARDOWN(oom)
{
	struct tally t;

	if (!self->made)
		return;
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, PATIENCE_MS));
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
	close(self->fd);
	cgroup_remove();
}

/* As in any program: a page too many. */
static void touch_memory(void)
{
	char *p = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	memset(p, 1, 64 * MIB);
}

static void touch_pages(int fd)
{
	size_t bytes = 65536 * sizeof(__u16);
	char *hold = region_map(fd, MQSHM_MMAP_HOLD, 0, bytes, PROT_READ | PROT_WRITE);

	must(hold);
	for (size_t at = 0; at < bytes; at += 4096)
		*(volatile char *)(hold + at) = 0;
}

/* A page too many is one of the module's: in a page fault, or when joining. */
static void touch_hold_pages(void)
{
	for (;;) {
		int fd = runtime_open_fd(runtime_name());

		/* an error for want of memory is not seen: the kill comes first */
		must(fd >= 0 && client_join(fd, 0, NULL) == 0);
		touch_pages(fd);
	}
}

/* Has all buffers of the pool. */
static void hold_and(void (*end)(void))
{
	must(cgroup_enter() == 0);
	victim_join(O_CLOEXEC);
	stage->ready = 1;
	while (!stage->go)
		sleep_us(500);
	end();
}

static void hold_and_touch_memory(void *arg)
{
	hold_and(touch_memory);
}

static void hold_and_touch_hold_pages(void *arg)
{
	hold_and(touch_hold_pages);
}

/* In the same cgroup, spared by the kernel: waits for a buffer. */
static void bystander(void *arg)
{
	struct mqshm_lease_args l = ARGS(lease, .flags = MQSHM_LEASE_F_WAIT, .count = 1);
	int adj = open("/proc/self/oom_score_adj", O_WRONLY);
	struct mqshm_client_sync_args sync;
	int fd = runtime_open_fd(runtime_name());

	must(write(adj, "-1000", 5) == 5);
	must(cgroup_enter() == 0);
	must(client_join(fd, 0, NULL) == 0);
	/* or it would need one to get the buffer, when there is none left */
	touch_pages(fd);
	must(client_sync(fd, &sync) == 0);
	l.gen = sync.out_gen;
	stage->ready = 2;
	must(command(fd, MQSHM_IOC_LEASE, &l) == 0);
}

static void kill_by_shortage(struct __test_metadata *_metadata, FIXTURE_DATA(oom) *self,
			     void (*fn)(void *))
{
	pid_t pid = spawn(fn, NULL), other;

	ASSERT_TRUE(victim_await());
	other = spawn(bystander, NULL);
	while (stage->ready == 1)
		sleep_us(500);
	ASSERT_TRUE(victim_await_asleep(other));
	stage->go = 1;
	EXPECT_EQ(256 + SIGKILL, reap_within(pid, PATIENCE_MS));
	EXPECT_LT(self->kills, cgroup_kills()) TH_LOG("not for want of memory");
	EXPECT_FALSE(victim_listed(self->fd));
	EXPECT_EQ(0, reap_within(other, PATIENCE_MS)) TH_LOG("who waited got nothing");
}

TEST_F(oom, kill)
{
	NEED_CGROUP();
	kill_by_shortage(_metadata, self, hold_and_touch_memory);
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

/* Of its many clients each is settled when its memory ends, not with its descriptor. */
TEST_F(oom, kill_in_an_allocation_of_the_module)
{
	const struct mqshm_departed_record *d = NULL;
	struct snapshot s;
	struct tally t;

	NEED_CGROUP();
	kill_by_shortage(_metadata, self, hold_and_touch_hold_pages);
	ASSERT_EQ(0, tally_take(self->fd, &t));
	EXPECT_EQ(0U, t.clients);
	EXPECT_TRUE(tally_all_free(&t));
	ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &s));
	while ((d = snapshot_next(&s, MQSHM_RECORD_DEPARTED, d)))
		EXPECT_EQ(MQSHM_DEPARTED_EXIT, d->how);
	snapshot_free(&s);
}

static void join_and_sleep(void *arg)
{
	int fd = runtime_open_fd(runtime_name());

	must(cgroup_enter() == 0);
	must(client_join(fd, 0, NULL) == 0);
	stage->ready = 2;
	for (;;)
		pause();
}

/* All in the cgroup die at once. */
TEST_F(oom, kill_of_the_whole_cgroup)
{
	pid_t pid, other;

	NEED_CGROUP();
	ASSERT_EQ(0, cgroup_die_together());
	pid = spawn(hold_and_touch_memory, NULL);
	ASSERT_TRUE(victim_await());
	other = spawn(join_and_sleep, NULL);
	while (stage->ready == 1)
		sleep_us(500);
	stage->go = 1;
	EXPECT_EQ(256 + SIGKILL, reap_within(pid, PATIENCE_MS));
	EXPECT_EQ(256 + SIGKILL, reap_within(other, PATIENCE_MS));
	EXPECT_SETTLED(MQSHM_DEPARTED_EXIT);
}

TEST_HARNESS_MAIN
