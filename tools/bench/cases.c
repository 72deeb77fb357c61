// SPDX-License-Identifier: GPL-2.0-only
/* What is measured: kinds of graphs, and sizes, batches and ways to wait for each. */
#include <stdio.h>
#include <stdlib.h>

#include "cases.h"

#define CASES_MAX	128
#define KB		1024u
#define MB		(1024 * KB)

static struct bench_case cases[CASES_MAX];
static size_t n_cases;

/* @c, with a depth and a number of buffers that its size allows. */
static void add(struct bench_case c)
{
	if (n_cases == CASES_MAX)
		abort();
	c.peers = c.peers ? c.peers : bench_peers;
	c.batch = c.batch ? c.batch : 1;
	c.depth = c.bytes >= MB ? 8 : c.bytes >= 64 * KB ? 32 : 256;
	if (c.depth < 2 * c.batch)
		c.depth = 2 * c.batch;
	if (!c.buffers) {
		c.buffers = 2 * c.depth * c.n_links + 64;
		/* as in any pool of small ones: an eighth in reserve is as much as one call moves */
		if (c.bytes <= 64 * KB && c.buffers < (c.bytes < 64 * KB ? 1088 : 512))
			c.buffers = c.bytes < 64 * KB ? 1088 : 512;
	}
	cases[n_cases++] = c;
}

/* Links from 0 to all others, from all others to 0, or from each to the next one. */
static struct bench_case fan_out(struct bench_case c, unsigned int n)
{
	c.processes = n + 1;
	for (unsigned int i = 0; i < n; i++)
		c.links[c.n_links++] = (struct bench_link) { .from = 0, .to = i + 1 };
	return c;
}

static struct bench_case fan_in(struct bench_case c, unsigned int n)
{
	c.processes = n + 1;
	for (unsigned int i = 0; i < n; i++)
		c.links[c.n_links++] = (struct bench_link) { .from = i + 1, .to = 0 };
	return c;
}

static struct bench_case line(struct bench_case c, unsigned int n)
{
	c.processes = n;
	for (unsigned int i = 0; i + 1 < n; i++)
		c.links[c.n_links++] = (struct bench_link) { .from = i, .to = i + 1 };
	return c;
}

static struct bench_case to_and_fro(struct bench_case c)
{
	c.processes = 2;
	c.ping = true;
	c.n_links = 2;
	c.links[0] = (struct bench_link) { .from = 0, .to = 1 };
	c.links[1] = (struct bench_link) { .from = 1, .to = 0 };
	return c;
}

static void latencies(void)
{
	static const unsigned int sizes[] = { 64, 4 * KB, 64 * KB, MB };

	for (unsigned int i = 0; i < 4; i++)
		add(to_and_fro((struct bench_case) { .name = "latency", .bytes = sizes[i] }));
}

static void latencies_asleep(void)
{
	static const enum bench_wait waits[] = { BENCH_SLEEP, BENCH_EVENTFD, BENCH_URING };

	add(to_and_fro((struct bench_case) { .name = "wake-up", .bytes = 64, .wait = BENCH_LOOK }));
	for (unsigned int one_cpu = 0; one_cpu < 2; one_cpu++)
		for (unsigned int i = 0; i < 3; i++)
			add(to_and_fro((struct bench_case) {
				.name = "wake-up", .bytes = 64, .wait = waits[i],
				.one_cpu = one_cpu }));
}

static void throughputs(void)
{
	static const unsigned int sizes[] = { 64, 4 * KB, 64 * KB, MB };
	static const unsigned int batches[] = { 1, 16, 64 };

	for (unsigned int payload = BENCH_UNTOUCHED; payload <= BENCH_TOUCHED; payload++)
		for (unsigned int i = 0; i < 4; i++)
			for (unsigned int k = 0; k < (sizes[i] < MB ? 3 : 1); k++)
				add(line((struct bench_case) {
					.name = "throughput", .bytes = sizes[i],
					.batch = batches[k], .payload = payload }, 2));
}

static void graphs(void)
{
	struct bench_case base = { .bytes = 64, .batch = 16 };

	base.name = "fan-out";
	add(fan_out(base, 3));
	add(fan_out(base, 8));
	base.name = "fan-in";
	add(fan_in(base, 3));
	base.name = "chain";
	add(line(base, 5));
	base.name = "threads";
	base.threads = true;
	add(line(base, 2));
	base.batch = 1;
	add(line(base, 2));
}

/* From 0 to 1, from 2 to 3 and so on. */
static struct bench_case pairs(struct bench_case c, unsigned int n)
{
	c.processes = 2 * n;
	for (unsigned int i = 0; i < n; i++)
		c.links[c.n_links++] = (struct bench_link) { .from = 2 * i, .to = 2 * i + 1 };
	return c;
}

/* One to one, with more and more others there; then more who do the same. */
static void growths(void)
{
	static const unsigned int buffers[] = { 1024, 8192, 65536 };
	static const unsigned int idle[] = { 6, 22, 46 }, connections[] = { 64, 500 };
	struct bench_case base = {
		.name = "growth", .bytes = 64, .batch = 16, .peers = bench_peers_growth,
	};

	for (unsigned int i = 0; i < 3; i++) {
		base.buffers = buffers[i];
		add(line(base, 2));
	}
	base.buffers = 65536;
	for (unsigned int i = 0; i < 3; i++) {
		base.idle_clients = base.idle_connections = idle[i];
		add(line(base, 2));
	}
	for (unsigned int i = 0; i < 2; i++) {
		base.idle_connections = connections[i];
		add(line(base, 2));
	}
	base = (struct bench_case) {
		.name = "pairs", .bytes = 64, .batch = 16, .peers = bench_peers_pairs,
	};
	add(pairs(base, 2));
	add(pairs(base, 8));
	add(pairs(base, 24));
}

size_t cases_make(bool asleep, const struct bench_case **out)
{
	latencies();
	if (asleep)
		latencies_asleep();
	throughputs();
	graphs();
	growths();
	add((struct bench_case) { .name = "share", .processes = 1, .bytes = 64, .batch = 64,
				  .buffers = 64, .peers = bench_peers_share });
	add(line((struct bench_case) { .name = "start-up", .bytes = 4 * KB, .start = true }, 2));
	*out = cases;
	return n_cases;
}

void case_describe(const struct bench_case *c, char *text, size_t bytes)
{
	static const char *const waits[] = { "", ", asleep in the call", ", asleep for an eventfd",
					     ", asleep in io_uring",
					     ", in the call, which may look first" };
	char batch[24] = "", processes[32] = "", growth[80] = "";

	if (!c->ping && !c->start)
		snprintf(batch, sizeof(batch), ", batch %u", c->batch);
	if (c->processes > 2)
		snprintf(processes, sizeof(processes), ", %u processes", c->processes);
	if (c->peers == bench_peers_growth)
		snprintf(growth, sizeof(growth), ", %u buffers, %u idle clients, %u idle connections",
			 c->buffers, c->idle_clients, c->idle_connections);
	snprintf(text, bytes, "%zu%s%s%s%s%s%s%s", c->bytes >= MB ? c->bytes / MB :
		 c->bytes >= KB ? c->bytes / KB : c->bytes,
		 c->bytes >= MB ? " MB" : c->bytes >= KB ? " KB" : " B", batch, processes, growth,
		 c->payload == BENCH_TOUCHED ? ", written and read" : "", waits[c->wait],
		 c->one_cpu ? ", one processor" : "");
}
