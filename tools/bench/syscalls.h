/* SPDX-License-Identifier: GPL-2.0-only */
/* System calls of a process, counted by the kernel's own tracepoint. */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Between these, repetitions count them; else they are timed. */
void syscalls_begin(void);
void syscalls_end(void);
/* A descriptor, to be closed; -1 if nobody counts, or can. */
int syscalls_open(pid_t pid);
void syscalls_start(int fd);
bool syscalls_read(int fd, uint64_t *n);

#endif /* SYSCALLS_H */
