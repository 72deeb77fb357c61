/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waiting for space: a producer that sleeps because its ring is full, and a
 * consumer that says lazily what it has popped, beside the mirrored handshake
 * (a consumer that sleeps because its ring is empty, a producer that flushes
 * lazily).  Either dies, with or without a successor for the consumer.  With
 * -DDROP the producer never waits: what finds the ring full is dropped.
 *
 * Shown: no state in which both sleep, and with -DNP -f no run in which
 * nothing is popped any more while both live.
 *
 * Ring k goes from client k to the other.  Messages have no identity here, so
 * a ring is counted, not stored:
 *
 *	q	pushed and not popped; of these `sl' are stores still in the
 *		producer's store buffer
 *	unp	popped, head not stored yet
 *	hl	head stored, still in the consumer's store buffer
 *	lost	popped by a dead consumer, and its successor does not know that
 *		head was never stored
 *
 * The producer sees q + unp + hl + lost slots in use, the consumer q - sl full ones.
 */
#ifndef N
#define N	2
#endif
#include "common.h"

byte q[2], sl[2], unp[2], hl[2], lost[2];
byte flags[2];
bit owes[2];			/* the producer said MORE */
bit woken[2];

#define OUT		(c)
#define IN		(1 - (c))
#define HAS_ROOM(k)	(q[k] + unp[k] + hl[k] + lost[k] < N)	/* [P1] [P2] */
#define HAS_MSG(k)	(q[k] > sl[k])			/* [O1] */

#ifdef CYCLE			/* both forward what they get; TOKENS go round */
#define IS_SOURCE(c)	false
#define IS_SINK(c)	false
#ifndef TOKENS
#define TOKENS		2
#endif
#else				/* 0 is a source, 1 a sink */
#define IS_SOURCE(c)	((c) == 0)
#define IS_SINK(c)	((c) == 1)
#endif

/* head is stored as a whole: it makes up for what a predecessor left out */
#define PUBLISH(k)							\
	if								\
	:: unp[k] -> hl[k] = hl[k] + unp[k] + lost[k]; unp[k] = 0; lost[k] = 0	\
	:: else								\
	fi

/* a full fence, or anything that has one in it: every store of c has landed */
#define FENCE(c)	sl[OUT] = 0; hl[IN] = 0

/* ring lock; the entry into the kernel is as good as a fence */
inline kick(c, k)
{
	d_step {
		FENCE(c);
		if
		:: k == IN && (flags[k] & PSLEEPING) ->			/* [K3] */
			flags[k] = flags[k] & ~PSLEEPING;
			woken[k] = 1
		:: k == OUT && (flags[k] & SLEEPING) ->			/* [K2] */
			flags[k] = flags[k] & ~SLEEPING;
			woken[1 - k] = 1
		:: else
		fi
	}
}

/*
 * What a client does when it finds its port empty or full, and before it
 * waits for anything, spins or goes to its own event loop: tell everything it
 * has put off, one fence, then look.
 */
inline quiesce(c)
{
	atomic {
		d_step {
#ifndef MUT_WAIT_NO_PUBLISH
			PUBLISH(IN);					/* [O5] */
#endif
#ifndef MUT_SPACE_NO_FENCE
			hl[IN] = 0;					/* [O6] */
#endif
#ifndef MUT_NO_FENCE
			sl[OUT] = 0;					/* [F1], the same fence */
#endif
			skip
		}
#ifndef MUT_EMPTY_NO_LOOK
		see_in = (flags[IN] & PSLEEPING) != 0;			/* [O7] */
#endif
#ifndef MUT_SPACE_NO_FLUSH
		see_out = owes[OUT] && (flags[OUT] & SLEEPING);		/* [F2] */
		owes[OUT] = 0
#endif
	}
	if
	:: see_in -> MAY_DIE; kick(c, IN); see_in = 0
	:: else
	fi;
	if
	:: see_out -> MAY_DIE; kick(c, OUT); see_out = 0
	:: else
	fi
}

inline wait_for_space(c)
{
#ifndef MUT_SPACE_LOOKS_FIRST
	flags[OUT] = flags[OUT] | PSLEEPING;				/* [W5] */
#endif
	atomic {
		FENCE(c);						/* [W2] */
		if
		:: HAS_ROOM(OUT) || (flags[OUT] & CLOSED) ->		/* [W6] */
			flags[OUT] = flags[OUT] & ~PSLEEPING;
			goto top
		:: else
		fi
	}
#ifdef MUT_SPACE_LOOKS_FIRST
	flags[OUT] = flags[OUT] | PSLEEPING;
#endif
	if
	:: atomic { woken[c] ->
		woken[c] = 0;
		flags[OUT] = flags[OUT] & ~PSLEEPING;			/* [W7] */
		goto top
	   }
	:: atomic { crashes < CRASHES -> crashes++; goto dead }
	fi
}

inline wait_for_message(c)
{
	flags[IN] = flags[IN] | SLEEPING;				/* [W1] */
	atomic {
		FENCE(c);						/* [W2] */
		if
		:: HAS_MSG(IN) || (flags[IN] & DEAD) ->			/* [W3] */
			flags[IN] = flags[IN] & ~SLEEPING;
			goto top
		:: else
		fi
	}
	if
	:: atomic { woken[c] ->
		woken[c] = 0;
		flags[IN] = flags[IN] & ~SLEEPING;			/* [W4] */
		goto top
	   }
	:: atomic { crashes < CRASHES -> crashes++; goto dead }
	fi
}

/*
 * Edge-triggered epoll: the module is asked only when it woke somebody, and
 * leaves SLEEPING set; the sleep itself is outside and looks at nothing.
 */
inline sleep_in_epoll(c)
{
	do
	:: atomic { woken[c] -> woken[c] = 0 };
		flags[IN] = flags[IN] | SLEEPING;			/* [E1] */
		atomic {
			FENCE(c);					/* [E2] */
			if
			:: HAS_MSG(IN) || (flags[IN] & DEAD) -> goto top	/* [E3] */
			:: else
			fi
		}
	:: atomic { crashes < CRASHES -> crashes++; goto dead }
	od
}

proctype node(byte c)
{
	bit hand, see_in, see_out;

	hand = IS_SOURCE(c);
start:
#ifdef ET
	if
	:: IS_SINK(c) -> flags[IN] = flags[IN] | SLEEPING		/* EPOLL_CTL_ADD asks too */
	:: else
	fi;
#endif
top:
	if
	:: atomic { crashes < CRASHES -> crashes++; goto dead }

	:: atomic { hand && (flags[OUT] & CLOSED) -> goto dead }	/* nobody to send to: leaves */

	:: atomic { hand && !(flags[OUT] & CLOSED) && HAS_ROOM(OUT) ->
		d_step { q[OUT]++; sl[OUT]++; owes[OUT] = 1; hand = IS_SOURCE(c) }	/* [P4] */
	   }
		if
		:: goto top						/* MORE */
		:: quiesce(c); goto top					/* FLUSH, and a little more */
		fi

	:: atomic { hand && !(flags[OUT] & CLOSED) && !HAS_ROOM(OUT) -> skip }
#ifndef MUT_DROP_NO_FLUSH
		quiesce(c);
#endif
#ifdef DROP
		goto top;
#endif
		if
		:: goto top						/* spin */
		:: wait_for_space(c)
		fi

	:: atomic { !hand && HAS_MSG(IN) ->
		d_step { q[IN]--; unp[IN]++; hand = !IS_SINK(c) };	/* [O3] */
		/* When head is told before the port is found empty is a matter of speed. */
		if
		:: flags[IN] & PSLEEPING -> see_in = 1; PUBLISH(IN)		/* [O7] [O5] */
		:: PUBLISH(IN)						/* [O5] */
		:: d_step {							/* every depth/4 pops */
			PUBLISH(IN);						/* [O5] */
			hl[IN] = 0;						/* [O6] */
			see_in = (flags[IN] & PSLEEPING) != 0			/* [O7] */
		   }
		:: skip
		fi
	   }
progress:	if
		:: see_in -> MAY_DIE; see_in = 0; kick(c, IN)
		:: else
		fi;
		goto top

	:: atomic { !hand && !HAS_MSG(IN) && (flags[IN] & DEAD) -> goto dead }	/* ended: leaves */

	:: atomic { !hand && !HAS_MSG(IN) && !(flags[IN] & DEAD) -> skip }
		quiesce(c);
#ifdef ET
		sleep_in_epoll(c)
#else
		if
		:: goto top						/* spin */
		:: wait_for_message(c)
		fi
#endif
	fi;
dead:
	/* settle */
	atomic {
		FENCE(c);
		woken[c] = 0; see_in = 0; see_out = 0; hand = 0
	}
#ifdef KEPT
	/* a dead sink's ring waits for a successor, which takes head for phead */
	if
	:: IS_SINK(c) && !(flags[IN] & DEAD) ->
		d_step {
#ifdef MUT_KEPT_NO_PUBLISH
			lost[IN] = lost[IN] + unp[IN];
#endif
			unp[IN] = 0;					/* [S15] */
			flags[IN] = flags[IN] & ~SLEEPING;
			if
			:: flags[IN] & PSLEEPING ->			/* [S16] */
				flags[IN] = flags[IN] & ~PSLEEPING;
				woken[IN] = 1
			:: else
			fi
		}
		goto start
	:: else
	fi;
#endif
	d_step {
		flags[OUT] = flags[OUT] | DEAD;				/* [S7] */
		if
		:: flags[OUT] & SLEEPING ->				/* [S9] */
			flags[OUT] = flags[OUT] & ~SLEEPING;
			woken[1 - (c)] = 1
		:: else
		fi
	}
	d_step {
		flags[IN] = flags[IN] | CLOSED;				/* [S12] */
		q[IN] = 0; sl[IN] = 0; unp[IN] = 0; hl[IN] = 0;
#ifndef MUT_SETTLE_NO_SPACE_WAKE
		if
		:: flags[IN] & PSLEEPING ->				/* [S16] */
			flags[IN] = flags[IN] & ~PSLEEPING;
			woken[IN] = 1
		:: else
		fi
#endif
	}
}

/* the store buffers, in their own time */
proctype memory()
{
end:	do
	:: d_step { sl[0] -> sl[0]-- }
	:: d_step { hl[0] -> hl[0]-- }
	:: d_step { sl[1] -> sl[1]-- }
	:: d_step { hl[1] -> hl[1]-- }
	od
}

init {
	atomic {
#ifdef CYCLE
		q[0] = TOKENS; q[1] = 1;
#endif
		/* the deaths that are still to come; with none left, a sleep is for ever */
		if
		:: crashes = 0
#if CRASHES > 0
		:: crashes = 1
#endif
#if CRASHES > 1
		:: crashes = 2
#endif
		fi;
		run memory();
		run node(0);
		run node(1)
	}
}
