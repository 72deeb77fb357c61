// SPDX-License-Identifier: GPL-2.0-only
/*
 * Deaths inside each command: the victim does one thing over and over and is killed at
 * a random moment, alone, with another thread in there too, or by what another thread
 * of its does. After each, every count is right.
 */

#include "kselftest_harness.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "act.h"
#include "victim.h"

static struct actor actor;

/* -- the victim ---------------------------------------------------------------------- */

enum way { KILL, KILL_BOTH, EXIT, EXEC, CLOSE, DETACH, FORCE };

/**
 * struct plan - how it lives and dies
 * @step: what it does over and over
 * @by_hand: it stores cells itself, which one thread must do at a time
 * @way: how it dies
 * @pool: which it uses
 * @delay_us: when something of its own ends it
 * @others: threads beside the first that do it too
 * @done: how often its first thread and each other one did it, in shared memory
 */
struct plan {
	int (*step)(struct actor *a);
	bool by_hand;
	enum way way;
	__u32 pool;
	unsigned int delay_us;
	unsigned int others;
	volatile unsigned long *done;
};

/* Over and over, until it is over, or something was done to it and calls fail. */
static void repeat(int (*step)(struct actor *a), volatile unsigned long *done)
{
	while (!stage->go) {
		int err = step(&actor);

		if (err) {
			errno = -err;
			must(actor.struck && *done);
			must(err == -ESHUTDOWN || err == -EBADF || err == -EBADFD || err == -ENOENT);
			return;
		}
		++*done;
	}
}

/* Its pages were taken away, as they are by DETACH. */
static void on_sigbus(int sig)
{
	_exit(actor.struck ? 0 : 1);
}

static void *other_thread(void *arg)
{
	const struct plan *plan = arg;

	if (plan->way == KILL_BOTH) {
		repeat(plan->by_hand ? act_query : act_lease, &plan->done[1]);
		return NULL;
	}
	for (unsigned int i = 0; i <= plan->others; i++)
		while (!plan->done[i])
			sched_yield();
	sleep_us(plan->delay_us);
	actor.struck = true;
	switch (plan->way) {
	case EXIT:
		_exit(0);
	case EXEC:
		execl("/bin/true", "true", NULL);
		_exit(1);
	case CLOSE:
		close(actor_fd(&actor));
		break;
	case DETACH:
		must(id_command(actor_fd(&actor), MQSHM_IOC_CLIENT_DETACH, 0) == 0);
		break;
	default:
		break;
	}
	stage->go = 1;
	return NULL;
}

static void *like_the_first(void *arg)
{
	static atomic_uint n;
	const struct plan *plan = arg;

	repeat(plan->step, &plan->done[++n]);
	return NULL;
}

static void live(void *arg)
{
	struct plan *plan = arg;
	pthread_t thread;

	signal(SIGBUS, on_sigbus);
	actor.struck = plan->way == FORCE;
	actor_begin(&actor, plan->pool);
	for (unsigned int i = 0; i < plan->others; i++)
		must(pthread_create(&thread, NULL, like_the_first, plan) == 0);
	if (plan->way != KILL && plan->way != FORCE)
		must(pthread_create(&thread, NULL, other_thread, plan) == 0);
	repeat(plan->step, &plan->done[0]);
}

/* -- each command ------------------------------------------------------------------------ */

FIXTURE(inside)
{
	__u64 seed;
	volatile unsigned long *done;
};

FIXTURE_VARIANT(inside)
{
	int (*step)(struct actor *a);
	bool by_hand;
};

