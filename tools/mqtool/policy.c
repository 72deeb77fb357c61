// SPDX-License-Identifier: GPL-2.0-only
/* What a connection is made with, in words. */
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

const char *policy_name(uint32_t policy)
{
	static const char *const names[] = { "block", "drop-newest", "drop-oldest" };

	return policy < sizeof(names) / sizeof(*names) ? names[policy] : NULL;
}

uint32_t ring_policy(uint32_t flags)
{
	if (flags & MQSHM_RING_DROP_OLDEST)
		return MQSHM_POLICY_DROP_OLDEST;
	return flags & MQSHM_RING_DROP_NEWEST ? MQSHM_POLICY_DROP_NEWEST : MQSHM_POLICY_BLOCK;
}

bool keep_parse(const char *seconds, uint64_t *ns)
{
	char *end;
	double s;

	if (!seconds)
		return true;
	if (!strcmp(seconds, "forever")) {
		*ns = MQSHM_KEEP_FOREVER;
		return true;
	}
	s = strtod(seconds, &end);
	if (*end || end == seconds || !(s >= 0.001 && s <= 1e9))
		return false;
	*ns = (uint64_t)(s * 1e9);
	return true;
}

bool policy_parse(const char *word, uint32_t *policy)
{
	for (*policy = MQSHM_POLICY_BLOCK; policy_name(*policy); ++*policy)
		if (!strcmp(word, policy_name(*policy)))
			return true;
	return false;
}
