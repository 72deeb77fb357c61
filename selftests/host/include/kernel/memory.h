/* SPDX-License-Identifier: GPL-2.0-only */
/* Allocations in the shared arena; copies from and to users, who share the address space. */
#ifndef HOST_MEMORY_H
#define HOST_MEMORY_H

#include "base.h"

#define GFP_KERNEL		0u
#define GFP_KERNEL_ACCOUNT	0u
#define GFP_HIGHUSER		0u
#define __GFP_RETRY_MAYFAIL	0u
#define __GFP_NOWARN		0u
#define __GFP_ZERO		0u

#define NUMA_NO_NODE		(-1)
#define MAX_NUMNODES		1
#define N_MEMORY		0
#define node_state(node, state)		((node) == 0)
#define node_isset(node, nodes)		((node) == 0)
#define PMD_SIZE		(1UL << 21)

/* @zero: clear it. NULL: no memory, or this one was to fail. */
void *host_alloc(size_t bytes, bool zero);
void host_free(const void *p);
void *host_alloc_pages(size_t bytes);
void host_free_pages(void *p);

#define kmalloc(bytes, gfp)		((void)(gfp), host_alloc(bytes, false))
#define kzalloc(bytes, gfp)		((void)(gfp), host_alloc(bytes, true))
#define kvmalloc(bytes, gfp)		((void)(gfp), host_alloc(bytes, false))
#define kvzalloc(bytes, gfp)		((void)(gfp), host_alloc(bytes, true))
#define kmalloc_array(n, size, gfp)	((void)(gfp), host_alloc(host_struct_size(0, size, n), false))
#define kvmalloc_array(n, size, gfp)	((void)(gfp), host_alloc(host_struct_size(0, size, n), false))
#define kvcalloc(n, size, gfp)		((void)(gfp), host_alloc(host_struct_size(0, size, n), true))
#define kfree(p)			host_free(p)
#define kvfree(p)			host_free(p)

static inline unsigned long get_zeroed_page(gfp_t gfp)
{
	(void)gfp;
	return (unsigned long)host_alloc_pages(PAGE_SIZE);
}

static inline void free_page(unsigned long address)
{
	host_free_pages((void *)address);
}

/* A page is known by its address. */
struct page;

unsigned long host_pfn(const void *address);

#define alloc_pages_node(node, gfp, order) \
	((void)(node), (void)(gfp), (struct page *)host_alloc_pages(PAGE_SIZE << (order)))
#define page_address(page)	((void *)(page))
#define virt_to_page(address)	((struct page *)(address))
#define page_to_pfn(page)	host_pfn(page)

unsigned long totalram_pages(void);

#define u64_to_user_ptr(x)	((void *)(uintptr_t)(x))

unsigned long copy_from_user(void *to, const void *from, unsigned long bytes);
unsigned long copy_to_user(void *to, const void *from, unsigned long bytes);
int copy_struct_from_user(void *to, size_t size, const void *from, size_t user_size);
void *memdup_user(const void *from, size_t bytes);

#define get_user(x, p)	(copy_from_user(&(x), p, sizeof(x)) ? -EFAULT : 0)

#endif /* HOST_MEMORY_H */
