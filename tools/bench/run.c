// SPDX-License-Identifier: GPL-2.0-only
/*
 * One repetition: forks the processes, pins each, lets all begin at one time, and gathers
 * what they saw.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "place.h"
#include "process.h"
#include "syscalls.h"

#define SECONDS_ENTER	20
#define SECONDS_LEAVE	2
/* Of what is measured: who polls takes for ever while somebody else has the processors. */
#define SECONDS_MAX	2

/**
 * struct run - one repetition
 * @reports: array[processes] that all share
 * @pids: array[@n] of processes, in one of which all are with threads
 * @ready: each writes a byte when it has entered, one when it is done
 * @go: each reads one before it begins
 * @off: each reads one before it leaves
 * @begun_ns: what the parent did took so long: opening and linking
 */
struct run {
	const struct bench_peer *peer;
	const struct bench_case *c;
	struct bench_report *reports;
	pid_t pids[BENCH_PROCESSES];
	unsigned int n;
	int ready[2];
	int go[2];
	int off[2];
	uint64_t begun_ns;
};

void *bench_shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void bench_unshare(void *memory, size_t bytes)
{
	if (memory)
		munmap(memory, bytes);
}

static unsigned int processors(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

bool bench_is_star(const struct bench_case *c)
{
	return bench_ins(c, 0) > 1 || bench_outs(c, 0) > 1;
}

bool bench_by_cpu(const struct bench_peer *peer, const struct bench_case *c)
{
	return !c->start && !c->one_cpu && (peer->own_threads || c->processes > processors());
}

static void pin(const struct bench_case *c, unsigned int who)
{
	unsigned int cpus = processors(), cpu = c->one_cpu ? 0 : who % cpus;
	cpu_set_t set;

	if (bench_is_star(c) && cpus > 1)
		cpu = who ? 1 + (who - 1) % (cpus - 1) : 0;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* -- in the processes ----------------------------------------------------------------- */

static int live(struct run *r, unsigned int who)
{
	int error;
	char byte = 0;

	pin(r->c, who);
	/* before its libraries have threads */
	syscalls_open();
	r->reports[who].pid = getpid();
	r->reports[who].enter_ns = -bench_now_ns();
	error = r->peer->enter(r->c, who);
	r->reports[who].enter_ns += bench_now_ns();
	if (!error && (write(r->ready[1], &byte, 1) != 1 || read(r->go[0], &byte, 1) != 1))
		error = -EIO;
	if (!error)
		error = bench_process(r->peer, r->c, who, &r->reports[who]);
	if (!error && (write(r->ready[1], &byte, 1) != 1 || read(r->off[0], &byte, 1) != 1))
		error = -EIO;
	if (!error && r->peer->leave)
		r->peer->leave(r->c, who);
	if (!error)
		return 0;
	fprintf(stderr, "mqshm-bench: %s, %s: process %u: %s\n", r->peer->name, r->c->name, who,
		strerror(-error));
	byte = 1;
	if (write(r->ready[1], &byte, 1) != 1)
		perror("mqshm-bench");
	return error;
}

/**
 * struct thread - a thread in the place of a process
 * @who: of the case
 */
struct thread {
	struct run *run;
	pthread_t thread;
	unsigned int who;
	int error;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	place_thread_begin();
	t->error = live(t->run, t->who);
	place_thread_end();
	return NULL;
}

static int live_all(struct run *r)
{
	struct thread threads[BENCH_PROCESSES];
	unsigned int i;
	int error = 0;

	for (i = 0; i < r->c->processes && !error; i++) {
		threads[i] = (struct thread) { .run = r, .who = i };
		error = -pthread_create(&threads[i].thread, NULL, thread_main, &threads[i]);
	}
	for (i = 0; i < r->c->processes && !error; i++) {
		pthread_join(threads[i].thread, NULL);
		error = threads[i].error;
	}
	return error;
}

static void give_up(int signal)
{
	(void)signal;
	_exit(0);
}

/* Some libraries say goodbye in exit(), and some wait for an answer that does not come. */
static void leave(int status)
{
	signal(SIGALRM, give_up);
	alarm(SECONDS_LEAVE);
	exit(status);
}

/* -- in the parent --------------------------------------------------------------------- */

static int start(struct run *r)
{
	if (pipe(r->ready) || pipe(r->go) || pipe(r->off))
		return -errno;
	/* or it would be written by each */
	fflush(NULL);
	for (unsigned int i = 0; i < (r->c->threads ? 1 : r->c->processes); i++) {
		r->pids[i] = place_fork();
		if (r->pids[i] < 0)
			return -errno;
		if (!r->pids[i]) {
			/* some would wait for a daemon that is gone */
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			close(r->go[1]);
			close(r->off[1]);
			leave(r->c->threads ? !!live_all(r) : !!live(r, i));
		}
		r->n++;
	}
	return 0;
}

/* A byte of each within @seconds, else -ETIMEDOUT. */
static int gather(const struct run *r, int seconds)
{
	struct pollfd p = { .fd = r->ready[0], .events = POLLIN };

	for (unsigned int i = 0; i < r->c->processes; i++) {
		char byte;

		if (poll(&p, 1, seconds * 1000) != 1)
			return -ETIMEDOUT;
		if (read(r->ready[0], &byte, 1) != 1 || byte)
			return -EIO;
	}
	return 0;
}

/* A byte to each. */
static int release(const struct run *r, int fd)
{
	static const char bytes[BENCH_PROCESSES];

	return write(fd, bytes, r->c->processes) == (ssize_t)r->c->processes ? 0 : -EIO;
}

static int end(struct run *r, int error)
{
	int status;

	for (unsigned int i = 0; i < r->n; i++) {
		if (error)
			place_kill(r->pids[i]);
		if (place_wait(r->pids[i], &status) || status)
			error = error ? error : -EIO;
	}
	for (unsigned int i = 0; i < 2; i++) {
		close(r->ready[i]);
		close(r->go[i]);
		close(r->off[i]);
	}
	return error;
}

static int measure(struct run *r)
{
	int error = gather(r, SECONDS_ENTER);

	r->begun_ns -= bench_now_ns();
	if (!error && r->peer->link)
		error = r->peer->link(r->c);
	r->begun_ns += bench_now_ns();
	if (!error)
		error = release(r, r->go[1]);
	if (!error)
		error = gather(r, SECONDS_MAX);
	return error ? error : release(r, r->off[1]);
}

/* From the first message to the last one that anybody at an end received. */
static void wall(const struct bench_case *c, const struct bench_report *reports,
		 struct bench_result *out)
{
	uint64_t begin_ns = UINT64_MAX, end_ns = 0, held_ns = 0;

	for (unsigned int i = 0; i < c->processes; i++) {
		held_ns += reports[i].counted_held_ns;
		if (c->ping ? i : bench_outs(c, i))
			continue;
		if (reports[i].begin_ns < begin_ns)
			begin_ns = reports[i].begin_ns;
		if (reports[i].end_ns > end_ns)
			end_ns = reports[i].end_ns;
	}
	out->ns = (double)(end_ns - begin_ns - held_ns) / bench_counted(c);
	out->held_ns = (double)held_ns / bench_counted(c);
}

/* All begin at one time: opening, the slowest to enter, linking, and the first message. */
static void start_up(const struct run *r, struct bench_result *out)
{
	const struct bench_report *reports = r->reports;
	uint64_t entered_ns = 0;

	for (unsigned int i = 0; i < r->c->processes; i++)
		if (reports[i].enter_ns > entered_ns)
			entered_ns = reports[i].enter_ns;
	out->ns = r->begun_ns + entered_ns + (reports[1].end_ns - reports[0].begin_ns);
}

/* Whether process @who shares its processor with no other one. */
static bool has_processor(const struct bench_case *c, unsigned int who)
{
	return !c->one_cpu && (c->processes <= processors() || (!who && bench_is_star(c)));
}

static void summarize(const struct run *r, struct bench_result *out)
{
	const struct bench_case *c = r->c;
	const struct bench_report *first = r->reports;

	wall(c, first, out);
	for (unsigned int i = 0; i < c->processes; i++) {
		const struct bench_report *p = &first[i];
		double part = (double)p->queued_ns / (p->end_ns - p->begin_ns);

		out->cpu_ns += (double)p->cpu_ns / bench_counted(c);
		if (p->syscalls == UINT64_MAX)
			out->syscalls = -1;
		else if (out->syscalls >= 0)
			out->syscalls += (double)p->syscalls / bench_counted(c);
		if (has_processor(c, i) && part > out->queued)
			out->queued = part;
	}
	if (first->sent)
		out->sender_ns = (double)first->sent_ns / first->sent;
	if (c->start)
		start_up(r, out);
	if (!c->ping)
		return;
	out->quartile[0] = first->way_ns[0];
	out->quartile[1] = first->way_ns[1];
	out->p99 = first->way_ns[2];
}

int bench_run(const struct bench_peer *peer, const struct bench_case *c,
	      struct bench_result *out)
{
	struct run r = { .peer = peer, .c = c };
	size_t bytes = sizeof(*r.reports) * c->processes;
	int error;

	*out = (struct bench_result) { 0 };
	r.reports = bench_shared(bytes);
	if (!r.reports)
		return -ENOMEM;
	r.begun_ns = -bench_now_ns();
	error = peer->open(c);
	r.begun_ns += bench_now_ns();
	if (error) {
		fprintf(stderr, "mqshm-bench: %s: %s\n", peer->name, strerror(-error));
	} else {
		error = start(&r);
		if (!error)
			error = measure(&r);
		error = end(&r, error);
		peer->close(c);
		if (!error)
			summarize(&r, out);
	}
	bench_unshare(r.reports, bytes);
	return error;
}
