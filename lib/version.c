// SPDX-License-Identifier: LGPL-2.1-or-later
/* Which library this is. */
#include <mqshm.h>

#define TEXT_OF(x)	#x
#define TEXT(x)		TEXT_OF(x)

const char *mqshm_version(void)
{
	return TEXT(MQSHM_VERSION_MAJOR) "." TEXT(MQSHM_VERSION_MINOR);
}
