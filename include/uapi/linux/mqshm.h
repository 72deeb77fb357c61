/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The ABI of /dev/mqshm: commands, records, mapped regions. Its only definition.
 *
 * Every command takes a struct that starts with its size in bytes, at least the
 * size it had when the command was introduced. A struct shorter than the
 * kernel's is taken as if the rest were zero; a longer one is taken if the rest is
 * zero, else E2BIG. RETURN, REF and KICK may end behind the last element that is
 * used. Unknown flags and non-zero reserved bytes give EINVAL. Success returns 0;
 * what comes back is in the fields named out_*, which are ignored on entry. Times are
 * CLOCK_MONOTONIC nanoseconds; deadlines are absolute and 0 means for ever. Names are
 * NUL-terminated and have no control characters.
 *
 * Errors with one meaning everywhere: ENOTTY unknown command; E2BIG unknown
 * tail; EINVAL understood but wrong; EOPNOTSUPP known but not supported;
 * EBADFD the descriptor is not in the state the command needs (not bound to a
 * runtime, not a client); ESHUTDOWN the client was detached or the runtime
 * removed; EPERM another process than the one that joined, or not allowed;
 * ENOENT no such object; EEXIST name taken; EAGAIN nothing now; ENOSPC limit of
 * the runtime reached; EDQUOT limit of the user reached; ETIMEDOUT.
 */
#ifndef _UAPI_LINUX_MQSHM_H
#define _UAPI_LINUX_MQSHM_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MQSHM_MAGIC		0x6d71736864617461ULL	/* "mqshdata" */
#define MQSHM_ABI_VERSION	1

/* Sizes of names, the terminating NUL included. */
#define MQSHM_RUNTIME_NAME_LEN	32
#define MQSHM_POOL_NAME_LEN	32
#define MQSHM_PROCESS_NAME_LEN	64
#define MQSHM_BLOCK_NAME_LEN	64
#define MQSHM_TYPE_NAME_LEN	32
#define MQSHM_PORT_NAME_LEN	32

/* Hard bounds, given by the width of fields below. */
#define MQSHM_BATCH_MAX		64	/* entries of a batch command */
#define MQSHM_LEASE_MAX		128	/* buffers of a LEASE or RETURN */
#define MQSHM_TOGGLES		48	/* clients with a toggle bit */
#define MQSHM_CLIENTS_MAX	256	/* clients of a runtime */
#define MQSHM_POOLS_MAX		32	/* pools of a runtime */
#define MQSHM_BUFFERS_MAX	(1U << 20)	/* buffers of a runtime */
#define MQSHM_RINGS_MAX		(1U << 16)	/* connections of a runtime */
#define MQSHM_DEPTH_MAX		(1U << 16)	/* queue depth of a connection */
#define MQSHM_DEPTH_DEFAULT	256
#define MQSHM_BUFFER_BYTES_MIN	64
#define MQSHM_BUFFER_BYTES_MAX	(16U << 20)
#define MQSHM_LENGTH_MAX	((1U << 28) - 1)	/* payload length in a slot */

/* -- what lies in shared memory ----------------------------------------- */

/*
 * W[b], one word a buffer: number of references, and a toggle bit a client.
 * Changed by atomic read-modify-write only.
 */
#define MQSHM_W_COUNT_MASK	0xffffULL
#define MQSHM_W_COUNT_MAX	0x4000	/* a DUP beyond is refused */
#define MQSHM_W_TOGGLE(c)	(1ULL << (16 + (c)))

/* A ring slot: buffer 0..19, user (payload length) 20..47, lap 48..63. */
#define MQSHM_SLOT_BUFFER(s)	((__u32)((s) & 0xfffff))
#define MQSHM_SLOT_USER(s)	((__u32)(((s) >> 20) & 0xfffffff))
#define MQSHM_SLOT_LAP(s)	((__u16)((s) >> 48))
#define MQSHM_SLOT(b, user, lap) \
	((__u64)(b) | (__u64)(user) << 20 | (__u64)(__u16)(lap) << 48)
/* Lap of cursor @t in a ring of 1 << @shift slots; slots start as 0. */
#define MQSHM_LAP(t, shift)	((__u16)(((t) >> (shift)) + 1))

/* The intent word: what a client is about to do and the value before. */
#define MQSHM_OP_NONE		0
#define MQSHM_OP_PUSH		1
#define MQSHM_OP_POP		2
#define MQSHM_OP_DUP		3
#define MQSHM_OP_RELEASE	4
#define MQSHM_OP_DROP		5	/* a producer's, of the oldest message */
#define MQSHM_INTENT_OP(i)	((unsigned int)((i) & 7))
#define MQSHM_INTENT_PAR(i)	((unsigned int)(((i) >> 3) & 1))
#define MQSHM_INTENT_BUFFER(i)	((__u32)(((i) >> 4) & 0xfffff))
#define MQSHM_INTENT_HOLD(i)	((__u16)((i) >> 24))
#define MQSHM_INTENT_N(i)	((__u8)((i) >> 40))
#define MQSHM_INTENT_RING(i)	((__u16)((i) >> 48))
#define MQSHM_INTENT(op, par, b, hold, n, ring) \
	((__u64)(op) | (__u64)(par) << 3 | (__u64)(b) << 4 | \
	 (__u64)(hold) << 24 | (__u64)(n) << 40 | (__u64)(ring) << 48)

#define MQSHM_WAITS_NOT		0	/* it works, or has its turn soon */
#define MQSHM_WAITS_INPUT	1
#define MQSHM_WAITS_SPACE	2	/* in the queues behind an output, or a connection there */
#define MQSHM_WAITS_BUFFER	3
#define MQSHM_WAITS_TIME	4	/* for a time, or something outside, as a file */

/**
 * struct mqshm_block_stats - what a block did, as its client tells
 * @block: number of the block; 0: nothing is told
 * @work_count: calls of its work
 * @work_ns: time in them, what they waited included
 * @last_work_ns: time in the last one
 * @p99_work_ns: 99 of 100 took no longer, to a quarter
 * @input_ns: time it waited for input
 * @space_ns: time it waited for space
 * @buffer_ns: time it waited for buffers
 * @since_ns: when it began to wait, if @waits says for what
 * @waits: MQSHM_WAITS_*
 * @copies: messages that it copied, to change what others hold too, so far; modulo 2^32
 * @time_ns: time it waited for a time, or something outside
 */
struct mqshm_block_stats {
	__u64 block;
	__u64 work_count;
	__u64 work_ns;
	__u64 last_work_ns;
	__u64 p99_work_ns;
	__u64 input_ns;
	__u64 space_ns;
	__u64 buffer_ns;
	__u64 since_ns;
	__u32 waits;
	__u32 copies;
	__u64 time_ns;
};

/**
 * struct mqshm_control - a client's own cells (MQSHM_MMAP_CONTROL, read-write)
 * @intent: record of the operation in progress or last done
 * @busy: not 0 while an operation runs; read by the client only
 * @progress: ticked by library calls; a client without a tick for 5 s that does
 *	not sleep in this module is shown as stalled
 * @allocated: buffers handed to the program so far
 * @freed: buffers of which this client dropped the last reference so far
 * @stats: of its blocks, each at its out_slot (MQSHM_IOC_BLOCK_CREATE); out_stats
 *	(MQSHM_IOC_CLIENT_JOIN) elements
 *
 * Only the client writes it (the kernel clears @intent inside the client's own
 * calls). What the kernel reads from it is only ever shown, @intent apart.
 */
struct mqshm_control {
	__u64 intent;
	__u32 busy;
	__u32 reserved0[13];
	__u64 progress;
	__u64 allocated;
	__u64 freed;
	__u64 reserved1[5];
	struct mqshm_block_stats stats[];
};

/**
 * struct mqshm_ring_producer - producer's part of a ring
 *	(MQSHM_MMAP_PRODUCER: read-write for the producer, read-only else)
 * @tail: cursor of the next slot to fill; only the producer and the kernel use it
 * @bytes: payload bytes pushed so far
 * @dropped: messages that the ring should have got and found no room for
 * @slots: 1 << shift slots; a slot is published by its lap
 */
