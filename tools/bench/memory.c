// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the module takes beside payload, as its allocator counts it: a runtime is made with
 * few buffers and one with many, and what both have more of is compared.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mqshm.h>

#include "memory.h"
#include "place.h"

#define FEW		2048
#define MANY		65536
#define CLIENTS		8
#define CONNECTIONS	30	/* to one client: inputs of its block */
#define BUFFER_BYTES	64

/**
 * struct scene - a runtime and what it takes
 * @buffers: of its pool, and its limit
 * @runtime_bytes: of the runtime, empty
 * @pool_bytes: of the pool, without payload
 * @clients_bytes: of CLIENTS that have held all buffers, one after the other
 * @connections_bytes: of CONNECTIONS between two of them
 */
struct scene {
	unsigned int buffers;
	char name[32];
	struct mqshm_runtime *runtime;
	struct mqshm_client *clients[CLIENTS];
	struct mqshm_block *blocks[CLIENTS];
	double runtime_bytes;
	double pool_bytes;
	double clients_bytes;
	double connections_bytes;
};

/* Takes all buffers, but what others have in reserve, and gives them back: its hold row is there then. */
static int hold_all(struct scene *s, struct mqshm_client *client)
{
	unsigned int n = 0, enough = s->buffers - CLIENTS * MQSHM_LEASE_MAX;
	struct mqshm_buffer *bufs = calloc(s->buffers, sizeof(*bufs));
	int error = bufs ? 0 : -ENOMEM;

	while (n < s->buffers && !error) {
		error = mqshm_buffer_alloc(client, BUFFER_BYTES, MQSHM_NO_WAIT, &bufs[n]);
		n += !error;
		/* the graph changed, or all are taken */
		if (error == -EAGAIN) {
			error = 0;
			if (n >= enough)
				break;
		}
	}
	while (bufs && n--)
		mqshm_buffer_release(client, &bufs[n]);
	free(bufs);
	return error;
}

static int client_add(struct scene *s, unsigned int i)
{
	struct mqshm_port_spec specs[CONNECTIONS + 1];
	char names[CONNECTIONS][8], block[16];
	unsigned int n;
	int error;

	for (n = 0; n < (i ? 1 : CONNECTIONS); n++) {
		snprintf(names[n], sizeof(names[n]), "in%u", n);
		specs[n] = (struct mqshm_port_spec) { .name = names[n], .depth = MEMORY_DEPTH };
	}
	specs[n++] = (struct mqshm_port_spec) { .name = "out", .direction = MQSHM_DIR_OUT };
	snprintf(block, sizeof(block), "b%u", i);
	error = mqshm_client_join(s->name, NULL, &s->clients[i]);
	if (!error)
		error = mqshm_block_create(s->clients[i], block, "memory", MQSHM_CLASS_PROCESSING,
					   specs, n, &s->blocks[i]);
	return error ? error : hold_all(s, s->clients[i]);
}

static int connections_add(struct scene *s)
{
	struct mqshm_buffer buf;
	struct mqshm_port *ins[CONNECTIONS], *out = mqshm_block_port(s->blocks[1], "out");
	char to[24];
	int error = 0;

	for (unsigned int i = 0; i < CONNECTIONS && !error; i++) {
		snprintf(to, sizeof(to), "b0:in%u", i);
		error = mqshm_connect(s->runtime, "b1:out", to, NULL);
		ins[i] = mqshm_block_port(s->blocks[0], to + 3);
	}
	/* who uses them maps them */
	if (!error)
		error = mqshm_buffer_alloc(s->clients[1], BUFFER_BYTES, MQSHM_FOREVER, &buf);
	while (!error && (error = mqshm_port_push(out, &buf, 0)) == -ENOTCONN)
		error = 0;
	for (unsigned int i = 0; i < CONNECTIONS && !error; i++) {
		while ((error = mqshm_port_pop(ins[i], &buf)) == -EAGAIN)
			;
		if (!error)
			error = mqshm_buffer_release(s->clients[0], &buf);
	}
	return error;
}

/* Adds to *@sum what the module has more, or (@sign) less, now. */
static int account(double sign, double *sum)
{
	uint64_t bytes;
	int error = place_memory(&bytes);

	*sum += sign * (error ? 0 : bytes);
	return error;
}

static int scene_make(struct scene *s)
{
	struct mqshm_runtime_options options = { .limits.buffers = s->buffers };
	int error = account(-1, &s->runtime_bytes);

	snprintf(s->name, sizeof(s->name), "memory-%d", getpid());
	if (!error)
		error = mqshm_runtime_create(s->name, &options, &s->runtime);
	if (!error)
		error = account(1, &s->runtime_bytes);
	if (!error)
		error = account(-1, &s->pool_bytes);
	if (!error)
		error = mqshm_pool_create(s->runtime, "memory", BUFFER_BYTES, s->buffers);
	if (!error)
		error = account(1, &s->pool_bytes);
	s->pool_bytes -= (double)s->buffers * BUFFER_BYTES;
	if (!error)
		error = account(-1, &s->clients_bytes);
	for (unsigned int i = 0; i < CLIENTS && !error; i++)
		error = client_add(s, i);
	if (!error)
		error = account(1, &s->clients_bytes);
	if (!error)
		error = account(-1, &s->connections_bytes);
	if (!error)
		error = connections_add(s);
	if (!error)
		error = account(1, &s->connections_bytes);
	return error;
}

static void scene_end(struct scene *s)
{
	for (unsigned int i = 0; i < CLIENTS; i++)
		mqshm_client_close(s->clients[i]);
	mqshm_runtime_close(s->runtime);
}

int memory_run(struct memory_result *out)
{
	struct scene few = { .buffers = FEW }, many = { .buffers = MANY };
	double more = MANY - FEW;
	int error = place_memory_begin();

	if (error)
		return error;
	error = scene_make(&few);
	scene_end(&few);
	if (!error) {
		error = scene_make(&many);
		scene_end(&many);
	}
	place_memory_end();
	*out = (struct memory_result) {
		.buffer = (many.pool_bytes - few.pool_bytes) / more,
		.buffer_client = (many.clients_bytes - few.clients_bytes) / more / CLIENTS,
		.client = few.clients_bytes / CLIENTS,
		.connection = few.connections_bytes / CONNECTIONS,
		.runtime = few.runtime_bytes,
	};
	return error;
}
