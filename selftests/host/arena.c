// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of the module: one shared file, mapped at the same address in every
 * process before the first fork, with a page allocator and a small one for
 * objects; and the module's own variables, which are moved into that file too.
 *
 * Freed memory is filled with a pattern that is looked for when it is allocated
 * again, and each object knows who allocated it: leaks, double frees and writes
 * after a free are found whatever process makes them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

#define ARENA_PAGES	(1UL << 18)
#define ARENA_BYTES	(ARENA_PAGES << PAGE_SHIFT)

#define MAGIC_LIVE	0x6c697665u
#define MAGIC_FREE	0x66726565u
#define POISON		0x6b
#define OBJECT_MIN	64
#define OBJECT_MAX	2048
#define CLASSES		6

/**
 * struct object - what stands before each small allocation
 * @magic: MAGIC_*
 * @bytes: that were asked for
 * @caller: who asked
 * @next: free: the next free one of its class
 * @prev: live: in the list of all live ones, as @after
 * @after: likewise
 */
struct object {
	u32 magic;
	u32 bytes;
	void *caller;
	union {
		struct object *next;
		struct object *prev;
	};
	struct object *after;
};

/* What is known of a page: length of the run that starts there, and its kind. */
#define PAGE_FREE	0
#define PAGE_RUN	1	/* first page of an allocation of pages */
#define PAGE_INNER	2	/* a later page of it */
#define PAGE_OBJECTS	3	/* small objects of one class */
#define PAGE_LARGE	4	/* first page of a large object */

struct page_state {
	u8 kind;
	u8 class;
	u32 run;
	void *caller;
};

/**
 * struct arena - state of the allocators
 * @lock: all of it
 * @fd: the file
 * @next: page at which the next search begins
 * @end: no page was ever used from here on
 * @pages: state of each page
 * @free: free small objects, by class
 * @live: live small objects
 * @n_objects: live objects, small and large
 * @n_runs: live allocations of pages
 */
static struct arena {
	struct host_lock lock;
	int fd;
	unsigned long next;
	unsigned long end;
	struct page_state *pages;
	struct object *free[CLASSES];
	struct object *live;
	long n_objects;
	long n_runs;
} arena;

/* The linker's: the section that build.mk collects all variables of the module in. */
extern char __start_mqshm_shared[];
extern char host_shared_end[];

static size_t shared_bytes(void)
{
	return (size_t)(host_shared_end - __start_mqshm_shared);
}

void host_bug(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "# host: bug in process %d: ", getpid());
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	abort();
}

int host_arena_fd(void)
{
	return arena.fd;
}

/*
 * Reads or writes the file behind the memory, by a bare system call: in memcpy() a
 * sanitizer would stumble over its own red zones.
 */
static void file_copy(long call, void *p, size_t bytes, size_t offset)
{
	if (syscall(call, arena.fd, p, bytes, offset) != (long)bytes)
		host_bug("cannot copy %zu bytes of the arena: %m", bytes);
}

static void map_fixed(void *at, size_t bytes, off_t offset)
{
	if (mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, arena.fd,
		 offset) != at)
		host_bug("cannot map %zu bytes at %p: %m", bytes, at);
}

void host_arena_start(void)
{
	size_t bytes = shared_bytes();
	int fd = memfd_create("mqshm-host", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, ARENA_BYTES + bytes))
		host_bug("no memory for the arena: %m");
	arena.fd = fd;
	host_lock_init(&arena.lock, "arena", HOST_LOCK_MUTEX);
	/* the module's variables lie in the file behind the arena */
	file_copy(SYS_pwrite64, __start_mqshm_shared, bytes, ARENA_BYTES);
	map_fixed((void *)HOST_ARENA, ARENA_BYTES, 0);
	map_fixed(__start_mqshm_shared, bytes, ARENA_BYTES);
	arena.pages = (void *)HOST_ARENA;
	arena.next = DIV_ROUND_UP(ARENA_PAGES * sizeof(*arena.pages), PAGE_SIZE);
	arena.pages[0] = (struct page_state) { PAGE_RUN, 0, (u32)arena.next, NULL };
	memset(&arena.free, 0, sizeof(arena.free));
}

