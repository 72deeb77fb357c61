// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every instruction a kill point: a client goes through an operation of the library
 * one instruction at a time.
 *
 * After each instruction that changed the module's memory all are settled, in several
 * orders, every count compared, and everything put back. There, and at others between,
 * a copy of the client is really killed; the module settles it in its own way, and every
 * count is compared. Where memory changed, copies of those who are left then have to learn
 * of it by themselves and to go in order, after which every buffer is free. And the peer
 * dies there, and a copy of the client goes on, one instruction at a time, and may die too
 * wherever memory changes.
 *
 * Instructions inside the module are passed over: nobody dies there.
 *
 * usage: host_step [--all] [OPERATION [PEER]]
 *	--all: kills at each instruction, and not only at each of the first kind and one in
 *	401 of the others; and second deaths in each operation, not only in pushes
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "scene.h"
#include "step.h"

#define ORDERS	6

static const unsigned char orders[ORDERS][SCENE_PROCESSES] = {
	{ VICTIM, PEER, WITNESS }, { PEER, VICTIM, WITNESS }, { WITNESS, PEER, VICTIM },
	{ PEER, WITNESS, VICTIM }, { WITNESS, VICTIM, PEER }, { VICTIM, WITNESS, PEER },
};

/**
 * struct counts - how a run went
 * @instructions: stepped through, outside of the module
 * @states: different ones of the module's memory
 * @settlements: of those, in one order or another
 * @seconds: states in which the victim died after the peer, which had died while it was
 *	on its way
 * @kills: real ones, and @outlived: with copies of the others who lived on
 * @wrong: points at which something was: the first ends the operation
 */
struct counts {
	unsigned long instructions;
	unsigned long states;
	unsigned long settlements;
	unsigned long seconds;
	unsigned long kills;
	unsigned long outlived;
	unsigned long wrong;
};

static unsigned long every = 401;
static bool all_second;

static bool all_free(void)
{
	struct host_sums sums;

	host_sum(&sums);
	return sums.in_depot == sums.buffers && !sums.held && !sums.queued;
}

/* One is settled: nobody reads what it would have read. */
static bool buried_well(pid_t pid)
{
	struct host_sums sums;

	host_bury(pid);
	host_sum(&sums);
	return !host_check() && !sums.orphaned;
}

/* As if all died here, one after the other. */
static bool settles(const struct scene *s, const unsigned char *order)
{
	unsigned int i;
	bool good;

	host_save();
	good = !host_check();
	for (i = 0; i < SCENE_PROCESSES; i++)
		if (s->pids[order[i]])
			good &= buried_well(s->pids[order[i]]);
	good &= all_free();
	host_restore();
	return good;
}

/* Half of the orders, in turn with the other half. */
static bool settles_in_orders(const struct scene *s, struct counts *counts)
{
	bool good = true;
	unsigned int i;

	for (i = counts->states & 1; i < ORDERS; i += 2) {
		good &= settles(s, orders[i]);
		counts->settlements++;
	}
	return good;
}

static bool dies(pid_t pid)
{
	int status;

	host_kill(pid);
	return host_wait(pid, -1, &status) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGKILL && !host_check();
}

/* A copy of the victim dies here, and those who are left are settled. */
static bool kill_alone(const struct scene *s)
{
	struct scene copy;
	unsigned int i;
	bool good;

	scene_copy(s, &copy, 1);
	good = dies(copy.pids[VICTIM]);
	for (i = PEER; i < SCENE_PROCESSES; i++)
		if (s->pids[i])
			host_bury(s->pids[i]);
	good &= !host_check() && all_free();
	host_restore();
	return good;
}

/* A copy of the victim dies here, and copies of those who are left live on. */
static bool kill_outlived(const struct scene *s)
{
	struct scene copy;
	bool good;

	scene_copy(s, &copy, SCENE_PROCESSES);
	good = dies(copy.pids[VICTIM]);
	good &= scene_outlive(&copy);
	good &= !host_check() && all_free();
	host_restore();
	return good;
}

/* The peer dies here; a copy of the victim goes on, and may die at each change. */
static bool second_deaths(const struct scene *s, struct counts *counts)
{
	struct scene copy = *s;
	struct host_sums sums;
	bool good;

	copy.pids[VICTIM] = step_clone(s->pids[VICTIM]);
	copy.pids[PEER] = 0;
	host_save();
	host_adopt(s->pids[VICTIM], copy.pids[VICTIM], true);
	good = buried_well(s->pids[PEER]);
	host_changed();
	while (step_next(copy.pids[VICTIM])) {
		if (!host_changed())
			continue;
		counts->seconds++;
		good &= settles(&copy, orders[0]);
	}
	/* what it pushed behind the drain it had drained */
	host_sum(&sums);
	good &= !sums.orphaned;
	host_kill(copy.pids[VICTIM]);
	good &= host_wait(copy.pids[VICTIM], -1, NULL) == copy.pids[VICTIM];
	host_restore();
	host_changed();
	return good;
}

static bool has_second(const struct scene *s)
{
	return (all_second || s->op->flags & OPERATION_PUSHES) &&
	       (s->state == PEER_ALIVE || s->state == PEER_WAITING);
}

static void point(const struct scene *s, bool changed, struct counts *counts)
{
	bool good = true;

	if (changed) {
		counts->states++;
		counts->outlived++;
		good = settles_in_orders(s, counts) & kill_outlived(s);
		if (has_second(s))
			good &= second_deaths(s, counts);
	} else if (counts->instructions % every == 0) {
		good = kill_alone(s);
	} else {
		return;
	}
	counts->kills++;
	if (!good && !counts->wrong++)
		test_note("%s, peer %s: wrong after instruction %lu, at 0x%lx", s->op->name,
			  peer_state_names[s->state], counts->instructions,
			  step_address(s->pids[VICTIM]));
}

static void walk(const struct operation *op, enum peer_state state, struct counts *counts)
{
	struct scene s;

	scene_begin(&s, op, state);
	host_changed();
	point(&s, true, counts);
	while (!counts->wrong && step_next(s.pids[VICTIM])) {
		counts->instructions++;
		point(&s, host_changed(), counts);
	}
	scene_end(&s);
}

int main(int argc, char **argv)
{
	struct counts all = {};
	unsigned int i, state;

	if (argc > 1 && !strcmp(argv[1], "--all")) {
		every = 1;
		all_second = true;
		argc--;
		argv++;
	}
	host_start();
	scene_start();
	for (i = 0; i < n_operations; i++) {
		struct counts counts = {};

		if (argc > 1 && strcmp(argv[1], operations[i].name))
			continue;
		for (state = 0; state < PEER_STATES && !counts.wrong; state++)
			if (scene_makes_sense(&operations[i], state) &&
			    (argc < 3 || !strcmp(argv[2], peer_state_names[state])))
				walk(&operations[i], state, &counts);
		test_ok(!counts.wrong && counts.states > PEER_STATES,
			"%s: %lu instructions, %lu states, %lu settlements, %lu second deaths, "
			"%lu kills (%lu outlived), %lu wrong", operations[i].name,
			counts.instructions, counts.states, counts.settlements, counts.seconds,
			counts.kills, counts.outlived, counts.wrong);
		all.instructions += counts.instructions;
		all.states += counts.states;
		all.settlements += counts.settlements;
		all.seconds += counts.seconds;
		all.kills += counts.kills;
		all.outlived += counts.outlived;
	}
	test_note("%lu instructions, %lu states, %lu settlements, %lu second deaths, %lu kills, "
		  "%lu of them outlived", all.instructions, all.states, all.settlements,
		  all.seconds, all.kills, all.outlived);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
