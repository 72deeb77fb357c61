// SPDX-License-Identifier: GPL-2.0-only
/*
 * keep_storm [--meddle] SECONDS [SEED]
 *
 * Kills blocks of a graph that mqtool runs, at random for so long and then while it drains,
 * the most when they have announced their end, and accounts for each message: with
 * connections that keep, all arrive that were queued, once and in order; those that a dead
 * process had in its hands are lost, as many as the module says, and as mqtool run says at
 * its end. With --meddle somebody changes parameters and connections
 * meanwhile.
 *
 *	src -> amp -> f1 -> spl:out1 -> g1 -> m1          src numbers messages, m1 to m3 note what
 *	                    spl:out2 -> mrg:in1 -> m2     comes; thr is slow, so that queues are full,
 *	                    spl:out3 -> thr -> mrg:in2    and others wait with a message in hand
 *	              f1 -> g2 -> m3
 *
 * How much went over a connection says the module; what it says is compared with what
 * came. The seed says who is killed when; how far each is then is up to the machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqshm_manager.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "keep_storm.h"

#define RUNTIME		"storm"
#define BUFFERS		4096
#define PATIENCE_MS	30000

/**
 * struct victim - a block, and what its deaths cost
 * @name: its name
 * @in: inputs of it, ended by NULL
 * @out: the output that gets a message last; NULL: a sink
 * @journal: of a sink
 * @kills: how often it was killed
 * @lost: messages in its hands then, as the module says
 * @dead: array[@kills] of its clients, and how many each had
 */
static struct victim {
	const char *name;
	const char *in[3];
	const char *out;
	struct journal *journal;
	unsigned int kills;
	uint64_t lost;
	struct {
		uint64_t client;
		uint64_t lost;
	} dead[DEATHS_MAX];
} victims[] = {
	{ .name = "src", .out = "amp:in" },
	{ .name = "amp", .in = { "amp:in" }, .out = "f1:in1" },
	{ .name = "f1", .in = { "f1:in1" }, .out = "g2:in1" },
	{ .name = "spl", .in = { "spl:in" }, .out = "thr:in" },
	{ .name = "g1", .in = { "g1:in1" }, .out = "m1:in" },
	{ .name = "g2", .in = { "g2:in1" }, .out = "m3:in" },
	{ .name = "thr", .in = { "thr:in" }, .out = "mrg:in2" },
	{ .name = "mrg", .in = { "mrg:in1", "mrg:in2" }, .out = "m2:in" },
	{ .name = "m1", .in = { "m1:in" } },
	{ .name = "m2", .in = { "m2:in" } },
	{ .name = "m3", .in = { "m3:in" } },
};

#define VICTIMS	(sizeof(victims) / sizeof(victims[0]))

static const char graph[] =
	"blocks:\n"
	"  src: {type: '%s:Count', params: {runtime: " RUNTIME "}, restart: on-failure:%d:1}\n"
	"  amp: {type: Amplifier, params: {format: s16le}, restart: on-failure:%d:1}\n"
	"  f1: {type: Merger, params: {inputs: 1}, restart: on-failure:%d:1}\n"
	"  spl: {type: Splitter, params: {outputs: 3}, restart: on-failure:%d:1}\n"
	"  g1: {type: Merger, params: {inputs: 1}, restart: on-failure:%d:1}\n"
	"  g2: {type: Merger, params: {inputs: 1}, restart: on-failure:%d:1}\n"
	"  thr: {type: Throttle, params: {messages: 2000}, restart: on-failure:%d:1}\n"
	"  mrg: {type: Merger, params: {inputs: 2}, restart: on-failure:%d:1}\n"
	"  m1: {type: '%s:Mark', params: {journal: m1}, restart: on-failure:%d:1}\n"
	"  m2: {type: '%s:Mark', params: {journal: m2, ways: 1}, restart: on-failure:%d:1}\n"
	"  m3: {type: '%s:Mark', params: {journal: m3}, restart: on-failure:%d:1}\n"
	"  tap: {type: NullSink}\n"
	"connections:\n"
	"  - {from: src, to: amp, keep: forever}\n"
	"  - {from: amp, to: f1, keep: forever}\n"
	"  - {from: f1, to: spl, keep: forever}\n"
	"  - {from: f1, to: g2, keep: forever}\n"
	"  - {from: 'spl:out1', to: g1, keep: forever}\n"
	"  - {from: 'spl:out2', to: 'mrg:in1', keep: forever}\n"
	"  - {from: 'spl:out3', to: thr, keep: forever}\n"
	"  - {from: g1, to: m1, keep: forever}\n"
	"  - {from: thr, to: 'mrg:in2', keep: forever}\n"
	"  - {from: mrg, to: m2, keep: forever}\n"
	"  - {from: g2, to: m3, keep: forever}\n";

