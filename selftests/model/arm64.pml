/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Weak memory, as arm64 has it: the protocol's races between live processors,
 * where loads and stores happen in another order than they are written.
 *
 * A thread is a short straight program.  Its accesses happen in any order that
 * these rules leave: accesses of one cell in program order; nothing after an
 * acquire (LDAPR) before it; nothing before a release (STLR) after it; a full
 * fence (DMB ISH) between the two sides of it; DMB ISHST between the stores.  So
 * a store may linger while later ones and later loads overtake it, and a load may
 * be satisfied early, and stale.  What has happened is seen by all: arm64 is
 * multi-copy atomic.
 *
 * Weaker than any arm64 on purpose: dependencies (of address, data and control)
 * order nothing, since C promises nothing about them; what comes after a look
 * that decides about it may happen before it, on the guess that the look goes
 * that way.  A look that goes another way ends the run (`cut').  An acquire is
 * LDAPR and not LDAR, which would also wait for earlier STLRs.  Compare-and-swap
 * and addition are LDXR and STXR, so that what follows may come between the two;
 * CASAL and LDADD are stronger.
 *
 * No proof on hardware: the rules are ours, from the architecture's text.
 */
#define T	3		/* threads */
#define I	7		/* accesses of each */

mtype = { none, LDR, LDAPR, STR, STLR, STXR, STLXR, DMB_ISH, DMB_ISHST };

/* cells */
#define DATA	0		/* payload and metadata of the one buffer */
#define COUNT	1		/* its W */
#define SLOT	2		/* of the first ring */
#define SLOT2	3
#define FLAGS	4
#define DEPOT	5		/* and its lock */
byte mem[6];

/* the programs: access i of thread t at t * I + i */
mtype op[T * I];
byte cell[T * I];
byte val[T * I];		/* stored; or what a load must find, or ANY */
byte found[T * I];		/* by a load of ANY */
byte needs[T * I];		/* what must have happened before: a bit for each access */
byte done[T];
byte size[T];
bit cut;

#define ANY	255
#define SWAP(from, to)	((from) << 4 | (to))

#define IS_STORE(o)	(o == STR || o == STLR || o == STXR || o == STLXR)
#define ORDERED(i, j)							\
	(cell[i] == cell[j] && op[i] != DMB_ISH && op[j] != DMB_ISH &&	\
	 op[i] != DMB_ISHST && op[j] != DMB_ISHST) ||			\
	op[i] == LDAPR || op[j] == STLR || op[j] == STLXR ||		\
	op[i] == DMB_ISH || op[j] == DMB_ISH ||				\
	(IS_STORE(op[i]) && op[j] == DMB_ISHST) ||			\
	(op[i] == DMB_ISHST && IS_STORE(op[j]))

/* what the protocol asks for, and what the mutations make of it */
#ifdef MUT_PUSH_STORE
#define STORE_P4	STR
#else
#define STORE_P4	STLR
#endif
#ifdef MUT_POP_LOAD
#define LOAD_O1		LDR
#else
#define LOAD_O1		LDAPR
#endif
#ifdef MUT_RELEASE_LOAD
#define LOAD_R1		LDR
#else
#define LOAD_R1		LDAPR
#endif
#ifdef MUT_RELEASE_STORE
#define STORE_R3	STXR
#else
#define STORE_R3	STLXR
#endif
#ifdef MUT_RELEASE_AGAIN
#define LOAD_R3		LDR
#else
#define LOAD_R3		LDAPR
#endif
#ifdef MUT_END_LOAD
#define LOAD_O8		LDR
#else
#define LOAD_O8		LDAPR
#endif
#ifdef MUT_FLUSH_FENCE_STORES
#define FENCE_F1	DMB_ISHST
#else
#define FENCE_F1	DMB_ISH
#endif
#ifdef MUT_WAIT_FENCE_STORES
#define FENCE_W2	DMB_ISHST
#else
#define FENCE_W2	DMB_ISH
#endif

#define ADD(t, o, c, v)							\
	op[t * I + size[t]] = o; cell[t * I + size[t]] = c;		\
	val[t * I + size[t]] = v; size[t] = size[t] + 1

/* which race this is */
byte race;
#define SOLE_BY_LOOK	1
#define SOLE_BY_SWAP	2
#define SHARED		3
#define FORWARDED	4
#define SETTLED		5
#define SLEEP		6
#define END_OF_STREAM	7

/*
 * Publish, pop, and the sole holder's next write: a producer fills a buffer,
 * keeps a reference, pushes the other, and fills it again when it is alone.
 */
inline producer_shares(t)
{
	ADD(t, STR, DATA, 1);
	ADD(t, LDR, COUNT, 1);						/* [D1] */
	ADD(t, STXR, COUNT, SWAP(1, 2));				/* [D3] */
	ADD(t, STORE_P4, SLOT, 1)					/* [P4] */
}

inline consumer_releases(t)
{
	ADD(t, LOAD_O1, SLOT, 1);					/* [O1] */
	ADD(t, LDR, DATA, ANY);
	ADD(t, LOAD_R1, COUNT, 2);					/* [R1], and the load half of R3 */
	ADD(t, STORE_R3, COUNT, SWAP(2, 1))				/* [R3] */
}

inline programs()
{
	if
	:: race == SOLE_BY_LOOK ->
		producer_shares(0);
		ADD(0, LOAD_R1, COUNT, 1);				/* [R1] alone */
		ADD(0, STR, DATA, 2);
		consumer_releases(1)

	/* both release at once: the producer's swap fails, and it is alone */
	:: race == SOLE_BY_SWAP ->
		producer_shares(0);
		ADD(0, LOAD_R1, COUNT, 2);				/* [R1] */
		ADD(0, LOAD_R3, COUNT, 1);				/* [R3] failed; alone */
		ADD(0, STR, DATA, 2);
		consumer_releases(1)

	/* a consumer that finds itself alone while the producer still has its reference */
	:: race == SHARED ->
		producer_shares(0);
		ADD(1, LOAD_O1, SLOT, 1);				/* [O1] */
		ADD(1, LOAD_R1, COUNT, 1)				/* [R1] */

	/* through a third, which does not look at it */
	:: race == FORWARDED ->
		ADD(0, STR, DATA, 1);
		ADD(0, STORE_P4, SLOT, 1);				/* [P4] */
		ADD(1, LOAD_O1, SLOT, 1);				/* [O1] */
		ADD(1, STORE_P4, SLOT2, 1);				/* [P4] */
		ADD(2, LOAD_O1, SLOT2, 1);				/* [O1] */
		ADD(2, LDR, DATA, ANY)

	/* a dead client's reference, the last one by now, and who leases the buffer next */
	:: race == SETTLED ->
		mem[SLOT] = 1; mem[DATA] = 1; mem[COUNT] = 2;
		consumer_releases(1);
		ADD(0, LDAPR, COUNT, 1);				/* [U0] */
		ADD(0, STLR, DEPOT, 1);					/* [U2], unlocks */
		ADD(2, LDAPR, DEPOT, 1);				/* locks, [L1] */
		ADD(2, STR, DATA, 2)

	/*
	 * Publish and look at the flags, against flags and look at the slot: flush
	 * against WAIT, POLL, ARM, and against CLOSED and the drain; with head in the
	 * place of the slot, the consumer's look against a wait for space.
	 */
	:: race == SLEEP ->
		ADD(0, STORE_P4, SLOT, 1);				/* [P4] [O5] */
		ADD(0, FENCE_F1, 0, 0);					/* [F1] [O6] */
		ADD(0, LDAPR, FLAGS, ANY);				/* [F2] [O7] */
		ADD(1, STR, FLAGS, 1);					/* [W1] [W5] [E1] [A1] [S12] */
		ADD(1, FENCE_W2, 0, 0);					/* [W2] [E2] [A2] [S13] */
		ADD(1, LDR, SLOT, ANY)					/* [W3] [W6] [E3] [A3] [N1] */

	/* the end is announced by a call, which flushes first */
	:: race == END_OF_STREAM ->
		ADD(0, STORE_P4, SLOT, 1);				/* [P4] */
#ifndef MUT_END_BEFORE_FLUSH
		ADD(0, FENCE_F1, 0, 0);					/* [F1] */
#endif
		ADD(0, STR, FLAGS, 1);					/* [S7] */
		ADD(1, LOAD_O8, FLAGS, 1);				/* [O8] */
		ADD(1, LOAD_O1, SLOT, ANY)				/* [O1] once more */
	fi
}

#define ALL(t)		((1 << size[t]) - 1)
#define FINISHED	(done[0] == ALL(0) && done[1] == ALL(1) && done[2] == ALL(2))

#define MAY(i)								\
	(!cut && (i) < size[t] && !(done[t] & 1 << (i)) &&		\
	 (needs[t * I + i] & ~done[t]) == 0)

inline happens(i)
{
	d_step {
		a = t * I + i;
		if
		:: op[a] == LDR || op[a] == LDAPR ->
			if
			:: val[a] == ANY -> found[a] = mem[cell[a]]
			:: else -> cut = mem[cell[a]] != val[a]
			fi
		:: op[a] == STR || op[a] == STLR -> mem[cell[a]] = val[a]
		:: op[a] == STXR || op[a] == STLXR ->
			if
			:: mem[cell[a]] == val[a] >> 4 -> mem[cell[a]] = val[a] & 15
			:: else -> cut = 1
			fi
		:: else						/* a fence: only its order counts */
		fi;
		done[t] = done[t] | 1 << i;
		a = 0
	}
}

proctype thread(byte t)
{
	byte a;

end:	do
	:: atomic { MAY(0) -> happens(0) }
	:: atomic { MAY(1) -> happens(1) }
	:: atomic { MAY(2) -> happens(2) }
	:: atomic { MAY(3) -> happens(3) }
	:: atomic { MAY(4) -> happens(4) }
	:: atomic { MAY(5) -> happens(5) }
	:: atomic { MAY(6) -> happens(6) }
	od
}

#define FOUND(t, i)	found[t * I + i]

proctype judge()
{
end:	FINISHED && !cut;
	assert(race != SOLE_BY_LOOK || FOUND(1, 1) == 1);	/* neither what was before, nor the next */
	assert(race != SOLE_BY_SWAP || FOUND(1, 1) == 1);
	assert(race != SHARED);					/* it cannot be alone */
	assert(race != FORWARDED || FOUND(2, 1) == 1);
	assert(race != SETTLED || FOUND(1, 1) == 1);
	assert(race != SLEEP || FOUND(0, 2) || FOUND(1, 2));	/* one sees the other */
	assert(race != END_OF_STREAM || FOUND(1, 1))		/* the last message comes before the end */
}

init {
	byte t, i, j;

	atomic {
#ifdef RACE
		race = RACE;
#else
		if
		:: race = SOLE_BY_LOOK
		:: race = SOLE_BY_SWAP
		:: race = SHARED
		:: race = FORWARDED
		:: race = SETTLED
		:: race = SLEEP
		:: race = END_OF_STREAM
		fi;
#endif
		d_step {
			mem[COUNT] = 1;
			programs();
			do
			:: t < T ->
				do
				:: j < size[t] ->
					do
					:: i < j ->
						if
						:: ORDERED(t * I + i, t * I + j) ->
							needs[t * I + j] = needs[t * I + j] | 1 << i
						:: else
						fi;
						i++
					:: else -> i = 0; break
					od;
					j++
				:: else -> j = 0; break
				od;
				t++
			:: else -> t = 0; break
			od
		}
		run thread(0);
		run thread(1);
		run thread(2);
		run judge()
	}
}
