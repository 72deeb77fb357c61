// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapped regions: what may be mapped how, and every known way to get more out of a
 * mapping than was given, each tried.
 */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <liburing.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "mqshm_test.h"

#define PAGE		4096UL
#define BUFFERS		8U

static sigjmp_buf touch_env;

static void touch_handler(int sig)
{
	siglongjmp(touch_env, sig);
}

/* Reads or writes a byte: 0, or the signal that came. */
static int touch(void *p, bool write)
{
	struct sigaction action = { .sa_handler = touch_handler }, old[2];
	int sig;

	sigaction(SIGBUS, &action, &old[0]);
	sigaction(SIGSEGV, &action, &old[1]);
	sig = sigsetjmp(touch_env, 1);
	if (!sig) {
		if (write)
			*(volatile char *)p = 1;
		else
			*(volatile char *)p;
	}
	sigaction(SIGBUS, &old[0], NULL);
	sigaction(SIGSEGV, &old[1], NULL);
	return sig;
}

/* -- what mmap takes ----------------------------------------------------- */

/**
 * struct regions - clients with something in every region
 * @manage: descriptor that is only bound
 * @fd: consumer of a ring
 * @producer: its producer, another client
 * @reader: a client that joined read-only, with no ring
 * @ring: number of the ring
 */
FIXTURE(map)
{
	int manage;
	int fd;
	int producer;
	int reader;
	__u32 ring;
};

static int join_new(__u32 flags)
{
	int fd = runtime_open_fd(runtime_name());
	int err = client_join(fd, flags, NULL);

	return err ? err : fd;
}

FIXTURE_SETUP(map)
{
	struct mqshm_event e;

	self->manage = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->manage) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, pool_create(self->manage, "pool", PAGE, BUFFERS, NULL));
	self->fd = join_new(0);
	self->producer = join_new(0);
	self->reader = join_new(MQSHM_JOIN_F_READ_ONLY);
	ASSERT_LE(0, self->reader);
	ASSERT_EQ(0, block_create(self->fd, "sink", 8, NULL, NULL));
	ASSERT_EQ(0, block_create(self->producer, "source", 8, NULL, NULL));
	ASSERT_EQ(0, connect_blocks(self->manage, "source", "sink", NULL));
	ASSERT_EQ(0, attach_ring(self->fd, MQSHM_DIR_IN, &e));
	self->ring = e.ring;
	ASSERT_EQ(0, attach_ring(self->producer, MQSHM_DIR_OUT, &e));
}

FIXTURE_TEARDOWN(map)
{
}

/* Access that a client has to a region. */
struct access {
	__u32 what;
	size_t bytes;
	bool write;
};

/* As the consumer of the ring. */
static const struct access accesses[] = {
	{ MQSHM_MMAP_CONTROL, 6 * PAGE, true },	/* 128 + 80 * 256 */
	{ MQSHM_MMAP_HOLD, 65536 * 2, true },
	{ MQSHM_MMAP_STATUS, MQSHM_STATUS_RING(512), false },
	{ MQSHM_MMAP_PRODUCER, PAGE, false },
	{ MQSHM_MMAP_CONSUMER, PAGE, true },
	{ MQSHM_MMAP_W, PAGE, true },
	{ MQSHM_MMAP_META, PAGE, true },
	{ MQSHM_MMAP_PAYLOAD, BUFFERS * PAGE, true },
};

#define EXPECT_NO_MAP(err, fd, what, which, bytes, prot) \
	do { \
		errno = 0; \
		EXPECT_EQ(NULL, region_map(fd, what, which, bytes, prot)); \
		EXPECT_EQ(err, errno) TH_LOG("region %d", (int)(what)); \
	} while (0)

TEST_F(map, each_region_once)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		const struct access *a = &accesses[i];
		char *p = region_map(self->fd, a->what, 0, a->bytes,
				     a->write ? PROT_READ | PROT_WRITE : PROT_READ);

		ASSERT_NE(NULL, p) TH_LOG("region %u: %d", a->what, errno);
		EXPECT_EQ(0, touch(p, false));
		EXPECT_EQ(0, touch(p + a->bytes - 1, false));
		EXPECT_EQ(a->write ? 0 : SIGSEGV, touch(p, true)) TH_LOG("region %u", a->what);
	}
}