/* -- pages -------------------------------------------------------------------- */

static unsigned long page_number(const void *p)
{
	unsigned long at = (unsigned long)p - HOST_ARENA;

	if (at >= ARENA_BYTES)
		host_bug("%p is not in the arena", p);
	return at >> PAGE_SHIFT;
}

static void *page_at(unsigned long number)
{
	return (void *)(HOST_ARENA + (number << PAGE_SHIFT));
}

unsigned long host_pfn(const void *address)
{
	return page_number(address);
}

unsigned long totalram_pages(void)
{
	return (unsigned long)sysconf(_SC_PHYS_PAGES);
}

/* A free run of @n pages from @i on, or the page behind what is in the way. */
static bool run_fits(unsigned long *i, unsigned long n)
{
	unsigned long at = *i, k;

	for (k = at; k < at + n; k++) {
		if (k == ARENA_PAGES || arena.pages[k].kind != PAGE_FREE) {
			*i = k + (k < ARENA_PAGES && arena.pages[k].run ?
				  arena.pages[k].run : 1);
			return false;
		}
	}
	return true;
}

static unsigned long pages_take(unsigned long n, u8 kind, void *caller)
{
	unsigned long i = arena.next, k;
	bool wrapped = false;

	while (!run_fits(&i, n)) {
		if (i < ARENA_PAGES)
			continue;
		if (wrapped)
			host_bug("the arena is full");
		wrapped = true;
		i = 0;
	}
	for (k = i; k < i + n; k++)
		arena.pages[k] = (struct page_state) { .kind = PAGE_INNER, .caller = caller };
	arena.pages[i].kind = kind;
	arena.pages[i].run = (u32)n;
	arena.next = i + n;
	arena.end = max(arena.end, arena.next);
	return i;
}

static void pages_give(unsigned long i)
{
	unsigned long n = arena.pages[i].run;

	memset(&arena.pages[i], 0, n * sizeof(arena.pages[i]));
	/* stays small: host_changed() looks at all that was ever used */
	arena.next = min(arena.next, i);
}

static void pattern_check(const void *p, size_t bytes, void *caller)
{
	const void *bad = memchr_inv(p, POISON, bytes);

	if (bad)
		host_bug("%p was written after it was freed, at byte %zu; now %p allocates it",
			 p, (size_t)((const char *)bad - (const char *)p), caller);
}

static bool allocation_fails(const char *what)
{
	host_may_sleep(what);
	host_lock_rules(what);
	if (current->fail_after < 0)
		return false;
	return current->fail_after-- == 0;
}

static void *alloc_pages(size_t bytes, u8 kind, void *caller)
{
	unsigned long i;

	host_lock_take(&arena.lock);
	i = pages_take(DIV_ROUND_UP(bytes, PAGE_SIZE), kind, caller);
	if (kind == PAGE_LARGE)
		arena.n_objects++;
	else
		arena.n_runs++;
	host_lock_drop(&arena.lock);
	return page_at(i);
}

void *host_alloc_pages(size_t bytes)
{
	void *p;

	if (allocation_fails("allocation of pages"))
		return NULL;
	p = alloc_pages(bytes, PAGE_RUN, __builtin_return_address(0));
	memset(p, 0, ALIGN(bytes, PAGE_SIZE));
	return p;
}

static void free_pages(void *p, u8 kind)
{
	unsigned long i = page_number(p);

	if (offset_in_page(p) || arena.pages[i].kind != kind)
		host_bug("%p is not what was allocated, or was freed", p);
	memset(p, POISON, min_t(size_t, (size_t)arena.pages[i].run << PAGE_SHIFT, PAGE_SIZE));
	host_lock_take(&arena.lock);
	if (kind == PAGE_LARGE)
		arena.n_objects--;
	else
		arena.n_runs--;
	pages_give(i);
	host_lock_drop(&arena.lock);
}

void host_free_pages(void *p)
{
	if (p)
		free_pages(p, PAGE_RUN);
}

