// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Blocks whose readers have all come to their end.
 *
 * A reader ends in order when it was told the end of all that it reads. So a process that
 * died after that, before it could say that it was done, had announced its end, too. If it
 * is started again, its blocks would wait for readers that do not come back.
 */
#include <stdlib.h>
#include <string.h>

#include "manager.h"

static bool has_unread(const struct process *p)
{
	size_t i;

	for (i = 0; i < p->n_blocks && !p->unread[i]; i++)
		;
	return i < p->n_blocks;
}

/* In order; one that somebody stopped may be started again, but not one stopped here. */
static bool is_over(const struct process *p)
{
	return p->state == MQSHM_PROCESS_ENDED && !p->code && !p->signal &&
	       (p->last != 's' || has_unread(p));
}

/* It died, and has come back, or will. */
static bool has_died(const struct process *p)
{
	return p->state == MQSHM_PROCESS_RESTARTS ||
	       (p->state == MQSHM_PROCESS_RUNNING && p->restarts);
}

/* The block at an end: it has ended in order wherever it ran, or waits for such readers. */
static bool reader_is_over(const struct mqshm_manager *m, const char *end)
{
	const struct process *p;
	bool found = false;
	size_t i;

	for (p = m->processes; p; p = p->next) {
		if (!mqshm_process_find(p, end, &i))
			continue;
		found = true;
		if (!is_over(p) && !p->unread[i])
			return false;
	}
	return found;
}

static bool is_unread(const struct mqshm_manager *m, const struct mqshm_snapshot *snap,
		      const char *block)
{
	size_t n = strlen(block), i;
	bool found = false;

	for (i = 0; i < snap->n_connections; i++) {
		const struct mqshm_connection_record *c = &snap->connections[i];

		if (strncmp(c->from, block, n) || c->from[n] != ':' || c->flags & MQSHM_RING_TAP)
			continue;
		found = true;
		if (!reader_is_over(m, c->to))
			return false;
	}
	return found;
}

/* Notes which blocks of @p are; returns whether there are more than before. */
static bool process_look(const struct mqshm_manager *m, const struct mqshm_snapshot *snap,
			 struct process *p)
{
	bool more = false;
	size_t i;

	for (i = 0; i < p->n_blocks; i++) {
		if (p->unread[i] || !is_unread(m, snap, p->blocks[i]))
			continue;
		p->unread[i] = more = true;
	}
	return more;
}

/* Those that have come back wait for nothing. */
static void process_stop(struct mqshm_manager *m, const struct mqshm_snapshot *snap,
			 const struct process *p)
{
	const struct mqshm_block_record *block;
	size_t i;

	for (i = 0; i < p->n_blocks; i++) {
		block = p->unread[i] ? mqshm_snapshot_find_block(snap, p->blocks[i]) : NULL;
		if (block)
			mqshm_block_request_stop(m->rt, block->id);
	}
}

void mqshm_unread_stop(struct mqshm_manager *m)
{
	struct mqshm_snapshot *snap;
	struct process *p;
	bool more;

	for (p = m->processes; p && !has_died(p); p = p->next)
		;
	if (!p || mqshm_runtime_snapshot(m->rt, &snap))
		return;
	/* who feeds nothing but one of these is the next */
	do {
		more = false;
		for (p = m->processes; p; p = p->next)
			more = (has_died(p) && process_look(m, snap, p)) || more;
	} while (more);
	for (p = m->processes; p; p = p->next)
		if (p->state == MQSHM_PROCESS_RUNNING)
			process_stop(m, snap, p);
	mqshm_snapshot_free(snap);
}

bool mqshm_unread_all(const struct process *p)
{
	size_t i;

	for (i = 0; i < p->n_blocks && p->unread[i]; i++)
		;
	return i == p->n_blocks;
}