TEST_F(map, no_write_to_read_only_regions)
{
	EXPECT_NO_MAP(EACCES, self->fd, MQSHM_MMAP_STATUS, 0, PAGE, PROT_READ | PROT_WRITE);
	EXPECT_NO_MAP(EACCES, self->fd, MQSHM_MMAP_PRODUCER, self->ring, PAGE,
		      PROT_READ | PROT_WRITE);
	EXPECT_NO_MAP(EACCES, self->producer, MQSHM_MMAP_CONSUMER, self->ring, PAGE,
		      PROT_READ | PROT_WRITE);
	EXPECT_NO_MAP(EACCES, self->reader, MQSHM_MMAP_PAYLOAD, 0, PAGE, PROT_READ | PROT_WRITE);
}

TEST_F(map, each_end_writes_its_part)
{
	EXPECT_NE(NULL, region_map(self->fd, MQSHM_MMAP_CONSUMER, self->ring, PAGE,
				   PROT_READ | PROT_WRITE));
	EXPECT_NE(NULL, region_map(self->producer, MQSHM_MMAP_PRODUCER, self->ring, PAGE,
				   PROT_READ | PROT_WRITE));
	EXPECT_NE(NULL, region_map(self->producer, MQSHM_MMAP_CONSUMER, self->ring, PAGE,
				   PROT_READ));
}

TEST_F(map, no_ring_without_an_end)
{
	EXPECT_NO_MAP(ENOENT, self->reader, MQSHM_MMAP_PRODUCER, self->ring, PAGE, PROT_READ);
	EXPECT_NO_MAP(ENOENT, self->reader, MQSHM_MMAP_CONSUMER, self->ring, PAGE, PROT_READ);
}

TEST_F(map, private_is_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		errno = 0;
		EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, self->fd,
					   MQSHM_MMAP_OFFSET(accesses[i].what, 0)));
		EXPECT_EQ(EINVAL, errno) TH_LOG("region %u", accesses[i].what);
	}
}

TEST_F(map, executable_is_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++)
		EXPECT_NO_MAP(EINVAL, self->fd, accesses[i].what, 0, PAGE, PROT_READ | PROT_EXEC);
}

TEST_F(map, mprotect_makes_nothing_executable)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		void *p = region_map(self->fd, accesses[i].what, 0, PAGE, PROT_READ);

		ASSERT_NE(NULL, p);
		EXPECT_EQ(-1, mprotect(p, PAGE, PROT_READ | PROT_EXEC)) TH_LOG("region %u",
									       accesses[i].what);
		EXPECT_EQ(EACCES, errno);
	}
}

TEST_F(map, longer_than_the_region)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++)
		EXPECT_NO_MAP(EINVAL, self->fd, accesses[i].what, 0, accesses[i].bytes + PAGE,
			      PROT_READ);
}

TEST_F(map, beyond_the_region)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		__u64 pages = (accesses[i].bytes + PAGE - 1) / PAGE;
		__u64 offset = MQSHM_MMAP_OFFSET(accesses[i].what, 0);

		errno = 0;
		EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd,
					   offset + pages * PAGE));
		EXPECT_EQ(EINVAL, errno) TH_LOG("region %u", accesses[i].what);
		errno = 0;
		EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd,
					   offset + (1ULL << 40) - PAGE));
		EXPECT_EQ(EINVAL, errno) TH_LOG("region %u", accesses[i].what);
	}
}

TEST_F(map, part_of_a_region)
{
	char *whole = region_map(self->fd, MQSHM_MMAP_PAYLOAD, 0, BUFFERS * PAGE,
				 PROT_READ | PROT_WRITE);
	char *part = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->fd,
			  MQSHM_MMAP_OFFSET(MQSHM_MMAP_PAYLOAD, 0) + 3 * PAGE);

	ASSERT_NE(NULL, whole);
	ASSERT_NE(MAP_FAILED, part);
	strcpy(whole + 3 * PAGE, "third");
	EXPECT_STREQ("third", part);
}

