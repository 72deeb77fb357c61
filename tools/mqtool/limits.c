// SPDX-License-Identifier: GPL-2.0-only
/* Limits of a runtime: as init takes them, and saying which one is reached. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

static const struct {
	const char *key;
	size_t at;
} limits[] = {
	{ "clients", offsetof(struct mqshm_limits, clients) },
	{ "blocks", offsetof(struct mqshm_limits, blocks) },
	{ "ports", offsetof(struct mqshm_limits, ports) },
	{ "connections", offsetof(struct mqshm_limits, connections) },
	{ "pools", offsetof(struct mqshm_limits, pools) },
	{ "buffers", offsetof(struct mqshm_limits, buffers) },
};

#define N_LIMITS (sizeof(limits) / sizeof(*limits))

static uint32_t *limit_at(struct mqshm_limits *l, size_t i)
{
	return (uint32_t *)((char *)l + limits[i].at);
}

const char *limit_parse(const char *s, struct mqshm_limits *out)
{
	const char *equals = strchr(s, '=');
	uint64_t number;

	for (size_t i = 0; equals && i < N_LIMITS; i++) {
		if (strlen(limits[i].key) != (size_t)(equals - s) ||
		    strncmp(s, limits[i].key, equals - s))
			continue;
		if (!parse_number(equals + 1, UINT32_MAX, &number) || !number)
			return "a limit is a number from 1 on";
		*limit_at(out, i) = number;
		return NULL;
	}
	return "it is KEY=NUMBER; keys: clients, blocks, ports (of a block), connections, pools, "
	       "buffers (of all pools)";
}

/* What the module allows; 0 if it does not say. */
static unsigned long ceiling(const char *key)
{
	char *path = text("/sys/module/mqshm/parameters/max_%s", key);
	FILE *file = fopen(path, "re");
	unsigned long value = 0;

	if (file && fscanf(file, "%lu", &value) != 1)
		value = 0;
	if (file)
		fclose(file);
	free(path);
	return value;
}

int limits_refused(const char *runtime, struct mqshm_limits *wanted)
{
	for (size_t i = 0; i < N_LIMITS; i++) {
		unsigned long most = ceiling(limits[i].key);

		if (most && *limit_at(wanted, i) > most)
			return fail("runtime", runtime, "it would take %u %s, and the module allows "
				    "%lu: its parameter max_%s", *limit_at(wanted, i),
				    limits[i].key, most, limits[i].key);
	}
	return fail("runtime", runtime, "its limits are more than the module allows: modinfo mqshm");
}

int limit_reached(const char *kind, const char *name, const char *runtime, const char *key)
{
	struct mqshm_runtime *rt;
	struct mqshm_snapshot *snap;
	uint32_t limit = 0;
	char *holder;

	if (!mqshm_runtime_open(runtime, &rt)) {
		if (!mqshm_runtime_snapshot(rt, &snap)) {
			for (size_t i = 0; i < N_LIMITS && snap->n_runtimes; i++)
				if (!strcmp(limits[i].key, key))
					limit = *limit_at((void *)&snap->runtimes[0].limits, i);
			mqshm_snapshot_free(snap);
		}
		mqshm_runtime_close(rt);
	}
	holder = !strcmp(kind, "runtime") ? text("it") : text("runtime %s", runtime);
	fail(kind, name, "%s takes %u %s, and has them; a limit is set when a runtime is made: "
	     "mqtool init --limit %s=%u", holder, limit, key, key, 2 * limit);
	free(holder);
	return EXIT_FAILED;
}
