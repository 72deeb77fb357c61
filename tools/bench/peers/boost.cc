// SPDX-License-Identifier: GPL-2.0-only
/*
 * Boost.Interprocess, twice: its message_queue, which copies; and what people build with
 * it to copy nothing, a queue of buffer numbers under a shared mutex with two condition
 * variables, free buffers in a list under another one, and atomic counts.
 */
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <new>
#include <unistd.h>
#include <vector>

#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/interprocess/sync/interprocess_condition.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>

extern "C" {
#include "../bench.h"
extern const struct bench_peer bench_boost_mq, bench_boost_queue;
}

namespace ipc = boost::interprocess;
using lock = ipc::scoped_lock<ipc::interprocess_mutex>;

namespace {

thread_local unsigned int self;

const char *no_events(const struct bench_case *c)
{
	if (c->wait == BENCH_EVENTFD || c->wait == BENCH_URING)
		return "it has no descriptors";
	return c->threads ? "it is for processes" : nullptr;
}

/* ---- message_queue ---- */

ipc::message_queue *queues[BENCH_LINKS];
thread_local std::vector<unsigned char> room;

void queue_name(char *name, size_t bytes, unsigned int link)
{
	snprintf(name, bytes, "mqshm-bench-%d-%u", getpid(), link);
}

int mq_open(const struct bench_case *c)
try {
	char name[40];

	for (unsigned int i = 0; i < c->n_links; i++) {
		queue_name(name, sizeof(name), i);
		queues[i] = new ipc::message_queue(ipc::create_only, name, c->depth, c->bytes);
	}
	return 0;
} catch (const ipc::interprocess_exception &e) {
	fprintf(stderr, "mqshm-bench: Boost: %s\n", e.what());
	return -ENOSPC;
}

void mq_close(const struct bench_case *c)
{
	char name[40];

	for (unsigned int i = 0; i < c->n_links; i++) {
		queue_name(name, sizeof(name), i);
		ipc::message_queue::remove(name);
		delete queues[i];
	}
}

int mq_enter(const struct bench_case *c, unsigned int who)
{
	self = who;
	room.assign(c->bytes, 0);
	return 0;
}

void mq_send_one(const struct bench_case *c, ipc::message_queue *q)
{
	if (c->wait != BENCH_POLL)
		q->send(room.data(), c->bytes, 0);
	else
		while (!q->try_send(room.data(), c->bytes, 0))
			bench_relax(c);
}

int mq_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (c->payload == BENCH_TOUCHED)
			bench_fill(room.data(), c->bytes, number + i);
		for (unsigned int o = 0; o < bench_outs(c, self); o++)
			mq_send_one(c, queues[bench_out(c, self, o)]);
	}
	return 0;
}

int mq_receive(const struct bench_case *c, unsigned int in, unsigned int max)
{
	ipc::message_queue *q = queues[bench_in(c, self, in)];
	ipc::message_queue::size_type got;
	unsigned int priority, n = 0;

	do {
		if (c->wait != BENCH_POLL)
			q->receive(room.data(), c->bytes, got, priority);
		else if (!q->try_receive(room.data(), c->bytes, got, priority))
			return n;
		n++;
		if (c->payload == BENCH_TOUCHED)
			bench_sum += bench_read(room.data(), c->bytes);
	} while (n < max && c->wait == BENCH_POLL);
	return n;
}

/* ---- a queue of numbers ---- */

const unsigned int depth_max = 256, buffers_max = 8192;

struct queue {
	ipc::interprocess_mutex mutex;
	ipc::interprocess_condition not_empty, not_full;
	unsigned int first = 0, n = 0;
	unsigned int numbers[depth_max];
};

struct free_list {
	ipc::interprocess_mutex mutex;
	ipc::interprocess_condition not_empty;
	unsigned int n = 0;
	unsigned int numbers[buffers_max];
};

struct pool {
	struct queue queues[BENCH_LINKS];
	struct free_list free;
	alignas(64) std::atomic<unsigned int> counts[buffers_max];
	alignas(4096) unsigned char payload[];
};

pool *shared;
size_t shared_bytes;

