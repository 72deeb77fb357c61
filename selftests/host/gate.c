// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way into the module, and how those are killed and stopped who may be inside.
 *
 * A real SIGKILL lets a system call run to its end. So does this one: whoever
 * enters the module counts himself into his process's gate; a killer who finds
 * somebody inside leaves the kill to the last one who comes out, and wakes those
 * who sleep there.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

static bool real_entry;

void host_set_real_entry(bool on)
{
	real_entry = on;
}

void host_set_trap(bool on)
{
	current->process->trap = on;
}

static u64 gate_inside(u64 gate)
{
	return gate & GATE_COUNT;
}

static u64 gate_running(u64 gate)
{
	return gate / GATE_RUNNING & GATE_COUNT;
}

static void gate_die(struct host_process *process)
{
	if (process->thread)
		host_thread_die(process);
	kill(process->pid, SIGKILL);
	for (;;)
		pause();
}

static u64 gate_add(struct host_process *process, u64 n)
{
	return __atomic_add_fetch(&process->gate, n, __ATOMIC_SEQ_CST);
}

/* Outside: stays there for good, or until it may try again. */
static void gate_wait(struct host_process *process, u64 gate)
{
	if (gate & GATE_KILL) {
		if (!gate_inside(gate))
			gate_die(process);
		for (;;)
			pause();
	}
	if (gate & GATE_FREEZE)
		host_futex_wait(&process->frozen, 1, 0);
}

void host_enter(void)
{
	struct host_process *process;
	u64 gate;

	if (!current)
		host_bug("a thread without host_thread_begin()");
	process = current->process;
	if (real_entry)
		syscall(SYS_getppid);
	for (;;) {
		gate = gate_add(process, GATE_INSIDE + GATE_RUNNING);
		if (!(gate & (GATE_KILL | GATE_FREEZE)))
			return;
		gate = gate_add(process, -(GATE_INSIDE + GATE_RUNNING));
		gate_wait(process, gate);
	}
}

void host_exit(void)
{
	struct host_process *process = current->process;
	u64 gate;

	host_rcu_work();
	if (current->settle_locks || current->rcu)
		host_bug("the module is left with a lock held");
	gate = gate_add(process, -(GATE_INSIDE + GATE_RUNNING));
	if (gate & GATE_KILL)
		gate_wait(process, gate);
	if (process->trap)
		raise(SIGTRAP);
}

bool host_doomed(void)
{
	return __atomic_load_n(&current->process->gate, __ATOMIC_SEQ_CST) & GATE_KILL;
}

void host_doze(u32 *futex)
{
	__atomic_store_n(&current->sleeping, futex, __ATOMIC_SEQ_CST);
	gate_add(current->process, -GATE_RUNNING);
}

void host_rouse(void)
{
	struct host_process *process = current->process;
	u64 gate;

	__atomic_store_n(&current->sleeping, NULL, __ATOMIC_SEQ_CST);
	for (;;) {
		gate = gate_add(process, GATE_RUNNING);
		if (!(gate & GATE_FREEZE))
			return;
		gate_add(process, -GATE_RUNNING);
		host_futex_wait(&process->frozen, 1, 0);
	}
}

/* Whoever sleeps inside finds his futex moved. */
static void sleepers_wake(struct host_process *process)
{
	unsigned int i;
	u32 *futex;

	for (i = 0; i < HOST_TASKS; i++) {
		if (!READ_ONCE(host_tasks[i].nr) ||
		    READ_ONCE(host_tasks[i].process) != process)
			continue;
		futex = __atomic_load_n(&host_tasks[i].sleeping, __ATOMIC_SEQ_CST);
		if (!futex)
			continue;
		__atomic_fetch_add(futex, 1, __ATOMIC_SEQ_CST);
		host_futex_wake(futex, INT_MAX);
	}
}

void host_kill(pid_t pid)
{
	struct host_process *process = host_process_find(pid);

	if (!process)
		return;
	if (gate_inside(__atomic_fetch_or(&process->gate, GATE_KILL, __ATOMIC_SEQ_CST)))
		sleepers_wake(process);
	else if (!process->thread)
		kill(pid, SIGKILL);
}

bool host_inside(pid_t pid)
{
	struct host_process *process = host_process_find(pid);

	return process && gate_inside(READ_ONCE(process->gate));
}

bool host_asleep(pid_t pid)
{
	struct host_process *process = host_process_find(pid);
	u64 gate = process ? __atomic_load_n(&process->gate, __ATOMIC_SEQ_CST) : 0;

	return gate_inside(gate) && !gate_running(gate);
}

/* -- stopping ------------------------------------------------------------------------ */

static bool freezable(const struct host_process *process)
{
	if (process->pid > 0 && process->thread)
		host_bug("a thread cannot be stopped where it is");
	return process->pid > 0 && process != current->process;
}

static void process_wait_outside(struct host_process *process)
{
	u64 begin = ktime_get_ns();

	while (gate_running(__atomic_load_n(&process->gate, __ATOMIC_SEQ_CST))) {
		syscall(SYS_sched_yield);
		if (ktime_get_ns() - begin > 20 * NSEC_PER_SEC)
			host_bug("process %d does not leave the module", process->pid);
	}
}

void host_freeze(void)
{
	struct host_process *p, *end = host_processes + HOST_PROCESSES;
	siginfo_t info;

	for (p = host_processes; p < end; p++) {
		if (!freezable(p))
			continue;
		WRITE_ONCE(p->frozen, 1);
		__atomic_fetch_or(&p->gate, GATE_FREEZE, __ATOMIC_SEQ_CST);
	}
	for (p = host_processes; p < end; p++) {
		if (!freezable(p))
			continue;
		process_wait_outside(p);
		kill(p->pid, SIGSTOP);
	}
	for (p = host_processes; p < end; p++)
		if (freezable(p))
			waitid(P_PID, (id_t)p->pid, &info, WSTOPPED | WEXITED | WNOWAIT);
}

void host_thaw(void)
{
	struct host_process *p;

	for (p = host_processes; p < host_processes + HOST_PROCESSES; p++) {
		if (!freezable(p))
			continue;
		__atomic_fetch_and(&p->gate, ~GATE_FREEZE, __ATOMIC_SEQ_CST);
		WRITE_ONCE(p->frozen, 0);
		host_futex_wake(&p->frozen, INT_MAX);
		kill(p->pid, SIGCONT);
	}
}
