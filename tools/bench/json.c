// SPDX-License-Identifier: GPL-2.0-only
/* What repetitions gave, as JSON. */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cases.h"
#include "place.h"
#include "report.h"

/* What there is none of is null. */
static struct json_object *number(double value, bool there)
{
	return there ? json_object_new_double(value) : NULL;
}

static struct json_object *run_json(const struct bench_result *r)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "ns", json_object_new_double(r->ns));
	json_object_object_add(o, "quartile_low_ns", number(r->quartile[0], r->p99 > 0));
	json_object_object_add(o, "quartile_high_ns", number(r->quartile[1], r->p99 > 0));
	json_object_object_add(o, "p99_ns", number(r->p99, r->p99 > 0));
	json_object_object_add(o, "cpu_ns", json_object_new_double(r->cpu_ns));
	json_object_object_add(o, "sender_ns", number(r->sender_ns, r->sender_ns > 0));
	json_object_object_add(o, "queued", json_object_new_double(r->queued));
	json_object_object_add(o, "floor_ns", json_object_new_double(
		(r->floor_ns[0] + r->floor_ns[1]) / 2));
	json_object_object_add(o, "cpus", json_object_new_string(
		report_places[report_place(r)]));
	return o;
}

static struct json_object *row_json(const struct row *row)
{
	static const char *const waits[] = { "poll", "call", "eventfd", "io_uring", "look" };
	struct json_object *o = json_object_new_object(), *runs = json_object_new_array();
	const struct bench_case *c = &row->c;
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
	json_object_object_add(o, "buffers", json_object_new_int(c->buffers));
	json_object_object_add(o, "idle_clients", json_object_new_int(c->idle_clients));
	json_object_object_add(o, "idle_connections", json_object_new_int(c->idle_connections));
	json_object_object_add(o, "messages", json_object_new_uint64(c->messages));
	json_object_object_add(o, "by", json_object_new_string(
		bench_by_cpu(row->peer, c) ? "cpu" : "time"));
	json_object_object_add(o, "syscalls", number(row->syscalls, row->syscalls >= 0));
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

static struct json_object *memory_json(const struct memory_result *m)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "buffer_bytes", json_object_new_double(m->buffer));
	json_object_object_add(o, "buffer_client_bytes", json_object_new_double(m->buffer_client));
	json_object_object_add(o, "client_bytes", json_object_new_double(m->client));
	json_object_object_add(o, "connection_bytes", json_object_new_double(m->connection));
	json_object_object_add(o, "runtime_bytes", json_object_new_double(m->runtime));
	return o;
}

int report_json(const struct row *rows, size_t n, const struct settle_result *settle,
		const struct memory_result *memory, const char *path)
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
	json_object_object_add(o, "memory", memory ? memory_json(memory) : NULL);
	if (!strcmp(path, "-"))
		printf("%s\n", json_object_to_json_string_ext(o, flags));
	else if (json_object_to_file_ext(path, o, flags))
		error = errno ? -errno : -EIO;
	json_object_put(o);
	return error;
}
