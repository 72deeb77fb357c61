/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One instruction at a time, and copies of a process that stopped at one.
 *
 * A process calls step_begin(), and its parent, which traces it from then on, leads
 * it from one instruction to the next; those inside the module are passed over. At
 * each it can be copied: the copy stands at that instruction with the same memory,
 * and may be killed there, or go on from there, as often as one likes.
 */
#ifndef HOST_STEP_H
#define HOST_STEP_H

#include <stdbool.h>
#include <sys/types.h>

/* In the process that is to be stepped: stops it. */
void step_begin(void);
/* There: the last instruction was the one before. A copy runs on. */
void step_end(void);
/* Waits until a child has done that. */
void step_await(pid_t pid);
/* To the next instruction outside the module; false: it is at step_end(). */
bool step_next(pid_t pid);
/* Where it stands. */
unsigned long step_address(pid_t pid);

/*
 * Stops a child for good wherever it is, in a system call if need be, so that it can
 * be copied. It was clonable (host_set_clonable()) before it went there.
 */
void step_hold(pid_t pid);
/* Lets one go that was stepped or held, or was killed meanwhile. */
void step_let_go(pid_t pid);

/* A copy: a child of the caller as well, stopped at the same instruction. */
pid_t step_clone(pid_t pid);
/* Lets a copy run, no more traced; @signal is the first thing it sees, if not 0. */
void step_run(pid_t pid, int signal);

/* This process and its children on one processor: a step costs a tenth of two. */
void step_pin(void);

#endif /* HOST_STEP_H */
