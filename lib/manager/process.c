// SPDX-License-Identifier: LGPL-2.1-or-later
/* One process: its arguments, its start in two steps, and its end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "manager.h"

extern char **environ;

/* What it knows its end of the channel by; the caller's own are above. */
#define WORKER_FD	3
#define WORKER_FD_TEXT	"3"
#define OWN_FDS		10

#define RESTART_LIMIT		10
#define RESTART_BACKOFF_MS	100

/* -- arguments --------------------------------------------------------------------- */

/**
 * struct words - arguments that are being put together
 * @word: array[@n]
 * @n: their number
 * @failed: there was no memory
 */
struct words {
	char **word;
	size_t n;
	bool failed;
};

/* Takes @word over. */
static void words_take(struct words *w, char *word)
{
	char **grown = word ? realloc(w->word, (w->n + 2) * sizeof(*grown)) : NULL;

	if (!grown) {
		free(word);
		w->failed = true;
		return;
	}
	w->word = grown;
	w->word[w->n++] = word;
	w->word[w->n] = NULL;
}

static void words_add(struct words *w, const char *option, const char *value)
{
	words_take(w, strdup(option));
	if (value)
		words_take(w, strdup(value));
}

static void words_free(char **word)
{
	char **w;

	for (w = word; w && *w; w++)
		free(*w);
	free(word);
}

static void words_add_block(struct words *w, const struct mqshm_block_spec *block)
{
	char *param;
	size_t i;

	words_add(w, "--block", block->type);
	words_add(w, "--name", block->name);
	for (i = 0; i < block->n_params; i++) {
		if (asprintf(&param, "%s=%s", block->params[i].key, block->params[i].value) < 0)
			param = NULL;
		words_add(w, "--param", NULL);
		words_take(w, param);
	}
}

static char **arguments_make(const struct mqshm_manager *m, const struct plan *plan,
			     const char *name)
{
	struct words words = { 0 };
	char **w, threads[16], node[16];
	size_t i;

	for (w = m->worker + 1; *w; w++)
		words_add(&words, *w, NULL);
	words_add(&words, "--runtime", m->runtime);
	words_add(&words, "--process", name);
	if (plan->threads > 1) {
		snprintf(threads, sizeof(threads), "%u", plan->threads);
		words_add(&words, "--threads", threads);
	}
	if (plan->place.cpus)
		words_add(&words, "--cpus", plan->place.cpus);
	if (plan->place.on_node) {
		snprintf(node, sizeof(node), "%u", plan->place.node);
		words_add(&words, "--node", node);
	}
	if (plan->restart.when)
		words_add(&words, "--persistent", NULL);
	for (i = 0; i < plan->n_blocks; i++)
		words_add_block(&words, plan->blocks[i]);
	words_add(&words, "--ready-fd", WORKER_FD_TEXT);
	if (!words.failed)
		return words.word;
	words_free(words.word);
	return NULL;
}

static char **names_make(const struct plan *plan)
{
	struct words words = { 0 };
	size_t i;

	for (i = 0; i < plan->n_blocks; i++)
		words_add(&words, plan->blocks[i]->name, NULL);
	if (!words.failed)
		return words.word;
	words_free(words.word);
	return NULL;
}

/* -- the list ---------------------------------------------------------------------- */

static char *process_name(const struct plan *plan)
{
	char *name;

	if (plan->name)
		return strdup(plan->name);
	if (asprintf(&name, "%.*s_proc", MQSHM_PROCESS_NAME_LEN - 6, plan->blocks[0]->name) < 0)
		return NULL;
	return name;
}

static char *log_name(const struct mqshm_manager *m, const struct plan *plan)
{
	if (plan->log)
		return strdup(plan->log);
	return mqshm_manager_log_path(m, plan->n_blocks > 1 ? plan->name : plan->blocks[0]->name);
}

static void restart_set(struct process *p, const struct mqshm_restart *restart)
{
	p->restart = *restart;
	if (!p->restart.limit)
		p->restart.limit = RESTART_LIMIT;
	if (!p->restart.backoff_ms)
		p->restart.backoff_ms = RESTART_BACKOFF_MS;
}

