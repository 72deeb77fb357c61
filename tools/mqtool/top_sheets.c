// SPDX-License-Identifier: GPL-2.0-only
/* What mqtool top shows of a sample: totals, pools, blocks, connections. */
#include <stdlib.h>
#include <string.h>

#include "top.h"

/* -- numbers ------------------------------------------------------------------------ */

/* "0", "3.2", "4711", "1.2M": a second, in five cells or so. */
static char *show_rate(double rate)
{
	if (rate < 0.05)
		return text("0");
	if (rate < 99.95)
		return text("%.1f", rate);
	if (rate < 99999.5)
		return text("%.0f", rate);
	return rate < 999950 ? text("%.0fk", rate / 1e3) : text("%.1fM", rate / 1e6);
}

static char *show_byte_rate(double rate)
{
	return rate < 0.5 ? text("0") : show_bytes((uint64_t)(rate + 0.5));
}

static char *show_time(uint64_t ns)
{
	return ns ? show_duration(ns) : text("-");
}

static char *append(char *list, const char *gap, char *more)
{
	char *longer = text("%s%s%s", list, *list ? gap : "", more);

	free(list);
	free(more);
	return longer;
}

/* -- blocks ---------------------------------------------------------------------------- */

enum { BLOCK_NAME, BLOCK_STATE, BLOCK_IN, BLOCK_OUT, BLOCK_BYTES, BLOCK_QUEUED, BLOCK_WORK,
       BLOCK_P99, BLOCK_DROPPED, BLOCK_WAITS, BLOCK_PROCESS };

/* By BLOCK_*; all of them are one sheet's, so that a person sees what belongs together. */
const struct column block_columns[SHEET_COLUMNS] = {
	{ "Block", "name", 'n', 8, false, 0 },
	{ "State", "state", 's', 7, false, 1 },
	{ "In/s", "in", 'i', 6, true, 2 },
	{ "Out/s", "out", 'o', 6, true, 3 },
	{ "Bytes/s", "bytes", 'b', 7, true, 5 },
	{ "Queued", "queued", 'd', 6, true, 4 },
	{ "Work", "work", 'w', 8, true, 7 },
	{ "p99", "p99", '9', 8, true, 8 },
	{ "Drops/s", "drops", 'x', 7, true, 6 },
	{ "Waits for", "waits", 't', 12, false, 9 },
	{ "Process", "process", 'c', 12, false, 10 },
};

/* "Idle", "Stalled 12.0 s", "Running, stopping". */
static char *show_state(const struct sample *s, const struct mqshm_block_record *block,
			const struct mqshm_block_rates *r)
{
	char *word = show_title(client_state_name(r->state)), *all, *age;

	if (r->state != MQSHM_CLIENT_STALLED || s->now->now_ns <= r->since_ns)
		return block->stopping ? append(word, ", ", text("stopping")) : word;
	age = show_duration(s->now->now_ns - r->since_ns);
	all = text("%s %s%s", word, age, block->stopping ? ", stopping" : "");
	free(word);
	free(age);
	return all;
}

/* "input 98%", what it waits for most first; "?" if it sleeps by calls that nobody counts. */
static char *show_waits(const struct sample *s, const struct mqshm_block_record *block,
			const struct mqshm_block_rates *r)
{
	const struct { const char *word; double part; } waits[] = {
		{ "input", r->input }, { "space", r->space }, { "buffer", r->buffer },
		{ "time", r->time },
	};
	const size_t kinds = sizeof(waits) / sizeof(*waits);
	bool shown[sizeof(waits) / sizeof(*waits)] = { false };
	bool is_idle = mqshm_block_state(s->now, block, NULL) == MQSHM_CLIENT_IDLE;
	char *list = text("%s", "");

	for (size_t n = 0; n < kinds; n++) {
		size_t most = kinds;

		for (size_t i = 0; i < kinds; i++)
			if (!shown[i] && waits[i].part >= 0.005 &&
			    (most == kinds || waits[i].part > waits[most].part))
				most = i;
		if (most == kinds)
			break;
		shown[most] = true;
		list = append(list, ", ", text("%s %.0f%%", waits[most].word, 100 * waits[most].part));
	}
	if (*list)
		return list;
	return append(list, "", text("%s", is_idle ? "?" : "-"));
}

