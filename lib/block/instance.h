/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An instance: a block of some type that runs in a client. */
#ifndef LIB_BLOCK_INSTANCE_H
#define LIB_BLOCK_INSTANCE_H

#include <stdbool.h>
#include <mqshm_block.h>
#include <mqshm_bus.h>

#define MQSHM_BUCKETS	252	/* four for each power of two that a time may have */

/**
 * struct mqshm_instance - a block that runs
 * @client: where it lives; used by the thread that runs it
 * @ops: its type
 * @name: of the block
 * @params: copies of the parameters, array[@n_params]
 * @n_params: their number
 * @trigger: when work is called
 * @period_ns: of MQSHM_TRIGGER_TIMER
 * @state: the type's own, zeroed
 * @specs: ports added by initialize, array[@n_specs]; NULL once registered
 * @n_specs: their number
 * @block: once registered
 * @inputs: array[@n_inputs] of ports
 * @outputs: array[@n_outputs] of ports
 * @n_inputs: their number
 * @n_outputs: their number
 * @picked: array of as many: those that a run sleeps on
 * @known: array of as many: messages known of each of those
 * @message: why it failed, NULL if nothing was said
 * @stop: it was asked to stop; set from any thread and from signal handlers
 * @end: it was asked to end its stream; set as @stop
 * @control: where requests for changes come from; NULL if its type takes none
 * @mail_seen: what the client's @mail was when it last looked there
 * @block_id: number of the block; 0 before it is registered
 * @forks: forks that had happened when it was made
 * @stats: what it did; stored for other threads by word
 * @shown: copy of that among the client's cells, NULL for none
 * @buckets: calls of work by their time
 */
struct mqshm_instance {
	struct mqshm_client *client;
	const struct mqshm_block_ops *ops;
	char *name;
	struct mqshm_param *params;
	size_t n_params;
	enum mqshm_trigger trigger;
	uint64_t period_ns;
	void *state;
	struct mqshm_port_spec *specs;
	size_t n_specs;
	struct mqshm_block *block;
	struct mqshm_port **inputs;
	struct mqshm_port **outputs;
	size_t n_inputs;
	size_t n_outputs;
	struct mqshm_port **picked;
	uint32_t *known;
	char *message;
	bool stop;
	bool end;
	struct mqshm_bus *control;
	uint32_t mail_seen;
	uint64_t block_id;
	unsigned int forks;
	struct mqshm_block_stats stats;
	struct mqshm_block_stats *shown;
	uint64_t buckets[MQSHM_BUCKETS];
};

/* It is to stop where it is: waits for room, connections and buffers end. */
bool mqshm_instance_cancelled(const struct mqshm_instance *in);

/* Copies what was given, checks it against what the type takes. */
int mqshm_params_set(struct mqshm_instance *in, const struct mqshm_param *params, size_t n);
/*
 * How many ports parameter @key (NULL: one) asks for, and whether they are numbered.
 * Bounded by the range of its spec, and by what one wait takes.
 */
int mqshm_params_count(struct mqshm_instance *in, const char *key, int64_t *n,
		       bool *numbered);
/* Takes other values for those that are live, if they are fit and the type agrees. */
int mqshm_params_change(struct mqshm_instance *in, const struct mqshm_param *params, size_t n);
void mqshm_params_free(struct mqshm_instance *in);

#endif /* LIB_BLOCK_INSTANCE_H */
