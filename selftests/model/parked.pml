/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Parked hands: a client that hands payload to asynchronous direct I/O dies, or
 * is detached, or loses its runtime, while a device still writes into buffers in
 * its hand.  Settle does all it always does, at once, and leaves the hand alone;
 * the release of the client's file, which the last request keeps open, drops it.
 *
 * Shown: no request writes into a buffer that is in the depot, in another's hand
 * or in a ring; each buffer is at most once in the depot; in the end, and when
 * the last client of the runtime has left, all are there.
 *
 * Client A works natively, submits requests, and ends in one of several ways;
 * client O gets buffers from the depot and from A's ring (one slot), leaves and
 * comes back.  Counts without toggles: core.pml has those.
 */
#ifndef B
#define B	2
#endif
#include "common.h"

/* the runtime's */
byte depot[B] = 1;		/* a byte, so that twice shows */
byte count[B] = 1;
byte clients = 2;		/* indices taken; at 0 the pool is reset */
bit indexed = 1;		/* of these: A's */
bit removed;

/* A: its control pages, its file, what the kernel knows */
byte hold[B];
byte intent;			/* 1 + buffer: a push of it; the hold before was `before' */
byte before;
byte slot;			/* 1 + buffer; 0 once it is popped */
bit lap, tail;			/* they differ: slot is stored, tail is not */
byte files = 1;			/* descriptor and mappings; a call; each request */
bit writing[B];			/* a request that is not done: the device's */
bit mutex, gone, parked, revoked, released;
bit thread_done, closer_done, mm_done;

/* O */
byte other[B];
bit joined = 1;
bit closed;			/* O's end of the ring is gone */

#define IS_SOLE(b)	(hold[b] == 1 && count[b] == 1)
#define SAFE(b)		(!writing[b] || (!depot[b] && !other[b] && slot != b + 1))

#define CHECK(b)							\
	assert(SAFE(b));						\
	assert(depot[b] <= 1)

/*
 * After a removal a client may run on, and nobody gets a buffer any more: counts
 * are wrong then, which the kernel finds and leaves.
 */
inline sub(b, n)
{
	if
	:: count[b] < n || depot[b] -> assert(removed)
	:: count[b] == n && !depot[b] -> count[b] = 1; depot[b] = 1	/* [U2] */
	:: else -> count[b] = count[b] - n				/* [U1] */
	fi;
	CHECK(b)
}

/* What came back late or never is mended when nobody is left who could have it. */
inline leave_index()
{
	clients--;
	if
	:: clients == 0 ->
		assert(removed || (depot[0] && depot[B - 1]));
		count[0] = 1; depot[0] = 1;
		count[B - 1] = 1; depot[B - 1] = 1;
		CHECK(0);
		CHECK(B - 1)
	:: else
	fi
}

inline drop_hand()
{
	b = 0;
	do
	:: b < B ->
		n = hold[b];
		hold[b] = 0;						/* [S11] */
		if
		:: n -> sub(b, n)
		:: else
		fi;
		b++
	:: else -> break
	od;
	b = 0; n = 0
}

/*
 * By_release: no request is left, nor anybody who could submit one.  The others
 * park the hand.  The mutex is kept from end to end.
 */
inline settle(by_release)
{
	atomic { !mutex -> mutex = 1 };					/* [M5] */
	if
	:: gone && by_release && parked ->
#ifdef MUT_PARKED_FORGOTTEN
		parked = 0;
#else
		d_step { drop_hand(); parked = 0 };			/* [H2] */
#endif
#ifndef MUT_INDEX_FREED
		d_step { indexed = 0; leave_index() }			/* [S17] */
#endif
	:: gone && !(by_release && parked) ->
#ifdef MUT_SECOND_SETTLE_DROPS
		d_step {
			if
			:: parked -> drop_hand(); parked = 0; indexed = 0; leave_index()
			:: else
			fi
		}
#endif
		skip
	:: !gone ->
		gone = 1;						/* [M6] */
		d_step {						/* [S1] */
			if
			:: intent && lap != tail -> hold[intent - 1] = before - 1	/* [S3] [S6] */
			:: intent && lap == tail -> hold[intent - 1] = before	/* [S6] */
			:: else
			fi;
			tail = lap;
			intent = 0
		}
		d_step {	/* the ring lets go at once, whatever becomes of the hand */
			if
			:: closed && slot -> b = slot - 1; slot = 0; sub(b, 1); b = 0	/* [S8] */
			:: else
			fi
		}
		if
#ifdef MUT_HAND_NOT_PARKED
		:: true ->
#elif defined(MUT_RELEASE_PARKS)
		:: false ->
#else
		:: by_release ->
#endif
			d_step { drop_hand() }
			d_step { indexed = 0; leave_index() }		/* [S17] */
		:: else ->
			parked = 1					/* [H1] and the index stays */
#ifdef MUT_INDEX_FREED
			;
			d_step { indexed = 0; leave_index() }
#endif
		fi
	fi;
	mutex = 0
}

/* one store of native code; faults once its mapping is gone */
#define STORE(x)	if :: atomic { !revoked -> x } :: goto out fi

