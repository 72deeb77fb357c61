/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The block runtime of libmqshm: types of blocks with parameters and statistics, and
 * running them. How errors, deadlines and threads are told is as in <mqshm.h>.
 *
 * Threads: each call from the thread that runs the block, except
 * mqshm_instance_request_stop(), mqshm_instance_request_end() and
 * mqshm_instance_get_stats(): from any.
 *
 * A thread runs one block, by mqshm_instance_run(), or many, as one of a worker's.
 * Blocks are written the same way for both: a call that waits (mqshm_get_input(),
 * mqshm_produce_output(), mqshm_allocate_buffer(), mqshm_make_writable(),
 * mqshm_instance_poll(), mqshm_wait(), mqshm_buffer_alloc()) lets the thread's other
 * blocks run meanwhile. What else sleeps (reading a pipe that is empty) holds them up.
 * Each of many has a stack of its own, which is smaller than a thread's.
 */
#ifndef MQSHM_BLOCK_H
#define MQSHM_BLOCK_H

#include <mqshm.h>
#include <poll.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

enum mqshm_result {
	MQSHM_OK,		/* call work again when there is something to do */
	MQSHM_NEED_MORE_INPUT,	/* call work again when an input has more; the end if none will */
	MQSHM_DONE,		/* the end: outputs announce it, the block stops */
	MQSHM_ERROR,		/* the block stops, outputs do not announce an end */
};

/* When work is called. Also once for each input that ends, and with all ended. */
enum mqshm_trigger {
	MQSHM_TRIGGER_ANY,	/* an input has a message; without inputs: always */
	MQSHM_TRIGGER_ALL,	/* every input that has not ended has a message */
	MQSHM_TRIGGER_TIMER,	/* a time has come; inputs are looked at by work */
	MQSHM_TRIGGER_FREE,	/* every output takes a message; inputs are looked at by work */
};

#define MQSHM_BLOCK_ABI	1

/*
 * Of a type of block: it has devices write into its buffers, as by an io_uring of its own
 * that it waits for in mqshm_instance_poll(). Its client joins with @direct_io, so that
 * nobody else gets such a buffer should it die (struct mqshm_client_options); the block
 * registers mqshm_client_fd() as a fixed file of the ring, may register what
 * mqshm_buffer_region() gives as fixed buffers, and waits in cleanup for what is in flight.
 * (A ring with IORING_SETUP_DEFER_TASKRUN does not tell by poll that something is done.)
 * In a client that did not join so, mqshm_client_direct_io(), it does without.
 */
#define MQSHM_BLOCK_DIRECT_IO	(1U << 0)

/**
 * struct mqshm_param - a parameter as "key=value"
 */
struct mqshm_param {
	const char *key;
	const char *value;
};

/**
 * struct mqshm_param_spec - a parameter that a block type takes
 * @key: its name
 * @kind: "string", "number", "integer", "size", "bool"
 * @fallback: value if it is not given; NULL if it must be given
 * @help: one line
 * @unit: what a number counts, such as Hz; may be NULL
 * @choices: words that it can be, with blanks between; of another kind than string:
 *	besides a value of that kind; may be NULL
 * @min: least number, integer or size
 * @max: largest one; there is a range if @max is above @min
 *
 * A value that is given is checked against all this before the block is made.
 */
struct mqshm_param_spec {
	const char *key;
	const char *kind;
	const char *fallback;
	const char *help;
	const char *unit;
	const char *choices;
	double min;
	double max;
};

/**
 * struct mqshm_block_port - a port, or several, that each block of a type has
 * @name: its name
 * @direction: MQSHM_DIR_*
 * @count: NULL, or a parameter that says whether there is one (kind "bool") or how many
 *	there are ("integer"): in1, in2, ... if @name is in
 * @flags: of an output: MQSHM_PORT_OPTIONAL or 0
 * @depth: of an input: as in struct mqshm_port_desc
 * @help: one line
 */
struct mqshm_block_port {
	const char *name;
	uint32_t direction;
	const char *count;
	uint32_t flags;
	uint32_t depth;
	const char *help;
};

struct mqshm_instance;

