// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a process of a storm does until it is killed: makes messages, or takes what
 * comes at its inputs, keeps several for a while, shares and changes them, passes them
 * on. Whoever holds a reference checks the payload when it gets it and again when it
 * lets go.
 *
 * Nobody sleeps while it holds what others may wait for: without input, or without a
 * free buffer, everything is let go of first. Only for room in a ring it waits with
 * full hands: its consumers never wait for buffers.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "storm.h"

#define HELD_MAX	12
#define BATCH		4
#define LIVES		8	/* lives of one writer whose sequences are told apart */

/**
 * struct mark - what a buffer begins with; the rest of it repeats @sum
 * @writer: node, and in bits 8 and up its life
 * @sequence: counts the marks of that life
 * @id: of the buffer, as mqshm_buffer_id()
 * @sum: made of these
 */
struct mark {
	uint64_t writer;
	uint64_t sequence;
	uint64_t id;
	uint64_t sum;
};

/**
 * struct held - a reference in the hand
 * @buf: it
 * @mark: what its payload was when it came, or when this node wrote it
 * @kept: a share of a message that was passed on: to be released only
 */
struct held {
	struct mqshm_buffer buf;
	struct mark mark;
	bool kept;
};

/* How a node sleeps. */
enum way {
	WAY_WAIT,
	WAY_SPIN,	/* looks for a while first */
	WAY_POLL,
	WAY_EVENTFD,
	WAY_YIELD,	/* never sleeps */
	WAYS
};

/**
 * struct life - a node, from its start to its death
 * @storm: what it shares with the others
 * @n: client, block and ports
 * @report: what it tells
 * @me: number of the node
 * @writer: of its marks
 * @sequence: of its next mark
 * @seed: its random numbers
 * @way: how it sleeps
 * @patience: references it keeps while there is input
 * @more: one push in so many is flushed at once
 * @eventfd: for WAY_EVENTFD
 * @held: references in the hand, oldest first
 * @n_held: how many
 * @in_order: writers whose marks come to this node by one connection only
 * @last: of these, by writer and life: last mark seen
 */
struct life {
	struct storm *storm;
	struct node n;
	struct storm_report *report;
	unsigned int me;
	uint64_t writer;
	uint64_t sequence;
	uint64_t seed;
	enum way way;
	unsigned int patience;
	unsigned int more;
	int eventfd;
	struct held held[HELD_MAX];
	unsigned int n_held;
	uint32_t in_order;
	struct mark last[NODES_MAX][LIVES];
};

__attribute__((noreturn)) static void fail(struct life *l, const char *what, int error)
{
	__atomic_fetch_add(&l->storm->faults, 1, __ATOMIC_SEQ_CST);
	fprintf(stderr, "# n%u, life %llu, %s: ", l->me, (unsigned long long)l->writer >> 8,
		l->report->doing);
	test_die(what, error);
}

static void check(struct life *l, int error, const char *what)
{
	if (error < 0)
		fail(l, what, error);
}

static void doing(struct life *l, const char *what)
{
	__atomic_store_n(&l->report->doing, what, __ATOMIC_RELAXED);
}

/* -- payload -------------------------------------------------------------------- */

static uint64_t mark_sum(const struct mark *m)
{
	return (m->writer ^ m->sequence << 20 ^ m->id << 40) * 0x9e3779b97f4a7c15ULL + 1;
}

static void payload_write(struct life *l, struct held *h)
{
	uint64_t *p = mqshm_buffer_data(l->n.client, &h->buf);
	size_t i, words = mqshm_buffer_capacity(l->n.client, &h->buf) / sizeof(*p);

	h->mark = (struct mark) { l->writer, l->sequence++,
				  mqshm_buffer_id(l->n.client, &h->buf), 0 };
	h->mark.sum = mark_sum(&h->mark);
	memcpy(p, &h->mark, sizeof(h->mark));
	for (i = sizeof(h->mark) / sizeof(*p); i < words; i++)
		p[i] = h->mark.sum;
	h->buf.length = (uint32_t)(words * sizeof(*p));
}

__attribute__((noreturn)) static void payload_wrong(struct life *l, const struct held *h,
						    const char *when)
{
	const struct mark *m = mqshm_buffer_data(l->n.client, &h->buf);

	fprintf(stderr, "# buffer %u: writer %llx, sequence %llu, id %llx, sum %llx; %s "
		"writer %llx, sequence %llu, id %llx, buffer has id %llx\n", h->buf.number,
		(unsigned long long)m->writer, (unsigned long long)m->sequence,
		(unsigned long long)m->id, (unsigned long long)m->sum, when,
		(unsigned long long)h->mark.writer, (unsigned long long)h->mark.sequence,
		(unsigned long long)h->mark.id,
		(unsigned long long)mqshm_buffer_id(l->n.client, &h->buf));
	fail(l, "payload", -EBADMSG);
}

