/* SPDX-License-Identifier: GPL-2.0-only */
/* What repetitions gave, as a table and as JSON. */
#ifndef REPORT_H
#define REPORT_H

#include "bench.h"
#include "memory.h"
#include "settle.h"

#define ROUNDS_MAX	101

enum place_kind { SIBLINGS, ACROSS, FAR, PLACES };

/* For tables. */
extern const char *const report_places[PLACES];

/**
 * struct row - a case by a peer
 * @index: of the case
 * @c: the case, with as many messages as this peer can send in the time
 * @results: array[@n]: those that count, as they came
 * @n: how many
 * @rejected: that do not count, since the machine was busy, or its processors moved
 * @syscalls: a message, of all processes; negative if nobody can count them
 * @missing: why the peer can't, else NULL
 */
struct row {
	size_t index;
	struct bench_case c;
	const struct bench_peer *peer;
	struct bench_result results[ROUNDS_MAX];
	unsigned int n;
	unsigned int rejected;
	double syscalls;
	const char *missing;
};

/* How fast a line is tells where the two processors are. */
enum place_kind report_place(const struct bench_result *r);
/* Rows of one case: array[@n], the first is mqshm's. */
void report_table(const struct row *rows, size_t n);
void report_settle(const struct settle_result *settle);
void report_memory(const struct memory_result *memory);
/**
 * report_json() - all that was measured, and what the machine is
 * @rows: array[@n]
 * @settle: array[SETTLE_CASES], or NULL
 * @memory: or NULL
 * @path: a file, "-" for standard output
 *
 * 0 or -errno.
 */
int report_json(const struct row *rows, size_t n, const struct settle_result *settle,
		const struct memory_result *memory, const char *path);

#endif /* REPORT_H */
