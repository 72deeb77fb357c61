// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for buffers: who waits is not overtaken by who comes later, one who gives
 * up hands on what was promised to him, one who sleeps keeps nothing back, and whose
 * turn has come needs no memory for it. And who gets back what he sent needs no lease.
 *
 * usage: host_lease [ROUNDS]
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define IMPATIENT	3	/* clients that give up */

static unsigned int rounds = 5000;
static unsigned int *given_up;	/* by all together */

static struct mqshm_client *join(const char *name)
{
	struct mqshm_client_options options = { .process_name = name };
	struct mqshm_client *c;

	test_check(mqshm_client_join(RUNTIME, &options, &c), "join");
	return c;
}

static void sleep_until_asleep(pid_t pid)
{
	while (!host_asleep(pid))
		usleep(100);
}

/* A child that waits for a buffer of that many bytes, and ends well once it has one. */
static pid_t waiter_start(size_t bytes)
{
	struct mqshm_buffer buf;
	struct mqshm_client *c;
	pid_t pid = host_fork();
	int r;

	if (pid)
		return pid;
	c = join("waiter");
	while ((r = mqshm_buffer_alloc(c, bytes, MQSHM_FOREVER, &buf)) == -EAGAIN)
		;
	_exit(r ? 1 : 0);
}

/* The waiter is stopped, so that it cannot take what it was promised. */
static void overtaking(void)
{
	struct mqshm_runtime *rt = runtime_make(64, 1);
	struct mqshm_client *c = join("holder");
	struct mqshm_buffer buf, late;
	int status;
	pid_t pid;

	test_check(mqshm_buffer_alloc(c, 64, MQSHM_NO_WAIT, &buf), "alloc");
	pid = waiter_start(64);
	sleep_until_asleep(pid);
	kill(pid, SIGSTOP);
	waitpid(pid, NULL, WUNTRACED);
	test_check(mqshm_buffer_release(c, &buf), "release");
	test_check(mqshm_client_flush(c), "flush");
	test_ok(mqshm_buffer_alloc(c, 64, MQSHM_NO_WAIT, &late) == -EAGAIN,
		"a buffer that was promised is not there for others");
	kill(pid, SIGCONT);
	test_ok(host_wait(pid, 10000, &status) == pid && !status, "who waited gets it");
	mqshm_client_close(c);
	mqshm_runtime_close(rt);
}

/* Its deadline passes at any moment, also in the one in which it gets a promise. */
static void impatient(void)
{
	struct mqshm_client *c = join("impatient");
	struct mqshm_buffer buf;
	unsigned int i;

	for (i = 0; __atomic_load_n(given_up, __ATOMIC_RELAXED) < rounds; i++) {
		int r = mqshm_buffer_alloc(c, 64, mqshm_now_ns() + i % 4 * 1000, &buf);

		if (!r) {
			test_check(mqshm_buffer_release(c, &buf), "release");
			test_check(mqshm_client_flush(c), "flush");
		} else if (r == -ETIMEDOUT) {
			__atomic_fetch_add(given_up, 1, __ATOMIC_RELAXED);
		} else if (r != -EAGAIN) {
			test_die("alloc", r);
		}
	}
	mqshm_client_close(c);
	_exit(0);
}

static void giving_up(void)
{
	struct mqshm_runtime *rt = runtime_make(64, 1);
	unsigned int i, failed = 0;
	struct mqshm_buffer buf;
	struct mqshm_client *c;
	int status;

	*given_up = 0;
	for (i = 0; i < IMPATIENT; i++)
		if (!host_fork())
			impatient();
	for (i = 0; i < IMPATIENT; i++)
		failed += host_wait(-1, -1, &status) <= 0 || status;
	c = join("last");
	test_ok(!failed && !host_check() && !mqshm_buffer_alloc(c, 64, MQSHM_NO_WAIT, &buf),
		"%u times one of %u clients gave up: no promise is left", rounds, IMPATIENT);
	mqshm_client_close(c);
	mqshm_runtime_close(rt);
}

