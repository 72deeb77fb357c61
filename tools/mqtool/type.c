// SPDX-License-Identifier: GPL-2.0-only
/* Types of blocks by name: those that are built in, and those of plug-ins. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../blocks/blocks.h"
#include "mqtool.h"

void types_each(void (*each)(const struct block_type *type, void *arg), void *arg)
{
	const struct mqshm_block_plugin *plugin;
	char **paths = NULL, *error;
	size_t n = 0;

	for (size_t i = 0; builtin_blocks[i]; i++)
		each(&(struct block_type){ .ops = builtin_blocks[i] }, arg);
	if (mqshm_plugin_paths(&paths, &n))
		return;
	for (size_t p = 0; p < n; p++) {
		if (mqshm_plugin_load(paths[p], &plugin, &error)) {
			fail("plug-in", NULL, "%s", error ? error : paths[p]);
			free(error);
		} else {
			for (size_t i = 0; plugin->types[i]; i++)
				each(&(struct block_type){ plugin->types[i], paths[p] }, arg);
		}
		free(paths[p]);
	}
	free(paths);
}

/* What --block would find: the names of types, and FILE:TYPE where the file has another name. */
static void add_name(const struct block_type *type, void *arg)
{
	const char *file = type->path ? strrchr(type->path, '/') + 1 : NULL;
	size_t length = strlen(type->ops->type);
	char *name;

	if (!file || (!strncmp(file, type->ops->type, length) && !strcmp(file + length, ".so"))) {
		names_add(arg, type->ops->type);
		return;
	}
	name = text("%.*s:%s", (int)strlen(file) - 3, file, type->ops->type);
	names_add(arg, name);
	free(name);
}

static void unknown(const char *name)
{
	struct names names = { 0 };
	char *hint;

	types_each(add_name, &names);
	hint = names_hint(&names, name, "types");
	fail("block type", name, "there is none of that name%s", hint);
	free(hint);
	names_free(&names);
}

const struct mqshm_block_ops *type_find(const char *name)
{
	const struct mqshm_block_ops *ops = builtin_block(name);
	char *error = NULL;
	int r;

	if (ops)
		return ops;
	r = mqshm_block_load(name, &ops, &error);
	if (!r)
		return ops;
	if (r == -ENOENT && !strpbrk(name, "/:"))
		unknown(name);
	else if (error)
		fail("block type", NULL, "%s", error);
	else
		fail_errno("block type", name, r);
	free(error);
	return NULL;
}

const struct mqshm_block_ops *type_of_block(const char *name)
{
	const struct mqshm_block_ops *ops = builtin_block(name);

	/* a name that comes from a runtime is no path */
	if (!ops && !strpbrk(name, "/:") && mqshm_block_load(name, &ops, NULL))
		return NULL;
	return ops;
}
