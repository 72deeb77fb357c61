/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libmqshm: move references to shared buffers between processes.
 *
 * Functions return 0 (or a count) or -errno; objects come back through the last
 * argument. Deadlines are absolute CLOCK_MONOTONIC nanoseconds (mqshm_now_ns()
 * and mqshm_after_ms() make them); MQSHM_NO_WAIT never sleeps, MQSHM_FOREVER
 * sleeps until something happens. The library prints nothing and has no global
 * state.
 *
 * Threads: a client, with its ports and buffers, is used by one thread at a time;
 * handing it to another thread with ordinary synchronisation is allowed. Library
 * calls that enter a client while another call is inside give -EBUSY (this is how
 * a signal handler is refused). After fork the child's handles are dead: -ESHUTDOWN.
 * A struct mqshm_runtime may be used by several threads at once, except to close it.
 * Behind each prototype, in the words of attributes(7): MT-Safe, or MT-Unsafe with what
 * two threads must not use at once.
 *
 * Errors that many functions may give, and that are not told again for each:
 * -EINVAL	an argument is not as described; also a port of the other direction, a buffer
 *		that the client does not hold, a length beyond its capacity
 * -ENOMEM	of memory, or of address space for a pool or a ring that came; the
 *		connection of such a ring is taken away
 * -EBUSY	functions of a client: see above
 * -ESHUTDOWN	detached, runtime removed, or after fork
 * -ENODEV, -EACCES, -EMFILE, -ENFILE, -EPROTONOSUPPORT
 *		functions that open a runtime by name: no module loaded; no right to open
 *		/dev/mqshm; too many descriptors; a module of another ABI than the library
 */
#ifndef MQSHM_H
#define MQSHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/mqshm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the shared library exports, however caller and library are compiled. */
#pragma GCC visibility push(default)

#define MQSHM_VERSION_MAJOR	0
#define MQSHM_VERSION_MINOR	1

#define MQSHM_NO_WAIT	((uint64_t)0)
#define MQSHM_FOREVER	UINT64_MAX

/* Now, and @ms milliseconds from now, for deadlines. */
uint64_t mqshm_now_ns(void); /* MT-Safe */
uint64_t mqshm_after_ms(uint64_t ms); /* MT-Safe */

/* Version of the shared library, "0.1". */
const char *mqshm_version(void); /* MT-Safe */

/* -- runtimes: create, look, change the graph ---------------------------- */
/* Threads: any call from any thread, several at once; closing a handle is the last. */

struct mqshm_runtime;

/**
 * struct mqshm_runtime_options - how to make a runtime; all zero is a private
 *	runtime of default limits that goes with its last client or holder
 * @mode: nine permission bits; 0 means 0700
 * @group: name of its group, NULL for the caller's
 * @persistent: stays until mqshm_runtime_remove()
 * @limits: bounds, 0 each for the default
 */
struct mqshm_runtime_options {
	uint32_t mode;
	const char *group;
	bool persistent;
	struct mqshm_limits limits;
};

/**
 * mqshm_runtime_create() - make a runtime of the caller's
 * @name: 1 to 31 bytes, no '/'
 * @options: NULL for the defaults
 * @out: the handle; close it with mqshm_runtime_close()
 *
 * -EEXIST it is there; -ENOENT no such group; -EPERM not in that group; -EDQUOT the
 * user has as many as one may have.
 */
int mqshm_runtime_create(const char *name,
			 const struct mqshm_runtime_options *options,
			 struct mqshm_runtime **out); /* MT-Safe */

/**
 * mqshm_runtime_open() - bind to a runtime to look at it and change its graph
 * @name: "name" of the caller's own, "user/name" of another's
 * @out: the handle; close it with mqshm_runtime_close()
 *
 * -ENOENT; -EACCES its mode does not let the caller in; -ESRCH no such user.
 */
int mqshm_runtime_open(const char *name, struct mqshm_runtime **out); /* MT-Safe */

/* Either of the two, atomically; *created (may be NULL) says which. Errors of both. */
int mqshm_runtime_open_or_create(const char *name,
				 const struct mqshm_runtime_options *options,
				 bool *created, struct mqshm_runtime **out); /* MT-Safe */

/* NULL is allowed. */
void mqshm_runtime_close(struct mqshm_runtime *rt); /* MT-Unsafe race:rt */

