/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Locks, RCU and sleeping between processes. Nobody dies while he holds one of
 * these (see host_enter()), so plain futexes do.
 */
#ifndef HOST_SYNC_H
#define HOST_SYNC_H

#include "list.h"

/**
 * struct host_lock - any lock
 * @word: 0 free, 1 held, 2 held and waited for
 * @owner: number of the task that holds it
 * @name: how the module's source calls it
 * @kind: HOST_LOCK_*
 */
struct host_lock {
	u32 word;
	int owner;
	const char *name;
	unsigned int kind;
};

#define HOST_LOCK_MUTEX		0
#define HOST_LOCK_SETTLE	1	/* a mutex that settle takes: see host_lock_rules() */
#define HOST_LOCK_SPIN		2

void host_lock_init(struct host_lock *lock, const char *name, unsigned int kind);
void host_lock_take(struct host_lock *lock);
void host_lock_drop(struct host_lock *lock);
bool host_lock_mine(const struct host_lock *lock);
/*
 * kmod/main.c promises that under the locks that settle takes nothing is
 * allocated, copied from or to users, and nobody woken; under a spinlock or in an
 * RCU section nobody sleeps. These find who does.
 */
void host_lock_rules(const char *what);
void host_may_sleep(const char *what);

struct mutex {
	struct host_lock host;
};

struct rw_semaphore {
	struct host_lock host;
};

typedef struct {
	struct host_lock host;
} spinlock_t;

#define DEFINE_MUTEX(lock)	struct mutex lock = { { .name = #lock } }
#define DEFINE_SPINLOCK(lock) \
	spinlock_t lock = { { .name = #lock, .kind = HOST_LOCK_SPIN } }

#define mutex_init(lock)	host_lock_init(&(lock)->host, #lock, HOST_LOCK_MUTEX)
#define mutex_lock(lock)	host_lock_take(&(lock)->host)
#define mutex_unlock(lock)	host_lock_drop(&(lock)->host)
#define spin_lock_init(lock)	host_lock_init(&(lock)->host, #lock, HOST_LOCK_SPIN)
#define spin_lock(lock)		host_lock_take(&(lock)->host)
#define spin_unlock(lock)	host_lock_drop(&(lock)->host)
/* One reader at a time is right, if not fast. */
#define init_rwsem(lock)	host_lock_init(&(lock)->host, #lock, HOST_LOCK_MUTEX)
#define down_read(lock)		host_lock_take(&(lock)->host)
#define up_read(lock)		host_lock_drop(&(lock)->host)
#define down_write(lock)	host_lock_take(&(lock)->host)
#define up_write(lock)		host_lock_drop(&(lock)->host)

#define lockdep_is_held(lock)	host_lock_mine(&(lock)->host)
#define lockdep_assert_held(lock) do {						\
	if (!host_lock_mine(&(lock)->host))					\
		host_bug("%s:%d: %s is not held", __FILE__, __LINE__, #lock);	\
} while (0)

struct rcu_head {
	struct rcu_head *next;
	void (*func)(struct rcu_head *head);
};

void rcu_read_lock(void);
void rcu_read_unlock(void);
void synchronize_rcu(void);
void rcu_barrier(void);
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head));
void host_kfree_rcu(struct rcu_head *head, size_t offset);
/* Runs what is due; called where a system call ends. */
void host_rcu_work(void);

#define kfree_rcu(p, member) \
	host_kfree_rcu(&(p)->member, offsetof(__typeof__(*(p)), member))
#define kvfree_rcu	kfree_rcu

#define rcu_dereference(p)		smp_load_acquire(&(p))
#define rcu_dereference_protected(p, c)	((void)(c), READ_ONCE(p))
#define rcu_access_pointer(p)		READ_ONCE(p)
#define rcu_assign_pointer(p, v)	smp_store_release(&(p), v)
#define RCU_INIT_POINTER(p, v)		WRITE_ONCE(p, v)
#define rcu_replace_pointer(p, v, c) \
	((void)(c), __atomic_exchange_n(&(p), v, __ATOMIC_ACQ_REL))

/**
 * struct wait_queue_head - who sleeps until something happens
 * @seq: moves with each wake; the futex
 * @sleepers: number of those who look at it
 */
typedef struct wait_queue_head {
	u32 seq;
	u32 sleepers;
} wait_queue_head_t;

void init_waitqueue_head(wait_queue_head_t *wq);
void wake_up_all(wait_queue_head_t *wq);
static inline int waitqueue_active(wait_queue_head_t *wq)
{
	return __atomic_load_n(&wq->sleepers, __ATOMIC_RELAXED) != 0;
}
u32 host_wait_begin(wait_queue_head_t *wq);
void host_wait_end(wait_queue_head_t *wq);
/* Sleeps unless @wq moved since @seq; -ERESTARTSYS: a signal, or it is to die. */
int host_wait_sleep(wait_queue_head_t *wq, u32 seq, u64 deadline_ns);

#define wake_up(wq)			wake_up_all(wq)	/* none here is exclusive */
#define wake_up_poll(wq, events)	((void)(events), wake_up_all(wq))

#define wait_event_interruptible_hrtimeout(wq, condition, timeout) ({		\
	u64 until_ = (timeout) == KTIME_MAX ? 0 : ktime_get_ns() + (timeout);	\
	int ret_ = 0;								\
	u32 seq_;								\
	while (!ret_) {								\
		seq_ = host_wait_begin(&(wq));					\
		if (condition) {						\
			host_wait_end(&(wq));					\
			break;							\
		}								\
		ret_ = host_wait_sleep(&(wq), seq_, until_);			\
		host_wait_end(&(wq));						\
	}									\
	ret_;									\
})

#define wait_event_interruptible(wq, condition) \
	wait_event_interruptible_hrtimeout(wq, condition, KTIME_MAX)
#define DECLARE_WAIT_QUEUE_HEAD(name)	wait_queue_head_t name

/* Work that a clock starts: never here. */
#define HZ	100

struct work_struct {
	void (*func)(struct work_struct *work);
};

struct delayed_work {
	struct work_struct work;
};

#define INIT_DELAYED_WORK(delayed, fn)		((delayed)->work.func = (fn))
#define to_delayed_work(from)			container_of(from, struct delayed_work, work)
#define queue_delayed_work(wq, delayed, after)	((void)(delayed))
#define mod_delayed_work(wq, delayed, after)	((void)(delayed), (void)(after))
#define cancel_delayed_work_sync(delayed)	((void)(delayed))
#define nsecs_to_jiffies(ns)			((unsigned long)((ns) / (1000000000 / HZ)))

/* Looks again and again; what it waits for may be due here. */
void host_var_look(unsigned int looks);

#define wait_var_event(var, condition) do {					\
	unsigned int looks_;							\
	for (looks_ = 0; !(condition); looks_++)				\
		host_var_look(looks_);						\
} while (0)
#define wake_up_var(var)	((void)(var))

#define cond_resched()	host_may_sleep("cond_resched")

#endif /* HOST_SYNC_H */
