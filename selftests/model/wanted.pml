/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nobody starves: a pool of BUFS buffers, magazines and batches of an eighth
 * of it and at least one, WANTED.  CHAIN: source 0 -> forward 1 -> sink 2, and
 * the forward may drop a message, so that it has an idle magazine too.
 * FANIN: sources 0 and 1 -> sink 2; source 0 may die, or stop for ever in a
 * call of its own, with whatever it has leased.
 *
 * Shown: no state in which all sleep, and with -DNP -f no run in which the
 * watched source (CHAIN: 0, FANIN: 1) gets no buffer any more.
 *
 * Buffers are counted.  The handshakes for messages and space are those of
 * space.pml; here a sleep ends by itself when what it waits for is there.
 */
#ifndef BUFS
#define BUFS	3
#endif
#include "common.h"

#ifdef MUT_UNBOUNDED
#define BOUND	BUFS
#else
#define BOUND	(BUFS / 8 > 1 -> BUFS / 8 : 1)
#endif

#ifdef FANIN
#define WATCHED(c)		((c) == 1)
#define MAY_BE_KILLED(c)	((c) == 0)
#define MAY_STOP(c)		((c) == 0 && BUFS > 1)	/* with the only one it would be true hunger */
#else
#define WATCHED(c)		((c) == 0)
#define MAY_BE_KILLED(c)	false
#define MAY_STOP(c)		false
#endif

byte depot = BUFS;		/* depot lock: this and the next six */
byte promised;			/* of these: for waiters that were woken and have not taken yet */
bit waiting[3];
bit granted[3];
byte first;			/* who has waited longest; two sources at most wait */
bit WANTED;

byte mag[3];			/* hold 1, count 1, in nobody's hand */
bit hand[3];
byte q[2];			/* rings: 0 -> 1 -> 2, or 0 -> 2 and 1 -> 2 */

#define TOTAL	(depot + mag[0] + mag[1] + mag[2] + hand[0] + hand[1] + hand[2] + q[0] + q[1])

inline grant_one()
{
	if
	:: depot > promised && waiting[first] ->			/* [T5] */
		waiting[first] = 0;
		granted[first] = 1;
		promised++
	:: else
	fi;
	first = (!waiting[first] && waiting[1 - first] -> 1 - first : first)
}

/* depot lock held: the buffers that are there go to those who wait, in order */
inline grant()
{
	grant_one();
	grant_one();
	WANTED = waiting[0] || waiting[1]				/* [T6] */
}

inline give_back(c)
{
	d_step {
		depot = depot + mag[c]; mag[c] = 0;			/* [T3] */
		grant();
		assert(TOTAL == BUFS)
	}
}

/* every look: on release, on a port found empty, on taking from the magazine */
inline look_at_wanted(c)
{
	if
	:: WANTED && mag[c] -> give_back(c)				/* [B1] */
	:: else
	fi
}

inline before_sleep(c)
{
#ifndef MUT_NO_RETURN_BEFORE_SLEEP
	give_back(c)							/* [B2] in the same call */
#else
	skip
#endif
}

/* from the magazine, else a batch from the depot, else wait */
inline allocate(c)
{
	if
	:: mag[c] -> skip
	:: atomic { !mag[c] && depot > promised ->			/* [L1] */
		if
		:: depot - promised >= BOUND -> mag[c] = BOUND; depot = depot - BOUND
		:: else -> mag[c] = depot - promised; depot = promised
		fi
	   }
#ifdef MUT_BARGE
	:: atomic { !mag[c] && depot && depot == promised -> mag[c] = 1; depot-- }
#endif
	:: atomic { !mag[c] && depot <= promised ->			/* [B3] waits, one lock hold */
		waiting[c] = 1;
		first = (waiting[1 - c] -> 1 - c : c);
		WANTED = 1
	   }
	   if
	   :: atomic { granted[c] ->					/* [B4] */
		granted[c] = 0; promised--;
		if
		:: depot -> depot--; mag[c] = 1
		:: else			/* only if somebody barged in */
		fi;
		grant()
	      }
	   :: atomic { MAY_BE_KILLED(c) -> goto dead }
	   fi
	fi;
	if
	:: atomic { mag[c] -> mag[c]--; hand[c] = 1 }
	:: else -> goto top
	fi;
	look_at_wanted(c)
}

proctype source(byte c)
{
top:
	allocate(c);
	if
	:: MAY_STOP(c) ->
end_stop:	false			/* outside, for ever */
	:: MAY_BE_KILLED(c) -> goto dead
	:: true
	fi;
	if
	:: atomic { q[c] < N -> q[c]++; hand[c] = 0 }
	:: q[c] == N ->
		before_sleep(c);
		d_step { q[c] < N -> q[c]++; hand[c] = 0 }
	fi;
	if
	:: WATCHED(c) ->
progress:	skip
	:: else
	fi;
	goto top;
dead:
	skip;
	d_step {			/* settle */
		depot = depot + mag[c] + hand[c];			/* [S11] */
		mag[c] = 0; hand[c] = 0;
		waiting[c] = 0;						/* [B5] */
#ifndef MUT_GRANT_LOST
		promised = promised - granted[c];
		granted[c] = 0;
#endif
		grant();
		assert(TOTAL == BUFS)
	}
}

/* the sole holder's release */
inline release(c)
{
	if
	:: atomic { mag[c] < BOUND -> mag[c]++; hand[c] = 0 }
	:: atomic { mag[c] >= BOUND -> mag[c]++; hand[c] = 0 };
		give_back(c)
	fi;
	look_at_wanted(c)
}

inline found_empty(c, ready)
{
#ifndef MUT_WANTED_ON_RELEASE_ONLY
	look_at_wanted(c);
#endif
	if
	:: skip				/* polls */
	:: before_sleep(c); ready	/* sleeps */
	fi
}

proctype forward(byte c)
{
	do
	:: atomic { q[0] -> q[0]--; hand[c] = 1 };
		if
		:: release(c)		/* drops it */
		:: skip
		   if
		   :: atomic { q[1] < N -> q[1]++; hand[c] = 0 }
		   :: q[1] == N ->
			before_sleep(c);
			d_step { q[1] < N -> q[1]++; hand[c] = 0 }
		   fi
		fi
	:: !q[0] -> found_empty(c, q[0])
	od
}

proctype sink(byte c)
{
	do
#ifdef FANIN
	:: atomic { q[0] -> q[0]--; hand[c] = 1 };
		release(c)
#endif
	:: atomic { q[1] -> q[1]--; hand[c] = 1 };
		release(c)
#ifdef FANIN
	:: !q[0] && !q[1] -> found_empty(c, q[0] || q[1])
#else
	:: !q[1] -> found_empty(c, q[1])
#endif
	od
}

init {
	atomic {
		run source(0);
#ifdef FANIN
		run source(1);
#else
		run forward(1);
#endif
		run sink(2)
	}
}