static void process_destroy(struct process *p)
{
	words_free(p->argv);
	words_free(p->blocks);
	free(p->unread);
	free(p->name);
	free(p->log);
	free(p);
}

int mqshm_process_new(struct mqshm_manager *m, const struct plan *plan, struct process **out)
{
	struct process *p, **end = &m->processes;

	if (!m->worker)
		return -ENOENT;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->pidfd = -1;
	p->channel = -1;
	p->state = MQSHM_PROCESS_ENDED;
	restart_set(p, &plan->restart);
	p->blocks = names_make(plan);
	p->n_blocks = plan->n_blocks;
	p->unread = calloc(p->n_blocks, sizeof(*p->unread));
	p->name = process_name(plan);
	p->log = plan->inherit ? NULL : log_name(m, plan);
	p->argv = p->name ? arguments_make(m, plan, p->name) : NULL;
	if (!p->blocks || !p->unread || !p->argv || (!plan->inherit && !p->log)) {
		process_destroy(p);
		return -ENOMEM;
	}
	while (*end)
		end = &(*end)->next;
	*end = p;
	*out = p;
	return 0;
}

bool mqshm_process_find(const struct process *p, const char *end, size_t *block)
{
	size_t n = strcspn(end, ":"), i;

	for (i = 0; i < p->n_blocks; i++) {
		if (!strncmp(p->blocks[i], end, n) && !p->blocks[i][n])
			break;
	}
	*block = i;
	return i < p->n_blocks;
}

bool mqshm_process_has(const struct process *p, const char *end)
{
	size_t block;

	return mqshm_process_find(p, end, &block);
}

static void descriptor_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* A child of the caller's may have a copy, which would keep @epoll readable. */
static void unwatch(const struct mqshm_manager *m, struct process *p)
{
	if (p->pidfd >= 0)
		epoll_ctl(m->epoll, EPOLL_CTL_DEL, p->pidfd, NULL);
	descriptor_close(&p->pidfd);
}

void mqshm_process_free(struct mqshm_manager *m, struct process *p)
{
	struct process **link = &m->processes;

	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	descriptor_close(&p->channel);
	unwatch(m, p);
	process_destroy(p);
}

/* -- its start ---------------------------------------------------------------------- */

/* Above what the child's are moved to. */
static int raise_fd(int fd)
{
	int raised = fd < 0 ? -errno : fcntl(fd, F_DUPFD_CLOEXEC, OWN_FDS);

	if (fd >= 0) {
		raised = raised < 0 ? -errno : raised;
		close(fd);
	}
	return raised;
}

static int actions_fill(posix_spawn_file_actions_t *actions, int log, int channel)
{
	int r = 0;

	if (log >= 0) {
		r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
		r = r ? r : posix_spawn_file_actions_adddup2(actions, log, STDOUT_FILENO);
		r = r ? r : posix_spawn_file_actions_adddup2(actions, log, STDERR_FILENO);
	}
	return r ? r : posix_spawn_file_actions_adddup2(actions, channel, WORKER_FD);
}

/* Nothing of what the caller does with signals; a log's owner has a session of its own. */
static int attributes_fill(posix_spawnattr_t *attributes, bool session)
{
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
	sigset_t set;
	int r;

	sigemptyset(&set);
	r = posix_spawnattr_setsigmask(attributes, &set);
	sigfillset(&set);
	sigdelset(&set, SIGKILL);
	sigdelset(&set, SIGSTOP);
	r = r ? r : posix_spawnattr_setsigdefault(attributes, &set);
	if (session)
		flags |= POSIX_SPAWN_SETSID;
	return r ? r : posix_spawnattr_setflags(attributes, flags);
}

static int spawn(const struct mqshm_manager *m, struct process *p, int log, int channel)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r)
		goto destroy_actions;
	r = actions_fill(&actions, log, channel);
	r = r ? r : attributes_fill(&attributes, p->log);
	r = r ? r : posix_spawn(&p->pid, m->worker[0], &actions, &attributes, p->argv, environ);
	posix_spawnattr_destroy(&attributes);
