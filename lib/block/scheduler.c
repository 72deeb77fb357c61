// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Many tasks on one thread and one client. A task that would sleep says what for and
 * leaves its fiber; when no task can go on, the thread sleeps once for all of them.
 */
#include <errno.h>
#include <stdlib.h>

#include "../port.h"
#include "fiber.h"
#include "scheduler.h"

/* Messages taken and calls of work before others have a turn. */
#define BUDGET	64

/* Steps without a sleep before what only a sleep would tell of is looked for. */
#define BUSY	16

/**
 * struct task - a fiber, and what it waits for
 * @next: of the scheduler's
 * @fiber: its stack
 * @changes: changes of the graph that it knows of
 * @waits: what it waits for, on its stack; NULL: it can go on
 * @result: of its wait
 */
struct task {
	struct task *next;
	struct fiber *fiber;
	uint64_t changes;
	const struct client_wait *waits;
	int result;
};

/**
 * struct scheduler - tasks of a client
 * @turns: how the client's calls come here; first, so that one is the other
 * @client: the client
 * @tasks: in the order in which they were added
 * @n_tasks: their number
 * @current: the one that runs, NULL outside of all
 * @syncs: the client's, at the end of the last step
 * @ports: array with room for @room: what the thread sleeps for
 * @known: array with room for @room: messages known of each
 * @room: enough for the ports of all tasks that wait
 * @n_ports: those of all tasks that wait
 * @fds: array with room for @fds_room: descriptors that it sleeps for as well
 * @fds_room: enough for those of all tasks that wait
 * @n_fds: those of all tasks that wait
 * @busy: steps since the thread has slept
 * @error: why the thread could not sleep, for all who wait
 */
struct scheduler {
	struct client_turns turns;
	struct mqshm_client *client;
	struct task *tasks;
	size_t n_tasks;
	struct task *current;
	uint64_t syncs;
	struct mqshm_port **ports;
	uint32_t *known;
	size_t room;
	size_t n_ports;
	struct pollfd *fds;
	size_t fds_room;
	size_t n_fds;
	unsigned int busy;
	int error;
};

/* -- inside a task --------------------------------------------------------------- */

static int ports_reserve(struct scheduler *s, size_t n)
{
	size_t room = s->room ? s->room : 64;
	struct mqshm_port **ports;
	uint32_t *known;

	if (s->n_ports + n <= s->room)
		return 0;
	while (room < s->n_ports + n)
		room *= 2;
	ports = realloc(s->ports, room * sizeof(*ports));
	if (ports)
		s->ports = ports;
	known = realloc(s->known, room * sizeof(*known));
	if (known)
		s->known = known;
	if (!ports || !known)
		return -ENOMEM;
	s->room = room;
	return 0;
}

