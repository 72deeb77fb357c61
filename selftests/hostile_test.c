// SPDX-License-Identifier: GPL-2.0-only
/*
 * A native client that stores what it likes: its own runtime may be damaged, is
 * said to be, and is whole again when the last client has left; nothing else is
 * touched.
 */

#include "kselftest_harness.h"

#include <signal.h>
#include <sys/mman.h>

#include "raw.h"

FIXTURE(hostile)
{
	struct raw_pair pair;
	int buffer;
	int keeper;	/* holds the runtime when both clients are gone */
};

FIXTURE_SETUP(hostile)
{
	int err = raw_pair_open(&self->pair, runtime_name());

	ASSERT_EQ(0, err) TH_LOG("%s: is the module loaded?", DEVICE);
	self->keeper = runtime_create_fd(runtime_name(), MQSHM_RUNTIME_F_OR_OPEN);
	ASSERT_LE(0, self->keeper);
	self->buffer = raw_lease(&self->pair.out);
	ASSERT_LE(0, self->buffer);
}

static int detach(struct raw *r)
{
	return id_command(r->fd, MQSHM_IOC_CLIENT_DETACH, 0);
}

/* Whatever was done: with both clients gone the runtime is as new. */
FIXTURE_TEARDOWN(hostile)
{
	struct tally t;

	detach(&self->pair.out);
	detach(&self->pair.in);
	EXPECT_EQ(0, tally_take(self->keeper, &t));
	EXPECT_EQ(0U, t.clients);
	EXPECT_TRUE(tally_all_free(&t)) TH_LOG("%llu of %llu free, %llu quarantined",
		(unsigned long long)t.free, (unsigned long long)t.buffers,
		(unsigned long long)t.quarantined);
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

static __u32 state(int fd, struct tally *t)
{
	return tally_take(fd, t) ? ~0U : t->state;
}

/* Leases all there is: each buffer once. */
static void expect_distinct(struct __test_metadata *_metadata, int fd)
{
	bool seen[RAW_BUFFERS] = {};
	struct mqshm_lease_args l;

	while (!lease(fd, 0, MQSHM_BATCH_MAX, &l)) {
		for (__u32 i = 0; i < l.out_count; i++) {
			ASSERT_GT(RAW_BUFFERS, l.buffers[i]);
			ASSERT_FALSE(seen[l.buffers[i]]) TH_LOG("buffer %u twice", l.buffers[i]);
			seen[l.buffers[i]] = true;
		}
	}
}

TEST_F(hostile, more_held_than_counted)
{
	__u64 before = self->pair.in.w[self->buffer];
	struct tally t;

	self->pair.out.hold[self->buffer] = 5;
	ASSERT_EQ(0, detach(&self->pair.out));
	EXPECT_EQ(MQSHM_STATE_TAINTED, state(self->keeper, &t) & MQSHM_STATE_TAINTED);
	EXPECT_EQ(1, t.quarantined);
	EXPECT_EQ(before, self->pair.in.w[self->buffer]) TH_LOG("no borrow from the toggles");
	expect_distinct(_metadata, self->pair.in.fd);
}

TEST_F(hostile, count_of_zero)
{
	struct tally t;

	__atomic_fetch_and(&self->pair.out.w[self->buffer], ~MQSHM_W_COUNT_MASK, __ATOMIC_SEQ_CST);
	ASSERT_EQ(0, detach(&self->pair.out));
	EXPECT_EQ(MQSHM_STATE_TAINTED, state(self->keeper, &t) & MQSHM_STATE_TAINTED);
	expect_distinct(_metadata, self->pair.in.fd);
}

/*
 * A reference that nobody has keeps the buffer until all have left. Only then it
 * shows, and is said until the next one leaves.
 */
TEST_F(hostile, count_too_high)
{
	struct tally t;
	int fd;

	__atomic_fetch_add(&self->pair.out.w[self->buffer], 3, __ATOMIC_SEQ_CST);
	ASSERT_EQ(0, detach(&self->pair.out));
	ASSERT_NE(~0U, state(self->keeper, &t));
	EXPECT_EQ(RAW_BUFFERS - 1, t.free + t.quarantined);
	expect_distinct(_metadata, self->pair.in.fd);
	ASSERT_EQ(0, detach(&self->pair.in));
	EXPECT_EQ(MQSHM_STATE_TAINTED, state(self->keeper, &t) & MQSHM_STATE_TAINTED);
	EXPECT_TRUE(tally_all_free(&t));

	fd = runtime_open_fd(runtime_name());
	ASSERT_EQ(0, client_join(fd, 0, NULL));
	close(fd);
}

TEST_F(hostile, count_of_a_free_buffer)
{
	struct mqshm_lease_args l;
	struct tally t;

	for (unsigned int b = 0; b < RAW_BUFFERS; b++)
		__atomic_store_n(&self->pair.out.w[b], POISON64, __ATOMIC_SEQ_CST);
	ASSERT_EQ(0, lease(self->pair.in.fd, 0, 1, &l));
	EXPECT_EQ(1, self->pair.in.w[l.buffers[0]] & MQSHM_W_COUNT_MASK) TH_LOG("set right");
	EXPECT_EQ(MQSHM_STATE_TAINTED, state(self->keeper, &t) & MQSHM_STATE_TAINTED);
}

TEST_F(hostile, return_of_what_another_one_has_too)
{
	struct mqshm_return_args give = ARGS(return, .count = 1);
	struct raw *out = &self->pair.out;
	int b = raw_lease(out);

	ASSERT_LE(0, b);
	raw_dup(out, b, 1, 9);
	raw_push(&self->pair, b, 9);
	raw_pop(&self->pair, 9);
	ASSERT_EQ(1, out->hold[b]);
	ASSERT_EQ(1, self->pair.in.hold[b]);
	give.buffers[0] = b;
	EXPECT_EQ(-EINVAL, command(out->fd, MQSHM_IOC_RETURN, &give));
	EXPECT_EQ(1, out->hold[b]);
}

TEST_F(hostile, return_of_what_it_has_not)
{
	struct mqshm_return_args give = ARGS(return, .count = 1);
	struct tally t;

	give.buffers[0] = (self->buffer + 1) % RAW_BUFFERS;
	EXPECT_EQ(-EINVAL, command(self->pair.out.fd, MQSHM_IOC_RETURN, &give));
	/* it says that it has it */
	self->pair.out.hold[give.buffers[0]] = 1;
	command(self->pair.out.fd, MQSHM_IOC_RETURN, &give);
	command(self->pair.out.fd, MQSHM_IOC_RETURN, &give);
	EXPECT_EQ(MQSHM_STATE_TAINTED, state(self->keeper, &t) & MQSHM_STATE_TAINTED);
	EXPECT_GE(RAW_BUFFERS - 1, t.free);
	expect_distinct(_metadata, self->pair.in.fd);
}

TEST_F(hostile, settle_of_what_it_has_not)
{
	struct tally t;

	for (unsigned int b = 0; b < RAW_BUFFERS; b++)
		self->pair.out.hold[b] = 1;
	ASSERT_EQ(0, detach(&self->pair.out));
	EXPECT_EQ(MQSHM_STATE_TAINTED, state(self->keeper, &t) & MQSHM_STATE_TAINTED);
	EXPECT_GE(RAW_BUFFERS, t.free);
	expect_distinct(_metadata, self->pair.in.fd);
}

/* Behind a pool that ends in the middle of a word of holds, by counts on its last page. */
TEST_F(hostile, settle_behind_the_last_pool)
{
	struct raw *out = &self->pair.out;
	struct mqshm_pool_create_args args;
	struct mqshm_lease_args l;
	struct tally t;
	__u64 *w;

	ASSERT_LE(0, pool_create(self->keeper, "odd", 128, 6, &args));
	w = region_map(out->fd, MQSHM_MMAP_W, args.out_pool, 4096, PROT_READ | PROT_WRITE);
	ASSERT_NE(NULL, w);
	for (unsigned int i = 0; i < 6; i++)
		ASSERT_EQ(0, lease(out->fd, args.out_pool, 1, &l));
	w[6] = w[7] = w[5];
	out->hold[args.out_first + 6] = out->hold[args.out_first + 7] = 1;
	ASSERT_EQ(0, detach(out));
	EXPECT_EQ(MQSHM_STATE_TAINTED, state(self->keeper, &t) & MQSHM_STATE_TAINTED);
	EXPECT_EQ(RAW_BUFFERS + 6, t.free);
	EXPECT_EQ(0, munmap(w, 4096));
}

/* Its count was damaged: nobody has it again, though its last reference is returned. */
TEST_F(hostile, quarantined_stays_out)
{
	struct mqshm_return_args give = ARGS(return, .count = 1);
	struct tally t;

	raw_push(&self->pair, self->buffer, 9);
	raw_pop(&self->pair, 9);
	self->pair.out.control->intent = 0;
	self->pair.out.hold[self->buffer] = 5;
	ASSERT_EQ(0, detach(&self->pair.out));
	give.buffers[0] = self->buffer;
	EXPECT_EQ(0, command(self->pair.in.fd, MQSHM_IOC_RETURN, &give));
	ASSERT_NE(~0U, state(self->keeper, &t));
	EXPECT_EQ(1, t.quarantined);
	EXPECT_EQ(RAW_BUFFERS - 1, t.free);
}

TEST_F(hostile, buffers_that_are_not_there)
{
	struct mqshm_ring_producer *p = self->pair.out.producer;
	struct tally t;

	for (__u64 t = 0; t < RAW_DEPTH; t++)
		p->slots[t] = MQSHM_SLOT(0xfffff, 0, MQSHM_LAP(t, RAW_SHIFT));
	p->tail = RAW_DEPTH;
	ASSERT_EQ(0, detach(&self->pair.out));
	ASSERT_EQ(0, detach(&self->pair.in));
	EXPECT_EQ(0U, state(self->keeper, &t) & MQSHM_STATE_TAINTED) TH_LOG("all left: as new");
}

TEST_F(hostile, one_buffer_in_every_slot)
{
	struct mqshm_ring_producer *p = self->pair.out.producer;
	struct tally t;

	for (__u64 t = 0; t < RAW_DEPTH; t++)
		p->slots[t] = MQSHM_SLOT(self->buffer, 0, MQSHM_LAP(t, RAW_SHIFT));
	p->tail = RAW_DEPTH;
	ASSERT_EQ(0, detach(&self->pair.in));
	EXPECT_EQ(MQSHM_STATE_TAINTED, state(self->keeper, &t) & MQSHM_STATE_TAINTED);
	expect_distinct(_metadata, self->pair.out.fd);
}

TEST_F(hostile, cursors_astray)
{
	static const __u64 wild[] = { 1, RAW_DEPTH, 1000, 1ULL << 63, ~0ULL, POISON64 };

	for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
		struct tally t;

		self->pair.out.producer->tail = wild[i];
		self->pair.in.consumer->phead = wild[i];
		self->pair.in.consumer->head = ~wild[i];
		ASSERT_NE(~0U, state(self->keeper, &t));
		EXPECT_GE(RAW_DEPTH, t.queued) TH_LOG("a ring holds no more");
	}
}

