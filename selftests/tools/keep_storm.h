/* SPDX-License-Identifier: GPL-2.0-only */
/* What a sink of keep_storm has seen, in a file that outlives its process. */
#ifndef KEEP_STORM_H
#define KEEP_STORM_H

#include <stdint.h>

#define MESSAGES_MAX	(8U << 20)
#define DEATHS_MAX	4096

/**
 * struct message - what is sent; numbered without a gap, whatever becomes of the source
 * @number: 0, 1, 2, ...
 * @check: ~@number
 */
struct message {
	uint64_t number;
	uint64_t check;
};

/**
 * struct journal - the file
 * @client: that writes it
 * @counting: number, plus 1, of the message that is noted just now; 0: none. It is let go of
 *	before this is 0 again
 * @before: how often that had come before
 * @next: the last number, plus 1
 * @late: messages behind a later one
 * @damaged: messages that are none
 * @n_deaths: lives that ended with a message noted that they may still have had
 * @deaths: array[@n_deaths] of their clients
 * @came: how often each number came
 */
struct journal {
	uint64_t client;
	uint64_t counting;
	uint64_t before;
	uint64_t next;
	uint64_t late;
	uint64_t damaged;
	uint64_t n_deaths;
	uint64_t deaths[DEATHS_MAX];
	uint8_t came[MESSAGES_MAX];
};

#endif /* KEEP_STORM_H */
