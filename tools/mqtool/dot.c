// SPDX-License-Identifier: GPL-2.0-only
/*
 * mqtool graph: the graph that runs, as DOT. Pictures are made by Graphviz's program, not
 * its library: so mqtool runs where no Graphviz is, and shows DOT there too.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <mqshm_rates.h>

#include "mqtool.h"

extern char **environ;

/**
 * struct graph_options - the command line
 * @runtime: --runtime
 * @output: --output, NULL for DOT on stdout
 * @format: of the output, as dot -T takes it, "dot" without Graphviz
 * @interval_s: --interval
 */
struct graph_options {
	const char *runtime;
	const char *output;
	const char *format;
	uint64_t interval_s;
};

/**
 * struct picture - what is drawn
 * @out: gets DOT
 * @now: the graph
 * @before: the graph some time ago; NULL: no rates are shown
 */
struct picture {
	FILE *out;
	const struct mqshm_snapshot *now;
	const struct mqshm_snapshot *before;
};

/* By what is wrong, the worst first. */
#define COLOR_TROUBLE	"#c01c28"
#define COLOR_FULL	"#e66100"
#define COLOR_FLOW	"#1a5fb4"
#define COLOR_REST	"#77767b"

static const char *format_of(const char *file)
{
	static const char *const formats[] = { "dot", "gv", "svg", "png", "pdf" };
	const char *dot = strrchr(file, '.');

	for (size_t i = 0; dot && i < sizeof(formats) / sizeof(*formats); i++)
		if (!strcmp(dot + 1, formats[i]))
			return i < 2 ? "dot" : formats[i];
	return NULL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct graph_options *o = state->input;

	switch (key) {
	case KEY_RUNTIME:
		o->runtime = arg;
		return 0;
	case 'o':
		o->output = arg;
		o->format = format_of(arg);
		if (!o->format)
			argp_error(state, "--output %s: its end says what it is to be: .svg, .png, "
				   ".pdf or .dot", arg);
		return 0;
	case 'i':
		if (!parse_number(arg, 3600, &o->interval_s))
			argp_error(state, "--interval %s: it is a number of seconds", arg);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "%s: what is this? it is --output %s, or --runtime", arg, arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* A name as the text of an HTML-like label. */
static void put_text(FILE *out, const char *name)
{
	char *shown = show_name(name);

	for (const char *c = shown; *c; c++) {
		switch (*c) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*c, out);
		}
	}
	free(shown);
}

/* -- blocks ------------------------------------------------------------------------- */

static void put_ports(const struct picture *p, const struct mqshm_block_record *block,
		      uint32_t direction)
{
	bool any = false;

	for (size_t i = 0; i < p->now->n_ports; i++) {
		const struct mqshm_port_record *port = &p->now->ports[i];

		if (port->block != block->id || port->direction != direction)
			continue;
		fputs(any ? "" : "<td cellpadding=\"0\"><table border=\"0\" cellborder=\"0\" "
		      "cellspacing=\"0\">", p->out);
		any = true;
		fprintf(p->out, "<tr><td port=\"p%u\"><font point-size=\"10\">", port->port);
		put_text(p->out, port->name);
		fputs("</font></td></tr>", p->out);
	}
	fputs(any ? "</table></td>" : "", p->out);
}

static bool is_in_trouble(const struct mqshm_client_record *client)
{
	return client && (client->state == MQSHM_CLIENT_STALLED ||
			  client->state == MQSHM_CLIENT_EXITING);
}

static void put_block(const struct picture *p, const struct mqshm_block_record *block)
{
	const struct mqshm_client_record *client = mqshm_snapshot_client(p->now, block->client);

	fprintf(p->out, "    b%llu [label=<<table border=\"1\" cellborder=\"0\" cellspacing=\"2\" "
		"style=\"rounded\" bgcolor=\"white\" color=\"%s\"><tr>",
		(unsigned long long)block->id, is_in_trouble(client) ? COLOR_TROUBLE : "black");
	put_ports(p, block, MQSHM_DIR_IN);
	fputs("<td><b>", p->out);
	put_text(p->out, block->name);
	fputs("</b><br/><font point-size=\"10\">", p->out);
	put_text(p->out, block->type);
	fputs(block->stopping ? ", stopping</font></td>" : "</font></td>", p->out);
	put_ports(p, block, MQSHM_DIR_OUT);
	fputs("</tr></table>>];\n", p->out);
}

/* One that waits just now, and of which a block did some work while rates were taken, runs. */
static uint32_t client_state(const struct picture *p, const struct mqshm_client_record *client)
{
	struct mqshm_block_rates rates;

	for (size_t i = 0; p->before && i < p->now->n_blocks; i++) {
		const struct mqshm_block_record *block = &p->now->blocks[i];

		if (client->state != MQSHM_CLIENT_IDLE || block->client != client->id)
			continue;
		mqshm_block_rates(p->before, p->now, block, &rates);
		if (rates.state == MQSHM_CLIENT_RUNNING)
			return rates.state;
	}
	return client->state;
}

