// SPDX-License-Identifier: GPL-2.0-only
/* The victim: its operations, what it does when a signal comes, how it works on. */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client.h"
#include "port.h"
#include "scene.h"
#include "step.h"

static struct node me;
/* What it has in its hand: one buffer, and a second reference or buffer. */
static struct mqshm_buffer hand[2] = { { .number = MQSHM_NO_BUFFER }, { .number = MQSHM_NO_BUFFER } };
static struct mqshm_buffer *const buf = &hand[0], *const copy = &hand[1];

/* -- before the operation ------------------------------------------------------ */

static void prepare_alloc(void)
{
	node_alloc(&me, 64, buf);
}

static void prepare_pop(void)
{
	test_check(mqshm_port_pop(me.in[0], buf), "pop");
}

static void prepare_pop_second(void)
{
	prepare_pop();
	test_check(mqshm_buffer_release(me.client, buf), "release");
	prepare_pop();
}

static void prepare_pop_all(void)
{
	while (!mqshm_port_pop(me.in[0], buf))
		test_check(mqshm_buffer_release(me.client, buf), "release");
}

static void prepare_share(void)
{
	prepare_alloc();
	test_check(mqshm_buffer_share(me.client, buf, copy), "share");
}

/* The second comes from where the first will go to in the magazine. */
static void prepare_two(void)
{
	node_alloc(&me, 64, buf);
	node_alloc(&me, 64, copy);
}

/* The last record is of another buffer. */
static void prepare_share_and_pop(void)
{
	struct mqshm_buffer other;

	prepare_share();
	test_check(mqshm_port_pop(me.in[0], &other), "pop");
	test_check(mqshm_buffer_release(me.client, &other), "release");
}

static void prepare_spare(void)
{
	prepare_alloc();
	test_check(mqshm_buffer_release(me.client, buf), "release");
}

/* What the last record tells of is what the next call of the kernel changes. */
static void prepare_released(void)
{
	prepare_share();
	test_check(mqshm_buffer_release(me.client, copy), "release");
	test_check(mqshm_buffer_release(me.client, buf), "release");
}

static void prepare_came_back(void)
{
	prepare_pop_second();
	test_check(mqshm_client_flush(me.client), "flush");
	test_check(mqshm_buffer_release(me.client, buf), "release");
	__atomic_store_n(&scene_shared->give_back, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&scene_shared->given_back, __ATOMIC_SEQ_CST))
		usleep(20);
}

/* Of two buffers a reference is dropped, which the kernel does not know; @copy is one's other. */
static void prepare_dropped(void)
{
	node_alloc(&me, 64, copy);
	test_check(mqshm_buffer_share(me.client, copy, buf), "share");
	test_check(mqshm_buffer_release(me.client, buf), "release");
	prepare_pop_second();
	test_check(mqshm_buffer_release(me.client, buf), "release");
}

/* The magazine is as full as it may be, and one more is in the hand. */
static void prepare_full_magazine(void)
{
	uint32_t room = me.client->pools[0].spare_max;
	struct mqshm_buffer more[MQSHM_LEASE_MAX];
	uint32_t i;

	prepare_alloc();
	for (i = 0; i < room; i++)
		node_alloc(&me, 64, &more[i]);
	while (i-- > 0)
		test_check(mqshm_buffer_release(me.client, &more[i]), "release");
}

static void prepare_connection(void)
{
	test_check(mqshm_connect(scene_runtime, "victim:out2", "witness:in2", NULL), "connect");
}

static void prepare_disconnection(void)
{
	struct mqshm_snapshot *snap;
	size_t i;

	test_check(mqshm_runtime_snapshot(scene_runtime, &snap), "snapshot");
	for (i = 0; i < snap->n_connections; i++)
		test_check(mqshm_disconnect(scene_runtime, snap->connections[i].id), "disconnect");
	mqshm_snapshot_free(snap);
}

static void prepare_eventfd(void)
{
	prepare_pop_all();
	test_check(mqshm_port_set_eventfd(me.in[0], eventfd(0, EFD_NONBLOCK)), "eventfd");
}

static void prepare_held_back(void)
{
	prepare_alloc();
	test_check(mqshm_port_push(me.out[1], buf, MQSHM_MORE), "push");
	test_check(mqshm_port_pop(me.in[0], copy), "pop");
	prepare_alloc();
}

/* So many messages, and one more in the hand. */
static void push_and_alloc(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		prepare_alloc();
		test_check(mqshm_port_push(me.out[1], buf, 0), "push");
	}
	prepare_alloc();
}

static void prepare_full_alone(void)
{
	push_and_alloc(SCENE_DEPTH);
}

/* Of the oldest message the victim has another reference. */
static void prepare_full(void)
{
	prepare_alloc();
	test_check(mqshm_buffer_share(me.client, buf, copy), "share");
	test_check(mqshm_port_push(me.out[1], buf, 0), "push");
	push_and_alloc(SCENE_DEPTH - 1);
}

