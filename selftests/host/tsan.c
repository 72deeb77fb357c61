// SPDX-License-Identifier: GPL-2.0-only
/*
 * One address for each page, as ThreadSanitizer sees it; only in that variant.
 *
 * A page of the arena is seen at its own address by the module and at others by
 * each mapping, and the sanitizer, which knows addresses, would find no race between
 * them. So its callbacks, which the compiler calls at each access to memory, are
 * wrapped (ld --wrap): an address in a mapping becomes the one in the arena. Mappings
 * lie in a window of their own, with a table of what is mapped where.
 *
 * The same callbacks are where a thread that is a process (host_thread_run()) finds
 * that it was killed: between any two of its accesses.
 *
 * This file is not sanitized.
 */
#include <sys/mman.h>

#include "internal.h"

#define WINDOW		0x2000000000UL
#define WINDOW_PAGES	(1UL << 18)
#define WINDOW_BYTES	(WINDOW_PAGES << PAGE_SHIFT)
#define WRITABLE	1u

/* By page of the window: page of the arena << 1 | WRITABLE; 0: nothing is there. */
static u32 views[WINDOW_PAGES];
/* Where the next mapping is tried. */
static unsigned long next_view;

void *host_view_reserve(size_t bytes)
{
	unsigned long tries, at;
	void *p;

	for (tries = 0; tries < WINDOW_PAGES; tries++) {
		at = __atomic_fetch_add(&next_view, bytes, __ATOMIC_RELAXED) % WINDOW_BYTES;
		if (at + bytes > WINDOW_BYTES)
			continue;
		p = mmap((void *)(WINDOW + at), bytes, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
			 -1, 0);
		if (p != MAP_FAILED || errno != EEXIST)
			return p;
	}
	host_bug("the window of mappings is full");
}

void host_view_set(unsigned long address, unsigned long pfn, size_t bytes, bool writable)
{
	size_t i, first = (address - WINDOW) >> PAGE_SHIFT;

	for (i = 0; i < bytes >> PAGE_SHIFT; i++)
		WRITE_ONCE(views[first + i], (u32)(pfn + i) << 1 | (writable ? WRITABLE : 0));
}

void host_view_clear(unsigned long address, size_t bytes)
{
	memset(&views[(address - WINDOW) >> PAGE_SHIFT], 0,
	       (bytes >> PAGE_SHIFT) * sizeof(views[0]));
}

/*
 * What may not be done at @p, or where nothing is mapped, stays there and ends in
 * SIGSEGV as it should.
 */
static void *one_address(const volatile void *p, bool write)
{
	unsigned long at = (unsigned long)p - WINDOW;
	u32 view;

	if (at >= WINDOW_BYTES)
		return (void *)p;
	view = READ_ONCE(views[at >> PAGE_SHIFT]);
	if (!view || (write && !(view & WRITABLE)))
		return (void *)p;
	return (void *)(HOST_ARENA + ((unsigned long)(view >> 1) << PAGE_SHIFT) +
			offset_in_page(p));
}

static void *seen(const volatile void *p, bool write)
{
	host_thread_look();
	return one_address(p, write);
}

/* -- the compiler's callbacks ------------------------------------------------------- */

#define ACCESS(name, write)							\
void __real___tsan_##name(void *p);						\
void __wrap___tsan_##name(void *p);						\
void __wrap___tsan_##name(void *p)						\
{										\
	__real___tsan_##name(seen(p, write));					\
}

ACCESS(read1, false)
ACCESS(read2, false)
ACCESS(read4, false)
ACCESS(read8, false)
ACCESS(read16, false)
ACCESS(write1, true)
ACCESS(write2, true)
ACCESS(write4, true)
ACCESS(write8, true)
ACCESS(write16, true)
ACCESS(unaligned_read2, false)
ACCESS(unaligned_read4, false)
ACCESS(unaligned_read8, false)
ACCESS(unaligned_write2, true)
ACCESS(unaligned_write4, true)
ACCESS(unaligned_write8, true)

#define RANGE(name, write)							\
void __real___tsan_##name(void *p, unsigned long bytes);			\
void __wrap___tsan_##name(void *p, unsigned long bytes);			\
void __wrap___tsan_##name(void *p, unsigned long bytes)				\
{										\
	__real___tsan_##name(seen(p, write), bytes);				\
}

RANGE(read_range, false)
RANGE(write_range, true)

#define CHANGE(type, name)							\
type __real___tsan_atomic##name(volatile type *p, type v, int order);		\
type __wrap___tsan_atomic##name(volatile type *p, type v, int order);		\
type __wrap___tsan_atomic##name(volatile type *p, type v, int order)		\
{										\
	return __real___tsan_atomic##name(seen(p, true), v, order);		\
}

#define EXCHANGE(type, name)							\
int __real___tsan_atomic##name(volatile type *p, type *old, type v, int order,	\
			       int failed);					\
int __wrap___tsan_atomic##name(volatile type *p, type *old, type v, int order,	\
			       int failed);					\
int __wrap___tsan_atomic##name(volatile type *p, type *old, type v, int order,	\
			       int failed)					\
{										\
	return __real___tsan_atomic##name(seen(p, true), old, v, order, failed);	\
}

#define ATOMIC(type, bits)							\
type __real___tsan_atomic##bits##_load(const volatile type *p, int order);	\
type __wrap___tsan_atomic##bits##_load(const volatile type *p, int order);	\
type __wrap___tsan_atomic##bits##_load(const volatile type *p, int order)	\
{										\
	return __real___tsan_atomic##bits##_load(seen(p, false), order);	\
}										\
void __real___tsan_atomic##bits##_store(volatile type *p, type v, int order);	\
void __wrap___tsan_atomic##bits##_store(volatile type *p, type v, int order);	\
void __wrap___tsan_atomic##bits##_store(volatile type *p, type v, int order)	\
{										\
	__real___tsan_atomic##bits##_store(seen(p, true), v, order);		\
}										\
CHANGE(type, bits##_exchange)							\
CHANGE(type, bits##_fetch_add)							\
CHANGE(type, bits##_fetch_sub)							\
CHANGE(type, bits##_fetch_and)							\
CHANGE(type, bits##_fetch_or)							\
CHANGE(type, bits##_fetch_xor)							\
EXCHANGE(type, bits##_compare_exchange_strong)					\
EXCHANGE(type, bits##_compare_exchange_weak)

ATOMIC(u8, 8)
ATOMIC(u16, 16)
ATOMIC(u32, 32)
ATOMIC(u64, 64)

/* -- those of the C library's functions that look at memory for us -------------------- */

#define COPY(name, source)							\
void *__real_##name(void *to, source from, size_t n);				\
void *__wrap_##name(void *to, source from, size_t n);				\
void *__wrap_##name(void *to, source from, size_t n)				\
{										\
	/* for the stack in a report: the others are left by a jump */		\
	__tsan_func_entry(__builtin_return_address(0));				\
	__real_##name(seen(to, true), FROM_##name(from), n);			\
	__tsan_func_exit();							\
	return to;								\
}

void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);

#define FROM_memcpy(from)	seen(from, false)
#define FROM_memset(c)		(c)
COPY(memcpy, const void *)
COPY(memset, int)
