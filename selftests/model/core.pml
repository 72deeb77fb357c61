/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The core: push, pop, dup, release, flush, kick, wait, lease, return and
 * settle, among clients that do any operation at any time and die between any
 * two of their stores.
 *
 * Shown: the Invariant after every step that changes a count; hold equal to
 * the truth after step 1 of every settle; no buffer lost; a ring empty when
 * it is freed; the depot full when all are gone; no consumer asleep beside a
 * message whose producer has flushed, or beside the death of its producer.
 *
 * With -DKEPT a ring whose consumer is gone waits for another, which takes its
 * place, until the kernel has waited long enough.  Shown: what it held is there
 * for the successor, each message once.  With -DBACK as well, who comes takes the
 * ends of its outbound rings again too, which were away meanwhile.
 *
 * With -DOLDEST the producer of a full ring takes the oldest message out itself: the
 * consumer's cursor is a word that both swap, each with a toggle of its own in it.
 *
 * Bounds: C clients, K rings of N slots, B buffers, at most MAXREF references
 * to a buffer, CRASHES deaths.  Clients from TOGGLES on have no toggle bit.
 */
#ifndef C
#define C		3
#endif
#ifndef B
#define B		2
#endif
#ifndef K
#define K		2
#endif
#ifndef MAXREF
#define MAXREF		3
#endif
#ifndef TOGGLES
#define TOGGLES		C
#endif
#include "common.h"

/* who feeds whom: a chain by default */
#if TOPO == 1			/* fan-in: 0 -> 2, 1 -> 2 */
#define PROD(k)		(k)
#define CONS(k)		2
#elif TOPO == 2			/* fan-out: 0 -> 1, 0 -> 2 */
#define PROD(k)		0
#define CONS(k)		((k) + 1)
#else				/* chain or cycle: 0 -> 1, 1 -> 2, 2 -> 0 */
#define PROD(k)		(k)
#define CONS(k)		(((k) + 1) % C)
#endif

/* cells of the protocol */
byte W[B];
byte hold[C * B];
short intent[C];
byte slot[K * N];
byte ptail[K];
byte phead[K];
byte head[K];
byte flags[K];

/* the kernel's own */
byte depot[B];			/* in-depot; a byte, so that twice shows */
bit lock[K];
bit cons_gone[K];		/* consumer's end can pop no more */
byte ends[K];			/* attached ends; 0: freed */
bit asleep[C];
bit woken[C];
#ifdef KEPT
byte kept[K];			/* waits for another consumer; 1 + what it held when it was kept */
bit prod_gone[K];		/* who comes for its inbound rings has no outbound ones */
#define PRODUCES(c, k)	(PROD(k) == (c) && !prod_gone[k])
#else
#define PRODUCES(c, k)	(PROD(k) == (c))
#endif

/* What may drain is interleaved with a producer that drops meanwhile. */
#ifdef OLDEST
#define DRAINING
#else
#define DRAINING	GROUP
#endif

#ifdef OLDEST
/*
 * The rest of the word of phead: a toggle of the consumer's, one of the producer's.  A
 * cursor of 62 bits does not come round, so that a compare-and-swap succeeds only if
 * nobody else has swapped since the word was loaded: who has loaded it watches that.
 */
bit ctog[K], ptog[K];
bit watch[K * 3];		/* the consumer's, the producer's, the kernel's */
#define WATCH(who, k)		watch[(k) * 3 + (who)] = 1
#define UNCHANGED(who, k)	(watch[(k) * 3 + (who)] == 1)
#define SWAPPED(k)		watch[(k) * 3] = 0; watch[(k) * 3 + 1] = 0; watch[(k) * 3 + 2] = 0
#endif

/*
 * x86-TSO: the producer's slot stores pass through its store buffer.  late[]
 * holds those not yet in memory, vis[] is the next to get there.  hold, intent
 * and ptail go the same way, but nobody looks at them before the thread is
 * dead and its buffer empty.
 */
byte late[K * N];
byte vis[K];

/*
 * An operation that is complete leaves its intent, its toggle and its place in
 * the ring behind.  Resolving such an intent changes nothing, since all that it
 * is resolved against belongs to its client, whose next step of any kind
 * replaces or clears it; the value of a toggle matters only beside an intent;
 * a ring's behaviour does not depend on where its cursors stand.  So these are
 * put back to 0, which folds states that differ in nothing else.  With -DKEEP
 * they stay as the real cells do: the mutations that break the argument, and
 * a smaller exhaustive run that confirms it, use that.
 */
#ifdef KEEP
#define FORGET_INTENT(c)	skip
#define FORGET_TOGGLE(c, b)	skip
#define FORGET_RING(k)		skip
#define FORGET_SLOT(k)		skip
#else
#define FORGET_INTENT(c)	intent[c] = 0
#define FORGET_TOGGLE(c, b)	W[b] = W[b] & ~BIT(c)
/* what was popped is never read again; its lap is */
#define FORGET_SLOT(k)		slot[AT(k, phead[k])] = slot[AT(k, phead[k])] & ~3
#define FORGET_RING(k)							\
	if								\
	:: LOADED(k) == 0 && intent[PROD(k)] == 0 && intent[CONS(k)] == 0 ->	\
		n = 0;							\
		do							\
		:: n < N -> slot[k * N + n] = 0; n++			\
		:: else -> break					\
		od;							\
		n = 0; ptail[k] = 0; phead[k] = 0; head[k] = 0; vis[k] = 0	\
	:: else								\
	fi