/* Descriptor to poll: readable when something came or went. Borrowed. */
int mqshm_runtime_fd(const struct mqshm_runtime *rt); /* MT-Safe */

/**
 * mqshm_runtime_remove() - remove it
 * @rt: handle, to be closed afterwards all the same
 * @force: also when clients use it: rings end, waits return
 * @clients: number of clients that use or used it, may be NULL
 *
 * -EBUSY; -EPERM.
 */
int mqshm_runtime_remove(struct mqshm_runtime *rt, bool force, uint32_t *clients); /* MT-Safe */

/**
 * mqshm_runtime_wait() - sleep until a client, block, connection or pool comes or goes
 * @changes: count from a snapshot (or 0), updated
 *
 * -ETIMEDOUT; -EINTR; -ESHUTDOWN.
 */
int mqshm_runtime_wait(struct mqshm_runtime *rt, uint64_t *changes, uint64_t deadline_ns); /* MT-Safe */

/**
 * mqshm_pool_create() - add a pool
 * @name: 1 to 31 bytes
 * @buffer_bytes: 64 bytes to 16 MiB
 * @buffers: how many
 *
 * -EEXIST; -EACCES; -ENOSPC runtime's limit; -EDQUOT user's limit; -EINTR a signal came:
 * nothing was made, call again.
 */
int mqshm_pool_create(struct mqshm_runtime *rt, const char *name,
		      uint32_t buffer_bytes, uint32_t buffers); /* MT-Safe */

/**
 * struct mqshm_pool_options - where a pool is to be; all zero: wherever there is memory
 * @huge: payload on huge pages, as far as there are any: huge_bytes of the pool's record, in
 *	a snapshot, is how much of it is
 * @on_node: on one NUMA node; payload nowhere else
 * @node: which
 */
struct mqshm_pool_options {
	bool huge;
	bool on_node;
	uint32_t node;
};

/*
 * The same with @options, NULL for the defaults. -EOPNOTSUPP huge, and this machine has no
 * huge pages; -ENOENT no such node, or one without memory; -EPERM the caller's cpuset has
 * not that node; -ENOMEM also if another node has memory left.
 */
int mqshm_pool_create_with(struct mqshm_runtime *rt, const char *name, uint32_t buffer_bytes,
			   uint32_t buffers, const struct mqshm_pool_options *options); /* MT-Safe */

/**
 * mqshm_connect() - join an output to an input
 * @from: "block:port"; "block" alone if it has one output
 * @to: "block:port"; "block" alone if it has one input
 * @id: number of the connection, may be NULL
 *
 * -ENOENT; -EINVAL wrong direction or form; -EEXIST; -EACCES; -ENOSPC; -EINTR.
 */
int mqshm_connect(struct mqshm_runtime *rt, const char *from, const char *to, uint64_t *id); /* MT-Safe */

/**
 * struct mqshm_connect_options - how to connect; all zero is what mqshm_connect() does
 * @policy: MQSHM_POLICY_*: what the producer does when the queue is full
 * @persistent: stays until mqshm_disconnect(): when a block goes, however that came, the
 *	next one of its name, of the same user and with such a port, takes its place
 * @keep: and what is queued for an input that goes waits for the next one, with
 *	@persistent only
 * @tap: it only looks on, with a policy that drops: an output that has nothing but taps is
 *	not connected, and its block waits
 * @transient: not persistent, although a block of a client with that option is at an end
 * @keep_ns: for so long; 0 for MQSHM_KEEP_DEFAULT_NS, MQSHM_KEEP_FOREVER
 */
struct mqshm_connect_options {
	uint32_t policy;
	bool persistent;
	bool keep;
	bool tap;
	bool transient;
	uint64_t keep_ns;
};

/* The same with @options, NULL for the defaults. -EINVAL also a tap that does not drop. */
int mqshm_connect_with(struct mqshm_runtime *rt, const char *from, const char *to,
		       const struct mqshm_connect_options *options, uint64_t *id); /* MT-Safe */

/*
 * Take a connection away: what is queued is still delivered, if there is anybody to read it.
 * -ENOENT, -EACCES.
 */
int mqshm_disconnect(struct mqshm_runtime *rt, uint64_t id); /* MT-Safe */

