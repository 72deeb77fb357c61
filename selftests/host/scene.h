/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The scene of an operation that is stopped at each of its instructions: who there
 * is, what the victim does, and what the others are doing meanwhile.
 *
 *	victim:out1 ---> peer:in1, witness:in1
 *	victim:out2 ---> peer:in2
 *	peer:out1 -----> victim:in1, three messages; of the second the peer keeps a share
 *
 * The witness stands by, alive and idle, and has a message of the victim's in its hand.
 */
#ifndef HOST_SCENE_H
#define HOST_SCENE_H

#include <setjmp.h>
#include <signal.h>
#include <sys/types.h>

#include "test.h"

#define SCENE_BUFFERS	32
#define SCENE_DEPTH	8	/* of each input */
#define SCENE_PROCESSES	3
#define VICTIM		0
#define PEER		1
#define WITNESS		2

/* What has become of the peer when the operation begins. */
enum peer_state {
	PEER_ALIVE,
	PEER_WAITING,		/* asleep in a wait for its inputs, having read them */
	PEER_DEAD,
	PEER_CLOSED,		/* its block was removed */
	PEER_WAITING_ROOM,	/* asleep in a wait for room in its full output */
	PEER_WAITING_BUFFER,	/* asleep in a wait for a buffer, all free ones in its hand */
	PEER_CUT,		/* the connections were taken away by somebody else */
	PEER_ENDED,		/* it announced the end of its output */
	PEER_STATES
};

extern const char *const peer_state_names[PEER_STATES];

/**
 * struct operation - what the victim does
 * @name: of it
 * @prepare: what comes before; may be NULL
 * @run: the operation
 * @flags: OPERATION_*
 * @policy: of its connections with the peer but one
 */
struct operation {
	const char *name;
	void (*prepare)(void);
	void (*run)(void);
	unsigned int flags;
	uint32_t policy;
};

#define OPERATION_ENDS		(1U << 0)	/* block or client are gone after it */
#define OPERATION_NO_CLIENT	(1U << 1)	/* a call of the runtime: no client is busy */
#define OPERATION_LEFT		(1U << 3)	/* the client is busy before it */
#define OPERATION_PUSHES	(1U << 6)	/* a consumer may die between its look and its push */
#define OPERATION_TAKES		(1U << 4)	/* of two references a jump may lose one */
#define OPERATION_KEEPS		(1U << 5)	/* another buffer stays in the hand */
#define OPERATION_CROWD		(1U << 7)	/* nobody in the scene has a toggle */
#define OPERATION_CUT		(1U << 2)	/* the connections are taken away before it */

extern const struct operation operations[];
extern const unsigned int n_operations;

/* What a signal's handler does. */
enum scene_handler {
	HANDLER_CALL,	/* calls the library */
	HANDLER_JUMP,	/* leaves by siglongjmp(), and the client is recovered */
};

/**
 * struct scene_range - memory of the victim's own
 * @at: address
 * @bytes: size
 */
struct scene_range {
	void *at;
	size_t bytes;
};

#define SCENE_RANGES	2

/**
 * struct scene_shared - what the processes and the monitor tell each other
 * @peer_ready: the peer has pushed its messages
 * @witness_ready: the witness has its message
 * @give_back: the peer is to give back the reference that it kept, and @given_back: has
 * @peer_then: what the peer does next, and @peer_done: has done
 * @own: what the victim's library knows: the client and its block
 * @copy: a copy of the victim runs: once the operation is over it works on
 * @handler: what it does when a signal comes
 * @handled: how often one came
 * @answer: what the library answered the handler: 0 or -EBUSY
 * @recovered: what mqshm_client_recover() returned
 * @trouble: what the copy met that cannot be, NULL if nothing
 * @error: with that number
 * @worked: it has worked on, and had @hand references in its hand then
 */
struct scene_shared {
	int peer_ready;
	int witness_ready;
	int give_back;
	int given_back;
	int peer_then;
	int peer_done;
	struct scene_range own[SCENE_RANGES];
	int copy;
	enum scene_handler handler;
	unsigned int handled;
	int answer;
	int recovered;
	const char *trouble;
	int error;
	int worked;
	unsigned int hand;
};

extern struct scene_shared *scene_shared;

/**
 * struct scene - one scene
 * @op: what the victim does
 * @state: what the peer does meanwhile
 * @pids: by VICTIM...; 0 if dead. The victim is about to make the first instruction
 *	of the operation, the others stand still
 */
struct scene {
	const struct operation *op;
	enum peer_state state;
	pid_t pids[SCENE_PROCESSES];
};

/* Nobody can sleep for a connection that was taken away: that wakes him. */
static inline bool scene_makes_sense(const struct operation *op, enum peer_state state)
{
	/* nobody waits for room in a connection that drops */
	if (op->policy && state == PEER_WAITING_ROOM)
		return false;
	return !(op->flags & OPERATION_CUT) ||
	       (state != PEER_WAITING && state != PEER_WAITING_ROOM);
}

/* First of all, after host_start(). */
void scene_start(void);
void scene_begin(struct scene *s, const struct operation *op, enum peer_state state);
void scene_end(struct scene *s);

/* Copies of the first @n, if they live, which take their places until host_restore(). */
void scene_copy(const struct scene *s, struct scene *copy, unsigned int n);
/* Whether all who are left in the copy learn of a death by themselves, and leave. */
bool scene_outlive(struct scene *copy);

/* What all processes of the scene share of the graph, in victim.c and scene.c. */
extern struct mqshm_runtime *scene_runtime;
__attribute__((noreturn)) void victim_run(const struct operation *op);
/* Until the connections of @n are that many. */
void scene_await_connections(struct node *n, unsigned int connections);

#endif /* HOST_SCENE_H */