#endif

/* ghosts: the truth */
byte own[C * B];		/* references of c to b */
byte inr[K * B];		/* references in ring k */
bit owes[K];			/* published, flush not finished */
byte gone;			/* clients settled */

#define HOLD(c, b)	hold[(c) * B + (b)]
#define OWN(c, b)	own[(c) * B + (b)]
#define INR(k, b)	inr[(k) * B + (b)]

#if C == 2
#define OWNED(b)	(OWN(0, b) + OWN(1, b))
#else
#define OWNED(b)	(OWN(0, b) + OWN(1, b) + OWN(2, b))
#endif
#if K == 1
#define QUEUED(b)	INR(0, b)
#elif K == 2
#define QUEUED(b)	(INR(0, b) + INR(1, b))
#else
#define QUEUED(b)	(INR(0, b) + INR(1, b) + INR(2, b))
#endif
#if B == 1
#define LOADED(k)	(INR(k, 0))
#elif B == 2
#define LOADED(k)	(INR(k, 0) + INR(k, 1))
#else
#define LOADED(k)	(INR(k, 0) + INR(k, 1) + INR(k, 2))
#endif

/* the Invariant, and that no buffer is nowhere */
#define CHECK(b)							\
	assert(COUNT(W[b]) == depot[b] + OWNED(b) + QUEUED(b));		\
	assert(depot[b] <= 1 && COUNT(W[b]) >= 1)

#define LOST_WAKEUP(k)							\
	(asleep[CONS(k)] && !woken[CONS(k)] && LOADED(k) && !owes[k])

/* flushed into a ring whose consumer is settled, and nobody drained it */
#define STRANDED(k) \
	(cons_gone[k] && ends[k] == 1 && LOADED(k) && !owes[k])

#ifdef MUT_NO_LOCK
#define LOCK(k)		true
#define UNLOCK(k)	true
#else
#define LOCK(k)		atomic { !lock[k]; lock[k] = 1 }
#define UNLOCK(k)	lock[k] = 0
#endif

/* one store reaches memory */
inline store_lands(k)
{
	slot[AT(k, vis[k])] = late[AT(k, vis[k])] - 1;
	late[AT(k, vis[k])] = 0;
	vis[k] = NEXT(vis[k])
}

inline store_buffer_drains(k)
{
	do
	:: late[AT(k, vis[k])] -> store_lands(k)
	:: else -> break
	od
}

/* ---- the kernel ---- */

/*
 * The n references that a dead client, or nobody any more, has to b.  First a
 * look: a count of n means that nobody else has one, nor can get one, so that
 * nothing need be fetched and put back.  Otherwise [U1] one fetch_sub, never a
 * loop on a word that clients write, and its answer decides, since the others
 * may have gone since the look; [U2] the count rests at 1 again, then into the
 * depot under its lock.  One step after the look: once the last is taken, b is
 * nowhere, so that nobody can look at it.
 */
#define LOOK_AT(b)	w = COUNT(W[b])					/* [U0] */

inline sub(b, n)
{
	assert(COUNT(W[b]) >= n);
	if
	:: w == n ->
#if defined(MUT_LOOK_STORES_1)
		W[b] = 1;			/* the toggles are others' */
#elif !defined(MUT_LOOK_LEAVES_COUNT)
		W[b] = W[b] - (n - 1);
#endif
		depot[b] = depot[b] + 1
	:: else ->
		W[b] = W[b] - n;
#ifndef MUT_LOOK_DECIDES
		if
		:: COUNT(W[b]) == 0 -> W[b] = W[b] + 1; depot[b] = depot[b] + 1
		:: else
		fi
#endif
	fi;
	w = 0;
	CHECK(b)
}

/*
 * Ring lock held, consumer's end gone; at most N slots, whatever is pushed
 * meanwhile.  A slot that is full stays so until phead moves.
 */
