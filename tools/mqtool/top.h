/* SPDX-License-Identifier: GPL-2.0-only */
/* mqtool top: samples, the sheets that show them, and where those go. */
#ifndef TOP_H
#define TOP_H

#include <mqshm_rates.h>

#include "mqtool.h"

/**
 * struct sample - a runtime over some time
 * @before: how it was
 * @now: how it is; has a runtime record
 */
struct sample {
	const struct mqshm_snapshot *before;
	const struct mqshm_snapshot *now;
};

/* What a line is shown like, the worst last. */
enum look { LOOK_REST, LOOK_FLOW, LOOK_FULL, LOOK_TROUBLE };

/* -- sheet.c: lines and columns ------------------------------------------------------ */

#define SHEET_COLUMNS	11

/**
 * struct column - a column of a sheet
 * @title: at its head
 * @word: what --sort calls it
 * @key: what sorts by it on the screen
 * @width: least width, without the blanks after it
 * @right: numbers stand at its right end
 * @rank: the highest are left out first where there is no room
 */
struct column {
	const char *title;
	const char *word;
	char key;
	unsigned int width;
	bool right;
	unsigned int rank;
};

/**
 * struct line - a line of a sheet
 * @cell: text of each column
 * @value: of each column, to sort by; 0 where that is the text
 * @look: of the whole line
 */
struct line {
	char *cell[SHEET_COLUMNS];
	double value[SHEET_COLUMNS];
	enum look look;
};

/**
 * struct sheet - lines of one kind
 * @column: array[@columns]
 * @columns: at most SHEET_COLUMNS
 * @line: array[@lines]
 * @lines: their number
 */
struct sheet {
	const struct column *column;
	size_t columns;
	struct line *line;
	size_t lines;
};

/* A line that is empty, at the end. */
struct line *sheet_add(struct sheet *s);
void sheet_free(struct sheet *s);
/* Values from large to small, text from A to Z; @column is one of its columns. */
void sheet_sort(struct sheet *s, size_t column, bool reverse);
/*
 * Widths of its columns, 0 of those that are left out so that a line has at most @room
 * cells; @room 0: all are shown.
 */
void sheet_fit(const struct sheet *s, unsigned int room, unsigned int *width);
/* A line with these widths, or (@line is s->lines) the titles; to be freed. */
char *sheet_text(const struct sheet *s, const unsigned int *width, size_t line);
/* Cells of a terminal that it takes; and less of it, so that it takes no more than @cells. */
size_t text_cells(const char *s);
void text_cut(char *s, size_t cells);

/* -- top_sheets.c: what is shown --------------------------------------------------------- */

extern const struct column block_columns[SHEET_COLUMNS];

void sheet_blocks(const struct sample *sample, struct sheet *out);
void sheet_connections(const struct sample *sample, struct sheet *out);
/* Lines above the sheets: totals, then pools, as many as fit into each line of @room cells (0:
 * any number). Their cells are the lines. */
void sheet_head(const struct sample *sample, unsigned int room, struct sheet *out);

/* -- top_json.c --------------------------------------------------------------------------- */

/* Prints a sample as an object in one line: EXIT_*. */
int top_json(const struct sample *sample);

/* -- top.c -------------------------------------------------------------------------------- */

/**
 * struct top_options - the command line
 * @runtime: --runtime
 * @delay_ns: --delay
 * @iterations: --iterations; 0: without end
 * @sort: column of the blocks; SHEET_COLUMNS: as they were made
 * @reverse: --reverse
 * @batch: --batch
 * @json: --json
 */
struct top_options {
	const char *runtime;
	uint64_t delay_ns;
	uint64_t iterations;
	size_t sort;
	bool reverse;
	bool batch;
	bool json;
};

/**
 * struct watched_runtime - what is looked at again and again
 * @rt: the runtime
 * @name: its name
 * @before: the last snapshot but one; NULL: there is only one
 * @now: the last one; NULL: there is none
 * @timer: descriptor that is readable when it is time for the next
 */
struct watched_runtime {
	struct mqshm_runtime *rt;
	char *name;
	struct mqshm_snapshot *before;
	struct mqshm_snapshot *now;
	int timer;
};

/* A new snapshot: 0 or -errno. */
int watched_look(struct watched_runtime *w);
/* It was removed: what there is to be seen is of before. */
bool watched_is_gone(const struct watched_runtime *w);
void watched_set_timer(struct watched_runtime *w, uint64_t delay_ns);

/* -- top_screen.c ------------------------------------------------------------------------------ */

/* The screen, until somebody quits or the runtime is gone: EXIT_*. */
int top_screen(struct watched_runtime *w, const struct top_options *o);

#endif /* TOP_H */
