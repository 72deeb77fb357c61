// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations on a shared count, on plain cells: they change the count and this
 * client's toggle, and no other bit, whatever the toggles of others are. In a graph
 * a wrong bit is seen only if its owner dies in the middle of an operation. And that a
 * client behind those that have a toggle takes none.
 */
#include <errno.h>
#include <string.h>

#include "protocol.h"
#include "test.h"

#define BUFFER	3

static uint64_t intent, w;
static uint16_t hold[BUFFER + 1];
static uint64_t seed = 0x1234;

/* A client with @held references of a word with @count and any toggles. */
static struct proto_client client_make(unsigned int index, uint16_t held, uint64_t count)
{
	intent = 0;
	hold[BUFFER] = held;
	w = (random_next(&seed) & ~(uint64_t)MQSHM_W_COUNT_MASK) | count;
	return (struct proto_client) {
		.intent = &intent, .hold = hold, .toggle = MQSHM_W_TOGGLE(index),
	};
}

static bool intent_is(unsigned int op, const struct proto_client *c, uint64_t before,
		      uint16_t held, uint32_t n)
{
	return intent == MQSHM_INTENT(op, !!(before & c->toggle), BUFFER, held, n, 0);
}

static bool dup_is_right(unsigned int index, uint32_t n)
{
	struct proto_client c = client_make(index, 2, 5);
	uint64_t before = w;

	return !proto_dup(&c, &w, BUFFER, n) && w == (before ^ c.toggle) + n &&
	       hold[BUFFER] == 2 + n && intent_is(MQSHM_OP_DUP, &c, before, 2, n);
}

static bool release_is_right(unsigned int index)
{
	struct proto_client c = client_make(index, 2, 5);
	uint64_t before = w;

	return !proto_release(&c, &w, BUFFER) && w == (before ^ c.toggle) - 1 &&
	       hold[BUFFER] == 1 && intent_is(MQSHM_OP_RELEASE, &c, before, 2, 1);
}

static bool full_is_refused(unsigned int index)
{
	struct proto_client c = client_make(index, 2, MQSHM_W_COUNT_MAX - 9);
	uint64_t before = w;

	return proto_dup(&c, &w, BUFFER, 10) == -EOVERFLOW && w == before && !intent &&
	       hold[BUFFER] == 2 && !proto_dup(&c, &w, BUFFER, 9);
}

static bool last_is_kept(unsigned int index)
{
	struct proto_client c = client_make(index, 1, 1);
	uint64_t before = w;

	return proto_release(&c, &w, BUFFER) && proto_is_sole(&c, &w, BUFFER) &&
	       w == before && !intent && hold[BUFFER] == 1;
}

/* The last in this hand, but not the last there is. */
static bool shared_is_given(unsigned int index)
{
	struct proto_client c = client_make(index, 1, 2);

	return !proto_is_sole(&c, &w, BUFFER) && !proto_release(&c, &w, BUFFER) &&
	       !hold[BUFFER] && (w & MQSHM_W_COUNT_MASK) == 1;
}

static uint64_t calls_of(struct mqshm_runtime *rt, uint64_t id)
{
	struct mqshm_snapshot *snap;
	uint64_t calls = 0;
	size_t i;

	test_check(mqshm_runtime_snapshot(rt, &snap), "snapshot");
	for (i = 0; i < snap->n_clients; i++)
		if (snap->clients[i].id == id)
			calls = snap->clients[i].ioctls;
	mqshm_snapshot_free(snap);
	return calls;
}

/* Whether the client shares a buffer without a call of the module. */
static bool shares_alone(struct mqshm_runtime *rt, struct mqshm_client *c)
{
	struct mqshm_buffer buf, copy;
	uint64_t calls;

	test_check(mqshm_buffer_alloc(c, 64, MQSHM_NO_WAIT, &buf), "alloc");
	calls = calls_of(rt, mqshm_client_id(c));
	test_check(mqshm_buffer_share(c, &buf, &copy), "share");
	return calls_of(rt, mqshm_client_id(c)) == calls;
}

static void clients_with_and_without(void)
{
	struct mqshm_runtime *rt = runtime_make(64, 64);
	struct mqshm_client *clients[MQSHM_TOGGLES + 1];
	unsigned int i;

	for (i = 0; i <= MQSHM_TOGGLES; i++)
		test_check(mqshm_client_join(RUNTIME, NULL, &clients[i]), "join");
	test_ok(shares_alone(rt, clients[MQSHM_TOGGLES - 1]), "the last client with a toggle uses it");
	test_ok(!shares_alone(rt, clients[MQSHM_TOGGLES]), "and the next one uses nobody else's");
	for (i = 0; i <= MQSHM_TOGGLES; i++)
		mqshm_client_close(clients[i]);
	mqshm_runtime_close(rt);
}

int main(void)
{
	bool dup = true, release = true, full = true, last = true, shared = true;
	unsigned int index, round;

	for (round = 0; round < 16; round++) {
		for (index = 0; index < MQSHM_TOGGLES; index++) {
			uint32_t n;

			for (n = 1; n <= 255; n++)
				dup &= dup_is_right(index, n);
			release &= release_is_right(index);
			full &= full_is_refused(index);
			last &= last_is_kept(index);
			shared &= shared_is_given(index);
		}
	}
	test_ok(dup, "dup adds, flips its toggle and tells its intent");
	test_ok(release, "release subtracts, flips its toggle and tells its intent");
	test_ok(full, "dup beyond the largest count changes nothing");
	test_ok(last, "the last reference is kept, without a store");
	test_ok(shared, "the last of a hand is given away if others have one");
	host_start();
	clients_with_and_without();
	test_ok(host_stop() == 0, "nothing of the module is left");
	return test_end();
}
