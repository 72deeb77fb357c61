// SPDX-License-Identifier: GPL-2.0-only
/* Player: the messages of a recording, at the times at which they came. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "blocks.h"
#include "recording.h"

/**
 * struct player - state of a Player
 * @r: the recording; @r.file is NULL before it is open
 * @speed: 2 is twice as fast; 0 as fast as it goes
 * @loop: it begins again behind the end
 * @began_ns: when this time round began
 * @first_ns: of its first message
 */
struct player {
	struct recording_reader r;
	double speed;
	bool loop;
	uint64_t began_ns;
	uint64_t first_ns;
};

static int player_fail(struct mqshm_instance *in, int error, const char *what)
{
	return mqshm_instance_fail(in, error, "cannot read %s: %s",
				   mqshm_instance_param(in, "filename"), what);
}

static int player_open(struct mqshm_instance *in, struct player *p)
{
	const char *name = mqshm_instance_param(in, "filename");
	FILE *file = strcmp(name, "-") ? fopen(name, "rbe") : fdopen(dup(STDIN_FILENO), "rb");
	int error;

	if (!file)
		return player_fail(in, -errno, strerror(errno));
	error = recording_open(&p->r, file);
	if (!error && p->loop && recording_rewind(&p->r))
		return player_fail(in, -ESPIPE, "a pipe cannot be read again, as loop=1 asks for");
	return error ? player_fail(in, error, p->r.wrong) : 0;
}

static int player_initialize(struct mqshm_instance *in)
{
	struct player *p = mqshm_instance_state(in);
	int error = mqshm_instance_number(in, "speed", &p->speed);

	if (!error)
		error = mqshm_instance_bool(in, "loop", &p->loop);
	return error ? error : player_open(in, p);
}

/* How soon one that sleeps sees that its stream is to end: nothing wakes it for that. */
#define LOOK_NS 1000000000

static int sleep_until(struct mqshm_instance *in, uint64_t until_ns)
{
	uint64_t now = mqshm_now_ns();
	int error = 0;

	for (; !error && now < until_ns; now = mqshm_now_ns())
		error = block_sleep(in, until_ns - now < LOOK_NS ? until_ns : now + LOOK_NS);
	return error;
}

/* Until the time of the message has come. */
static int wait_for_it(struct mqshm_instance *in, struct player *p)
{
	uint64_t at = p->r.entry.at_ns;
	double later;

	if (!p->r.totals.messages) {
		p->began_ns = mqshm_now_ns();
		p->first_ns = at;
	}
	if (p->speed <= 0)
		return mqshm_instance_stop_requested(in) ? -ECANCELED : 0;
	later = (at - p->first_ns) / p->speed;
	return sleep_until(in, p->began_ns + (uint64_t)(later < 1e18 ? later : 1e18));
}

/* -ENODATA: it is cut off here. */
static int read_message(struct mqshm_instance *in, struct player *p, struct mqshm_buffer *buf)
{
	struct mqshm_client *c = mqshm_instance_client(in);
	int error = mqshm_allocate_buffer(in, p->r.entry.length, buf);

	if (error == -EMSGSIZE)
		return mqshm_instance_fail(in, error, "message %llu has %u bytes, and no pool has "
					   "such buffers; add one: mqtool pool add",
					   (unsigned long long)p->r.entry.number,
					   p->r.entry.length);
	if (error)
		return error;
	if (!recording_payload(&p->r, mqshm_buffer_data(c, buf)))
		error = -ENODATA;
	else
		error = mqshm_buffer_set_data_ns(c, buf, p->r.entry.data_ns);
	if (error)
		mqshm_buffer_release(c, buf);
	return error;
}

/* -ENODATA: that was the last one. */
static int play(struct mqshm_instance *in, struct player *p)
{
	struct mqshm_buffer buf;
	int error = recording_next(&p->r);

	if (error < 0)
		return player_fail(in, error, p->r.wrong);
	if (!error)
		return -ENODATA;
	error = wait_for_it(in, p);
	if (!error)
		error = read_message(in, p, &buf);
	if (error)
		return error;
	error = mqshm_produce_output(in, 0, &buf);
	if (error)
		mqshm_buffer_release(mqshm_instance_client(in), &buf);
	return error;
}

static enum mqshm_result player_work(struct mqshm_instance *in)
{
	struct player *p = mqshm_instance_state(in);
	int error = play(in, p);

	if (error == -ENODATA && p->loop && p->r.totals.messages)
		error = recording_rewind(&p->r);
	return error == -ENODATA ? MQSHM_DONE : block_result(in, error);
}

static void player_cleanup(struct mqshm_instance *in)
{
	struct player *p = mqshm_instance_state(in);

	if (p->r.file)
		fclose(p->r.file);
}

static const struct mqshm_param_spec player_params[] = {
	{ .key = "filename", .kind = "string", .help = "recording to read; - is stdin" },
	{ .key = "speed", .kind = "number", .fallback = "1", .min = 0, .max = 1e6,
	  .help = "2 is twice as fast; 0 is as fast as it goes" },
	{ .key = "loop", .kind = "bool", .fallback = "0", .help = "begins again behind the end" },
	{ .key = NULL }
};

static const struct mqshm_block_port player_ports[] = {
	{ .name = "out", .direction = MQSHM_DIR_OUT, .help = "messages, as they were recorded" },
	{ .name = NULL }
};

const struct mqshm_block_ops player_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_SOURCE,
	.type = "Player",
	.summary = "a recording -> out, at its times",
	.params = player_params,
	.ports = player_ports,
	.state_bytes = sizeof(struct player),
	.initialize = player_initialize,
	.work = player_work,
	.cleanup = player_cleanup,
};
