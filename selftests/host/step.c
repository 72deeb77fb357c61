// SPDX-License-Identifier: GPL-2.0-only
/* One instruction at a time, and copies of a process that stopped at one. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "step.h"
#include "test.h"

#define SYSCALL_BYTES	2	/* length of the instruction */

/* What a system call that was interrupted would return, to be made again. */
#define RESTART_FIRST	512
#define RESTART_LAST	516

/*
 * In the place of the C library's, which reads the clock in a loop that never ends
 * if each instruction takes so long that the clock moves meanwhile.
 */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	return (int)syscall(SYS_clock_gettime, clock, ts);
}

/* Where a process makes a system call that is not its own, and stops. */
extern const char step_syscall[];
__asm__(".pushsection .text\n"
	"step_syscall: syscall\n"
	"int3\n"
	".popsection");

void step_pin(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
}

static void trace(long request, pid_t pid, void *address, unsigned long data)
{
	if (ptrace((enum __ptrace_request)request, pid, address, (void *)data))
		test_die("ptrace", -errno);
}

/* Its next stop; a child that ends instead is an error. */
static int stop_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		test_die("a traced process ended", -ECHILD);
	return status;
}

void step_begin(void)
{
	host_set_clonable();
	host_set_trap(true);
	trace(PTRACE_TRACEME, 0, NULL, 0);
	raise(SIGSTOP);
}

__attribute__((noinline)) void step_end(void)
{
	__asm__ __volatile__("");
}

void step_await(pid_t pid)
{
	stop_wait(pid);
	trace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACEFORK | PTRACE_O_EXITKILL);
}

bool step_next(pid_t pid)
{
	int status;

	do {
		trace(host_inside(pid) ? PTRACE_CONT : PTRACE_SINGLESTEP, pid, NULL, 0);
		status = stop_wait(pid);
		if (WSTOPSIG(status) != SIGTRAP)
			test_die("a stepped process got a signal", -EINTR);
	} while (host_inside(pid));
	return step_address(pid) != (unsigned long)step_end;
}

unsigned long step_address(pid_t pid)
{
	struct user_regs_struct regs;

	trace(PTRACE_GETREGS, pid, NULL, (unsigned long)&regs);
	return regs.rip;
}

void step_hold(pid_t pid)
{
	trace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACEFORK | PTRACE_O_EXITKILL);
	trace(PTRACE_INTERRUPT, pid, NULL, 0);
	stop_wait(pid);
}

void step_let_go(pid_t pid)
{
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

/* As the kernel does on its way back to the program: an interrupted call is made again. */
static void call_again(struct user_regs_struct *regs)
{
	long r = -(long)regs->rax;

	if ((long)regs->orig_rax >= 0 && r >= RESTART_FIRST && r <= RESTART_LAST) {
		regs->rax = regs->orig_rax;
		regs->rip -= SYSCALL_BYTES;
	}
	regs->orig_rax = (unsigned long)-1;
}

/* It forks, without knowing: its registers are put back, and the copy's likewise. */
pid_t step_clone(pid_t pid)
{
	struct user_regs_struct own, call;
	unsigned long clone = 0;

	trace(PTRACE_GETREGS, pid, NULL, (unsigned long)&own);
	call = own;
	call.rip = (unsigned long)step_syscall;
	call.rax = SYS_clone;
	call.orig_rax = (unsigned long)-1;
	call.rdi = CLONE_PARENT | SIGCHLD;
	call.rsi = call.rdx = call.r10 = call.r8 = 0;
	trace(PTRACE_SETREGS, pid, NULL, (unsigned long)&call);
	trace(PTRACE_CONT, pid, NULL, 0);
	if (stop_wait(pid) >> 8 != (SIGTRAP | PTRACE_EVENT_FORK << 8))
		test_die("no copy of a process", -ECHILD);
	trace(PTRACE_GETEVENTMSG, pid, NULL, (unsigned long)&clone);
	trace(PTRACE_CONT, pid, NULL, 0);
	stop_wait(pid);
	trace(PTRACE_SETREGS, pid, NULL, (unsigned long)&own);

	stop_wait((pid_t)clone);
	call_again(&own);
	trace(PTRACE_SETREGS, (pid_t)clone, NULL, (unsigned long)&own);
	return (pid_t)clone;
}

void step_run(pid_t pid, int signal)
{
	trace(PTRACE_DETACH, pid, NULL, (unsigned long)signal);
}
