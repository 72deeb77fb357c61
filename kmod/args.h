/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MQSHM_ARGS_H
#define MQSHM_ARGS_H

#include <linux/types.h>

#define MQSHM_ARRAYS_MAX	2	/* in the arguments of one command */

/**
 * struct mqshm_array - an array in a command's arguments, of which only what counts is copied
 * @at: its offset
 * @max: number of elements
 * @element: size of one; 0: no array
 * @in: offset of how many the caller gives, 0 if it gives none
 * @out: offset of how many it gets, 0 if it gets none
 */
struct mqshm_array {
	u16 at;
	u16 max;
	u16 element;
	u16 in;
	u16 out;
};

int mqshm_args_in(void *args, u32 size, const struct mqshm_array *arrays,
		  const void __user *user, u32 user_size);
int mqshm_args_out(void __user *user, u32 user_size, const struct mqshm_array *arrays,
		   const void *args, u32 size);

#endif /* MQSHM_ARGS_H */