static enum look block_look(const struct mqshm_flow *in, const struct mqshm_block_rates *r)
{
	if (r->state == MQSHM_CLIENT_STALLED || r->state == MQSHM_CLIENT_EXITING)
		return LOOK_TROUBLE;
	if (r->in.dropped > 0 || (in->depth && in->queued * 10 >= in->depth * 9))
		return LOOK_FULL;
	return r->in.messages > 0 || r->out.messages > 0 || r->in.taken > 0 ? LOOK_FLOW : LOOK_REST;
}

static char *show_process(const struct mqshm_client_record *client)
{
	char *name, *shown;

	if (!client)
		return text("-");
	name = show_name(client->name);
	shown = client->pid ? text("%s %u", name, client->pid) : text("%s", name);
	free(name);
	return shown;
}

static void block_add(const struct sample *s, const struct mqshm_block_record *block,
		      struct sheet *out)
{
	struct line *line = sheet_add(out);
	struct mqshm_block_rates r;
	struct mqshm_flow in;

	mqshm_block_rates(s->before, s->now, block, &r);
	mqshm_flow_block(s->now, block->id, MQSHM_DIR_IN, &in);
	*line = (struct line){
		.cell = {
			show_name(block->name), show_state(s, block, &r),
			show_rate(r.in.taken), show_rate(r.out.messages),
			show_byte_rate(r.in.bytes > r.out.bytes ? r.in.bytes : r.out.bytes),
			in.depth ? text("%llu", (unsigned long long)in.queued) : text("-"),
			show_time(r.mean_work_ns), show_time(block->stats.p99_work_ns),
			show_rate(r.in.dropped), show_waits(s, block, &r),
			show_process(mqshm_snapshot_client(s->now, block->client)),
		},
		.value = {
			/* what is worst has the highest number, but for idle */
			[BLOCK_STATE] = r.state == MQSHM_CLIENT_IDLE ? -1.0 : r.state,
			[BLOCK_IN] = r.in.taken, [BLOCK_OUT] = r.out.messages,
			[BLOCK_BYTES] = r.in.bytes > r.out.bytes ? r.in.bytes : r.out.bytes,
			[BLOCK_QUEUED] = in.queued, [BLOCK_WORK] = r.mean_work_ns,
			[BLOCK_P99] = block->stats.p99_work_ns, [BLOCK_DROPPED] = r.in.dropped,
		},
		.look = block_look(&in, &r),
	};
}

void sheet_blocks(const struct sample *sample, struct sheet *out)
{
	*out = (struct sheet){ .column = block_columns, .columns = SHEET_COLUMNS };
	for (size_t i = 0; i < sample->now->n_blocks; i++)
		block_add(sample, &sample->now->blocks[i], out);
}

/* -- connections -------------------------------------------------------------------------- */

enum { CONNECTION_FROM, CONNECTION_TO, CONNECTION_MESSAGES, CONNECTION_BYTES, CONNECTION_QUEUED,
       CONNECTION_DEPTH, CONNECTION_DROPS, CONNECTION_POLICY, CONNECTION_STATE, CONNECTION_COLUMNS };

static const struct column connection_columns[] = {
	{ "From", "from", 'n', 8, false, 0 },
	{ "To", "to", 'o', 8, false, 1 },
	{ "Messages/s", "messages", 'i', 6, true, 2 },
	{ "Bytes/s", "bytes", 'b', 7, true, 3 },
	{ "Queued", "queued", 'd', 6, true, 4 },
	{ "Depth", "depth", 'w', 6, true, 6 },
	{ "Drops/s", "drops", 'x', 7, true, 5 },
	{ "Policy", "policy", 't', 12, false, 8 },
	{ "State", "state", 's', 7, false, 7 },
};

static void connection_add(const struct sample *s, const struct mqshm_connection_record *c,
			   struct sheet *out)
{
	struct line *line = sheet_add(out);
	struct mqshm_flow_rates r;

	mqshm_connection_rates(s->before, s->now, c, &r);
	*line = (struct line){
		.cell = {
			graph_connection_from(s->now, c), graph_connection_to(s->now, c),
			show_rate(r.messages), show_byte_rate(r.bytes), text("%u", c->queued),
			text("%u", c->depth), show_rate(r.dropped), policy_text(c->flags),
			ring_state(c->flags),
		},
		.value = {
			[CONNECTION_MESSAGES] = r.messages, [CONNECTION_BYTES] = r.bytes,
			[CONNECTION_QUEUED] = c->queued, [CONNECTION_DEPTH] = c->depth,
			[CONNECTION_DROPS] = r.dropped,
		},
		.look = c->flags & MQSHM_RING_DEAD ? LOOK_TROUBLE :
			r.dropped > 0 || c->queued * 10ULL >= c->depth * 9ULL ? LOOK_FULL :
			r.messages > 0 ? LOOK_FLOW : LOOK_REST,
	};
}

