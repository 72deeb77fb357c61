/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of a stream on a persistent connection: who is told of an end that a producer
 * announced before both had gone. One connection, remembered by names; producers and
 * consumers of these names come one after the other, and each leaves in order, fails, or
 * dies anywhere; with -DKEEP messages wait for the next consumer, until a deadline.
 *
 * Shown: an end that was announced is told to whoever consumes next, until one that was
 * told leaves in order or another producer comes; nobody is told twice of the same one,
 * nor before all that was pushed was popped, nor of one that a producer that came since
 * has taken away; no producer has the ring while an end of before is in it; who comes is
 * joined to who is there, and else waits beside no end; a ring begins anew empty, and no
 * buffer is lost.
 *
 * The cursors and what a death leaves between two stores are core.pml's: messages are
 * counted here. Waking is poll.pml's: who has a ring looks at it, who has none acts when
 * the kernel has changed its gen. Lives are not counted: what the kernel tells apart by
 * the number of a block is put back when the block goes, which folds only equal states.
 */
#ifndef B
#define B	1
#endif
#include "common.h"

#define KEPT		64
#define DISCONNECTED	128
#define ENDS		(EOF | DEAD | CLOSED | DISCONNECTED)

#define OUT	0
#define IN	1

/* the ring, and the line of its flags */
byte queued;
byte flags = CLOSED;

/* the kernel's, runtime's lock; both ends are gone when somebody made it for two names */
#define GONE		0
#define PENDING		1
#define ATTACHED	2
#define WAITS		3	/* AWAY in the module: for a successor */
byte end[2];
bit wanted;			/* a block came for an end that is gone */
bit listed[2];			/* its block is in the graph */
bit dead[2];			/* its client's settle has begun; not under the runtime's lock */
bit ended;			/* the producer's block announced the end */
bit news[2];			/* gen moved since its client's last SYNC */
bit reader;			/* the listed consumer read the end that stands in the flags */
byte depot = B;

/* the clients' */
byte hold[2];

/* ghosts, of the last end that was announced and comes to the ring */
bit due;			/* it is to be told to whoever consumes next */
bit own;			/* it is the listed producer's */
bit told;			/* the listed consumer was told of it */
bit refused;			/* or has let go of the ring before any end */
bit late[2];			/* the block came for an end that is gone, and has not got it */

#define BOTH_GONE	(end[OUT] == GONE && end[IN] == GONE)
#ifdef MUT_FINDS_THE_DEAD
#define FOUND(d)	(listed[d])
#else
#define FOUND(d)	(listed[d] && !dead[d])				/* [C1] */
#endif
#define CHECK()		assert(depot + hold[OUT] + hold[IN] + queued == B)

/* all inlines but those of the processes: in a d_step, runtime's lock held */
inline drain()
{
	depot = depot + queued;						/* [N1] [U1] [U2] */
	queued = 0;							/* [N2] [N3] */
	CHECK()
}

inline offer(d)
{
	assert(listed[d]);
	end[d] = PENDING;						/* [C2] */
	late[d] = 0;
	if
	:: d == IN -> refused = 0
	:: else
	fi;
#ifdef MUT_NOT_NOTIFIED
	if
	:: d == IN && flags & EOF
	:: else -> news[d] = 1						/* [G1] */
	fi
#else
	news[d] = 1							/* [G1] */
#endif
}

/* the listed producer's end comes to the ring */
inline announce()
{
	if
	:: !own -> told = 0
	:: else
	fi;
	own = 1;
	due = 1
}

/* conn_revive() */
inline revive()
{
	if
#ifdef MUT_END_UNTOLD
	:: FOUND(IN) && FOUND(OUT) ->
#else
	:: FOUND(IN) && (FOUND(OUT) || flags & EOF) ->
#endif
		assert(queued == 0);		/* head = phead = tail: [X1] */
		if
		:: FOUND(OUT) && ended -> flags = EOF; announce()		/* [X2] */
#ifdef MUT_OLD_END_STAYS
		:: FOUND(OUT) && !ended -> flags = flags & EOF; due = 0
#else
		:: FOUND(OUT) && !ended -> flags = 0; due = 0			/* [X2] */
#endif
		:: else -> flags = EOF						/* [X2] */
		fi;
		wanted = 0;
		if
		:: FOUND(OUT) -> offer(OUT)
		:: else
		fi;
		offer(IN)
	:: else
	fi
}

