/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ways to wait for a message or for a change of the graph: a blocking
 * WAIT, level-triggered poll or epoll, edge-triggered epoll (io_uring's
 * multishot poll is the same), an eventfd that is armed.  One producer, which
 * may die between any two steps; one consumer; somebody else who changes the
 * graph.
 *
 * Shown: when nothing moves any more, everything pushed was popped, the death
 * was noticed, and the consumer has acted on the last generation.
 *
 * Messages are counted: q pushed and not popped, of these sl still in the
 * producer's store buffer.
 */
#define WAIT	0
#define LEVEL	1
#define EDGE	2
#define ARM	3
#ifndef MODE
#define MODE	WAIT
#endif
#ifndef CHANGES
#define CHANGES	2
#endif
#include "common.h"

byte q, sl;
byte flags;
byte gen;			/* written by the kernel, read by everybody */
byte acked;			/* the generation that the consumer last asked about; the kernel's */
byte known;			/* the same as the consumer has it */
bit woken;			/* WAIT: woken since it stood in the queue */
bit ready;			/* epoll: on the ready list */
bit signalled;			/* eventfd: count above 0 */
bit left;			/* the consumer has seen the end */

/* wake whoever waits in the way that this consumer waits */
inline wake()
{
#if MODE == WAIT
	woken = 1
#elif MODE == ARM
	signalled = 1
#else
	ready = 1
#endif
}

/* ring lock */
inline kick()
{
	d_step {
		if
		:: flags & SLEEPING -> flags = flags & ~SLEEPING; wake()	/* [K2] */
		:: else
		fi
	}
}

proctype producer()
{
	do
	:: atomic { q < N -> q++; sl++ };				/* [P4] */
		if
		:: goto dead
		:: skip
		fi;
		atomic {
#ifndef MUT_NO_FENCE
			sl = 0;						/* [F1] */
#endif
			if
			:: flags & SLEEPING				/* [F2] */
			:: else -> goto next
			fi
		};
		if
		:: goto dead
		:: kick()
		fi;
next:		skip
	:: goto dead
	:: break			/* alive, but pushes no more */
	od;
	goto quiet;
dead:
	sl = 0;
	flags = flags | DEAD;						/* [S7] */
	kick();								/* [S9] */
quiet:
	skip
}

proctype memory()
{
end:	do
	:: d_step { sl -> sl-- }
	od
}

/* connects and disconnects: in the kernel */
proctype manager()
{
	do
	:: gen < CHANGES ->
		gen++;							/* [G1] */
		/* [G2] smp_mb */
#if MODE == WAIT
		woken = 1						/* [G3] the queue, not the flag */
#elif MODE == ARM
		kick()
#else
		ready = 1
#endif
	:: break
	od
}

#define HAS_MSG		(q > sl)					/* [O1] */
#define SOMETHING	(HAS_MSG || (flags & (DEAD | CLOSED)))

/* what the consumer does when it runs: until it finds nothing, or a little when level-triggered */
inline serve()
{
	do
	:: gen != known ->						/* [G4] */
		atomic { acked = gen; known = acked }			/* [G5] a system call */
	:: HAS_MSG -> q--						/* [O3] */
	:: !HAS_MSG ->							/* [O1] nothing */
		if
		:: flags & DEAD ->					/* [O8] */
			if
#ifndef MUT_END_NO_SECOND_LOOK
			:: HAS_MSG	/* came before the death was told */
			:: else ->
#else
			:: true ->
#endif
				assert(q == 0);
				goto gone
			fi
		:: !(flags & DEAD) && gen == known -> break
		:: else
		fi
#if MODE == LEVEL
	:: break
#endif
	od
}

/* the module's poll; `event' is its answer */
inline poll(event)
{
#ifdef MUT_POLL_LATE_SLEEPING
	event = SOMETHING || gen != acked;
	if
	:: !event ->
		flags = flags | SLEEPING;
		event = SOMETHING || gen != acked
	:: else
	fi
#elif defined(MUT_POLL_LOOKS_FIRST)
	event = SOMETHING || gen != acked;
	flags = flags | SLEEPING
#else
	flags = flags | SLEEPING;					/* [E1] */
	/* [E2] smp_mb */
	event = SOMETHING || gen != acked				/* [E3] */
#endif
}

proctype consumer()
{
	bit event;
	byte arg;

#if MODE == LEVEL || MODE == EDGE
	poll(event);			/* EPOLL_CTL_ADD asks once */
	if
	:: event -> ready = 1
	:: else
	fi;
	event = 0;
#endif
top:
#if MODE == WAIT || MODE == ARM
	serve();
#endif
#ifdef MUT_WAIT_FRESH_GEN
	arg = gen;
#else
	arg = known;
#endif

#if MODE == WAIT
	d_step { woken = 0; flags = flags | SLEEPING };			/* [W1] */
	/* [W2] smp_mb */
	if
	:: SOMETHING							/* [W3] */
#ifndef MUT_WAIT_NO_GEN
	:: gen != arg							/* [G6] */
#endif
	:: else ->
end_asleep:	woken
	fi;
	d_step { flags = flags & ~SLEEPING; arg = 0 };			/* [W4] */
	goto top;

#elif MODE == ARM
#ifndef MUT_ARM_NO_LOOK
	flags = flags | SLEEPING;					/* [A1] */
	/* [A2] smp_mb */
	if
	:: SOMETHING || gen != arg -> flags = flags & ~SLEEPING; arg = 0; goto top	/* [A3] EAGAIN */
	:: else
	fi;
#else
	flags = flags | SLEEPING;
#endif
	arg = 0;
end_asleep:
	atomic { signalled -> signalled = 0 };		/* the user's own event loop */
	goto top;

#else
end_asleep:
	atomic { ready -> ready = 0 };
	poll(event);
	if
	:: event ->
		event = 0;
#if MODE == LEVEL
		ready = 1;		/* epoll asks again next time */
#endif
		serve()
	:: else
	fi;
	goto top;
#endif

gone:
	left = 1
}

init {
	atomic {
		run memory();
		run producer();
		run manager();
		run consumer()
	};
	timeout;			/* nothing moves any more */
	assert(left || (q == 0 && !(flags & DEAD) && known == gen))
}
