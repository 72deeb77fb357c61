// SPDX-License-Identifier: GPL-2.0-only
/* The screen of mqtool top: drawn by ncurses from the same sheets that --batch prints. */
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curses.h>

#include "top.h"

#define FIRST_DELAY_NS	250000000	/* until there is something to be seen at all */
#define DELAY_MIN_NS	125000000
#define DELAY_MAX_NS	60000000000ULL

enum { VIEW_BLOCKS, VIEW_CONNECTIONS, VIEWS };

/**
 * struct view - one of the sheets and where one is in it
 * @sort: column, SHEET_COLUMNS for none
 * @reverse: the other way round
 * @first: line at the top
 */
struct view {
	size_t sort;
	bool reverse;
	size_t first;
};

/**
 * struct screen - what is shown
 * @w: the runtime
 * @delay_ns: time between two samples
 * @view: state of each sheet
 * @at: VIEW_*
 * @paused: nothing new is looked at
 * @help: help is shown instead
 * @quit: somebody wants to leave
 * @body: lines that there was room for when the sheet was drawn last
 * @lines: lines that the sheet had
 */
struct screen {
	struct watched_runtime *w;
	uint64_t delay_ns;
	struct view view[VIEWS];
	unsigned int at;
	bool paused;
	bool help;
	bool quit;
	size_t body;
	size_t lines;
};

/* -- drawing ------------------------------------------------------------------------- */

static attr_t attribute(enum look look)
{
	switch (look) {
	case LOOK_TROUBLE:
		return A_BOLD | COLOR_PAIR(LOOK_TROUBLE);
	case LOOK_FULL:
		return COLOR_PAIR(LOOK_FULL);
	default:
		return A_NORMAL;
	}
}

static void colors_begin(void)
{
	if (!has_colors())
		return;
	start_color();
	use_default_colors();
	init_pair(LOOK_FULL, COLOR_YELLOW, -1);
	init_pair(LOOK_TROUBLE, COLOR_RED, -1);
}

/* A line of the screen, from end to end; takes @line over. */
static void put_line(int y, char *line, attr_t look)
{
	/* what the locale has no characters for would come out as several */
	for (char *c = line; MB_CUR_MAX == 1 && *c; c++)
		if (*c & 0x80)
			*c = '?';
	text_cut(line, COLS > 0 ? (size_t)COLS : 0);
	attrset(look);
	mvhline(y, 0, ' ', COLS);
	mvaddstr(y, 0, line);
	attrset(A_NORMAL);
	free(line);
}

static void sheet_make(const struct screen *s, struct sheet *out)
{
	/* the first look has nothing to be compared with */
	struct sample sample = { s->w->before ? s->w->before : s->w->now, s->w->now };
	const struct view *view = &s->view[s->at];

	if (s->at == VIEW_BLOCKS)
		sheet_blocks(&sample, out);
	else
		sheet_connections(&sample, out);
	if (view->sort < out->columns)
		sheet_sort(out, view->sort, view->reverse);
}

/* The column that it is sorted by stands out. */
static void put_titles(int y, const struct sheet *sheet, const unsigned int *width, size_t sort)
{
	unsigned int x = 0;

	put_line(y, sheet_text(sheet, width, sheet->lines), A_REVERSE);
	for (size_t c = 0; c < sort && c < sheet->columns; c++)
		x += width[c] ? width[c] + 2 : 0;
	if (sort < sheet->columns && width[sort])
		mvchgat(y, (int)x, (int)width[sort], A_BOLD | A_UNDERLINE, 0, NULL);
}

/* Lines @y to @end - 1. */
static void put_sheet(struct screen *s, int y, int end)
{
	struct view *view = &s->view[s->at];
	unsigned int width[SHEET_COLUMNS];
	struct sheet sheet;

	sheet_make(s, &sheet);
	sheet_fit(&sheet, COLS > 0 ? (unsigned int)COLS : 1, width);
	put_titles(y++, &sheet, width, view->sort);
	s->body = end > y ? (size_t)(end - y) : 1;
	s->lines = sheet.lines;
	if (view->first + s->body > sheet.lines)
		view->first = sheet.lines > s->body ? sheet.lines - s->body : 0;
	for (size_t i = view->first; i < sheet.lines && y < end; i++, y++)
		put_line(y, sheet_text(&sheet, width, i), attribute(sheet.line[i].look));
	if (!sheet.lines && y < end)
		put_line(y, text("%s", s->at == VIEW_BLOCKS ? "There is no block." :
				 "There is no connection."), A_DIM);
	sheet_free(&sheet);
}

