/* SPDX-License-Identifier: GPL-2.0-only */
/* How long it takes until what the dead held is free. */
#ifndef SETTLE_H
#define SETTLE_H

#define SETTLE_CASES	8

/**
 * struct settle_result - medians of some rounds
 * @clients: that are killed at once
 * @held: buffers that they held together
 * @settle_ns: settling itself, summed over the clients
 * @settled_ns: from the first SIGKILL to the last reference settled
 * @eof_ns: from the first SIGKILL of as many processes that are no clients, with as
 *	much mapped, to the end of their pipe
 */
struct settle_result {
	unsigned int clients;
	unsigned int held;
	double settle_ns;
	double settled_ns;
	double eof_ns;
};

/* @out: array[SETTLE_CASES]; 0 or -errno. */
int settle_run(unsigned int rounds, struct settle_result *out);

#endif /* SETTLE_H */
