// SPDX-License-Identifier: LGPL-2.1-or-later
/* Types of blocks out of shared objects. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <mqshm_block.h>

#include "block_dir.h"

#define SYMBOL	"mqshm_block_plugin"

/* Sets *@error to a sentence; returns @code. */
static int say(char **error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int say(char **error, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (error && vasprintf(error, format, args) < 0)
		*error = NULL;
	va_end(args);
	return code;
}

/* -- one file ---------------------------------------------------------------------- */

static int type_check(const char *path, const struct mqshm_block_ops *ops, char **error)
{
	const char *lacking = NULL;

	if (ops->abi != MQSHM_BLOCK_ABI)
		return say(error, -EPROTO, "%s: a type of it is for version %u of the block interface, and this is %d: build it again",
			   path, ops->abi, MQSHM_BLOCK_ABI);
	if (!ops->type || !*ops->type)
		lacking = "a name";
	else if (!ops->work)
		lacking = "work";
	else if (!ops->summary)
		lacking = "a summary";
	if (lacking)
		return say(error, -EINVAL, "%s: type %s of it lacks %s", path,
			   ops->type ? ops->type : "(without name)", lacking);
	if (strlen(ops->type) >= MQSHM_TYPE_NAME_LEN || strpbrk(ops->type, "/:"))
		return say(error, -EINVAL, "%s: %s is no name of a type: at most %d bytes, no / and no :",
			   path, ops->type, MQSHM_TYPE_NAME_LEN - 1);
	return 0;
}

static int plugin_check(const char *path, const struct mqshm_block_plugin *plugin, char **error)
{
	size_t i;
	int r = 0;

	if (plugin->abi != MQSHM_BLOCK_ABI)
		return say(error, -EPROTO, "%s: built for version %u of the block interface, and this is %d: build it again",
			   path, plugin->abi, MQSHM_BLOCK_ABI);
	if (!plugin->types || !plugin->types[0])
		return say(error, -EINVAL, "%s: there are no types of blocks in it", path);
	for (i = 0; plugin->types[i] && !r; i++)
		r = type_check(path, plugin->types[i], error);
	return r;
}

/* A path that dlopen() does not look up anywhere else. */
static char *path_exact(const char *path)
{
	char *exact;

	if (strchr(path, '/'))
		return strdup(path);
	return asprintf(&exact, "./%s", path) < 0 ? NULL : exact;
}

int mqshm_plugin_load(const char *path, const struct mqshm_block_plugin **out, char **error)
{
	const struct mqshm_block_plugin *plugin;
	struct stat status;
	char *exact;
	void *object;
	int r;

	if (error)
		*error = NULL;
	/* dlopen() has one answer for a file that is not there and for one that is none of its */
	if (stat(path, &status)) {
		r = -errno;
		return say(error, r, "%s: %s", path, strerror(-r));
	}
	exact = path_exact(path);
	if (!exact)
		return -ENOMEM;
	object = dlopen(exact, RTLD_NOW | RTLD_LOCAL);
	free(exact);
	if (!object)
		return say(error, -ENOEXEC, "%s cannot be loaded: %s", path, dlerror());
	plugin = dlsym(object, SYMBOL);
	r = plugin ? plugin_check(path, plugin, error) :
	    say(error, -EINVAL, "%s is no plug-in: it does not export " SYMBOL " (MQSHM_BLOCK_PLUGIN() of <mqshm_block.h> does)",
		path);
	if (r)
		dlclose(object);
	else
		*out = plugin;
	return r;
}

/* -- the search path ----------------------------------------------------------------- */

/* Calls @each with every folder that plug-ins are looked for in, until it gives not 0. */
static int folders(int (*each)(const char *folder, void *arg), void *arg)
{
	const char *given = getenv("MQSHM_BLOCK_PATH");
	char *copy = strdup(given ? given : ""), *rest = copy, *folder;
	int r = 0;

	if (!copy)
		return -ENOMEM;
	while (!r && (folder = strsep(&rest, ":"))) {
		if (*folder)
			r = each(folder, arg);
	}
	free(copy);
	return r ? r : each(MQSHM_BLOCK_DIR, arg);
}

/**
 * struct paths - a list that grows
 * @path: array[@n], malloc'ed
 * @n: how many
 */
struct paths {
	char **path;
	size_t n;
};

static void paths_free(struct paths *paths)
{
	while (paths->n)
		free(paths->path[--paths->n]);
	free(paths->path);
}

static int is_plugin(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return *entry->d_name != '.' && dot && !strcmp(dot, ".so");
}

static int paths_add(struct paths *paths, const char *folder, const char *file)
{
	char **grown = realloc(paths->path, (paths->n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	paths->path = grown;
	if (asprintf(&grown[paths->n], "%s/%s", folder, file) < 0)
		return -ENOMEM;
	paths->n++;
	return 0;
}

static int folder_list(const char *folder, void *arg)
{
	struct dirent **entries;
	int i, r = 0, n = scandir(folder, &entries, is_plugin, alphasort);

	if (n < 0)
		return errno == ENOMEM ? -ENOMEM : 0;
	for (i = 0; i < n; i++) {
		if (!r)
			r = paths_add(arg, folder, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int mqshm_plugin_paths(char ***paths, size_t *n)
{
	struct paths list = { NULL, 0 };
	int r = folders(folder_list, &list);

	if (r) {
		paths_free(&list);
		return r;
	}
	*paths = list.path;
	*n = list.n;
	return 0;
}

/**
 * struct wanted - a file that is looked for
 * @file: without .so
 * @path: where it is, malloc'ed; NULL as long as it was not found
 */
struct wanted {
	const char *file;
	char *path;
};

/* 1 once it is found. */
static int folder_look(const char *folder, void *arg)
{
	struct wanted *w = arg;
	struct stat status;

	if (asprintf(&w->path, "%s/%s.so", folder, w->file) < 0) {
		w->path = NULL;
		return -ENOMEM;
	}
	if (!stat(w->path, &status))
		return 1;
	free(w->path);
	w->path = NULL;
	return 0;
}

/* -- a type ----------------------------------------------------------------------------- */

static const char *types_join(const struct mqshm_block_plugin *plugin, char *text, size_t bytes)
{
	size_t i, used = 0;

	*text = '\0';
	for (i = 0; plugin->types[i] && used < bytes; i++)
		used += (size_t)snprintf(text + used, bytes - used, "%s%s", i ? ", " : "",
					 plugin->types[i]->type);
	return text;
}

/* @type NULL: the only one. */
static int type_pick(const char *path, const char *type, const struct mqshm_block_ops **out,
		     char **error)
{
	const struct mqshm_block_plugin *plugin;
	char names[400];
	size_t i;
	int r = mqshm_plugin_load(path, &plugin, error);

	if (r)
		return r;
	if (!type && plugin->types[1])
		return say(error, -EINVAL, "%s has several types: say %s:%s (or one of %s)", path,
			   path, plugin->types[0]->type, types_join(plugin, names, sizeof(names)));
	for (i = 0; plugin->types[i]; i++) {
		if (!type || !strcmp(plugin->types[i]->type, type)) {
			*out = plugin->types[i];
			return 0;
		}
	}
	return say(error, -ENXIO, "%s has no type %s; it has %s", path, type,
		   types_join(plugin, names, sizeof(names)));
}

static int type_search(const char *file, const char *type, const struct mqshm_block_ops **out,
		       char **error)
{
	struct wanted wanted = { .file = file };
	int r = folders(folder_look, &wanted);

	if (r < 0)
		return r;
	if (!r)
		return say(error, -ENOENT, "there is no %s.so in the folders of $MQSHM_BLOCK_PATH or in %s",
			   file, MQSHM_BLOCK_DIR);
	r = type_pick(wanted.path, type, out, error);
	free(wanted.path);
	return r;
}

int mqshm_block_load(const char *name, const struct mqshm_block_ops **out, char **error)
{
	char *file = strdup(name), *type;
	int r;

	if (error)
		*error = NULL;
	if (!file)
		return -ENOMEM;
	/* a ':' in front of a '/' belongs to a folder's name */
	type = strrchr(file, ':');
	if (type && strchr(type, '/'))
		type = NULL;
	if (type)
		*type++ = '\0';
	if (strchr(file, '/'))
		r = type_pick(file, type, out, error);
	else
		r = type_search(file, type ? type : file, out, error);
	free(file);
	return r;
}
