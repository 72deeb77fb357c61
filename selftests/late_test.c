// SPDX-License-Identifier: GPL-2.0-only
/* A message that is on its way while the runtime ends: it comes before the end or not at all. */

#include "kselftest_harness.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "bus.h"

/**
 * struct held_page - memory that whoever reads it waits at, until it is filled
 * @at: its address
 * @fault_fd: tells who waits, and fills
 */
struct held_page {
	char *at;
	int fault_fd;
};

static int held_page_make(struct held_page *page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	page->fault_fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (page->fault_fd < 0)
		return -errno;
	page->at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page->at == MAP_FAILED)
		return -errno;
	range.range.start = (uintptr_t)page->at;
	range.range.len = 4096;
	if (ioctl(page->fault_fd, UFFDIO_API, &api) ||
	    ioctl(page->fault_fd, UFFDIO_REGISTER, &range))
		return -errno;
	return 0;
}

static bool held_page_is_read(struct held_page *page)
{
	struct pollfd p = { .fd = page->fault_fd, .events = POLLIN };

	return poll(&p, 1, 10000) == 1 && p.revents == POLLIN;
}

static void held_page_fill(struct held_page *page, const char *text)
{
	struct uffdio_copy copy = { .dst = (uintptr_t)page->at, .len = 4096 };
	char content[4096] = "";

	snprintf(content, sizeof(content), "%s", text);
	copy.src = (uintptr_t)content;
	must(ioctl(page->fault_fd, UFFDIO_COPY, &copy) == 0);
}

/**
 * struct sending - somebody else's BUS_PUBLISH
 * @fd: through which
 * @payload: of which it reads 8 bytes
 * @result: what came of it
 */
struct sending {
	int fd;
	const char *payload;
	int result;
};

static void *send_it(void *arg)
{
	struct sending *s = arg;
	struct mqshm_bus_publish_args a = ARGS(bus_publish, .payload = (uintptr_t)s->payload,
					       .payload_bytes = 8, .topic = "t");

	s->result = command(s->fd, MQSHM_IOC_BUS_PUBLISH, &a);
	return NULL;
}

FIXTURE(late)
{
	struct held_page page;
	struct sending sending;
	struct inbox in;
	pthread_t thread;
};

FIXTURE_SETUP(late)
{
	int err = held_page_make(&self->page);

	if (err == -ENOSYS || err == -EPERM)
		SKIP(return, "no userfaultfd here");
	ASSERT_EQ(0, err);
	self->sending.fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->sending.fd);
	ASSERT_EQ(0, inbox_open(&self->in, 0, 0, ""));
	self->sending.payload = self->page.at;
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, send_it, &self->sending));
	ASSERT_TRUE(held_page_is_read(&self->page));
}

FIXTURE_TEARDOWN(late)
{
}

TEST_F(late, message_comes)
{
	EXPECT_EMPTY(&self->in);
	held_page_fill(&self->page, "late");
	pthread_join(self->thread, NULL);
	EXPECT_EQ(0, self->sending.result);
	EXPECT_MESSAGE(&self->in, "late");
}

TEST_F(late, none_comes_behind_the_end)
{
	ASSERT_EQ(0, runtime_remove(self->sending.fd, MQSHM_REMOVE_F_FORCE, NULL));
	EXPECT_EQ(0, inbox_next(&self->in));
	held_page_fill(&self->page, "late");
	pthread_join(self->thread, NULL);
	EXPECT_EQ(-ESHUTDOWN, self->sending.result);
	EXPECT_EQ(0, inbox_next(&self->in));
}

TEST_HARNESS_MAIN