/* As a longjmp leaves it: busy, with the record of a push that was not made. */
static void prepare_left(void)
{
	prepare_held_back();
	me.client->control->busy = 1;
	*me.client->cells.intent = MQSHM_INTENT(MQSHM_OP_PUSH, *me.out[1]->rings[0]->tx.tail & 1,
						buf->number, 1, 1, me.out[1]->rings[0]->number);
}

/* -- the operations ------------------------------------------------------------ */

static void run_push(void)
{
	mqshm_port_push(me.out[1], buf, 0);
}

static void run_fan_out(void)
{
	mqshm_port_push(me.out[0], buf, 0);
}

static void run_pop(void)
{
	mqshm_port_pop(me.in[0], buf);
}

static void run_share(void)
{
	mqshm_buffer_share(me.client, buf, copy);
}

static void run_release(void)
{
	mqshm_buffer_release(me.client, buf);
}

static void run_release_many(void)
{
	mqshm_buffer_release_many(me.client, hand, 2);
}

static void run_alloc_many(void)
{
	mqshm_buffer_alloc_many(me.client, 64, MQSHM_NO_WAIT, hand, 2);
}

static void run_alloc(void)
{
	mqshm_buffer_alloc(me.client, 64, MQSHM_NO_WAIT, buf);
}

static void run_flush(void)
{
	mqshm_client_flush(me.client);
}

