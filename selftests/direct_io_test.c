// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deaths with reads by direct I/O in flight into the victim's buffers: these stay out
 * of use until the reads are done, so that nothing is written into anybody else's.
 */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <liburing.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "slow_disk.h"
#include "victim.h"

#define PAGE	4096U
#define ON_DISK	'd'
#define OURS	'o'

static struct slow_disk disk;

/**
 * struct direct - fixture
 * @fd: only bound
 * @other: another client, which takes all that is free
 * @payload: its mapping
 * @taken: buffers that it took
 * @n_taken: how many
 * @departed: for EXPECT_SETTLED()
 */
FIXTURE(direct)
{
	int fd;
	int other;
	char *payload;
	__u32 taken[64];
	unsigned int n_taken;
	struct mqshm_departed_record departed;
};

FIXTURE_VARIANT(direct)
{
	unsigned int buffers;
	unsigned int hold;
	bool fixed;	/* buffers are registered with io_uring too */
};

FIXTURE_VARIANT_ADD(direct, of_64) { .buffers = 64, .hold = 5 };
FIXTURE_VARIANT_ADD(direct, of_64_fixed) { .buffers = 64, .hold = 5, .fixed = true };
FIXTURE_VARIANT_ADD(direct, of_3) { .buffers = 3, .hold = 2 };

FIXTURE_SETUP(direct)
{
	struct io_uring ring;
	int err = io_uring_queue_init(2, &ring, 0);

	if (!err)
		io_uring_queue_exit(&ring);
	disk.fd = -1;
	if (!err)
		err = slow_disk_open(&disk, 16 * PAGE, ON_DISK);
	if (err == -ENODEV || err == -ENOSYS)
		return;
	ASSERT_EQ(0, err);
	self->fd = victim_runtime(PAGE, variant->buffers, variant->hold);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	self->other = runtime_open_fd(runtime_name());
	ASSERT_EQ(0, client_join(self->other, 0, NULL));
	self->payload = region_map(self->other, MQSHM_MMAP_PAYLOAD, 0, variant->buffers * PAGE,
				   PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, self->payload);
}

/* A SKIP in the setup would not keep the test from being run. */
#define NEED_DISK() \
do { \
	if (disk.fd < 0) \
		SKIP(return, "no io_uring, or no delay target of the device mapper"); \
} while (0)

FIXTURE_TEARDOWN(direct)
{
	struct tally t;

	if (disk.fd < 0)
		return;
	slow_disk_finish(&disk);
	slow_disk_close(&disk);
	close(self->other);
	munmap(self->payload, variant->buffers * PAGE);
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, PATIENCE_MS));
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

/* -- the victim --------------------------------------------------------------- */

/**
 * struct way - how it reads
 * @join: flags to join with
 * @buffers: of the pool
 * @fixed: registered buffers
 */
struct way {
	__u32 join;
	unsigned int buffers;
	bool fixed;
};

static void read_into(struct io_uring *ring, char *p, bool fixed, unsigned int i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (fixed)
		io_uring_prep_read_fixed(sqe, disk.fd, p, PAGE, i * PAGE, 0);
	else
		io_uring_prep_read(sqe, disk.fd, p, PAGE, i * PAGE);
}

/* Starts a read into each buffer that it holds; its descriptor. */
static int start_reads(const struct way *way)
{
	static struct io_uring ring;
	struct mqshm_client_join_args join;
	struct mqshm_lease_args l;
	struct iovec whole = { .iov_len = way->buffers * PAGE };
	int fd = runtime_open_fd(runtime_name());

	must(client_join(fd, way->join, &join) == 0);
	must(block_create(fd, "victim", 0, NULL, NULL) == 0);
	stage->id = join.out_id;
	whole.iov_base = region_map(fd, MQSHM_MMAP_PAYLOAD, 0, whole.iov_len, PROT_READ | PROT_WRITE);
	must(whole.iov_base);
	must(io_uring_queue_init(8, &ring, 0) == 0);
	must(io_uring_register_files(&ring, &fd, 1) == 0);
	if (way->fixed)
		must(io_uring_register_buffers(&ring, &whole, 1) == 0);
	for (unsigned int held = 0; held < stage->hold; held++) {
		must(lease(fd, 0, 1, &l) == 0);
		read_into(&ring, (char *)whole.iov_base + l.buffers[0] * PAGE, way->fixed, held);
	}
	must(io_uring_submit(&ring) == (int)stage->hold);
	stage->ready = 1;
	return fd;
}

static void read_and_sleep(void *arg)
{
	start_reads(arg);
	victim_sleep();
}

static void read_and_exit(void *arg)
{
	start_reads(arg);
	while (!stage->go)
		sleep_us(500);
}

