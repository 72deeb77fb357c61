// SPDX-License-Identifier: GPL-2.0-only
/*
 * Notices: what came, went, died or stalled, told in order to those who watch. A log
 * of the last ones exists for a runtime, or for the table of runtimes, only while
 * somebody watches that.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "block.h"
#include "client.h"
#include "conn.h"
#include "file.h"
#include "notice.h"
#include "pool.h"
#include "runtime.h"

/**
 * struct notice_entry - a notice as it is kept
 * @notice: as it is told, but for the pid
 * @pid: of a client's process, a reference, or NULL
 * @access: of the runtime, for those who watch the table
 */
struct notice_entry {
	struct mqshm_notice notice;
	struct pid *pid;
	struct mqshm_access access;
};

/**
 * struct mqshm_notices - a log, and those who read it
 * @rt: of this runtime, or NULL: of the table
 * @wq: where readers sleep; constant
 * @readers: protected by the log's lock, which is the runtime's or the table's
 * @count: notices so far; written under the log's lock
 * @look: looks for clients that stall
 * @ring: the last MQSHM_NOTICES; protected by the log's lock
 */
struct mqshm_notices {
	struct mqshm_runtime *rt;
	wait_queue_head_t *wq;
	unsigned int readers;
	u64 count;
	struct delayed_work look;
	struct notice_entry ring[MQSHM_NOTICES];
};

static struct mqshm_notices *table_notices;	/* protected by the table's lock */
static DECLARE_WAIT_QUEUE_HEAD(table_wq);

static void log_lock(struct mqshm_runtime *rt)
{
	if (rt)
		mutex_lock(&rt->lock);
	else
		mqshm_runtime_table_lock();
}

static void log_unlock(struct mqshm_runtime *rt)
{
	if (rt)
		mutex_unlock(&rt->lock);
	else
		mqshm_runtime_table_unlock();
}

/* The next entry of @log, to be filled in; none of what it held before is left. */
static struct notice_entry *log_add(struct mqshm_notices *log, struct mqshm_runtime *rt,
				    u32 subject, u32 change, u64 id)
{
	struct notice_entry *entry = &log->ring[log->count % MQSHM_NOTICES];

	put_pid(entry->pid);
	*entry = (struct notice_entry) {
		.notice = {
			.subject = subject,
			.change = change,
			.number = log->count + 1,
			.at_ns = ktime_get_ns(),
			.runtime = rt->id,
			.id = id,
		},
		.access = rt->access,
	};
	WRITE_ONCE(log->count, log->count + 1);
	return entry;
}

void mqshm_notice_client(struct mqshm_client *c, u32 change)
{
	struct notice_entry *entry;

	lockdep_assert_held(&c->rt->lock);
	if (!c->rt->notices)
		return;
	entry = log_add(c->rt->notices, c->rt, MQSHM_RECORD_CLIENT, change, c->id);
	entry->pid = get_pid(c->tgid);
	memcpy(entry->notice.name, c->name, sizeof(c->name));
	if (change == MQSHM_CHANGE_SETTLED) {
		entry->notice.refs = c->departed.refs;
		entry->notice.settle_ns = c->departed.settle_ns;
	}
}

void mqshm_notice_block(const struct mqshm_block *block, u32 change)
{
	struct mqshm_runtime *rt = block->client->rt;
	struct notice_entry *entry;

	lockdep_assert_held(&rt->lock);
	if (!rt->notices)
		return;
	entry = log_add(rt->notices, rt, MQSHM_RECORD_BLOCK, change, block->id);
	entry->notice.owner = block->client->id;
	entry->pid = get_pid(block->client->tgid);
	memcpy(entry->notice.name, block->name, sizeof(block->name));
}

void mqshm_notice_conn(const struct mqshm_conn *conn, u32 change)
{
	struct mqshm_runtime *rt = conn->rt;
	struct notice_entry *entry;

	lockdep_assert_held(&rt->lock);
	if (!rt->notices)
		return;
	entry = log_add(rt->notices, rt, MQSHM_RECORD_CONNECTION, change, conn->id);
	mqshm_conn_describe(&conn->end[MQSHM_DIR_OUT], entry->notice.name, sizeof(entry->notice.name));
	mqshm_conn_describe(&conn->end[MQSHM_DIR_IN], entry->notice.to, sizeof(entry->notice.to));
}

