// SPDX-License-Identifier: LGPL-2.1-or-later
/* Places: lists of processors as the kernel writes them, and threads bound to some. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "place.h"

#define ONLINE	"/sys/devices/system/cpu/online"
#define NODES	"/sys/devices/system/node"

static bool cpus_has(const struct cpus *set, uint32_t cpu)
{
	return set->words[cpu / 64] >> cpu % 64 & 1;
}

static void cpus_add(struct cpus *set, uint32_t cpu)
{
	set->words[cpu / 64] |= 1ULL << cpu % 64;
}

/* The number at *@s, which is moved behind it. */
static int number_parse(const char **s, uint32_t *out)
{
	uint32_t n = 0;

	if (**s < '0' || **s > '9')
		return -EINVAL;
	for (; **s >= '0' && **s <= '9'; ++*s) {
		n = n * 10 + (uint32_t)(**s - '0');
		if (n >= PLACE_CPUS)
			return -ENXIO;
	}
	*out = n;
	return 0;
}

/* "0-3,8", and a newline perhaps. */
static int list_parse(const char *s, struct cpus *out)
{
	uint32_t first, last;
	int r;

	memset(out, 0, sizeof(*out));
	for (;;) {
		r = number_parse(&s, &first);
		last = first;
		if (!r && *s == '-') {
			s++;
			r = number_parse(&s, &last);
		}
		if (r)
			return r;
		if (last < first)
			return -EINVAL;
		for (; first <= last; first++)
			cpus_add(out, first);
		if (*s != ',')
			break;
		s++;
	}
	return *s && strcmp(s, "\n") ? -EINVAL : 0;
}

/* -ENXIO: there is no such file, or no processor in it. */
static int list_read(const char *path, struct cpus *out)
{
	char text[16384];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (n <= 1)
		return -ENXIO;
	text[n] = '\0';
	return list_parse(text, out);
}

static int node_read(uint32_t node, struct cpus *out)
{
	char path[64];

	/* a kernel that knows no nodes has one */
	if (!node && access(NODES, F_OK))
		return list_read(ONLINE, out);
	snprintf(path, sizeof(path), NODES "/node%u/cpulist", node);
	return list_read(path, out);
}

/* All of them have to be there. */
static int check_online(const struct cpus *set)
{
	struct cpus online;
	uint32_t i;
	int r = list_read(ONLINE, &online);

	for (i = 0; !r && i < PLACE_WORDS; i++) {
		if (set->words[i] & ~online.words[i])
			r = -ENXIO;
	}
	return r;
}

/* One of @set: the @i-th, and round again. */
static void cpus_pick(const struct cpus *set, uint32_t i, struct cpus *out)
{
	uint32_t n = 0, cpu;

	for (cpu = 0; cpu < PLACE_WORDS; cpu++)
		n += (uint32_t)__builtin_popcountll(set->words[cpu]);
	i %= n;
	for (cpu = 0; !cpus_has(set, cpu) || i--; cpu++)
		;
	memset(out, 0, sizeof(*out));
	cpus_add(out, cpu);
}

int mqshm_place_cpus(const struct mqshm_place *place, uint32_t i, struct cpus *out, bool *bound)
{
	struct cpus set;
	int r;

	*bound = place->cpus || place->on_node;
	if (place->cpus && place->on_node)
		return -EINVAL;
	if (place->on_node)
		return node_read(place->node, out);
	if (!place->cpus)
		return 0;
	r = list_parse(place->cpus, &set);
	if (!r)
		r = check_online(&set);
	if (!r)
		cpus_pick(&set, i, out);
	return r;
}

int mqshm_place_check(const struct mqshm_place *place)
{
	struct cpus cpus;
	bool bound;

	return mqshm_place_cpus(place, 0, &cpus, &bound);
}

int mqshm_place_thread(const struct mqshm_place *place, uint32_t i)
{
	struct cpus cpus;
	bool bound;
	int r = mqshm_place_cpus(place, i, &cpus, &bound);

	if (r || !bound)
		return r;
	if (!sched_setaffinity(0, sizeof(cpus), (const cpu_set_t *)cpus.words))
		return 0;
	/* they are there, so it may not use them */
	return errno == EINVAL ? -EPERM : -errno;
}
