// SPDX-License-Identifier: GPL-2.0-only
/* Processes and their threads: how they begin, and what happens when one is dead. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

struct host_process host_processes[HOST_PROCESSES];
struct task_struct host_tasks[HOST_TASKS];
__thread struct task_struct *host_task;

/* Protects both tables. */
static DEFINE_MUTEX(tables_lock);

/* -- pids and memories ------------------------------------------------------------ */

static struct pid *pid_new(int nr)
{
	struct pid *pid = kzalloc(sizeof(*pid), GFP_KERNEL_ACCOUNT);

	kref_init(&pid->ref);
	pid->nr = nr;
	return pid;
}

struct pid *get_pid(struct pid *pid)
{
	if (pid)
		kref_get(&pid->ref);
	return pid;
}

static void pid_free(struct kref *ref)
{
	kfree(container_of(ref, struct pid, ref));
}

void put_pid(struct pid *pid)
{
	if (pid)
		kref_put(&pid->ref, pid_free);
}

static struct mm_struct *mm_new(void)
{
	struct mm_struct *mm = kzalloc(sizeof(*mm), GFP_KERNEL_ACCOUNT);

	kref_init(&mm->ref);
	mutex_init(&mm->lock);
	INIT_LIST_HEAD(&mm->notifiers);
	INIT_LIST_HEAD(&mm->vmas);
	return mm;
}

void mmgrab(struct mm_struct *mm)
{
	kref_get(&mm->ref);
}

static void mm_free(struct kref *ref)
{
	kfree(container_of(ref, struct mm_struct, ref));
}

void mmdrop(struct mm_struct *mm)
{
	kref_put(&mm->ref, mm_free);
}

static struct mmu_notifier *notifier_find(const struct mmu_notifier_ops *ops,
					  struct mm_struct *mm)
{
	struct mmu_notifier *notifier;

	list_for_each_entry(notifier, &mm->notifiers, node)
		if (notifier->ops == ops)
			return notifier;
	return NULL;
}

struct mmu_notifier *mmu_notifier_get(const struct mmu_notifier_ops *ops,
				      struct mm_struct *mm)
{
	struct mmu_notifier *notifier;

	mutex_lock(&mm->lock);
	notifier = notifier_find(ops, mm);
	if (!notifier) {
		notifier = ops->alloc_notifier(mm);
		if (IS_ERR(notifier))
			goto out;
		notifier->ops = ops;
		notifier->mm = mm;
		notifier->users = 0;
		mmgrab(mm);
		list_add(&notifier->node, &mm->notifiers);
	}
	notifier->users++;
out:
	mutex_unlock(&mm->lock);
	return notifier;
}

static void notifier_free(struct rcu_head *rcu)
{
	struct mmu_notifier *notifier = container_of(rcu, struct mmu_notifier, rcu);
	struct mm_struct *mm = notifier->mm;

	notifier->ops->free_notifier(notifier);
	mmdrop(mm);
}

void mmu_notifier_put(struct mmu_notifier *notifier)
{
	struct mm_struct *mm = notifier->mm;
	bool last;

	mutex_lock(&mm->lock);
	last = !--notifier->users;
	if (last)
		list_del(&notifier->node);
	mutex_unlock(&mm->lock);
	if (last)
		call_rcu(&notifier->rcu, notifier_free);
}

void mmu_notifier_synchronize(void)
{
	rcu_barrier();
}

/* There is one kind of notifier, so at most one in the list. */
void host_mm_end(struct mm_struct *mm)
{
	struct mmu_notifier *notifier;

	mutex_lock(&mm->lock);
	notifier = list_first_entry_or_null(&mm->notifiers, struct mmu_notifier, node);
	if (notifier)
		notifier->users++;
	mutex_unlock(&mm->lock);
	if (!notifier)
		return;
	notifier->ops->release(notifier, mm);
	mmu_notifier_put(notifier);
}

/* -- processes and threads ---------------------------------------------------------- */

/* Pairs with host_bury(): what the last one did in a free place is done. */
struct host_process *host_process_find(pid_t pid)
{
	unsigned int i;