TEST_F(map, regions_that_are_not_there)
{
	EXPECT_NO_MAP(EINVAL, self->fd, 0, 0, PAGE, PROT_READ);
	EXPECT_NO_MAP(EINVAL, self->fd, 9, 0, PAGE, PROT_READ);
	EXPECT_NO_MAP(EINVAL, self->fd, 63, 0, PAGE, PROT_READ);
	EXPECT_NO_MAP(ENOENT, self->fd, MQSHM_MMAP_CONTROL, 1, PAGE, PROT_READ);
	EXPECT_NO_MAP(ENOENT, self->fd, MQSHM_MMAP_HOLD, 1, PAGE, PROT_READ);
	EXPECT_NO_MAP(ENOENT, self->fd, MQSHM_MMAP_STATUS, 1, PAGE, PROT_READ);
	EXPECT_NO_MAP(ENOENT, self->fd, MQSHM_MMAP_PRODUCER, self->ring + 1, PAGE, PROT_READ);
	EXPECT_NO_MAP(ENOENT, self->fd, MQSHM_MMAP_CONSUMER, 0xffff, PAGE, PROT_READ);
	EXPECT_NO_MAP(ENOENT, self->fd, MQSHM_MMAP_W, 1, PAGE, PROT_READ);
	EXPECT_NO_MAP(ENOENT, self->fd, MQSHM_MMAP_META, 31, PAGE, PROT_READ);
	EXPECT_NO_MAP(ENOENT, self->fd, MQSHM_MMAP_PAYLOAD, 0xffff, PAGE, PROT_READ);
}

