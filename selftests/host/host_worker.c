// SPDX-License-Identifier: GPL-2.0-only
/*
 * Workers: many blocks on one thread and on several, their triggers, their waits, how
 * they end; and that a graph at rest does nothing.
 *
 * usage: host_worker [MESSAGES]
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"
#include "worker_blocks.h"

#define BLOCKS	WORKER_BLOCKS

/* -- threads of the library are threads of the harness ------------------------------ */

struct birth {
	void *(*main)(void *);
	void *arg;
};

static void *thread_main(void *arg)
{
	struct birth birth = *(struct birth *)arg;
	void *result;

	free(arg);
	host_thread_begin();
	result = birth.main(birth.arg);
	host_thread_end();
	return result;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
			  void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
			  void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
			  void *arg)
{
	struct birth *birth = malloc(sizeof(*birth));

	*birth = (struct birth) { start, arg };
	return __real_pthread_create(thread, attr, thread_main, birth);
}

/* -- graphs ------------------------------------------------------------------------- */

static struct mqshm_runtime *rt;
static struct mqshm_worker *w;

/* @larger: so many buffers of another pool. */
static void graph_begin_pools(uint32_t buffers, uint32_t larger, uint32_t threads)
{
	struct mqshm_runtime_options limits = {
		.limits = { .buffers = buffers + larger, .connections = 512 },
	};
	struct mqshm_worker_options options = { .threads = threads, .stack_bytes = 128 << 10 };

	memset(worker_seen, 0, sizeof(worker_seen));
	test_check(mqshm_runtime_create(RUNTIME, &limits, &rt), "runtime");
	test_check(mqshm_pool_create(rt, "pool", 64, buffers), "pool");
	if (larger)
		test_check(mqshm_pool_create(rt, "larger", 128, larger), "larger pool");
	test_check(mqshm_worker_open(RUNTIME, &options, &w), "worker");
}

static void graph_begin(uint32_t buffers, uint32_t threads)
{
	graph_begin_pools(buffers, 0, threads);
}

static void add_on(const struct mqshm_block_ops *ops, const char *name, int64_t n, int ports,
		   uint32_t thread)
{
	char text[2][24], *error;
	struct mqshm_param given[] = { { "n", text[0] }, { "ports", text[1] } };
	int r;

	snprintf(text[0], sizeof(text[0]), "%lld", (long long)n);
	snprintf(text[1], sizeof(text[1]), "%d", ports);
	r = mqshm_worker_add(w, ops, name, given, 2, thread, &error);
	if (r)
		test_die(error, r);
}

static void add(const struct mqshm_block_ops *ops, const char *name, int64_t n, int ports)
{
	add_on(ops, name, n, ports, MQSHM_WORKER_ANY_THREAD);
}

static void connect(const char *from, const char *to)
{
	test_check(mqshm_connect(rt, from, to, NULL), "connect");
}

static const struct mqshm_worker_block *block(const char *name)
{
	static struct mqshm_worker_block out;
	size_t i = 0;

	while (!mqshm_worker_get_block(w, i++, &out)) {
		if (!strcmp(out.name, name))
			return &out;
	}
	test_die(name, -ENOENT);
}

static unsigned int blocks_not(enum mqshm_result result)
{
	struct mqshm_worker_block b;
	unsigned int n = 0;
	size_t i;

	for (i = 0; !mqshm_worker_get_block(w, i, &b); i++)
		n += b.running || b.result != result;
	return n;
}

static void graph_end(const char *what, bool good)
{
	struct mqshm_snapshot *snap;
	struct host_sums sums;

	mqshm_worker_close(w);
	test_check(mqshm_runtime_snapshot(rt, &snap), "snapshot");
	host_sum(&sums);
	good = good && !host_check() && sums.in_depot == snap->runtimes[0].buffers && !snap->n_clients;
	mqshm_snapshot_free(snap);
	mqshm_runtime_close(rt);
	test_ok(good, "%s", what);
}

/* -- tests --------------------------------------------------------------------------- */

static void chain(const char *what, uint32_t buffers, uint32_t threads, unsigned int blocks,
		  const struct mqshm_block_ops *middle, uint64_t messages)
{
	char name[24], before[24] = "source";
	unsigned int i;

	graph_begin(buffers, threads);
	add(&type_source, "source", messages, 1);
	for (i = 1; i + 1 < blocks; i++) {
		snprintf(name, sizeof(name), "forward%u", i);
		add(middle, name, 0, 1);
		connect(before, name);
		strcpy(before, name);
	}
	add(&type_sink, "sink", 0, 1);
	connect(before, "sink");
	mqshm_worker_wait(w, NULL, MQSHM_FOREVER);
	graph_end(what, !blocks_not(MQSHM_DONE) && worker_seen[0].messages == messages && !worker_seen[0].bad);
}

