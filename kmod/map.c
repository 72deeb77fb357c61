// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of a client's descriptor: which region an offset names, who may write
 * it, and how all of it is taken away.
 *
 * Control pages are PFN mappings that fork does not copy: with struct pages behind
 * them a user could pin them as fixed buffers, write them through another process,
 * or have a child inherit them, and write on after the client was settled.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>

#include "client.h"
#include "compat.h"
#include "conn.h"
#include "file.h"
#include "map.h"
#include "payload.h"
#include "pool.h"

/* Page in the region of the mmap offset @pgoff, in pages. */
static unsigned long offset_page(unsigned long pgoff)
{
	return pgoff & ((1UL << (40 - PAGE_SHIFT)) - 1);
}

static unsigned int offset_which(unsigned long pgoff)
{
	return (pgoff >> (40 - PAGE_SHIFT)) & 0xffff;
}

static unsigned int offset_what(unsigned long pgoff)
{
	return pgoff >> (56 - PAGE_SHIFT);
}

static void map_open(struct vm_area_struct *vma)
{
	mqshm_region_get(vma->vm_private_data);
}

static void map_close(struct vm_area_struct *vma)
{
	mqshm_region_put(vma->vm_private_data);
}

/* The client whose descriptor @vma maps: set once, before the first mapping. */
static struct mqshm_client *map_client(struct vm_area_struct *vma)
{
	return container_of(vma->vm_file->f_mapping, struct mqshm_file, mapping)->client;
}

static vm_fault_t map_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct mqshm_region *region = vma->vm_private_data;
	struct mqshm_client *c = map_client(vma);
	unsigned long page = offset_page(vmf->pgoff);
	vm_fault_t ret = VM_FAULT_SIGBUS;
	unsigned long pfn;

	if (page >= region->nr_pages)
		return VM_FAULT_SIGBUS;
	page = array_index_nospec(page, region->nr_pages);

	/* against revoke: after it has the lock no page is mapped any more */
	down_read(&c->map_lock);
	if (c->revoked)
		goto out;
	if (mqshm_region_populate(region, page)) {
		ret = VM_FAULT_OOM;
		goto out;
	}
	pfn = page_to_pfn(virt_to_page(region->pages[page]));
	ret = vmf_insert_pfn(vma, vmf->address, pfn);
out:
	up_read(&c->map_lock);
	return ret;
}

static const struct vm_operations_struct map_ops = {
	.open	= map_open,
	.close	= map_close,
	.fault	= map_fault,
};

/* A part of a ring that the client has an end of. */
static struct mqshm_region *map_find_ring(struct mqshm_client *c, unsigned int what,
					  unsigned int which, bool *writable)
{
	unsigned int dir = what == MQSHM_MMAP_PRODUCER ? MQSHM_DIR_OUT : MQSHM_DIR_IN;
	struct mqshm_region *region = ERR_PTR(-ENOENT);
	struct mqshm_conn *conn;

	rcu_read_lock();
	conn = mqshm_conn_lookup(c->rt, which);
	if (conn && (mqshm_conn_has_end(conn, c, MQSHM_DIR_IN) ||
		     mqshm_conn_has_end(conn, c, MQSHM_DIR_OUT))) {
		/* the cursor of a ring that drops the oldest is its producer's as well */
		*writable = mqshm_conn_has_end(conn, c, dir) ||
			    (what == MQSHM_MMAP_CONSUMER &&
			     conn->policy & MQSHM_RING_DROP_OLDEST);
		region = dir == MQSHM_DIR_OUT ? conn->producer : conn->consumer;
		if (!kref_get_unless_zero(&region->ref))
			region = ERR_PTR(-ENOENT);
	}
	rcu_read_unlock();
	return region;
}

static struct mqshm_pool *map_find_pool(struct mqshm_client *c, unsigned int which)
{
	struct mqshm_pool *pool = NULL;

