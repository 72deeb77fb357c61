/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections: somebody else connects and disconnects producer 0 and consumer
 * 1 at any time, always under the same ring id; each end attaches and detaches
 * in its own client's call; clients die at any time and come back.
 *
 * Shown: hold equals the truth after step 1 of every settle, no buffer is lost
 * or doubled, a ring is empty when its id is free again, a settled client has
 * no end anywhere.
 *
 * A ring id stands for one of two ring memories, so that an id that is used
 * again too early meets a fresh memory while the old one is still mapped; a
 * correct protocol never needs the second.  Without dup a buffer has one
 * reference, so W is left out.  Stores reach memory at once: core.pml has the
 * store buffers.
 */
#ifndef B
#define B	1
#endif
#include "common.h"

#define RINGS	2
#define P	0
#define D	1

/* ring memories */
byte slot[RINGS * N];
byte ptail[RINGS], phead[RINGS], head[RINGS];
byte flags[RINGS];

/* clients */
byte hold[2 * B];
short intent[2];
byte map[2];			/* which memory c has mapped, 0: none, else + 1 */

/* the kernel's; graph lock */
#define NONE	0
#define PENDING	1		/* half attached: connect was told, c has not acknowledged */
#define ATTACHED 2
byte end[2];
bit connected;			/* the id is in use */
byte cur;			/* which memory it stands for */
bit cons_gone[RINGS];
bit going[2];			/* settle has begun */
bit settled[2];
byte depot[B];

/* ghosts */
byte own[2 * B];
byte inr[RINGS * B];
bit owes;

#define HOLD(c, b)	hold[(c) * B + (b)]
#define OWN(c, b)	own[(c) * B + (b)]
#define INR(k, b)	inr[(k) * B + (b)]
#define CHECK(b)	assert(depot[b] + OWN(P, b) + OWN(D, b) + INR(0, b) + INR(1, b) == 1)
#if B == 1
#define LOADED(k)	(INR(k, 0))
#define HOLDS(c)	(HOLD(c, 0))
#else
#define LOADED(k)	(INR(k, 0) + INR(k, 1))
#define HOLDS(c)	(HOLD(c, 0) || HOLD(c, 1))
#endif

inline pick_held(c)
{
	if
	:: HOLD(c, 0) -> b = 0
#if B > 1
	:: HOLD(c, 1) -> b = 1
#endif
	fi
}

/* ring lock held; in a d_step */
inline drain(m)
{
	n = 0;
	do
	:: n < N && FULL(slot[AT(m, phead[m])], phead[m]) ->		/* [N1] */
		x = S_B(slot[AT(m, phead[m])]);
		phead[m] = NEXT(phead[m]);				/* [N2] */
		head[m] = phead[m];					/* [N3] */
		assert(INR(m, x) == 1);
		INR(m, x) = 0;
		depot[x] = depot[x] + 1;				/* [U1] [U2] */
		CHECK(x);
		n++
	:: else -> break
	od;
	n = 0; x = 0
}

/* both ends acknowledged or settled: the id may be used again */
inline free_id()
{
	if
#ifdef MUT_REUSE_ONE_SIDED
	:: connected && (end[P] == NONE || end[D] == NONE) -> connected = 0
#else
	:: connected && end[P] == NONE && end[D] == NONE ->
		assert(LOADED(cur) == 0);
		connected = 0
#endif
	:: else
	fi
}

/* c's end goes; graph lock and ring lock held; in a d_step */
inline detach(c)
{
	if
	:: c == P && end[c] == ATTACHED && cons_gone[cur] -> drain(cur)	/* [S8] */
#ifdef MUT_PENDING_NO_DRAIN
	:: c == D && end[c] == ATTACHED ->
#else
	:: c == D && end[c] != NONE ->		/* its producer may have pushed before it came */
#endif
		flags[cur] = flags[cur] | CLOSED;			/* [S12] */
		cons_gone[cur] = 1;					/* [S13] */
		drain(cur)
	:: else -> flags[cur] = flags[cur] | DEAD			/* [S7] */
	fi;
	end[c] = NONE;							/* [S10] [S14] */
	map[c] = 0;
	if
	:: c == P -> owes = 0
	:: else
	fi;
	free_id()
}