#define STEP(name) FIXTURE_VARIANT_ADD(inside, name) { .step = act_##name };
#define STEP_BY_HAND(name) \
	FIXTURE_VARIANT_ADD(inside, name) { .step = act_##name, .by_hand = true };

STEP(info)
STEP(runtime_create)
STEP(runtime_open)
STEP(runtime_remove)
STEP(runtime_wait)
STEP(query)
STEP(holders)
STEP(monitor)
STEP(bus)
STEP(pool_create)
STEP(client_join)
STEP(client_detach)
STEP(client_sync)
STEP_BY_HAND(client_recover)
STEP(block_create)
STEP(block_stop)
STEP(port_end)
STEP(port_eventfd)
STEP(port_arm)
STEP_BY_HAND(connect)
STEP(lease)
STEP(lease_wait)
STEP(ref)
STEP(kick)
STEP(wait)
STEP(poll)
STEP(map)

FIXTURE_SETUP(inside)
{
	self->seed = random_seed();
	self->done = shared_memory(4096);
}

FIXTURE_TEARDOWN(inside)
{
}

/* A runtime with pools of RAW_BUFFERS and of 3; one that is removed is followed by another. */
static int begin(void)
{
	int fd = victim_runtime(64, RAW_BUFFERS, 0);
	int err = fd < 0 ? fd : pool_create(fd, "small", 64, 3, NULL);

	return err < 0 ? err : fd;
}

/* Until all threads that shall be inside are. */
static bool await_inside(const struct plan *plan)
{
	uint64_t deadline = after_ms(PATIENCE_MS);

	while (!plan->done[0] || (plan->way == KILL_BOTH && !plan->done[1])) {
		if (now_ns() > deadline)
			return false;
		sleep_us(100);
	}
	return true;
}

static void die(struct __test_metadata *_metadata, int fd, struct plan *plan)
{
	bool killed = plan->way == KILL || plan->way == KILL_BOTH;
	struct tally t;
	pid_t pid;

	for (unsigned int i = 0; i <= plan->others + 1; i++)
		plan->done[i] = 0;
	pid = spawn(live, plan);
	ASSERT_TRUE(await_inside(plan)) TH_LOG("it does not do what it should");
	if (killed || plan->way == FORCE)
		sleep_us(plan->delay_us);
	if (killed)
		kill(pid, SIGKILL);
	if (plan->way == FORCE) {
		ASSERT_EQ(0, runtime_remove(fd, MQSHM_REMOVE_F_FORCE, NULL));
		stage->go = 1;
	}
	ASSERT_EQ(killed ? 256 + SIGKILL : 0, reap_within(pid, PATIENCE_MS));
	ASSERT_EQ(0, tally_take(fd, &t));
	ASSERT_EQ(0U, t.clients);
	/* nobody needs the counts of a runtime that is removed, and they may be stored to */
	if (plan->way == FORCE && plan->by_hand)
		return;
	ASSERT_TRUE(tally_all_free(&t))
		TH_LOG("after %lu: %llu free, %llu held, %llu queued of %llu", plan->done[0],
		       (unsigned long long)t.free, (unsigned long long)t.held,
		       (unsigned long long)t.queued, (unsigned long long)t.buffers);
	ASSERT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

static void die_times(struct __test_metadata *_metadata, unsigned int n, __u64 *seed,
		      struct plan *plan)
{
	for (unsigned int i = 0; i < n; i++) {
		int fd = begin();

		ASSERT_LE(0, fd) TH_LOG("%s: is the module loaded?", DEVICE);
		plan->pool = i & 1;
		plan->delay_us = random_next(seed) % 1000;
		die(_metadata, fd, plan);
		close(fd);
	}
}

static void die_often(struct __test_metadata *_metadata, FIXTURE_DATA(inside) *self,
		      const FIXTURE_VARIANT(inside) *variant, enum way way)
{
	struct plan plan = {
		.step = variant->step, .by_hand = variant->by_hand, .way = way,
		.done = self->done,
	};

	die_times(_metadata, rounds(2, 30) ?: 1, &self->seed, &plan);
}

TEST_F(inside, kill)
{
	die_often(_metadata, self, variant, KILL);
}

TEST_F(inside, kill_with_another_thread_inside)
{
	die_often(_metadata, self, variant, KILL_BOTH);
}

TEST_F(inside, exit_by_another_thread)
{
	die_often(_metadata, self, variant, EXIT);
}

TEST_F(inside, exec_by_another_thread)
{
	die_often(_metadata, self, variant, EXEC);
}

TEST_F(inside, close_by_another_thread)
{
	die_often(_metadata, self, variant, CLOSE);
}

TEST_F(inside, detach_by_another_thread)
{
	if (user_mode_linux())
		SKIP(return, "User Mode Linux walks a memory without its lock when pages are taken away");
	die_often(_metadata, self, variant, DETACH);
}

TEST(detach_while_others_wait_for_the_lock)
{
	struct plan plan = {
		.step = act_lease, .way = DETACH, .others = 3, .done = shared_memory(4096),
	};
	__u64 seed = random_seed();

	if (user_mode_linux())
		SKIP(return, "User Mode Linux walks a memory without its lock when pages are taken away");
	die_times(_metadata, rounds(20, 300) ?: 1, &seed, &plan);
}

TEST_F(inside, runtime_removed_by_force)
{
	die_often(_metadata, self, variant, FORCE);
}

TEST_HARNESS_MAIN
