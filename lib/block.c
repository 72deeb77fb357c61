// SPDX-License-Identifier: LGPL-2.1-or-later
/* Blocks of a client: adding them with their ports, removing them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "port.h"
#include "runtime.h"

struct mqshm_port *mqshm_block_find_port(struct mqshm_client *c, uint32_t number)
{
	struct mqshm_block *b;
	size_t i;

	for (b = c->blocks; b; b = b->next) {
		for (i = 0; i < b->n_ports; i++) {
			if (b->ports[i].number == number)
				return &b->ports[i];
		}
	}
	return NULL;
}

struct mqshm_block *mqshm_block_find(struct mqshm_client *c, uint64_t id)
{
	struct mqshm_block *b = c->blocks;

	while (b && b->id != id)
		b = b->next;
	return b;
}

void mqshm_block_free(struct mqshm_block *b)
{
	size_t i;

	for (i = 0; i < b->n_ports; i++)
		free(b->ports[i].rings);
	free(b);
}

static int port_describe(struct mqshm_port_desc *desc, const struct mqshm_port_spec *spec)
{
	if (spec->flags & ~MQSHM_PORT_OPTIONAL)
		return -EINVAL;
	desc->direction = spec->direction;
	desc->depth = spec->depth;
	return mqshm_name_copy(desc->name, sizeof(desc->name), spec->name);
}

static void port_init(struct mqshm_port *p, struct mqshm_block *b,
		      const struct mqshm_port_spec *spec,
		      const struct mqshm_port_desc *desc)
{
	p->client = b->client;
	p->block = b;
	p->number = desc->out_port;
	p->out = spec->direction == MQSHM_DIR_OUT;
	p->optional = spec->flags & MQSHM_PORT_OPTIONAL;
	memcpy(p->name, desc->name, sizeof(p->name));
}

static int block_register(struct mqshm_client *c, struct mqshm_block_create_args *args,
			  const struct mqshm_port_spec *ports, size_t n_ports,
			  struct mqshm_block **out)
{
	struct mqshm_port_desc *descs = calloc(n_ports + 1, sizeof(*descs));
	struct mqshm_block *b = calloc(1, sizeof(*b) + n_ports * sizeof(b->ports[0]));
	size_t i;
	int r = descs && b ? 0 : -ENOMEM;

	for (i = 0; i < n_ports && !r; i++)
		r = port_describe(&descs[i], &ports[i]);
	if (!r) {
		args->port_array = (uintptr_t)descs;
		r = mqshm_client_ioctl(c, MQSHM_IOC_BLOCK_CREATE, args);
	}
	if (!r) {
		b->client = c;
		b->id = args->out_id;
		b->slot = args->out_slot;
		b->n_ports = n_ports;
		for (i = 0; i < n_ports; i++)
			port_init(&b->ports[i], b, &ports[i], &descs[i]);
		b->next = c->blocks;
		c->blocks = b;
		*out = b;
	} else {
		free(b);
	}
	free(descs);
	return r;
}

int mqshm_block_create(struct mqshm_client *c, const char *name, const char *type,
		       uint32_t class_, const struct mqshm_port_spec *ports,
		       size_t n_ports, struct mqshm_block **out)
{
	struct mqshm_block_create_args args = {
		.size = sizeof(args),
		.flags = c->persistent ? MQSHM_BLOCK_F_PERSISTENT : 0,
		.class_ = class_,
		.ports = (uint32_t)n_ports,
	};
	sigset_t signals;
	int r;

	if (n_ports > UINT16_MAX || !name || strchr(name, ':') ||
	    mqshm_name_copy(args.name, sizeof(args.name), name) ||
	    mqshm_name_copy(args.type, sizeof(args.type), type))
		return -EINVAL;
	r = client_enter(c);
	if (r)
		return r;
	mqshm_client_hold_signals(&signals);
	r = block_register(c, &args, ports, n_ports, out);
	client_leave(c);
	mqshm_client_let_signals(&signals);
	return r;
}

/*
 * What was pushed is still delivered. The kernel lets go of the rings with the block: it
 * knows which of them wait for another of its name.
 */
static void block_detach(struct mqshm_client *c, struct mqshm_block *b)
{
	struct mqshm_id_args args = {
		.size = sizeof(args),
		.flags = b->failed ? MQSHM_BLOCK_REMOVE_F_FAILED : 0,
		.id = b->id,
	};
	size_t i;

	mqshm_client_publish(c);
	mqshm_client_ioctl(c, MQSHM_IOC_BLOCK_REMOVE, &args);
	for (i = 0; i < b->n_ports; i++) {
		struct mqshm_port *p = &b->ports[i];

		while (p->n_rings)
			mqshm_ring_forget(c, p->rings[p->n_rings - 1]);
	}
}

void mqshm_block_remove(struct mqshm_block *b)
{
	struct mqshm_client *c;
	struct mqshm_block **link;
	sigset_t signals;
	int r;

	if (!b)
		return;
	c = b->client;
	mqshm_client_hold_signals(&signals);
	r = client_enter(c);
	/* A call below may be using it. */
	if (r == -EBUSY)
		goto out;
	/* After fork, or removed by force: only the memory is left. */
	if (!r) {
		block_detach(c, b);
		client_leave(c);
	}
	for (link = &c->blocks; *link; link = &(*link)->next) {
		if (*link == b) {
			*link = b->next;
			break;
		}
	}
	mqshm_block_free(b);
out:
	mqshm_client_let_signals(&signals);
}

uint64_t mqshm_block_id(const struct mqshm_block *b)
{
	return b->id;
}

bool mqshm_block_stop_requested(const struct mqshm_block *b)
{
	return b->stop;
}

struct mqshm_port *mqshm_block_port(const struct mqshm_block *b, const char *name)
{
	size_t i;

	for (i = 0; name && i < b->n_ports; i++) {
		if (!strcmp(b->ports[i].name, name))
			return (struct mqshm_port *)&b->ports[i];
	}
	return NULL;
}
