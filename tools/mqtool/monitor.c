// SPDX-License-Identifier: GPL-2.0-only
/* mqtool monitor: first what is there, then what comes, goes, dies or stalls. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "mqtool.h"

/**
 * struct watched - a monitor, of a runtime or (the first, with all runtimes) of the
 *	table: which runtimes there are
 * @monitor: NULL once it has ended
 * @id: number of the runtime, 0 for the table
 * @label: its name, for people; NULL if it is the only one that is watched
 * @since_ns: what happened up to then was shown as what is there
 * @listed: the table's monitor has not told its end yet
 */
struct watched {
	struct mqshm_monitor *monitor;
	uint64_t id;
	char *label;
	uint64_t since_ns;
	bool listed;
};

/**
 * struct watch - the command line, and all that is watched
 * @runtime: --runtime
 * @json: --json
 * @n: number of @watched
 * @watched: in the order in which they were found
 */
struct watch {
	const char *runtime;
	bool json;
	size_t n;
	struct watched *watched;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct watch *w = state->input;

	switch (key) {
	case KEY_RUNTIME:
		w->runtime = arg;
		return 0;
	case 'j':
		w->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? it is --runtime %s", arg, arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int show(const struct watch *w, const struct watched *of, const struct mqshm_notice *n,
		const char *state)
{
	monitor_show(n, of->label, state, w->json);
	return ends_flush();
}

/* All that is in a runtime, and it is there itself, or came (@came, else NULL). */
static int show_present(const struct watch *w, const struct watched *of,
			const struct mqshm_snapshot *snap, const struct mqshm_notice *came)
{
	struct present *present;
	size_t n = monitor_present(snap, &present);
	int status = EXIT_DONE;

	if (came)
		present[0].notice = *came;
	for (size_t i = 0; i < n && !status && !ends_came(); i++)
		status = show(w, of, &present[i].notice, present[i].state);
	free(present);
	return status;
}

static struct watched *find_watched(const struct watch *w, uint64_t id)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->watched[i].id == id)
			return &w->watched[i];
	return NULL;
}

/* Opens the monitor of a runtime (number @id; 0 is any) with what is there now. */
static int open_runtime(const char *name, uint64_t id, struct mqshm_monitor **monitor,
			struct mqshm_snapshot **snap)
{
	int error = mqshm_monitor_open(name, monitor);

	if (error)
		return error;
	error = mqshm_monitor_snapshot(*monitor, snap);
	if (!error) {
		if (!((*snap)->runtimes->state & MQSHM_STATE_REMOVED) &&
		    (!id || (*snap)->runtimes->id == id))
			return 0;
		mqshm_snapshot_free(*snap);
		error = -ENOENT;
	}
	mqshm_monitor_close(*monitor);
	return error;
}

/* Watches a runtime and shows what is in it; takes @label over. */
static int watch_runtime(struct watch *w, const char *name, char *label, uint64_t id,
			 const struct mqshm_notice *came)
{
	struct watched of = { .label = label, .listed = id };
	struct mqshm_snapshot *snap;
	int status, error = open_runtime(name, id, &of.monitor, &snap);

	if (error) {
		/* one that was listed a moment ago: the table's monitor tells its end */
		status = id && error == -ENOENT ? EXIT_DONE : runtime_fail(name, error);
		free(label);
		return status;
	}
	of.id = snap->runtimes->id;
	of.since_ns = snap->now_ns;
	w->watched = grow(w->watched, w->n + 1, sizeof(*w->watched));
	w->watched[w->n++] = of;
	status = show_present(w, &of, snap, came);
	mqshm_snapshot_free(snap);
	return status;
}

/* Watches the runtime that @came, or (NULL) all that are not watched yet. */
static int watch_runtimes(struct watch *w, const struct mqshm_notice *came)
{
	struct mqshm_snapshot *snap;
	int error = mqshm_monitor_snapshot(w->watched[0].monitor, &snap), status = EXIT_DONE;

	if (error)
		return fail_errno("runtimes", NULL, error);
	for (size_t i = 0; i < snap->n_runtimes && !status; i++) {
		const struct mqshm_runtime_record *r = &snap->runtimes[i];
		char *label;

		if ((came && r->id != came->id) || find_watched(w, r->id))
			continue;
		label = runtime_label(r);
		status = watch_runtime(w, label, label, r->id, came);
	}
	if (!came)
		w->watched[0].since_ns = snap->now_ns;
	mqshm_snapshot_free(snap);
	return status;
}