	if (which < MQSHM_POOLS_MAX)
		pool = smp_load_acquire(&c->rt->pools[array_index_nospec(which,
							MQSHM_POOLS_MAX)]);
	return pool ?: ERR_PTR(-ENOENT);
}

/* The control region that @pgoff names, with a reference; and who may write it. */
static struct mqshm_region *map_find(struct mqshm_client *c, unsigned long pgoff,
				     bool *writable)
{
	unsigned int which = offset_which(pgoff), what = offset_what(pgoff);
	struct mqshm_pool *pool;

	*writable = true;
	switch (what) {
	case MQSHM_MMAP_CONTROL:
	case MQSHM_MMAP_HOLD:
	case MQSHM_MMAP_STATUS:
		if (which)
			return ERR_PTR(-ENOENT);
		if (what == MQSHM_MMAP_CONTROL)
			return mqshm_region_get(c->control);
		if (what == MQSHM_MMAP_HOLD)
			return mqshm_region_get(c->hold);
		*writable = false;
		return mqshm_region_get(c->rt->status);
	case MQSHM_MMAP_PRODUCER:
	case MQSHM_MMAP_CONSUMER:
		return map_find_ring(c, what, which, writable);
	case MQSHM_MMAP_W:
	case MQSHM_MMAP_META:
		pool = map_find_pool(c, which);
		if (IS_ERR(pool))
			return ERR_CAST(pool);
		return mqshm_region_get(what == MQSHM_MMAP_W ? pool->w : pool->meta);
	default:
		return ERR_PTR(-EINVAL);
	}
}

static int map_control(struct mqshm_client *c, struct vm_area_struct *vma)
{
	unsigned long first = offset_page(vma->vm_pgoff);
	struct mqshm_region *region;
	bool writable;
	int ret;

	region = map_find(c, vma->vm_pgoff, &writable);
	if (IS_ERR(region))
		return PTR_ERR(region);
	ret = -EINVAL;
	if (first >= region->nr_pages || vma_pages(vma) > region->nr_pages - first)
		goto err_put;
	ret = -EACCES;
	if (!writable && vma->vm_flags & VM_WRITE)
		goto err_put;

	mqshm_vm_flags_mod(vma, VM_IO | VM_PFNMAP | VM_DONTCOPY | VM_DONTEXPAND |
			   VM_DONTDUMP, VM_MAYEXEC | (writable ? 0 : VM_MAYWRITE));
	vma->vm_private_data = region;
	vma->vm_ops = &map_ops;
	return 0;

err_put:
	mqshm_region_put(region);
	return ret;
}

int mqshm_map(struct mqshm_client *c, struct vm_area_struct *vma)
{
	struct mqshm_pool *pool;
	int ret;

	if (!(vma->vm_flags & VM_SHARED) || vma->vm_flags & VM_EXEC)
		return -EINVAL;
	ret = mqshm_client_enter(c);
	if (ret)
		return ret;
	mqshm_client_exit(c);
	/* if it is shut meanwhile, faults will see that */
	if (offset_what(vma->vm_pgoff) != MQSHM_MMAP_PAYLOAD)
		return map_control(c, vma);
	pool = map_find_pool(c, offset_which(vma->vm_pgoff));
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	return mqshm_payload_mmap(pool->payload, vma, offset_page(vma->vm_pgoff),
				  !c->read_only);
}

/*
 * Zaps every control page of the client. Faults that are under way finish first;
 * later ones see @revoked and give SIGBUS.
 */
void mqshm_map_revoke(struct mqshm_client *c)
{
	down_write(&c->map_lock);
	c->revoked = true;
	/* under the lock: the descriptor may be on its way out, mqshm_map_gone() */
	if (c->mapping)
		unmap_mapping_range(c->mapping, 0, 0, 1);
	up_write(&c->map_lock);
}

/* The descriptor ends, so nothing is mapped; whoever has the client stays off it. */
void mqshm_map_gone(struct mqshm_client *c)
{
	down_write(&c->map_lock);
	c->revoked = true;
	c->mapping = NULL;
	up_write(&c->map_lock);
}