destroy_actions:
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Tells of its end by @epoll. */
static int watch(struct mqshm_manager *m, struct process *p)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = p };

	p->pidfd = pidfd_open(p->pid, 0);
	if (p->pidfd < 0 || epoll_ctl(m->epoll, EPOLL_CTL_ADD, p->pidfd, &event))
		return -errno;
	return 0;
}

/* Without a descriptor its end cannot be seen: it does not begin either. */
static void unwatched_end(struct process *p)
{
	descriptor_close(&p->channel);
	descriptor_close(&p->pidfd);
	kill(p->pid, SIGKILL);
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int mqshm_process_spawn(struct mqshm_manager *m, struct process *p)
{
	int pair[2], log = -1, r;
	off_t start;
	bool made;

	/* before it does anything, what it leaves behind can be told from another's of its number */
	p->started_ns = mqshm_now_ns();
	if (p->log) {
		log = raise_fd(mqshm_log_open(p->log, &start, &made));
		if (log < 0)
			return log;
	}
	r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ? -errno : 0;
	if (!r) {
		pair[1] = raise_fd(pair[1]);
		r = pair[1] < 0 ? pair[1] : spawn(m, p, log, pair[1]);
		descriptor_close(&pair[1]);
		p->channel = pair[0];
		if (r)
			descriptor_close(&p->channel);
	}
	descriptor_close(&log);
	if (r)
		return r;
	r = watch(m, p);
	if (r) {
		unwatched_end(p);
		return r;
	}
	p->state = MQSHM_PROCESS_RUNNING;
	p->last = 0;
	p->code = 0;
	p->signal = 0;
	return 0;
}

int mqshm_process_ready(struct mqshm_manager *m, struct process *p)
{
	char byte;
	ssize_t n;

	do {
		n = read(p->channel, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	mqshm_process_ended(m, p, true);
	return -ECHILD;
}

void mqshm_process_go(struct mqshm_manager *m, struct process *p)
{
	/* if it has ended, that is found out later */
	send(p->channel, "g", 1, MSG_NOSIGNAL);
	if (m->finishing)
		pidfd_send_signal(p->pidfd, SIGINT, NULL, 0);
}

void mqshm_process_cancel(struct mqshm_manager *m, struct process *p)
{
	if (p->state != MQSHM_PROCESS_RUNNING)
		return;
	shutdown(p->channel, SHUT_RDWR);
	mqshm_process_ended(m, p, true);
}

/* -- its end --------------------------------------------------------------------------- */

bool mqshm_process_ended(struct mqshm_manager *m, struct process *p, bool wait)
{
	siginfo_t info = { 0 };
	int r;

	do {
		r = waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | (wait ? 0 : WNOHANG));
	} while (r && errno == EINTR);
	if (!r && !info.si_pid)
		return false;
	/* somebody else took its status: then nobody knows it */
	p->code = !r && info.si_code == CLD_EXITED ? info.si_status : 0;
	p->signal = !r && info.si_code != CLD_EXITED ? info.si_status : 0;
	if (recv(p->channel, &p->last, 1, MSG_DONTWAIT) != 1)
		p->last = 0;
	p->state = MQSHM_PROCESS_ENDED;
	descriptor_close(&p->channel);
	unwatch(m, p);
	return true;
}

void mqshm_process_describe(const struct process *p, struct mqshm_process_info *out)
{
	*out = (struct mqshm_process_info) {
		.pid = (uint32_t)p->pid,
		.state = p->state,
		.ours = true,
		.code = p->code,
		.signal = p->signal,
		.stopped = p->last == 's',
		.restarts = p->restarts,
		.lost = p->lost,
		.drained = p->drained,
		.blocks = (uint32_t)p->n_blocks,
	};
	snprintf(out->name, sizeof(out->name), "%s", p->name);
	snprintf(out->block, sizeof(out->block), "%s", p->blocks[0]);
}
