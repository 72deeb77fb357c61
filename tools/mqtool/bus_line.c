// SPDX-License-Identifier: GPL-2.0-only
/* A message of the bus: a line for people, or a JSON object. */
#include <iconv.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <wchar.h>

#include <mqshm_bus.h>

#include "mqtool.h"

/* Whether it is UTF-8; @printable: and moves no terminal's cursor. */
static bool is_text(const char *payload, size_t length, bool printable)
{
	/* of those that need no file of the C library's, and no locale */
	iconv_t decoder = iconv_open("WCHAR_T", "UTF-8");
	wchar_t text[MQSHM_BUS_PAYLOAD_MAX];
	char *in = (char *)payload, *out = (char *)text;
	size_t room = sizeof(text), n;
	bool fine;

	if (decoder == (iconv_t)-1)
		return false;
	fine = iconv(decoder, &in, &length, &out, &room) == 0;
	iconv_close(decoder);
	n = (sizeof(text) - room) / sizeof(text[0]);
	for (size_t i = 0; i < n && printable; i++)
		fine = fine && text[i] >= ' ' && (text[i] < 0x7f || text[i] > 0x9f);
	return fine;
}

static char *base64(const unsigned char *data, size_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = grow(NULL, 4 * (length / 3 + 1) + 1, 1), *p = out;

	for (size_t i = 0; i < length; i += 3) {
		size_t have = length - i < 3 ? length - i : 3;
		unsigned int bits = data[i] << 16 | (have > 1 ? data[i + 1] : 0) << 8 |
				    (have > 2 ? data[i + 2] : 0);

		for (size_t k = 0; k < 4; k++)
			*p++ = k > have ? '=' : digits[bits >> (18 - 6 * k) & 63];
	}
	*p = '\0';
	return out;
}

static void add_payload(struct json_object *o, const struct mqshm_bus_message *m)
{
	const char *payload = mqshm_bus_payload(m);
	char *encoded;

	if (is_text(payload, m->payload_bytes, false)) {
		json_object_object_add(o, "payload",
				       json_object_new_string_len(payload, (int)m->payload_bytes));
		return;
	}
	encoded = base64(mqshm_bus_payload(m), m->payload_bytes);
	json_object_object_add(o, "payload_base64", json_object_new_string(encoded));
	free(encoded);
}

static void show_json(const struct mqshm_bus_message *m)
{
	struct json_object *o = json_object_new_object();
	char *topic = show_utf8(m->topic);

	json_add(o, "number", m->number);
	if (m->flags & MQSHM_BUS_LOST) {
		json_add(o, "lost", m->lost);
	} else {
		json_add(o, "at_ns", m->at_ns);
		json_object_object_add(o, "topic", json_object_new_string(topic));
		json_add(o, "type", m->type);
		add_payload(o, m);
		json_add(o, "sender", m->sender);
		json_add(o, "sender_block", m->sender_block);
		json_add(o, "sender_pid", m->sender_pid);
		json_add(o, "sender_uid", m->sender_uid);
		json_add(o, "target", m->target);
		json_add(o, "target_pid", m->target_pid);
	}
	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
	free(topic);
}

/* "block amp1 (pid 146)", or "pid 146 (user)" */
static char *who(const struct mqshm_bus_message *m, const char *sender)
{
	char *user = show_user(m->sender_uid), *name = sender ? show_name(sender) : NULL, *shown;

	if (name)
		shown = text("block %s (pid %u)", name, m->sender_pid);
	else if (m->sender_pid)
		shown = text("pid %u (%s)", m->sender_pid, user);
	else
		shown = text("%s", user);
	free(user);
	free(name);
	return shown;
}

static void show_text(const struct mqshm_bus_message *m, const char *sender)
{
	const char *payload = mqshm_bus_payload(m);
	char *time, *from, *topic;

	if (m->flags & MQSHM_BUS_LOST) {
		printf("%llu messages were lost: read faster, or take --depth\n",
		       (unsigned long long)m->lost);
		return;
	}
	time = show_time_of_day(m->at_ns);
	from = who(m, sender);
	topic = show_name(m->topic);
	printf("%s  %s from %s", time, topic, from);
	if (m->type)
		printf(", type %u", m->type);
	if (is_text(payload, m->payload_bytes, true))
		printf(": %.*s\n", (int)m->payload_bytes, payload);
	else
		printf(": %u bytes\n", m->payload_bytes);
	free(time);
	free(from);
	free(topic);
}

void bus_show(const struct mqshm_bus_message *m, const char *sender, bool json)
{
	if (json)
		show_json(m);
	else
		show_text(m, sender);
}
