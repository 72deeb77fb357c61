// SPDX-License-Identifier: GPL-2.0-only
/*
 * A signal at every instruction of an operation. A copy of the client, stopped there,
 * gets a real one. Its handler
 *
 *	calls the library: -EBUSY from the first store of the operation to its last, and
 *	before and after that each call does its work; or
 *	leaves by siglongjmp(), and the program calls mqshm_client_recover().
 *
 * Then the copy finishes what it was doing, uses everything once, and knows every
 * connection that the kernel knows; every count is compared, then it is killed, all are
 * settled, and every buffer is free.
 *
 * Instructions inside the module are passed over: the kernel delivers no signal there.
 *
 * usage: host_signal [--all] [OPERATION [PEER]]
 *	--all: at each instruction, and not only at each that changed the module's memory or
 *	the library's and one in 401 of the others; and with each peer, not only the first four
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"
#include "step.h"

#define LIMIT_MS	20000	/* after that long a copy hangs */

/**
 * struct counts - how a run went
 * @instructions: stepped through
 * @calls: signals whose handler called the library, and @busy: was refused
 * @jumps: signals whose handler jumped out
 * @wrong: points at which something was: the first ends the operation
 */
struct counts {
	unsigned long instructions;
	unsigned long calls;
	unsigned long busy;
	unsigned long jumps;
	unsigned long wrong;
};

/**
 * struct answers - what the handlers of one walk were told
 * @list: array[@n], room for @room: after how many changes of the module's memory, and
 *	whether the client was busy
 * @changes: so far
 */
static struct answers {
	struct answer {
		unsigned long changes;
		bool busy;
	} *list;
	size_t n;
	size_t room;
	unsigned long changes;
} answers;

static unsigned long every = 401;
static unsigned int peers = 4;

static void answer_add(bool busy)
{
	if (answers.n == answers.room) {
		answers.room = 2 * answers.room + 64;
		answers.list = realloc(answers.list, answers.room * sizeof(*answers.list));
		if (!answers.list)
			test_die("answers", -ENOMEM);
	}
	answers.list[answers.n++] = (struct answer) { answers.changes, busy };
}

/*
 * The first change of an operation is that the client is busy, and the last that it is
 * not: in between, and only there, a handler must have been refused.
 */
static unsigned long answers_wrong(const struct operation *op)
{
	unsigned long wrong = 0;
	size_t i;

	for (i = 0; i < answers.n; i++) {
		bool inside = answers.list[i].changes && answers.list[i].changes < answers.changes;

		if (op->flags & OPERATION_NO_CLIENT)
			inside = false;
		if (answers.list[i].busy == inside)
			continue;
		if (!wrong++)
			test_note("%s: a handler %s after change %lu of %lu", op->name,
				  answers.list[i].busy ? "was refused" : "got in",
				  answers.list[i].changes, answers.changes);
	}
	return wrong;
}

/* Until it stops itself; false if it ends, or hangs. */
static bool stops(pid_t pid)
{
	uint64_t end = mqshm_after_ms(LIMIT_MS);
	int status;

	do {
		if (waitpid(pid, &status, WNOHANG | WUNTRACED) != pid) {
			usleep(20);
			continue;
		}
		if (!WIFSTOPPED(status))
			test_note("a copy ended with status 0x%x", status);
		return WIFSTOPPED(status);
	} while (mqshm_now_ns() < end);
	test_note("a copy hangs");
	return false;
}

/* All die, the copy really. */
static bool ends_exactly(const struct scene *s, pid_t copy)
{
	struct host_sums sums;
	unsigned int i;
	bool good;

	host_kill(copy);
	host_wait(copy, -1, NULL);
	good = !host_check();
	for (i = PEER; i < SCENE_PROCESSES; i++)
		if (s->pids[i])
			host_bury(s->pids[i]);
	host_sum(&sums);
	return !host_check() && sums.in_depot == sums.buffers && good;
}

/* A jump loses nothing but the one reference that a call was to hand out. */
static bool hand_is_right(const struct scene *s, enum scene_handler handler)
{
	unsigned int most = s->op->flags & OPERATION_TAKES ? 1 : 0;

	if (handler == HANDLER_CALL || scene_shared->hand <= most)
		return true;
	test_note("%u references in the hand that nobody knows of", scene_shared->hand);
	return false;
}

