// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Changes of parameters while a block runs: requests that come over the message bus, and
 * asking for them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"

#define REQUESTS	16	/* that wait at most */
#define PARAMS_MAX	64	/* of a request */

/* -- the block ---------------------------------------------------------------------- */

/* A runtime that takes no more subscribers is no reason not to run. */
void mqshm_control_open(struct mqshm_instance *in)
{
	struct mqshm_bus_options options = { .owner = in->block_id, .depth = REQUESTS };

	if (!in->ops->change || mqshm_bus_open(in->client->name, &options, &in->control))
		return;
	if (mqshm_bus_subscribe(in->control, CONTROL_TOPIC_SET))
		mqshm_control_close(in);
	/* what came before the client could be told */
	in->mail_seen = in->client->mail - 1;
}

void mqshm_control_close(struct mqshm_instance *in)
{
	mqshm_bus_close(in->control);
	in->control = NULL;
}

/* Splits @text, which ends with a NUL; the number of parameters, or -EINVAL. */
static int request_parse(char *text, size_t length, struct mqshm_param params[PARAMS_MAX])
{
	char *end = text + length, *equals;
	int n = 0;

	for (; text < end; text += strlen(text) + 1) {
		equals = strchr(text, '=');
		if (!equals || n == PARAMS_MAX)
			return -EINVAL;
		*equals = 0;
		params[n++] = (struct mqshm_param){ .key = text, .value = equals + 1 };
		text = equals + 1;
	}
	return n ? n : -EINVAL;
}

/* 0 or -errno; then the instance may have a message. */
static int request_do(struct mqshm_instance *in, const struct mqshm_bus_message *m)
{
	struct mqshm_param params[PARAMS_MAX];
	char text[MQSHM_BUS_PAYLOAD_MAX + 1];
	int n;

	memcpy(text, mqshm_bus_payload(m), m->payload_bytes);
	text[m->payload_bytes] = 0;
	n = request_parse(text, m->payload_bytes, params);
	if (n < 0)
		return mqshm_instance_fail(in, n, "a request is of the form key=value");
	return mqshm_params_change(in, params, (size_t)n);
}

static void request_answer(struct mqshm_instance *in, const struct mqshm_bus_message *m,
			   int error)
{
	const char *why = !error ? "" : in->message ? in->message : strerror(-error);
	size_t length = strnlen(why, MQSHM_BUS_PAYLOAD_MAX - sizeof(struct control_answer));
	uint64_t memory[MQSHM_BUS_PAYLOAD_MAX / sizeof(uint64_t)];
	struct control_answer *answer = (void *)memory;
	struct mqshm_post post = {
		.topic = CONTROL_TOPIC_ANSWER,
		.type = (uint32_t)-error,
		.payload = answer,
		.payload_bytes = sizeof(*answer) + length,
		.sender_block = in->block_id,
		.target = m->sender,
	};

	answer->request = m->number;
	memcpy(answer->text, why, length);
	/* who asked may be gone, or have sent it without waiting for an answer */
	if (m->sender)
		mqshm_bus_publish(in->control, &post, NULL);
}

void mqshm_control_serve(struct mqshm_instance *in)
{
	const struct mqshm_bus_message *m;
	int error;

	/* what comes from here on moves it again */
	in->mail_seen = in->client->mail;
	while (!mqshm_bus_receive(in->control, &m, MQSHM_NO_WAIT)) {
		/* to all blocks: nobody can mean that */
		if (m->flags || m->target != in->block_id || strcmp(m->topic, CONTROL_TOPIC_SET))
			continue;
		error = request_do(in, m);
		request_answer(in, m, error);
		free(in->message);
		in->message = NULL;
	}
}

/* -- who asks ------------------------------------------------------------------------- */

static int request_write(const struct mqshm_param *params, size_t n, char *text, size_t *length)
{
	size_t i, at = 0;

	for (i = 0; i < n; i++) {
		size_t key = params[i].key ? strlen(params[i].key) : 0;
		size_t value = params[i].value ? strlen(params[i].value) : 0;

		if (!key || !params[i].value || strchr(params[i].key, '='))
			return -EINVAL;
		if (key + value + 2 > MQSHM_BUS_PAYLOAD_MAX - at)
			return -EMSGSIZE;
		memcpy(text + at, params[i].key, key);
		text[at + key] = '=';
		memcpy(text + at + key + 1, params[i].value, value + 1);
		at += key + value + 2;
	}
	*length = at;
	return n && n <= PARAMS_MAX ? 0 : -EINVAL;
}

/* The block's answer: 0, or -errno and the sentence. */
static int answer_wait(struct mqshm_bus *bus, uint64_t block, uint64_t request,
		       uint64_t deadline_ns, char **error)
{
	const struct mqshm_bus_message *m;
	const struct control_answer *answer;
	int r;

	for (;;) {
		r = mqshm_bus_receive(bus, &m, deadline_ns);
		if (r)
			return r;
		answer = mqshm_bus_payload(m);
		if (m->flags || m->sender_block != block || m->target != mqshm_bus_id(bus) ||
		    m->payload_bytes < sizeof(*answer) || answer->request != request)
			continue;
		if (!m->type)
			return 0;
		if (error)
			*error = strndup(answer->text, m->payload_bytes - sizeof(*answer));
		return m->type < 4096 ? -(int)m->type : -EINVAL;
	}
}

int mqshm_block_change(const char *runtime, uint64_t block, const struct mqshm_param *params,
		       size_t n, uint64_t deadline_ns, char **error)
{
	struct mqshm_bus_options options = { .depth = REQUESTS };
	char text[MQSHM_BUS_PAYLOAD_MAX];
	struct mqshm_post post = {
		.topic = CONTROL_TOPIC_SET, .payload = text, .target = block,
	};
	struct mqshm_bus *bus;
	uint64_t request;
	int r;

	if (error)
		*error = NULL;
	r = block ? request_write(params, n, text, &post.payload_bytes) : -EINVAL;
	if (!r)
		r = mqshm_bus_open(runtime, &options, &bus);
	if (r)
		return r;
	r = mqshm_bus_subscribe(bus, CONTROL_TOPIC_ANSWER);
	if (!r)
		r = mqshm_bus_publish(bus, &post, &request);
	if (r == 0)
		r = -ENOTCONN;
	if (r > 0)
		r = answer_wait(bus, block, request, deadline_ns, error);
	mqshm_bus_close(bus);
	return r;
}
