// SPDX-License-Identifier: GPL-2.0-only
/* The same line of processes through a runtime of its own. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <mqshm.h>

#include "bench.h"

static char runtime_name[32];
static struct mqshm_runtime *runtime;
static uint64_t calls_before;

static struct mqshm_client *client;
static struct mqshm_block *block;
static struct mqshm_port *in, *out;

static const char *block_name(unsigned int i)
{
	static char name[16];

	snprintf(name, sizeof(name), "b%u", i);
	return name;
}

static int mqshm_setup(const struct bench_flow *flow)
{
	int ret;

	snprintf(runtime_name, sizeof(runtime_name), "bench-%d", getpid());
	ret = mqshm_runtime_create(runtime_name, NULL, &runtime);
	if (ret)
		return ret;
	return mqshm_pool_create(runtime, "bench", flow->bytes, 1024);
}

static int mqshm_ready(const struct bench_flow *flow, unsigned int i)
{
	struct mqshm_port_spec ports[2];
	unsigned int n = 0;
	int ret;

	if (i)
		ports[n++] = (struct mqshm_port_spec) { .name = "in" };
	if (i + 1 < flow->processes)
		ports[n++] = (struct mqshm_port_spec) {
			.name = "out", .direction = MQSHM_DIR_OUT,
		};
	ret = mqshm_client_join(runtime_name, NULL, &client);
	if (!ret)
		ret = mqshm_block_create(client, block_name(i), "bench",
					 MQSHM_CLASS_PROCESSING, ports, n, &block);
	if (ret)
		return ret;
	in = mqshm_block_port(block, "in");
	out = mqshm_block_port(block, "out");
	return 0;
}

static uint64_t calls_now(void)
{
	struct mqshm_snapshot *snap;
	uint64_t calls = 0;

	if (!mqshm_runtime_snapshot(runtime, &snap)) {
		calls = snap->runtimes[0].ioctls;
		mqshm_snapshot_free(snap);
	}
	return calls;
}

static uint64_t mqshm_device_calls(void)
{
	return calls_now() - calls_before;
}

static int mqshm_connect_line(const struct bench_flow *flow)
{
	char from[16], to[16];
	unsigned int i;
	int ret;

	for (i = 0; i + 1 < flow->processes; i++) {
		snprintf(from, sizeof(from), "b%u:out", i);
		snprintf(to, sizeof(to), "b%u:in", i + 1);
		ret = mqshm_connect(runtime, from, to, NULL);
		if (ret)
			return ret;
	}
	calls_before = calls_now();
	return 0;
}

/* Sleeps until @port is worth another try. */
static int wait_for(struct mqshm_port *port)
{
	int ret = mqshm_wait(client, &port, 1, MQSHM_FOREVER, NULL);

	return ret < 0 ? ret : 0;
}

static int push(struct mqshm_buffer *buf, bool more)
{
	int ret;

	do {
		ret = mqshm_port_push(out, buf, more ? MQSHM_MORE : 0);
		if (ret == -EAGAIN || ret == -ENOTCONN)
			ret = wait_for(out) ?: -EAGAIN;
	} while (ret == -EAGAIN);
	return ret;
}

static int mqshm_source(const struct bench_flow *flow)
{
	struct mqshm_buffer buf;
	uint64_t sent = 0;
	unsigned int k;
	int ret;

	while (sent < flow->messages) {
		for (k = 0; k < flow->batch; k++) {
			do
				ret = mqshm_buffer_alloc(client, flow->bytes,
							 MQSHM_FOREVER, &buf);
			while (ret == -EAGAIN);
			if (ret)
				return ret;
			bench_stamp(mqshm_buffer_data(client, &buf), sent++);
			ret = push(&buf, k + 1 < flow->batch);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int message(const struct bench_flow *flow, struct mqshm_buffer *buf,
		   uint64_t number, bool more)
{
	(void)flow;
	if (!bench_check(mqshm_buffer_data(client, buf), number))
		return -EBADMSG;
	return out ? push(buf, more) : mqshm_buffer_release(client, buf);
}

static int mqshm_rest(const struct bench_flow *flow)
{
	struct mqshm_buffer bufs[64];
	uint64_t seen = 0;
	int n, k, ret;

	while (seen < flow->messages) {
		n = mqshm_port_pop_many(in, bufs, flow->batch);
		if (n == -EAGAIN) {
			ret = wait_for(in);
			if (ret)
				return ret;
			continue;
		}
		if (n < 0)
			return n;
		for (k = 0; k < n; k++) {
			ret = message(flow, &bufs[k], seen++, k + 1 < n);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int mqshm_run(const struct bench_flow *flow, unsigned int i)
{
	return i ? mqshm_rest(flow) : mqshm_source(flow);
}

static void mqshm_teardown(void)
{
	mqshm_runtime_close(runtime);
	runtime = NULL;
}

const struct bench_transport bench_mqshm = {
	.name = "mqshm",
	.setup = mqshm_setup,
	.ready = mqshm_ready,
	.connect = mqshm_connect_line,
	.run = mqshm_run,
	.device_calls = mqshm_device_calls,
	.teardown = mqshm_teardown,
};
