// SPDX-License-Identifier: GPL-2.0-only
/* Locks, RCU and wait queues between processes, on futexes in shared memory. */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define SPINS	100

u64 ktime_get_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
}

/* @deadline_ns 0: for ever. 0 or -errno. */
int host_futex_wait(u32 *word, u32 value, u64 deadline_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(deadline_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(deadline_ns % NSEC_PER_SEC),
	};

	if (!syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, deadline_ns ? &ts : NULL,
		     NULL, FUTEX_BITSET_MATCH_ANY))
		return 0;
	return -errno;
}

void host_futex_wake(u32 *word, int n)
{
	syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);
}

/* -- locks ---------------------------------------------------------------------- */

/* The mutexes that settle takes, by the names that the module's source has for them. */
static bool settle_takes(const char *name)
{
	return !strcmp(name, "&c->lock") || !strcmp(name, "&rt->lock");
}

void host_lock_init(struct host_lock *lock, const char *name, unsigned int kind)
{
	if (kind == HOST_LOCK_MUTEX && settle_takes(name))
		kind = HOST_LOCK_SETTLE;
	*lock = (struct host_lock) { .name = name, .kind = kind };
}

void host_lock_rules(const char *what)
{
	if (current && current->settle_locks)
		host_bug("%s under a lock that settle takes", what);
}

void host_may_sleep(const char *what)
{
	if (current && (current->spin_locks || current->rcu))
		host_bug("%s %s", what, current->rcu ? "in an RCU section" : "under a spinlock");
}

bool host_lock_mine(const struct host_lock *lock)
{
	return current && READ_ONCE(lock->owner) == current->nr;
}

static void lock_wait(struct host_lock *lock)
{
	unsigned int i;

	for (i = 0; i < SPINS; i++) {
		u32 free = 0;

		if (!READ_ONCE(lock->word) &&
		    __atomic_compare_exchange_n(&lock->word, &free, 1, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
		cpu_relax();
	}
	while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE))
		host_futex_wait(&lock->word, 2, 0);
}

void host_lock_take(struct host_lock *lock)
{
	u32 free = 0;

	if (host_lock_mine(lock))
		host_bug("%s is taken twice", lock->name);
	if (lock->kind != HOST_LOCK_SPIN)
		host_may_sleep("a mutex");
	if (!__atomic_compare_exchange_n(&lock->word, &free, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		lock_wait(lock);
	if (!current)
		return;
	WRITE_ONCE(lock->owner, current->nr);
	current->settle_locks += lock->kind != HOST_LOCK_MUTEX;
	current->spin_locks += lock->kind == HOST_LOCK_SPIN;
}

void host_lock_drop(struct host_lock *lock)
{
	if (current) {
		if (!host_lock_mine(lock))
			host_bug("%s is dropped by one who has not got it", lock->name);
		WRITE_ONCE(lock->owner, 0);
		current->settle_locks -= lock->kind != HOST_LOCK_MUTEX;
		current->spin_locks -= lock->kind == HOST_LOCK_SPIN;
	}
	if (__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2)
		host_futex_wake(&lock->word, 1);
}

/* -- RCU ------------------------------------------------------------------------ */

/**
 * struct callbacks - what waits for readers
 * @lock: the list
 * @running: those who run them come one after the other
 * @first: the list, newest first
 */
static struct callbacks {
	struct host_lock lock;
	struct host_lock running;
	struct rcu_head *first;
} callbacks = { .lock = { .name = "rcu" }, .running = { .name = "rcu run" } };

void rcu_read_lock(void)
{
	/* with the order of a full fence: what follows is not read before */
	__atomic_store_n(&current->rcu, current->rcu + 1, __ATOMIC_SEQ_CST);
}

void rcu_read_unlock(void)
{
	__atomic_store_n(&current->rcu, current->rcu - 1, __ATOMIC_RELEASE);
}

/* Waits until each task has been outside of a section once. */
static void readers_wait(void)
{
	unsigned int i, looks;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (i = 0; i < HOST_TASKS; i++) {
		struct task_struct *t = &host_tasks[i];

		for (looks = 0; t != current && __atomic_load_n(&t->rcu, __ATOMIC_SEQ_CST); looks++)
			if (looks > SPINS)
				syscall(SYS_sched_yield);
	}
}

void synchronize_rcu(void)
{
	host_may_sleep("synchronize_rcu");
	host_lock_rules("synchronize_rcu");
	readers_wait();
}

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	host_lock_take(&callbacks.lock);
	head->next = callbacks.first;
	WRITE_ONCE(callbacks.first, head);
	host_lock_drop(&callbacks.lock);
}

/* A small number in the place of a function: where the head lies in what is freed. */
void host_kfree_rcu(struct rcu_head *head, size_t offset)
{
	call_rcu(head, (void (*)(struct rcu_head *))offset);
}

static void callback_run(struct rcu_head *head)
{
	uintptr_t func = (uintptr_t)head->func;

	if (func < PAGE_SIZE)
		host_free((char *)head - func);
	else
		head->func(head);
}

void rcu_barrier(void)
{
	struct rcu_head *head, *next;

	host_may_sleep("rcu_barrier");
	host_lock_take(&callbacks.running);
	while (READ_ONCE(callbacks.first)) {
		host_lock_take(&callbacks.lock);
		head = callbacks.first;
		WRITE_ONCE(callbacks.first, NULL);
		host_lock_drop(&callbacks.lock);
		readers_wait();
		for (; head; head = next) {
			next = head->next;
			callback_run(head);
		}
	}
	host_lock_drop(&callbacks.running);
}

void host_rcu_work(void)
{
	if (READ_ONCE(callbacks.first))
		rcu_barrier();
}

/* -- sleeping ------------------------------------------------------------------- */

void init_waitqueue_head(wait_queue_head_t *wq)
{
	wq->seq = 0;
	wq->sleepers = 0;
}

void wake_up_all(wait_queue_head_t *wq)
{
	host_lock_rules("a wake");
	__atomic_fetch_add(&wq->seq, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&wq->sleepers, __ATOMIC_SEQ_CST))
		host_futex_wake(&wq->seq, INT_MAX);
}

/* Before the look at what is waited for: a wake that comes after it moves @seq. */
u32 host_wait_begin(wait_queue_head_t *wq)
{
	__atomic_fetch_add(&wq->sleepers, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&wq->seq, __ATOMIC_SEQ_CST);
}

void host_wait_end(wait_queue_head_t *wq)
{
	__atomic_fetch_sub(&wq->sleepers, 1, __ATOMIC_SEQ_CST);
}

int host_wait_sleep(wait_queue_head_t *wq, u32 seq, u64 deadline_ns)
{
	int ret = 0;

	host_may_sleep("a wait");
	host_lock_rules("a wait");
	host_doze(&wq->seq);
	if (!host_doomed())
		ret = host_futex_poll(&wq->seq, seq, deadline_ns);
	host_rouse();
	if (host_doomed() || ret == -EINTR)
		return -ERESTARTSYS;
	return ret == -ETIMEDOUT ? -ETIME : 0;
}

void host_var_look(unsigned int looks)
{
	host_may_sleep("wait_var_event");
	if (looks > 20000)
		host_bug("wait_var_event for ever");
	host_rcu_work();
	usleep(100);
}