/* Ask a block to end, by its number. -ENOENT, -EACCES. */
int mqshm_block_request_stop(struct mqshm_runtime *rt, uint64_t block_id); /* MT-Safe */

/* -- snapshots -------------------------------------------------------------- */
/* Threads: making one as above; a snapshot is constant and may be read by all. */

/**
 * struct mqshm_snapshot - everything in a runtime at one moment
 * @now_ns: when it was taken
 * @changes: count for mqshm_runtime_wait()
 *
 * The arrays hold the kernel's records, described in <linux/mqshm.h>. Belongs to
 * the caller: mqshm_snapshot_free().
 */
struct mqshm_snapshot {
	uint64_t now_ns;
	uint64_t changes;
	struct mqshm_runtime_record *runtimes;
	size_t n_runtimes;
	struct mqshm_pool_record *pools;
	size_t n_pools;
	struct mqshm_client_record *clients;
	size_t n_clients;
	struct mqshm_block_record *blocks;
	size_t n_blocks;
	struct mqshm_port_record *ports;
	size_t n_ports;
	struct mqshm_connection_record *connections;
	size_t n_connections;
	struct mqshm_departed_record *departed;
	size_t n_departed;
};

/* The runtimes that the caller may read. -ENODEV, -EACCES, -ENOMEM. */
int mqshm_runtimes_snapshot(struct mqshm_snapshot **out); /* MT-Safe */
/* One runtime with all that is in it; also of one that was removed. -ENOMEM. */
int mqshm_runtime_snapshot(struct mqshm_runtime *rt, struct mqshm_snapshot **out); /* MT-Safe */
/* NULL is allowed. */
void mqshm_snapshot_free(struct mqshm_snapshot *snap); /* MT-Unsafe race:snap */

/* Find in a snapshot; NULL if there is none. Pointers live as long as @snap. */
const struct mqshm_block_record *
mqshm_snapshot_find_block(const struct mqshm_snapshot *snap, const char *name); /* MT-Safe */
const struct mqshm_block_record *
mqshm_snapshot_block(const struct mqshm_snapshot *snap, uint64_t id); /* MT-Safe */
const struct mqshm_client_record *
mqshm_snapshot_client(const struct mqshm_snapshot *snap, uint64_t id); /* MT-Safe */
const struct mqshm_port_record *
mqshm_snapshot_port(const struct mqshm_snapshot *snap, uint32_t port); /* MT-Safe */
/* @port NULL: the only port of that direction. */
const struct mqshm_port_record *
mqshm_snapshot_find_port(const struct mqshm_snapshot *snap, uint64_t block,
			 const char *port, uint32_t direction); /* MT-Safe */
const struct mqshm_pool_record *
mqshm_snapshot_find_pool(const struct mqshm_snapshot *snap, const char *name); /* MT-Safe */
/* The smallest pool whose buffers take @bytes. */
const struct mqshm_pool_record *
mqshm_snapshot_fit_pool(const struct mqshm_snapshot *snap, size_t bytes); /* MT-Safe */
/* The connection after @prev (NULL: the first) of output @port. */
const struct mqshm_connection_record *
mqshm_snapshot_downstream(const struct mqshm_snapshot *snap, uint32_t port,
			  const struct mqshm_connection_record *prev); /* MT-Safe */

/* -- who holds buffers --------------------------------------------------------- */
/* Threads: as for snapshots. */

/**
 * struct mqshm_holders - who holds which buffers
 * @now_ns: when it was found out
 * @holders: array[@n_holders] of the kernel's records, described in <linux/mqshm.h>: those
 *	whose buffers were allocated first come first, those in reserve last
 * @n_holders: how many: a buffer has one for each client with references to it, and for
 *	each message
 *
 * Belongs to the caller: mqshm_holders_free().
 */
struct mqshm_holders {
	uint64_t now_ns;
	struct mqshm_holder_record *holders;
	size_t n_holders;
};

/**
 * mqshm_runtime_holders() - who holds which buffers of a runtime
 *
 * Not of one moment: a buffer that moves meanwhile may be told twice or not at all. One
 * that rests, as one that is leaked does, is told once for each who holds it.
 *
 * -ENOMEM.
 */
