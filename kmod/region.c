// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arrays of zeroed kernel pages, charged to whoever makes them, that clients map
 * by PFN, so that nothing can pin or inherit them.
 */
#include <linux/overflow.h>
#include <linux/slab.h>

#include "region.h"

static void region_free(struct kref *ref)
{
	struct mqshm_region *region = container_of(ref, struct mqshm_region, ref);
	unsigned int i;

	for (i = 0; i < region->nr_pages; i++)
		free_page((unsigned long)region->pages[i]);
	kvfree(region);
}

void mqshm_region_put(struct mqshm_region *region)
{
	if (region)
		kref_put(&region->ref, region_free);
}

/* Makes page @page present. Sleeps; for lazy regions without any lock. */
int mqshm_region_populate(struct mqshm_region *region, unsigned int page)
{
	void *fresh;

	if (READ_ONCE(region->pages[page]))
		return 0;
	fresh = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return -ENOMEM;
	if (cmpxchg(&region->pages[page], NULL, fresh))
		free_page((unsigned long)fresh);
	return 0;
}

/* Pages of a lazy region come when they are first touched. */
struct mqshm_region *mqshm_region_new(size_t bytes, bool lazy)
{
	unsigned int i, nr_pages = DIV_ROUND_UP(bytes, PAGE_SIZE);
	struct mqshm_region *region;

	region = kvzalloc(struct_size(region, pages, nr_pages), GFP_KERNEL_ACCOUNT);
	if (!region)
		return ERR_PTR(-ENOMEM);
	kref_init(&region->ref);
	region->nr_pages = nr_pages;
	for (i = 0; !lazy && i < nr_pages; i++) {
		if (mqshm_region_populate(region, i)) {
			mqshm_region_put(region);
			return ERR_PTR(-ENOMEM);
		}
	}
	return region;
}
