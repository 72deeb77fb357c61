/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The manager of libmqshm: starts processes that run blocks, joins their blocks, watches
 * them, starts them again when they fail, and stops them. How errors, deadlines and
 * threads are told is as in <mqshm.h>.
 *
 * Threads: a manager is used by one thread at a time.
 *
 * Blocks run in workers: processes of a program that is told which blocks by its arguments,
 * --runtime RUNTIME --process NAME, --threads N if there are several, --cpus LIST or --node N
 * if they have a place, then for each block --block TYPE --name NAME and --param KEY=VALUE for
 * each parameter, and --ready-fd N; with --persistent its clients are (struct
 * mqshm_client_options), as it may be started again. On
 * descriptor N, a stream socket, it writes "r" once its blocks are registered, and runs them
 * when it then reads a byte; at the end of the stream it ends instead. Before it leaves the
 * runtime it writes "s" if it was asked to stop, "d" if it is done, so that one that came
 * back would have nothing to do and nobody to tell, else "e". SIGINT asks it to end its
 * streams: a source stops and announces the end, any other block goes on until its inputs
 * have ended. `mqtool worker` is one.
 */
#ifndef MQSHM_MANAGER_H
#define MQSHM_MANAGER_H

#include <mqshm_block.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct mqshm_manager;

/**
 * mqshm_manager_open() - manage a runtime
 * @runtime: as for mqshm_runtime_open()
 * @worker: path of a program that runs a block, as above, then its name and its first
 *	arguments, ended by NULL. NULL if nothing is to be started
 * @out: the manager; close it with mqshm_manager_close()
 *
 * -ENOMEM; -EMFILE; as mqshm_runtime_open().
 */
int mqshm_manager_open(const char *runtime, const char *const *worker,
		       struct mqshm_manager **out); /* MT-Safe */

/* Its processes go on, but nobody starts them again; they stay children of the caller.
 * NULL is allowed. */
void mqshm_manager_close(struct mqshm_manager *m); /* MT-Unsafe race:manager */

/* The runtime that it manages; borrowed. */
struct mqshm_runtime *mqshm_manager_runtime(const struct mqshm_manager *m); /* MT-Safe */

/* -- starting ---------------------------------------------------------------- */

#define MQSHM_RESTART_NO		0
#define MQSHM_RESTART_ON_FAILURE	1	/* after a signal or a status that is not 0 */
#define MQSHM_RESTART_ALWAYS		2	/* unless it was asked to stop */

#define MQSHM_RESTART_ENDLESS	UINT32_MAX

/**
 * struct mqshm_restart - when a process that ended is started again
 * @when: MQSHM_RESTART_*
 * @limit: how often in a row, 0 for 10, or MQSHM_RESTART_ENDLESS; a process that has run
 *	for 10 s begins a new row
 * @backoff_ms: time before the first, doubled each time in a row up to 10 s; 0 for 100 ms
 *
 * Its blocks come back under their names, and are connected as before: all connections of
 * them that anybody makes, but for transient ones, are persistent.
 */
struct mqshm_restart {
	uint32_t when;
	uint32_t limit;
	uint32_t backoff_ms;
};

/**
 * struct mqshm_block_spec - a block to be started; all but @type and @name may be 0.
 *	Those from @log on are of its process, if it has one of its own
 * @type: type of the block, for the worker
 * @name: its name
 * @params: array[@n_params]
 * @n_params: their number
 * @process_name: name of its process; NULL for NAME_proc. In a graph it may be one of
 *	the graph's processes
 * @log: file that gets what the process writes, NULL for mqshm_manager_log_path()
 * @inherit: the process has the caller's stdin, stdout, stderr and session, and no log
 * @restart: when to start it again
 */
struct mqshm_block_spec {
	const char *type;
	const char *name;
	const struct mqshm_param *params;
	size_t n_params;
	const char *process_name;
	const char *log;
	bool inherit;
	struct mqshm_restart restart;
};

