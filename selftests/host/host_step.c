// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every instruction a kill point: a client goes through an operation of the library
 * one instruction at a time; after each that changed the module's memory client and
 * peer are settled, in two orders, every count compared, and everything put back.
 * Instructions inside the module are passed over: nobody dies there.
 *
 *	victim:out1 ---> peer:in1, peer:in2
 *	victim:out2 ---> peer:in3
 *	peer:out1 -----> victim:in1, three messages; of the second the peer keeps a share
 *
 * usage: host_step [OPERATION]
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define BUFFERS		32
#define MESSAGES	3
#define CONNECTIONS	4	/* of either node */

/* What has become of the peer when the operation begins. */
enum peer_state {
	PEER_IDLE,
	PEER_WAITING,	/* asleep in a wait for all of its inputs, having read them */
	PEER_CLOSED,	/* its block was removed */
	PEER_DEAD,
	PEER_STATES
};

/*
 * In the place of the C library's, which reads the clock in a loop that never ends
 * if each instruction takes so long that the clock moves meanwhile.
 */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	return (int)syscall(SYS_clock_gettime, clock, ts);
}

static const char *const state_names[PEER_STATES] = { "idle", "waiting", "closed", "dead" };

/**
 * struct shared - what victim, peer and monitor tell each other
 * @peer_ready: the peer has pushed its messages
 * @peer_then: what it does next
 * @peer_done: and has done
 */
struct shared {
	int peer_ready;
	int peer_then;
	int peer_done;
};

static struct shared *shared;
static struct mqshm_runtime *runtime;

/* -- operations of the victim ------------------------------------------------ */

static struct node me;
static struct mqshm_buffer buf, copy;

static void prepare_alloc(void)
{
	node_alloc(&me, 64, &buf);
}

static void prepare_pop(void)
{
	test_check(mqshm_port_pop(me.in[0], &buf), "pop");
}

static void prepare_pop_second(void)
{
	prepare_pop();
	test_check(mqshm_buffer_release(me.client, &buf), "release");
	prepare_pop();
}

static void prepare_share(void)
{
	prepare_alloc();
	test_check(mqshm_buffer_share(me.client, &buf, &copy), "share");
}

static void prepare_spare(void)
{
	prepare_alloc();
	test_check(mqshm_buffer_release(me.client, &buf), "release");
}

static void prepare_connection(void)
{
	test_check(mqshm_connect(runtime, "victim:out2", "peer:in1", NULL), "connect");
}

static void prepare_disconnection(void)
{
	struct mqshm_snapshot *snap;
	size_t i;

	test_check(mqshm_runtime_snapshot(runtime, &snap), "snapshot");
	for (i = 0; i < snap->n_connections; i++)
		test_check(mqshm_disconnect(runtime, snap->connections[i].id), "disconnect");
	mqshm_snapshot_free(snap);
}

static void prepare_eventfd(void)
{
	while (!mqshm_port_pop(me.in[0], &buf))
		test_check(mqshm_buffer_release(me.client, &buf), "release");
	test_check(mqshm_port_set_eventfd(me.in[0], eventfd(0, 0)), "eventfd");
}

static void prepare_held_back(void)
{
	prepare_alloc();
	test_check(mqshm_port_push(me.out[1], &buf, MQSHM_MORE), "push");
	test_check(mqshm_port_pop(me.in[0], &copy), "pop");
	prepare_alloc();
}

static void run_push(void)
{
	mqshm_port_push(me.out[1], &buf, 0);
}

static void run_fan_out(void)
{
	mqshm_port_push(me.out[0], &buf, 0);
}

static void run_pop(void)
{
	mqshm_port_pop(me.in[0], &buf);
}

static void run_share(void)
{
	mqshm_buffer_share(me.client, &buf, &copy);
}

static void run_release(void)
{
	mqshm_buffer_release(me.client, &buf);
}

static void run_alloc(void)
{
	mqshm_buffer_alloc(me.client, 64, MQSHM_NO_WAIT, &buf);
}

static void run_flush(void)
{
	mqshm_client_flush(me.client);
}

static void run_update(void)
{
	mqshm_client_update(me.client);
}

static void run_end(void)
{
	mqshm_port_end(me.out[0]);
}

