// SPDX-License-Identifier: GPL-2.0-only
/* What is in a recording: for people, or as JSON. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../blocks/recording.h"
#include "mqtool.h"

/* 2026-11-23 15:04:05 */
static char *date_text(uint64_t ns)
{
	time_t s = (time_t)(ns / 1000000000);
	char buffer[32];
	struct tm tm;

	if (!localtime_r(&s, &tm) || !strftime(buffer, sizeof(buffer), "%F %T", &tm))
		return text("?");
	return text("%s", buffer);
}

static struct json_object *message_json(const struct recording_entry *e, uint64_t began_ns)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "number", json_object_new_uint64(e->number));
	json_object_object_add(o, "length", json_object_new_uint64(e->length));
	json_object_object_add(o, "time_ns", json_object_new_uint64(e->at_ns - began_ns));
	json_object_object_add(o, "data_ns", json_object_new_uint64(e->data_ns));
	return o;
}

static struct json_object *head_json(const struct recording_reader *r, const char *source)
{
	struct json_object *o = json_object_new_object();
	char *shown = show_utf8(source);

	json_object_object_add(o, "source", json_object_new_string(shown));
	json_object_object_add(o, "began_ns", json_object_new_uint64(r->head.began_ns));
	json_object_object_add(o, "date_ns", json_object_new_uint64(r->head.date_ns));
	json_object_object_add(o, "messages", json_object_new_uint64(r->totals.messages));
	json_object_object_add(o, "bytes", json_object_new_uint64(r->totals.bytes));
	json_object_object_add(o, "dropped", json_object_new_uint64(r->totals.dropped));
	json_object_object_add(o, "duration_ns",
			       json_object_new_uint64(r->entry.at_ns - r->head.began_ns));
	json_object_object_add(o, "complete", json_object_new_boolean(r->complete));
	free(shown);
	return o;
}

static void print_message(const struct recording_entry *e, uint64_t began_ns, uint64_t missing)
{
	if (missing)
		printf("%12s  %llu dropped\n", "", (unsigned long long)missing);
	printf("%10llu  %14.6f s  %10u  %20llu\n", (unsigned long long)e->number,
	       (e->at_ns - began_ns) / 1e9, e->length, (unsigned long long)e->data_ns);
}

static void print_summary(const struct recording_reader *r, const char *name)
{
	char *date = date_text(r->head.date_ns), *bytes = show_bytes(r->totals.bytes);
	char *length = show_duration(r->entry.at_ns - r->head.began_ns);
	char *source = show_name(r->head.source);

	printf("%s: %llu message%s%s%s, %s, in %s from %s on; %llu dropped%s\n", name,
	       (unsigned long long)r->totals.messages, r->totals.messages == 1 ? "" : "s",
	       *source ? " of " : "", source, bytes, length, date,
	       (unsigned long long)r->totals.dropped,
	       r->complete ? "" : "; it was cut off behind the last of these");
	free(date);
	free(bytes);
	free(length);
	free(source);
}

/* All messages; shows each, or adds it to @array, if that is wanted. */
static int read_all(struct recording_reader *r, bool print, struct json_object *array)
{
	struct recording_entry e;
	uint64_t next;
	int more;

	while (next = r->next, (more = recording_next(r)) > 0) {
		e = r->entry;
		if (!recording_payload(r, NULL))
			return 0;
		if (print)
			print_message(&e, r->head.began_ns, e.number - next);
		if (array)
			json_object_array_add(array, message_json(&e, r->head.began_ns));
	}
	return more;
}

static int show(struct recording_reader *r, const char *name, bool each, bool json)
{
	struct json_object *o, *array = json && each ? json_object_new_array() : NULL;
	bool print = each && !json;
	int error;

	if (print)
		printf("%10s  %16s  %10s  %20s\n", "Number", "Time", "Length", "Data ns");
	error = read_all(r, print, array);
	if (json) {
		o = head_json(r, r->head.source);
		if (array)
			json_object_object_add(o, "entries", array);
		if (json_print(o))
			return EXIT_FAILED;
	} else {
		print_summary(r, name);
	}
	return error ? fail("recording", name, "byte %llu: %s", (unsigned long long)r->at,
			    r->wrong) : EXIT_DONE;
}

int recording_show(const char *name, bool each, bool json)
{
	FILE *file = strcmp(name, "-") ? fopen(name, "rbe") : stdin;
	struct recording_reader r;
	int status;

	if (!file)
		return fail("recording", name, "cannot be read: %s", strerror(errno));
	if (recording_open(&r, file))
		status = fail("recording", name, "%s", r.wrong);
	else
		status = show(&r, name, each, json);
	if (file != stdin)
		fclose(file);
	return status;
}
