// SPDX-License-Identifier: GPL-2.0-only
/* Medians and other quantiles. */
#include <stdlib.h>

#include "stat.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void stat_quantiles(double *values, size_t n, const double *at, double *out, size_t count)
{
	qsort(values, n, sizeof(*values), compare);
	for (size_t i = 0; i < count; i++) {
		double place = n ? at[i] * (n - 1) : 0;
		size_t below = place, above = below + (place > below);

		out[i] = n ? values[below] + (values[above] - values[below]) * (place - below) : 0;
	}
}

double stat_median(double *values, size_t n)
{
	double median;

	stat_quantiles(values, n, (const double[]){ 0.5 }, &median, 1);
	return median;
}