int queue_open(const struct bench_case *c)
{
	if (c->buffers > buffers_max || c->depth > depth_max)
		return -E2BIG;
	shared_bytes = sizeof(pool) + c->buffers * c->bytes;
	void *memory = bench_shared(shared_bytes);
	if (!memory)
		return -ENOMEM;
	shared = new (memory) pool;
	for (unsigned int i = 0; i < c->buffers; i++)
		shared->free.numbers[shared->free.n++] = c->buffers - 1 - i;
	return 0;
}

void queue_close(const struct bench_case *c)
{
	(void)c;
	bench_unshare(shared, shared_bytes);
}

int queue_enter(const struct bench_case *c, unsigned int who)
{
	(void)c;
	self = who;
	return 0;
}

/* Takes the lock when there is something; looks again and again if it may not sleep. */
template <typename Ready>
void await(const struct bench_case *c, lock &l, ipc::interprocess_condition &condition, Ready ready)
{
	while (!ready()) {
		if (c->wait != BENCH_POLL) {
			condition.wait(l);
			continue;
		}
		l.unlock();
		bench_relax(c);
		l.lock();
	}
}

unsigned int buffer_take(const struct bench_case *c)
{
	free_list &f = shared->free;
	lock l(f.mutex);

	await(c, l, f.not_empty, [&] { return f.n > 0; });
	return f.numbers[--f.n];
}

void buffer_release(unsigned int number)
{
	free_list &f = shared->free;

	if (shared->counts[number].fetch_sub(1, std::memory_order_acq_rel) != 1)
		return;
	lock l(f.mutex);
	f.numbers[f.n++] = number;
	f.not_empty.notify_one();
}

void queue_push(const struct bench_case *c, queue &q, unsigned int number)
{
	lock l(q.mutex);

	await(c, l, q.not_full, [&] { return q.n < c->depth; });
	q.numbers[(q.first + q.n++) % depth_max] = number;
	q.not_empty.notify_one();
}

int queue_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	unsigned int outs = bench_outs(c, self);

	for (unsigned int i = 0; i < n; i++) {
		unsigned int buffer = buffer_take(c);

		if (c->payload == BENCH_TOUCHED)
			bench_fill(shared->payload + buffer * c->bytes, c->bytes, number + i);
		shared->counts[buffer].store(outs, std::memory_order_relaxed);
		for (unsigned int o = 0; o < outs; o++)
			queue_push(c, shared->queues[bench_out(c, self, o)], buffer);
	}
	return 0;
}

/* Up to @max numbers, under one lock. */
int queue_pop(const struct bench_case *c, queue &q, unsigned int *numbers, unsigned int max)
{
	lock l(q.mutex);
	unsigned int n;

	if (!q.n && c->wait == BENCH_POLL)
		return 0;
	await(c, l, q.not_empty, [&] { return q.n > 0; });
	for (n = 0; n < max && q.n; n++, q.n--)
		numbers[n] = q.numbers[q.first++ % depth_max];
	q.first %= depth_max;
	q.not_full.notify_one();
	return n;
}

int queue_receive(const struct bench_case *c, unsigned int in, unsigned int max)
{
	unsigned int numbers[BENCH_BATCH];
	int n = queue_pop(c, shared->queues[bench_in(c, self, in)], numbers, max);

	for (int i = 0; i < n; i++) {
		if (c->payload == BENCH_TOUCHED)
			bench_sum += bench_read(shared->payload + numbers[i] * c->bytes, c->bytes);
		buffer_release(numbers[i]);
	}
	return n;
}

int queue_forward(const struct bench_case *c, unsigned int max)
{
	unsigned int numbers[BENCH_BATCH];
	int n = queue_pop(c, shared->queues[bench_in(c, self, 0)], numbers, max);

	for (int i = 0; i < n; i++)
		for (unsigned int o = 0; o < bench_outs(c, self); o++)
			queue_push(c, shared->queues[bench_out(c, self, o)], numbers[i]);
	return n;
}

} // namespace

const struct bench_peer bench_boost_mq = {
	"Boost message_queue", false, no_events, mq_open, mq_enter, nullptr, mq_send, mq_receive, nullptr,
	nullptr, mq_close,
};

const struct bench_peer bench_boost_queue = {
	"Boost queue", false, no_events, queue_open, queue_enter, nullptr, queue_send, queue_receive,
	queue_forward, nullptr, queue_close,
};
