// SPDX-License-Identifier: GPL-2.0-only
/* What repetitions gave, as tables. */
#include <stdio.h>

#include "cases.h"
#include "place.h"
#include "report.h"
#include "stat.h"

/*
 * Two threads of one core pass a line within the first; two cores that share a cache take at
 * least twice as long, within the second; others take longer still.
 */
#define SIBLINGS_NS	40
#define ACROSS_NS	150

const char *const report_places[PLACES] = { "siblings", "across", "far" };

enum place_kind report_place(const struct bench_result *r)
{
	double ns = (r->floor_ns[0] + r->floor_ns[1]) / 2;

	return ns < SIBLINGS_NS ? SIBLINGS : ns < ACROSS_NS ? ACROSS : FAR;
}

/* Values of one field of those results that came at @place, into @out; how many. */
#define values_of(row, place, field, out) ({					\
	size_t n_ = 0;								\
	for (unsigned int i_ = 0; i_ < (row)->n; i_++)				\
		if (report_place(&(row)->results[i_]) == (place))		\
			(out)[n_++] = (row)->results[i_].field;			\
	n_;									\
})

/* What is compared: time, or where there are more to run than processors, theirs. */
static double compared_ns(const struct row *row, enum place_kind place, bool by_cpu)
{
	double values[ROUNDS_MAX];

	return by_cpu ? stat_median(values, values_of(row, place, cpu_ns, values)) :
			stat_median(values, values_of(row, place, ns, values));
}

static void table_row(const struct row *row, const struct row *ours, enum place_kind place)
{
	double ns[ROUNDS_MAX], cpu[ROUNDS_MAX], p99[ROUNDS_MAX], q[3], base;
	size_t n = values_of(row, place, ns, ns);
	bool by_cpu = bench_by_cpu(row->peer, &row->c);

	if (!n)
		return;
	values_of(row, place, cpu_ns, cpu);
	values_of(row, place, p99, p99);
	stat_quantiles(ns, n, (const double[]){ 0.25, 0.5, 0.75 }, q, 3);
	base = compared_ns(ours, place, by_cpu);
	printf("  %-18s %-8s %4zu %10.1f %9.1f %9.1f", row->peer->name, report_places[place], n, q[1],
	       q[0], q[2]);
	if (row->c.ping)
		printf(" %9.1f", stat_median(p99, n));
	else
		printf(" %9s", "");
	printf(" %9.1f", stat_median(cpu, n));
	if (row->syscalls < 0)
		printf(" %8s", "?");
	else
		printf(" %8.3f", row->syscalls);
	if (base > 0)
		printf(" %8.2f%s", compared_ns(row, place, by_cpu) / base,
		       by_cpu ? " by cpu" : "");
	printf("\n");
}

void report_table(const struct row *rows, size_t n)
{
	char text[128];

	case_describe(&rows->c, text, sizeof(text));
	printf("%s: %s\n", rows->c.name, text);
	printf("  %-18s %-8s %4s %10s %9s %9s %9s %9s %8s %8s\n", "through", "cpus", "runs",
	       "ns/message", "quartile", "quartile", "p99", "cpu ns", "syscalls", "ratio");
	for (int place = 0; place < PLACES; place++)
		for (size_t i = 0; i < n; i++)
			table_row(&rows[i], &rows[0], place);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].missing)
			printf("  %-18s not measured: %s\n", rows[i].peer->name, rows[i].missing);
		else if (!rows[i].n)
			printf("  %-18s all %u repetitions rejected\n", rows[i].peer->name,
			       rows[i].rejected);
	}
	fflush(stdout);
}

void report_settle(const struct settle_result *settle)
{
	printf("settle: clients are killed; microseconds\n  %8s %8s %14s %10s %19s %19s %8s\n",
	       "clients", "held", "settle itself", "of bound", "SIGKILL to settled",
	       "no client: EOF", "ratio");
	for (unsigned int i = 0; i < SETTLE_CASES; i++) {
		const struct settle_result *s = &settle[i];

		printf("  %8u %8u %14.1f %10.2f", s->clients, s->held, s->settle_ns / 1e3,
		       s->settle_ns / (5000.0 * s->clients + 20.0 * s->held));
		/* who reaps settles, and not the kernel: there is nothing to compare */
		if (!place_settles_when_reaped)
			printf(" %19.1f %19.1f %8.2f", s->settled_ns / 1e3, s->eof_ns / 1e3,
			       s->settled_ns / s->eof_ns);
		printf("\n");
	}
}

void report_memory(const struct memory_result *m)
{
	printf("memory: of the module, bytes\n"
	       "  %8.2f a buffer, beside its payload\n  %8.2f a buffer and client\n"
	       "  %8.0f a client\n  %8.0f a connection of depth %u\n  %8.0f a runtime\n",
	       m->buffer, m->buffer_client, m->client, m->connection, MEMORY_DEPTH, m->runtime);
}
