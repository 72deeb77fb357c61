/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The protocol's operations of a native client on plain cells: who stores what
 * in which order, so that the kernel can settle the client exactly if it dies
 * between any two instructions.
 *
 * Every cell has one writer. An operation records its intent, then makes one
 * committing store, then writes what follows from it; from the committing cell
 * the kernel tells whether the operation happened. The letters name the shared
 * accesses; the models in selftests/model carry the same ones.
 *
 *   producer                            consumer
 *
 *   t = ptail                 [P1]      d = LOAD.acq slot[p % N]     [O1]
 *   if t - cached_head >= depth:        if d.lap != lap(p): empty
 *     cached_head =                     intent = {POP, p & 1, ..}    [O2]
 *       LOAD.acq head         [P2]      ;;
 *   intent = {PUSH, t & 1, ..} [P3]     phead = p + 1         commit [O3]
 *   ;;                                  ;;
 *   STORE.rel slot[t % N] commit [P4]   hold[b] = h + 1              [O4]
 *   ;;                                  now and then:
 *   hold[b] = h - 1           [P5]        STORE.rel head = p + 1     [O5]
 *   ;;                                    FENCE                      [O6]
 *   ptail = t + 1             [P6]        LOAD flags -> KICK         [O7]
 *   FENCE                     [F1]
 *   LOAD flags -> KICK        [F2]
 *
 *   dup (hold[b] >= 1)                  release (hold[b] >= 1)
 *
 *   w = LOAD W[b]             [D1]      w = LOAD.acq W[b]            [R1]
 *   intent = {DUP, bit(w), n} [D2]      sole: keep it, no store
 *   ;;                                  intent = {RELEASE, bit(w)}   [R2]
 *   FETCH_ADD W[b]     commit [D3]      ;;
 *   ;;                                  CAS.acq_rel W[b]      commit [R3]
 *   hold[b] = h + n           [D4]      ;;
 *                                       hold[b] = h - 1              [R4]
 *
 *   pop of a ring that drops the      drop: the ring is full, and its
 *   oldest: both ends move phead       oldest message is taken out
 *
 *   c = LOAD phead                      c = LOAD.acq phead        [Q1]
 *   d = LOAD.acq slot[c % N]   [O1]     b = own slot[c % N]
 *   lap is another's: again, if c       intent = {DROP, bit(c)}   [Q2]
 *     is not what phead is              ;;
 *   intent = {POP, bit(c), ..} [O2]     CAS.acq_rel phead  commit [Q3]
 *   ;;                                  ;;
 *   CAS.acq_rel phead   commit [O9]     hold[b] = h + 1           [Q4]
 *   ;;                                  failed: a pop made room
 *   hold[b] = h + 1            [O4]
 *   failed: from the load on
 *
 *   ;; is a compiler barrier, and enough: a kill is a precise exception and the
 *   kernel reads after the dead thread left its processor, so it finds a prefix
 *   of the thread's stores in program order.
 *
 * Towards live peers:
 *   P4 (release) pairs with O1 (acquire): payload and metadata before the slot.
 *   O5 (release) pairs with P2 (acquire): a slot is read before it is reused.
 *   F1 pairs with the kernel's barrier in WAIT and POLL, between its store of
 *     SLEEPING and its look at the slots: either F2 sees SLEEPING or the kernel
 *     sees P4. O6 likewise for PSLEEPING between O5 and the kernel's look at head.
 *   R3 (release) pairs with R1 and R3 (acquire) of the last holder, which may
 *     change or recycle the payload: all uses of others are before it.
 *   O9 (release) pairs with Q1 (acquire): a slot is read before it is reused. Q3 (acquire)
 *     is behind all that a consumer did that lost the race for the message.
 *   D3 needs no order: the new references reach others by P4.
 *   O8, the acquiring load of a ring's end flags, precedes the O1 that finds the
 *     ring empty; it pairs with the kernel's store of EOF, DEAD or DISCONNECTED,
 *     which follows everything that was ever pushed.
 *   G4, the acquiring load of the gen word, pairs with the kernel's bump of it,
 *     which follows the change. B1 (wanted) is a hint and needs no order.
 *
 * When O5 happens: every depth/4 pops, and before its client sleeps, spins or
 * answers "nothing now" to a program that may be polling; not at the first pop
 * that could see PSLEEPING. A producer that sleeps beside a full ring is thus woken
 * once for a quarter of it and not for every message, and is never forgotten.
 *
 * D3 is an addition: only this client changes its own toggle, so n plus or minus
 * the toggle's weight never carries beyond it.
 */