/* It had the only buffer and has it in its magazine; nobody wanted it then. */
static void sleeper(void)
{
	struct mqshm_buffer buf;
	struct node n;

	node_make(&n, "sleeper", 1, 0, 4, UINT64_MAX);
	node_alloc(&n, 64, &buf);
	test_check(mqshm_buffer_release(n.client, &buf), "release");
	mqshm_wait(n.client, n.in, 1, MQSHM_FOREVER, NULL);
	_exit(1);
}

static void sleeping(void)
{
	struct mqshm_runtime *rt = runtime_make(64, 1);
	struct mqshm_buffer buf;
	struct mqshm_client *c;
	pid_t pid = host_fork();

	if (!pid)
		sleeper();
	sleep_until_asleep(pid);
	c = join("late");
	test_ok(!mqshm_buffer_alloc(c, 64, MQSHM_NO_WAIT, &buf),
		"one who sleeps has given back what it did not need");
	host_kill(pid);
	host_wait(pid, -1, NULL);
	mqshm_client_close(c);
	mqshm_runtime_close(rt);
}

/* A client by a bare descriptor: no page of its hold row is mapped. */
static int bare_join(__u64 *gen)
{
	struct mqshm_runtime_open_args open = {
		.size = sizeof(open), .name = RUNTIME, .uid = MQSHM_UID_SELF,
	};
	struct mqshm_client_join_args join = { .size = sizeof(join), .name = "bare" };
	struct mqshm_client_sync_args sync = { .size = sizeof(sync) };
	int fd = host_sys_open();

	test_check(host_sys_ioctl(fd, MQSHM_IOC_RUNTIME_OPEN, &open), "open");
	test_check(host_sys_ioctl(fd, MQSHM_IOC_CLIENT_JOIN, &join), "join");
	test_check(host_sys_ioctl(fd, MQSHM_IOC_CLIENT_SYNC, &sync), "sync");
	*gen = sync.out_gen;
	return fd;
}

/* Waits for both pools, and ends well with a buffer of one. */
static void either_waiter(void)
{
	struct mqshm_wait_args wait = {
		.size = sizeof(wait), .deadline_ns = MQSHM_FOREVER, .pools = 3,
	};
	int fd = bare_join(&wait.gen);

	test_check(host_sys_ioctl(fd, MQSHM_IOC_WAIT, &wait), "wait");
	host_sys_close(fd);
	_exit(wait.out_leased != 1);
}

/*
 * One in line for two pools, stopped meanwhile, is promised a buffer of each. It takes
 * one: the other goes to who stands behind it there.
 */
static void one_of_two(void)
{
	struct mqshm_buffer bufs[2];
	struct mqshm_runtime *rt;
	struct mqshm_client *c;
	pid_t either, behind;
	int status[2];
	bool good;

	test_check(mqshm_runtime_create(RUNTIME, NULL, &rt), "runtime");
	test_check(mqshm_pool_create(rt, "small", 64, 1), "pool");
	test_check(mqshm_pool_create(rt, "large", 128, 1), "pool");
	c = join("holder");
	test_check(mqshm_buffer_alloc(c, 64, MQSHM_NO_WAIT, &bufs[0]), "alloc");
	test_check(mqshm_buffer_alloc(c, 128, MQSHM_NO_WAIT, &bufs[1]), "alloc");
	either = host_fork();
	if (!either)
		either_waiter();
	sleep_until_asleep(either);
	behind = waiter_start(128);
	sleep_until_asleep(behind);
	kill(either, SIGSTOP);
	waitpid(either, NULL, WUNTRACED);
	test_check(mqshm_buffer_release(c, &bufs[0]), "release");
	test_check(mqshm_buffer_release(c, &bufs[1]), "release");
	test_check(mqshm_client_flush(c), "flush");
	kill(either, SIGCONT);
	good = host_wait(either, 10000, &status[0]) == either && !status[0];
	if (host_wait(behind, 10000, &status[1]) != behind) {
		host_kill(behind);
		host_wait(behind, -1, &status[1]);
	}
	test_ok(good && !status[1], "a promise that is not taken up goes to the next in line");
	mqshm_client_close(c);
	mqshm_runtime_close(rt);
}

