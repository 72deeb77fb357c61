// SPDX-License-Identifier: GPL-2.0-only
/* The process that runs a block: joins, registers it, runs it until it ends. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "mqtool.h"

/* For the signal handlers; set while the block may run. */
static struct mqshm_instance *running;

static void on_signal(int number)
{
	(void)number;
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

static int start_failed(const struct worker_options *o, int error, char *sentence)
{
	if (error == -EEXIST)
		fail("block", o->name, "there is a block of that name in runtime %s; take another "
		     "name, or stop it: mqtool stop --block %s", o->runtime, o->name);
	else if (sentence)
		fail("block", o->name, "%s", sentence);
	else if (error == -ENOSPC)
		fail("block", o->name, "runtime %s has all the blocks or ports that it takes",
		     o->runtime);
	else if (error == -EINVAL)
		fail("block", o->name, "this cannot be its name: 1 to %d bytes, without :",
		     MQSHM_BLOCK_NAME_LEN - 1);
	else
		fail_errno("block", o->name, error);
	if (error == -EMSGSIZE)
		print_pools(o->runtime);
	free(sentence);
	return EXIT_FAILED;
}

static void report(const struct worker_options *o, const struct mqshm_instance *instance,
		   const char *how)
{
	struct mqshm_instance_stats stats;
	char *in, *out, *work;

	mqshm_instance_get_stats(instance, &stats);
	in = show_bytes(stats.bytes_in);
	out = show_bytes(stats.bytes_out);
	work = show_duration(stats.work_ns);
	fprintf(stderr, "%s: %s; in: %llu buffers, %s; out: %llu buffers, %s; work: %llu calls, %s\n",
		o->name, how, (unsigned long long)stats.buffers_in, in,
		(unsigned long long)stats.buffers_out, out, (unsigned long long)stats.work_count,
		work);
	free(in);
	free(out);
	free(work);
}

static int run(const struct worker_options *o, struct mqshm_instance *instance)
{
	char *sentence = NULL;

	switch (mqshm_instance_run(instance, &sentence)) {
	case MQSHM_DONE:
		report(o, instance, "done");
		return EXIT_DONE;
	case MQSHM_OK:
		report(o, instance, "stopped");
		return EXIT_DONE;
	default:
		fail("block", o->name, "%s", sentence ? sentence : "it failed");
		free(sentence);
		report(o, instance, "failed");
		return EXIT_FAILED;
	}
}

int worker_run(const struct worker_options *o)
{
	struct mqshm_client_options options = { .process_name = o->process_name };
	struct mqshm_instance *instance;
	struct mqshm_client *client;
	char *sentence = NULL;
	int status, error;

	prctl(PR_SET_NAME, o->process_name);
	error = mqshm_client_join(o->runtime, &options, &client);
	if (error)
		return runtime_fail(o->runtime, error);
	error = mqshm_instance_new(client, o->ops, o->name, o->params, o->n_params, &sentence,
				   &instance);
	if (error) {
		mqshm_client_close(client);
		return start_failed(o, error, sentence);
	}
	handle_signals(instance);
	/* whoever waits for this may have been interrupted: no reason to end */
	if (o->ready_fd >= 0) {
		if (write(o->ready_fd, "r", 1) < 0)
			perror("mqtool: start");
		close(o->ready_fd);
	}
	status = run(o, instance);
	handle_signals(NULL);
	mqshm_instance_free(instance);
	mqshm_client_close(client);
	return status;
}
