// SPDX-License-Identifier: GPL-2.0-only
/* mqtool bench: measures, by mqshm-bench, which is a program of its own for its peers' libraries. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mqtool.h"

#define BENCH "mqshm-bench"

/* The one that was built, or installed, with this program; NULL if there is none. */
static char *beside(void)
{
	char self[PATH_MAX], *slash, *path;
	ssize_t n = readlink(SELF, self, sizeof(self) - 1);

	if (n < 0)
		return NULL;
	self[n] = '\0';
	slash = strrchr(self, '/');
	path = text("%.*s/" BENCH, (int)(slash - self), self);
	if (!access(path, X_OK))
		return path;
	free(path);
	return NULL;
}

int command_bench(int argc, char **argv)
{
	char *path = beside();

	(void)argc;
	if (path)
		execv(path, argv);
	else
		execvp(BENCH, argv);
	fail("bench", NULL, "cannot run %s: %s; make builds it, make install puts it beside mqtool",
	     path ? path : BENCH, strerror(errno));
	free(path);
	return EXIT_FAILED;
}
