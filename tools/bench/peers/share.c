// SPDX-License-Identifier: GPL-2.0-only
/*
 * One more reference to a buffer and gone again, with nobody else about; and what a count
 * in shared memory costs at least: one locked add up, one down.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mqshm.h>

#include "../bench.h"

static char name[32];
static struct mqshm_runtime *runtime;
static struct mqshm_client *client;
static struct mqshm_buffer held;
static uint64_t *count;

static const char *share_missing(const struct bench_case *c)
{
	(void)c;
	return NULL;
}

static int share_open(const struct bench_case *c)
{
	int error;

	snprintf(name, sizeof(name), "share-%d", getpid());
	error = mqshm_runtime_create(name, NULL, &runtime);
	return error ? error : mqshm_pool_create(runtime, "share", c->bytes, c->buffers);
}

static int share_enter(const struct bench_case *c, unsigned int who)
{
	int error = mqshm_client_join(name, NULL, &client);

	(void)who;
	return error ? error : mqshm_buffer_alloc(client, c->bytes, MQSHM_NO_WAIT, &held);
}

static int share_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	struct mqshm_buffer other;
	int error = 0;

	(void)c;
	(void)number;
	for (unsigned int i = 0; i < n && !error; i++) {
		error = mqshm_buffer_share(client, &held, &other);
		if (!error)
			error = mqshm_buffer_release(client, &other);
	}
	return error;
}

static void share_leave(const struct bench_case *c, unsigned int who)
{
	(void)c;
	(void)who;
	mqshm_client_close(client);
}

static void share_close(const struct bench_case *c)
{
	(void)c;
	mqshm_runtime_close(runtime);
}

static int adds_open(const struct bench_case *c)
{
	(void)c;
	count = bench_shared(sizeof(*count));
	return count ? 0 : -ENOMEM;
}

static int adds_enter(const struct bench_case *c, unsigned int who)
{
	(void)c;
	(void)who;
	return 0;
}

static int adds_send(const struct bench_case *c, uint64_t number, unsigned int n)
{
	(void)c;
	(void)number;
	for (unsigned int i = 0; i < n; i++) {
		bench_sum = __atomic_fetch_add(count, 1, __ATOMIC_ACQ_REL);
		bench_sum = __atomic_fetch_sub(count, 1, __ATOMIC_ACQ_REL);
	}
	return 0;
}

static void adds_close(const struct bench_case *c)
{
	(void)c;
	bench_unshare(count, sizeof(*count));
}

const struct bench_peer bench_share = {
	.name = "mqshm",
	.missing = share_missing,
	.open = share_open,
	.enter = share_enter,
	.send = share_send,
	.leave = share_leave,
	.close = share_close,
};

const struct bench_peer bench_adds = {
	.name = "two locked adds",
	.missing = share_missing,
	.open = adds_open,
	.enter = adds_enter,
	.send = adds_send,
	.close = adds_close,
};