void mqshm_notice_pool(const struct mqshm_pool *pool, u32 change)
{
	struct mqshm_runtime *rt = pool->rt;
	struct notice_entry *entry;

	lockdep_assert_held(&rt->lock);
	if (!rt->notices)
		return;
	entry = log_add(rt->notices, rt, MQSHM_RECORD_POOL, change, pool->index);
	memcpy(entry->notice.name, pool->name, sizeof(pool->name));
}

void mqshm_notice_runtime(struct mqshm_runtime *rt, u32 change)
{
	struct mqshm_notices *logs[] = { rt->notices, table_notices };
	struct notice_entry *entry;
	unsigned int i;

	lockdep_assert_held(&rt->lock);
	for (i = 0; i < ARRAY_SIZE(logs); i++) {
		if (!logs[i])
			continue;
		entry = log_add(logs[i], rt, MQSHM_RECORD_RUNTIME, change, rt->id);
		memcpy(entry->notice.name, rt->name, sizeof(rt->name));
	}
}

/* Who watches the table: without locks. */
void mqshm_notice_wake_table(void)
{
	wake_up_all(&table_wq);
}

/*
 * Tells who has stalled and who goes on again; says whether there was anybody. One
 * that is dead does not go on.
 */
static bool stalls_tell(struct mqshm_runtime *rt)
{
	struct mqshm_client *c;
	bool told = false;
	u32 i, state;

	lockdep_assert_held(&rt->lock);
	for (i = 0; i < rt->limits.clients; i++) {
		c = rcu_dereference_protected(rt->clients[i], lockdep_is_held(&rt->lock));
		if (!c)
			continue;
		state = mqshm_client_state(c, ktime_get_ns());
		if (state == MQSHM_CLIENT_EXITING ||
		    (state == MQSHM_CLIENT_STALLED) == c->told_stalled)
			continue;
		c->told_stalled = !c->told_stalled;
		mqshm_notice_client(c, c->told_stalled ? MQSHM_CHANGE_STALLED :
							 MQSHM_CHANGE_RESUMED);
		told = true;
	}
	return told;
}

/* A client stalls by doing nothing, so that somebody has to look. */
static void stall_look(struct work_struct *work)
{
	struct mqshm_notices *log = container_of(to_delayed_work(work),
						 struct mqshm_notices, look);
	struct mqshm_runtime *rt = log->rt;
	bool told;

	mutex_lock(&rt->lock);
	told = stalls_tell(rt);
	mutex_unlock(&rt->lock);
	if (told)
		wake_up_all(&rt->wq);
	queue_delayed_work(system_unbound_wq, &log->look, HZ);
}

static struct mqshm_notices *log_new(struct mqshm_runtime *rt)
{
	struct mqshm_notices *log = kvzalloc(sizeof(*log), GFP_KERNEL_ACCOUNT);

	if (!log)
		return NULL;
	log->rt = rt;
	log->wq = rt ? &rt->wq : &table_wq;
	INIT_DELAYED_WORK(&log->look, stall_look);
	return log;
}

static void log_free(struct mqshm_notices *log)
{
	unsigned int i;

	for (i = 0; i < MQSHM_NOTICES; i++)
		put_pid(log->ring[i].pid);
	kvfree(log);
}

/* MQSHM_IOC_MONITOR; the descriptor's lock is held. */
int mqshm_notice_watch(struct mqshm_file *mf)
{
	struct mqshm_runtime *rt = mf->rt;
	struct mqshm_notices **place = rt ? &rt->notices : &table_notices;
	struct mqshm_notices *fresh = log_new(rt), *log;
	bool told;

	if (!fresh)
		return -ENOMEM;
	log_lock(rt);
	/* who stalls already is no news to this reader */
	told = rt && stalls_tell(rt);
	log = *place;
	if (!log) {
		log = *place = fresh;
		fresh = NULL;
		if (rt)
			queue_delayed_work(system_unbound_wq, &log->look, HZ);
	}
	log->readers++;
	mf->seen_notices = log->count;
	log_unlock(rt);
	if (told)
		wake_up_all(&rt->wq);
	kvfree(fresh);
	/* pairs with the loads of those who do not take the lock */
	smp_store_release(&mf->notices, log);
	return 0;
}