struct mqshm_ring_producer {
	__u64 tail;
	__u64 bytes;
	__u64 dropped;
	__u64 reserved[13];
	__u64 slots[];
};

/**
 * struct mqshm_ring_consumer - consumer's part of a ring
 *	(MQSHM_MMAP_CONSUMER: read-write for the consumer, read-only else)
 * @phead: cursor of the next slot to empty; commits a pop. In a ring that drops the
 *	oldest both ends write it, by compare-and-swap, with a toggle of each in it
 * @head: copy of @phead that the producer looks at, published now and then; not used in
 *	a ring that drops the oldest
 */
struct mqshm_ring_consumer {
	__u64 phead;
	__u64 reserved0[15];
	__u64 head;
	__u64 reserved1[15];
};

/* In @phead of a ring that drops the oldest: the cursor, and who swapped it last. */
#define MQSHM_CURSOR_MASK	((1ULL << 62) - 1)
#define MQSHM_CURSOR_POP	(1ULL << 63)	/* flipped by each pop */
#define MQSHM_CURSOR_DROP	(1ULL << 62)	/* flipped by each drop */

/* Flags of a ring, written by the kernel only. */
#define MQSHM_RING_SLEEPING	(1U << 0)	/* consumer wants a KICK when a slot is filled */
#define MQSHM_RING_PSLEEPING	(1U << 1)	/* producer wants a KICK when head moves */
#define MQSHM_RING_CLOSED	(1U << 2)	/* push no more */
#define MQSHM_RING_EOF		(1U << 3)	/* the producer announced the end */
#define MQSHM_RING_DEAD		(1U << 4)	/* the producer died without that */
#define MQSHM_RING_DISCONNECTED	(1U << 5)	/* the connection was taken away */
#define MQSHM_RING_AWAY		(1U << 6)	/* the producer is gone, another may come */
#define MQSHM_RING_KEPT		(1U << 7)	/* the consumer is gone, another may come */
/* What the connection was made with; these never change. */
#define MQSHM_RING_DROP_NEWEST	(1U << 16)	/* MQSHM_POLICY_DROP_NEWEST */
#define MQSHM_RING_DROP_OLDEST	(1U << 17)	/* MQSHM_POLICY_DROP_OLDEST */
#define MQSHM_RING_PERSISTENT	(1U << 18)	/* MQSHM_CONNECT_F_PERSISTENT */
#define MQSHM_RING_KEEP		(1U << 19)	/* MQSHM_CONNECT_F_KEEP */
#define MQSHM_RING_TAP		(1U << 20)	/* MQSHM_CONNECT_F_TAP */

/**
 * struct mqshm_status - head of the runtime's status region
 *	(MQSHM_MMAP_STATUS, read-only; written by the kernel only)
 * @magic: MQSHM_MAGIC
 * @version: MQSHM_ABI_VERSION
 * @wanted: for each pool: not 0 while somebody waits for a buffer of it; a
 *	client that sees it gives its spare buffers back
 * @gen: for each client index: changes when the client has something to learn
 *	by MQSHM_IOC_CLIENT_SYNC (a connection made or taken away, a stop asked for)
 *
 * The line of flags of ring k lies at MQSHM_STATUS_RING(k).
 */
struct mqshm_status {
	__u64 magic;
	__u32 version;
	__u32 reserved0[13];
	__u32 wanted[MQSHM_POOLS_MAX];
	__u32 reserved1[16];
	__u64 gen[MQSHM_CLIENTS_MAX];
};

#define MQSHM_STATUS_RING(k)	(4096ULL + 128ULL * (k))

/**
 * struct mqshm_meta - what travels with a buffer (MQSHM_MMAP_META)
 * @alloc_ns: when it was allocated; 0 while a client has it in reserve
 * @data_ns: when its data came into being; set by the source, kept on the way
 *
 * Behind those of all buffers of a pool, at MQSHM_META_SERIAL(buffers), lies an array of
 * __u32 by buffer: its serial, the number of times that it was allocated, modulo 2^32. With
 * the buffer's number it makes its id, serial << 20 | number. Written by the sole holder. The
 * kernel only shows it.
 */
struct mqshm_meta {
	__u64 alloc_ns;
	__u64 data_ns;
};

#define MQSHM_META_SERIAL(buffers)	(16ULL * (buffers))
#define MQSHM_META_BYTES(buffers)	(20ULL * (buffers))

/*
 * mmap offsets: what (bits 56..61), which (40..55), byte in it (0..39, a
 * multiple of the page size). MAP_SHARED only; nothing is inherited by fork.
 *
 *	region		which	bytes				access
 *	CONTROL		0	128 + 80 a block of the runtime's limit	read-write
 *	HOLD		0	2 a buffer of the runtime's limit	read-write
 *	STATUS		0	MQSHM_STATUS_RING(limit)	read-only
 *	PRODUCER	ring	128 + 8 << shift		as the ring's end
 *	CONSUMER	ring	256				as the ring's end; read-write
 *			for both, if it drops the oldest
 *	W		pool	8 a buffer			read-write
 *	META		pool	20 a buffer			read-write
 *	PAYLOAD		pool	stride a buffer			as joined
 *
 * All sizes are rounded up to pages. HOLD is an array of __u16 by buffer number.
 */
#define MQSHM_MMAP_CONTROL	1
#define MQSHM_MMAP_HOLD		2
#define MQSHM_MMAP_STATUS	3
#define MQSHM_MMAP_PRODUCER	4
#define MQSHM_MMAP_CONSUMER	5
#define MQSHM_MMAP_W		6
#define MQSHM_MMAP_META		7
#define MQSHM_MMAP_PAYLOAD	8
#define MQSHM_MMAP_OFFSET(what, which) \
	((__u64)(what) << 56 | (__u64)(which) << 40)

/* -- commands for every descriptor -------------------------------------- */

#define MQSHM_IOC_TYPE		0xBD

/**
 * struct mqshm_info_args - MQSHM_IOC_INFO: what this module is
 * @size: of this struct
 * @out_version: MQSHM_ABI_VERSION
 * @out_magic: MQSHM_MAGIC
 * @out_features: MQSHM_FEATURE_* bits
 */
struct mqshm_info_args {
	__u32 size;
	__u32 out_version;
	__u64 out_magic;
	__u64 out_features;
};

#define MQSHM_FEATURE_NATIVE	(1ULL << 0)	/* native clients */
#define MQSHM_FEATURE_DIRECT_IO	(1ULL << 1)	/* MQSHM_JOIN_F_DIRECT_IO */
#define MQSHM_FEATURE_MONITOR	(1ULL << 2)	/* MQSHM_IOC_MONITOR */
#define MQSHM_FEATURE_BUS	(1ULL << 3)	/* MQSHM_IOC_BUS_* */
#define MQSHM_FEATURE_HOLDERS	(1ULL << 4)	/* MQSHM_IOC_HOLDERS */
#define MQSHM_FEATURE_PERSISTENT (1ULL << 5)	/* MQSHM_CONNECT_F_*, MQSHM_BLOCK_F_PERSISTENT */
#define MQSHM_FEATURE_HUGE	(1ULL << 6)	/* MQSHM_POOL_F_HUGE: the machine has huge pages */
#define MQSHM_FEATURE_NODE	(1ULL << 7)	/* MQSHM_POOL_F_NODE */

/**
 * struct mqshm_limits - bounds of a runtime; 0 on entry means the default
 * @clients: clients at one time (default 128)
 * @blocks: blocks (256)
 * @ports: ports of one block (32)
 * @connections: connections (512)
 * @pools: pools (16)
 * @buffers: buffers of all pools (65536)
 */
struct mqshm_limits {
	__u32 clients;
	__u32 blocks;
	__u32 ports;
	__u32 connections;
	__u32 pools;
	__u32 buffers;
};

#define MQSHM_RUNTIME_F_PERSISTENT	(1U << 0) /* stays until it is removed */
#define MQSHM_RUNTIME_F_OR_OPEN		(1U << 1) /* bind to it if it exists */
#define MQSHM_GID_SELF			0xffffffffU
#define MQSHM_UID_SELF			0xffffffffU

