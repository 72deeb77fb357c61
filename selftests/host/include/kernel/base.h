/* SPDX-License-Identifier: GPL-2.0-only */
/* Types, errors, macros, strings and time. */
#ifndef HOST_BASE_H
#define HOST_BASE_H

#include <asm/types.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
typedef unsigned int __poll_t;
typedef unsigned int gfp_t;

#define U32_MAX		((u32)~0U)
#define U64_MAX		(~0ULL)
#define S64_MAX		((s64)(~0ULL >> 1))

#define __user
#define __rcu
#define __init
#define __exit
#define static_assert	_Static_assert
#define __always_unused	__attribute__((unused))

/* Not seen by programs; -EINTR is what the module makes of it. */
#define ERESTARTSYS	512
#define ERESTARTNOINTR	513

#define CONFIG_64BIT 1
#define IS_ENABLED(option)	0
#define LINUX_VERSION_CODE	KERNEL_VERSION(6, 12, 0)
#define KERNEL_VERSION(a, b, c)	(((a) << 16) + ((b) << 8) + (c))

/* The module or the harness is wrong: says so and ends the process. */
__attribute__((noreturn, format(printf, 1, 2))) void host_bug(const char *format, ...);

#define PAGE_SHIFT	12
#define PAGE_SIZE	(1UL << PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define SZ_4K		0x1000
#define SZ_2M		0x200000
#define offset_in_page(p)	((unsigned long)(p) & ~PAGE_MASK)

#define ALIGN(x, a)		(((x) + (__typeof__(x))(a) - 1) & ~((__typeof__(x))(a) - 1))
#define PAGE_ALIGN(x)		ALIGN(x, PAGE_SIZE)
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define sizeof_field(type, member)	sizeof(((type *)0)->member)
#define offsetofend(type, member)	(offsetof(type, member) + sizeof_field(type, member))
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

#define min_t(type, a, b) ({ type a_ = (a), b_ = (b); a_ < b_ ? a_ : b_; })
#define min(a, b)	min_t(__typeof__((a) + (b)), a, b)
#define max(a, b) ({ __typeof__((a) + (b)) c_ = (a), d_ = (b); c_ > d_ ? c_ : d_; })
#define min3(a, b, c)	min(min(a, b), c)

static inline void sort(void *base, size_t n, size_t bytes,
			int (*compare)(const void *a, const void *b),
			void (*swap)(void *a, void *b, int bytes))
{
	if (n)
		qsort(base, n, bytes, compare);
}

/* The same address arithmetic as the kernel's: too large gives SIZE_MAX. */
#define struct_size(p, member, n) \
	host_struct_size(sizeof(*(p)), sizeof((p)->member[0]), n)

static inline size_t host_struct_size(size_t head, size_t element, size_t n)
{
	size_t bytes;

	if (__builtin_mul_overflow(element, n, &bytes) ||
	    __builtin_add_overflow(bytes, head, &bytes))
		return SIZE_MAX;
	return bytes;
}

#define MAX_ERRNO	4095
#define IS_ERR_VALUE(x)	((unsigned long)(x) >= (unsigned long)-MAX_ERRNO)

static inline void *ERR_PTR(long error)
{
	return (void *)error;
}

static inline long PTR_ERR(const void *p)
{
	return (long)p;
}

static inline bool IS_ERR(const void *p)
{
	return IS_ERR_VALUE(p);
}

static inline void *ERR_CAST(const void *p)
{
	return (void *)p;
}

static inline int PTR_ERR_OR_ZERO(const void *p)
{
	return IS_ERR(p) ? (int)PTR_ERR(p) : 0;
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ __volatile__("" ::: "memory");
#endif
}

/* Bounds are bounds here too; there is no speculation to be stopped. */
static inline unsigned long array_index_nospec(unsigned long i, unsigned long n)
{
	return i < n ? i : 0;
}

static inline unsigned int order_base_2(unsigned long n)
{
	return n <= 1 ? 0 : 64 - (unsigned int)__builtin_clzl(n - 1);
}

static inline ssize_t strscpy(char *to, const char *from, size_t size)
{
	size_t n = strnlen(from, size);

	if (n == size)
		n = size - 1;
	memcpy(to, from, n);
	to[n] = 0;
	return (ssize_t)n;
}

/* First byte that is not @c. */
static inline void *memchr_inv(const void *from, int c, size_t n)
{
	const u8 *p = from;

	for (; n; n--, p++)
		if (*p != (u8)c)
			return (void *)p;
	return NULL;
}

typedef s64 ktime_t;

#define NSEC_PER_SEC	1000000000LL
#define KTIME_MAX	S64_MAX

u64 ktime_get_ns(void);

static inline ktime_t ns_to_ktime(u64 ns)
{
	return (ktime_t)ns;
}

#endif /* HOST_BASE_H */