TEST_F(map, only_clients_map)
{
	EXPECT_NO_MAP(EBADFD, self->manage, MQSHM_MMAP_STATUS, 0, PAGE, PROT_READ);
	EXPECT_NO_MAP(EBADFD, device_open(), MQSHM_MMAP_STATUS, 0, PAGE, PROT_READ);
	ASSERT_EQ(0, id_command(self->fd, MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_NO_MAP(ESHUTDOWN, self->fd, MQSHM_MMAP_STATUS, 0, PAGE, PROT_READ);
}

static void map_in_child(void *arg)
{
	must(!region_map(*(int *)arg, MQSHM_MMAP_CONTROL, 0, PAGE, PROT_READ) && errno == EPERM);
	must(!region_map(*(int *)arg, MQSHM_MMAP_PAYLOAD, 0, PAGE, PROT_READ) && errno == EPERM);
}

TEST_F(map, not_from_another_process)
{
	EXPECT_EQ(0, reap(spawn(map_in_child, &self->fd)));
}

TEST_F(map, contents_at_first)
{
	struct mqshm_status *status = region_map(self->fd, MQSHM_MMAP_STATUS, 0, PAGE, PROT_READ);
	__u64 *w = region_map(self->fd, MQSHM_MMAP_W, 0, PAGE, PROT_READ);
	__u16 *hold = region_map(self->fd, MQSHM_MMAP_HOLD, 0, PAGE, PROT_READ);

	ASSERT_TRUE(status && w && hold);
	EXPECT_EQ(MQSHM_MAGIC, status->magic);
	EXPECT_EQ(MQSHM_ABI_VERSION, status->version);
	for (unsigned int b = 0; b < BUFFERS; b++) {
		EXPECT_EQ(1, w[b] & MQSHM_W_COUNT_MASK);
		EXPECT_EQ(0, hold[b]);
	}
}

/* Pages of shared memory that this machine has. */
static long shared_pages(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	long kb = -1;

	while (f && kb < 0 && fgets(line, sizeof(line), f))
		sscanf(line, "Shmem: %ld", &kb);
	if (f)
		fclose(f);
	return kb < 0 ? -1 : kb / (PAGE / 1024);
}

/* Who touches it later must not find that there is none. */
TEST_F(map, payload_is_there_before_anybody_touches_it)
{
	int fd = runtime_create_fd("untouched", 0);
	long before = shared_pages();

	ASSERT_LE(0, before);
	ASSERT_EQ(0, pool_create(fd, "pool", PAGE, 4096, NULL));
	/* others may let go of some meanwhile */
	EXPECT_LE(3072, shared_pages() - before);
	close(fd);
}

/* Nothing of earlier owners of the memory shows. */
TEST_F(map, payload_is_zero_at_first)
{
	const size_t bytes = 1024 * PAGE;
	char name[MQSHM_RUNTIME_NAME_LEN];

	for (int round = 0; round < 3; round++) {
		int fd;
		__u64 *p;
		size_t i;

		snprintf(name, sizeof(name), "%s-%d", runtime_name(), round);
		fd = runtime_create_fd(name, 0);
		ASSERT_EQ(0, pool_create(fd, "pool", PAGE, 1024, NULL));
		ASSERT_EQ(0, client_join(fd, 0, NULL));
		p = region_map(fd, MQSHM_MMAP_PAYLOAD, 0, bytes, PROT_READ | PROT_WRITE);
		ASSERT_NE(NULL, p);
		for (i = 0; i < bytes / 8 && !p[i]; i++)
			;
		EXPECT_EQ(bytes / 8, i);
		memset(p, 0x55, bytes);
		munmap(p, bytes);
		close(fd);
	}
}

/* -- more than was given -------------------------------------------------- */

/* Regions that a client may only read: of which client, and which. */
struct read_only {
	int fd;
	__u32 what;
	void *p;
};

static int map_read_only(FIXTURE_DATA(map) *self, struct read_only *r)
{
	r[0] = (struct read_only){ self->fd, MQSHM_MMAP_STATUS, NULL };
	r[1] = (struct read_only){ self->fd, MQSHM_MMAP_PRODUCER, NULL };
	r[2] = (struct read_only){ self->producer, MQSHM_MMAP_CONSUMER, NULL };
	r[3] = (struct read_only){ self->reader, MQSHM_MMAP_PAYLOAD, NULL };
	for (int i = 0; i < 4; i++) {
		r[i].p = region_map(r[i].fd, r[i].what, 0, PAGE, PROT_READ);
		if (!r[i].p)
			return -errno;
	}
	return 0;
}

TEST_F(map, mprotect_gives_no_write)
{
	struct read_only r[4];

	ASSERT_EQ(0, map_read_only(self, r));
	for (int i = 0; i < 4; i++) {
		EXPECT_EQ(-1, mprotect(r[i].p, PAGE, PROT_READ | PROT_WRITE));
		EXPECT_EQ(EACCES, errno);
		EXPECT_EQ(SIGSEGV, touch(r[i].p, true)) TH_LOG("region %u", r[i].what);
	}
}

TEST_F(map, remap_file_pages_gives_no_write)
{
	struct read_only r[4];

	ASSERT_EQ(0, map_read_only(self, r));
	for (int i = 0; i < 4; i++) {
		syscall(SYS_remap_file_pages, r[i].p, PAGE, 0, 0, 0);
		mprotect(r[i].p, PAGE, PROT_READ | PROT_WRITE);
		EXPECT_EQ(SIGSEGV, touch(r[i].p, true)) TH_LOG("region %u", r[i].what);
	}
}

/* The file behind payload is mapped through the device only. */
TEST_F(map, remap_file_pages_of_payload_is_eperm)
{
	char *p = region_map(self->reader, MQSHM_MMAP_PAYLOAD, 0, 2 * PAGE, PROT_READ);

	ASSERT_NE(NULL, p);
	EXPECT_EQ(-1, syscall(SYS_remap_file_pages, p, PAGE, 0, 1, 0));
	EXPECT_EQ(EPERM, errno);
}

TEST_F(map, proc_mem_gives_no_write)
{
	int mem = open("/proc/self/mem", O_RDWR);
	struct read_only r[4];

	ASSERT_LE(0, mem);
	ASSERT_EQ(0, map_read_only(self, r));
	for (int i = 0; i < 4; i++) {
		char before = *(volatile char *)r[i].p;
		char other = ~before;

		EXPECT_EQ(-1, pwrite(mem, &other, 1, (off_t)(uintptr_t)r[i].p));
		EXPECT_EQ(before, *(volatile char *)r[i].p) TH_LOG("region %u", r[i].what);
	}
}

struct remote {
	pid_t pid;
	void *p;
};

static void write_remotely(void *arg)
{
	struct remote *r = arg;
	char data[8] = "12345678";
	struct iovec local = { data, 8 }, remote = { r->p, 8 };

	must(process_vm_writev(r->pid, &local, 1, &remote, 1, 0) == -1);
	must(errno == EFAULT);
}

TEST_F(map, process_vm_writev_gives_no_write)
{
	struct read_only r[4];

	ASSERT_EQ(0, map_read_only(self, r));
	for (int i = 0; i < 4; i++) {
		struct remote remote = { getpid(), r[i].p };

		EXPECT_EQ(0, reap(spawn(write_remotely, &remote))) TH_LOG("region %u", r[i].what);
	}
}

/* Not even where the client itself may write: the writer would outlive it. */
TEST_F(map, process_vm_writev_reaches_no_control_page)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses) - 1; i++) {
		struct remote remote = { getpid(), NULL };

		if (!accesses[i].write)
			continue;
		remote.p = region_map(self->fd, accesses[i].what, 0, PAGE, PROT_READ | PROT_WRITE);
		ASSERT_NE(NULL, remote.p);
		EXPECT_EQ(0, reap(spawn(write_remotely, &remote)))
			TH_LOG("region %u", accesses[i].what);
	}
}

