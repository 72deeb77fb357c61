// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Workers: threads that run many blocks each. Whoever adds a block hands a job to a
 * thread and waits until the thread has made the block.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../client.h"
#include "instance.h"
#include "place.h"
#include "scheduler.h"
#include "worker.h"

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
		r = -pthread_create(&t->pthread, &attr, mqshm_worker_thread, t);
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
	join.direct_io = options->direct_io;
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
