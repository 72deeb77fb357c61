// SPDX-License-Identifier: GPL-2.0-only
/*
 * Settling a client that stopped after each store of each operation: the intent is
 * read rightly, and no reference is lost or doubled.
 */

#include "kselftest_harness.h"

#include "raw.h"

FIXTURE(settle)
{
	struct raw_pair pair;
};

/* How far the operation came; done how often before, for the other parity. */
FIXTURE_VARIANT(settle)
{
	unsigned int steps;
	unsigned int before;
};

FIXTURE_VARIANT_ADD(settle, intent) { .steps = 1, .before = 0 };
FIXTURE_VARIANT_ADD(settle, commit) { .steps = 2, .before = 0 };
FIXTURE_VARIANT_ADD(settle, third_store) { .steps = 3, .before = 0 };
FIXTURE_VARIANT_ADD(settle, all_stores) { .steps = 9, .before = 0 };
FIXTURE_VARIANT_ADD(settle, intent_odd) { .steps = 1, .before = 1 };
FIXTURE_VARIANT_ADD(settle, commit_odd) { .steps = 2, .before = 1 };
FIXTURE_VARIANT_ADD(settle, third_store_odd) { .steps = 3, .before = 1 };
FIXTURE_VARIANT_ADD(settle, all_stores_odd) { .steps = 9, .before = 1 };
/* Slots hold another lap by then. */
FIXTURE_VARIANT_ADD(settle, intent_second_lap) { .steps = 1, .before = RAW_DEPTH };
FIXTURE_VARIANT_ADD(settle, commit_second_lap) { .steps = 2, .before = RAW_DEPTH };

FIXTURE_SETUP(settle)
{
	int err = raw_pair_open(&self->pair, runtime_name());

	ASSERT_EQ(0, err) TH_LOG("%s: is the module loaded?", DEVICE);
}

FIXTURE_TEARDOWN(settle)
{
	struct tally t;

	id_command(self->pair.out.fd, MQSHM_IOC_CLIENT_DETACH, 0);
	id_command(self->pair.in.fd, MQSHM_IOC_CLIENT_DETACH, 0);
	EXPECT_EQ(0, tally_take(self->pair.fd, &t));
	EXPECT_EQ(0U, t.clients);
	EXPECT_TRUE(tally_all_free(&t));
	EXPECT_EQ(0U, t.state & MQSHM_STATE_TAINTED);
}

/* Detaches, and compares what the kernel made of the last operation. */
static void settle(struct __test_metadata *_metadata, struct raw_pair *pair, struct raw *r,
		   unsigned int op, bool committed, __u64 refs)
{
	const struct mqshm_departed_record *d;
	struct snapshot s;

	ASSERT_EQ(0, id_command(r->fd, MQSHM_IOC_CLIENT_DETACH, 0));
	ASSERT_EQ(0, snapshot_take(pair->fd, MQSHM_QUERY_RUNTIME, &s));
	d = snapshot_departed(&s, r->id);
	ASSERT_NE(NULL, d);
	EXPECT_EQ(op, d->op);
	EXPECT_EQ(committed, d->committed);
	EXPECT_EQ(refs, d->refs);
	snapshot_free(&s);
}

static void expect_tally(struct __test_metadata *_metadata, int fd, __u64 free, __u64 queued,
			 __u64 held)
{
	struct tally t;

	ASSERT_EQ(0, tally_take(fd, &t));
	EXPECT_EQ(free, t.free);
	EXPECT_EQ(queued, t.queued);
	EXPECT_EQ(held, t.held);
	EXPECT_EQ(0, t.quarantined);
}

/* Messages through the ring and back to the depot. */
static void pass(struct __test_metadata *_metadata, struct raw_pair *pair, unsigned int n)
{
	struct mqshm_return_args give = ARGS(return, .count = 1);

	while (n--) {
		int b = raw_lease(&pair->out);

		ASSERT_LE(0, b);
		raw_push(pair, b, 9);
		raw_pop(pair, 9);
		give.buffers[0] = b;
		ASSERT_EQ(0, command(pair->in.fd, MQSHM_IOC_RETURN, &give));
	}
}

