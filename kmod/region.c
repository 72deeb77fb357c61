// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arrays of zeroed kernel pages, charged to whoever makes them, that clients map
 * by PFN, so that nothing can pin or inherit them.
 */
#include <linux/overflow.h>
#include <linux/slab.h>

#include "region.h"
#include "user.h"

static u64 region_bytes(const struct mqshm_region *region)
{
	return (u64)region->nr_pages << PAGE_SHIFT;
}

static void region_free(struct kref *ref)
{
	struct mqshm_region *region = container_of(ref, struct mqshm_region, ref);
	unsigned int i;

	for (i = 0; i < region->nr_pages; i++)
		free_page((unsigned long)region->pages[i]);
	if (region->user) {
		mqshm_user_uncharge_bytes(region->user, region_bytes(region));
		mqshm_user_put(region->user);
	}
	kvfree_rcu(region, rcu);
}

void mqshm_region_put(struct mqshm_region *region)
{
	if (region)
		kref_put(&region->ref, region_free);
}

static void *page_new(int node)
{
	struct page *page;

	if (node == NUMA_NO_NODE)
		return (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	page = alloc_pages_node(node, GFP_KERNEL_ACCOUNT | __GFP_ZERO, 0);
	return page ? page_address(page) : NULL;
}

/* Makes page @page present. Sleeps; for lazy regions without any lock. */
int mqshm_region_populate(struct mqshm_region *region, unsigned int page)
{
	void *fresh;

	if (READ_ONCE(region->pages[page]))
		return 0;
	fresh = page_new(region->node);
	if (!fresh)
		return -ENOMEM;
	if (cmpxchg(&region->pages[page], NULL, fresh))
		free_page((unsigned long)fresh);
	return 0;
}

static struct mqshm_region *region_new(size_t bytes, bool lazy, int node)
{
	unsigned int i, nr_pages = DIV_ROUND_UP(bytes, PAGE_SIZE);
	struct mqshm_region *region;

	region = kvzalloc(struct_size(region, pages, nr_pages), GFP_KERNEL_ACCOUNT);
	if (!region)
		return ERR_PTR(-ENOMEM);
	kref_init(&region->ref);
	region->node = node;
	region->nr_pages = nr_pages;
	for (i = 0; !lazy && i < nr_pages; i++) {
		if (mqshm_region_populate(region, i)) {
			mqshm_region_put(region);
			return ERR_PTR(-ENOMEM);
		}
	}
	return region;
}

/* Pages of a lazy region come when they are first touched. */
struct mqshm_region *mqshm_region_new(size_t bytes, bool lazy)
{
	return region_new(bytes, lazy, NUMA_NO_NODE);
}

struct mqshm_region *mqshm_region_new_on(size_t bytes, int node)
{
	return region_new(bytes, false, node);
}

/*
 * Counts against the quota of @user until the last mapping is gone: else somebody who
 * keeps mappings would have memory that nobody counts, and that is not in the size of
 * a process either.
 */
struct mqshm_region *mqshm_region_new_charged(size_t bytes, struct mqshm_user *user)
{
	int ret = mqshm_user_charge_bytes(user, PAGE_ALIGN(bytes));
	struct mqshm_region *region;

	if (ret)
		return ERR_PTR(ret);
	region = mqshm_region_new(bytes, false);
	if (IS_ERR(region))
		mqshm_user_uncharge_bytes(user, PAGE_ALIGN(bytes));
	else
		region->user = mqshm_user_get(user);
	return region;
}
