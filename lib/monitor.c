// SPDX-License-Identifier: LGPL-2.1-or-later
/* Monitors: what comes, goes, dies or stalls, notice by notice. */
#include <errno.h>
#include <stdlib.h>

#include "runtime.h"
#include "sys.h"

#define NOTICES_A_READ	15	/* what the kernel gives at once */

/**
 * struct mqshm_monitor - a reader of notices
 * @fd: descriptor that watches
 * @what: MQSHM_QUERY_*
 * @n: number of @notices
 * @next: the first that was not given out yet
 * @notices: read in advance
 */
struct mqshm_monitor {
	int fd;
	uint32_t what;
	size_t n;
	size_t next;
	struct mqshm_notice notices[NOTICES_A_READ];
};

int mqshm_monitor_open(const char *name, struct mqshm_monitor **out)
{
	struct mqshm_monitor_args args = { .size = sizeof(args) };
	struct mqshm_monitor *m = calloc(1, sizeof(*m));
	uint64_t id;
	int r;

	if (!m)
		return -ENOMEM;
	m->what = name ? MQSHM_QUERY_RUNTIME : MQSHM_QUERY_RUNTIMES;
	m->fd = name ? mqshm_runtime_bind(name, &id) : mqshm_device_open();
	r = m->fd < 0 ? m->fd : mqshm_sys_ioctl(m->fd, MQSHM_IOC_MONITOR, &args);
	if (r) {
		mqshm_monitor_close(m);
		return r;
	}
	*out = m;
	return 0;
}

void mqshm_monitor_close(struct mqshm_monitor *m)
{
	if (!m)
		return;
	mqshm_sys_close(m->fd);
	free(m);
}

int mqshm_monitor_snapshot(struct mqshm_monitor *m, struct mqshm_snapshot **out)
{
	return mqshm_snapshot_query(m->fd, m->what, out);
}

int mqshm_monitor_fd(const struct mqshm_monitor *m)
{
	return m->fd;
}

int mqshm_monitor_next(struct mqshm_monitor *m, struct mqshm_notice *out,
		       uint64_t deadline_ns)
{
	int r;

	if (m->next == m->n) {
		r = mqshm_sys_read(m->fd, m->notices, sizeof(m->notices), deadline_ns);
		if (r <= 0)
			return r ? r : -ESHUTDOWN;
		m->n = (size_t)r / sizeof(m->notices[0]);
		m->next = 0;
	}
	*out = m->notices[m->next++];
	return 0;
}
