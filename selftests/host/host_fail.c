// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation of the module fails once: the life of a small graph is run again
 * and again, with the first, the second, the third allocation failing, until none
 * is left to fail. Each time the library reports an error, nothing is left behind
 * and the next run finds the module as it was. Who could not join was never there.
 */
#include <errno.h>

#include <mqshm_bus.h>

#include "test.h"

/* A message to itself; another is in the queue when it closes. */
static int bus_live(void)
{
	struct mqshm_post post = { .topic = "topic", .payload = "payload", .payload_bytes = 7 };
	const struct mqshm_bus_message *m;
	struct mqshm_bus *bus;
	int r, i;

	r = mqshm_bus_open(RUNTIME, NULL, &bus);
	if (r)
		return r;
	r = mqshm_bus_subscribe(bus, "");
	for (i = 0; i < 2 && r >= 0; i++)
		r = mqshm_bus_publish(bus, &post, NULL);
	if (r >= 0)
		r = mqshm_bus_receive(bus, &m, MQSHM_NO_WAIT);
	if (!r)
		r = mqshm_bus_publish(bus, &post, NULL);
	r = r < 0 ? r : 0;
	mqshm_bus_close(bus);
	return r;
}

/* Whether everything went well; the first error ends it. */
static int client_live(struct mqshm_runtime *rt, struct mqshm_client *c)
{
	static const struct mqshm_port_spec specs[] = {
		{ .name = "in", .direction = MQSHM_DIR_IN, .depth = 600 },
		{ .name = "out", .direction = MQSHM_DIR_OUT },
	};
	struct mqshm_buffer buf;
	struct mqshm_block *b;
	int r;

	r = mqshm_block_create(c, "block", "Test", MQSHM_CLASS_PROCESSING, specs, 2, &b);
	if (!r)
		r = mqshm_connect(rt, "block:out", "block:in", NULL);
	if (!r)
		r = mqshm_client_update(c);
	if (r < 0)
		return r;
	r = mqshm_buffer_alloc(c, 64, MQSHM_NO_WAIT, &buf);
	if (!r)
		r = mqshm_port_push(mqshm_block_port(b, "out"), &buf, 0);
	if (!r)
		r = mqshm_port_pop(mqshm_block_port(b, "in"), &buf);
	if (!r)
		r = mqshm_buffer_release(c, &buf);
	if (!r)
		mqshm_block_remove(b);
	return r;
}

static int graph_live(void)
{
	struct mqshm_client *c;
	struct mqshm_runtime *rt;
	int r;

	r = mqshm_runtime_create(RUNTIME, NULL, &rt);
	if (r)
		return r;
	r = mqshm_pool_create(rt, "pool", 5000, 40);
	if (!r)
		r = bus_live();
	if (!r)
		r = mqshm_client_join(RUNTIME, NULL, &c);
	if (!r) {
		r = client_live(rt, c);
		mqshm_client_close(c);
	}
	mqshm_runtime_close(rt);
	return r;
}

static int bare_join(void)
{
	struct mqshm_runtime_open_args open = {
		.size = sizeof(open), .name = RUNTIME, .uid = MQSHM_UID_SELF,
	};
	struct mqshm_client_join_args join = { .size = sizeof(join), .name = "bare" };
	int fd = host_sys_open(), r;

	test_check(host_sys_ioctl(fd, MQSHM_IOC_RUNTIME_OPEN, &open), "open");
	for (unsigned int n = 0; ; n++) {
		host_fail_allocation((int)n);
		r = host_sys_ioctl(fd, MQSHM_IOC_CLIENT_JOIN, &join);
		host_fail_allocation(-1);
		if (r != -ENOMEM)
			break;
	}
	host_sys_close(fd);
	return r;
}

/* What is left of the one that joined at last, and of those that did not. */
static void joins(void)
{
	struct mqshm_runtime *rt = runtime_make(64, 1);
	struct mqshm_monitor *m;
	struct mqshm_snapshot *snap;
	struct mqshm_notice notice;
	unsigned int told = 0;
	int r;

	test_check(mqshm_monitor_open(RUNTIME, &m), "monitor");
	r = bare_join();
	while (!mqshm_monitor_next(m, &notice, MQSHM_NO_WAIT))
		told++;
	test_check(mqshm_runtime_snapshot(rt, &snap), "snapshot");
	test_ok(!r && told == 3 && snap->runtimes[0].settled == 1,
		"who could not join was never there");
	mqshm_snapshot_free(snap);
	mqshm_monitor_close(m);
	mqshm_runtime_close(rt);
}

int main(void)
{
	unsigned int n, silent = 0, odd = 0;
	long before, left = 0;
	int r = -1;

	host_start();
	test_ok(!graph_live(), "without a failure");
	before = host_allocations();
	for (n = 0; r && n < 10000; n++) {
		bool failed;

		host_fail_allocation((int)n);
		r = graph_live();
		failed = host_allocation_failed();
		host_fail_allocation(-1);
		silent += failed && !r;
		odd += r && r != -ENOMEM;
		if (r && r != -ENOMEM)
			test_note("allocation %u: error %d", n, r);
		if (host_allocations() != before)
			left++;
		if (!failed)
			break;
		r = -1;
	}
	test_note("%u allocations failed, %u of them unnoticed, %u with another error than ENOMEM",
		  n, silent, odd);
	test_ok(n > 20 && !left, "nothing is left after a failed allocation");
	test_ok(!r, "and all goes well after the last one");
	joins();
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
