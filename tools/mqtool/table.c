// SPDX-License-Identifier: GPL-2.0-only
/* Tables for people: left-aligned columns under their titles. */
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

void table_add(struct table *t, char *const *cells)
{
	size_t filled = t->rows * t->columns;

	t->cells = grow(t->cells, filled + t->columns, sizeof(*t->cells));
	memcpy(t->cells + filled, cells, t->columns * sizeof(*cells));
	t->rows++;
}

static size_t column_width(const struct table *t, size_t column)
{
	size_t width = t->width[column], needed = strlen(t->title[column]) + 2;

	if (needed > width)
		width = needed;
	for (size_t r = 0; r < t->rows; r++) {
		needed = strlen(t->cells[r * t->columns + column]) + 2;
		if (needed > width)
			width = needed;
	}
	return width;
}

static void row_print(const struct table *t, const size_t *width, char *const *cells)
{
	size_t last = t->columns - 1;

	/* no blanks at the end of a line */
	while (last && !*cells[last])
		last--;
	fputs("  ", stdout);
	for (size_t c = 0; c < last; c++)
		printf("%-*s", (int)width[c], cells[c]);
	puts(cells[last]);
}

void table_print(struct table *t, const char *head)
{
	size_t *width = grow(NULL, t->columns, sizeof(*width));

	for (size_t c = 0; c < t->columns; c++)
		width[c] = column_width(t, c);
	printf("%s:\n", head);
	row_print(t, width, (char *const *)t->title);
	for (size_t r = 0; r < t->rows; r++)
		row_print(t, width, t->cells + r * t->columns);
	free(width);
	for (size_t i = 0; i < t->rows * t->columns; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->rows = 0;
}
