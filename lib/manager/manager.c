// SPDX-License-Identifier: LGPL-2.1-or-later
/* A manager: made and closed; starting a block. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "manager.h"

static char **words_copy(const char *const *words)
{
	size_t n = 0, i;
	char **copy;

	while (words[n])
		n++;
	copy = calloc(n + 1, sizeof(*copy));
	for (i = 0; copy && i < n; i++) {
		copy[i] = strdup(words[i]);
		if (!copy[i]) {
			while (i--)
				free(copy[i]);
			free(copy);
			return NULL;
		}
	}
	return copy;
}

static int descriptors_open(struct mqshm_manager *m)
{
	struct epoll_event event = { .events = EPOLLIN };

	m->epoll = epoll_create1(EPOLL_CLOEXEC);
	m->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (m->epoll < 0 || m->timer < 0 ||
	    epoll_ctl(m->epoll, EPOLL_CTL_ADD, m->timer, &event))
		return -errno;
	return 0;
}

int mqshm_manager_open(const char *runtime, const char *const *worker,
		       struct mqshm_manager **out)
{
	struct mqshm_manager *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->epoll = -1;
	m->timer = -1;
	r = mqshm_runtime_open(runtime, &m->rt);
	if (!r) {
		m->runtime = strdup(runtime);
		m->worker = worker ? words_copy(worker) : NULL;
		r = m->runtime && (m->worker || !worker) ? descriptors_open(m) : -ENOMEM;
	}
	if (r) {
		mqshm_manager_close(m);
		return r;
	}
	*out = m;
	return 0;
}

void mqshm_manager_close(struct mqshm_manager *m)
{
	char **word;

	if (!m)
		return;
	while (m->processes)
		mqshm_process_free(m, m->processes);
	free(m->connections);
	if (m->epoll >= 0)
		close(m->epoll);
	if (m->timer >= 0)
		close(m->timer);
	for (word = m->worker; word && *word; word++)
		free(*word);
	free(m->worker);
	free(m->runtime);
	mqshm_runtime_close(m->rt);
	free(m);
}

struct mqshm_runtime *mqshm_manager_runtime(const struct mqshm_manager *m)
{
	return m->rt;
}

int mqshm_manager_fd(const struct mqshm_manager *m)
{
	return m->epoll;
}

/* What a process that did not start wrote, and where it stood before. */
struct words {
	off_t start;
	bool made;
};

static int log_mark(const struct process *p, struct words *words)
{
	int fd;

	if (!p->log)
		return 0;
	fd = mqshm_log_open(p->log, &words->start, &words->made);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int mqshm_manager_start_block(struct mqshm_manager *m, const struct mqshm_block_spec *spec,
			      struct mqshm_process_info *out, char **said)
{
	struct plan plan = {
		.name = spec->process_name,
		.log = spec->log,
		.inherit = spec->inherit,
		.restart = spec->restart,
		.blocks = &spec,
		.n_blocks = 1,
	};
	struct words words = { 0 };
	struct process *p;
	int r;

	if (said)
		*said = NULL;
	r = mqshm_process_new(m, &plan, &p);
	if (r)
		return r;
	r = log_mark(p, &words);
	r = r ? r : mqshm_process_spawn(m, p);
	r = r ? r : mqshm_process_ready(m, p);
	if (!r)
		mqshm_process_go(m, p);
	if (out)
		mqshm_process_describe(p, out);
	if (!r)
		return 0;
	if (r == -ECHILD && said && p->log)
		*said = mqshm_log_read(p->log, words.start);
	if (words.made)
		mqshm_log_remove(p->log);
	mqshm_process_free(m, p);
	return r;
}