TEST_F(settle, push)
{
	struct raw_pair *pair = &self->pair;
	bool committed = variant->steps > 1;
	int b;

	pass(_metadata, pair, variant->before);
	b = raw_lease(&pair->out);
	ASSERT_LE(0, b);
	raw_push(pair, b, variant->steps);
	settle(_metadata, pair, &pair->out, MQSHM_OP_PUSH, committed, !committed);
	expect_tally(_metadata, pair->fd, RAW_BUFFERS - committed, committed, 0);
	/* what was committed is there for the consumer */
	EXPECT_EQ(committed,
		  MQSHM_SLOT_LAP(pair->in.producer->slots[variant->before % RAW_DEPTH]) ==
			     MQSHM_LAP((__u64)variant->before, RAW_SHIFT));
}

/* Nobody reads any more, and the producer has not noticed: its end drains the ring. */
TEST_F(settle, push_to_nobody)
{
	struct raw_pair *pair = &self->pair;
	bool committed = variant->steps > 1;
	int b;

	pass(_metadata, pair, variant->before);
	b = raw_lease(&pair->out);
	ASSERT_LE(0, b);
	ASSERT_EQ(0, id_command(pair->in.fd, MQSHM_IOC_CLIENT_DETACH, 0));
	raw_push(pair, b, variant->steps);
	settle(_metadata, pair, &pair->out, MQSHM_OP_PUSH, committed, !committed);
	expect_tally(_metadata, pair->fd, RAW_BUFFERS, 0, 0);
}

/* The same producer goes on: its KICK drains the ring. */
TEST_F(settle, kick_for_nobody)
{
	struct raw_pair *pair = &self->pair;
	struct mqshm_kick_args kick = ARGS(kick, .count = 1);
	int b;

	pass(_metadata, pair, variant->before);
	b = raw_lease(&pair->out);
	ASSERT_LE(0, b);
	ASSERT_EQ(0, id_command(pair->in.fd, MQSHM_IOC_CLIENT_DETACH, 0));
	raw_push(pair, b, 9);
	kick.rings[0] = pair->ring;
	EXPECT_EQ(0, command(pair->out.fd, MQSHM_IOC_KICK, &kick));
	expect_tally(_metadata, pair->fd, RAW_BUFFERS, 0, 0);
}

TEST_F(settle, pop)
{
	struct raw_pair *pair = &self->pair;
	bool committed = variant->steps > 1;
	int b;

	pass(_metadata, pair, variant->before);
	b = raw_lease(&pair->out);
	ASSERT_LE(0, b);
	raw_push(pair, b, 9);
	raw_pop(pair, variant->steps);
	settle(_metadata, pair, &pair->in, MQSHM_OP_POP, committed, committed);
	expect_tally(_metadata, pair->fd, RAW_BUFFERS, 0, 0);
}

TEST_F(settle, dup)
{
	struct raw_pair *pair = &self->pair;
	bool committed = variant->steps > 1;
	int b = raw_lease(&pair->out);

	ASSERT_LE(0, b);
	for (unsigned int i = 0; i < variant->before; i++)
		raw_dup(&pair->out, b, 1, 9);
	raw_dup(&pair->out, b, 200, variant->steps);
	settle(_metadata, pair, &pair->out, MQSHM_OP_DUP, committed,
	       1 + variant->before + (committed ? 200 : 0));
	expect_tally(_metadata, pair->fd, RAW_BUFFERS, 0, 0);
}

TEST_F(settle, release)
{
	struct raw_pair *pair = &self->pair;
	bool committed = variant->steps > 1;
	int b = raw_lease(&pair->out);

	ASSERT_LE(0, b);
	raw_dup(&pair->out, b, 1 + variant->before, 9);
	for (unsigned int i = 0; i < variant->before; i++)
		raw_release(&pair->out, b, 9);
	raw_release(&pair->out, b, variant->steps);
	settle(_metadata, pair, &pair->out, MQSHM_OP_RELEASE, committed, committed ? 1 : 2);
	expect_tally(_metadata, pair->fd, RAW_BUFFERS, 0, 0);
}

