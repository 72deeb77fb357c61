// SPDX-License-Identifier: GPL-2.0-only
/* The scene of an operation: who is there, and how it comes to be. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"
#include "step.h"

#define MESSAGES	3
#define OUTLIVE_MS	20000	/* after that long somebody hangs */

const char *const peer_state_names[PEER_STATES] = {
	"alive", "waiting", "dead", "closed", "waiting for room", "waiting for a buffer", "cut",
	"ended",
};

struct scene_shared *scene_shared;
struct mqshm_runtime *scene_runtime;

static struct mqshm_client *crowd[MQSHM_TOGGLES];	/* clients that have the toggles */

static bool seen(const int *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static void show(int *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_SEQ_CST);
}

static uint64_t connections_of(struct node *n)
{
	uint64_t connections[2];

	n->connections = connections;
	node_report(n);
	n->connections = NULL;
	return connections[0] + connections[1];
}

void scene_await_connections(struct node *n, unsigned int connections)
{
	while (connections_of(n) != connections) {
		usleep(20);
		test_check(mqshm_client_update(n->client), "update");
	}
}

/* -- peer and witness ---------------------------------------------------------- */

/* Reads all that comes, until nobody is left who could send or take anything. */
static void live_on(struct node *n)
{
	struct mqshm_port *ports[8];
	struct mqshm_buffer buf;
	unsigned int i, n_ports = 0;
	int r;

	for (i = 0; i < 4; i++) {
		if (n->in[i])
			ports[n_ports++] = n->in[i];
		if (n->out[i])
			ports[n_ports++] = n->out[i];
	}
	for (;;) {
		test_check(mqshm_client_update(n->client), "update");
		for (i = 0; i < 4 && n->in[i]; i++)
			while (!(r = mqshm_port_pop(n->in[i], &buf)))
				test_check(mqshm_buffer_release(n->client, &buf), "release");
		if (!connections_of(n))
			break;
		r = mqshm_wait(n->client, ports, n_ports, MQSHM_FOREVER, NULL);
		test_check(r, "wait for the end");
	}
	mqshm_client_close(n->client);
	_exit(0);
}

/* Every free buffer of the pool, and then one that is not there. */
static void starve(struct node *n)
{
	struct mqshm_buffer buf;
	int r;

	while (!(r = mqshm_buffer_alloc(n->client, 64, MQSHM_NO_WAIT, &buf)))
		;
	if (r != -EAGAIN)
		test_die("alloc", r);
	do {
		r = mqshm_buffer_alloc(n->client, 64, MQSHM_FOREVER, &buf);
	} while (r == -EAGAIN && connections_of(n));
	if (r && r != -EAGAIN)
		test_die("wait for a buffer", r);
}

static void fill(struct node *n)
{
	struct mqshm_buffer buf;
	int r;

	do {
		node_alloc(n, 64, &buf);
		r = mqshm_port_push(n->out[0], &buf, 0);
	} while (!r);
	if (r != -EAGAIN)
		test_die("push", r);
	test_check(mqshm_wait(n->client, n->out, 1, MQSHM_FOREVER, NULL), "wait for room");
}

/* Does what it is told, and stays there. */
static void peer_do(struct node *n, enum peer_state state)
{
	struct mqshm_buffer buf;
	unsigned int i;

	switch (state) {
	case PEER_CLOSED:
		mqshm_block_remove(n->block);
		memset(n->in, 0, sizeof(n->in));
		memset(n->out, 0, sizeof(n->out));
		break;
	case PEER_ENDED:
		test_check(mqshm_port_end(n->out[0]), "end");
		break;
	default:
		break;
	}
	show(&scene_shared->peer_done);
	switch (state) {
	case PEER_WAITING:
		/* what is there already is taken, and kept in the hand */
		for (i = 0; i < 2; i++)
			while (!mqshm_port_pop(n->in[i], &buf))
				;
		test_check(mqshm_wait(n->client, n->in, 2, MQSHM_FOREVER, NULL), "wait");
		break;
	case PEER_WAITING_ROOM:
		fill(n);
		break;
	case PEER_WAITING_BUFFER:
		starve(n);
		break;
	default:
		/* until a copy goes on */
		while (!seen(&scene_shared->copy))
			usleep(1000);
	}
}

static void peer(void)
{
	struct mqshm_buffer mine, kept;
	struct node n;
	unsigned int i;

	host_set_clonable();
	node_make(&n, "peer", 2, 1, SCENE_DEPTH, UINT64_MAX);
	scene_await_connections(&n, 3);
	for (i = 0; i < MESSAGES; i++) {
		node_alloc(&n, 64, &mine);
		if (i == 1)
			test_check(mqshm_buffer_share(n.client, &mine, &kept), "share");
		node_push(&n, n.out[0], &mine, 0);
	}
	test_check(mqshm_client_flush(n.client), "flush");
	show(&scene_shared->peer_ready);
	while (!seen(&scene_shared->peer_then)) {
		usleep(20);
		if (!seen(&scene_shared->give_back) || scene_shared->given_back)
			continue;
		test_check(mqshm_buffer_release(n.client, &kept), "release");
		test_check(mqshm_client_flush(n.client), "flush");
		show(&scene_shared->given_back);
	}
	peer_do(&n, (enum peer_state)(scene_shared->peer_then - 1));
	live_on(&n);
}

