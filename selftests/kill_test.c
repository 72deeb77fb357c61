// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kills at random moments in mid-stream, of a source, a forwarder or a sink: after
 * each no reference is lost or doubled, the others are told, and the graph goes on
 * with a restarted block.
 */

#include "kselftest_harness.h"

#include <signal.h>

#include "graph.h"
#include "mqshm_test.h"

enum role { SOURCE, FORWARDER, SINK, SECOND_SINK, ROLES };

static const char *const names[ROLES] = { "source", "forwarder", "sink", "second" };

/**
 * struct worker - one process of the graph, in shared memory
 * @moved: messages that it handled
 * @deaths: connections that it saw end by death
 * @losses: connections of its output that it saw go
 * @outputs: connections of its output
 * @parked: it saw @stage.park and touches nothing
 * @life: how often it was started
 */
struct worker {
	volatile uint64_t moved;
	volatile uint64_t deaths;
	volatile uint64_t losses;
	volatile uint64_t outputs;
	volatile uint32_t parked;
	volatile uint32_t life;
};

/**
 * struct stage - shared with all workers
 * @park: to be parked at; counts
 * @stop: end
 */
struct stage {
	volatile uint32_t park;
	volatile uint32_t stop;
	struct worker workers[ROLES];
};

static struct stage *stage;

/* Stands still while the whole is counted. */
static void park(struct worker *w)
{
	uint32_t park = stage->park;

	if (!(park & 1))
		return;
	w->parked = park;
	while (stage->park == park && !stage->stop)
		sleep_us(100);
}

/* Short, so that a worker that sleeps is parked soon. Lost wake-ups show as slowness
 * that the parent does not wait out: it sees no message move for PATIENCE_MS. */
static void rest(struct node *n, struct mqshm_port *p)
{
	int r = mqshm_wait(n->client, &p, 1, after_ms(PATIENCE_MS), NULL);

	must(r >= 0 || r == -ETIMEDOUT || r == -EINTR);
}

static void count_losses(struct node *n, struct worker *w)
{
	size_t has = mqshm_port_connections(n->out[0]);

	if (has < w->outputs)
		w->losses += w->outputs - has;
	w->outputs = has;
}

static void push_or_drop(struct node *n, struct worker *w, struct mqshm_buffer *buf)
{
	while (!stage->stop) {
		int err = mqshm_port_push(n->out[0], buf, 0);

		count_losses(n, w);
		if (!err)
			return;
		must(err == -EAGAIN || err == -ENOTCONN);
		park(w);
		rest(n, n->out[0]);
		count_losses(n, w);
	}
	must(mqshm_buffer_release(n->client, buf) == 0);
}

static void work_source(struct node *n, struct worker *w)
{
	struct mqshm_buffer buf;
	int err;

	while (!stage->stop) {
		park(w);
		err = mqshm_buffer_alloc(n->client, sizeof(struct message),
					 after_ms(PATIENCE_MS), &buf);
		if (err == -EAGAIN || err == -EINTR)
			continue;
		must(err == 0);
		message_fill(mqshm_buffer_data(n->client, &buf), w->life, w->moved);
		push_or_drop(n, w, &buf);
		w->moved++;
	}
}

/* One message, or none when it is time to stop. */
static bool take(struct node *n, struct worker *w, struct mqshm_buffer *buf)
{
	while (!stage->stop) {
		int err;

		park(w);
		err = mqshm_port_pop(n->in[0], buf);
		w->deaths = mqshm_port_deaths(n->in[0]);
		if (!err)
			return true;
		must(err == -EAGAIN);
		rest(n, n->in[0]);
	}
	return false;
}

static void work_forwarder(struct node *n, struct worker *w)
{
	struct mqshm_buffer buf;

	while (take(n, w, &buf)) {
		if (mqshm_buffer_is_sole(n->client, &buf))
			((struct message *)mqshm_buffer_data(n->client, &buf))->hops++;
		push_or_drop(n, w, &buf);
		w->moved++;
	}
}