/* Where the log of a block goes: RUNTIME-NAME.log in $XDG_RUNTIME_DIR/mqshm, else in
 * $XDG_STATE_HOME/mqshm, else in ~/.local/state/mqshm. To be freed; NULL without memory. */
char *mqshm_manager_log_path(const struct mqshm_manager *m, const char *block); /* MT-Safe */

#define MQSHM_PROCESS_RUNNING	0
#define MQSHM_PROCESS_ENDED	1
#define MQSHM_PROCESS_RESTARTS	2	/* has ended, and is about to be started again */

/**
 * struct mqshm_process_info - a process of a runtime
 * @pid: its number; 0 if not visible here
 * @state: MQSHM_PROCESS_* of one that this manager started; others are running
 * @ours: this manager has started it
 * @code: ENDED, RESTARTS: its exit status, if @signal is 0
 * @signal: ENDED, RESTARTS: the signal that ended it, else 0
 * @stopped: ENDED: it had been asked to stop
 * @restarts: how often it was started again
 * @lost: ours: messages that died in its hands, over all its lives
 * @drained: ours: messages that were queued for it when it died, and went too
 * @clients: its clients, one each thread that runs blocks
 * @blocks: its blocks
 * @name: its name
 * @block: name of the first block that it was started for, if ours
 */
struct mqshm_process_info {
	uint32_t pid;
	uint32_t state;
	bool ours;
	int code;
	int signal;
	bool stopped;
	uint32_t restarts;
	uint64_t lost;
	uint64_t drained;
	uint32_t clients;
	uint32_t blocks;
	char name[MQSHM_PROCESS_NAME_LEN];
	char block[MQSHM_BLOCK_NAME_LEN];
};

/**
 * mqshm_manager_start_block() - start a process that runs a block
 * @spec: the block
 * @out: its process, also with -ECHILD; may be NULL
 * @said: with -ECHILD what the process wrote into its log, to be freed; may be NULL
 *
 * Returns once the block is registered. A log that was made for a process that did not
 * start is removed.
 *
 * -ECHILD the process ended instead; -ENOENT no worker; an error of opening the log or of
 * posix_spawn().
 */
int mqshm_manager_start_block(struct mqshm_manager *m, const struct mqshm_block_spec *spec,
			      struct mqshm_process_info *out, char **said); /* MT-Unsafe race:manager */

/* -- graphs ------------------------------------------------------------------- */

/**
 * struct mqshm_connection_spec - a connection to be made
 * @from: "block:port", or "block" if it has one output
 * @to: "block:port", or "block" if it has one input
 * @options: how
 */
struct mqshm_connection_spec {
	const char *from;
	const char *to;
	struct mqshm_connect_options options;
};

/**
 * struct mqshm_process_spec - a process of several blocks
 * @name: its name
 * @threads: that run its blocks; 0 for one
 * @place: where they run
 * @inherit: as in struct mqshm_block_spec
 * @restart: when to start it again, with all its blocks
 */
struct mqshm_process_spec {
	const char *name;
	uint32_t threads;
	struct mqshm_place place;
	bool inherit;
	struct mqshm_restart restart;
};

/**
 * struct mqshm_graph - blocks and how they are joined
 * @processes: array[@n_processes]
 * @blocks: array[@n_blocks]
 * @connections: array[@n_connections]; their ends may be other blocks of the runtime too
 */
struct mqshm_graph {
	const struct mqshm_process_spec *processes;
	size_t n_processes;
	const struct mqshm_block_spec *blocks;
	size_t n_blocks;
	const struct mqshm_connection_spec *connections;
	size_t n_connections;
};

#define MQSHM_GRAPH_BLOCK	1
#define MQSHM_GRAPH_CONNECTION	2