/**
 * struct mqshm_runtime_create_args - MQSHM_IOC_RUNTIME_CREATE: make a runtime
 *	of the caller's and bind this descriptor to it
 * @size: of this struct
 * @flags: MQSHM_RUNTIME_F_*
 * @name: its name, unique among the user's; no '/'
 * @mode: nine permission bits: read lists, write changes the graph, execute joins
 * @gid: group that owns it, MQSHM_GID_SELF for the caller's; else one of the
 *	caller's groups
 * @limits: bounds; defaults are filled in
 * @out_id: its number, never used again
 * @out_created: 0 if it was there already (MQSHM_RUNTIME_F_OR_OPEN)
 * @reserved: 0
 *
 * Errors: EEXIST, EACCES (it is there and may not be read), EPERM (not a group
 * of the caller's), EDQUOT, EBADFD (already bound), ENOMEM.
 */
struct mqshm_runtime_create_args {
	__u32 size;
	__u32 flags;
	char name[MQSHM_RUNTIME_NAME_LEN];
	__u32 mode;
	__u32 gid;
	struct mqshm_limits limits;
	__u64 out_id;
	__u32 out_created;
	__u32 reserved;
};

/**
 * struct mqshm_runtime_open_args - MQSHM_IOC_RUNTIME_OPEN: bind to a runtime
 * @size: of this struct
 * @flags: 0
 * @name: its name
 * @uid: its owner, MQSHM_UID_SELF for the caller
 * @reserved: 0
 * @out_id: its number
 *
 * Needs read permission. The binding keeps nothing alive but the answer to
 * questions. Errors: ENOENT, EACCES, EBADFD (already bound).
 */
struct mqshm_runtime_open_args {
	__u32 size;
	__u32 flags;
	char name[MQSHM_RUNTIME_NAME_LEN];
	__u32 uid;
	__u32 reserved;
	__u64 out_id;
};

/*
 * Shut it down although it is used: rings end, sleeping calls return, and all calls
 * of its clients give ESHUTDOWN. What they have mapped stays until they unmap it.
 */
#define MQSHM_REMOVE_F_FORCE	(1U << 0)

/**
 * struct mqshm_runtime_remove_args - MQSHM_IOC_RUNTIME_REMOVE: remove the
 *	runtime that this descriptor is bound to
 * @size: of this struct
 * @flags: MQSHM_REMOVE_F_*
 * @out_clients: clients that use it (or used it, when forced)
 * @reserved: 0
 *
 * For its owner, or CAP_SYS_ADMIN. Errors: EBUSY, EPERM, ESHUTDOWN.
 */
struct mqshm_runtime_remove_args {
	__u32 size;
	__u32 flags;
	__u32 out_clients;
	__u32 reserved;
};

/**
 * struct mqshm_runtime_wait_args - MQSHM_IOC_RUNTIME_WAIT: sleep until a client,
 *	block, connection or pool comes or goes
 * @size: of this struct
 * @flags: 0
 * @changes: count that the caller knows, from here or from a query
 * @deadline_ns: when to give up
 * @out_changes: count now
 *
 * Errors: ETIMEDOUT, EINTR, ESHUTDOWN (removed).
 */
struct mqshm_runtime_wait_args {
	__u32 size;
	__u32 flags;
	__u64 changes;
	__u64 deadline_ns;
	__u64 out_changes;
};

#define MQSHM_QUERY_RUNTIMES	0	/* a RUNTIME record for each that may be read */
#define MQSHM_QUERY_RUNTIME	1	/* all records of the bound runtime */

/**
 * struct mqshm_query_args - MQSHM_IOC_QUERY: one consistent snapshot as records
 * @size: of this struct
 * @what: MQSHM_QUERY_*
 * @buffer: address of memory for the records
 * @buffer_bytes: its size, at most MQSHM_QUERY_BYTES_MAX are used
 * @out_bytes: size of the snapshot; if larger than @buffer_bytes nothing was
 *	written and the error is ENOBUFS
 * @out_now_ns: when it was taken
 * @out_changes: count for MQSHM_IOC_RUNTIME_WAIT (0 for MQSHM_QUERY_RUNTIMES)
 */
struct mqshm_query_args {
	__u32 size;
	__u32 what;
	__u64 buffer;
	__u64 buffer_bytes;
	__u64 out_bytes;
	__u64 out_now_ns;
	__u64 out_changes;
};

#define MQSHM_QUERY_BYTES_MAX	(64U << 20)

#define MQSHM_HOLDERS_CLIENTS	0	/* clients, of what is in their hands */
#define MQSHM_HOLDERS_QUEUES	1	/* connections, of what is queued in them */

/**
 * struct mqshm_holders_args - MQSHM_IOC_HOLDERS: who holds which buffers of the bound
 *	runtime, as MQSHM_RECORD_HOLDER records
 * @size: of this struct
 * @flags: 0
 * @what: MQSHM_HOLDERS_*
 * @reserved: 0
 * @buffer: address of memory for the records
 * @buffer_bytes: its size, at most MQSHM_HOLDERS_BYTES_MAX are used
 * @id: where to begin: 0, or @out_id of the call before
 * @position: likewise: 0, or @out_position
 * @out_bytes: size of the records
 * @out_id: where the next call goes on, 0: this was all. There may be no record and more
 *	to come: a call looks at a bounded number of cells
 * @out_position: likewise
 * @out_now_ns: when it began
 *
 * Each record was true at some moment of its call: a buffer that moves meanwhile may be
 * found at both places or at none. Errors: EBADFD (not bound), EINVAL (no room for a
 * record), EFAULT, ENOMEM.
 */
struct mqshm_holders_args {
	__u32 size;
	__u32 flags;
	__u32 what;
	__u32 reserved;
	__u64 buffer;
	__u64 buffer_bytes;
	__u64 id;
	__u64 position;
	__u64 out_bytes;
	__u64 out_id;
	__u64 out_position;
	__u64 out_now_ns;
};

#define MQSHM_HOLDERS_BYTES_MAX	(64U << 10)

#define MQSHM_NOTICES		1024	/* that are kept for those who watch */

/**
 * struct mqshm_monitor_args - MQSHM_IOC_MONITOR: watch, from now on, what comes and
 *	goes in the runtime that this descriptor is bound to, or, if it is bound to
 *	none, which runtimes come and go
 * @size: of this struct
 * @flags: 0
 * @out_depth: MQSHM_NOTICES: how far a reader may be behind
 * @reserved: 0
 *
 * Then read(2) gives struct mqshm_notice, as many as there are and fit, and sleeps
 * while there are none (EAGAIN with O_NONBLOCK); 0 is the end of a runtime that was
 * removed, behind the last notice of its clients; poll(2) tells of EPOLLIN, and of
 * EPOLLHUP when that is all that comes. The descriptor takes no client slot, and joins
 * and binds no more. Errors: EBADFD (joined, or watches already), ENOMEM; of read:
 * EINVAL (less room than a notice), EINTR.
 */
struct mqshm_monitor_args {
	__u32 size;
	__u32 flags;
	__u32 out_depth;
	__u32 reserved;
};

/*
 * Payload on transparent huge pages, as far as there are any: what is missing is made of
 * small ones, and the pool's record says how much it has. Its size is rounded up to whole
 * huge pages.
 */
#define MQSHM_POOL_F_HUGE	(1U << 0)
/* Payload on one NUMA node, and nowhere else; tables there, if it has room for them. */
#define MQSHM_POOL_F_NODE	(1U << 1)

/**
 * struct mqshm_pool_create_args - MQSHM_IOC_POOL_CREATE: add a pool
 * @size: of this struct
 * @flags: MQSHM_POOL_F_*
 * @name: its name, unique in the runtime
 * @buffer_bytes: capacity of a buffer
 * @buffers: number of them
 * @out_pool: its index
 * @out_first: number of its first buffer
 * @node: with NODE: which, else 0
 * @reserved: 0
 *
 * Needs write permission. All pages are there when it returns, charged to the
 * caller. Errors: EEXIST, ENOSPC, EDQUOT, ENOMEM (of the node, if one is named), EINTR,
 * EOPNOTSUPP (HUGE, and the machine has no huge pages), ENOENT (no such node, or one
 * without memory), EPERM (the caller's cpuset has not that node).
 */
