// SPDX-License-Identifier: GPL-2.0-only
/* Exec: a command of the shell as a block: its input is stdin, its output stdout. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blocks.h"

/* What the command has to end after SIGTERM. */
#define GRACE_MS 1000

extern char **environ;

/**
 * struct exec - state of an Exec
 * @input: it has an input
 * @output: it has an output
 * @bytes: of a buffer
 * @pid: the command, leader of a process group; 0 if there is none
 * @pidfd: it, too; -1 once it has ended
 * @to: its stdin, -1 if it takes no more
 * @from: its stdout, -1 if there is no more
 * @buf: what it gets; from @at on it has yet to be written
 * @at: bytes that were written
 * @input_ended: nothing more will come in
 */
struct exec {
	bool input;
	bool output;
	size_t bytes;
	pid_t pid;
	int pidfd;
	int to;
	int from;
	struct mqshm_buffer buf;
	size_t at;
	bool input_ended;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* -- its life ------------------------------------------------------------------------ */

/* A pipe whose end @mine does not block; the other is what the command gets as @fd. */
static int pipe_add(posix_spawn_file_actions_t *actions, int mine, int fd, int *ours, int *theirs)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	*ours = ends[mine];
	*theirs = ends[!mine];
	if (fcntl(*ours, F_SETFL, O_NONBLOCK))
		return -errno;
	return -posix_spawn_file_actions_adddup2(actions, *theirs, fd);
}

static int spawn(struct exec *e, const char *command, posix_spawn_file_actions_t *actions)
{
	char *const arguments[] = { "sh", "-c", (char *)command, NULL };
	posix_spawnattr_t attributes;
	sigset_t none, pipe;
	int error;

	sigemptyset(&none);
	sigemptyset(&pipe);
	/* the worker ignores it, and commands end by it */
	sigaddset(&pipe, SIGPIPE);
	error = posix_spawnattr_init(&attributes);
	if (error)
		return -error;
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
				 POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &pipe);
	error = posix_spawn(&e->pid, "/bin/sh", actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	if (error) {
		e->pid = 0;
		return -error;
	}
	e->pidfd = pidfd_open(e->pid, 0);
	return e->pidfd < 0 ? -errno : 0;
}

static int exec_start(struct mqshm_instance *in)
{
	struct exec *e = mqshm_instance_state(in);
	int stdin_end = -1, stdout_end = -1, error;
	posix_spawn_file_actions_t actions;

	error = -posix_spawn_file_actions_init(&actions);
	if (error)
		return error;
	if (e->input)
		error = pipe_add(&actions, 1, STDIN_FILENO, &e->to, &stdin_end);
	else
		error = -posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
							  O_RDONLY, 0);
	if (!error && e->output)
		error = pipe_add(&actions, 0, STDOUT_FILENO, &e->from, &stdout_end);
	if (!error)
		error = spawn(e, mqshm_instance_param(in, "command"), &actions);
	posix_spawn_file_actions_destroy(&actions);
	close_fd(&stdin_end);
	close_fd(&stdout_end);
	return error ? mqshm_instance_fail(in, error, "the command cannot be started: %s",
					   strerror(-error)) : 0;
}

/* 1 if it has ended just now, 0 if not, or how it failed. */
static int reap(struct mqshm_instance *in, struct exec *e)
{
	int status;

	if (e->from >= 0 || !e->pid || waitpid(e->pid, &status, WNOHANG) != e->pid)
		return 0;
	e->pid = 0;
	close_fd(&e->pidfd);
	close_fd(&e->to);
	if (WIFSIGNALED(status))
		return mqshm_instance_fail(in, -ECHILD, "the command was ended by signal %d (%s)",
					   WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		return mqshm_instance_fail(in, -ECHILD, "the command ended with status %d",
					   WEXITSTATUS(status));
	return 1;
}

/* All that it started ends too, if it is still in its group. */
static void exec_stop(struct mqshm_instance *in)
{
	struct exec *e = mqshm_instance_state(in);

	close_fd(&e->to);
	close_fd(&e->from);
	if (e->pid)
		kill(-e->pid, SIGTERM);
}

static void exec_cleanup(struct mqshm_instance *in)
{
	struct exec *e = mqshm_instance_state(in);
	struct pollfd ended = { .fd = e->pidfd, .events = POLLIN };

	exec_stop(in);
	mqshm_buffer_release(mqshm_instance_client(in), &e->buf);
	if (!e->pid)
		return;
	if (poll(&ended, 1, GRACE_MS) != 1)
		kill(-e->pid, SIGKILL);
	waitpid(e->pid, NULL, 0);
	close_fd(&e->pidfd);
}

/* -- its data: each of these gives 1 if something moved, 0 if not, or an error --------- */

static int take(struct mqshm_instance *in, struct exec *e)
{
	int error;

	if (!e->input || e->input_ended || e->buf.number != MQSHM_NO_BUFFER)
		return 0;
	error = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &e->buf);
	e->at = 0;
	if (!error)
		return 1;
	e->buf.number = MQSHM_NO_BUFFER;
	if (error == -EAGAIN)
		return 0;
	if (error != -ENODATA)
		return error;
	e->input_ended = true;
	close_fd(&e->to);
	return 1;
}