/* Whole, and in order as long as source and forwarder live. */
static void work_sink(struct node *n, struct worker *w)
{
	uint32_t source = 0;
	uint64_t last = 0;
	struct mqshm_buffer buf, more;

	while (take(n, w, &buf)) {
		struct message *m = mqshm_buffer_data(n->client, &buf);

		must(message_good(m, m->source, m->sequence));
		must(m->source > source || (m->source == source && (!last || m->sequence > last)) ||
		     m->source < source);
		if (m->source >= source) {
			source = m->source;
			last = m->sequence;
		}
		if (w->moved & 1) {
			must(mqshm_buffer_share(n->client, &buf, &more) == 0);
			must(mqshm_buffer_release(n->client, &more) == 0);
		}
		must(mqshm_buffer_release(n->client, &buf) == 0);
		w->moved++;
	}
}

static void work(void *arg)
{
	enum role role = (long)arg;
	struct worker *w = &stage->workers[role];
	struct node n;

	must(node_open(&n, runtime_name(), names[role],
		       &(struct node_options){ .ins = role != SOURCE, .outs = role < SINK,
					      .depth = 8,
					       .spin_ns = UINT64_MAX }) == 0);
	if (role == SOURCE)
		work_source(&n, w);
	else if (role == FORWARDER)
		work_forwarder(&n, w);
	else
		work_sink(&n, w);
	node_close(&n);
}

FIXTURE(kill)
{
	int fd;
	pid_t pids[ROLES];
	__u64 seed;
	unsigned int roles;
};

FIXTURE_VARIANT(kill)
{
	unsigned int roles;
	unsigned int buffers;
};

FIXTURE_VARIANT_ADD(kill, chain) { .roles = 3, .buffers = 64 };
FIXTURE_VARIANT_ADD(kill, fan_out) { .roles = 4, .buffers = 64 };
/* Everybody waits for buffers all the time. */
FIXTURE_VARIANT_ADD(kill, chain_of_3_buffers) { .roles = 3, .buffers = 3 };

static void start(FIXTURE_DATA(kill) *self, enum role role)
{
	stage->workers[role].life++;
	stage->workers[role].parked = 0;
	self->pids[role] = spawn(work, (void *)(long)role);
}

/* The connections that @role has, both ways, once all blocks are there. */
static int connect_role(FIXTURE_DATA(kill) *self, enum role role)
{
	static const enum role edges[][2] = {
		{ SOURCE, FORWARDER }, { FORWARDER, SINK }, { FORWARDER, SECOND_SINK },
	};
	int err = 0;

	for (unsigned int i = 0; !err && i < self->roles; i++)
		err = graph_wait_block(self->fd, names[i], PATIENCE_MS);
	for (size_t i = 0; !err && i < ARRAY_SIZE(edges); i++) {
		if (edges[i][1] >= self->roles || (edges[i][0] != role && edges[i][1] != role))
			continue;
		err = graph_connect(self->fd, names[edges[i][0]], names[edges[i][1]], NULL);
		if (err == -EEXIST)
			err = 0;
	}
	return err;
}

/* Every worker has handled another message. */
static bool all_move(FIXTURE_DATA(kill) *self)
{
	uint64_t before[ROLES], deadline = after_ms(PATIENCE_MS);

	for (unsigned int i = 0; i < self->roles; i++)
		before[i] = stage->workers[i].moved;
	for (unsigned int i = 0; i < self->roles; i++) {
		while (stage->workers[i].moved == before[i]) {
			if (now_ns() > deadline)
				return false;
			sleep_us(50);
		}
	}
	return true;
}

static unsigned int count_parked(FIXTURE_DATA(kill) *self, enum role dead)
{
	unsigned int parked = 0;

	for (unsigned int i = 0; i < self->roles; i++)
		parked += i != dead && stage->workers[i].parked == stage->park;
	return parked;
}

/*
 * With all live workers parked or asleep in the module: each buffer is free, queued,
 * or in the hands of somebody alive. In a fan-out one that is shared counts for
 * each holder, so there it can only be said that none is missing.
 */