struct mqshm_pool_create_args {
	__u32 size;
	__u32 flags;
	char name[MQSHM_POOL_NAME_LEN];
	__u32 buffer_bytes;
	__u32 buffers;
	__u32 out_pool;
	__u32 out_first;
	__u32 node;
	__u32 reserved;
};

#define MQSHM_DIR_IN		0
#define MQSHM_DIR_OUT		1

#define MQSHM_CLASS_SOURCE	0
#define MQSHM_CLASS_PROCESSING	1
#define MQSHM_CLASS_SINK	2

/* What a producer does when the ring is full. */
#define MQSHM_POLICY_BLOCK		0	/* it waits for room */
#define MQSHM_POLICY_DROP_NEWEST	1	/* it passes the ring over with this message */
#define MQSHM_POLICY_DROP_OLDEST	2	/* it takes the oldest message out again */

/*
 * It stays when a block goes: the next block of that name, of the same user and with such
 * a port, takes its place, until the connection is taken away. A consumer reads on what
 * was queued and waits for the next producer; the end that a producer announced is the
 * end, also for the next consumer, unless the last one read it and left in order; and the
 * connection begins anew when blocks of both names are there after that.
 */
#define MQSHM_CONNECT_F_PERSISTENT	(1U << 0)
/*
 * And what is queued when the consumer goes stays queued for the next one, for @keep_ns;
 * with PERSISTENT only. The ring is full for its producer when it is full.
 */
#define MQSHM_CONNECT_F_KEEP		(1U << 1)
/* Not persistent, although a block is there of which the connections are. */
#define MQSHM_CONNECT_F_TRANSIENT	(1U << 2)
/*
 * It only looks on, with a policy that drops: for the producer an output that has nothing
 * but taps is not connected, and waits.
 */
#define MQSHM_CONNECT_F_TAP		(1U << 3)
#define MQSHM_KEEP_DEFAULT_NS		30000000000ULL
#define MQSHM_KEEP_FOREVER		(~0ULL)

/**
 * struct mqshm_connect_args - MQSHM_IOC_CONNECT: join an output to an input
 * @size: of this struct
 * @flags: MQSHM_CONNECT_F_*; with none a connection of a block with
 *	MQSHM_BLOCK_F_PERSISTENT is persistent
 * @from_block: name of the block with the output
 * @from_port: name of the output
 * @to_block: name of the block with the input
 * @to_port: name of the input; its depth is the ring's
 * @out_id: number of the connection, never used again
 * @out_which: when the error is ENOENT, 0 no block @from_block, 1 no port
 *	@from_port, 2 no block @to_block, 3 no port @to_port
 * @policy: MQSHM_POLICY_*
 * @keep_ns: with KEEP: for how long, 0 for MQSHM_KEEP_DEFAULT_NS
 *
 * Needs write permission. Errors: ENOENT, EINVAL (wrong direction), EEXIST (are
 * connected, or will be when both are there), ENOSPC.
 */
struct mqshm_connect_args {
	__u32 size;
	__u32 flags;
	char from_block[MQSHM_BLOCK_NAME_LEN];
	char from_port[MQSHM_PORT_NAME_LEN];
	char to_block[MQSHM_BLOCK_NAME_LEN];
	char to_port[MQSHM_PORT_NAME_LEN];
	__u64 out_id;
	__u32 out_which;
	__u32 policy;
	__u64 keep_ns;
};

/**
 * struct mqshm_id_args - commands that name one object
 * @size: of this struct
 * @flags: 0; of MQSHM_IOC_BLOCK_REMOVE MQSHM_BLOCK_REMOVE_F_*
 * @id: number of the object
 *
 * MQSHM_IOC_DISCONNECT (a connection), MQSHM_IOC_BLOCK_STOP (ask the owner of a
 * block to end it): need write permission, except to stop a block of this client.
 * MQSHM_IOC_BLOCK_REMOVE (a block of this client), MQSHM_IOC_PORT_END (an output of
 * this client announces the end), MQSHM_IOC_PORT_ARM (see there),
 * MQSHM_IOC_RING_DETACH (this client's end of a ring): for clients. Error: ENOENT.
 *
 * MQSHM_IOC_RING_DETACH: the id is the ring, plus MQSHM_RING_PRODUCER for the
 * producer's end.
 *
 * MQSHM_IOC_PORT_ARM: the eventfd of the input is signalled once when it has
 * something to be seen; EAGAIN if it has that already (nothing is armed).
 *
 * MQSHM_IOC_CLIENT_DETACH, MQSHM_IOC_CLIENT_RECOVER: id 0. DETACH settles the
 * client at once, as its death would, except that its outputs count as
 * disconnected, not as dead. RECOVER completes or undoes the operation that the
 * intent records, after a longjmp out of it.
 *
 * MQSHM_IOC_CLIENT_WAKE: id 0. Moves the client's gen word: its thread wakes up, or
 * does not fall asleep, as if the graph had changed for it. For another thread of
 * its process.
 */
struct mqshm_id_args {
	__u32 size;
	__u32 flags;
	__u64 id;
};

#define MQSHM_RING_PRODUCER	(1ULL << 32)

/* The block has failed: an end that it has read is told to the next of its name, too. */
#define MQSHM_BLOCK_REMOVE_F_FAILED	(1U << 0)

/* -- the message bus ------------------------------------------------------- */

#define MQSHM_BUS_TOPIC_LEN	64	/* the terminating NUL included */
#define MQSHM_BUS_PAYLOAD_MAX	4096	/* bytes */
#define MQSHM_BUS_PREFIXES_MAX	16	/* of a subscriber */
#define MQSHM_BUS_DEPTH_DEFAULT	1024U
#define MQSHM_BUS_DEPTH_MAX	(1U << 16)	/* hard bound of a queue; a module parameter is lower */

/**
 * struct mqshm_bus_open_args - MQSHM_IOC_BUS_OPEN: make this descriptor, which is
 *	bound to a runtime, a subscriber of its message bus
 * @size: of this struct
 * @flags: 0
 * @owner: number of a client of the caller's process, or of one of its blocks, that it
 *	stands for; 0 for none
 * @depth: messages that its queue takes, 0 for MQSHM_BUS_DEPTH_DEFAULT
 * @reserved: 0
 * @out_id: number of the subscriber, never used again: what is sent through this
 *	descriptor bears it, and it can be the target of an answer
 * @out_depth: messages that its queue takes
 * @out_reserved: 0
 *
 * It receives nothing before MQSHM_IOC_BUS_SUBSCRIBE. Then read(2) gives messages
 * (struct mqshm_bus_message), as many as there are and fit, and sleeps while there are
 * none (EAGAIN with O_NONBLOCK); 0 is the end of a runtime that was removed, behind the
 * last message. poll(2) tells of EPOLLIN, and of EPOLLHUP once the runtime was removed;
 * each message wakes, so level and edge both work. A full queue drops its oldest message,
 * and where messages are missing a record with MQSHM_BUS_LOST stands. When a message
 * comes into an empty queue, the client that it stands for is told by its gen word and
 * MQSHM_EVENT_MESSAGE.
 *
 * As many of the largest messages as the queue takes are charged to the caller's user.
 * The descriptor takes no client slot, and joins and monitors no more; what it has
 * subscribed to ends when it is closed. Needs read permission. Errors: EACCES, EBADFD
 * (not bound, joined, a monitor, or a subscriber already), ENOENT (no such owner),
 * EPERM (the owner is another process's), EINVAL (depth above the limit), ENOSPC (the
 * runtime takes no more subscribers), EDQUOT, ENOMEM; of read: EINVAL (less room than
 * MQSHM_BUS_READ_MIN), EINTR, EFAULT (what was to be copied then counts as lost).
 */
struct mqshm_bus_open_args {
	__u32 size;
	__u32 flags;
	__u64 owner;
	__u32 depth;
	__u32 reserved;
	__u64 out_id;
	__u32 out_depth;
	__u32 out_reserved;
};

