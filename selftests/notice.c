// SPDX-License-Identifier: GPL-2.0-only
/* Monitors by ioctl alone. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "notice.h"

int watch(int fd)
{
	struct mqshm_monitor_args args = ARGS(monitor, .out_depth = POISON32);
	int err = command(fd, MQSHM_IOC_MONITOR, &args);

	return err ? err : args.out_depth == MQSHM_NOTICES ? 0 : -EPROTO;
}

int watch_fd(const char *runtime)
{
	int fd = runtime ? runtime_open_fd(runtime) : device_open();
	int err = fd < 0 ? fd : watch(fd);

	if (err && fd >= 0)
		close(fd);
	return err ? err : fd;
}

int notice_next(int fd, unsigned int ms, struct mqshm_notice *n)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int r = poll(&p, 1, ms);
	ssize_t got;

	if (r <= 0)
		return r ? -errno : -ETIMEDOUT;
	got = read(fd, n, sizeof(*n));
	if (got < 0)
		return -errno;
	return got == sizeof(*n) ? 1 : got ? -EPROTO : 0;
}

const char *notice_text(const struct mqshm_notice *n)
{
	static const char *const subjects[] = { "-", "runtime", "pool", "client", "block",
						"port", "connection" };
	static const char *const changes[] = { "-", "came", "went", "died", "settled",
					       "stalled", "resumed", "lost" };
	static char text[128];

	snprintf(text, sizeof(text), "notice %llu: %s %llu %s %s",
		 (unsigned long long)n->number, n->subject < 7 ? subjects[n->subject] : "?",
		 (unsigned long long)n->id, n->name, n->change < 8 ? changes[n->change] : "?");
	return text;
}

bool notice_is_stall(const struct mqshm_notice *n)
{
	return n->change == MQSHM_CHANGE_STALLED || n->change == MQSHM_CHANGE_RESUMED;
}

int reader_next(struct reader *r, unsigned int ms)
{
	int got;

	do {
		got = notice_next(r->fd, ms, &r->n);
		if (got != 1)
			return got;
		if (r->n.number != ++r->number || r->n.at_ns < r->last_ns)
			return -ERANGE;
		r->last_ns = r->n.at_ns;
	} while (!r->stalls && notice_is_stall(&r->n));
	return 1;
}
