// SPDX-License-Identifier: GPL-2.0-only
/* Processes on processors of their own that do something at the same moment. */
#include <sched.h>
#include <unistd.h>

#include "protocol.h"
#include "race.h"
#include "test.h"

#define SPINS	200	/* looks before a sleep: on a busy machine a sleeper comes back first */
#define RUN_UP	1000	/* ticks from the last one's arrival to the start */

static void pin(unsigned int me)
{
	cpu_set_t all, one;
	int cpu;

	CPU_ZERO(&one);
	sched_getaffinity(0, sizeof(all), &all);
	me %= (unsigned int)CPU_COUNT(&all);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &all) && !me--)
			CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
}

struct racer racer_make(struct race *race, unsigned int n, unsigned int me)
{
	pin(me);
	return (struct racer) { .race = race, .n = n, .seed = me + 1 };
}

static uint64_t ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return mqshm_now_ns();
#endif
}

void racer_look_again(struct racer *r)
{
	if (++r->looks % SPINS)
		proto_pause();
	else
		usleep(1);
}

/* Says whether this one is the last. */
static bool arrive(struct racer *r)
{
	return __atomic_add_fetch(&r->race->arrived, 1, __ATOMIC_SEQ_CST) ==
	       ++r->meetings * r->n;
}

void racer_meet(struct racer *r)
{
	arrive(r);
	while (__atomic_load_n(&r->race->arrived, __ATOMIC_SEQ_CST) < r->meetings * r->n)
		racer_look_again(r);
}

void racer_line_up(struct racer *r, uint64_t jitter)
{
	struct race *race = r->race;
	uint64_t delay = random_below(&r->seed, 2) ? random_below(&r->seed, jitter) : 0;

	if (arrive(r)) {
		race->start = ticks() + RUN_UP;
		__atomic_store_n(&race->started, r->meetings, __ATOMIC_SEQ_CST);
	}
	while (__atomic_load_n(&race->started, __ATOMIC_SEQ_CST) != r->meetings)
		racer_look_again(r);
	while (ticks() < race->start + delay)
		;
}
