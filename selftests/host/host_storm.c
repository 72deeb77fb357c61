// SPDX-License-Identifier: GPL-2.0-only
/*
 * Storms: random graphs of 4 to 16 processes with fan-out, fan-in and forwarding, whose
 * processes are killed at random moments: one, two at once, a second one while the
 * first is being settled, all of them. After each kill or every few everything is
 * stopped where it is and every count compared; now and then, that those who are left
 * learn of the deaths by themselves, and that messages flow through every connection
 * again when the dead are back: nobody sleeps beside a message. In every other graph
 * connections drop, stay, and keep what is queued, each as it likes.
 *
 * usage: host_storm [KILLS [SEED [SAME]]]
 * The first graph is made from SEED, each later one from the seed before it; with SAME
 * each is the first one again. A failed run says with which seed it would begin there:
 * then graph, pools, order and kind of the kills, pauses and the random numbers of each
 * life are the same again. At which instruction a kill meets its victim is not.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storm.h"

#define MEDDLER		NODES_MAX	/* its place among the pids */
#define KILLS_A_GRAPH	250
#define LOOK_EVERY	12	/* rounds between two looks at those who are left */
#define LOOK_MS		60000	/* no message for so long: a wake-up was lost */
#define CROWD_MAX	48

/**
 * struct victims - who is killed in a round
 * @pids: in the order of the kills
 * @n: how many
 * @gap: up to so many turns of a loop between two kills
 * @stopped: they are stopped first, for so long: what comes to them piles up
 * @odd: how many did not die by SIGKILL
 */
struct victims {
	pid_t pids[NODES_MAX + 1];
	unsigned int n;
	unsigned int gap;
	bool stopped;
	unsigned int odd;
};

/**
 * struct tally - what was done in all storms
 * @kills: processes killed
 * @graphs: storms
 * @doubles: second kills at the same time as or right after another one
 * @alls: kills of all at once
 * @messages: popped
 */
static struct tally {
	uint64_t kills;
	uint64_t graphs;
	uint64_t doubles;
	uint64_t alls;
	uint64_t messages;
} tally;

static struct storm *storm;
static struct plan *plan;
static struct mqshm_runtime *runtime;
static pid_t pids[NODES_MAX + 1];
static uint64_t meddler_lives;
static uint64_t seed;

/* -- starting --------------------------------------------------------------------- */

static void start(unsigned int who)
{
	if (who == MEDDLER) {
		meddler_lives++;
		storm->meddler_calm = 0;
	} else {
		storm->node[who].starts++;
		memset(storm->node[who].connections, 0, sizeof(storm->node[who].connections));
	}
	pids[who] = host_fork();
	if (pids[who])
		return;
	if (who == MEDDLER)
		storm_meddler(storm, meddler_lives);
	storm_node(storm, runtime, who);
}

static void start_missing(void)
{
	unsigned int i;

	for (i = 0; i < plan->nodes; i++)
		if (!pids[i])
			start(i);
	if (plan->meddler && !pids[MEDDLER])
		start(MEDDLER);
}

/* -- killing ------------------------------------------------------------------------- */