/**
 * struct mqshm_block_ops - a type of block
 * @abi: MQSHM_BLOCK_ABI
 * @class_: MQSHM_CLASS_*
 * @type: its name
 * @summary: one line
 * @params: array ended by a NULL key; others are refused
 * @ports: array ended by a NULL name; there before initialize adds more
 * @state_bytes: size of its state, zeroed, at mqshm_instance_state()
 * @initialize: read parameters, add ports that @ports cannot tell; the block is not
 *	registered yet
 * @start: before the first work; the block is registered
 * @work: do one piece of work without sleeping longer than needed. Called as @trigger
 *	says, and once for each input that ends
 * @stop: after the last work; outputs still take messages
 * @cleanup: free what initialize and start made; always called
 * @trigger: MQSHM_TRIGGER_*; 0 is MQSHM_TRIGGER_ANY
 * @flags: MQSHM_BLOCK_DIRECT_IO or 0
 * @period_ns: of MQSHM_TRIGGER_TIMER, if initialize does not set it
 * @live: keys of parameters that can be changed while the block runs, array ended by NULL;
 *	NULL: none
 * @change: with @live: somebody changes such parameters: read all of them again, check
 *	them, and only then use them. Called between two works, and while work waits for
 *	input, room or a buffer in one of the calls below. If it fails, nothing was changed and
 *	who asked is told the sentence
 *
 * All but @work may be NULL. initialize, start, change: 0 or -errno, after
 * mqshm_instance_fail() with a sentence. All calls come from one thread.
 */
struct mqshm_block_ops {
	uint32_t abi;
	uint32_t class_;
	const char *type;
	const char *summary;
	const struct mqshm_param_spec *params;
	const struct mqshm_block_port *ports;
	size_t state_bytes;
	int (*initialize)(struct mqshm_instance *in);
	int (*start)(struct mqshm_instance *in);
	enum mqshm_result (*work)(struct mqshm_instance *in);
	void (*stop)(struct mqshm_instance *in);
	void (*cleanup)(struct mqshm_instance *in);
	uint32_t trigger;
	uint32_t flags;
	uint64_t period_ns;
	const char *const *live;
	int (*change)(struct mqshm_instance *in);
};

/* For block types, inside their operations. */
void *mqshm_instance_state(struct mqshm_instance *in); /* MT-Unsafe race:client */
struct mqshm_client *mqshm_instance_client(struct mqshm_instance *in); /* MT-Unsafe race:client */
const char *mqshm_instance_name(const struct mqshm_instance *in); /* MT-Unsafe race:client */
/* Somebody asked the block to stop or to end: for work that waits by itself. */
bool mqshm_instance_stop_requested(const struct mqshm_instance *in); /* MT-Unsafe race:client */
/* Value of a parameter, given or default; NULL if neither. Lives as long as @in; one that is
 * live, until it is changed. */
const char *mqshm_instance_param(const struct mqshm_instance *in, const char *key); /* MT-Unsafe race:client */
/* Parsed: -EINVAL after mqshm_instance_fail() with a sentence. */
int mqshm_instance_number(struct mqshm_instance *in, const char *key, double *out); /* MT-Unsafe race:client */
int mqshm_instance_integer(struct mqshm_instance *in, const char *key, int64_t min,
			   int64_t max, int64_t *out); /* MT-Unsafe race:client */
int mqshm_instance_size(struct mqshm_instance *in, const char *key, uint64_t *bytes); /* MT-Unsafe race:client */
int mqshm_instance_bool(struct mqshm_instance *in, const char *key, bool *out); /* MT-Unsafe race:client */
/* Which of the choices of its spec, from 0. */
int mqshm_instance_choice(struct mqshm_instance *in, const char *key, size_t *out); /* MT-Unsafe race:client */
/* In initialize only. @depth 0 is the default. One that is there already, as the type
 * declares it, gets this depth or these flags. */
int mqshm_instance_add_input(struct mqshm_instance *in, const char *name, uint32_t depth); /* MT-Unsafe race:client */
int mqshm_instance_add_output(struct mqshm_instance *in, const char *name, uint32_t flags); /* MT-Unsafe race:client */
/*
 * In initialize, instead of what the type has. @period_ns: of MQSHM_TRIGGER_TIMER, from
 * the first call of work, which comes at once, without drift; else 0. -EINVAL.
 */