int mqshm_runtime_holders(struct mqshm_runtime *rt, struct mqshm_holders **out); /* MT-Safe */
/* NULL is allowed. */
void mqshm_holders_free(struct mqshm_holders *list); /* MT-Unsafe race:list */

/* -- monitors ---------------------------------------------------------------- */
/* Threads: one at a time for each monitor. */

struct mqshm_monitor;

/**
 * mqshm_monitor_open() - watch what comes, goes, dies or stalls, from now on
 * @name: a runtime, as for mqshm_runtime_open(); NULL for which runtimes come and go
 * @out: the monitor; close it with mqshm_monitor_close()
 *
 * It is no client and is not listed. What was there before: mqshm_monitor_snapshot().
 *
 * -ENOENT; -EACCES; -ESRCH.
 */
int mqshm_monitor_open(const char *name, struct mqshm_monitor **out); /* MT-Safe */

/**
 * mqshm_monitor_snapshot() - what is there now in what it watches
 *
 * It has all that notices up to its now_ns tell of, and nothing that later ones do; of
 * one runtime, also when that was removed. -ENOMEM.
 */
int mqshm_monitor_snapshot(struct mqshm_monitor *m, struct mqshm_snapshot **out); /* MT-Unsafe race:monitor */

/**
 * mqshm_monitor_next() - the next notice, in the order in which things happened
 * @out: what happened, described in <linux/mqshm.h>
 *
 * A reader may be MQSHM_NOTICES behind; one that is slower finds a notice that says
 * how many it lost (MQSHM_CHANGE_LOST) and goes on with those that are kept.
 *
 * -EAGAIN (MQSHM_NO_WAIT); -ETIMEDOUT; -EINTR; -ESHUTDOWN the runtime was removed, and
 * everything before that has been read.
 */
int mqshm_monitor_next(struct mqshm_monitor *m, struct mqshm_notice *out,
		       uint64_t deadline_ns); /* MT-Unsafe race:monitor */

/* Descriptor to poll for POLLIN; then call mqshm_monitor_next() until -EAGAIN. Borrowed. */
int mqshm_monitor_fd(const struct mqshm_monitor *m); /* MT-Safe */

/* NULL is allowed. */
void mqshm_monitor_close(struct mqshm_monitor *m); /* MT-Unsafe race:monitor */

/* -- clients ---------------------------------------------------------------- */
/* Threads: joining from any thread; everything else from one at a time. */

struct mqshm_client;

/**
 * struct mqshm_client_options - how to join; all zero is a standalone native client
 * @process_name: shown to people; NULL for the program's name
 * @role: MQSHM_ROLE_*
 * @read_only: payload is mapped read-only
 * @direct_io: devices write into its buffers: should it die, those in its hands stay
 *	out of use until its descriptor is released. Register mqshm_client_fd() as a
 *	fixed file of the io_uring: then that comes after the last request
 * @spin_ns: how long a wait looks before it sleeps; 0 for the default,
 *	UINT64_MAX for not at all
 * @persistent: its blocks come back when they are gone, as somebody starts them again: all
 *	connections that anybody makes of them are persistent, but for those that are
 *	made transient
 */
struct mqshm_client_options {
	const char *process_name;
	uint32_t role;
	bool read_only;
	bool direct_io;
	uint64_t spin_ns;
	bool persistent;
};

/**
 * mqshm_client_join() - become a client of a runtime
 * @name: as for mqshm_runtime_open()
 * @options: NULL for the defaults
 * @out: the client; end it with mqshm_client_close()
 *
 * -ENOSPC the runtime has all the clients it takes; -EACCES; -ENOENT; -ESRCH;
 * -EOPNOTSUPP a 32-bit program.
 */
int mqshm_client_join(const char *name, const struct mqshm_client_options *options,
		      struct mqshm_client **out); /* MT-Safe */

/* Leaves: what the client holds goes back. NULL is allowed. Not from a signal handler
 * that returns into a call of this client. */
void mqshm_client_close(struct mqshm_client *c); /* MT-Unsafe race:client */

/* Number of the client, never used again; 0 after fork. */
uint64_t mqshm_client_id(const struct mqshm_client *c); /* MT-Safe */

/**
 * mqshm_client_fd() - descriptor for an event loop; borrowed
 *
 * EPOLLIN: an input has something to be seen, or call mqshm_client_update();
 * EPOLLOUT: every output has room. Before polling edge-triggered, and each time
 * before going to sleep, call mqshm_client_flush().
 */