/* mqshm_persist_idle() */
inline idle(d)
{
	assert(queued == 0);
#ifndef MUT_END_TWICE
	if
	:: d == IN && !FOUND(OUT) -> wanted = 0
	:: else
	fi;
#endif
#ifndef MUT_NOT_REVIVED
	if
#ifdef MUT_AT_ONCE
	:: true -> revive()
#else
	:: wanted -> revive()
#endif
	:: else
	fi
#endif
}

/* mqshm_conn_let_go() */
inline let_go(d, why, for_good)
{
	if
#ifdef MUT_END_REFUSED
	:: d == IN -> reader = for_good
#else
	:: d == IN -> reader = for_good && flags & EOF && !queued
#endif
	:: else
	fi;
	if
#ifdef MUT_END_WAITS
	:: !for_good && !(flags & CLOSED) && d == OUT ->
#else
	:: !for_good && !(flags & CLOSED) && d == OUT && !(flags & EOF) ->
#endif
		flags = flags | AWAY;					/* [S7] */
		end[d] = WAITS
#ifdef KEEP
	:: !for_good && !(flags & CLOSED) && d == IN ->
		flags = flags | KEPT;					/* [S15] */
		end[d] = WAITS
#endif
	:: else ->
		if
		:: d == IN -> flags = flags | CLOSED			/* [S12] */
		:: d == OUT && !(flags & (EOF | DISCONNECTED)) -> flags = flags | why	/* [S7] */
		:: else
		fi;
		end[d] = GONE;						/* [S10] [S13] [S14] */
		if
		:: d == IN && end[OUT] == WAITS -> end[OUT] = GONE
		:: else
		fi;
		if
#ifdef MUT_NO_LAST_DRAIN
		:: d == IN -> drain()
#else
		:: end[IN] == GONE -> drain()				/* [S8] */
#endif
		:: else
		fi
	fi;
	if
	:: end[1 - d] == PENDING || end[1 - d] == ATTACHED -> news[1 - d] = 1	/* [S9] [S16] */
	:: else
	fi;
	if
	:: end[d] == GONE && BOTH_GONE -> idle(d)
	:: else
	fi
}

/* end_forget() */
inline forget()
{
	flags = flags & ~EOF;						/* [X3] */
#ifndef MUT_READER_STAYS
	reader = 0
#else
	skip
#endif
}

/* mqshm_persist_block_came(): BLOCK_CREATE */
inline come(d)
{
	listed[d] = 1;
	news[d] = 0;
	if
	:: d == OUT -> ended = 0; own = 0
	:: else -> told = 0; refused = 0
	fi;
	if
	:: end[d] == WAITS ->
		assert(d == IN || !due);
		flags = flags & ~(d == OUT -> AWAY : KEPT);		/* [X4] */
		offer(d);
		if
		:: end[1 - d] == PENDING || end[1 - d] == ATTACHED -> news[1 - d] = 1
		:: else
		fi
	:: end[d] == GONE && d == OUT ->
		wanted = 1;
		late[d] = 1;
#ifndef MUT_END_STAYS
		if
		:: BOTH_GONE -> forget()
		:: else
		fi;
#endif
		if
		:: BOTH_GONE || (end[IN] == PENDING && !queued) -> due = 0	/* nobody has learnt of it */
		:: else
		fi;
		if
#ifdef MUT_END_FIRST
		:: false ->
#elif defined(MUT_END_WHILE_READ)
		:: (end[IN] == PENDING || end[IN] == ATTACHED) && queued == 0 ->
#elif defined(MUT_END_OVER_MESSAGES)
		:: end[IN] == PENDING ->
#else
		:: end[IN] == PENDING && queued == 0 ->
#endif
			assert(queued == 0);
#ifdef MUT_REFUSED_FOR_EVER
			flags = flags & ~EOF;
#else
			flags = 0;					/* [X2] */
#endif
			wanted = 0;
			offer(OUT);
			news[IN] = 1
		:: else
		fi
	:: end[d] == GONE && d == IN ->
#ifndef MUT_NOT_WANTED
		wanted = 1;
#endif
		late[d] = 1
	:: else -> assert(false)
	fi;
	if
	:: wanted && BOTH_GONE -> revive()
	:: else
	fi
}