static void bury(struct victims *v, unsigned int first)
{
	unsigned int i;
	int status;

	for (i = first; i < v->n; i += 2) {
		if (host_wait(v->pids[i], -1, &status) == v->pids[i] &&
		    WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			continue;
		test_note("process %d ended with status 0x%x", v->pids[i], status);
		__atomic_fetch_add(&v->odd, 1, __ATOMIC_RELAXED);
	}
}

/* Two settle at the same time, as two processors of the kernel would. */
static void *undertaker(void *arg)
{
	host_thread_begin();
	bury(arg, 1);
	host_thread_end();
	return NULL;
}

static void turn(unsigned int most)
{
	volatile uint64_t turns = most ? random_below(&seed, most) : 0;

	while (turns)
		turns--;
}

static void kill_them(struct victims *v)
{
	pthread_t thread;
	unsigned int i;

	if (v->n > 1 && pthread_create(&thread, NULL, undertaker, v))
		test_die("thread", -EAGAIN);
	for (i = 0; i < v->n; i++) {
		if (v->stopped) {
			kill(v->pids[i], SIGSTOP);
			turn(v->gap);
		}
		host_kill(v->pids[i]);
		/* one who is inside the module must come out to die */
		if (v->stopped)
			kill(v->pids[i], SIGCONT);
		turn(v->gap);
	}
	bury(v, 0);
	if (v->n > 1)
		pthread_join(thread, NULL);
}

static void victim_add(struct victims *v, unsigned int who)
{
	v->pids[v->n++] = pids[who];
	pids[who] = 0;
}

/* All are running now, so that the choice depends on the seed alone. */
static void victims_choose(struct victims *v)
{
	unsigned int first = (unsigned int)random_below(&seed, plan->nodes), i;
	unsigned int second = (unsigned int)random_below(&seed, plan->nodes - 1);
	unsigned int kind = (unsigned int)random_below(&seed, 16);

	second += second >= first;
	*v = (struct victims) {};
	if (kind == 0) {
		for (i = 0; i < plan->nodes; i++)
			victim_add(v, (first + i) % plan->nodes);
		v->gap = random_below(&seed, 2) ? 0 : 2000;
		tally.alls++;
	} else {
		victim_add(v, first);
	}
	if (kind >= 1 && kind <= 5) {
		victim_add(v, second);
		v->gap = kind < 3 ? 0 : 30000;
		tally.doubles++;
	}
	if (plan->meddler && kind == 6)
		victim_add(v, MEDDLER);
	if (kind >= 7 && kind <= 10) {
		v->stopped = true;
		v->gap = 100000;
	}
	tally.kills += v->n;
}

/* -- looking -------------------------------------------------------------------------- */

/* Whoever had no processor is not to blame: seconds that @pid ran, and waited for one. */
static void run_times(pid_t pid, double *ran, double *queued)
{
	unsigned long long ran_ns = 0, queued_ns = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%llu %llu", &ran_ns, &queued_ns) != 2)
		ran_ns = queued_ns = 0;
	if (f)
		fclose(f);
	*ran = ran_ns / 1e9;
	*queued = queued_ns / 1e9;
}

/* What is known, for who looks for the cause. */
static void graph_note(void)
{
	struct mqshm_snapshot *snap;
	double ran, queued;
	unsigned int i;
	size_t k;

	for (i = 0; i < plan->nodes; i++) {
		run_times(pids[i], &ran, &queued);
		test_note("n%u: process %d, life %llu, %s%s, %llu messages, %llu inputs, %llu outputs, ran %.1f s, waited %.1f s for a processor",
			  i, pids[i], (unsigned long long)storm->node[i].starts,
			  storm->node[i].doing, host_asleep(pids[i]) ? " (asleep)" : "",
			  (unsigned long long)storm->node[i].messages,
			  (unsigned long long)storm->node[i].connections[MQSHM_DIR_IN],
			  (unsigned long long)storm->node[i].connections[MQSHM_DIR_OUT], ran, queued);
	}
	test_check(mqshm_runtime_snapshot(runtime, &snap), "snapshot");
	for (k = 0; k < snap->n_clients; k++)
		if (snap->clients[k].held_refs || snap->clients[k].index >= plan->crowd)
			test_note("client %s: index %u, state %u, holds %llu, %llu ioctls",
				  snap->clients[k].name, snap->clients[k].index,
				  snap->clients[k].state,
				  (unsigned long long)snap->clients[k].held_refs,
				  (unsigned long long)snap->clients[k].ioctls);
	for (k = 0; k < snap->n_connections; k++)
		test_note("connection %llu, ring %u, port %u to %u: flags 0x%x, %u queued of %llu",
			  (unsigned long long)snap->connections[k].id, snap->connections[k].ring,
			  snap->connections[k].from_port, snap->connections[k].to_port,
			  snap->connections[k].flags, snap->connections[k].queued,
			  (unsigned long long)snap->connections[k].messages);
	for (k = 0; k < snap->n_pools; k++)
		test_note("pool %s: %u of %u free, %u clients wait for one",
			  snap->pools[k].name, snap->pools[k].free, snap->pools[k].buffers,
			  snap->pools[k].waiting);
	mqshm_snapshot_free(snap);
}

static uint64_t connections_due(unsigned int node, unsigned int dir)
{
	uint64_t n = 0;
	unsigned int i;

	/* one that may come back has not gone for its peer, if there is anything to be had */
	for (i = 0; i < plan->edges; i++)
		n += dir == MQSHM_DIR_IN ?
		     plan->edge[i].to == node &&
		     (pids[plan->edge[i].from] || plan->how[i].persistent) :
		     plan->edge[i].from == node &&
		     (pids[plan->edge[i].to] || plan->how[i].keep);
	return n;
}

/*
 * Whether a node always gets rid of its messages: each output discards or has
 * somebody who does. Another one rightly keeps what it has not read.
 */
static bool node_flows(unsigned int node)
{
	unsigned int port, i;

	for (port = 0; port < PORTS; port++) {
		bool has = plan->optional[node] ||
			   !(plan->ports[node][MQSHM_DIR_OUT] & 1U << port);

		for (i = 0; i < plan->edges; i++) {
			if (plan->edge[i].from != node || plan->edge[i].out != port ||
			    (!pids[plan->edge[i].to] && !plan->how[i].keep))
				continue;
			if (plan->how[i].policy == MQSHM_POLICY_BLOCK &&
			    (!pids[plan->edge[i].to] || !node_flows(plan->edge[i].to)))
				return false;
			has = true;
		}
		if (!has)
			return false;
	}
	return true;
}

static bool survivor_knows(unsigned int node)
{
	unsigned int dir;

	for (dir = MQSHM_DIR_IN; dir <= MQSHM_DIR_OUT; dir++) {
		if (dir == MQSHM_DIR_IN && !node_flows(node))
			continue;
		if (__atomic_load_n(&storm->node[node].connections[dir], __ATOMIC_RELAXED) !=
		    connections_due(node, dir))
			return false;
	}
	return true;
}

static bool too_late(uint64_t deadline_ns, const char *what)
{
	if (__atomic_load_n(&storm->faults, __ATOMIC_SEQ_CST))
		return true;
	if (mqshm_now_ns() < deadline_ns) {
		usleep(100);
		return false;
	}
	test_note("%s, for %d s", what, LOOK_MS / 1000);
	graph_note();
	return true;
}

/* Each who is left has let go of his rings to the dead, woken by their settling alone. */
static bool survivors_know(void)
{
	uint64_t deadline_ns = mqshm_after_ms(LOOK_MS);
	unsigned int i;

	for (i = 0; i < plan->nodes; i++)
		while (pids[i] && !survivor_knows(i))
			if (too_late(deadline_ns, "somebody does not know of a death"))
				return false;
	return true;
}

/* Connections as they were when a look began: @taken messages of connection @id. */
struct passed {
	uint64_t id;
	uint64_t taken;
};

static uint64_t taken(const struct mqshm_connection_record *conn)
{
	return conn->messages - conn->queued;
}

/* How many edges nothing has passed since @before; that is filled if @first. */
static unsigned int edges_still(struct passed before[EDGES_MAX], bool first)
{
	const struct mqshm_connection_record *conn;
	struct mqshm_snapshot *snap;
	unsigned int i, still = 0;

	for (i = 0; i < plan->edges; i++)
		edge_connect(storm, runtime, i);
	test_check(mqshm_runtime_snapshot(runtime, &snap), "snapshot");
	for (i = 0; i < plan->edges; i++) {
		conn = edge_find(plan, snap, i);
		if (first)
			before[i] = (struct passed) { conn ? conn->id : 0, conn ? taken(conn) : 0 };
		else if (!conn || taken(conn) <= (conn->id == before[i].id ? before[i].taken : 0))
			still++;
	}
	mqshm_snapshot_free(snap);
	return still;
}

/* A message was taken from each connection. */
static bool messages_flow(void)
{
	uint64_t deadline_ns = mqshm_after_ms(LOOK_MS);
	struct passed before[EDGES_MAX];

	edges_still(before, true);
	while (edges_still(before, false))
		if (too_late(deadline_ns, "no message on some connection"))
			return false;
	return true;
}

/* The meddler stops, all are connected and have acknowledged it. */
static bool calm_down(void)
{
	uint64_t deadline_ns = mqshm_after_ms(LOOK_MS);
	unsigned int i;

	__atomic_store_n(&storm->calm, 1, __ATOMIC_SEQ_CST);
	while (plan->meddler && !__atomic_load_n(&storm->meddler_calm, __ATOMIC_SEQ_CST))
		if (too_late(deadline_ns, "the meddler does not stop"))
			return false;
	if (!messages_flow())
		return false;
	for (i = 0; i < plan->nodes; i++)
		while (!survivor_knows(i))
			if (too_late(deadline_ns, "somebody does not know all connections"))
				return false;
	return true;
}

/* -- a storm ---------------------------------------------------------------------------- */

static uint64_t messages(void)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < plan->nodes; i++)
		sum += __atomic_load_n(&storm->node[i].messages, __ATOMIC_RELAXED);
	return sum;
}