inline drain(k)
{
	n = 0;
	do
#if defined(OLDEST) && !defined(MUT_DRAIN_STORES)
	/* the producer may be dropping: again from the look on, if it was faster */
	:: d_step { n < N && FULL(slot[AT(k, phead[k])], phead[k]) ->
		s = slot[AT(k, phead[k])];			/* [N1] */
		WATCH(2, k)
	   }
	   if
	   :: atomic { UNCHANGED(2, k) ->
		d_step {
			phead[k] = NEXT(phead[k]);		/* [N2] */
			SWAPPED(k);
			LOOK_AT(S_B(s))
		}
		d_step {
			assert(INR(k, S_B(s)) >= 1);
			INR(k, S_B(s)) = INR(k, S_B(s)) - 1;
			sub(S_B(s), 1);
			s = 0;
			n++
		}
	      }
	   :: else -> s = 0; n++
	   fi
#elif defined(OLDEST)
	:: d_step { n < N && FULL(slot[AT(k, phead[k])], phead[k]) ->
		s = slot[AT(k, phead[k])];
		x = NEXT(phead[k])
	   }
	   d_step {
		phead[k] = x;
		SWAPPED(k);
		LOOK_AT(S_B(s))
	   }
	   d_step {
		assert(INR(k, S_B(s)) >= 1);
		INR(k, S_B(s)) = INR(k, S_B(s)) - 1;
		sub(S_B(s), 1);
		s = 0; x = 0;
		n++
	   }
#else
	:: GROUP { n < N && FULL(slot[AT(k, phead[k])], phead[k]) ->
		s = slot[AT(k, phead[k])];			/* [N1] read once */
		d_step {
			FORGET_SLOT(k);
			phead[k] = NEXT(phead[k]);		/* [N2] */
			head[k] = phead[k];			/* [N3] */
			LOOK_AT(S_B(s))
		}
		d_step {
			assert(INR(k, S_B(s)) >= 1);
			INR(k, S_B(s)) = INR(k, S_B(s)) - 1;
			sub(S_B(s), 1);
			s = 0;
			n++
		}
#ifdef CHUNKED
		UNLOCK(k);		/* chunks of one */
		LOCK(k)
#endif
	   }
#endif
	:: GROUP { n == N || !FULL(slot[AT(k, phead[k])], phead[k]) -> n = 0; break }
	od
}

inline wake_consumer(k)
{
	d_step {
		if
		:: flags[k] & SLEEPING ->
			flags[k] = flags[k] & ~SLEEPING;
			woken[CONS(k)] = 1
		:: else
		fi
	}
}

inline kick(k)
{
	DRAINING {
		LOCK(k);
		if
		:: cons_gone[k] -> drain(k)			/* [K1] */
		:: else -> wake_consumer(k)			/* [K2] */
		fi;
		UNLOCK(k);
		owes[k] = 0;
		assert(!LOST_WAKEUP(k) && !STRANDED(k))
	}
}

/* the lock is held; what the ring still holds now would never come back */
inline end_detached(k)
{
	d_step {
		ends[k]--;
		if
		:: ends[k] == 0 ->
			assert(LOADED(k) == 0);
			n = 0;
			do
			:: n < N -> slot[k * N + n] = 0; n++
			:: else -> break
			od;
			n = 0;
			ptail[k] = 0; phead[k] = 0; head[k] = 0; vis[k] = 0;
			flags[k] = 0; cons_gone[k] = 0
		:: else
		fi
	}
}

/* settle, step 1: only cells that nobody else touches while c is dead */
inline resolve(c, x, done)
{
	d_step {
		x = intent[c];					/* [S1] */
		done = 0;
		if
		:: I_OP(x) == OP_PUSH ->
			done = ((ptail[I_K(x)] & 1) != I_PAR(x));	/* [S2] */
#ifndef MUT_CURSOR_ONLY
			if
			:: !done && FULL(slot[AT(I_K(x), ptail[I_K(x)])], ptail[I_K(x)]) ->	/* [S3] */
				ptail[I_K(x)] = NEXT(ptail[I_K(x)]);
				done = 1
			:: else
			fi
#endif
		:: I_OP(x) == OP_POP ->
#if defined(OLDEST) && !defined(MUT_POP_BY_CURSOR)
			done = (ctog[I_K(x)] != I_PAR(x))		/* [S18] */
		:: I_OP(x) == OP_DROP ->
			done = (ptog[I_K(x)] != I_PAR(x))		/* [S18] */
#else
			done = ((phead[I_K(x)] & 1) != I_PAR(x))	/* [S4] */
#endif
		:: I_OP(x) == OP_DUP || I_OP(x) == OP_RELEASE ->
			done = (TOGGLE(W[I_B(x)], c) != I_PAR(x))	/* [S5] */
		:: else
		fi;
		if
		:: I_OP(x) == OP_NONE
		:: I_OP(x) == OP_PUSH || I_OP(x) == OP_RELEASE ->
			HOLD(c, I_B(x)) = I_H(x) - done * I_N(x)	/* [S6] */
		:: I_OP(x) == OP_POP || I_OP(x) == OP_DUP || I_OP(x) == OP_DROP ->
			HOLD(c, I_B(x)) = I_H(x) + done * I_N(x)
		fi;
		FORGET_TOGGLE(c, I_B(x));
		intent[c] = 0;
		x = 0; done = 0
	}
}

inline check_hand(c, b)
{
	d_step {
		b = 0;
		do
		:: b < B -> assert(HOLD(c, b) == OWN(c, b)); b++
		:: else -> break
		od;
		b = 0
	}
}

/* ---- the clients ---- */

inline pick_held(c)
{
	if
	:: HOLD(c, 0) -> b = 0
#if B > 1
	:: HOLD(c, 1) -> b = 1
#endif
#if B > 2
	:: HOLD(c, 2) -> b = 2
#endif
	fi
}