#ifndef LIB_PROTOCOL_H
#define LIB_PROTOCOL_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <linux/mqshm.h>

#if defined(__SANITIZE_THREAD__)
#define PROTO_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PROTO_TSAN 1
#endif
#endif

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/* Order towards the kernel that looks at this thread after its death. */
static inline void proto_barrier(void)
{
	__asm__ __volatile__("" ::: "memory");
}

/*
 * Full fence, stores before it against loads after it. A locked operation is
 * several times cheaper than MFENCE; it adds 0, so that it may touch the red zone.
 */
static inline void proto_fence(void)
{
#if defined(__x86_64__) && !defined(PROTO_TSAN)
	__asm__ __volatile__("lock; addl $0,-4(%%rsp)" ::: "memory", "cc");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* To be called in a loop that looks at memory until it changes. */
static inline void proto_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ __volatile__("isb" ::: "memory");
#else
	proto_barrier();
#endif
}

/**
 * struct proto_client - a client's own cells
 * @intent: its intent word
 * @hold: references in its hand, by buffer number
 * @toggle: its bit in W; 0 for a client without one, which may not use
 *	proto_dup() nor proto_release() of a shared buffer
 */
struct proto_client {
	uint64_t *intent;
	uint16_t *hold;
	uint64_t toggle;
};

/**
 * struct proto_tx - producer's end of a ring
 * @slots: 1 << @shift slots
 * @tail: cursor, next slot to fill
 * @bytes: payload bytes pushed so far
 * @dropped: messages for which it had no room so far
 * @head: the consumer's published cursor; of a ring that drops the oldest, @phead
 * @phead: the consumer's own cursor, of a ring that drops the oldest
 * @flags: MQSHM_RING_*
 * @mask: slots - 1
 * @cached_head: what @head was when last looked at
 * @depth: messages that may be queued
 * @shift: log2 of the number of slots
 * @ring: number of the ring
 */
struct proto_tx {
	uint64_t *slots;
	uint64_t *tail;
	uint64_t *bytes;
	uint64_t *dropped;
	const uint64_t *head;
	uint64_t *phead;
	const uint32_t *flags;
	uint64_t mask;
	uint64_t cached_head;
	uint32_t depth;
	uint32_t shift;
	uint32_t ring;
};

/**
 * struct proto_rx - consumer's end of a ring
 * @slots: 1 << @shift slots
 * @phead: cursor, next slot to empty
 * @head: copy of it that the producer sees
 * @flags: MQSHM_RING_*
 * @mask: slots - 1
 * @shift: log2 of the number of slots
 * @ring: number of the ring
 */
struct proto_rx {
	const uint64_t *slots;
	uint64_t *phead;
	uint64_t *head;
	const uint32_t *flags;
	uint64_t mask;
	uint32_t shift;
	uint32_t ring;
};

static inline uint32_t proto_count(uint64_t w)
{
	return (uint32_t)(w & MQSHM_W_COUNT_MASK);
}

/* phead of a ring that drops the oldest, one message on; the toggles as they are. */
static inline uint64_t proto_cursor_next(uint64_t word)
{
	return (word & ~MQSHM_CURSOR_MASK) | ((word + 1) & MQSHM_CURSOR_MASK);
}

/*
 * Adds to a counter that this client alone writes, while the kernel may be reading it:
 * one store, never torn. To be shown, so it needs no order.
 */
#define proto_bump(counter, n) \
	__atomic_store_n(&(counter), (counter) + (n), __ATOMIC_RELAXED)

/* One 8-byte store, never torn. */
static inline void proto_intend(const struct proto_client *c, uint64_t intent)
{
	__atomic_store_n(c->intent, intent, __ATOMIC_RELAXED);
	proto_barrier();
}

/* Last store of an operation; nothing of the next one may move before it. */
static inline void proto_hold(const struct proto_client *c, uint32_t b, uint16_t n)
{
	proto_barrier();
	__atomic_store_n(&c->hold[b], n, __ATOMIC_RELAXED);
	proto_barrier();
}

/* Free slots, as far as the producer must know: at least @need if there are. */
static inline uint32_t proto_room(struct proto_tx *k, uint32_t need)
{
	uint64_t t = __atomic_load_n(k->tail, __ATOMIC_RELAXED);	/* [P1] */
	uint64_t used = t - k->cached_head;

	if (used + need > k->depth) {
		k->cached_head = __atomic_load_n(k->head, __ATOMIC_ACQUIRE) & /* [P2] */
				 MQSHM_CURSOR_MASK;
		used = t - k->cached_head;
	}
	/* A head that lies gives a difference beyond depth: no room. */
	return used < k->depth ? (uint32_t)(k->depth - used) : 0;
}