/**
 * struct mqshm_graph_fault - what of a graph could not be started
 * @kind: MQSHM_GRAPH_*, 0 if it was none of them
 * @index: which
 * @process: of a block, which may have others too
 * @snapshot: of the runtime when a connection could not be made, to be freed; else NULL
 */
struct mqshm_graph_fault {
	uint32_t kind;
	size_t index;
	struct mqshm_process_info process;
	struct mqshm_snapshot *snapshot;
};

/* The order in which the blocks of a graph begin to run, as indices, into order[n_blocks]:
 * each after all that it feeds, but for circles. -ENOMEM. */
int mqshm_graph_order(const struct mqshm_graph *graph, size_t *order); /* MT-Safe */

/**
 * mqshm_manager_start_graph() - start all blocks of a graph, or none
 * @graph: the graph
 * @fault: on error what could not be started; may be NULL
 *
 * No block runs before all are registered and connected, so that the first message goes
 * to everybody; then sinks run first and sources last. On an error all that was started
 * ends without having run. A persistent connection that is there already, from an earlier
 * run, is taken as it is, but for one whose stream has ended: that is made anew; it stays.
 * Those that were made here and are persistent only for restarts go with the last process,
 * in mqshm_manager_next().
 *
 * As mqshm_manager_start_block() and mqshm_connect().
 */
int mqshm_manager_start_graph(struct mqshm_manager *m, const struct mqshm_graph *graph,
			      struct mqshm_graph_fault *fault); /* MT-Unsafe race:manager */

/* -- watching ------------------------------------------------------------------ */

#define MQSHM_EVENT_ENDED	1	/* for good: no policy, limit reached, or asked to stop */
#define MQSHM_EVENT_RESTARTS	2	/* it ended, and will be started again */
#define MQSHM_EVENT_RESTARTED	3	/* it runs again */

/**
 * mqshm_manager_next() - what happens to processes that the manager started
 * @event: MQSHM_EVENT_*
 * @out: the process
 *
 * Also does the work of restart policies: to be called again and again while any is to
 * take effect.
 *
 * -ETIMEDOUT; -EINTR; -ECHILD no process is left, and none will be started again.
 */
int mqshm_manager_next(struct mqshm_manager *m, uint32_t *event,
		       struct mqshm_process_info *out, uint64_t deadline_ns); /* MT-Unsafe race:manager */

/* Descriptor to poll for POLLIN; then call mqshm_manager_next() until -ETIMEDOUT. Borrowed. */
int mqshm_manager_fd(const struct mqshm_manager *m); /* MT-Safe */

/* -- stopping ------------------------------------------------------------------- */

/* Has all sources that the manager started announce the end of their streams, which runs
 * through the graph: no message is lost. Policies start again what dies on the way, and
 * not what ends in order. */
void mqshm_manager_finish(struct mqshm_manager *m); /* MT-Unsafe race:manager */

/**
 * mqshm_manager_stop_block() - ask a block to end, and wait until it has
 * mqshm_manager_stop_process() - the same for all blocks of a process
 * mqshm_manager_stop_own() - the same for all blocks that the manager started
 * mqshm_manager_stop_all() - the same for all blocks of the runtime
 *
 * They end after the work that they are doing; a policy does not start them again.
 *
 * -ENOENT no such block, or no block in such a process; -EACCES; -ETIMEDOUT some are still
 * there, marked as stopping in a snapshot; -EINTR.
 */
int mqshm_manager_stop_block(struct mqshm_manager *m, const char *name,
			     uint64_t deadline_ns); /* MT-Unsafe race:manager */
int mqshm_manager_stop_process(struct mqshm_manager *m, uint32_t pid,
			       uint64_t deadline_ns); /* MT-Unsafe race:manager */
int mqshm_manager_stop_own(struct mqshm_manager *m, uint64_t deadline_ns); /* MT-Unsafe race:manager */
int mqshm_manager_stop_all(struct mqshm_manager *m, uint64_t deadline_ns); /* MT-Unsafe race:manager */

