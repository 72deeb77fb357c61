// SPDX-License-Identifier: GPL-2.0-only
/* Snapshots and notices agree: a snapshot has exactly what was told before it. */

#include "kselftest_harness.h"

#include <sched.h>

#include "notice.h"

/**
 * struct agree - fixture
 * @fd: holds the runtime
 * @watch: the monitor
 */
FIXTURE(agree)
{
	int fd;
	int watch;
};

FIXTURE_SETUP(agree)
{
	self->fd = runtime_create_fd(runtime_name(), 0);
	ASSERT_LE(0, self->fd) TH_LOG("%s: is the module loaded?", DEVICE);
	self->watch = watch_fd(runtime_name());
	ASSERT_LE(0, self->watch);
}

FIXTURE_TEARDOWN(agree)
{
}

#define BUDGET	48	/* calls of the racer for each snapshot: far from an overflow */

/**
 * struct race - who makes and removes, and who looks
 * @budget: calls that the racer may make
 * @seed: of its choices
 */
struct race {
	volatile __s64 budget;
	__u64 seed;
};

static void race_step(struct race *race)
{
	while (race->budget <= 0)
		sched_yield();
	__atomic_fetch_sub(&race->budget, 1, __ATOMIC_RELAXED);
}

/* Clients, blocks and connections come and go, in some order. */
static void racer(void *arg)
{
	struct race *race = arg;
	__u64 blocks[2], connection;
	int fd;

	for (;;) {
		race_step(race);
		fd = runtime_open_fd(runtime_name());
		must(client_join(fd, 0, NULL) == 0);
		for (int i = random_next(&race->seed) % 8; i >= 0; i--) {
			race_step(race);
			must(block_create(fd, "a", 8, NULL, &blocks[0]) == 0);
			must(block_create(fd, "b", 8, NULL, &blocks[1]) == 0);
			race_step(race);
			must(connect_blocks(fd, "a", "b", &connection) == 0);
			race_step(race);
			if (random_next(&race->seed) % 2)
				must(id_command(fd, MQSHM_IOC_DISCONNECT, connection) == 0);
			must(id_command(fd, MQSHM_IOC_BLOCK_REMOVE, blocks[0]) == 0);
			if (!i && random_next(&race->seed) % 2)
				break;
			must(id_command(fd, MQSHM_IOC_BLOCK_REMOVE, blocks[1]) == 0);
		}
		race_step(race);
		close(fd);
	}
}

#define PRESENT	64

/**
 * struct present - what is there, by what was told
 * @n: how many
 * @kind: MQSHM_RECORD_*
 * @id: numbers
 * @next: read, but later than the snapshot
 * @have_next: there is one
 */
struct present {
	unsigned int n;
	__u32 kind[PRESENT];
	__u64 id[PRESENT];
	struct mqshm_notice next;
	bool have_next;
};

static unsigned int present_find(const struct present *p, __u32 kind, __u64 id)
{
	unsigned int i = 0;

	while (i < p->n && (p->kind[i] != kind || p->id[i] != id))
		i++;
	return i;
}

/* False if it came twice, or went and was not there. A client is there until settled. */
static bool present_tell(struct present *p, const struct mqshm_notice *n)
{
	unsigned int i = present_find(p, n->subject, n->id);

	if (n->subject == MQSHM_RECORD_CLIENT &&
	    (n->change == MQSHM_CHANGE_WENT || notice_is_stall(n)))
		return i < p->n;
	if (n->change != MQSHM_CHANGE_CAME) {
		if (i == p->n)
			return false;
		p->n--;
		p->kind[i] = p->kind[p->n];
		p->id[i] = p->id[p->n];
		return true;
	}
	if (i < p->n || p->n == PRESENT)
		return false;
	p->kind[p->n] = n->subject;
	p->id[p->n++] = n->id;
	return true;
}

static bool connection_is_live(const struct mqshm_connection_record *c)
{
	return c->from_block && c->to_block && !(c->flags & MQSHM_RING_DISCONNECTED);
}

/* How many things are in the snapshot, or -1 if one of them is not in @p. */
static int snapshot_matches(const struct snapshot *s, const struct present *p)
{
	const char *at;
	int n = 0;

	for (at = s->data; at < s->data + s->bytes; at += ((struct mqshm_record *)at)->bytes) {
		const struct mqshm_client_record *r = (const void *)at;	/* the id comes first */

		if (r->head.kind != MQSHM_RECORD_CLIENT && r->head.kind != MQSHM_RECORD_BLOCK &&
		    (r->head.kind != MQSHM_RECORD_CONNECTION ||
		     !connection_is_live((const void *)at)))
			continue;
		if (present_find(p, r->head.kind, r->id) == p->n)
			return -1;
		n++;
	}
	return n;
}

TEST_F_TIMEOUT(agree, snapshot_has_what_was_told, 300)
{
	struct race *race = shared_memory(sizeof(*race));
	__u64 count = rounds(1000, 20000);
	struct present p = {};
	struct snapshot s;
	__s64 left;
	__u64 told = 0, seed = random_seed();
	pid_t pid;

	race->seed = seed;
	pid = spawn(racer, race);
	for (__u64 i = 0; i < count; i++) {
		__atomic_fetch_add(&race->budget, BUDGET - race->budget, __ATOMIC_RELAXED);
		/* in the middle of what the racer does */
		left = BUDGET - random_next(&seed) % (BUDGET / 2);
		while (race->budget > left)
			sched_yield();
		ASSERT_EQ(0, snapshot_take(self->fd, MQSHM_QUERY_RUNTIME, &s));
		while (p.have_next || notice_next(self->watch, 0, &p.next) == 1) {
			p.have_next = p.next.at_ns > s.now_ns;
			if (p.have_next)
				break;
			ASSERT_TRUE(present_tell(&p, &p.next))
				TH_LOG("%s", notice_text(&p.next));
			told++;
		}
		ASSERT_EQ(p.n, snapshot_matches(&s, &p))
			TH_LOG("snapshot %llu, after notice %llu", i, told);
		snapshot_free(&s);
	}
	slay(pid);
	EXPECT_LT(count / 10, told);
}

TEST_HARNESS_MAIN
