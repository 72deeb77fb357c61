/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernels that this module supports (6.1 and later), each
 * as one function shaped like the newest kernel's. No version test stands elsewhere.
 */
#ifndef MQSHM_COMPAT_H
#define MQSHM_COMPAT_H

#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/version.h>

/* 6.8 dropped the count. */
static inline void mqshm_eventfd_signal(struct eventfd_ctx *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/* 6.3 made vm_flags read-only, to be changed through these. */
static inline void mqshm_vm_flags_mod(struct vm_area_struct *vma,
				      unsigned long set, unsigned long clear)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

#endif /* MQSHM_COMPAT_H */
