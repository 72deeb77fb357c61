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
#include "report.h"

#define PEERS_MAX	16

/* A repetition counts if the floors before and behind differ by less than this, */
#define FLOORS_DIFFER	0.2
/* and no process that had a processor of its own waited for it longer than this. */
#define QUEUED_MAX	0.01
/* So many repetitions that do not count are made again, for each that must. */
#define TRIES		4

/**
 * struct options - the command line
 * @rounds: repetitions of each case by each peer
 * @scale: times as many messages
 * @cases: pattern of their names
 * @peers: pattern of their names; NULL for all
 * @json: where to, or NULL
 * @noisy: repetitions count whatever else the machine does
 * @list: only say what there is
 */
struct options {
	unsigned int rounds;
	double scale;
	const char *cases;
	const char *peers;
	const char *json;
	bool noisy;
	bool list;
};

static bool counts(const struct bench_case *c, const struct bench_result *r)
{
	double differ = r->floor_ns[0] / r->floor_ns[1];

	if (r->floor_ns[1] > 0 && (differ > 1 + FLOORS_DIFFER || differ < 1 / (1 + FLOORS_DIFFER)))
		return false;
	/* with more processes than processors they wait for each other */
	return c->one_cpu || c->wait != BENCH_POLL || c->processes > 2 || r->queued <= QUEUED_MAX;
}

/* One round: each peer once, again as long as it does not count. */
static int round_run(const struct options *o, struct row *rows, size_t n)
{
	struct bench_result r;

	for (size_t i = 0; i < n; i++) {
		unsigned int tries = 0;
		int error;

		if (rows[i].missing)
			continue;
		do {
			error = bench_run(rows[i].peer, rows[i].c, &r);
			if (error)
				return error;
			if (o->noisy || counts(rows[i].c, &r)) {
				rows[i].results[rows[i].n++] = r;
				break;
			}
			rows[i].rejected++;
		} while (++tries < TRIES);
	}
	return 0;
}

static bool wanted(const char *pattern, const char *name)
{
	return !pattern || !fnmatch(pattern, name, FNM_CASEFOLD);
}

/* Rows of one case, each peer that is asked for. */
static size_t rows_make(const struct options *o, const struct bench_case *c, struct row *rows)
{
	size_t n = 0;

	for (unsigned int i = 0; bench_peers[i]; i++) {
		const struct bench_peer *p = bench_peers[i];
		const char *missing = p->missing(c);

		/* the first one is what the others are compared with */
		if (i && !wanted(o->peers, p->name))
			continue;
		rows[n++] = (struct row) { .c = c, .peer = p, .missing = missing };
	}
	return n;
}

static int cases_run(const struct options *o, const struct bench_case *cases, size_t n_cases)
{
	struct row *rows = calloc(n_cases * PEERS_MAX, sizeof(*rows));
	struct settle_result settle[SETTLE_CASES];
	bool table = !o->json || strcmp(o->json, "-"), deaths = wanted(o->cases, "settle");
	size_t n = 0, i;
	int error = rows ? 0 : -ENOMEM;

	for (i = 0; i < n_cases && !error; i++) {
		struct row *first = &rows[n];
		size_t some;

		if (!wanted(o->cases, cases[i].name))
			continue;
		some = rows_make(o, &cases[i], first);
		for (unsigned int k = 0; k < o->rounds && !error; k++)
			error = round_run(o, first, some);
		if (!error && table)
			report_table(first, some);
		n += some;
	}
	if (!error && deaths)
		error = settle_run(o->rounds * 4, settle);
	if (!error && deaths && table)
		report_settle(settle);
	if (!error && o->json)
		error = report_json(rows, n, deaths ? settle : NULL, o->json);
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
	printf("settle       clients are killed\n");
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
		o->rounds = strtoul(arg, &end, 10);
		if (*end || o->rounds < 1 || o->rounds > ROUNDS_MAX)
			argp_error(state, "--rounds takes a number from 1 to %d", ROUNDS_MAX);
		return 0;
	case 's':
		o->scale = strtod(arg, &end);
		if (*end || !(o->scale > 0 && o->scale <= 1000))
			argp_error(state, "--scale takes a number above 0, at most 1000");
		return 0;
	case 'c':
		o->cases = arg;
		return 0;
	case 'p':
		o->peers = arg;
		return 0;
	case 'j':
		o->json = arg;
		return 0;
	case 'n':
		o->noisy = true;
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
		{ "scale", 's', "X", 0, "times as many messages (1)", 0 },
		{ "case", 'c', "PATTERN", 0, "only cases of such names, as throughput or fan*; settle", 0 },
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
	struct options o = { .rounds = 5, .scale = 1 };
	struct bench_case *cases;
	size_t n;
	int error;

	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	n = cases_make(o.scale, !strcmp(place_name, "kernel"), &cases);
	if (o.list) {
		list(cases, n);
		return 0;
	}
	place_start();
	error = cases_run(&o, cases, n);
	if (error)
		fprintf(stderr, "mqshm-bench: %s\n", error == -ENODEV ?
			"the module is not loaded: insmod mqshm.ko, or make bench" :
			strerror(-error));
	return error ? 1 : 0;
}