int mqshm_instance_set_trigger(struct mqshm_instance *in, enum mqshm_trigger trigger,
			       uint64_t period_ns); /* MT-Unsafe race:client */
/* Says why it fails; printf-like. Returns @error, for `return`. */
int mqshm_instance_fail(struct mqshm_instance *in, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4))); /* MT-Unsafe race:client */

/* Ports by index in the order they were added, inputs and outputs apart. */
struct mqshm_port *mqshm_instance_input(struct mqshm_instance *in, size_t i); /* MT-Unsafe race:client */
struct mqshm_port *mqshm_instance_output(struct mqshm_instance *in, size_t i); /* MT-Unsafe race:client */
size_t mqshm_instance_inputs(const struct mqshm_instance *in); /* MT-Unsafe race:client */
size_t mqshm_instance_outputs(const struct mqshm_instance *in); /* MT-Unsafe race:client */

/* The block's own view of the calls above: they wait as a block should, wake up
 * when it is asked to stop (-ECANCELED), and count. */
int mqshm_get_input(struct mqshm_instance *in, size_t i, uint64_t deadline_ns,
		    struct mqshm_buffer *out); /* MT-Unsafe race:client */
bool mqshm_has_input(struct mqshm_instance *in, size_t i); /* MT-Unsafe race:client */
size_t mqshm_input_size(struct mqshm_instance *in, size_t i); /* MT-Unsafe race:client */
int mqshm_allocate_buffer(struct mqshm_instance *in, size_t bytes, struct mqshm_buffer *out); /* MT-Unsafe race:client */
/* As mqshm_buffer_make_writable(): @buf is its own then, to be changed in place. */
int mqshm_make_writable(struct mqshm_instance *in, struct mqshm_buffer *buf); /* MT-Unsafe race:client */
/* To every connection of output @i; waits for room and for a connection. */
int mqshm_produce_output(struct mqshm_instance *in, size_t i, struct mqshm_buffer *buf); /* MT-Unsafe race:client */
/**
 * mqshm_instance_poll() - sleep until a descriptor or a port is ready
 * @fds: array[@n_fds] as for poll(2), which sets revents: pipes, sockets, timers, pidfds;
 *	a negative descriptor is passed over
 * @ports: array[@n] of the block's ports, as for mqshm_wait(), any number; NULL with 0
 * @deadline_ns: when to give up
 *
 * For a block that waits for what is no message. Descriptors should not block: another
 * may have read meanwhile. Returns 1 if one of them is ready; 0 if something changed: a
 * connection came or went, or the block is to end (mqshm_instance_stop_requested()).
 * Errors: -ETIMEDOUT; -ECANCELED it was asked to stop; -EINVAL more descriptors, with
 * those that its thread's other blocks wait for, than MQSHM_WAIT_FDS_MAX; -ENOMEM;
 * -ESHUTDOWN.
 */
int mqshm_instance_poll(struct mqshm_instance *in, struct pollfd *fds, size_t n_fds,
			struct mqshm_port *const *ports, size_t n, uint64_t deadline_ns); /* MT-Unsafe race:client */

/**
 * struct mqshm_instance_stats - what a block did
 * @work_count: calls of work
 * @work_ns: time in them, what they waited included
 * @last_work_ns: time in the last one
 * @buffers_in: messages of all inputs
 * @buffers_out: messages of all outputs, each once whatever number of connections
 * @bytes_in: payload of @buffers_in
 * @bytes_out: payload of @buffers_out
 * @discarded: messages that went nowhere, of optional outputs
 * @p99_work_ns: 99 of 100 calls took no longer, to a quarter
 * @input_ns: time it waited for input
 * @space_ns: time it waited for space, or for a connection
 * @buffer_ns: time it waited for buffers
 * @time_ns: time it waited for a time, or something outside
 * @copies: messages that it copied, as mqshm_buffer_make_writable() does while others hold
 *	them; modulo 2^32
 *
 * Other processes see the times in its mqshm_block_record.
 */