static bool all_accounted(FIXTURE_DATA(kill) *self, enum role dead, struct tally *t)
{
	uint64_t deadline = after_ms(3000);
	bool whole = false;

	stage->park += 1;
	while (!whole && now_ns() < deadline) {
		if (tally_take(self->fd, t))
			break;
		/* whoever is not busy sleeps; nobody is both */
		whole = t->busy <= count_parked(self, dead) &&
			(self->roles == 3 ? tally_whole(t) :
			 !t->quarantined && t->free + t->held + t->queued >= t->buffers);
		if (!whole)
			sleep_us(200);
	}
	stage->park += 1;
	return whole;
}

FIXTURE_SETUP(kill)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	ASSERT_EQ(0, pool_create(self->fd, "pool", sizeof(struct message),
				 variant->buffers, NULL));
	stage = shared_memory(sizeof(*stage));
	self->seed = random_seed();
	self->roles = variant->roles;
	for (enum role role = SOURCE; role < self->roles; role++)
		start(self, role);
	for (enum role role = SOURCE; role < self->roles; role++) {
		ASSERT_EQ(0, connect_role(self, role));
	}
}

FIXTURE_TEARDOWN(kill)
{
}

TEST_F_TIMEOUT(kill, at_random_moments, 1800)
{
	unsigned int kills = rounds(80, 700);
	struct tally t;

	for (unsigned int i = 0; i < kills; i++) {
		enum role victim = random_next(&self->seed) % self->roles;

		ASSERT_TRUE(all_move(self)) TH_LOG("the graph stands still before kill %u", i);
		sleep_us(random_next(&self->seed) % 2000);
		slay(self->pids[victim]);
		ASSERT_TRUE(all_accounted(self, victim, &t))
			TH_LOG("kill %u, of %s: %llu free, %llu held, %llu queued of %llu", i,
			       names[victim],
			       (unsigned long long)t.free, (unsigned long long)t.held,
			       (unsigned long long)t.queued, (unsigned long long)t.buffers);
		ASSERT_EQ(self->roles - 1, t.clients);
		start(self, victim);
		ASSERT_EQ(0, connect_role(self, victim))
			TH_LOG("after kill %u, of %s", i, names[victim]);
	}
	ASSERT_TRUE(all_move(self));
	stage->stop = 1;
	for (unsigned int i = 0; i < self->roles; i++)
		slay(self->pids[i]);
	EXPECT_EQ(0, tally_wait_free(self->fd, &t, 2000));
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

TEST_F(kill, consumer_is_told)
{
	uint64_t deaths, deadline;

	ASSERT_TRUE(all_move(self));
	deaths = stage->workers[FORWARDER].deaths;
	slay(self->pids[SOURCE]);
	for (deadline = after_ms(5000); stage->workers[FORWARDER].deaths == deaths && now_ns() < deadline;)
		sleep_us(200);
	EXPECT_EQ(deaths + 1, stage->workers[FORWARDER].deaths);
}

TEST_F(kill, producer_is_told)
{
	uint64_t losses, deadline;

	ASSERT_TRUE(all_move(self));
	losses = stage->workers[FORWARDER].losses;
	slay(self->pids[SINK]);
	for (deadline = after_ms(5000); stage->workers[FORWARDER].losses == losses && now_ns() < deadline;)
		sleep_us(200);
	EXPECT_EQ(losses + 1, stage->workers[FORWARDER].losses);
}

/* All at once, again and again. */
TEST_F_TIMEOUT(kill, everybody, 1800)
{
	unsigned int cycles = rounds(14, 300);
	struct tally t;

	for (unsigned int i = 0; i < cycles; i++) {
		ASSERT_TRUE(all_move(self));
		sleep_us(random_next(&self->seed) % 2000);
		for (enum role role = SOURCE; role < self->roles; role++)
			kill(self->pids[role], SIGKILL);
		for (enum role role = SOURCE; role < self->roles; role++)
			reap(self->pids[role]);
		ASSERT_EQ(0, tally_wait_free(self->fd, &t, 2000));
		ASSERT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
		for (enum role role = SOURCE; role < self->roles; role++)
			start(self, role);
		for (enum role role = SOURCE; role < self->roles; role++) {
			ASSERT_EQ(0, connect_role(self, role));
		}
	}
}

TEST_HARNESS_MAIN
