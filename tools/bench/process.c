// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one process of a case does: sends, receives, forwards, or plays ping-pong;
 * first some messages to warm up, then those that count.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "process.h"
#include "stat.h"
#include "syscalls.h"

#define WAYS	4000	/* single ones, timed one by one */
#define LOOKS	4096	/* pauses of a processor, some 50 us */

__thread volatile uint64_t bench_sum;

/* bench_relax() was called: of a sender, there was no room. */
static __thread bool waited;
/* System calls that bench_relax() made. */
static __thread uint64_t relaxed;
/* Its peer has threads that need the processor. */
static __thread bool yields;

unsigned int bench_ins(const struct bench_case *c, unsigned int who)
{
	unsigned int i, n = 0;

	for (i = 0; i < c->n_links; i++)
		n += c->links[i].to == who;
	return n;
}

unsigned int bench_outs(const struct bench_case *c, unsigned int who)
{
	unsigned int i, n = 0;

	for (i = 0; i < c->n_links; i++)
		n += c->links[i].from == who;
	return n;
}

unsigned int bench_in(const struct bench_case *c, unsigned int who, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < c->n_links; i++)
		if (c->links[i].to == who && !n--)
			break;
	return i;
}

unsigned int bench_out(const struct bench_case *c, unsigned int who, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < c->n_links; i++)
		if (c->links[i].from == who && !n--)
			break;
	return i;
}

void bench_relax(const struct bench_case *c)
{
	static _Thread_local unsigned int looks;
	static long cpus;

	waited = true;
	if (!cpus)
		cpus = sysconf(_SC_NPROCESSORS_ONLN);
	/* who waits that long has no processor of his own, or the other one has none */
	if (yields || c->one_cpu || c->processes > cpus || !(++looks % LOOKS)) {
		sched_yield();
		relaxed++;
	} else {
		__builtin_ia32_pause();
	}
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

uint64_t bench_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* For how long this thread has waited for a processor; 0 if the kernel does not say. */
static uint64_t queued_ns(void)
{
	unsigned long long ran, waited = 0;
	FILE *f = fopen("/proc/thread-self/schedstat", "r");

	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu", &ran, &waited) != 2)
		waited = 0;
	fclose(f);
	return waited;
}

/* With what the threads of a library take. */
static uint64_t cpu_ns(const struct bench_case *c)
{
	return clock_ns(c->threads ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID);
}

static void report_begin(const struct bench_case *c, struct bench_report *r)
{
	r->queued_ns = -queued_ns();
	r->cpu_ns = r->held_cpu_ns - cpu_ns(c);
	r->counted_held_ns = -r->held_ns;
	relaxed = 0;
	r->begin_ns = bench_now_ns();
	syscalls_start();
}

static void report_end(const struct bench_case *c, struct bench_report *r)
{
	r->syscalls = syscalls_stop(relaxed);
	r->end_ns = bench_now_ns();
	r->cpu_ns += cpu_ns(c) - r->held_cpu_ns;
	r->counted_held_ns += r->held_ns;
	r->queued_ns += queued_ns();
}

/* Messages of a sender that go before those that count. */
static uint64_t warming_of(const struct bench_case *c)
{
	return c->start ? 0 : (c->messages / 4 / c->batch + 1) * c->batch;
}

/* Single ways of a ping, behind the messages that count. */
static unsigned int ways_of(const struct bench_case *c)
{
	return !c->ping ? 0 : c->messages / 2 < WAYS ? c->messages / 2 + 1 : WAYS;
}

static unsigned int senders_of(const struct bench_case *c)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < c->processes; i++)
		n += c->ping || !bench_ins(c, i);
	return n;
}

uint64_t bench_counted(const struct bench_case *c)
{
	return c->messages * senders_of(c);
}

/* -- to and fro -------------------------------------------------------------------- */

/* The other one's. */
static struct bench_report *other_of(struct bench_report *r, unsigned int who)
{
	return who ? r - 1 : r + 1;
}