/* A process is a box around its blocks. */
static void put_client(const struct picture *p, const struct mqshm_client_record *client)
{
	bool any = false;

	for (size_t i = 0; i < p->now->n_blocks && !any; i++)
		any = p->now->blocks[i].client == client->id;
	if (!any)
		return;
	fprintf(p->out, "  subgraph cluster_%llu {\n    style=\"rounded,filled\" fillcolor=\"%s\" "
		"color=\"%s\" fontsize=10\n    label=<", (unsigned long long)client->id,
		is_in_trouble(client) ? "#fbe9e7" : "#f6f5f4",
		is_in_trouble(client) ? COLOR_TROUBLE : "#c0bfbc");
	put_text(p->out, client->name);
	if (client->pid)
		fprintf(p->out, ", pid %u", client->pid);
	fprintf(p->out, ", %s>\n", client_state_name(client_state(p, client)));
	for (size_t i = 0; i < p->now->n_blocks; i++)
		if (p->now->blocks[i].client == client->id)
			put_block(p, &p->now->blocks[i]);
	fputs("  }\n", p->out);
}

/* -- connections ------------------------------------------------------------------------ */

/* The end of a connection; one whose block is gone gets a point. */
static void put_end(const struct picture *p, const struct mqshm_connection_record *c,
		    uint64_t block, uint32_t port, const char *side)
{
	if (mqshm_snapshot_block(p->now, block) && mqshm_snapshot_port(p->now, port))
		fprintf(p->out, "b%llu:p%u:%s", (unsigned long long)block, port, side);
	else
		fprintf(p->out, "gone_%llu_%s", (unsigned long long)c->id, side);
}

static void put_gone(const struct picture *p, const struct mqshm_connection_record *c)
{
	if (!mqshm_snapshot_block(p->now, c->from_block))
		fprintf(p->out, "  gone_%llu_e [shape=plaintext fontsize=10 fontcolor=\"%s\" "
			"label=\"(gone)\"];\n", (unsigned long long)c->id, COLOR_REST);
	if (!mqshm_snapshot_block(p->now, c->to_block))
		fprintf(p->out, "  gone_%llu_w [shape=plaintext fontsize=10 fontcolor=\"%s\" "
			"label=\"(gone)\"];\n", (unsigned long long)c->id, COLOR_REST);
}

static const char *connection_color(const struct mqshm_connection_record *c,
				    const struct mqshm_flow_rates *rates)
{
	if (c->flags & MQSHM_RING_DEAD)
		return COLOR_TROUBLE;
	/* what a consumer has just taken may not be seen by its producer yet */
	if (c->queued * 10 >= c->depth * 9 || rates->dropped > 0)
		return COLOR_FULL;
	return rates->messages > 0 ? COLOR_FLOW : COLOR_REST;
}

static void put_rates(const struct picture *p, const struct mqshm_flow_rates *rates)
{
	char *size = show_bytes((uint64_t)rates->bytes);

	fprintf(p->out, rates->messages < 10 ? "%.1f/s, %s/s" : "%.0f/s, %s/s", rates->messages, size);
	if (rates->dropped > 0)
		fprintf(p->out, rates->dropped < 10 ? "\\n%.1f/s dropped" : "\\n%.0f/s dropped",
			rates->dropped);
	free(size);
}

static void put_connection(const struct picture *p, const struct mqshm_connection_record *c)
{
	struct mqshm_flow_rates rates = { 0 };
	char *total = show_bytes(c->bytes);
	const char *color;
	bool flows;

	if (p->before)
		mqshm_connection_rates(p->before, p->now, c, &rates);
	flows = rates.messages > 0 || rates.dropped > 0;
	color = connection_color(c, &rates);
	put_gone(p, c);
	fputs("  ", p->out);
	put_end(p, c, c->from_block, c->from_port, "e");
	fputs(" -> ", p->out);
	put_end(p, c, c->to_block, c->to_port, "w");
	fprintf(p->out, " [color=\"%s\" fontcolor=\"%s\" penwidth=%s label=\"",
		color, color, flows ? "2" : "1");
	if (flows)
		put_rates(p, &rates);
	else
		fprintf(p->out, "%llu messages, %s", (unsigned long long)c->messages, total);
	fprintf(p->out, "\\n%u of %u queued%s\"];\n", c->queued, c->depth,
		c->flags & MQSHM_RING_DEAD ? ", producer died" : "");
	free(total);
}

/* -- the whole ---------------------------------------------------------------------------- */

/* Memory and how much of it is in use; a pool without a free buffer is trouble. */
static void put_title(const struct picture *p)
{
	const struct mqshm_runtime_record *r = p->now->runtimes;

	fputs("  label=<<b>", p->out);
	put_text(p->out, p->now->n_runtimes ? r->name : "removed");
	fputs("</b>", p->out);
	for (size_t i = 0; i < p->now->n_pools; i++) {
		const struct mqshm_pool_record *pool = &p->now->pools[i];

		fputs("<br/>pool ", p->out);
		put_text(p->out, pool->name);
		if (pool->free)
			fprintf(p->out, ": %u of %u buffers free", pool->free, pool->buffers);
		else
			fprintf(p->out, "<font color=\"%s\">: none of %u buffers free</font>",
				COLOR_TROUBLE, pool->buffers);
	}
	fputs(">\n", p->out);
}

