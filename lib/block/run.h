/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run of an instance, and its waits. */
#ifndef LIB_BLOCK_RUN_H
#define LIB_BLOCK_RUN_H

#include "../client.h"
#include "instance.h"

/**
 * struct run - a run of an instance
 * @in: that runs
 * @known: messages that had arrived, and inputs that had ended, before work said
 *	that this is not enough
 * @known_set: @known is meaningful
 * @final: the end of all inputs had been announced when work was called last
 * @taken: messages that had been taken then
 * @ended: inputs that have ended, as far as work was told
 * @exhausted: work was told that no input will ever have more
 * @next_ns: when the timer calls work next
 */
struct run {
	struct mqshm_instance *in;
	uint64_t known;
	bool known_set;
	bool final;
	uint64_t taken;
	size_t ended;
	bool exhausted;
	uint64_t next_ns;
};

/* Sleeps for @n ports; 0 if there may be something now, -ECANCELED, or -errno. */
int mqshm_instance_wait(struct mqshm_instance *in, struct mqshm_port *const *ports,
			size_t n, uint64_t deadline_ns);

int mqshm_instance_wait_for(struct mqshm_instance *in, const struct client_wait *w);

/* Until work is to be called: 0; -ECANCELED: it was asked to stop; or -errno. */
int mqshm_run_wait(struct run *run);
/* The same after work said that it needs more; -ENODATA: there will be none. */
int mqshm_run_wait_for_more(struct run *run);
/* There are inputs, and none will ever have more. */
bool mqshm_run_all_ended(struct mqshm_instance *in);

#endif /* LIB_BLOCK_RUN_H */
