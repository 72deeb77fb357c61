// SPDX-License-Identifier: GPL-2.0-only
/* How many messages, how many repetitions, and which of them count. */
#include <errno.h>

#include "process.h"
#include "rounds.h"
#include "syscalls.h"

/* A repetition counts if the floors before and behind differ by less than this, */
#define FLOORS_DIFFER	0.2
/* and no process that had a processor of its own waited for it longer than this. */
#define QUEUED_MAX	0.01
/* Who has fewer than he shall when all rounds are over gets more, up to so many times them. */
#define ROUNDS_TIMES	2

static bool floors_agree(const struct bench_result *r)
{
	double differ = r->floor_ns[1] > 0 ? r->floor_ns[0] / r->floor_ns[1] : 1;

	return differ <= 1 + FLOORS_DIFFER && differ >= 1 / (1 + FLOORS_DIFFER);
}

static bool counts(const struct row *row, const struct bench_result *r)
{
	/* who sleeps waits for a processor then, and so does who has more threads than those */
	bool alone = row->c.wait == BENCH_POLL && !row->c.start && !row->peer->own_threads;

	return floors_agree(r) && (!alone || r->queued <= QUEUED_MAX);
}

/* As many messages as take @ns, by what @r says. */
static void fit(struct bench_case *c, const struct bench_result *r, double ns)
{
	double each_ns = r->ns + r->held_ns;
	uint64_t before = c->messages, fits = ns * c->messages / (each_ns * bench_counted(c));

	/* an estimate by few is wrong by much */
	c->messages = fits < 1000 * before ? fits : 1000 * before;
	c->messages = (c->messages / c->batch + 1) * c->batch;
}

/* The first peer must not fail; another one that does is left out of the case, as all that take for ever. */
static int failed(struct row *row, int error)
{
	if (!error || (row->peer == row->c.peers[0] && error != -ETIMEDOUT))
		return error;
	row->missing = error == -ETIMEDOUT ? "it takes much too long here" : "it failed";
	row->n = 0;
	return 0;
}

/* Each peer gets the same time, so that slow ones send less. */
static int fit_messages(struct row *row, double ms)
{
	struct bench_result r;
	int error = 0;

	row->c.messages = row->c.start ? 1 : 16 * row->c.batch;
	for (unsigned int i = 0; i < 2 && !error; i++) {
		error = bench_run(row->peer, &row->c, &r);
		row->syscalls = error ? -1 : r.syscalls;
		if (!error && !row->c.start)
			fit(&row->c, &r, ms * 1e6 / (i ? 1 : 2));
	}
	return error;
}

int rounds_prepare(const struct rounds *rounds, struct row *rows, size_t n_rows)
{
	int error = 0;

	syscalls_begin();
	for (size_t i = 0; i < n_rows && !error; i++)
		if (!rows[i].missing)
			error = failed(&rows[i], fit_messages(&rows[i], rounds->ms));
	syscalls_end();
	return error;
}

/* *@floor_ns: as it was before, and then as it is. */
static int repeat(const struct rounds *rounds, struct row *row, double *floor_ns)
{
	struct bench_result r;
	int error = bench_run(row->peer, &row->c, &r);

	r.floor_ns[0] = *floor_ns;
	r.floor_ns[1] = *floor_ns = bench_floor_ns();
	/* once is bad luck */
	if (error && (error != -ETIMEDOUT || row->rejected > row->n))
		return error;
	if (!error && (rounds->noisy || counts(row, &r)))
		row->results[row->n++] = r;
	else
		row->rejected++;
	return 0;
}

int rounds_run(const struct rounds *rounds, struct row *rows, size_t n_rows)
{
	double floor_ns = bench_floor_ns();
	int error = 0;

	for (unsigned int k = 0; k < ROUNDS_TIMES * rounds->n && !error; k++)
		for (size_t i = 0; i < n_rows && !error; i++)
			if (!rows[i].missing && rows[i].n < rounds->n)
				error = failed(&rows[i], repeat(rounds, &rows[i], &floor_ns));
	return error;
}
