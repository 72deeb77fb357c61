// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Connections of blocks that may be started again. What comes and goes is read from a
 * monitor, so that those are remembered too that others have made, and those forgotten
 * that others have taken away: only what goes with a process of ours stays in mind.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "manager.h"

int mqshm_links_watch(struct mqshm_manager *m)
{
	struct epoll_event event = { .events = EPOLLIN };
	int r;

	if (m->monitor)
		return 0;
	r = mqshm_monitor_open(m->runtime, &m->monitor);
	if (r)
		return r;
	if (!epoll_ctl(m->epoll, EPOLL_CTL_ADD, mqshm_monitor_fd(m->monitor), &event))
		return 0;
	r = -errno;
	mqshm_monitor_close(m->monitor);
	m->monitor = NULL;
	return r;
}

/* The process of ours that has this end. */
static struct process *process_of(const struct mqshm_manager *m, const char *end)
{
	struct process *p = m->processes;

	while (p && !mqshm_process_has(p, end))
		p = p->next;
	return p;
}

/* The one that has it and may be started again. */
static struct process *owner(const struct mqshm_manager *m, const char *end)
{
	struct process *p = process_of(m, end);

	return p && p->restart.when ? p : NULL;
}

static struct link **find(struct mqshm_manager *m, const char *from, const char *to)
{
	struct link **link = &m->links;

	while (*link && (strcmp((*link)->from, from) || strcmp((*link)->to, to)))
		link = &(*link)->next;
	return link;
}

static void link_free(struct link *link)
{
	free(link->from);
	free(link->to);
	free(link);
}

/* Without memory it is not remembered. How it was made is learned later. */
static void link_add(struct mqshm_manager *m, const char *from, const char *to)
{
	struct link **end = find(m, from, to), *link;

	if (*end || (!owner(m, from) && !owner(m, to)))
		return;
	link = calloc(1, sizeof(*link));
	if (!link)
		return;
	link->from = strdup(from);
	link->to = strdup(to);
	if (link->from && link->to)
		*end = link;
	else
		link_free(link);
}

/* The process that has this end is gone, or has said that it goes, so that the connection went with it. */
static bool gone_with(const struct mqshm_manager *m, const char *end)
{
	struct process *p = process_of(m, end);

	return p && (p->left == (uint32_t)p->pid || mqshm_process_leaves(p));
}

static void link_forget(struct mqshm_manager *m, const char *from, const char *to)
{
	struct link **at = find(m, from, to), *link = *at;

	if (!link || gone_with(m, from) || gone_with(m, to))
		return;
	*at = link->next;
	link_free(link);
}

/* A client goes before its connections do. */
static void client_left(struct mqshm_manager *m, uint32_t pid)
{
	struct process *p;

	for (p = m->processes; p; p = p->next) {
		if (pid && (uint32_t)p->pid == pid)
			p->left = pid;
	}
}

/* Notices were lost; what came meanwhile is still there, if it did not go again. */
static void catch_up(struct mqshm_manager *m)
{
	struct mqshm_connection_info *list;
	size_t n, i;

	if (mqshm_manager_list_connections(m, &list, &n))
		return;
	for (i = 0; i < n; i++)
		link_add(m, list[i].from, list[i].to);
	free(list);
}

/* Notices do not say how a connection was made: it is still there, unless it went at once. */
static void flags_learn(struct mqshm_manager *m)
{
	struct mqshm_snapshot *snap;
	struct link *link;
	size_t i;

	if (mqshm_runtime_snapshot(m->rt, &snap))
		return;
	for (i = 0; i < snap->n_connections; i++) {
		const struct mqshm_connection_record *c = &snap->connections[i];

		link = *find(m, c->from, c->to);
		/* one that lost an end may have a successor, made in another way */
		if (link && c->from_block && c->to_block)
			link->flags = c->flags;
	}
	mqshm_snapshot_free(snap);
}

