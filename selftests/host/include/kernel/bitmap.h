/* SPDX-License-Identifier: GPL-2.0-only */
/* Bitmaps; __-forms and the rest alike are used under locks. */
#ifndef HOST_BITMAP_H
#define HOST_BITMAP_H

#include "base.h"

#define BITS_PER_LONG	64
#define BITS_TO_LONGS(n)	DIV_ROUND_UP(n, BITS_PER_LONG)
#define GENMASK(high, low)	(~0UL << (low) & ~0UL >> (BITS_PER_LONG - 1 - (high)))
#define DECLARE_BITMAP(name, bits)	unsigned long name[BITS_TO_LONGS(bits)]

unsigned long *bitmap_zalloc(unsigned int bits, gfp_t flags);
void bitmap_free(unsigned long *map);

static inline bool test_bit(unsigned long i, const unsigned long *map)
{
	return map[i / BITS_PER_LONG] >> (i % BITS_PER_LONG) & 1;
}

static inline void __set_bit(unsigned long i, unsigned long *map)
{
	map[i / BITS_PER_LONG] |= 1UL << (i % BITS_PER_LONG);
}

static inline void __clear_bit(unsigned long i, unsigned long *map)
{
	map[i / BITS_PER_LONG] &= ~(1UL << (i % BITS_PER_LONG));
}

static inline bool __test_and_set_bit(unsigned long i, unsigned long *map)
{
	bool old = test_bit(i, map);

	__set_bit(i, map);
	return old;
}

static inline void bitmap_zero(unsigned long *map, unsigned int bits)
{
	memset(map, 0, BITS_TO_LONGS(bits) * sizeof(long));
}

static inline bool bitmap_empty(const unsigned long *map, unsigned int bits)
{
	unsigned int i;

	for (i = 0; i < BITS_TO_LONGS(bits); i++)
		if (map[i])
			return false;
	return true;
}

static inline unsigned long __ffs(unsigned long word)
{
	return (unsigned int)__builtin_ctzl(word);
}

static inline unsigned long hweight_long(unsigned long word)
{
	return (unsigned int)__builtin_popcountl(word);
}

static inline void bitmap_set(unsigned long *map, unsigned int first, unsigned int bits)
{
	for (; bits; bits--)
		__set_bit(first++, map);
}

static inline unsigned long host_next_bit(const unsigned long *map, unsigned long bits,
					  unsigned long i)
{
	unsigned long word;

	for (; i < bits; i = ALIGN(i + 1, BITS_PER_LONG)) {
		word = map[i / BITS_PER_LONG] >> (i % BITS_PER_LONG);
		if (word) {
			i += (unsigned int)__builtin_ctzl(word);
			break;
		}
	}
	return min(i, bits);
}

static inline unsigned long find_first_zero_bit(const unsigned long *map, unsigned long bits)
{
	unsigned long i = 0;

	while (i < bits && test_bit(i, map))
		i++;
	return i;
}

#define for_each_set_bit(i, map, bits)					\
	for ((i) = host_next_bit(map, bits, 0); (i) < (bits);		\
	     (i) = host_next_bit(map, bits, (i) + 1))

#endif /* HOST_BITMAP_H */
