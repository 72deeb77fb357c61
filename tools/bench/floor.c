// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a cache line takes from one processor to the other at this moment: two
 * virtual ones may be threads of one core now, and far apart a second later.
 */
#include <sched.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

/* fewer differ by a fifth by themselves */
#define ROUNDS	40000
#define NS_MAX	20000000
#define END	UINT64_MAX

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

/* Waits until *@p is no longer @n, and returns what it is. */
static uint64_t await_change(const uint64_t *p, uint64_t n)
{
	uint64_t now;

	while ((now = __atomic_load_n(p, __ATOMIC_ACQUIRE)) == n)
		__builtin_ia32_pause();
	return now;
}

/* Answers all until it is told to end. */
static void answer(struct line *l)
{
	uint64_t n = 0;

	pin(1);
	while ((n = await_change(&l->number, n)) != END)
		__atomic_store_n(&l->answer, n, __ATOMIC_RELEASE);
	_exit(0);
}

static void round_trip(struct line *l, uint64_t n)
{
	__atomic_store_n(&l->number, n, __ATOMIC_RELEASE);
	await_change(&l->answer, n - 1);
}

/* One round to warm up, and ROUNDS more if nobody else has the processors. */
static double ask(struct line *l)
{
	uint64_t begin_ns, now_ns, n = 1;

	pin(0);
	round_trip(l, n++);
	now_ns = begin_ns = bench_now_ns();
	while (n < ROUNDS && now_ns - begin_ns < NS_MAX) {
		for (unsigned int i = 0; i < ROUNDS / 100; i++)
			round_trip(l, n++);
		now_ns = bench_now_ns();
	}
	__atomic_store_n(&l->number, END, __ATOMIC_RELEASE);
	return (double)(now_ns - begin_ns) / (n - 2) / 2;
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
