// SPDX-License-Identifier: GPL-2.0-only
/* Notices, and what a snapshot has, as lines for people or for programs. */
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mqtool.h"

static const char *subject_name(uint32_t subject)
{
	switch (subject) {
	case MQSHM_RECORD_RUNTIME:
		return "runtime";
	case MQSHM_RECORD_POOL:
		return "pool";
	case MQSHM_RECORD_CLIENT:
		return "client";
	case MQSHM_RECORD_BLOCK:
		return "block";
	case MQSHM_RECORD_CONNECTION:
		return "connection";
	default:
		return "unknown";
	}
}

static const char *change_name(uint32_t change)
{
	static const char *const names[] = { "present", "came", "went", "died", "settled",
					     "stalled", "resumed", "lost" };

	return WORD_OF(names, change);
}

/* -- what a snapshot has, as notices of change 0 -------------------------------- */

static struct present *present_add(struct present **list, size_t *n,
				   const struct mqshm_snapshot *snap, uint32_t subject,
				   uint64_t id, const char *name)
{
	struct present *p;

	*list = grow(*list, *n + 1, sizeof(**list));
	p = &(*list)[(*n)++];
	*p = (struct present){
		.notice = { .subject = subject, .at_ns = snap->now_ns,
			    .runtime = snap->runtimes->id, .id = id },
	};
	snprintf(p->notice.name, sizeof(p->notice.name), "%s", name);
	return p;
}

/* Those that were told to be gone may still hold what was queued. */
static bool connection_is_live(const struct mqshm_connection_record *c)
{
	return c->from_block && c->to_block && !(c->flags & MQSHM_RING_DISCONNECTED);
}

static void add_connections(struct present **list, size_t *n, const struct mqshm_snapshot *snap)
{
	for (size_t i = 0; i < snap->n_connections; i++) {
		const struct mqshm_connection_record *c = &snap->connections[i];
		char *from = graph_connection_from(snap, c);
		char *to = graph_connection_to(snap, c);
		struct present *p;

		if (connection_is_live(c)) {
			p = present_add(list, n, snap, MQSHM_RECORD_CONNECTION, c->id, from);
			snprintf(p->notice.to, sizeof(p->notice.to), "%s", to);
		}
		free(from);
		free(to);
	}
}

size_t monitor_present(const struct mqshm_snapshot *snap, struct present **list)
{
	size_t n = 0;

	*list = NULL;
	present_add(list, &n, snap, MQSHM_RECORD_RUNTIME, snap->runtimes->id,
		    snap->runtimes->name);
	for (size_t i = 0; i < snap->n_pools; i++)
		present_add(list, &n, snap, MQSHM_RECORD_POOL, snap->pools[i].pool,
			    snap->pools[i].name);
	for (size_t i = 0; i < snap->n_clients; i++) {
		const struct mqshm_client_record *c = &snap->clients[i];
		struct present *p = present_add(list, &n, snap, MQSHM_RECORD_CLIENT, c->id,
						c->name);

		p->notice.pid = c->pid;
		p->state = client_state_name(c->state);
	}
	for (size_t i = 0; i < snap->n_blocks; i++) {
		const struct mqshm_block_record *b = &snap->blocks[i];
		const struct mqshm_client_record *c = mqshm_snapshot_client(snap, b->client);
		struct present *p = present_add(list, &n, snap, MQSHM_RECORD_BLOCK, b->id,
						b->name);

		p->notice.owner = b->client;
		p->notice.pid = c ? c->pid : 0;
	}
	add_connections(list, &n, snap);
	return n;
}

/* -- for programs: keys are those of mqtool list --json where it has them ------- */

static void add_subject(struct json_object *o, const struct mqshm_notice *n)
{
	json_add_text(o, "subject", subject_name(n->subject));
	json_add(o, n->subject == MQSHM_RECORD_POOL ? "pool" : "id", n->id);
	if (n->subject == MQSHM_RECORD_CONNECTION) {
		json_add_text(o, "from", n->name);
		json_add_text(o, "to", n->to);
	} else {
		json_add_text(o, "name", n->name);
	}
	if (n->subject == MQSHM_RECORD_BLOCK)
		json_add(o, "client", n->owner);
	if (n->subject == MQSHM_RECORD_BLOCK || n->subject == MQSHM_RECORD_CLIENT)
		json_add(o, "pid", n->pid);
}

static struct json_object *line_json(const struct mqshm_notice *n, const char *state)
{
	struct json_object *o = json_object_new_object();

	json_add(o, "at_ns", n->at_ns);
	if (n->runtime)
		json_add(o, "runtime", n->runtime);
	if (n->number)
		json_add(o, "number", n->number);
	if (n->change == MQSHM_CHANGE_LOST) {
		json_add_text(o, "change", change_name(n->change));
		json_add(o, "lost", n->refs);
		return o;
	}
	if (n->change)
		json_add_text(o, "change", change_name(n->change));
	else
		json_object_object_add(o, "present", json_object_new_boolean(true));
	add_subject(o, n);
	if (state)
		json_add_text(o, "state", state);
	if (n->change == MQSHM_CHANGE_SETTLED) {
		json_add(o, "refs", n->refs);
		json_add(o, "settle_ns", n->settle_ns);
	}
	return o;
}

static void show_json(const struct mqshm_notice *n, const char *state)
{
	struct json_object *o = line_json(n, state);

	puts(json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

/* -- for people ------------------------------------------------------------------ */

static char *what_happened(const struct mqshm_notice *n, const char *state)
{
	char *took, *happened;

	switch (n->change) {
	case 0:
		return state ? text("is there, %s", state) : text("is there");
	case MQSHM_CHANGE_SETTLED:
		took = show_duration(n->settle_ns);
		happened = text("settled in %s: it held %llu reference%s", took,
				(unsigned long long)n->refs, n->refs == 1 ? "" : "s");
		free(took);
		return happened;
	case MQSHM_CHANGE_STALLED:
		return text("stalled: no library call for 5 s");
	default:
		return text("%s", change_name(n->change));
	}
}

/* "client amp1_proc (pid 146)", with the runtime before it if that is given */
static char *who(const struct mqshm_notice *n, const char *runtime)
{
	char *name = show_name(n->name), *to = show_name(n->to), *shown;

	if (n->subject == MQSHM_RECORD_RUNTIME && runtime)
		shown = text("runtime %s", runtime);
	else if (n->subject == MQSHM_RECORD_CONNECTION)
		shown = text("connection %s to %s", name, to);
	else if (n->subject == MQSHM_RECORD_CLIENT && n->pid)
		shown = text("client %s (pid %u)", name, n->pid);
	else
		shown = text("%s %s", subject_name(n->subject), name);
	free(name);
	free(to);
	return shown;
}

static void show_text(const struct mqshm_notice *n, const char *runtime, const char *state)
{
	char *time = show_time_of_day(n->at_ns), *label = runtime ? show_name(runtime) : NULL;
	char *subject = who(n, label), *happened = what_happened(n, state);

	printf("%s  ", time);
	if (label && n->subject != MQSHM_RECORD_RUNTIME)
		printf("%s: ", label);
	if (n->change == MQSHM_CHANGE_LOST)
		printf("%llu notices were lost: read faster, or look with mqtool list\n",
		       (unsigned long long)n->refs);
	else
		printf("%s %s\n", subject, happened);
	free(time);
	free(label);
	free(subject);
	free(happened);
}

void monitor_show(const struct mqshm_notice *n, const char *runtime, const char *state, bool json)
{
	if (json)
		show_json(n, state);
	else
		show_text(n, runtime, state);
}