static struct mqshm_manager *manager;
static struct mqshm_runtime *runtime;
static uint64_t state;
static unsigned int tests, failed;

/* -- telling ------------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3)))
static void ok(bool good, const char *format, ...)
{
	va_list args;

	failed += !good;
	printf("%sok %u ", good ? "" : "not ", ++tests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

static void need(int error, const char *what)
{
	if (!error)
		return;
	printf("Bail out! %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

static unsigned long long n(uint64_t number)
{
	return number;
}

/* xorshift64* by Vigna */
static uint64_t random_below(uint64_t bound)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL % bound;
}

static struct mqshm_snapshot *look(void)
{
	struct mqshm_snapshot *snap;

	need(mqshm_runtime_snapshot(runtime, &snap), "snapshot");
	return snap;
}

/* -- the graph -------------------------------------------------------------------------------- */

static struct journal *journal_make(const char *name)
{
	struct journal *j;
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	need(fd < 0 || ftruncate(fd, sizeof(*j)) ? errno : 0, name);
	j = mmap(NULL, sizeof(*j), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	need(j == MAP_FAILED ? errno : 0, name);
	close(fd);
	return j;
}

/* The plug-in is beside this program. */
static char *plugin_path(void)
{
	static char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 32);

	need(length < 0 ? errno : 0, "/proc/self/exe");
	path[length] = '\0';
	strcpy(strrchr(path, '/') + 1, "keep_blocks.so");
	return path;
}

static void graph_write(void)
{
	const char *plugin = plugin_path();
	const int often = 1000000;
	FILE *file = fopen("storm.yaml", "w");

	need(file ? 0 : errno, "storm.yaml");
	fprintf(file, graph, plugin, often, often, often, often, often, often, often, often,
		plugin, often, plugin, often, plugin, often);
	need(fclose(file) ? errno : 0, "storm.yaml");
}

