// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Sums over the connections of a block, and differences of two snapshots. Clients write
 * these counters, so that one may also go back: then nothing happened.
 */
#include <mqshm_rates.h>
#include <string.h>

static uint64_t gain(uint64_t before, uint64_t now)
{
	return now > before ? now - before : 0;
}

/* -- so far ------------------------------------------------------------------------- */

/*
 * What is not in it any more; the producer of a ring that drops the oldest takes some out, and
 * the kernel what was kept for too long.
 */
static uint64_t taken(const struct mqshm_connection_record *c)
{
	uint64_t lost = c->flags & MQSHM_RING_DROP_OLDEST ? c->dropped : c->expired;

	return gain(lost, gain(c->queued, c->messages));
}

static void flow_add(struct mqshm_flow *f, const struct mqshm_connection_record *c)
{
	f->connections++;
	f->messages += c->messages;
	f->bytes += c->bytes;
	f->taken += taken(c);
	f->dropped += c->dropped;
	f->queued += c->queued;
	f->depth += c->depth;
}

void mqshm_flow_port(const struct mqshm_snapshot *snap, uint32_t port, struct mqshm_flow *out)
{
	size_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < snap->n_connections; i++) {
		const struct mqshm_connection_record *c = &snap->connections[i];

		/* a number means nothing once that end has let go */
		if ((c->from_block && c->from_port == port) || (c->to_block && c->to_port == port))
			flow_add(out, c);
	}
}

static bool is_end(const struct mqshm_connection_record *c, uint64_t block, uint32_t direction)
{
	return block && (direction == MQSHM_DIR_OUT ? c->from_block : c->to_block) == block;
}

void mqshm_flow_block(const struct mqshm_snapshot *snap, uint64_t block, uint32_t direction,
		      struct mqshm_flow *out)
{
	size_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < snap->n_connections; i++) {
		if (is_end(&snap->connections[i], block, direction))
			flow_add(out, &snap->connections[i]);
	}
}

void mqshm_block_waits(const struct mqshm_snapshot *snap,
		       const struct mqshm_block_record *block, struct mqshm_waits *out)
{
	const struct mqshm_block_stats *s = &block->stats;
	uint64_t spent = gain(s->since_ns, snap->now_ns);

	*out = (struct mqshm_waits){
		.input_ns = s->input_ns, .space_ns = s->space_ns, .buffer_ns = s->buffer_ns,
		.time_ns = s->time_ns,
	};
	if (s->waits == MQSHM_WAITS_INPUT)
		out->input_ns += spent;
	else if (s->waits == MQSHM_WAITS_SPACE)
		out->space_ns += spent;
	else if (s->waits == MQSHM_WAITS_BUFFER)
		out->buffer_ns += spent;
	else if (s->waits == MQSHM_WAITS_TIME)
		out->time_ns += spent;
}

uint32_t mqshm_block_state(const struct mqshm_snapshot *snap,
			   const struct mqshm_block_record *block, uint64_t *since_ns)
{
	const struct mqshm_client_record *client = mqshm_snapshot_client(snap, block->client);
	uint32_t state = client ? client->state : MQSHM_CLIENT_EXITING;
	bool waits = block->stats.waits != MQSHM_WAITS_NOT;

	if (state == MQSHM_CLIENT_RUNNING && waits)
		state = MQSHM_CLIENT_IDLE;
	if (since_ns)
		*since_ns = state == MQSHM_CLIENT_STALLED ? client->seen_ns :
			    state == MQSHM_CLIENT_IDLE && waits ? block->stats.since_ns : 0;
	return state;
}

/* -- between two -------------------------------------------------------------------- */

static double seconds(const struct mqshm_snapshot *before, const struct mqshm_snapshot *now)
{
	return gain(before->now_ns, now->now_ns) / 1e9;
}

static double rate(uint64_t before, uint64_t now, double seconds)
{
	return seconds > 0 ? gain(before, now) / seconds : 0;
}

