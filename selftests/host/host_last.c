// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last references to a buffer are released at the same time by processes on
 * processors of their own: exactly one is the last holder. It keeps the buffer (hold
 * and count are 1), or, without a toggle, the depot has it; the others have nothing.
 *
 * The pool has one buffer. Whoever had it last hands each of the others a reference;
 * when all have theirs, all release. A client that read the count before another one's
 * release and is the last holder all the same shows that by its intent: it was written
 * for a compare-and-swap, and that one failed. Such a round was met; they are counted.
 * So that there are many, all begin at one moment of the processors' common clock, each
 * a little later or not: the ways to their compare-and-swaps are not the same.
 *
 * usage: host_last [ROUNDS]
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "race.h"
#include "test.h"

#define PLAYERS_MAX	3
#define JITTER		200	/* ticks of the clock that one may start later */

/**
 * struct play - one way to do it
 * @what: in words
 * @players: processes
 * @dup: the one who hands out makes one reference more in the race, and drops two
 * @crowd: idle clients that join first; behind 48 there is no toggle
 * @share: of the rounds, in percent
 */
static const struct play {
	const char *what;
	unsigned int players;
	bool dup;
	unsigned int crowd;
	unsigned int share;
} plays[] = {
	{ "two release", 2, false, 0, 100 },
	{ "one shares and releases twice, one releases", 2, true, 0, 20 },
	{ "one shares and releases twice, two release", 3, true, 0, 5 },
	{ "two release, one of them without a toggle", 2, false, 47, 10 },
};

/**
 * struct turn - what a player did in a round
 * @hold: references in his hand after it
 * @freed: whether he dropped the last one, by his own count
 * @met: whether he was the last holder after a compare-and-swap that failed
 */
struct turn {
	uint16_t hold;
	bool freed;
	bool met;
};

/**
 * struct table - what the players share
 * @play: what is played
 * @rounds: how often
 * @race: where they meet
 * @turns: of this round
 * @giver: who hands out in the next round
 * @count: of the buffer, read between two rounds
 * @met: rounds that were met
 * @in_depot: rounds after which the depot had the buffer
 * @wrong: rounds with another end than the right one
 */
static struct table {
	const struct play *play;
	unsigned int rounds;
	struct race race;
	struct turn turns[PLAYERS_MAX] __attribute__((aligned(128)));
	unsigned int giver;
	uint64_t met;
	uint64_t in_depot;
	uint64_t wrong;
} *table;

/* The buffer comes from the giver's magazine, or from the depot. */
static void hand_out(struct node *n, struct mqshm_buffer *buf)
{
	struct mqshm_buffer copy;
	unsigned int i;

	test_check(mqshm_buffer_alloc(n->client, 64, MQSHM_NO_WAIT, buf), "alloc");
	for (i = 0; i + 1 < table->play->players; i++) {
		test_check(mqshm_buffer_share(n->client, buf, &copy), "share");
		test_check(mqshm_port_push(n->out[i], &copy, 0), "push");
	}
}

static void receive(struct node *n, struct racer *racer, struct mqshm_buffer *buf)
{
	unsigned int i;

	for (;;) {
		for (i = 0; i + 1 < table->play->players; i++) {
			int r = mqshm_port_pop(n->in[i], buf);

			if (!r)
				return;
			if (r != -EAGAIN)
				test_die("pop", r);
		}
		racer_look_again(racer);
	}
}

static void race(struct node *n, struct mqshm_buffer *buf, bool giver)
{
	struct mqshm_buffer copy;

	if (giver && table->play->dup) {
		test_check(mqshm_buffer_share(n->client, buf, &copy), "share");
		test_check(mqshm_buffer_release(n->client, &copy), "release");
	}
	test_check(mqshm_buffer_release(n->client, buf), "release");
	/* without a toggle the kernel drops it, at the latest now */
	if (!n->client->cells.toggle)
		test_check(mqshm_client_publish(n->client), "publish");
}