static pid_t graph_run(void)
{
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = open("words", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execlp("mqtool", "mqtool", "run", "--runtime", RUNTIME, "storm.yaml", NULL);
	_exit(127);
}

/* Messages of the connection to an input. */
static uint64_t sent(const struct mqshm_snapshot *snap, const char *to)
{
	for (size_t i = 0; i < snap->n_connections; i++)
		if (!strcmp(snap->connections[i].to, to))
			return snap->connections[i].messages;
	return 0;
}

static void wait_for_messages(pid_t run)
{
	uint64_t deadline = mqshm_after_ms(PATIENCE_MS);
	bool come;

	do {
		struct mqshm_snapshot *snap = look();

		usleep(10000);
		come = sent(snap, "m1:in") && sent(snap, "m2:in") && sent(snap, "m3:in");
		mqshm_snapshot_free(snap);
		if (waitpid(run, NULL, WNOHANG) || mqshm_now_ns() > deadline)
			need(ETIMEDOUT, "the graph does not run");
	} while (!come);
}

/* -- the storm ------------------------------------------------------------------------------ */

static const struct mqshm_departed_record *departed(const struct mqshm_snapshot *snap, uint64_t id)
{
	for (size_t i = 0; i < snap->n_departed; i++)
		if (snap->departed[i].id == id)
			return &snap->departed[i];
	return NULL;
}

static void death_note(struct victim *v, const struct mqshm_departed_record *d)
{
	/* it was quicker, and has left in order */
	if (d->how != MQSHM_DEPARTED_EXIT)
		return;
	if (v->kills == DEATHS_MAX)
		need(E2BIG, "kills");
	v->dead[v->kills].client = d->id;
	v->dead[v->kills++].lost = d->lost_buffers;
	v->lost += d->lost_buffers;
}

/* False: it is not there any more. */
static bool kill_client(struct victim *v, uint64_t client)
{
	uint64_t deadline = mqshm_after_ms(PATIENCE_MS);
	const struct mqshm_departed_record *d = NULL;
	unsigned int before = v->kills;
	struct mqshm_snapshot *snap;
	int error = mqshm_manager_kill_client(manager, client);

	if (error == -ENOENT || error == -ESRCH)
		return false;
	need(error, "kill");
	while (!d && mqshm_now_ns() < deadline) {
		snap = look();
		d = departed(snap, client);
		if (d)
			death_note(v, d);
		mqshm_snapshot_free(snap);
		if (!d)
			usleep(500);
	}
	need(d ? 0 : ETIMEDOUT, "who was killed is not settled");
	return v->kills > before;
}

/* Also false if it is not there now. */
static bool kill_one(struct victim *v)
{
	struct mqshm_snapshot *snap = look();
	const struct mqshm_block_record *block = mqshm_snapshot_find_block(snap, v->name);
	uint64_t client = block ? block->client : 0;

	mqshm_snapshot_free(snap);
	return client && kill_client(v, client);
}

static bool has_announced(const struct mqshm_snapshot *snap, const struct mqshm_block_record *block)
{
	for (size_t i = 0; i < snap->n_ports; i++)
		if (snap->ports[i].block == block->id && snap->ports[i].ended)
			return true;
	return false;
}

/* Those that have announced their end, and not left yet. */
static unsigned int kill_ended(void)
{
	struct mqshm_snapshot *snap = look();
	unsigned int kills = 0;

	for (size_t i = 0; i < VICTIMS; i++) {
		const struct mqshm_block_record *block =
			mqshm_snapshot_find_block(snap, victims[i].name);

		if (block && has_announced(snap, block))
			kills += kill_client(&victims[i], block->client);
	}
	mqshm_snapshot_free(snap);
	return kills;
}

/**
 * struct meddler - somebody who changes the graph while it is stormed
 * @changes: changes of parameters that were answered
 * @tapped: connections that were made, and
 * @untapped: that were taken away, of those
 * @tap: the present one
 */
static struct {
	unsigned int changes;
	unsigned int tapped;
	unsigned int untapped;
	uint64_t tap;
} meddler;

static void meddle(void)
{
	const struct mqshm_connect_options how = {
		.policy = MQSHM_POLICY_DROP_NEWEST, .transient = true,
	};
	const struct mqshm_param params[] = {
		{ "clip", random_below(2) ? "1" : "0" }, { "gain", "1" },
	};
	struct mqshm_snapshot *snap = look();
	const struct mqshm_block_record *block = mqshm_snapshot_find_block(snap, "amp");

	if (block && !random_below(2))
		meddler.changes += !mqshm_block_change(RUNTIME, block->id, params, 2,
						       mqshm_after_ms(200), NULL);
	mqshm_snapshot_free(snap);
	if (meddler.tap) {
		meddler.untapped += !mqshm_disconnect(runtime, meddler.tap);
		meddler.tap = 0;
	} else if (!mqshm_connect_with(runtime, "amp:out", "tap:in", &how, &meddler.tap)) {
		meddler.tapped++;
	}
}

static unsigned int storm(unsigned int seconds, bool meddling)
{
	uint64_t end = mqshm_after_ms(seconds * 1000ULL);
	unsigned int kills = 0;

	while (mqshm_now_ns() < end) {
		usleep((useconds_t)random_below(random_below(4) ? 20000 : 150000));
		if (meddling && random_below(2))
			meddle();
		kills += kill_one(&victims[random_below(VICTIMS)]);
		/* two at a time, now and then */
		if (!random_below(4))
			kills += kill_one(&victims[random_below(VICTIMS)]);
	}
	return kills;
}

/*
 * Ends the streams at their source; false if it does not end, or not well. Adds to @kills,
 * one for each block at most: by now one that has died often comes back seconds later, and
 * with kills without end there may be none.
 */
static bool graph_end(pid_t run, unsigned int *kills)
{
	unsigned int most = *kills + VICTIMS;
	uint64_t deadline = mqshm_after_ms(3 * PATIENCE_MS);
	int status = 0;
	pid_t ended = 0;

	if (meddler.tap)
		mqshm_disconnect(runtime, meddler.tap);
	need(mqshm_manager_stop_block(manager, "tap", mqshm_after_ms(PATIENCE_MS)), "tap");
	kill(run, SIGINT);
	while (!ended && mqshm_now_ns() < deadline) {
		usleep(500);
		if (*kills < most)
			*kills += kill_ended();
		if (*kills < most && !random_below(200))
			*kills += kill_one(&victims[random_below(VICTIMS)]);
		ended = waitpid(run, &status, WNOHANG);
	}
	if (!ended)
		kill(run, SIGKILL);
	return ended == run && WIFEXITED(status) && !WEXITSTATUS(status);
}

/* -- the account ------------------------------------------------------------------------------ */

/* Deaths with a message that had been noted, and was in the hands of the dead all the same. */
static uint64_t noted_twice(const struct victim *v)
{
	uint64_t twice = 0;

	for (uint64_t i = 0; i < v->journal->n_deaths; i++)
		for (unsigned int k = 0; k < v->kills; k++)
			twice += v->dead[k].client == v->journal->deaths[i] && v->dead[k].lost;
	return twice;
}

static uint64_t noted(const struct victim *v, uint64_t messages, uint64_t *wrong)
{
	unsigned int most = !strcmp(v->name, "m2") ? 2 : 1;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < MESSAGES_MAX && i < messages + BUFFERS; i++) {
		sum += v->journal->came[i];
		*wrong += v->journal->came[i] > (i < messages ? most : 0);
	}
	*wrong += v->journal->late + v->journal->damaged;
	return sum;
}