static void runtime_full(uint64_t messages)
{
	char names[2][24];
	uint64_t sum = 0;
	unsigned int i;

	graph_begin(1024, 16);
	for (i = 0; i < BLOCKS / 2; i++) {
		snprintf(names[0], sizeof(names[0]), "source%u", i);
		snprintf(names[1], sizeof(names[1]), "sink%u", i);
		add(&type_source, names[0], messages, 1);
		add(&type_sink, names[1], i, 1);
		connect(names[0], names[1]);
	}
	mqshm_worker_wait(w, NULL, MQSHM_FOREVER);
	for (i = 0; i < BLOCKS / 2; i++)
		sum += worker_seen[i].messages - worker_seen[i].bad;
	graph_end("256 blocks on 16 threads", !blocks_not(MQSHM_DONE) &&
		  sum == messages * BLOCKS / 2);
}

/*
 * 64 clients, of which 16 have no toggle, 256 blocks, 512 connections, each to another
 * client. A join that waits for one source must not lack buffers because of another.
 */
static void crowd(uint64_t messages)
{
	enum { CROWD = 64, WAYS = 6 };
	char names[4][24], from[24], to[24];
	unsigned int i, k;
	uint64_t sum = 0;

	graph_begin((uint32_t)(CROWD * messages), CROWD);
	mqshm_worker_hold(w);
	for (i = 0; i < CROWD; i++) {
		static const struct mqshm_block_ops *const types[] = { &type_source, &type_fan, &type_join, &type_sink };

		for (k = 0; k < 4; k++) {
			snprintf(names[k], sizeof(names[k]), "%s%u", types[k]->type, i);
			add_on(types[k], names[k], !k ? messages : k == 2 ? i : CROWD + i,
			       k == 1 || k == 2 ? WAYS : 1, (i + k) % CROWD);
		}
		connect(names[0], names[1]);
		connect(names[0], names[3]);
	}
	for (i = 0; i < CROWD; i++) {
		for (k = 1; k <= WAYS; k++) {
			snprintf(from, sizeof(from), "Fan%u:out%u", i, k);
			snprintf(to, sizeof(to), "Join%u:in%u", (i + k) % CROWD, k);
			connect(from, to);
		}
	}
	mqshm_worker_go(w);
	mqshm_worker_wait(w, NULL, MQSHM_FOREVER);
	for (i = 0; i < 2 * CROWD; i++)
		sum += worker_seen[i].messages - worker_seen[i].bad;
	graph_end("64 clients, 256 blocks, 512 connections", !blocks_not(MQSHM_DONE) &&
		  sum == messages * CROWD * (WAYS + 1));
}

static void triggers(uint64_t messages)
{
	/* enough for both queues: what one input lacks may be in the other's */
	graph_begin(1024, 1);
	add(&type_source, "source", messages, 1);
	add(&type_roomy, "roomy", messages / 2, 1);
	add(&type_join, "join", 0, 2);
	add(&type_ticker, "ticker", 20, 1);
	connect("source", "join:in1");
	connect("roomy", "join:in2");
	mqshm_worker_wait(w, NULL, MQSHM_FOREVER);
	/* a join goes on with the inputs that have not ended */
	graph_end("joins, timers and blocks that run freely", !blocks_not(MQSHM_DONE) &&
		  worker_seen[0].messages == messages + messages / 2 &&
		  block("ticker")->stats.work_count == 20);
}

/* Ports of a block that have more than one wait of the kernel takes. */
static void wide(uint64_t messages)
{
	char from[24], to[24], name[24];
	unsigned int i, j;
	uint64_t sum = 0;

	graph_begin(256, 1);
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "source%u", i);
		add(&type_source, name, messages, 16);
		snprintf(name, sizeof(name), "join%u", i);
		add(&type_join, name, i, 16);
	}
	for (i = 0; i < 8; i++) {
		for (j = 1; j <= 16; j++) {
			snprintf(from, sizeof(from), "source%u:out%u", i, j);
			snprintf(to, sizeof(to), "join%u:in%u", i, j);
			connect(from, to);
		}
	}
	mqshm_worker_wait(w, NULL, MQSHM_FOREVER);
	for (i = 0; i < 8; i++)
		sum += worker_seen[i].messages;
	graph_end("16 blocks of 16 ports on one thread", !blocks_not(MQSHM_DONE) &&
		  sum == messages * 16 * 8);
}

