// SPDX-License-Identifier: GPL-2.0-only
/* POSIX message queues: a message a call, copied twice. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../bench.h"

static mqd_t queues[BENCH_LINKS];
static _Thread_local unsigned char *room;
static _Thread_local unsigned int self;

/* As deep as the case has it, or as the system lets it be (fs.mqueue.msg_max); -1 if none. */
static mqd_t queue_new(const struct bench_case *c, unsigned int link)
{
	static const unsigned int default_depth = 10;
	struct rlimit all = { .rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY };
	struct mq_attr attr = { .mq_maxmsg = c->depth, .mq_msgsize = c->bytes };
	int flags = O_RDWR | O_CREAT | O_EXCL | (c->wait == BENCH_POLL ? O_NONBLOCK : 0);
	char name[48];
	mqd_t queue;

	setrlimit(RLIMIT_MSGQUEUE, &all);
	snprintf(name, sizeof(name), "/mqshm-bench-%d-%u", getpid(), link);
	queue = mq_open(name, flags, 0600, &attr);
	if (queue < 0 && attr.mq_maxmsg > default_depth) {
		attr.mq_maxmsg = default_depth;
		queue = mq_open(name, flags, 0600, &attr);
	}
	if (queue >= 0)
		mq_unlink(name);
	return queue;
}

static const char *queue_missing(const struct bench_case *c)
{
	mqd_t trial;

	if (c->wait == BENCH_EVENTFD || c->wait == BENCH_URING)
		return "it sleeps in mq_receive()";
	if (c->threads)
		return "it is for processes";
	trial = queue_new(c, 0);
	if (trial < 0)
		return errno == EINVAL ? "fs.mqueue.msgsize_max is less" : strerror(errno);
	mq_close(trial);
	return NULL;
}

static int queue_open(const struct bench_case *c)
{
	for (unsigned int i = 0; i < c->n_links; i++) {
		queues[i] = queue_new(c, i);
		if (queues[i] < 0)
			return -errno;
	}
	return 0;
}

static void queue_close(const struct bench_case *c)
{
	for (unsigned int i = 0; i < c->n_links; i++)
		mq_close(queues[i]);
}

static int queue_enter(const struct bench_case *c, unsigned int who)
{
	self = who;
	room = malloc(c->bytes);
	if (!room)
		return -ENOMEM;
	memset(room, 0, c->bytes);
	return 0;
}

static void queue_leave(const struct bench_case *c, unsigned int who)
{
	(void)c;
	(void)who;
	free(room);
}

static int send_one(const struct bench_case *c, mqd_t queue)
{
	while (mq_send(queue, (char *)room, c->bytes, 0)) {
		if (errno != EAGAIN)
			return -errno;
		bench_relax(c);
	}
	return 0;
}

static int queue_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	int error = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (c->payload == BENCH_TOUCHED)
			bench_fill(room, c->bytes, number + i);
		for (unsigned int o = 0; o < bench_outs(c, self) && !error; o++)
			error = send_one(c, queues[bench_out(c, self, o)]);
	}
	return error;
}

static int queue_receive(const struct bench_case *c, unsigned int in, unsigned int max)
{
	mqd_t queue = queues[bench_in(c, self, in)];
	unsigned int n = 0;

	do {
		if (mq_receive(queue, (char *)room, c->bytes, NULL) < 0)
			return errno == EAGAIN ? (int)n : -errno;
		n++;
		if (c->payload == BENCH_TOUCHED)
			bench_sum += bench_read(room, c->bytes);
	} while (n < max && c->wait == BENCH_POLL);
	return n;
}

const struct bench_peer bench_posix_mq = {
	.name = "POSIX mq",
	.missing = queue_missing,
	.open = queue_open,
	.enter = queue_enter,
	.send = queue_send,
	.receive = queue_receive,
	.leave = queue_leave,
	.close = queue_close,
};
