/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every model shares: how the cells are packed, the letters of the
 * accesses, crash points and the store buffer.
 *
 * A letter in brackets, such as [P4], names one shared access; the library's
 * header carries the same letters.  The table is in README.md.
 *
 * Cells that only their owner touches while it lives (intent, hold, its own
 * cursor) commute with every step of every other process.  So a run of such
 * stores plus at most one access that others can see is one GROUP, with a
 * MAY_DIE between each two stores: a crash can stop the owner between any two
 * of them, and the peers' steps need not be interleaved with them to reach
 * every outcome.  Compile with -DFINE to interleave them all the same.
 */
#ifdef FINE
#define GROUP
#else
#define GROUP		atomic
#endif

#ifndef CRASHES
#define CRASHES		2
#endif
byte crashes;			/* SIGKILLs dealt so far */

/*
 * A SIGKILL may arrive here; `dead' is where settle starts.  With -DRECOVER
 * it may be a signal as well, whose handler jumps out of the operation.
 */
#ifdef RECOVER
#define MAY_JUMP	:: crashes < CRASHES -> crashes++; goto jumped_out
#else
#define MAY_JUMP
#endif
#define MAY_DIE							\
	if							\
	:: crashes < CRASHES -> crashes++; goto dead		\
	MAY_JUMP						\
	:: true							\
	fi

/* ring flags, written by the kernel only */
#define SLEEPING	1
#define PSLEEPING	2
#define CLOSED		4
#define EOF		8
#define DEAD		16
#define AWAY		32

/* operations recorded in an intent */
#define OP_NONE		0
#define OP_PUSH		1
#define OP_POP		2
#define OP_DUP		3
#define OP_RELEASE	4
#define OP_DROP		5

/* intent: op 0..2, par 3, b 4..5, h 6..8, n 9..10, k 11..12 */
#define INTENT(op, par, b, h, n, k) \
	((op) | ((par) << 3) | ((b) << 4) | ((h) << 6) | ((n) << 9) | ((k) << 11))
#define I_OP(x)		((x) & 7)
#define I_PAR(x)	(((x) >> 3) & 1)
#define I_B(x)		(((x) >> 4) & 3)
#define I_H(x)		(((x) >> 6) & 7)
#define I_N(x)		(((x) >> 9) & 3)
#define I_K(x)		(((x) >> 11) & 3)

/* W[b]: count in the low four bits, the toggle of client c above them */
#define COUNT(w)	((w) & 15)
#define BIT(c)		(16 << (c))
#define TOGGLE(w, c)	(((w) >> (4 + (c))) & 1)

/*
 * Cursors run modulo N * LAPS instead of 2^64 and the lap modulo LAPS instead
 * of 2^16.  Two laps are enough to tell a slot of this round from one of the
 * last, which is all the protocol asks; LAPS=4 is run in the long check.
 */
#ifndef N
#define N		2
#endif
#ifndef LAPS
#define LAPS		2
#endif
#define NEXT(t)		(((t) + 1) % (N * LAPS))
#define USED(t, p)	(((t) + N * LAPS - (p)) % (N * LAPS))
#define LAP(t)		(((t) / N + 1) % LAPS)
#define AT(k, t)	((k) * N + (t) % N)

/* slot: b in the low two bits, lap above */
#define SLOT(b, t)	((b) | (LAP(t) << 2))
#define S_B(s)		((s) & 3)
#define S_LAP(s)	((s) >> 2)
#define FULL(s, t)	(S_LAP(s) == LAP(t))