/* The table's monitor: what a runtime's own one tells is not shown twice. */
static int hear_of_runtime(struct watch *w, const struct mqshm_notice *n)
{
	struct watched *of = find_watched(w, n->id);
	int status = EXIT_DONE;

	switch (n->change) {
	case MQSHM_CHANGE_LOST:
		for (size_t i = 1; i < w->n; i++)
			w->watched[i].listed &= w->watched[i].monitor != NULL;
		status = show(w, &w->watched[0], n, NULL);
		return status ? status : watch_runtimes(w, NULL);
	case MQSHM_CHANGE_CAME:
		status = watch_runtimes(w, n);
		of = find_watched(w, n->id);
		break;
	default:
		if (of)
			of->listed = false;
	}
	return status || of ? status : show(w, &w->watched[0], n, NULL);
}

/* Shows what there is to be read. */
static int hear(struct watch *w, size_t i)
{
	struct mqshm_notice n;
	int status = EXIT_DONE, error;

	while (!status && !ends_came()) {
		struct watched *of = &w->watched[i];	/* the array may grow */

		error = mqshm_monitor_next(of->monitor, &n, MQSHM_NO_WAIT);
		if (error == -EAGAIN)
			break;
		if (error == -ESHUTDOWN) {
			mqshm_monitor_close(of->monitor);
			of->monitor = NULL;
			break;
		}
		if (error)
			return fail_errno("runtime", of->label, error);
		if (n.at_ns > of->since_ns)
			status = of->id ? show(w, of, &n, NULL) : hear_of_runtime(w, &n);
	}
	return status;
}

static void forget_ended(struct watch *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->n; i++) {
		if (w->watched[i].monitor || w->watched[i].listed)
			w->watched[kept++] = w->watched[i];
		else
			free(w->watched[i].label);
	}
	w->n = kept;
}

static int wait_and_hear(struct watch *w)
{
	size_t n = w->n;
	struct pollfd *p = grow(NULL, n + 1, sizeof(*p));
	int status = EXIT_DONE;

	for (size_t i = 0; i < n; i++)
		p[i] = (struct pollfd){
			.fd = w->watched[i].monitor ?
			      mqshm_monitor_fd(w->watched[i].monitor) : -1,
			.events = POLLIN,
		};
	ends_wait(p, n + 1);
	for (size_t i = 0; i < n && !status && !ends_came(); i++)
		if (p[i].revents)
			status = hear(w, i);
	free(p);
	forget_ended(w);
	return status;
}

static int watch_all(struct watch *w)
{
	struct mqshm_monitor *table;
	int error = mqshm_monitor_open(NULL, &table);

	if (error)
		return runtime_fail("?", error);
	w->watched = grow(NULL, 1, sizeof(*w->watched));
	w->watched[w->n++] = (struct watched){ .monitor = table };
	return watch_runtimes(w, NULL);
}

static int run(struct watch *w)
{
	const char *environment = getenv("MQSHM_RUNTIME");
	int status;

	if (!w->runtime && environment && *environment)
		w->runtime = environment;
	ends_catch();
	status = w->runtime ? watch_runtime(w, w->runtime, NULL, 0, NULL) : watch_all(w);
	while (!status && w->n && !ends_came())
		status = wait_and_hear(w);
	return status;
}

int command_monitor(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "runtime", KEY_RUNTIME, "NAME", 0, "Only this runtime, until it is removed: NAME, "
		  "or USER/NAME of somebody else's (default: $MQSHM_RUNTIME; without either, all "
		  "that you may read, those that come later too)", 0 },
		{ "json", 'j', NULL, 0, "A JSON object a line", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, NULL, "Shows what is there, and then what comes, goes, dies or "
		"stalls, a line each, in the order in which it happens."
		"\vIt ends with the runtime, when its output is closed, and by Ctrl-C. It is no "
		"client: nobody waits for it. A reader that is too slow is told how many "
		"notices it lost.", NULL, NULL, NULL
	};
	struct watch w = { 0 };
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &w);
	status = run(&w);
	for (size_t i = 0; i < w.n; i++) {
		mqshm_monitor_close(w.watched[i].monitor);
		free(w.watched[i].label);
	}
	free(w.watched);
	return status;
}