static void run_wait(void)
{
	mqshm_wait(me.client, me.in, 1, mqshm_now_ns(), NULL);
}

static void run_arm(void)
{
	mqshm_port_arm(me.in[0]);
}

static void run_remove(void)
{
	mqshm_block_remove(me.block);
}

static void run_close(void)
{
	mqshm_client_close(me.client);
}

static const struct operation {
	const char *name;
	void (*prepare)(void);
	void (*run)(void);
} operations[] = {
	{ "push", prepare_alloc, run_push },
	{ "push of a message that was popped", prepare_pop, run_push },
	{ "push to two connections", prepare_alloc, run_fan_out },
	{ "push of one's second reference", prepare_share, run_push },
	{ "pop", NULL, run_pop },
	{ "dup", prepare_alloc, run_share },
	{ "release of a second reference", prepare_share, run_release },
	{ "release of a reference that the peer shares", prepare_pop_second, run_release },
	{ "release of the only reference", prepare_alloc, run_release },
	{ "lease", NULL, run_alloc },
	{ "flush and return", prepare_spare, run_flush },
	{ "flush of what was held back", prepare_held_back, run_flush },
	{ "wait", NULL, run_wait },
	{ "wait that times out", prepare_eventfd, run_wait },
	{ "arm", prepare_eventfd, run_arm },
	{ "attach", prepare_connection, run_update },
	{ "detach", prepare_disconnection, run_update },
	{ "end", prepare_held_back, run_end },
	{ "remove", prepare_held_back, run_remove },
	{ "close", prepare_held_back, run_close },
};

#define OPERATIONS	(sizeof(operations) / sizeof(operations[0]))

/* -- processes ------------------------------------------------------------------ */

static void connections_wait(struct node *n)
{
	uint64_t connections[2] = {};

	n->connections = connections;
	while (connections[0] + connections[1] != CONNECTIONS) {
		usleep(20);
		test_check(mqshm_client_update(n->client), "update");
		node_report(n);
	}
	n->connections = NULL;
}

static void peer(void)
{
	struct mqshm_buffer mine, kept;
	struct node n;
	unsigned int i;

	node_make(&n, "peer", 3, 1, 8, UINT64_MAX);
	connections_wait(&n);
	for (i = 0; i < MESSAGES; i++) {
		node_alloc(&n, 64, &mine);
		if (i == 1)
			test_check(mqshm_buffer_share(n.client, &mine, &kept), "share");
		node_push(&n, n.out[0], &mine, 0);
	}
	test_check(mqshm_client_flush(n.client), "flush");
	__atomic_store_n(&shared->peer_ready, 1, __ATOMIC_SEQ_CST);
	while ((i = (unsigned int)__atomic_load_n(&shared->peer_then, __ATOMIC_SEQ_CST)) ==
	       PEER_IDLE)
		usleep(20);
	if (i == PEER_CLOSED)
		mqshm_block_remove(n.block);
	__atomic_store_n(&shared->peer_done, 1, __ATOMIC_SEQ_CST);
	/* what is there already is taken, and kept in the hand */
	while (shared->peer_then == PEER_WAITING &&
	       mqshm_wait(n.client, n.in, 3, MQSHM_FOREVER, NULL) >= 0)
		for (i = 0; i < 3; i++)
			mqshm_port_pop(n.in[i], &mine);
	for (;;)
		pause();
}

static void victim(const struct operation *op)
{
	node_make(&me, "victim", 1, 2, 8, UINT64_MAX);
	connections_wait(&me);
	while (!__atomic_load_n(&shared->peer_ready, __ATOMIC_SEQ_CST))
		usleep(20);
	if (op->prepare)
		op->prepare();
	if (ptrace(PTRACE_TRACEME, 0, 0, 0))
		test_die("ptrace", -errno);
	host_set_trap(true);
	raise(SIGSTOP);
	op->run();
	raise(SIGSTOP);
	_exit(0);
}

static void connect_one(const char *from, const char *to)
{
	int r;

	while ((r = mqshm_connect(runtime, from, to, NULL)) == -ENOENT)
		usleep(20);
	test_check(r, "connect");
}

