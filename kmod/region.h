/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_REGION_H
#define MQSHM_REGION_H

#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

struct mqshm_user;

/**
 * struct mqshm_region - control pages that the kernel and mappings share
 * @ref: one for the owner, one for each mapping
 * @rcu: who finds one under RCU learns by @ref whether its pages are still there
 * @user: who is charged for it until it is freed, a reference, or NULL; constant
 * @node: where pages are, if there is room; NUMA_NO_NODE: as the policy of who is the first
 *	to touch one says; constant
 * @nr_pages: constant after creation
 * @pages: kernel addresses; of a lazy region, NULL until first touched, then
 *	constant (published by cmpxchg)
 *
 * What the pages hold is written by clients and hostile unless the region is
 * mapped read-only.
 */
struct mqshm_region {
	struct kref ref;
	struct rcu_head rcu;
	struct mqshm_user *user;
	int node;
	unsigned int nr_pages;
	void *pages[];
};

struct mqshm_region *mqshm_region_new(size_t bytes, bool lazy);
struct mqshm_region *mqshm_region_new_on(size_t bytes, int node);
struct mqshm_region *mqshm_region_new_charged(size_t bytes, struct mqshm_user *user);
int mqshm_region_populate(struct mqshm_region *region, unsigned int page);
void mqshm_region_put(struct mqshm_region *region);

static inline struct mqshm_region *mqshm_region_get(struct mqshm_region *region)
{
	kref_get(&region->ref);
	return region;
}

/* Address of the byte at @offset, or NULL if its page was never touched. */
static inline void *mqshm_region_at(const struct mqshm_region *region, size_t offset)
{
	void *page = READ_ONCE(region->pages[offset >> PAGE_SHIFT]);

	return page ? page + offset_in_page(offset) : NULL;
}

#endif /* MQSHM_REGION_H */
