/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fibers: functions with a stack of their own that a thread enters and that leave it. */
#ifndef LIB_BLOCK_FIBER_H
#define LIB_BLOCK_FIBER_H

#include <stdbool.h>
#include <stddef.h>

struct fiber;

/* Below it there is a page that nobody may touch: too deep a recursion dies at once. */
#define FIBER_STACK_DEFAULT	(256UL << 10)
#define FIBER_STACK_MIN		(32UL << 10)

/* Memory of a stack is used as far as the stack gets. @entry runs at the first entry. */
int mqshm_fiber_new(size_t stack_bytes, void (*entry)(void *arg), void *arg,
		    struct fiber **out);
/* Goes on where it left, until it leaves; false once @entry has returned. */
bool mqshm_fiber_enter(struct fiber *f);
/* From inside: back to the thread. */
void mqshm_fiber_leave(struct fiber *f);
/* One that has returned, or never ran. NULL is allowed. */
void mqshm_fiber_free(struct fiber *f);

#endif /* LIB_BLOCK_FIBER_H */
