// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: /dev/mqshm, and the map of this folder.
 *
 * Who holds whom. A descriptor (file.c) holds the runtime that it is bound to and,
 * once it has joined, a client. A client (client.c) holds its runtime. A runtime
 * (runtime.c) is in the table of runtimes until it is removed; it owns its pools,
 * which are never removed from it, and is freed when the last descriptor is closed;
 * the module stays until then. Blocks and ports (block.c) belong to the client that
 * made them. A connection (connect.c) belongs to the runtime and goes when both of its
 * ends have let go (conn.c). Control pages (region.c) are held by their object and by each
 * mapping (map.c), payload (payload.c) by its pool and each mapping. A log of notices
 * (notice.c) is there while a descriptor watches, and holds pids. A subscriber of the
 * message bus (subscriber.c) belongs to its descriptor; messages are held by the queues that
 * they are in.
 *
 * What ends a client: the end of its memory, which a notifier tells (mm.c); the exit of
 * the last thread of its process, if others keep the memory (flush); the release of its
 * descriptor; its own DETACH; the removal of its runtime by force. Whichever comes first
 * settles it (settle.c): dead is set under the client's lock, so that no call of its
 * starts any more; then its references are given back, its rings let go of, its blocks
 * and its index freed.
 *
 * Locks, outermost first:
 *
 *	mqshm_file.lock		binding and joining
 *	  table_lock		the table of runtimes
 *	    mqshm_client.lock	each call of a client; settle
 *	      mqshm_runtime.lock	the graph
 *		mqshm_conn.lock	(spin) flags of a ring, sleepers, draining
 *		  mqshm_pool.lock	(spin) a depot
 *		users_lock	(spin) quotas
 *	  mqshm_bus.lock	subscribers and their queues
 *	mmap_lock
 *	  mqshm_client.map_lock	page faults against revoking
 *	    i_mmap_rwsem	revoking
 *	  mqshm_client.lock	mapping, only to look
 *	mqshm_mm.lock		who is bound to a memory; nothing is taken under it
 *
 * table_lock is taken with mqshm_runtime.lock inside and never with a client's.
 * Under the locks that settle takes (the table's, a client's and all inside it) nothing
 * is allocated and no user memory touched: a task that the kernel kills to free memory
 * must be able to settle. Nor is anybody woken: callbacks of epoll and eventfd take
 * locks of their own (wake.h). The bus's, which is taken when a runtime ends, is like them,
 * but that subscribers are woken under it: no lock of ours is inside of it.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "file.h"
#include "mm.h"

#ifndef CONFIG_64BIT
#error "mqshm needs a 64-bit kernel: a client's intent is one word that must not be torn"
#endif

static struct miscdevice mqshm_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "mqshm",
	.fops	= &mqshm_fops,
	.mode	= 0660,
};

static int __init mqshm_init(void)
{
	return misc_register(&mqshm_device);
}

static void __exit mqshm_exit(void)
{
	misc_deregister(&mqshm_device);
	mqshm_mm_synchronize();
	rcu_barrier();
}

module_init(mqshm_init);
module_exit(mqshm_exit);

MODULE_DESCRIPTION("Zero-copy dataflow between processes");
MODULE_LICENSE("GPL");
