// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a buffer, a client and a connection cost in memory, beside payload: all that the
 * module allocates, counted by its allocator, and what the library does. The bounds are a
 * promise: 32 bytes a buffer and 2 more for each client that may have it, 16 KiB a
 * connection of 256 messages.
 */
#include <malloc.h>
#include <stdio.h>

#include "test.h"

#define BUFFERS		65536
#define FEW		64
#define CONNECTIONS	64
#define DEPTH		256

static struct mqshm_runtime *runtime;

/* Bytes of module and library now. */
static size_t memory_used(void)
{
	return host_allocated_bytes() + mallinfo2().uordblks;
}

static void test_cost(const char *what, size_t bytes, unsigned int n, double most)
{
	double each = (double)bytes / n;

	test_ok(each <= most, "%s: %.2f bytes, %.0f allowed", what, each, most);
}

static void pool_cost(void)
{
	size_t before = memory_used();

	test_check(mqshm_pool_create(runtime, "many", 64, BUFFERS), "pool");
	test_cost("a buffer", memory_used() - before - 64 * BUFFERS, BUFFERS, 32);
}

static struct mqshm_client *client_join(const char *name, size_t *bytes)
{
	size_t before = memory_used();
	struct mqshm_client *c;

	test_check(mqshm_client_join(name, NULL, &c), "join");
	*bytes = memory_used() - before;
	return c;
}

/* Beside one of a runtime with few buffers; all pages of its hold row are there, touched or not. */
static struct mqshm_client *client_cost(void)
{
	struct mqshm_runtime_options options = { .limits.buffers = FEW };
	struct mqshm_client *c, *other;
	size_t bytes, other_bytes;
	struct mqshm_runtime *few;

	test_check(mqshm_runtime_create("few", &options, &few), "runtime");
	other = client_join("few", &other_bytes);
	c = client_join(RUNTIME, &bytes);
	test_cost("a buffer and client", bytes - other_bytes, BUFFERS, 2);
	test_note("a client: %zu bytes", other_bytes);
	mqshm_client_close(other);
	mqshm_runtime_close(few);
	return c;
}

/* Both ends taken, by the same client, so that the library's part of both is in it. */
static void connection_cost(struct mqshm_client *c)
{
	struct mqshm_port_spec in = { .name = "in", .direction = MQSHM_DIR_IN, .depth = DEPTH };
	struct mqshm_port_spec out = { .name = "out", .direction = MQSHM_DIR_OUT };
	struct mqshm_block *b;
	char to[32];
	size_t before;
	unsigned int i;

	test_check(mqshm_block_create(c, "from", "Test", MQSHM_CLASS_SOURCE, &out, 1, &b),
		   "block");
	for (i = 0; i < CONNECTIONS; i++) {
		snprintf(to, sizeof(to), "to%u", i);
		test_check(mqshm_block_create(c, to, "Test", MQSHM_CLASS_SINK, &in, 1, &b),
			   "block");
	}
	before = memory_used();
	for (i = 0; i < CONNECTIONS; i++) {
		snprintf(to, sizeof(to), "to%u", i);
		test_check(mqshm_connect(runtime, "from", to, NULL), "connect");
	}
	if (mqshm_client_update(c) < 0)
		test_die("update", 0);
	test_cost("a connection of 256", memory_used() - before, CONNECTIONS, 16384);
}

int main(void)
{
	struct mqshm_client *c;

	host_start();
	test_check(mqshm_runtime_create(RUNTIME, NULL, &runtime), "runtime");
	pool_cost();
	c = client_cost();
	connection_cost(c);
	mqshm_client_close(c);
	mqshm_runtime_close(runtime);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
