// SPDX-License-Identifier: GPL-2.0-only
/* Victims. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "victim.h"

struct stage *stage;

int victim_runtime(unsigned int buffer_bytes, unsigned int buffers, unsigned int hold)
{
	int fd = runtime_create_fd(runtime_name(), 0);
	int err;

	if (fd < 0)
		return fd;
	err = pool_create(fd, "pool", buffer_bytes, buffers, NULL);
	if (err < 0)
		return err;
	stage = shared_memory(sizeof(*stage));
	stage->hold = hold;
	return fd;
}

int victim_join(int flags)
{
	struct mqshm_client_join_args join;
	struct mqshm_lease_args l;
	int fd = open(DEVICE, O_RDWR | flags);

	must(fd >= 0);
	must(runtime_open(fd, runtime_name()) == 0);
	must(client_join(fd, 0, &join) == 0);
	must(block_create(fd, "victim", 0, stage->ports, NULL) == 0);
	/* one LEASE of a small pool gives one buffer */
	for (unsigned int held = 0; held < stage->hold; held += l.out_count)
		must(lease(fd, 0, stage->hold - held, &l) == 0);
	stage->id = join.out_id;
	return fd;
}

void victim_sleep(void)
{
	stage->ready = 1;
	for (;;)
		pause();
}

bool victim_await(void)
{
	uint64_t deadline = after_ms(PATIENCE_MS);

	while (!stage->ready) {
		if (now_ns() > deadline)
			return false;
		sleep_us(200);
	}
	return true;
}

/* The letter behind the name, which is in brackets: "1 (name) S ...". */
static char process_state(pid_t pid)
{
	char path[32], text[256] = "", *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	p = n > 0 ? strrchr(text, ')') : NULL;
	return p ? p[2] : 0;
}

bool victim_await_asleep(pid_t pid)
{
	uint64_t deadline = after_ms(PATIENCE_MS);

	if (!victim_await())
		return false;
	while (process_state(pid) != 'S') {
		if (now_ns() > deadline)
			return false;
		sleep_us(200);
	}
	return true;
}

int victim_go(void)
{
	uint64_t deadline = after_ms(PATIENCE_MS);

	stage->go = 1;
	while (!stage->seen && now_ns() < deadline)
		sleep_us(200);
	return stage->seen;
}

bool victim_look(int fd, struct mqshm_client_record *out)
{
	const struct mqshm_client_record *r;
	struct snapshot s;

	memset(out, 0, sizeof(*out));
	if (snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s))
		return false;
	r = snapshot_client(&s, stage->id);
	if (r)
		*out = *r;
	snapshot_free(&s);
	return r;
}

bool victim_listed(int fd)
{
	struct mqshm_client_record r;

	return victim_look(fd, &r);
}

bool victim_gone_within(int fd, unsigned int ms, struct mqshm_departed_record *out)
{
	uint64_t deadline = after_ms(ms);
	const struct mqshm_departed_record *d;
	struct snapshot s;

	while (victim_listed(fd)) {
		if (now_ns() > deadline)
			return false;
		sleep_us(200);
	}
	if (snapshot_take(fd, MQSHM_QUERY_RUNTIME, &s))
		return false;
	d = snapshot_departed(&s, stage->id);
	if (d)
		*out = *d;
	snapshot_free(&s);
	return d;
}