static void put_picture(const struct picture *p)
{
	fputs("digraph mqshm {\n"
	      "  rankdir=LR charset=\"UTF-8\" fontname=\"sans-serif\" labelloc=t fontsize=12 "
	      "nodesep=0.4 ranksep=1.2\n"
	      "  node [shape=plain fontname=\"sans-serif\" fontsize=12]\n"
	      "  edge [fontname=\"sans-serif\" fontsize=9 arrowsize=0.7]\n", p->out);
	put_title(p);
	for (size_t i = 0; i < p->now->n_clients; i++)
		put_client(p, &p->now->clients[i]);
	for (size_t i = 0; i < p->now->n_connections; i++)
		put_connection(p, &p->now->connections[i]);
	fputs("}\n", p->out);
}

/* DOT of the runtime, to be freed; NULL after a message. */
static char *draw(struct mqshm_runtime *rt, const char *name, uint64_t interval_s)
{
	struct mqshm_snapshot *before = NULL, *now;
	struct timespec interval = { .tv_sec = (time_t)interval_s };
	struct picture p;
	char *dot = NULL;
	size_t bytes;

	if (interval_s && runtime_snapshot(rt, name, &before))
		return NULL;
	if (interval_s)
		nanosleep(&interval, NULL);
	if (!runtime_snapshot(rt, name, &now)) {
		p = (struct picture){ .now = now, .before = before };
		p.out = open_memstream(&dot, &bytes);
		if (p.out) {
			put_picture(&p);
			fclose(p.out);
		}
		mqshm_snapshot_free(now);
	}
	mqshm_snapshot_free(before);
	return dot;
}

/* -- where it goes ---------------------------------------------------------------------------- */

static int write_text(const char *file, const char *dot)
{
	FILE *out = file ? fopen(file, "we") : stdout;
	bool good;

	if (!out)
		return fail("picture", file, "%s", strerror(errno));
	good = fputs(dot, out) >= 0;
	good = (file ? fclose(out) : fflush(out)) == 0 && good;
	return good ? EXIT_DONE : fail("picture", file ? file : "stdout", "%s", strerror(errno));
}

/* Graphviz reads from a pipe. */
static int run_graphviz(const struct graph_options *o, int input, pid_t *pid)
{
	char *format = text("-T%s", o->format), *file = text("-o%s", o->output);
	char *argv[] = { "dot", format, file, NULL };
	posix_spawn_file_actions_t actions;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	error = posix_spawnp(pid, "dot", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	free(format);
	free(file);
	return error;
}

static int render(const struct graph_options *o, const char *dot)
{
	int ends[2], error, status = 0;
	pid_t pid;
	FILE *out;

	if (pipe2(ends, O_CLOEXEC))
		return fail("picture", o->output, "%s", strerror(errno));
	error = run_graphviz(o, ends[0], &pid);
	close(ends[0]);
	if (error) {
		close(ends[1]);
		return error == ENOENT ?
		       fail("picture", o->output, "Graphviz, which draws it, is not there: sudo apt "
			    "install graphviz; or take DOT: --output FILE.dot") :
		       fail("dot", NULL, "%s", strerror(error));
	}
	signal(SIGPIPE, SIG_IGN);
	out = fdopen(ends[1], "w");
	fputs(dot, out);
	fclose(out);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? fail("picture", o->output, "dot could not draw it (its reason is above)") :
	       EXIT_DONE;
}

int command_graph(int argc, char **argv)
{
	static const struct argp_option options[] = {
		OPTION_RUNTIME,
		{ "output", 'o', "FILE", 0, "Where it goes: FILE.svg, FILE.png, FILE.pdf, which need "
		  "Graphviz, or FILE.dot (default: DOT on stdout)", 0 },
		{ "interval", 'i', "SECONDS", 0, "How long rates are measured (default 1); 0: no rates, "
		  "but totals", 0 },
		{ 0 }
	};
	static const struct argp argp = {
		options, parse, NULL, "Draws the graph that runs, with the rates of its connections."
		"\vBlue flows, grey rests, orange is a full queue, red is what stalls or has died.\n\n"
		"  mqtool graph -o graph.svg", NULL, NULL, NULL
	};
	struct graph_options o = { .format = "dot", .interval_s = 1 };
	struct mqshm_runtime *rt;
	char *name, *dot;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &o);
	status = runtime_open(o.runtime, &rt, &name);
	if (status)
		return status;
	dot = draw(rt, name, o.interval_s);
	if (!dot)
		status = EXIT_FAILED;
	else
		status = strcmp(o.format, "dot") ? render(&o, dot) : write_text(o.output, dot);
	free(dot);
	mqshm_runtime_close(rt);
	free(name);
	return status;
}
