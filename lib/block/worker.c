// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Workers: threads that run many blocks each. Whoever adds a block hands a job to a
 * thread and waits until the thread has made the block, since all of a block's life
 * is on the thread of its client.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../client.h"
#include "instance.h"
#include "place.h"
#include "scheduler.h"

enum job_state {
	JOB_WAITS,	/* for its thread to take it */
	JOB_STARTS,	/* its block is being made */
	JOB_HELD,	/* its block is registered, and is not to run yet */
	JOB_RUNS,
	JOB_REFUSED,	/* no block was made of it; its owner is who adds it */
	JOB_ENDED,
};

/**
 * struct job - a block of a worker
 * @next: later one of the worker's; protected by the worker's lock, as is the rest
 *	but @worker, @ops and @params
 * @worker: that it belongs to
 * @ops: type
 * @params: the adder's; until the block is made
 * @n_params: their number
 * @state: enum job_state
 * @instance: while it runs
 * @refusal: why there is no block; -errno
 * @sentence: the same in words, may be NULL
 * @told: what there is to be told of it; @told.stats once it has ended
 */
struct job {
	struct job *next;
	struct mqshm_worker *worker;
	const struct mqshm_block_ops *ops;
	const struct mqshm_param *params;
	size_t n_params;
	enum job_state state;
	struct mqshm_instance *instance;
	int refusal;
	char *sentence;
	struct mqshm_worker_block told;
};

/**
 * struct thread - a thread of a worker
 * @worker: that it belongs to
 * @client: its client
 * @scheduler: of its blocks
 * @pthread: the thread
 * @started: @pthread is one
 * @ended: it takes no jobs any more; protected by the worker's lock
 * @blocks: that it has or will have; protected by the worker's lock
 */
struct thread {
	struct mqshm_worker *worker;
	struct mqshm_client *client;
	struct scheduler *scheduler;
	pthread_t pthread;
	bool started;
	bool ended;
	size_t blocks;
};

/**
 * struct mqshm_worker - a worker
 * @lock: for what changes while threads run; nobody waits or calls a block under it
 * @changed: a job's state changed
 * @stop: it was asked to stop; set by signal handlers too
 * @end: it was asked to end its streams; set by signal handlers too
 * @hold: blocks that are added do not run yet; protected by @lock
 * @closing: threads without blocks end; protected by @lock
 * @stack_bytes: of each block
 * @jobs: all that were added, in that order; protected by @lock
 * @n_threads: constant
 * @threads: array[@n_threads]
 */
struct mqshm_worker {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop;
	bool end;
	bool hold;
	bool closing;
	size_t stack_bytes;
	struct job *jobs;
	uint32_t n_threads;
	struct thread threads[];
};

/* -- a thread's own part --------------------------------------------------------- */

static struct thread *job_thread(struct job *job)
{
	return &job->worker->threads[job->told.thread];
}

/* The state is the last thing that a waiter looks at. */
static void job_set_state_locked(struct job *job, enum job_state state)
{
	job->state = state;
	pthread_cond_broadcast(&job->worker->changed);
}

/* False: the block does not run, or not yet. */
static bool job_start(struct job *job)
{
	enum job_state state;

	struct mqshm_worker *w = job->worker;
	struct mqshm_instance *in = NULL;
	char *sentence = NULL;
	int r;

	r = mqshm_instance_new(job_thread(job)->client, job->ops, job->told.name, job->params,
			       job->n_params, &sentence, &in);
	pthread_mutex_lock(&w->lock);
	job->instance = in;
	job->told.id = in ? in->block_id : 0;
	job->refusal = r;
	job->sentence = sentence;
	job_thread(job)->blocks -= r != 0;
	state = r ? JOB_REFUSED : w->hold ? JOB_HELD : JOB_RUNS;
	job_set_state_locked(job, state);
	pthread_mutex_unlock(&w->lock);
	return state == JOB_RUNS;
}

static void job_end(struct job *job, enum mqshm_result result, const char *sentence)
{
	struct mqshm_worker *w = job->worker;
	struct mqshm_instance *in = job->instance;

	pthread_mutex_lock(&w->lock);
	mqshm_instance_get_stats(in, &job->told.stats);
	job->instance = NULL;
	pthread_mutex_unlock(&w->lock);
	/* who learns that it has ended may take its name again */
	mqshm_instance_free(in);
	pthread_mutex_lock(&w->lock);
	job->told.result = result;
	job->told.running = false;
	if (sentence)
		strncpy(job->told.error, sentence, sizeof(job->told.error) - 1);
	job_thread(job)->blocks--;
	job_set_state_locked(job, JOB_ENDED);
	pthread_mutex_unlock(&w->lock);
}