static void run_port_flush(void)
{
	mqshm_port_flush(me.out[1]);
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

static void run_recover(void)
{
	mqshm_client_recover(me.client);
}

static void run_connect(void)
{
	mqshm_connect(scene_runtime, "victim:out2", "witness:in2", NULL);
}

/* The library lets go of a ring only where it has found it ended. */
static void run_detach(void)
{
	if (client_enter(me.client))
		return;
	if (me.out[0]->n_rings)
		mqshm_ring_detach(me.client, me.out[0]->rings[0], 0);
	client_leave(me.client);
}

static void run_remove(void)
{
	mqshm_block_remove(me.block);
}

static void run_close(void)
{
	mqshm_client_close(me.client);
}

#define OPERATION(title, before, call, ...)	\
	{ .name = title, .prepare = before, .run = call, __VA_ARGS__ }

const struct operation operations[] = {
	OPERATION("push", prepare_alloc, run_push, .flags = OPERATION_PUSHES),
	OPERATION("push of a message that was popped", prepare_pop, run_push),
	OPERATION("push to two connections", prepare_alloc, run_fan_out,
		  .flags = OPERATION_TAKES | OPERATION_PUSHES),
	OPERATION("push of one's second reference", prepare_share, run_push, .flags = OPERATION_TAKES),
	OPERATION("pop", NULL, run_pop, .flags = OPERATION_TAKES),
	OPERATION("pop that publishes", prepare_pop, run_pop, .flags = OPERATION_TAKES),
	/* but for what a peer that waits for room pushes after that */
	OPERATION("pop that finds nothing", prepare_pop_all, run_pop, .flags = OPERATION_TAKES),
	OPERATION("dup", prepare_alloc, run_share, .flags = OPERATION_TAKES),
	OPERATION("dup of a reference that others share", prepare_pop_second, run_share, .flags = OPERATION_TAKES),
	OPERATION("release of a second reference", prepare_share, run_release, .flags = OPERATION_TAKES),
	OPERATION("release of an old reference", prepare_share_and_pop, run_release,
		  .flags = OPERATION_TAKES),
	OPERATION("release of a reference that the peer shares", prepare_pop_second, run_release),
	OPERATION("release of the only reference", prepare_alloc, run_release),
	OPERATION("release of the first of two", prepare_two, run_release, .flags = OPERATION_KEEPS),
	OPERATION("release into a full magazine", prepare_full_magazine, run_release),
	OPERATION("release of two", prepare_two, run_release_many),
	OPERATION("release of both references", prepare_share, run_release_many,
		  .flags = OPERATION_TAKES),
	OPERATION("push that drops the oldest", prepare_full, run_push,
		  .flags = OPERATION_PUSHES | OPERATION_TAKES | OPERATION_KEEPS, .policy = MQSHM_POLICY_DROP_OLDEST),
	OPERATION("push that drops the oldest for good", prepare_full_alone, run_push,
		  .flags = OPERATION_PUSHES | OPERATION_TAKES, .policy = MQSHM_POLICY_DROP_OLDEST),
	OPERATION("pop of what may be dropped", NULL, run_pop,
		  .flags = OPERATION_TAKES, .policy = MQSHM_POLICY_DROP_OLDEST),
	OPERATION("push that drops the newest", prepare_full_alone, run_push,
		  .policy = MQSHM_POLICY_DROP_NEWEST),
	OPERATION("flush", prepare_held_back, run_port_flush),
	OPERATION("flush of all that was held back", prepare_held_back, run_flush),
	OPERATION("lease", NULL, run_alloc),
	OPERATION("lease of what was released and came back", prepare_came_back, run_alloc),
	OPERATION("lease of two", NULL, run_alloc_many),
	OPERATION("return", prepare_spare, run_flush),
	OPERATION("return of what was released", prepare_released, run_flush),
	OPERATION("wait", NULL, run_wait),
	OPERATION("wait that times out", prepare_eventfd, run_wait),
	OPERATION("arm", prepare_eventfd, run_arm),
	OPERATION("push to two connections without a toggle", prepare_alloc, run_fan_out,
		  .flags = OPERATION_TAKES | OPERATION_CROWD),
	OPERATION("dup without a toggle", prepare_alloc, run_share,
		  .flags = OPERATION_TAKES | OPERATION_CROWD),
	OPERATION("release without a toggle", prepare_share, run_release,
		  .flags = OPERATION_TAKES | OPERATION_CROWD),
	OPERATION("flush without a toggle", prepare_dropped, run_flush,
		  .flags = OPERATION_KEEPS | OPERATION_CROWD),
	OPERATION("connect", NULL, run_connect, .flags = OPERATION_NO_CLIENT),
	OPERATION("attach", prepare_connection, run_update),
	OPERATION("detach", NULL, run_detach),
	OPERATION("detach of what somebody took away", prepare_disconnection, run_update,
		  .flags = OPERATION_CUT),
	OPERATION("recover", prepare_left, run_recover, .flags = OPERATION_LEFT),
	OPERATION("end", prepare_held_back, run_end),
	OPERATION("remove", prepare_held_back, run_remove, .flags = OPERATION_ENDS),
	OPERATION("close", prepare_held_back, run_close, .flags = OPERATION_ENDS),
};

const unsigned int n_operations = sizeof(operations) / sizeof(operations[0]);

/* -- signals ------------------------------------------------------------------- */

static sigjmp_buf before;

static void trouble(const char *what, int error)
{
	if (scene_shared->trouble)
		return;
	scene_shared->trouble = what;
	scene_shared->error = error;
}

/* What may be answered to a call that finds nothing, nobody, or no room. */
static bool normal(int r)
{
	return r >= 0 || r == -EAGAIN || r == -ENOTCONN || r == -ENODATA || r == -EPIPE ||
	       r == -ETIMEDOUT;
}

/* Calls of a client that is busy: each is refused, and changes nothing. */
static void be_refused(void)
{
	struct mqshm_port_spec spec = { .name = "port" };
	struct mqshm_buffer got[2] = { { .number = MQSHM_NO_BUFFER }, { .number = MQSHM_NO_BUFFER } };
	struct mqshm_buffer kept = *buf;
	struct mqshm_block *block = me.client->blocks, *other;

#define REFUSED(call) do {					\
		int r = call;					\
		if (r != -EBUSY)				\
			trouble(#call, r);			\
	} while (0)

	REFUSED(mqshm_port_push(me.out[1], &kept, 0));
	REFUSED(mqshm_port_push_many(me.out[1], &kept, 1, 0));
	REFUSED(mqshm_port_flush(me.out[1]));
	REFUSED(mqshm_port_end(me.out[1]));
	REFUSED(mqshm_port_pop_many(me.in[0], got, 2));
	REFUSED(mqshm_port_set_eventfd(me.in[0], -1));
	REFUSED(mqshm_port_arm(me.in[0]));
	REFUSED(mqshm_buffer_alloc_from(me.client, "pool", MQSHM_NO_WAIT, got));
	REFUSED(mqshm_buffer_alloc_many(me.client, 64, MQSHM_NO_WAIT, got, 2));
	REFUSED(mqshm_buffer_release_many(me.client, &kept, 1));
	REFUSED(mqshm_buffer_share(me.client, &kept, got));
	REFUSED(mqshm_buffer_make_writable(me.client, &kept, MQSHM_NO_WAIT));
	REFUSED(mqshm_block_create(me.client, "other", "test", MQSHM_CLASS_SINK, &spec, 1, &other));
#undef REFUSED
	mqshm_block_remove(me.block);
	if (me.client->blocks != block || kept.number != buf->number ||
	    got[0].number != MQSHM_NO_BUFFER || mqshm_port_has_input(me.in[0]) ||
	    mqshm_port_input_size(me.in[0]) || mqshm_port_ended(me.in[0]) ||
	    mqshm_port_has_room(me.out[1]))
		trouble("a call that was refused did something", 0);
}

/*
 * Uses everything once, with buffers of its own; returns what the first call said.
 * All that follow must agree with it on whether the client is busy.
 */
static int use(void)
{
	struct mqshm_buffer mine = { .number = MQSHM_NO_BUFFER }, shared = mine, got = mine;
	int first = mqshm_client_update(me.client), r;

#define TRY(call) do {						\
		r = call;					\
		if (first == -EBUSY ? r != -EBUSY : !normal(r))	\
			trouble(#call, r);			\
	} while (0)

	if (first == -EBUSY)
		be_refused();
	else if (!normal(first))
		trouble("update", first);
	TRY(mqshm_port_pop(me.in[0], &got));
	TRY(mqshm_buffer_alloc(me.client, 64, MQSHM_NO_WAIT, &mine));
	if (mine.number != MQSHM_NO_BUFFER) {
		TRY(mqshm_buffer_share(me.client, &mine, &shared));
		TRY(mqshm_port_push(me.out[1], &shared, 0));
		TRY(mqshm_port_push(me.out[0], &mine, MQSHM_MORE));
		mqshm_buffer_release(me.client, &shared);
		mqshm_buffer_release(me.client, &mine);
	}
	if (got.number != MQSHM_NO_BUFFER)
		TRY(mqshm_buffer_release(me.client, &got));
	TRY(mqshm_wait(me.client, me.in, 1, MQSHM_NO_WAIT, NULL));
	TRY(mqshm_client_flush(me.client));
#undef TRY
	return first == -EBUSY ? first : 0;
}

static void handle(int signal)
{
	(void)signal;
	scene_shared->handled++;
	if (scene_shared->handler == HANDLER_JUMP)
		siglongjmp(before, 1);
	scene_shared->answer = use();
}

/* After a jump: it is tried with what may be in the hand still. */
static void let_go(const struct operation *op)
{
	bool same = copy->number == buf->number;
	int r = mqshm_buffer_release(me.client, buf);

	if (r && r != -EINVAL)
		trouble("release after a jump", r);
	/* of two references to one buffer one may be gone: that shows only at the last */
	r = same ? 0 : mqshm_buffer_release(me.client, copy);
	if (r && (r != -EINVAL || op->flags & OPERATION_KEEPS))
		trouble("release of another buffer", r);
}

static unsigned int my_connections(void)
{
	struct mqshm_snapshot *snap;
	unsigned int n = 0;
	size_t i;

	test_check(mqshm_runtime_snapshot(scene_runtime, &snap), "snapshot");
	for (i = 0; i < snap->n_connections; i++)
		n += (snap->connections[i].from_block == mqshm_block_id(me.block)) +
		     (snap->connections[i].to_block == mqshm_block_id(me.block));
	mqshm_snapshot_free(snap);
	return n;
}

/* A copy, after the operation: the client is as good as new. */
static void work_on(void)
{
	unsigned int i, n = 0;
	int r;

	/* the first may find out only in its last call that a connection has ended */
	for (i = 0; i < 4; i++) {
		r = use();
		if (r)
			trouble("a client that is not busy", r);
	}
	for (i = 0; i < 4; i++) {
		n += me.in[i] ? (unsigned int)mqshm_port_connections(me.in[i]) : 0;
		n += me.out[i] ? (unsigned int)mqshm_port_connections(me.out[i]) : 0;
	}
	if (n != my_connections())
		trouble("connections that the library knows", (int)n);
	scene_shared->hand = 0;
	for (i = 0; i < SCENE_BUFFERS; i++)
		scene_shared->hand += me.client->cells.hold[i];
	scene_shared->worked = 1;
}

void victim_run(const struct operation *op)
{
	struct sigaction action = { .sa_handler = handle };
	struct mqshm_buffer first;

	node_make(&me, "victim", 1, 2, 8, UINT64_MAX);
	scene_await_connections(&me, 4);
	node_alloc(&me, 64, &first);
	node_push(&me, me.out[0], &first, 0);
	while (!__atomic_load_n(&scene_shared->witness_ready, __ATOMIC_SEQ_CST) ||
	       !__atomic_load_n(&scene_shared->peer_ready, __ATOMIC_SEQ_CST))
		usleep(20);
	if (op->prepare)
		op->prepare();
	scene_shared->own[0] = (struct scene_range) { me.client, sizeof(*me.client) };
	scene_shared->own[1] = (struct scene_range) {
		me.block, sizeof(*me.block) + me.block->n_ports * sizeof(me.block->ports[0]),
	};
	sigaction(SIGUSR1, &action, NULL);
	if (!sigsetjmp(before, 1)) {
		step_begin();
		op->run();
	} else {
		scene_shared->recovered = mqshm_client_recover(me.client);
		if (scene_shared->recovered)
			trouble("recover", scene_shared->recovered);
		let_go(op);
	}
	step_end();
	if (!(op->flags & OPERATION_ENDS))
		work_on();
	raise(SIGSTOP);
	_exit(0);
}
