// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Fibers, and what the sanitizers have to be told of them. ucontext makes the first entry;
 * each further switch is a jump, since swapcontext() is a system call.
 */

/* its longjmp() refuses to go down the stack, which is what going to another one may be */
#undef _FORTIFY_SOURCE

#include <errno.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "fiber.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

/**
 * struct side - one of the two sides of a switch, as it was left
 * @registers: where it goes on
 * @stack: its stack
 * @stack_bytes: size of that
 * @fake: AddressSanitizer's stack beside it
 * @tsan: ThreadSanitizer's name of it
 */
struct side {
	jmp_buf registers;
	const void *stack;
	size_t stack_bytes;
	void *fake;
	void *tsan;
};

/**
 * struct fiber - a fiber
 * @self: its own side
 * @thread: that of the thread which is inside
 * @mapping: guard page and stack
 * @mapping_bytes: size of both
 * @entry: what it runs
 * @arg: for @entry
 * @context: how it begins
 * @begun: it has been entered
 * @ended: @entry has returned
 */
struct fiber {
	struct side self;
	struct side thread;
	void *mapping;
	size_t mapping_bytes;
	void (*entry)(void *arg);
	void *arg;
	ucontext_t context;
	bool begun;
	bool ended;
};

/*
 * Leaves @from for @to; @last: for ever. Inlined: from here on the sanitizer takes what
 * returns for a function of @to.
 */
static inline __attribute__((always_inline)) void
switch_begin(struct side *from, const struct side *to, bool last)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_start_switch_fiber(last ? NULL : &from->fake, to->stack, to->stack_bytes);
#endif
#ifdef __SANITIZE_THREAD__
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
	(void)from;
	(void)to;
	(void)last;
}

/* @self goes on; @from was left. */
static void switch_end(const struct side *self, struct side *from)
{
#ifdef __SANITIZE_ADDRESS__
	__sanitizer_finish_switch_fiber(self->fake, &from->stack, &from->stack_bytes);
#endif
	(void)self;
	(void)from;
}

/* makecontext() passes integers only. */
static void fiber_main(unsigned int high, unsigned int low)
{
	struct fiber *f = (struct fiber *)(uintptr_t)((uint64_t)high << 32 | low);

	switch_end(&f->self, &f->thread);
	f->entry(f->arg);
	f->ended = true;
	switch_begin(&f->self, &f->thread, true);
	_longjmp(f->thread.registers, 1);
}

static int stack_map(struct fiber *f, size_t stack_bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	stack_bytes = (stack_bytes + page - 1) & ~(page - 1);
	f->mapping_bytes = page + stack_bytes;
	f->mapping = mmap(NULL, f->mapping_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (f->mapping == MAP_FAILED)
		return -ENOMEM;
	f->self.stack = (char *)f->mapping + page;
	f->self.stack_bytes = stack_bytes;
	return mprotect(f->mapping, page, PROT_NONE) ? -errno : 0;
}

static int context_make(struct fiber *f)
{
	if (getcontext(&f->context))
		return -errno;
	f->context.uc_stack.ss_sp = (void *)f->self.stack;
	f->context.uc_stack.ss_size = f->self.stack_bytes;
	makecontext(&f->context, (void (*)(void))fiber_main, 2,
		    (unsigned int)((uint64_t)(uintptr_t)f >> 32), (unsigned int)(uintptr_t)f);
	return 0;
}

int mqshm_fiber_new(size_t stack_bytes, void (*entry)(void *arg), void *arg,
		    struct fiber **out)
{
	struct fiber *f;
	int r;

	if (!stack_bytes)
		stack_bytes = FIBER_STACK_DEFAULT;
	if (stack_bytes < FIBER_STACK_MIN || stack_bytes > SIZE_MAX / 4)
		return -EINVAL;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->entry = entry;
	f->arg = arg;
	f->ended = true;	/* to be freed as it is */
	r = stack_map(f, stack_bytes);
	if (!r)
		r = context_make(f);
	if (r) {
		mqshm_fiber_free(f);
		return r;
	}
#ifdef __SANITIZE_THREAD__
	f->self.tsan = __tsan_create_fiber(0);
#endif
	f->ended = false;
	*out = f;
	return 0;
}

bool mqshm_fiber_enter(struct fiber *f)
{
	if (f->ended)
		return false;
#ifdef __SANITIZE_THREAD__
	f->thread.tsan = __tsan_get_current_fiber();
#endif
	/* before the switch begins: ThreadSanitizer keeps jumps by the side that made them */
	if (!_setjmp(f->thread.registers)) {
		switch_begin(&f->thread, &f->self, false);
		if (f->begun)
			_longjmp(f->self.registers, 1);
		f->begun = true;
		setcontext(&f->context);
	}
	switch_end(&f->thread, &f->self);
	return !f->ended;
}

void mqshm_fiber_leave(struct fiber *f)
{
	if (!_setjmp(f->self.registers)) {
		switch_begin(&f->self, &f->thread, false);
		_longjmp(f->thread.registers, 1);
	}
	switch_end(&f->self, &f->thread);
}

void mqshm_fiber_free(struct fiber *f)
{
	if (!f)
		return;
#ifdef __SANITIZE_THREAD__
	if (f->self.tsan)
		__tsan_destroy_fiber(f->self.tsan);
#endif
	if (f->mapping && f->mapping != MAP_FAILED)
		munmap(f->mapping, f->mapping_bytes);
	free(f);
}
