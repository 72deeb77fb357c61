/* SPDX-License-Identifier: GPL-2.0-only */
/* A file of YAML that is read key by key, where each word knows its line, for messages. */
#ifndef MQTOOL_READER_H
#define MQTOOL_READER_H

#include <libfyaml.h>

#include "spec.h"

/**
 * struct reader - a file that is being read
 * @spec: gets what is in it
 * @file: its name
 * @line: of the last key, for what has no line of its own
 * @status: EXIT_FAILED once something was wrong
 */
struct reader {
	struct spec *spec;
	const char *file;
	unsigned int line;
	int status;
};

/**
 * struct reader_key - a key that a mapping may have
 * @name: the key
 * @read: takes its value in; @what: what the mapping is about
 */
struct reader_key {
	const char *name;
	void (*read)(struct reader *r, struct fy_node *value, void *what);
};

/* Line of a scalar, or of the first one in it; 0 if it is empty. */
unsigned int reader_line(struct fy_node *node);
/* What is wrong, at a node; only the first is told. */
void reader_wrong(struct reader *r, struct fy_node *node, const char *kind, const char *name,
		  const char *what);
/* Text of a scalar, "" after a message; of a pair's key; whether it is true. */
const char *reader_word(struct reader *r, struct fy_node *node, const char *kind, const char *name);
const char *reader_key(struct reader *r, struct fy_node_pair *pair);
bool reader_bool(struct reader *r, struct fy_node *value, const char *name);
/* Says so if it is none. */
bool reader_is_mapping(struct reader *r, struct fy_node *node, const char *name, const char *form);
/* Reads a mapping that has only these keys. */
void reader_keys(struct reader *r, struct fy_node *node, const struct reader_key *keys, void *what);
/* Reads the file, a mapping of these keys; 0 or EXIT_FAILED, after a message. */
int reader_file(struct reader *r, const char *form, const struct reader_key *keys);

/* The value of the key "connections", see graph_connections.c. */
void read_connections(struct reader *r, struct fy_node *value, void *what);

#endif /* MQTOOL_READER_H */
