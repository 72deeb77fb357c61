// SPDX-License-Identifier: LGPL-2.1-or-later
/* What becomes of processes, and starting again those that are to go on. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "manager.h"

#define BACKOFF_MAX_MS	10000
#define LONG_RUN_NS	10000000000ULL
#define SETTLING_NS	10000000	/* until the next look whether the dead one's block is gone */

/* In milliseconds, doubled for each restart in a row. */
static uint64_t backoff_ms(const struct process *p)
{
	uint64_t ms = p->restart.backoff_ms;
	uint32_t i;

	for (i = 0; i < p->in_row && ms < BACKOFF_MAX_MS; i++)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

static bool is_to_restart(const struct mqshm_manager *m, const struct process *p)
{
	bool failed = p->code || p->signal;

	if (p->last == 's' || !p->restart.when || p->in_row >= p->restart.limit)
		return false;
	return failed || (p->restart.when == MQSHM_RESTART_ALWAYS && !m->finishing);
}

/* Adds up what its clients have left behind, as far as the module has settled them. */
static void account(struct mqshm_manager *m, struct process *p)
{
	struct mqshm_snapshot *snap;
	size_t i;

	if (mqshm_runtime_snapshot(m->rt, &snap))
		return;
	for (i = 0; i < snap->n_departed; i++) {
		const struct mqshm_departed_record *d = &snap->departed[i];

		/* its number may have been another's before */
		if (d->pid != (uint32_t)p->pid || d->at_ns < p->started_ns ||
		    d->at_ns <= p->counted_ns)
			continue;
		p->lost += d->lost_buffers;
		p->drained += d->drained;
	}
	p->counted_ns = snap->now_ns;
	mqshm_snapshot_free(snap);
}

/* Nobody would read what it has to send: that is an end in order. */
static uint32_t unread_end(struct mqshm_manager *m, struct process *p)
{
	p->state = MQSHM_PROCESS_ENDED;
	p->signal = 0;
	/* and who feeds nothing but this is the next */
	mqshm_unread_stop(m);
	return MQSHM_EVENT_ENDED;
}

/* It has ended: for good, or until it is due. */
static uint32_t decide(struct mqshm_manager *m, struct process *p)
{
	uint64_t now = mqshm_now_ns();

	account(m, p);
	/* nobody reads what it would send again */
	if (p->signal && p->last == 'd')
		p->signal = 0;
	if (now - p->started_ns >= LONG_RUN_NS)
		p->in_row = 0;
	if (!is_to_restart(m, p)) {
		mqshm_unread_stop(m);
		return MQSHM_EVENT_ENDED;
	}
	p->state = MQSHM_PROCESS_RESTARTS;
	p->due_ns = now + backoff_ms(p) * 1000000;
	p->in_row++;
	mqshm_unread_stop(m);
	return mqshm_unread_all(p) ? unread_end(m, p) : MQSHM_EVENT_RESTARTS;
}

/* The module has not settled the last one yet, so that names are still taken. */
static bool is_settling(struct mqshm_manager *m, const struct process *p)
{
	struct mqshm_snapshot *snap;
	bool settling = false;
	size_t i;

	if (mqshm_runtime_snapshot(m->rt, &snap))
		return false;
	for (i = 0; i < snap->n_clients; i++)
		settling = settling || snap->clients[i].pid == (uint32_t)p->pid;
	mqshm_snapshot_free(snap);
	return settling;
}

static uint32_t restart(struct mqshm_manager *m, struct process *p)
{
	int r;

	account(m, p);
	p->restarts++;
	r = mqshm_process_spawn(m, p);
	if (r) {
		p->code = 127;
		p->signal = 0;
	}
	r = r ? r : mqshm_process_ready(m, p);
	if (r)
		return decide(m, p);
	mqshm_process_go(m, p);
	mqshm_unread_stop(m);
	return MQSHM_EVENT_RESTARTED;
}

/* What happened to a process; 0 for nothing. */
static uint32_t look(struct mqshm_manager *m, struct process *p)
{
	if (p->state == MQSHM_PROCESS_RUNNING)
		return mqshm_process_ended(m, p, false) ? decide(m, p) : 0;
	if (p->state != MQSHM_PROCESS_RESTARTS)
		return 0;
	if (mqshm_unread_all(p))
		return unread_end(m, p);
	if (p->due_ns > mqshm_now_ns())
		return 0;
	if (is_settling(m, p)) {
		p->due_ns = mqshm_now_ns() + SETTLING_NS;
		return 0;
	}
	return restart(m, p);
}

static bool is_any_left(const struct mqshm_manager *m)
{
	const struct process *p;

	for (p = m->processes; p; p = p->next) {
		if (p->state != MQSHM_PROCESS_ENDED)
			return true;
	}
	return false;
}

/* For the next that is due; setting it also makes it unreadable. */
static void timer_set(const struct mqshm_manager *m)
{
	struct itimerspec time = { 0 };
	uint64_t due_ns = MQSHM_FOREVER;
	const struct process *p;

	for (p = m->processes; p; p = p->next) {
		if (p->state == MQSHM_PROCESS_RESTARTS && p->due_ns < due_ns)
			due_ns = p->due_ns;
	}
	if (due_ns != MQSHM_FOREVER) {
		time.it_value.tv_sec = (time_t)(due_ns / 1000000000);
		time.it_value.tv_nsec = (long)(due_ns % 1000000000);
	}
	timerfd_settime(m->timer, TFD_TIMER_ABSTIME, &time, NULL);
}

/* Until something happens. */
static int sleep_until(const struct mqshm_manager *m, uint64_t deadline_ns)
{
	struct pollfd fd = { .fd = m->epoll, .events = POLLIN };
	uint64_t now = mqshm_now_ns(), left = deadline_ns > now ? deadline_ns - now : 0;
	struct timespec time = {
		.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000),
	};
	int r = ppoll(&fd, 1, deadline_ns == MQSHM_FOREVER ? NULL : &time, NULL);

	if (r < 0)
		return -errno;
	return r ? 0 : -ETIMEDOUT;
}

int mqshm_manager_next(struct mqshm_manager *m, uint32_t *event,
		       struct mqshm_process_info *out, uint64_t deadline_ns)
{
	struct process *p;
	int r = 0;

	for (;;) {
		for (p = m->processes; p; p = p->next) {
			*event = look(m, p);
			if (!*event)
				continue;
			mqshm_process_describe(p, out);
			/* unchanged, it would show the past until the next call */
			timer_set(m);
			return 0;
		}
		timer_set(m);
		/* the last look was after the sleep */
		if (r)
			return r;
		if (!is_any_left(m)) {
			mqshm_graph_disconnect(m, 0);
			return -ECHILD;
		}
		r = sleep_until(m, deadline_ns);
	}
}

void mqshm_manager_finish(struct mqshm_manager *m)
{
	struct process *p;

	m->finishing = true;
	for (p = m->processes; p; p = p->next) {
		if (p->state == MQSHM_PROCESS_RUNNING)
			pidfd_send_signal(p->pidfd, SIGINT, NULL, 0);
	}
}