/* Returns the line after it. */
static int put_head(const struct screen *s, int most)
{
	struct sample sample = { s->w->before ? s->w->before : s->w->now, s->w->now };
	struct sheet head;
	int y = 0;

	sheet_head(&sample, COLS > 0 ? (unsigned int)COLS : 1, &head);
	for (; y < most && (size_t)y < head.lines; y++)
		put_line(y, text("%s", head.line[y].cell[0]), attribute(head.line[y].look));
	sheet_free(&head);
	return y;
}

static void put_keys(const struct screen *s, int y)
{
	size_t first = s->view[s->at].first, last = first + s->body;
	char *place = text("%s", "");

	if (s->body < s->lines) {
		free(place);
		place = text("%zu-%zu of %zu  ", first + 1, last < s->lines ? last : s->lines, s->lines);
	}
	put_line(y, text("%s%sq quit  h help  p %s  < > sort  r reverse  Tab %s  + - delay %.3g s",
			 s->paused ? "PAUSED  " : "", place, s->paused ? "go on" : "pause",
			 s->at == VIEW_BLOCKS ? "connections" : "blocks", s->delay_ns / 1e9), A_REVERSE);
	free(place);
	if (s->paused)
		mvchgat(y, 0, 6, A_BOLD, COLORS ? LOOK_FULL : 0, NULL);
}

static void put_help(void)
{
	static const char *const lines[] = {
		"In/s, Out/s    messages that the block took and sent, a second",
		"Bytes/s        payload that came or went, whichever is more",
		"Queued         messages that wait for it now",
		"Work           mean time of its calls of work, waits in them included",
		"p99            99 of 100 calls took no longer, of all so far",
		"Drops/s        messages lost on the way to it, as its connections' policies say",
		"Waits for      part of the time that it waited for input, for space behind an",
		"               output, for buffers, for a time or a file; ?: for what nobody counts",
		"State          Running if it worked in that time, Idle if it only waited",
		"",
		"Red            stalled: no library call for 5 s; or dead; or its producer died",
		"Yellow         a queue that is full, or drops; a pool without a free buffer",
		"",
		"q              quit                     p, blank   pause, and go on",
		"Tab            blocks or connections    + -        look more often, less often",
		"< >            sort by another column   r          the other way round",
		"g              as they were made        Up Down PgUp PgDn Home End   move",
		"n s i o b d w 9 x t c                   sort by name, state, in, out, bytes,",
		"                                        queued, work, p99, drops, waits, process",
		"",
		"any key        back",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines) && (int)i < LINES; i++)
		put_line((int)i, text("%s", lines[i]), A_NORMAL);
}

/* What there is no room for is left out: keys, then all above but the first line, then that. */
static void draw(struct screen *s)
{
	int keys = LINES >= 6, y = 0;

	erase();
	if (s->help) {
		put_help();
	} else {
		if (LINES >= 4)
			y = put_head(s, LINES >= 9 ? LINES / 2 : 1);
		if (LINES >= 12)
			y++;
		put_sheet(s, y, LINES - keys);
		if (keys)
			put_keys(s, LINES - 1);
	}
	refresh();
}

/* -- keys ---------------------------------------------------------------------------------- */

static void scroll_to(struct screen *s, long line)
{
	/* too far down is found out when it is drawn */
	s->view[s->at].first = line > 0 ? (size_t)line : 0;
}

/* Over all columns, and none. */
static void sort_next(struct screen *s, const struct sheet *sheet, int step)
{
	size_t n = sheet->columns + 1, at = s->view[s->at].sort;

	at = at < sheet->columns ? at : sheet->columns;
	at = (at + n + (size_t)step) % n;
	s->view[s->at].sort = at < sheet->columns ? at : SHEET_COLUMNS;
}

static void sort_by_key(struct screen *s, const struct sheet *sheet, int key)
{
	for (size_t c = 0; c < sheet->columns; c++)
		if (sheet->column[c].key == key)
			s->view[s->at].sort = c;
}