/**
 * struct mqshm_bus_subscribe_args - MQSHM_IOC_BUS_SUBSCRIBE: receive, from now on, what
 *	is published under topics that begin with a prefix
 * @size: of this struct
 * @flags: 0
 * @prefix: the prefix; empty for all topics
 *
 * A message comes once, however many of a subscriber's prefixes it has. Errors:
 * EBADFD (not a subscriber), ENOSPC (MQSHM_BUS_PREFIXES_MAX reached).
 */
struct mqshm_bus_subscribe_args {
	__u32 size;
	__u32 flags;
	char prefix[MQSHM_BUS_TOPIC_LEN];
};

/**
 * struct mqshm_bus_publish_args - MQSHM_IOC_BUS_PUBLISH: send a message
 * @size: of this struct
 * @flags: 0
 * @type: for the receiver
 * @payload_bytes: size of the payload, at most MQSHM_BUS_PAYLOAD_MAX
 * @payload: its address
 * @sender_block: number of a block of the caller's process that sends it; 0 for none
 * @target: number of a subscriber, block or client that alone receives it; 0 for all
 * @target_pid: process of which subscribers alone receive it, in the caller's pid
 *	namespace; 0 for all
 * @reserved: 0
 * @out_number: 1, 2, 3 ... in the order in which all receive
 * @out_receivers: queues that it went into
 * @out_reserved: 0
 * @topic: not empty
 *
 * Through any bound descriptor. What is for a block is received by subscribers that
 * stand for it or for its client; what is for a client also by those of its blocks.
 * Never sleeps for a subscriber. Needs write permission, for messages change how
 * blocks work. Errors: EACCES, ENOENT (no such target, or sender_block), EPERM
 * (sender_block is another process's), EFAULT, ENOMEM.
 */
struct mqshm_bus_publish_args {
	__u32 size;
	__u32 flags;
	__u32 type;
	__u32 payload_bytes;
	__u64 payload;
	__u64 sender_block;
	__u64 target;
	__u32 target_pid;
	__u32 reserved;
	__u64 out_number;
	__u32 out_receivers;
	__u32 out_reserved;
	char topic[MQSHM_BUS_TOPIC_LEN];
};

#define MQSHM_BUS_LOST	(1U << 0)	/* the queue was full: messages are missing here */

/**
 * struct mqshm_bus_message - a message as it is read
 * @bytes: of this record with its payload, a multiple of 8
 * @flags: MQSHM_BUS_*
 * @type: as it was published
 * @payload_bytes: size of the payload
 * @number: as its publisher was told; LOST: of the last message missing
 * @at_ns: when it was published; never before the message before it
 * @sender: number of the subscriber whose descriptor it was sent through, 0 if that was
 *	none
 * @sender_block: block of the sender's that sent it, or 0
 * @target: as it was published
 * @lost: LOST: how many messages are missing, else 0
 * @sender_pid: process that sent it, in the reader's pid namespace, 0 if not visible
 * @sender_uid: user that sent it
 * @target_pid: process that it is for, 0 if for none
 * @reserved: 0
 * @topic: as it was published; LOST: empty
 *
 * The payload follows, and zeros up to @bytes. Times and all of the sender come from
 * the kernel.
 */
struct mqshm_bus_message {
	__u32 bytes;
	__u32 flags;
	__u32 type;
	__u32 payload_bytes;
	__u64 number;
	__u64 at_ns;
	__u64 sender;
	__u64 sender_block;
	__u64 target;
	__u64 lost;
	__u32 sender_pid;
	__u32 sender_uid;
	__u32 target_pid;
	__u32 reserved;
	char topic[MQSHM_BUS_TOPIC_LEN];
};

/* Room that every read needs: of the largest message. */
#define MQSHM_BUS_READ_MIN	(sizeof(struct mqshm_bus_message) + MQSHM_BUS_PAYLOAD_MAX)

/* -- commands for clients ------------------------------------------------ */

#define MQSHM_ROLE_STANDALONE	0
#define MQSHM_ROLE_WORKER	1
#define MQSHM_ROLE_SERVER	2

#define MQSHM_JOIN_F_READ_ONLY	(1U << 0)	/* maps payload read-only */
/*
 * Devices write into its buffers by io_uring: what is in its hands when it ends stays
 * out of use until the descriptor is released. Register the descriptor as a fixed
 * file of the ring: then that comes after the ring's last request.
 */
#define MQSHM_JOIN_F_DIRECT_IO	(1U << 1)

/**
 * struct mqshm_client_join_args - MQSHM_IOC_CLIENT_JOIN: become a native client
 *	of the runtime that this descriptor is bound to
 * @size: of this struct
 * @flags: MQSHM_JOIN_F_*
 * @role: MQSHM_ROLE_*
 * @reserved: 0
 * @name: name of the process, for people
 * @out_id: number of the client, never used again
 * @out_index: its index: gen word, and toggle bit if below MQSHM_TOGGLES; others
 *	DUP and RELEASE shared buffers by MQSHM_IOC_REF
 * @out_rings: bound of ring numbers
 * @out_buffers: bound of buffer numbers
 * @out_stats: bound of out_slot of its blocks
 *
 * Needs execute permission. The descriptor is bound to the caller's memory; from
 * another process it gives EPERM. Errors: ENOSPC, EACCES, EBADFD (bound to none,
 * or joined already), EOPNOTSUPP (32-bit program), ESHUTDOWN.
 */
struct mqshm_client_join_args {
	__u32 size;
	__u32 flags;
	__u32 role;
	__u32 reserved;
	char name[MQSHM_PROCESS_NAME_LEN];
	__u64 out_id;
	__u32 out_index;
	__u32 out_rings;
	__u32 out_buffers;
	__u32 out_stats;
};

#define MQSHM_SYNC_EVENTS	12	/* events of one answer */

#define MQSHM_EVENT_ATTACH	1	/* an end of a ring is the client's now */
#define MQSHM_EVENT_STOP	2	/* the block shall end */
#define MQSHM_EVENT_MESSAGE	3	/* a subscriber that stands for the client has messages */

/**
 * struct mqshm_event - one thing a client learns by MQSHM_IOC_CLIENT_SYNC
 * @kind: MQSHM_EVENT_*
 * @ring: ATTACH: number of the ring
 * @port: ATTACH: the client's port
 * @direction: ATTACH: MQSHM_DIR_OUT if the client is the producer
 * @depth: ATTACH: messages the ring takes
 * @shift: ATTACH: the ring has 1 << shift slots
 * @id: ATTACH: the connection; STOP: the block
 * @peer: ATTACH: the block at the other end
 */
struct mqshm_event {
	__u32 kind;
	__u32 ring;
	__u32 port;
	__u32 direction;
	__u32 depth;
	__u32 shift;
	__u64 id;
	__u64 peer;
};

/**
 * struct mqshm_client_sync_args - MQSHM_IOC_CLIENT_SYNC: learn what changed, and
 *	take the ends of new rings
 * @size: of this struct
 * @flags: 0
 * @out_count: events told
 * @out_more: not 0 if there are more: call again
 * @out_gen: gen word that this answer is up to date with
 * @events: the events
 *
 * Rings that were taken away are seen by their flags; let go of them by
 * MQSHM_IOC_RING_DETACH.
 */
struct mqshm_client_sync_args {
	__u32 size;
	__u32 flags;
	__u32 out_count;
	__u32 out_more;
	__u64 out_gen;
	struct mqshm_event events[MQSHM_SYNC_EVENTS];
};

/**
 * struct mqshm_port_desc - a port of a new block
 * @name: unique in the block
 * @direction: MQSHM_DIR_*
 * @depth: inputs: queue depth of each connection, 0 for MQSHM_DEPTH_DEFAULT;
 *	outputs: 0
 * @out_port: its number, never used again in the runtime
 * @reserved: 0
 */
struct mqshm_port_desc {
	char name[MQSHM_PORT_NAME_LEN];
	__u32 direction;
	__u32 depth;
	__u32 out_port;
	__u32 reserved;
};

/* Somebody starts it again: connections that are made of it are persistent. */
#define MQSHM_BLOCK_F_PERSISTENT	(1U << 0)