#if B == 1
#define HOLDS(c)	(HOLD(c, 0))
#elif B == 2
#define HOLDS(c)	(HOLD(c, 0) || HOLD(c, 1))
#else
#define HOLDS(c)	(HOLD(c, 0) || HOLD(c, 1) || HOLD(c, 2))
#endif
#ifdef OLDEST
#define SPACE(c, k)	(PRODUCES(c, k) && USED(ptail[k], phead[k]) < N)	/* [P1] [Q1] */
#else
#define SPACE(c, k)	(PRODUCES(c, k) && USED(ptail[k], head[k]) < N)	/* [P1] [P2] */
#endif

inline push(c, k)
{
	GROUP {
		HOLDS(c) && SPACE(c, k) -> pick_held(c);
		h = HOLD(c, b);
#ifdef MUT_HOLD_BEFORE_INTENT
		HOLD(c, b) = h - 1;
		MAY_DIE;
#endif
#if !defined(MUT_NO_INTENT) && !defined(MUT_INTENT_LATE)
		intent[c] = INTENT(OP_PUSH, ptail[k] & 1, b, h, 1, k);	/* [P3] */
		MAY_DIE;
#endif
		d_step {
			late[AT(k, ptail[k])] = SLOT(b, ptail[k]) + 1;	/* [P4] commit */
			OWN(c, b) = OWN(c, b) - 1;
			INR(k, b) = INR(k, b) + 1;
			owes[k] = 1;
#ifdef SC
			store_lands(k)
#endif
		}
		MAY_DIE;
#ifdef MUT_INTENT_LATE
		intent[c] = INTENT(OP_PUSH, ptail[k] & 1, b, h, 1, k);
		MAY_DIE;
#endif
		HOLD(c, b) = h - 1;					/* [P5] */
		MAY_DIE;
		d_step {
			ptail[k] = NEXT(ptail[k]);			/* [P6] */
			FORGET_INTENT(c);
			b = 0; h = 0
		}
	}
}

/* part of push, or later when the caller said MORE */
inline flush(c, k)
{
	atomic {
		PROD(k) == c && owes[k];
#ifndef MUT_NO_FENCE
		d_step { store_buffer_drains(k) }			/* [F1] */
#endif
		if
		:: flags[k]						/* [F2] */
		:: else -> owes[k] = 0; assert(!LOST_WAKEUP(k) && !STRANDED(k)); goto idle
		fi
	}
	kick(k)
}

#define ARRIVED(c, k)	(CONS(k) == (c) && \
			 FULL(slot[AT(k, phead[k])], phead[k]))		/* [O1] */

