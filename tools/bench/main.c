// SPDX-License-Identifier: GPL-2.0-only
/*
 * mqshm-bench: messages through mqshm, a pipe and a Unix socket, interleaved run by
 * run; and the time that a death takes. Medians; ratios are within one run.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define ROUNDS_MAX	101

static const struct bench_transport *const transports[] = {
	&bench_mqshm, &bench_pipe, &bench_socket,
};
#define TRANSPORTS	(sizeof(transports) / sizeof(transports[0]))

struct options {
	unsigned int rounds;
	double scale;
	bool json;
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static void print_row(const struct bench_flow *flow, const char *name,
		      const struct bench_result *r, double ratio, bool json, bool last)
{
	if (json)
		printf("    {\"processes\": %u, \"bytes\": %zu, \"batch\": %u, \"transport\": \"%s\", "
		       "\"ns\": %.1f, \"syscalls\": %.4f, \"device_calls\": %.4f, \"ratio\": %.2f}%s\n",
		       flow->processes, flow->bytes, flow->batch, name, r->ns, r->syscalls,
		       r->device, ratio, last ? "" : ",");
	else if (r->syscalls < 0)
		printf("%9u %8zu %6u  %-12s %12.0f %10s %8.3f %8.2f\n", flow->processes,
		       flow->bytes, flow->batch, name, r->ns, "?", r->device, ratio);
	else
		printf("%9u %8zu %6u  %-12s %12.0f %10.3f %8.3f %8.2f\n", flow->processes,
		       flow->bytes, flow->batch, name, r->ns, r->syscalls, r->device, ratio);
}

static int flow_case(const struct bench_flow *flow, const struct options *o, bool last)
{
	static double ns[TRANSPORTS][ROUNDS_MAX], calls[TRANSPORTS][ROUNDS_MAX],
		      device[TRANSPORTS][ROUNDS_MAX];
	struct bench_result median[TRANSPORTS];
	unsigned int round;
	size_t k;
	int ret;

	for (round = 0; round < o->rounds; round++) {
		for (k = 0; k < TRANSPORTS; k++) {
			struct bench_result r;

			ret = bench_flow_run(transports[k], flow, &r);
			if (ret)
				return ret;
			ns[k][round] = r.ns;
			calls[k][round] = r.syscalls;
			device[k][round] = r.device;
		}
	}
	for (k = 0; k < TRANSPORTS; k++) {
		median[k].ns = bench_median(ns[k], o->rounds);
		median[k].syscalls = bench_median(calls[k], o->rounds);
		median[k].device = bench_median(device[k], o->rounds);
		print_row(flow, transports[k]->name, &median[k], median[k].ns / median[0].ns,
			  o->json, last && k + 1 == TRANSPORTS);
	}
	fflush(stdout);
	return 0;
}

static int flows(const struct options *o)
{
	static const size_t bytes[] = { 64, 65536 };
	static const unsigned int batches[] = { 1, 32 };
	unsigned int processes, i, k;
	int ret = 0;

	if (!o->json)
		printf("Messages down a line of processes (medians of %u runs, interleaved)\n"
		       "%9s %8s %6s  %-12s %12s %10s %8s %8s\n", o->rounds, "processes",
		       "bytes", "batch", "through", "ns/message", "syscalls", "mqshm", "ratio");
	for (processes = 2; processes <= 3; processes++)
		for (i = 0; i < 2; i++)
			for (k = 0; !ret && k < 2; k++) {
				struct bench_flow flow = {
					.processes = processes, .bytes = bytes[i],
					.batch = batches[k],
				};
				uint64_t n = (bytes[i] > 4096 ? 3200 : 32000) * o->scale;

				flow.messages = (n / 32 + 1) * 32;
				ret = flow_case(&flow, o, processes == 3 && i && k);
			}
	return ret;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	char *end;

	switch (key) {
	case 'r':
		o->rounds = strtoul(arg, &end, 10);
		if (*end || o->rounds < 1 || o->rounds > ROUNDS_MAX)
			argp_error(state, "--rounds takes a number from 1 to %d", ROUNDS_MAX);
		return 0;
	case 's':
		o->scale = strtod(arg, &end);
		if (*end || !(o->scale > 0 && o->scale <= 1000))
			argp_error(state, "--scale takes a number above 0, at most 1000");
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "takes no arguments");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp_option keys[] = {
		{ "rounds", 'r', "N", 0, "runs of each case (5)", 0 },
		{ "scale", 's', "X", 0, "times as many messages (1)", 0 },
		{ "json", 'j', NULL, 0, "results as JSON", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = keys, .parser = parse,
		.doc = "Measures mqshm beside a pipe and a Unix socket.",
	};
	struct options o = { .rounds = 5, .scale = 1 };
	int ret;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (o.json)
		printf("{\n  \"flows\": [\n");
	ret = flows(&o);
	if (o.json)
		printf("  ],\n  \"settle\": [\n");
	if (!ret)
		ret = bench_settle(o.rounds * 4, o.json);
	if (o.json)
		printf("  ]\n}\n");
	if (ret)
		fprintf(stderr, "mqshm-bench: %s\n", ret == -ENODEV ?
			"the module is not loaded: insmod mqshm.ko, or make bench" :
			strerror(-ret));
	return ret ? 1 : 0;
}