/**
 * struct mqshm_block_create_args - MQSHM_IOC_BLOCK_CREATE: add a block of this
 *	client with all its ports
 * @size: of this struct
 * @flags: MQSHM_BLOCK_F_*
 * @name: unique in the runtime, no ':'
 * @type: name of its type
 * @class_: MQSHM_CLASS_* (C++ has the plain word)
 * @ports: number of elements in @port_array
 * @port_array: address of struct mqshm_port_desc[@ports]; out_port is written
 * @out_id: its number, never used again
 * @out_slot: which of the client's stats is for it
 * @out_reserved: 0
 *
 * Errors: EEXIST, ENOSPC.
 */
struct mqshm_block_create_args {
	__u32 size;
	__u32 flags;
	char name[MQSHM_BLOCK_NAME_LEN];
	char type[MQSHM_TYPE_NAME_LEN];
	__u32 class_;
	__u32 ports;
	__u64 port_array;
	__u64 out_id;
	__u32 out_slot;
	__u32 out_reserved;
};

/**
 * struct mqshm_port_eventfd_args - MQSHM_IOC_PORT_EVENTFD: eventfd of an input
 * @size: of this struct
 * @flags: 0
 * @port: an input of this client
 * @eventfd: descriptor, -1 takes it away
 */
struct mqshm_port_eventfd_args {
	__u32 size;
	__u32 flags;
	__u32 port;
	__s32 eventfd;
};

#define MQSHM_LEASE_F_WAIT	(1U << 0)	/* sleep until there is a buffer */

/**
 * struct mqshm_lease_args - MQSHM_IOC_LEASE: take free buffers of a pool
 * @size: of this struct
 * @flags: MQSHM_LEASE_F_*
 * @pool: its index
 * @count: how many at most; an eighth of the pool (at least one) is the bound
 * @gen: with WAIT: gen word that the client knows
 * @deadline_ns: with WAIT: when to give up
 * @out_count: how many are in @buffers
 * @reserved: 0
 * @buffers: their numbers
 *
 * Errors: EAGAIN (none, or gen differs), ETIMEDOUT, EINTR, EBUSY (another LEASE of
 * this client waits), ENOENT (no such pool), ENOMEM (for HOLD; with WAIT, before it
 * waits).
 */
struct mqshm_lease_args {
	__u32 size;
	__u32 flags;
	__u32 pool;
	__u32 count;
	__u64 gen;
	__u64 deadline_ns;
	__u32 out_count;
	__u32 reserved;
	__u32 buffers[MQSHM_LEASE_MAX];
};

/**
 * struct mqshm_return_args - MQSHM_IOC_RETURN: give buffers back
 * @size: of this struct
 * @flags: 0
 * @count: number of elements in @buffers
 * @out_done: how many were taken; the rest is untouched
 * @buffers: their numbers; of each, this client has the only reference
 *
 * Errors: EINVAL (no such buffer, or not the only reference).
 */
struct mqshm_return_args {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 out_done;
	__u32 buffers[MQSHM_LEASE_MAX];
};

/**
 * struct mqshm_ref - one change of a count
 * @buffer: its number; this client has a reference
 * @delta: 1 to 255 adds references (DUP), -1 drops one (RELEASE)
 */
struct mqshm_ref {
	__u32 buffer;
	__s32 delta;
};

/**
 * struct mqshm_ref_args - MQSHM_IOC_REF: DUP and RELEASE for clients without a
 *	toggle bit
 * @size: of this struct
 * @flags: 0
 * @count: number of elements in @refs
 * @out_done: how many were done; the rest is untouched
 * @refs: what to do
 *
 * A reference that was the last goes to the depot. Errors: EINVAL (no such
 * buffer, no reference, bad delta), EOVERFLOW (too many references).
 */
struct mqshm_ref_args {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 out_done;
	struct mqshm_ref refs[MQSHM_BATCH_MAX];
};

/**
 * struct mqshm_kick_args - MQSHM_IOC_KICK: do what the flags of rings ask for
 * @size: of this struct
 * @flags: 0
 * @count: number of elements in @rings
 * @reserved: 0
 * @rings: rings with an end of this client's; others are passed over
 */
struct mqshm_kick_args {
	__u32 size;
	__u32 flags;
	__u32 count;
	__u32 reserved;
	__u32 rings[MQSHM_BATCH_MAX];
};

#define MQSHM_WAIT_CHANGED	(1U << 0)	/* gen differs */
#define MQSHM_WAIT_READY	(1U << 1)	/* a port is ready */
#define MQSHM_WAIT_LEASED	(1U << 2)	/* buffers were leased */
#define MQSHM_WAIT_FD		(1U << 3)	/* a descriptor is ready: poll(2) says which */

#define MQSHM_WAIT_PORTS_MAX	4096
#define MQSHM_WAIT_FDS_MAX	1024

/**
 * struct mqshm_wait_port - a port to wait for
 * @port: a port of this client
 * @known: an input is ready only when it has more messages than these; with 0 also
 *	when a ring ended, died or was taken away. Of an output it is passed over
 */
struct mqshm_wait_port {
	__u32 port;
	__u32 known;
};

/**
 * struct mqshm_wait_args - MQSHM_IOC_WAIT: give buffers back and sleep until a
 *	port or a descriptor is ready, or a pool has a free buffer
 * @size: of this struct
 * @flags: 0
 * @gen: gen word that the client knows
 * @deadline_ns: when to give up
 * @ports: number of elements in @port_array; 0 and no @list waits for @gen alone
 * @count: number of elements in @buffers
 * @out_events: MQSHM_WAIT_*
 * @out_done: how many buffers were taken back
 * @out_ready: bit i is set if @port_array[i] is ready: an input that has a
 *	message, or a ring that ended, died or was taken away; an output that has
 *	rings besides taps, and none of them is full
 * @port_array: ports of this client
 * @buffers: buffers to give back, as in MQSHM_IOC_RETURN; then those leased
 * @list: address of struct mqshm_wait_port[@list_count]: ports besides those
 * @list_count: at most MQSHM_WAIT_PORTS_MAX
 * @pools: bits of pools: buffers of one of these are leased, as by MQSHM_IOC_LEASE, as
 *	soon as there are any; meanwhile the client is in line for each
 * @out_leased: how many were, also on errors
 * @out_pool: their pool
 * @fds: address of struct pollfd[@fds_count], as for poll(2), where nothing is written
 * @fds_count: at most MQSHM_WAIT_FDS_MAX
 * @reserved: 0
 *
 * Errors: ETIMEDOUT, EINTR, ENOENT (no such port or pool), EINVAL (as RETURN; then it
 * does not sleep), EBUSY (another call of this client waits for buffers), ENOMEM.
 */
struct mqshm_wait_args {
	__u32 size;
	__u32 flags;
	__u64 gen;
	__u64 deadline_ns;
	__u32 ports;
	__u32 count;
	__u32 out_events;
	__u32 out_done;
	__u64 out_ready;
	__u32 port_array[MQSHM_BATCH_MAX];
	__u32 buffers[MQSHM_BATCH_MAX];
	__u64 list;
	__u32 list_count;
	__u32 pools;
	__u32 out_leased;
	__u32 out_pool;
	__u64 fds;
	__u32 fds_count;
	__u32 reserved;
};