static void ends(uint64_t messages)
{
	bool good;

	graph_begin(64, 1);
	add(&type_busy, "busy", 0, 1);
	add(&type_patient, "patient", 20, 1);
	add(&type_patient, "waits", 1 << 30, 1);
	add(&type_broken, "broken", 0, 1);
	add(&type_source, "source", messages, 1);
	add(&type_sink, "sink", 0, 1);
	connect("source", "sink");
	while (block("sink")->running || block("patient")->running || block("broken")->running)
		usleep(1000);
	good = block("busy")->running && block("waits")->running && !worker_seen[0].bad &&
	       worker_seen[0].messages == messages && block("patient")->result == MQSHM_DONE &&
	       block("broken")->result == MQSHM_ERROR &&
	       !strcmp(block("broken")->error, "broken 0");
	test_ok(good, "one that is always busy, one that waits, one that fails: others go on");
	test_check(mqshm_block_request_stop(rt, block("waits")->id), "stop");
	while (block("waits")->running)
		usleep(1000);
	good = block("waits")->result == MQSHM_OK && block("busy")->running;
	mqshm_worker_request_stop(w);
	mqshm_worker_wait(w, NULL, MQSHM_FOREVER);
	good = good && block("busy")->result == MQSHM_OK &&
	       mqshm_worker_add(w, &type_busy, "late", NULL, 0, 0, NULL) == -ECANCELED;
	graph_end("a stop of one, then of all", good);
}

static void threads_chosen(void)
{
	char *error;
	bool good;

	graph_begin(8, 3);
	add_on(&type_patient, "a", 1 << 30, 1, 1);
	add(&type_patient, "b", 1 << 30, 1);
	add(&type_patient, "c", 1 << 30, 1);
	add(&type_patient, "d", 1 << 30, 1);
	good = block("a")->thread == 1 && block("b")->thread == 0 && block("c")->thread == 2 &&
	       block("d")->thread == 0;
	good = good && mqshm_worker_add(w, &type_busy, "e", NULL, 0, 3, NULL) == -EINVAL;
	good = good && mqshm_worker_add(w, &type_busy, "a", NULL, 0, 0, &error) == -EEXIST && error;
	free(error);
	good = good && mqshm_worker_blocks(w) == 4 &&
	       mqshm_worker_wait(w, NULL, MQSHM_NO_WAIT) == -ETIMEDOUT;
	graph_end("a block goes where it shall, else to the thread with the fewest", good);
}

static uint64_t activity(void)
{
	struct mqshm_snapshot *snap;
	uint64_t sum = 0;
	size_t i;

	test_check(mqshm_runtime_snapshot(rt, &snap), "snapshot");
	for (i = 0; i < snap->n_clients; i++)
		sum += snap->clients[i].ioctls + snap->clients[i].sleeps;
	mqshm_snapshot_free(snap);
	return sum;
}

/* No call is made, and no sleep ends, for a while. */
static bool comes_to_rest(void)
{
	uint64_t before, after = activity();
	unsigned int tries = 0;

	do {
		before = after;
		usleep(300000);
		after = activity();
	} while (before != after && ++tries < 20);
	return before == after;
}

static const struct mqshm_block_stats *shown(const struct mqshm_snapshot *snap, const char *name)
{
	return &mqshm_snapshot_find_block(snap, name)->stats;
}

/* What others see of blocks, and that it is what they know themselves. */
static bool stats_good(void)
{
	const struct mqshm_instance_stats *own = &block("feeder")->stats;
	const struct mqshm_block_stats *feeder, *gatherer;
	struct mqshm_snapshot *snap;
	bool good;

	test_check(mqshm_runtime_snapshot(rt, &snap), "snapshot");
	feeder = shown(snap, "feeder");
	gatherer = shown(snap, "gather");
	/* the last call has not returned; one before it may have, when the graph changed */
	good = feeder->work_count >= 29 && own->work_count == feeder->work_count &&
	       own->buffers_out == 29 &&
	       feeder->work_ns == own->work_ns && feeder->last_work_ns == own->last_work_ns &&
	       feeder->p99_work_ns >= feeder->last_work_ns && feeder->p99_work_ns <= 2 * own->work_ns &&
	       gatherer->waits == MQSHM_WAITS_INPUT && gatherer->since_ns <= mqshm_now_ns() &&
	       gatherer->since_ns && shown(snap, "join1")->waits == MQSHM_WAITS_INPUT &&
	       shown(snap, "sink")->waits == MQSHM_WAITS_INPUT && shown(snap, "sink")->input_ns;
	mqshm_snapshot_free(snap);
	return good;
}