/* Counts what they say; the one who has it is the next one to hand out. */
static void judge(const struct node *n, uint32_t buffer)
{
	const struct pool *pool = mqshm_pool_lookup(n->client, buffer);
	unsigned int i, holds = 0, freed = 0;
	uint64_t in_depot = 0;

	table->giver = 0;
	for (i = 0; i < table->play->players; i++) {
		const struct turn *turn = &table->turns[i];

		holds += turn->hold;
		freed += turn->freed;
		if (turn->hold)
			table->giver = i;
		table->met += turn->met;
	}
	if (!holds)
		in_depot = table->play->crowd && !freed;
	table->in_depot += in_depot;
	if (holds + in_depot == 1 && freed == holds && proto_count(*pool_w(pool, buffer)) == 1)
		return;
	if (!table->wrong++)
		test_note("%u holders, %u of them by their own count, count %u", holds, freed,
			  proto_count(*pool_w(pool, buffer)));
}

static bool intends_release(const struct node *n, uint32_t buffer)
{
	uint64_t intent = n->client->control->intent;

	return MQSHM_INTENT_OP(intent) == MQSHM_OP_RELEASE &&
	       MQSHM_INTENT_BUFFER(intent) == buffer && MQSHM_INTENT_HOLD(intent) == 1;
}

static void round_play(struct node *n, struct racer *racer, unsigned int me)
{
	struct mqshm_buffer buf;
	bool giver = table->giver == me;
	uint64_t freed = n->client->control->freed;
	uint32_t buffer;

	if (giver)
		hand_out(n, &buf);
	else
		receive(n, racer, &buf);
	buffer = buf.number;
	racer_line_up(racer, JITTER);
	race(n, &buf, giver);
	table->turns[me] = (struct turn) {
		.hold = n->client->cells.hold[buffer],
		.freed = n->client->control->freed != freed,
	};
	table->turns[me].met = table->turns[me].hold && intends_release(n, buffer);
	racer_meet(racer);
	if (!me)
		judge(n, buffer);
	racer_meet(racer);
}

/* Each has an output to each other one. */
static void player(unsigned int me)
{
	static const char *const names[PLAYERS_MAX] = { "a", "b", "c" };
	unsigned int others = table->play->players - 1, i;
	uint64_t connections[2] = {};
	struct racer racer = racer_make(&table->race, table->play->players, me);
	struct node n;

	node_make(&n, names[me], others, others, 4, UINT64_MAX);
	n.connections = connections;
	while (connections[MQSHM_DIR_IN] + connections[MQSHM_DIR_OUT] != 2 * others) {
		usleep(20);
		test_check(mqshm_client_update(n.client), "update");
		node_report(&n);
	}
	for (i = 0; i < table->rounds && !table->wrong; i++)
		round_play(&n, &racer, me);
	mqshm_client_close(n.client);
	_exit(0);
}

static void connect_one(struct mqshm_runtime *rt, const char *from, const char *to)
{
	int r;

	while ((r = mqshm_connect(rt, from, to, NULL)) == -ENOENT)
		usleep(100);
	test_check(r, "connect");
}

static void connect_players(struct mqshm_runtime *rt)
{
	connect_one(rt, "a:out1", "b:in1");
	connect_one(rt, "b:out1", "a:in1");
	if (table->play->players < 3)
		return;
	connect_one(rt, "a:out2", "c:in1");
	connect_one(rt, "b:out2", "c:in2");
	connect_one(rt, "c:out1", "a:in2");
	connect_one(rt, "c:out2", "b:in2");
}

static void run(const struct play *play, unsigned int rounds)
{
	struct mqshm_runtime *rt = runtime_make(64, 1);
	struct mqshm_client *crowd[MQSHM_TOGGLES];
	unsigned int i, failed = 0;
	int status;

	memset(table, 0, sizeof(*table));
	table->play = play;
	table->rounds = rounds;
	for (i = 0; i < play->crowd; i++)
		test_check(mqshm_client_join(RUNTIME, NULL, &crowd[i]), "join");
	for (i = 0; i < play->players; i++)
		if (!host_fork())
			player(i);
	connect_players(rt);
	for (i = 0; i < play->players; i++)
		failed += host_wait(-1, -1, &status) <= 0 || status;
	test_ok(!failed && !table->wrong && !host_check(),
		"%s, %u times: one last holder each time", play->what, rounds);
	test_note("%llu times they met in the race, %llu times the depot had it",
		  (unsigned long long)table->met, (unsigned long long)table->in_depot);
	for (i = 0; i < play->crowd; i++)
		mqshm_client_close(crowd[i]);
	mqshm_runtime_close(rt);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 100000, i;

	host_start();
	table = test_shared(sizeof(*table));
	for (i = 0; i < sizeof(plays) / sizeof(plays[0]); i++)
		run(&plays[i], rounds / 100 * plays[i].share);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
