// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a client has to do with its process: the notifier that tells when its
 * memory ends (exit, kill, exec), whoever else still holds the descriptor.
 */
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "client.h"
#include "mm.h"
#include "settle.h"

/**
 * struct mqshm_mm - the clients of one memory
 * @notifier: counted by the kernel, one reference a client
 * @lock: protects @clients; nothing else is taken under it
 * @clients: those that are not settled by the notifier yet
 */
struct mqshm_mm {
	struct mmu_notifier notifier;
	struct mutex lock;
	struct list_head clients;
};

/* Memories that are not freed yet: that happens late, in code of this module. */
static atomic_t bindings;

static struct mmu_notifier *binding_alloc(struct mm_struct *mm)
{
	struct mqshm_mm *binding = kzalloc(sizeof(*binding), GFP_KERNEL_ACCOUNT);

	if (!binding)
		return ERR_PTR(-ENOMEM);
	atomic_inc(&bindings);
	mutex_init(&binding->lock);
	INIT_LIST_HEAD(&binding->clients);
	return &binding->notifier;
}

static void binding_free(struct mmu_notifier *notifier)
{
	kfree(container_of(notifier, struct mqshm_mm, notifier));
	if (atomic_dec_and_test(&bindings))
		wake_up_var(&bindings);
}

static struct mqshm_client *binding_take_client(struct mqshm_mm *binding)
{
	struct mqshm_client *c;

	mutex_lock(&binding->lock);
	c = list_first_entry_or_null(&binding->clients, struct mqshm_client, mm_node);
	if (c) {
		list_del_init(&c->mm_node);
		/* one that is being released will wait for the lock, not for us */
		if (!kref_get_unless_zero(&c->ref)) {
			mutex_unlock(&binding->lock);
			return ERR_PTR(-EAGAIN);
		}
	}
	mutex_unlock(&binding->lock);
	return c;
}

/* No task can write this memory any more. Comes without mmap_lock. */
static void binding_release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct mqshm_mm *binding = container_of(notifier, struct mqshm_mm, notifier);
	struct mqshm_client *c;

	while ((c = binding_take_client(binding))) {
		if (IS_ERR(c))
			continue;
		mqshm_settle(c, MQSHM_DEPARTED_EXIT);
		mqshm_client_wake(c);
		mqshm_client_put(c);
	}
}

static const struct mmu_notifier_ops binding_ops = {
	.release	= binding_release,
	.alloc_notifier	= binding_alloc,
	.free_notifier	= binding_free,
};

/* Binds @c to the memory of the caller. */
int mqshm_mm_bind(struct mqshm_client *c)
{
	struct mmu_notifier *notifier = mmu_notifier_get(&binding_ops, current->mm);
	struct mqshm_mm *binding;
	int ret = PTR_ERR_OR_ZERO(notifier);

	/* a signal while the memory was being locked; nothing has been done yet */
	if (ret)
		return ret == -EINTR ? -ERESTARTNOINTR : ret;
	binding = container_of(notifier, struct mqshm_mm, notifier);
	mmgrab(current->mm);
	c->mm = current->mm;
	c->binding = binding;
	mutex_lock(&binding->lock);
	list_add_tail(&c->mm_node, &binding->clients);
	mutex_unlock(&binding->lock);
	return 0;
}

void mqshm_mm_unbind(struct mqshm_client *c)
{
	struct mqshm_mm *binding = c->binding;

	mutex_lock(&binding->lock);
	list_del_init(&c->mm_node);
	mutex_unlock(&binding->lock);
	mmu_notifier_put(&binding->notifier);
	mmdrop(c->mm);
}

bool mqshm_mm_is_mine(const struct mqshm_client *c)
{
	return current->mm == c->mm;
}

/*
 * The caller is the last thread of the process that joined, on its way out. It has
 * no memory any more: exit gives that up before the files.
 */
bool mqshm_mm_last_thread(const struct mqshm_client *c)
{
	return task_tgid(current) == c->tgid && !atomic_read(&current->signal->live);
}

/*
 * The process that joined is gone or will be, though its memory may live on: in others
 * that share it, or until a core is dumped or a tracer lets go of a thread at its exit.
 */
bool mqshm_mm_process_exiting(const struct mqshm_client *c)
{
	struct task_struct *task;
	bool exiting;

	rcu_read_lock();
	task = pid_task(c->tgid, PIDTYPE_TGID);
	exiting = !task || READ_ONCE(task->signal->flags) & SIGNAL_GROUP_EXIT ||
		  !atomic_read(&task->signal->live);
	rcu_read_unlock();
	return exiting;
}

u64 mqshm_mm_process_start_ns(void)
{
	return current->group_leader->start_time;
}

/* Before the module goes: the last of them is freed, and its callback has returned. */
void mqshm_mm_synchronize(void)
{
	wait_var_event(&bindings, !atomic_read(&bindings));
	mmu_notifier_synchronize();
}