/* mqshm_persist_block_leaves(), mqshm_persist_client_leaves() */
inline leave(d)
{
#ifndef MUT_END_FOR_EVER
	if
#ifdef MUT_ANY_READER
	:: d == IN && end[IN] == GONE && !wanted && flags & EOF -> forget()
#else
	:: d == IN && end[IN] == GONE && reader && flags & EOF -> forget()
#endif
	:: else
	fi
#endif
	skip
}

/* what is to be seen of a block that leaves in order: who was told need not be told again */
inline left_in_order(d)
{
	if
	:: d == IN && told -> due = 0
	:: else
	fi
}

/* the hand, and what was not flushed, of a block whose client goes on are its next one's */
inline out_of_the_graph(d)
{
	listed[d] = 0;
	late[d] = 0;
	if
	:: d == IN -> reader = 0; told = 0; refused = 0
	:: else -> ended = 0; own = 0
	fi;
	assert(end[d] == GONE || end[d] == WAITS)
}

/*
 * What must not be: a consumer that knows all there is and waits beside an end that it was not
 * told of, with no producer; or both, who came and are not joined.
 */
#define RESTS(d)	(listed[d] && !dead[d] && !news[d])
#define WAITS_ALONE	(RESTS(IN) && !listed[OUT] && !told && !refused && \
			 (end[IN] != ATTACHED || (!queued && !(flags & ENDS))))
#define NOT_JOINED	(RESTS(IN) && RESTS(OUT) && BOTH_GONE)

/* DETACH or the end of its memory, in steps between which others have the runtime's lock */
inline settle(d, why, in_order)
{
	dead[d] = 1;							/* [M6] [S0] */
	d_step {
		if
		:: in_order -> left_in_order(d)
		:: else
		fi;
		if
#ifdef MUT_DEAD_HAS_READ
		:: true -> leave(d)
#else
		:: in_order -> leave(d)
#endif
		:: else
		fi
	}
	d_step {
		if
		:: end[d] == PENDING || end[d] == ATTACHED -> let_go(d, why, false)
		:: else
		fi
	}
	d_step { out_of_the_graph(d) }
	d_step {
		depot = depot + hold[d];				/* [S11] */
		hold[d] = 0;
		CHECK();
		dead[d] = 0						/* [S17] another client */
	}
}

/* BLOCK_REMOVE, in one hold of the lock; @failed as it says */
inline remove(d, failed)
{
	d_step {
		if
		:: !failed -> left_in_order(d)
		:: else
		fi;
		if
#ifdef MUT_FAILED_HAS_READ
		:: true -> leave(d)
#else
		:: !failed -> leave(d)
#endif
		:: else
		fi;
#ifndef MUT_JOINED_AS_IT_GOES
		listed[d] = 0;
#endif
		if
		:: end[d] == PENDING || end[d] == ATTACHED -> let_go(d, DISCONNECTED, false)
		:: else
		fi;
		out_of_the_graph(d)
	}
}

#define MINE_ENDS(d) \
	:: settle(d, DEAD, false); break				\
	:: settle(d, DISCONNECTED, true); break				\
	:: remove(d, false); break

