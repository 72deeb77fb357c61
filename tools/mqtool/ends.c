// SPDX-License-Identifier: GPL-2.0-only
/* Commands that go on until a signal ends them, or nobody reads what they print. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "mqtool.h"

static const int end_signals[] = { SIGINT, SIGTERM, SIGHUP };

#define N_ENDS (sizeof(end_signals) / sizeof(*end_signals))

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

void ends_catch(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < N_ENDS; i++)
		sigaction(end_signals[i], &action, NULL);
}

bool ends_came(void)
{
	return interrupted;
}

void ends_wait(struct pollfd *p, size_t n)
{
	sigset_t ends, before;

	/* an error when who reads it is gone */
	p[n - 1] = (struct pollfd){ .fd = STDOUT_FILENO };
	sigemptyset(&ends);
	for (size_t i = 0; i < N_ENDS; i++)
		sigaddset(&ends, end_signals[i]);
	/* one that comes before the sleep is seen, one during it ends it */
	sigprocmask(SIG_BLOCK, &ends, &before);
	/* other signals are the caller's business */
	if (!interrupted && ppoll(p, n, NULL, &before) < 0 && errno != EINTR)
		interrupted = 1;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (p[n - 1].revents)
		interrupted = 1;
}

int ends_flush(void)
{
	if (fflush(stdout) != EOF && !ferror(stdout))
		return EXIT_DONE;
	if (errno != EPIPE && !interrupted)
		return fail("output", NULL, "%s", strerror(errno));
	interrupted = 1;
	return EXIT_DONE;
}