struct mqshm_instance_stats {
	uint64_t work_count;
	uint64_t work_ns;
	uint64_t last_work_ns;
	uint64_t buffers_in;
	uint64_t buffers_out;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t discarded;
	uint64_t p99_work_ns;
	uint64_t input_ns;
	uint64_t space_ns;
	uint64_t buffer_ns;
	uint64_t time_ns;
	uint64_t copies;
};
void mqshm_instance_get_stats(const struct mqshm_instance *in,
			      struct mqshm_instance_stats *out); /* MT-Safe */

/*
 * A value before there is a block: whether @ops takes it, as far as its spec tells. 0, or
 * -EINVAL with a sentence in *@error (may be NULL), to be freed by the caller.
 */
int mqshm_param_check(const struct mqshm_block_ops *ops, const struct mqshm_param *param,
		      char **error); /* MT-Safe */

/**
 * mqshm_instance_new() - make a block of a type in a client, and register it
 * @c: client that it lives in
 * @ops: its type; must outlive it
 * @name: name of the block
 * @params: array[@n_params], copied
 * @error: on failure a sentence, to be freed by the caller; may be NULL
 * @out: the block; end it with mqshm_instance_free()
 *
 * -EINVAL a parameter is unknown, missing or wrong; -EEXIST; or what initialize gave.
 */
int mqshm_instance_new(struct mqshm_client *c, const struct mqshm_block_ops *ops,
		       const char *name, const struct mqshm_param *params, size_t n_params,
		       char **error, struct mqshm_instance **out); /* MT-Unsafe race:client */

/**
 * mqshm_instance_run() - run the block until it is done, fails or is asked to stop
 * @error: on MQSHM_ERROR a sentence, to be freed by the caller; may be NULL
 *
 * Calls start, work as inputs and outputs allow, stop; none of them if it was asked
 * to stop before. Sleeps when there is nothing to do. Returns MQSHM_DONE (end),
 * MQSHM_OK (stopped) or MQSHM_ERROR.
 */
enum mqshm_result mqshm_instance_run(struct mqshm_instance *in, char **error); /* MT-Unsafe race:client */

/**
 * mqshm_block_change() - change parameters of a block that runs, in whatever process
 * @runtime: as for mqshm_runtime_open()
 * @block: number of the block
 * @params: array[@n]: those that are to change, all or none of them
 * @deadline_ns: when to give up waiting for the block's answer
 * @error: on failure the block's own sentence, to be freed by the caller, or NULL; may be
 *	NULL
 *
 * They hold from the next buffer on when it returns. Needs write permission, as does the
 * block's process to answer.
 *
 * -ENOTCONN the block takes no changes; -EINVAL, or what else its type gave, it refuses
 * them; -ETIMEDOUT no answer, they may be taken later; -ENOENT no such runtime or block;
 * -EMSGSIZE they do not fit into one message; -EACCES; -ESHUTDOWN; -EINTR; -EDQUOT;
 * -ENOSPC; -ENOMEM.
 */
int mqshm_block_change(const char *runtime, uint64_t block, const struct mqshm_param *params,
		       size_t n, uint64_t deadline_ns, char **error); /* MT-Safe */

/* Asks a running block to stop. From any thread, and from a signal handler. */
void mqshm_instance_request_stop(struct mqshm_instance *in); /* MT-Safe */
/* Asks a running block without inputs to stop and to announce the end, as if it were
 * done; others go on until their inputs have ended. From any thread and signal handler. */
void mqshm_instance_request_end(struct mqshm_instance *in); /* MT-Safe */

/* NULL is allowed. */
void mqshm_instance_free(struct mqshm_instance *in); /* MT-Unsafe race:client */

/* -- plug-ins: shared objects with types of blocks ------------------------------- */

/**
 * struct mqshm_block_plugin - what a plug-in exports, under this name
 * @abi: MQSHM_BLOCK_ABI
 * @types: array ended by NULL
 */
struct mqshm_block_plugin {
	uint32_t abi;
	const struct mqshm_block_ops *const *types;
};

