/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the harness share: arena, processes, tasks. */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

#include <setjmp.h>

#include "kernel.h"
#include "host.h"

/* Where the arena lies: where sanitizers leave room for it. */
#ifdef HOST_TSAN
#define HOST_ARENA	0x1000000000UL
#else
#define HOST_ARENA	0x200000000000UL
#endif

#define HOST_PROCESSES	128
#define HOST_TASKS	256
#define HOST_FILES	128
#define HOST_FD_FIRST	1000	/* descriptors of the harness, apart from real ones */

/* Bits of struct host_process.gate. */
#define GATE_INSIDE	(1ULL << 0)	/* one thread inside the module, asleep or not */
#define GATE_RUNNING	(1ULL << 16)	/* one that is not asleep there */
#define GATE_KILL	(1ULL << 32)	/* it dies as soon as none is inside */
#define GATE_FREEZE	(1ULL << 33)	/* none enters, or wakes up, for now */
#define GATE_COUNT	0xffffULL

/**
 * struct host_process - a process
 * @pid: 0: this slot is free
 * @gate: GATE_*; what its threads and those who kill or freeze it agree by
 * @frozen: futex that threads wait on for GATE_FREEZE to go
 * @trap: its tracer wants to know when it leaves the module
 * @grave: where a thread that is a process goes when it is killed; NULL: a real one,
 *	or it is past that
 * @thread: it is such a thread
 * @clonable: copies of it are made, which are to have its mappings
 * @mm: its memory
 * @signal: its threads
 * @tgid: a reference
 * @files: by descriptor, protected by @mm's lock
 */
struct host_process {
	int pid;
	u64 gate;
	u32 frozen;
	bool trap;
	bool thread;
	jmp_buf *grave;
	bool clonable;
	struct mm_struct *mm;
	struct signal_struct signal;
	struct pid *tgid;
	struct file *files[HOST_FILES];
};

extern struct host_process host_processes[HOST_PROCESSES];
extern struct task_struct host_tasks[HOST_TASKS];
extern const struct file_operations *host_device_fops;

struct host_process *host_process_find(pid_t pid);
struct host_process *host_process_new(int pid, struct host_process *parent);
struct task_struct *host_task_new(struct host_process *process, int nr);
void host_task_free(struct task_struct *task);
int host_module_init(void);
void host_module_exit(void);

/* The way into the module and out of it again. */
void host_enter(void);
void host_exit(void);
/* A thread inside falls asleep, and is awake again. */
void host_doze(u32 *futex);
void host_rouse(void);

/* vfs.c: what a dead process leaves. */
void host_files_inherit(struct host_process *child, struct host_process *parent);
void host_vmas_close(struct mm_struct *mm, bool unmap);
void host_files_close(struct host_process *process);
/* task.c */
void host_mm_end(struct mm_struct *mm);

/* A thread that is a process has been killed: does not return. */
__attribute__((noreturn)) void host_thread_die(struct host_process *process);

/* To be called between any two accesses of such a thread. */
static inline void host_thread_look(void)
{
	struct host_process *process = current ? current->process : NULL;
	u64 gate;

	if (!process || !process->grave)
		return;
	gate = READ_ONCE(process->gate);
	if (gate & GATE_KILL && !(gate & GATE_COUNT))
		host_thread_die(process);
}

/* tsan.c: addresses for mappings, and what lies there, for the one variant that asks. */
#ifdef HOST_TSAN
void *host_view_reserve(size_t bytes);
void host_view_set(unsigned long address, unsigned long pfn, size_t bytes, bool writable);
void host_view_clear(unsigned long address, size_t bytes);
#else
void *host_view_reserve(size_t bytes);
#define host_view_set(address, pfn, bytes, writable)	((void)0)
#define host_view_clear(address, bytes)			((void)0)
#endif

/* arena.c */
void host_arena_start(void);
int host_arena_fd(void);
unsigned int host_arena_report(void);

int host_futex_wait(u32 *word, u32 value, u64 deadline_ns);
/* The same, and until a descriptor is ready that the call sleeps for (fds.c). */
int host_futex_poll(u32 *word, u32 value, u64 deadline_ns);

/* What fget() gives for a descriptor of the program's own: no memory, but its number. */
static inline struct file *host_own_file(unsigned int fd)
{
	return (struct file *)(uintptr_t)(fd + 1);
}

/* -1: it is a file. */
static inline int host_own_fd(const struct file *file)
{
	return (uintptr_t)file <= HOST_FD_FIRST ? (int)(uintptr_t)file - 1 : -1;
}
void host_futex_wake(u32 *word, int n);

#endif /* HOST_INTERNAL_H */