/* Needs hold[b] >= 1 and proto_room() >= 1. */
static inline void proto_push(const struct proto_client *c, struct proto_tx *k,
			      uint32_t b, uint32_t user)
{
	uint64_t t = __atomic_load_n(k->tail, __ATOMIC_RELAXED);	/* [P1] */
	uint16_t h = c->hold[b];

	proto_intend(c, MQSHM_INTENT(MQSHM_OP_PUSH, t & 1, b, h, 1, k->ring)); /* [P3] */
	__atomic_store_n(&k->slots[t & k->mask],
			 MQSHM_SLOT(b, user, MQSHM_LAP(t, k->shift)),
			 __ATOMIC_RELEASE);				/* [P4] */
	proto_hold(c, b, h - 1);					/* [P5] */
	__atomic_store_n(k->tail, t + 1, __ATOMIC_RELAXED);		/* [P6] */
	proto_barrier();
	proto_bump(*k->bytes, user);
}

/*
 * Of a ring that drops the oldest: whether it is full, with the word that phead was and
 * what the oldest slot says, not to be trusted.
 */
static inline bool proto_is_full(struct proto_tx *k, uint64_t *word, uint64_t *slot)
{
	uint64_t t = __atomic_load_n(k->tail, __ATOMIC_RELAXED);	/* [P1] */
	uint64_t head;

	*word = __atomic_load_n(k->phead, __ATOMIC_ACQUIRE);		/* [Q1] */
	head = *word & MQSHM_CURSOR_MASK;
	*slot = k->slots[head & k->mask];
	k->cached_head = head;
	return t - head >= k->depth;
}

/*
 * Takes the message that proto_is_full() found into the hand; @b is its buffer, checked.
 * False if a pop was faster: then there is room.
 */