/**
 * struct copy - the caller's own copy of something
 * @data: NULL if there is none
 * @bytes: its size
 */
struct copy {
	char *data;
	size_t bytes;
};

static void copy_resize(struct copy *copy, size_t bytes)
{
	copy->data = realloc(copy->data, bytes);
	copy->bytes = bytes;
	if (!copy->data)
		host_bug("no memory for a copy");
}

/* All pages that were ever used, in the file. */
static size_t pages_offset(void)
{
	return (size_t)arena.pages[0].run << PAGE_SHIFT;
}

static size_t pages_bytes(void)
{
	return (arena.end << PAGE_SHIFT) - pages_offset();
}

bool host_changed(void)
{
	static __thread struct copy copy;
	const char *begin = (const char *)HOST_ARENA + pages_offset();

	if (copy.bytes == pages_bytes() && !memcmp(copy.data, begin, copy.bytes))
		return false;
	copy_resize(&copy, pages_bytes());
	memcpy(copy.data, begin, copy.bytes);
	return true;
}

#define SAVES	2

/* What host_save() keeps: pages, what is known of them, variables. */
static __thread struct saved {
	struct copy pages;
	struct copy states;
	struct copy shared;
} saves[SAVES];
static __thread unsigned int n_saves;

void host_save(void)
{
	struct saved *saved = &saves[n_saves];

	if (n_saves++ == SAVES)
		host_bug("too many copies are kept");
	copy_resize(&saved->pages, pages_bytes());
	copy_resize(&saved->states, arena.end * sizeof(*arena.pages));
	copy_resize(&saved->shared, shared_bytes());
	file_copy(SYS_pread64, saved->pages.data, saved->pages.bytes, pages_offset());
	file_copy(SYS_pread64, saved->states.data, saved->states.bytes, 0);
	file_copy(SYS_pread64, saved->shared.data, saved->shared.bytes, ARENA_BYTES);
}

void host_restore(void)
{
	struct saved *saved = &saves[--n_saves];

	/* pages that came to be used since */
	memset((char *)arena.pages + saved->states.bytes, 0,
	       arena.end * sizeof(*arena.pages) - saved->states.bytes);
	file_copy(SYS_pwrite64, saved->shared.data, saved->shared.bytes, ARENA_BYTES);
	file_copy(SYS_pwrite64, saved->states.data, saved->states.bytes, 0);
	file_copy(SYS_pwrite64, saved->pages.data, saved->pages.bytes, pages_offset());
}

/* -- objects ------------------------------------------------------------------- */

static size_t class_bytes(unsigned int class)
{
	return (size_t)OBJECT_MIN << class;
}

static void class_refill(unsigned int class)
{
	unsigned long page = pages_take(1, PAGE_OBJECTS, NULL);
	char *at = page_at(page), *end = at + PAGE_SIZE;

	arena.pages[page].class = (u8)class;
	memset(at, POISON, PAGE_SIZE);
	for (; at < end; at += class_bytes(class)) {
		struct object *o = (struct object *)at;

		o->magic = MAGIC_FREE;
		o->next = arena.free[class];
		arena.free[class] = o;
	}
}

static void *object_take(size_t bytes, void *caller)
{
	unsigned int class = 0;
	struct object *o;

	while (class_bytes(class) < bytes + sizeof(*o))
		class++;
	host_lock_take(&arena.lock);
	if (!arena.free[class])
		class_refill(class);
	o = arena.free[class];
	arena.free[class] = o->next;
	o->magic = MAGIC_LIVE;
	o->bytes = (u32)bytes;
	o->caller = caller;
	o->prev = NULL;
	o->after = arena.live;
	if (arena.live)
		arena.live->prev = o;
	arena.live = o;
	arena.n_objects++;
	host_lock_drop(&arena.lock);
	pattern_check(o + 1, class_bytes(class) - sizeof(*o), caller);
	return o + 1;
}