/* The number of messages queued is bounded, whatever the slots say. */
TEST_F(hostile, kick_of_a_ring_astray)
{
	struct mqshm_kick_args k = ARGS(kick, .count = 1);

	k.rings[0] = self->pair.ring;
	self->pair.out.producer->tail = ~0ULL;
	EXPECT_EQ(0, command(self->pair.out.fd, MQSHM_IOC_KICK, &k));
	self->pair.in.consumer->phead = POISON64;
	EXPECT_EQ(0, command(self->pair.in.fd, MQSHM_IOC_KICK, &k));
}

TEST_F(hostile, intents_that_make_no_sense)
{
	static const __u64 wild[] = {
		~0ULL, POISON64, 5, 6, 7,
		MQSHM_INTENT(MQSHM_OP_PUSH, 0, 0xfffff, 1, 1, 0),
		MQSHM_INTENT(MQSHM_OP_PUSH, 1, 0, 0xffff, 1, 0xffff),
		MQSHM_INTENT(MQSHM_OP_POP, 0, 0, 1, 1, 0),
		MQSHM_INTENT(MQSHM_OP_DUP, 0, RAW_BUFFERS, 1, 255, 0),
		MQSHM_INTENT(MQSHM_OP_RELEASE, 1, 0, 0, 1, 0),
	};

	for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
		self->pair.out.control->intent = wild[i];
		EXPECT_EQ(0, id_command(self->pair.out.fd, MQSHM_IOC_CLIENT_RECOVER, 0));
	}
	self->pair.out.control->intent = ~0ULL;
}

