// SPDX-License-Identifier: GPL-2.0-only
/* Clients of a runtime that do nothing. All are this process's: to the module it is the same. */
#include <errno.h>
#include <stdio.h>

#include "crowd.h"

#define CLIENTS_MAX	48
#define INS_MAX		16

static struct mqshm_client *clients[CLIENTS_MAX];
static unsigned int n_clients;

/* A block with one output, and @ins inputs. */
static int member_join(const char *runtime_name, unsigned int number, unsigned int ins)
{
	struct mqshm_port_spec specs[INS_MAX + 1];
	char names[INS_MAX][8], name[16];
	struct mqshm_block *block;
	int error;

	for (unsigned int i = 0; i < ins; i++) {
		snprintf(names[i], sizeof(names[i]), "in%u", i);
		specs[i] = (struct mqshm_port_spec) { .name = names[i] };
	}
	specs[ins] = (struct mqshm_port_spec) { .name = "out", .direction = MQSHM_DIR_OUT };
	snprintf(name, sizeof(name), "idle%u", number);
	error = mqshm_client_join(runtime_name, NULL, &clients[number]);
	if (error)
		return error;
	n_clients++;
	return mqshm_block_create(clients[number], name, "idle", MQSHM_CLASS_PROCESSING, specs,
				  ins + 1, &block);
}

int crowd_join(struct mqshm_runtime *runtime, const char *name, unsigned int n,
	       unsigned int connections)
{
	unsigned int ins = n ? (connections + n - 1) / n : 0;
	char from[24], to[24];
	int error = 0;

	if (n > CLIENTS_MAX || ins > INS_MAX || (connections && !n))
		return -EINVAL;
	for (unsigned int i = 0; i < n && !error; i++)
		error = member_join(name, i, ins);
	for (unsigned int i = 0; i < connections && !error; i++) {
		snprintf(from, sizeof(from), "idle%u:out", (i + 1 + i / n) % n);
		snprintf(to, sizeof(to), "idle%u:in%u", i % n, i / n);
		error = mqshm_connect(runtime, from, to, NULL);
	}
	return error;
}

void crowd_leave(void)
{
	while (n_clients)
		mqshm_client_close(clients[--n_clients]);
}