proctype producer()
{
	bit owes;

end_none:
	do
	:: d_step { come(OUT); owes = 0 };
		do
		MINE_ENDS(OUT)
		:: d_step { news[OUT] ->				/* [G4] SYNC */
			news[OUT] = 0;
			if
			:: end[OUT] == PENDING -> end[OUT] = ATTACHED	/* [C3] [C4] */
			:: else
			fi
		   }
		:: d_step { depot && !hold[OUT] -> depot--; hold[OUT]++ }	/* [L1] [L2] */
		:: d_step { end[OUT] == ATTACHED && hold[OUT] && queued < N && !ended ->
			assert(!(flags & (EOF | DEAD | DISCONNECTED)));	/* behind another's end */
			hold[OUT]--; queued++; owes = 1 }		/* [P2] [P4] */
		:: d_step { owes ->					/* [F1] [F2] */
			if
			:: flags & CLOSED && end[OUT] == ATTACHED && end[IN] == GONE -> drain()	/* [K1] */
			:: else
			fi;
			owes = 0
		   }
		:: d_step { !ended && !owes ->				/* PORT_END */
			ended = 1;
			if
#ifdef MUT_END_UNJOINED
			:: end[OUT] == PENDING || end[OUT] == ATTACHED ->
#else
			:: end[OUT] == PENDING || end[OUT] == ATTACHED || BOTH_GONE ->
#endif
				flags = flags | EOF			/* [S7] */
			:: else
			fi;
			if
			:: end[OUT] == PENDING || end[OUT] == ATTACHED || BOTH_GONE ->
				announce()
			:: else			/* behind another's: that one is told first */
			fi;
			if
			:: end[IN] == PENDING || end[IN] == ATTACHED -> news[IN] = 1
			:: else
			fi
		   }
		:: d_step { end[OUT] == ATTACHED && !owes ->		/* [C5] closed, or it does not want it */
			let_go(OUT, DISCONNECTED, true)
		   }
		od
	od
}

proctype consumer()
{
	byte seen;

end_none:
	do
	:: d_step { come(IN) };
		do
		MINE_ENDS(IN)
		:: remove(IN, true); break
		:: d_step { news[IN] ->					/* [G4] SYNC */
			news[IN] = 0;
			if
			:: end[IN] == PENDING -> end[IN] = ATTACHED	/* [C3] [C4] */
			:: else
			fi
		   }
		:: d_step { hold[IN] -> hold[IN]--; depot++ }		/* [T2] [T3] */
		:: d_step { end[IN] == ATTACHED && queued -> queued--; hold[IN]++ }	/* [O1] [O3] [O4] */
		:: atomic { end[IN] == ATTACHED && !queued };		/* [O1] */
			seen = flags;					/* [O8] */
			if
			:: !(seen & ENDS)
#ifndef MUT_END_NO_SECOND_LOOK
			:: seen & ENDS && queued			/* [O1] */
#endif
			:: else ->
				d_step {				/* [C5] */
					if
					:: seen & EOF ->
						assert(queued == 0);
						assert(due);
						assert(!told);
						told = 1
					:: else -> refused = 1
					fi;
					let_go(IN, DISCONNECTED, true)
				}
			fi;
			seen = 0
		:: d_step { end[IN] == ATTACHED && !(flags & EOF) ->	/* [C5] it does not want it */
			refused = 1;
			let_go(IN, DISCONNECTED, true)
		   }
		:: d_step { WAITS_ALONE -> assert(!due) }
		:: d_step { NOT_JOINED -> assert(!late[OUT] && !late[IN]) }
		od
	od
}

#ifdef KEEP
/* ends_close(): messages have waited long enough */
proctype deadline()
{
end_idle: do
	:: d_step { end[IN] == WAITS ->
		flags = (flags | CLOSED) & ~KEPT;			/* [S12] */
		end[IN] = GONE;						/* [S13] */
		if
		:: end[OUT] == WAITS -> end[OUT] = GONE
		:: else
		fi;
		drain();
		if
		:: end[OUT] == PENDING || end[OUT] == ATTACHED -> news[OUT] = 1	/* [S16] */
		:: else
		fi
	   }
	od
}
#endif

init {
	atomic {
		run producer();
		run consumer();
#ifdef KEEP
		run deadline()
#endif
	}
}
