// SPDX-License-Identifier: GPL-2.0-only
/* Pools on huge pages and on NUMA nodes; with more nodes than one under tools/vm/run --nodes 2. */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "mqshm_test.h"

#define HUGE	(2UL << 20)
#define PAGE	4096UL
#define GROUP	"/sys/fs/cgroup/mqshm-place"

static bool file_has(const char *path, const char *word)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return strstr(text, word);
}

static bool file_put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, value, strlen(value)) > 0;

	close(fd);
	return done;
}

static bool node_has_memory(unsigned int node)
{
	char path[64], text[512];
	unsigned long kb = 0;
	int fd, n;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%u/meminfo", node);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* a kernel that knows no nodes has one */
	if (fd < 0)
		return !node && access("/sys/devices/system/node", F_OK);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return sscanf(text, "Node %*u MemTotal: %lu", &kb) == 1 && kb;
}

/* A number in kB of the mapping at @address. */
static unsigned long smaps_kb(const void *address, const char *name)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long begin, end, kb = 0;
	bool inside = false;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &begin, &end) == 2 && strchr(line, '-') < strchr(line, ' '))
			inside = begin <= (uintptr_t)address && (uintptr_t)address < end;
		else if (inside && !strncmp(line, name, strlen(name)))
			kb = strtoul(line + strlen(name), NULL, 10);
	}
	if (f)
		fclose(f);
	return kb;
}

static int pool_place(int fd, __u32 flags, __u32 node, __u32 bytes, __u32 buffers)
{
	struct mqshm_pool_create_args a =
		ARGS(pool_create, .flags = flags, .node = node, .buffer_bytes = bytes,
		     .buffers = buffers, .out_pool = POISON32);
	static int n;
	int err;

	snprintf(a.name, sizeof(a.name), "place%d", n++);
	err = command(fd, MQSHM_IOC_POOL_CREATE, &a);
	return err ?: (int)a.out_pool;
}

FIXTURE(place) {
	int fd;
	__u64 features;
	struct mqshm_pool_record record;
};

FIXTURE_SETUP(place)
{
	struct mqshm_info_args info = ARGS(info);

	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, client_join(self->fd, 0, NULL));
	ASSERT_EQ(0, command(self->fd, MQSHM_IOC_INFO, &info));
	self->features = info.out_features;
}

FIXTURE_TEARDOWN(place)
{
	close(self->fd);
}

static int look(FIXTURE_DATA(place) *self, int pool)
{
	const struct mqshm_pool_record *r = NULL;
	struct snapshot s;
	int err = snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &s);

	while (!err && (r = snapshot_next(&s, MQSHM_RECORD_POOL, r)) && r->pool != (__u32)pool)
		;
	if (r)
		self->record = *r;
	snapshot_free(&s);
	return r ? 0 : -ENOENT;
}

TEST_F(place, nowhere_in_particular)
{
	int pool = pool_place(self->fd, 0, 0, 4096, 16);

	ASSERT_LE(0, pool);
	ASSERT_EQ(0, look(self, pool));
	EXPECT_EQ(0U, self->record.flags);
	EXPECT_EQ(0U, self->record.node);
	EXPECT_EQ(0U, self->record.reserved);
	EXPECT_EQ(16 * 4096, self->record.payload_bytes);
	EXPECT_EQ(-EINVAL, pool_place(self->fd, 0, 1, 4096, 16)) TH_LOG("a node, but not the flag");
}