static void take_sort_key(struct screen *s, int key)
{
	struct sheet sheet;

	sheet_make(s, &sheet);
	if (key == '<' || key == '>')
		sort_next(s, &sheet, key == '<' ? -1 : 1);
	else
		sort_by_key(s, &sheet, key);
	sheet_free(&sheet);
}

static void set_delay(struct screen *s, uint64_t delay_ns)
{
	s->delay_ns = delay_ns < DELAY_MIN_NS ? DELAY_MIN_NS : delay_ns > DELAY_MAX_NS ? DELAY_MAX_NS : delay_ns;
	watched_set_timer(s->w, s->delay_ns);
}

static void take_move(struct screen *s, int key)
{
	long first = (long)s->view[s->at].first, body = (long)s->body;

	switch (key) {
	case KEY_UP:
		scroll_to(s, first - 1);
		break;
	case KEY_DOWN:
		scroll_to(s, first + 1);
		break;
	case KEY_PPAGE:
		scroll_to(s, first - body);
		break;
	case KEY_NPAGE:
		scroll_to(s, first + body);
		break;
	case KEY_HOME:
		scroll_to(s, 0);
		break;
	case KEY_END:
		scroll_to(s, INT32_MAX);
		break;
	}
}

static void take_key(struct screen *s, int key)
{
	if (s->help && key != KEY_RESIZE && key != 'q') {
		s->help = false;
		return;
	}
	switch (key) {
	case 'q':
		s->quit = true;
		break;
	case 'h':
	case '?':
		s->help = true;
		break;
	case 'p':
	case ' ':
		s->paused = !s->paused;
		break;
	case '\t':
		s->at = (s->at + 1) % VIEWS;
		break;
	case 'r':
		s->view[s->at].reverse = !s->view[s->at].reverse;
		break;
	case 'g':
		s->view[s->at].sort = SHEET_COLUMNS;
		break;
	case '+':
		set_delay(s, s->delay_ns / 2);
		break;
	case '-':
		set_delay(s, s->delay_ns * 2);
		break;
	case 'L' & 0x1f:
		clear();
		break;
	default:
		take_move(s, key);
		take_sort_key(s, key);
	}
}

/* -- the loop ---------------------------------------------------------------------------------- */

/* Sleeps until there is a key, a signal or the time for a sample; whether it is that. */
static bool wait_for_key(struct screen *s)
{
	struct pollfd p[3] = {
		{ .fd = STDIN_FILENO, .events = POLLIN }, { .fd = s->w->timer, .events = POLLIN },
	};
	int key;

	ends_wait(p, 3);
	key = getch();
	/* at the end of its input there is nobody any more */
	if (ends_came() || (p[0].revents && key == ERR))
		s->quit = true;
	for (; key != ERR && !s->quit; key = getch())
		take_key(s, key);
	return p[1].revents;
}

/* 0 or -errno. */
static int loop(struct screen *s, uint64_t iterations)
{
	uint64_t samples = 0;
	int error = 0;

	watched_set_timer(s->w, s->delay_ns < FIRST_DELAY_NS ? s->delay_ns : FIRST_DELAY_NS);
	while (!error && !s->quit && !watched_is_gone(s->w)) {
		draw(s);
		if (!wait_for_key(s))
			continue;
		watched_set_timer(s->w, s->delay_ns);
		if (s->paused)
			continue;
		error = watched_look(s->w);
		s->quit = s->quit || (iterations && ++samples > iterations);
	}
	return error;
}

int top_screen(struct watched_runtime *w, const struct top_options *o)
{
	struct screen s = {
		.w = w, .delay_ns = o->delay_ns,
		.view = { { .sort = o->sort, .reverse = o->reverse }, { .sort = SHEET_COLUMNS } },
	};
	const char *terminal = getenv("TERM");
	SCREEN *screen;
	int error;

	setlocale(LC_CTYPE, "");
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return fail("terminal", terminal ? terminal : "", "no description of it is installed here; try "
			    "TERM=xterm, or --batch");
	set_escdelay(25);
	colors_begin();
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	error = loop(&s, o->iterations);
	endwin();
	delscreen(screen);
	return error ? fail_errno("runtime", w->name, error) : EXIT_DONE;
}