static bool signalled(const struct scene *s, enum scene_handler handler)
{
	pid_t copy = step_clone(s->pids[VICTIM]);
	bool good;

	host_save();
	host_adopt(s->pids[VICTIM], copy, false);
	scene_shared->copy = 1;
	scene_shared->handler = handler;
	scene_shared->handled = 0;
	scene_shared->trouble = NULL;
	scene_shared->worked = 0;
	step_run(copy, SIGUSR1);
	good = stops(copy) && scene_shared->handled == 1 && !host_check();
	if (scene_shared->trouble)
		test_note("%s: %d", scene_shared->trouble, scene_shared->error);
	good &= !scene_shared->trouble && scene_shared->worked && hand_is_right(s, handler);
	good &= ends_exactly(s, copy);
	scene_shared->copy = 0;
	host_restore();
	if (!good)
		test_note("%s, peer %s: wrong if a handler %s at 0x%lx", s->op->name,
			  peer_state_names[s->state],
			  handler == HANDLER_CALL ? "calls the library" : "jumps out",
			  step_address(s->pids[VICTIM]));
	return good;
}

/* Whether what the library knows differs from what it was at the last call. */
static bool own_changed(const struct scene *s)
{
	static char known[SCENE_RANGES][1 << 15], now[1 << 15];
	bool changed = false;
	unsigned int i;

	for (i = 0; i < SCENE_RANGES; i++) {
		size_t bytes = scene_shared->own[i].bytes;
		struct iovec to = { now, bytes }, from = { scene_shared->own[i].at, bytes };

		if (bytes > sizeof(now) ||
		    process_vm_readv(s->pids[VICTIM], &to, 1, &from, 1, 0) != (ssize_t)bytes)
			test_die("memory of the victim", -errno);
		changed |= memcmp(known[i], now, bytes) != 0;
		memcpy(known[i], now, bytes);
	}
	return changed;
}

static void point(const struct scene *s, struct counts *counts)
{
	bool good = signalled(s, HANDLER_CALL);

	counts->calls++;
	if (!(s->op->flags & OPERATION_LEFT))
		answer_add(scene_shared->answer == -EBUSY);
	counts->busy += scene_shared->answer == -EBUSY;
	counts->jumps++;
	good &= signalled(s, HANDLER_JUMP);
	counts->wrong += !good;
}

static void walk(const struct operation *op, enum peer_state state, struct counts *counts)
{
	struct scene s;

	scene_begin(&s, op, state);
	answers.n = 0;
	answers.changes = 0;
	host_changed();
	point(&s, counts);
	while (!counts->wrong && step_next(s.pids[VICTIM])) {
		bool changed = host_changed();

		answers.changes += changed;
		counts->instructions++;
		if (own_changed(&s) || changed || counts->instructions % every == 0)
			point(&s, counts);
	}
	scene_end(&s);
	if (!counts->wrong)
		counts->wrong += answers_wrong(op);
}

int main(int argc, char **argv)
{
	struct counts all = {};
	unsigned int i, state;

	if (argc > 1 && !strcmp(argv[1], "--all")) {
		every = 1;
		peers = PEER_STATES;
		argc--;
		argv++;
	}
	if (argc > 2)
		peers = PEER_STATES;
	host_start();
	scene_start();
	for (i = 0; i < n_operations; i++) {
		struct counts counts = {};

		if (operations[i].flags & OPERATION_ENDS ||
		    (argc > 1 && strcmp(argv[1], operations[i].name)))
			continue;
		for (state = 0; state < peers && !counts.wrong; state++)
			if (scene_makes_sense(&operations[i], state) &&
			    (argc < 3 || !strcmp(argv[2], peer_state_names[state])))
				walk(&operations[i], state, &counts);
		test_ok(!counts.wrong && counts.calls,
			"%s: %lu instructions, %lu handlers called the library, %lu refused, %lu jumped, %lu wrong",
			operations[i].name, counts.instructions, counts.calls, counts.busy,
			counts.jumps, counts.wrong);
		all.instructions += counts.instructions;
		all.calls += counts.calls;
		all.jumps += counts.jumps;
	}
	test_note("%lu instructions, %lu signals, %lu of them left by siglongjmp", all.instructions,
		  all.calls + all.jumps, all.jumps);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