int mqshm_client_fd(const struct mqshm_client *c); /* MT-Safe */

/* Whether it joined with @direct_io: devices may be told to write into its buffers. */
bool mqshm_client_direct_io(const struct mqshm_client *c); /* MT-Safe */

/* Publish everything that is held back (cursors, pushes with MQSHM_MORE) and give
 * spare buffers back: for a caller that goes to sleep outside the library. */
int mqshm_client_flush(struct mqshm_client *c); /* MT-Unsafe race:client */

/**
 * mqshm_client_update() - take in changes of the graph
 *
 * Waiting, pushing and popping do it by themselves; needed only in an event loop.
 * Returns 1 if something changed, else 0.
 */
int mqshm_client_update(struct mqshm_client *c); /* MT-Unsafe race:client */

/**
 * mqshm_client_recover() - go on after a longjmp out of a call
 *
 * For a signal handler that leaves a call of the library by siglongjmp(): until then
 * every call gives -EBUSY. Completes or undoes the operation and gives spare buffers
 * back. What the call was to hand out, messages or further references (a push to several
 * connections makes them too), is lost to the program and stays in the client's hand
 * until it leaves; a buffer that it was to take was taken if the next call with it gives
 * -EINVAL. To be called where the jump arrives, never by the handler itself.
 */
int mqshm_client_recover(struct mqshm_client *c); /* MT-Unsafe race:client */

/* -- blocks and ports -------------------------------------------------------- */
/* Threads: each call from one thread of the client at a time. */

struct mqshm_block;
struct mqshm_port;

#define MQSHM_PORT_OPTIONAL	(1U << 0) /* output without connection discards */

/* One port of a new block; @depth as in struct mqshm_port_desc. */
struct mqshm_port_spec {
	const char *name;
	uint32_t direction;
	uint32_t depth;
	uint32_t flags;
};

/**
 * mqshm_block_create() - add a block with all its ports
 * @name: 1 to 63 bytes, no ':', unique in the runtime
 * @type: 1 to 31 bytes
 * @class_: MQSHM_CLASS_*
 * @ports: array[@n_ports]
 * @out: the block; belongs to @c, end it with mqshm_block_remove()
 *
 * -EEXIST; -ENOSPC; -EINVAL.
 */
int mqshm_block_create(struct mqshm_client *c, const char *name, const char *type,
		       uint32_t class_, const struct mqshm_port_spec *ports,
		       size_t n_ports, struct mqshm_block **out); /* MT-Unsafe race:client */
/* Ends its connections and frees it with its ports. NULL is allowed. While another call
 * is inside the client it does nothing: the block is there as before. */
void mqshm_block_remove(struct mqshm_block *b); /* MT-Unsafe race:client */

uint64_t mqshm_block_id(const struct mqshm_block *b); /* MT-Safe */
/* Somebody asked this block to end. */
bool mqshm_block_stop_requested(const struct mqshm_block *b); /* MT-Unsafe race:client */
/* Borrowed; NULL if there is none of that name. */
struct mqshm_port *mqshm_block_port(const struct mqshm_block *b, const char *name); /* MT-Unsafe race:client */

/* Connections that the port has now. */
size_t mqshm_port_connections(const struct mqshm_port *p); /* MT-Unsafe race:client */

/* -- buffers ------------------------------------------------------------------ */
/* Threads: each call from one thread of the client at a time; payload as the program agrees. */

#define MQSHM_NO_BUFFER	UINT32_MAX

/**
 * struct mqshm_buffer - one reference to a buffer, in the hands of a client
 * @number: its number, MQSHM_NO_BUFFER if this is none
 * @length: payload bytes, 0 to capacity; travels with a push
 */
struct mqshm_buffer {
	uint32_t number;
	uint32_t length;
};

/**
 * mqshm_buffer_alloc() - take a free buffer
 * @bytes: capacity needed; from the smallest pool that fits, or a larger one if
 *	that is empty
 * @out: length is @bytes; end it by a push or mqshm_buffer_release()
 *
 * -EMSGSIZE no pool has buffers that large; -EAGAIN none free (MQSHM_NO_WAIT), or
 * the graph changed meanwhile (look for a stop request and call again);
 * -ETIMEDOUT; -EINTR; -EACCES the client is @read_only.
 */
