// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plug-in for keep_storm: a source that goes on with its numbers when it comes back, and a
 * sink that notes in a file what has come.
 *
 * How much the source has sent says its connection, which stays when it dies, and the module,
 * which has found out of the last push whether it happened: nothing is sent twice or left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqshm_block.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "keep_storm.h"

static enum mqshm_result result(struct mqshm_instance *in, int error)
{
	if (!error || error == -ECANCELED)
		return MQSHM_OK;
	mqshm_instance_fail(in, error, "%s", strerror(-error));
	return MQSHM_ERROR;
}

/* -- Count ---------------------------------------------------------------------------- */

struct count {
	uint64_t next;
	int64_t messages;
	bool linger;
};

static int count_initialize(struct mqshm_instance *in)
{
	struct count *s = mqshm_instance_state(in);
	int error = mqshm_instance_integer(in, "messages", 1, MESSAGES_MAX, &s->messages);

	return error ? error : mqshm_instance_bool(in, "linger", &s->linger);
}

static void count_cleanup(struct mqshm_instance *in)
{
	if (((struct count *)mqshm_instance_state(in))->linger)
		pause();
}

/* It is connected, and runs only now: who was before it is settled. */
static int count_start(struct mqshm_instance *in)
{
	struct count *s = mqshm_instance_state(in);
	struct mqshm_snapshot *snap;
	struct mqshm_runtime *rt;
	char out[MQSHM_BLOCK_NAME_LEN + 8];
	int error = mqshm_runtime_open(mqshm_instance_param(in, "runtime"), &rt);

	if (error)
		return mqshm_instance_fail(in, error, "runtime: %s", strerror(-error));
	error = mqshm_runtime_snapshot(rt, &snap);
	mqshm_runtime_close(rt);
	if (error)
		return error;
	snprintf(out, sizeof(out), "%s:out", mqshm_instance_name(in));
	for (size_t i = 0; i < snap->n_connections; i++)
		if (!strcmp(snap->connections[i].from, out))
			s->next = snap->connections[i].messages;
	mqshm_snapshot_free(snap);
	return 0;
}

static enum mqshm_result count_work(struct mqshm_instance *in)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	struct count *s = mqshm_instance_state(in);
	struct mqshm_buffer buf;
	struct message *m;
	int error;

	if (s->next >= (uint64_t)s->messages)
		return MQSHM_DONE;
	error = mqshm_allocate_buffer(in, sizeof(*m), &buf);
	if (error)
		return result(in, error);
	m = mqshm_buffer_data(c, &buf);
	m->number = s->next;
	m->check = ~s->next;
	error = mqshm_produce_output(in, 0, &buf);
	s->next += !error;
	mqshm_buffer_release(c, &buf);
	return result(in, error);
}

static const struct mqshm_param_spec count_params[] = {
	{ .key = "runtime", .kind = "string", .help = "it is in" },
	{ .key = "messages", .kind = "integer", .fallback = "8388608", .help = "how many" },
	{ .key = "linger", .kind = "bool", .fallback = "0", .help = "hangs when it has ended" },
	{ .key = NULL }
};

static const struct mqshm_block_port count_ports[] = {
	{ .name = "out", .direction = MQSHM_DIR_OUT }, { .name = NULL }
};

static const struct mqshm_block_ops count_ops = {
	.abi = MQSHM_BLOCK_ABI, .class_ = MQSHM_CLASS_SOURCE, .type = "Count",
	.summary = "numbers -> out", .params = count_params, .ports = count_ports,
	.state_bytes = sizeof(struct count), .initialize = count_initialize, .start = count_start,
	.work = count_work, .cleanup = count_cleanup, .trigger = MQSHM_TRIGGER_FREE,
};

/* -- Mark ------------------------------------------------------------------------------- */

struct mark {
	struct journal *journal;
	bool ways;
};

static int mark_initialize(struct mqshm_instance *in)
{
	struct mark *s = mqshm_instance_state(in);
	int fd = open(mqshm_instance_param(in, "journal"), O_RDWR | O_CLOEXEC);
	int error = mqshm_instance_bool(in, "ways", &s->ways);

	s->journal = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*s->journal), PROT_READ | PROT_WRITE,
						MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	if (s->journal == MAP_FAILED)
		return mqshm_instance_fail(in, -errno, "journal: %s", strerror(errno));
	return error;
}

static int mark_start(struct mqshm_instance *in)
{
	struct journal *j = ((struct mark *)mqshm_instance_state(in))->journal;

	if (j->counting && j->came[j->counting - 1] != j->before && j->n_deaths < DEATHS_MAX)
		j->deaths[j->n_deaths++] = j->client;
	j->counting = 0;
	j->client = mqshm_client_id(mqshm_instance_client(in));
	return 0;
}

static void note(const struct mark *s, const struct message *m)
{
	struct journal *j = s->journal;

	if (m->check != ~m->number || m->number >= MESSAGES_MAX) {
		j->damaged++;
		return;
	}
	j->before = j->came[m->number];
	__atomic_store_n(&j->counting, m->number + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&j->came[m->number], j->before + 1, __ATOMIC_RELEASE);
	/* over two ways they overtake each other */
	j->late += m->number < j->next && !s->ways;
	j->next = m->number + 1;
}

static enum mqshm_result mark_work(struct mqshm_instance *in)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	struct mark *s = mqshm_instance_state(in);
	struct mqshm_buffer buf;
	int error = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf);

	if (error == -EAGAIN)
		return MQSHM_NEED_MORE_INPUT;
	if (error == -ENODATA)
		return MQSHM_DONE;
	if (error)
		return result(in, error);
	note(s, mqshm_buffer_data(c, &buf));
	mqshm_buffer_release(c, &buf);
	__atomic_store_n(&s->journal->counting, 0, __ATOMIC_RELEASE);
	return MQSHM_OK;
}

static const struct mqshm_param_spec mark_params[] = {
	{ .key = "journal", .kind = "string", .help = "a file" },
	{ .key = "ways", .kind = "bool", .fallback = "0", .help = "messages come over two ways" },
	{ .key = NULL }
};

static const struct mqshm_block_port mark_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN }, { .name = NULL }
};

static const struct mqshm_block_ops mark_ops = {
	.abi = MQSHM_BLOCK_ABI, .class_ = MQSHM_CLASS_SINK, .type = "Mark",
	.summary = "in -> which numbers came", .params = mark_params, .ports = mark_ports,
	.state_bytes = sizeof(struct mark), .initialize = mark_initialize, .start = mark_start,
	.work = mark_work,
};

MQSHM_BLOCK_PLUGIN(&count_ops, &mark_ops);
