// SPDX-License-Identifier: GPL-2.0-only
/*
 * One message goes to and fro between two processes, each asleep until it comes, by
 * each of the ways to sleep: no wake-up may be lost, on two processors at full speed.
 *
 * usage: host_wake [HANDOVERS [threads]]
 * threads: by threads, each a process of its own to the module
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define PATIENCE_MS	10000	/* a wake-up that takes longer is lost */

static unsigned int handovers = 20000;
static bool threads;

/* Each sleeps until there may be something at the input: 0, or -errno. */

static int sleep_blocking(struct node *n)
{
	int r = mqshm_wait(n->client, n->in, 1, mqshm_after_ms(PATIENCE_MS), NULL);

	return r < 0 ? r : 0;
}

static int sleep_eventfd(struct node *n)
{
	static __thread int fd = -1;
	struct pollfd pfd;
	eventfd_t count;
	int r;

	if (fd < 0) {
		fd = eventfd(0, 0);
		test_check(mqshm_port_set_eventfd(n->in[0], fd), "eventfd");
	}
	r = mqshm_port_arm(n->in[0]);
	if (r)
		return r == -EAGAIN ? 0 : r;
	pfd = (struct pollfd) { .fd = fd, .events = POLLIN };
	if (poll(&pfd, 1, PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	eventfd_read(fd, &count);
	return mqshm_client_update(n->client) < 0 ? -EIO : 0;
}

static int sleep_poll(struct node *n)
{
	int r = mqshm_client_flush(n->client);

	if (r)
		return r;
	r = host_poll(mqshm_client_fd(n->client), POLLIN, mqshm_after_ms(PATIENCE_MS));
	if (r & (POLLERR | POLLHUP))
		return -EIO;
	if (!r)
		return -ETIMEDOUT;
	return mqshm_client_update(n->client) < 0 ? -EIO : 0;
}

static const struct {
	const char *name;
	int (*sleep)(struct node *n);
} ways[] = {
	{ "a blocking call", sleep_blocking },
	{ "an eventfd", sleep_eventfd },
	{ "poll", sleep_poll },
};

#define WAYS	(sizeof(ways) / sizeof(ways[0]))

/* One of the two; @first has the message at the beginning. */
static int play(const char *name, bool first, unsigned int way)
{
	struct mqshm_buffer buf = { .number = MQSHM_NO_BUFFER };
	struct node n;
	unsigned int i;
	int r;

	node_make(&n, name, 1, 1, 4, UINT64_MAX);
	if (first)
		node_alloc(&n, 64, &buf);
	for (i = 0; i < handovers; i++) {
		if (buf.number != MQSHM_NO_BUFFER)
			node_push(&n, n.out[0], &buf, 0);
		while ((r = mqshm_port_pop(n.in[0], &buf)) == -EAGAIN) {
			r = ways[way].sleep(&n);
			if (r)
				return r;
		}
		if (r)
			return r;
	}
	if (!first)
		node_push(&n, n.out[0], &buf, 0);
	mqshm_client_close(n.client);
	return 0;
}

static int player(unsigned int i, unsigned int way)
{
	int r = play(i ? "b" : "a", !i, way);

	if (r)
		test_note("%s: %s", i ? "b" : "a", strerror(-r));
	return r;
}

/**
 * struct side - one of the two, as a thread
 * @thread: plays
 * @pid: of it
 * @i: which of the two
 * @way: how it sleeps
 * @result: what player() said
 */
struct side {
	pthread_t thread;
	pid_t pid;
	unsigned int i;
	unsigned int way;
	int result;
};

static void side_live(void *arg)
{
	struct side *side = arg;

	side->result = player(side->i, side->way);
}

static void *side_thread(void *arg)
{
	struct side *side = arg;

	host_thread_run(&side->pid, side_live, side);
	return NULL;
}

static void connect_both(struct mqshm_runtime *rt)
{
	while (mqshm_connect(rt, "a:out1", "b:in1", NULL) == -ENOENT)
		usleep(100);
	test_check(mqshm_connect(rt, "b:out1", "a:in1", NULL), "connect");
}

static unsigned int threads_run(struct mqshm_runtime *rt, unsigned int way)
{
	struct side sides[2] = {};
	unsigned int i, failed = 0;

	for (i = 0; i < 2; i++) {
		sides[i].i = i;
		sides[i].way = way;
		test_check(-pthread_create(&sides[i].thread, NULL, side_thread, &sides[i]),
			   "thread");
	}
	connect_both(rt);
	for (i = 0; i < 2; i++) {
		pthread_join(sides[i].thread, NULL);
		host_bury(sides[i].pid);
		failed += sides[i].result != 0;
	}
	return failed;
}

static unsigned int processes_run(struct mqshm_runtime *rt, unsigned int way)
{
	unsigned int i, failed = 0;
	int status;

	for (i = 0; i < 2; i++) {
		if (host_fork())
			continue;
		_exit(player(i, way) ? 1 : 0);
	}
	connect_both(rt);
	for (i = 0; i < 2; i++)
		failed += host_wait(-1, -1, &status) <= 0 || status;
	return failed;
}

static void run(unsigned int way)
{
	struct mqshm_runtime *rt = runtime_make(64, 8);
	uint64_t begin = mqshm_now_ns();
	unsigned int failed = threads ? threads_run(rt, way) : processes_run(rt, way);

	test_ok(!failed && !host_check(), "%u times to and fro by %s", handovers,
		ways[way].name);
	test_note("%.1f us each way", (double)(mqshm_now_ns() - begin) / 2e3 / handovers);
	mqshm_runtime_close(rt);
}

/* The text behind a descriptor tells what it is and holds. */
static void fdinfo(void)
{
	struct mqshm_runtime *rt = runtime_make(64, 8);
	struct mqshm_buffer buf;
	char text[1024] = "";
	struct node n;

	node_make(&n, "reader", 0, 0, 0, 0);
	node_alloc(&n, 64, &buf);
	host_fdinfo(mqshm_client_fd(n.client), text, sizeof(text));
	test_ok(strstr(text, " reader\n") && strstr(text, "\tjoined\n") &&
		strstr(text, "mqshm-held-refs:\t1\n"), "fdinfo of a client");
	mqshm_client_close(n.client);
	mqshm_runtime_close(rt);
}

/* A file may be called anything. */
static void any_program(void)
{
	static char odd[] = "of\ntwo\x7flines";
	struct mqshm_runtime *rt = runtime_make(64, 8);
	char *before = program_invocation_short_name, text[1024] = "";
	struct mqshm_client *c = NULL;
	int r;

	program_invocation_short_name = odd;
	r = mqshm_client_join(RUNTIME, NULL, &c);
	program_invocation_short_name = before;
	if (!r)
		host_fdinfo(mqshm_client_fd(c), text, sizeof(text));
	test_ok(strstr(text, " of?two?lines\n"), "a client is named after any program");
	mqshm_client_close(c);
	mqshm_runtime_close(rt);
}

int main(int argc, char **argv)
{
	unsigned int way;

	if (argc > 1)
		handovers = (unsigned int)atoi(argv[1]);
	threads = argc > 2 && !strcmp(argv[2], "threads");
	host_start();
	for (way = 0; way < WAYS; way++)
		run(way);
	fdinfo();
	any_program();
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
