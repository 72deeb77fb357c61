// SPDX-License-Identifier: GPL-2.0-only
/* mqtool list: runtimes, or all that is in one, as tables. */
#include <stdlib.h>
#include <string.h>

#include "mqtool.h"

/* Of those that left, without --long. */
#define DEPARTED_SHOWN 8

/**
 * struct list_options - the command line
 * @runtime: --runtime
 * @json: --json
 * @wide: --long
 */
struct list_options {
	const char *runtime;
	bool json;
	bool wide;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct list_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 'j':
		o->json = true;
		return 0;
	case 'l':
		o->wide = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? it is --runtime %s", arg, arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static char *number(uint64_t n)
{
	return text("%llu", (unsigned long long)n);
}

/* Time between two moments of CLOCK_MONOTONIC, none if they are the wrong way round. */
static char *age(uint64_t now_ns, uint64_t then_ns)
{
	return show_duration(now_ns > then_ns ? now_ns - then_ns : 0);
}

/* With --long the columns after the first @narrow are shown too. */
static void table_start(struct table *t, const char *const *titles, const size_t *widths,
			size_t narrow, size_t all, bool wide)
{
	*t = (struct table){ .columns = wide ? all : narrow, .title = titles, .width = widths };
}

/* Takes over the strings of a whole row, also those of columns that are not shown. */
static void table_row(struct table *t, char **cells, size_t all)
{
	table_add(t, cells);
	for (size_t i = t->columns; i < all; i++)
		free(cells[i]);
}

static char *lifetime(const struct mqshm_runtime_record *r)
{
	return text("%s%s%s", r->state & MQSHM_STATE_PERSISTENT ? "persistent" : "ephemeral",
		    r->state & MQSHM_STATE_TAINTED ? ", tainted" : "",
		    r->state & MQSHM_STATE_REMOVED ? ", removed" : "");
}

static void print_runtimes(const struct mqshm_snapshot *snap, bool wide)
{
	static const char *const titles[] = { "Name", "Owner", "Mode", "Group", "Memory",
		"Clients", "Blocks", "Lifetime", "Up", "Messages", "Bytes", "Id" };
	static const size_t widths[] = { 16, 10, 8, 10, 10, 9, 8, 14, 10, 12, 10, 0 };
	struct table t;
	char *label;

	table_start(&t, titles, widths, 8, 12, wide);
	for (size_t i = 0; i < snap->n_runtimes; i++) {
		const struct mqshm_runtime_record *r = &snap->runtimes[i];
		char *cells[12];

		label = runtime_label(r);
		cells[0] = show_name(label);
		cells[1] = show_user(r->uid);
		cells[2] = text("%04o", r->mode);
		cells[3] = show_group(r->gid);
		cells[4] = show_bytes(r->memory_bytes);
		cells[5] = number(r->clients);
		cells[6] = number(r->blocks);
		cells[7] = lifetime(r);
		cells[8] = age(snap->now_ns, r->created_ns);
		cells[9] = number(r->messages);
		cells[10] = show_bytes(r->bytes);
		cells[11] = number(r->id);
		table_row(&t, cells, 12);
		free(label);
	}
	table_print(&t, "Runtimes");
}

static void print_head(const struct mqshm_snapshot *snap, bool wide)
{
	const struct mqshm_runtime_record *r = snap->runtimes;
	char *name = show_name(r->name), *owner = show_user(r->uid), *group = show_group(r->gid);
	char *life = lifetime(r), *memory = show_bytes(r->memory_bytes);
	char *up = age(snap->now_ns, r->created_ns), *bytes = show_bytes(r->bytes);

	printf("Runtime: %s (owner %s, group %s, mode %04o, %s), %s, up %s\n", name, owner, group,
	       r->mode, life, memory, up);
	if (wide)
		printf("  %llu messages, %s, %llu buffers allocated, %llu freed, %llu ioctls, "
		       "%llu clients settled\n", (unsigned long long)r->messages, bytes,
		       (unsigned long long)r->allocated, (unsigned long long)r->freed,
		       (unsigned long long)r->ioctls, (unsigned long long)r->settled);
	free(name);
	free(owner);
	free(group);
	free(life);
	free(memory);
	free(up);
	free(bytes);
}

static void print_pools(const struct mqshm_snapshot *snap, bool wide)
{
	static const char *const titles[] = { "Name", "Size", "Buffers", "Free", "Quarantined",
		"Waiting", "Memory", "Huge", "Node" };
	static const size_t widths[] = { 12, 9, 11, 9, 13, 9, 10, 10, 0 };
	struct table t;

	table_start(&t, titles, widths, 4, 9, wide);
	for (size_t i = 0; i < snap->n_pools; i++) {
		const struct mqshm_pool_record *p = &snap->pools[i];
		char *cells[] = { show_name(p->name), show_buffer_bytes(p->buffer_bytes),
			number(p->buffers), number(p->free), number(p->quarantined),
			number(p->waiting), show_bytes(p->payload_bytes), show_bytes(p->huge_bytes),
			p->flags & MQSHM_POOL_F_NODE ? number(p->node) : text("-") };

		table_row(&t, cells, 9);
	}
	table_print(&t, "Pools");
}

static char *block_names(const struct mqshm_snapshot *snap, const struct mqshm_client_record *c)
{
	struct names names = { 0 };
	char *joined;

	for (size_t i = 0; i < snap->n_blocks; i++)
		if (snap->blocks[i].client == c->id)
			names_add(&names, snap->blocks[i].name);
	joined = names.n ? names_join(&names) : text("-");
	names_free(&names);
	return joined;
}

static bool stopping(const struct mqshm_snapshot *snap, const struct mqshm_client_record *c)
{
	for (size_t i = 0; i < snap->n_blocks; i++)
		if (snap->blocks[i].client == c->id && snap->blocks[i].stopping)
			return true;
	return false;
}

/* "Idle", "Stalled 12.0 s", "Running, stopping". */
static char *state_text(const struct mqshm_snapshot *snap, const struct mqshm_client_record *c)
{
	char *word = show_title(client_state_name(c->state)), *since = age(snap->now_ns, c->seen_ns);
	bool stalled = c->state == MQSHM_CLIENT_STALLED;
	char *shown = text("%s%s%s%s", word, stalled ? " " : "", stalled ? since : "",
			   stopping(snap, c) ? ", stopping" : "");

	free(word);
	free(since);
	return shown;
}

static char *pid_text(uint32_t pid)
{
	return pid ? number(pid) : text("-");
}

/* Messages that its blocks copied, to change what others hold too. */
static uint64_t copies(const struct mqshm_snapshot *snap, const struct mqshm_client_record *c)
{
	uint64_t n = 0;

	for (size_t i = 0; i < snap->n_blocks; i++)
		if (snap->blocks[i].client == c->id)
			n += snap->blocks[i].stats.copies;
	return n;
}

static void print_processes(const struct mqshm_snapshot *snap, bool wide)
{
	static const char *const titles[] = { "PID", "Name", "Blocks", "Status", "Held", "Ioctls",
		"Sleeps", "Copies", "User", "Up", "Client" };
	static const size_t widths[] = { 9, 13, 12, 12, 8, 10, 10, 8, 10, 10, 0 };
	struct table t;

	table_start(&t, titles, widths, 4, 11, wide);
	for (size_t i = 0; i < snap->n_clients; i++) {
		const struct mqshm_client_record *c = &snap->clients[i];
		char *cells[] = { pid_text(c->pid), show_name(c->name), block_names(snap, c),
			state_text(snap, c),
			number(c->held_refs), number(c->ioctls), number(c->sleeps),
			number(copies(snap, c)), show_user(c->uid),
			age(snap->now_ns, c->joined_ns), number(c->id) };

		table_row(&t, cells, 11);
	}
	table_print(&t, "Processes");
}

char *ring_state(uint32_t flags)
{
	if (flags & MQSHM_RING_DISCONNECTED)
		return text("taken away");
	if (flags & MQSHM_RING_EOF)
		return text("ended");
	if (flags & MQSHM_RING_DEAD)
		return text("producer died");
	if (flags & MQSHM_RING_KEPT)
		return text("kept");
	if (flags & MQSHM_RING_AWAY)
		return text("producer away");
	if (flags & MQSHM_RING_PERSISTENT && flags & MQSHM_RING_CLOSED)
		return text("waits");
	return text("%s", flags & MQSHM_RING_CLOSED ? "closed" : "open");
}

char *policy_text(uint32_t flags)
{
	return text("%s%s%s", policy_name(ring_policy(flags)), flags & MQSHM_RING_KEEP ? ", keep" :
		    flags & MQSHM_RING_PERSISTENT ? ", stays" : "", flags & MQSHM_RING_TAP ? ", tap" : "");
}

static void print_connections(const struct mqshm_snapshot *snap, bool wide)
{
	static const char *const titles[] = { "From", "To", "Buffers", "Bytes", "Dropped", "Queued",
		"Depth", "Policy", "State", "Id" };
	static const size_t widths[] = { 12, 12, 11, 11, 9, 8, 8, 20, 15, 0 };
	struct table t;

	table_start(&t, titles, widths, 5, 10, wide);
	for (size_t i = 0; i < snap->n_connections; i++) {
		const struct mqshm_connection_record *c = &snap->connections[i];
		char *cells[] = { graph_connection_from(snap, c), graph_connection_to(snap, c), number(c->messages),
			show_bytes(c->bytes), number(c->dropped), number(c->queued),
			number(c->depth), policy_text(c->flags),
			ring_state(c->flags), number(c->id) };

		table_row(&t, cells, 10);
	}
	table_print(&t, "Connections");
}

static void print_departed(const struct mqshm_snapshot *snap, bool wide)
{
	static const char *const titles[] = { "PID", "Name", "How", "When", "Held", "Drained",
		"Settled in", "Lost", "Kept", "Client" };
	static const size_t widths[] = { 9, 13, 12, 14, 8, 10, 12, 8, 8, 0 };
	struct table t;
	size_t first = 0;

	if (!snap->n_departed)
		return;
	table_start(&t, titles, widths, 7, 10, wide);
	/* the oldest come first */
	if (!wide && snap->n_departed > DEPARTED_SHOWN)
		first = snap->n_departed - DEPARTED_SHOWN;
	for (size_t i = first; i < snap->n_departed; i++) {
		const struct mqshm_departed_record *d = &snap->departed[i];
		char *ago = age(snap->now_ns, d->at_ns);
		char *cells[] = { pid_text(d->pid), show_name(d->name),
			show_title(departed_how_name(d->how)), text("%s ago", ago),
			number(d->refs), number(d->drained), show_duration(d->settle_ns),
			number(d->lost), number(d->kept), number(d->id) };

		free(ago);
		table_row(&t, cells, 10);
	}
	table_print(&t, "Recently gone");
}

static int list_runtimes(const struct list_options *o)
{
	struct mqshm_snapshot *snap;
	int error = mqshm_runtimes_snapshot(&snap), status = EXIT_DONE;

	if (error)
		return runtime_fail("?", error);
	if (o->json)
		status = list_json_runtimes(snap);
	else if (snap->n_runtimes)
		print_runtimes(snap, o->wide);
	else
		puts("No runtimes. Make one: mqtool init --name NAME");
	mqshm_snapshot_free(snap);
	return status;
}

static int list_runtime(const struct list_options *o)
{
	struct mqshm_snapshot *snap;
	struct mqshm_runtime *rt;
	char *name;
	int status = runtime_open(o->runtime, &rt, &name);

	if (status)
		return status;
	status = runtime_snapshot(rt, name, &snap);
	if (!status && o->json) {
		status = list_json_runtime(snap);
	} else if (!status) {
		if (snap->n_runtimes)
			print_head(snap, o->wide);
		print_pools(snap, o->wide);
		print_processes(snap, o->wide);
		print_connections(snap, o->wide);
		print_departed(snap, o->wide);
	}
	if (!status)
		mqshm_snapshot_free(snap);
	mqshm_runtime_close(rt);
	free(name);
	return status;
}

int command_list(int argc, char **argv)
{
	static const struct argp_option options[] = {
		{ "runtime", KEY_RUNTIME, "NAME", 0, "All that is in this runtime: NAME, or "
		  "USER/NAME of somebody else's (default: $MQSHM_RUNTIME; without either, "
		  "the runtimes themselves)", 0 },
		{ "json", 'j', NULL, 0, "Everything, as JSON", 0 },
		{ "long", 'l', NULL, 0, "More columns, and all that left", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, NULL, "Shows the runtimes that you may read, or all that is in one."
		"\vkB, MB and GB are powers of 1000; 4K, 1M, sizes of buffers, powers of 1024.",
		NULL, NULL, NULL
	};
	struct list_options o = { 0 };
	const char *environment = getenv("MQSHM_RUNTIME");

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	return o.runtime || (environment && *environment) ? list_runtime(&o) : list_runtimes(&o);
}