/* a buffer that no request writes into; which ones those are A knows */
#define PICK(ok)	if :: ok(0) -> b = 0 :: ok(B - 1) -> b = B - 1 fi
#define MAY_GIVE(b)	(hold[b] && !writing[b])
#define MAY_SUBMIT(b)	(IS_SOLE(b) && !writing[b])
#define MAY_SHARE(b)	(hold[b] == 1 && !writing[b] && count[b] < 3)
#define FREE(b)		(depot[b])
#define HAS(b)		(other[b])

active proctype thread()
{
	byte b;
	do
	/* a call: mutex, dead flag */
	:: atomic { !mutex && !gone && (FREE(0) || FREE(B - 1)) ->	/* [M1] [M2] */
		PICK(FREE);
		d_step { depot[b] = 0; hold[b] = 1; intent = 0; CHECK(b); b = 0 }	/* [L1] [L2] [L3] */
	   }

	/* asynchronous: returns at once; the request has the file */
	:: atomic { MAY_SUBMIT(0) || MAY_SUBMIT(B - 1) -> PICK(MAY_SUBMIT);
		d_step {
			writing[b] = 1;
#ifndef MUT_REQUEST_WITHOUT_FILE
			files++;
#endif
			b = 0
		}
	   }

	/* push, of what no request writes into any more */
	:: atomic { !slot && !closed && (MAY_GIVE(0) || MAY_GIVE(B - 1)) && !revoked ->
		PICK(MAY_GIVE); before = hold[b]; intent = b + 1		/* [P3] */
	   }
		STORE(d_step { slot = b + 1; lap = 1 - lap; CHECK(b) });	/* [P4] */
		STORE(d_step { hold[b] = before - 1; tail = lap; intent = 0; before = 0; b = 0 })	/* [P5] [P6] */

	/* dup and release: whole, as core.pml has them in pieces */
	:: atomic { !revoked && (MAY_SHARE(0) || MAY_SHARE(B - 1)) -> PICK(MAY_SHARE);
		d_step { hold[b] = hold[b] + 1; count[b] = count[b] + 1; intent = 0; b = 0 }	/* [D3] */
	   }

	:: break				/* exit, or closes and unmaps all it has */
	od;
out:
	b = 0;
	thread_done = 1
}

/* the device; a request ends whatever became of its process */
active proctype device()
{
end:	do
	:: d_step { writing[0] -> CHECK(0) }
	:: d_step { writing[1 % B] -> CHECK(1 % B) }
	:: d_step { writing[0] -> CHECK(0); writing[0] = 0;
#ifndef MUT_REQUEST_WITHOUT_FILE
		files--
#endif
	   }
#if B > 1
	:: d_step { writing[1] -> CHECK(1); writing[1] = 0;
#ifndef MUT_REQUEST_WITHOUT_FILE
		files--
#endif
	   }
#endif
	od
}

/* an end that comes while the client still runs, or none */
active proctype closer()
{
	byte b, n;

	if
	:: atomic { files -> files++ };	/* DETACH: a call, from another thread */
		revoked = 1;						/* [M8] */
		settle(false);
		files--
	:: atomic { removed = 1 };	/* removal by force: nobody is revoked */
		settle(false)
	:: skip
	fi;
	closer_done = 1
}

/* the end of the memory, and of what it had open and mapped, in either order */
active proctype exit()
{
	byte b, n;

	thread_done;
	if
	:: settle(false); mm_done = 1; files--	/* killed: the notifier comes first */
	:: files--; settle(false); mm_done = 1	/* closed and unmapped before */
	fi
}

active proctype release()
{
	byte b, n;

	files == 0;
	settle(true);
	d_step {
		assert(gone && !parked && !indexed && !writing[0] && !writing[B - 1]);
		do
		:: b < B ->
			assert(removed || (!hold[b] &&
				count[b] == depot[b] + other[b] + (slot == b + 1)));
			b++
		:: else -> b = 0; break
		od;
		released = 1						/* [M9] */
	}
}

/* the other client */
active proctype peer()
{
	byte b, n;

end:	do
	:: d_step { !joined && !removed -> joined = 1; clients++ }
	:: atomic { joined && !removed && (FREE(0) || FREE(B - 1)) -> PICK(FREE);
		d_step { depot[b] = 0; other[b] = 1; CHECK(b); b = 0 }	/* [L1] [L2] */
	   }
	:: atomic { joined && slot && !closed ->				/* [O1] */
		d_step { b = slot - 1; slot = 0; other[b] = other[b] + 1; CHECK(b); b = 0 }	/* [O3] */
	   }
	:: atomic { joined && (HAS(0) || HAS(B - 1)) -> PICK(HAS);
		d_step { other[b] = other[b] - 1; sub(b, 1); b = 0 }		/* [V1] */
	   }
	/* leaves: its end of the ring, its hand, its index; one step, core.pml has it in many */
	:: d_step { joined ->
		closed = 1;							/* [S12] [S13] */
		if
		:: slot -> b = slot - 1; slot = 0; sub(b, 1)	/* [N1] */
		:: else
		fi;
		n = other[0]; other[0] = 0;
		if
		:: n -> sub(0, n)
		:: else
		fi;
#if B > 1
		n = other[1]; other[1] = 0;
		if
		:: n -> sub(1, n)
		:: else
		fi;
#endif
		b = 0; n = 0;
		joined = 0;
		leave_index()
	   }
	od
}
