/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A worker, its threads, and the blocks that were added to it. */
#ifndef LIB_BLOCK_WORKER_H
#define LIB_BLOCK_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <mqshm_block.h>

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

static inline struct thread *job_thread(const struct job *job)
{
	return &job->worker->threads[job->told.thread];
}

/* For pthread_create(): a thread's whole life; @thread: which. */
void *mqshm_worker_thread(void *thread);

#endif /* LIB_BLOCK_WORKER_H */
