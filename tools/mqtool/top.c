// SPDX-License-Identifier: GPL-2.0-only
/* mqtool top: its command line, what it looks at, and samples that are printed. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "top.h"

#define KEY_JSON	0x100
#define KEY_SORT	0x101

/* -- what is looked at ----------------------------------------------------------------- */

int watched_look(struct watched_runtime *w)
{
	struct mqshm_snapshot *snap;
	int error = mqshm_runtime_snapshot(w->rt, &snap);

	if (error)
		return error;
	mqshm_snapshot_free(w->before);
	w->before = w->now;
	w->now = snap;
	return 0;
}

bool watched_is_gone(const struct watched_runtime *w)
{
	return !w->now->n_runtimes || w->now->runtimes->state & MQSHM_STATE_REMOVED;
}

void watched_set_timer(struct watched_runtime *w, uint64_t delay_ns)
{
	struct itimerspec time = {
		.it_value = { .tv_sec = (time_t)(delay_ns / 1000000000),
			      .tv_nsec = (long)(delay_ns % 1000000000) },
	};

	timerfd_settime(w->timer, 0, &time, NULL);
}

static int watched_open(struct watched_runtime *w, const char *runtime)
{
	int status = runtime_open(runtime, &w->rt, &w->name), error;

	if (status)
		return status;
	w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	error = w->timer < 0 ? -errno : watched_look(w);
	return error ? fail_errno("runtime", w->name, error) : 0;
}

static void watched_close(struct watched_runtime *w)
{
	mqshm_snapshot_free(w->before);
	mqshm_snapshot_free(w->now);
	if (w->timer >= 0)
		close(w->timer);
	mqshm_runtime_close(w->rt);
	free(w->name);
}

/* -- samples that are printed -------------------------------------------------------------- */

static void print_sheet(struct sheet *s)
{
	unsigned int width[SHEET_COLUMNS];
	char *line;

	sheet_fit(s, 0, width);
	for (size_t i = 0; i <= s->lines; i++) {
		/* the titles are behind the last line */
		line = sheet_text(s, width, i ? i - 1 : s->lines);
		puts(line);
		free(line);
	}
	sheet_free(s);
}

static int print_sample(const struct sample *sample, const struct top_options *o)
{
	struct sheet sheet;

	sheet_head(sample, 0, &sheet);
	for (size_t i = 0; i < sheet.lines; i++)
		puts(sheet.line[i].cell[0]);
	sheet_free(&sheet);
	sheet_blocks(sample, &sheet);
	if (o->sort < SHEET_COLUMNS)
		sheet_sort(&sheet, o->sort, o->reverse);
	putchar('\n');
	print_sheet(&sheet);
	sheet_connections(sample, &sheet);
	putchar('\n');
	print_sheet(&sheet);
	putchar('\n');
	return ends_flush();
}

/* False: it shall end. */
static bool wait_for_timer(struct watched_runtime *w)
{
	struct pollfd p[2] = { { .fd = w->timer, .events = POLLIN } };

	while (!ends_came()) {
		ends_wait(p, 2);
		if (p[0].revents)
			return !ends_came();
	}
	return false;
}

static int print_samples(struct watched_runtime *w, const struct top_options *o)
{
	int status = EXIT_DONE, error;

	for (uint64_t n = 0; !status && (!o->iterations || n < o->iterations); n++) {
		watched_set_timer(w, o->delay_ns);
		if (!wait_for_timer(w))
			break;
		error = watched_look(w);
		if (error)
			return fail_errno("runtime", w->name, error);
		if (watched_is_gone(w))
			break;
		status = o->json ? top_json(&(struct sample){ w->before, w->now }) :
				   print_sample(&(struct sample){ w->before, w->now }, o);
	}
	return status;
}

/* -- the command ------------------------------------------------------------------------------ */

static void parse_delay(struct top_options *o, const char *arg, struct argp_state *state)
{
	char *end;
	double seconds = strtod(arg, &end);

	if (*end || !(seconds >= 0.01 && seconds <= 86400))
		argp_error(state, "--delay %s: it is a number of seconds, 0.01 to 86400", arg);
	o->delay_ns = (uint64_t)(seconds * 1e9);
}

static void parse_sort(struct top_options *o, const char *arg, struct argp_state *state)
{
	struct names names = { 0 };
	char *hint;

	for (o->sort = 0; o->sort < SHEET_COLUMNS; o->sort++)
		if (!strcmp(block_columns[o->sort].word, arg))
			return;
	for (size_t i = 0; i < SHEET_COLUMNS; i++)
		names_add(&names, block_columns[i].word);
	hint = names_hint(&names, arg, "columns");
	argp_error(state, "--sort %s: there is no such column%s", arg, hint);
	free(hint);
	names_free(&names);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct top_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 'd':
		parse_delay(o, arg, state);
		return 0;
	case 'n':
		if (!parse_number(arg, UINT32_MAX, &o->iterations) || !o->iterations)
			argp_error(state, "--iterations %s: it is a number, 1 or more", arg);
		return 0;
	case KEY_SORT:
		parse_sort(o, arg, state);
		return 0;
	case 'r':
		o->reverse = true;
		return 0;
	case 'b':
		o->batch = true;
		return 0;
	case KEY_JSON:
		o->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? it is --runtime %s", arg, arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int run(struct watched_runtime *w, const struct top_options *o)
{
	int status;

	ends_catch();
	status = o->batch || o->json ? print_samples(w, o) : top_screen(w, o);
	/* as with monitor, that is no failure */
	if (!status && watched_is_gone(w))
		fail("runtime", w->name, "it was removed");
	return status;
}

int command_top(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "delay", 'd', "SECONDS", 0, "Time between two samples (default 1)", 0 },
		{ "iterations", 'n', "N", 0, "Ends after so many samples", 0 },
		{ "sort", KEY_SORT, "COLUMN", 0, "Blocks by name, state, in, out, bytes, queued, work, p99, "
		  "drops, waits or process (default: as they were made)", 0 },
		{ "reverse", 'r', NULL, 0, "The other way round", 0 },
		{ "batch", 'b', NULL, 0, "Samples as text, one after the other, and no screen", 0 },
		{ "json", KEY_JSON, NULL, 0, "Samples as JSON, an object a line, and no screen", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, NULL, "Shows what the blocks of a runtime do, on a screen of its own: messages "
		"and bytes a second, queues, how long work takes, what it waits for, drops, who has stalled. "
		"Its lowest line has the keys."
		"\vIn/s are messages that a block has taken, Out/s messages that it sent, Work is the mean of "
		"the calls in that time, p99 of all calls so far. Messages that were lost before a block got them are its drops.",
		NULL, NULL, NULL
	};
	struct top_options o = { .delay_ns = 1000000000, .sort = SHEET_COLUMNS };
	struct watched_runtime w = { .timer = -1 };
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	if (!o.batch && !o.json && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
		return fail("terminal", NULL, "there is none: --batch prints text, --json JSON");
	status = watched_open(&w, o.runtime);
	if (!status)
		status = run(&w, &o);
	watched_close(&w);
	return status;
}