/* It is what it was, to the last byte. */
static void payload_check(struct life *l, const struct held *h, const char *when)
{
	const uint64_t *p = mqshm_buffer_data(l->n.client, &h->buf);
	size_t i, words = mqshm_buffer_capacity(l->n.client, &h->buf) / sizeof(*p);
	bool good = !memcmp(p, &h->mark, sizeof(h->mark)) &&
		    mqshm_buffer_id(l->n.client, &h->buf) == h->mark.id;

	for (i = sizeof(h->mark) / sizeof(*p); i < words; i++)
		good &= p[i] == h->mark.sum;
	if (!good)
		payload_wrong(l, h, when);
}

/*
 * What is left in a new buffer of an allocation before; it may be half written, or the
 * copy of another one, if who made it to change it died before that.
 */
static void id_check(struct life *l, struct held *h)
{
	memcpy(&h->mark, mqshm_buffer_data(l->n.client, &h->buf), sizeof(h->mark));
	if (h->mark.sum == mark_sum(&h->mark) && (h->mark.id & 0xfffff) == h->buf.number &&
	    h->mark.id >= mqshm_buffer_id(l->n.client, &h->buf))
		payload_wrong(l, h, "allocated, was");
}

/* Whether such a message can come here, and in its turn. */
static bool mark_expected(struct life *l, const struct mark *m)
{
	const struct plan *plan = &l->storm->plan;
	uint64_t from = m->writer & 0xff, life = m->writer >> 8;
	struct mark *last;

	if (m->sum != mark_sum(m) || from >= plan->nodes ||
	    !(plan->reaches[from] & 1U << l->me) ||
	    life > __atomic_load_n(&l->storm->node[from].starts, __ATOMIC_RELAXED))
		return false;
	if (!(l->in_order & 1U << from))
		return true;
	last = &l->last[from][life % LIVES];
	if (last->writer == m->writer && last->sequence >= m->sequence)
		return false;
	*last = *m;
	return true;
}

/* Writers with one connection to here and no other way; cut ones may overtake. */
static uint32_t writers_in_order(const struct plan *plan, unsigned int me)
{
	unsigned int from, i, direct, around;
	uint32_t set = 0;

	for (from = 0; from < me && !plan->meddler; from++) {
		direct = around = 0;
		for (i = 0; i < plan->edges; i++) {
			if (plan->edge[i].to != me)
				continue;
			direct += plan->edge[i].from == from;
			around += !!(plan->reaches[from] & 1U << plan->edge[i].from);
		}
		if (direct == 1 && !around)
			set |= 1U << from;
	}
	return set;
}

/* -- sleeping --------------------------------------------------------------------- */

static void sleep_eventfd(struct life *l, struct mqshm_port *const *ports, size_t n)
{
	struct pollfd pfd = { .fd = l->eventfd, .events = POLLIN };
	eventfd_t count;
	size_t i;
	int r;

	for (i = 0; i < n; i++) {
		r = mqshm_port_arm(ports[i]);
		if (r == -EAGAIN)
			return;
		check(l, r, "arm");
	}
	if (poll(&pfd, 1, -1) == 1)
		eventfd_read(l->eventfd, &count);
}

/* Until there may be something at one of the inputs. */
static void sleep_input(struct life *l, struct mqshm_port *const *ports, size_t n)
{
	switch (l->way) {
	case WAY_POLL:
		check(l, mqshm_client_flush(l->n.client), "flush");
		if (host_poll(mqshm_client_fd(l->n.client), POLLIN, 0) & POLLERR)
			fail(l, "poll", -EIO);
		break;
	case WAY_EVENTFD:
		sleep_eventfd(l, ports, n);
		break;
	case WAY_YIELD:
		sched_yield();
		break;
	default:
		check(l, mqshm_wait(l->n.client, ports, n, MQSHM_FOREVER, NULL), "wait for input");
		return;
	}
	check(l, mqshm_client_update(l->n.client), "update");
}

static void sleep_room(struct life *l, struct mqshm_port *port)
{
	if (l->way == WAY_YIELD) {
		sched_yield();
		check(l, mqshm_client_update(l->n.client), "update");
	} else {
		check(l, mqshm_wait(l->n.client, &port, 1, MQSHM_FOREVER, NULL), "wait for room");
	}
}