/* Tells what is allocated when it has its buffer. */
static void bare_waiter(long *after)
{
	struct mqshm_lease_args lease = {
		.size = sizeof(lease), .flags = MQSHM_LEASE_F_WAIT, .count = 1,
	};
	int fd = bare_join(&lease.gen);

	test_check(host_sys_ioctl(fd, MQSHM_IOC_LEASE, &lease), "lease");
	*after = host_allocations();
	host_sys_close(fd);
	_exit(lease.out_count != 1);
}

/* It could be kept waiting for memory, and the buffer with it, or be refused it. */
static void turn_needs_no_memory(void)
{
	struct mqshm_runtime *rt = runtime_make(64, 1);
	struct mqshm_client *c = join("holder");
	long before, *after = test_shared(sizeof(*after));
	struct mqshm_buffer buf;
	int status;
	pid_t pid;

	test_check(mqshm_buffer_alloc(c, 64, MQSHM_NO_WAIT, &buf), "alloc");
	pid = host_fork();
	if (!pid)
		bare_waiter(after);
	sleep_until_asleep(pid);
	before = host_allocations();
	test_check(mqshm_buffer_release(c, &buf), "release");
	test_check(mqshm_client_flush(c), "flush");
	test_ok(host_wait(pid, 10000, &status) == pid && !status && *after == before,
		"whose turn has come gets a buffer without an allocation");
	mqshm_client_close(c);
	mqshm_runtime_close(rt);
}

static uint64_t calls(struct mqshm_runtime *rt)
{
	struct mqshm_snapshot *snap;
	uint64_t n = 0;
	size_t i;

	test_check(mqshm_runtime_snapshot(rt, &snap), "snapshot");
	for (i = 0; i < snap->n_clients; i++)
		n += snap->clients[i].ioctls;
	mqshm_snapshot_free(snap);
	return n;
}

/* One message there; its buffer comes back: itself, or another one with an answer. */
static void there_and_back(struct node *n, struct mqshm_buffer *buf, bool itself)
{
	node_push(&n[0], n[0].out[0], buf, 0);
	test_check(node_pop(&n[1], n[1].in[0], buf), "pop");
	if (!itself) {
		test_check(mqshm_buffer_release(n[1].client, buf), "release");
		node_alloc(&n[1], 64, buf);
	}
	node_push(&n[1], n[1].out[0], buf, 0);
	test_check(node_pop(&n[0], n[0].in[0], buf), "pop");
	if (!itself) {
		test_check(mqshm_buffer_release(n[0].client, buf), "release");
		node_alloc(&n[0], 64, buf);
	}
}

/* A connection the other way is all it takes for messages that need no call at all. */
static void circling(bool itself)
{
	struct mqshm_runtime *rt = runtime_make(64, 64);
	struct mqshm_buffer buf;
	struct node n[2];
	uint64_t before;
	unsigned int i;

	node_make(&n[0], "there", 1, 1, 16, 0);
	node_make(&n[1], "back", 1, 1, 16, 0);
	test_check(mqshm_connect(rt, "there:out1", "back:in1", NULL), "connect");
	test_check(mqshm_connect(rt, "back:out1", "there:in1", NULL), "connect");
	node_alloc(&n[0], 64, &buf);
	there_and_back(n, &buf, itself);
	before = calls(rt);
	for (i = 0; i < rounds; i++)
		there_and_back(n, &buf, itself);
	test_ok(calls(rt) == before, "%u messages there and %s: no call", rounds,
		itself ? "their buffers back" : "as many answers back");
	mqshm_client_close(n[0].client);
	mqshm_client_close(n[1].client);
	test_ok(!host_check(), "all is accounted for");
	mqshm_runtime_close(rt);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		rounds = (unsigned int)atoi(argv[1]);
	host_start();
	given_up = test_shared(sizeof(*given_up));
	overtaking();
	giving_up();
	one_of_two();
	sleeping();
	turn_needs_no_memory();
	circling(true);
	circling(false);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