static int fds_reserve(struct scheduler *s, size_t n)
{
	size_t room = 2 * (s->n_fds + n);
	struct pollfd *fds;

	/* one block too many shall not be in the way of the others' sleep */
	if (n > MQSHM_WAIT_FDS_MAX - s->n_fds)
		return -EINVAL;
	if (s->n_fds + n <= s->fds_room)
		return 0;
	fds = realloc(s->fds, room * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	s->fds = fds;
	s->fds_room = room;
	return 0;
}

/* Others run meanwhile, and what the client counts for a block is theirs. */
static void task_leave(struct scheduler *s)
{
	uint64_t copies = s->client->copies;

	mqshm_fiber_leave(s->current->fiber);
	s->client->copies = copies;
}

static int turns_wait(struct client_turns *turns, const struct client_wait *w)
{
	struct scheduler *s = (struct scheduler *)turns;
	struct task *task = s->current;
	int r;

	if (task->changes != s->client->changes) {
		task->changes = s->client->changes;
		return 0;
	}
	r = ports_reserve(s, w->n);
	if (!r)
		r = fds_reserve(s, w->n_fds);
	if (r)
		return r;
	s->n_ports += w->n;
	s->n_fds += w->n_fds;
	task->waits = w;
	task_leave(s);
	s->n_ports -= w->n;
	s->n_fds -= w->n_fds;
	return task->result;
}

static void turns_yield(struct client_turns *turns)
{
	task_leave((struct scheduler *)turns);
}

/* -- outside of all tasks ---------------------------------------------------------- */

static bool wait_ready(const struct client_wait *w)
{
	size_t i;

	for (i = 0; i < w->n; i++) {
		if (mqshm_port_has_more(w->ports[i], w->known ? w->known[i] : 0))
			return true;
	}
	return false;
}

static bool wait_spare(const struct mqshm_client *c, uint32_t pools)
{
	for (; pools; pools &= pools - 1) {
		if (c->pools[__builtin_ctz(pools)].spare)
			return true;
	}
	return false;
}

/* Whether what it waits for is there, with the result of its wait. */
static bool wait_over(struct scheduler *s, struct task *task)
{
	const struct client_wait *w = task->waits;
	struct mqshm_client *c = s->client;

	task->result = s->error ? s->error : client_enter(c);
	if (task->result)
		return true;
	task->result = client_check(c);
	if (!task->result && !wait_ready(w) && !wait_spare(c, w->pools) &&
	    !client_fds_told(w) && task->changes == c->changes)
		task->result = -EAGAIN;
	client_leave(c);
	if (task->result == -EAGAIN && w->deadline_ns != MQSHM_FOREVER &&
	    w->deadline_ns <= mqshm_now_ns())
		task->result = -ETIMEDOUT;
	task->changes = c->changes;
	return task->result != -EAGAIN;
}

/* False: it has ended. */
static bool task_enter(struct scheduler *s, struct task *task)
{
	bool goes_on;

	task->waits = NULL;
	s->turns.budget = BUDGET;
	s->current = task;
	goes_on = mqshm_fiber_enter(task->fiber);
	s->current = NULL;
	return goes_on;
}

/* One turn for each; true if any had one. */
static bool round_run(struct scheduler *s)
{
	struct task **link = &s->tasks, *task;
	bool ran = false;

	while ((task = *link)) {
		if (!task->waits || wait_over(s, task)) {
			ran = true;
			if (!task_enter(s, task)) {
				*link = task->next;
				s->n_tasks--;
				mqshm_fiber_free(task->fiber);
				free(task);
				continue;
			}
		}
		link = &task->next;
	}
	return ran;
}

/* Descriptors that tasks wait for, one after the other; how many. */
static size_t fds_gather(struct scheduler *s)
{
	const struct task *task;
	size_t i, n = 0;

	for (task = s->tasks; task; task = task->next) {
		for (i = 0; task->waits && i < task->waits->n_fds; i++)
			s->fds[n++] = task->waits->fds[i];
	}
	return n;
}

/* One call for all of them; each task finds what is told of its own, as poll(2) tells it. */
static void fds_look(struct scheduler *s)
{
	size_t i, n = fds_gather(s);
	const struct task *task;
	int saved = errno, ready;

	ready = n ? poll(s->fds, n, 0) : 0;
	errno = saved;
	if (ready <= 0)
		return;
	n = 0;
	for (task = s->tasks; task; task = task->next) {
		for (i = 0; task->waits && i < task->waits->n_fds; i++)
			task->waits->fds[i].revents = s->fds[n++].revents;
	}
}

/*
 * One WAIT for ports, buffers, descriptors and the next deadline. It is this call of the
 * module and not an io_uring of the thread's, with a poll of the client's descriptor beside
 * the files: that knows nothing of single outputs, of more messages than are known of, or of
 * a place in line for buffers, and before each sleep the module would have to be called all
 * the same, to give buffers back. A ring of a block's own is one descriptor here.
 */
static void sleep_for_all(struct scheduler *s)
{
	struct client_wait all = {
		.ports = s->ports, .known = s->known, .fds = s->fds,
		.n_fds = fds_gather(s), .deadline_ns = MQSHM_FOREVER,
	};
	const struct client_wait *w;
	struct task *task;
	size_t i;

	for (task = s->tasks; task; task = task->next) {
		w = task->waits;
		for (i = 0; i < w->n; i++) {
			s->ports[all.n] = w->ports[i];
			s->known[all.n++] = w->known ? w->known[i] : 0;
		}
		all.pools |= w->pools;
		if (w->deadline_ns < all.deadline_ns)
			all.deadline_ns = w->deadline_ns;
	}
	s->error = mqshm_client_sleep(s->client, &all);
	if (s->error == -ETIMEDOUT || s->error == -EINTR)
		s->error = 0;
	fds_look(s);
}

/*
 * Who waits for a buffer is in line only while the thread sleeps, and only a sleep looks at
 * descriptors. If others keep the thread from that, it is tried now and then.
 */
static void try_for_others(struct scheduler *s)
{
	struct task *task;
	uint32_t pools = 0;

	if (++s->busy % BUSY)
		return;
	fds_look(s);
	for (task = s->tasks; task; task = task->next)
		pools |= task->waits ? task->waits->pools : 0;
	if (pools)
		mqshm_client_try_pools(s->client, pools);
}

int mqshm_scheduler_step(struct scheduler *s)
{
	struct mqshm_client *c = s->client;
	bool ran;

	if (!client_enter(c)) {
		client_check(c);
		client_leave(c);
	}
	ran = round_run(s);
	s->error = 0;
	/* who roused it wants to be heard before the next sleep */
	if (ran)
		try_for_others(s);
	else if (c->syncs == s->syncs)
		sleep_for_all(s);
	s->syncs = c->syncs;
	return s->tasks || client_alive(c) ? 0 : -ESHUTDOWN;
}

size_t mqshm_scheduler_tasks(const struct scheduler *s)
{
	return s->n_tasks;
}

int mqshm_scheduler_add(struct scheduler *s, void (*run)(void *arg), void *arg,
			size_t stack_bytes)
{
	struct task **link = &s->tasks, *task = calloc(1, sizeof(*task));
	int r;

	if (!task)
		return -ENOMEM;
	task->changes = s->client->changes;
	r = mqshm_fiber_new(stack_bytes, run, arg, &task->fiber);
	if (r) {
		free(task);
		return r;
	}
	while (*link)
		link = &(*link)->next;
	*link = task;
	s->n_tasks++;
	return 0;
}

int mqshm_scheduler_new(struct mqshm_client *c, struct scheduler **out)
{
	struct scheduler *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->turns.wait = turns_wait;
	s->turns.yield = turns_yield;
	s->client = c;
	s->syncs = c->syncs;
	c->turns = &s->turns;
	*out = s;
	return 0;
}

void mqshm_scheduler_free(struct scheduler *s)
{
	if (!s)
		return;
	s->client->turns = NULL;
	free(s->ports);
	free(s->known);
	free(s->fds);
	free(s);
}
