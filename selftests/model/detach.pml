/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of a client that is still running: one thread works with it, natively
 * and in calls; meanwhile it is settled by DETACH from another thread or, once
 * the mm has ended, by the mmu notifier, and then by the release of the file,
 * which comes when no call is left and frees the control pages.
 *
 * Shown: no native store after step 1, no call that changes a settled client,
 * no settle that works on freed pages or frees under another, every sleeper
 * gets out, and in the end the buffer is in the depot.
 *
 * One buffer, and one outbound ring with one slot, which settle drains.
 */
#include "common.h"

bit mutex;			/* the client's */
bit gone;			/* the dead flag, under the mutex */
bit revoked;			/* no mapping left: the next store is a SIGBUS */
bit settled;
bit freed;			/* control pages and ends */
bit notified;			/* the notifier is through with the client */
bit calls;			/* the thread is in a call: holds the file */
bit thread_done, closer_done;
bit mm_ended;
bit asleep, woken;
bit ring_attached = 1;

bit intent, slot, hold;		/* intent: push of the one buffer; hold was 1 */
bit depot = 1;
bit own, inr;			/* ghosts */

#define TOUCH	assert(!freed)

inline enter()
{
#ifdef MUT_DEAD_OUTSIDE_MUTEX
	if
	:: gone -> goto out
	:: else
	fi;
	atomic { !mutex -> mutex = 1 }
#else
	atomic { !mutex -> mutex = 1 };					/* [M1] */
#ifndef MUT_NO_DEAD_FLAG
	if
	:: gone -> mutex = 0; goto out					/* [M2] ESHUTDOWN */
	:: else
	fi
#endif
#endif
}

/* one store of native code; killed before it, or faults as the mapping is gone */
#define STORE(x)	if :: atomic { !revoked -> TOUCH; x } :: goto out fi

/* sleeps without the mutex, and takes it and looks at the flag again */
inline wait(ends)
{
	calls = 1;
	enter();
	d_step { TOUCH; asleep = 1; woken = 0 };			/* [W1] */
#ifndef MUT_SLEEPS_WITH_MUTEX
	mutex = 0;							/* [M3] */
#endif
	ends || woken;
#ifndef MUT_SLEEPS_WITH_MUTEX
#ifdef MUT_WAIT_NO_SECOND_CHECK
	atomic { !mutex -> mutex = 1 };
#else
	enter();							/* [M4] */
#endif
#endif
	assert(ring_attached);
	asleep = 0;							/* [W4] clears SLEEPING in the ring */
	mutex = 0;
	calls = 0
}

active proctype thread()
{
	do
	/* native: push */
	:: hold ->
		STORE(intent = 1);					/* [P3] */
		STORE(slot = 1; own = 0; inr = 1);			/* [P4] */
		STORE(hold = 0);					/* [P5] */

	/* lease; intent = 0 */
	:: calls = 1;
		enter();
		if
		:: d_step { depot && !inr -> TOUCH; depot = 0; hold = 1; own = 1; intent = 0 }	/* [L1] [L2] [L3] */
		:: else
		fi;
		mutex = 0;
		calls = 0

	/* a wait that ends by itself, by a message or its deadline */
	:: wait(true)

	/* one that only the end of the client can end */
	:: wait(false)

	:: break			/* exit, and with it the mm */
	od;
out:
	calls = 0;
	thread_done = 1
}

/* what both ends share; `current' may be anybody */
inline settle()
{
	atomic { !mutex -> mutex = 1 };					/* [M5] */
	if
	:: gone -> skip			/* somebody was faster, and is through: he kept the mutex */
	:: else ->
		gone = 1;						/* [M6] */
#ifdef MUT_UNLOCK_EARLY
		mutex = 0;
#endif
#ifndef MUT_NO_SELF_WAKE
		woken = asleep;						/* [M7] */
#endif
		d_step {
			TOUCH;
			if
			:: intent && slot -> hold = 0			/* [S2] [S6] */
			:: else
			fi;
			intent = 0;
			assert(hold == own)
		}
		d_step {
			TOUCH;
			depot = depot | slot; slot = 0; inr = 0;	/* [S8] */
			ring_attached = 0
		}
		d_step {
			TOUCH;
			assert(!(hold && depot));
			depot = depot | hold; hold = 0; own = 0		/* [S11] */
		}
		settled = 1
	fi;
	mutex = 0
}

active proctype closer()
{
	if
	:: true ->			/* DETACH, from another thread */
#ifndef MUT_NO_REVOKE
		revoked = 1;						/* [M8] before the mutex */
#endif
		settle()
	:: thread_done -> mm_ended = 1;	/* mmu notifier; holds a reference to the client */
		settle()
	fi;
	closer_done = 1
}

active proctype release()
{
	/* the last reference to the file: no call is left; a DETACH is a call, the notifier is not */
	thread_done && !calls && (closer_done || mm_ended);
	settle();
	assert(settled);
	freed = 1							/* [M9] */
}

init {
	timeout;
	assert(thread_done && settled && depot && !hold && !own && !inr)
}