/* Brings the peer, which is idle, into @state, and sees to it that it stays so. */
static void peer_bring(pid_t pid, enum peer_state state)
{
	if (state == PEER_DEAD) {
		host_kill(pid);
		host_wait(pid, -1, NULL);
		return;
	}
	if (state != PEER_IDLE) {
		__atomic_store_n(&shared->peer_then, state, __ATOMIC_SEQ_CST);
		while (!__atomic_load_n(&shared->peer_done, __ATOMIC_SEQ_CST) ||
		       (state == PEER_WAITING && !host_asleep(pid)))
			usleep(20);
	}
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
}

/* -- settling ----------------------------------------------------------------------- */

/* As if both died here, one after the other. */
static unsigned int settle_both(const pid_t pids[2], bool peer_first)
{
	unsigned int wrong = host_check(), i;
	struct host_sums sums;

	for (i = 0; i < 2; i++) {
		host_bury(pids[peer_first ? 1 - i : i]);
		wrong += host_check();
	}
	host_sum(&sums);
	return wrong + (sums.in_depot != sums.buffers);
}

/* In both orders, with everything put back after each. */
static bool settles(const pid_t pids[2])
{
	unsigned int order, wrong = 0;

	for (order = 0; order < 2; order++) {
		host_save();
		wrong += settle_both(pids, order);
		host_restore();
	}
	return !wrong;
}

/**
 * struct counts - how a run went
 * @instructions: stepped through
 * @states: different ones, each settled twice
 * @wrong: of these
 */
struct counts {
	unsigned long instructions;
	unsigned long states;
	unsigned long wrong;
};

/* The victim has stopped itself; goes on until it does so again. */
static bool step(pid_t pid, const pid_t pids[2], struct counts *counts)
{
	int status;

	host_changed();
	for (;;) {
		if (ptrace(host_inside(pid) ? PTRACE_CONT : PTRACE_SINGLESTEP, pid, 0, 0) ||
		    waitpid(pid, &status, 0) != pid)
			return false;
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
			return WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
		counts->instructions++;
		if (host_inside(pid) || !host_changed())
			continue;
		counts->states++;
		if (!settles(pids) && !counts->wrong++)
			test_note("wrong after instruction %lu", counts->instructions);
	}
}

static void finish(pid_t pid)
{
	host_kill(pid);
	/* one who sleeps in the module comes out first */
	kill(pid, SIGCONT);
	host_wait(pid, -1, NULL);
}

static void scenario(const struct operation *op, enum peer_state state, struct counts *counts)
{
	pid_t pids[2];
	int status;

	memset(shared, 0, sizeof(*shared));
	runtime = runtime_make(64, BUFFERS);
	pids[1] = host_fork();
	if (!pids[1])
		peer();
	pids[0] = host_fork();
	if (!pids[0])
		victim(op);
	connect_one("victim:out1", "peer:in1");
	connect_one("victim:out1", "peer:in2");
	connect_one("victim:out2", "peer:in3");
	connect_one("peer:out1", "victim:in1");
	if (waitpid(pids[0], &status, WUNTRACED) != pids[0] || !WIFSTOPPED(status))
		test_die("the victim ended before its operation", -ECHILD);
	peer_bring(pids[1], state);
	if (!step(pids[0], pids, counts)) {
		test_note("%s, peer %s: the victim ended", op->name, state_names[state]);
		counts->wrong++;
	}
	ptrace(PTRACE_DETACH, pids[0], 0, 0);
	finish(pids[0]);
	if (state != PEER_DEAD)
		finish(pids[1]);
	mqshm_runtime_close(runtime);
}

int main(int argc, char **argv)
{
	struct counts all = {};
	cpu_set_t one;
	unsigned int i, state;

	host_start();
	/* on one processor a step costs a tenth of what it does across two */
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	shared = test_shared(sizeof(*shared));
	for (i = 0; i < OPERATIONS; i++) {
		struct counts counts = {};

		if (argc > 1 && strcmp(argv[1], operations[i].name))
			continue;
		for (state = 0; state < PEER_STATES; state++)
			scenario(&operations[i], state, &counts);
		test_ok(!counts.wrong && counts.states, "%s: %lu instructions, %lu states, %lu wrong",
			operations[i].name, counts.instructions, counts.states, counts.wrong);
		all.instructions += counts.instructions;
		all.states += counts.states;
	}
	test_note("%lu instructions, %lu states, each settled in two orders", all.instructions,
		  all.states);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
