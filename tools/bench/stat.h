/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef STAT_H
#define STAT_H

#include <stddef.h>

/* Sorts @values; @out[i] is the quantile @at[i], 0 to 1, with the mean of two between them. */
void stat_quantiles(double *values, size_t n, const double *at, double *out, size_t count);
double stat_median(double *values, size_t n);

#endif /* STAT_H */