int mqshm_buffer_alloc(struct mqshm_client *c, size_t bytes, uint64_t deadline_ns,
		       struct mqshm_buffer *out); /* MT-Unsafe race:client */
/* Up to @n of @bytes each, waiting for the first alone; returns how many, or the error if none. */
int mqshm_buffer_alloc_many(struct mqshm_client *c, size_t bytes, uint64_t deadline_ns,
			    struct mqshm_buffer *out, size_t n); /* MT-Unsafe race:client */
/* The same from one pool, by name. -ENOENT. */
int mqshm_buffer_alloc_from(struct mqshm_client *c, const char *pool,
			    uint64_t deadline_ns, struct mqshm_buffer *out); /* MT-Unsafe race:client */

/* Payload; valid while the reference is held. NULL if @buf is none. */
void *mqshm_buffer_data(struct mqshm_client *c, const struct mqshm_buffer *buf); /* MT-Unsafe race:client */
size_t mqshm_buffer_capacity(struct mqshm_client *c, const struct mqshm_buffer *buf); /* MT-Unsafe race:client */
/**
 * mqshm_buffer_region() - the mapping that a buffer's payload lies in
 * @start: of the mapping, which has all buffers of the pool, and stays until the client
 *	is closed
 * @bytes: its length
 *
 * To be registered with io_uring, which takes 1 GB at a time, as fixed buffers. Buffers of
 * 4096 bytes and more begin at a page, as direct I/O wants it; smaller ones at a multiple
 * of 64. -EINVAL.
 */
int mqshm_buffer_region(struct mqshm_client *c, const struct mqshm_buffer *buf,
			void **start, size_t *bytes); /* MT-Unsafe race:client */
/*
 * Number of this allocation, below 2^52. It is used again when the same buffer has been
 * allocated 2^32 times more.
 */
uint64_t mqshm_buffer_id(struct mqshm_client *c, const struct mqshm_buffer *buf); /* MT-Unsafe race:client */
uint64_t mqshm_buffer_alloc_ns(struct mqshm_client *c, const struct mqshm_buffer *buf); /* MT-Unsafe race:client */
uint64_t mqshm_buffer_data_ns(struct mqshm_client *c, const struct mqshm_buffer *buf); /* MT-Unsafe race:client */
/* For the source of the data; -EPERM unless it is the sole holder. */
int mqshm_buffer_set_data_ns(struct mqshm_client *c, const struct mqshm_buffer *buf,
			     uint64_t ns); /* MT-Unsafe race:client */

/* One more reference to the same buffer. -EOVERFLOW. */
int mqshm_buffer_share(struct mqshm_client *c, const struct mqshm_buffer *buf,
		       struct mqshm_buffer *out); /* MT-Unsafe race:client */
/*
 * Drops the reference; @buf is none afterwards. None is allowed. Free buffers come and go
 * between a client and the kernel 128 at a time, or an eighth of the pool. Where that is
 * too much, messages that go back over a connection need no call: the buffer itself,
 * pushed back for its sender to fill again (mqshm_buffer_is_sole()), or an answer.
 */
int mqshm_buffer_release(struct mqshm_client *c, struct mqshm_buffer *buf); /* MT-Unsafe race:client */
/* All @n of @bufs, among which may be none; those before one that is no buffer of this
 * client's are gone when that is told. */
int mqshm_buffer_release_many(struct mqshm_client *c, struct mqshm_buffer *bufs, size_t n); /* MT-Unsafe race:client */
/* Whether nobody else has a reference, so that the payload may be changed. */
bool mqshm_buffer_is_sole(struct mqshm_client *c, const struct mqshm_buffer *buf); /* MT-Unsafe race:client */
/* Makes @buf changeable: as it is for a sole holder, else a copy that takes its
 * place. Errors as mqshm_buffer_alloc(); then @buf is as it was. */
int mqshm_buffer_make_writable(struct mqshm_client *c, struct mqshm_buffer *buf,
			       uint64_t deadline_ns); /* MT-Unsafe race:client */

/* -- moving references --------------------------------------------------------- */
/* Threads: each call from one thread of the client at a time. */

#define MQSHM_MORE	(1U << 0)	/* more pushes follow at once: wake later */