#ifdef __cplusplus
#define MQSHM_BLOCK_EXTERN_ extern "C"
#else
#define MQSHM_BLOCK_EXTERN_ extern
#endif

/* Once in a plug-in: MQSHM_BLOCK_PLUGIN(&this_ops, &that_ops); */
#define MQSHM_BLOCK_PLUGIN(...)								\
	MQSHM_BLOCK_EXTERN_ __attribute__((visibility("default")))			\
	const struct mqshm_block_plugin mqshm_block_plugin;				\
	static const struct mqshm_block_ops *const mqshm_block_plugin_types_[] = {	\
		__VA_ARGS__, NULL							\
	};										\
	const struct mqshm_block_plugin mqshm_block_plugin = {				\
		MQSHM_BLOCK_ABI, mqshm_block_plugin_types_				\
	}

/**
 * mqshm_plugin_load() - load a shared object with types of blocks
 * @path: of the file; without a '/' in the working directory
 * @out: what it exports; it stays loaded until the process ends
 * @error: on failure a sentence, to be freed by the caller; may be NULL
 *
 * -ENOENT; -ENOEXEC no shared object, or one that needs what is not there; -EINVAL no
 * plug-in, or a type without what it must have; -EPROTO built for another
 * MQSHM_BLOCK_ABI; -ENOMEM.
 */
int mqshm_plugin_load(const char *path, const struct mqshm_block_plugin **out, char **error); /* MT-Safe env */

/**
 * mqshm_plugin_paths() - the plug-ins that mqshm_block_load() finds by name
 * @paths: array[@n] of the *.so in the folders of $MQSHM_BLOCK_PATH (with ':' between) and
 *	in the library's own, LIBDIR/mqshm/blocks; to be freed, each and the array
 *
 * In the order of the folders, in each by name. -ENOMEM.
 */
int mqshm_plugin_paths(char ***paths, size_t *n); /* MT-Safe env */

/**
 * mqshm_block_load() - a type of block out of a plug-in
 * @name: "PATH" of a plug-in with one type, with a '/' in it, or "PATH:TYPE"; or "TYPE", in
 *	TYPE.so in the folders of mqshm_plugin_paths(), or "FILE:TYPE", in FILE.so there
 * @out: the type; lives until the process ends
 * @error: on failure a sentence, to be freed by the caller; may be NULL
 *
 * Errors as mqshm_plugin_load(); -ENOENT also a file that no folder has; -ENXIO no such
 * type in the file; -EINVAL also a plug-in with several types and none named.
 */
int mqshm_block_load(const char *name, const struct mqshm_block_ops **out, char **error); /* MT-Safe env */

/* -- workers: many blocks on the threads of this process ---------------------------- */

struct mqshm_worker;

/**
 * struct mqshm_place - which processors threads run on; all 0: any
 * @cpus: a list as in "0-3,8": thread i is bound to the i-th of them, and round again when
 *	there are more threads; NULL: none is
 * @on_node: they may run on all processors of a NUMA node, instead of @cpus; memory comes
 *	from there too, as far as there is any
 * @node: which
 */
struct mqshm_place {
	const char *cpus;
	bool on_node;
	uint32_t node;
};

/*
 * Whether there is such a place. -EINVAL no list, or cpus and node; -ENXIO a processor is
 * not there or offline, or there is no such node, or none with processors.
 */
int mqshm_place_check(const struct mqshm_place *place); /* MT-Safe */
/*
 * Binds the calling thread, as thread @i; what it creates is bound likewise. Errors as
 * above, and -EPERM: this process may not use those (its cpuset).
 */
int mqshm_place_thread(const struct mqshm_place *place, uint32_t i); /* MT-Safe */

/**
 * struct mqshm_worker_options - all 0 is the default
 * @process_name: for people; NULL: the program's name
 * @threads: how many, at most MQSHM_WORKER_THREADS_MAX; 0 is one
 * @role: MQSHM_ROLE_*; 0 is MQSHM_ROLE_WORKER
 * @stack_bytes: of each block, 32K at least; 0 is 256K. Memory is used as it is needed
 * @persistent: as in struct mqshm_client_options
 * @direct_io: likewise; for types with MQSHM_BLOCK_DIRECT_IO
 * @place: where its threads run
 * @reserved: 0
 */