static void witness(void)
{
	struct mqshm_buffer buf;
	struct node n;

	host_set_clonable();
	node_make(&n, "witness", 2, 0, SCENE_DEPTH, UINT64_MAX);
	scene_await_connections(&n, 1);
	test_check(node_pop(&n, n.in[0], &buf), "pop");
	show(&scene_shared->witness_ready);
	while (!seen(&scene_shared->copy))
		usleep(1000);
	live_on(&n);
}

/* -- beginning and end --------------------------------------------------------- */

static void connect_one(const char *from, const char *to, uint32_t policy)
{
	struct mqshm_connect_options options = { .policy = policy };
	int r;

	while ((r = mqshm_connect_with(scene_runtime, from, to, &options, NULL)) == -ENOENT)
		usleep(20);
	test_check(r, "connect");
}

static void disconnect_all(void)
{
	struct mqshm_snapshot *snap;
	size_t i;

	test_check(mqshm_runtime_snapshot(scene_runtime, &snap), "snapshot");
	for (i = 0; i < snap->n_connections; i++)
		mqshm_disconnect(scene_runtime, snap->connections[i].id);
	mqshm_snapshot_free(snap);
}

/* Brings the peer, which is idle, into @state, and sees to it that it stays so. */
static void peer_bring(struct scene *s)
{
	pid_t pid = s->pids[PEER];
	bool asleep = s->state == PEER_WAITING || s->state == PEER_WAITING_ROOM ||
		      s->state == PEER_WAITING_BUFFER;

	if (s->state == PEER_DEAD) {
		host_kill(pid);
		host_wait(pid, -1, NULL);
		s->pids[PEER] = 0;
		return;
	}
	__atomic_store_n(&scene_shared->peer_then, s->state + 1, __ATOMIC_SEQ_CST);
	while (!seen(&scene_shared->peer_done) || (asleep && !host_asleep(pid))) {
		if (waitpid(pid, NULL, WNOHANG))
			test_die("the peer ended", -ECHILD);
		usleep(20);
	}
	if (s->state == PEER_CUT)
		disconnect_all();
	step_hold(pid);
}

void scene_start(void)
{
	step_pin();
	scene_shared = test_shared(sizeof(*scene_shared));
}

static pid_t begin(void (*run)(void))
{
	pid_t pid = host_fork();

	if (!pid) {
		run();
		_exit(1);
	}
	return pid;
}

void scene_begin(struct scene *s, const struct operation *op, enum peer_state state)
{
	unsigned int i;

	memset(scene_shared, 0, sizeof(*scene_shared));
	*s = (struct scene) { .op = op, .state = state };
	scene_runtime = runtime_make(64, SCENE_BUFFERS);
	for (i = 0; i < MQSHM_TOGGLES && op->flags & OPERATION_CROWD; i++)
		test_check(mqshm_client_join(RUNTIME, NULL, &crowd[i]), "join");
	s->pids[PEER] = begin(peer);
	s->pids[WITNESS] = begin(witness);
	s->pids[VICTIM] = host_fork();
	if (!s->pids[VICTIM])
		victim_run(op);
	connect_one("victim:out1", "peer:in1", 0);
	connect_one("victim:out1", "witness:in1", 0);
	connect_one("victim:out2", "peer:in2", op->policy);
	connect_one("peer:out1", "victim:in1", op->policy);
	step_await(s->pids[VICTIM]);
	peer_bring(s);
	step_hold(s->pids[WITNESS]);
}

void scene_end(struct scene *s)
{
	unsigned int i;

	for (i = 0; i < SCENE_PROCESSES; i++) {
		if (!s->pids[i])
			continue;
		/* one who sleeps in the module comes out first */
		host_kill(s->pids[i]);
		step_let_go(s->pids[i]);
		host_wait(s->pids[i], -1, NULL);
	}
	for (i = 0; i < MQSHM_TOGGLES; i++) {
		mqshm_client_close(crowd[i]);
		crowd[i] = NULL;
	}
	mqshm_runtime_close(scene_runtime);
}

void scene_copy(const struct scene *s, struct scene *copy, unsigned int n)
{
	unsigned int i;

	*copy = *s;
	for (i = 0; i < n; i++)
		if (s->pids[i])
			copy->pids[i] = step_clone(s->pids[i]);
	host_save();
	for (i = 0; i < n; i++)
		if (s->pids[i])
			host_adopt(s->pids[i], copy->pids[i], false);
}

/* Ends by itself, in order. */
static bool ends_well(pid_t pid)
{
	int status = 0;

	if (host_wait(pid, OUTLIVE_MS, &status) == pid)
		return WIFEXITED(status) && !WEXITSTATUS(status);
	test_note("process %d hangs", pid);
	host_kill(pid);
	host_wait(pid, -1, NULL);
	return false;
}

bool scene_outlive(struct scene *copy)
{
	bool well = true;
	unsigned int i;

	show(&scene_shared->copy);
	for (i = PEER; i < SCENE_PROCESSES; i++)
		if (copy->pids[i])
			step_run(copy->pids[i], 0);
	for (i = PEER; i < SCENE_PROCESSES; i++) {
		if (!copy->pids[i] || ends_well(copy->pids[i]))
			continue;
		test_note("%s does not outlive the victim", i == PEER ? "the peer" : "the witness");
		well = false;
	}
	scene_shared->copy = 0;
	return well;
}