/* On a stack of its own. */
static void job_go(void *arg)
{
	struct job *job = arg;
	enum mqshm_result result;
	char *sentence = NULL;

	/* it may have been asked to stop before there was anybody to ask */
	if (__atomic_load_n(&job->worker->stop, __ATOMIC_ACQUIRE))
		mqshm_instance_request_stop(job->instance);
	if (__atomic_load_n(&job->worker->end, __ATOMIC_ACQUIRE))
		mqshm_instance_request_end(job->instance);
	result = mqshm_instance_run(job->instance, &sentence);
	job_end(job, result, sentence);
	free(sentence);
}

/* A block's whole life, unless it is held in between. */
static void job_run(void *arg)
{
	if (job_start(arg))
		job_go(arg);
}

/* Asks the thread's blocks to stop, or to end. */
static void thread_ask(struct thread *t, void (*ask)(struct mqshm_instance *in))
{
	struct mqshm_worker *w = t->worker;
	struct job *job;

	pthread_mutex_lock(&w->lock);
	for (job = w->jobs; job; job = job->next) {
		if (job->state == JOB_RUNS && job->instance && job_thread(job) == t)
			ask(job->instance);
	}
	pthread_mutex_unlock(&w->lock);
}

static void job_refuse_locked(struct job *job, int refusal)
{
	job->refusal = refusal;
	job_thread(job)->blocks--;
	job_set_state_locked(job, JOB_REFUSED);
}

static bool is_released_locked(const struct mqshm_worker *w)
{
	return !w->hold || __atomic_load_n(&w->stop, __ATOMIC_ACQUIRE);
}

/* Without memory it stays held, until the next look. */
static void job_release_locked(struct job *job)
{
	if (!mqshm_scheduler_add(job_thread(job)->scheduler, job_go, job,
				 job->worker->stack_bytes))
		job_set_state_locked(job, JOB_RUNS);
}

/* False: the thread has nothing to do any more. */
static bool thread_take_jobs(struct thread *t)
{
	struct mqshm_worker *w = t->worker;
	bool goes_on = mqshm_scheduler_tasks(t->scheduler);
	struct job *job;
	int r;

	pthread_mutex_lock(&w->lock);
	for (job = w->jobs; job; job = job->next) {
		if (job->state == JOB_HELD && job_thread(job) == t) {
			if (is_released_locked(w))
				job_release_locked(job);
			goes_on = true;
		}
		if (job->state != JOB_WAITS || job_thread(job) != t)
			continue;
		r = mqshm_scheduler_add(t->scheduler, job_run, job, w->stack_bytes);
		if (r)
			job_refuse_locked(job, r);
		else
			job->state = JOB_STARTS;
		goes_on |= !r;
	}
	goes_on |= !w->closing;
	t->ended = !goes_on;
	pthread_mutex_unlock(&w->lock);
	return goes_on;
}

static struct job *job_find(struct thread *t, enum job_state state)
{
	struct job *job;

	pthread_mutex_lock(&t->worker->lock);
	for (job = t->worker->jobs; job; job = job->next) {
		if (job->state == state && job_thread(job) == t)
			break;
	}
	pthread_mutex_unlock(&t->worker->lock);
	return job;
}

/* The client has ended under it: no job can be done. */
static void thread_give_up(struct thread *t)
{
	struct mqshm_worker *w = t->worker;
	struct job *job;

	while ((job = job_find(t, JOB_HELD)))
		job_end(job, MQSHM_ERROR, "the runtime was removed");

	pthread_mutex_lock(&w->lock);
	t->ended = true;
	for (job = w->jobs; job; job = job->next) {
		if (job->state == JOB_WAITS && job_thread(job) == t)
			job_refuse_locked(job, -ESHUTDOWN);
	}
	pthread_mutex_unlock(&w->lock);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct mqshm_worker *w = t->worker;
	bool stopped = false, ended = false;

	while (thread_take_jobs(t)) {
		if (!stopped && __atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
			stopped = true;
			thread_ask(t, mqshm_instance_request_stop);
		}
		if (!ended && __atomic_load_n(&w->end, __ATOMIC_ACQUIRE)) {
			ended = true;
			thread_ask(t, mqshm_instance_request_end);
			/* as a change of the graph: each one looks what it was waiting for */
			t->client->changes++;
		}
		if (mqshm_scheduler_step(t->scheduler)) {
			thread_give_up(t);
			break;
		}
	}
	return NULL;
}

