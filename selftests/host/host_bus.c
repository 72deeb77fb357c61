// SPDX-License-Identifier: GPL-2.0-only
/*
 * The message bus while everybody comes, goes and is killed: two publish, two receive in
 * too short queues, a client receives that sleeps in mqshm_wait(); after a while some are
 * killed, and the runtime is removed under the others. Each receiver finds every message,
 * or the mark of it, once and in order, learns of the end by itself, and receives nothing
 * behind it.
 *
 * usage: host_bus [ROUNDS [SEED]]
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mqshm_bus.h>

#include "test.h"

#define DEPTH	4

/**
 * struct life - somebody
 * @live: what he does, until the runtime is removed
 * @thread: that does it
 * @pid: what it is to the module, 0 before it is
 */
struct life {
	void (*live)(void *arg);
	pthread_t thread;
	pid_t pid;
};

static uint64_t seed;
static uint64_t received;
static uint64_t missing;
static unsigned int wrong;

static void count(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static void expect(bool fine)
{
	if (!fine)
		__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
}

static struct mqshm_bus *bus_come(uint64_t owner)
{
	struct mqshm_bus_options options = { .owner = owner, .depth = DEPTH };
	struct mqshm_bus *bus;

	/* who comes late finds none */
	return mqshm_bus_open(RUNTIME, &options, &bus) ? NULL : bus;
}

static void publish(void *arg)
{
	struct mqshm_bus *bus = bus_come(0);
	struct mqshm_post post = { .topic = "t", .payload = "payload", .payload_bytes = 7 };
	uint64_t number = 0, before = 0;
	int r;

	if (!bus)
		return;
	while ((r = mqshm_bus_publish(bus, &post, &number)) >= 0) {
		expect(number > before);
		before = number;
	}
	expect(r == -ESHUTDOWN);
	mqshm_bus_close(bus);
}

/* What is there by @deadline_ns: its last error. */
static int receive(struct mqshm_bus *bus, uint64_t *last, uint64_t deadline_ns)
{
	const struct mqshm_bus_message *m;
	int r;

	while (!(r = mqshm_bus_receive(bus, &m, deadline_ns))) {
		bool lost = m->flags & MQSHM_BUS_LOST;

		/* none was published for it before the first */
		expect(!*last || m->number == *last + (lost ? m->lost : 1));
		expect(lost || (m->payload_bytes == 7 && !memcmp(mqshm_bus_payload(m), "payload", 7)));
		*last = m->number;
		count(lost ? &missing : &received, lost ? m->lost : 1);
	}
	return r;
}

static void subscribe(void *arg)
{
	struct mqshm_bus *bus = bus_come(0);
	uint64_t last = 0;

	if (!bus)
		return;
	if (!mqshm_bus_subscribe(bus, "")) {
		expect(receive(bus, &last, MQSHM_FOREVER) == -ESHUTDOWN);
		usleep(100);
		expect(receive(bus, &last, MQSHM_NO_WAIT) == -ESHUTDOWN);
	}
	mqshm_bus_close(bus);
}

static void sleep_in_wait(void *arg)
{
	struct mqshm_bus *bus = NULL;
	struct mqshm_client *c;
	uint64_t last = 0;
	int r = -EAGAIN;

	if (mqshm_client_join(RUNTIME, NULL, &c))
		return;
	bus = bus_come(mqshm_client_id(c));
	if (bus && !mqshm_bus_subscribe(bus, "t"))
		while (r == -EAGAIN && mqshm_wait(c, NULL, 0, MQSHM_FOREVER, NULL) != -ESHUTDOWN)
			r = receive(bus, &last, MQSHM_NO_WAIT);
	mqshm_bus_close(bus);
	mqshm_client_close(c);
}

static struct life lives[] = {
	{ .live = publish }, { .live = publish }, { .live = subscribe }, { .live = subscribe },
	{ .live = sleep_in_wait },
};

#define LIVES	(sizeof(lives) / sizeof(lives[0]))

static void *life_thread(void *arg)
{
	struct life *l = arg;

	host_thread_run(&l->pid, l->live, l);
	return NULL;
}

static void life_kill(struct life *l)
{
	pid_t pid;

	while (!(pid = __atomic_load_n(&l->pid, __ATOMIC_ACQUIRE)))
		sched_yield();
	host_kill(pid);
}

static void play(void)
{
	struct mqshm_runtime *rt = runtime_make(64, 8);
	size_t i;

	for (i = 0; i < LIVES; i++) {
		lives[i].pid = 0;
		test_check(-pthread_create(&lives[i].thread, NULL, life_thread, &lives[i]), "thread");
	}
	usleep((useconds_t)random_below(&seed, 3000));
	for (i = 0; i < LIVES; i++)
		if (!random_below(&seed, 4))
			life_kill(&lives[i]);
	usleep((useconds_t)random_below(&seed, 1000));
	test_check(mqshm_runtime_remove(rt, true, NULL), "remove");
	for (i = 0; i < LIVES; i++) {
		pthread_join(lives[i].thread, NULL);
		host_bury(lives[i].pid);
	}
	mqshm_runtime_close(rt);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 300, i;
	struct mqshm_runtime *rt;
	struct mqshm_client *c;

	host_start();
	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : mqshm_now_ns();
	test_note("host_bus %u 0x%llx", rounds, (unsigned long long)seed);
	/* what the library does once in a program must not be left half done by a kill */
	rt = runtime_make(64, 8);
	test_check(mqshm_client_join(RUNTIME, NULL, &c), "join");
	mqshm_client_close(c);
	mqshm_runtime_close(rt);
	for (i = 0; i < rounds && !wrong; i++)
		play();
	test_ok(!wrong && received, "%llu messages and the marks of %llu, each once and in order",
		(unsigned long long)received, (unsigned long long)missing);
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
