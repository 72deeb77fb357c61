/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the manager share: its processes. */
#ifndef LIB_MANAGER_MANAGER_H
#define LIB_MANAGER_MANAGER_H

#include <sys/types.h>
#include <mqshm_manager.h>

/**
 * struct process - a process that the manager started, or is about to start again
 * @next: the next, in the order of starting
 * @argv: its arguments, ended by NULL
 * @blocks: names of its blocks, array[@n_blocks]
 * @n_blocks: their number
 * @unread: array[@n_blocks]: all that read this block have ended in order
 * @name: of the process
 * @log: path of its log, NULL if it has the caller's output
 * @restart: when it is started again, without zeros
 * @state: MQSHM_PROCESS_*
 * @pid: its number, also after its end; 0 before it was started
 * @pidfd: -1 if it does not run
 * @channel: socket to it, -1 if it was told to run and nobody listens
 * @code: exit status of the last end
 * @signal: of the last end
 * @last: its last word, 's', 'd' or 'e', 0 if it has not said it yet
 * @lost: buffers that died in its hands, all times
 * @drained: messages that were queued for it when it died, and dropped
 * @counted_ns: what it left behind until then is in these
 * @in_row: restarts since it last ran for long
 * @restarts: all of them
 * @started_ns: when it was started last
 * @due_ns: RESTARTS: when it is to be started
 */
struct process {
	struct process *next;
	char **argv;
	char **blocks;
	size_t n_blocks;
	bool *unread;
	char *name;
	char *log;
	struct mqshm_restart restart;
	uint32_t state;
	pid_t pid;
	int pidfd;
	int channel;
	int code;
	int signal;
	char last;
	uint64_t lost;
	uint64_t drained;
	uint64_t counted_ns;
	uint32_t in_row;
	uint32_t restarts;
	uint64_t started_ns;
	uint64_t due_ns;
};

/**
 * struct mqshm_manager - manages a runtime
 * @rt: the runtime
 * @runtime: its name as it was given
 * @worker: path, name and first arguments, ended by NULL; NULL if there is none
 * @processes: that it started
 * @connections: that go with its graphs, array[@n_connections] of their numbers
 * @n_connections: how many
 * @epoll: readable when one of @processes ended, or @timer expired
 * @timer: for the next restart
 * @finishing: sources were asked to end
 */
struct mqshm_manager {
	struct mqshm_runtime *rt;
	char *runtime;
	char **worker;
	struct process *processes;
	uint64_t *connections;
	size_t n_connections;
	int epoll;
	int timer;
	bool finishing;
};

/* -- process.c ------------------------------------------------------------------ */

/**
 * struct plan - a process to be started
 * @name: its name, NULL for that of its only block with _proc
 * @threads: that run its blocks; 0 for one
 * @place: where they run
 * @log: NULL for the default
 * @inherit: it has the caller's output, and no log
 * @restart: when it is started again
 * @blocks: array[@n_blocks]
 * @n_blocks: at least one
 */
struct plan {
	const char *name;
	uint32_t threads;
	struct mqshm_place place;
	const char *log;
	bool inherit;
	struct mqshm_restart restart;
	const struct mqshm_block_spec **blocks;
	size_t n_blocks;
};

/* A process that is not started yet, at the end of the list. */
int mqshm_process_new(struct mqshm_manager *m, const struct plan *plan, struct process **out);
/* Whether "block" or "block:port" is of one of its blocks. */
bool mqshm_process_has(const struct process *p, const char *end);
/* The same, and which. */
bool mqshm_process_find(const struct process *p, const char *end, size_t *block);
/* Takes it out of the list; it goes on. */
void mqshm_process_free(struct mqshm_manager *m, struct process *p);
/* Starts it; its block is not registered yet. */
int mqshm_process_spawn(struct mqshm_manager *m, struct process *p);
/* Waits until its block is registered; -ECHILD: it has ended. */
int mqshm_process_ready(struct mqshm_manager *m, struct process *p);
/* Lets it run its block. */
void mqshm_process_go(struct mqshm_manager *m, struct process *p);
/* Ends one that was not let run. */
void mqshm_process_cancel(struct mqshm_manager *m, struct process *p);
/* Whether it has ended; takes its status if so. @wait: sleeps until it has. */
bool mqshm_process_ended(struct mqshm_manager *m, struct process *p, bool wait);
void mqshm_process_describe(const struct process *p, struct mqshm_process_info *out);

/* -- unread.c --------------------------------------------------------------------- */

/*
 * A process has ended, or come back: stops blocks that came back though all that read them
 * have ended in order. Sets @unread.
 */
void mqshm_unread_stop(struct mqshm_manager *m);
/* All blocks of a process are such: it need not come back. */
bool mqshm_unread_all(const struct process *p);

/* -- log.c ------------------------------------------------------------------------ */

/* Opens a log for appending; *start is where what comes now begins, *made if it is new. */
int mqshm_log_open(const char *path, off_t *start, bool *made);
/* What was written from @start on, the last 4000 bytes of it; NULL if it cannot be read. */
char *mqshm_log_read(const char *path, off_t start);
/* Removes a log that was made for nothing, and its folder if that is empty and ours. */
void mqshm_log_remove(const char *path);

/* -- graph.c ---------------------------------------------------------------------- */

/* Takes away the connections that were only to outlive restarts, all but the first few. */
void mqshm_graph_disconnect(struct mqshm_manager *m, size_t but);

#endif /* LIB_MANAGER_MANAGER_H */