	for (i = 0; i < HOST_PROCESSES; i++)
		if (smp_load_acquire(&host_processes[i].pid) == pid)
			return &host_processes[i];
	return NULL;
}

/* @pid 0 cannot be, so a child that is yet to be forked has another one: -1. */
struct host_process *host_process_new(int pid, struct host_process *parent)
{
	struct host_process *process;

	mutex_lock(&tables_lock);
	process = host_process_find(0);
	if (!process)
		host_bug("too many processes");
	WRITE_ONCE(process->pid, pid);
	mutex_unlock(&tables_lock);
	process->gate = 0;
	process->frozen = 0;
	process->trap = false;
	process->thread = false;
	process->grave = NULL;
	process->clonable = false;
	process->mm = mm_new();
	atomic_set(&process->signal.live, 0);
	process->tgid = pid_new(pid);
	memset(process->files, 0, sizeof(process->files));
	if (parent)
		host_files_inherit(process, parent);
	return process;
}

struct task_struct *host_task_new(struct host_process *process, int nr)
{
	struct task_struct *t = NULL, *leader = process->tgid->task;
	unsigned int i;

	mutex_lock(&tables_lock);
	for (i = 0; i < HOST_TASKS && !t; i++)
		/* pairs with host_task_free() */
		if (!smp_load_acquire(&host_tasks[i].nr))
			t = &host_tasks[i];
	if (!t)
		host_bug("too many threads");
	WRITE_ONCE(t->nr, nr);
	mutex_unlock(&tables_lock);
	/* others look at these of a free one too: @rcu is 0, @sleeping NULL already */
	WRITE_ONCE(t->process, process);
	t->settle_locks = 0;
	t->spin_locks = 0;
	t->mm = process->mm;
	t->group_leader = leader ? leader : t;
	t->signal = &process->signal;
	t->tgid = get_pid(process->tgid);
	t->pid = leader ? pid_new(nr) : get_pid(process->tgid);
	t->pid->task = t;
	t->start_time = ktime_get_ns();
	t->uid = leader ? leader->uid : geteuid();
	t->gid = leader ? leader->gid : getegid();
	t->capable = leader ? leader->capable : geteuid() == 0;
	t->fail_after = -2;
	atomic_inc(&process->signal.live);
	return t;
}

/* One that goes meanwhile is none that the caller can mean. */
struct pid *find_get_pid(int nr)
{
	struct pid *pid = NULL;
	unsigned int i;

	mutex_lock(&tables_lock);
	for (i = 0; i < HOST_TASKS && !pid; i++)
		if (READ_ONCE(host_tasks[i].nr) == nr)
			pid = get_pid(host_tasks[i].pid);
	mutex_unlock(&tables_lock);
	return pid;
}

void host_task_free(struct task_struct *t)
{
	WRITE_ONCE(t->pid->task, NULL);
	put_pid(t->pid);
	put_pid(t->tgid);
	smp_store_release(&t->nr, 0);
}

/* A thread that is none of the harness's yet, or no more. */
static __thread struct task_struct stranger = { .fail_after = -2 };

static void become_stranger(struct host_process *process)
{
	stranger.nr = (int)gettid();
	stranger.process = process;
	host_task = &stranger;
}

void host_start(void)
{
	struct host_process *process;

	become_stranger(NULL);
	host_arena_start();
	process = host_process_new(getpid(), NULL);
	host_task = host_task_new(process, (int)gettid());
	if (host_module_init())
		host_bug("the module does not load");
}

unsigned int host_stop(void)
{
	struct host_process *process = current->process;
	int refs;

	host_files_close(process);
	host_vmas_close(process->mm, true);
	host_module_exit();
	rcu_barrier();
	refs = atomic_read(&host_module.refs);
	if (refs)
		fprintf(stderr, "# host: %d references to the module are left\n", refs);
	host_task_free(current);
	become_stranger(process);
	put_pid(process->tgid);
	mmdrop(process->mm);
	process->pid = 0;
	return (unsigned int)abs(refs) + host_arena_report();
}

/* Parent and child both write it: either may need it first. */
static void process_is(struct host_process *process, struct task_struct *t, pid_t pid)
{
	WRITE_ONCE(t->nr, pid);
	WRITE_ONCE(process->tgid->nr, pid);
	WRITE_ONCE(process->pid, pid);
}

