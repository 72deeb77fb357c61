// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Statistics of a block. The instance has them; a copy stands among the client's cells,
 * where the kernel finds it for who asks. Each word is stored whole; they need not fit
 * together.
 */
#include <string.h>

#include "../client.h"
#include "../port.h"
#include "stats.h"

/* Beyond that many calls the 99th of 100 is looked for at every so many. */
#define EACH_UP_TO	64

/* The copy, while the page is mapped. */
static struct mqshm_block_stats *shown(const struct mqshm_instance *in)
{
	return client_alive(in->client) ? in->shown : NULL;
}

#define PUT(in, field, value)							\
do {										\
	struct mqshm_block_stats *shown_ = shown(in);				\
										\
	__atomic_store_n(&(in)->stats.field, (value), __ATOMIC_RELAXED);	\
	if (shown_)								\
		__atomic_store_n(&shown_->field, (in)->stats.field, __ATOMIC_RELAXED); \
} while (0)

void mqshm_stats_show(struct mqshm_instance *in)
{
	struct mqshm_client *c = in->client;

	if (in->block->slot >= c->stats_max)
		return;
	in->shown = &c->control->stats[in->block->slot];
	memset(in->shown, 0, sizeof(*in->shown));
	__atomic_store_n(&in->shown->block, in->block_id, __ATOMIC_RELEASE);
}

void mqshm_stats_hide(struct mqshm_instance *in)
{
	struct mqshm_block_stats *slot = shown(in);

	if (slot)
		__atomic_store_n(&slot->block, 0, __ATOMIC_RELAXED);
	in->shown = NULL;
}

/* Four buckets for each power of two. */
static unsigned int bucket_of(uint64_t ns)
{
	unsigned int power;

	if (ns < 4)
		return (unsigned int)ns;
	power = 63 - (unsigned int)__builtin_clzll(ns);
	return 4 * (power - 1) + (unsigned int)(ns >> (power - 2) & 3);
}

/* The most that falls into it. */
static uint64_t bucket_most(unsigned int bucket)
{
	if (bucket < 4)
		return bucket;
	return ((uint64_t)(bucket % 4 + 5) << (bucket / 4 - 1)) - 1;
}

static uint64_t percentile_99(const struct mqshm_instance *in)
{
	uint64_t above = in->stats.work_count / 100, n = 0;
	unsigned int i = MQSHM_BUCKETS;

	while (i && n <= above)
		n += in->buckets[--i];
	return bucket_most(i);
}

/* What its client has counted for it, after a piece of work or before a sleep. */
static void copies_tell(struct mqshm_instance *in)
{
	uint32_t copies = (uint32_t)in->client->copies;

	if (copies != in->stats.copies)
		PUT(in, copies, copies);
}

void mqshm_stats_work(struct mqshm_instance *in, uint64_t ns)
{
	uint64_t count = in->stats.work_count + 1;

	in->buckets[bucket_of(ns)]++;
	PUT(in, work_count, count);
	PUT(in, work_ns, in->stats.work_ns + ns);
	PUT(in, last_work_ns, ns);
	copies_tell(in);
	if (count <= EACH_UP_TO || !(count % EACH_UP_TO))
		PUT(in, p99_work_ns, percentile_99(in));
}

void mqshm_stats_wait_begin(struct mqshm_instance *in, uint32_t waits)
{
	copies_tell(in);
	PUT(in, since_ns, mqshm_now_ns());
	PUT(in, waits, waits);
}

void mqshm_stats_wait_end(struct mqshm_instance *in)
{
	uint64_t spent = mqshm_now_ns() - in->stats.since_ns;

	if (in->stats.waits == MQSHM_WAITS_INPUT)
		PUT(in, input_ns, in->stats.input_ns + spent);
	else if (in->stats.waits == MQSHM_WAITS_SPACE)
		PUT(in, space_ns, in->stats.space_ns + spent);
	else if (in->stats.waits == MQSHM_WAITS_BUFFER)
		PUT(in, buffer_ns, in->stats.buffer_ns + spent);
	else
		PUT(in, time_ns, in->stats.time_ns + spent);
	PUT(in, waits, MQSHM_WAITS_NOT);
}