/* Of a ring that the client has, but not that end. */
TEST_F(hostile, intents_of_the_other_end)
{
	struct raw *out = &self->pair.out, *in = &self->pair.in;
	__u32 b = RAW_BUFFERS - 1;	/* nobody's */

	out->control->intent = MQSHM_INTENT(MQSHM_OP_POP, 0, b, 7, 1, self->pair.ring);
	EXPECT_EQ(0, id_command(out->fd, MQSHM_IOC_CLIENT_RECOVER, 0));
	EXPECT_EQ(0, out->hold[b]);
	in->control->intent = MQSHM_INTENT(MQSHM_OP_PUSH, 1, b, 7, 1, self->pair.ring);
	EXPECT_EQ(0, id_command(in->fd, MQSHM_IOC_CLIENT_RECOVER, 0));
	EXPECT_EQ(0, in->hold[b]);
}

/* Random words everywhere, and every command in between. */
static void scribble(__u64 *words, size_t n, __u64 *seed)
{
	for (size_t i = 0; i < n; i++) {
		if (random_next(seed) % 4 == 0)
			words[i] = random_next(seed) % 2 ? random_next(seed) : random_next(seed) % 100;
	}
}

static void scribble_all(struct raw_pair *pair, __u64 *seed)
{
	scribble((__u64 *)pair->out.control, sizeof(*pair->out.control) / 8, seed);
	scribble((__u64 *)pair->out.hold, RAW_BUFFERS * 2 / 8, seed);
	scribble(pair->out.w, RAW_BUFFERS, seed);
	scribble((__u64 *)pair->out.producer, 16 + RAW_DEPTH, seed);
	scribble((__u64 *)pair->in.control, sizeof(*pair->in.control) / 8, seed);
	scribble((__u64 *)pair->in.hold, RAW_BUFFERS * 2 / 8, seed);
	scribble((__u64 *)pair->in.consumer, 32, seed);
}

