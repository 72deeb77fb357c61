/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host harness, as tests see it: the module's code in this process and its
 * children, its memory shared by all of them.
 *
 * The process that calls host_start() is the monitor: it starts the others, and
 * when one is dead does what the kernel does then. One thread of it at a time, but
 * two may wait for different children and settle them side by side.
 */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Loads the module. First of all, before anything is forked. */
void host_start(void);
/*
 * Unloads it. Returns how many things are left over that should not be (each
 * written to stderr): references to the module, allocations.
 */
unsigned int host_stop(void);

/* As fork(), for a process of the harness's: it inherits descriptors, not mappings. */
pid_t host_fork(void);
/* A thread of this process begins, or ends, to use the module. */
void host_thread_begin(void);
void host_thread_end(void);
/*
 * Calls @life in this thread, which until it returns is a process of its own to the
 * module: with descriptors, mappings and a memory that end when somebody else, who has
 * seen this return, calls host_bury() with *@pid. host_kill() ends such a life between
 * any two accesses to memory outside of the module; only the tsan variant can (others
 * end it where it enters or leaves the module). Returns whether it was not killed.
 */
bool host_thread_run(pid_t *pid, void (*life)(void *arg), void *arg);

/*
 * SIGKILL. One who is inside the module finishes first, as a system call does;
 * if it sleeps there, it is woken.
 */
void host_kill(pid_t pid);
/*
 * Waits for a child to end and has its memory and files end: its clients are
 * settled when this returns. Returns its pid, 0 after @timeout_ms (negative: for
 * ever).
 */
pid_t host_wait(pid_t pid, int timeout_ms, int *status);
/* What host_wait() does with the dead @pid, without reaping it. */
void host_bury(pid_t pid);

/* Stops every process but the caller, each outside the module or asleep in it. */
void host_freeze(void);
void host_thaw(void);

/*
 * The invariant, over all buffers of all runtimes, of a frozen harness: returns
 * how many buffers, depots or runtimes are wrong (written to stderr).
 */
unsigned int host_check(void);

/**
 * struct host_sums - what a frozen harness holds, over all runtimes
 * @buffers: that there are
 * @in_depot: free ones
 * @held: references in hands
 * @queued: references in rings
 * @orphaned: of those, the ones in rings whose consumer's end is gone
 */
struct host_sums {
	uint64_t buffers;
	uint64_t in_depot;
	uint64_t held;
	uint64_t queued;
	uint64_t orphaned;
};

void host_sum(struct host_sums *sums);

/*
 * Keeps a copy of everything that the harness and the module have in memory, and
 * puts it back, as if nothing had been done since. Nobody else may be running. One
 * more copy may be kept meanwhile.
 */
void host_save(void);
void host_restore(void);

/* Whether the module's memory differs from what it was at the last call. */
bool host_changed(void);

/* Whether @pid has a thread inside the module. */
bool host_inside(pid_t pid);
/* Whether all that it has there are asleep. */
bool host_asleep(pid_t pid);

/* This process raises SIGTRAP each time that it leaves the module, for its tracer. */
void host_set_trap(bool on);

/*
 * Copies of this process are made, by its tracer: what it maps is inherited. Then
 * the copy @clone takes the place of @pid, which must not move until host_restore().
 * @trap: as host_set_trap().
 */
void host_set_clonable(void);
void host_adopt(pid_t pid, pid_t clone, bool trap);

/* As poll() and fdinfo of a descriptor. */
int host_poll(int fd, unsigned int events, uint64_t deadline_ns);
size_t host_fdinfo(int fd, char *text, size_t room);

/* Who this process is, for the module. */
void host_set_user(uid_t uid, gid_t gid, bool capable);
/* How often it was asked for a capability that it does not have: an audit tells of that. */
unsigned int host_denied(void);
/* The allocation after @n more of this thread's fails; negative: none does. */
void host_fail_allocation(int n);
/* Whether that one has come. */
bool host_allocation_failed(void);
/* Allocations that live now, harness's own included, when all that is due is freed. */
long host_allocations(void);
/* Bytes of those, payload included: objects as they were asked for, pages whole. */
size_t host_allocated_bytes(void);
/* Each entry to the module costs one real system call as well. */
void host_set_real_entry(bool on);

/* System calls on the device, for sys.c. */
int host_sys_open(void);
int host_sys_ioctl(int fd, unsigned int cmd, void *args);
/* Does not sleep. */
int host_sys_read(int fd, void *buffer, size_t bytes);
void host_sys_close(int fd);
int host_sys_map(int fd, uint64_t offset, size_t bytes, bool writable, void **out);
void host_sys_unmap(void *address);

#endif /* HOST_H */