/* What went in is what came out, and what was lost in the hands of the dead. */
static void account(const struct victim *v, const struct mqshm_snapshot *snap, bool tapped)
{
	uint64_t in = 0, out, wrong = 0, twice = 0;

	for (unsigned int i = 0; v->in[i]; i++)
		in += sent(snap, v->in[i]);
	out = v->out ? sent(snap, v->out) : noted(v, sent(snap, "amp:in"), &wrong);
	if (!v->out)
		twice = noted_twice(v);
	if (!v->in[0])
		ok(v->lost <= v->kills, "%s: %u deaths, %llu messages out", v->name, v->kills, n(out));
	else if (tapped)
		ok(in >= out && in - out <= v->lost,
		   "%s: %u deaths, %llu messages in, %llu out, at most %llu lost in its hands",
		   v->name, v->kills, n(in), n(out), n(v->lost));
	else
		ok(in - out + twice == v->lost && !wrong,
		   "%s: %u deaths, %llu messages in, %llu %s, %llu lost in its hands%s", v->name,
		   v->kills, n(in), n(out), v->out ? "out" : "came, once and in order",
		   n(v->lost - twice), wrong ? "; some came twice or late" : "");
}

/* What mqtool run said of a block at its end. */
static bool told(const struct victim *v)
{
	unsigned int restarts = 0;
	unsigned long long lost = 0, queued = 0;
	char line[512], form[128];
	FILE *file = fopen("words", "r");
	bool found = !v->kills;

	snprintf(form, sizeof(form), "%s: restarts: %%u; messages lost: %%llu in its hands, %%llu queued",
		 v->name);
	while (file && fgets(line, sizeof(line), file))
		found |= sscanf(line, form, &restarts, &lost, &queued) == 3;
	if (file)
		fclose(file);
	/* one that was killed behind its end need not come back */
	return found && restarts <= v->kills && lost == v->lost && !queued;
}