static const struct mqshm_connection_record *
connection_find(const struct mqshm_snapshot *snap, uint64_t id)
{
	size_t i;

	for (i = 0; i < snap->n_connections; i++) {
		if (snap->connections[i].id == id)
			return &snap->connections[i];
	}
	return NULL;
}

void mqshm_connection_rates(const struct mqshm_snapshot *before,
			    const struct mqshm_snapshot *now,
			    const struct mqshm_connection_record *c, struct mqshm_flow_rates *out)
{
	static const struct mqshm_connection_record nothing;
	const struct mqshm_connection_record *then = connection_find(before, c->id);
	double time = seconds(before, now);

	if (!then)
		then = &nothing;
	*out = (struct mqshm_flow_rates){
		.messages = rate(then->messages, c->messages, time),
		.bytes = rate(then->bytes, c->bytes, time),
		.taken = rate(taken(then), taken(c), time),
		.dropped = rate(then->dropped, c->dropped, time),
	};
}

static void flow_rates(const struct mqshm_snapshot *before, const struct mqshm_snapshot *now,
		       uint64_t block, uint32_t direction, struct mqshm_flow_rates *out)
{
	struct mqshm_flow_rates one;
	size_t i;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < now->n_connections; i++) {
		if (!is_end(&now->connections[i], block, direction))
			continue;
		mqshm_connection_rates(before, now, &now->connections[i], &one);
		out->messages += one.messages;
		out->bytes += one.bytes;
		out->taken += one.taken;
		out->dropped += one.dropped;
	}
}

/* Clocks of what waits and of who looks are the same, and still this may be a little off. */
static double part(uint64_t before, uint64_t now, double seconds)
{
	double share = rate(before, now, seconds) / 1e9;

	return share < 1 ? share : 1;
}

void mqshm_block_rates(const struct mqshm_snapshot *before, const struct mqshm_snapshot *now,
		       const struct mqshm_block_record *block, struct mqshm_block_rates *out)
{
	static const struct mqshm_block_record nothing;
	const struct mqshm_block_record *then = mqshm_snapshot_block(before, block->id);
	double time = seconds(before, now);
	struct mqshm_waits was, is;
	uint64_t calls;

	if (!then)
		then = &nothing;
	calls = gain(then->stats.work_count, block->stats.work_count);
	mqshm_block_waits(before, then, &was);
	mqshm_block_waits(now, block, &is);
	*out = (struct mqshm_block_rates){
		.work = rate(then->stats.work_count, block->stats.work_count, time),
		.mean_work_ns = calls ? gain(then->stats.work_ns, block->stats.work_ns) / calls : 0,
		.input = part(was.input_ns, is.input_ns, time),
		.space = part(was.space_ns, is.space_ns, time),
		.buffer = part(was.buffer_ns, is.buffer_ns, time),
		.time = part(was.time_ns, is.time_ns, time),
	};
	out->state = mqshm_block_state(now, block, &out->since_ns);
	if (out->state == MQSHM_CLIENT_IDLE && calls) {
		out->state = MQSHM_CLIENT_RUNNING;
		out->since_ns = 0;
	}
	flow_rates(before, now, block->id, MQSHM_DIR_IN, &out->in);
	flow_rates(before, now, block->id, MQSHM_DIR_OUT, &out->out);
}

void mqshm_runtime_rates(const struct mqshm_snapshot *before, const struct mqshm_snapshot *now,
			 struct mqshm_runtime_rates *out)
{
	static const struct mqshm_runtime_record nothing;
	const struct mqshm_runtime_record *then = before->n_runtimes ? before->runtimes : &nothing;
	const struct mqshm_runtime_record *r = now->n_runtimes ? now->runtimes : then;
	double time = seconds(before, now);

	*out = (struct mqshm_runtime_rates){
		.messages = rate(then->messages, r->messages, time),
		.bytes = rate(then->bytes, r->bytes, time),
		.dropped = rate(then->dropped, r->dropped, time),
		.allocated = rate(then->allocated, r->allocated, time),
		.freed = rate(then->freed, r->freed, time),
		.ioctls = rate(then->ioctls, r->ioctls, time),
	};
}