#define MQSHM_IOC_INFO			_IO(MQSHM_IOC_TYPE, 0x00)
#define MQSHM_IOC_RUNTIME_CREATE	_IO(MQSHM_IOC_TYPE, 0x01)
#define MQSHM_IOC_RUNTIME_OPEN		_IO(MQSHM_IOC_TYPE, 0x02)
#define MQSHM_IOC_RUNTIME_REMOVE	_IO(MQSHM_IOC_TYPE, 0x03)
#define MQSHM_IOC_RUNTIME_WAIT		_IO(MQSHM_IOC_TYPE, 0x04)
#define MQSHM_IOC_QUERY			_IO(MQSHM_IOC_TYPE, 0x05)
#define MQSHM_IOC_MONITOR		_IO(MQSHM_IOC_TYPE, 0x06)
#define MQSHM_IOC_HOLDERS		_IO(MQSHM_IOC_TYPE, 0x07)
#define MQSHM_IOC_POOL_CREATE		_IO(MQSHM_IOC_TYPE, 0x10)
#define MQSHM_IOC_CLIENT_JOIN		_IO(MQSHM_IOC_TYPE, 0x20)
#define MQSHM_IOC_CLIENT_SYNC		_IO(MQSHM_IOC_TYPE, 0x21)
#define MQSHM_IOC_CLIENT_DETACH		_IO(MQSHM_IOC_TYPE, 0x22)
#define MQSHM_IOC_CLIENT_RECOVER	_IO(MQSHM_IOC_TYPE, 0x23)
#define MQSHM_IOC_CLIENT_WAKE		_IO(MQSHM_IOC_TYPE, 0x24)
#define MQSHM_IOC_BLOCK_CREATE		_IO(MQSHM_IOC_TYPE, 0x30)
#define MQSHM_IOC_BLOCK_REMOVE		_IO(MQSHM_IOC_TYPE, 0x31)
#define MQSHM_IOC_BLOCK_STOP		_IO(MQSHM_IOC_TYPE, 0x32)
#define MQSHM_IOC_PORT_END		_IO(MQSHM_IOC_TYPE, 0x33)
#define MQSHM_IOC_PORT_EVENTFD		_IO(MQSHM_IOC_TYPE, 0x34)
#define MQSHM_IOC_PORT_ARM		_IO(MQSHM_IOC_TYPE, 0x35)
#define MQSHM_IOC_CONNECT		_IO(MQSHM_IOC_TYPE, 0x40)
#define MQSHM_IOC_DISCONNECT		_IO(MQSHM_IOC_TYPE, 0x41)
#define MQSHM_IOC_RING_DETACH		_IO(MQSHM_IOC_TYPE, 0x42)
#define MQSHM_IOC_LEASE			_IO(MQSHM_IOC_TYPE, 0x50)
#define MQSHM_IOC_RETURN		_IO(MQSHM_IOC_TYPE, 0x51)
#define MQSHM_IOC_REF			_IO(MQSHM_IOC_TYPE, 0x52)
#define MQSHM_IOC_KICK			_IO(MQSHM_IOC_TYPE, 0x53)
#define MQSHM_IOC_WAIT			_IO(MQSHM_IOC_TYPE, 0x54)
#define MQSHM_IOC_BUS_OPEN		_IO(MQSHM_IOC_TYPE, 0x60)
#define MQSHM_IOC_BUS_SUBSCRIBE		_IO(MQSHM_IOC_TYPE, 0x61)
#define MQSHM_IOC_BUS_PUBLISH		_IO(MQSHM_IOC_TYPE, 0x62)

/*
 * poll(2) on a client's descriptor, from the process that joined (others get
 * EPOLLERR): EPOLLIN an input has something to be seen or gen changed since the
 * last SYNC; EPOLLOUT no ring of any output is full
 * (those that drop apart); EPOLLHUP detached. Each
 * call asks for a wake-up, so level, edge and multishot all work. Add a descriptor
 * to an epoll set after it has joined. On a
 * descriptor that is only bound: EPOLLIN when a record came or went since its
 * last RUNTIME_WAIT or QUERY.
 */

/* -- records of a query --------------------------------------------------- */

/**
 * struct mqshm_record - head of every record
 * @kind: MQSHM_RECORD_*; unknown kinds are to be passed over
 * @bytes: of the whole record, a multiple of 8; it may grow in later versions
 */
struct mqshm_record {
	__u32 kind;
	__u32 bytes;
};

#define MQSHM_RECORD_RUNTIME	1
#define MQSHM_RECORD_POOL	2
#define MQSHM_RECORD_CLIENT	3
#define MQSHM_RECORD_BLOCK	4
#define MQSHM_RECORD_PORT	5
#define MQSHM_RECORD_CONNECTION	6
#define MQSHM_RECORD_DEPARTED	7
#define MQSHM_RECORD_HOLDER	8	/* of MQSHM_IOC_HOLDERS */

#define MQSHM_STATE_PERSISTENT	(1U << 0)	/* runtime stays until removed */
#define MQSHM_STATE_TAINTED	(1U << 1)	/* a client broke the protocol */
#define MQSHM_STATE_REMOVED	(1U << 2)	/* shut down */

/**
 * struct mqshm_runtime_record - a runtime and its totals
 * @head: kind and size
 * @id: its number
 * @magic: MQSHM_MAGIC
 * @version: MQSHM_ABI_VERSION
 * @state: MQSHM_STATE_*
 * @uid: owner
 * @gid: group
 * @mode: permission bits
 * @clients: clients now
 * @blocks: blocks now
 * @connections: connections now
 * @pools: pools
 * @buffers: buffers of all pools
 * @limits: bounds
 * @created_ns: when it was made
 * @memory_bytes: payload and tables
 * @allocated: buffers handed out so far
 * @freed: buffers that came back so far
 * @messages: messages pushed so far
 * @bytes: payload bytes pushed so far
 * @settled: clients settled so far
 * @ioctls: commands of clients so far
 * @name: its name
 * @dropped: messages that connections dropped so far
 */
struct mqshm_runtime_record {
	struct mqshm_record head;
	__u64 id;
	__u64 magic;
	__u32 version;
	__u32 state;
	__u32 uid;
	__u32 gid;
	__u32 mode;
	__u32 clients;
	__u32 blocks;
	__u32 connections;
	__u32 pools;
	__u32 buffers;
	struct mqshm_limits limits;
	__u64 created_ns;
	__u64 memory_bytes;
	__u64 allocated;
	__u64 freed;
	__u64 messages;
	__u64 bytes;
	__u64 settled;
	__u64 ioctls;
	char name[MQSHM_RUNTIME_NAME_LEN];
	__u64 dropped;
};

/**
 * struct mqshm_pool_record - a pool
 * @head: kind and size
 * @pool: its index
 * @uid: who made it
 * @buffer_bytes: capacity of a buffer
 * @stride_bytes: distance of buffers in the PAYLOAD mapping
 * @first: number of its first buffer
 * @buffers: number of buffers
 * @free: in the depot
 * @quarantined: taken out of use because a client broke the protocol
 * @waiting: clients that wait for a buffer
 * @flags: MQSHM_POOL_F_*: what it was made with
 * @payload_bytes: size of its payload
 * @name: its name
 * @node: with NODE: on which it is
 * @reserved: 0
 * @huge_bytes: of its payload that are on huge pages
 *
 * Buffers that clients hold or that are queued are @buffers - @free -
 * @quarantined.
 */
struct mqshm_pool_record {
	struct mqshm_record head;
	__u32 pool;
	__u32 uid;
	__u32 buffer_bytes;
	__u32 stride_bytes;
	__u32 first;
	__u32 buffers;
	__u32 free;
	__u32 quarantined;
	__u32 waiting;
	__u32 flags;
	__u64 payload_bytes;
	char name[MQSHM_POOL_NAME_LEN];
	__u32 node;
	__u32 reserved;
	__u64 huge_bytes;
};

#define MQSHM_CLIENT_RUNNING	0
#define MQSHM_CLIENT_IDLE	1	/* asleep in this module; or, after 5 s, in poll or by eventfds */
#define MQSHM_CLIENT_STALLED	2	/* 5 s without a library call, and none of that */
#define MQSHM_CLIENT_EXITING	3	/* dead, not settled yet, or its hand parked */

/**
 * struct mqshm_client_record - a client
 * @head: kind and size
 * @id: its number
 * @pid: process, in the caller's pid namespace, 0 if not visible there
 * @tid: thread that joined
 * @uid: user that joined
 * @role: MQSHM_ROLE_*
 * @state: MQSHM_CLIENT_*
 * @index: its index
 * @joined_ns: when it joined
 * @started_ns: when its process started
 * @held_refs: references in its hands
 * @held_buffers: buffers with a reference in its hands
 * @ioctls: commands so far
 * @sleeps: how many of them slept
 * @name: name of its process
 * @seen_ns: when its last library call was found out; STALLED since then. Nothing looks for it
 *	but queries, and monitors every second
 */
