// SPDX-License-Identifier: GPL-2.0-only
/* mqtool start: a process that runs a block, detached from the terminal or not. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mqtool.h"

#define KEY_LOG		0x100

/**
 * struct start_options - the command line
 * @runtime: --runtime
 * @type: --block
 * @log: --log
 * @foreground: --foreground
 * @worker: what the worker gets
 */
struct start_options {
	const char *runtime;
	const char *type;
	const char *log;
	bool foreground;
	struct worker_options worker;
};

/**
 * struct log_file - where the worker's words go
 * @path: malloc'ed
 * @fd: open for appending
 * @start: size when it was opened
 * @made: it was not there before
 */
struct log_file {
	char *path;
	int fd;
	off_t start;
	bool made;
};

static void add_param(struct worker_options *w, char *arg, struct argp_state *state)
{
	char *equals = strchr(arg, '=');

	if (!equals || equals == arg) {
		argp_error(state, "--param %s: it is KEY=VALUE", arg);
		return;
	}
	*equals = '\0';
	w->params = grow(w->params, w->n_params + 1, sizeof(*w->params));
	w->params[w->n_params++] = (struct mqshm_param){ .key = arg, .value = equals + 1 };
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct start_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 'b':
		o->type = arg;
		return 0;
	case 'n':
		o->worker.name = arg;
		if (!*arg || strlen(arg) >= MQSHM_BLOCK_NAME_LEN || strchr(arg, ':'))
			argp_error(state, "--name %s: 1 to %d bytes, without :", arg,
				   MQSHM_BLOCK_NAME_LEN - 1);
		return 0;
	case 'P':
		o->worker.process_name = arg;
		if (!*arg || strlen(arg) >= MQSHM_PROCESS_NAME_LEN)
			argp_error(state, "--process %s: 1 to %d bytes", arg,
				   MQSHM_PROCESS_NAME_LEN - 1);
		return 0;
	case 'p':
		add_param(&o->worker, arg, state);
		return 0;
	case KEY_LOG:
		o->log = arg;
		return 0;
	case 'f':
		o->foreground = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? parameters are --param KEY=VALUE", arg);
		return 0;
	case ARGP_KEY_END:
		if (!o->type || !o->worker.name)
			argp_error(state, "--%s is missing", o->type ? "name" : "block");
		if (o->foreground && o->log)
			argp_error(state, "--log: with --foreground there is no log: 2>FILE");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int param_unknown(const struct mqshm_block_ops *ops, const char *key)
{
	struct names names = { 0 };
	char *hint;

	for (const struct mqshm_param_spec *p = ops->params; p && p->key; p++)
		names_add(&names, p->key);
	hint = names_hint(&names, key, "parameters");
	fail("parameter", key, "%s has no such parameter%s", ops->type, hint);
	free(hint);
	names_free(&names);
	return EXIT_FAILED;
}

/* What can be told without a process and without the module. */
static int check_params(const struct start_options *o)
{
	const struct worker_options *w = &o->worker;
	const struct mqshm_param_spec *p;

	for (size_t i = 0; i < w->n_params; i++) {
		for (p = w->ops->params; p && p->key; p++)
			if (!strcmp(p->key, w->params[i].key))
				break;
		if (!p || !p->key)
			return param_unknown(w->ops, w->params[i].key);
		if (!o->foreground && !strcmp(p->key, "filename") && !strcmp(w->params[i].value, "-"))
			return fail("parameter", "filename", "- is stdin or stdout, which a process "
				    "in the background has not; add --foreground");
	}
	return 0;
}

/* $XDG_RUNTIME_DIR/mqshm, else $XDG_STATE_HOME/mqshm, else ~/.local/state/mqshm. */
static char *log_folder(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");

	if (dir && *dir == '/')
		return text("%s/mqshm", dir);
	dir = getenv("XDG_STATE_HOME");
	if (dir && *dir == '/')
		return text("%s/mqshm", dir);
	dir = getenv("HOME");
	return text("%s/.local/state/mqshm", dir && *dir == '/' ? dir : "/tmp");
}

static void make_folders(const char *folder)
{
	char *path = text("%s", folder);

	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	mkdir(path, 0700);
	free(path);
}

static char *default_log(const struct worker_options *w)
{
	char *folder = log_folder(), *file = text("%s-%s", w->runtime, w->name), *path;

	make_folders(folder);
	for (char *c = file; *c; c++)
		if (*c == '/')
			*c = '_';
	path = text("%s/%s.log", folder, file);
	free(file);
	free(folder);
	return path;
}

/* The folder too, if there is nothing else in it. */
static void log_remove_folder(const struct start_options *o)
{
	char *folder = log_folder();

	if (!o->log)
		rmdir(folder);
	free(folder);
}

static int log_open(const struct start_options *o, struct log_file *log)
{
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY;

	log->path = o->log ? text("%s", o->log) : default_log(&o->worker);
	log->fd = open(log->path, flags | O_EXCL, 0600);
	log->made = log->fd >= 0;
	if (log->fd < 0)
		log->fd = open(log->path, flags, 0600);
	if (log->fd < 0)
		return fail("log", log->path, "%s; name another place: --log FILE",
			    strerror(errno));
	log->start = lseek(log->fd, 0, SEEK_END);
	return 0;
}

/* What the worker wrote, at most the last 4000 bytes of it. */
static void log_print(const struct log_file *log)
{
	char buffer[4000];
	struct stat status;
	off_t from = log->start;
	ssize_t n;
	int fd = open(log->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (!fstat(fd, &status) && status.st_size - from > (off_t)sizeof(buffer))
		from = status.st_size - sizeof(buffer);
	n = pread(fd, buffer, sizeof(buffer), from < 0 ? 0 : from);
	if (n > 0)
		fwrite(buffer, 1, n, stderr);
	close(fd);
}

static int detach(struct start_options *o, const struct log_file *log, int ready)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log->fd, STDOUT_FILENO) < 0 ||
	    dup2(log->fd, STDERR_FILENO) < 0)
		return fail_errno("block", o->worker.name, -errno);
	if (null > STDERR_FILENO)
		close(null);
	setvbuf(stderr, NULL, _IOLBF, 0);
	o->worker.ready_fd = ready;
	return worker_run(&o->worker);
}