static void call_some(struct raw *r, __u64 *seed)
{
	struct mqshm_return_args give = ARGS(return, .count = random_next(seed) % 8);
	struct mqshm_ref_args ref = ARGS(ref, .count = random_next(seed) % 8);
	struct mqshm_kick_args kick = ARGS(kick, .count = 1);
	struct mqshm_client_sync_args sync;
	struct mqshm_lease_args l;

	for (int i = 0; i < 8; i++) {
		give.buffers[i] = random_next(seed) % RAW_BUFFERS;
		ref.refs[i].buffer = random_next(seed) % RAW_BUFFERS;
		ref.refs[i].delta = random_next(seed) % 3 ? 3 : -1;
	}
	command(r->fd, MQSHM_IOC_RETURN, &give);
	command(r->fd, MQSHM_IOC_REF, &ref);
	command(r->fd, MQSHM_IOC_KICK, &kick);
	lease(r->fd, 0, random_next(seed) % 64, &l);
	client_sync(r->fd, &sync);
	id_command(r->fd, MQSHM_IOC_CLIENT_RECOVER, 0);
}

TEST_F(hostile, scribbles)
{
	unsigned int n = rounds(300, 20000);
	__u64 seed = random_seed();
	struct tally t;

	for (unsigned int i = 0; i < n; i++) {
		scribble_all(&self->pair, &seed);
		call_some(&self->pair.out, &seed);
		call_some(&self->pair.in, &seed);
		ASSERT_NE(~0U, state(self->keeper, &t));
		ASSERT_GE(t.buffers, t.free + t.quarantined);
	}
}

/* It does so in one runtime; another goes on as if nothing were. */
TEST_F(hostile, leaves_others_alone)
{
	char name[MQSHM_RUNTIME_NAME_LEN];
	struct raw_pair other = {};
	__u64 seed = random_seed();
	struct tally t;

	snprintf(name, sizeof(name), "%s-2", runtime_name());
	ASSERT_EQ(0, raw_pair_open(&other, name));
	for (unsigned int i = 0; i < 50; i++) {
		int b;

		scribble_all(&self->pair, &seed);
		call_some(&self->pair.out, &seed);
		b = raw_lease(&other.out);
		ASSERT_LE(0, b);
		raw_push(&other, b, 9);
		raw_pop(&other, 9);
		ASSERT_EQ(0, tally_take(other.fd, &t));
		ASSERT_TRUE(tally_whole(&t));
		ASSERT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
	}
}

/* Others in the same runtime that die meanwhile are settled without a stumble. */
static void scribble_and_die(void *arg)
{
	struct raw_pair *pair = arg;
	__u64 seed = now_ns();

	must(raw_pair_open(pair, runtime_name()) == 0);
	scribble_all(pair, &seed);
}

TEST(dies_scribbling)
{
	unsigned int n = rounds(30, 1000);

	for (unsigned int i = 0; i < n; i++) {
		struct raw_pair pair = {};

		ASSERT_EQ(0, reap(spawn(scribble_and_die, &pair)));
	}
}

TEST_HARNESS_MAIN
