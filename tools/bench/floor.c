// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a cache line takes from one processor to the other at this moment: two
 * virtual ones may be threads of one core now, and far apart a second later.
 */
#include <sched.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define ROUNDS	10000

struct line {
	_Alignas(128) uint64_t number;
	_Alignas(128) uint64_t answer;
};

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void await_number(const uint64_t *p, uint64_t n)
{
	while (__atomic_load_n(p, __ATOMIC_ACQUIRE) != n)
		__builtin_ia32_pause();
}

/* Answers all, one round to warm up and ROUNDS more. */
static void answer(struct line *l)
{
	pin(1);
	for (uint64_t i = 1; i <= ROUNDS + 1; i++) {
		await_number(&l->number, i);
		__atomic_store_n(&l->answer, i, __ATOMIC_RELEASE);
	}
	_exit(0);
}

static double ask(struct line *l)
{
	struct timespec begin = { 0 }, end;

	pin(0);
	for (uint64_t i = 1; i <= ROUNDS + 1; i++) {
		__atomic_store_n(&l->number, i, __ATOMIC_RELEASE);
		await_number(&l->answer, i);
		if (i == 1)
			clock_gettime(CLOCK_MONOTONIC, &begin);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	return ((end.tv_sec - begin.tv_sec) * 1e9 + (end.tv_nsec - begin.tv_nsec)) / ROUNDS / 2;
}

double bench_floor_ns(void)
{
	struct line *l;
	cpu_set_t all;
	double ns = 0;
	pid_t pid;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return 0;
	l = bench_shared(sizeof(*l));
	if (!l)
		return 0;
	sched_getaffinity(0, sizeof(all), &all);
	pid = fork();
	if (!pid)
		answer(l);
	if (pid > 0) {
		ns = ask(l);
		waitpid(pid, NULL, 0);
	}
	sched_setaffinity(0, sizeof(all), &all);
	bench_unshare(l, sizeof(*l));
	return ns;
}
