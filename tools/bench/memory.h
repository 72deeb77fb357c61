/* SPDX-License-Identifier: GPL-2.0-only */
/* What the module takes, beside payload. */
#ifndef MEMORY_H
#define MEMORY_H

#define MEMORY_DEPTH	256

/**
 * struct memory_result - bytes, measured as differences of what the module had
 * @buffer: of each buffer of a pool
 * @buffer_client: of each buffer and client that has held all of them
 * @client: of a client with a block and a port, for few buffers
 * @connection: of depth MEMORY_DEPTH, attached at both ends
 * @runtime: of an empty one with limits as they are by default
 */
struct memory_result {
	double buffer;
	double buffer_client;
	double client;
	double connection;
	double runtime;
};

/* 0, -EOPNOTSUPP if nobody can say what the module has here, or -errno. */
int memory_run(struct memory_result *out);

#endif /* MEMORY_H */
