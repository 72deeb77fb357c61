// SPDX-License-Identifier: GPL-2.0-only
/* Verify: whether the messages of Generators have all come, in order and undamaged. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "blocks.h"
#include "counter.h"

#define SOURCES_MAX 256

/**
 * struct verify - state of a Verify
 * @strict: the first fault is the end
 * @sources: the Generators that messages have come from, array[@n]
 * @n: how many
 * @good: messages without a fault
 * @damaged: with a wrong checksum, or none of a Generator's
 * @missing: numbers that were left out
 * @again: numbers that had come before
 */
struct verify {
	bool strict;
	struct verify_source {
		uint64_t source;
		uint64_t next;
	} sources[SOURCES_MAX];
	size_t n;
	uint64_t good;
	uint64_t damaged;
	uint64_t missing;
	uint64_t again;
};

static struct verify_source *find(struct verify *v, uint64_t source)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->sources[i].source == source)
			return &v->sources[i];
	if (v->n == SOURCES_MAX)
		return NULL;
	v->sources[v->n] = (struct verify_source){ .source = source };
	return &v->sources[v->n++];
}

static int fault(struct mqshm_instance *in, const struct verify *v, const char *what,
		 uint64_t number, uint64_t expected)
{
	if (!v->strict)
		return 0;
	return mqshm_instance_fail(in, -EBADMSG, "message %llu %s; %llu was expected, after %llu good ones",
				   (unsigned long long)number, what, (unsigned long long)expected,
				   (unsigned long long)v->good);
}

static int check_number(struct mqshm_instance *in, struct verify *v,
			const struct counter_message *m)
{
	struct verify_source *s = find(v, m->source);
	uint64_t expected;

	if (!s)
		return mqshm_instance_fail(in, -ENOSPC, "messages of more than %d Generators", SOURCES_MAX);
	expected = s->next;
	if (m->number < expected) {
		v->again++;
		return fault(in, v, "has come before", m->number, expected);
	}
	s->next = m->number + 1;
	v->missing += m->number - expected;
	v->good++;
	return m->number == expected ? 0 :
	       fault(in, v, "comes too early", m->number, expected);
}

static int check(struct mqshm_instance *in, struct verify *v, const struct mqshm_buffer *buf)
{
	const uint8_t *data = mqshm_buffer_data(mqshm_instance_client(in), buf);
	struct counter_message m;

	if (buf->length < sizeof(m)) {
		v->damaged++;
		return fault(in, v, "is too short for a Generator's", v->good, v->good);
	}
	memcpy(&m, data, sizeof(m));
	if (crc32(0, data + sizeof(m.crc), buf->length - sizeof(m.crc)) == m.crc)
		return check_number(in, v, &m);
	v->damaged++;
	return fault(in, v, "is damaged", m.number, v->good);
}

static enum mqshm_result verify_work(struct mqshm_instance *in)
{
	struct verify *v = mqshm_instance_state(in);
	struct mqshm_buffer buf;
	int error = mqshm_get_input(in, 0, MQSHM_NO_WAIT, &buf);

	if (error == -EAGAIN)
		return MQSHM_NEED_MORE_INPUT;
	if (error == -ENODATA)
		return MQSHM_DONE;
	if (error)
		return block_result(in, error);
	error = check(in, v, &buf);
	if (!error)
		error = mqshm_produce_output(in, 0, &buf);
	mqshm_buffer_release(mqshm_instance_client(in), &buf);
	return block_result(in, error);
}

static void verify_stop(struct mqshm_instance *in)
{
	const struct verify *v = mqshm_instance_state(in);

	fprintf(stderr, "%s: %llu good, %llu missing, %llu damaged, %llu again, of %zu sources\n",
		mqshm_instance_name(in), (unsigned long long)v->good,
		(unsigned long long)v->missing, (unsigned long long)v->damaged,
		(unsigned long long)v->again, v->n);
}

static int verify_initialize(struct mqshm_instance *in)
{
	struct verify *v = mqshm_instance_state(in);

	return mqshm_instance_bool(in, "strict", &v->strict);
}

static const struct mqshm_param_spec verify_params[] = {
	{ .key = "strict", .kind = "bool", .fallback = "1",
	  .help = "the first fault ends it; 0 counts them, and says at the end how many" },
	{ .key = NULL }
};

static const struct mqshm_block_port verify_ports[] = {
	{ .name = "in", .direction = MQSHM_DIR_IN, .help = "messages of Generators (wave=counter)" },
	{ .name = "out", .direction = MQSHM_DIR_OUT, .flags = MQSHM_PORT_OPTIONAL,
	  .help = "the same" },
	{ .name = NULL }
};

const struct mqshm_block_ops verify_ops = {
	.abi = MQSHM_BLOCK_ABI,
	.class_ = MQSHM_CLASS_SINK,
	.type = "Verify",
	.summary = "in -> whether every message of Generators came, in order and undamaged",
	.params = verify_params,
	.ports = verify_ports,
	.state_bytes = sizeof(struct verify),
	.initialize = verify_initialize,
	.work = verify_work,
	.stop = verify_stop,
};