/* -- for the others ---------------------------------------------------------------- */

/* It never runs anywhere else than at its place. */
static int thread_create(struct thread *t, const struct mqshm_place *place)
{
	pthread_attr_t attr;
	struct cpus cpus;
	bool bound;
	int r = mqshm_place_cpus(place, (uint32_t)(t - t->worker->threads), &cpus, &bound);

	if (r)
		return r;
	pthread_attr_init(&attr);
	if (bound)
		r = -pthread_attr_setaffinity_np(&attr, sizeof(cpus), (const cpu_set_t *)cpus.words);
	if (!r)
		r = -pthread_create(&t->pthread, &attr, thread_main, t);
	pthread_attr_destroy(&attr);
	/* the processors are there, so it may not use them */
	return r == -EINVAL && bound ? -EPERM : r;
}

static int thread_start(struct thread *t, const char *runtime,
			const struct mqshm_client_options *options,
			const struct mqshm_place *place)
{
	sigset_t all, old;
	int r = mqshm_client_join(runtime, options, &t->client);

	if (!r)
		r = mqshm_scheduler_new(t->client, &t->scheduler);
	if (r)
		return r;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	r = thread_create(t, place);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	t->started = !r;
	return r;
}

static int worker_init(struct mqshm_worker *w)
{
	pthread_condattr_t attr;
	int r;

	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	r = pthread_cond_init(&w->changed, &attr);
	pthread_condattr_destroy(&attr);
	return -r;
}

int mqshm_worker_open(const char *runtime, const struct mqshm_worker_options *options,
		      struct mqshm_worker **out)
{
	static const struct mqshm_worker_options defaults;
	struct mqshm_client_options join = { .role = MQSHM_ROLE_WORKER };
	struct mqshm_worker *w;
	uint32_t i, n;
	int r;

	if (!options)
		options = &defaults;
	n = options->threads ? options->threads : 1;
	for (i = 0; i < sizeof(options->reserved) / sizeof(options->reserved[0]); i++) {
		if (options->reserved[i])
			return -EINVAL;
	}
	if (n > MQSHM_WORKER_THREADS_MAX)
		return -EINVAL;
	w = calloc(1, sizeof(*w) + n * sizeof(w->threads[0]));
	if (!w)
		return -ENOMEM;
	r = worker_init(w);
	if (r) {
		free(w);
		return r;
	}
	w->n_threads = n;
	w->stack_bytes = options->stack_bytes;
	join.process_name = options->process_name;
	join.persistent = options->persistent;
	if (options->role)
		join.role = options->role;
	for (i = 0; i < n && !r; i++) {
		w->threads[i].worker = w;
		r = thread_start(&w->threads[i], runtime, &join, &options->place);
	}
	if (r) {
		mqshm_worker_close(w);
		return r;
	}
	*out = w;
	return 0;
}

/* The thread that is meant; -ECANCELED, -EINVAL, or -ESHUTDOWN. */
static int thread_choose_locked(struct mqshm_worker *w, uint32_t wanted, uint32_t *out)
{
	uint32_t i, best = UINT32_MAX;

	if (__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE))
		return -ECANCELED;
	if (wanted != MQSHM_WORKER_ANY_THREAD) {
		*out = wanted;
		if (wanted >= w->n_threads)
			return -EINVAL;
		return w->threads[wanted].ended ? -ESHUTDOWN : 0;
	}
	for (i = 0; i < w->n_threads; i++) {
		if (!w->threads[i].ended &&
		    (best == UINT32_MAX || w->threads[i].blocks < w->threads[best].blocks))
			best = i;
	}
	*out = best;
	return best == UINT32_MAX ? -ESHUTDOWN : 0;
}

static void job_unlink_locked(struct job *job)
{
	struct job **link = &job->worker->jobs;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
}

/* Hands it over, and waits until there is a block or will be none. */
static int job_hand_over(struct job *job, uint32_t thread)
{
	struct mqshm_worker *w = job->worker;
	struct job **link = &w->jobs;
	int r;

	pthread_mutex_lock(&w->lock);
	r = thread_choose_locked(w, thread, &job->told.thread);
	if (r)
		goto unlock;
	job_thread(job)->blocks++;
	while (*link)
		link = &(*link)->next;
	*link = job;
	mqshm_client_rouse(job_thread(job)->client);
	while (job->state == JOB_WAITS || job->state == JOB_STARTS)
		pthread_cond_wait(&w->changed, &w->lock);
	if (job->state == JOB_REFUSED) {
		r = job->refusal;
		job_unlink_locked(job);
	}
unlock:
	pthread_mutex_unlock(&w->lock);
	return r;
}