/* c's own call after it saw gen change, or CLOSED, EOF or DEAD and nothing left */
inline acknowledge(c)
{
	atomic {
		if
		:: end[c] == PENDING && !(flags[cur] & CLOSED) ->
			d_step {
				end[c] = ATTACHED;			/* [C3] */
				map[c] = cur + 1;
#if !defined(MUT_ATTACH_KEEPS_INTENT) && !defined(MUT_ATTACH_ALONE)
				intent[c] = 0				/* [C4] */
#endif
			}
		:: end[c] != NONE && (flags[cur] & (CLOSED | DEAD)) ->
			d_step {
#ifndef MUT_ATTACH_KEEPS_INTENT
				intent[c] = 0;				/* [C4] */
#endif
				detach(c)				/* [C5] */
			}
		fi
	}
}

inline lease(c)
{
	atomic {
		if
		:: depot[0] -> b = 0
#if B > 1
		:: depot[1] -> b = 1
#endif
		fi;
		d_step {
			depot[b] = 0;					/* [L1] */
			HOLD(c, b) = 1;					/* [L2] */
			OWN(c, b) = 1;
			intent[c] = 0;					/* [L3] */
			CHECK(b);
			b = 0
		}
	}
}

inline return_buffer(c)
{
	atomic {
		pick_held(c);
		d_step {
			HOLD(c, b) = 0;					/* [T2] */
			OWN(c, b) = 0;
			depot[b] = depot[b] + 1;			/* [T3] */
			intent[c] = 0;					/* [T4] */
			CHECK(b);
			b = 0
		}
	}
}

#define M	(map[c] - 1)

/* flushed into a ring that nobody will drain */
#define STRANDED(m)	(cons_gone[m] && LOADED(m))

/* the ring that an intent names is an id, not a memory: there is one id, 0 */
inline push(c)
{
	atomic {
		c == P && map[c] && HOLDS(c) && USED(ptail[M], head[M]) < N -> pick_held(c);
		h = HOLD(c, b);
		intent[c] = INTENT(OP_PUSH, ptail[M] & 1, b, h, 1, 0);	/* [P3] */
		MAY_DIE;
		d_step {
			slot[AT(M, ptail[M])] = SLOT(b, ptail[M]);	/* [P4] */
			OWN(c, b) = 0;
			INR(M, b) = 1;
			owes = 1
		}
		MAY_DIE;
		HOLD(c, b) = h - 1;					/* [P5] */
		MAY_DIE;
		ptail[M] = NEXT(ptail[M]);				/* [P6] */
		b = 0; h = 0
	}
}

inline flush(c)
{
	atomic { c == P && map[c] && owes };
	if
	:: atomic { !(flags[M] & CLOSED) -> owes = 0; assert(!STRANDED(M)) }	/* [F2] */
	:: atomic { flags[M] & CLOSED -> skip }
		d_step {
#ifdef MUT_KICK_DRAINS_ATTACHED
			drain(M);
#else
			if
			:: cons_gone[M] -> drain(M)			/* [K1] */
			:: else
			fi;
#endif
			owes = 0
		}
	fi
}

inline pop(c)
{
	atomic {
		c == D && map[c] && FULL(slot[AT(M, phead[M])], phead[M]) ->	/* [O1] */
		b = S_B(slot[AT(M, phead[M])])
	}
	MAY_DIE;
	atomic {
		h = HOLD(c, b);
		intent[c] = INTENT(OP_POP, phead[M] & 1, b, h, 1, 0);	/* [O2] */
		MAY_DIE;
		d_step {
			phead[M] = NEXT(phead[M]);			/* [O3] */
			assert(INR(M, b) == 1);
			INR(M, b) = 0;
			OWN(c, b) = 1
		}
		MAY_DIE;
		HOLD(c, b) = h + 1;					/* [O4] */
		MAY_DIE;
		head[M] = phead[M];					/* [O5] */
		b = 0; h = 0
	}
}

