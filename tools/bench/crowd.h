/* SPDX-License-Identifier: GPL-2.0-only */
/* Clients of a runtime that do nothing: what they cost those who do. */
#ifndef CROWD_H
#define CROWD_H

#include <mqshm.h>

/*
 * @clients of them join @runtime, which is called @name, with a block each, and
 * @connections between those. 0 or -errno; crowd_leave() in both cases.
 */
int crowd_join(struct mqshm_runtime *runtime, const char *name, unsigned int clients,
	       unsigned int connections);
void crowd_leave(void);

#endif /* CROWD_H */
