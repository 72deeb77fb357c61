// SPDX-License-Identifier: GPL-2.0-only
/*
 * mqshm-bench: messages through mqshm and through what people use otherwise, the same
 * graphs, one after the other in each round. Medians; ratios are of one run.
 */
#include <argp.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "place.h"
#include "rounds.h"

#define PEERS_MAX	16

/**
 * struct options - the command line
 * @rounds: repetitions of each case by each peer, and how they are made
 * @cases: pattern of their names
 * @peers: pattern of their names; NULL for all
 * @json: where to, or NULL
 * @table: tables on standard output
 * @list: only say what there is
 */
struct options {
	struct rounds rounds;
	const char *cases;
	const char *peers;
	const char *json;
	bool table;
	bool list;
};

static bool wanted(const char *pattern, const char *name)
{
	return !pattern || !fnmatch(pattern, name, FNM_CASEFOLD | FNM_EXTMATCH);
}

/* By its name; with a colon, by that and what is special about it, as in the head of its table. */
static bool case_wanted(const struct options *o, const struct bench_case *c)
{
	char text[128], title[192];

	if (!o->cases || !strchr(o->cases, ':'))
		return wanted(o->cases, c->name);
	case_describe(c, text, sizeof(text));
	snprintf(title, sizeof(title), "%s: %s", c->name, text);
	return wanted(o->cases, title);
}

static bool any_wanted(const struct options *o, const struct bench_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (case_wanted(o, &cases[i]))
			return true;
	return wanted(o->cases, "settle") || wanted(o->cases, "memory");
}

/* Rows of one case, each peer that is asked for. */
static size_t rows_make(const struct options *o, const struct bench_case *c, size_t index,
			struct row *rows)
{
	size_t n = 0;

	for (unsigned int i = 0; c->peers[i]; i++) {
		const struct bench_peer *p = c->peers[i];

		/* the first one is what the others are compared with */
		if (!i || wanted(o->peers, p->name))
			rows[n++] = (struct row) { .index = index, .c = *c, .peer = p,
						   .missing = p->missing(c), .syscalls = -1 };
	}
	return n;
}

/* Rows of all cases that are asked for. */
static size_t rows_make_all(const struct options *o, const struct bench_case *cases,
			    size_t n_cases, struct row *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < n_cases; i++)
		if (case_wanted(o, &cases[i]))
			n += rows_make(o, &cases[i], i, &rows[n]);
	return n;
}

static int rows_run(const struct options *o, struct row *rows, size_t n)
{
	size_t first = 0, next;
	int error;

	if (n && o->table) {
		printf("%zu rows: first, how many messages each can send in the time\n", n);
		fflush(stdout);
	}
	error = rounds_prepare(&o->rounds, rows, n);

	for (; first < n && !error; first = next) {
		for (next = first + 1; next < n && rows[next].index == rows[first].index; next++)
			;
		error = rounds_run(&o->rounds, &rows[first], next - first);
		if (!error && o->table)
			report_table(&rows[first], next - first);
	}
	return error;
}

/* Deaths and memory, which no peer has. */
static int settle_measure(const struct options *o, struct settle_result *settle)
{
	int error = settle_run(o->rounds.n * 4, settle);

	if (!error && o->table)
		report_settle(settle);
	return error;
}

/* *@measured: whether anybody could say. */
static int memory_measure(const struct options *o, struct memory_result *memory, bool *measured)
{
	int error = memory_run(memory);

	*measured = !error;
	if (error == -EOPNOTSUPP) {
		fprintf(stderr, "mqshm-bench: memory is not measured: that takes a memory cgroup, "
			"and root to make it\n");
		return 0;
	}
	if (!error && o->table)
		report_memory(memory);
	return error;
}

static int cases_run(const struct options *o, const struct bench_case *cases, size_t n_cases)
{
	struct row *rows = calloc(n_cases * PEERS_MAX, sizeof(*rows));
	struct settle_result settle[SETTLE_CASES];
	bool deaths = wanted(o->cases, "settle"), bytes = wanted(o->cases, "memory");
	struct memory_result memory;
	size_t n = 0;
	int error = rows ? 0 : -ENOMEM;

	if (!error) {
		n = rows_make_all(o, cases, n_cases, rows);
		error = rows_run(o, rows, n);
	}
	if (!error && deaths)
		error = settle_measure(o, settle);
	if (!error && bytes)
		error = memory_measure(o, &memory, &bytes);
	if (!error && o->json)
		error = report_json(rows, n, deaths ? settle : NULL, bytes ? &memory : NULL, o->json);
	free(rows);
	return error;
}

static void list(const struct bench_case *cases, size_t n)
{
	char text[128];

	for (size_t i = 0; i < n; i++) {
		case_describe(&cases[i], text, sizeof(text));
		printf("%-12s %s\n", cases[i].name, text);
	}
	printf("settle       clients are killed\nmemory       what the module takes\n");
	for (unsigned int i = 0; bench_peers[i]; i++)
		printf("%s%s", i ? ", " : "peers: ", bench_peers[i]->name);
	printf("\n");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	char *end;

	switch (key) {
	case 'r':
		o->rounds.n = strtoul(arg, &end, 10);
		if (*end || o->rounds.n < 1 || o->rounds.n > ROUNDS_MAX)
			argp_error(state, "--rounds takes a number from 1 to %d", ROUNDS_MAX);
		return 0;
	case 'm':
		o->rounds.ms = strtod(arg, &end);
		if (*end || !(o->rounds.ms > 0 && o->rounds.ms <= 500))
			argp_error(state, "--ms takes a number above 0, at most 500");
		return 0;
	case 'c':
		o->cases = arg;
		return 0;
	case 'p':
		o->peers = arg;
		return 0;
	case 'j':
		o->json = arg;
		o->table = strcmp(arg, "-");
		return 0;
	case 'n':
		o->rounds.noisy = true;
		return 0;
	case 'l':
		o->list = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: it takes no arguments; a case is --case %s", arg, arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp_option keys[] = {
		{ "rounds", 'r', "N", 0, "repetitions of each case by each peer (5)", 0 },
		{ "ms", 'm', "MS", 0, "milliseconds of a repetition (100): who is slow sends less", 0 },
		{ "case", 'c', "PATTERN", 0, "only cases of such names: throughput, '*: 64 B*', !(growth|pairs); settle, memory", 0 },
		{ "peer", 'p', "PATTERN", 0, "only mqshm and peers of such names", 0 },
		{ "json", 'j', "FILE", 0, "all results as JSON; - is standard output", 0 },
		{ "noisy", 'n', NULL, 0, "count repetitions that a busy machine disturbed too", 0 },
		{ "list", 'l', NULL, 0, "show cases and peers", 0 },
		{ 0 },
	};
	static const struct argp argp = {
		.options = keys, .parser = parse,
		.doc = "Measures mqshm beside what people use otherwise.",
	};
	struct options o = { .rounds = { .n = 5, .ms = 100 }, .table = true };
	const struct bench_case *cases;
	size_t n;
	int error;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	n = cases_make(!strcmp(place_name, "kernel"), &cases);
	if (o.list) {
		list(cases, n);
		return 0;
	}
	if (!any_wanted(&o, cases, n)) {
		fprintf(stderr, "mqshm-bench: no case is called %s; --list shows them\n", o.cases);
		return 2;
	}
	place_start();
	error = cases_run(&o, cases, n);
	if (error)
		fprintf(stderr, "mqshm-bench: %s\n", error == -ENODEV ?
			"the module is not loaded: insmod mqshm.ko, or make bench" :
			strerror(-error));
	return error ? 1 : 0;
}
