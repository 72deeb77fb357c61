// SPDX-License-Identifier: GPL-2.0-only
/*
 * One measurement: forks a process for each place in the line, starts the clock
 * when all are ready, stops it when the last one has all messages. System calls are
 * counted by the kernel's own tracepoint, over all processes of the line.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Counts system calls of @pid while it is enabled; -1 if the kernel can't. */
static int syscall_counter(pid_t pid)
{
	static const char *const paths[] = {
		"/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
		"/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
	};
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr), .disabled = 1,
	};
	unsigned long long id;
	size_t i;

	for (i = 0; i < 2; i++) {
		FILE *f = fopen(paths[i], "r");
		int n;

		if (!f)
			continue;
		n = fscanf(f, "%llu", &id);
		fclose(f);
		if (n != 1)
			continue;
		attr.config = id;
		return syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	}
	return -1;
}

/**
 * struct line - the processes of a run and the pipes that start and end them
 * @counter: system calls of each, -1 if they can't be counted
 */
struct line {
	pid_t pids[BENCH_HOPS_MAX];
	int counter[BENCH_HOPS_MAX];
	int ready[2];
	int go[2];
	int done[2];
};

static void process_main(const struct bench_transport *transport,
			 const struct bench_flow *flow, unsigned int i,
			 const struct line *line)
{
	int ret = transport->ready(flow, i);
	char c = 0;

	if (ret || write(line->ready[1], &c, 1) != 1 || read(line->go[0], &c, 1) != 1)
		goto out;
	ret = transport->run(flow, i);
	if (!ret && write(line->done[1], &c, 1) != 1)
		ret = -EIO;
	/* its counter and its records are read before it goes */
	if (!ret && read(line->go[0], &c, 1) != 1)
		ret = -EIO;
out:
	if (ret)
		fprintf(stderr, "mqshm-bench: %s: process %u: %s\n", transport->name, i,
			strerror(-ret));
	_exit(ret ? 1 : 0);
}

static int line_start(struct line *line, const struct bench_transport *transport,
		      const struct bench_flow *flow)
{
	unsigned int i;

	if (pipe(line->ready) || pipe(line->go) || pipe(line->done))
		return -errno;
	for (i = 0; i < flow->processes; i++) {
		line->pids[i] = fork();
		if (line->pids[i] < 0)
			return -errno;
		if (!line->pids[i])
			process_main(transport, flow, i, line);
		line->counter[i] = syscall_counter(line->pids[i]);
	}
	close(line->ready[1]);
	close(line->done[1]);
	return 0;
}

/* Waits until each process has written a byte; fails if one ends instead. */
static int line_gather(const struct bench_flow *flow, int fd)
{
	unsigned int i;
	char c;

	for (i = 0; i < flow->processes; i++)
		if (read(fd, &c, 1) != 1)
			return -EIO;
	return 0;
}

static int line_release(const struct line *line, const struct bench_flow *flow)
{
	static const char c[BENCH_HOPS_MAX];

	return write(line->go[1], c, flow->processes) == (ssize_t)flow->processes ? 0 : -EIO;
}

static void counters_enable(const struct line *line, const struct bench_flow *flow)
{
	unsigned int i;

	for (i = 0; i < flow->processes; i++)
		if (line->counter[i] >= 0)
			ioctl(line->counter[i], PERF_EVENT_IOC_ENABLE, 0);
}

static double counters_read(const struct line *line, const struct bench_flow *flow)
{
	uint64_t sum = 0, n;
	unsigned int i;

	for (i = 0; i < flow->processes; i++) {
		if (line->counter[i] < 0 || read(line->counter[i], &n, 8) != 8)
			return -1;
		/* not the calls that start and end it */
		sum += n > 3 ? n - 3 : 0;
	}
	return sum;
}

static int line_measure(struct line *line, const struct bench_transport *transport,
			const struct bench_flow *flow, struct bench_result *out)
{
	double syscalls;
	uint64_t start;
	int ret;

	ret = line_gather(flow, line->ready[0]);
	if (!ret && transport->connect)
		ret = transport->connect(flow);
	if (ret)
		return ret;
	counters_enable(line, flow);
	start = now_ns();
	ret = line_release(line, flow) ?: line_gather(flow, line->done[0]);
	if (ret)
		return ret;
	out->ns = (double)(now_ns() - start) / flow->messages;
	syscalls = counters_read(line, flow);
	out->syscalls = syscalls < 0 ? -1 : syscalls / flow->messages;
	out->device = transport->device_calls ?
		      (double)transport->device_calls() / flow->messages : 0;
	return line_release(line, flow);
}

int bench_flow_run(const struct bench_transport *transport, const struct bench_flow *flow,
		   struct bench_result *out)
{
	struct line line = { .counter = { -1, -1, -1 } };
	unsigned int i;
	int ret, status;

	ret = transport->setup(flow);
	if (ret)
		return ret;
	ret = line_start(&line, transport, flow);
	if (!ret)
		ret = line_measure(&line, transport, flow, out);
	close(line.go[1]);
	for (i = 0; i < flow->processes; i++) {
		if (line.pids[i] <= 0)
			continue;
		if (waitpid(line.pids[i], &status, 0) < 0 || status)
			ret = ret ?: -EIO;
		if (line.counter[i] >= 0)
			close(line.counter[i]);
	}
	close(line.ready[0]);
	close(line.done[0]);
	close(line.go[0]);
	transport->teardown();
	return ret;
}
