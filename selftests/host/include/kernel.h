/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the module sees instead of the kernel's headers: every <linux/...> that it
 * includes, but <linux/mqshm.h>, is this file (build.mk makes the forwarders).
 */
#ifndef HOST_KERNEL_H
#define HOST_KERNEL_H

#include "kernel/base.h"
#include "kernel/atomic.h"
#include "kernel/list.h"
#include "kernel/bitmap.h"
#include "kernel/sync.h"
#include "kernel/memory.h"
#include "kernel/task.h"
#include "kernel/vfs.h"

#endif /* HOST_KERNEL_H */