#ifdef OLDEST
/* the message may go away between any two of these: then once more */
inline pop(c, k)
{
	d_step { ARRIVED(c, k) -> p = phead[k]; w = ctog[k]; WATCH(0, k) }
	d_step { b = S_B(slot[AT(k, p)]); h = HOLD(c, b) }		/* [O1] */
	GROUP {
#ifdef MUT_POP_BY_CURSOR
		w = p & 1;
#endif
		intent[c] = INTENT(OP_POP, w, b, h, 1, k);		/* [O2] */
		MAY_DIE
	}
	if
#ifdef MUT_POP_STORES
	:: atomic { true ->
		d_step {
			phead[k] = NEXT(p);
#else
	:: atomic { UNCHANGED(0, k) ->
		d_step {
			phead[k] = NEXT(phead[k]);			/* [O9] commit */
#endif
			ctog[k] = 1 - ctog[k];
			SWAPPED(k);
			assert(INR(k, b) >= 1);
			INR(k, b) = INR(k, b) - 1;
			OWN(c, b) = OWN(c, b) + 1
		}
		MAY_DIE;
		HOLD(c, b) = h + 1;					/* [O4] */
		MAY_DIE
	   }
	:: else
	fi;
	d_step { b = 0; h = 0; p = 0; w = 0 }
}

/* the ring is full: the oldest message is the producer's again */
inline drop(c, k)
{
	d_step {
		PRODUCES(c, k) && USED(ptail[k], phead[k]) == N && !(flags[k] & CLOSED) ->
		p = phead[k]; w = ptog[k]; WATCH(1, k)			/* [Q1] */
	}
	/* its own slot, which it sees wherever that is */
	d_step {
		if
		:: late[AT(k, p)] -> b = S_B(late[AT(k, p)] - 1)
		:: else -> b = S_B(slot[AT(k, p)])
		fi;
		h = HOLD(c, b)
	}
	GROUP {
#ifndef MUT_DROP_NO_INTENT
		intent[c] = INTENT(OP_DROP, w, b, h, 1, k);		/* [Q2] */
#endif
		MAY_DIE
	}
	if
	:: atomic { UNCHANGED(1, k) ->
		d_step {
			store_buffer_drains(k);
			phead[k] = NEXT(phead[k]);			/* [Q3] commit */
#ifdef MUT_DROP_TOGGLES_POP
			ctog[k] = 1 - ctog[k];
#else
			ptog[k] = 1 - ptog[k];
#endif
			SWAPPED(k);
			assert(INR(k, b) >= 1);
			INR(k, b) = INR(k, b) - 1;
			OWN(c, b) = OWN(c, b) + 1
		}
		MAY_DIE;
		HOLD(c, b) = h + 1;					/* [Q4] */
		MAY_DIE
	   }
	:: else
	fi;
	d_step { b = 0; h = 0; p = 0; w = 0 }
}
#else
inline pop(c, k)
{
	GROUP {
		ARRIVED(c, k) -> b = S_B(slot[AT(k, phead[k])]);
		h = HOLD(c, b);
#ifdef MUT_HOLD_BEFORE_INTENT
		HOLD(c, b) = h + 1;
		MAY_DIE;
#endif
#if !defined(MUT_NO_INTENT) && !defined(MUT_INTENT_LATE)
		intent[c] = INTENT(OP_POP, phead[k] & 1, b, h, 1, k);	/* [O2] */
		MAY_DIE;
#endif
		d_step {
			FORGET_SLOT(k);
			phead[k] = NEXT(phead[k]);			/* [O3] commit */
			assert(INR(k, b) >= 1);
			INR(k, b) = INR(k, b) - 1;
			OWN(c, b) = OWN(c, b) + 1
		}
		MAY_DIE;
#ifdef MUT_INTENT_LATE
		intent[c] = INTENT(OP_POP, (phead[k] & 1) ^ 1, b, h, 1, k);
		MAY_DIE;
#endif
		HOLD(c, b) = h + 1;					/* [O4] */
		MAY_DIE;
		d_step { FORGET_INTENT(c); b = 0; h = 0 }
		if
		:: d_step { head[k] = phead[k]; FORGET_RING(k) }	/* [O5] */
#ifdef LAZY
		:: true		/* a later pop does it */
#endif
		fi
	}
}

#endif

/*
 * A producer that reads `head' late sees no more than what a lazy consumer
 * shows it, so LAZY stands for cached_head too.
 */

#define TOGGLED(c)	((c) < TOGGLES)

inline dup(c)
{
	GROUP {
		pick_held(c);
		if
		:: COUNT(W[b]) >= MAXREF -> b = 0; goto idle		/* [D1] refuses */
		:: else
		fi;
		h = HOLD(c, b);
#ifdef MUT_HOLD_BEFORE_INTENT
		HOLD(c, b) = h + 1;
		MAY_DIE;
#endif
#if !defined(MUT_NO_INTENT) && !defined(MUT_INTENT_LATE)
		intent[c] = INTENT(OP_DUP, TOGGLE(W[b], c), b, h, 1, 0);	/* [D2] */
		MAY_DIE;
#endif
		d_step {						/* [D3] commit */
#ifdef MUT_DUP_NO_TOGGLE
			W[b] = W[b] + 1;
#else
			W[b] = (W[b] + 1) ^ BIT(c);
#endif
			OWN(c, b) = OWN(c, b) + 1;
			CHECK(b)
		}
		MAY_DIE;
#ifdef MUT_INTENT_LATE
		intent[c] = INTENT(OP_DUP, TOGGLE(W[b], c) ^ 1, b, h, 1, 0);
		MAY_DIE;
#endif
		d_step {
			HOLD(c, b) = h + 1;				/* [D4] */
			FORGET_INTENT(c);
			FORGET_TOGGLE(c, b);
			b = 0; h = 0
		}
	}
}

inline release(c)
{
	GROUP {
		pick_held(c);
		h = HOLD(c, b);
		w = W[b];						/* [R1] */
		if
		:: h == 1 && COUNT(w) == 1 -> b = 0; h = 0; w = 0; goto idle	/* to the magazine */
		:: else
		fi;
		MAY_DIE;
	}
	do
	:: GROUP {
#ifdef MUT_HOLD_BEFORE_INTENT
		HOLD(c, b) = h - 1;
		MAY_DIE;
#endif
#if !defined(MUT_NO_INTENT) && !defined(MUT_INTENT_LATE)
		intent[c] = INTENT(OP_RELEASE, TOGGLE(w, c), b, h, 1, 0);	/* [R2] */
		MAY_DIE;
#endif
		if
		:: d_step { W[b] == w ->				/* [R3] commit */
#ifdef MUT_RELEASE_NO_TOGGLE
			W[b] = w - 1;
#else
			W[b] = (w - 1) ^ BIT(c);
#endif
			OWN(c, b) = OWN(c, b) - 1;
			CHECK(b)
		   }
		   MAY_DIE;
#ifdef MUT_INTENT_LATE
		   intent[c] = INTENT(OP_RELEASE, TOGGLE(w, c), b, h, 1, 0);
		   MAY_DIE;
#endif
		   d_step {
			HOLD(c, b) = h - 1;				/* [R4] */
			FORGET_INTENT(c);
			FORGET_TOGGLE(c, b);
			b = 0; h = 0; w = 0
		   }
		   break
		:: else ->
		   w = W[b];
#ifndef MUT_NO_RECHECK
		   if
		   :: h == 1 && COUNT(w) == 1 -> b = 0; h = 0; w = 0; goto idle
		   :: else
		   fi;
#endif
		   MAY_DIE
		fi
	   }
	od
}

/* a client without a toggle: one system call, which the kernel finishes */
inline kernel_dup(c)
{
	d_step {
		HOLD(c, b) = HOLD(c, b) + 1;
		W[b] = W[b] + 1;					/* [V1] */
		OWN(c, b) = OWN(c, b) + 1;
#ifndef MUT_KDUP_KEEPS_INTENT
		intent[c] = 0;						/* [V2] */
#endif
		CHECK(b);
		b = 0
	}
}

inline kernel_release(c)
{
	LOOK_AT(b);
	d_step {
		HOLD(c, b) = HOLD(c, b) - 1;
		OWN(c, b) = OWN(c, b) - 1;
#ifndef MUT_KRELEASE_KEEPS_INTENT
		intent[c] = 0;						/* [V2] */
#endif
		sub(b, 1);
		b = 0
	}
}

/* depot lock */
inline lease(c)
{
	atomic {
		if
		:: depot[0] -> b = 0
#if B > 1
		:: depot[1] -> b = 1
#endif
#if B > 2
		:: depot[2] -> b = 2
#endif
		fi;
		d_step {
			depot[b] = depot[b] - 1;			/* [L1] */
			HOLD(c, b) = 1;					/* [L2] */
#ifdef MUT_FRESH_W
			W[b] = 1;
#endif
			OWN(c, b) = OWN(c, b) + 1;
#ifndef MUT_LEASE_KEEPS_INTENT
			intent[c] = 0;					/* [L3] */
#endif
			CHECK(b);
			b = 0
		}
	}
}

/* the list has b twice: the second must be refused */
inline return_buffer(c)
{
	atomic {
		pick_held(c);
		if
		:: HOLD(c, b) == 1 && COUNT(W[b]) == 1 ->		/* [T1] */
			d_step {
				HOLD(c, b) = 0;				/* [T2] */
				OWN(c, b) = 0;
				depot[b] = depot[b] + 1;		/* [T3] */
#ifdef MUT_DEPOT_TWICE
				depot[b] = depot[b] + 1;
#else
				if
				:: HOLD(c, b) == 1 -> depot[b] = depot[b] + 1
				:: else
				fi;
#endif
#ifndef MUT_RETURN_KEEPS_INTENT
				intent[c] = 0;				/* [T4] */
#endif
				CHECK(b)
			}
		:: else
		fi;
		b = 0
	}
}

/* [W4] clear on the way out, whatever woke us */
inline wait_ends(c)
{
	d_step {
		asleep[c] = 0;
		woken[c] = 0;
		flags[0] = flags[0] & ~(SLEEPING * (CONS(0) == c));
#if K > 1
		flags[1] = flags[1] & ~(SLEEPING * (CONS(1) == c));
#endif
#if K > 2
		flags[2] = flags[2] & ~(SLEEPING * (CONS(2) == c));
#endif
	}
}

inline say_sleeping(c, k)
{
	if
	:: CONS(k) == c -> !lock[k]; flags[k] = flags[k] | SLEEPING	/* [W1] */
	:: else
	fi
}

inline say_sleeping_on_all(c)
{
	GROUP {
		CONS(0) == c || CONS(K / 2) == c || CONS(K - 1) == c;
		say_sleeping(c, 0);
#if K > 1
		say_sleeping(c, 1);
#endif
#if K > 2
		say_sleeping(c, 2);
#endif
		skip	/* [W2] smp_mb: these stores are in memory before the look */
	}
}

#define LOOK(c, k)	(ARRIVED(c, k) || (CONS(k) == (c) && (flags[k] & (DEAD | CLOSED))))	/* [W3] */
#if K == 1
#define LOOK_AT_ALL(c)	LOOK(c, 0)
#elif K == 2
#define LOOK_AT_ALL(c)	(LOOK(c, 0) || LOOK(c, 1))
#else
#define LOOK_AT_ALL(c)	(LOOK(c, 0) || LOOK(c, 1) || LOOK(c, 2))
#endif

/* blocking, killable; the flags are set under the ring lock */
inline wait(c)
{
#ifdef MUT_WAIT_LOOKS_FIRST
	CONS(0) == c || CONS(K / 2) == c || CONS(K - 1) == c;
	if
	:: LOOK_AT_ALL(c) -> goto idle
	:: else
	fi;
	say_sleeping_on_all(c);
	asleep[c] = 1;
#else
	say_sleeping_on_all(c);
#ifdef OLDEST
	p = phead[0];			/* loaded before the slot, which may be another's by then */
	if
	:: atomic { FULL(slot[AT(0, p)], p) || (flags[0] & (DEAD | CLOSED)) ->
		p = 0; wait_ends(c); goto idle
	   }
	:: else -> p = 0; asleep[c] = 1
	fi;
#else
	if
	:: atomic { LOOK_AT_ALL(c) -> wait_ends(c); goto idle }
	:: else -> asleep[c] = 1
	fi;
#endif
#endif
	d_step {
		assert(CONS(0) != c || !LOST_WAKEUP(0));
#if K > 1
		assert(CONS(1) != c || !LOST_WAKEUP(1));
#endif
#if K > 2
		assert(CONS(2) != c || !LOST_WAKEUP(2));
#endif
	}
end_asleep:
	if
	:: atomic { woken[c] -> wait_ends(c); goto idle }
	:: atomic { crashes < CRASHES -> crashes++; wait_ends(c); goto dead }
	fi
}

inline settle_outbound(c, k)
{
	if
	:: PRODUCES(c, k) ->
		DRAINING {
			LOCK(k);
			flags[k] = flags[k] | DEAD;			/* [S7] */
#ifndef MUT_NO_DRAIN
			if
			:: cons_gone[k] -> drain(k)			/* [S8] */
#ifdef MUT_KEPT_DRAINED_BY_PRODUCER
			:: kept[k] -> drain(k)
#endif
			:: else
			fi;
#endif
#ifndef MUT_NO_WAKE
			wake_consumer(k);				/* [S9] */
#endif
			end_detached(k);				/* [S10] */
			owes[k] = 0;
#ifdef KEPT
			prod_gone[k] = 1;
#endif
			assert(ends[k] == 0 || !(asleep[CONS(k)] && !woken[CONS(k)]));
			UNLOCK(k)
		}
	:: else
	fi
}

#ifdef BACK
/* it may come back: the consumer is told of what was not flushed, and reads on */
inline leave_outbound(c, k)
{
	if
	:: PRODUCES(c, k) ->
		GROUP {
			LOCK(k);
			flags[k] = flags[k] | AWAY;			/* [S7] */
			if
			:: cons_gone[k] -> drain(k)			/* [S8] */
			:: else
			fi;
#ifndef MUT_AWAY_NO_WAKE
			wake_consumer(k);				/* [S9] */
#endif
			owes[k] = 0;
			assert(!LOST_WAKEUP(k) && !STRANDED(k));
			UNLOCK(k)
		}
	:: else
	fi
}

/* [C3] the ring goes on where it stood, unless nobody reads it any more */
inline take_outbound(c, k)
{
	if
	:: PRODUCES(c, k) ->
		GROUP {
			LOCK(k);
			if
			:: flags[k] & CLOSED ->
				end_detached(k);
				prod_gone[k] = 1
			:: else ->
#ifdef MUT_BACK_CLEARS_FLAGS
				flags[k] = 0
#else
				flags[k] = flags[k] & ~AWAY
#endif
			fi;
			UNLOCK(k)
		}
	:: else
	fi
}
#define SETTLE_OUTBOUND(c, k)	leave_outbound(c, k)
#else
#define SETTLE_OUTBOUND(c, k)	settle_outbound(c, k)
#endif

inline settle_hand(c, b)
{
	if
	:: HOLD(c, b) ->
		LOOK_AT(b);
		d_step {
			s = HOLD(c, b);
			HOLD(c, b) = 0;					/* [S11] */
			OWN(c, b) = OWN(c, b) - s;
			sub(b, s);
			s = 0
		}
	:: else
	fi
}

inline settle_inbound(c, k)
{
	if
	:: CONS(k) == c ->
		DRAINING {
			LOCK(k);
#ifdef MUT_CLOSED_AFTER_DRAIN
			drain(k)
		}
		DRAINING {
			skip;
			d_step { flags[k] = flags[k] | CLOSED; cons_gone[k] = 1 }
#elif defined(MUT_GONE_AFTER_UNLOCK)
			flags[k] = flags[k] | CLOSED
		}
		DRAINING {
			drain(k);
			UNLOCK(k)
		}
		DRAINING {
			LOCK(k);
			cons_gone[k] = 1;
#else
			d_step { flags[k] = flags[k] | CLOSED; cons_gone[k] = 1 }	/* [S12] [S13] */
		}
		DRAINING {
			drain(k);
#endif
			end_detached(k);				/* [S14] */
			assert(!STRANDED(k));
			UNLOCK(k)
		}
	:: else
	fi
}

inline settle_inbound_all(c)
{
	settle_inbound(c, 0);
#if K > 1
	settle_inbound(c, 1);
#endif
#if K > 2
	settle_inbound(c, 2);
#endif
}

#ifdef KEPT
/* instead of closing it; the successor's phead is another page of the same value */
inline keep_ring(c, k)
{
	if
	:: CONS(k) == c ->
		GROUP {
			LOCK(k);
			kept[k] = LOADED(k) + 1;
#ifdef MUT_KEPT_DRAINED_TOO
			drain(k);
#endif
#ifdef MUT_KEPT_FROM_HEAD
			phead[k] = head[k];
#else
			head[k] = phead[k];				/* [S15] */
#endif
			UNLOCK(k)
		}
	:: else
	fi
}

/* by whoever comes, or by a kernel that has waited long enough */
inline kept_ends(c, k)
{
	d_step {
		if
		:: CONS(k) == c ->
#ifndef OLDEST			/* its producer may have dropped some */
			assert(LOADED(k) >= kept[k] - 1);
#endif
			kept[k] = 0
		:: else
		fi
	}
}
#endif

/* The thread is gone, its stores are in memory. */
inline settle(c)
{
	GROUP {
		d_step {
			b = 0; h = 0; w = 0;
#ifdef OLDEST
			p = 0;
#endif
			if
			:: PROD(0) == c -> store_buffer_drains(0)
			:: else
			fi;
#if K > 1
			if
			:: PROD(1) == c -> store_buffer_drains(1)
			:: else
			fi;
#endif
#if K > 2
			if
			:: PROD(2) == c -> store_buffer_drains(2)
			:: else
			fi;
#endif
		}
#ifdef MUT_DRAIN_BEFORE_RESOLVE
		settle_inbound_all(c);
#endif
		resolve(c, x, last);
		check_hand(c, b)
	}
	SETTLE_OUTBOUND(c, 0);
#if K > 1
	SETTLE_OUTBOUND(c, 1);
#endif
#if K > 2
	SETTLE_OUTBOUND(c, 2);
#endif
#ifdef KEPT
	keep_ring(c, 0);
#if K > 1
	keep_ring(c, 1);
#endif
#elif !defined(MUT_DRAIN_BEFORE_RESOLVE)
	settle_inbound_all(c);
#endif
	settle_hand(c, 0);
#if B > 1
	settle_hand(c, 1);
#endif
#if B > 2
	settle_hand(c, 2);
#endif
#ifdef KEPT
	atomic {
		kept_ends(c, 0);
#if K > 1
		kept_ends(c, 1);
#endif
		if
#ifdef BACK
		:: goto back
#else
		:: CONS(0) == c || CONS(K - 1) == c -> goto idle	/* [C3] */
#endif
		:: skip
		fi
	};
#ifdef BACK
	settle_outbound(c, 0);
#if K > 1
	settle_outbound(c, 1);
#endif
#endif
	settle_inbound_all(c);
#endif
	d_step {
		gone++;
		b = 0;
		do
		:: b < B ->
			CHECK(b);
			assert(gone < C || (depot[b] == 1 && COUNT(W[b]) == 1));
			b++
		:: else -> b = 0; break
		od
	}
}

proctype client(byte c)
{
	byte b, h, w, s, n;
	short x;
	bit last;
#ifdef OLDEST
	byte p;
#endif

end_idle:
idle:
	do
	:: atomic { crashes < CRASHES -> crashes++; goto dead }
	:: lease(c)
	:: return_buffer(c)
	:: push(c, 0)
	:: flush(c, 0)
	:: pop(c, 0)
#ifdef OLDEST
	:: drop(c, 0)
#endif
#if K > 1
	:: push(c, 1)
	:: flush(c, 1)
	:: pop(c, 1)
#endif
#if K > 2
	:: push(c, 2)
	:: flush(c, 2)
	:: pop(c, 2)
#endif
#if TOGGLES < C
	:: atomic { HOLDS(c) && TOGGLED(c) -> dup(c) }
	:: atomic { HOLDS(c) && TOGGLED(c) -> skip }; release(c)
	:: atomic {
		HOLDS(c) && !TOGGLED(c) -> pick_held(c);
		if
		:: COUNT(W[b]) < MAXREF -> kernel_dup(c)
		:: else -> b = 0
		fi
	   }
	:: atomic { HOLDS(c) && !TOGGLED(c) -> pick_held(c) }; kernel_release(c)
#else
	:: dup(c)
	:: release(c)
#endif
	:: wait(c)
	od;
#ifdef BACK
back:
	take_outbound(c, 0);
#if K > 1
	take_outbound(c, 1);
#endif
	goto idle;
#endif
#ifdef RECOVER
jumped_out:
	/* recover(): step 1 on oneself; its own stores it sees wherever they are */
	atomic {
		d_step {
			b = 0; h = 0; w = 0;
			if
			:: PROD(0) == c -> store_buffer_drains(0)
			:: else
			fi
		}
		resolve(c, x, last);
		check_hand(c, b);
		goto idle
	}
#endif
dead:
	settle(c)
}

/* the store buffers, in their own time */
proctype memory()
{
end:	do
	:: d_step { late[AT(0, vis[0])] -> store_lands(0) }
#if K > 1
	:: d_step { late[AT(1, vis[1])] -> store_lands(1) }
#endif
#if K > 2
	:: d_step { late[AT(2, vis[2])] -> store_lands(2) }
#endif
	od
}

init {
	d_step {
		byte i;
		i = 0;
		do
		:: i < B -> W[i] = 1; depot[i] = 1; i++
		:: else -> break
		od;
		i = 0;
		do
		:: i < K -> ends[i] = 2; i++
		:: else -> i = 0; break
		od
	}
	atomic {
#ifndef SC
		run memory();
#endif
		run client(0);
		run client(1);
#if C > 2
		run client(2)
#endif
	}
}
