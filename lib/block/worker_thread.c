// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A worker's thread: makes the blocks that are handed to it and runs them. All of a
 * block's life is on the thread of its client.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../client.h"
#include "instance.h"
#include "scheduler.h"
#include "worker.h"

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

void *mqshm_worker_thread(void *arg)
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