/* Until some messages more, or for 1 us to 1 ms, each order of magnitude as likely. */
static void delay(void)
{
	uint64_t scale = random_below(&seed, 4), n = random_below(&seed, 1000);
	uint64_t end, deadline_ns;

	if (scale == 3) {
		end = messages() + n;
		deadline_ns = mqshm_after_ms(20);
		while (messages() < end && mqshm_now_ns() < deadline_ns)
			usleep(20);
		return;
	}
	for (; scale < 2; scale++)
		n /= 10;
	nanosleep(&(struct timespec) { .tv_nsec = (long)(1000 * (1 + n)) }, NULL);
}

static bool counts_right(void)
{
	unsigned int wrong;

	host_freeze();
	wrong = host_check();
	host_thaw();
	return !wrong && !__atomic_load_n(&storm->faults, __ATOMIC_SEQ_CST);
}

static bool storm_round(unsigned int round)
{
	bool look = round % LOOK_EVERY == 0;
	struct victims victims;

	delay();
	if (look && !calm_down())
		return false;
	victims_choose(&victims);
	kill_them(&victims);
	if (victims.odd)
		return false;
	if ((look || round % plan->check_every == 0) && !counts_right())
		return false;
	if (look && !survivors_know())
		return false;
	start_missing();
	if (look && !messages_flow())
		return false;
	__atomic_store_n(&storm->calm, 0, __ATOMIC_SEQ_CST);
	return true;
}