pid_t host_fork(void)
{
	struct host_process *process;
	pid_t pid, monitor = getpid();
	struct task_struct *t;

	host_enter();
	process = host_process_new(-1, current->process);
	t = host_task_new(process, -1);
	t->uid = current->uid;
	t->gid = current->gid;
	t->capable = current->capable;
	host_exit();

	pid = fork();
	if (pid < 0)
		host_bug("fork: %m");
	process_is(process, t, pid ? pid : getpid());
	if (pid)
		return pid;
	host_task = t;
	/* nobody is left behind if the monitor crashes, or did so just now */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != monitor)
		_exit(1);
	return 0;
}

void host_thread_begin(void)
{
	struct task_struct *t;

	become_stranger(host_process_find(getpid()));
	host_enter();
	t = host_task_new(current->process, (int)gettid());
	host_exit();
	host_task = t;
}

void host_thread_end(void)
{
	struct task_struct *t = current;

	become_stranger(t->process);
	host_enter();
	atomic_dec(&t->signal->live);
	host_task_free(t);
	host_exit();
	host_task = NULL;
}

/* Where this thread goes when it is killed. */
static __thread jmp_buf grave;

/* Not sanitized: its own store must not find that it has been killed. */
__attribute__((no_sanitize("thread"))) void host_thread_die(struct host_process *process)
{
	process->grave = NULL;
	longjmp(grave, 1);
}

bool host_thread_run(pid_t *pid, void (*life)(void *arg), void *arg)
{
	struct host_process *process;
	bool killed = true;

	become_stranger(NULL);
	process = host_process_new(-1, NULL);
	host_task = host_task_new(process, (int)gettid());
	process->thread = true;
	if (!setjmp(grave)) {
		process->grave = &grave;
		process_is(process, current, gettid());
		__atomic_store_n(pid, gettid(), __ATOMIC_RELEASE);
		life(arg);
		process->grave = NULL;
		killed = false;
	}
	host_task = NULL;
	return !killed;
}

void host_set_user(uid_t uid, gid_t gid, bool capable)
{
	current->uid = uid;
	current->gid = gid;
	current->capable = capable;
}

unsigned int host_denied(void)
{
	return current->denied;
}

void host_fail_allocation(int n)
{
	current->fail_after = n < 0 ? -2 : n;
}

bool host_allocation_failed(void)
{
	return current->fail_after == -1;
}

/* -- the end ------------------------------------------------------------------------- */

static void tasks_free(struct host_process *process)
{
	unsigned int i;

	for (i = 0; i < HOST_TASKS; i++)
		if (READ_ONCE(host_tasks[i].nr) &&
		    READ_ONCE(host_tasks[i].process) == process)
			host_task_free(&host_tasks[i]);
}

/* In the kernel's order: memory, mappings, files, and the process is no more. */
void host_bury(pid_t pid)
{
	struct host_process *process = host_process_find(pid);

	if (!process)
		return;
	atomic_set(&process->signal.live, 0);
	host_mm_end(process->mm);
	host_vmas_close(process->mm, process->thread);
	host_files_close(process);
	tasks_free(process);
	put_pid(process->tgid);
	mmdrop(process->mm);
	host_rcu_work();
	smp_store_release(&process->pid, 0);
}

/* Looks until then: a signal for it would belong to the whole program. */
static pid_t child_wait(pid_t pid, int timeout_ms, int *status)
{
	u64 end = ktime_get_ns() + (u64)timeout_ms * 1000000;
	pid_t dead;

	if (timeout_ms < 0)
		return waitpid(pid, status, 0);
	for (;;) {
		dead = waitpid(pid, status, WNOHANG);
		if (dead || ktime_get_ns() >= end)
			return dead;
		usleep(50);
	}
}

pid_t host_wait(pid_t pid, int timeout_ms, int *status)
{
	int ignored;

	pid = child_wait(pid, timeout_ms, status ? status : &ignored);
	if (pid > 0 && host_inside(pid))
		host_bug("process %d died inside the module, not by host_kill()", pid);
	if (pid > 0)
		host_bury(pid);
	return pid;
}
