/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many tasks on one thread and one client: while one waits, others run. */
#ifndef LIB_BLOCK_SCHEDULER_H
#define LIB_BLOCK_SCHEDULER_H

#include "../client.h"

struct scheduler;

/* For the thread that uses @c from now on; the client must outlive it. */
int mqshm_scheduler_new(struct mqshm_client *c, struct scheduler **out);
/* Without tasks. NULL is allowed. */
void mqshm_scheduler_free(struct scheduler *s);

/*
 * A task: @run on a stack of its own (@stack_bytes, 0 for the default). Calls of the
 * client that wait, made inside, let others run. It ends when @run returns.
 */
int mqshm_scheduler_add(struct scheduler *s, void (*run)(void *arg), void *arg,
			size_t stack_bytes);
/*
 * Gives a turn to each task that can go on; if none can, and nobody has roused the
 * client since the last step, sleeps until one can. -ESHUTDOWN: the client has ended,
 * and no task is left.
 */
int mqshm_scheduler_step(struct scheduler *s);
/* Tasks that have not ended. */
size_t mqshm_scheduler_tasks(const struct scheduler *s);

#endif /* LIB_BLOCK_SCHEDULER_H */