/**
 * mqshm_port_push() - pass a reference on to every connection of an output
 * @buf: consumed (none afterwards) on success, untouched on error
 * @flags: MQSHM_MORE or 0
 *
 * All or nothing, but for connections that drop (MQSHM_POLICY_DROP_*): one of those that
 * is full drops a message, and counts it. -EAGAIN a ring is full; -ENOTCONN no connection (an optional
 * port discards and succeeds); -EPIPE the end was announced.
 */
int mqshm_port_push(struct mqshm_port *p, struct mqshm_buffer *buf, uint32_t flags); /* MT-Unsafe race:client */
/* Up to @n of @bufs in order; returns how many, or the error if none. */
int mqshm_port_push_many(struct mqshm_port *p, struct mqshm_buffer *bufs, size_t n,
			 uint32_t flags); /* MT-Unsafe race:client */
/* Wakes consumers of what was pushed with MQSHM_MORE. */
int mqshm_port_flush(struct mqshm_port *p); /* MT-Unsafe race:client */
/* Announces the end: consumers see it after the last message. */
int mqshm_port_end(struct mqshm_port *p); /* MT-Unsafe race:client */

/**
 * mqshm_port_pop() - take the next message of an input
 * @out: the reference, now this client's
 *
 * Connections are served in turn; order is kept per connection. -EAGAIN nothing
 * now; -ENODATA every connection it had ended by announcement, and all was read. A
 * persistent connection whose producer is gone without that has not ended: -EAGAIN.
 * -EPROTO a message that cannot be: its connection was let go of.
 */
int mqshm_port_pop(struct mqshm_port *p, struct mqshm_buffer *out); /* MT-Unsafe race:client */
/* Up to @n; returns how many, or the error if none. */
int mqshm_port_pop_many(struct mqshm_port *p, struct mqshm_buffer *out, size_t n); /* MT-Unsafe race:client */

bool mqshm_port_has_input(struct mqshm_port *p); /* MT-Unsafe race:client */
/* Messages queued now. */
size_t mqshm_port_input_size(struct mqshm_port *p); /* MT-Unsafe race:client */
/* Every connection it had ended by announcement, and all was read. */
bool mqshm_port_ended(struct mqshm_port *p); /* MT-Unsafe race:client */
/* Whether a push would find room in every ring that does not drop. */
bool mqshm_port_has_room(struct mqshm_port *p); /* MT-Unsafe race:client */
/* Connections lost so far by death, and by being taken away. */
uint64_t mqshm_port_deaths(const struct mqshm_port *p); /* MT-Unsafe race:client */
uint64_t mqshm_port_disconnects(const struct mqshm_port *p); /* MT-Unsafe race:client */
/*
 * Messages that did not reach an input because its connections dropped them. A connection
 * that drops the oldest tells exactly: those were before the message that was popped last,
 * and behind the one before it; one that drops the newest, how many so far. Of a persistent
 * one those count that were dropped since this block has it.
 */
uint64_t mqshm_port_missed(const struct mqshm_port *p); /* MT-Unsafe race:client */

/**
 * mqshm_wait() - sleep until one of several ports is ready
 * @ports: array[@n], 0 to 64 of one client
 * @ready: bit i: ports[i] is ready: an input with a message or an end to be seen,
 *	a connected output with room; may be NULL
 *
 * Returns 1 if a port is ready; 0 if the graph changed (a connection came or went,
 * a stop was asked for). -ETIMEDOUT, -EINTR.
 */
int mqshm_wait(struct mqshm_client *c, struct mqshm_port *const *ports, size_t n,
	       uint64_t deadline_ns, uint64_t *ready); /* MT-Unsafe race:client */

/**
 * mqshm_port_set_eventfd() - have an eventfd of the caller's signalled
 * @fd: -1 takes it away
 *
 * Of an input. Signalled once after each mqshm_port_arm() that returned 0. -EBADF, -EINVAL
 * no eventfd.
 */
int mqshm_port_set_eventfd(struct mqshm_port *p, int fd); /* MT-Unsafe race:client */
/* -EAGAIN: there is something already, nothing is armed. -EINVAL: it has no eventfd.
 * Flushes as a wait does. */
int mqshm_port_arm(struct mqshm_port *p); /* MT-Unsafe race:client */

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* MQSHM_H */