/* True once the worker has registered its block; false if it ended instead. */
static bool wait_ready(int fd)
{
	char byte;
	ssize_t n;

	do {
		n = read(fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

static int spawn(struct start_options *o, const struct log_file *log)
{
	int ready[2], status;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		return fail_errno("block", o->worker.name, -errno);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return fail_errno("block", o->worker.name, -errno);
	if (!pid) {
		close(ready[0]);
		/* _exit: what the parent has not flushed is the parent's */
		_exit(detach(o, log, ready[1]));
	}
	close(ready[1]);
	if (wait_ready(ready[0])) {
		printf("%s: pid %d, log %s\n", o->worker.name, (int)pid, log->path);
		return EXIT_DONE;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	log_print(log);
	if (WIFSIGNALED(status))
		return fail("block", o->worker.name, "its process was ended by signal %d (%s)",
			    WTERMSIG(status), strsignal(WTERMSIG(status)));
	return EXIT_FAILED;
}

static int start_detached(struct start_options *o)
{
	struct log_file log = { 0 };
	int status = log_open(o, &log);

	if (!status)
		status = spawn(o, &log);
	if (status && log.made) {
		unlink(log.path);
		log_remove_folder(o);
	}
	free(log.path);
	return status;
}

int command_start(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "block", 'b', "TYPE", 0, "Type of the block: one of mqtool inspect, or PATH or PATH:TYPE of a plug-in", 0 },
		{ "name", 'n', "NAME", 0, "Name of the block, unique in the runtime", 0 },
		{ "param", 'p', "KEY=VALUE", 0, "A parameter of the block; repeatable", 0 },
		{ "process", 'P', "NAME", 0, "Name of the process (default: NAME_proc)", 0 },
		{ "log", KEY_LOG, "FILE", 0, "Where its messages go (default: "
		  "RUNTIME-NAME.log in $XDG_RUNTIME_DIR/mqshm, else in $XDG_STATE_HOME/mqshm, "
		  "else in ~/.local/state/mqshm)", 0 },
		{ "foreground", 'f', NULL, 0, "Stay until the block ends; the only way in which "
		  "filename=- can be stdin or stdout", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, "--block TYPE --name NAME",
		"Starts a process that runs one block, and returns once the block is registered."
		"\vThe process keeps the working directory, and ends with its block: when the block "
		"is done, on mqtool stop, or on SIGTERM. The types of blocks: mqtool inspect.", NULL, NULL,
		NULL
	};
	struct start_options o = { .worker.ready_fd = -1 };
	char *runtime = NULL, *process = NULL;
	int status = EXIT_FAILED;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	o.worker.ops = type_find(o.type);
	if (!o.worker.ops)
		return EXIT_FAILED;
	status = check_params(&o);
	if (status)
		goto free_params;
	runtime = runtime_name(o.runtime, &status);
	if (!runtime)
		goto free_params;
	process = o.worker.process_name ? text("%s", o.worker.process_name) :
		  text("%.*s_proc", MQSHM_PROCESS_NAME_LEN - 6, o.worker.name);
	o.worker.runtime = runtime;
	o.worker.process_name = process;
	status = o.foreground ? worker_run(&o.worker) : start_detached(&o);
	free(process);
	free(runtime);
free_params:
	free(o.worker.params);
	return status;
}
