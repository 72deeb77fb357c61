// SPDX-License-Identifier: LGPL-2.1-or-later
/* Asking blocks to end through the module, waiting until they have, killing. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "manager.h"

/**
 * struct targets - blocks to be stopped
 * @id: array[@n] of their numbers, which are never used again
 * @n: how many
 */
struct targets {
	uint64_t *id;
	size_t n;
};

/**
 * struct choice - which blocks of a runtime; all, if it has nothing
 * @name: that one
 * @pid: those of that process
 * @own: those of processes that the manager started
 */
struct choice {
	const char *name;
	uint32_t pid;
	bool own;
};

static bool is_own(const struct mqshm_manager *m, uint32_t pid)
{
	const struct process *p;

	for (p = m->processes; p; p = p->next)
		if (p->state == MQSHM_PROCESS_RUNNING && p->pid == (pid_t)pid)
			return true;
	return false;
}

static int targets_choose(const struct mqshm_manager *m, const struct mqshm_snapshot *snap,
			  const struct choice *choice, struct targets *out)
{
	const struct mqshm_block_record *only =
		choice->name ? mqshm_snapshot_find_block(snap, choice->name) : NULL;
	size_t i;

	out->n = 0;
	out->id = calloc(snap->n_blocks + 1, sizeof(*out->id));
	if (!out->id)
		return -ENOMEM;
	for (i = 0; i < snap->n_blocks; i++) {
		const struct mqshm_block_record *block = &snap->blocks[i];
		const struct mqshm_client_record *client = mqshm_snapshot_client(snap, block->client);

		if (choice->name ? block == only :
		    choice->pid ? client && client->pid == choice->pid :
		    !choice->own || (client && is_own(m, client->pid)))
			out->id[out->n++] = block->id;
	}
	return out->n || (!choice->name && !choice->pid) ? 0 : -ENOENT;
}

/* The first error; the others are asked all the same. */
static int targets_ask(struct mqshm_manager *m, const struct targets *t)
{
	int error = 0, r;
	size_t i;

	for (i = 0; i < t->n; i++) {
		r = mqshm_block_request_stop(m->rt, t->id[i]);
		/* -ENOENT: it ended by itself */
		if (r && r != -ENOENT && !error)
			error = r;
	}
	return error;
}

static void targets_keep_present(struct targets *t, const struct mqshm_snapshot *snap)
{
	size_t i, kept = 0;

	for (i = 0; i < t->n; i++) {
		if (mqshm_snapshot_block(snap, t->id[i]))
			t->id[kept++] = t->id[i];
	}
	t->n = kept;
}

static int targets_wait(struct mqshm_manager *m, struct targets *t, uint64_t deadline_ns)
{
	struct mqshm_snapshot *snap;
	uint64_t changes;
	int r;

	for (;;) {
		r = mqshm_runtime_snapshot(m->rt, &snap);
		if (!r) {
			targets_keep_present(t, snap);
			changes = snap->changes;
			mqshm_snapshot_free(snap);
		}
		/* with the runtime every block goes */
		if (r == -ESHUTDOWN || (!r && !t->n))
			return 0;
		if (!r)
			r = mqshm_runtime_wait(m->rt, &changes, deadline_ns);
		if (r && r != -ESHUTDOWN)
			return r;
	}
}

static int stop(struct mqshm_manager *m, const struct choice *choice, uint64_t deadline_ns)
{
	struct mqshm_snapshot *snap;
	struct targets targets;
	int r = mqshm_runtime_snapshot(m->rt, &snap);

	if (r)
		return r;
	r = targets_choose(m, snap, choice, &targets);
	mqshm_snapshot_free(snap);
	r = r ? r : targets_ask(m, &targets);
	r = r ? r : targets_wait(m, &targets, deadline_ns);
	free(targets.id);
	return r;
}

int mqshm_manager_stop_block(struct mqshm_manager *m, const char *name, uint64_t deadline_ns)
{
	struct process *p;

	/* that waits to be started again */
	for (p = m->processes; p; p = p->next) {
		if (p->state == MQSHM_PROCESS_RESTARTS && mqshm_process_has(p, name)) {
			p->state = MQSHM_PROCESS_ENDED;
			return 0;
		}
	}
	return stop(m, &(struct choice){ .name = name }, deadline_ns);
}

int mqshm_manager_stop_process(struct mqshm_manager *m, uint32_t pid, uint64_t deadline_ns)
{
	return pid ? stop(m, &(struct choice){ .pid = pid }, deadline_ns) : -ENOENT;
}

static int stop_many(struct mqshm_manager *m, bool own, uint64_t deadline_ns)
{
	struct process *p;

	for (p = m->processes; p; p = p->next) {
		if (p->state == MQSHM_PROCESS_RESTARTS)
			p->state = MQSHM_PROCESS_ENDED;
		/* nor if it fails or is killed before it has stopped */
		p->restart.when = MQSHM_RESTART_NO;
	}
	return stop(m, &(struct choice){ .own = own }, deadline_ns);
}

int mqshm_manager_stop_own(struct mqshm_manager *m, uint64_t deadline_ns)
{
	return stop_many(m, true, deadline_ns);
}

int mqshm_manager_stop_all(struct mqshm_manager *m, uint64_t deadline_ns)
{
	return stop_many(m, false, deadline_ns);
}

/* Its pid, 0 if it is gone, or -errno. */
static int client_pid(struct mqshm_manager *m, uint64_t client_id)
{
	const struct mqshm_client_record *client;
	struct mqshm_snapshot *snap;
	int r = mqshm_runtime_snapshot(m->rt, &snap);

	if (r)
		return r;
	client = mqshm_snapshot_client(snap, client_id);
	r = !client ? 0 : client->pid ? (int)client->pid : -ESRCH;
	mqshm_snapshot_free(snap);
	return r;
}

/*
 * The pid in a snapshot may belong to another process by the time it is used. A pidfd
 * cannot: if the client is there, with that pid, after the pidfd was opened, then the
 * pidfd is that client's process.
 */
int mqshm_manager_kill_client(struct mqshm_manager *m, uint64_t client_id)
{
	int pid = client_pid(m, client_id), r, fd;

	if (pid <= 0)
		return pid;
	fd = pidfd_open(pid, 0);
	if (fd < 0)
		return errno == ESRCH ? 0 : -errno;
	r = client_pid(m, client_id);
	if (r == pid)
		r = pidfd_send_signal(fd, SIGKILL, NULL, 0) && errno != ESRCH ? -errno : 0;
	else if (r > 0)
		r = 0;
	close(fd);
	return r;
}