TEST_F(place, huge)
{
	int pool = pool_place(self->fd, MQSHM_POOL_F_HUGE, 0, 1 << 20, 5);
	char *payload;

	if (!(self->features & MQSHM_FEATURE_HUGE)) {
		EXPECT_EQ(-EOPNOTSUPP, pool);
		return;
	}
	ASSERT_LE(0, pool);
	ASSERT_EQ(0, look(self, pool));
	EXPECT_EQ(MQSHM_POOL_F_HUGE, self->record.flags);
	EXPECT_EQ(3 * HUGE, self->record.payload_bytes) TH_LOG("the last one whole");
	EXPECT_EQ(0, self->record.huge_bytes % HUGE);
	EXPECT_GE(self->record.payload_bytes, self->record.huge_bytes);
	/* one that has the half of its memory free has some */
	if (!file_has("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "[deny]"))
		EXPECT_LT(0, self->record.huge_bytes);

	payload = region_map(self->fd, MQSHM_MMAP_PAYLOAD, pool, 5 << 20, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, payload);
	EXPECT_EQ(0, (uintptr_t)payload % HUGE);
	for (size_t i = 0; i < 5 << 20; i += PAGE) {
		ASSERT_EQ(0, payload[i]);
		payload[i] = 1;
	}
	/* but for the last, of which a half is mapped */
	EXPECT_EQ((self->record.huge_bytes < 2 * HUGE ? self->record.huge_bytes : 2 * HUGE) >> 10,
		  smaps_kb(payload, "ShmemPmdMapped:"));
	EXPECT_EQ(0, munmap(payload, 5 << 20));
}

TEST_F(place, huge_is_for_who_asks)
{
	int pool = pool_place(self->fd, 0, 0, 1 << 20, 4);

	if (!file_has("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "[never]"))
		SKIP(return, "shared memory is on huge pages here, or there are none");
	ASSERT_LE(0, pool);
	ASSERT_EQ(0, look(self, pool));
	EXPECT_EQ(0, self->record.huge_bytes);
}

TEST_F(place, of_each_size)
{
	static const __u32 bytes[] = { 64, 4096, 5000, 3 << 20, 16 << 20 };
	int pool;

	if (!(self->features & MQSHM_FEATURE_HUGE))
		SKIP(return, "no huge pages");
	for (size_t i = 0; i < sizeof(bytes) / sizeof(*bytes); i++) {
		pool = pool_place(self->fd, MQSHM_POOL_F_HUGE, 0, bytes[i], 3);
		ASSERT_LE(0, pool);
		ASSERT_EQ(0, look(self, pool));
		EXPECT_EQ(0, self->record.payload_bytes % HUGE);
		EXPECT_LE(3 * bytes[i], self->record.payload_bytes);
		EXPECT_GT(3 * 8192 + 3 * bytes[i] + HUGE, self->record.payload_bytes);
	}
}

TEST_F(place, no_such_node)
{
	static const __u32 nodes[] = { 63, 1023, 1024, 65536, 0x7fffffff, 0xffffffff };

	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
		EXPECT_EQ(-ENOENT, pool_place(self->fd, MQSHM_POOL_F_NODE, nodes[i], 4096, 4));
}

/* Nodes of the pages at @payload that are not @node, or -errno. */
static int pages_elsewhere(char *payload, size_t bytes, int node)
{
	int elsewhere = 0, status;
	void *page;

	for (size_t i = 0; i < bytes; i += PAGE) {
		page = payload + i;
		payload[i] = 1;
		if (syscall(SYS_move_pages, 0, 1, &page, NULL, &status, 0))
			return -errno;
		elsewhere += status != node;
	}
	return elsewhere;
}

static void on_node(struct __test_metadata *_metadata, FIXTURE_DATA(place) *self,
		    __u32 flags, __u32 node)
{
	int pool = pool_place(self->fd, MQSHM_POOL_F_NODE | flags, node, 1 << 20, 6), n;
	char *payload;

	ASSERT_LE(0, pool);
	ASSERT_EQ(0, look(self, pool));
	EXPECT_EQ(MQSHM_POOL_F_NODE | flags, self->record.flags);
	EXPECT_EQ(node, self->record.node);
	payload = region_map(self->fd, MQSHM_MMAP_PAYLOAD, pool, 6 << 20, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, payload);
	n = pages_elsewhere(payload, 6 << 20, node);
	if (n != -ENOSYS)
		EXPECT_EQ(0, n);
	EXPECT_EQ(0, munmap(payload, 6 << 20));
}

TEST_F(place, nodes)
{
	unsigned int nodes = 0;

	for (__u32 node = 0; node < 64; node++) {
		if (!node_has_memory(node)) {
			EXPECT_EQ(-ENOENT, pool_place(self->fd, MQSHM_POOL_F_NODE, node, 4096, 4));
			continue;
		}
		nodes++;
		on_node(_metadata, self, 0, node);
		if (self->features & MQSHM_FEATURE_HUGE)
			on_node(_metadata, self, MQSHM_POOL_F_HUGE, node);
	}
	EXPECT_LE(1, nodes);
	TH_LOG("%u nodes", nodes);
}

/* A node's memory is not made up for by another's. */
TEST_F(place, node_is_full)
{
	if (!node_has_memory(1))
		SKIP(return, "one node");
	EXPECT_EQ(-ENOMEM, pool_place(self->fd, MQSHM_POOL_F_NODE, 1, 1 << 20, 300))
		TH_LOG("of 512 MB in two nodes");
	EXPECT_LE(0, pool_place(self->fd, MQSHM_POOL_F_NODE, 1, 1 << 20, 16));
}

static void ask_for_both(void *arg)
{
	int fd = *(int *)arg;

	must(file_put(GROUP "/cgroup.procs", "0"));
	must(pool_place(fd, MQSHM_POOL_F_NODE, 0, 4096, 4) >= 0);
	must(pool_place(fd, MQSHM_POOL_F_NODE, 1, 4096, 4) == -EPERM);
	must(file_put("/sys/fs/cgroup/cgroup.procs", "0"));
}

TEST_F(place, node_of_another_cpuset)
{
	int fd = runtime_create_fd("place-cpuset", 0), rc;

	if (!node_has_memory(1))
		SKIP(return, "one node");
	file_put("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset");
	mkdir(GROUP, 0755);
	if (!file_put(GROUP "/cpuset.mems", "0")) {
		rmdir(GROUP);
		SKIP(return, "no cpusets (cgroup v2)");
	}
	rc = reap(spawn(ask_for_both, &fd));
	EXPECT_EQ(0, rmdir(GROUP));
	EXPECT_EQ(0, rc);
	close(fd);
}

TEST_HARNESS_MAIN
