/* SPDX-License-Identifier: GPL-2.0-only */
/* What is measured. */
#ifndef CASES_H
#define CASES_H

#include "bench.h"

/**
 * cases_make() - the cases of a place
 * @asleep: those too in which who has nothing sleeps: where the module is in a kernel
 *
 * Their @messages are not set: as many as fit into the time of a repetition. Returns how
 * many; *@out is array[that], never freed.
 */
size_t cases_make(bool asleep, const struct bench_case **out);
/* "4 KB, batch 16, read and written": @c among those of its name. */
void case_describe(const struct bench_case *c, char *text, size_t bytes);

#endif /* CASES_H */
