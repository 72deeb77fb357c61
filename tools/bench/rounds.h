/* SPDX-License-Identifier: GPL-2.0-only */
/* Repetitions of a case by its peers, one peer after the other, round by round. */
#ifndef ROUNDS_H
#define ROUNDS_H

#include "report.h"

/**
 * struct rounds - how they are made
 * @n: repetitions that shall count, of each peer
 * @ms: that a repetition lasts, warming up not included
 * @noisy: repetitions count whatever else the machine does
 */
struct rounds {
	unsigned int n;
	double ms;
	bool noisy;
};

/*
 * How many messages each peer sends in the time, and how many system calls that takes:
 * before any round, of all cases. @rows is array[@n_rows]. 0 or -errno.
 */
int rounds_prepare(const struct rounds *rounds, struct row *rows, size_t n_rows);
/* All of one case. */
int rounds_run(const struct rounds *rounds, struct row *rows, size_t n_rows);

#endif /* ROUNDS_H */