/* by the kernel's own table: which memory the id stands for now */
inline resolve(c)
{
	d_step {
		x = intent[c];						/* [S1] */
		h = 0;
		if
		:: end[c] != ATTACHED		/* no part in that ring: the operation was complete */
		:: end[c] == ATTACHED && I_OP(x) == OP_PUSH ->
			h = ((ptail[cur] & 1) != I_PAR(x));		/* [S2] */
			if
			:: !h && FULL(slot[AT(cur, ptail[cur])], ptail[cur]) ->	/* [S3] */
				ptail[cur] = NEXT(ptail[cur]);
				h = 1
			:: else
			fi;
			HOLD(c, I_B(x)) = I_H(x) - h			/* [S6] */
		:: end[c] == ATTACHED && I_OP(x) == OP_POP ->
			h = ((phead[cur] & 1) != I_PAR(x));		/* [S4] */
			HOLD(c, I_B(x)) = I_H(x) + h			/* [S6] */
		:: else
		fi;
		intent[c] = 0;
		h = 0; x = 0
	}
}

proctype client(byte c)
{
	byte b, h, n;
	short x;

join:
end_idle:
idle:
	do
	:: atomic { crashes < CRASHES -> crashes++; goto dead }
	:: lease(c)
	:: return_buffer(c)
	:: push(c)
	:: flush(c)
	:: pop(c)
	:: acknowledge(c)
	od;
dead:
	atomic {
		d_step { going[c] = 1; b = 0; h = 0; n = 0; x = 0 }	/* [S0] graph lock */
		resolve(c);
		d_step {
			assert(HOLD(c, 0) == OWN(c, 0));
#if B > 1
			assert(HOLD(c, 1) == OWN(c, 1))
#endif
		}
	}
	d_step {							/* graph lock: the ends */
		if
		:: end[c] != NONE -> detach(c)
		:: else
		fi
	}
	d_step {
		b = 0;
		do
		:: b < B ->
			depot[b] = depot[b] + HOLD(c, b);		/* [S11] */
			HOLD(c, b) = 0; OWN(c, b) = 0;
			CHECK(b);
			b++
		:: else -> b = 0; break
		od;
		settled[c] = 1;
		assert(end[c] == NONE)
	}
	if
	:: atomic { settled[c] = 0; going[c] = 0; goto join }		/* somebody joins in its slot */
	:: skip
	fi
}

proctype manager()
{
	byte n;
	short x;
end_manager: do
	:: d_step {
#ifdef MUT_CONNECT_NO_DEAD_CHECK
		!connected ->
#else
		!connected && !going[P] && !going[D] ->			/* [C1] */
#endif
#ifdef MUT_REUSE_ONE_SIDED
		cur = 1 - cur;
#endif
		n = 0;
		do
		:: n < N -> slot[cur * N + n] = 0; n++
		:: else -> n = 0; break
		od;
		ptail[cur] = 0; phead[cur] = 0; head[cur] = 0;
		flags[cur] = 0; cons_gone[cur] = 0;
		connected = 1;
		end[P] = PENDING; end[D] = PENDING;			/* [C2] gen changes */
		assert(!settled[P] && !settled[D])
	   }
	:: d_step {
		connected && !(flags[cur] & CLOSED) ->
		flags[cur] = flags[cur] | CLOSED;			/* [C6] nothing more */
#ifdef MUT_DISCONNECT_DRAINS
		drain(cur);
		skip
#endif
	   }
	od
}

init {
	atomic {
		depot[0] = 1;
#if B > 1
		depot[1] = 1;
#endif
		run manager();
		run client(P);
		run client(D)
	}
}