static inline bool proto_drop(const struct proto_client *c, struct proto_tx *k,
			      uint64_t word, uint32_t b)
{
	uint64_t next = proto_cursor_next(word) ^ MQSHM_CURSOR_DROP;
	uint16_t h = c->hold[b];

	proto_intend(c, MQSHM_INTENT(MQSHM_OP_DROP, !!(word & MQSHM_CURSOR_DROP), b, h, 1,
				     k->ring));				/* [Q2] */
	if (!__atomic_compare_exchange_n(k->phead, &word, next, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) /* [Q3] */
		return false;
	proto_hold(c, b, h + 1);					/* [Q4] */
	return true;
}

/* After proto_fence() [F1]: what the ring asks of its producer. */
static inline uint32_t proto_tx_flags(const struct proto_tx *k)
{
	return __atomic_load_n(k->flags, __ATOMIC_ACQUIRE);		/* [F2] */
}

/* Whether there is a message; @slot is what it says, not to be trusted. */
static inline bool proto_peek(const struct proto_rx *k, uint64_t *slot)
{
	uint64_t p = __atomic_load_n(k->phead, __ATOMIC_RELAXED);
	uint64_t d = __atomic_load_n(&k->slots[p & k->mask], __ATOMIC_ACQUIRE); /* [O1] */

	*slot = d;
	return MQSHM_SLOT_LAP(d) == MQSHM_LAP(p, k->shift);
}

/* Takes the message that proto_peek() found; @b is its buffer, checked. */
static inline void proto_pop(const struct proto_client *c, const struct proto_rx *k,
			     uint32_t b)
{
	uint64_t p = __atomic_load_n(k->phead, __ATOMIC_RELAXED);
	uint16_t h = c->hold[b];

	proto_intend(c, MQSHM_INTENT(MQSHM_OP_POP, p & 1, b, h, 1, k->ring)); /* [O2] */
	__atomic_store_n(k->phead, p + 1, __ATOMIC_RELAXED);		/* [O3] */
	proto_hold(c, b, h + 1);					/* [O4] */
}

/* To be followed by proto_fence() [O6] and a look at the flags [O7]. */
static inline void proto_publish(const struct proto_rx *k)
{
	__atomic_store_n(k->head,
			 __atomic_load_n(k->phead, __ATOMIC_RELAXED) & MQSHM_CURSOR_MASK,
			 __ATOMIC_RELEASE);				/* [O5] */
}

/* After proto_fence() [O6], or before a proto_peek() [O8]. */
static inline uint32_t proto_rx_flags(const struct proto_rx *k)
{
	return __atomic_load_n(k->flags, __ATOMIC_ACQUIRE);		/* [O7] [O8] */
}

/*
 * Of a ring that drops the oldest: as proto_peek(), with the word that phead was. The
 * slot may have been reused since that was loaded: then it is not empty.
 */
static inline bool proto_peek_word(const struct proto_rx *k, uint64_t *word, uint64_t *slot)
{
	uint64_t again = __atomic_load_n(k->phead, __ATOMIC_RELAXED);

	do {
		uint64_t p = again & MQSHM_CURSOR_MASK;

		*word = again;
		*slot = __atomic_load_n(&k->slots[p & k->mask], __ATOMIC_ACQUIRE); /* [O1] */
		if (MQSHM_SLOT_LAP(*slot) == MQSHM_LAP(p, k->shift))
			return true;
		again = __atomic_load_n(k->phead, __ATOMIC_RELAXED);
	} while (again != *word);
	return false;
}

/* Takes the message that proto_peek_word() found; false if it was dropped meanwhile. */
static inline bool proto_pop_word(const struct proto_client *c, const struct proto_rx *k,
				  uint64_t word, uint32_t b)
{
	uint64_t next = proto_cursor_next(word) ^ MQSHM_CURSOR_POP;
	uint16_t h = c->hold[b];

	proto_intend(c, MQSHM_INTENT(MQSHM_OP_POP, !!(word & MQSHM_CURSOR_POP), b, h, 1,
				     k->ring));				/* [O2] */
	if (!__atomic_compare_exchange_n(k->phead, &word, next, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) /* [O9] */
		return false;
	proto_hold(c, b, h + 1);					/* [O4] */
	return true;
}

/*
 * Messages queued: the slots from phead on whose lap is valid are a prefix, so
 * its end is found by halving. ptail is the producer's own.
 */
static inline uint32_t proto_queued(const struct proto_rx *k)
{
	uint64_t p = __atomic_load_n(k->phead, __ATOMIC_RELAXED) & MQSHM_CURSOR_MASK;
	uint32_t low = 0, high = (uint32_t)k->mask + 1;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		uint64_t d = __atomic_load_n(&k->slots[(p + mid) & k->mask],
					     __ATOMIC_RELAXED);

		if (MQSHM_SLOT_LAP(d) == MQSHM_LAP(p + mid, k->shift))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Needs hold[b] >= 1 and a toggle; @n is 1 to 255. */
static inline int proto_dup(const struct proto_client *c, uint64_t *w_cell,
			    uint32_t b, uint32_t n)
{
	uint64_t w = __atomic_load_n(w_cell, __ATOMIC_RELAXED);		/* [D1] */
	uint16_t h = c->hold[b];
	bool bit = w & c->toggle;

	if (proto_count(w) + n > MQSHM_W_COUNT_MAX)
		return -EOVERFLOW;
	proto_intend(c, MQSHM_INTENT(MQSHM_OP_DUP, bit, b, h, n, 0));	/* [D2] */
	__atomic_fetch_add(w_cell, n + (bit ? -c->toggle : c->toggle),
			   __ATOMIC_RELAXED);				/* [D3] */
	proto_hold(c, b, h + n);					/* [D4] */
	return 0;
}

/* Whether this client has the only reference. */
static inline bool proto_is_sole(const struct proto_client *c, const uint64_t *w_cell,
				 uint32_t b)
{
	uint64_t w = __atomic_load_n(w_cell, __ATOMIC_ACQUIRE);		/* [R1] */

	return c->hold[b] == 1 && proto_count(w) == 1;
}

/*
 * Needs hold[b] >= 1 and a toggle. True: it was the last reference, which stays
 * in the client's hand, for its magazine.
 */
static inline bool proto_release(const struct proto_client *c, uint64_t *w_cell,
				 uint32_t b)
{
	uint64_t w = __atomic_load_n(w_cell, __ATOMIC_ACQUIRE);		/* [R1] */
	uint16_t h = c->hold[b];

	if (h == 1 && proto_count(w) == 1)
		return true;
	proto_intend(c, MQSHM_INTENT(MQSHM_OP_RELEASE, !!(w & c->toggle), b, h, 1, 0)); /* [R2] */
	while (!__atomic_compare_exchange_n(w_cell, &w, (w - 1) ^ c->toggle, true,
					    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) { /* [R3] */
		/* The others may have gone meanwhile: not to be given away at 1. */
		if (h == 1 && proto_count(w) == 1)
			return true;
	}
	proto_hold(c, b, h - 1);					/* [R4] */
	return false;
}

#endif /* LIB_PROTOCOL_H */