static void touch_in_child(void *arg)
{
	must(touch(arg, false) == SIGSEGV);
}

TEST_F(map, fork_inherits_nothing)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		char *p = region_map(self->fd, accesses[i].what, 0, PAGE, PROT_READ);

		ASSERT_NE(NULL, p);
		EXPECT_EQ(0, touch(p, false));
		EXPECT_EQ(0, reap(spawn(touch_in_child, p))) TH_LOG("region %u", accesses[i].what);
	}
}

TEST_F(map, dofork_of_control_pages_is_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses) - 1; i++) {
		char *p = region_map(self->fd, accesses[i].what, 0, PAGE, PROT_READ);

		ASSERT_NE(NULL, p);
		EXPECT_EQ(-1, madvise(p, PAGE, MADV_DOFORK)) TH_LOG("region %u", accesses[i].what);
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(0, reap(spawn(touch_in_child, p))) TH_LOG("region %u", accesses[i].what);
	}
}

TEST_F(map, dump_of_control_pages_is_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses) - 1; i++) {
		char *p = region_map(self->fd, accesses[i].what, 0, PAGE, PROT_READ);

		ASSERT_NE(NULL, p);
		EXPECT_EQ(-1, madvise(p, PAGE, MADV_DODUMP)) TH_LOG("region %u", accesses[i].what);
		EXPECT_EQ(EINVAL, errno);
	}
}

TEST_F(map, madv_remove_punches_no_holes)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		int prot = accesses[i].write ? PROT_READ | PROT_WRITE : PROT_READ;
		char *p = region_map(self->fd, accesses[i].what, 0, PAGE, prot);

		ASSERT_NE(NULL, p);
		EXPECT_EQ(-1, madvise(p, PAGE, MADV_REMOVE)) TH_LOG("region %u", accesses[i].what);
		EXPECT_EQ(0, touch(p, false));
	}
}

TEST_F(map, madvise_keeps_payload)
{
	static const int advices[] = { MADV_DONTNEED, MADV_FREE, MADV_COLD, MADV_PAGEOUT };
	char *p = region_map(self->fd, MQSHM_MMAP_PAYLOAD, 0, PAGE, PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, p);
	strcpy(p, "still here");
	for (size_t i = 0; i < ARRAY_SIZE(advices); i++) {
		madvise(p, PAGE, advices[i]);
		EXPECT_STREQ("still here", p);
	}
}

TEST_F(map, mremap_does_not_grow_control_pages)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses) - 1; i++) {
		char *p = region_map(self->fd, accesses[i].what, 0, PAGE, PROT_READ);

		ASSERT_NE(NULL, p);
		EXPECT_EQ(MAP_FAILED, mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE))
			TH_LOG("region %u", accesses[i].what);
		EXPECT_EQ(MAP_FAILED, mremap(p, 0, PAGE, MREMAP_MAYMOVE))
			TH_LOG("copy of region %u", accesses[i].what);
	}
}

