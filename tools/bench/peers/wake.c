// SPDX-License-Identifier: GPL-2.0-only
/*
 * The floor for those who sleep: a number in shared memory and a futex, or an eventfd,
 * each wakes the other one, for every message.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../bench.h"

/**
 * struct wake_link - a way between two processes
 * @number: of the last message
 */
struct wake_link {
	_Alignas(128) uint32_t number;
};

static struct wake_link *links;
static int events[BENCH_LINKS];
static _Thread_local unsigned int in, out;
static _Thread_local uint32_t seen;

/* They are what each way to sleep is compared with. */
static const char *wake_missing(const struct bench_case *c)
{
	return !c->ping || c->wait == BENCH_POLL || c->threads ?
	       "it is for one message at a time and who sleeps" : NULL;
}

static int wake_open(const struct bench_case *c)
{
	links = bench_shared(sizeof(*links) * BENCH_LINKS);
	if (!links)
		return -ENOMEM;
	for (unsigned int i = 0; i < c->n_links; i++) {
		events[i] = eventfd(0, 0);
		if (events[i] < 0)
			return -errno;
	}
	return 0;
}

static void wake_close(const struct bench_case *c)
{
	for (unsigned int i = 0; i < c->n_links; i++)
		close(events[i]);
	bench_unshare(links, sizeof(*links) * BENCH_LINKS);
}

static int wake_enter(const struct bench_case *c, unsigned int who)
{
	in = bench_in(c, who, 0);
	out = bench_out(c, who, 0);
	seen = 0;
	return 0;
}

static int futex_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	(void)c;
	(void)n;
	__atomic_store_n(&links[out].number, (uint32_t)number + 1, __ATOMIC_RELEASE);
	return syscall(SYS_futex, &links[out].number, FUTEX_WAKE, 1, NULL, NULL, 0) < 0 ? -errno : 0;
}

static int futex_receive(const struct bench_case *c, unsigned int which, unsigned int max)
{
	uint32_t n;

	(void)c;
	(void)which;
	(void)max;
	while ((n = __atomic_load_n(&links[in].number, __ATOMIC_ACQUIRE)) == seen)
		if (syscall(SYS_futex, &links[in].number, FUTEX_WAIT, seen, NULL, NULL, 0) &&
		    errno != EAGAIN && errno != EINTR)
			return -errno;
	seen = n;
	return 1;
}

static int event_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	(void)c;
	(void)number;
	(void)n;
	return eventfd_write(events[out], 1) ? -errno : 0;
}

static int event_receive(const struct bench_case *c, unsigned int which, unsigned int max)
{
	eventfd_t n;

	(void)c;
	(void)which;
	(void)max;
	return eventfd_read(events[in], &n) ? -errno : 1;
}

const struct bench_peer bench_futex = {
	.name = "bare futex",
	.missing = wake_missing,
	.open = wake_open,
	.enter = wake_enter,
	.send = futex_send,
	.receive = futex_receive,
	.close = wake_close,
};

const struct bench_peer bench_eventfd = {
	.name = "bare eventfd",
	.missing = wake_missing,
	.open = wake_open,
	.enter = wake_enter,
	.send = event_send,
	.receive = event_receive,
	.close = wake_close,
};