static void object_give(struct object *o)
{
	unsigned int class = arena.pages[page_number(o)].class;

	host_lock_take(&arena.lock);
	if (o->magic != MAGIC_LIVE)
		host_bug("%p is freed twice, or was never allocated", (void *)(o + 1));
	if (o->prev)
		o->prev->after = o->after;
	else
		arena.live = o->after;
	if (o->after)
		o->after->prev = o->prev;
	o->magic = MAGIC_FREE;
	memset(o + 1, POISON, class_bytes(class) - sizeof(*o));
	o->next = arena.free[class];
	arena.free[class] = o;
	arena.n_objects--;
	host_lock_drop(&arena.lock);
}

void *host_alloc(size_t bytes, bool zero)
{
	void *caller = __builtin_return_address(0), *p;

	if (allocation_fails("allocation") || bytes > ARENA_BYTES / 2)
		return NULL;
	if (bytes + sizeof(struct object) <= OBJECT_MAX)
		p = object_take(bytes, caller);
	else
		p = alloc_pages(bytes, PAGE_LARGE, caller);
	memset(p, zero ? 0 : 0x5a, bytes);
	return p;
}

void host_free(const void *p)
{
	if (!p)
		return;
	if (arena.pages[page_number(p)].kind == PAGE_OBJECTS)
		object_give((struct object *)p - 1);
	else
		free_pages((void *)p, PAGE_LARGE);
}

unsigned long *bitmap_zalloc(unsigned int bits, gfp_t flags)
{
	(void)flags;
	return host_alloc(BITS_TO_LONGS(bits) * sizeof(long), true);
}

void bitmap_free(unsigned long *map)
{
	host_free(map);
}

long host_allocations(void)
{
	rcu_barrier();
	return arena.n_objects + arena.n_runs;
}

size_t host_allocated_bytes(void)
{
	struct object *o;
	size_t bytes = 0;
	unsigned long i;

	rcu_barrier();
	host_lock_take(&arena.lock);
	for (o = arena.live; o; o = o->after)
		bytes += o->bytes;
	for (i = arena.pages[0].run; i < arena.end; i++)
		if (arena.pages[i].kind == PAGE_RUN || arena.pages[i].kind == PAGE_LARGE)
			bytes += (size_t)arena.pages[i].run << PAGE_SHIFT;
	host_lock_drop(&arena.lock);
	return bytes;
}

unsigned int host_arena_report(void)
{
	struct object *o;
	unsigned long i;

	for (o = arena.live; o; o = o->after)
		fprintf(stderr, "# host: %u bytes at %p are left, allocated from %p\n",
			o->bytes, (void *)(o + 1), o->caller);
	for (i = arena.pages[0].run; i < ARENA_PAGES; i++)
		if (arena.pages[i].kind == PAGE_RUN || arena.pages[i].kind == PAGE_LARGE)
			fprintf(stderr, "# host: %u pages at %p are left, allocated from %p\n",
				arena.pages[i].run, page_at(i), arena.pages[i].caller);
	return (unsigned int)(arena.n_objects + arena.n_runs);
}

/* -- users ---------------------------------------------------------------------- */

static void user_access(const char *what)
{
	host_may_sleep(what);
	host_lock_rules(what);
}

unsigned long copy_from_user(void *to, const void *from, unsigned long bytes)
{
	user_access("copy from a user");
	if (!from)
		return bytes;
	memcpy(to, from, bytes);
	return 0;
}

unsigned long copy_to_user(void *to, const void *from, unsigned long bytes)
{
	user_access("copy to a user");
	if (!to)
		return bytes;
	memcpy(to, from, bytes);
	return 0;
}

int copy_struct_from_user(void *to, size_t size, const void *from, size_t user_size)
{
	size_t both = min(size, user_size);

	if (user_size > size &&
	    memchr_inv((const char *)from + size, 0, user_size - size))
		return -E2BIG;
	if (copy_from_user(to, from, both))
		return -EFAULT;
	memset((char *)to + both, 0, size - both);
	return 0;
}

void *memdup_user(const void *from, size_t bytes)
{
	void *p = host_alloc(bytes, false);

	if (!p)
		return ERR_PTR(-ENOMEM);
	if (bytes && copy_from_user(p, from, bytes)) {
		host_free(p);
		return ERR_PTR(-EFAULT);
	}
	return p;
}
