// SPDX-License-Identifier: GPL-2.0-only
/* The process that runs a block: joins, registers it, runs it until it ends. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mqtool.h"

/* For the signal handlers; set while the block may run. */
static struct mqshm_instance *running;
/* A manager asks by SIGINT for the end of streams, a person for that of the program. */
static bool managed;

static void on_signal(int number)
{
	if (number == SIGINT && (managed || !mqshm_instance_inputs(running)))
		mqshm_instance_request_end(running);
	else
		mqshm_instance_request_stop(running);
}

static void handle_signals(struct mqshm_instance *instance)
{
	static const int stops[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction action = { .sa_handler = instance ? on_signal : SIG_IGN };

	if (instance)
		running = instance;
	for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++)
		sigaction(stops[i], &action, NULL);
	/* a closed pipe is an error of the block that writes to it */
	signal(SIGPIPE, SIG_IGN);
	if (!instance)
		running = NULL;
}

static void print_pools(const char *runtime)
{
	struct mqshm_runtime *rt;
	struct mqshm_snapshot *snap;
	char *bytes;

	if (mqshm_runtime_open(runtime, &rt))
		return;
	if (!mqshm_runtime_snapshot(rt, &snap)) {
		fputs("        pools:", stderr);
		for (size_t i = 0; i < snap->n_pools; i++) {
			bytes = show_buffer_bytes(snap->pools[i].buffer_bytes);
			fprintf(stderr, "%s %s (%u of %s)", i ? "," : "", snap->pools[i].name,
				snap->pools[i].buffers, bytes);
			free(bytes);
		}
		fputs(snap->n_pools ? "; add one: mqtool pool add\n" :
		      " none; add one: mqtool pool add\n", stderr);
		mqshm_snapshot_free(snap);
	}
	mqshm_runtime_close(rt);
}

int block_start_failed(const char *runtime, const char *name, int error, char *sentence)
{
	if (error == -EEXIST)
		fail("block", name, "there is a block of that name in runtime %s; take another "
		     "name, or stop it: mqtool stop --block %s", runtime, name);
	else if (sentence)
		fail("block", name, "%s", sentence);
	else if (error == -EINVAL)
		fail("block", name, "this cannot be its name: 1 to %d bytes, without :",
		     MQSHM_BLOCK_NAME_LEN - 1);
	else
		fail_errno("block", name, error);
	if (error == -EMSGSIZE)
		print_pools(runtime);
	if (error == -ENOSPC)
		fprintf(stderr, "        limits are set when a runtime is made: mqtool init --limit\n");
	free(sentence);
	return EXIT_FAILED;
}

int block_report(const char *name, enum mqshm_result result, const char *sentence,
		 const struct mqshm_instance_stats *stats)
{
	bool failed = result != MQSHM_DONE && result != MQSHM_OK;
	char *in, *out, *work;

	if (failed)
		fail("block", name, "%s", sentence && *sentence ? sentence : "it failed");
	in = show_bytes(stats->bytes_in);
	out = show_bytes(stats->bytes_out);
	work = show_duration(stats->work_ns);
	fprintf(stderr, "%s: %s; in: %llu buffers, %s; out: %llu buffers, %s; work: %llu calls, %s\n",
		name, failed ? "failed" : result == MQSHM_DONE ? "done" : "stopped",
		(unsigned long long)stats->buffers_in, in,
		(unsigned long long)stats->buffers_out, out,
		(unsigned long long)stats->work_count, work);
	free(in);
	free(out);
	free(work);
	return failed ? EXIT_FAILED : EXIT_DONE;
}

static int run(const struct worker_options *o, struct mqshm_instance *instance)
{
	struct mqshm_instance_stats stats;
	char *sentence = NULL;
	enum mqshm_result result = mqshm_instance_run(instance, &sentence);
	bool over = result == MQSHM_DONE && mqshm_instance_outputs(instance);
	int status;

	/* a sink has not closed its file yet */
	if (o->ready_fd >= 0)
		send(o->ready_fd, result == MQSHM_OK ? "s" : over ? "d" : "e", 1, MSG_NOSIGNAL);
	mqshm_instance_get_stats(instance, &stats);
	status = o->ended ? o->ended(instance, result, sentence, o->arg) :
			    block_report(o->name, result, sentence, &stats);
	free(sentence);
	return status;
}

void worker_begin(const char *process_name, int ready_fd)
{
	prctl(PR_SET_NAME, process_name);
	setvbuf(stderr, NULL, _IOLBF, 0);
	if (ready_fd >= 0)
		fcntl(ready_fd, F_SETFD, FD_CLOEXEC);
}

bool worker_ready(int ready_fd)
{
	char byte;
	ssize_t n;

	if (ready_fd < 0)
		return true;
	do {
		n = send(ready_fd, "r", 1, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	do {
		n = read(ready_fd, &byte, 1);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

int worker_place(const struct mqshm_place *place, int error)
{
	char *wrong;

	if (!error)
		return EXIT_DONE;
	wrong = place_wrong(place, error);
	fail(place->cpus ? "--cpus" : "--node", NULL, "%s", wrong);
	free(wrong);
	return EXIT_FAILED;
}

int worker_run(const struct worker_options *o)
{
	struct mqshm_client_options options = {
		.process_name = o->process_name, .persistent = o->persistent,
		.direct_io = o->ops->flags & MQSHM_BLOCK_DIRECT_IO,
	};
	struct mqshm_instance *instance;
	struct mqshm_client *client;
	char *sentence = NULL;
	int status = EXIT_DONE, error;

	worker_begin(o->process_name, o->ready_fd);
	if (worker_place(&o->place, mqshm_place_thread(&o->place, 0)))
		return EXIT_FAILED;
	error = mqshm_client_join(o->runtime, &options, &client);
	if (error)
		return runtime_fail(o->runtime, error);
	error = mqshm_instance_new(client, o->ops, o->name, o->params, o->n_params, &sentence,
				   &instance);
	if (error) {
		mqshm_client_close(client);
		return block_start_failed(o->runtime, o->name, error, sentence);
	}
	managed = o->ready_fd >= 0;
	handle_signals(instance);
	if (o->made)
		status = o->made(o->name, o->arg);
	if (!status && worker_ready(o->ready_fd))
		status = run(o, instance);
	handle_signals(NULL);
	mqshm_instance_free(instance);
	mqshm_client_close(client);
	return status;
}
