// SPDX-License-Identifier: GPL-2.0-only
/* The runtime server: watches processes, says what becomes of them, ends them in order. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "mqtool.h"

#define STOP_MS 10000

bool restart_parse(const char *s, struct mqshm_restart *out)
{
	static const char *const words[] = { "no", "on-failure", "always" };
	size_t n = strcspn(s, ":"), digits;
	uint64_t limit, backoff_ms = 0;
	char number[24];

	*out = (struct mqshm_restart){ 0 };
	while (out->when < 3 && (strncmp(s, words[out->when], n) || words[out->when][n]))
		out->when++;
	if (out->when == 3)
		return false;
	if (!s[n])
		return true;
	s += n + 1;
	digits = strcspn(s, ":");
	snprintf(number, sizeof(number), "%.*s", (int)digits, s);
	if (!parse_number(number, UINT32_MAX - 1, &limit) || !limit)
		return false;
	if (s[digits] && (!parse_number(s + digits + 1, UINT32_MAX, &backoff_ms) || !backoff_ms))
		return false;
	out->limit = limit;
	out->backoff_ms = backoff_ms;
	return true;
}

/**
 * struct watch - a manager that is watched
 * @m: the manager
 * @signals: descriptor that tells of SIGINT and SIGTERM
 * @json: what happens is also printed as JSON
 * @asked: how many of them came
 * @status: EXIT_* so far
 */
struct watch {
	struct mqshm_manager *m;
	int signals;
	bool json;
	unsigned int asked;
	int status;
};

/* A process of one block is known by that. */
static const char *kind_of(const struct mqshm_process_info *p)
{
	return p->blocks > 1 ? "process" : "block";
}

static const char *name_of(const struct mqshm_process_info *p)
{
	return p->blocks > 1 ? p->name : p->block;
}

static char *end_text(const struct mqshm_process_info *p)
{
	return p->signal ? text("signal %d (%s)", p->signal, strsignal(p->signal)) :
	       text("status %d", p->code);
}

static void stop_all(struct watch *w)
{
	int error = mqshm_manager_stop_own(w->m, mqshm_after_ms(STOP_MS));

	if (error)
		w->status = fail("runtime", NULL, error == -ETIMEDOUT ?
				 "some blocks have not ended; mqtool stop --all --kill kills them" :
				 strerror(-error));
}

/* Others would wait for a block that is gone for good. */
static void failed(struct watch *w, const struct mqshm_process_info *p, const char *how)
{
	if (p->restarts)
		fail(kind_of(p), name_of(p), "its process ended by %s, again after %u restart%s", how,
		     p->restarts, p->restarts == 1 ? "" : "s");
	else if (p->signal || p->code != EXIT_FAILED)
		fail(kind_of(p), name_of(p), "its process ended by %s", how);
	w->status = EXIT_FAILED;
	stop_all(w);
}

static void show(struct watch *w, uint32_t event, const struct mqshm_process_info *p)
{
	char *how = end_text(p);

	if (w->json)
		run_json_event(event, p);
	switch (event) {
	case MQSHM_EVENT_RESTARTS:
		fail(kind_of(p), name_of(p), "its process (pid %u) ended by %s; it is started again",
		     p->pid, how);
		break;
	case MQSHM_EVENT_RESTARTED:
		fail(kind_of(p), name_of(p), "it runs again (pid %u, restart %u)", p->pid, p->restarts);
		break;
	default:
		if (p->code || p->signal)
			failed(w, p, how);
	}
	free(how);
}

static void take_signal(struct watch *w)
{
	struct signalfd_siginfo info;

	if (read(w->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (w->asked++)
		stop_all(w);
	else
		mqshm_manager_finish(w->m);
}

static void signals_fill(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

void supervise_hold_signals(void)
{
	sigset_t set;

	signals_fill(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static int signals_open(void)
{
	sigset_t set;

	signals_fill(&set);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Messages that connections have dropped so far. */
static uint64_t dropped(struct mqshm_manager *m)
{
	struct mqshm_snapshot *snap;
	uint64_t n = 0;

	if (mqshm_runtime_snapshot(mqshm_manager_runtime(m), &snap))
		return 0;
	n = snap->n_runtimes ? snap->runtimes[0].dropped : 0;
	mqshm_snapshot_free(snap);
	return n;
}

/* What waits for blocks that are gone. */
static uint64_t kept(struct mqshm_manager *m)
{
	struct mqshm_snapshot *snap;
	uint64_t n = 0;

	if (mqshm_runtime_snapshot(mqshm_manager_runtime(m), &snap))
		return 0;
	for (size_t i = 0; i < snap->n_connections; i++)
		if (snap->connections[i].flags & MQSHM_RING_KEPT)
			n += snap->connections[i].queued;
	mqshm_snapshot_free(snap);
	return n;
}

/* The only block of a process that has no name of its own, else the process. */
static const char *label(const struct mqshm_process_info *p)
{
	size_t n = strlen(p->block);

	return !strncmp(p->name, p->block, n) && !strcmp(p->name + n, "_proc") ? p->block : p->name;
}

/* What restarts and drops there were, and what they cost; nothing if there were none. */
static void report(struct mqshm_manager *m, uint64_t drops, uint64_t keeps)
{
	struct mqshm_process_info *list;
	size_t n;

	if (mqshm_manager_list_processes(m, &list, &n))
		return;
	for (size_t i = 0; i < n; i++) {
		const struct mqshm_process_info *p = &list[i];

		if (p->ours && (p->restarts || p->lost || p->drained))
			fprintf(stderr, "%s: restarts: %u; messages lost: %llu in its hands, %llu queued for it\n",
				label(p), p->restarts,
				(unsigned long long)p->lost, (unsigned long long)p->drained);
	}
	free(list);
	if (drops)
		fprintf(stderr, "connections: messages dropped: %llu\n", (unsigned long long)drops);
	if (keeps)
		fprintf(stderr, "connections: messages still kept: %llu\n", (unsigned long long)keeps);
}

int supervise(struct mqshm_manager *m, bool json)
{
	struct watch w = { .m = m, .signals = signals_open(), .json = json };
	uint64_t before = dropped(m);
	struct pollfd fds[] = {
		{ .fd = mqshm_manager_fd(m), .events = POLLIN },
		{ .fd = w.signals, .events = POLLIN },
	};
	struct mqshm_process_info process;
	uint32_t event;
	int error;

	/* the graph goes on without somebody who reads what is printed */
	if (json)
		signal(SIGPIPE, SIG_IGN);
	for (;;) {
		error = mqshm_manager_next(m, &event, &process, MQSHM_NO_WAIT);
		if (error == -ECHILD)
			break;
		if (!error)
			show(&w, event, &process);
		else if (poll(fds, 2, -1) > 0 && fds[1].revents)
			take_signal(&w);
	}
	close(w.signals);
	report(m, dropped(m) - before, kept(m));
	return w.status;
}

int supervise_block(const char *runtime, const char *const *worker,
		    const struct mqshm_block_spec *spec, int ready_fd)
{
	struct mqshm_process_info process;
	struct mqshm_manager *m;
	int error = mqshm_manager_open(runtime, worker, &m), status = EXIT_FAILED;

	if (error)
		return runtime_fail(runtime, error);
	supervise_hold_signals();
	error = mqshm_manager_start_block(m, spec, &process, NULL);
	if (!error) {
		worker_ready(ready_fd);
		status = supervise(m, false);
	} else if (error != -ECHILD) {
		fail_errno("block", spec->name, error);
	}
	mqshm_manager_close(m);
	return status;
}
