/* SPDX-License-Identifier: GPL-2.0-only */
/* Tasks, who they are, their memory and its notifier. */
#ifndef HOST_TASK_H
#define HOST_TASK_H

#include "sync.h"

struct host_process;
struct task_struct;

/**
 * struct pid - a process or thread, dead or alive
 * @ref: number of references
 * @nr: its number
 * @task: NULL once it is gone
 */
struct pid {
	struct kref ref;
	int nr;
	struct task_struct *task;
};

#define SIGNAL_GROUP_EXIT	0x4

struct signal_struct {
	atomic_t live;
	unsigned int flags;
};

/**
 * struct mm_struct - the memory of a process
 * @ref: mmgrab()
 * @lock: all that follows
 * @notifiers: told when it ends
 * @vmas: mappings of this module
 */
struct mm_struct {
	struct kref ref;
	struct mutex lock;
	struct list_head notifiers;
	struct list_head vmas;
};

/**
 * struct task_struct - a thread
 * @nr: its number; 0: this slot is free
 * @process: to which it belongs
 * @mm: memory of that
 * @group_leader: first thread of that
 * @signal: of that
 * @pid: this thread
 * @tgid: its process
 * @start_time: when it began
 * @uid: who it is
 * @gid: likewise
 * @capable: it has every capability
 * @denied: how many it asked for and does not have, for all to see
 * @rcu: depth of RCU sections
 * @settle_locks: locks held of those that settle takes, spinlocks included
 * @spin_locks: spinlocks held
 * @sleeping: futex that it sleeps on, NULL if it does not
 * @fail_after: allocations until one fails; -1: it has, -2: none shall
 */
struct task_struct {
	int nr;
	struct host_process *process;
	struct mm_struct *mm;
	struct task_struct *group_leader;
	struct signal_struct *signal;
	struct pid *pid;
	struct pid *tgid;
	u64 start_time;
	uid_t uid;
	gid_t gid;
	bool capable;
	unsigned int denied;
	u32 rcu;
	int settle_locks;
	int spin_locks;
	u32 *sleeping;
	int fail_after;
};

extern __thread struct task_struct *host_task;
#define current	host_task

/* Handlers run at once, also above the module's code: only a kill is ever pending. */
bool host_doomed(void);
#define signal_pending(task)	((void)(task), host_doomed())
#define fatal_signal_pending(task)	signal_pending(task)

enum pid_type { PIDTYPE_TGID };

struct pid *get_pid(struct pid *pid);
void put_pid(struct pid *pid);
struct pid *find_get_pid(int nr);

static inline struct pid *task_pid(struct task_struct *task)
{
	return task->pid;
}

static inline struct pid *task_tgid(struct task_struct *task)
{
	return task->tgid;
}

static inline struct task_struct *pid_task(struct pid *pid, enum pid_type type)
{
	(void)type;
	return pid ? READ_ONCE(pid->task) : NULL;
}

static inline int pid_vnr(struct pid *pid)
{
	return pid ? pid->nr : 0;
}

void mmgrab(struct mm_struct *mm);
void mmdrop(struct mm_struct *mm);

struct mmu_notifier;

struct mmu_notifier_ops {
	void (*release)(struct mmu_notifier *notifier, struct mm_struct *mm);
	struct mmu_notifier *(*alloc_notifier)(struct mm_struct *mm);
	void (*free_notifier)(struct mmu_notifier *notifier);
};

/**
 * struct mmu_notifier - is told of the end of a memory
 * @rcu: it is freed late
 * @node: in its memory's notifiers
 * @ops: what is called
 * @mm: the memory
 * @users: protected by that memory's lock
 */
struct mmu_notifier {
	struct rcu_head rcu;
	struct list_head node;
	const struct mmu_notifier_ops *ops;
	struct mm_struct *mm;
	unsigned int users;
};

struct mmu_notifier *mmu_notifier_get(const struct mmu_notifier_ops *ops,
				      struct mm_struct *mm);
void mmu_notifier_put(struct mmu_notifier *notifier);
void mmu_notifier_synchronize(void);

typedef struct {
	uid_t val;
} kuid_t;

typedef struct {
	gid_t val;
} kgid_t;

struct user_namespace;

#define CAP_CHOWN		0
#define CAP_DAC_OVERRIDE	1
#define CAP_SYS_ADMIN		21
#define CAP_SYS_RESOURCE	24

#define current_user_ns()	((struct user_namespace *)NULL)
#define current_fsuid()		((kuid_t) { current->uid })
#define current_fsgid()		((kgid_t) { current->gid })
#define capable(cap)		((void)(cap), current->denied += !current->capable, current->capable)
#define ns_capable_noaudit(ns, cap)	((void)(cap), current->capable)
#define uid_eq(a, b)		((a).val == (b).val)
#define uid_valid(a)		((a).val != (uid_t)-1)
#define gid_valid(a)		((a).val != (gid_t)-1)
#define in_group_p(g)		((g).val == current->gid)
#define make_kuid(ns, id)	((void)(ns), (kuid_t) { id })
#define make_kgid(ns, id)	((void)(ns), (kgid_t) { id })
#define from_kuid_munged(ns, id)	((void)(ns), (id).val)
#define from_kgid_munged(ns, id)	((void)(ns), (id).val)

#endif /* HOST_TASK_H */