/* Beyond the pool there is nothing. */
TEST_F(map, mremap_of_payload_ends_with_the_pool)
{
	char *p = region_map(self->fd, MQSHM_MMAP_PAYLOAD, 0, BUFFERS * PAGE,
			     PROT_READ | PROT_WRITE);
	char *q;

	ASSERT_NE(NULL, p);
	q = mremap(p, BUFFERS * PAGE, (BUFFERS + 1) * PAGE, MREMAP_MAYMOVE);
	if (q != MAP_FAILED) {
		EXPECT_EQ(SIGBUS, touch(q + BUFFERS * PAGE, true));
	}
}

/* A read-only mapping stays one when it moves. */
TEST_F(map, mremap_keeps_read_only)
{
	char *p = region_map(self->reader, MQSHM_MMAP_PAYLOAD, 0, PAGE, PROT_READ);
	char *q = mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE);

	ASSERT_NE(NULL, p);
	if (q == MAP_FAILED)
		return;
	EXPECT_EQ(-1, mprotect(q, 2 * PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(SIGSEGV, touch(q + PAGE, true));
}

static int fixed_buffer(void *p, size_t bytes)
{
	struct iovec iov = { p, bytes };
	struct io_uring ring;
	int err;

	err = io_uring_queue_init(2, &ring, 0);
	if (err)
		return err;
	err = io_uring_register_buffers(&ring, &iov, 1);
	io_uring_queue_exit(&ring);
	return err;
}

TEST_F(map, fixed_buffers_of_payload_work)
{
	char *p = region_map(self->fd, MQSHM_MMAP_PAYLOAD, 0, BUFFERS * PAGE,
			     PROT_READ | PROT_WRITE);
	int err;

	ASSERT_NE(NULL, p);
	err = fixed_buffer(p, BUFFERS * PAGE);
	if (err == -ENOSYS)
		SKIP(return, "no io_uring");
	EXPECT_EQ(0, err);
}

TEST_F(map, fixed_buffers_of_read_only_payload_are_refused)
{
	char *p = region_map(self->reader, MQSHM_MMAP_PAYLOAD, 0, PAGE, PROT_READ);
	int err;

	ASSERT_NE(NULL, p);
	err = fixed_buffer(p, PAGE);
	if (err == -ENOSYS)
		SKIP(return, "no io_uring");
	EXPECT_EQ(-EFAULT, err);
}

TEST_F(map, fixed_buffers_of_control_pages_are_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses) - 1; i++) {
		int prot = accesses[i].write ? PROT_READ | PROT_WRITE : PROT_READ;
		char *p = region_map(self->fd, accesses[i].what, 0, PAGE, prot);
		int err;

		ASSERT_NE(NULL, p);
		err = fixed_buffer(p, PAGE);
		if (err == -ENOSYS)
			SKIP(return, "no io_uring");
		EXPECT_EQ(-EFAULT, err) TH_LOG("region %u", accesses[i].what);
	}
}

/* A file is read straight into a pool. */
TEST_F(map, direct_read_into_payload)
{
	char *p = region_map(self->fd, MQSHM_MMAP_PAYLOAD, 0, PAGE, PROT_READ | PROT_WRITE);
	char path[] = "/tmp/mqshm-map-XXXXXX";
	int fd = mkstemp(path);

	ASSERT_NE(NULL, p);
	ASSERT_LE(0, fd);
	unlink(path);
	ASSERT_EQ(5, write(fd, "words", 5));
	EXPECT_EQ(5, pread(fd, p, PAGE, 0));
	EXPECT_EQ(0, memcmp(p, "words", 5));
}

/* -- how long mappings live ---------------------------------------------- */

TEST_F(map, detach_revokes)
{
	for (size_t i = 0; i < ARRAY_SIZE(accesses) - 1; i++) {
		int fd = join_new(0);
		char *p;

		if (accesses[i].what == MQSHM_MMAP_PRODUCER ||
		    accesses[i].what == MQSHM_MMAP_CONSUMER)
			continue;
		p = region_map(fd, accesses[i].what, 0, PAGE,
			       accesses[i].write ? PROT_READ | PROT_WRITE : PROT_READ);
		ASSERT_NE(NULL, p);
		EXPECT_EQ(0, touch(p, accesses[i].write));
		ASSERT_EQ(0, id_command(fd, MQSHM_IOC_CLIENT_DETACH, 0));
		EXPECT_EQ(SIGBUS, touch(p, false)) TH_LOG("region %u", accesses[i].what);
		close(fd);
	}
}