/* The other holder's reference is its own. */
TEST_F(settle, release_of_a_shared_buffer)
{
	struct raw_pair *pair = &self->pair;
	bool committed = variant->steps > 1;
	int b;

	pass(_metadata, pair, variant->before);
	b = raw_lease(&pair->out);
	ASSERT_LE(0, b);
	raw_dup(&pair->out, b, 1, 9);
	raw_push(pair, b, 9);
	raw_pop(pair, 9);
	raw_release(&pair->out, b, variant->steps);
	settle(_metadata, pair, &pair->out, MQSHM_OP_RELEASE, committed, !committed);
	expect_tally(_metadata, pair->fd, RAW_BUFFERS - 1, 0, 1);
	EXPECT_EQ(1, pair->in.w[b] & MQSHM_W_COUNT_MASK);
}

/* The same by the client's own wish, after which it goes on. */
TEST_F(settle, recover)
{
	struct raw_pair *pair = &self->pair;
	bool committed = variant->steps > 1;
	int b;

	pass(_metadata, pair, variant->before);
	b = raw_lease(&pair->out);
	ASSERT_LE(0, b);
	raw_push(pair, b, variant->steps);
	ASSERT_EQ(0, id_command(pair->out.fd, MQSHM_IOC_CLIENT_RECOVER, 0));
	EXPECT_EQ(!committed, pair->out.hold[b]);
	EXPECT_EQ(variant->before + committed, pair->out.producer->tail);
	EXPECT_EQ(0, pair->out.control->intent);
	if (!committed)
		raw_push(pair, b, 9);
	raw_pop(pair, variant->steps);
	ASSERT_EQ(0, id_command(pair->in.fd, MQSHM_IOC_CLIENT_RECOVER, 0));
	EXPECT_EQ(committed, pair->in.hold[b]);
	EXPECT_EQ(variant->before + committed, pair->in.consumer->phead);
	expect_tally(_metadata, pair->fd, RAW_BUFFERS - 1, !committed, committed);
}

/* -- what clears the intent -------------------------------------------------- */

FIXTURE(intent)
{
	struct raw_pair pair;
	int buffer;
};

FIXTURE_SETUP(intent)
{
	ASSERT_EQ(0, raw_pair_open(&self->pair, runtime_name()));
	self->buffer = raw_lease(&self->pair.out);
	ASSERT_LE(0, self->buffer);
	raw_dup(&self->pair.out, self->buffer, 1, 9);
	ASSERT_NE(0, self->pair.out.control->intent);
}

FIXTURE_TEARDOWN(intent)
{
	EXPECT_EQ(0, self->pair.out.control->intent);
}

TEST_F(intent, lease_clears_it)
{
	EXPECT_LE(0, raw_lease(&self->pair.out));
}

TEST_F(intent, return_clears_it)
{
	struct mqshm_return_args give = ARGS(return, .count = 1);

	raw_release(&self->pair.out, self->buffer, 9);
	give.buffers[0] = self->buffer;
	EXPECT_EQ(0, command(self->pair.out.fd, MQSHM_IOC_RETURN, &give));
}

TEST_F(intent, reference_by_command_clears_it)
{
	struct mqshm_ref_args ref = ARGS(ref, .count = 1);

	ref.refs[0].buffer = self->buffer;
	ref.refs[0].delta = 1;
	EXPECT_EQ(0, command(self->pair.out.fd, MQSHM_IOC_REF, &ref));
}

TEST_F(intent, letting_go_clears_it)
{
	EXPECT_EQ(0, id_command(self->pair.out.fd, MQSHM_IOC_RING_DETACH,
				self->pair.ring | MQSHM_RING_PRODUCER));
}

TEST_F(intent, attaching_clears_it)
{
	struct mqshm_event e;

	ASSERT_EQ(0, connect_blocks(self->pair.fd, "in", "out", NULL));
	EXPECT_EQ(0, attach_ring(self->pair.out.fd, MQSHM_DIR_IN, &e));
}

TEST_F(intent, removing_a_block_clears_it)
{
	struct snapshot s;

	ASSERT_EQ(0, snapshot_take(self->pair.fd, MQSHM_QUERY_RUNTIME, &s));
	EXPECT_EQ(0, id_command(self->pair.out.fd, MQSHM_IOC_BLOCK_REMOVE,
				snapshot_block(&s, "out")->id));
	snapshot_free(&s);
}

TEST_HARNESS_MAIN