struct mqshm_client_record {
	struct mqshm_record head;
	__u64 id;
	__u32 pid;
	__u32 tid;
	__u32 uid;
	__u32 role;
	__u32 state;
	__u32 index;
	__u64 joined_ns;
	__u64 started_ns;
	__u64 held_refs;
	__u64 held_buffers;
	__u64 ioctls;
	__u64 sleeps;
	char name[MQSHM_PROCESS_NAME_LEN];
	__u64 seen_ns;
};

/**
 * struct mqshm_block_record - a block
 * @head: kind and size
 * @id: its number
 * @client: number of its client
 * @class_: MQSHM_CLASS_*
 * @stopping: not 0 once it was asked to stop
 * @created_ns: when it was made
 * @name: its name
 * @type: name of its type
 * @stats: what its client tells of it, which nobody checks; all 0 if nothing
 */
struct mqshm_block_record {
	struct mqshm_record head;
	__u64 id;
	__u64 client;
	__u32 class_;
	__u32 stopping;
	__u64 created_ns;
	char name[MQSHM_BLOCK_NAME_LEN];
	char type[MQSHM_TYPE_NAME_LEN];
	struct mqshm_block_stats stats;
};

/**
 * struct mqshm_port_record - a port
 * @head: kind and size
 * @block: number of its block
 * @port: its number
 * @direction: MQSHM_DIR_*
 * @depth: queue depth of an input
 * @ended: not 0 once the output announced the end
 * @name: its name
 */
struct mqshm_port_record {
	struct mqshm_record head;
	__u64 block;
	__u32 port;
	__u32 direction;
	__u32 depth;
	__u32 ended;
	char name[MQSHM_PORT_NAME_LEN];
};

/**
 * struct mqshm_connection_record - a connection
 * @head: kind and size
 * @id: its number
 * @from_block: number of the producer's block, 0 once it has let go
 * @to_block: number of the consumer's block, 0 once it has let go
 * @from_port: number of the output
 * @to_port: number of the input
 * @ring: number of its ring
 * @flags: MQSHM_RING_*
 * @depth: messages the ring takes
 * @queued: messages in the ring
 * @messages: pushed so far
 * @bytes: payload bytes pushed so far
 * @created_ns: when it was made
 * @dropped: messages dropped so far, as its policy says, or kept for too long
 * @keep_until_ns: until when messages are kept for the next consumer; 0: it is there, or
 *	there is no deadline
 * @from: "block:port" of the output, also when that is not there
 * @to: "block:port" of the input, likewise
 * @expired: of @dropped, those that were kept for too long
 */
struct mqshm_connection_record {
	struct mqshm_record head;
	__u64 id;
	__u64 from_block;
	__u64 to_block;
	__u32 from_port;
	__u32 to_port;
	__u32 ring;
	__u32 flags;
	__u32 depth;
	__u32 queued;
	__u64 messages;
	__u64 bytes;
	__u64 created_ns;
	__u64 dropped;
	__u64 keep_until_ns;
	char from[MQSHM_BLOCK_NAME_LEN + MQSHM_PORT_NAME_LEN];
	char to[MQSHM_BLOCK_NAME_LEN + MQSHM_PORT_NAME_LEN];
	__u64 expired;
};

#define MQSHM_DEPARTED_EXIT	0	/* its memory ended: exit, kill or exec */
#define MQSHM_DEPARTED_RELEASE	1	/* its descriptor was closed */
#define MQSHM_DEPARTED_DETACH	2	/* it detached */
#define MQSHM_DEPARTED_FORCED	3	/* its runtime was removed by force */

/**
 * struct mqshm_departed_record - a client that was settled; the last 64 are kept
 * @head: kind and size
 * @id: its number
 * @pid: its process, as in struct mqshm_client_record, 0 if not visible
 * @how: MQSHM_DEPARTED_*
 * @refs: references it held in its hands
 * @drained: messages taken out of rings that nobody would read, when it ended or removed
 *	a block
 * @settle_ns: how long settling took
 * @at_ns: when it was settled
 * @op: operation that it was in or had done last, MQSHM_OP_*
 * @committed: whether that operation had happened
 * @name: name of its process
 * @kept: messages that stay queued for its successors
 * @lost: references in its hands that the program had got, by the client's own count:
 *	messages that it had taken and buffers that it was filling
 * @lost_buffers: the same, each buffer once however many references to it
 */
struct mqshm_departed_record {
	struct mqshm_record head;
	__u64 id;
	__u32 pid;
	__u32 how;
	__u64 refs;
	__u64 drained;
	__u64 settle_ns;
	__u64 at_ns;
	__u32 op;
	__u32 committed;
	char name[MQSHM_PROCESS_NAME_LEN];
	__u64 kept;
	__u64 lost;
	__u64 lost_buffers;
};

/**
 * struct mqshm_holder_record - a client that has a buffer in its hands, or a message that
 *	is queued
 * @head: kind and size
 * @holder: number of the client or connection
 * @what: MQSHM_HOLDERS_*
 * @buffer: number of the buffer
 * @pool: index of its pool
 * @refs: references that the client has; 1 of a message
 * @length: payload of a message; 0 of a client, which alone knows
 * @reserved: 0
 * @alloc_ns: when the buffer was allocated; 0: not since a client got it from the pool,
 *	which keeps some in reserve. This and the next two are from the metadata, which clients
 *	write and nobody checks
 * @data_ns: when its data came into being
 * @serial: number of times it was allocated, modulo 2^32
 */
struct mqshm_holder_record {
	struct mqshm_record head;
	__u64 holder;
	__u32 what;
	__u32 buffer;
	__u32 pool;
	__u32 refs;
	__u32 length;
	__u32 reserved;
	__u64 alloc_ns;
	__u64 data_ns;
	__u64 serial;
};

/* -- notices ---------------------------------------------------------------- */

#define MQSHM_CHANGE_CAME	1
#define MQSHM_CHANGE_WENT	2	/* in order */
#define MQSHM_CHANGE_DIED	3	/* with the process that it belonged to */
#define MQSHM_CHANGE_SETTLED	4	/* a client that went or died: nothing is left of it */
#define MQSHM_CHANGE_STALLED	5	/* a client: no library call for 5 s */
#define MQSHM_CHANGE_RESUMED	6	/* a client that had stalled */
#define MQSHM_CHANGE_LOST	7	/* the reader was too slow: notices are missing here */

/**
 * struct mqshm_notice - one thing that happened, read from a monitor
 * @subject: to what: MQSHM_RECORD_*; 0 for LOST
 * @change: MQSHM_CHANGE_*
 * @number: 1, 2, 3 ... while somebody watches; LOST: of the last one missing
 * @at_ns: when; a snapshot (MQSHM_IOC_QUERY) of the runtime holds all that happened
 *	up to its out_now_ns, and nothing after it
 * @runtime: number of the runtime
 * @id: number of the subject; of a pool, its index
 * @owner: BLOCK: number of its client
 * @refs: SETTLED: references it held in its hands; LOST: how many are missing
 * @settle_ns: SETTLED: how long that took
 * @pid: CLIENT, BLOCK: process, as in struct mqshm_client_record
 * @reserved: 0
 * @name: of the subject; CLIENT: of its process; CONNECTION: "block:port" of the
 *	output
 * @to: CONNECTION: "block:port" of the input
 *
 * What came goes or dies exactly once (a persistent connection comes again, whenever the
 * blocks of both of its ends are there), the client before its blocks and connections; a
 * client is settled after that. Pools go with their runtime, untold. A connection goes or
 * dies when it delivers no more than it holds. What is read in order happened in that
 * order; LOST is of the moment in which it is read.
 */
struct mqshm_notice {
	__u32 subject;
	__u32 change;
	__u64 number;
	__u64 at_ns;
	__u64 runtime;
	__u64 id;
	__u64 owner;
	__u64 refs;
	__u64 settle_ns;
	__u32 pid;
	__u32 reserved;
	char name[MQSHM_BLOCK_NAME_LEN + MQSHM_PORT_NAME_LEN];
	char to[MQSHM_BLOCK_NAME_LEN + MQSHM_PORT_NAME_LEN];
};

#endif /* _UAPI_LINUX_MQSHM_H */