static void runtime_begin(struct mqshm_client *crowd[CROWD_MAX])
{
	struct mqshm_runtime_options options = {
		.limits = { .buffers = 512, .connections = 128 },
	};
	unsigned int i;

	test_check(mqshm_runtime_create(RUNTIME, &options, &runtime), "runtime");
	for (i = 0; i < plan->pools; i++)
		test_check(mqshm_pool_create(runtime, plan->pool[i].name,
					     plan->pool[i].buffer_bytes, plan->pool[i].buffers),
			   "pool");
	for (i = 0; i < plan->crowd; i++)
		test_check(mqshm_client_join(RUNTIME, NULL, &crowd[i]), "join");
}

/* Kills whoever is left; everything must be as it was before the storm. */
static bool runtime_end(struct mqshm_client *crowd[CROWD_MAX], long allocations)
{
	struct victims all = {};
	struct host_sums sums;
	unsigned int i;
	bool good;
	long left;

	for (i = 0; i <= NODES_MAX; i++)
		if (pids[i])
			victim_add(&all, i);
	kill_them(&all);
	edges_give_up(runtime);
	host_sum(&sums);
	good = !all.odd && !host_check() && sums.in_depot == sums.buffers && !sums.held &&
	       !sums.queued;
	if (!good)
		test_note("at the end %llu of %llu buffers are free, %llu held, %llu queued",
			  (unsigned long long)sums.in_depot, (unsigned long long)sums.buffers,
			  (unsigned long long)sums.held, (unsigned long long)sums.queued);
	for (i = 0; i < plan->crowd; i++)
		mqshm_client_close(crowd[i]);
	mqshm_runtime_close(runtime);
	left = host_allocations() - allocations;
	if (left)
		test_note("%ld allocations are left", left);
	return good && !left;
}

static bool storm_run(uint64_t graph, uint64_t kills)
{
	struct mqshm_client *crowd[CROWD_MAX];
	long allocations = host_allocations();
	uint64_t end = tally.kills + kills;
	unsigned int round;
	bool good = true;

	memset(storm, 0, sizeof(*storm));
	plan_make(plan, graph);
	seed = seed_derive(graph, NODES_MAX + 1, 0);
	meddler_lives = 0;
	runtime_begin(crowd);
	start_missing();
	for (round = 1; good && tally.kills < end; round++)
		good = storm_round(round);
	good &= runtime_end(crowd, allocations);
	tally.messages += messages();
	tally.graphs++;
	if (!good)
		plan_note(plan);
	return good;
}

int main(int argc, char **argv)
{
	uint64_t kills = argc > 1 ? strtoull(argv[1], NULL, 0) : 3000;
	uint64_t graph = argc > 2 ? strtoull(argv[2], NULL, 0) : 0, left;
	bool same = argc > 3 && atoi(argv[3]), good = true;

	host_start();
	if (!graph)
		graph = seed_derive(mqshm_now_ns(), 0, 0);
	test_note("host_storm %llu 0x%llx %d", (unsigned long long)kills,
		  (unsigned long long)graph, same);
	storm = test_shared(sizeof(*storm));
	plan = &storm->plan;
	while (tally.kills < kills) {
		left = kills - tally.kills;
		good = storm_run(graph, left < KILLS_A_GRAPH ? left : KILLS_A_GRAPH);
		if (!good)
			break;
		if (!same)
			graph = seed_derive(graph, NODES_MAX + 2, 0);
	}
	if (!good)
		test_note("the same storm again and again: host_storm %d 0x%llx 1",
			  100 * KILLS_A_GRAPH, (unsigned long long)graph);
	test_ok(good, "%llu kills in %llu graphs (%llu twos, %llu of all), every count and payload right",
		(unsigned long long)tally.kills, (unsigned long long)tally.graphs,
		(unsigned long long)tally.doubles, (unsigned long long)tally.alls);
	test_note("%llu messages came", (unsigned long long)tally.messages);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