/* The descriptor is released. */
void mqshm_notice_unwatch(struct mqshm_file *mf)
{
	struct mqshm_notices *log = mf->notices;
	struct mqshm_runtime *rt = log->rt;
	bool last;

	log_lock(rt);
	last = !--log->readers;
	if (last)
		*(rt ? &rt->notices : &table_notices) = NULL;
	log_unlock(rt);
	if (!last)
		return;
	cancel_delayed_work_sync(&log->look);
	log_free(log);
}

/*
 * Nothing more will be told: clients of a runtime that is removed by force are
 * settled after that.
 */
static bool log_ended(const struct mqshm_notices *log)
{
	/* in this order: nobody joins once it is removed; pairs with runtime_unlink() */
	return log->rt && smp_load_acquire(&log->rt->removed) &&
	       !READ_ONCE(log->rt->n_clients);
}

/* Whether there is something to be read, the end included. */
static bool log_ready(const struct mqshm_file *mf, const struct mqshm_notices *log)
{
	return READ_ONCE(log->count) != READ_ONCE(mf->seen_notices) || log_ended(log);
}

/* The next notice that the reader may see, or none. */
static bool log_next(struct mqshm_file *mf, struct mqshm_notices *log,
		     struct mqshm_notice *out)
{
	u64 lost = log->count - mf->seen_notices;
	struct notice_entry *entry;

	if (lost > MQSHM_NOTICES) {
		lost -= MQSHM_NOTICES;
		WRITE_ONCE(mf->seen_notices, mf->seen_notices + lost);
		*out = (struct mqshm_notice) {
			.change = MQSHM_CHANGE_LOST,
			.number = mf->seen_notices,
			.at_ns = ktime_get_ns(),
			.runtime = log->rt ? log->rt->id : 0,
			.refs = lost,
		};
		return true;
	}
	while (mf->seen_notices != log->count) {
		entry = &log->ring[mf->seen_notices % MQSHM_NOTICES];
		WRITE_ONCE(mf->seen_notices, mf->seen_notices + 1);
		if (!log->rt && !mqshm_access_shows(&entry->access))
			continue;
		*out = entry->notice;
		out->pid = pid_vnr(entry->pid);
		return true;
	}
	return false;
}

#define NOTICES_A_READ	(PAGE_SIZE / sizeof(struct mqshm_notice))

/*
 * Whole notices, as many as there are and fit; 0 at the end of a runtime that was
 * removed, when its last client is settled.
 */
ssize_t mqshm_notice_read(struct mqshm_file *mf, char __user *buf, size_t bytes,
			  bool may_sleep)
{
	/* pairs with mqshm_notice_watch() */
	struct mqshm_notices *log = smp_load_acquire(&mf->notices);
	size_t room = min(bytes / sizeof(struct mqshm_notice), NOTICES_A_READ), n = 0;
	struct mqshm_notice *out;
	ssize_t ret = 0;
	bool end;

	if (!log)
		return -EBADFD;
	if (!room)
		return -EINVAL;
	out = kmalloc_array(room, sizeof(*out), GFP_KERNEL);
	if (!out)
		return -ENOMEM;
	for (;;) {
		log_lock(log->rt);
		while (n < room && log_next(mf, log, &out[n]))
			n++;
		end = log_ended(log);
		log_unlock(log->rt);
		if (n || end)
			break;
		ret = may_sleep ? wait_event_interruptible(*log->wq, log_ready(mf, log)) :
				  -EAGAIN;
		if (ret)
			break;
	}
	if (n && copy_to_user(buf, out, n * sizeof(*out)))
		ret = -EFAULT;
	kfree(out);
	return ret ?: n * sizeof(*out);
}

__poll_t mqshm_notice_poll(struct mqshm_file *mf, struct file *file, poll_table *wait)
{
	struct mqshm_notices *log = mf->notices;

	poll_wait(file, log->wq, wait);
	if (!log_ready(mf, log))
		return 0;
	return EPOLLIN | EPOLLRDNORM | (log_ended(log) ? EPOLLHUP : 0);
}