struct mqshm_worker_options {
	const char *process_name;
	uint32_t threads;
	uint32_t role;
	size_t stack_bytes;
	bool persistent;
	bool direct_io;
	struct mqshm_place place;
	uint64_t reserved[3];
};

#define MQSHM_WORKER_THREADS_MAX	64
#define MQSHM_WORKER_ANY_THREAD		UINT32_MAX

/**
 * mqshm_worker_open() - start threads that run blocks, each a client of the runtime
 * @runtime: as in mqshm_client_join()
 * @options: NULL for the defaults
 * @out: the worker; end it with mqshm_worker_close()
 *
 * All signals are blocked in the threads. Errors: as mqshm_client_join(); -EINVAL; -ENXIO and
 * -EPERM as mqshm_place_thread().
 */
int mqshm_worker_open(const char *runtime, const struct mqshm_worker_options *options,
		      struct mqshm_worker **out); /* MT-Safe */

/**
 * mqshm_worker_add() - make a block and run it
 * @ops: its type; must outlive the worker
 * @name: name of the block
 * @params: array[@n_params], used until this returns
 * @thread: which thread, from 0; MQSHM_WORKER_ANY_THREAD: the one with the fewest
 *	blocks. It stays there
 * @error: on failure a sentence, to be freed by the caller; may be NULL
 *
 * Returns once the block is registered. At any time, also while others run, but not
 * from inside a block of the worker. Errors: -ECANCELED the worker was asked to stop;
 * -EINVAL no such thread; as mqshm_instance_new().
 */
int mqshm_worker_add(struct mqshm_worker *w, const struct mqshm_block_ops *ops,
		     const char *name, const struct mqshm_param *params, size_t n_params,
		     uint32_t thread, char **error); /* MT-Safe */

/* Blocks that are added from now on are registered, so that they can be connected, and
 * run only after mqshm_worker_go(). */
void mqshm_worker_hold(struct mqshm_worker *w); /* MT-Safe */
void mqshm_worker_go(struct mqshm_worker *w); /* MT-Safe */

/* Asks all blocks to stop, and takes no more. From a signal handler too. */
void mqshm_worker_request_stop(struct mqshm_worker *w); /* MT-Safe */
/* As mqshm_instance_request_end() for all blocks. From a signal handler too. */
void mqshm_worker_request_end(struct mqshm_worker *w); /* MT-Safe */

/**
 * mqshm_worker_wait() - wait until no block runs, or until more have ended
 * @ended: if not NULL: how many the caller knows to have ended; gets how many have
 *
 * Returns 0 when no block runs; 1 when others do, but *@ended is another number now.
 * Errors: -ETIMEDOUT.
 */
int mqshm_worker_wait(struct mqshm_worker *w, size_t *ended, uint64_t deadline_ns); /* MT-Safe */

/**
 * struct mqshm_worker_block - a block of a worker
 * @name: its name
 * @type: name of its type
 * @id: of the block
 * @thread: that runs it
 * @running: it has not ended; else @result holds
 * @result: how it ended
 * @error: why, on MQSHM_ERROR; cut if it is too long
 * @stats: what it did, to the end
 */
struct mqshm_worker_block {
	char name[MQSHM_BLOCK_NAME_LEN];
	char type[MQSHM_TYPE_NAME_LEN];
	uint64_t id;
	uint32_t thread;
	bool running;
	enum mqshm_result result;
	char error[256];
	struct mqshm_instance_stats stats;
};

/* Blocks that were added, ended ones too. */
size_t mqshm_worker_blocks(struct mqshm_worker *w); /* MT-Safe */
/* The @i-th, in the order in which they were added. -ENOENT: there are fewer. */
int mqshm_worker_get_block(struct mqshm_worker *w, size_t i,
			   struct mqshm_worker_block *out); /* MT-Safe */

/* Asks to stop, waits until all have ended, and frees. NULL is allowed. */
void mqshm_worker_close(struct mqshm_worker *w); /* MT-Unsafe race:worker */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* MQSHM_BLOCK_H */
