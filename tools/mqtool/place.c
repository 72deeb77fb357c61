// SPDX-License-Identifier: GPL-2.0-only
/* Where memory and threads can be on this machine, for messages. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mqtool.h"

#define HUGE_PAGES	"/sys/kernel/mm/transparent_hugepage"

char *file_line(const char *path)
{
	char line[1024];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);

	if (fd >= 0)
		close(fd);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return text("%s", line);
}

char *place_nodes(void)
{
	char *nodes = file_line("/sys/devices/system/node/has_memory");

	if (*nodes)
		return nodes;
	/* a kernel that knows no nodes has one */
	free(nodes);
	return text("0");
}

char *place_allowed_nodes(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[1024], nodes[256] = "?";

	while (file && fgets(line, sizeof(line), file) &&
	       sscanf(line, "Mems_allowed_list: %255s", nodes) != 1)
		;
	if (file)
		fclose(file);
	return text("%s", nodes);
}

static char *cpus_wrong(const char *cpus, int error)
{
	char *online = file_line("/sys/devices/system/cpu/online"), *s;

	if (error == -EPERM)
		s = text("%s: this process may not use all of these processors (its cpuset)", cpus);
	else if (error == -ENXIO)
		s = text("%s: not all of these processors are there and online; online: %s", cpus, online);
	else
		s = text("%s: it is a list of processors, as in 0-3,8; online: %s", cpus, online);
	free(online);
	return s;
}

char *place_wrong(const struct mqshm_place *place, int error)
{
	char *nodes, *s;

	if (place->cpus && place->on_node)
		return text("there are cpus and a node: it is one of them");
	if (place->cpus)
		return cpus_wrong(place->cpus, error);
	nodes = file_line("/sys/devices/system/node/has_cpu");
	if (error == -EPERM)
		s = text("%u: this process may not use processors of that NUMA node (its cpuset)",
			 place->node);
	else
		s = text("%u: there is no NUMA node with processors of that number; there are: %s",
			 place->node, *nodes ? nodes : "0");
	free(nodes);
	return s;
}

const char *place_no_huge(void)
{
	char *modes = file_line(HUGE_PAGES "/shmem_enabled");
	const char *why = NULL;

	if (!*modes)
		why = "this kernel has no transparent huge pages (CONFIG_TRANSPARENT_HUGEPAGE)";
	else if (strstr(modes, "[deny]"))
		why = "this system denies them to shared memory; " HUGE_PAGES "/shmem_enabled says "
		      "deny, and never would do: then those get them who ask";
	free(modes);
	return why;
}
