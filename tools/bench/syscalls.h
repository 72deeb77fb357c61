/* SPDX-License-Identifier: GPL-2.0-only */
/* System calls of a process, counted by the kernel's own tracepoint. */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#include <stdint.h>

/* Between these, repetitions count them; else they are timed. */
void syscalls_begin(void);
void syscalls_end(void);
/* From here on this thread's can be counted, and those of threads that it makes. */
void syscalls_open(void);
/* From 0 on. */
void syscalls_start(void);
/* How many there were, less @own of the benchmark's; UINT64_MAX if nobody counts, or can. */
uint64_t syscalls_stop(uint64_t own);

#endif /* SYSCALLS_H */