/* A command that does not want all of its input gets what it wants; the rest is dropped. */
static int feed(struct mqshm_instance *in, struct exec *e)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	ssize_t n = 0;

	if (e->buf.number == MQSHM_NO_BUFFER)
		return 0;
	if (e->to >= 0 && e->at < e->buf.length) {
		n = write(e->to, (uint8_t *)mqshm_buffer_data(c, &e->buf) + e->at,
			  e->buf.length - e->at);
		if (n < 0 && errno == EPIPE)
			close_fd(&e->to);
		else if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 :
			       mqshm_instance_fail(in, -errno, "writing to the command: %s",
						   strerror(errno));
	}
	e->at += n;
	if (e->to < 0 || e->at == e->buf.length)
		mqshm_buffer_release(c, &e->buf);
	return 1;
}

static bool output_open(struct mqshm_instance *in)
{
	struct mqshm_port *out = mqshm_instance_output(in, 0);

	return mqshm_port_connections(out) && mqshm_port_has_room(out);
}

static int drain(struct mqshm_instance *in, struct exec *e)
{
	struct pollfd readable = { .fd = e->from, .events = POLLIN };
	struct mqshm_client *c = mqshm_instance_client(in);
	struct mqshm_buffer buf;
	ssize_t n;
	int error;

	if (e->from < 0 || !output_open(in) || poll(&readable, 1, 0) != 1)
		return 0;
	error = mqshm_allocate_buffer(in, e->bytes, &buf);
	if (error)
		return error;
	n = read(e->from, mqshm_buffer_data(c, &buf), e->bytes);
	if (n > 0) {
		buf.length = n;
		error = mqshm_buffer_set_data_ns(c, &buf, mqshm_now_ns());
		if (!error)
			error = mqshm_produce_output(in, 0, &buf);
	} else if (!n) {
		close_fd(&e->from);
		error = mqshm_port_end(mqshm_instance_output(in, 0));
	}
	mqshm_buffer_release(c, &buf);
	return error ? error : n >= 0;
}

/* -- the loop -------------------------------------------------------------------------- */

/* Until the command or the graph can go on. */
static int exec_sleep(struct mqshm_instance *in, const struct exec *e)
{
	bool busy = e->buf.number != MQSHM_NO_BUFFER, full = e->from >= 0 && !output_open(in);
	struct pollfd fds[] = {
		{ .fd = busy ? e->to : -1, .events = POLLOUT },
		{ .fd = full ? -1 : e->from, .events = POLLIN },
		{ .fd = e->from < 0 ? e->pidfd : -1, .events = POLLIN },
	};
	struct mqshm_port *ports[2];
	size_t n = 0;
	int r;

	if (e->input && !busy && !e->input_ended)
		ports[n++] = mqshm_instance_input(in, 0);
	/* for room, or for a connection, of which every wait tells */
	if (full && mqshm_port_connections(mqshm_instance_output(in, 0)))
		ports[n++] = mqshm_instance_output(in, 0);
	r = mqshm_instance_poll(in, fds, sizeof(fds) / sizeof(*fds), ports, n, MQSHM_FOREVER);
	return r < 0 ? r : 0;
}

static int turn(struct mqshm_instance *in, struct exec *e)
{
	static int (*const steps[])(struct mqshm_instance *, struct exec *) = {
		take, feed, drain, reap
	};
	bool moved = false;
	int r;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		r = steps[i](in, e);
		if (r < 0)
			return r;
		moved |= r;
	}
	return moved;
}

/* Sleeps here and not in the run loop, which knows nothing of pipes. */
static enum mqshm_result exec_work(struct mqshm_instance *in)
{
	struct exec *e = mqshm_instance_state(in);
	int r;

	do {
		r = turn(in, e);
		if (!r && !e->pid && (!e->input || e->input_ended))
			return MQSHM_DONE;
		if (!r)
			r = exec_sleep(in, e);
	} while (r >= 0 && !mqshm_instance_stop_requested(in));
	return block_result(in, r < 0 ? r : 0);
}

static int exec_initialize(struct mqshm_instance *in)
{
	struct exec *e = mqshm_instance_state(in);
	int error = mqshm_instance_bool(in, "input", &e->input);

	e->pidfd = e->to = e->from = -1;
	e->buf.number = MQSHM_NO_BUFFER;
	if (!error)
		error = mqshm_instance_bool(in, "output", &e->output);
	return error ? error : block_bytes(in, &e->bytes);
}

static const struct mqshm_param_spec exec_params[] = {
	{ .key = "command", .kind = "string", .help = "for /bin/sh, such as \"sox -t wav - -t wav - reverb\"" },
	{ .key = "input", .kind = "bool", .fallback = "1", .help = "0: there is none, stdin is empty" },
	{ .key = "output", .kind = "bool", .fallback = "1",
	  .help = "0: there is none, stdout is that of the process" },
	{ .key = "bytes", .kind = "size", .fallback = "auto", .choices = "auto",
	  .min = 1, .max = MQSHM_BUFFER_BYTES_MAX,
	  .help = "most that go into a buffer; auto is 64K, or what pools take" },
	{ .key = NULL }
};

static const struct mqshm_block_port exec_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .count = "input", .help = "bytes for stdin" },
	{ .name = "out", .direction = MQSHM_DIR_OUT, .count = "output",
	  .help = "bytes of stdout, as they come" },
	{ .name = NULL }
};

const struct mqshm_block_ops exec_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_PROCESSING,
	.type = "Exec",
	.summary = "in -> stdin of a command, its stdout -> out",
	.params = exec_params,
	.ports = exec_ports,
	.state_bytes = sizeof(struct exec),
	.initialize = exec_initialize,
	.start = exec_start,
	.work = exec_work,
	.stop = exec_stop,
	.cleanup = exec_cleanup,
};
