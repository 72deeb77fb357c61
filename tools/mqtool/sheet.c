// SPDX-License-Identifier: GPL-2.0-only
/* Lines of columns that can be sorted, and fitted into as many cells as a terminal has. */
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "top.h"

#define GAP	2	/* blanks between columns */

struct line *sheet_add(struct sheet *s)
{
	s->line = grow(s->line, s->lines + 1, sizeof(*s->line));
	s->line[s->lines] = (struct line){ .look = LOOK_REST };
	return &s->line[s->lines++];
}

void sheet_free(struct sheet *s)
{
	for (size_t i = 0; i < s->lines; i++)
		for (size_t c = 0; c < s->columns; c++)
			free(s->line[i].cell[c]);
	free(s->line);
	s->line = NULL;
	s->lines = 0;
}

/**
 * struct order - what lines are sorted by
 * @column: one of @sheet
 * @reverse: the other way round
 */
struct order {
	const struct sheet *sheet;
	size_t column;
	bool reverse;
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct line *one = a, *other = b;
	const struct order *o = arg;
	double difference = other->value[o->column] - one->value[o->column];
	int way = (difference > 0) - (difference < 0);

	if (!way && !o->sheet->column[o->column].right)
		way = strcmp(one->cell[o->column], other->cell[o->column]);
	/* equal ones keep still from sample to sample */
	if (!way)
		return strcmp(one->cell[0], other->cell[0]);
	return o->reverse ? -way : way;
}

void sheet_sort(struct sheet *s, size_t column, bool reverse)
{
	struct order o = { .sheet = s, .column = column, .reverse = reverse };

	if (s->lines)
		qsort_r(s->line, s->lines, sizeof(*s->line), compare, &o);
}

size_t text_cells(const char *s)
{
	mbstate_t state = { 0 };
	size_t cells = 0, n;
	wchar_t wide;
	int width;

	for (; *s; s += n) {
		n = mbrtowc(&wide, s, strlen(s), &state);
		if (n == (size_t)-1 || n == (size_t)-2) {
			/* in a locale that has no such character: each byte is one */
			memset(&state, 0, sizeof(state));
			n = 1;
			cells++;
			continue;
		}
		width = wcwidth(wide);
		cells += width > 0 ? width : 0;
	}
	return cells;
}

static unsigned int natural_width(const struct sheet *s, size_t c)
{
	size_t width = s->column[c].width, needed = strlen(s->column[c].title);

	if (needed > width)
		width = needed;
	for (size_t i = 0; i < s->lines; i++) {
		needed = text_cells(s->line[i].cell[c]);
		if (needed > width)
			width = needed;
	}
	return (unsigned int)width;
}

void sheet_fit(const struct sheet *s, unsigned int room, unsigned int *width)
{
	unsigned int all = 0;

	for (size_t c = 0; c < s->columns; c++) {
		width[c] = natural_width(s, c);
		all += width[c] + GAP;
	}
	while (room && all > room + GAP) {
		size_t last = 0;

		for (size_t c = 1; c < s->columns; c++)
			if (width[c] && (!last || s->column[c].rank > s->column[last].rank))
				last = c;
		if (!last)
			break;
		all -= width[last] + GAP;
		width[last] = 0;
	}
	/* the first is never left out */
	if (room && width[0] > room)
		width[0] = room;
}

static void put_blanks(FILE *out, size_t n)
{
	while (n--)
		fputc(' ', out);
}

void text_cut(char *s, size_t cells)
{
	size_t bytes = strlen(s);

	while (text_cells(s) > cells) {
		/* whole characters of UTF-8 */
		while (bytes && (s[--bytes] & 0xc0) == 0x80)
			;
		s[bytes] = '\0';
	}
}

/* Not more than @width cells of @cell, in as many. */
static void put_cell(FILE *out, const char *cell, unsigned int width, bool right)
{
	char *shown = text("%s", cell);
	size_t cells;

	text_cut(shown, width);
	cells = text_cells(shown);
	put_blanks(out, right ? width - cells : 0);
	fputs(shown, out);
	put_blanks(out, right ? 0 : width - cells);
	free(shown);
}

char *sheet_text(const struct sheet *s, const unsigned int *width, size_t line)
{
	char *shown = NULL;
	size_t bytes, n;
	FILE *out = open_memstream(&shown, &bytes);

	for (size_t c = 0; out && c < s->columns; c++) {
		if (!width[c])
			continue;
		if (c)
			put_blanks(out, GAP);
		put_cell(out, line < s->lines ? s->line[line].cell[c] : s->column[c].title, width[c],
			 s->column[c].right);
	}
	if (!out || fclose(out))
		return text("%s", "");
	for (n = strlen(shown); n && shown[n - 1] == ' '; n--)
		shown[n - 1] = '\0';
	return shown;
}