/* -- moving references ---------------------------------------------------------------- */

static void release(struct life *l, struct held *h)
{
	payload_check(l, h, "held as");
	check(l, mqshm_buffer_release(l->n.client, &h->buf), "release");
}

static void push(struct life *l, unsigned int port, struct held *h)
{
	uint32_t flags = random_below(&l->seed, l->more) ? MQSHM_MORE : 0;
	int r;

	payload_check(l, h, "held as");
	while ((r = mqshm_port_push(l->n.out[port], &h->buf, flags))) {
		if (r != -EAGAIN && r != -ENOTCONN)
			fail(l, "push", r);
		doing(l, r == -EAGAIN ? "waits for room" : "waits for a connection");
		sleep_room(l, l->n.out[port]);
		node_report(&l->n);
	}
	doing(l, "pushed");
}

/* One of those that have edges; there is one. */
static unsigned int port_choose(struct life *l, unsigned int dir)
{
	unsigned int port = (unsigned int)random_below(&l->seed, PORTS);

	return l->storm->plan.ports[l->me][dir] & 1U << port ? port : 1 - port;
}

/* A message goes on, or ends here; of some a share is kept for later. */
static void pass_on(struct life *l, struct held *h)
{
	struct held share = *h;

	if (h->kept || !l->storm->plan.ports[l->me][MQSHM_DIR_OUT] || !random_below(&l->seed, 16)) {
		release(l, h);
		return;
	}
	share.kept = l->n_held < HELD_MAX - BATCH && !random_below(&l->seed, 4);
	if (share.kept) {
		check(l, mqshm_buffer_share(l->n.client, &h->buf, &share.buf), "share");
		l->held[l->n_held++] = share;
	}
	push(l, port_choose(l, MQSHM_DIR_OUT), h);
}

/* Changes it where it lies, if nobody else holds it, or a copy if there is a free buffer. */
static void change(struct life *l, struct held *h)
{
	int r = -EAGAIN;

	if (!random_below(&l->seed, 4))
		r = mqshm_buffer_make_writable(l->n.client, &h->buf, MQSHM_NO_WAIT);
	if (r != -EAGAIN)
		check(l, r, "make writable");
	if (memcmp(mqshm_buffer_data(l->n.client, &h->buf), &h->mark, sizeof(h->mark)))
		payload_wrong(l, h, "made writable, was");
	if (!r || mqshm_buffer_is_sole(l->n.client, &h->buf))
		payload_write(l, h);
}

static void let_go_of_oldest(struct life *l)
{
	struct held h = l->held[0];
	struct mqshm_buffer twin;

	l->n_held--;
	memmove(l->held, l->held + 1, l->n_held * sizeof(*l->held));
	payload_check(l, &h, "held as");
	switch (random_below(&l->seed, 8)) {
	case 0:
	case 1:
		if (!h.kept)
			change(l, &h);
		break;
	case 2:
		check(l, mqshm_buffer_share(l->n.client, &h.buf, &twin), "share");
		check(l, mqshm_buffer_release(l->n.client, &twin), "release");
		break;
	}
	pass_on(l, &h);
}

/* Returns how many messages came. */
static unsigned int take(struct life *l, struct mqshm_port *port)
{
	struct mqshm_buffer bufs[BATCH];
	unsigned int room = HELD_MAX - l->n_held, i;
	int r = mqshm_port_pop_many(port, bufs, room < BATCH ? room : BATCH);

	node_report(&l->n);
	if (r == -EAGAIN)
		return 0;
	check(l, r, "pop");
	for (i = 0; i < (unsigned int)r; i++) {
		struct held *h = &l->held[l->n_held++];

		*h = (struct held) { .buf = bufs[i] };
		memcpy(&h->mark, mqshm_buffer_data(l->n.client, &h->buf), sizeof(h->mark));
		payload_check(l, h, "popped");
		if (!mark_expected(l, &h->mark))
			payload_wrong(l, h, "not to be expected here:");
	}
	__atomic_fetch_add(&l->report->messages, (unsigned int)r, __ATOMIC_RELAXED);
	return (unsigned int)r;
}

__attribute__((noreturn)) static void work(struct life *l)
{
	struct mqshm_port *ports[PORTS];
	unsigned int i, n = 0, got;

	for (i = 0; i < PORTS; i++)
		if (l->storm->plan.ports[l->me][MQSHM_DIR_IN] & 1U << i)
			ports[n++] = l->n.in[i];
	for (;;) {
		for (i = 0, got = 0; i < n && l->n_held < HELD_MAX; i++)
			got += take(l, ports[i]);
		if (!got && !l->n_held) {
			doing(l, "waits for input");
			sleep_input(l, ports, n);
			doing(l, "works");
		}
		while (l->n_held > l->patience)
			let_go_of_oldest(l);
		if (!got && l->n_held)
			let_go_of_oldest(l);
	}
}

