// SPDX-License-Identifier: GPL-2.0-only
/* Messages: what went wrong with which object, and the names that there are instead. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

/* Of what is being checked: "FILE:LINE: ", NULL for nothing. */
static char *place;

void fail_place(const char *file, unsigned int line)
{
	free(place);
	place = NULL;
	if (file && line)
		place = text("%s:%u: ", file, line);
	else if (file)
		place = text("%s: ", file);
}

int fail(const char *kind, const char *name, const char *format, ...)
{
	va_list args;
	char *shown = name ? show_name(name) : NULL;

	fflush(stdout);
	fprintf(stderr, "mqtool: %s%s%s%s: ", place ? place : "", kind, shown ? " " : "", shown ? shown : "");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	free(shown);
	return EXIT_FAILED;
}

int fail_errno(const char *kind, const char *name, int error)
{
	switch (error) {
	case -EINTR:
		return fail(kind, name, "interrupted");
	case -ESHUTDOWN:
		return fail(kind, name, "its runtime was removed");
	case -EOPNOTSUPP:
		return fail(kind, name, "a 32-bit mqtool cannot do this; a 64-bit one can");
	case -EACCES:
		return fail(kind, name, "no permission: the runtime's mode does not let you change it");
	default:
		return fail(kind, name, "%s", strerror(-error));
	}
}

static void *need(void *memory)
{
	if (!memory) {
		fputs("mqtool: memory: there is none left\n", stderr);
		exit(EXIT_FAILED);
	}
	return memory;
}

char *text(const char *format, ...)
{
	va_list args;
	char *s;

	va_start(args, format);
	if (vasprintf(&s, format, args) < 0)
		s = NULL;
	va_end(args);
	return need(s);
}

void *grow(void *array, size_t elements, size_t element_bytes)
{
	return need(reallocarray(array, elements, element_bytes));
}

void names_add(struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (!strcmp(names->name[i], name))
			return;
	names->name = grow(names->name, names->n + 1, sizeof(*names->name));
	names->name[names->n++] = text("%s", name);
}

void names_free(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct names){ 0 };
}

char *names_join(const struct names *names)
{
	char *joined = text("%s", names->n ? "" : "none");

	for (size_t i = 0; i < names->n; i++) {
		char *shown = show_name(names->name[i]);
		char *longer = text("%s%s%s", joined, i ? ", " : "", shown);

		free(shown);
		free(joined);
		joined = longer;
	}
	return joined;
}

/* Levenshtein's distance, by one row of his matrix at a time. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t n = strlen(b), row[128], diagonal, above;

	if (n + 1 > sizeof(row) / sizeof(*row))
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t best = diagonal + (a[i] != b[j]);

			above = row[j + 1];
			if (above + 1 < best)
				best = above + 1;
			if (row[j] + 1 < best)
				best = row[j] + 1;
			diagonal = above;
			row[j + 1] = best;
		}
	}
	return row[n];
}

static const char *nearest(const struct names *names, const char *wanted)
{
	size_t limit = strlen(wanted) / 3 + 1, best = SIZE_MAX;
	const char *found = NULL;

	for (size_t i = 0; i < names->n; i++) {
		size_t d = strcasecmp(wanted, names->name[i]) ?
			   edit_distance(wanted, names->name[i]) : 0;

		if (d < best && d <= limit) {
			best = d;
			found = names->name[i];
		}
	}
	return found;
}

char *names_hint(const struct names *names, const char *wanted, const char *what)
{
	const char *near = nearest(names, wanted);
	char *shown = near ? show_name(near) : NULL, *joined = names_join(names);
	char *hint = text("; %s%s%s%s: %s", shown ? "did you mean " : "", shown ? shown : "",
			  shown ? "? " : "", what, joined);

	free(joined);
	free(shown);
	return hint;
}