static void accounts(bool meddling)
{
	struct mqshm_snapshot *snap = look();
	uint64_t queued = 0, dropped = 0;
	bool all_told = true;

	for (size_t i = 0; i < snap->n_connections; i++) {
		queued += snap->connections[i].queued;
		dropped += snap->connections[i].dropped;
	}
	ok(!queued && !dropped && snap->n_connections == 11 && !snap->n_clients,
	   "all connections are empty: %llu queued, %llu dropped", n(queued), n(dropped));
	for (size_t i = 0; i < VICTIMS; i++) {
		account(&victims[i], snap, meddling && !strcmp(victims[i].name, "amp"));
		all_told = all_told && told(&victims[i]);
	}
	ok(all_told, "mqtool run says the same of each block");
	if (meddling)
		ok(meddler.changes && meddler.tapped && meddler.untapped,
		   "meanwhile parameters were changed %u times; %u connections made, %u taken away",
		   meddler.changes, meddler.tapped, meddler.untapped);
	for (size_t i = 0; i < snap->n_connections; i++)
		mqshm_disconnect(runtime, snap->connections[i].id);
	mqshm_snapshot_free(snap);
	snap = look();
	ok(snap->pools[0].free == BUFFERS, "all %u buffers are free", BUFFERS);
	mqshm_snapshot_free(snap);
}

static void words_show(void)
{
	char line[512];
	FILE *file = fopen("words", "r");

	while (file && fgets(line, sizeof(line), file))
		printf("# %s", line);
	if (file)
		fclose(file);
}

int main(int argc, char **argv)
{
	static const struct mqshm_runtime_options options = { .mode = 0700 };
	bool meddling = argc > 1 && !strcmp(argv[1], "--meddle");
	char **arg = argv + 1 + meddling, folder[] = "/tmp/keep_storm.XXXXXX";
	unsigned int seconds, kills, stormed;
	uint64_t since;
	bool ended;
	pid_t run;

	if (argc - meddling < 2) {
		fputs("usage: keep_storm [--meddle] SECONDS [SEED]\n", stderr);
		return 2;
	}
	seconds = (unsigned int)atoi(arg[0]);
	state = (arg[1] ? strtoull(arg[1], NULL, 0) : mqshm_now_ns()) | 1;
	printf("# keep_storm %u s, seed 0x%llx\n", seconds, n(state));
	need(mkdtemp(folder) && !chdir(folder) ? 0 : errno, folder);
	for (size_t i = 0; i < VICTIMS; i++)
		if (!victims[i].out)
			victims[i].journal = journal_make(victims[i].name);
	need(mqshm_runtime_create(RUNTIME, &options, &runtime), "runtime");
	need(mqshm_pool_create(runtime, "small", 64, BUFFERS), "pool");
	need(mqshm_manager_open(RUNTIME, NULL, &manager), "manager");
	graph_write();
	run = graph_run();
	wait_for_messages(run);
	kills = storm(seconds, meddling);
	stormed = kills;
	since = mqshm_now_ns();
	ended = graph_end(run, &kills);
	printf("# the end took %.1f s, and %u kills\n", (double)(mqshm_now_ns() - since) / 1e9,
	       kills - stormed);
	ok(ended, "a graph of %zu blocks in which one was killed %u times comes to its end",
	   VICTIMS, kills);
	accounts(meddling);
	if (failed)
		words_show();
	mqshm_manager_close(manager);
	mqshm_runtime_remove(runtime, false, NULL);
	mqshm_runtime_close(runtime);
	printf("1..%u\n", tests);
	return failed ? 1 : 0;
}