/*
 * Sleeps for a buffer of that pool, but only with empty hands. No way to sleep is
 * without this one: to ask again and again tells nobody that he is to give up spares.
 */
static bool make(struct life *l, struct held *h)
{
	const struct pool_plan *pool =
		&l->storm->plan.pool[random_below(&l->seed, l->storm->plan.pools)];
	bool any = !random_below(&l->seed, 8);
	uint64_t deadline_ns = MQSHM_NO_WAIT;
	int r;

	if (!l->n_held) {
		deadline_ns = MQSHM_FOREVER;
		doing(l, "waits for a buffer");
	}
	r = any ? mqshm_buffer_alloc(l->n.client, pool->buffer_bytes, deadline_ns, &h->buf) :
		  mqshm_buffer_alloc_from(l->n.client, pool->name, deadline_ns, &h->buf);
	node_report(&l->n);
	if (r == -EAGAIN)
		return false;
	check(l, r, "alloc");
	doing(l, "works");
	h->kept = false;
	id_check(l, h);
	payload_write(l, h);
	return true;
}

__attribute__((noreturn)) static void source(struct life *l)
{
	struct held h;

	for (;;) {
		if (l->n_held > l->patience)
			let_go_of_oldest(l);
		if (make(l, &h))
			pass_on(l, &h);
		else if (l->n_held)
			let_go_of_oldest(l);
	}
}

/* -- a life ------------------------------------------------------------------------------ */

static void client_make(struct life *l)
{
	char name[NAME_BYTES];
	struct mqshm_client_options options = {
		.process_name = name,
		.spin_ns = l->way == WAY_SPIN ? 2000 : UINT64_MAX,
	};
	struct mqshm_port_spec specs[2 * PORTS] = {
		{ .name = "in1", .direction = MQSHM_DIR_IN },
		{ .name = "in2", .direction = MQSHM_DIR_IN },
		{ .name = "out1", .direction = MQSHM_DIR_OUT },
		{ .name = "out2", .direction = MQSHM_DIR_OUT },
	};
	unsigned int i;

	node_name(name, l->me);
	for (i = 0; i < PORTS; i++) {
		specs[i].depth = l->storm->plan.depth[l->me];
		if (l->storm->plan.optional[l->me])
			specs[PORTS + i].flags = MQSHM_PORT_OPTIONAL;
	}
	check(l, mqshm_client_join(RUNTIME, &options, &l->n.client), "join");
	check(l, mqshm_block_create(l->n.client, name, "Storm", MQSHM_CLASS_PROCESSING, specs,
				    2 * PORTS, &l->n.block), "block");
	for (i = 0; i < PORTS; i++) {
		l->n.in[i] = mqshm_block_port(l->n.block, specs[i].name);
		l->n.out[i] = mqshm_block_port(l->n.block, specs[PORTS + i].name);
		if (l->way == WAY_EVENTFD)
			check(l, mqshm_port_set_eventfd(l->n.in[i], l->eventfd), "eventfd");
	}
}

void storm_node(struct storm *storm, struct mqshm_runtime *rt, unsigned int node)
{
	struct storm_report *report = &storm->node[node];
	static struct life l;
	unsigned int i;

	l.storm = storm;
	l.report = report;
	l.me = node;
	l.writer = report->starts << 8 | node;
	l.seed = seed_derive(storm->plan.seed, node, report->starts);
	l.way = (enum way)random_below(&l.seed, WAYS);
	l.patience = (unsigned int)random_below(&l.seed, HELD_MAX - BATCH + 1);
	l.more = 1U << random_below(&l.seed, 4);
	l.in_order = writers_in_order(&storm->plan, node);
	if (l.way == WAY_EVENTFD)
		l.eventfd = eventfd(0, EFD_CLOEXEC);
	doing(&l, "joins");
	client_make(&l);
	l.n.connections = report->connections;
	doing(&l, "connects");
	/* whichever end comes last connects them */
	for (i = 0; i < storm->plan.edges; i++)
		if (storm->plan.edge[i].from == node || storm->plan.edge[i].to == node)
			edge_connect(storm, rt, i);
	doing(&l, "works");
	if (storm->plan.ports[node][MQSHM_DIR_IN])
		work(&l);
	else
		source(&l);
}
