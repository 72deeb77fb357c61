/* SPDX-License-Identifier: GPL-2.0-only */
/* A memory cgroup (v2) of the test's. Functions return 0 or -errno. */
#ifndef CGROUP_H
#define CGROUP_H

#include <stdbool.h>

/* Makes it, with a bound in bytes and without swap; -ENODEV if that cannot be had. */
int cgroup_make(unsigned long bytes);
/* What is charged stays there when who had it charged is killed or leaves. */
int cgroup_enter(void);
int cgroup_leave(void);
/* If one is killed, all are. */
int cgroup_die_together(void);
/* Kills by the kernel in it so far, for want of memory. */
unsigned long cgroup_kills(void);
/* When all in it are gone. */
void cgroup_remove(void);

#endif /* CGROUP_H */
