/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the subcommands of mqtool share: messages, names, sizes, tables, and which
 * runtime is meant.
 */
#ifndef MQTOOL_H
#define MQTOOL_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <mqshm_manager.h>

#define EXIT_DONE	0
#define EXIT_FAILED	1
#define EXIT_USAGE	2

/* Keys of options without a letter; argp takes those above 255. */
#define KEY_RUNTIME	0x200

#define OPTION_RUNTIME \
	{ "runtime", KEY_RUNTIME, "NAME", 0, \
	  "Runtime: NAME, or USER/NAME of somebody else's (default: " \
	  "$MQSHM_RUNTIME, else the only runtime there is)", 0 }

/* The subcommands: argv[0] is "mqtool COMMAND"; they return an EXIT_*. */
int command_init(int argc, char **argv);
int command_start(int argc, char **argv);
int command_worker(int argc, char **argv);
int command_connect(int argc, char **argv);
int command_disconnect(int argc, char **argv);
int command_list(int argc, char **argv);
int command_stop(int argc, char **argv);
int command_remove(int argc, char **argv);
int command_pool(int argc, char **argv);
int command_monitor(int argc, char **argv);
int command_inspect(int argc, char **argv);
int command_bus(int argc, char **argv);
int command_set(int argc, char **argv);
int command_run(int argc, char **argv);
int command_launch(int argc, char **argv);
int command_graph(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_dump(int argc, char **argv);
int command_replay(int argc, char **argv);
int command_holders(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_top(int argc, char **argv);
int command_stats(int argc, char **argv);

/* -- message.c: what goes wrong, in a sentence ------------------------------ */

/* Prints "mqtool: KIND NAME: ..." on stderr (@name may be NULL); returns EXIT_FAILED. */
int fail(const char *kind, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* From now on messages begin with a place in a file (@line 0: only the file; NULL: none). */
void fail_place(const char *file, unsigned int line);
/* The same for an error of the library that no command has better words for. */
int fail_errno(const char *kind, const char *name, int error);
/* malloc'ed text; ends the program when there is no memory. */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *grow(void *array, size_t elements, size_t element_bytes);

/**
 * struct names - a list of names, to tell people what there is
 * @n: how many
 * @name: malloc'ed strings, each once
 */
struct names {
	size_t n;
	char **name;
};

void names_add(struct names *names, const char *name);
void names_free(struct names *names);
/* "a, b, c", to be freed by the caller; "none" if there are none. */
char *names_join(const struct names *names);
/* "; did you mean X? WHAT: a, b, c", to be freed by the caller. */
char *names_hint(const struct names *names, const char *wanted, const char *what);

/* -- format.c: sizes and times as people write and read them ----------------- */

/* "4K", "1M", "1000": K, M and G are powers of 1024. False if it is none. */
bool parse_bytes(const char *s, uint64_t *bytes);
/* All digits, at most @max. */
bool parse_number(const char *s, uint64_t max, uint64_t *number);
/* "50.2MB", in powers of 1000; to be freed by the caller, as all of these. */
char *show_bytes(uint64_t bytes);
/* "4K", "1000", in powers of 1024 where it comes out even: size of a buffer. */
char *show_buffer_bytes(uint64_t bytes);
/* "3 s", "2 min", "41.2 us". */
char *show_duration(uint64_t ns);
/* "15:04:05.678", of a moment of CLOCK_MONOTONIC. */
char *show_time_of_day(uint64_t at_ns);
/* Names come from other users' programs: nothing that moves a terminal's cursor. */
char *show_name(const char *name);
/* The same for programs: UTF-8, which JSON has to be. */
char *show_utf8(const char *s);
/* "Idle", of "idle". */
char *show_title(const char *word);
/* "root", or the number of a user or group without a name. */
char *show_user(uint32_t uid);
char *show_group(uint32_t gid);
/* The word at that place of an array of words; "unknown" behind its end. */
#define WORD_OF(names, value) word_of(names, sizeof(names) / sizeof(*(names)), value)
const char *word_of(const char *const names[], size_t n, uint32_t value);

/* -- table.c ------------------------------------------------------------------ */

/**
 * struct table - rows under titles, columns as wide as they need to be
 * @columns: number of columns
 * @title: of each column
 * @width: least width of each, blanks included; the last has none
 * @cells: rows * columns malloc'ed strings
 * @rows: rows so far
 */
struct table {
	size_t columns;
	const char *const *title;
	const size_t *width;
	char **cells;
	size_t rows;
};

/* Adds a row; takes the strings of @cells over. */
void table_add(struct table *t, char *const *cells);
/* Prints "HEAD:" and the rows, and frees them. */
void table_print(struct table *t, const char *head);

/* -- runtime.c: which runtime, and what is in it -------------------------------- */

/* Name of the runtime that is meant, to be freed; NULL after a message, with *status. */
char *runtime_name(const char *option, int *status);
/* Opens it: 0, or an EXIT_* after a message. *name is to be freed by the caller. */
int runtime_open(const char *option, struct mqshm_runtime **rt, char **name);
/* The same for one that is to be changed, with a manager that starts nothing. */
int manager_open(const char *option, struct mqshm_manager **manager, char **name);
/* Why a runtime cannot be opened or joined, in a sentence. */
int runtime_fail(const char *name, int error);
/* "name" or "user/name" of a record, as --runtime takes it; to be freed. */
char *runtime_label(const struct mqshm_runtime_record *r);
int runtime_snapshot(struct mqshm_runtime *rt, const char *name, struct mqshm_snapshot **snap);

/* -- graph.c: blocks and ports by name -------------------------------------------- */

/* Names of the blocks, and of the ports of a block in one direction. */
void graph_blocks(const struct mqshm_snapshot *snap, struct names *out);
void graph_ports(const struct mqshm_snapshot *snap, uint64_t block, uint32_t direction,
		 struct names *out);
/* Port that "block:port" or "block" names; NULL after a message. */
const struct mqshm_port_record *graph_find_port(const struct mqshm_snapshot *snap,
						const char *end, uint32_t direction);
/* Block by name; NULL after a message. */
const struct mqshm_block_record *graph_find_block(const struct mqshm_snapshot *snap,
						  const char *name);
/* Whether there are both ends that a connection names; false after a message. */
bool graph_has_ends(struct mqshm_runtime *rt, const char *runtime, const char *from, const char *to);
/* The same as "block:port", to be freed, of a runtime. */
char *graph_find_end(struct mqshm_runtime *rt, const char *runtime, const char *end,
		     uint32_t direction);
/* Ends of a connection, "block:port", "(gone)" if nobody comes back; to be freed. */
char *graph_connection_from(const struct mqshm_snapshot *snap,
			    const struct mqshm_connection_record *c);
char *graph_connection_to(const struct mqshm_snapshot *snap,
			  const struct mqshm_connection_record *c);
/* "12345 src1_proc, ...", at most eight clients; to be freed. */
char *graph_clients(const struct mqshm_snapshot *snap);

/* -- limits.c: limits of a runtime ----------------------------------------------- */

/* "blocks=1000"; NULL, or what is wrong. */
const char *limit_parse(const char *s, struct mqshm_limits *out);
/* The module does not allow a runtime with these. EXIT_FAILED. */
int limits_refused(const char *runtime, struct mqshm_limits *wanted);
/* An object has no place in a runtime that has as many as it takes; @key names the limit. EXIT_FAILED. */
int limit_reached(const char *kind, const char *name, const char *runtime, const char *key);

/* -- pool.c ------------------------------------------------------------------------- */

/**
 * struct pool_request - a pool to be made
 * @name: MQSHM_POOL_NAME_LEN with its NUL
 * @buffer_bytes: capacity of a buffer
 * @buffers: how many
 * @options: where
 */
struct pool_request {
	char name[MQSHM_POOL_NAME_LEN];
	uint32_t buffer_bytes;
	uint32_t buffers;
	struct mqshm_pool_options options;
};

/* "SIZE:COUNT" or "NAME=SIZE:COUNT", perhaps with ",huge" or ",node=N"; NULL, or what is wrong. */
const char *pool_parse(const char *s, struct pool_request *out);
/* The number of a node alone; likewise. */
const char *pool_node_parse(const char *s, struct mqshm_pool_options *out);
/* Makes it: 0, or EXIT_FAILED after a message. Says if huge pages that it asked for are missing. */
int pool_make(struct mqshm_runtime *rt, const struct pool_request *pool);
/* Makes it: 0, or the library's error, of which nobody was told. */
int pool_try(struct mqshm_runtime *rt, const struct pool_request *pool);
/* Tells why it was not made. EXIT_FAILED. */
int pool_failed(struct mqshm_runtime *rt, const struct pool_request *pool, int error);

/* -- place.c: where memory and threads can be ------------------------------------------ */

/* First line of a small file, "" if there is none; to be freed by the caller, as the next. */
char *file_line(const char *path);
/* Nodes with memory, as in "0-1". */
char *place_nodes(void);
/* Nodes of which this process may use memory. */
char *place_allowed_nodes(void);
/* What is wrong with a place for threads, as its check said; to be freed by the caller. */
char *place_wrong(const struct mqshm_place *place, int error);
/* Why no pool can have huge pages; NULL if it can. */
const char *place_no_huge(void);

/* -- type.c: types of blocks --------------------------------------------------------- */

/**
 * struct block_type - a type of block and where it comes from
 * @ops: the type
 * @path: of the plug-in; NULL if it is built in
 */
struct block_type {
	const struct mqshm_block_ops *ops;
	const char *path;
};

/* By name, PATH, PATH:TYPE or FILE:TYPE; NULL after a message. */
const struct mqshm_block_ops *type_find(const char *name);
/* The same without a message, of a type that a block here may have. */
const struct mqshm_block_ops *type_of_block(const char *name);
/* All that have names: built in, and in the folders for plug-ins; messages about bad ones. */
void types_each(void (*each)(const struct block_type *type, void *arg), void *arg);

/* -- json.c ---------------------------------------------------------------------------- */

struct json_object;

/* Add a value to @o; names come from other users' programs, and JSON has to be UTF-8. */
void json_add(struct json_object *o, const char *key, uint64_t value);
void json_add_text(struct json_object *o, const char *key, const char *value);
void json_add_flag(struct json_object *o, const char *key, bool value);
/* A number that is no whole one. */
void json_add_real(struct json_object *o, const char *key, double value);
/* An empty array, an empty object. */
struct json_object *json_add_array(struct json_object *o, const char *key);
struct json_object *json_add_object(struct json_object *o, const char *key);
/* Prints @o and ends it; EXIT_*. */
int json_print(struct json_object *o);
/* The same in one line, for a program that reads line by line. */
int json_print_line(struct json_object *o);

/* -- list_json.c --------------------------------------------------------------------- */

/* Print a snapshot as JSON; EXIT_*. */
int list_json_runtimes(const struct mqshm_snapshot *snap);
int list_json_runtime(const struct mqshm_snapshot *snap);
/* A block with what its process tells of it, and number and ends of a connection, into @o. */
void list_json_block(struct json_object *o, const struct mqshm_snapshot *snap,
		     const struct mqshm_block_record *b);
void list_json_ends(struct json_object *o, const struct mqshm_snapshot *snap,
		    const struct mqshm_connection_record *c);
/* Words for the numbers of records. */
const char *class_name(uint32_t class_);
const char *client_state_name(uint32_t state);
const char *departed_how_name(uint32_t how);

/* -- list.c ----------------------------------------------------------------------------- */

/* "drop-oldest, keep", and "open", "producer died", of a ring's flags; to be freed. */
char *policy_text(uint32_t flags);
char *ring_state(uint32_t flags);

/* -- policy.c: what a connection is made with ---------------------------------------------- */

/* NULL behind the last; MQSHM_POLICY_* of a ring's flags. */
const char *policy_name(uint32_t policy);
uint32_t ring_policy(uint32_t flags);
#define POLICY_FORM "there is no such policy; there are block, drop-newest and drop-oldest"
bool policy_parse(const char *word, uint32_t *policy);
/* Of a connection of which nothing was said yet: a tap drops the oldest, others block. */
#define POLICY_UNSAID	UINT32_MAX
/* Seconds, or "forever"; NULL leaves the default. */
#define KEEP_FORM "it is a number of seconds, 0.001 or more, or forever"
bool keep_parse(const char *seconds, uint64_t *ns);

/* -- monitor_line.c --------------------------------------------------------------------- */

/**
 * struct present - what is there, as a notice
 * @notice: with 0 for what happened
 * @state: of a client, in a word; else NULL
 */
struct present {
	struct mqshm_notice notice;
	const char *state;
};

/* All that a snapshot of a runtime has, to be freed; returns how many. */
size_t monitor_present(const struct mqshm_snapshot *snap, struct present **list);
/*
 * Prints a notice, or (change 0) what is there: a line for people, after the name of the
 * runtime if one is given, or a JSON object.
 */
void monitor_show(const struct mqshm_notice *n, const char *runtime, const char *state,
		 bool json);

/* -- ends.c: commands that go on until somebody ends them ------------------------------- */

struct pollfd;

/* From now on Ctrl-C and the like end a sleep, and a reader that is gone is an error. */
void ends_catch(void);
bool ends_came(void);
/* Sleeps until one of @p is ready, or it shall end, as if Ctrl-C were pressed when the last,
 * which is set to standard output, has no reader any more. */
void ends_wait(struct pollfd *p, size_t n);
/* A line was printed: 0, or EXIT_FAILED after a message. A reader that is gone ends it. */
int ends_flush(void);

/* -- bus_line.c ---------------------------------------------------------------------------- */

struct mqshm_bus_message;

/* Prints a message, @sender being a name for its block or NULL: a line for people, or JSON. */
void bus_show(const struct mqshm_bus_message *m, const char *sender, bool json);

/* -- recording.c -------------------------------------------------------------------------- */

/* Shows what is in a recording, with @each also every message: EXIT_*. */
int recording_show(const char *name, bool each, bool json);

/* -- line.c: what several commands take; what is wrong ends the program -------------------- */

const char *line_block_name(const char *arg, struct argp_state *state);
const char *line_process_name(const char *arg, struct argp_state *state);
/* Adds KEY=VALUE, which is taken apart; @option stands before it in the message: "--param ". */
void line_add_param(struct mqshm_param **params, size_t *n, char *arg, const char *option,
		    struct argp_state *state);
uint64_t line_timeout_s(const char *arg, struct argp_state *state);

/* -- worker.c: the process that runs a block ------------------------------------------- */

/**
 * struct worker_options - a block to run
 * @runtime: name of the runtime
 * @ops: type of the block
 * @name: its name
 * @process_name: name of the process, for people
 * @params: array[@n_params]
 * @ready_fd: socket to a manager, as in mqshm_manager.h; -1 for none
 * @persistent: its connections are persistent
 * @place: where it runs
 * @made: called when the block is there and before it runs, by its name; 0 or an EXIT_*; may
 *	be NULL
 * @ended: says what it did, in the place of block_report(); EXIT_*; may be NULL
 * @arg: for both
 */
struct worker_options {
	const char *runtime;
	const struct mqshm_block_ops *ops;
	const char *name;
	const char *process_name;
	struct mqshm_param *params;
	size_t n_params;
	int ready_fd;
	bool persistent;
	struct mqshm_place place;
	int (*made)(const char *name, void *arg);
	int (*ended)(struct mqshm_instance *in, enum mqshm_result result, const char *sentence,
		     void *arg);
	void *arg;
};

/* Runs the block until it ends: EXIT_*. */
int worker_run(const struct worker_options *options);
/* The process gets its name, and says nothing in pieces; no command that a block runs has @ready_fd. */
void worker_begin(const char *process_name, int ready_fd);
/* Whether a process of blocks could be placed: 0, or EXIT_FAILED after a message about @error. */
int worker_place(const struct mqshm_place *place, int error);
/* Tells the manager that the block is there, and waits until it may run; false: it may not. */
bool worker_ready(int ready_fd);
/* Why a block was not made; frees @sentence (NULL is allowed). EXIT_FAILED. */
int block_start_failed(const char *runtime, const char *name, int error, char *sentence);
/* How a block ended, with what it did: EXIT_*. */
int block_report(const char *name, enum mqshm_result result, const char *sentence,
		 const struct mqshm_instance_stats *stats);

/* -- start.c: block types and their parameters -------------------------------------------- */

/* Whether the type takes it: 0, or EXIT_FAILED after a message. */
int block_param_check(const struct mqshm_block_ops *ops, const char *key);
/* What can be told without a process and without the module; 0, or EXIT_FAILED. */
int check_params(const struct worker_options *w, bool stdio);

/* -- supervise.c: processes that are watched ------------------------------------------------ */

/* The program that managers start. */
#define SELF "/proc/self/exe"

#define RESTART_FORM "it is no, on-failure or always, or one of them with a number of times, and of ms " \
	"before the first: always:20, always:20:50"

bool restart_parse(const char *s, struct mqshm_restart *out);
/* Starts a block and watches it until it ends for good: EXIT_*. */
int supervise_block(const char *runtime, const char *const *worker,
		    const struct mqshm_block_spec *spec, int ready_fd);
/* SIGINT and SIGTERM wait for supervise(); to be called before anything is started. */
void supervise_hold_signals(void);
/*
 * Watches all that the manager has started until it has ended for good. SIGINT and SIGTERM
 * let the streams come to their end, a second one stops all. @json: what becomes of
 * processes is also printed as JSON. EXIT_*.
 */
int supervise(struct mqshm_manager *m, bool json);
/* An object in a line; @event: MQSHM_EVENT_*. (run_json.c) */
void run_json_event(uint32_t event, const struct mqshm_process_info *p);

#endif /* MQTOOL_H */