static void read_and_detach(void *arg)
{
	int fd = start_reads(arg);

	while (!stage->go)
		sleep_us(500);
	must(id_command(fd, MQSHM_IOC_CLIENT_DETACH, 0) == 0);
	close(fd);
	stage->seen = 1;
	victim_sleep();
}

/* -- the others ---------------------------------------------------------------- */

#define WAY(flags) \
	(&(struct way){ .join = flags, .buffers = variant->buffers, .fixed = variant->fixed })

/* The victim, with all its reads waiting in the disk. */
static pid_t start_victim(struct __test_metadata *_metadata, void (*fn)(void *), struct way *way)
{
	uint64_t deadline = after_ms(PATIENCE_MS);
	pid_t pid = spawn(fn, way);

	EXPECT_TRUE(victim_await());
	while (slow_disk_waiting(&disk) != stage->hold && now_ns() < deadline)
		sleep_us(500);
	EXPECT_EQ(stage->hold, slow_disk_waiting(&disk));
	return pid;
}

/* All that is free, each with our mark; how many. */
static unsigned int take_all(FIXTURE_DATA(direct) *self)
{
	unsigned int before = self->n_taken;
	struct mqshm_lease_args l;

	while (!lease(self->other, 0, 64, &l))
		for (__u32 i = 0; i < l.out_count; i++)
			self->taken[self->n_taken++] = l.buffers[i];
	return self->n_taken - before;
}

static void mark(FIXTURE_DATA(direct) *self, unsigned int from)
{
	for (unsigned int i = from; i < self->n_taken; i++)
		memset(self->payload + self->taken[i] * PAGE, OURS, PAGE);
}

/* How many of those taken from @from on have a byte that is not @mark. */
static unsigned int differ(FIXTURE_DATA(direct) *self, unsigned int from, char mark)
{
	unsigned int n = 0;

	for (unsigned int i = from; i < self->n_taken; i++) {
		const char *p = self->payload + self->taken[i] * PAGE;

		n += p[0] != mark || memcmp(p, p + 1, PAGE - 1);
	}
	return n;
}

/*
 * The victim ended, its reads did not: what they write into is nobody's, until they
 * are done; then it is there, with what was read, and for everybody.
 */
static void expect_parked(struct __test_metadata *_metadata, FIXTURE_DATA(direct) *self,
			  unsigned int buffers, __u32 how)
{
	unsigned int free = buffers - stage->hold;

	EXPECT_EXITING();
	EXPECT_EQ(free, take_all(self));
	mark(self, 0);
	EXPECT_EQ(stage->hold, slow_disk_waiting(&disk)) TH_LOG("the reads were in flight till now");
	ASSERT_EQ(0, slow_disk_finish(&disk));
	EXPECT_EQ(0U, slow_disk_waiting(&disk));
	EXPECT_TRUE(victim_gone_within(self->fd, PATIENCE_MS, &self->departed));
	EXPECT_EQ(how, self->departed.how);
	EXPECT_EQ(stage->hold, self->departed.refs);
	EXPECT_EQ(0U, differ(self, 0, OURS)) TH_LOG("the reads wrote into others' buffers");
	EXPECT_EQ(stage->hold, take_all(self));
	EXPECT_EQ(0U, differ(self, free, ON_DISK)) TH_LOG("the reads never came");
}

TEST_F(direct, kill)
{
	NEED_DISK();
	slay(start_victim(_metadata, read_and_sleep, WAY(MQSHM_JOIN_F_DIRECT_IO)));
	expect_parked(_metadata, self, variant->buffers, MQSHM_DEPARTED_EXIT);
}

TEST_F(direct, exit)
{
	pid_t pid;

	NEED_DISK();
	pid = start_victim(_metadata, read_and_exit, WAY(MQSHM_JOIN_F_DIRECT_IO));
	stage->go = 1;
	EXPECT_EQ(0, reap_within(pid, PATIENCE_MS));
	expect_parked(_metadata, self, variant->buffers, MQSHM_DEPARTED_EXIT);
}

/* It detaches and closes its descriptor; the ring has it still, until the kill. */
TEST_F(direct, detach)
{
	pid_t pid;

	NEED_DISK();
	pid = start_victim(_metadata, read_and_detach, WAY(MQSHM_JOIN_F_DIRECT_IO));
	EXPECT_EQ(1, victim_go());
	EXPECT_EXITING();
	slay(pid);
	expect_parked(_metadata, self, variant->buffers, MQSHM_DEPARTED_DETACH);
}

/* That the test sees what it looks for: this client did not say what it does. */
TEST_F(direct, unannounced_reads_hit_others)
{
	NEED_DISK();
	slay(start_victim(_metadata, read_and_sleep, WAY(0)));
	EXPECT_EQ(variant->buffers, take_all(self));
	mark(self, 0);
	ASSERT_EQ(0, slow_disk_finish(&disk));
	EXPECT_EQ(stage->hold, differ(self, 0, OURS));
}

TEST_HARNESS_MAIN
