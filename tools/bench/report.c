// SPDX-License-Identifier: GPL-2.0-only
/* What repetitions gave, as a table and as JSON. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cases.h"
#include "place.h"
#include "report.h"
#include "stat.h"

/* Two threads of one core pass a line within this, two cores take at least twice as long. */
#define SIBLINGS_NS	40

enum place_kind report_place(const struct bench_result *r)
{
	return (r->floor_ns[0] + r->floor_ns[1]) / 2 < SIBLINGS_NS ? SIBLINGS : ACROSS;
}

/* Values of one field of those results that came at @place, into @out; how many. */
#define values_of(row, place, field, out) ({					\
	size_t n_ = 0;								\
	for (unsigned int i_ = 0; i_ < (row)->n; i_++)				\
		if (report_place(&(row)->results[i_]) == (place))		\
			(out)[n_++] = (row)->results[i_].field;			\
	n_;									\
})

static double median_ns(const struct row *row, enum place_kind place)
{
	double values[ROUNDS_MAX];

	return stat_median(values, values_of(row, place, ns, values));
}

static void table_row(const struct row *row, const struct row *ours, enum place_kind place)
{
	static const char *const names[PLACES] = { "siblings", "across" };
	double ns[ROUNDS_MAX], cpu[ROUNDS_MAX], calls[ROUNDS_MAX], p99[ROUNDS_MAX], q[3], base;
	size_t n = values_of(row, place, ns, ns);

	if (!n)
		return;
	values_of(row, place, cpu_ns, cpu);
	values_of(row, place, syscalls, calls);
	values_of(row, place, p99, p99);
	stat_quantiles(ns, n, (const double[]){ 0.25, 0.5, 0.75 }, q, 3);
	base = median_ns(ours, place);
	printf("  %-18s %-8s %4zu %10.1f %9.1f %9.1f %9.1f %9.1f", row->peer->name, names[place], n,
	       q[1], q[0], q[2], stat_median(p99, n), stat_median(cpu, n));
	if (calls[0] < 0)
		printf(" %8s", "?");
	else
		printf(" %8.3f", stat_median(calls, n));
	if (base > 0)
		printf(" %8.2f", q[1] / base);
	printf("\n");
}

void report_table(const struct row *rows, size_t n)
{
	char text[128];

	case_describe(rows->c, text, sizeof(text));
	printf("%s: %s\n", rows->c->name, text);
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

static struct json_object *run_json(const struct bench_result *r)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ns", json_object_new_double(r->ns));
	json_object_object_add(o, "quartile_low_ns", json_object_new_double(r->quartile[0]));
	json_object_object_add(o, "quartile_high_ns", json_object_new_double(r->quartile[1]));
	json_object_object_add(o, "p99_ns", json_object_new_double(r->p99));
	json_object_object_add(o, "cpu_ns", json_object_new_double(r->cpu_ns));
	json_object_object_add(o, "sender_cpu_ns", json_object_new_double(r->sender_cpu_ns));
	json_object_object_add(o, "queued", json_object_new_double(r->queued));
	json_object_object_add(o, "syscalls", r->syscalls < 0 ? NULL :
			       json_object_new_double(r->syscalls));
	json_object_object_add(o, "floor_ns", json_object_new_double(
		(r->floor_ns[0] + r->floor_ns[1]) / 2));
	json_object_object_add(o, "cpus", json_object_new_string(
		report_place(r) == SIBLINGS ? "siblings" : "across"));
	return o;
}

static struct json_object *row_json(const struct row *row)
{
	static const char *const waits[] = { "poll", "call", "eventfd", "io_uring" };
	struct json_object *o = json_object_new_object(), *runs = json_object_new_array();
	const struct bench_case *c = row->c;
	char text[128];

	case_describe(c, text, sizeof(text));
	json_object_object_add(o, "case", json_object_new_string(c->name));
	json_object_object_add(o, "text", json_object_new_string(text));
	json_object_object_add(o, "peer", json_object_new_string(row->peer->name));
	json_object_object_add(o, "bytes", json_object_new_uint64(c->bytes));
	json_object_object_add(o, "batch", json_object_new_int(c->batch));
	json_object_object_add(o, "processes", json_object_new_int(c->processes));
	json_object_object_add(o, "touched", json_object_new_boolean(c->payload == BENCH_TOUCHED));
	json_object_object_add(o, "wait", json_object_new_string(waits[c->wait]));
	json_object_object_add(o, "one_cpu", json_object_new_boolean(c->one_cpu));
	json_object_object_add(o, "rejected", json_object_new_int(row->rejected));
	json_object_object_add(o, "missing", row->missing ?
			       json_object_new_string(row->missing) : NULL);
	for (unsigned int i = 0; i < row->n; i++)
		json_object_array_add(runs, run_json(&row->results[i]));
	json_object_object_add(o, "runs", runs);
	return o;
}

/* The value of a line of /proc/cpuinfo. */
static void cpu_model(char *out, size_t bytes)
{
	FILE *f = fopen("/proc/cpuinfo", "r");
	char line[256];

	snprintf(out, bytes, "?");
	while (f && fgets(line, sizeof(line), f)) {
		char *value = strchr(line, ':');

		if (value && !strncmp(line, "model name", 10)) {
			snprintf(out, bytes, "%.*s", (int)strcspn(value + 2, "\n"), value + 2);
			break;
		}
	}
	if (f)
		fclose(f);
}

static struct json_object *machine_json(void)
{
	struct json_object *o = json_object_new_object();
	struct utsname u;
	char cpu[128];

	uname(&u);
	cpu_model(cpu, sizeof(cpu));
	json_object_object_add(o, "cpu", json_object_new_string(cpu));
	json_object_object_add(o, "processors",
			       json_object_new_int(sysconf(_SC_NPROCESSORS_ONLN)));
	json_object_object_add(o, "kernel", json_object_new_string(u.release));
	json_object_object_add(o, "compiler", json_object_new_string(__VERSION__));
	return o;
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

static struct json_object *settle_json(const struct settle_result *s)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "clients", json_object_new_int(s->clients));
	json_object_object_add(o, "held", json_object_new_int(s->held));
	json_object_object_add(o, "settle_ns", json_object_new_double(s->settle_ns));
	if (!place_settles_when_reaped) {
		json_object_object_add(o, "settled_ns", json_object_new_double(s->settled_ns));
		json_object_object_add(o, "eof_ns", json_object_new_double(s->eof_ns));
	}
	return o;
}

int report_json(const struct row *rows, size_t n, const struct settle_result *settle,
		const char *path)
{
	struct json_object *deaths = json_object_new_array();
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	int flags = JSON_C_TO_STRING_PRETTY, error = 0;

	json_object_object_add(o, "place", json_object_new_string(place_name));
	json_object_object_add(o, "machine", machine_json());
	for (size_t i = 0; i < n; i++)
		json_object_array_add(list, row_json(&rows[i]));
	json_object_object_add(o, "rows", list);
	for (unsigned int i = 0; settle && i < SETTLE_CASES; i++)
		json_object_array_add(deaths, settle_json(&settle[i]));
	json_object_object_add(o, "settle", deaths);
	if (!strcmp(path, "-"))
		printf("%s\n", json_object_to_json_string_ext(o, flags));
	else if (json_object_to_file_ext(path, o, flags))
		error = errno ? -errno : -EIO;
	json_object_put(o);
	return error;
}
