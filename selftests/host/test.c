// SPDX-License-Identifier: GPL-2.0-only
/* What the tests of the harness have in common. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

/* Of a sanitizer: children end by _exit or SIGKILL, the harness counts leaks itself. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* Of the one that looks for races: room for the stacks of both sides; a crash is one. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "history_size=5:abort_on_error=1";
}

static unsigned int races;

/* It calls this with each report, under locks of its own: no place to find that one was killed. */
void __tsan_on_report(const void *report);
__attribute__((no_sanitize("thread"))) void __tsan_on_report(const void *report)
{
	(void)report;
	__atomic_fetch_add(&races, 1, __ATOMIC_RELAXED);
}

static unsigned int tests, failures;

bool test_ok(bool good, const char *format, ...)
{
	va_list args;

	printf("%sok %u ", good ? "" : "not ", ++tests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	failures += !good;
	return good;
}

void test_note(const char *format, ...)
{
	va_list args;

	printf("# ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

void test_die(const char *what, int error)
{
	fprintf(stderr, "# process %d: %s: %s\n", getpid(), what, strerror(-error));
	_exit(1);
}

int test_end(void)
{
#ifdef HOST_TSAN
	test_ok(!races, "no data race: %u reports", races);
#endif
	printf("1..%u\n", tests);
	return failures ? 1 : 0;
}

void *test_shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		test_die("shared memory", -errno);
	return p;
}

struct mqshm_runtime *runtime_make(uint32_t buffer_bytes, uint32_t buffers)
{
	/* no larger than needed: what is mapped is copied, compared and looked through */
	struct mqshm_runtime_options options = {
		.limits = { .buffers = buffers, .connections = 64 },
	};
	struct mqshm_runtime *rt;

	test_check(mqshm_runtime_create(RUNTIME, &options, &rt), "runtime");
	test_check(mqshm_pool_create(rt, "pool", buffer_bytes, buffers), "pool");
	return rt;
}

void node_make(struct node *n, const char *name, unsigned int ins, unsigned int outs,
	       uint32_t depth, uint64_t spin_ns)
{
	struct mqshm_client_options options = { .process_name = name, .spin_ns = spin_ns };
	char names[8][16];
	struct mqshm_port_spec specs[8] = {};
	unsigned int i;

	memset(n, 0, sizeof(*n));
	for (i = 0; i < ins + outs; i++) {
		snprintf(names[i], sizeof(names[i]), "%s%u", i < ins ? "in" : "out",
			 i < ins ? i + 1 : i - ins + 1);
		specs[i].name = names[i];
		specs[i].direction = i < ins ? MQSHM_DIR_IN : MQSHM_DIR_OUT;
		specs[i].depth = i < ins ? depth : 0;
	}
	test_check(mqshm_client_join(RUNTIME, &options, &n->client), "join");
	test_check(mqshm_block_create(n->client, name, "Test", MQSHM_CLASS_PROCESSING, specs,
				      ins + outs, &n->block), "block");
	for (i = 0; i < ins; i++)
		n->in[i] = mqshm_block_port(n->block, names[i]);
	for (i = 0; i < outs; i++)
		n->out[i] = mqshm_block_port(n->block, names[ins + i]);
}

static void ports_report(struct mqshm_port *const ports[4], uint64_t *connections)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < 4 && ports[i]; i++)
		sum += mqshm_port_connections(ports[i]);
	__atomic_store_n(connections, sum, __ATOMIC_RELAXED);
}

void node_report(struct node *n)
{
	if (!n->connections)
		return;
	ports_report(n->in, &n->connections[MQSHM_DIR_IN]);
	ports_report(n->out, &n->connections[MQSHM_DIR_OUT]);
}

void node_push(struct node *n, struct mqshm_port *p, struct mqshm_buffer *buf, uint32_t flags)
{
	for (;;) {
		int r = mqshm_port_push(p, buf, flags);

		node_report(n);
		if (!r)
			return;
		if (r != -EAGAIN && r != -ENOTCONN)
			test_die("push", r);
		test_check(mqshm_wait(n->client, &p, 1, MQSHM_FOREVER, NULL), "wait for room");
	}
}

int node_pop(struct node *n, struct mqshm_port *p, struct mqshm_buffer *buf)
{
	for (;;) {
		int r = mqshm_port_pop(p, buf);

		node_report(n);
		if (r != -EAGAIN)
			return r;
		test_check(mqshm_wait(n->client, &p, 1, MQSHM_FOREVER, NULL), "wait for input");
	}
}

void node_alloc(struct node *n, size_t bytes, struct mqshm_buffer *buf)
{
	int r;

	do {
		r = mqshm_buffer_alloc(n->client, bytes, MQSHM_FOREVER, buf);
		node_report(n);
	} while (r == -EAGAIN);
	test_check(r, "alloc");
}