static bool is_asleep(pid_t pid)
{
	static int fd = -1;
	char text[128], *state;
	ssize_t n;

	if (fd < 0) {
		snprintf(text, sizeof(text), "/proc/%d/stat", pid);
		fd = open(text, O_RDONLY | O_CLOEXEC);
	}
	n = pread(fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = 0;
	state = strrchr(text, ')');
	return state && state[1] == ' ' && state[2] == 'S';
}

/*
 * So that who waits for the message is asleep. Without that one who is slow to fall asleep
 * is often not, and saves the other one the wake-up: by luck, and more so the slower it is.
 */
static void hold_back(const struct bench_case *c, struct bench_report *r,
		      const struct bench_report *other)
{
	uint64_t begin_ns, begin_cpu_ns;

	if (!bench_sleeps(c->wait))
		return;
	begin_ns = bench_now_ns();
	begin_cpu_ns = cpu_ns(c);
	while (!is_asleep(other->pid)) {
		sched_yield();
		relaxed += 2;
	}
	/* that it was, and the clock */
	relaxed += 3;
	r->held_cpu_ns += cpu_ns(c) - begin_cpu_ns;
	r->held_ns += bench_now_ns() - begin_ns;
}

static int receive_one(const struct bench_peer *peer, const struct bench_case *c)
{
	int n;

	while (!(n = peer->receive(c, 0, 1)))
		bench_relax(c);
	return n < 0 ? n : 0;
}

static int ping(const struct bench_peer *peer, const struct bench_case *c,
		struct bench_report *report, uint64_t number)
{
	int error;

	hold_back(c, report, other_of(report, 0));
	error = peer->send(c, number, 1);
	return error ? error : receive_one(peer, c);
}

static int ping_ways(const struct bench_peer *peer, const struct bench_case *c,
		     struct bench_report *report, uint64_t number)
{
	static double ways[WAYS];
	const struct bench_report *other = other_of(report, 0);
	unsigned int i, n = ways_of(c);
	uint64_t begin_ns;
	int error = 0;

	for (i = 0; i < n && !error; i++) {
		/* both hold back meanwhile */
		begin_ns = bench_now_ns() - report->held_ns - other->held_ns;
		error = ping(peer, c, report, number + i);
		ways[i] = (bench_now_ns() - report->held_ns - other->held_ns - begin_ns) / 2.0;
	}
	stat_quantiles(ways, n, (const double[]){ 0.25, 0.75, 0.99 }, report->way_ns, 3);
	return error;
}

static int ping_all(const struct bench_peer *peer, const struct bench_case *c,
		    struct bench_report *report)
{
	uint64_t i, warming = warming_of(c);
	int error = 0;

	for (i = 0; i < warming && !error; i++)
		error = ping(peer, c, report, i);
	report_begin(c, report);
	for (; i < warming + c->messages && !error; i++)
		error = ping(peer, c, report, i);
	report_end(c, report);
	return error ? error : ping_ways(peer, c, report, i);
}

static int pong_all(const struct bench_peer *peer, const struct bench_case *c,
		    struct bench_report *report)
{
	uint64_t warming = warming_of(c), all = warming + c->messages + ways_of(c), i;
	int error = 0;

	for (i = 0; i < all && !error; i++) {
		error = receive_one(peer, c);
		if (!error) {
			hold_back(c, report, other_of(report, 1));
			error = peer->send(c, i, 1);
		}
		if (i + 1 == warming)
			report_begin(c, report);
		else if (i + 1 == warming + c->messages)
			report_end(c, report);
	}
	return error;
}

/* -- one way ------------------------------------------------------------------------ */

static int send_until(const struct bench_peer *peer, const struct bench_case *c, uint64_t i,
		      uint64_t end)
{
	int error = 0;

	for (; i < end && !error; i += c->batch)
		error = peer->send(c, i, c->batch);
	return error;
}

/* As send_until(), with a look at the clock each time. */
static int send_timed(const struct bench_peer *peer, const struct bench_case *c, uint64_t i,
		      uint64_t end, struct bench_report *report)
{
	uint64_t now, before = bench_now_ns();
	int error = 0;

	for (; i < end && !error; i += c->batch) {
		waited = false;
		error = peer->send(c, i, c->batch);
		now = bench_now_ns();
		if (!waited) {
			report->sent += c->batch;
			report->sent_ns += now - before;
		}
		before = now;
	}
	return error;
}

static int send_all(const struct bench_peer *peer, const struct bench_case *c,
		    struct bench_report *report)
{
	uint64_t warming = warming_of(c), end = warming + c->messages;
	int error = send_until(peer, c, 0, warming);

	report_begin(c, report);
	/* the clock takes longer than a message: only where it is asked for */
	if (!error)
		error = bench_is_star(c) ? send_timed(peer, c, warming, end, report) :
					   send_until(peer, c, warming, end);
	report_end(c, report);
	return error;
}

/* What is there, from each of its links; @forwarded counts what went on. */
static int take_some(const struct bench_peer *peer, const struct bench_case *c, unsigned int who,
		     uint64_t taken, uint64_t left)
{
	unsigned int in, ins = bench_ins(c, who), max = left < c->batch ? left : c->batch;
	bool on = bench_outs(c, who);
	int n, sum = 0, error;

	if (on && peer->forward)
		return peer->forward(c, max);
	for (in = 0; in < ins && max; in++) {
		n = peer->receive(c, in, max);
		if (n < 0)
			return n;
		error = on && n ? peer->send(c, taken + sum, n) : 0;
		if (error)
			return error;
		sum += n;
		max -= n;
	}
	return sum;
}

static int take_all(const struct bench_peer *peer, const struct bench_case *c, unsigned int who,
		    struct bench_report *report)
{
	/* a link of a forwarder carries what its only sender sent */
	uint64_t senders = bench_ins(c, who), taken = 0;
	uint64_t warming = warming_of(c) * senders, all = warming + c->messages * senders;
	int n;

	while (taken < all) {
		uint64_t until = taken < warming ? warming : all;

		if (taken == warming)
			report_begin(c, report);
		n = take_some(peer, c, who, taken, until - taken);
		if (n < 0)
			return n;
		if (!n)
			bench_relax(c);
		taken += n;
	}
	report_end(c, report);
	return 0;
}

int bench_process(const struct bench_peer *peer, const struct bench_case *c, unsigned int who,
		  struct bench_report *report)
{
	int error;

	yields = peer->own_threads;
	if (c->ping)
		error = who ? pong_all(peer, c, report) : ping_all(peer, c, report);
	else if (bench_ins(c, who))
		error = take_all(peer, c, who, report);
	else
		error = send_all(peer, c, report);
	return error;
}
