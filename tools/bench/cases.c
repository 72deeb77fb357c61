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
static double scale;

/* @c, with a depth and a number of buffers that its size allows, and fewer messages of large ones. */
static struct bench_case *add(struct bench_case c, uint64_t messages)
{
	if (n_cases == CASES_MAX)
		abort();
	c.batch = c.batch ? c.batch : 1;
	c.depth = c.bytes >= MB ? 8 : c.bytes >= 64 * KB ? 32 : 256;
	if (c.depth < 2 * c.batch)
		c.depth = 2 * c.batch;
	c.buffers = 2 * c.depth * c.n_links + 64;
	c.messages = (uint64_t)(messages * scale / c.batch + 1) * c.batch;
	cases[n_cases] = c;
	return &cases[n_cases++];
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
		add(to_and_fro((struct bench_case) { .name = "latency", .bytes = sizes[i] }),
		    i < 2 ? 20000 : i < 3 ? 10000 : 1500);
}

static void latencies_asleep(void)
{
	static const enum bench_wait waits[] = { BENCH_SLEEP, BENCH_EVENTFD, BENCH_URING };

	for (unsigned int one_cpu = 0; one_cpu < 2; one_cpu++)
		for (unsigned int i = 0; i < 3; i++)
			add(to_and_fro((struct bench_case) {
				.name = "wake-up", .bytes = 64, .wait = waits[i],
				.one_cpu = one_cpu }), 3000);
}

static void throughputs(void)
{
	static const struct { unsigned int bytes, messages; } sizes[] = {
		{ 64, 400000 }, { 4 * KB, 100000 }, { 64 * KB, 6000 }, { MB, 300 },
	};
	static const unsigned int batches[] = { 1, 16, 64 };

	for (unsigned int payload = BENCH_UNTOUCHED; payload <= BENCH_TOUCHED; payload++)
		for (unsigned int i = 0; i < 4; i++)
			for (unsigned int k = 0; k < (sizes[i].bytes < MB ? 3 : 1); k++)
				add(line((struct bench_case) {
					.name = "throughput", .bytes = sizes[i].bytes,
					.batch = batches[k], .payload = payload }, 2),
				    sizes[i].messages);
}

static void graphs(void)
{
	struct bench_case base = { .bytes = 64, .batch = 16 };

	base.name = "fan-out";
	add(fan_out(base, 3), 60000);
	add(fan_out(base, 8), 30000);
	base.name = "fan-in";
	add(fan_in(base, 3), 40000);
	base.name = "chain";
	add(line(base, 5), 40000);
	base.name = "threads";
	base.threads = true;
	add(line(base, 2), 400000);
	base.batch = 1;
	add(line(base, 2), 400000);
}

size_t cases_make(double factor, bool asleep, struct bench_case **out)
{
	scale = factor;
	latencies();
	if (asleep)
		latencies_asleep();
	throughputs();
	graphs();
	*out = cases;
	return n_cases;
}

void case_describe(const struct bench_case *c, char *text, size_t bytes)
{
	static const char *const waits[] = { "", ", asleep in the call", ", asleep for an eventfd",
					     ", asleep in io_uring" };
	char batch[24] = "", processes[32] = "";

	if (!c->ping)
		snprintf(batch, sizeof(batch), ", batch %u", c->batch);
	if (c->processes > 2)
		snprintf(processes, sizeof(processes), ", %u processes", c->processes);
	snprintf(text, bytes, "%zu%s%s%s%s%s%s", c->bytes >= MB ? c->bytes / MB :
		 c->bytes >= KB ? c->bytes / KB : c->bytes,
		 c->bytes >= MB ? " MB" : c->bytes >= KB ? " KB" : " B", batch, processes,
		 c->payload == BENCH_TOUCHED ? ", written and read" : "", waits[c->wait],
		 c->one_cpu ? ", one processor" : "");
}
