// SPDX-License-Identifier: GPL-2.0-only
/*
 * A command's arguments on their way in and out. Arrays in them have room for a batch, and
 * a call that moves or wakes one buffer or port shall not pay for all of it.
 */
#include <linux/minmax.h>
#include <linux/uaccess.h>

#include "args.h"

/* @offset is of a number of elements; 0: of none. */
static u32 *count_at(const void *args, u16 offset)
{
	return offset ? (u32 *)((char *)args + offset) : NULL;
}

/* Where the array that begins at @at ends. */
static u32 array_end(const struct mqshm_array *a)
{
	return a->at + a->max * a->element;
}

static int array_in(void *args, const struct mqshm_array *a, const void __user *user,
		    u32 user_size)
{
	u32 *in = count_at(args, a->in), *out = count_at(args, a->out);
	u32 count = in ? *in : 0;

	if (count > a->max || a->at + count * a->element > user_size)
		return -EINVAL;
	/* elements that nobody wrote must not go out */
	if (out)
		*out = 0;
	return count && copy_from_user(args + a->at, user + a->at, count * a->element) ?
	       -EFAULT : 0;
}

/*
 * What the caller's struct of @user_size does not have is 0; what it has beyond @size must
 * be. Arrays come last, when their numbers are known; all but one at the very end lie in the
 * smallest struct that the command takes.
 */
int mqshm_args_in(void *args, u32 size, const struct mqshm_array *arrays,
		  const void __user *user, u32 user_size)
{
	const struct mqshm_array *a, *end = arrays + MQSHM_ARRAYS_MAX;
	u32 at = 0;
	int ret;

	for (a = arrays; a < end && a->element; a++) {
		if (a->at > at && copy_from_user(args + at, user + at, a->at - at))
			return -EFAULT;
		at = array_end(a);
	}
	ret = copy_struct_from_user(args + at, size - at, user + at, max(user_size, at) - at);
	for (a = arrays; a < end && a->element && !ret; a++)
		ret = array_in(args, a, user, user_size);
	return ret;
}

static int part_out(void __user *user, const void *args, u32 at, u32 end)
{
	return end > at && copy_to_user(user + at, args + at, end - at) ? -EFAULT : 0;
}

int mqshm_args_out(void __user *user, u32 user_size, const struct mqshm_array *arrays,
		   const void *args, u32 size)
{
	const struct mqshm_array *a, *end = arrays + MQSHM_ARRAYS_MAX;
	u32 at = 0;
	int ret = 0;

	for (a = arrays; a < end && a->element && !ret; a++) {
		const u32 *out = count_at(args, a->out);
		u32 count = out ? min_t(u32, *out, a->max) : 0;

		/* the elements stand behind what comes before them */
		ret = part_out(user, args, at, a->at);
		if (!ret)
			ret = part_out(user, args, a->at, a->at + count * a->element);
		at = array_end(a);
	}
	return ret ? ret : part_out(user, args, at, min(user_size, size));
}