/* True: there may be a link that nothing else is known of. */
static bool notice_take(struct mqshm_manager *m, const struct mqshm_notice *n)
{
	bool ended = n->change == MQSHM_CHANGE_WENT || n->change == MQSHM_CHANGE_DIED;

	if (n->change == MQSHM_CHANGE_LOST)
		catch_up(m);
	else if (n->subject == MQSHM_RECORD_CLIENT && ended)
		client_left(m, n->pid);
	else if (n->subject != MQSHM_RECORD_CONNECTION)
		return false;
	else if (n->change == MQSHM_CHANGE_CAME)
		link_add(m, n->name, n->to);
	else if (n->change == MQSHM_CHANGE_WENT)
		link_forget(m, n->name, n->to);
	return n->change == MQSHM_CHANGE_LOST || n->change == MQSHM_CHANGE_CAME;
}

void mqshm_links_update(struct mqshm_manager *m)
{
	struct mqshm_notice notice;
	bool more = false;

	while (m->monitor && !mqshm_monitor_next(m->monitor, &notice, MQSHM_NO_WAIT))
		more |= notice_take(m, &notice);
	if (more)
		flags_learn(m);
}

/* What was at this end was started here, and has come to its end. */
static bool has_ended(const struct mqshm_manager *m, const char *end)
{
	struct process *p = process_of(m, end);

	return p && (p->state == MQSHM_PROCESS_ENDED || mqshm_process_leaves(p));
}

/* Persistent ones are the kernel's: it joined the block when that was registered. */
static int link_make(struct mqshm_manager *m, const struct link *link)
{
	struct mqshm_connect_options options = { .policy = MQSHM_POLICY_BLOCK };

	if (link->flags & MQSHM_RING_PERSISTENT)
		return -EEXIST;
	if (link->flags & MQSHM_RING_DROP_NEWEST)
		options.policy = MQSHM_POLICY_DROP_NEWEST;
	if (link->flags & MQSHM_RING_DROP_OLDEST)
		options.policy = MQSHM_POLICY_DROP_OLDEST;
	return mqshm_connect_with(m->rt, link->from, link->to, &options, NULL);
}

/* Whether the consumer is joined; what was kept for it comes, even if nobody feeds it. */
static bool is_joined(const struct mqshm_manager *m, const struct link *link)
{
	struct mqshm_snapshot *snap;
	bool joined = false;
	size_t i;

	if (mqshm_runtime_snapshot(m->rt, &snap))
		return true;
	for (i = 0; i < snap->n_connections && !joined; i++) {
		const struct mqshm_connection_record *c = &snap->connections[i];

		joined = c->to_block && !strcmp(c->from, link->from) && !strcmp(c->to, link->to);
	}
	mqshm_snapshot_free(snap);
	return joined;
}

/* A block of the process that no link leads to needs nobody to feed it. */
static bool has_source(const struct mqshm_manager *m, const struct process *p)
{
	const struct link *link;
	size_t i, n;

	for (i = 0; i < p->n_blocks; i++) {
		n = strlen(p->blocks[i]);
		link = m->links;
		while (link && (strncmp(link->to, p->blocks[i], n) || link->to[n] != ':'))
			link = link->next;
		if (!link)
			return true;
	}
	return false;
}

bool mqshm_links_restore(struct mqshm_manager *m, const struct process *p)
{
	bool fed = has_source(m, p), starved = false;
	struct link *link;

	for (link = m->links; link; link = link->next) {
		bool from = mqshm_process_has(p, link->from), to = mqshm_process_has(p, link->to);

		/* an end that is not there makes it when it comes back, if it is ours */
		if (from || to)
			link_make(m, link);
		/* its own blocks do not feed a process */
		if (from || !to)
			continue;
		if (has_ended(m, link->from) && !is_joined(m, link))
			starved = true;
		else
			fed = true;
	}
	return fed || !starved;
}

void mqshm_links_free(struct mqshm_manager *m)
{
	struct link *link, *next;

	for (link = m->links; link; link = next) {
		next = link->next;
		link_free(link);
	}
	mqshm_monitor_close(m->monitor);
}
