/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A handle that manages a runtime, and how a descriptor is bound to one. */
#ifndef LIB_RUNTIME_H
#define LIB_RUNTIME_H

#include <mqshm.h>

/**
 * struct mqshm_runtime - a descriptor bound to a runtime; constant
 * @fd: the descriptor
 * @id: number of the runtime
 */
struct mqshm_runtime {
	int fd;
	uint64_t id;
};

/* A new descriptor of a module that speaks this ABI, bound to nothing, or -errno. */
int mqshm_device_open(void);

/* A new descriptor bound to @name ("name" or "user/name"), or -errno. */
int mqshm_runtime_bind(const char *name, uint64_t *id);

/* Copies a name of 1 to @size - 1 bytes; -EINVAL if it is another. */
int mqshm_name_copy(char *to, size_t size, const char *from);

/* QUERY on any descriptor, as a snapshot. */
int mqshm_snapshot_query(int fd, uint32_t what, struct mqshm_snapshot **out);

#endif /* LIB_RUNTIME_H */