/*
 * Blocks that wait for input, for more than they have (the gatherer has five of eight),
 * for more ports than a call takes without a list, for nothing.
 */
static void rest(void)
{
	bool good;

	graph_begin(64, 2);
	add_on(&type_feeder, "feeder", 29, 1, 0);
	add_on(&type_gather, "gather", 0, 1, 1);
	add_on(&type_sink, "sink", 0, 1, 0);
	add_on(&type_join, "join1", 1, 32, 0);
	add_on(&type_join, "join2", 1, 32, 0);
	add_on(&type_join, "join3", 1, 32, 0);
	add_on(&type_feeder, "alone", 3, 1, 1);
	connect("gather", "sink");
	connect("feeder", "gather");
	connect("alone", "join3:in32");
	while (__atomic_load_n(&worker_seen[0].messages, __ATOMIC_ACQUIRE) < 24)
		usleep(1000);
	good = comes_to_rest();
	test_ok(stats_good(), "what its blocks did, and what they wait for, is seen from outside");
	graph_end("a graph at rest does nothing", good && worker_seen[0].messages == 24);
}

/* More blocks of one client than have their statistics on one page. */
static void told_by_all(void)
{
	unsigned int i, good = 0, n = BLOCKS / 2;
	const struct mqshm_block_stats *stats;
	struct mqshm_snapshot *snap;
	char name[24];

	graph_begin(64, 1);
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "sink%u", i);
		add(&type_sink, name, i, 1);
	}
	comes_to_rest();
	test_check(mqshm_runtime_snapshot(rt, &snap), "snapshot");
	for (i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "sink%u", i);
		stats = shown(snap, name);
		good += stats->block == mqshm_snapshot_find_block(snap, name)->id &&
			stats->waits == MQSHM_WAITS_INPUT && stats->since_ns;
	}
	mqshm_snapshot_free(snap);
	graph_end("all blocks of a thread tell what they do", good == n);
}

static uint32_t buffers_free(void)
{
	struct mqshm_snapshot *snap;
	uint32_t n;

	test_check(mqshm_runtime_snapshot(rt, &snap), "snapshot");
	n = snap->pools[0].free + (snap->n_pools > 1 ? snap->pools[1].free : 0);
	mqshm_snapshot_free(snap);
	return n;
}

/* A block waits for a buffer of two pools, beside one that waits for input. */
static void shortage(uint64_t messages)
{
	bool good;

	graph_begin_pools(8, 1, 2);
	add_on(&type_hoarder, "hoarder", 8, 1, 0);
	add_on(&type_hoarder, "another", 1, 1, 0);
	while (buffers_free())
		usleep(1000);
	add_on(&type_source, "source", messages, 1, 1);
	add_on(&type_sink, "sink", 0, 1, 1);
	connect("source", "sink");
	good = comes_to_rest() && !worker_seen[0].messages;
	test_check(mqshm_block_request_stop(rt, block("another")->id), "stop");
	while (block("source")->running || block("sink")->running)
		usleep(1000);
	good = good && worker_seen[0].messages == messages && !worker_seen[0].bad && block("hoarder")->running;
	graph_end("who waits for a buffer sleeps, also beside others", good);
}

/* A quiet pipe on a thread holds nobody up, another is a way from block to block. */
static void descriptors(uint64_t messages)
{
	size_t ended = 0;
	bool good;

	test_check(pipe(worker_pipes[0]), "pipe");
	test_check(pipe(worker_pipes[1]), "pipe");
	graph_begin(64, 1);
	add(&type_reader, "quiet", 0, 1);
	add(&type_reader, "reader", 1, 1);
	add(&type_sink, "sink", 0, 1);
	connect("reader", "sink");
	add(&type_writer, "writer", 0, 1);
	add(&type_source, "source", messages, 1);
	connect("source", "writer");
	while (ended < 4)
		mqshm_worker_wait(w, &ended, MQSHM_FOREVER);
	good = worker_seen[0].messages == messages && !worker_seen[0].bad && block("quiet")->running;
	good = comes_to_rest() && good;
	test_check(write(worker_pipes[0][1], "", 1) == 1 ? 0 : -EIO, "write");
	close(worker_pipes[0][1]);
	mqshm_worker_wait(w, NULL, MQSHM_FOREVER);
	good = good && block("quiet")->stats.buffers_out + block("quiet")->stats.discarded == 1;
	close(worker_pipes[0][0]);
	close(worker_pipes[1][0]);
	graph_end("blocks that wait for descriptors", good && !blocks_not(MQSHM_DONE));
}