int mqshm_worker_add(struct mqshm_worker *w, const struct mqshm_block_ops *ops,
		     const char *name, const struct mqshm_param *params, size_t n_params,
		     uint32_t thread, char **error)
{
	struct job *job;
	int r;

	if (error)
		*error = NULL;
	if (!ops || !name || strlen(name) >= MQSHM_BLOCK_NAME_LEN)
		return -EINVAL;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->worker = w;
	job->ops = ops;
	job->params = params;
	job->n_params = n_params;
	job->told.running = true;
	strncpy(job->told.name, name, sizeof(job->told.name) - 1);
	if (ops->type)
		strncpy(job->told.type, ops->type, sizeof(job->told.type) - 1);
	r = job_hand_over(job, thread);
	if (!r)
		return 0;
	if (error)
		*error = job->sentence ? job->sentence : strdup(strerror(-r));
	else
		free(job->sentence);
	free(job);
	return r;
}

static void rouse_all(struct mqshm_worker *w)
{
	uint32_t i;

	for (i = 0; i < w->n_threads; i++) {
		if (w->threads[i].started)
			mqshm_client_rouse(w->threads[i].client);
	}
}

void mqshm_worker_request_stop(struct mqshm_worker *w)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELEASE);
	rouse_all(w);
}

void mqshm_worker_request_end(struct mqshm_worker *w)
{
	__atomic_store_n(&w->end, true, __ATOMIC_RELEASE);
	rouse_all(w);
}

void mqshm_worker_hold(struct mqshm_worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->hold = true;
	pthread_mutex_unlock(&w->lock);
}

void mqshm_worker_go(struct mqshm_worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->hold = false;
	pthread_mutex_unlock(&w->lock);
	rouse_all(w);
}

/* As mqshm_worker_wait(), but -EAGAIN where that sleeps. */
static int look_locked(const struct mqshm_worker *w, size_t *ended)
{
	size_t known = ended ? *ended : 0, running = 0, over = 0;
	const struct job *job;

	for (job = w->jobs; job; job = job->next) {
		over += job->state == JOB_ENDED;
		running += job->state != JOB_ENDED && job->state != JOB_REFUSED;
	}
	if (ended)
		*ended = over;
	if (!running)
		return 0;
	return ended && over != known ? 1 : -EAGAIN;
}

int mqshm_worker_wait(struct mqshm_worker *w, size_t *ended, uint64_t deadline_ns)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline_ns / 1000000000),
		.tv_nsec = (long)(deadline_ns % 1000000000),
	};
	int r, error = 0;

	pthread_mutex_lock(&w->lock);
	while ((r = look_locked(w, ended)) == -EAGAIN && !error) {
		if (deadline_ns == MQSHM_FOREVER)
			pthread_cond_wait(&w->changed, &w->lock);
		else
			error = pthread_cond_timedwait(&w->changed, &w->lock, &until);
	}
	pthread_mutex_unlock(&w->lock);
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

static bool has_block(const struct job *job)
{
	return job->state == JOB_HELD || job->state == JOB_RUNS || job->state == JOB_ENDED;
}

size_t mqshm_worker_blocks(struct mqshm_worker *w)
{
	const struct job *job;
	size_t n = 0;

	pthread_mutex_lock(&w->lock);
	for (job = w->jobs; job; job = job->next)
		n += has_block(job);
	pthread_mutex_unlock(&w->lock);
	return n;
}

int mqshm_worker_get_block(struct mqshm_worker *w, size_t i, struct mqshm_worker_block *out)
{
	const struct job *job;
	int r = -ENOENT;

	pthread_mutex_lock(&w->lock);
	for (job = w->jobs; job && r; job = job->next) {
		if (!has_block(job) || i--)
			continue;
		*out = job->told;
		if (job->instance)
			mqshm_instance_get_stats(job->instance, &out->stats);
		r = 0;
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

void mqshm_worker_close(struct mqshm_worker *w)
{
	struct job *job;
	uint32_t i;

	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	pthread_mutex_unlock(&w->lock);
	mqshm_worker_request_stop(w);
	for (i = 0; i < w->n_threads; i++) {
		struct thread *t = &w->threads[i];

		if (t->started)
			pthread_join(t->pthread, NULL);
		mqshm_scheduler_free(t->scheduler);
		mqshm_client_close(t->client);
	}
	while ((job = w->jobs)) {
		w->jobs = job->next;
		free(job->sentence);
		free(job);
	}
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
