// SPDX-License-Identifier: GPL-2.0-only
/*
 * A descriptor of /dev/mqshm, from open to release.
 */
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "bus.h"
#include "client.h"
#include "file.h"
#include "map.h"
#include "mm.h"
#include "notice.h"
#include "query.h"
#include "runtime.h"
#include "settle.h"
#include "wait.h"

static int file_open(struct inode *inode, struct file *file)
{
	struct mqshm_file *mf = kzalloc(sizeof(*mf), GFP_KERNEL_ACCOUNT);

	if (!mf)
		return -ENOMEM;
	mutex_init(&mf->lock);
	address_space_init_once(&mf->mapping);
	mf->mapping.host = inode;
	mf->mapping.a_ops = inode->i_mapping->a_ops;
	file->f_mapping = &mf->mapping;
	file->private_data = mf;
	return nonseekable_open(inode, file);
}

static int file_release(struct inode *inode, struct file *file)
{
	struct mqshm_file *mf = file->private_data;

	if (mf->client) {
		mqshm_settle(mf->client, MQSHM_DEPARTED_RELEASE);
		mqshm_map_gone(mf->client);
		mqshm_client_put(mf->client);				/* [M9] */
	}
	if (mf->notices)
		mqshm_notice_unwatch(mf);
	if (mf->subscriber)
		mqshm_bus_close(mf->subscriber);
	if (mf->rt) {
		if (mf->holder)
			mqshm_runtime_leave(mf->rt);
		mqshm_runtime_put(mf->rt);
	}
	file->f_mapping = inode->i_mapping;
	kfree(mf);
	return 0;
}

/*
 * A process whose threads are all gone may leave its memory to others that share
 * it: its client ends here, and its pages are taken away from them.
 */
static int file_flush(struct file *file, fl_owner_t id)
{
	struct mqshm_file *mf = file->private_data;
	struct mqshm_client *c = smp_load_acquire(&mf->client);

	if (c && mqshm_mm_last_thread(c))
		mqshm_client_shut(c, MQSHM_DEPARTED_EXIT);
	return 0;
}

static __poll_t file_poll(struct file *file, poll_table *wait)
{
	struct mqshm_file *mf = file->private_data;
	struct mqshm_client *c = smp_load_acquire(&mf->client);
	struct mqshm_runtime *rt = smp_load_acquire(&mf->rt);
	/* pairs with mqshm_bus_open() */
	struct mqshm_subscriber *sub = smp_load_acquire(&mf->subscriber);

	if (c)
		return mqshm_wait_poll(c, file, wait);
	if (sub)
		return mqshm_bus_poll(sub, file, wait);
	/* pairs with mqshm_notice_watch() */
	if (smp_load_acquire(&mf->notices))
		return mqshm_notice_poll(mf, file, wait);
	if (!rt)
		return EPOLLERR;
	poll_wait(file, &rt->wq, wait);
	if (READ_ONCE(rt->removed))
		return EPOLLIN | EPOLLRDNORM | EPOLLHUP;
	if ((u64)atomic64_read(&rt->changes) != READ_ONCE(mf->seen_changes))
		return EPOLLIN | EPOLLRDNORM;
	return 0;
}

static ssize_t file_read(struct file *file, char __user *buf, size_t bytes, loff_t *pos)
{
	struct mqshm_file *mf = file->private_data;
	/* pairs with mqshm_bus_open() */
	struct mqshm_subscriber *sub = smp_load_acquire(&mf->subscriber);
	bool may_sleep = !(file->f_flags & O_NONBLOCK);

	return sub ? mqshm_bus_read(sub, buf, bytes, may_sleep) :
		     mqshm_notice_read(mf, buf, bytes, may_sleep);
}

static int file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct mqshm_file *mf = file->private_data;
	struct mqshm_client *c = smp_load_acquire(&mf->client);

	return c ? mqshm_map(c, vma) : -EBADFD;
}

static void file_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct mqshm_file *mf = file->private_data;
	struct mqshm_client *c = smp_load_acquire(&mf->client);
	struct mqshm_runtime *rt = smp_load_acquire(&mf->rt);
	struct mqshm_subscriber *sub = smp_load_acquire(&mf->subscriber);
	u64 refs, buffers;

	if (!rt)
		return;
	seq_printf(m, "mqshm-runtime:\t%llu %s\n", rt->id, rt->name);
	if (sub)
		mqshm_bus_show(sub, m);
	if (!c)
		return;
	mqshm_query_hand(c, &refs, &buffers);
	seq_printf(m, "mqshm-client:\t%llu %s\n", c->id, c->name);
	seq_printf(m, "mqshm-state:\t%s\n", READ_ONCE(c->settled) ? "gone" :
		   READ_ONCE(c->dead) || mqshm_mm_process_exiting(c) ? "exiting" : "joined");
	seq_printf(m, "mqshm-held-refs:\t%llu\n", refs);
	seq_printf(m, "mqshm-held-buffers:\t%llu\n", buffers);
	seq_printf(m, "mqshm-ioctls:\t%lld\n", atomic64_read(&c->ioctls));
}

const struct file_operations mqshm_fops = {
	.owner		= THIS_MODULE,
	.open		= file_open,
	.release	= file_release,
	.flush		= file_flush,
	.read		= file_read,
	.poll		= file_poll,
	.mmap		= file_mmap,
	/* where huge pages can be mapped as such */
	.get_unmapped_area = thp_get_unmapped_area,
	.unlocked_ioctl	= mqshm_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.show_fdinfo	= file_show_fdinfo,
};