/* A thread that never sleeps sees a pipe all the same. */
static void descriptors_beside_busy(void)
{
	size_t ended = 0;
	bool good;

	test_check(pipe(worker_pipes[0]), "pipe");
	graph_begin(64, 1);
	add(&type_reader, "quiet", 0, 1);
	add(&type_busy, "busy", 0, 1);
	while (block("busy")->stats.work_count < 1000)
		usleep(1000);
	close(worker_pipes[0][1]);
	mqshm_worker_wait(w, &ended, mqshm_after_ms(20000));
	good = ended == 1 && block("busy")->running;
	test_check(mqshm_block_request_stop(rt, block("busy")->id), "stop");
	if (!good)
		mqshm_worker_request_stop(w);
	mqshm_worker_wait(w, NULL, MQSHM_FOREVER);
	close(worker_pipes[0][0]);
	graph_end("a block that waits for a descriptor beside one that is always busy", good);
}

static bool waits_for_buffer(const char *name)
{
	struct mqshm_snapshot *snap;
	bool waits;

	test_check(mqshm_runtime_snapshot(rt, &snap), "snapshot");
	waits = shown(snap, name)->waits == MQSHM_WAITS_BUFFER;
	mqshm_snapshot_free(snap);
	return waits;
}

/* Blocks that wait for buffers, on one thread, answer to changes. */
static void changes(void)
{
	static const char *const names[] = { "allocates", "writes" };
	const struct mqshm_param param = { "n", "7" };
	bool good = true;
	int i;

	graph_begin(4, 2);
	add_on(&type_hoarder, "hoarder", 2, 1, 0);
	for (i = 0; i < 2; i++)
		add_on(&type_tuner, names[i], i, 1, 1);
	while (buffers_free())
		usleep(1000);
	for (i = 0; i < 40; i++) {
		good = good && !mqshm_block_change(RUNTIME, block(names[i % 2])->id, &param, 1,
						   mqshm_after_ms(20000), NULL);
		while (i < 2 && !waits_for_buffer(names[i]))
			usleep(1000);
	}
	test_check(mqshm_block_request_stop(rt, block("hoarder")->id), "stop");
	while (block("allocates")->running || block("writes")->running)
		usleep(1000);
	good = good && block("allocates")->result == MQSHM_DONE &&
	       block("writes")->result == MQSHM_DONE;
	graph_end("who waits for a buffer is changed meanwhile, and lets others run", good);
}

/*
 * What is queued to a block that has to copy is queued to another of its thread too. If
 * there are few buffers, the second must have its turn while the first waits for one; if
 * there are many, the first copies.
 */
static void copies(const char *what, uint32_t buffers, bool must_copy, uint64_t messages)
{
	uint64_t copied;

	graph_begin(buffers, 1);
	mqshm_worker_hold(w);
	add(&type_source, "source", messages, 1);
	add(&type_changer, "changer", 0, 1);
	add(&type_sink, "other", 1, 1);
	add(&type_sink, "sink", 0, 1);
	connect("changer", "sink");
	connect("source", "changer");
	connect("source", "other");
	mqshm_worker_go(w);
	mqshm_worker_wait(w, NULL, MQSHM_FOREVER);
	copied = block("changer")->stats.copies;
	test_note("%llu of %llu messages were copied", (unsigned long long)copied,
		  (unsigned long long)messages);
	graph_end(what, !blocks_not(MQSHM_DONE) && worker_seen[0].messages == messages && !worker_seen[0].bad &&
		  worker_seen[1].messages == messages && !worker_seen[1].bad &&
		  copied >= must_copy && copied <= messages && !block("sink")->stats.copies &&
		  !block("source")->stats.copies);
}

int main(int argc, char **argv)
{
	uint64_t messages = argc > 1 ? strtoull(argv[1], NULL, 0) : 20000;

	host_start();
	chain("16 blocks on one thread", 1024, 1, 16, &type_forward, messages);
	chain("16 blocks on one thread, pool of 8", 8, 1, 16, &type_forward, messages);
	chain("16 blocks on three threads, pool of 8", 8, 3, 16, &type_forward, messages);
	chain("a block that wants eight at a time", 64, 1, 3, &type_gather, messages - messages % 8);
	runtime_full(messages / 100);
	crowd(messages / 50);

	triggers(messages / 10);
	wide(messages / 100);
	ends(messages);
	threads_chosen();
	rest();
	descriptors(messages / 4);
	descriptors_beside_busy();
	told_by_all();
	shortage(messages / 10);
	changes();
	copies("who waits for a buffer to copy to lets the others of its thread go on", 4, false,
	       messages / 10);
	copies("copies are counted for the block that makes them", 1024, true, messages / 10);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
