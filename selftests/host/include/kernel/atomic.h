/* SPDX-License-Identifier: GPL-2.0-only */
/* Atomics, barriers and reference counts, by the compiler's own atomics. */
#ifndef HOST_ATOMIC_H
#define HOST_ATOMIC_H

#include "base.h"

/*
 * Of a pointer, it orders what is reached through it: in the kernel by the address
 * dependency, for which C and the sanitizer have nothing weaker than this.
 */
#define HOST_POINTER_CLASS	5	/* gcc's typeclass.h */
#define READ_ONCE(x) \
	__atomic_load_n(&(x), __builtin_classify_type(x) == HOST_POINTER_CLASS ?	\
			__ATOMIC_ACQUIRE : __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)

#define smp_store_mb(x, v)	__atomic_store_n(&(x), v, __ATOMIC_SEQ_CST)
#define smp_mb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)

#define cmpxchg(p, old, new)	__sync_val_compare_and_swap(p, old, new)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

#define HOST_ATOMIC(type, value, prefix)					\
static inline value prefix##_read(const type *a)				\
{										\
	return __atomic_load_n(&a->counter, __ATOMIC_RELAXED);			\
}										\
static inline value prefix##_read_acquire(const type *a)			\
{										\
	return __atomic_load_n(&a->counter, __ATOMIC_ACQUIRE);			\
}										\
static inline void prefix##_set(type *a, value v)				\
{										\
	__atomic_store_n(&a->counter, v, __ATOMIC_RELAXED);			\
}										\
static inline void prefix##_add(value v, type *a)				\
{										\
	__atomic_fetch_add(&a->counter, v, __ATOMIC_RELAXED);			\
}										\
static inline void prefix##_sub(value v, type *a)				\
{										\
	prefix##_add(-v, a);							\
}										\
static inline void prefix##_inc(type *a)					\
{										\
	prefix##_add(1, a);							\
}										\
static inline void prefix##_dec(type *a)					\
{										\
	prefix##_add(-1, a);							\
}										\
static inline value prefix##_fetch_sub(value v, type *a)			\
{										\
	return __atomic_fetch_sub(&a->counter, v, __ATOMIC_SEQ_CST);		\
}										\
static inline bool prefix##_dec_and_test(type *a)				\
{										\
	return prefix##_fetch_sub(1, a) == 1;					\
}										\
static inline value prefix##_inc_return(type *a)				\
{										\
	return __atomic_add_fetch(&a->counter, 1, __ATOMIC_SEQ_CST);		\
}										\
static inline value prefix##_xchg(type *a, value v)				\
{										\
	return __atomic_exchange_n(&a->counter, v, __ATOMIC_SEQ_CST);		\
}										\
static inline value prefix##_cmpxchg(type *a, value old, value new)		\
{										\
	__atomic_compare_exchange_n(&a->counter, &old, new, false,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);	\
	return old;								\
}

HOST_ATOMIC(atomic_t, int, atomic)
HOST_ATOMIC(atomic64_t, s64, atomic64)

struct kref {
	atomic_t count;
};

static inline void kref_init(struct kref *ref)
{
	atomic_set(&ref->count, 1);
}

static inline void kref_get(struct kref *ref)
{
	if (atomic_inc_return(&ref->count) <= 1)
		host_bug("kref_get of an object that is being freed");
}

static inline int kref_get_unless_zero(struct kref *ref)
{
	int old = atomic_read(&ref->count);

	while (old > 0 && !__atomic_compare_exchange_n(&ref->count.counter, &old, old + 1,
						       false, __ATOMIC_SEQ_CST,
						       __ATOMIC_SEQ_CST))
		;
	return old > 0;
}

static inline int kref_put(struct kref *ref, void (*release)(struct kref *ref))
{
	int old = atomic_fetch_sub(1, &ref->count);

	if (old < 1)
		host_bug("kref_put of an object that is freed");
	if (old == 1)
		release(ref);
	return old == 1;
}

#endif /* HOST_ATOMIC_H */
