// SPDX-License-Identifier: LGPL-2.1-or-later
/* Logs: files that get what processes in the background write. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "manager.h"

#define WORDS_BYTES	4000

static char *folder_path(void)
{
	static const struct {
		const char *variable;
		const char *below;
	} places[] = {
		{ "XDG_RUNTIME_DIR", "mqshm" },
		{ "XDG_STATE_HOME", "mqshm" },
		{ "HOME", ".local/state/mqshm" },
	};
	char *path;
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const char *dir = getenv(places[i].variable);

		if (dir && *dir == '/')
			return asprintf(&path, "%s/%s", dir, places[i].below) < 0 ? NULL : path;
	}
	return strdup("/tmp/.local/state/mqshm");
}

char *mqshm_manager_log_path(const struct mqshm_manager *m, const char *block)
{
	char *folder = folder_path(), *path = NULL, *c;

	if (folder && asprintf(&path, "%s/%s-%s.log", folder, m->runtime, block) < 0)
		path = NULL;
	/* a runtime may be user/name */
	for (c = path ? path + strlen(folder) + 1 : NULL; c && *c; c++) {
		if (*c == '/')
			*c = '_';
	}
	free(folder);
	return path;
}

/* All folders above a file; others may look into all but the last. */
static void folders_make(const char *path)
{
	char *copy = strdup(path), *slash, *next;

	slash = copy ? strchr(copy + 1, '/') : NULL;
	for (; slash; slash = next) {
		next = strchr(slash + 1, '/');
		*slash = '\0';
		mkdir(copy, next ? 0755 : 0700);
		*slash = '/';
	}
	free(copy);
}

static bool in_folder(const char *path)
{
	char *folder = folder_path();
	size_t n = folder ? strlen(folder) : 0;
	bool in = folder && !strncmp(path, folder, n) && path[n] == '/';

	free(folder);
	return in;
}

int mqshm_log_open(const char *path, off_t *start, bool *made)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY;
	int fd;

	if (in_folder(path))
		folders_make(path);
	fd = open(path, flags | O_EXCL, 0600);
	*made = fd >= 0;
	if (fd < 0)
		fd = open(path, flags, 0600);
	if (fd < 0)
		return -errno;
	*start = lseek(fd, 0, SEEK_END);
	return fd;
}

char *mqshm_log_read(const char *path, off_t start)
{
	char *words = malloc(WORDS_BYTES + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;
	ssize_t n = -1;

	if (words && fd >= 0 && !fstat(fd, &status)) {
		if (status.st_size - start > WORDS_BYTES)
			start = status.st_size - WORDS_BYTES;
		n = pread(fd, words, WORDS_BYTES, start < 0 ? 0 : start);
	}
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		free(words);
		return NULL;
	}
	words[n] = '\0';
	return words;
}

void mqshm_log_remove(const char *path)
{
	char *folder;

	unlink(path);
	if (!in_folder(path))
		return;
	folder = folder_path();
	if (folder)
		rmdir(folder);
	free(folder);
}