/* Kills a client's process, and no other that has its number meanwhile: 0 also if it is
 * gone. -EPERM; -ESRCH its process is not visible here. */
int mqshm_manager_kill_client(struct mqshm_manager *m, uint64_t client_id); /* MT-Unsafe race:manager */

/* -- the graph -------------------------------------------------------------------- */

/* As mqshm_connect_with() and mqshm_disconnect(). */
int mqshm_manager_connect(struct mqshm_manager *m, const char *from, const char *to,
			  const struct mqshm_connect_options *options,
			  uint64_t *id); /* MT-Unsafe race:manager */
int mqshm_manager_disconnect(struct mqshm_manager *m, uint64_t id); /* MT-Unsafe race:manager */
/*
 * Number of the connection between two ends, given as for mqshm_connect(); also of a persistent
 * one whose blocks are gone. -ENOENT.
 */
int mqshm_manager_find_connection(struct mqshm_manager *m, const char *from, const char *to,
				  uint64_t *id); /* MT-Unsafe race:manager */

/**
 * struct mqshm_block_info - a block of a runtime
 * @id: its number
 * @pid: process that it runs in; 0 if not visible here
 * @stopping: it was asked to end
 * @name: its name
 * @type: name of its type
 * @messages_in: messages that were queued for it over the connections it has
 * @messages_out: messages that it sent over them
 * @queued: messages that wait for it
 */
struct mqshm_block_info {
	uint64_t id;
	uint32_t pid;
	bool stopping;
	char name[MQSHM_BLOCK_NAME_LEN];
	char type[MQSHM_TYPE_NAME_LEN];
	uint64_t messages_in;
	uint64_t messages_out;
	uint64_t queued;
};

/**
 * struct mqshm_connection_info - a connection of a runtime
 * @id: its number
 * @messages: pushed so far
 * @bytes: payload bytes pushed so far
 * @queued: messages in it
 * @depth: messages that it takes
 * @from: "block:port" of the output, empty if its block is gone
 * @to: "block:port" of the input, empty if its block is gone
 */
struct mqshm_connection_info {
	uint64_t id;
	uint64_t messages;
	uint64_t bytes;
	uint32_t queued;
	uint32_t depth;
	char from[MQSHM_BLOCK_NAME_LEN + MQSHM_PORT_NAME_LEN];
	char to[MQSHM_BLOCK_NAME_LEN + MQSHM_PORT_NAME_LEN];
};

/**
 * struct mqshm_stats - totals of a runtime
 * @processes: processes that use it
 * @blocks: their blocks
 * @connections: connections
 * @messages: pushed so far
 * @bytes: payload bytes pushed so far
 * @buffers: buffers of all pools
 * @buffers_free: of them not in use
 * @deaths: of the last 64 clients that are gone, those that died
 * @restarts: processes that this manager has started again
 */
struct mqshm_stats {
	uint32_t processes;
	uint32_t blocks;
	uint32_t connections;
	uint64_t messages;
	uint64_t bytes;
	uint64_t buffers;
	uint64_t buffers_free;
	uint64_t deaths;
	uint64_t restarts;
};

/* Lists, to be freed by free(): processes that use the runtime and those of this manager
 * that have ended; blocks; connections. -ENOMEM; -EINTR. */
int mqshm_manager_list_processes(struct mqshm_manager *m, struct mqshm_process_info **list,
				 size_t *n); /* MT-Unsafe race:manager */
int mqshm_manager_list_blocks(struct mqshm_manager *m, struct mqshm_block_info **list,
			      size_t *n); /* MT-Unsafe race:manager */
int mqshm_manager_list_connections(struct mqshm_manager *m,
				   struct mqshm_connection_info **list, size_t *n); /* MT-Unsafe race:manager */
int mqshm_manager_get_stats(struct mqshm_manager *m, struct mqshm_stats *out); /* MT-Unsafe race:manager */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* MQSHM_MANAGER_H */
