/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmark: cases, peers that can do them, and one repetition of one case by one
 * peer. A case is a graph of processes, each pinned to a processor; a peer moves its
 * messages. What is the same for all, pinning, clocks, warming up, what is done to
 * a payload, is here and in run.c; a peer only sends and receives.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_PROCESSES	48
#define BENCH_LINKS	24
#define BENCH_BATCH	64

enum bench_payload {
	BENCH_UNTOUCHED,	/* by us; a peer that copies does so */
	BENCH_TOUCHED,		/* each sender writes all of it, each receiver reads all */
};

enum bench_wait {
	BENCH_POLL,	/* look again and again */
	BENCH_SLEEP,	/* in the peer's usual call, asleep until there is something */
	BENCH_EVENTFD,	/* in read(2) of an eventfd */
	BENCH_URING,	/* in io_uring, for an eventfd */
	BENCH_LOOK,	/* in the peer's usual call, which may look for a while before it sleeps */
};

/* Each message of a ping is held back until who waits for it is asleep. */
static inline bool bench_sleeps(enum bench_wait wait)
{
	return wait != BENCH_POLL && wait != BENCH_LOOK;
}

/**
 * struct bench_link - messages go this way
 * @from: index of a process
 * @to: of another one
 */
struct bench_link {
	unsigned char from, to;
};

struct bench_peer;

/**
 * struct bench_case - what is measured
 * @name: of the kind of measurement
 * @peers: who is measured, NULL ends; the first is what the others are compared with
 * @processes: how many; 0 sends, or to and fro with 1
 * @links: array[@n_links]; whoever has several to others sends each message to all
 * @n_links: how many; with none 0 only works
 * @ping: 0 and 1 send one message to and fro; else all go one way
 * @start: the time counts until one message has come, from before anything was there
 * @threads: of one process, instead of processes
 * @one_cpu: all on one processor
 * @payload: what is done with it
 * @wait: how who has nothing waits
 * @bytes: of a message
 * @batch: messages in one go
 * @depth: messages that a link holds
 * @buffers: that there are in all
 * @idle_clients: others that do nothing meanwhile; mqshm only
 * @idle_connections: between those
 * @messages: that each sender sends and the clock sees; bench_run() is told, the rest
 *	of a case does not depend on it
 */
struct bench_case {
	const char *name;
	const struct bench_peer *const *peers;
	unsigned int processes;
	struct bench_link links[BENCH_LINKS];
	unsigned int n_links;
	bool ping;
	bool start;
	bool threads;
	bool one_cpu;
	enum bench_payload payload;
	enum bench_wait wait;
	size_t bytes;
	unsigned int batch;
	unsigned int depth;
	unsigned int buffers;
	unsigned int idle_clients;
	unsigned int idle_connections;
	uint64_t messages;
};

/**
 * struct bench_peer - a way to move messages
 * @name: for tables
 * @own_threads: its messages go through threads of the library's, so that a process
 *	waits for its processor by itself; with BENCH_POLL it waits in its calls, and
 *	processor time is compared
 * @missing: why it cannot do a case, NULL if it can
 * @open: in the parent, before all else
 * @enter: in process @who
 * @link: in the parent, when all have entered; may be NULL
 * @send: @n messages, numbered from @number, to all links of this process; waits while
 *	there is no room. With BENCH_TOUCHED each is filled by bench_fill()
 * @receive: up to @max messages of the link that is the @in-th of this process; how
 *	many: 0 if there is none (BENCH_POLL), else at least 1. With BENCH_TOUCHED each
 *	is read by bench_read()
 * @forward: as @receive from its only link, and what came goes to all that it has.
 *	NULL: bench_run() receives and sends
 * @leave: in process @who, when all are done; may be NULL
 * @close: in the parent, when all have left
 *
 * All but @missing and @close return -errno for what went wrong.
 */
struct bench_peer {
	const char *name;
	bool own_threads;
	const char *(*missing)(const struct bench_case *c);
	int (*open)(const struct bench_case *c);
	int (*enter)(const struct bench_case *c, unsigned int who);
	int (*link)(const struct bench_case *c);
	int (*send)(const struct bench_case *c, uint64_t number, unsigned int n);
	int (*receive)(const struct bench_case *c, unsigned int in, unsigned int max);
	int (*forward)(const struct bench_case *c, unsigned int max);
	void (*leave)(const struct bench_case *c, unsigned int who);
	void (*close)(const struct bench_case *c);
};

/* All peers of this program that move messages; the first is mqshm. NULL ends. */
extern const struct bench_peer *const bench_peers[];
/* Those of cases that others have no part in. */
extern const struct bench_peer *const bench_peers_growth[], *const bench_peers_pairs[],
	*const bench_peers_share[];

/**
 * struct bench_result - what one repetition gave
 * @ns: of time a message; for a ping of half a way to and fro, holding back not counted
 * @held_ns: that it was held back
 * @quartile: of single ways, the lower and the upper one; 0 if it is no ping
 * @p99: of single ways, else 0
 * @cpu_ns: of processor time a message, of all processes, threads of libraries included;
 *	not of holding back
 * @sender_ns: of time a message that process 0 sent while there was room; 0: it never was
 * @queued: part of the time that a process waited for a processor, of the worst one; of
 *	process 0 alone where that is the only one with a processor of its own
 * @syscalls: a message that counts, of all processes; negative if nobody counted them
 * @floor_ns: of a line between the two processors, before and behind
 */
struct bench_result {
	double ns;
	double held_ns;
	double quartile[2];
	double p99;
	double cpu_ns;
	double sender_ns;
	double queued;
	double syscalls;
	double floor_ns[2];
};

/* 0 sends to several or receives from several: it has a processor that no other one uses. */
bool bench_is_star(const struct bench_case *c);
/* There are more processes than processors, or threads: its processor time is compared. */
bool bench_by_cpu(const struct bench_peer *peer, const struct bench_case *c);

/*
 * One repetition, without @floor_ns. -EIO if a process failed, which said why; -ETIMEDOUT if it took much too
 * long: then all are killed.
 */
int bench_run(const struct bench_peer *peer, const struct bench_case *c,
	      struct bench_result *out);

/* Links of @c that end, or begin, at @who. */
unsigned int bench_ins(const struct bench_case *c, unsigned int who);
unsigned int bench_outs(const struct bench_case *c, unsigned int who);
/* Index of its @n-th one that ends, or begins, there. */
unsigned int bench_in(const struct bench_case *c, unsigned int who, unsigned int n);
unsigned int bench_out(const struct bench_case *c, unsigned int who, unsigned int n);

/* Nanoseconds that a line takes from one processor to the other, as it is now. */
double bench_floor_ns(void);

/* Who polls and found nothing; who shares a processor with another one lets it go. */
void bench_relax(const struct bench_case *c);

/* Memory that all processes share, zeroed, mapped from the beginning on. */
void *bench_shared(size_t bytes);
void bench_unshare(void *memory, size_t bytes);

static inline void bench_fill(void *payload, size_t bytes, uint64_t number)
{
	uint64_t *p = (uint64_t *)payload;
	size_t i;

	for (i = 0; i < bytes / sizeof(*p); i++)
		p[i] = number + i;
}

/* Its result must go somewhere, or nothing is read: bench_sum. */
static inline uint64_t bench_read(const void *payload, size_t bytes)
{
	const uint64_t *p = (const uint64_t *)payload;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < bytes / sizeof(*p); i++)
		sum += p[i];
	return sum;
}

extern __thread volatile uint64_t bench_sum;

#endif /* BENCH_H */