TEST_F(map, detach_revokes_rings)
{
	char *out = region_map(self->producer, MQSHM_MMAP_PRODUCER, self->ring, PAGE,
			       PROT_READ | PROT_WRITE);
	char *in = region_map(self->fd, MQSHM_MMAP_CONSUMER, self->ring, PAGE,
			      PROT_READ | PROT_WRITE);

	ASSERT_TRUE(out && in);
	ASSERT_EQ(0, touch(out, true));
	ASSERT_EQ(0, id_command(self->producer, MQSHM_IOC_CLIENT_DETACH, 0));
	EXPECT_EQ(SIGBUS, touch(out, true));
	EXPECT_EQ(0, touch(in, true)) TH_LOG("another client's is as it was");
}

/* Nobody crashes: its counts are nobody's concern any more, its gen word says so. */
TEST_F(map, forced_removal_leaves_pages)
{
	struct mqshm_status *status = region_map(self->fd, MQSHM_MMAP_STATUS, 0, PAGE, PROT_READ);
	char *control = region_map(self->fd, MQSHM_MMAP_CONTROL, 0, PAGE, PROT_READ | PROT_WRITE);
	char *payload = region_map(self->fd, MQSHM_MMAP_PAYLOAD, 0, PAGE, PROT_READ | PROT_WRITE);
	volatile __u64 *gen;
	__u64 before;

	ASSERT_TRUE(status && control && payload);
	gen = &status->gen[0];
	before = *gen;
	ASSERT_EQ(0, runtime_remove(self->manage, MQSHM_REMOVE_F_FORCE, NULL));
	EXPECT_NE(before, *gen);
	EXPECT_EQ(0, touch(control, true));
	EXPECT_EQ(0, touch(payload, true));
}

TEST_F(map, payload_survives_descriptor_and_runtime)
{
	char *payload = region_map(self->fd, MQSHM_MMAP_PAYLOAD, 0, BUFFERS * PAGE,
				   PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, payload);
	strcpy(payload, "still here");
	close(self->fd);
	close(self->producer);
	close(self->reader);
	EXPECT_STREQ("still here", payload);
	EXPECT_EQ(0, runtime_remove(self->manage, 0, NULL));
	close(self->manage);
	EXPECT_EQ(-ENOENT, runtime_open_fd(runtime_name()));
	EXPECT_STREQ("still here", payload);
	for (unsigned int b = 0; b < BUFFERS; b++) {
		EXPECT_EQ(0, touch(payload + b * PAGE, true));
	}
}

/* A client lives as long as its control pages are mapped, descriptor or not. */
TEST_F(map, control_mapping_keeps_the_client)
{
	char *control = region_map(self->reader, MQSHM_MMAP_CONTROL, 0, PAGE,
				   PROT_READ | PROT_WRITE);
	struct tally t;

	ASSERT_NE(NULL, control);
	close(self->reader);
	EXPECT_EQ(0, touch(control, true));
	ASSERT_EQ(0, tally_take(self->manage, &t));
	EXPECT_EQ(3U, t.clients);
	munmap(control, PAGE);
	ASSERT_EQ(0, tally_take(self->manage, &t));
	EXPECT_EQ(2U, t.clients);
}

TEST_F(map, rmmod_under_a_payload_mapping_is_refused)
{
	char *payload = region_map(self->fd, MQSHM_MMAP_PAYLOAD, 0, PAGE, PROT_READ | PROT_WRITE);

	ASSERT_NE(NULL, payload);
	close(self->fd);
	close(self->producer);
	close(self->reader);
	close(self->manage);
	EXPECT_EQ(-ENOENT, runtime_open_fd(runtime_name()));
	EXPECT_EQ(-1, syscall(SYS_delete_module, "mqshm", O_NONBLOCK));
	EXPECT_EQ(EWOULDBLOCK, errno);
	EXPECT_EQ(0, touch(payload, true));
}

TEST_HARNESS_MAIN
