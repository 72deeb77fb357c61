// SPDX-License-Identifier: GPL-2.0-only
/*
 * Eclipse iceoryx 2.0 by its C binding, with its daemon, iox-roudi, which is started once
 * and lives as long as this program. The subscribers' queues block the publisher, as a ring
 * of ours does.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <iceoryx_binding_c/chunk.h>
#include <iceoryx_binding_c/enums.h>
#include <iceoryx_binding_c/log.h>
#include <iceoryx_binding_c/publisher.h>
#include <iceoryx_binding_c/runtime.h>
#include <iceoryx_binding_c/subscriber.h>

#include "../bench.h"

#define QUEUE_MAX	256	/* of a subscriber, as it is built */

static pid_t daemon_pid, daemon_parent;
static _Thread_local iox_pub_storage_t pub_storage;
static _Thread_local iox_sub_storage_t sub_storage[BENCH_LINKS];
static _Thread_local iox_pub_t pub;
static _Thread_local iox_sub_t subs[BENCH_LINKS];
static _Thread_local unsigned int n_ins;

static const char *iceoryx_missing(const struct bench_case *c)
{
	if (c->wait != BENCH_POLL)
		return "its subscribers are asked, or wait in a thread of its own";
	return c->threads ? "it is for processes" : NULL;
}

/* It says when it is ready. */
static int daemon_ready(int fd)
{
	char text[4096] = "";
	size_t have = 0;
	ssize_t n;

	while (!strstr(text, "ready for clients")) {
		n = read(fd, text + have, sizeof(text) - 1 - have);
		if (n <= 0)
			return -EIO;
		have += n;
	}
	return 0;
}

static void daemon_end(void)
{
	/* a child of ours leaves it alone */
	if (getpid() != daemon_parent)
		return;
	kill(daemon_pid, SIGTERM);
	waitpid(daemon_pid, NULL, 0);
}

/* It ends with us, or the next one would not start. */
static void daemon_exec(int out)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	dup2(out, 1);
	dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
	execlp("iox-roudi", "iox-roudi", "--log-level", "off", (char *)NULL);
	_exit(1);
}

static int daemon_start(void)
{
	int out[2], error;

	if (pipe2(out, O_CLOEXEC))
		return -errno;
	fflush(NULL);
	daemon_pid = fork();
	if (!daemon_pid)
		daemon_exec(out[1]);
	close(out[1]);
	error = daemon_pid < 0 ? -EAGAIN : daemon_ready(out[0]);
	if (error)
		fprintf(stderr, "mqshm-bench: iox-roudi does not start; does another one run?\n");
	close(out[0]);
	if (!error) {
		daemon_parent = getpid();
		atexit(daemon_end);
	}
	return error;
}

static int iceoryx_open(const struct bench_case *c)
{
	(void)c;
	return daemon_parent ? 0 : daemon_start();
}

static void iceoryx_close(const struct bench_case *c)
{
	(void)c;
}

/* Its daemon joins the ends, some time after they are there. */
static void ends_await(const struct bench_case *c, unsigned int who)
{
	for (unsigned int i = 0; i < n_ins; i++)
		while (iox_sub_get_subscription_state(subs[i]) != SubscribeState_SUBSCRIBED)
			usleep(1000);
	while (bench_outs(c, who) && !iox_pub_has_subscribers(pub))
		usleep(1000);
}

static int iceoryx_enter(const struct bench_case *c, unsigned int who)
{
	char name[32];

	snprintf(name, sizeof(name), "mqshm-bench-%d", getpid());
	iox_set_loglevel(Iceoryx_LogLevel_Off);
	iox_runtime_init(name);
	n_ins = bench_ins(c, who);
	for (unsigned int i = 0; i < n_ins; i++) {
		iox_sub_options_t options;

		iox_sub_options_init(&options);
		options.queueCapacity = c->depth < QUEUE_MAX ? c->depth : QUEUE_MAX;
		options.queueFullPolicy = QueueFullPolicy_BLOCK_PRODUCER;
		snprintf(name, sizeof(name), "from%u", c->links[bench_in(c, who, i)].from);
		subs[i] = iox_sub_init(&sub_storage[i], "mqshm", "bench", name, &options);
	}
	if (bench_outs(c, who)) {
		iox_pub_options_t options;

		iox_pub_options_init(&options);
		options.subscriberTooSlowPolicy = ConsumerTooSlowPolicy_WAIT_FOR_CONSUMER;
		snprintf(name, sizeof(name), "from%u", who);
		pub = iox_pub_init(&pub_storage, "mqshm", "bench", name, &options);
	}
	ends_await(c, who);
	return 0;
}

static int iceoryx_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	void *chunk;

	for (unsigned int i = 0; i < n; i++) {
		while (iox_pub_loan_chunk(pub, &chunk, c->bytes) != AllocationResult_SUCCESS)
			bench_relax(c);
		if (c->payload == BENCH_TOUCHED)
			bench_fill(chunk, c->bytes, number + i);
		iox_pub_publish_chunk(pub, chunk);
	}
	return 0;
}

static int iceoryx_receive(const struct bench_case *c, unsigned int in, unsigned int max)
{
	const void *chunk;
	unsigned int n;

	for (n = 0; n < max; n++) {
		if (iox_sub_take_chunk(subs[in], &chunk) != ChunkReceiveResult_SUCCESS)
			break;
		if (c->payload == BENCH_TOUCHED)
			bench_sum += bench_read(chunk, c->bytes);
		iox_sub_release_chunk(subs[in], chunk);
	}
	return n;
}

static void iceoryx_leave(const struct bench_case *c, unsigned int who)
{
	for (unsigned int i = 0; i < n_ins; i++)
		iox_sub_deinit(subs[i]);
	if (bench_outs(c, who))
		iox_pub_deinit(pub);
	iox_runtime_shutdown();
}

const struct bench_peer bench_iceoryx = {
	.name = "iceoryx 2.0",
	.missing = iceoryx_missing,
	.open = iceoryx_open,
	.enter = iceoryx_enter,
	.send = iceoryx_send,
	.receive = iceoryx_receive,
	.leave = iceoryx_leave,
	.close = iceoryx_close,
};
