/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the module is: in this machine's kernel (place_kernel.c), or in this process
 * and its children, by the host harness (place_native.c). Then a call of it is a
 * function call, nothing sleeps as in a kernel, and all else is as fast as it is.
 */
#ifndef PLACE_H
#define PLACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* For tables: "kernel" or "native". */
extern const char place_name[];
/* Whether a dead client is settled in place_wait(), and not by the kernel on its own. */
extern const bool place_settles_when_reaped;

void place_start(void);
/* As fork(), and waitpid() of one that ends by itself. */
pid_t place_fork(void);
int place_wait(pid_t pid, int *status);
void place_kill(pid_t pid);
/*
 * What the module has allocated for this process, payload included. -EOPNOTSUPP if nobody
 * can say; no place_memory_end() then.
 */
int place_memory_begin(void);
int place_memory(uint64_t *bytes);
void place_memory_end(void);
/* Around what a thread does. */
void place_thread_begin(void);
void place_thread_end(void);

#endif /* PLACE_H */