void sheet_connections(const struct sample *sample, struct sheet *out)
{
	*out = (struct sheet){ .column = connection_columns, .columns = CONNECTION_COLUMNS };
	for (size_t i = 0; i < sample->now->n_connections; i++)
		connection_add(sample, &sample->now->connections[i], out);
}

/* -- what stands above ---------------------------------------------------------------------- */

static char *count(size_t n, const char *what)
{
	return text("%zu %s%s", n, what, n == 1 ? "" : "s");
}

/* "24 blocks in 8 clients: 3 running, 20 idle, 1 stalled". */
static char *show_counts(const struct sample *s, bool *trouble)
{
	struct mqshm_block_rates rates;
	size_t states[4] = { 0 };
	char *blocks = count(s->now->n_blocks, "block"), *clients = count(s->now->n_clients, "client");
	char *list = text("%s", "");

	for (size_t i = 0; i < s->now->n_blocks; i++) {
		mqshm_block_rates(s->before, s->now, &s->now->blocks[i], &rates);
		states[rates.state & 3]++;
	}
	for (uint32_t state = 0; state < 4; state++)
		if (states[state])
			list = append(list, ", ", text("%zu %s", states[state], client_state_name(state)));
	*trouble = states[MQSHM_CLIENT_STALLED] || states[MQSHM_CLIENT_EXITING];
	blocks = append(blocks, " in ", clients);
	return *list ? append(blocks, ": ", list) : append(blocks, "", list);
}

static void head_add(struct sheet *head, char *cell, enum look look)
{
	struct line *line = sheet_add(head);

	line->cell[0] = cell;
	line->look = look;
}

static void head_totals(const struct sample *s, struct sheet *head)
{
	const struct mqshm_runtime_record *r = s->now->runtimes;
	char *name = show_name(r->name), *up = show_duration(s->now->now_ns - r->created_ns);
	char *messages, *bytes, *drops, *ioctls, *counts;
	struct mqshm_runtime_rates rates;
	bool trouble;

	counts = show_counts(s, &trouble);
	head_add(head, text("mqtool top: %s, up %s, %s", name, up, counts),
		 trouble ? LOOK_TROUBLE : LOOK_REST);
	mqshm_runtime_rates(s->before, s->now, &rates);
	messages = show_rate(rates.messages);
	bytes = show_bytes((uint64_t)rates.bytes);
	drops = show_rate(rates.dropped);
	ioctls = show_rate(rates.ioctls);
	head_add(head, text("A second: %s messages, %s, %s dropped, %s calls of the module", messages,
			    bytes, drops, ioctls), rates.dropped > 0 ? LOOK_FULL : LOOK_REST);
	free(name);
	free(up);
	free(counts);
	free(messages);
	free(bytes);
	free(drops);
	free(ioctls);
}

static char *show_pool(const struct mqshm_pool_record *p)
{
	char *name = show_name(p->name);
	char *shown = text("%s %u held, %u free", name, p->buffers - p->free - p->quarantined, p->free);

	free(name);
	if (p->quarantined)
		shown = append(shown, ", ", text("%u quarantined", p->quarantined));
	return p->waiting ? append(shown, ", ", text("%u waiting for it", p->waiting)) : shown;
}

static void head_pools(const struct sample *s, unsigned int room, struct sheet *head)
{
	static const char begin[] = "Pools: ";
	char *line = text("%s", begin), *pool;
	enum look look = LOOK_REST;
	bool empty = true;

	for (size_t i = 0; i < s->now->n_pools; i++) {
		pool = show_pool(&s->now->pools[i]);
		if (room && !empty && text_cells(line) + 2 + text_cells(pool) > room) {
			head_add(head, line, look);
			line = text("%*s", (int)strlen(begin), "");
			look = LOOK_REST;
			empty = true;
		}
		line = append(line, empty ? "" : "; ", pool);
		empty = false;
		if (!s->now->pools[i].free)
			look = LOOK_FULL;
	}
	head_add(head, empty ? append(line, "", text("none")) : line, look);
}

void sheet_head(const struct sample *sample, unsigned int room, struct sheet *out)
{
	static const struct column column = { .title = "" };

	*out = (struct sheet){ .column = &column, .columns = 1 };
	head_totals(sample, out);
	head_pools(sample, room, out);
}
