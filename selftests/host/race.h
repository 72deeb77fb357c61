/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes on processors of their own that do something at the same moment, again and again. */
#ifndef HOST_RACE_H
#define HOST_RACE_H

#include <stdint.h>

/**
 * struct race - in memory that the racers share; zeroed before the first meeting
 * @arrived: at all meetings so far
 * @started: number of the meeting that @start is for
 * @start: tick of the processors' common clock
 */
struct race {
	uint64_t arrived __attribute__((aligned(128)));
	uint64_t started __attribute__((aligned(128)));
	uint64_t start;
};

/**
 * struct racer - one of them
 * @race: the race
 * @n: how many they are
 * @meetings: so far
 * @looks: at memory since another process was given the processor
 * @seed: of its delays
 */
struct racer {
	struct race *race;
	unsigned int n;
	uint64_t meetings;
	unsigned int looks;
	uint64_t seed;
};

/* Racer @me of @n, and from now on on the @me-th processor, or on as many as there are. */
struct racer racer_make(struct race *race, unsigned int n, unsigned int me);
/* In a loop that looks at memory until it changes: others may need the processor. */
void racer_look_again(struct racer *r);
/* Returns when all have come. */
void racer_meet(struct racer *r);
/* The same, and all leave at one tick of the clock, each by up to @jitter later or not. */
void racer_line_up(struct racer *r, uint64_t jitter);

#endif /* HOST_RACE_H */
